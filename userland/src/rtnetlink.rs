//! Who is told that links, addresses and routes have changed (`RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`).
//!
//! A listener is woken; what has changed it asks for itself, as one does that has lost messages.

use core::hash::{Hash, Hasher};

use hopwise_machine::Pid;
use hopwise_sim_core::NsId;
use hopwise_stack::Namespace;
use rustc_hash::FxHasher;

use crate::kernel::SimKernel;

#[derive(Clone, Debug)]
struct Listener {
    pid: Pid,
    ns: NsId,
    /// Routes matter to it, too.
    routes: bool,
    /// How it was when the listener was told the last time.
    seen: u64,
}

/// The listeners.
#[derive(Clone, Debug, Default)]
pub struct Rtnetlink {
    listeners: Vec<Listener>,
}

impl Rtnetlink {
    /// A process has ended; true if it listened.
    pub fn forget(&mut self, pid: Pid) -> bool {
        let before = self.listeners.len();
        self.listeners.retain(|listener| listener.pid != pid);
        self.listeners.len() != before
    }
}

impl SimKernel {
    /// A process listens to changes of a namespace's links and addresses, and perhaps of its routes.
    pub fn listen_to_rtnetlink(&mut self, pid: Pid, ns: NsId, routes: bool) {
        if self.rtnetlink.forget(pid) {
            self.net.unlisten_to_links(Self::owner(pid));
        }
        let seen = self.net.ns(ns).map_or(0, |space| state(space, routes));
        self.rtnetlink.listeners.push(Listener { pid, ns, routes, seen });
        self.net.listen_to_links(ns, Self::owner(pid));
    }

    /// Wakes those for whom something has changed.
    pub(crate) fn tell_rtnetlink(&mut self) {
        for listener in &mut self.rtnetlink.listeners {
            let Some(space) = self.net.ns(listener.ns) else { continue };
            let now = state(space, listener.routes);
            if core::mem::replace(&mut listener.seen, now) != now {
                self.kube.poke(listener.pid);
            }
        }
    }
}

/// A number that is another one after a change.
fn state(space: &Namespace, routes: bool) -> u64 {
    let mut hasher = FxHasher::default();
    for dev in space.devs.iter() {
        (dev.index, &dev.name, dev.flags.bits(), dev.carrier, dev.master, dev.mtu).hash(&mut hasher);
        for addr in &dev.inet.addrs {
            (addr.local, addr.peer, addr.prefix_len).hash(&mut hasher);
        }
    }
    if routes {
        for table in space.fib.tables() {
            for route in table.iter() {
                (route.dst, route.metric, route.proto, route.kind as u8).hash(&mut hasher);
                for hop in &route.nexthops {
                    (hop.via, hop.dev).hash(&mut hasher);
                }
            }
        }
    }
    hasher.finish()
}
