//! NTP and SNTP (RFC 5905): time messages; of control messages only that they are.

use super::cx::{Bytes, Cx, Done, Row, Truncated, name, name_or, put, safe_string};
use super::registry::Ports;
use super::time;

const MODES: &[Row] = &[
    (0, "unspecified"),
    (1, "symmetric active"),
    (2, "symmetric passive"),
    (3, "Client"),
    (4, "Server"),
    (5, "Broadcast"),
    (6, "Control Message"),
    (7, "Reserved"),
];

const LEAP: &[Row] = &[(0, ""), (0x40, "+1s"), (0x80, "-1s"), (0xc0, "clock unsynchronized")];

const STRATA: &[Row] = &[(0, "unspecified"), (1, "primary reference")];

/// Seconds from 1900 to 1970.
const TO_UNIX: i64 = 2_208_988_800;
/// Where the originator's stamp stands.
const ORIGINATOR: usize = 24;

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    const SMALLEST: usize = 12;
    cx.protocol = "ntp";
    if length < SMALLEST {
        put!(cx, "NTP, length {length}");
        cx.invalid();
        return Ok(());
    }
    let first = bp.u8(0)?;
    let mode = first & 7;
    put!(cx, "NTPv{}, {}, length {length}", first >> 3 & 7, name_or(MODES, mode, "Unknown mode"));
    if cx.opts.verbose == 0 || mode >= 6 {
        return Ok(());
    }
    let leap = first & 0xc0;
    put!(cx, "\n\tLeap indicator: {} ({leap})", name_or(LEAP, leap, ""));
    let stratum = bp.u8(1)?;
    let label = match stratum {
        2..=15 => "secondary reference",
        _ => name(STRATA, stratum).unwrap_or("reserved"),
    };
    put!(cx, ", Stratum {stratum} ({label})");
    let (poll, precision) = (bp.u8(2)?, bp.u8(3)?.cast_signed());
    put!(cx, ", poll {poll} ({})", interval(poll.cast_signed()));
    put!(cx, ", precision {precision}");
    put!(cx, "\n\tRoot Delay: {}, Root dispersion: {}", short_time(bp.u32(4)?), short_time(bp.u32(8)?));
    cx.out.push_str(", Reference-ID: ");
    match stratum {
        0 => cx.out.push_str("(unspec)"),
        1 => {
            let id = bp.take(12, 4)?;
            let text = safe_string(id);
            cx.out.push_str(&text);
        }
        _ => put!(cx, "0x{:08x}", bp.u32(12)?),
    }
    for (label, at) in [("Reference", 16), ("Originator", ORIGINATOR), ("Receive", 32), ("Transmit", 40)] {
        let title = format!("{label} Timestamp:");
        put!(cx, "\n\t  {title:<21} {}", stamp(bp.u64(at)?));
    }
    for (label, at) in [("Receive", 32), ("Transmit", 40)] {
        let title = format!("Originator - {label} Timestamp:");
        put!(cx, "\n\t    {title:<32} {}", difference(bp, at)?);
    }
    print_key(cx, bp, length)
}

/// What a signed message ends with.
fn print_key(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    const KEY: usize = 48;
    match length - KEY.min(length) {
        4 => put!(cx, "\n\tKey id: {}", bp.u32(KEY)?),
        20 | 24 => {
            put!(cx, "\n\tKey id: {}", bp.u32(KEY)?);
            cx.out.push_str("\n\tAuthentication: ");
            for byte in bp.take(KEY + 4, length - KEY - 4)? {
                put!(cx, "{byte:02x}");
            }
        }
        0 => {}
        more => put!(cx, "\n\t({more} more header octets)"),
    }
    Ok(())
}

/// A power of two as seconds.
fn interval(exponent: i8) -> String {
    match exponent {
        0..32 => format!("{}s", 1u64 << exponent),
        -31..0 => format!("1/{}s", 1u64 << -exponent),
        _ => format!("{exponent}s"),
    }
}

/// 16 bits of seconds and 16 of fraction, with six decimals.
fn short_time(time: u32) -> String {
    let fraction = u64::from(time & 0xffff) * 1_000_000 / 65_536;
    format!("{}.{fraction:06}", time >> 16)
}

/// Nanoseconds of a 32-bit fraction.
fn nanoseconds(fraction: u32) -> u64 {
    (u64::from(fraction) * 1_000_000_000) >> 32
}

/// Seconds since 1900 with nine decimals, and the date.
fn stamp(time: u64) -> String {
    let (seconds, fraction) = ((time >> 32) as u32, time as u32);
    let mut text = format!("{seconds}.{:09}", nanoseconds(fraction));
    if seconds != 0 {
        let unix = i64::from(seconds) - TO_UNIX;
        let (days, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
        // 25,567 days from 1900 to 1970: the calendar is counted from 1900 to stay positive.
        let date = time::date_from_1900(days + 25_567);
        text.push_str(&format!(" ({date}T{:02}:{:02}:{:02}Z)", second / 3600, second / 60 % 60, second % 60));
    }
    text
}

/// How much later than the originator's stamp the one at `at` is.
fn difference(bp: &[u8], at: usize) -> Result<String, Truncated> {
    let (originator, later) = (bp.u64(ORIGINATOR)?, bp.u64(at)?);
    let sign = match later.cmp(&originator) {
        std::cmp::Ordering::Greater => "+",
        std::cmp::Ordering::Less => "-",
        std::cmp::Ordering::Equal => "",
    };
    let apart = later.abs_diff(originator);
    if originator >> 32 == 0 {
        return Ok(stamp(later));
    }
    Ok(format!("{sign}{}.{:09}", apart >> 32, nanoseconds(apart as u32)))
}
