//! The options of `tbf`: `q_tbf.c` of iproute2.

use hopwise_devices::qdisc::tbf::{Rate, TbfOptions};
use hopwise_devices::qdisc::{Discipline, Qdisc, Spec};

use super::units;
use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Options, Out};

const USAGE: &str = "Usage: ... tbf limit BYTES burst BYTES[/BYTES] rate KBPS [ mtu BYTES[/BYTES] ]
\t[ peakrate KBPS ] [ latency TIME ] [ overhead BYTES ] [ linklayer TYPE ]
";

/// What the command line says; 0 and `None`: nothing.
#[derive(Default)]
struct Wanted {
    limit: Option<u32>,
    latency: Option<u32>,
    burst: u32,
    mtu: u32,
    mpu: u16,
    rate: u64,
    peak: u64,
    overhead: u16,
    atm: bool,
}

fn wrong(what: &str, value: &str) -> Fail {
    Fail::new(1, format!("tbf: illegal value for \"{what}\": \"{value}\""))
}

fn twice(what: &str) -> Fail {
    Fail::new(1, format!("tbf: duplicate \"{what}\" specification"))
}

const BOTH: &str = "tbf: specifying both \"latency\" and \"limit\" is not allowed";

pub(super) fn parse(args: &mut Args) -> Done<Spec> {
    let mut wanted = Wanted::default();
    while let Some(word) = args.next() {
        let is = |full| args::matches(&word, full);
        match () {
            () if is("limit") => limit(args, &mut wanted)?,
            () if is("latency") => latency(args, &mut wanted)?,
            () if is("burst") || word == "buffer" || word == "maxburst" => {
                let value = args.need()?;
                if wanted.burst > 0 {
                    return Err(twice("buffer/burst/maxburst"));
                }
                wanted.burst = units::size_and_cell(&value).map_err(|value| wrong(&word, value))?;
            }
            () if word == "mtu" || word == "minburst" => {
                let value = args.need()?;
                if wanted.mtu > 0 {
                    return Err(twice("mtu/minburst"));
                }
                wanted.mtu = units::size_and_cell(&value).map_err(|value| wrong(&word, value))?;
            }
            () if word == "mpu" => {
                let value = args.need()?;
                wanted.mpu = units::size(&value).ok_or_else(|| wrong("mpu", &value))? as u16;
            }
            () if word == "rate" => rate(args, "rate", &mut wanted.rate)?,
            () if is("peakrate") => rate(args, "peakrate", &mut wanted.peak)?,
            () if is("overhead") => {
                let value = args.need()?;
                wanted.overhead = value.parse().map_err(|_| wrong("overhead", &value))?;
            }
            () if is("linklayer") => {
                let value = args.need()?;
                wanted.atm = match &*value {
                    "atm" | "adsl" => true,
                    "ethernet" => false,
                    _ => return Err(wrong("linklayer", &value)),
                };
            }
            () if is("help") => return Err(explain("")),
            () => return Err(explain(&format!("tbf: unknown parameter \"{word}\"\n"))),
        }
    }
    finish(&wanted)
}

fn explain(message: &str) -> Fail {
    Fail::as_is(1, format!("{message}{USAGE}"))
}

fn limit(args: &mut Args, wanted: &mut Wanted) -> Done {
    let value = args.need()?;
    match (wanted.limit, wanted.latency) {
        (Some(_), _) => return Err(twice("limit")),
        (_, Some(_)) => return Err(Fail::new(1, BOTH)),
        _ => {}
    }
    wanted.limit = Some(units::size(&value).ok_or_else(|| wrong("limit", &value))?).filter(|limit| *limit > 0);
    Ok(())
}

fn latency(args: &mut Args, wanted: &mut Wanted) -> Done {
    let value = args.need()?;
    match (wanted.latency, wanted.limit) {
        (Some(_), _) => return Err(twice("latency")),
        (_, Some(_)) => return Err(Fail::new(1, BOTH)),
        _ => {}
    }
    wanted.latency = Some(units::time(&value).ok_or_else(|| wrong("latency", &value))?).filter(|time| *time > 0);
    Ok(())
}

fn rate(args: &mut Args, what: &str, rate: &mut u64) -> Done {
    let value = args.need()?;
    if *rate > 0 {
        return Err(twice(what));
    }
    *rate = units::rate(&value).ok_or_else(|| wrong(what, &value))?;
    Ok(())
}

