//! Which addresses and ports a connection gets, so that no other one has the same answers (`get_unique_tuple`).

use core::net::Ipv4Addr;

use hopwise_protocols::wire::ipv4::{IPPROTO_GRE, IPPROTO_ICMP, IPPROTO_TCP};
use hopwise_sim_core::Time;

use super::jhash::jhash2;
use super::{Manip, Range, RangeFlags};
use crate::conntrack::proto::Proto;
use crate::conntrack::proto::tcp::{Tcp, TcpState};
use crate::conntrack::{Conn, ConnStatus, Conntrack, Direction, Tuple, Zone, has_ports, scale};

/// How many ports are tried in a row (`NF_NAT_MAX_ATTEMPTS`).
const MAX_ATTEMPTS: u32 = 128;
/// The last of them may evict a connection that is closing (`NF_NAT_HARDER_THRESH`).
const HARDER: u32 = MAX_ATTEMPTS / 4;

/// The connection that looks for a tuple.
pub(super) struct Seeker {
    pub(super) now: Time,
    pub(super) slot: u32,
    pub(super) zones: [Zone; 2],
    pub(super) original: Tuple,
    /// TCP: the first segment was a SYN, and its sequence number is this.
    pub(super) syn_end: Option<u32>,
}

impl Seeker {
    pub(super) fn new(now: Time, slot: u32, conn: &Conn) -> Seeker {
        let syn_end = match &conn.proto {
            Proto::Tcp(tcp) if tcp.state == TcpState::SynSent => Some(tcp.ends[0].td_end),
            _ => None,
        };
        Seeker { now, slot, zones: conn.zones, original: conn.tuples[0], syn_end }
    }
}

impl Range {
    const fn random(&self) -> bool {
        self.flags.intersects(RangeFlags::PROTO_RANDOM.union(RangeFlags::PROTO_RANDOM_FULLY))
    }

    /// Whether a tuple's port (id, for ICMP) is one of the range. `l4proto_in_range`.
    fn has_port(&self, tuple: &Tuple, manip: Manip) -> bool {
        let port = match (tuple.protocol, manip) {
            (IPPROTO_ICMP, _) => tuple.src.port,
            (protocol, _) if !has_ports(protocol) && protocol != IPPROTO_GRE => return true,
            (_, Manip::Source) => tuple.src.port,
            (_, Manip::Destination) => tuple.dst.port,
        };
        (self.ports.0..=self.ports.1).contains(&port)
    }

    /// Whether a tuple's source is one that the range gives. `nf_in_range`.
    fn has_source(&self, tuple: &Tuple) -> bool {
        let addr_fits =
            !self.flags.contains(RangeFlags::MAP_IPS) || (self.addrs.0..=self.addrs.1).contains(&tuple.src.addr);
        addr_fits && (!self.flags.contains(RangeFlags::PROTO_SPECIFIED) || self.has_port(tuple, Manip::Source))
    }

    /// The address of the range that the ends of a connection are given: always the same one for the same ends.
    /// `find_best_ips_proto`.
    fn pick_addr(&self, tuple: &mut Tuple, manip: Manip, zone: Zone) {
        if !self.flags.contains(RangeFlags::MAP_IPS) {
            return;
        }
        let (first, last) = (self.addrs.0.to_bits(), self.addrs.1.to_bits());
        // The kernel hashes the addresses as they lie in the memory of a little-endian machine, in a field for IPv6.
        let (src, dst) = (tuple.src.addr.to_bits().swap_bytes(), tuple.dst.addr.to_bits().swap_bytes());
        let init = if self.flags.contains(RangeFlags::PERSISTENT) { 0 } else { dst ^ u32::from(zone.0) };
        let size = last.wrapping_sub(first).wrapping_add(1);
        let chosen = if first == last { 0 } else { scale(jhash2(&[src, 0, 0, 0], init), size as usize) as u32 };
        let end = match manip {
            Manip::Source => &mut tuple.src,
            Manip::Destination => &mut tuple.dst,
        };
        end.addr = Ipv4Addr::from_bits(first.wrapping_add(chosen));
    }

    /// The first port and the number of ports to choose from; `None`: the port has to stay.
    fn ports_for(&self, tuple: &Tuple, manip: Manip) -> Option<(u16, u32)> {
        if self.flags.contains(RangeFlags::PROTO_SPECIFIED) {
            let (low, high) = (self.ports.0.min(self.ports.1), self.ports.0.max(self.ports.1));
            return Some((low, u32::from(high - low) + 1));
        }
        if tuple.protocol == IPPROTO_ICMP {
            return Some((0, 65536));
        }
        // Another service is not what was asked for.
        (manip == Manip::Source).then_some(())?;
        // A privileged source port stays one, and those of rsh and rlogin stay below 512.
        Some(match tuple.src.port {
            0..512 => (1, 511),
            512..1024 => (600, 424),
            _ => (1024, 64512),
        })
    }
}

