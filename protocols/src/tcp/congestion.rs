//! How much may be in flight: slow start (RFC 5681), CUBIC (RFC 9438) or Reno beyond it, proportional rate reduction
//! while recovering (RFC 6937). Integers only; windows count segments.

use hopwise_sim_core::{Duration, Time};

use super::hystart::{Hystart, Sample};

/// The window that a connection begins with (RFC 6928).
pub const INITIAL_WINDOW: u32 = 10;

/// Which algorithm grows the window (`net.ipv4.tcp_congestion_control`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Algorithm {
    /// CUBIC, Linux's default.
    #[default]
    Cubic,
    /// NewReno.
    Reno,
}

impl Algorithm {
    /// The name as `sysctl` and `ss` show it.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Cubic => "cubic",
            Algorithm::Reno => "reno",
        }
    }
}

/// How a connection stands to losses (`enum tcp_ca_state`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Phase {
    /// All is well.
    #[default]
    Open,
    /// Something arrived out of order; it may be a loss.
    Disorder,
    /// A loss was noticed by what arrived after it.
    Recovery,
    /// A loss was noticed by the timer.
    Loss,
}

/// State of the congestion control.
#[derive(Clone, Debug)]
pub struct Congestion {
    algorithm: Algorithm,
    /// Where the connection stands.
    pub phase: Phase,
    /// The window, in segments.
    pub cwnd: u32,
    /// Where slow start ends.
    pub ssthresh: u32,
    /// Segments acknowledged since the window last grew.
    credit: u32,
    cubic: Cubic,
    hystart: Hystart,
    prr: Reduction,
    /// When this is acknowledged, recovery is over.
    pub high_seq: u32,
}

/// CUBIC's memory.
#[derive(Clone, Debug, Default)]
struct Cubic {
    /// The window before the last reduction.
    w_max: u32,
    /// When growth began anew.
    epoch: Option<Epoch>,
}

#[derive(Clone, Debug)]
struct Epoch {
    start: Time,
    /// Milliseconds until the window is back at `origin`.
    k: u64,
    origin: u32,
    /// What Reno would have.
    w_est: u32,
    acked: u32,
}

/// Proportional rate reduction.
#[derive(Clone, Debug, Default)]
struct Reduction {
    prior: u32,
    delivered: u32,
    sent: u32,
}

impl Congestion {
    /// At the beginning of a connection.
    pub fn new(algorithm: Algorithm) -> Self {
        Congestion {
            algorithm,
            phase: Phase::Open,
            cwnd: INITIAL_WINDOW,
            ssthresh: u32::MAX / 2,
            credit: 0,
            cubic: Cubic::default(),
            hystart: Hystart::default(),
            prr: Reduction::default(),
            high_seq: 0,
        }
    }

    /// The algorithm's name.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the window still doubles each round trip.
    pub const fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// Segments were acknowledged while the window was what held the sender back: it grows.
    pub fn acked(&mut self, mut segments: u32, now: Time, min_rtt: Duration) {
        if self.in_slow_start() {
            let room = self.ssthresh.saturating_sub(self.cwnd);
            let step = segments.min(room);
            self.cwnd += step;
            segments -= step;
            if segments == 0 {
                return;
            }
        }
        let per_step = match self.algorithm {
            Algorithm::Reno => self.cwnd,
            Algorithm::Cubic => self.cubic.segments_per_step(self.cwnd, segments, now, min_rtt),
        };
        if self.credit >= per_step {
            self.credit = 0;
            self.cwnd += 1;
        }
        self.credit += segments;
        if self.credit >= per_step {
            self.cwnd += self.credit / per_step;
            self.credit %= per_step;
        }
    }

    /// The delay of a segment that was acknowledged: CUBIC ends slow start when the path is full (`cubictcp_acked`).
    pub(super) fn sampled(&mut self, sample: &Sample) {
        let fresh =
            self.cubic.epoch.as_ref().is_some_and(|epoch| sample.now.since(epoch.start) < Duration::from_secs(1));
        if self.algorithm != Algorithm::Cubic || fresh {
            return;
        }
        if self.hystart.is_full(sample, self.in_slow_start()) {
            self.ssthresh = self.cwnd;
        }
    }

    /// The window that a loss leaves (`ssthresh` of the algorithm).
    fn reduced(&mut self) -> u32 {
        match self.algorithm {
            Algorithm::Reno => (self.cwnd / 2).max(2),
            Algorithm::Cubic => {
                self.cubic.epoch = None;
                // RFC 9438, section 4.7: a flow that had less than before leaves room for others.
                self.cubic.w_max = if self.cwnd < self.cubic.w_max { self.cwnd * 17 / 20 } else { self.cwnd };
                (self.cwnd * 7 / 10).max(2)
            }
        }
    }

    /// A loss was noticed by acknowledgments: the window shrinks while what was in flight is acknowledged.
    pub fn enter_recovery(&mut self, next: u32) {
        self.prr = Reduction { prior: self.cwnd.max(1), delivered: 0, sent: 0 };
        self.ssthresh = self.reduced();
        self.phase = Phase::Recovery;
        self.high_seq = next;
        self.credit = 0;
    }

    /// The timer ran out: begin anew with one segment.
    pub fn enter_loss(&mut self, next: u32, first: bool) {
        if first {
            self.ssthresh = self.reduced();
        }
        self.cwnd = 1;
        self.credit = 0;
        self.phase = Phase::Loss;
        self.high_seq = next;
    }

