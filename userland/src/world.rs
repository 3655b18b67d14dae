//! The world: machines with shells and programs, joined by a network, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use hopwise_capture::services::services_file;
use hopwise_machine::{CommandId, MachineId, Machines, Signal};
use hopwise_sim_core::{Duration, HostId, IfIndex, NsId, Time};
use hopwise_stack::control::link::WireSpec;
use hopwise_stack::network::Stop;
use hopwise_stack::{Network, NlError};
use indexmap::IndexMap;

use crate::captures::LinkLabel;
use crate::kernel::SimKernel;
use crate::programs;

/// What a command printed and how it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// Standard output and standard error, in the order of writing.
    pub text: String,
    /// Exit status.
    pub status: i32,
}

impl Output {
    /// Gives itself back if the command succeeded.
    ///
    /// # Panics
    /// If the exit status is not 0, with what was printed: this is an assertion for tests.
    #[track_caller]
    pub fn expect_ok(self) -> Self {
        assert!(self.status == 0, "exit status {}:\n{}", self.status, self.text);
        self
    }
}

/// How long a foreground command may take in virtual time before it is ended: an hour, longer than any lab waits.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Machines, their programs and the network between them. Cloning it forks it: everything goes on in both, each for
/// itself.
#[derive(Clone)]
pub struct World {
    /// The network and what programs see of it.
    pub kernel: SimKernel,
    /// The machines: files, processes, shells.
    pub machines: Machines<SimKernel>,
    /// The names of captured links.
    pub(crate) labels: BTreeMap<(NsId, IfIndex), LinkLabel>,
    /// The owners of sockets that were woken last.
    woken: Vec<u64>,
}

impl World {
    /// A world without machines. All random decisions derive from `seed`.
    pub fn new(seed: u64) -> Self {
        World {
            kernel: SimKernel::new(seed),
            machines: Machines::new(programs::table(), seed),
            labels: BTreeMap::new(),
            woken: Vec::new(),
        }
    }

    /// Adds a machine: a host with a root namespace whose `lo` is up, and an empty file tree.
    pub fn add_machine(&mut self, name: &str) -> MachineId {
        let host = self.kernel.net.add_host(name);
        let root = self.kernel.net.host(host).map_or(NsId(0), |h| h.root);
        self.kernel.names.push(IndexMap::new());
        let machine = self.machines.add_machine(name, root);
        let written = self.machines.write_file(machine, "/etc/services", services_file().as_bytes());
        debug_assert_eq!(written, Ok(()), "/etc of a new machine is empty");
        debug_assert_eq!(SimKernel::host_of(machine), host, "machines and hosts are added together");
        machine
    }

    /// The machine of that name.
    pub fn machine(&self, name: &str) -> Option<MachineId> {
        self.kernel.net.hosts().iter().position(|h| h.name == name).map(|i| MachineId(i as u32))
    }

    /// The present.
    pub fn now(&self) -> Time {
        self.kernel.net.now()
    }

    /// Runs a command line in the shell session of a machine, until its foreground part is over.
    pub fn run(&mut self, machine: MachineId, command: &str) -> Output {
        let id = match self.machines.submit(machine, command) {
            Ok(id) => id,
            Err(errno) => return Output { text: format!("bash: {errno}\n"), status: 126 },
        };
        self.wait(id)
    }

    /// Runs a script in a shell of its own (`bash NAME`), until it is over.
    pub fn run_script(&mut self, machine: MachineId, name: &str, text: &str) -> Output {
        match self.machines.run_script(machine, name, text) {
            Ok(id) => self.wait(id),
            Err(errno) => Output { text: format!("bash: {name}: {errno}\n"), status: 126 },
        }
    }

    fn wait(&mut self, id: CommandId) -> Output {
        let deadline = self.now() + PATIENCE;
        let mut trouble = String::new();
        while self.machines.status(id).is_none() {
            match self.advance(deadline) {
                Advance::Progress => {}
                Advance::Nothing => {
                    trouble = "hopwise: the command waits for something that will never happen\n".into();
                    break;
                }
                Advance::Trouble(text) => {
                    trouble = text;
                    break;
                }
            }
            if self.now() >= deadline {
                trouble = format!("hopwise: the command did not end within {} s of virtual time\n", PATIENCE.as_secs());
                break;
            }
        }
        let status = match self.machines.status(id) {
            Some(status) => status,
            None => {
                self.machines.interrupt(id);
                let now = self.now();
                self.machines.step_ready(now, &mut self.kernel);
                self.wake_up();
                self.machines.status(id).unwrap_or(124)
            }
        };
        let mut text = String::from_utf8_lossy(&self.machines.take_output(id)).into_owned();
        text.push_str(&trouble);
        self.note_labels();
        Output { text, status }
    }

    /// Goes on for a span of virtual time.
    pub fn run_for(&mut self, span: Duration) {
        let until = self.now() + span;
        while self.now() < until && matches!(self.advance(until), Advance::Progress) {}
        self.kernel.net.run_until(until);
    }

    /// Goes on until nothing is left to happen, at most for `limit`: no packet in flight, no timer, no program waiting
    /// for a time. Gives false if the limit came first.
    pub fn run_until_idle(&mut self, limit: Duration) -> bool {
        let until = self.now() + limit;
        loop {
            match self.advance(until) {
                Advance::Progress if self.now() >= until => return false,
                Advance::Progress => {}
                Advance::Nothing => return true,
                Advance::Trouble(_) => return false,
            }
        }
    }

