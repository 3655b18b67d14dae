//! Who speaks with whom: the key of a connection (`struct nf_conntrack_tuple`).

use core::net::Ipv4Addr;

use hopwise_protocols::wire::icmp::{
    ICMP_ADDRESS, ICMP_ADDRESSREPLY, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_HLEN, ICMP_INFO_REPLY, ICMP_INFO_REQUEST,
    ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY,
};
use hopwise_protocols::wire::ipv4::{
    IP_HLEN, IP_OFFSET, IPPROTO_GRE, IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP,
};

use super::conn::Zone;

/// UDP-Lite (RFC 3828).
pub const IPPROTO_UDPLITE: u8 = 136;

/// Which way a packet of a connection goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Direction {
    /// As the first packet (`IP_CT_DIR_ORIGINAL`).
    Original = 0,
    /// The other way (`IP_CT_DIR_REPLY`).
    Reply = 1,
}

impl Direction {
    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Direction {
        match self {
            Direction::Original => Direction::Reply,
            Direction::Reply => Direction::Original,
        }
    }
}

/// One end: address and what tells flows between the same two hosts apart (host byte order): the port of TCP, UDP, SCTP and
/// UDP-Lite; for ICMP the query's id stands in the source end and `type << 8 | code` in the destination end; for GRE the key; 0 for
/// other protocols.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct End {
    /// Address.
    pub addr: Ipv4Addr,
    /// Port, id, or type and code.
    pub port: u16,
}

/// Source and destination of a connection's packets in one direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tuple {
    /// Source.
    pub src: End,
    /// Destination.
    pub dst: End,
    /// IP protocol number.
    pub protocol: u8,
}

/// Whether a protocol's tuples have a port at each end.
pub const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, IPPROTO_TCP | IPPROTO_UDP | IPPROTO_UDPLITE | IPPROTO_SCTP)
}

/// Two bytes of a packet as a number.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([two[0], two[1]]))
}

/// Where the transport header begins and which protocol it is of; `None` for what is no IPv4 packet, for later fragments, and for
/// a header that is longer than the packet. `ipv4_get_l4proto`.
#[inline]
pub fn transport(packet: &[u8]) -> Option<(usize, u8)> {
    let header = packet.first_chunk::<IP_HLEN>()?;
    let offset = usize::from(header[0] & 0xf) * 4;
    let fragment = u16::from_be_bytes([header[6], header[7]]) & IP_OFFSET;
    (header[0] >> 4 == 4 && offset >= IP_HLEN && offset <= packet.len() && fragment == 0).then_some((offset, header[9]))
}

impl Tuple {
    /// The tuple of an IPv4 packet whose transport header begins at `offset`. `nf_ct_get_tuple`.
    #[inline]
    pub fn of_packet(packet: &[u8], offset: usize, protocol: u8) -> Option<Tuple> {
        let header = packet.first_chunk::<IP_HLEN>()?;
        let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
        let (src, dst) = match protocol {
            IPPROTO_TCP | IPPROTO_UDP | IPPROTO_UDPLITE | IPPROTO_SCTP => {
                (u16_at(packet, offset)?, u16_at(packet, offset + 2)?)
            }
            IPPROTO_ICMP => {
                let icmp = packet.get(offset..offset + ICMP_HLEN)?;
                (u16::from_be_bytes([icmp[4], icmp[5]]), u16::from_be_bytes([icmp[0], icmp[1]]))
            }
            IPPROTO_GRE => gre_keys(packet.get(offset..)?)?,
            _ => (0, 0),
        };
        Some(Tuple {
            src: End { addr: Ipv4Addr::new(s0, s1, s2, s3), port: src },
            dst: End { addr: Ipv4Addr::new(d0, d1, d2, d3), port: dst },
            protocol,
        })
    }

