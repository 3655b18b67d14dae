//! What a machine needs from the networking side, and the names by which both speak of machines and processes.

use core::fmt::{self, Debug};

use crate::Errno;
use crate::files::FileKind;

/// A machine of the world: an index in the order of creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MachineId(pub u32);

impl MachineId {
    /// The position in the list of machines.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A process: its machine and the number which that machine shows for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pid {
    /// The machine the process runs on.
    pub machine: MachineId,
    /// The number `ps` and `$$` show.
    pub number: u32,
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)
    }
}

/// One name in a folder that the kernel makes up.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DirEntry {
    /// The name within the folder.
    pub name: String,
    /// What it names.
    pub kind: FileKind,
}

/// The network side of a machine, as far as files and processes touch it. `hopwise-userland` implements it for the network stack.
///
/// Paths are absolute and normalised (no `..`, no double slash); they begin with `/proc/` or `/sys/`.
///
/// `Clone`, because worlds can be forked.
pub trait Kernel: Clone + 'static {
    /// A network namespace as a process carries it (`/proc/PID/ns/net`).
    type Ns: Copy + Eq + Debug + Send + Sync;

    /// Reads a made-up file, for example `/proc/sys/net/ipv4/ip_forward` or `/sys/class/net/eth0/mtu`. `None`: the kernel has no such file.
    fn proc_read(&mut self, machine: MachineId, ns: Self::Ns, path: &str) -> Option<Result<Vec<u8>, Errno>>;

    /// Writes to a made-up file, as one `write(2)`. `None`: the kernel has no such file.
    fn proc_write(&mut self, machine: MachineId, ns: Self::Ns, path: &str, data: &[u8]) -> Option<Result<(), Errno>>;

    /// Lists a made-up folder. `None`: the kernel has no such folder.
    fn proc_list(&mut self, machine: MachineId, ns: Self::Ns, dir: &str) -> Option<Vec<DirEntry>>;

    /// Where a made-up symbolic link points. `None`: the kernel has none of that path.
    fn proc_link(&mut self, _machine: MachineId, _ns: Self::Ns, _path: &str) -> Option<String> {
        None
    }

    /// The name or number that `readlink /proc/PID/ns/net` shows between the brackets.
    fn ns_inode(&mut self, _ns: Self::Ns) -> u64 {
        4_026_531_840
    }

    /// A process is gone: its sockets and captures are to be closed.
    fn proc_exited(&mut self, _pid: Pid) {}

    /// The last process of a machine that lived in this namespace has left it, by going elsewhere or by ending.
    fn ns_left(&mut self, _machine: MachineId, _ns: Self::Ns) {}
}

/// A kernel without any network: enough to try shells and text programs.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoNetwork;

impl Kernel for NoNetwork {
    type Ns = ();
    fn proc_read(&mut self, _: MachineId, (): (), _: &str) -> Option<Result<Vec<u8>, Errno>> {
        None
    }
    fn proc_write(&mut self, _: MachineId, (): (), _: &str, _: &[u8]) -> Option<Result<(), Errno>> {
        None
    }
    fn proc_list(&mut self, _: MachineId, (): (), _: &str) -> Option<Vec<DirEntry>> {
        None
    }
}