/// What must be there, and the limit that a latency means.
fn finish(wanted: &Wanted) -> Done<Spec> {
    let mut missing = String::new();
    for (name, is_missing) in [("rate", wanted.rate == 0), ("burst", wanted.burst == 0)] {
        if is_missing {
            missing.push_str(&format!("tbf: the \"{name}\" parameter is mandatory.\n"));
        }
    }
    if wanted.peak > 0 && wanted.mtu == 0 {
        missing.push_str("tbf: when \"peakrate\" is specified, \"mtu\" must also be specified.\n");
    }
    if wanted.limit.is_none() && wanted.latency.is_none() {
        missing.push_str("tbf: either \"limit\" or \"latency\" is required.\n");
    }
    if !missing.is_empty() {
        return Err(explain(&missing));
    }
    let limit = wanted.limit.unwrap_or_else(|| {
        let bytes = |rate: u64| rate as f64 * f64::from(wanted.latency.unwrap_or(0)) / 1e6;
        let at_rate = bytes(wanted.rate) + f64::from(wanted.burst);
        let at_peak = bytes(wanted.peak) + f64::from(wanted.mtu);
        (if wanted.peak > 0 { at_rate.min(at_peak) } else { at_rate }) as u32
    });
    let rate = |rate: u64| Rate::new(rate, wanted.overhead, wanted.mpu, wanted.atm);
    let peak = if wanted.peak > 0 { rate(wanted.peak) } else { Rate::default() };
    Ok(Spec::Tbf(TbfOptions { rate: rate(wanted.rate), burst: wanted.burst, limit, peak, mtu: wanted.mtu }))
}

/// The bytes that the kernel's buffer of so many nanoseconds means, which it reports in 32 bits of ticks
/// (`tc_calc_xmitsize`).
fn bucket(rate: u64, nanos: i64) -> (u32, f64) {
    let ticks = (nanos.unsigned_abs() / 64) as u32;
    let micros = f64::from(units::micros(ticks));
    ((rate as f64 * micros / 1e6) as u32, micros)
}

pub(super) fn print(out: &mut Out, opt: &Options, qdisc: &Qdisc) {
    let Discipline::Tbf(tbf) = &qdisc.discipline else { return };
    let (rate, peak) = (tbf.rate, tbf.peak);
    out.any("rate", format_args!("rate {} ", units::show_rate(rate.bytes_per_second, opt.iec)), rate.bytes_per_second);
    let (burst, burst_time) = bucket(rate.bytes_per_second, tbf.buffer);
    print_bucket(out, opt, ("burst", "burst"), burst, rate.mpu);
    let mut latency = 1e6 * (f64::from(tbf.limit) / rate.bytes_per_second as f64) - burst_time;
    if peak.bytes_per_second > 0 {
        out.text(format_args!("peakrate {} ", units::show_rate(peak.bytes_per_second, opt.iec)));
        let (mtu, mtu_time) = bucket(peak.bytes_per_second, tbf.mtu);
        print_bucket(out, opt, ("mtu", "minburst"), mtu, peak.mpu);
        latency = latency.max(1e6 * (f64::from(tbf.limit) / peak.bytes_per_second as f64) - mtu_time);
    }
    if latency >= 0.0 {
        out.any("lat", format_args!("lat {} ", units::show_time(latency as u64 as u32)), latency as u64);
    } else {
        out.any("limit", format_args!("limit {} ", units::show_size(tbf.limit)), tbf.limit);
    }
    if rate.overhead > 0 {
        out.any("overhead", format_args!("overhead {} ", rate.overhead), u32::from(rate.overhead));
    }
    if opt.details > 0 || rate.atm {
        let layer = if rate.atm { "atm" } else { "ethernet" };
        out.any("linklayer", format_args!("linklayer {layer} "), layer);
    }
}

/// The size of a bucket; with `-d` also the cell of the old tables and the least size of a packet.
fn print_bucket(out: &mut Out, opt: &Options, words: (&str, &str), bytes: u32, mpu: u16) {
    let shown = units::show_size(bytes);
    if opt.details > 0 {
        let both = format!("{shown}/1");
        out.any(words.0, format_args!("{} {both} ", words.0), both.as_str());
        out.any("mpu", format_args!("mpu {} ", units::show_size(u32::from(mpu))), u32::from(mpu));
    } else {
        out.any(words.1, format_args!("{} {shown} ", words.1), bytes);
    }
}
