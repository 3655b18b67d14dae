//! The settings of `net.ipv4.neigh.*`.

use core::time::Duration;
use hopwise_sim_core::Rng;

/// The settings of one link (or the defaults for new ones). `neigh_parms`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NeighParms {
    /// Mean time for which a confirmation lasts. `base_reachable_time_ms`.
    pub base_reachable_time: Duration,
    /// The time for which it lasts here: 0.5 to 1.5 times the base, see [`NeighParms::draw_reachable_time`].
    pub reachable_time: Duration,
    /// Time between two requests. `retrans_time_ms`.
    pub retrans_time: Duration,
    /// Time to wait for a confirmation from above before asking. `delay_first_probe_time`.
    pub delay_probe_time: Duration,
    /// How long a stale entry stays unused before it may be collected. `gc_stale_time`.
    pub gc_stale_time: Duration,
    /// Within this time after a change, an answer with another address is not believed. `locktime`.
    pub lock_time: Duration,
    /// Longest random delay of a proxy's answer. `proxy_delay`.
    pub proxy_delay: Duration,
    /// How many proxy answers may wait. `proxy_qlen`.
    pub proxy_qlen: u32,
    /// How many bytes of packets may wait for an answer (as sockets count them). `unres_qlen_bytes`.
    pub queue_len_bytes: u32,
    /// Unicast requests before an entry is given up. `ucast_solicit`.
    pub ucast_probes: u32,
    /// Broadcast requests for a new entry. `mcast_solicit`.
    pub mcast_probes: u32,
    /// Broadcast requests after the unicast ones. `mcast_resolicit`.
    pub mcast_reprobes: u32,
    /// Requests left to a daemon. `app_solicit`.
    pub app_probes: u32,
}

impl Default for NeighParms {
    /// The kernel's defaults (`arp_tbl.parms`), with the mean reachable time.
    fn default() -> Self {
        NeighParms {
            base_reachable_time: Duration::from_secs(30),
            reachable_time: Duration::from_secs(30),
            retrans_time: Duration::from_secs(1),
            delay_probe_time: Duration::from_secs(5),
            gc_stale_time: Duration::from_secs(60),
            lock_time: Duration::from_secs(1),
            proxy_delay: Duration::from_millis(800),
            proxy_qlen: 64,
            queue_len_bytes: 212_992,
            ucast_probes: 3,
            mcast_probes: 3,
            mcast_reprobes: 0,
            app_probes: 0,
        }
    }
}

impl NeighParms {
    /// Draws the reachable time anew: when a link is made and when its base is set. `neigh_rand_reach_time`.
    pub fn draw_reachable_time(&mut self, rng: &mut Rng) {
        let base = u32::try_from(self.base_reachable_time.as_millis()).unwrap_or(u32::MAX);
        self.reachable_time = Duration::from_millis(u64::from(rng.below(base)) + u64::from(base / 2));
    }

    /// Time to the next request: never less than 10 ms.
    pub(super) fn retrans(&self) -> Duration {
        self.retrans_time.max(Duration::from_millis(10))
    }
}

/// How many entries a table may have. `net.ipv4.neigh.default.gc_thresh{1,2,3}`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GcThresholds {
    /// Below this many, nothing is collected.
    pub thresh1: u32,
    /// Above this many, room is made for a new entry if that was last done more than five seconds ago.
    pub thresh2: u32,
    /// Never more than this.
    pub thresh3: u32,
}

impl Default for GcThresholds {
    fn default() -> Self {
        GcThresholds { thresh1: 128, thresh2: 512, thresh3: 1024 }
    }
}
