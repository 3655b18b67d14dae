//! Labs run on the simulated world.

use core::time::Duration;

use hopwise_sim_core::Time;
use hopwise_stack::control::link::{WireChange, WireSpec};
use hopwise_userland::World;

use super::CaptureFilter;
use super::world::{BuildError, Capture, Captures, LabWorld, MachineFile, WorldOptions};
use crate::document::{ClusterPlan, Fault, Topology};
use crate::expect::Actual;

/// How long what was put into the background gets before the next command: a `tcpdump` must be listening by then. Labs
/// that are run on a real kernel wait as long.
const HEAD_START: Duration = Duration::from_millis(700);

/// How long what is still running gets before it is ended, there as here.
const LAST_MOMENT: Duration = Duration::from_millis(300);

/// How long a cluster may take until its nodes, and then the pods it begins with, are ready.
const SETTLING: Duration = Duration::from_secs(60);

/// A world that runs a lab, and what the run wants of it.
#[derive(Clone)]
pub struct SimWorld {
    /// The world.
    pub world: World,
    capture: CaptureFilter,
    /// What the commands printed and how they ended, for the digest.
    outputs: u128,
}

impl SimWorld {
    fn note(&mut self, output: hopwise_userland::Output) -> Actual {
        for byte in output.text.bytes().chain([output.status as u8]) {
            self.outputs = (self.outputs ^ u128::from(byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
        Actual { output: output.text, status: output.status }
    }
}

fn change_of(fault: &Fault) -> WireChange {
    WireChange {
        up: fault.up,
        delay: fault.delay_ns.map(Duration::from_nanos),
        jitter: fault.jitter_ns.map(Duration::from_nanos),
        rate: fault.rate_bits,
        loss_ppm: fault.loss_ppm,
    }
}

impl LabWorld for SimWorld {
    fn build(topology: &Topology, options: &WorldOptions) -> Result<Self, BuildError> {
        let mut world = World::new(options.seed);
        if options.capture != CaptureFilter::None {
            world.record_everything();
        }
        for machine in &topology.machines {
            world.add_machine(&machine.name);
        }
        for (i, wire) in topology.wires.iter().enumerate() {
            // A wire to which something happens has a number.
            let number = if wire.faults.is_empty() { 0 } else { i as u32 + 1 };
            let [a, b] = &wire.ends;
            let find =
                |name: &str| world.machine(name).ok_or_else(|| BuildError(format!("there is no machine `{name}`")));
            let ends = ((find(&a.machine)?, a.link.as_str()), (find(&b.machine)?, b.link.as_str()));
            let spec = WireSpec {
                mtu: wire.mtu,
                delay: Duration::from_nanos(wire.medium.delay_ns),
                jitter: Duration::from_nanos(wire.medium.jitter_ns),
                rate: wire.medium.rate_bits,
                loss_ppm: wire.medium.loss_ppm,
                number,
            };
            world.connect(ends.0, ends.1, spec).map_err(|why| BuildError(format!("wire {a} - {b}: {why}")))?;
            for fault in &wire.faults {
                let at = Time::ZERO + Duration::from_nanos(fault.at_ns);
                world.kernel.net.plan_wire_change(at, number, change_of(fault));
            }
        }
        Ok(SimWorld { world, capture: options.capture.clone(), outputs: 0 })
    }

    fn start_cluster(&mut self, plan: &ClusterPlan) -> Result<(), BuildError> {
        let failed = |why: String| BuildError(why);
        self.world.start_cluster(plan.cluster.clone()).map_err(|why| failed(why.to_string()))?;
        // Without a network nodes are not ready until the lab brings one, and pods wait for them.
        let has_network = plan.cluster.cni.is_some();
        if has_network && !self.world.wait_for_nodes(SETTLING) {
            return Err(failed(self.world.why_not_ready()));
        }
        for object in &plan.manifests {
            self.world.kernel.store().apply(object.clone()).map_err(|why| failed(why.to_string()))?;
        }
        if has_network {
            self.world.wait_for_pods(SETTLING);
        }
        Ok(())
    }

    fn run(&mut self, machine: &str, command: &str) -> Actual {
        let Some(id) = self.world.machine(machine) else {
            return Actual { output: format!("hopwise: there is no machine `{machine}`\n"), status: 127 };
        };
        let output = self.world.run(id, command);
        if command.trim_end().ends_with('&') {
            self.world.run_for(HEAD_START);
        }
        self.note(output)
    }

    fn run_script(&mut self, machine: &str, name: &str, text: &str) -> Actual {
        let Some(id) = self.world.machine(machine) else {
            return Actual { output: format!("hopwise: there is no machine `{machine}`\n"), status: 127 };
        };
        let output = self.world.run_script(id, name, text);
        self.note(output)
    }

    fn finish(&mut self) {
        self.world.run_for(LAST_MOMENT);
        self.world.finish();
    }

    fn files(&self) -> Vec<MachineFile> {
        let hosts = self.world.net().hosts();
        hosts
            .iter()
            .filter_map(|host| Some((host, self.world.machine(&host.name)?)))
            .flat_map(|(host, id)| {
                self.world.files(id).into_iter().map(|(path, bytes)| MachineFile {
                    machine: host.name.clone(),
                    path,
                    bytes: bytes.to_vec(),
                })
            })
            .collect()
    }

    fn captures(&self) -> Captures {
        if self.capture == CaptureFilter::None {
            return Captures::default();
        }
        let takes = |label: &str| self.capture.takes(label);
        let links = self.world.pcaps(takes).into_iter().map(|(label, pcap)| Capture {
            machine: label.machine,
            namespace: label.namespace,
            link: label.link,
            pcap,
        });
        let missed = self.world.net().captures.missed();
        Captures { links: links.collect(), all: Some(self.world.pcapng(takes)), missed }
    }

    fn digest(&self) -> u128 {
        self.world.digest() ^ self.outputs.rotate_left(1)
    }
}
