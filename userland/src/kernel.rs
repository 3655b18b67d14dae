//! What programs reach when they call the kernel: the network, and the made-up files under `/proc` and `/sys`.

use std::collections::BTreeMap;

use hopwise_cluster::Store;
use hopwise_machine::{DirEntry, Kernel, MachineId, Pid};
use hopwise_sim_core::{Errno, HostId, IfIndex, NsId};
use hopwise_stack::Network;
use hopwise_stack::control::tun::{TunFile, TunRequest};
use hopwise_stack::socket::SocketId;
use indexmap::IndexMap;

use crate::kube::Kube;
use crate::kube::cilium::Node as CiliumNode;
use crate::rtnetlink::Rtnetlink;
use crate::unix::UnixSockets;

/// The kernel of all machines: the network, the named namespaces of each machine, the sockets of each process.
#[derive(Clone, Debug)]
pub struct SimKernel {
    /// The network.
    pub net: Network,
    /// The named namespaces of each machine (`/run/netns/NAME`), in the order of creation.
    pub names: Vec<IndexMap<String, NsId>>,
    /// The sockets that processes hold, closed when they exit.
    sockets: Vec<(Pid, NsId, SocketId)>,
    /// The tuns that processes have open, closed when they exit.
    tuns: Vec<(Pid, TunFile)>,
    /// The processes that listen to the connections of a namespace.
    listeners: Vec<(Pid, NsId)>,
    /// The processes that listen to Cilium's programs of a namespace.
    monitors: Vec<(Pid, NsId)>,
    /// The modules that `modprobe` was asked for on each machine, the last one first.
    pub modules: BTreeMap<MachineId, Vec<&'static str>>,
    /// The Kubernetes cluster, if there is one.
    pub kube: Kube,
    /// The sockets of `AF_UNIX`.
    pub unix: UnixSockets,
    /// The processes that listen to changes of links, addresses and routes.
    pub rtnetlink: Rtnetlink,
    /// The control groups whose sockets are bound to a VRF (`ip vrf exec`), with the number of its link.
    vrfs: BTreeMap<(MachineId, Box<str>), IfIndex>,
    /// What the Cilium agent of each machine keeps in its memory.
    pub cilium: BTreeMap<MachineId, CiliumNode>,
}

impl SimKernel {
    /// A kernel without machines.
    pub fn new(seed: u64) -> Self {
        SimKernel {
            net: Network::new(seed),
            names: Vec::new(),
            sockets: Vec::new(),
            tuns: Vec::new(),
            listeners: Vec::new(),
            monitors: Vec::new(),
            modules: BTreeMap::new(),
            kube: Kube::new(seed),
            unix: UnixSockets::default(),
            rtnetlink: Rtnetlink::default(),
            vrfs: BTreeMap::new(),
            cilium: BTreeMap::new(),
        }
    }

    /// The objects of the cluster, whose clock is set to the present.
    pub fn store(&mut self) -> &mut Store {
        self.kube.store.set_now(self.net.now());
        &mut self.kube.store
    }

    /// Notes that a process holds a socket, so that it is closed with the process.
    pub fn hold(&mut self, pid: Pid, ns: NsId, socket: SocketId) {
        self.sockets.push((pid, ns, socket));
    }

    /// A process closed a socket itself: its number may be another one's soon.
    pub fn release(&mut self, ns: NsId, socket: SocketId) {
        self.sockets.retain(|(_, n, s)| (*n, *s) != (ns, socket));
    }

    /// Opens a tun or tap for a process: it is woken when there is something to be read, and the file is closed with it.
    ///
    /// # Errors
    /// As [`Network::tun_open`].
    pub fn open_tun(&mut self, pid: Pid, ns: NsId, request: &TunRequest) -> Result<TunFile, Errno> {
        let request = TunRequest { reader: Self::owner(pid), ..request.clone() };
        let file = self.net.tun_open(ns, &request)?;
        self.tuns.push((pid, file));
        Ok(file)
    }

    /// A process closed a tun itself.
    pub fn close_tun(&mut self, file: TunFile) {
        self.tuns.retain(|(_, open)| *open != file);
        self.net.tun_close(file);
    }

    /// A process listens to what happens to the connections of a namespace, and is woken for it. Gives the number of the next
    /// message.
    pub fn listen_to_conntrack(&mut self, pid: Pid, ns: NsId) -> u64 {
        self.listeners.push((pid, ns));
        self.net.with_conntrack(ns, |table, _| table.events.listen(Self::owner(pid))).unwrap_or(0)
    }

