//! The world that the command line runs on.

use hopwise_scenarios::document::Topology;
use hopwise_scenarios::expect::Actual;
use hopwise_scenarios::run::{BuildError, Captures, LabWorld, MachineFile, WorldOptions};

use super::interactive::Interactive;

/// The simulated world. It cannot be built yet, and says so.
#[derive(Debug)]
pub(super) struct World;

impl LabWorld for World {
    fn build(_: &Topology, _: &WorldOptions) -> Result<Self, BuildError> {
        Err(BuildError("this build of hopwise has no simulated world in it".into()))
    }

    fn run(&mut self, _: &str, _: &str) -> Actual {
        Actual::default()
    }

    fn run_script(&mut self, _: &str, _: &str, _: &str) -> Actual {
        Actual::default()
    }

    fn finish(&mut self) {}

    fn files(&self) -> Vec<MachineFile> {
        Vec::new()
    }

    fn captures(&self) -> Captures {
        Captures::default()
    }

    fn digest(&self) -> u128 {
        0
    }
}

impl Interactive for World {
    fn wants_more(&self, _: &str) -> bool {
        false
    }

    fn commands(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn links(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn namespaces(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}
