//! Namespaces: deleting them, and the numbers by which they know each other. Models `net/core/net_namespace.c`.

use hopwise_sim_core::{DropReason, IfIndex, NsId};

use crate::error::{Errno, NlError};
use crate::linkwatch;
use crate::network::Network;
use crate::socket::SocketId;

impl Network {
    /// Deletes a namespace: NICs go back to the host's root namespace, other links die and take their peers along, its
    /// sockets are closed, what is in flight to it is dropped, the others forget its number.
    ///
    /// # Errors
    /// `ENOENT` if there is no such namespace, `EBUSY` for the root namespace of a host.
    pub fn delete_namespace(&mut self, ns: NsId) -> Result<(), NlError> {
        let space = self.ns(ns).ok_or(Errno::ENOENT)?;
        if self.host(space.host).is_some_and(|h| h.root == ns) {
            return Err(Errno::EBUSY.into());
        }
        self.return_nics(ns);
        self.vxlan_home_gone(ns);
        let Some(space) = self.ns(ns) else { return Ok(()) };
        let mut links = space.devs.indices();
        // default_device_exit_batch: the last one first, lo at the end.
        links.reverse();
        for link in links {
            if self.ns(ns).is_some_and(|n| n.devs.get(link).is_some()) {
                self.delete_link(ns, link);
            }
        }
        for (at, link) in self.tunnels_elsewhere(ns) {
            self.delete_link(at, link);
        }
        linkwatch::after(self);
        self.drop_held(ns);
        self.forget_namespace(ns);
        self.forget_nsid(ns);
        Ok(())
    }

    /// The ends of wires to other hosts are hardware, which outlives a namespace: they go to the root namespace, down,
    /// and are called `devNUMBER` if their name is taken there (`default_device_exit_net`).
    fn return_nics(&mut self, ns: NsId) {
        let Some(space) = self.ns(ns) else { return };
        let Some(root) = self.host(space.host).map(|h| h.root) else { return };
        for link in space.devs.indices() {
            let peer_host = self.peer_of(ns, link).and_then(|(peer_ns, _)| self.ns(peer_ns)).map(|n| n.host);
            let (Some(space), Some(there)) = (self.ns(ns), self.ns(root)) else { return };
            if peer_host.is_none_or(|host| host == space.host) {
                continue;
            }
            let taken = |name: &str| there.devs.find(name).is_some();
            let number = format!("dev{}", link.0);
            let name = if taken(&number) { "dev%d".to_owned() } else { number };
            let name = taken(space.name_of(link)).then_some(name);
            // It is no link that is bound to its namespace, and the name is free.
            let _ = self.move_link(ns, link, root, name.as_deref());
        }
    }

    /// Closes the sockets of a namespace which is going away, and ends the life of the packets that wait in it; those
    /// that wait for neighbours and proxies went with their links.
    fn drop_held(&mut self, ns: NsId) {
        let sockets: Vec<SocketId> = self.ns(ns).into_iter().flat_map(|n| n.sockets.iter().map(|(id, _)| id)).collect();
        for socket in sockets {
            self.close_socket(ns, socket);
        }
        self.with(ns, |space, cx| {
            for packet in space.frags.drain() {
                cx.drop(packet, DropReason::DevReady);
            }
        });
    }

    /// The number by which `ns` knows `other`, given now if it has none yet: the lowest free one (`peernet2id_alloc`).
    /// `None` for itself and for namespaces that do not exist.
    pub fn nsid(&mut self, ns: NsId, other: NsId) -> Option<u32> {
        if ns == other || self.ns(other).is_none() {
            return None;
        }
        match self.nsid_of(ns, other) {
            Some(id) => Some(id),
            None => Some(self.ns_mut(ns)?.nsids.assign(other)),
        }
    }

    /// The number by which `ns` knows `other`, if it has one (`peernet2id`).
    pub fn nsid_of(&self, ns: NsId, other: NsId) -> Option<u32> {
        self.ns(ns)?.nsids.find(other)
    }

    /// The namespace that `ns` knows by a number.
    pub fn ns_of_nsid(&self, ns: NsId, id: u32) -> Option<NsId> {
        self.ns(ns)?.nsids.get(id)
    }

    /// `ip netns set NAME NUMBER`: `ns` shall know `other` by that number.
    ///
    /// # Errors
    /// `EEXIST` if it has a number already, `ENOSPC` if the number is taken.
    pub fn set_nsid(&mut self, ns: NsId, other: NsId, id: u32) -> Result<(), NlError> {
        if self.nsid_of(ns, other).is_some() {
            return Err(NlError::with(Errno::EEXIST, "Peer netns already has a nsid assigned"));
        }
        if id >= MAX_NSID || self.ns_of_nsid(ns, id).is_some() {
            return Err(NlError::with(Errno::ENOSPC, "The specified nsid is already used"));
        }
        self.ns_mut(ns).ok_or(Errno::ENOENT)?.nsids.set(id, other);
        Ok(())
    }

    /// Nobody knows a deleted namespace by a number any more (`unhash_nsid`).
    fn forget_nsid(&mut self, gone: NsId) {
        let known: Vec<NsId> = self.namespaces().filter(|n| n.nsids.find(gone).is_some()).map(|n| n.id).collect();
        for ns in known {
            if let Some(space) = self.ns_mut(ns) {
                space.nsids.forget(gone);
            }
        }
    }

    /// Whether a link of a namespace has its peer in the same one.
    pub fn peer_is_here(&self, ns: NsId, link: IfIndex) -> bool {
        self.peer_of(ns, link).is_some_and(|(peer_ns, _)| peer_ns == ns)
    }
}

/// Numbers are kept in a table: nobody needs more than this.
const MAX_NSID: u32 = 65_536;
