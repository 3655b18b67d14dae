//! The last few decisions, so that the packets of a flow are decided once: where received ones go, and the outer ones of
//! tunnels (`struct dst_cache`).

use core::net::Ipv4Addr;

use hopwise_sim_core::IfIndex;

use super::{InputRoute, Route};

/// What was decided in a namespace. A decision holds until something is done there from outside the packet path
/// ([`RouteMemo::forget`]); what the packet path itself changes (learned path MTUs) switches the memo off.
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
    entries: Vec<(K, V)>,
    next: usize,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Memo { entries: Vec::new(), next: 0 }
    }
}

impl<K: PartialEq, V: Copy> Memo<K, V> {
    #[inline]
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, decision)| *decision)
    }

    pub(super) fn put(&mut self, key: K, decision: V) {
        if self.entries.len() < MEMO {
            self.entries.push((key, decision));
        } else {
            self.entries[self.next % MEMO] = (key, decision);
        }
        self.next = (self.next + 1) % MEMO;
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
