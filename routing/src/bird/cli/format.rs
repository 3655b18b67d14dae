//! Times as BIRD prints them.

use hopwise_sim_core::{Duration, Time};

use crate::bird::log::Class;

/// Year, month and day of a day since 1970 (proleptic Gregorian; days are counted from 1 March of year 0).
fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

fn split(at: Time) -> (u64, u64) {
    let millis = at.unix_nanos() / 1_000_000;
    (millis / 86_400_000, millis % 86_400_000)
}

fn clock(millis: u64) -> String {
    let seconds = millis / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, millis % 1000)
}

fn date(days: u64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-26 10:50:08.885`
pub fn date_time(at: Time) -> String {
    let (days, millis) = split(at);
    format!("{} {}", date(days), clock(millis))
}

/// `10:50:00.745`, or the date if that is long ago (`iso short ms`).
pub(super) fn short(at: Time, now: Time) -> String {
    let (days, millis) = split(at);
    if now.since(at) < Duration::from_secs(20 * 3600) { clock(millis) } else { date(days) }
}

/// A line of the log.
pub fn log_line(at: Time, class: Class, text: &str) -> String {
    format!("{} <{}> {text}\n", date_time(at), class.tag())
}

/// Seconds with three digits behind the point, until a time.
pub(super) fn remaining(at: Option<Time>, now: Time) -> String {
    let left = at.map_or(0, |at| at.since(now).as_nanos() / 1_000_000);
    format!("{}.{:03}", left / 1000, left % 1000)
}
