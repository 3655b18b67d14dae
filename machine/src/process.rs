//! Processes: what the machine knows of each, and how one ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hopwise_sim_core::Time;

use crate::io::DescId;
use crate::signal::{Signal, SignalSet};
use crate::{Kernel, Program, Wait};

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExitStatus {
    /// It exited with this status, 0 to 255.
    Code(u8),
    /// A signal ended it.
    Signal(Signal),
}

impl ExitStatus {
    /// What a shell puts into `$?`: the status, or 128 plus the signal's number.
    pub fn shell_code(self) -> i32 {
        match self {
            ExitStatus::Code(code) => i32::from(code),
            ExitStatus::Signal(signal) => 128 + i32::from(signal.number()),
        }
    }
}

/// Environment variables, shared between processes until one changes them.
pub type Env = Arc<EnvMap>;

/// Environment variables in their order, which `env` shows.
pub type EnvMap = indexmap::IndexMap<String, String>;

/// A bind mount as `ip netns exec` makes them: below `target` one sees `source`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Bind {
    pub(crate) target: String,
    pub(crate) source: String,
}

/// An entry of a file descriptor table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FdEntry {
    pub(crate) desc: DescId,
    pub(crate) close_on_exec: bool,
}

/// What of a process can be inherited by a child.
#[derive(Clone)]
pub(crate) struct Inherited<K: Kernel> {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Env,
    pub(crate) cwd: String,
    pub(crate) umask: u32,
    pub(crate) ns: K::Ns,
    pub(crate) binds: Arc<Vec<Bind>>,
    /// Its control group, as in `/proc/PID/cgroup`: empty at the root.
    pub(crate) cgroup: Arc<str>,
    pub(crate) ignored: SignalSet,
    pub(crate) group: u32,
    /// The typed command it descends from.
    pub(crate) command: u32,
}

#[derive(Clone)]
pub(crate) struct Process<K: Kernel> {
    pub(crate) parent: u32,
    pub(crate) own: Inherited<K>,
    pub(crate) started: Time,
    pub(crate) fds: BTreeMap<u32, FdEntry>,
    /// `None` while it is being stepped, and after the end.
    pub(crate) program: Option<Box<dyn Program<K>>>,
    pub(crate) wait: Wait,
    /// The deadline entered in the machine's timers.
    pub(crate) deadline: Option<Time>,
    pub(crate) queued: bool,
    pub(crate) stopped: bool,
    pub(crate) caught: SignalSet,
    pub(crate) pending: SignalSet,
    /// Bytes that did not fit into a pipe yet; the process is not stepped before they are gone.
    pub(crate) outbox: VecDeque<(DescId, Vec<u8>)>,
    /// The status it will exit with once the outbox is empty.
    pub(crate) exiting: Option<u8>,
    /// Set when it is over, until the parent fetches it.
    pub(crate) ended: Option<ExitStatus>,
    /// The machine has stopped the command this shell is at; the shell itself lives on.
    pub(crate) abandon: bool,
}

impl<K: Kernel> Process<K> {
    /// What `ps` shows as the command's name.
    pub(crate) fn comm(&self) -> &str {
        let name = crate::files::base_name(self.own.argv.first().map_or("", String::as_str));
        let name = name.strip_prefix('-').unwrap_or(name);
        name.get(..15).unwrap_or(name)
    }
}
