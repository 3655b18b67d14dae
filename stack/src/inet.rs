//! The IPv4 side of a link: its addresses and settings (`struct in_device`).

use core::net::Ipv4Addr;

use hopwise_sim_core::Time;
use ipnet::Ipv4Net;
use smallvec::SmallVec;

use crate::conf::Conf;

/// An address of a link (`struct in_ifaddr`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IfAddr {
    /// The address itself (`IFA_LOCAL`).
    pub local: Ipv4Addr,
    /// The peer's address on a point-to-point link, else the same as `local` (`IFA_ADDRESS`).
    pub peer: Ipv4Addr,
    /// Length of the prefix.
    pub prefix_len: u8,
    /// Broadcast address, if set.
    pub broadcast: Option<Ipv4Addr>,
    /// Scope number: 0 global, 253 link, 254 host.
    pub scope: u8,
    /// A further address of a subnet that has one already.
    pub secondary: bool,
    /// No prefix route is made (`noprefixroute`).
    pub noprefixroute: bool,
    /// Label, at most 15 bytes; the link's name unless given.
    pub label: Box<str>,
    /// Metric of the prefix route.
    pub metric: u32,
    /// Protocol number (`proto` of `ip address`).
    pub proto: u8,
    /// When it stops being valid; `None`: forever.
    pub valid_until: Option<Time>,
    /// Until when it is preferred; `None`: forever.
    pub preferred_until: Option<Time>,
}

impl IfAddr {
    /// An address with the defaults of `ip addr add`: global scope, forever.
    pub fn new(local: Ipv4Addr, prefix_len: u8) -> Self {
        IfAddr {
            local,
            peer: local,
            prefix_len: prefix_len.min(32),
            broadcast: None,
            scope: 0,
            secondary: false,
            noprefixroute: false,
            label: "".into(),
            metric: 0,
            proto: 0,
            valid_until: None,
            preferred_until: None,
        }
    }

    /// The subnet of the address as the kernel sees it: the peer's prefix.
    pub fn net(&self) -> Ipv4Net {
        Ipv4Net::new_assert(self.peer, self.prefix_len).trunc()
    }

    /// Whether `addr` is in the subnet of this address (`inet_ifa_match`).
    pub fn covers(&self, addr: Ipv4Addr) -> bool {
        self.net().contains(&addr)
    }
}

/// IPv4 on a link.
#[derive(Clone, Debug, Default)]
pub struct InetDev {
    /// Addresses in the kernel's order: by scope, primaries before secondaries.
    pub addrs: SmallVec<[Box<IfAddr>; 1]>,
    /// `net.ipv4.conf.LINK`.
    pub conf: Conf,
}
