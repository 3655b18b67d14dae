//! Rates as `limit` and `hashlimit` read and print them, and the bucket that holds to one.

use crate::xtables::{Done, Refusal};
use hopwise_sim_core::Time;

/// Units with their seconds, the longest first.
const UNITS: [(&str, u64); 4] = [("day", 86_400), ("hour", 3600), ("min", 60), ("sec", 1)];

/// Reads `COUNT[/UNIT]`: the time for each packet, in units of a second / `scale`.
pub(super) fn parse(word: &str, scale: u64) -> Done<u64> {
    let bad = || Refusal::new(format!("bad rate \"{word}\"'"));
    period(word, scale).ok_or_else(bad).and_then(|(period, _)| match period {
        0 => Err(Refusal::new(format!("Rate too fast \"{word}\""))),
        period => Ok(period),
    })
}

/// The same with the seconds of the unit, without words for what is wrong.
pub(super) fn period(word: &str, scale: u64) -> Option<(u64, u64)> {
    let (count, unit) = word.split_once('/').map_or((word, None), |(count, unit)| (count, Some(unit)));
    let end = count.find(|c: char| !c.is_ascii_digit()).unwrap_or(count.len());
    let count: u64 = count[..end].parse().ok().filter(|count| *count > 0 && *count <= u64::from(u32::MAX))?;
    let seconds = match unit {
        None => 1,
        Some(unit) => {
            let lower = unit.to_ascii_lowercase();
            let names = [("second", 1), ("minute", 60), ("hour", 3600), ("day", 86_400)];
            names.iter().find(|row| !lower.is_empty() && row.0.starts_with(&lower))?.1
        }
    };
    Some((scale * seconds / count, seconds))
}

/// Which unit a period is told in, as packets in it (`print_rate`).
fn told(period: u64, scale: u64) -> (u64, &'static str, u64) {
    let period = period.max(1);
    let fits = |unit: u64| period <= unit && unit / period >= unit % period;
    let last = (1..UNITS.len()).take_while(|i| fits(UNITS[*i].1 * scale)).last().unwrap_or(0);
    let (name, seconds) = UNITS[last];
    (seconds * scale / period, name, seconds)
}

/// A period as a rate.
pub(super) fn text(period: u64, scale: u64) -> String {
    let (count, name, _) = told(period, scale);
    format!("{count}/{name}")
}

/// The seconds of the unit in which it is told.
pub(super) fn unit(period: u64, scale: u64) -> u64 {
    told(period, scale).2
}

/// The nanoseconds that each packet costs, of the rate as it is told: what is loaded is what was printed.
pub(super) fn nanos(period: u64, scale: u64) -> u64 {
    let (count, _, seconds) = told(period, scale);
    seconds * 1_000_000_000 / count.max(1)
}

/// Tokens that come back with time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: u64,
    last: Time,
}

impl Bucket {
    pub(super) const fn full(tokens: u64, now: Time) -> Bucket {
        Bucket { tokens, last: now }
    }

    /// Takes the cost of a packet, if it is there (`nft_limit_eval`).
    pub(super) fn take(&mut self, cost: u64, full: u64, now: Time) -> bool {
        let passed = now.as_nanos().saturating_sub(self.last.as_nanos());
        self.last = now;
        self.tokens = self.tokens.saturating_add(passed).min(full);
        let enough = self.tokens >= cost;
        if enough {
            self.tokens -= cost;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_and_told() {
        for (word, told) in
            [("5/s", "5/sec"), ("33/min", "33/min"), ("100", "100/sec"), ("2/day", "2/day"), ("7/h", "7/hour")]
        {
            assert_eq!(text(parse(word, 10_000).unwrap(), 10_000), told);
        }
        assert!(parse("0/s", 10_000).is_err() && parse("5/", 10_000).is_err() && parse("20000/s", 10_000).is_err());
    }

    #[test]
    fn a_bucket_holds_to_its_rate() {
        let at = |ms: u64| Time::from_nanos(ms * 1_000_000);
        let (cost, full) = (100_000_000, 200_000_000);
        let mut bucket = Bucket::full(full, at(0));
        let got = [0, 0, 0, 50, 100, 110, 1000, 1000, 1000].map(|ms| bucket.take(cost, full, at(ms)));
        assert_eq!(got, [true, true, false, false, true, false, true, true, false]);
    }
}
