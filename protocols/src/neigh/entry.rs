//! A neighbour entry and its states.

use crate::wire::MacAddr;
use core::net::Ipv4Addr;
use core::time::Duration;
use hopwise_sim_core::{IfIndex, Time};
use std::collections::VecDeque;

bitflags::bitflags! {
    /// State of an entry; as a set, a filter of states. `NUD_*` (neighbour unreachability detection).
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Nud: u8 {
        /// Asked for, not answered yet; packets wait.
        const INCOMPLETE = 0x01;
        /// Confirmed not long ago.
        const REACHABLE = 0x02;
        /// Known, but the confirmation is old or was never made.
        const STALE = 0x04;
        /// Stale and in use: waiting for a confirmation from above.
        const DELAY = 0x08;
        /// Being asked again by unicast.
        const PROBE = 0x10;
        /// Asked in vain.
        const FAILED = 0x20;
        /// Needs no resolution (loopback, broadcast, multicast).
        const NOARP = 0x40;
        /// Set by hand; never asked for.
        const PERMANENT = 0x80;
        /// A timer runs.
        const IN_TIMER = Self::INCOMPLETE.bits() | Self::REACHABLE.bits() | Self::DELAY.bits() | Self::PROBE.bits();
        /// There is a link-layer address.
        const VALID = Self::PERMANENT.bits() | Self::NOARP.bits() | Self::REACHABLE.bits() | Self::PROBE.bits()
            | Self::STALE.bits() | Self::DELAY.bits();
        /// Packets go straight out.
        const CONNECTED = Self::PERMANENT.bits() | Self::NOARP.bits() | Self::REACHABLE.bits();
    }
}

impl Nud {
    /// No state yet: made, but never used nor told anything.
    pub const NONE: Nud = Nud::empty();

    /// The states in the order of their numbers with the names that iproute2 reads (in lower case) and prints.
    pub const NAMES: [(Nud, &'static str); 8] = [
        (Nud::INCOMPLETE, "INCOMPLETE"),
        (Nud::REACHABLE, "REACHABLE"),
        (Nud::STALE, "STALE"),
        (Nud::DELAY, "DELAY"),
        (Nud::PROBE, "PROBE"),
        (Nud::FAILED, "FAILED"),
        (Nud::NOARP, "NOARP"),
        (Nud::PERMANENT, "PERMANENT"),
    ];

    /// The name of a single state; `NONE` for none.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(state, _)| *state == self).map_or("NONE", |(_, name)| name)
    }
}

bitflags::bitflags! {
    /// Flags of an entry. `NTF_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct NeighFlags: u16 {
        /// Told by a control plane (`extern_learn`): never collected.
        const EXT_LEARNED = 0x10;
        /// The neighbour is a router.
        const ROUTER = 0x80;
        /// To be kept resolved (`managed`).
        const MANAGED = 0x100;
    }
}

/// Packets that wait for an answer, oldest first, and their sizes.
#[derive(Clone, Debug)]
pub(super) struct Waiting<P> {
    pub(super) packets: VecDeque<(P, u32)>,
    pub(super) bytes: u32,
}

impl<P> Default for Waiting<P> {
    fn default() -> Self {
        Waiting { packets: VecDeque::new(), bytes: 0 }
    }
}

/// One neighbour on one link. `struct neighbour`.
#[derive(Clone, Debug)]
pub struct Neighbour<P> {
    pub(super) addr: Ipv4Addr,
    pub(super) dev: IfIndex,
    pub(super) state: Nud,
    pub(super) flags: NeighFlags,
    pub(super) protocol: u8,
    pub(super) lladdr: MacAddr,
    pub(super) probes: u32,
    pub(super) generation: u32,
    pub(super) used: Time,
    pub(super) updated: Time,
    /// In nanoseconds; an entry begins with a confirmation so old that it may lie before the beginning of the world.
    pub(super) confirmed: i64,
    pub(super) waiting: Option<Box<Waiting<P>>>,
}

/// A time as a number that can lie before the beginning.
pub(super) fn signed(time: Time) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// A duration as such a number.
pub(super) fn nanos(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(i64::MAX)
}

impl<P> Neighbour<P> {
    /// Its IPv4 address.
    pub const fn addr(&self) -> Ipv4Addr {
        self.addr
    }

    /// The link it is on.
    pub const fn dev(&self) -> IfIndex {
        self.dev
    }

    /// Its state.
    pub const fn state(&self) -> Nud {
        self.state
    }

    /// Its link-layer address, if one is known.
    pub fn lladdr(&self) -> Option<MacAddr> {
        self.state.intersects(Nud::VALID).then_some(self.lladdr)
    }

    /// Its flags.
    pub const fn flags(&self) -> NeighFlags {
        self.flags
    }

    /// Who told of it, `RTPROT_*`; 0: not said.
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Requests sent (a new entry begins to count at `ucast_solicit`). `NDA_PROBES`.
    pub const fn probes(&self) -> u32 {
        self.probes
    }

    /// Who else holds the entry: its timer. Printed as `ref`.
    pub fn references(&self) -> u32 {
        u32::from(self.state.intersects(Nud::IN_TIMER))
    }

    /// How long ago it was used, confirmed and updated: `used U/C/U` of `ip -s neigh`, there in whole seconds.
    pub fn ages(&self, now: Time) -> [Duration; 3] {
        let confirmed = u64::try_from(signed(now).saturating_sub(self.confirmed)).unwrap_or(0);
        [now - self.used, Duration::from_nanos(confirmed), now - self.updated]
    }

    /// The packets that wait for an answer, oldest first.
    pub fn waiting(&self) -> impl DoubleEndedIterator<Item = &P> + '_ {
        self.waiting.iter().flat_map(|waiting| waiting.packets.iter().map(|(packet, _)| packet))
    }

    /// True if the entry is not subject to garbage collection. `exempt_from_gc`.
    pub(super) fn is_exempt(&self) -> bool {
        self.state.contains(Nud::PERMANENT) || self.flags.contains(NeighFlags::EXT_LEARNED)
    }

    /// True if the last confirmation is younger than this. (The kernel also accepts the very tick, but its timers run
    /// out after it; ours run out exactly then.)
    pub(super) fn confirmed_within(&self, now: Time, span: Duration) -> bool {
        signed(now) < self.confirmed.saturating_add(nanos(span))
    }

    /// The packets that waited; none waits any more.
    pub(super) fn take_waiting(&mut self) -> impl Iterator<Item = P> + use<P> {
        self.waiting.take().into_iter().flat_map(|waiting| waiting.packets.into_iter().map(|(packet, _)| packet))
    }
}
