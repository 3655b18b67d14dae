//! What a NAT rule asks for (`struct nf_nat_range2`).

use core::net::Ipv4Addr;

use bitflags::bitflags;

/// Which end of a connection is changed (`enum nf_nat_manip_type`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Manip {
    /// The source: at POSTROUTING and INPUT.
    Source,
    /// The destination: at PREROUTING and OUTPUT.
    Destination,
}

bitflags! {
    /// How (`NF_NAT_RANGE_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct RangeFlags: u16 {
        /// The addresses are given.
        const MAP_IPS = 1 << 0;
        /// The ports are given.
        const PROTO_SPECIFIED = 1 << 1;
        /// `--random`: the first port tried is drawn from a hash.
        const PROTO_RANDOM = 1 << 2;
        /// `--persistent`: a client keeps its address.
        const PERSISTENT = 1 << 3;
        /// `--random-fully`: the first port tried is drawn at random.
        const PROTO_RANDOM_FULLY = 1 << 4;
        /// Ports keep their distance from a base port.
        const PROTO_OFFSET = 1 << 5;
    }
}

/// A range of addresses and ports, both ends included, in host byte order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// What of it counts.
    pub flags: RangeFlags,
    /// First and last address.
    pub addrs: (Ipv4Addr, Ipv4Addr),
    /// First and last port (or ICMP id).
    pub ports: (u16, u16),
    /// The port from which the distance is kept (`PROTO_OFFSET`).
    pub base_port: u16,
}

impl Range {
    /// Nothing is asked for.
    pub const ANY: Range = Range {
        flags: RangeFlags::empty(),
        addrs: (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
        ports: (0, 0),
        base_port: 0,
    };
}
