//! A lab's world after its commands have run: where `shell` and `explain` begin.

use std::path::Path;

use hopwise_scenarios::document::{Action, Lab, Topology};
use hopwise_scenarios::run::{LabWorld, WorldOptions, discover, load};

use super::Refusal;

/// Builds the lab's machines (one called `host` without a lab) and, unless `fresh`, runs its commands.
pub(super) fn play<W: LabWorld>(lab: Option<&Lab>, fresh: bool, seed: u64) -> Result<(W, Topology), Refusal> {
    let topology = lab.map_or_else(Topology::one_machine, |lab| lab.topology.clone());
    let options = WorldOptions { seed, ..WorldOptions::default() };
    let mut world = W::build(&topology, &options).map_err(|error| Refusal::new(error.to_string()))?;
    for machine in &topology.machines {
        for command in &machine.exec {
            world.run(&machine.name, command);
        }
    }
    if let Some(plan) = lab.and_then(|lab| lab.cluster.as_ref()) {
        let failed = |error| Refusal::new(format!("the cluster cannot be started: {error}"));
        world.start_cluster(plan).map_err(failed)?;
    }
    for step in lab.iter().filter(|_| !fresh).flat_map(|lab| &lab.steps) {
        match &step.action {
            Action::Command(command) => world.run(&step.machine, command),
            Action::Script(name, text) => world.run_script(&step.machine, name, text),
        };
    }
    Ok((world, topology))
}

/// The one lab at a path.
pub(super) fn one_lab(path: &Path) -> Result<Lab, Refusal> {
    let refuse = |error: hopwise_scenarios::run::LoadError| Refusal::new(error.to_string());
    let named = [path.to_owned()];
    let mut labs = load(&discover(&named, None).map_err(refuse)?, &named).map_err(refuse)?;
    if labs.len() != 1 {
        return Err(Refusal::new(format!(
            "{}: there are {} labs in this folder, name one",
            path.display(),
            labs.len()
        )));
    }
    let lab = labs.remove(0);
    match &lab.error {
        Some(error) => {
            Err(Refusal::new(format!("this lab cannot be read\n{}", error.render(&lab.path, &lab.source, true))))
        }
        None => Ok(lab),
    }
}
