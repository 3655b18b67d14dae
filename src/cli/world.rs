//! The world that the command line runs on, and what the interactive shell asks it.

use hopwise_scenarios::run::SimWorld;

use super::interactive::Interactive;

/// The simulated world.
pub(super) type World = SimWorld;

impl Interactive for World {
    fn wants_more(&self, command: &str) -> bool {
        hopwise_machine::is_incomplete(command)
    }

    fn commands(&self, machine: &str) -> Vec<String> {
        let _ = machine;
        self.world.machines.table().iter().map(|row| row.name.to_owned()).collect()
    }

    fn links(&self, machine: &str) -> Vec<String> {
        let net = self.world.net();
        let Some(host) = net.hosts().iter().position(|h| h.name == machine) else { return Vec::new() };
        let spaces = net.namespaces().filter(|n| n.host.0 as usize == host);
        let mut names: Vec<String> = spaces.flat_map(|n| n.devs.iter().map(|d| d.name.to_string())).collect();
        names.sort();
        names.dedup();
        names
    }

    fn namespaces(&self, machine: &str) -> Vec<String> {
        let Some(id) = self.world.machine(machine) else { return Vec::new() };
        self.world.kernel.names.get(id.index()).map_or_else(Vec::new, |names| names.keys().cloned().collect())
    }
}
