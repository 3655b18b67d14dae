//! What ping counts, and the lines it says about it at the end. Models `ping_common.c` of iputils.

use core::fmt::Write as _;

use hopwise_sim_core::Time;

/// Sequence numbers of which ping remembers whether an answer came (`MAX_DUP_CHK`).
const MAX_DUP_CHK: usize = 0x1_0000;

/// Counters of one run. Times in microseconds unless they say otherwise.
#[derive(Clone, Debug)]
pub(super) struct Stats {
    /// Probes sent.
    pub transmitted: u64,
    /// Answers, duplicates not counted.
    pub received: u64,
    /// Duplicates.
    pub repeats: u64,
    /// Answers whose checksum was wrong.
    pub corrupted: u64,
    /// Errors reported by others or by this host.
    pub errors: u64,
    /// The largest number of probes in flight.
    pub pipe: u16,
    /// The highest sequence number that is settled.
    acked: u16,
    /// Shortest round trip.
    pub min: i64,
    /// Longest round trip.
    pub max: i64,
    sum: i64,
    sum_of_squares: i128,
    /// Smoothed round trip, times eight.
    pub rtt: i64,
    seen: Vec<u64>,
}

impl Default for Stats {
    fn default() -> Self {
        Stats {
            transmitted: 0,
            received: 0,
            repeats: 0,
            corrupted: 0,
            errors: 0,
            pipe: 0,
            acked: 0,
            min: i64::MAX,
            max: 0,
            sum: 0,
            sum_of_squares: 0,
            rtt: 0,
            seen: vec![0; MAX_DUP_CHK / 64],
        }
    }
}

impl Stats {
    /// A probe was sent (or would have been).
    pub(super) fn advance(&mut self) {
        self.transmitted += 1;
        // What was acknowledged so long ago is no use for comparisons of 16-bit numbers.
        if (self.transmitted as u16).wrapping_sub(self.acked) > 0x7fff {
            self.acked = (self.transmitted as u16).wrapping_add(1);
        }
    }

    /// How many probes are on their way.
    pub(super) fn in_flight(&self) -> u64 {
        let ahead = (self.transmitted as u16).wrapping_sub(self.acked);
        if ahead <= 0x7fff { u64::from(ahead) } else { self.transmitted.saturating_sub(self.received + self.errors) }
    }

    /// A probe's fate is known.
    pub(super) fn acknowledge(&mut self, seq: u16) {
        let sent = self.transmitted as u16;
        let behind = sent.wrapping_sub(seq);
        if behind > 0x7fff {
            return;
        }
        self.pipe = self.pipe.max(behind + 1);
        if seq.wrapping_sub(self.acked).cast_signed() > 0 || sent.wrapping_sub(self.acked) > 0x7fff {
            self.acked = seq;
        }
    }

    /// A round trip was measured.
    pub(super) fn measured(&mut self, trip: i64) {
        self.sum += trip;
        self.sum_of_squares += i128::from(trip) * i128::from(trip);
        self.min = self.min.min(trip);
        self.max = self.max.max(trip);
        self.rtt = if self.rtt == 0 { trip * 8 } else { self.rtt + trip - self.rtt / 8 };
    }

    /// Counts an answer; true if it is a duplicate.
    pub(super) fn answered(&mut self, seq: u16) -> bool {
        let repeated = self.has_answer(u64::from(seq));
        if repeated {
            self.repeats += 1;
        } else {
            self.received += 1;
            self.mark(seq, true);
        }
        repeated
    }

    /// Whether a probe was answered.
    pub(super) fn has_answer(&self, seq: u64) -> bool {
        let bit = seq as usize % MAX_DUP_CHK;
        self.seen.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 != 0)
    }

    /// The next probe uses this number: forgets what was before.
    pub(super) fn forget(&mut self, seq: u16) {
        self.mark(seq, false);
    }

    fn mark(&mut self, seq: u16, value: bool) {
        if let Some(word) = self.seen.get_mut(usize::from(seq) / 64) {
            let bit = 1 << (seq % 64);
            *word = if value { *word | bit } else { *word & !bit };
        }
    }

    /// The line that SIGQUIT asks for (`status`).
    pub(super) fn snapshot(&self, timing: bool) -> String {
        let lost = self.transmitted.saturating_sub(self.received);
        let loss = (lost * 100).checked_div(self.transmitted).unwrap_or(0);
        let mut text = format!("\r{}/{} packets, {loss}% loss", self.received, self.transmitted);
        if self.received > 0 && timing {
            let average = self.sum / (self.received + self.repeats) as i64;
            let (min, average, smooth, max) = (milli(self.min), milli(average), milli(self.rtt / 8), milli(self.max));
            let _ = write!(text, ", min/avg/ewma/max = {min}/{average}/{smooth}/{max} ms");
        }
        text + "\n"
    }

    /// The lines at the end (`finish`). `elapsed`: from the start to the last probe; `paced`: whether the interval
    /// between probes is of interest (flood, adaptive).
    pub(super) fn summary(&self, host: &str, elapsed: (Time, Time), timing: bool, paced: bool) -> String {
        let elapsed = elapsed.1 - elapsed.0;
        let mut text = format!("\n--- {host} ping statistics ---\n");
        let _ = write!(text, "{} packets transmitted, {} received", self.transmitted, self.received);
        for (count, what) in [(self.repeats, "duplicates"), (self.corrupted, "corrupted"), (self.errors, "errors")] {
            if count > 0 {
                let _ = write!(text, ", +{count} {what}");
            }
        }
        if self.transmitted > 0 {
            let lost = self.transmitted.saturating_sub(self.received);
            let loss = (lost as f64 * 100.0 / self.transmitted as f64) as f32;
            let millis = (elapsed.as_nanos() + 500_000) / 1_000_000;
            let _ = write!(text, ", {}% packet loss, time {millis}ms", general(f64::from(loss)));
        }
        text.push('\n');
        text.push_str(&self.last_line(elapsed.as_micros() as i64, timing, paced));
        text.push('\n');
        text
    }

    fn last_line(&self, elapsed: i64, timing: bool, paced: bool) -> String {
        let mut parts = Vec::new();
        if self.received > 0 && timing {
            let (average, deviation) = self.average_and_deviation();
            let (min, average, max, mdev) = (milli(self.min), milli(average), milli(self.max), milli(deviation));
            parts.push(format!("rtt min/avg/max/mdev = {min}/{average}/{max}/{mdev} ms"));
        }
        if self.pipe > 1 {
            parts.push(format!("pipe {}", self.pipe));
        }
        if self.received > 0 && paced && self.transmitted > 1 {
            let gap = elapsed / (self.transmitted - 1) as i64;
            parts.push(format!("ipg/ewma {}/{} ms", milli(gap), milli(self.rtt / 8)));
        }
        parts.join(", ")
    }

    /// In the order of operations that keeps small times exact, as iputils has it.
    fn average_and_deviation(&self) -> (i64, i64) {
        let total = i128::from((self.received + self.repeats).max(1));
        let sum = i128::from(self.sum);
        let average = sum / total;
        let variance = if self.sum < i64::from(i32::MAX) {
            (self.sum_of_squares - sum * sum / total) / total
        } else {
            self.sum_of_squares / total - average * average
        };
        (average as i64, variance.max(0).isqrt() as i64)
    }
}