    /// A process listens to what Cilium's programs of a namespace tell, and is woken for it. Gives the number of the next event.
    pub fn listen_to_cilium(&mut self, pid: Pid, ns: NsId) -> u64 {
        self.monitors.push((pid, ns));
        let maps = self.net.ns_mut(ns).and_then(|space| space.cilium.as_deref_mut());
        maps.map_or(0, |maps| maps.events.listen(Self::owner(pid)))
    }

    /// Whatever the processes of a control group open from now on is bound to a VRF.
    pub fn bind_cgroup(&mut self, machine: MachineId, cgroup: &str, vrf: IfIndex) {
        self.vrfs.insert((machine, cgroup.into()), vrf);
    }

    /// The VRF to which the sockets of a control group are bound.
    pub fn vrf_of(&self, machine: MachineId, cgroup: &str) -> IfIndex {
        self.vrfs.get(&(machine, cgroup.into())).copied().unwrap_or(IfIndex::NONE)
    }

    /// The namespace of that name on a machine.
    pub fn named(&self, machine: MachineId, name: &str) -> Option<NsId> {
        self.names.get(machine.index())?.get(name).copied()
    }

    /// The name of a namespace on a machine, if it has one.
    pub fn name_of(&self, machine: MachineId, ns: NsId) -> Option<&str> {
        self.names.get(machine.index())?.iter().find(|(_, n)| **n == ns).map(|(name, _)| &**name)
    }

    /// The host that is this machine: they are added together.
    pub const fn host_of(machine: MachineId) -> HostId {
        HostId(machine.0)
    }

    /// The number by which a process is known to the network as the owner of sockets.
    pub const fn owner(pid: Pid) -> u64 {
        ((pid.machine.0 as u64) << 32) | pid.number as u64
    }

    /// The process that owns a socket.
    pub const fn pid_of(owner: u64) -> Pid {
        Pid { machine: MachineId((owner >> 32) as u32), number: owner as u32 }
    }
}

impl Kernel for SimKernel {
    type Ns = NsId;

    fn proc_read(&mut self, machine: MachineId, ns: NsId, path: &str) -> Option<Result<Vec<u8>, Errno>> {
        crate::procfs::read(self, machine, ns, path)
    }

    fn proc_write(&mut self, machine: MachineId, ns: NsId, path: &str, data: &[u8]) -> Option<Result<(), Errno>> {
        crate::procfs::write(self, machine, ns, path, data)
    }

    fn proc_list(&mut self, machine: MachineId, ns: NsId, dir: &str) -> Option<Vec<DirEntry>> {
        crate::procfs::list(self, machine, ns, dir)
    }

    fn proc_link(&mut self, _machine: MachineId, ns: NsId, path: &str) -> Option<String> {
        crate::sysfs::link(self, ns, path)
    }

    fn ns_inode(&mut self, ns: NsId) -> u64 {
        4_026_531_840 + u64::from(ns.0)
    }

    fn proc_exited(&mut self, pid: Pid) {
        let (gone, kept) = core::mem::take(&mut self.sockets).into_iter().partition(|(p, _, _)| *p == pid);
        self.sockets = kept;
        let gone: Vec<(Pid, NsId, SocketId)> = gone;
        for (_, ns, socket) in gone {
            self.net.close_socket(ns, socket);
        }
        let (gone, kept): (Vec<_>, Vec<_>) = core::mem::take(&mut self.tuns).into_iter().partition(|t| t.0 == pid);
        self.tuns = kept;
        for (_, file) in gone {
            self.net.tun_close(file);
        }
        let (gone, kept): (Vec<_>, Vec<_>) = core::mem::take(&mut self.monitors).into_iter().partition(|l| l.0 == pid);
        self.monitors = kept;
        for (_, ns) in gone {
            if let Some(maps) = self.net.ns_mut(ns).and_then(|space| space.cilium.as_deref_mut()) {
                maps.events.leave(Self::owner(pid));
            }
        }
        let (gone, kept): (Vec<_>, Vec<_>) = core::mem::take(&mut self.listeners).into_iter().partition(|l| l.0 == pid);
        self.listeners = kept;
        for (_, ns) in gone {
            self.net.with_conntrack(ns, |table, _| table.events.unlisten(Self::owner(pid)));
        }
        self.kube.forget(pid);
        for other in self.unix.forget(pid) {
            self.kube.poke(other);
        }
        if self.rtnetlink.forget(pid) {
            self.net.unlisten_to_links(Self::owner(pid));
        }
    }

    /// A namespace that nobody lives in ends, unless a name keeps it (`put_net`).
    fn ns_left(&mut self, machine: MachineId, ns: NsId) {
        if self.name_of(machine, ns).is_none() {
            // A machine's root namespace refuses, and stays.
            let _ = self.net.delete_namespace(ns);
        }
    }
}
