//! Garbage collection of neighbours: `neigh_forced_gc`, `neigh_periodic_work`.

use super::entry::{Neighbour, Nud, nanos, signed};
use super::table::NeighTable;
use core::time::Duration;
use hopwise_sim_core::{IfIndex, Time};

/// What the kernel logs when the table is full, at most ten times in five seconds.
pub const OVERFLOW_MESSAGE: &str = "neighbour: arp_cache: neighbor table overflow!";

/// An entry that changed within this time is not collected by force, and force is used only so often.
const FORCED_GC_INTERVAL: Duration = Duration::from_secs(5);

impl<P> NeighTable<P> {
    /// Makes room for one more entry if there are many; false if there is none. The head of `neigh_alloc`.
    pub(super) fn make_room(&mut self, now: Time) -> bool {
        if self.entries.len() < self.thresholds.thresh2.min(self.thresholds.thresh3) as usize {
            return true;
        }
        let count = self.collectable();
        let rested = self.last_flush.is_none_or(|last| now > last + FORCED_GC_INTERVAL);
        let full = count >= self.thresholds.thresh3;
        if full || (count >= self.thresholds.thresh2 && rested) {
            return self.forced_gc(now, count) || !full;
        }
        true
    }

    /// How many entries are subject to collection. `gc_entries`.
    fn collectable(&self) -> u32 {
        self.entries.iter().filter(|entry| !entry.is_exempt()).count() as u32
    }

    /// `neigh_forced_gc`: takes entries out that no timer holds and that failed or have not changed for a while.
    fn forced_gc(&mut self, now: Time, count: u32) -> bool {
        // The kernel looks whether it has enough after each removal, so that at least one goes.
        let mut room = count.saturating_sub(self.thresholds.thresh2).max(1);
        let idle = |entry: &Neighbour<P>| {
            !entry.is_exempt()
                && !entry.state.intersects(Nud::IN_TIMER)
                && (entry.state.intersects(Nud::FAILED | Nud::NOARP)
                    || entry.addr.is_multicast()
                    || entry.updated + FORCED_GC_INTERVAL < now)
        };
        let before = self.entries.len();
        self.entries.retain(|entry| {
            let goes = room > 0 && idle(entry);
            room = room.saturating_sub(u32::from(goes));
            !goes
        });
        self.last_flush = Some(now);
        self.reindex();
        self.entries.len() < before
    }

    /// Takes entries out that failed or were not used for the `gc_stale_time` of their link, if there are at least
    /// `gc_thresh1`. The kernel does it every half `base_reachable_time`; it need not be done while the table is
    /// smaller. Gives how many went. `neigh_periodic_work`.
    pub fn collect(&mut self, now: Time, gc_stale_time: impl Fn(IfIndex) -> Duration) -> usize {
        if self.entries.len() < self.thresholds.thresh1 as usize {
            return 0;
        }
        let before = self.entries.len();
        self.entries.retain_mut(|entry| {
            if entry.is_exempt() || entry.state.intersects(Nud::IN_TIMER) {
                return true;
            }
            // A confirmation counts as a use.
            let used = signed(entry.used).max(entry.confirmed.min(signed(now)));
            let fresh = signed(now) < used.saturating_add(nanos(gc_stale_time(entry.dev)));
            entry.state != Nud::FAILED && fresh
        });
        self.reindex();
        before - self.entries.len()
    }

    /// True if [`NeighTable::collect`] would do anything now or later: a timer for it should run.
    pub fn needs_collecting(&self) -> bool {
        self.entries.len() >= self.thresholds.thresh1 as usize
    }
}
