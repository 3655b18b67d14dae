//! One connection (`struct nf_conn`).

use bitflags::bitflags;
use hopwise_sim_core::{IfIndex, Time};

use super::events::EventMask;
use super::proto::Proto;
use super::proto::tcp::TcpState;
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

impl ConnStatus {
    /// Source or destination is changed (`IPS_NAT_MASK`).
    pub const NAT: ConnStatus = ConnStatus::SRC_NAT.union(ConnStatus::DST_NAT);
    /// Both were decided (`IPS_NAT_DONE_MASK`).
    pub const NAT_DONE: ConnStatus = ConnStatus::SRC_NAT_DONE.union(ConnStatus::DST_NAT_DONE);
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
    /// When it was made.
    pub started: Time,
    /// How many connections this namespace had before it.
    pub serial: u64,
    /// The link that MASQUERADE took the address of ([`IfIndex::NONE`]: no MASQUERADE).
    pub masq: IfIndex,
    /// What its protocol remembers.
    pub proto: Proto,
    /// Which of its events are told.
    pub events: EventMask,
    /// What has happened since events were last told.
    pub(crate) pending: EventMask,
    /// Whether its beginning and end are shown (`net.netfilter.nf_conntrack_timestamp` was on when it was made).
    pub stamped: bool,
    /// Counters by direction, if they are kept.
    pub counters: Option<[Counter; 2]>,
}

impl Conn {
    /// A connection of which nothing is known yet but its ends.
    pub(crate) const fn new(now: Time, tuples: [Tuple; 2], zones: [Zone; 2]) -> Conn {
        Conn {
            tuples,
            zones,
            status: ConnStatus::empty(),
            mark: 0,
            expires: now,
            started: now,
            serial: 0,
            masq: IfIndex::NONE,
            proto: Proto::None,
            events: EventMask::empty(),
            pending: EventMask::empty(),
            stamped: false,
            counters: None,
        }
    }

    /// The tuple of a direction.
    pub const fn tuple(&self, direction: Direction) -> &Tuple {
        &self.tuples[direction as usize]
    }

    /// The IP protocol number.
    pub const fn protocol(&self) -> u8 {
        self.tuples[0].protocol
    }

    /// The key of the direction's tuple in the table.
    #[inline]
    pub(crate) fn key(&self, direction: Direction) -> u128 {
        self.tuples[direction as usize].key(self.zones[direction as usize])
    }

    /// Whether it is a TCP connection that has ended. `already_closed` of `nf_conncount`.
    pub fn is_over(&self) -> bool {
        matches!(&self.proto, Proto::Tcp(tcp) if matches!(tcp.state, TcpState::TimeWait | TcpState::Close))
    }

    /// How long it will still live.
    pub fn remaining(&self, now: Time) -> core::time::Duration {
        self.expires.since(now)
    }

    /// A packet was seen: lives on for so long, and counts it. `nf_ct_refresh_acct`.
    #[inline]
    pub(crate) fn refresh(&mut self, now: Time, lifetime: core::time::Duration, direction: Direction, len: usize) {
        if !self.status.contains(ConnStatus::FIXED_TIMEOUT) {
            self.expires = now + lifetime;
        }
        self.account(direction, len);
    }

    /// Counts a packet. `nf_ct_acct_update`.
    #[inline]
    pub(crate) fn account(&mut self, direction: Direction, len: usize) {
        if let Some(counters) = &mut self.counters {
            let counter = &mut counters[direction as usize];
            counter.packets += 1;
            counter.bytes += len as u64;
        }
    }

    /// Sets the mark and notes the event if it is another one.
    #[inline]
    pub fn set_mark(&mut self, mark: u32) {
        if self.mark != mark {
            self.mark = mark;
            self.pending |= EventMask::MARK;
        }
    }

    /// Sets status bits and notes the event if they are new (`test_and_set_bit`).
    #[inline]
    pub(crate) fn raise(&mut self, bits: ConnStatus, event: EventMask) {
        if !self.status.contains(bits) {
            self.status |= bits;
            self.pending |= event;
        }
    }
}
