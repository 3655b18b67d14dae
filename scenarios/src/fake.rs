//! A world without a network, for tests of what runs labs: it knows a handful of words and has one file tree per
//! machine.
//!
//! | command | what it does |
//! | --- | --- |
//! | `say TEXT` | prints TEXT and a newline; `\n` in it is a newline |
//! | `put TEXT` | prints TEXT without a newline |
//! | `fail N` | ends with status N |
//! | `write FILE TEXT` | writes a file below `/root` |
//! | `random` | prints a number that depends on the seed, the machine and what ran before |
//! | `machines` | prints the machines |
//! | `panic` | panics, as a world with a bug does |
//!
//! Anything else is refused as bash refuses it, with status 127.

use crate::document::Topology;
use crate::expect::Actual;
use crate::run::{BuildError, Capture, Captures, LabWorld, MachineFile, WorldOptions};

/// The world.
#[derive(Clone, Debug)]
pub struct FakeWorld {
    options: WorldOptions,
    topology: Topology,
    files: Vec<MachineFile>,
    state: u128,
    finished: bool,
}

impl FakeWorld {
    /// FNV-1a: enough to make a state that depends on everything before.
    fn mix(&mut self, text: &str) {
        for byte in text.bytes() {
            self.state = (self.state ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    fn word(&mut self, machine: &str, command: &str) -> (String, i32) {
        let (word, rest) = command.trim_end_matches('&').trim().split_once(' ').unwrap_or((command.trim(), ""));
        match word {
            "" => (String::new(), 0),
            "say" => (rest.replace("\\n", "\n") + "\n", 0),
            "put" => (rest.to_owned(), 0),
            "fail" => (String::new(), rest.parse().unwrap_or(2)),
            "write" => {
                let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
                self.files.push(MachineFile { machine: machine.into(), path: path.into(), bytes: text.into() });
                (String::new(), 0)
            }
            "random" => (format!("{}\n", self.state >> 96), 0),
            "machines" => (self.topology.names() + "\n", 0),
            "panic" => panic!("the fake world was told to panic"),
            word => (format!("bash: line 1: {word}: command not found\n"), 127),
        }
    }
}

impl LabWorld for FakeWorld {
    fn build(topology: &Topology, options: &WorldOptions) -> Result<Self, BuildError> {
        if topology.has_machine("impossible") {
            return Err(BuildError("`impossible` cannot be built".into()));
        }
        let state = u128::from(options.seed) ^ 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        Ok(Self { options: options.clone(), topology: topology.clone(), files: Vec::new(), state, finished: false })
    }

    fn start_cluster(&mut self, _: &crate::document::ClusterPlan) -> Result<(), BuildError> {
        Ok(())
    }

    fn run(&mut self, machine: &str, command: &str) -> Actual {
        self.mix(machine);
        self.mix(command);
        let (output, status) = self.word(machine, command);
        self.mix(&output);
        Actual { output, status }
    }

    fn run_script(&mut self, machine: &str, name: &str, text: &str) -> Actual {
        let mut all = Actual { output: format!("{name} on {machine}\n"), status: 0 };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let actual = self.run(machine, line);
            all.output.push_str(&actual.output);
            all.status = actual.status;
        }
        all
    }

    fn finish(&mut self) {
        self.finished = true;
    }

    fn files(&self) -> Vec<MachineFile> {
        assert!(self.finished, "files are read after the end");
        self.files.clone()
    }

    fn captures(&self) -> Captures {
        let ends = self.topology.wires.iter().flat_map(|wire| &wire.ends);
        let capture = |end: &crate::document::topology::Endpoint| Capture {
            machine: end.machine.clone(),
            namespace: None,
            link: end.link.clone(),
            pcap: format!("{end} {}", self.state).into_bytes(),
        };
        let links: Vec<Capture> = ends.map(capture).filter(|c| self.options.capture.takes(&c.label())).collect();
        let all = (!links.is_empty()).then(|| links.iter().flat_map(|c| c.pcap.clone()).collect());
        Captures { links, all, missed: 0 }
    }

    fn digest(&self) -> u128 {
        self.state
    }
}
