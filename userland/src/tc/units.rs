//! Times, sizes, rates and percentages as tc reads and prints them: `tc_util.c`, `lib/utils_math.c` and `tc_core.c` of
//! iproute2. The kernel's clock has ticks of 64 ns.

use hopwise_machine::general_6;

/// Ticks of a microsecond (`/proc/net/psched`).
const TICKS_PER_US: f64 = 15.625;

/// A number at the beginning of a word, as `strtod` reads it, and what follows.
fn number(text: &str) -> Option<(f64, &str)> {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    if let Some(hex) = body.strip_prefix("0x").or(body.strip_prefix("0X")) {
        let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
        let (digits, rest) = hex.split_at(end);
        return u64::from_str_radix(digits, 16).ok().map(|n| (sign * n as f64, rest));
    }
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut end = digits(body);
    let mut any = end > 0;
    if body.get(end..).is_some_and(|rest| rest.starts_with('.')) {
        let decimals = digits(body.get(end + 1..).unwrap_or_default());
        any |= decimals > 0;
        end += 1 + decimals;
    }
    if !any {
        return None;
    }
    if let Some(exponent) = body.get(end..).and_then(|rest| rest.strip_prefix(['e', 'E'])) {
        let signed = usize::from(exponent.starts_with(['-', '+']));
        let len = digits(exponent.get(signed..).unwrap_or_default());
        end += if len > 0 { 1 + signed + len } else { 0 };
    }
    let (value, rest) = body.split_at(end);
    value.parse::<f64>().ok().map(|value| (sign * value, rest))
}

/// A time in microseconds (`get_time`): without a unit it is in microseconds. Below zero it wraps around.
pub(super) fn time(text: &str) -> Option<u32> {
    let (value, unit) = number(text)?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "us" | "usec" | "usecs" => 1.0,
        "s" | "sec" | "secs" => 1_000_000.0,
        "ms" | "msec" | "msecs" => 1_000.0,
        _ => return None,
    };
    Some((value * scale) as i64 as u32)
}

/// A time in ticks (`get_ticks`).
///
/// # Errors
/// What is printed about a time that is too long; nothing for what is no time.
pub(super) fn ticks(text: &str) -> Result<u32, String> {
    let micros = time(text).ok_or_else(String::new)?;
    let ticks = f64::from(micros) * TICKS_PER_US;
    if ticks >= 4_294_967_296.0 {
        return Err(format!("Illegal {micros} time (too large)\n"));
    }
    Ok(ticks as u32)
}

/// Ticks in microseconds (`tc_core_tick2time`).
pub(super) fn micros(ticks: u32) -> u32 {
    (f64::from(ticks) / TICKS_PER_US) as u32
}

/// A size in bytes (`get_size`).
pub(super) fn size(text: &str) -> Option<u32> {
    let (value, unit) = number(text)?;
    if value < 0.0 {
        return None;
    }
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1024.0,
        "m" | "mb" => 1024.0 * 1024.0,
        "g" | "gb" => 1024.0 * 1024.0 * 1024.0,
        "kbit" => 1024.0 / 8.0,
        "mbit" => 1024.0 * 1024.0 / 8.0,
        "gbit" => 1024.0 * 1024.0 * 1024.0 / 8.0,
        _ => return None,
    };
    let bytes = value * scale;
    (bytes < 4_294_967_296.0).then_some(bytes as u32)
}

/// A size with the cell of the old rate tables behind a slash (`get_size_and_cell`). The error is what of the word was
/// understood.
pub(super) fn size_and_cell(text: &str) -> Result<u32, &str> {
    let Some((front, cell)) = text.split_once('/') else { return size(text).ok_or(text) };
    let cell = cell.parse::<u32>().map_err(|_| front)?;
    if !cell.is_power_of_two() {
        return Err(text);
    }
    size(front).ok_or(front)
}

