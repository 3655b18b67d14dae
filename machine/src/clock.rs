//! Calendar time: what `date +FORMAT` and `printf %(...)T` print. The zone is UTC.

/// A moment taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    /// 0 is Sunday.
    pub(crate) weekday: u32,
    /// 1 is the first of January.
    pub(crate) yearday: u32,
}

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * shifted + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Takes seconds since the epoch apart.
pub(crate) fn civil(seconds: i64) -> Civil {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400) as u32;
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = (if shifted < 10 { shifted + 3 } else { shifted - 9 }) as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Civil {
        year,
        month,
        day,
        hour: of_day / 3600,
        minute: of_day / 60 % 60,
        second: of_day % 60,
        weekday: (days + 4).rem_euclid(7) as u32,
        yearday: (days - days_from_civil(year, 1, 1) + 1) as u32,
    }
}

fn name(names: &[&'static str], at: u32) -> &'static str {
    names.get(at as usize).copied().unwrap_or("")
}

/// strftime(3) with GNU date's `%N`, `%s` and `%-d`, in the C locale and UTC.
pub fn strftime(format: &str, seconds: i64, nanos: u32) -> String {
    let c = civil(seconds);
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(ch) = chars.next() {
        if ch != '%' {
            out.push(ch);
            continue;
        }
        let mut flag = None;
        let mut width = String::new();
        let mut letter = chars.next();
        while let Some(f) = letter.filter(|f| "-_0^#".contains(*f)) {
            flag = Some(f);
            letter = chars.next();
        }
        while let Some(d) = letter.filter(char::is_ascii_digit) {
            width.push(d);
            letter = chars.next();
        }
        while letter == Some(':') {
            letter = chars.next();
        }
        let Some(letter) = letter else {
            out.push('%');
            break;
        };
        let number = |value: i64, size: usize, blank: bool| match (flag, blank) {
            (Some('-'), _) => value.to_string(),
            (Some('_'), _) | (None, true) => format!("{value:size$}"),
            _ => format!("{value:0size$}"),
        };
        let n = |value: u32| number(i64::from(value), 2, false);
        let hour12 = if c.hour.is_multiple_of(12) { 12 } else { c.hour % 12 };
        let text = match letter {
            'Y' => c.year.to_string(),
            'C' => number(c.year.div_euclid(100), 2, false),
            'y' => number(c.year.rem_euclid(100), 2, false),
            'm' => n(c.month),
            'd' => n(c.day),
            'e' => number(i64::from(c.day), 2, true),
            'H' => n(c.hour),
            'k' => number(i64::from(c.hour), 2, true),
            'I' => n(hour12),
            'l' => number(i64::from(hour12), 2, true),
            'M' => n(c.minute),
            'S' => n(c.second),
            'j' => number(i64::from(c.yearday), 3, false),
            'N' => format!("{nanos:09}").chars().take(width.parse().unwrap_or(9)).collect(),
            's' => seconds.to_string(),
            'p' => if c.hour < 12 { "AM" } else { "PM" }.to_owned(),
            'P' => if c.hour < 12 { "am" } else { "pm" }.to_owned(),
            'A' => name(&DAYS, c.weekday).to_owned(),
            'a' => name(&DAYS, c.weekday).chars().take(3).collect(),
            'B' => name(&MONTHS, c.month - 1).to_owned(),
            'b' | 'h' => name(&MONTHS, c.month - 1).chars().take(3).collect(),
            'u' => (if c.weekday == 0 { 7 } else { c.weekday }).to_string(),
            'w' => c.weekday.to_string(),
            'Z' => "UTC".to_owned(),
            'z' => "+0000".to_owned(),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            'F' => strftime("%Y-%m-%d", seconds, nanos),
            'T' | 'X' => strftime("%H:%M:%S", seconds, nanos),
            'R' => strftime("%H:%M", seconds, nanos),
            'D' | 'x' => strftime("%m/%d/%y", seconds, nanos),
            'c' => strftime("%a %b %e %H:%M:%S %Y", seconds, nanos),
            'r' => strftime("%I:%M:%S %p", seconds, nanos),
            other => format!("%{other}"),
        };
        out.push_str(&if flag == Some('^') { text.to_uppercase() } else { text });
    }
    out
}
