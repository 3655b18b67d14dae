//! Masquerading by the programs (`enable-bpf-masquerade`): what pods send to the world leaves with the node's address, and
//! what answers finds its way back. Models `bpf/lib/nat.h`. Netfilter is not asked.
//!
//! The node's own connections are in the same map, so that a port belongs to one of them only: most keep their ports, and
//! one whose port a pod has gets another. Of ICMP only echo requests and answers can be translated; everything else that
//! would have to be, errors too, dies. What has no ports of its own, a later fragment, is read as if it had some.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use hopwise_netfilter::conntrack::{self, End};
use hopwise_netfilter::nat::{Manip, manip};
use hopwise_protocols::wire::FromBytes;
use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_protocols::wire::icmp::{ICMP_ECHO, ICMP_ECHOREPLY};
use hopwise_protocols::wire::ipv4::{self, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP};
use ipnet::Ipv4Net;

use super::ct::{CtMap, Key, Made, Tuple};
use super::event::Reason;

/// The ports that are given out (`NODEPORT_PORT_MIN_NAT` and up).
pub const FIRST_PORT: u16 = 32_768;
/// How many ports are tried (`SNAT_COLLISION_RETRIES`).
const RETRIES: u16 = 128;
/// Connections that are translated at a time: each takes two of the entries of `bpf-nat-global-max`.
const MAX_MAPPINGS: usize = 524_288 / 2;
/// How many of them a full map gives up at a time (`LOCAL_FREE_TARGET` of the kernel's `bpf_lru_list.c`).
const SHRINK: usize = 128;

/// What is masqueraded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Masquerade {
    /// The address that packets leave with.
    pub address: Ipv4Addr,
    /// What goes there keeps its source (`IPV4_SNAT_EXCLUSION_DST_CIDR`).
    pub excluded: Ipv4Net,
}

/// How a connection is translated (`struct ipv4_nat_entry`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The address that its packets leave with.
    pub addr: Ipv4Addr,
    /// The port.
    pub port: u16,
    /// It is the node's own (`host_local`).
    pub own: bool,
    /// The second when it was made.
    pub created: u32,
    /// When the map last had to do with it, for a full map to see which one is the oldest.
    used: u64,
}

/// The map `cilium_snat_v4_external`, both directions. Its kind is `lru_hash`.
#[derive(Clone, Debug, Default)]
pub struct NatMap {
    /// How a connection leaves.
    out: BTreeMap<Tuple, Mapping>,
    /// The connection that answers like these belong to.
    back: BTreeMap<Tuple, Tuple>,
    /// Counts what happens, as a clock for [`Mapping::used`].
    ticks: u64,
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
    /// How a connection leaves: as it did before, or with a new mapping (`snat_v4_new_mapping`). `None`: no port is free.
    pub fn leave(&mut self, tuple: Tuple, address: Ipv4Addr, now: u32) -> Option<Mapping> {
        self.ticks += 1;
        if let Some(mapping) = self.out.get_mut(&tuple) {
            mapping.used = self.ticks;
            return Some(*mapping);
        }
        let answer = |port: u16| answer_to(tuple, address, port);
        let span = u16::MAX - FIRST_PORT;
        // The port is kept if it may be (`__snat_try_keep_port`); else the next ones are tried. Those never reach the last
        // port of the range (`__snat_clamp_port_range`).
        let start = tuple.sport.checked_sub(FIRST_PORT).unwrap_or(tuple.sport % span);
        let others = (0..RETRIES).map(|n| FIRST_PORT + start.wrapping_add(n) % span);
        let mut ports = (tuple.sport >= FIRST_PORT).then_some(tuple.sport).into_iter().chain(others);
        let port = ports.find(|port| !self.back.contains_key(&answer(*port)))?;
        if self.out.len() >= MAX_MAPPINGS {
            self.shrink();
        }
        let mapping = Mapping { addr: address, port, own: tuple.src == address, created: now, used: self.ticks };
        self.out.insert(tuple, mapping);
        self.back.insert(answer(port), tuple);
        Some(mapping)
    }

    /// The pod, or the node itself, and the port that an answer is for; whether it is the node's own.
    pub fn back(&self, tuple: Tuple) -> Option<(Ipv4Addr, u16, bool)> {
        let original = self.back.get(&tuple)?;
        let own = self.out.get(original).is_some_and(|mapping| mapping.own);
        Some((original.src, original.sport, own))
    }

    /// Gives up the mappings that were not used for the longest time.
    fn shrink(&mut self) {
        let mut oldest: Vec<(u64, Tuple)> = self.out.iter().map(|(tuple, mapping)| (mapping.used, *tuple)).collect();
        if oldest.len() > SHRINK {
            oldest.select_nth_unstable(SHRINK);
            oldest.truncate(SHRINK);
        }
        for (_, tuple) in oldest {
            self.remove(&tuple);
        }
    }

