//! How much a machine may compute while no time passes: what ends scripts that would run for ever.
//!
//! Virtual time stands still while programs compute, so nothing else would ever stop `while true; do :; done`. The measure is an
//! operation: about a tenth of a microsecond of real time, the same on every run.

use hopwise_sim_core::Time;

/// Operations a command may take in one moment. It is about 100,000 rounds of a small shell loop: far more than a lab needs,
/// and over in a good quarter of a second.
pub(crate) const WORK_MAX: u64 = 3_000_000;
/// Operations that a millisecond of virtual time gives back. Starting a program takes a millisecond and costs more than that, so that
/// `while true; do sleep 0; done` ends too; a loop that waits some milliseconds in each round goes on.
const WORK_PER_MILLI: u64 = 40;

/// Bytes of its input that a program may hold.
pub(crate) const HELD_MAX: usize = 32 << 20;

/// What a step of a process costs by itself.
pub(crate) const STEP: u64 = 5;
/// What starting a process costs: copying its parent, looking its program up.
pub(crate) const SPAWN: u64 = 40;
/// What a fork costs that Linux would have tried again for seconds: fork bombs get loud otherwise.
pub(crate) const FORK_REFUSED: u64 = 50_000;
/// Bytes that are copied in one operation.
pub(crate) const BYTES: usize = 32;

/// The work that is left to a machine in this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    left: u64,
    at: Time,
}

impl Work {
    /// Nothing is used yet.
    pub(crate) fn new(now: Time) -> Self {
        Work { left: WORK_MAX, at: now }
    }

    /// Time goes on.
    pub(crate) fn advance(&mut self, now: Time) {
        if now > self.at {
            let given = (now.since(self.at).as_micros() as u64).saturating_mul(WORK_PER_MILLI) / 1000;
            self.left = self.left.saturating_add(given).min(WORK_MAX);
            self.at = now;
        }
    }

    /// All is there again: another command begins, or the one that used it up is gone.
    pub(crate) fn refill(&mut self) {
        self.left = WORK_MAX;
    }

    /// Uses some.
    pub(crate) fn spend(&mut self, operations: u64) {
        self.left = self.left.saturating_sub(operations);
    }

    /// Gives back what was used for something that pays with its time.
    pub(crate) fn give_back(&mut self, operations: u64) {
        self.left = self.left.saturating_add(operations).min(WORK_MAX);
    }

    /// Whether all is used.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hopwise_sim_core::Duration;

    #[test]
    fn time_gives_work_back() {
        let mut work = Work::new(Time::ZERO);
        work.spend(WORK_MAX - 1);
        assert!(!work.is_over());
        work.spend(7);
        assert!(work.is_over());
        work.advance(Time::ZERO + Duration::from_millis(1));
        work.spend(WORK_PER_MILLI - 1);
        assert!(!work.is_over());
        work.advance(Time::ZERO + Duration::from_secs(1_000_000));
        assert_eq!(work.left, WORK_MAX);
    }
}
