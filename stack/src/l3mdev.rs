//! Layer-3 domains: which VRF a link belongs to, and the lookups that depend on it. Models `net/l3mdev/l3mdev.c`,
//! `inet_addr_type_dev_table` and `inet_sdif`.
//!
//! A namespace without VRFs ([`Namespace::vrfs`] is 0) pays one comparison for each question.

use core::net::Ipv4Addr;

use hopwise_protocols::fib::{FibError, FibResult, Flow, RT_TABLE_LOCAL, RouteType};
use hopwise_sim_core::{IfIndex, Packet};

use crate::dev::DevTable;
use crate::namespace::Namespace;

impl DevTable {
    /// The VRF that a link is, or that it belongs to, with the number of its table (`l3mdev_master_ifindex_rcu`,
    /// `l3mdev_fib_table_rcu`).
    pub fn l3mdev(&self, link: IfIndex) -> Option<(IfIndex, u32)> {
        let dev = self.get(link).filter(|_| link.is_some())?;
        let vrf = if dev.kind.vrf().is_some() { dev } else { self.get(dev.master).filter(|m| m.index.is_some())? };
        Some((vrf.index, vrf.kind.vrf()?.table))
    }
}

/// The link that a packet came in through, as sockets see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InDev {
    /// The link; the VRF, if the link belongs to one (`inet_iif`).
    pub dif: IfIndex,
    /// The link itself, if it belongs to a VRF (`inet_sdif`).
    pub sdif: IfIndex,
}

impl From<IfIndex> for InDev {
    fn from(link: IfIndex) -> Self {
        InDev { dif: link, sdif: IfIndex::NONE }
    }
}

impl InDev {
    /// Whether a socket that is bound to this link takes the packet. One that is bound to none takes those of no VRF, and all if
    /// a setting says so (`inet_bound_dev_eq`).
    #[inline]
    pub fn suits(self, bound: IfIndex, l3mdev_accept: bool) -> bool {
        if bound.is_some() { bound == self.dif || bound == self.sdif } else { !self.sdif.is_some() || l3mdev_accept }
    }
}

impl Namespace {
    /// [`DevTable::l3mdev`], quickly while there is no VRF.
    #[inline]
    pub fn l3mdev(&self, link: IfIndex) -> Option<(IfIndex, u32)> {
        if self.vrfs == 0 { None } else { self.devs.l3mdev(link) }
    }

    /// The VRF that a link is or belongs to, or [`IfIndex::NONE`].
    #[inline]
    pub fn l3mdev_master(&self, link: IfIndex) -> IfIndex {
        self.l3mdev(link).map_or(IfIndex::NONE, |(vrf, _)| vrf)
    }

    /// The link that a packet comes from as the hooks of netfilter see it (`skb->dev`).
    #[inline]
    pub fn input_dev(&self, packet: &Packet) -> IfIndex {
        self.l3mdev(packet.iif).map_or(packet.iif, |(vrf, _)| vrf)
    }

    /// The link that a packet came in through, as sockets see it.
    #[inline]
    pub fn in_dev(&self, packet: &Packet) -> InDev {
        match self.l3mdev(packet.iif) {
            Some((vrf, _)) => InDev { dif: vrf, sdif: packet.iif },
            None => packet.iif.into(),
        }
    }

    /// The best route for a flow, in the table of the VRF it belongs to by its links (`fib_lookup` with `l3mdev_update_flow`).
    ///
    /// # Errors
    /// As [`Fib::lookup`](hopwise_protocols::fib::Fib::lookup).
    #[inline]
    pub fn fib_lookup(&self, flow: &Flow) -> Result<FibResult<'_>, FibError<'_>> {
        if self.vrfs == 0 { self.fib.lookup(flow) } else { self.fib.lookup(&self.flow_in_domain(flow)) }
    }

    /// `l3mdev_update_flow`.
    fn flow_in_domain(&self, flow: &Flow) -> Flow {
        let mut flow = *flow;
        if self.devs.get(flow.oif).is_some_and(|_| flow.oif.is_some()) {
            if let Some((vrf, table)) = self.devs.l3mdev(flow.oif) {
                flow.l3mdev = if flow.l3mdev == 0 { table } else { flow.l3mdev };
                // The VRF itself stands for its table: it is not where the packet leaves.
                if vrf == flow.oif {
                    flow.oif = IfIndex::NONE;
                }
            }
        } else if flow.iif != IfIndex::LO && flow.l3mdev == 0 {
            flow.l3mdev = self.devs.l3mdev(flow.iif).map_or(0, |(_, table)| table);
        }
        flow
    }

    /// What kind of address this is, seen from a link (`inet_addr_type_dev_table`).
    #[inline]
    pub fn addr_type_on(&self, link: IfIndex, addr: Ipv4Addr) -> RouteType {
        let table = self.l3mdev(link).map_or(RT_TABLE_LOCAL, |(_, table)| table);
        self.fib.addr_type(addr, None, table)
    }

    /// The link that what a socket sends must leave through: a VRF is no way out for what goes to a group (`raw_sendmsg`,
    /// `udp_sendmsg`).
    pub(crate) fn socket_oif(&self, bound: IfIndex, dst: Ipv4Addr) -> IfIndex {
        if dst.is_multicast() && bound.is_some() && self.l3mdev_master(bound) == bound { IfIndex::NONE } else { bound }
    }

    /// Whether an address is one of this host's, seen from a link: another VRF may have the same.
    #[inline]
    pub fn is_own_on(&self, link: IfIndex, addr: Ipv4Addr) -> bool {
        self.is_own(addr) && (self.vrfs == 0 || self.addr_type_on(link, addr) == RouteType::Local)
    }
}
