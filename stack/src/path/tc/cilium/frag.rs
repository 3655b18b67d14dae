//! The map of fragments (`cilium_ipv4_frag_datagrams`): the ports that the first fragment of a packet had. Later ones have none
//! of their own, and the programs put nothing together.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, VecDeque};

/// Packets whose ports are remembered (`bpf-fragments-map-max`); the oldest is forgotten first.
const MAX_PACKETS: usize = 8192;

/// What all fragments of a packet share.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Datagram {
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
    /// Identification.
    pub id: u16,
    /// IP protocol.
    pub protocol: u8,
}

/// The ports of packets of which fragments were seen.
#[derive(Clone, Debug, Default)]
pub struct FragMap {
    ports: BTreeMap<Datagram, (u16, u16)>,
    order: VecDeque<Datagram>,
}

impl FragMap {
    /// The first fragment of a packet came.
    pub fn first(&mut self, datagram: Datagram, ports: (u16, u16)) {
        if self.ports.insert(datagram, ports).is_some() {
            return;
        }
        self.order.push_back(datagram);
        if self.order.len() > MAX_PACKETS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ports.remove(&oldest);
        }
    }

    /// A later one came.
    pub fn later(&self, datagram: &Datagram) -> Option<(u16, u16)> {
        self.ports.get(datagram).copied()
    }
}
