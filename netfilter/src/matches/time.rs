//! `-m time`: dates, days and times of day, in UTC (`net/netfilter/xt_time.c`).

use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;

/// When.
#[derive(Clone, PartialEq, Debug)]
pub struct When {
    dates: (u32, u32),
    /// Seconds of the day.
    times: (u32, u32),
    /// One bit for each day of the month, from 1 on.
    monthdays: u32,
    /// One bit for each day of the week, Monday being 1.
    weekdays: u8,
    kerneltz: bool,
    contiguous: bool,
}

/// The last second of a day.
const LAST: u32 = 86_399;
/// The last date that there is.
const END: u32 = i32::MAX as u32;
const ALL_MONTHDAYS: u32 = 0xffff_fffe;
const ALL_WEEKDAYS: u8 = 0xfe;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

static OPTIONS: &[Opt] = &[
    Opt::arg("datestart", 0),
    Opt::arg("datestop", 1),
    Opt::arg("timestart", 2),
    Opt::arg("timestop", 3),
    Opt::arg("weekdays", 4).inv(),
    Opt::arg("monthdays", 5).inv(),
    Opt::flag("localtz", 6),
    Opt::flag("utc", 7),
    Opt::flag("kerneltz", 8),
    Opt::flag("contiguous", 9),
];

/// Days since 1970 of a date, by the formula of Howard Hinnant's `days_from_civil`.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970 (`civil_from_days`).
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = (month + 2) % 12 + 1;
    (shifted.div_euclid(146_097) * 400 + year + i64::from(month <= 2), month, day)
}

fn clock(word: &str) -> Option<u32> {
    let mut parts = word.split(':').map(|part| {
        let digits = part.trim_start_matches('0');
        number::within(if digits.is_empty() && !part.is_empty() { "0" } else { digits }, 0, 59)
    });
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().map_or(Some(0), |seconds| seconds)?;
    (parts.next().is_none() && hours < 24).then_some((hours * 3600 + minutes * 60 + seconds) as u32)
}

fn time(word: &str) -> Done<u32> {
    let text = format!("invalid time \"{word}\" specified, should be hh:mm[:ss] format and within the boundaries");
    clock(word).ok_or_else(|| Refusal::new(text))
}

fn date(word: &str) -> Done<u32> {
    let read = || {
        let (day, clock_of) = word.split_once('T').map_or((word, None), |(day, clock)| (day, Some(clock)));
        let mut parts = day.split('-').map(|part| part.parse::<i64>().ok());
        let year = parts.next()?.filter(|year| (1970..=2038).contains(year))?;
        let month = parts.next().map_or(Some(1), |month| month).filter(|m| (1..=12).contains(m))?;
        let day = parts.next().map_or(Some(1), |day| day).filter(|d| (1..=31).contains(d))?;
        let seconds = match clock_of {
            None => 0,
            Some(hours) if !hours.contains(':') => hours.parse::<u32>().ok().filter(|hours| *hours < 24)? * 3600,
            Some(text) => clock(text)?,
        };
        let unix = days_of(year, month, day) * 86_400 + i64::from(seconds);
        parts.next().is_none().then_some(u32::try_from(unix).ok()?.min(END))
    };
    let text = format!("Invalid date \"{word}\" specified. Should be YYYY[-MM[-DD[Thh[:mm[:ss]]]]]");
    read().ok_or_else(|| Refusal::new(text))
}

fn weekdays(word: &str) -> Done<u8> {
    word.split(',').try_fold(0, |all, word| {
        let begins = |name: &&str| word.len() >= 2 && word.get(..2).is_some_and(|w| name[..2].eq_ignore_ascii_case(w));
        let named = DAYS.iter().position(begins).map(|place| place as u64 + 1);
        let day = named.or_else(|| number::within(word, 1, 7));
        day.map(|day| all | 1 << day).ok_or_else(|| Refusal::new(format!("{word} is not a valid day specifier")))
    })
}

fn monthdays(word: &str) -> Done<u32> {
    word.split(',').try_fold(0, |all, word| {
        let day = number::within(word, 1, 31);
        day.map(|day| all | 1 << day).ok_or_else(|| Refusal::new(format!("{word} is not a valid day for --monthdays")))
    })
}

fn clock_text(seconds: u32) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn date_text(unix: u32, between: char) -> String {
    let (year, month, day) = date_of(i64::from(unix) / 86_400);
    format!("{year:04}-{month:02}-{day:02}{between}{}", clock_text(unix % 86_400))
}

/// The ending of a day's number. iptables says "11st", too.
fn ending(day: u32) -> &'static str {
    match day % 10 {
        1 => "st",
        2 => "nd",
        3 => "rd",
        _ => "th",
    }
}

impl When {
    fn weekday_names(&self) -> String {
        let days = DAYS.iter().enumerate().filter(|(place, _)| self.weekdays & (2 << place) != 0);
        days.map(|row| *row.1).collect::<Vec<_>>().join(",")
    }