    /// One step of the world: programs that can go on, else the next events of the network.
    fn advance(&mut self, limit: Time) -> Advance {
        // The objects may have been changed from outside.
        self.wake_watchers();
        let now = self.now();
        let wake = self.machines.next_wake();
        if wake.is_some_and(|t| t <= now) {
            self.machines.step_ready(now, &mut self.kernel);
            self.wake_up();
            return Advance::Progress;
        }
        let next = [wake, self.kernel.net.next_event()].into_iter().flatten().min();
        let Some(next) = next else { return Advance::Nothing };
        if next > limit {
            self.kernel.net.run_until(limit);
            return Advance::Progress;
        }
        let until = wake.unwrap_or(limit).min(limit);
        match self.kernel.net.run_until(until) {
            Stop::Storm(storm) => return Advance::Trouble(self.describe_storm(&storm)),
            Stop::Woken | Stop::Reached => self.wake_up(),
        }
        Advance::Progress
    }

    fn wake_up(&mut self) {
        self.kernel.net.swap_wakeups(&mut self.woken);
        for owner in &self.woken {
            self.machines.wake(SimKernel::pid_of(*owner));
        }
        self.wake_watchers();
    }

    /// Wakes who watches objects that have changed.
    fn wake_watchers(&mut self) {
        self.kernel.tell_rtnetlink();
        for pid in self.kernel.kube.take_woken() {
            self.machines.wake(pid);
        }
    }

    fn describe_storm(&self, storm: &hopwise_stack::network::Storm) -> String {
        let names: Vec<String> =
            storm.links.iter().map(|(ns, link, n)| format!("{} ({n} frames)", self.link_name(*ns, *link))).collect();
        format!(
            "hopwise: packets circle or multiply without end ({} in flight at {} s): a loop of bridges or of routes.\n\
             hopwise: the frames are on their way to {}\n",
            storm.in_flight,
            storm.at,
            names.join(", ")
        )
    }

    /// The link of a full name, `host:link` or `host/namespace:link`.
    pub fn find_link(&self, label: &str) -> Option<(NsId, IfIndex)> {
        let (place, link) = label.rsplit_once(':')?;
        let ns = self.find_ns(place)?;
        Some((ns, self.net().ns(ns)?.devs.index_of(link)?))
    }

    /// The namespace of a full name, `host` or `host/name`.
    pub fn find_ns(&self, place: &str) -> Option<NsId> {
        let (machine, name) = place.split_once('/').map_or((place, None), |(m, n)| (m, Some(n)));
        let machine = self.machine(machine)?;
        match name {
            Some(name) => self.kernel.named(machine, name),
            None => self.net().host(SimKernel::host_of(machine)).map(|h| h.root),
        }
    }

    /// A link's full name: `host/namespace:link`, without the namespace part in a root namespace.
    pub fn link_name(&self, ns: NsId, link: IfIndex) -> String {
        let Some(space) = self.kernel.net.ns(ns) else { return format!("?:{link}") };
        format!("{}:{}", self.ns_name(space.host, ns), space.name_of(link))
    }

    /// A namespace's full name: `host`, or `host/name`.
    pub fn ns_name(&self, host: HostId, ns: NsId) -> String {
        let Some(h) = self.kernel.net.host(host) else { return "?".into() };
        if h.root == ns {
            return h.name.clone();
        }
        match self.kernel.name_of(MachineId(host.0), ns) {
            Some(name) => format!("{}/{name}", h.name),
            None => format!("{}/net:[{}]", h.name, ns.0),
        }
    }

    /// Joins two machines by a wire between two new NICs, both up.
    ///
    /// # Errors
    /// If a name is taken or not allowed.
    pub fn connect(&mut self, a: (MachineId, &str), b: (MachineId, &str), wire: WireSpec) -> Result<(), NlError> {
        let root = |machine: MachineId| self.kernel.net.host(SimKernel::host_of(machine)).map_or(NsId(0), |h| h.root);
        let (ns_a, ns_b) = (root(a.0), root(b.0));
        self.kernel.net.connect((ns_a, a.1), (ns_b, b.1), wire).map(|_| ())
    }

    /// Ends what still runs on all machines with SIGTERM and lets it finish: a `tcpdump -w` writes its file.
    pub fn finish(&mut self) {
        for machine in (0..self.machines.len()).map(|i| MachineId(i as u32)) {
            for pid in self.machines.alive(machine) {
                // A process that has just ended by itself needs no signal.
                let _ = self.machines.kill(pid, Signal::TERM);
            }
        }
        let now = self.now();
        self.machines.step_ready(now, &mut self.kernel);
        self.wake_up();
    }

    /// A hash of everything the world did: two runs that differ anywhere have different ones.
    pub fn digest(&self) -> u128 {
        let mut hash = fnv128(FNV_BASIS, &self.kernel.net.digest().to_le_bytes());
        for machine in (0..self.machines.len()).map(|i| MachineId(i as u32)) {
            for (path, bytes) in self.files(machine) {
                hash = fnv128(fnv128(hash, path.as_bytes()), &bytes);
            }
        }
        hash
    }

    /// The files that commands made or changed below a machine's `/root`, with paths relative to it, in order of path.
    pub fn files(&self, machine: MachineId) -> Vec<(String, Arc<Vec<u8>>)> {
        self.machines.files(machine).map_or_else(Vec::new, |tree| tree.changed_files("/root"))
    }

    /// The network, to be looked at.
    pub fn net(&self) -> &Network {
        &self.kernel.net
    }
}

/// The offset basis of FNV-1a with 128 bits.
const FNV_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;

fn fnv128(hash: u128, bytes: &[u8]) -> u128 {
    bytes.iter().fold(hash, |h, b| (h ^ u128::from(*b)).wrapping_mul(0x0100_0000_0000_0000_0000_013b))
}

enum Advance {
    Progress,
    Nothing,
    Trouble(String),
}
