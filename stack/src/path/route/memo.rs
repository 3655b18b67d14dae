//! The last few decisions, so that the packets of a flow are decided once: where received ones go, and the outer ones of
//! tunnels (`struct dst_cache`).

use core::net::Ipv4Addr;

use hopwise_sim_core::{IfIndex, Time};

use super::{InputRoute, Route};

/// What was decided in a namespace. A decision holds until something is done there from outside the packet path
/// ([`RouteMemo::forget`]) or the packet path itself learns something (a path MTU, a better gateway), and no longer than what it
/// had learned.
#[derive(Clone, Debug, Default)]
pub struct RouteMemo {
    pub(super) input: Memo<InputKey, InputRoute>,
    pub(super) output: Memo<OutputKey, Route>,
}

impl RouteMemo {
    /// Forgets everything: the namespace is being changed.
    #[inline]
    pub fn forget(&mut self) {
        self.input.entries.clear();
        self.output.entries.clear();
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