/// Microseconds as milliseconds with three decimals.
fn milli(micros: i64) -> String {
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// The time of one answer: fewer decimals the longer it took.
pub(super) fn trip_time(micros: i64) -> String {
    match micros {
        99_950.. => format!("{} ms", (micros + 500) / 1000),
        9_995.. => format!("{}.{} ms", (micros + 50) / 1000, (micros + 50) % 1000 / 100),
        1_000.. => format!("{}.{:02} ms", (micros + 5) / 1000, (micros + 5) % 1000 / 10),
        _ => format!("{}.{:03} ms", micros / 1000, micros % 1000),
    }
}

/// `%g` of printf for a number from 0 to 100: six significant digits, without zeros at the end.
fn general(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent < -4 {
        return format!("{}e-{:02}", trim(mantissa), -exponent);
    }
    trim(&format!("{value:.*}", (5 - exponent).max(0) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hopwise_sim_core::Duration;

    fn run(trips: &[i64]) -> Stats {
        let mut stats = Stats::default();
        for (i, trip) in trips.iter().enumerate() {
            stats.advance();
            let seq = (i + 1) as u16;
            stats.acknowledge(seq);
            stats.measured(*trip);
            assert!(!stats.answered(seq));
        }
        stats
    }

    fn ms(n: u64) -> (Time, Time) {
        (Time::ZERO, Time::ZERO + Duration::from_millis(n))
    }

    #[test]
    fn the_summary_as_iputils_prints_it() {
        assert_eq!(
            run(&[106, 31]).summary("10.0.1.3", ms(202), true, false),
            "\n--- 10.0.1.3 ping statistics ---\n2 packets transmitted, 2 received, 0% packet loss, time 202ms\n\
             rtt min/avg/max/mdev = 0.031/0.068/0.106/0.037 ms\n"
        );
        assert_eq!(
            run(&[14, 3, 2]).summary("h", ms(0), true, true),
            "\n--- h ping statistics ---\n3 packets transmitted, 3 received, 0% packet loss, time 0ms\n\
             rtt min/avg/max/mdev = 0.002/0.006/0.014/0.005 ms, ipg/ewma 0.000/0.011 ms\n"
        );
    }

    #[test]
    fn losses_errors_and_pipes() {
        let mut stats = Stats::default();
        for _ in 0..3 {
            stats.advance();
        }
        stats.acknowledge(1);
        stats.errors = 1;
        assert_eq!(
            stats.summary("h", ms(30), true, true),
            "\n--- h ping statistics ---\n3 packets transmitted, 0 received, +1 errors, 100% packet loss, time 30ms\npipe 3\n"
        );
        assert_eq!(stats.in_flight(), 2);
        stats.answered(2);
        assert!(stats.answered(2));
        assert!(
            stats
                .summary("h", ms(0), false, false)
                .contains("1 received, +1 duplicates, +1 errors, 66.6667% packet loss")
        );
        assert_eq!(stats.snapshot(false), "\r1/3 packets, 66% loss\n");
    }

    #[test]
    fn times_lose_decimals_as_they_grow() {
        let shown = [0, 999, 1000, 9_994, 9_995, 99_949, 99_950, 1_234_567].map(trip_time);
        assert_eq!(shown, ["0.000 ms", "0.999 ms", "1.00 ms", "9.99 ms", "10.0 ms", "99.9 ms", "100 ms", "1235 ms"]);
    }

    #[test]
    fn numbers_as_printf_g() {
        let shown = [0.0, 100.0, 33.333_332, 50.0, 0.1, 12.5, 99.999_98, 0.000_012_5].map(general);
        assert_eq!(shown, ["0", "100", "33.3333", "50", "0.1", "12.5", "100", "1.25e-05"]);
    }

    #[test]
    fn sequence_numbers_wrap() {
        let mut stats = Stats::default();
        for seq in 1..=70_000u64 {
            stats.forget(seq as u16);
            stats.advance();
            stats.acknowledge(seq as u16);
            assert!(!stats.answered(seq as u16), "{seq}");
            assert_eq!(stats.in_flight(), 0);
        }
        assert_eq!((stats.received, stats.pipe), (70_000, 1));
    }
}