    /// All that was in flight at the time of the loss is acknowledged.
    pub fn leave_recovery(&mut self) {
        if self.phase == Phase::Recovery {
            self.cwnd = self.ssthresh;
        }
        self.phase = Phase::Open;
    }

    /// While recovering: `delivered` more segments left the network (RFC 6937).
    pub fn reduce(&mut self, delivered: u32, in_flight: u32, snd_una_advanced: bool) {
        if delivered == 0 {
            return;
        }
        let prr = &mut self.prr;
        prr.delivered += delivered;
        let may_send = if in_flight > self.ssthresh {
            let share = u64::from(self.ssthresh) * u64::from(prr.delivered) + u64::from(prr.prior) - 1;
            ((share / u64::from(prr.prior)) as u32).saturating_sub(prr.sent)
        } else {
            let limit = prr.delivered.saturating_sub(prr.sent).max(delivered) + u32::from(snd_una_advanced);
            limit.min(self.ssthresh - in_flight)
        };
        // The first one is always retransmitted at once.
        self.cwnd = in_flight + may_send.max(u32::from(prr.sent == 0));
    }

    /// Segments were sent while recovering.
    pub fn sent_in_recovery(&mut self, segments: u32) {
        self.prr.sent += segments;
    }

    /// Nothing was sent for longer than a timeout: the window is worth less each time it passed (RFC 5681, section 4.1).
    pub fn restart_after_idle(&mut self, timeouts: u32) {
        self.ssthresh = self.ssthresh.max(self.cwnd * 3 / 4);
        let restart = INITIAL_WINDOW.min(self.cwnd);
        self.cwnd = (self.cwnd >> timeouts.min(31)).max(restart);
        self.credit = 0;
        self.cubic.epoch = None;
    }
}

impl Cubic {
    /// After how many acknowledged segments the window may grow by one.
    fn segments_per_step(&mut self, cwnd: u32, acked: u32, now: Time, min_rtt: Duration) -> u32 {
        let w_max = self.w_max;
        let epoch = self.epoch.get_or_insert_with(|| {
            let deficit = u64::from(w_max.saturating_sub(cwnd));
            // K = cbrt(deficit / C) with C = 0.4 per cubic second, in milliseconds.
            let k = cube_root(deficit * 2_500_000_000);
            Epoch { start: now, k, origin: w_max.max(cwnd), w_est: cwnd, acked: 0 }
        });
        let at = (now.since(epoch.start) + min_rtt).as_millis() as u64;
        let off = at.abs_diff(epoch.k).min(1_000_000);
        // C * t^3 with t in milliseconds.
        let delta = (4 * u128::from(off).pow(3) / 10_000_000_000) as u64;
        let delta = u32::try_from(delta).unwrap_or(u32::MAX / 4);
        let target = if at < epoch.k { epoch.origin.saturating_sub(delta) } else { epoch.origin.saturating_add(delta) };
        let mut per_step = if target > cwnd { (cwnd / (target - cwnd)).max(2) } else { 100 * cwnd };
        if w_max == 0 {
            per_step = per_step.min(20);
        }
        // RFC 9438, section 4.3: never slower than Reno with the same reduction, which grows by 3 (1 - b) / (1 + b) = 9/17.
        epoch.acked += acked;
        let step = (epoch.w_est.max(cwnd) * 17 / 9).max(1);
        while epoch.acked > step {
            epoch.acked -= step;
            epoch.w_est += 1;
        }
        if epoch.w_est > cwnd {
            per_step = per_step.min(cwnd / (epoch.w_est - cwnd));
        }
        per_step.max(2)
    }
}

/// The integer cube root.
fn cube_root(value: u64) -> u64 {
    let (mut low, mut high) = (0u64, 2_642_245u64);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if middle.pow(3) <= value { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cube_roots() {
        for (value, root) in [(0, 0), (1, 1), (7, 1), (8, 2), (1_000_000_000, 1000), (u64::MAX, 2_642_245)] {
            assert_eq!(cube_root(value), root);
        }
    }

    #[test]
    fn cubic_returns_to_the_old_window_after_k() {
        let mut c = Congestion::new(Algorithm::Cubic);
        c.cwnd = 100;
        c.enter_recovery(1);
        c.leave_recovery();
        assert_eq!((c.cwnd, c.ssthresh), (70, 70));
        // K = cbrt(30 / 0.4) = 4.2 s.
        let mut now = Time::ZERO;
        while now < Time::ZERO + Duration::from_millis(4200) {
            now += Duration::from_millis(100);
            c.acked(c.cwnd, now, Duration::from_millis(100));
        }
        assert!((96..=102).contains(&c.cwnd), "{}", c.cwnd);
    }

    #[test]
    fn reno_grows_by_one_each_round() {
        let mut c = Congestion::new(Algorithm::Reno);
        c.ssthresh = 10;
        for _ in 0..5 {
            c.acked(c.cwnd, Time::ZERO, Duration::ZERO);
        }
        assert_eq!(c.cwnd, 15);
    }

    #[test]
    fn slow_start_doubles() {
        let mut c = Congestion::new(Algorithm::Cubic);
        c.acked(10, Time::ZERO, Duration::ZERO);
        assert_eq!(c.cwnd, 20);
    }
}
