//! The end of slow start before there are losses: acknowledgments that come in a long train, or later and later, tell that
//! the path is full (HyStart as CUBIC has it in Linux: `hystart_update`, `cubictcp_acked`).

use hopwise_sim_core::{Duration, Time};

use super::seq::after;

/// Windows below this many segments are not looked at (`hystart_low_window`).
const LOW_WINDOW: u32 = 16;
/// Acknowledgments that are closer together than this are of one train (`hystart_ack_delta_us`).
const TRAIN_GAP: Duration = Duration::from_micros(2000);
/// So many samples of a round are gathered before the delay is judged (`HYSTART_MIN_SAMPLES`).
const MIN_SAMPLES: u32 = 8;
/// By how much the delay must have grown, at least and at most (`HYSTART_DELAY_MIN`, `HYSTART_DELAY_MAX`).
const DELAY: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(16));
/// Four of the largest bursts that a card would get (`GSO_MAX_SIZE`).
const BURSTS: u64 = 4 * 65_536;

/// What is known of the present round.
#[derive(Clone, Debug, Default)]
pub(super) struct Hystart {
    /// The shortest delay of all (`delay_min`).
    min: Option<Duration>,
    round: Option<Round>,
}

#[derive(Clone, Debug)]
struct Round {
    start: Time,
    last_ack: Time,
    /// When this is acknowledged, the next round begins.
    end: u32,
    shortest: Option<Duration>,
    samples: u32,
}

/// An acknowledgment with what is needed to judge it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) now: Time,
    pub(super) delay: Duration,
    pub(super) una: u32,
    pub(super) next: u32,
    pub(super) cwnd: u32,
    /// Bytes per second that the sender aims at (`sk_pacing_rate`).
    pub(super) pacing: u64,
}

impl Hystart {
    /// The delay of an acknowledged segment; true if slow start is to end.
    pub(super) fn is_full(&mut self, sample: &Sample, slow_start: bool) -> bool {
        let delay = sample.delay.max(Duration::from_micros(1));
        let min = self.min.map_or(delay, |min| min.min(delay));
        self.min = Some(min);
        if !slow_start {
            return false;
        }
        if self.round.as_ref().is_none_or(|round| after(sample.una, round.end)) {
            let (start, end) = (sample.now, sample.next);
            self.round = Some(Round { start, last_ack: start, end, shortest: None, samples: 0 });
        }
        let Some(round) = self.round.as_mut().filter(|_| sample.cwnd >= LOW_WINDOW) else { return false };
        let mut full = false;
        if sample.now.since(round.last_ack) <= TRAIN_GAP {
            round.last_ack = sample.now;
            let burst = BURSTS.saturating_mul(1_000_000).checked_div(sample.pacing).unwrap_or(1000).min(1000);
            full = sample.now.since(round.start) > (min + Duration::from_micros(burst)) / 2;
        }
        round.shortest = Some(round.shortest.map_or(delay, |shortest| shortest.min(delay)));
        if round.samples < MIN_SAMPLES {
            round.samples += 1;
        } else {
            full |= round.shortest > Some(min + (min / 8).clamp(DELAY.0, DELAY.1));
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(now: u64, delay: u64, una: u32, next: u32) -> Sample {
        let now = Time::ZERO + Duration::from_micros(now);
        Sample { now, delay: Duration::from_micros(delay), una, next, cwnd: 40, pacing: 10_000_000 }
    }

    #[test]
    fn delays_that_grow_end_slow_start() {
        let mut hystart = Hystart::default();
        assert!(!hystart.is_full(&sample(0, 20_000, 10, 1000), true));
        // Acknowledgments far apart are no train; eight samples are gathered first.
        let mut full =
            (1..=9).map(|i| hystart.is_full(&sample(20_000 + i * 3000, 25_000, 1001 + i as u32, 2000), true));
        assert_eq!(full.position(|full| full), Some(8));
        assert!(!hystart.is_full(&sample(90_000, 25_000, 2500, 3000), false));
    }

    #[test]
    fn a_train_of_half_a_round_trip_ends_it() {
        let mut hystart = Hystart::default();
        let full = (0..40).map(|i| hystart.is_full(&sample(i * 1000, 20_000, 10 + i as u32, 1000), true));
        assert_eq!(full.collect::<Vec<_>>().iter().position(|full| *full), Some(11));
    }
}