/// A rate in bytes per second (`get_rate64`): without a unit it is in bits per second.
pub(super) fn rate(text: &str) -> Option<u64> {
    let (value, unit) = number(text)?;
    if value < 0.0 {
        // The sum of its bits is no rate.
        return (unit.is_empty()).then_some(0);
    }
    let unit = unit.to_ascii_lowercase();
    let (front, per_byte) = match unit.strip_suffix("bit") {
        Some(front) => (front, 8.0),
        None if unit.is_empty() => ("", 8.0),
        None => (unit.strip_suffix("bps")?, 1.0),
    };
    let scale = match front {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        "ki" => 1024.0,
        "mi" => 1024.0 * 1024.0,
        "gi" => 1024.0 * 1024.0 * 1024.0,
        "ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((value * scale / per_byte) as u64)
}

/// A percentage of all there is (`get_percent`): with or without its sign.
pub(super) fn percent(text: &str) -> Option<u32> {
    let (value, rest) = number(text)?;
    let part = value / 100.0;
    if !matches!(rest, "" | "%") || !(0.0..=1.0).contains(&part) {
        return None;
    }
    Some((part * f64::from(u32::MAX)).round_ties_even() as u32)
}

/// `1.5%`.
pub(super) fn show_percent(part: u32) -> String {
    format!("{}%", general_6(100.0 * f64::from(part) / f64::from(u32::MAX)))
}

/// The same as a part of one, for JSON.
pub(super) fn show_part(part: u32) -> String {
    general_6(f64::from(part) / f64::from(u32::MAX))
}

/// `10ms`, `1.5s`, `499us` (`sprint_time`).
pub(super) fn show_time(micros: u32) -> String {
    let value = f64::from(micros);
    if micros >= 1_000_000 {
        format!("{}s", general_3(value / 1e6))
    } else if micros >= 1000 {
        format!("{}ms", general_3(value / 1e3))
    } else {
        format!("{micros}us")
    }
}

/// `%.3g`.
fn general_3(value: f64) -> String {
    let scientific = format!("{value:.2e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: usize = exponent.parse().unwrap_or(0);
    let trim = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if exponent >= 3 {
        return format!("{}e+{exponent:02}", trim(mantissa));
    }
    trim(&format!("{value:.*}", 2 - exponent))
}

/// `10Kb`, `1514b` (`sprint_size`).
pub(super) fn show_size(bytes: u32) -> String {
    let value = f64::from(bytes);
    let near = |unit: f64, within: f64| (unit * (value / unit).round_ties_even() - value).abs() < within;
    let (mega, kilo) = (1024.0 * 1024.0, 1024.0);
    if value >= mega && near(mega, 1024.0) {
        format!("{}Mb", general_6((value / mega).round_ties_even()))
    } else if value >= kilo && near(kilo, 16.0) {
        format!("{}Kb", general_6((value / kilo).round_ties_even()))
    } else {
        format!("{bytes}b")
    }
}

/// `1Mbit` (`tc_print_rate`).
pub(super) fn show_rate(bytes_per_second: u64, iec: bool) -> String {
    let (kilo, word) = if iec { (1024, "i") } else { (1000, "") };
    let mut bits = bytes_per_second.wrapping_mul(8);
    let mut units = ["", "K", "M", "G", "T"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if bits < kilo || (!bits.is_multiple_of(kilo) && bits < 1000 * kilo) {
            break;
        }
        bits /= kilo;
        unit = next;
    }
    let word = if unit.is_empty() { "" } else { word };
    format!("{bits}{unit}{word}bit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rounded_to_ticks() {
        for (text, shown) in
            [("10ms", "10ms"), ("1500us", "1.5ms"), ("10", "9us"), ("0.5ms", "499us"), ("1us", "0us"), ("10s", "10s")]
        {
            assert_eq!(ticks(text).map(micros).map(show_time), Ok(shown.to_owned()), "{text}");
        }
        assert_eq!(ticks("x"), Err(String::new()));
        assert_eq!(ticks("-5ms"), Err("Illegal 4294962296 time (too large)\n".to_owned()));
        assert_eq!(show_time(1_580_547_965), "1.58e+03s");
    }

    #[test]
    fn sizes_rates_and_percentages() {
        for (text, shown) in [
            ("10kb", "10Kb"),
            ("32kbit", "4Kb"),
            ("1mbit", "128Kb"),
            ("1g", "1024Mb"),
            ("0x10", "16b"),
            ("1e3", "1000b"),
            ("1.5kb", "1536b"),
        ] {
            assert_eq!(size(text).map(show_size).as_deref(), Some(shown), "{text}");
        }
        for text in ["10bit", "10kib", "-1kb", "99999999999", "x", ""] {
            assert_eq!(size(text), None, "{text}");
        }
        for (text, shown) in [
            ("1mbit", "1Mbit"),
            ("1mbps", "8Mbit"),
            ("1Kibit", "1024bit"),
            ("1mibit", "1048Kbit"),
            ("1234567bit", "1234Kbit"),
            ("40gbit", "40Gbit"),
            ("1e6", "1Mbit"),
            ("10", "8bit"),
        ] {
            assert_eq!(rate(text).map(|rate| show_rate(rate, false)).as_deref(), Some(shown), "{text}");
        }
        for (text, shown) in [("0.00001%", "9.98843e-06%"), ("12.3456%", "12.3456%"), ("10", "10%"), ("0.3%", "0.3%")] {
            assert_eq!(percent(text).map(show_percent).as_deref(), Some(shown), "{text}");
        }
        assert_eq!(percent("101%"), None);
        assert_eq!(size_and_cell("10kb/8"), Ok(10240));
        assert_eq!(size_and_cell("10kb/3"), Err("10kb/3"));
        assert_eq!(size_and_cell("10kb/x"), Err("10kb"));
    }
}
