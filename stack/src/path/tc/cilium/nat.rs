//! Masquerading by the programs (`enable-bpf-masquerade`): what pods send to the world leaves with the node's address, and
//! what answers finds its way back. Models `bpf/lib/nat.h`. Netfilter is not asked; ICMP errors are not translated.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use hopwise_protocols::wire::FromBytes;
use hopwise_protocols::wire::checksum::{update16, update32};
use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_protocols::wire::ipv4::{self, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP};

use super::ct::{CtMap, Key, Made, Tuple};

/// The ports that are given out (`NODEPORT_PORT_MIN_NAT` and up).
const FIRST_PORT: u16 = 32_768;
/// How many ports are tried (`SNAT_COLLISION_RETRIES`).
const RETRIES: u16 = 32;
/// Connections that are translated at a time (`bpf-nat-global-max`).
const MAX_ENTRIES: usize = 524_288;

/// What is masqueraded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Masquerade {
    /// The address that packets leave with.
    pub address: Ipv4Addr,
    /// What goes there keeps its source: prefix and its length.
    pub excluded: (Ipv4Addr, u8),
}

impl Masquerade {
    /// Whether packets to an address keep their source.
    pub fn excludes(&self, addr: Ipv4Addr) -> bool {
        let (prefix, len) = self.excluded;
        let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
        (addr.to_bits() ^ prefix.to_bits()) & mask == 0
    }
}

/// The map `cilium_snat_v4_external`, both directions.
#[derive(Clone, Debug, Default)]
pub struct NatMap {
    /// The port that a connection leaves with.
    out: BTreeMap<Tuple, u16>,
    /// The connection that answers like these belong to.
    back: BTreeMap<Tuple, Tuple>,
}

/// What is written into a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Source address and port.
    Source,
    /// Destination address and port.
    Destination,
}

impl NatMap {
    /// The port that a connection leaves with: the one it has, or a new one. `None`: no port is free.
    pub fn leave(&mut self, tuple: Tuple, address: Ipv4Addr) -> Option<u16> {
        if let Some(port) = self.out.get(&tuple) {
            return Some(*port);
        }
        if self.out.len() >= MAX_ENTRIES {
            return None;
        }
        let answer = |port: u16| answer_to(tuple, address, port);
        let span = u16::MAX - FIRST_PORT;
        // The port is kept if it may be; else the next ones are tried.
        let start = tuple.sport.checked_sub(FIRST_PORT).unwrap_or(tuple.sport % span);
        let ports = (0..RETRIES).map(|n| FIRST_PORT + start.wrapping_add(n) % span);
        let port = ports.into_iter().find(|port| !self.back.contains_key(&answer(*port)))?;
        self.out.insert(tuple, port);
        self.back.insert(answer(port), tuple);
        Some(port)
    }

    /// The pod and port that an answer is for.
    pub fn back(&self, tuple: Tuple) -> Option<(Ipv4Addr, u16)> {
        self.back.get(&tuple).map(|original| (original.src, original.sport))
    }

    /// Forgets the connections that the connection tracking map does not know any more.
    pub fn collect(&mut self, ct: &CtMap) {
        self.back.retain(|_, tuple| ct.contains(&Key { tuple: *tuple, made: Made::Out }));
        let back = &self.back;
        let mut kept: Vec<&Tuple> = back.values().collect();
        kept.sort_unstable();
        self.out.retain(|tuple, _| kept.binary_search(&tuple).is_ok());
    }

    /// How many connections are translated.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }
}

/// What an answer to a masqueraded connection looks like: an echo reply has its identifier where a request has none.
fn answer_to(tuple: Tuple, address: Ipv4Addr, port: u16) -> Tuple {
    Tuple { src: tuple.dst, sport: tuple.dport, dst: address, dport: port, ..tuple }
}

/// Whether packets of a protocol can be translated.
pub const fn can_translate(protocol: u8) -> bool {
    matches!(protocol, IPPROTO_ICMP | IPPROTO_TCP | IPPROTO_UDP)
}

/// Writes an address and a port (of ICMP: the identifier) into a frame, and corrects the checksums.
pub fn rewrite(frame: &mut [u8], side: Side, (addr, port): (Ipv4Addr, u16)) -> Option<()> {
    let (header, rest) = ipv4::Header::mut_from_prefix(frame.get_mut(ETH_HLEN..)?).ok()?;
    let old = match side {
        Side::Source => header.src(),
        Side::Destination => header.dst(),
    };
    match side {
        Side::Source => header.set_src(addr),
        Side::Destination => header.set_dst(addr),
    }
    let options = header.header_len().checked_sub(ipv4::IP_HLEN)?;
    let protocol = header.protocol;
    if header.fragment_offset() != 0 {
        return Some(());
    }
    let l4 = rest.get_mut(options..)?;
    let (at, check_at) = match (protocol, side) {
        (IPPROTO_ICMP, _) => (4, 2),
        (IPPROTO_TCP, Side::Source) => (0, 16),
        (IPPROTO_TCP, Side::Destination) => (2, 16),
        (IPPROTO_UDP, Side::Source) => (0, 6),
        (IPPROTO_UDP, Side::Destination) => (2, 6),
        _ => return None,
    };
    let word = |l4: &[u8], at: usize| Some(u16::from_be_bytes(l4.get(at..at + 2)?.try_into().ok()?));
    let (old_port, check) = (word(l4, at)?, word(l4, check_at)?);
    l4.get_mut(at..at + 2)?.copy_from_slice(&port.to_be_bytes());
    // A UDP packet without a checksum has none afterwards; ICMP's does not cover the addresses.
    if protocol == IPPROTO_UDP && check == 0 {
        return Some(());
    }
    let mut new = update16(check, old_port, port);
    if protocol != IPPROTO_ICMP {
        new = update32(new, old.to_bits(), addr.to_bits());
    }
    l4.get_mut(check_at..check_at + 2)?.copy_from_slice(&new.to_be_bytes());
    Some(())
}
