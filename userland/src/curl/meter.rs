//! curl's progress meter (`lib/progress.c`).

use hopwise_sim_core::{Duration, Time};

const HEADS: &str = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n                                 \
Dload  Upload   Total   Spent    Left  Speed\n";

/// What the meter shows.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    start: Time,
    /// Second in which it was shown last.
    shown: Option<u64>,
    first_mark: Option<Time>,
    heads_out: bool,
    pub(super) hidden: bool,
    /// Bytes to come and to go, as far as known.
    pub(super) expected: Option<u64>,
    pub(super) to_send: Option<u64>,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Meter {
    pub(super) fn new(now: Time, hidden: bool) -> Meter {
        Meter {
            start: now,
            shown: None,
            first_mark: None,
            heads_out: false,
            hidden,
            expected: None,
            to_send: None,
            received: 0,
            sent: 0,
        }
    }

    /// A request begins: the counts do too.
    pub(super) fn restart(&mut self, now: Time) {
        *self = Meter { shown: self.shown, heads_out: self.heads_out, ..Meter::new(now, self.hidden) };
    }

    /// Shows itself when the second has changed, or when `done`. Gives what is to be printed.
    pub(super) fn update(&mut self, now: Time, done: bool) -> String {
        if self.hidden {
            return String::new();
        }
        let second = now.since(Time::ZERO).as_secs();
        if self.shown == Some(second) && !done {
            return String::new();
        }
        self.shown = Some(second);
        let mut text = String::new();
        if !core::mem::replace(&mut self.heads_out, true) {
            text.push_str(HEADS);
        }
        text.push_str(&self.line(now));
        if done {
            text.push('\n');
        }
        self.first_mark.get_or_insert(now);
        text
    }

    /// When the next second begins, from the start of this transfer on: the meter moves then.
    pub(super) fn next(&self, now: Time) -> Option<Time> {
        let second = now.since(Time::ZERO).as_secs();
        (!self.hidden).then(|| Time::ZERO + Duration::from_secs(second + 1))
    }

    fn line(&self, now: Time) -> String {
        let micros = (now.since(self.start).as_micros() as u64).max(1);
        let speed = |bytes: u64| (u128::from(bytes) * 1_000_000 / u128::from(micros)) as u64;
        let (down, up) = (speed(self.received), speed(self.sent));
        let current = self
            .first_mark
            .map_or(down + up, |mark| (self.received + self.sent) * 1000 / (now.since(mark).as_millis() as u64).max(1));
        let whole = self.expected.unwrap_or(self.received) + self.to_send.unwrap_or(self.sent);
        let percent = |part: u64, whole: Option<u64>| whole.filter(|w| *w > 0).map_or(0, |w| part * 100 / w);
        let known = Some(whole).filter(|_| self.expected.is_some() || self.to_send.is_some());
        let estimate = match (self.expected, down) {
            (Some(expected), 1..) => expected / down,
            _ => 0,
        };
        let spent = micros / 1_000_000;
        let left = if estimate > 0 { estimate.saturating_sub(spent) } else { 0 };
        format!(
            "\r{:3} {}  {:3} {}  {:3} {}  {}  {} {} {} {} {}",
            percent(self.received + self.sent, known),
            size(whole),
            percent(self.received, self.expected),
            size(self.received),
            percent(self.sent, self.to_send),
            size(self.sent),
            size(down),
            size(up),
            clock(estimate),
            clock(spent),
            clock(left),
            size(current)
        )
    }
}

/// A count in five characters (`max5data`).
fn size(bytes: u64) -> String {
    const K: u64 = 1024;
    const M: u64 = K * K;
    const G: u64 = K * M;
    match bytes {
        ..100_000 => format!("{bytes:5}"),
        _ if bytes < 10_000 * K => format!("{:4}k", bytes / K),
        _ if bytes < 100 * M => format!("{:2}.{}M", bytes / M, bytes % M / (M / 10)),
        _ if bytes < 10_000 * M => format!("{:4}M", bytes / M),
        _ if bytes < 100 * G => format!("{:2}.{}G", bytes / G, bytes % G / (G / 10)),
        _ => format!("{:4}G", bytes / G),
    }
}

/// A time in eight characters (`time2str`).
fn clock(seconds: u64) -> String {
    match seconds {
        0 => "--:--:--".into(),
        _ if seconds / 3600 <= 99 => format!("{:2}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        _ => format!("{:3}d {:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_curl() {
        let mut meter = Meter::new(Time::ZERO, false);
        let first = meter.update(Time::ZERO, false);
        assert!(
            first.ends_with("Speed\n\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0")
        );
        assert_eq!(meter.update(Time::ZERO, false), "");
        (meter.expected, meter.received) = (Some(2_000_000), 2_000_000);
        let last = meter.update(Time::ZERO + Duration::from_millis(10), true);
        assert_eq!(last, "\r100 1953k  100 1953k    0     0   190M      0 --:--:-- --:--:-- --:--:--  190M\n");
    }

    #[test]
    fn sizes_take_five_characters() {
        let shown: Vec<String> = [6, 99_999, 335_000, 15_309_209, 332_398_592, 20 << 30].map(size).into();
        assert_eq!(shown, ["    6", "99999", " 327k", "14.6M", " 317M", "20.0G"]);
    }
}
