//! The metrics of routes: one row for how each is read and printed.

use hopwise_protocols::fib::{
    Metrics, RTAX_ADVMSS, RTAX_CWND, RTAX_FASTOPEN_NO_COOKIE, RTAX_FEATURES, RTAX_HOPLIMIT, RTAX_INITCWND,
    RTAX_INITRWND, RTAX_MTU, RTAX_QUICKACK, RTAX_REORDERING, RTAX_RTO_MIN, RTAX_RTT, RTAX_RTTVAR, RTAX_SSTHRESH,
    RTAX_WINDOW,
};

use super::super::args::{Args, Done, invarg, matches, unsigned};
use super::super::out::{Json, Out};

/// How a metric's value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A number; `lock` may stand before it.
    Lockable,
    /// A time, kept in units of 1/n milliseconds.
    Time(u32),
    /// `ecn`.
    Features,
    /// 0 or 1.
    Bool,
}

struct Row {
    rtax: u8,
    name: &'static str,
    /// The word may be abbreviated.
    short: bool,
    kind: Kind,
    /// What a wrong value is called in the error, if not the name.
    called: &'static str,
}

const fn row(rtax: u8, name: &'static str, short: bool, kind: Kind) -> Row {
    Row { rtax, name, short, kind, called: name }
}

/// In the order in which iproute2 compares words.
const ROWS: &[Row] = &[
    row(RTAX_MTU, "mtu", false, Kind::Lockable),
    row(RTAX_HOPLIMIT, "hoplimit", false, Kind::Lockable),
    Row { called: "mss", ..row(RTAX_ADVMSS, "advmss", false, Kind::Lockable) },
    row(RTAX_REORDERING, "reordering", true, Kind::Lockable),
    row(RTAX_RTT, "rtt", false, Kind::Time(8)),
    row(RTAX_RTO_MIN, "rto_min", false, Kind::Time(1)),
    row(RTAX_WINDOW, "window", true, Kind::Lockable),
    row(RTAX_CWND, "cwnd", true, Kind::Lockable),
    row(RTAX_INITCWND, "initcwnd", true, Kind::Lockable),
    row(RTAX_INITRWND, "initrwnd", true, Kind::Lockable),
    row(RTAX_FEATURES, "features", true, Kind::Features),
    row(RTAX_QUICKACK, "quickack", true, Kind::Bool),
    row(RTAX_RTTVAR, "rttvar", true, Kind::Time(4)),
    row(RTAX_SSTHRESH, "ssthresh", true, Kind::Lockable),
    row(RTAX_FASTOPEN_NO_COOKIE, "fastopen_no_cookie", true, Kind::Bool),
];

/// Reads a metric if `word` names one.
///
/// # Errors
/// If its value is wrong or missing.
pub(super) fn parse(word: &str, args: &mut Args, metrics: &mut Metrics) -> Done<bool> {
    let names = |row: &&Row| if row.short { matches(word, row.name) } else { word == row.name };
    let Some(row) = ROWS.iter().find(names) else { return Ok(false) };
    let wrong = |text: &str| invarg(&format!("\"{}\" value is invalid\n", row.called), text);
    let mut value = args.need()?;
    let lockable = matches!(row.kind, Kind::Lockable) || matches!(row.rtax, RTAX_RTT | RTAX_RTTVAR);
    if lockable && value == "lock" {
        metrics.lock |= 1 << row.rtax;
        value = args.need()?;
    }
    let number = match row.kind {
        Kind::Lockable => {
            let number = unsigned(&value).and_then(|n| u32::try_from(n).ok()).ok_or_else(|| wrong(&value))?;
            if row.rtax == RTAX_HOPLIMIT && number > 255 {
                return Err(wrong(&value));
            }
            number
        }
        Kind::Time(unit) => {
            if row.rtax == RTAX_RTO_MIN {
                metrics.lock |= 1 << row.rtax;
            }
            time(&value, unit).ok_or_else(|| wrong(&value))?
        }
        Kind::Features => match &*value {
            "ecn" => 1,
            _ => return Err(invarg("\"features\" value not valid\n", &value)),
        },
        Kind::Bool => match &*value {
            "0" => 0,
            "1" => 1,
            _ => return Err(invarg(&format!("\"{}\" value should be 0 or 1\n", row.name), &value)),
        },
    };
    metrics.set(row.rtax, number);
    Ok(true)
}

/// A time in milliseconds times `unit`; a number without a unit is taken as it is (`get_time_rtt`).
fn time(text: &str, unit: u32) -> Option<u32> {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(at);
    let factor = match suffix {
        "" => return number.parse().ok().or_else(|| thousandths(number).map(|t| t.div_ceil(1000))),
        "s" | "sec" | "secs" => 1000,
        "ms" | "msec" | "msecs" => 1,
        _ => return None,
    };
    let milliseconds = thousandths(number)?.checked_mul(factor)?.div_ceil(1000);
    milliseconds.checked_mul(unit)
}

/// A decimal number in thousandths.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    let whole: u32 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(1000)?.checked_add(part.parse().ok()?)
}

/// Prints metrics (`print_rta_metrics`).
pub(super) fn print(out: &mut Out, metrics: &Metrics) {
    if metrics.is_empty() {
        return;
    }
    out.open_array(Some("metrics"));
    out.open_object(None);
    for rtax in RTAX_MTU..=RTAX_FASTOPEN_NO_COOKIE {
        let value = metrics.get(rtax);
        if value == 0 && !metrics.is_locked(rtax) {
            continue;
        }
        let Some(row) = ROWS.iter().find(|row| row.rtax == rtax) else { continue };
        out.text(format_args!("{} ", row.name));
        if metrics.is_locked(rtax) {
            out.text("lock ");
        }
        match row.kind {
            Kind::Features => out.any("ecn", "ecn ", Json::Null),
            Kind::Time(unit) => {
                let ms = value / unit;
                if ms >= 1000 {
                    out.any(row.name, format_args!("{}s ", seconds(ms)), ms);
                } else {
                    out.any(row.name, format_args!("{ms}ms "), ms);
                }
            }
            _ => out.any(row.name, format_args!("{value} "), value),
        }
    }
    out.close_object();
    out.close_array();
}

/// Milliseconds as seconds, as `%g` prints them.
fn seconds(ms: u32) -> String {
    let text = format!("{}.{:03}", ms / 1000, ms % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(
            (time("30ms", 8), time("100", 8), time("1.5s", 8), time("x", 8), time("5m", 1)),
            (Some(240), Some(100), Some(12000), None, None)
        );
        assert_eq!((seconds(1500), seconds(2000), seconds(1234)), ("1.5".into(), "2".into(), "1.234".into()));
    }
}
