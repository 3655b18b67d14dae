//! Time stamps: the five forms of `-t`.

use super::TimeStamp;

const SECOND: u64 = 1_000_000_000;

/// The stamps of consecutive packets, in one of tcpdump's forms.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    form: TimeStamp,
    nanoseconds: bool,
    /// The packet that `-ttt` and `-ttttt` count from.
    reference: Option<u64>,
}

impl Clock {
    pub(super) fn new(form: TimeStamp, nanoseconds: bool) -> Clock {
        Clock { form, nanoseconds, reference: None }
    }

    /// The stamp of a packet with the space after it.
    pub(super) fn stamp(&mut self, time_ns: u64) -> String {
        match self.form {
            TimeStamp::TimeOfDay => format!("{} ", self.time_of_day(time_ns)),
            TimeStamp::None => String::new(),
            TimeStamp::Epoch => format!("{}.{} ", time_ns / SECOND, self.fraction(time_ns)),
            TimeStamp::Date => format!("{} {} ", date(time_ns / SECOND / 86_400), self.time_of_day(time_ns)),
            TimeStamp::SincePrevious | TimeStamp::SinceFirst => {
                let reference = *self.reference.get_or_insert(time_ns);
                if self.form == TimeStamp::SincePrevious {
                    self.reference = Some(time_ns);
                }
                let sign = if time_ns < reference { '-' } else { ' ' };
                // Microsecond stamps are subtracted as such, not as nanoseconds that are then cut.
                let (unit, later) = (if self.nanoseconds { 1 } else { 1000 }, time_ns.max(reference));
                let elapsed = (later / unit - time_ns.min(reference) / unit) * unit;
                format!("{sign}{} ", self.time_of_day(elapsed))
            }
        }
    }

    fn time_of_day(&self, time_ns: u64) -> String {
        let second = time_ns / SECOND % 86_400;
        format!("{:02}:{:02}:{:02}.{}", second / 3600, second / 60 % 60, second % 60, self.fraction(time_ns))
    }

    fn fraction(&self, time_ns: u64) -> String {
        let fraction = time_ns % SECOND;
        if self.nanoseconds { format!("{fraction:09}") } else { format!("{:06}", fraction / 1000) }
    }
}

/// The day `days` after 1970-01-01 as `YYYY-MM-DD`: years are counted from March, so that the leap day is the last
/// day of a year, and in eras of 400 years, after which the calendar repeats.
pub(super) fn date(days: u64) -> String {
    const FROM_1900: u64 = 25_567;
    calendar(days + FROM_1900)
}

/// The same, counted from 1900-01-01.
pub(super) fn date_from_1900(days: i64) -> String {
    calendar(u64::try_from(days).unwrap_or(0))
}

fn calendar(days: u64) -> String {
    const DAYS_FROM_0000_03_01: u64 = 693_901; // to 1900-01-01
    const DAYS_PER_ERA: u64 = 146_097;
    let days = days + DAYS_FROM_0000_03_01;
    let (era, day) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

/// A number of seconds in the largest units that fit: `1d2h`.
pub(super) fn duration(mut seconds: u32) -> String {
    const UNITS: &[(u32, &str)] = &[(31_536_000, "y"), (604_800, "w"), (86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    if seconds == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, letter) in UNITS {
        if seconds >= *unit {
            text.push_str(&format!("{}{letter}", seconds / unit));
            seconds %= unit;
        }
    }
    text
}
