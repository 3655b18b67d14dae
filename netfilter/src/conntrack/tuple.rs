//! Who speaks with whom: the key of a connection (`struct nf_conntrack_tuple`).

use core::net::Ipv4Addr;

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

/// One end: address and what tells flows between the same two hosts apart (host byte order): the port of TCP, UDP, SCTP, DCCP and
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
