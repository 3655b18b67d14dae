//! Points in time as objects carry them, and ages as kubectl prints them.

use core::fmt;

use hopwise_sim_core::Time;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in whole seconds: `2025-01-01T00:00:00Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The second in which a point in virtual time lies.
    pub const fn of(time: Time) -> Self {
        Timestamp(time.unix_nanos() / 1_000_000_000)
    }

    /// Seconds from this point to another one, 0 if that lies before it.
    pub const fn until(self, later: Timestamp) -> u64 {
        later.0.saturating_sub(self.0)
    }

    /// As `kubectl describe` writes it (RFC 1123): `Wed, 01 Jan 2025 00:00:00 +0000`.
    pub fn rfc1123(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (text, weekday) = (self.to_string(), DAYS[(self.0 / 86_400 % 7) as usize]);
        let month =
            text[5..7].parse::<usize>().ok().and_then(|month| MONTHS.get(month - 1)).copied().unwrap_or_default();
        format!("{weekday}, {} {month} {} {} +0000", &text[8..10], &text[..4], &text[11..19])
    }

    /// As Go writes a time: `2025-01-01 00:00:00 +0000 UTC`.
    pub fn in_go(self) -> String {
        format!("{} +0000 UTC", self.to_string().replace('T', " ").trim_end_matches('Z'))
    }

    fn parse(text: &str) -> Option<Self> {
        let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
        let numbers = |text: &str, by: char| -> Option<[u64; 3]> {
            let mut parts = text.split(by).map(|part| part.parse::<u32>().ok().map(u64::from));
            let three = [parts.next()??, parts.next()??, parts.next()??];
            parts.next().is_none().then_some(three)
        };
        let ([year, month, day], [hour, minute, second]) = (numbers(date, '-')?, numbers(clock, ':')?);
        let valid = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        if !valid || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        Some(Timestamp(days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second))
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar: whole years of 365 days and their leap days, counted from March, so
/// that the leap day is the last one of a year.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month < 3 { year - 1 } else { year };
    let month = (month + 9) % 12;
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (all, second) = (self.0 / 86_400, self.0 % 86_400);
        // The year is found by trying: its first guess is at most one too late.
        let mut year = 1970 + all / 365;
        while days(year, 1, 1) > all {
            year -= 1;
        }
        let month = (1..=12).rev().find(|month| days(year, *month, 1) <= all).unwrap_or(1);
        let day = all - days(year, month, 1) + 1;
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text).ok_or_else(|| D::Error::custom(format!("\"{text}\" is no time")))
    }
}

/// A span as kubectl's tables print it (`duration.HumanDuration`).
pub fn human(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |big: u64, unit: char, small: u64, small_unit: char| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{small_unit}"),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, 'm', seconds % 60, 's'),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, 'h', minutes % 60, 'm'),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, 'd', hours % 24, 'h'),
        _ if days < 730 => format!("{days}d"),
        _ if days < 2920 => pair(days / 365, 'y', days % 365, 'd'),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_there_and_back() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2000-02-29T23:59:59Z",
            "2025-01-01T00:00:00Z",
            "2024-12-31T12:30:01Z",
            "2100-03-01T00:00:00Z",
        ] {
            assert_eq!(Timestamp::parse(text).map(|t| t.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Timestamp::of(Time::ZERO).to_string(), "2025-01-01T00:00:00Z");
        assert_eq!(Timestamp::of(Time::ZERO).rfc1123(), "Wed, 01 Jan 2025 00:00:00 +0000");
        assert_eq!(Timestamp::of(Time::ZERO).in_go(), "2025-01-01 00:00:00 +0000 UTC");
        for bad in ["", "2025-01-01", "2025-13-01T00:00:00Z", "1-1-1T0:0:0Z", "2025-01-01T24:00:00Z"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ages() {
        let shown = [0, 119, 120, 125, 599, 600, 10_800, 10_860, 28_800, 172_800, 176_400, 691_200].map(human);
        assert_eq!(shown, ["0s", "119s", "2m", "2m5s", "9m59s", "10m", "3h", "3h1m", "8h", "2d", "2d1h", "8d"]);
    }
}