    fn monthday_list(&self, ending: fn(u32) -> &'static str) -> String {
        let days = (1..=31).filter(|day| self.monthdays & (1 << day) != 0);
        days.map(|day| format!("{day}{}", ending(day))).collect::<Vec<_>>().join(",")
    }
}

impl Extension for When {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        When {
            dates: (0, END),
            times: (0, LAST),
            monthdays: ALL_MONTHDAYS,
            weekdays: ALL_WEEKDAYS,
            kerneltz: false,
            contiguous: false,
        }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.name {
            "datestart" => self.dates.0 = date(call.arg)?,
            "datestop" => self.dates.1 = date(call.arg)?,
            "timestart" => self.times.0 = time(call.arg)?,
            "timestop" => self.times.1 = time(call.arg)?,
            "weekdays" => {
                let days = weekdays(call.arg)?;
                self.weekdays = if call.inv { ALL_WEEKDAYS & !days } else { days };
            }
            "monthdays" => {
                let days = monthdays(call.arg)?;
                self.monthdays = if call.inv { ALL_MONTHDAYS & !days } else { days };
            }
            "contiguous" => self.contiguous = true,
            // The machine's clock and the kernel's time zone are both UTC.
            "kerneltz" => self.kerneltz = true,
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, _: u32, _: &IpMatch) -> Done {
        if self.contiguous && self.times.0 < self.times.1 {
            return Err(Refusal::new("time: --contiguous only makes sense when stoptime is smaller than starttime"));
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        if self.times != (0, LAST) {
            let (start, stop) = (clock_text(self.times.0), clock_text(self.times.1));
            out.push_str(&format!(" --timestart {start} --timestop {stop}"));
        }
        if self.monthdays != ALL_MONTHDAYS {
            out.push_str(&format!(" --monthdays {}", self.monthday_list(|_| "")));
        }
        if self.weekdays != ALL_WEEKDAYS {
            out.push_str(&format!(" --weekdays {}", self.weekday_names()));
        }
        if self.dates.0 != 0 {
            out.push_str(&format!(" --datestart {}", date_text(self.dates.0, 'T')));
        }
        // iptables compares with the last date of 64 bits here, so it always says this one.
        out.push_str(&format!(" --datestop {}", date_text(self.dates.1, 'T')));
        out.push_str(if self.kerneltz { " --kerneltz" } else { "" });
        out.push_str(if self.contiguous { " --contiguous" } else { "" });
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" TIME");
        if self.times != (0, LAST) {
            out.push_str(&format!(" from {} to {}", clock_text(self.times.0), clock_text(self.times.1)));
        }
        if self.weekdays != ALL_WEEKDAYS {
            out.push_str(&format!(" on {}", self.weekday_names()));
        }
        if self.monthdays != ALL_MONTHDAYS {
            out.push_str(&format!(" on {}", self.monthday_list(ending)));
        }
        if self.dates.0 != 0 {
            out.push_str(&format!(" starting from {}", date_text(self.dates.0, ' ')));
        }
        if self.dates.1 != END {
            out.push_str(&format!(" until date {}", date_text(self.dates.1, ' ')));
        }
        out.push_str(if self.kerneltz { "" } else { " UTC" });
        out.push_str(if self.contiguous { " contiguous" } else { "" });
    }

    fn sample(rng: &mut Rng) -> String {
        let words = [
            "--timestart 00:00:05",
            "--weekdays Mon,Wed",
            "! --monthdays 2,3",
            "--datestart 2025-01-01T00:00:03",
            "--timestart 23:00 --timestop 01:00 --contiguous",
            "--datestop 2025-06-30 --kerneltz",
        ];
        format!("-m time {}", words[rng.below(6) as usize])
    }
}

impl Asks for When {
    fn fits(&self, _: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let unix = cx.env.now().unix_nanos() / 1_000_000_000;
        if unix < u64::from(self.dates.0) || unix > u64::from(self.dates.1) {
            return false;
        }
        let (mut days, of_day) = ((unix / 86_400) as i64, (unix % 86_400) as u32);
        let (start, stop) = self.times;
        if start < stop {
            if !(start..=stop).contains(&of_day) {
                return false;
            }
        } else {
            if of_day < start && of_day > stop {
                return false;
            }
            // After midnight it is still the day on which the time began.
            if self.contiguous && of_day < stop {
                days -= 1;
            }
        }
        let weekday = (days + 3).rem_euclid(7) + 1;
        let (_, _, day) = date_of(days);
        self.weekdays & (1 << weekday) != 0 && self.monthdays & (1 << day) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_there_and_back() {
        for days in [0, 59, 789, 20_089, 24_855] {
            let (year, month, day) = date_of(days);
            assert_eq!(days_of(year, month, day), days);
        }
        assert_eq!(date_of(20_089), (2025, 1, 1));
        assert_eq!(date_text(END, 'T'), "2038-01-19T03:14:07");
    }
}
