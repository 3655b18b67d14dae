//! What a lab needs from a simulated world.

use super::CaptureFilter;
use crate::document::{ClusterPlan, Topology};
use crate::expect::Actual;

/// A simulated world that labs run on.
///
/// Everything happens in virtual time, and the same calls with the same seed give the same bytes.
pub trait LabWorld: Sized {
    /// Builds the machines and wires. Every machine's `lo` and NICs are up, nothing else is configured.
    ///
    /// # Errors
    /// If the topology cannot be built; the text names the machine or wire.
    fn build(topology: &Topology, options: &WorldOptions) -> Result<Self, BuildError>;

    /// Starts a cluster on the machines, whose addresses are configured by now, and waits until it is ready.
    ///
    /// # Errors
    /// Why it cannot be.
    fn start_cluster(&mut self, plan: &ClusterPlan) -> Result<(), BuildError>;

    /// Runs a bash command on a machine until its foreground part has ended.
    fn run(&mut self, machine: &str, command: &str) -> Actual;

    /// Runs a whole script with bash: as a file called `name`, so that `$0` and error messages name it.
    fn run_script(&mut self, machine: &str, name: &str, text: &str) -> Actual;

    /// Ends what still runs in the background with SIGTERM, so that `tcpdump -w` writes its files.
    fn finish(&mut self);

    /// The files that commands wrote below each machine's `/root`.
    fn files(&self) -> Vec<MachineFile>;

    /// The captures that [`WorldOptions::capture`] asked for.
    fn captures(&self) -> Captures;

    /// A hash of everything the run did: two runs that differ anywhere have different ones.
    fn digest(&self) -> u128;
}

/// What a world is built with.
#[derive(Clone, Debug, Default)]
pub struct WorldOptions {
    /// The seed of every random decision.
    pub seed: u64,
    /// Which links are captured.
    pub capture: CaptureFilter,
}

/// Why a topology cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub String);

/// A file that a command wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineFile {
    /// The machine.
    pub machine: String,
    /// The path below `/root`, its parts separated by `/`.
    pub path: String,
    /// The content.
    pub bytes: Vec<u8>,
}

/// What one link saw, as a pcap file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The machine.
    pub machine: String,
    /// The named network namespace; `None` for the machine's own.
    pub namespace: Option<String>,
    /// The link.
    pub link: String,
    /// The pcap file.
    pub pcap: Vec<u8>,
}

impl Capture {
    /// `machine:link`, or `machine/namespace:link`: what `--capture` patterns are matched with.
    pub fn label(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{namespace}:{}", self.machine, self.link),
            None => format!("{}:{}", self.machine, self.link),
        }
    }
}

/// Everything that was captured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    /// A pcap file for each link.
    pub links: Vec<Capture>,
    /// One pcapng file with all of them; `None` if nothing was to be captured.
    pub all: Option<Vec<u8>>,
    /// How many frames were not kept, as they were too many.
    pub missed: u64,
}