    fn remove(&mut self, tuple: &Tuple) {
        if let Some(mapping) = self.out.remove(tuple) {
            self.back.remove(&answer_to(*tuple, mapping.addr, mapping.port));
        }
    }

    /// Forgets the connections that the connection tracking map does not know any more (`purgeCtEntry4`, which takes the
    /// mapping of each entry away with it, and `PurgeOrphanNATEntries`); says how many that were.
    pub fn collect(&mut self, ct: &CtMap) -> usize {
        let gone = |tuple: &&Tuple| !ct.contains(&Key { tuple: **tuple, made: Made::Out });
        let gone: Vec<Tuple> = self.out.keys().filter(gone).copied().collect();
        gone.iter().for_each(|tuple| self.remove(tuple));
        gone.len()
    }

    /// Forgets what belongs to an address: its entries in the connection tracking map are gone.
    pub fn forget(&mut self, addr: Ipv4Addr) {
        let gone: Vec<Tuple> =
            self.out.keys().filter(|tuple| tuple.src == addr || tuple.dst == addr).copied().collect();
        gone.iter().for_each(|tuple| self.remove(tuple));
    }

    /// Forgets all; says how many entries that were.
    pub fn flush(&mut self) -> usize {
        let count = 2 * self.out.len();
        (self.out, self.back) = (BTreeMap::new(), BTreeMap::new());
        count
    }

    /// All mappings with what they translate.
    pub fn iter(&self) -> impl Iterator<Item = (&Tuple, &Mapping)> {
        self.out.iter()
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
pub fn answer_to(tuple: Tuple, address: Ipv4Addr, port: u16) -> Tuple {
    Tuple { src: tuple.dst, sport: tuple.dport, dst: address, dport: port, ..tuple }
}

/// Whether packets of a protocol can be translated.
const fn can_translate(protocol: u8) -> bool {
    matches!(protocol, IPPROTO_ICMP | IPPROTO_TCP | IPPROTO_UDP)
}

/// Who talks with whom as the map knows it, for packets whose source or whose destination is translated. `None`: packets of
/// that protocol go as they are (`snat_v4_process`).
///
/// # Errors
/// Truncated headers, and ICMP that is no echo request or answer.
pub fn tuple(frame: &[u8], side: Side) -> Result<Option<Tuple>, Reason> {
    let header = super::frame::ip_of(frame).ok_or(Reason::Invalid)?;
    let l4 = frame.get(ETH_HLEN + header.header_len()..).unwrap_or_default();
    let word = |at: usize| l4.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]])).ok_or(Reason::Invalid);
    let (sport, dport) = match header.protocol {
        IPPROTO_TCP | IPPROTO_UDP => (word(0)?, word(2)?),
        IPPROTO_ICMP => {
            let icmp = l4.first_chunk::<8>().ok_or(Reason::Invalid)?;
            match (icmp[0], side) {
                (ICMP_ECHO | ICMP_ECHOREPLY, Side::Source) => (word(4)?, 0),
                (ICMP_ECHO | ICMP_ECHOREPLY, Side::Destination) => (0, word(4)?),
                _ => return Err(Reason::NatUnsupported),
            }
        }
        _ => return Ok(None),
    };
    let (src, dst, protocol) = (header.src(), header.dst(), header.protocol);
    Ok(Some(Tuple { protocol, src, sport, dst, dport, related: false }))
}

/// Writes an address and a port (of ICMP: the identifier) into a frame, and corrects the checksums. `None`: the frame is too
/// short for that, and nothing was changed.
pub fn rewrite(frame: &mut [u8], side: Side, (addr, port): (Ipv4Addr, u16)) -> Option<()> {
    let packet = frame.get_mut(ETH_HLEN..)?;
    let (header, _) = ipv4::Header::mut_from_prefix(packet).ok()?;
    if header.fragment_offset() != 0 {
        // A later fragment has no ports.
        match side {
            Side::Source => header.set_src(addr),
            Side::Destination => header.set_dst(addr),
        }
        return Some(());
    }
    let protocol = header.protocol;
    if !can_translate(protocol) {
        return None;
    }
    // Only the end that is written counts; the identifier of ICMP is that of the source in either case.
    let end = End { addr, port };
    let manip = match side {
        Side::Source => Manip::Source,
        Side::Destination => Manip::Destination,
    };
    manip::rewrite(packet, &conntrack::Tuple { src: end, dst: end, protocol }, manip).then_some(())
}
