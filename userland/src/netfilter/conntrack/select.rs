//! Which connections a request is about, and what it makes of them.

use core::net::{IpAddr, Ipv4Addr};

use hopwise_netfilter::conntrack::proto::Proto;
use hopwise_netfilter::conntrack::{Change, Conn, ConnStatus, End, Tuple, Zone};
use hopwise_netfilter::nat::{Range, RangeFlags};
use hopwise_protocols::wire::ipv4::{IPPROTO_GRE, IPPROTO_ICMP};

use super::options::{Net, Request, Translated};

impl Net {
    fn has(&self, addr: Ipv4Addr) -> bool {
        let IpAddr::V4(base) = self.addr else { return false };
        let mask = u32::MAX.checked_shl(32 - u32::from(self.len.min(32))).unwrap_or(0);
        (base.to_bits() ^ addr.to_bits()) & mask == 0
    }

    fn v4(&self) -> Option<Ipv4Addr> {
        match self.addr {
            IpAddr::V4(addr) => Some(addr),
            IpAddr::V6(_) => None,
        }
    }
}

impl Translated {
    /// Whether this is the end that a connection was given in place of `own`.
    fn is(&self, end: End, own: End) -> bool {
        end != own && self.addr.is_none_or(|addr| addr == end.addr) && self.port.is_none_or(|port| port == end.port)
    }

    /// As a rule would ask for it.
    fn range(&self) -> Option<Range> {
        let addr = self.addr?;
        let mut range = Range { flags: RangeFlags::MAP_IPS, addrs: (addr, addr), ..Range::ANY };
        if let Some(port) = self.port {
            range.flags |= RangeFlags::PROTO_SPECIFIED;
            range.ports = (port, port);
        }
        Some(range)
    }
}

/// The number of the state of its protocol.
fn state_of(conn: &Conn) -> Option<u8> {
    match &conn.proto {
        Proto::Tcp(tcp) => Some(tcp.state as u8),
        Proto::Sctp(sctp) => Some(sctp.state as u8),
        _ => None,
    }
}

impl Request {
    /// Whether a connection is one that the request is about.
    pub(super) fn fits(&self, conn: &Conn) -> bool {
        let [original, reply] = &conn.tuples;
        let changes = self.command == 'U';
        self.v6 != Some(true)
            && self.protocol.is_none_or(|protocol| protocol == original.protocol)
            && self.fits_ends(conn)
            && self.state.is_none_or(|state| state_of(conn) == Some(state))
            && (changes || self.status.is_none_or(|bits| conn.status.contains(bits)))
            && (!self.unreplied || !conn.status.contains(ConnStatus::SEEN_REPLY))
            && (changes || self.mark.is_none_or(|(value, mask)| conn.mark & mask == value))
            && self.zones[0].is_none_or(|zone| conn.zones == [zone; 2])
            && self.zones[1].is_none_or(|zone| conn.zones[0] == zone)
            && self.zones[2].is_none_or(|zone| conn.zones[1] == zone)
            && self.source_nat.is_none_or(|nat| nat.is(reply.dst, original.src))
            && self.destination_nat.is_none_or(|nat| nat.is(reply.src, original.dst))
            && self.any_nat.is_none_or(|nat| nat.is(reply.dst, original.src) || nat.is(reply.src, original.dst))
    }

    fn fits_ends(&self, conn: &Conn) -> bool {
        let [original, reply] = &conn.tuples;
        let ends = [original.src, original.dst, reply.src, reply.dst];
        let [kind, code] = original.dst.port.to_be_bytes();
        ends.iter().zip(&self.addrs).all(|(end, net)| net.is_none_or(|net| net.has(end.addr)))
            && ends.iter().zip(&self.ports).all(|(end, port)| port.is_none_or(|port| port == end.port))
            && self.icmp[0].is_none_or(|wanted| wanted == kind)
            && self.icmp[1].is_none_or(|wanted| wanted == code)
            && self.icmp_id.is_none_or(|id| id == original.src.port)
    }

    /// The tuples that are spelled out, by direction.
    pub(super) fn tuples(&self) -> [Option<Tuple>; 2] {
        let Some(protocol) = self.protocol else { return [None; 2] };
        let tuple = |at: usize| {
            let addr = |which: usize| self.addrs[which].as_ref()?.v4();
            let (src, dst) = match protocol {
                IPPROTO_ICMP => {
                    let [kind, code] = self.icmp;
                    (self.icmp_id.unwrap_or(0), u16::from_be_bytes([kind?, code?]))
                }
                IPPROTO_GRE | 6 | 17 | 33 | 132 | 136 => (self.ports[at]?, self.ports[at + 1]?),
                _ => (0, 0),
            };
            let (src, dst) = (End { addr: addr(at)?, port: src }, End { addr: addr(at + 1)?, port: dst });
            Some(Tuple { src, dst, protocol })
        };
        let mut reply = tuple(2);
        if protocol == IPPROTO_ICMP {
            // Type and code are those of the original direction.
            reply = reply.and_then(|tuple| {
                let turned = Tuple { src: End { ..tuple.src }, ..tuple };
                let ends = Tuple {
                    src: End { addr: turned.dst.addr, ..turned.src },
                    dst: End { addr: turned.src.addr, ..turned.dst },
                    protocol,
                };
                ends.invert()
            });
        }
        [tuple(0), reply]
    }

    /// The tuples of a connection that is to be made: one follows from the other.
    pub(super) fn new_tuples(&self) -> Option<[Tuple; 2]> {
        match self.tuples() {
            [Some(original), Some(reply)] => Some([original, reply]),
            [Some(original), None] if self.addrs[2].is_none() && self.addrs[3].is_none() => {
                Some([original, original.invert()?])
            }
            [None, Some(reply)] if self.addrs[0].is_none() && self.addrs[1].is_none() => Some([reply.invert()?, reply]),
            _ => self.translated_tuples(),
        }
    }

    /// `-g` or `-n` beside `-q` or `-r`, as the saved form has them.
    fn translated_tuples(&self) -> Option<[Tuple; 2]> {
        let original = self.tuples()[0]?;
        let mut reply = original.invert()?;
        if let Some(net) = &self.addrs[2] {
            reply.src.addr = net.v4()?;
        }
        if let Some(net) = &self.addrs[3] {
            reply.dst.addr = net.v4()?;
        }
        let whole = (self.addrs[2].is_some() || self.destination_nat.is_some())
            && (self.addrs[3].is_some() || self.source_nat.is_some());
        whole.then_some([original, reply])
    }

    /// The zones, by direction.
    pub(super) fn zone_pair(&self) -> [Zone; 2] {
        let both = self.zones[0].unwrap_or_default();
        [self.zones[1].unwrap_or(both), self.zones[2].unwrap_or(both)]
    }

    /// What a new connection shall be like.
    pub(super) fn change(&self) -> Change {
        Change {
            timeout: self.timeout,
            status: self.status,
            mark: self.mark.map(|(value, _)| value),
            state: self.state,
            vtags: self.vtags[0].zip(self.vtags[1]).map(|(original, reply)| [original, reply]),
            source: self.source_nat.and_then(|nat| nat.range()),
            destination: self.destination_nat.and_then(|nat| nat.range()),
        }
    }
}