    /// The tuple of answers; `None` for an ICMP message to which there is no answer. `nf_ct_invert_tuple`.
    #[inline]
    pub fn invert(&self) -> Option<Tuple> {
        let swapped = Tuple { src: self.dst, dst: self.src, protocol: self.protocol };
        if self.protocol != IPPROTO_ICMP {
            return Some(swapped);
        }
        let [kind, code] = self.dst.port.to_be_bytes();
        let answer = u16::from_be_bytes([inverse_type(kind)?, code]);
        Some(Tuple {
            src: End { port: self.src.port, ..swapped.src },
            dst: End { port: answer, ..swapped.dst },
            protocol: IPPROTO_ICMP,
        })
    }

    /// All of it with its zone as one number: the key of the table.
    #[inline]
    pub(crate) fn key(&self, zone: Zone) -> u128 {
        let high = u64::from(self.src.addr.to_bits()) << 32 | u64::from(self.dst.addr.to_bits());
        let low = u64::from(self.src.port) << 48
            | u64::from(self.dst.port) << 32
            | u64::from(self.protocol) << 16
            | u64::from(zone.0);
        u128::from(high) << 64 | u128::from(low)
    }

    /// The source alone with protocol and zone: the key of the index that NAT asks for a client's other connections
    /// (`hash_by_src`).
    #[inline]
    pub(crate) fn source_key(&self, zone: Zone) -> u128 {
        Tuple { dst: End { addr: Ipv4Addr::UNSPECIFIED, port: 0 }, ..*self }.key(zone)
    }
}

/// The call id stands for both ends of PPTP's GRE (version 1); other GRE has no keys. `gre_pkt_to_tuple`.
fn gre_keys(gre: &[u8]) -> Option<(u16, u16)> {
    const PPP: [u8; 2] = [0x88, 0x0b];
    match gre {
        [_, flags, proto @ ..] if flags & 0x07 == 1 => {
            (proto.get(..2)? == PPP).then_some(())?;
            Some((0, u16_at(gre, 6)?))
        }
        _ => Some((0, 0)),
    }
}

/// The type that answers a query, and the query of an answer (`icmp_invmap`).
fn inverse_type(kind: u8) -> Option<u8> {
    Some(match kind {
        ICMP_ECHO => ICMP_ECHOREPLY,
        ICMP_ECHOREPLY => ICMP_ECHO,
        ICMP_TIMESTAMP => ICMP_TIMESTAMPREPLY,
        ICMP_TIMESTAMPREPLY => ICMP_TIMESTAMP,
        ICMP_INFO_REQUEST => ICMP_INFO_REPLY,
        ICMP_INFO_REPLY => ICMP_INFO_REQUEST,
        ICMP_ADDRESS => ICMP_ADDRESSREPLY,
        ICMP_ADDRESSREPLY => ICMP_ADDRESS,
        _ => return None,
    })
}

/// Whether an ICMP message is a query or its answer, which have an id.
#[inline]
pub const fn is_icmp_query(kind: u8) -> bool {
    matches!(
        kind,
        ICMP_ECHO
            | ICMP_ECHOREPLY
            | ICMP_TIMESTAMP
            | ICMP_TIMESTAMPREPLY
            | ICMP_INFO_REQUEST
            | ICMP_INFO_REPLY
            | ICMP_ADDRESS
            | ICMP_ADDRESSREPLY
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn any_tuple()(src: u32, sport: u16, dst: u32, dport: u16, protocol in prop_oneof![Just(1u8), Just(6), Just(17), any::<u8>()]) -> Tuple {
            Tuple { src: End { addr: src.into(), port: sport }, dst: End { addr: dst.into(), port: dport }, protocol }
        }
    }

    proptest! {
        #[test]
        fn inverting_twice_changes_nothing(tuple in any_tuple()) {
            if let Some(inverse) = tuple.invert() {
                prop_assert_eq!(inverse.invert(), Some(tuple));
            }
        }

        #[test]
        fn arbitrary_bytes_have_a_tuple_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some((offset, protocol)) = transport(&bytes) {
                let _ = Tuple::of_packet(&bytes, offset, protocol);
            }
        }

        #[test]
        fn keys_differ_where_tuples_differ(a in any_tuple(), b in any_tuple(), za: u16, zb: u16) {
            prop_assert_eq!(a.key(Zone(za)) == b.key(Zone(zb)), a == b && za == zb);
        }
    }
}