impl Conntrack {
    /// The tuple that a connection's packets have after this translation. `get_unique_tuple`.
    pub(super) fn unique_tuple(&mut self, seeker: &Seeker, current: &Tuple, range: &Range, manip: Manip) -> Tuple {
        if manip == Manip::Source && !range.random() {
            if range.has_source(current) {
                if !self.is_used(seeker, current) {
                    return *current;
                }
            } else if let Some(tuple) = self.same_source(seeker, current, range)
                && !self.is_used(seeker, &tuple)
            {
                return tuple;
            }
        }
        let mut tuple = *current;
        range.pick_addr(&mut tuple, manip, seeker.zones[0]);
        if !range.random() {
            if range.flags.contains(RangeFlags::PROTO_SPECIFIED) {
                let only_one = range.ports.0 == range.ports.1;
                if !range.flags.contains(RangeFlags::PROTO_OFFSET)
                    && range.has_port(&tuple, manip)
                    && (only_one || !self.is_used(seeker, &tuple))
                {
                    return tuple;
                }
            } else if !self.is_used(seeker, &tuple) {
                return tuple;
            }
        }
        self.unique_port(seeker, tuple, range, manip)
    }

    /// The mapping that the same source already has for another connection. `find_appropriate_src`.
    fn same_source(&self, seeker: &Seeker, tuple: &Tuple, range: &Range) -> Option<Tuple> {
        self.of_source(tuple.source_key(seeker.zones[0])).find_map(|conn| {
            let mapped = conn.tuple(Direction::Reply).invert()?;
            let candidate = Tuple { dst: tuple.dst, ..mapped };
            range.has_source(&candidate).then_some(candidate)
        })
    }

    /// Looks for a port that is free. `nf_nat_l4proto_unique_tuple`.
    fn unique_port(&mut self, seeker: &Seeker, mut tuple: Tuple, range: &Range, manip: Manip) -> Tuple {
        let icmp = tuple.protocol == IPPROTO_ICMP;
        if !icmp && !has_ports(tuple.protocol) {
            return tuple;
        }
        let Some((first, size)) = range.ports_for(&tuple, manip) else { return tuple };
        // The id of a query is the same in both directions.
        let at_source = icmp || manip == Manip::Source;
        let port = if at_source { tuple.src.port } else { tuple.dst.port };
        let mut offset = if range.flags.contains(RangeFlags::PROTO_OFFSET) {
            port.wrapping_sub(range.base_port)
        } else if range.random() || manip == Manip::Source {
            self.rng.next_u32() as u16
        } else {
            0
        };
        let mut attempts = size.min(MAX_ATTEMPTS);
        loop {
            for attempt in 0..attempts {
                let port = (u32::from(first) + u32::from(offset) % size) as u16;
                if at_source {
                    tuple.src.port = port;
                } else {
                    tuple.dst.port = port;
                }
                if !self.is_used_harder(seeker, &tuple, attempts - attempt) {
                    return tuple;
                }
                offset = offset.wrapping_add(1);
            }
            if attempts >= size || attempts < 16 {
                // None is free: the packet will be dropped when its connection is confirmed.
                return tuple;
            }
            attempts /= 2;
            offset = self.rng.next_u32() as u16;
        }
    }

    /// Whether another connection has the answers of this tuple. `nf_nat_used_tuple`, `nf_conntrack_tuple_taken`.
    fn is_used(&self, seeker: &Seeker, tuple: &Tuple) -> bool {
        let Some(reply) = tuple.invert() else { return false };
        let key = reply.key(seeker.zones[Direction::Reply as usize]);
        self.all_with(seeker.now, key).any(|(direction, slot, conn)| {
            let zone = direction as usize;
            // Two packets of the same flow: what becomes of them is decided when they are confirmed.
            let same_flow = conn.tuples[0] == seeker.original && conn.zones[0] == seeker.zones[0];
            slot != seeker.slot && conn.zones[zone] == seeker.zones[zone] && !same_flow
        })
    }

    /// The same; the last attempts take the place of a TCP connection that is over, if the new one's sequence number is
    /// beyond that one's. `nf_nat_used_tuple_harder`.
    fn is_used_harder(&mut self, seeker: &Seeker, tuple: &Tuple, attempts_left: u32) -> bool {
        let (Some(end), true) = (seeker.syn_end, attempts_left <= HARDER && tuple.protocol == IPPROTO_TCP) else {
            return self.is_used(seeker, tuple);
        };
        let Some(reply) = tuple.invert() else { return false };
        let Some((slot, direction)) = self.find(seeker.now, &reply, seeker.zones) else { return false };
        let over = |conn: &Conn, tcp: &Tcp| {
            matches!(tcp.state, TcpState::TimeWait | TcpState::Close | TcpState::SynSent2)
                && conn.status.contains(ConnStatus::SRC_NAT)
                && !conn.status.intersects(ConnStatus::FIXED_TIMEOUT | ConnStatus::DYING)
                && (end.wrapping_sub(tcp.ends[0].td_end) as i32) > 0
        };
        let may_evict = direction == Direction::Reply
            && self.store.conn(slot).is_some_and(|conn| matches!(&conn.proto, Proto::Tcp(tcp) if over(conn, tcp)));
        if may_evict {
            self.remove(seeker.now, slot);
        }
        !may_evict
    }
}
