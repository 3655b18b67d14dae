//! The last few decisions, so that the packets of a flow are decided once: where received ones go, the outer ones of tunnels
//! (`struct dst_cache`), and the ports that a bridge floods to.

use core::net::Ipv4Addr;

use hopwise_devices::bridge::FrameSort;
use hopwise_sim_core::{IfIndex, Time};

use super::route::{InputRoute, Route};

/// What was decided in a namespace. A decision holds until something is done there from outside the packet path
/// ([`PathMemo::forget`]) or the packet path itself learns something (a path MTU, a better gateway), and no longer than what it
/// had learned.
#[derive(Clone, Debug, Default)]
pub struct PathMemo {
    pub(super) input: Memo<InputKey, InputRoute>,
    pub(super) output: Memo<OutputKey, Route>,
    pub(super) flood: Vec<FloodList>,
}

impl PathMemo {
    /// Forgets everything: the namespace is being changed.
    #[inline]
    pub fn forget(&mut self) {
        self.input.entries.clear();
        self.output.entries.clear();
        for list in &mut self.flood {
            list.of = None;
        }
    }
}

/// How many flows are remembered: an echo and its reply, through two or three pairs of links.
const MEMO: usize = 4;

#[derive(Clone, Debug)]
pub(super) struct Memo<K, V> {
    entries: Vec<Decision<K, V>>,
    next: usize,
}

#[derive(Clone, Debug)]
struct Decision<K, V> {
    key: K,
    value: V,
    /// It holds no longer.
    until: Time,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Memo { entries: Vec::new(), next: 0 }
    }
}

impl<K: PartialEq, V: Copy> Memo<K, V> {
    #[inline]
    pub(super) fn get(&self, now: Time, key: &K) -> Option<&V> {
        self.entries.iter().find(|d| d.key == *key && now <= d.until).map(|d| &d.value)
    }

    pub(super) fn put(&mut self, key: K, value: V, until: Time) {
        let decision = Decision { key, value, until };
        if let Some(old) = self.entries.iter_mut().find(|d| d.key == decision.key) {
            *old = decision;
        } else if self.entries.len() < MEMO {
            self.entries.push(decision);
        } else {
            self.entries[self.next % MEMO] = decision;
            self.next = (self.next + 1) % MEMO;
        }
    }
}

/// All that the decision about a received packet depends on while only the default rules exist and flows are not shared by
/// port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct InputKey {
    pub(super) dst: Ipv4Addr,
    pub(super) src: Ipv4Addr,
    pub(super) iif: IfIndex,
    pub(super) mark: u32,
    pub(super) tos: u8,
}

/// All that the decision about a packet made here depends on while only the default rules exist and its route has one next
/// hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct OutputKey {
    pub(super) dst: Ipv4Addr,
    pub(super) src: Option<Ipv4Addr>,
    pub(super) any_src: bool,
    pub(super) oif: IfIndex,
    pub(super) tos: u8,
}

/// What decides to which ports of a bridge a frame is flooded, beside the port it came in through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FloodKey {
    pub(super) bridge: IfIndex,
    pub(super) sort: FrameSort,
    pub(super) vlan: u16,
}

/// Those ports, in the order of the bridge. To ask each port would touch two places in memory that are far from each other, for
/// each copy.
#[derive(Clone, Debug, Default)]
pub(super) struct FloodList {
    /// Whose ports these are; `None`: they hold no longer.
    pub(super) of: Option<FloodKey>,
    pub(super) ports: Vec<FloodPort>,
}

/// One of them, with what decides about the port that a frame came in through.
#[derive(Clone, Copy, Debug)]
pub(super) struct FloodPort {
    pub(super) port: IfIndex,
    pub(super) hairpin: bool,
    pub(super) isolated: bool,
}

impl FloodPort {
    /// Whether a frame from there may leave here ([`lets_out`](hopwise_devices::bridge::Port::lets_out), of a port that forwards).
    #[inline]
    pub(super) fn lets_out(self, from: Option<(IfIndex, bool)>) -> bool {
        from.is_none_or(|(port, isolated)| (port != self.port || self.hairpin) && !(isolated && self.isolated))
    }
}
