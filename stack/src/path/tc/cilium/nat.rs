//! Masquerading by the programs (`enable-bpf-masquerade`): what pods send to the world leaves with the node's address, and
//! what answers finds its way back. Models `bpf/lib/nat.h`. Netfilter is not asked; ICMP errors are not translated.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use hopwise_netfilter::conntrack::{self, End};
use hopwise_netfilter::nat::{Manip, manip};
use hopwise_protocols::wire::FromBytes;
use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_protocols::wire::icmp::{ICMP_ECHO, ICMP_ECHOREPLY};
use hopwise_protocols::wire::ipv4::{self, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP};

use super::ct::{CtMap, Key, LIFETIME_OTHER, LIFETIME_TCP, Made, Tuple};
use super::event::Reason;

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
    /// What answers the node's own connections: the second until which their ports are not given to pods.
    own: BTreeMap<Tuple, u32>,
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
        // The port is kept if it may be (`__snat_try_keep_port`); else the next ones are tried. Those never reach the last
        // port of the range (`__snat_clamp_port_range`).
        let start = tuple.sport.checked_sub(FIRST_PORT).unwrap_or(tuple.sport % span);
        let others = (0..RETRIES).map(|n| FIRST_PORT + start.wrapping_add(n) % span);
        let mut ports = (tuple.sport >= FIRST_PORT).then_some(tuple.sport).into_iter().chain(others);
        let port = ports.find(|port| {
            let key = answer(*port);
            !self.back.contains_key(&key) && !self.own.contains_key(&key)
        })?;
        self.out.insert(tuple, port);
        self.back.insert(answer(port), tuple);
        Some(port)
    }

    /// The node itself sends this: its port stays its own (`snat_v4_track_local`). A pod that had the same one towards the
    /// same receiver gets another with its next packet.
    pub fn claim(&mut self, tuple: Tuple, now: u32) {
        if tuple.sport < FIRST_PORT {
            return;
        }
        let answer = tuple.reversed();
        if self.own.len() >= MAX_ENTRIES && !self.own.contains_key(&answer) {
            return;
        }
        let life = if tuple.protocol == IPPROTO_TCP { LIFETIME_TCP } else { LIFETIME_OTHER };
        if self.own.insert(answer, now.saturating_add(life)).is_none()
            && let Some(pod) = self.back.remove(&answer)
        {
            self.out.remove(&pod);
        }
    }

    /// The pod and port that an answer is for.
    pub fn back(&self, tuple: Tuple) -> Option<(Ipv4Addr, u16)> {
        self.back.get(&tuple).map(|original| (original.src, original.sport))
    }

    /// Forgets the connections that the connection tracking map does not know any more, and old ones of the node.
    pub fn collect(&mut self, ct: &CtMap, now: u32) {
        self.own.retain(|_, until| *until >= now);
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

/// Whether a packet can be translated. Of ICMP only echo requests can; their answers go as they are, everything else dies
/// (`snat_v4_nat`).
///
/// # Errors
/// It dies.
pub fn may_translate(frame: &[u8], protocol: u8) -> Result<bool, Reason> {
    let header = super::frame::ip_of(frame).ok_or(Reason::Invalid)?;
    if protocol != IPPROTO_ICMP || header.fragment_offset() != 0 {
        return Ok(can_translate(protocol));
    }
    match frame.get(ETH_HLEN + header.header_len()) {
        Some(&ICMP_ECHO) => Ok(true),
        Some(&ICMP_ECHOREPLY) => Ok(false),
        _ => Err(Reason::NatUnsupported),
    }
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
