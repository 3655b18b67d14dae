//! One connection (`struct nf_conn`).

use bitflags::bitflags;
use hopwise_sim_core::Time;

use super::tuple::{Direction, Tuple};

bitflags! {
    /// What is known of a connection (`enum ip_conntrack_status`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct ConnStatus: u32 {
        /// It was expected because of another one.
        const EXPECTED = 1 << 0;
        /// Packets were seen in both directions.
        const SEEN_REPLY = 1 << 1;
        /// Not to be thrown away early.
        const ASSURED = 1 << 2;
        /// It is in the table: its first packet left this host, or reached a socket here.
        const CONFIRMED = 1 << 3;
        /// The source is changed in the original direction.
        const SRC_NAT = 1 << 4;
        /// The destination is changed in the original direction.
        const DST_NAT = 1 << 5;
        /// It was decided whether and how the source is changed.
        const SRC_NAT_DONE = 1 << 7;
        /// It was decided whether and how the destination is changed.
        const DST_NAT_DONE = 1 << 8;
        /// It is being removed.
        const DYING = 1 << 9;
        /// Its time to live is fixed.
        const FIXED_TIMEOUT = 1 << 10;
        /// A template for others (`-j CT`), or not tracked.
        const TEMPLATE = 1 << 11;
        /// Its entry clashed with another one and was put beside it (`IPS_NAT_CLASH`).
        const NAT_CLASH = 1 << 12;
    }
}

/// Part of the key: connections in different zones never meet (`struct nf_conntrack_zone`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Zone(pub u16);

/// Packets and bytes, from the IPv4 header on, in one direction (`struct nf_conn_counter`). Kept only where
/// `net.netfilter.nf_conntrack_acct` is on when the connection is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// One connection. Rules read it; connection tracking, NAT and the targets that are made for it (`CONNMARK`, `CT`) change it.
#[derive(Clone, Debug)]
pub struct Conn {
    /// Both directions, by [`Direction`]: the second one is the inverse of the first, changed by NAT.
    pub tuples: [Tuple; 2],
    /// Zone, by direction.
    pub zones: [Zone; 2],
    /// Status bits.
    pub status: ConnStatus,
    /// Mark (`CONNMARK`).
    pub mark: u32,
    /// When it is forgotten if nothing more is heard of it.
    pub expires: Time,
    /// Counters by direction, if they are kept.
    pub counters: Option<[Counter; 2]>,
}

impl Conn {
    /// The tuple of a direction.
    pub const fn tuple(&self, direction: Direction) -> &Tuple {
        &self.tuples[direction as usize]
    }
}
