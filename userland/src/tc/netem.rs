//! The options of `netem`: `q_netem.c` of iproute2. Slots are refused.

use hopwise_devices::qdisc::distribution;
use hopwise_devices::qdisc::netem::{ALWAYS, Loss, NetemOptions, NetemRate};
use hopwise_devices::qdisc::{Discipline, Qdisc, Spec};
use hopwise_machine::general_6;

use super::kinds::illegal;
use super::units::{self, show_part, show_percent};
use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::out::Json;
use crate::ip::{Options, Out};

/// The kernel's ticks in nanoseconds.
const TICK: u64 = 64;

const USAGE: &str = "Usage: ... netem [ limit PACKETS ]
                 [ delay TIME [ JITTER [CORRELATION]]]
                 [ distribution {uniform|normal|pareto|paretonormal} ]
                 [ corrupt PERCENT [CORRELATION]]
                 [ duplicate PERCENT [CORRELATION]]
                 [ loss random PERCENT [CORRELATION]]
                 [ loss state P13 [P31 [P32 [P23 P14]]]
                 [ loss gemodel PERCENT [R [1-H [1-K]]]
                 [ ecn ]
                 [ reorder PERCENT [CORRELATION] [ gap DISTANCE ]]
                 [ rate RATE [PACKETOVERHEAD] [CELLSIZE] [CELLOVERHEAD]]
";

fn explain(message: &str) -> Fail {
    let text = if message.is_empty() { USAGE.to_owned() } else { format!("{message}\n{USAGE}") };
    Fail::as_is(1, text)
}

pub(super) fn parse(args: &mut Args) -> Done<Spec> {
    let mut options = NetemOptions::default();
    let mut cor = Correlations::default();
    let mut modelled = false;
    while let Some(word) = args.next() {
        let is = |full| args::matches(&word, full);
        match () {
            () if is("limit") => options.limit = units::size(&args.need()?).ok_or_else(|| illegal("limit"))?,
            () if is("latency") || is("delay") => delay(args, &mut options, &mut cor)?,
            () if is("loss") || is("drop") => modelled |= loss(args, &mut options, &mut cor)?,
            () if is("ecn") => options.ecn = Some(true),
            () if is("reorder") => {
                let probability = percent(args, "reorder")?;
                let correlation = optional_percent(args, "reorder")?;
                cor.given |= correlation.is_some();
                options.reorder = Some((probability, correlation.unwrap_or(0)));
            }
            () if is("corrupt") => {
                options.corrupt = Some((percent(args, "corrupt")?, optional_percent(args, "corrupt")?.unwrap_or(0)));
            }
            () if is("gap") => {
                options.gap = args.need()?.parse().map_err(|_| illegal("gap"))?;
            }
            () if is("duplicate") => {
                options.duplicate = percent(args, "duplicate")?;
                cor.duplicate = optional_percent(args, "duplicate")?.unwrap_or(0);
            }
            () if is("distribution") => options.distribution = Some(table(&args.need()?)?),
            () if is("rate") => options.rate = Some(rate(args)?),
            () if is("help") => return Err(explain("")),
            () => return Err(explain(&format!("What is \"{word}\"?"))),
        }
    }
    options.correlation = cor.given.then_some((cor.delay, cor.loss, cor.duplicate));
    check(&mut options, modelled)?;
    Ok(Spec::Netem(Box::new(options)))
}

/// The correlations that go into one attribute, which is sent only if that of delay, loss or reordering was given.
#[derive(Default)]
struct Correlations {
    given: bool,
    delay: u32,
    loss: u32,
    duplicate: u32,
}

fn check(options: &mut NetemOptions, modelled: bool) -> Done {
    match options.reorder.filter(|reorder| reorder.0 > 0) {
        Some(_) if options.latency == 0 => {
            return Err(explain("reordering not possible without specifying some delay"));
        }
        Some(_) => options.gap = options.gap.max(1),
        None if options.gap > 0 => return Err(explain("gap specified without reorder probability")),
        None => {}
    }
    if options.ecn == Some(true) && !modelled && options.loss == Loss::Random(0) {
        return Err(explain("ecn requested without loss model"));
    }
    if options.distribution.is_some() && (options.latency == 0 || options.jitter == 0) {
        return Err(explain("distribution specified but no latency and jitter values"));
    }
    Ok(())
}

/// Whether the next word begins with a digit (`NEXT_IS_NUMBER`).
fn is_number(args: &Args) -> bool {
    args.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

/// The same, or with a digit behind a minus sign (`NEXT_IS_SIGNED_NUMBER`).
fn is_signed(args: &Args) -> bool {
    is_number(args)
        || args
            .peek()
            .and_then(|word| word.strip_prefix('-'))
            .is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit()))
}

fn percent(args: &mut Args, what: &str) -> Done<u32> {
    units::percent(&args.need()?).ok_or_else(|| illegal(what))
}

fn optional_percent(args: &mut Args, what: &str) -> Done<Option<u32>> {
    if is_number(args) { percent(args, what).map(Some) } else { Ok(None) }
}

fn time(args: &mut Args) -> Done<u64> {
    let word = args.need()?;
    let ticks = units::ticks(&word).map_err(|said| Fail::as_is(1, format!("{said}Illegal \"latency\"\n")))?;
    Ok(u64::from(ticks) * TICK)
}

fn delay(args: &mut Args, options: &mut NetemOptions, cor: &mut Correlations) -> Done {
    options.latency = time(args)?;
    if is_number(args) {
        options.jitter = time(args)?;
        if let Some(correlation) = optional_percent(args, "latency")? {
            (cor.given, cor.delay) = (true, correlation);
        }
    }
    Ok(())
}

/// `loss`; gives whether it is a model of states.
fn loss(args: &mut Args, options: &mut NetemOptions, cor: &mut Correlations) -> Done<bool> {
    let word = args.peek().map(str::to_owned).ok_or_else(args::incomplete)?;
    let random = word == "random";
    if random {
        args.next();
    }
    if random || is_number(args) {
        options.loss = Loss::Random(percent(args, "loss percent")?);
        if let Some(correlation) = optional_percent(args, "loss correlation")? {
            (cor.given, cor.loss) = (true, correlation);
        }
        return Ok(false);
    }
    args.next();
    match &*word {
        "state" => {
            let p13 = percent(args, "loss p13")?;
            let p31 = optional_percent(args, "loss p31")?;
            let p32 = if p31.is_some() { optional_percent(args, "loss p32")? } else { None };
            let p23 = if p32.is_some() { optional_percent(args, "loss p23")? } else { None };
            let p14 = if p23.is_some() { optional_percent(args, "loss p14")? } else { None };
            options.loss = Loss::States {
                p13,
                p31: p31.unwrap_or(ALWAYS - p13),
                p32: p32.unwrap_or(0),
                p23: p23.unwrap_or(ALWAYS),
                p14: p14.unwrap_or(0),
            };
        }
        "gemodel" => {
            let p = percent(args, "loss gemodel p")?;
            let r = optional_percent(args, "loss gemodel r")?;
            let bad = if r.is_some() { optional_percent(args, "loss gemodel h")? } else { None };
            let good = if bad.is_some() { optional_percent(args, "loss gemodel k")? } else { None };
            let (r, bad) = (r.unwrap_or(ALWAYS - p), bad.unwrap_or(ALWAYS));
            options.loss = Loss::Gemodel { p, r, bad, good: good.unwrap_or(0) };
        }
        _ => return Err(Fail::new(1, format!("Unknown loss parameter: {word}"))),
    }
    Ok(true)
}

/// The table of a distribution, which tc reads from a file.
fn table(name: &str) -> Done<&'static distribution::Distribution> {
    distribution::find(name).ok_or_else(|| {
        let file = format!("/usr/lib/x86_64-linux-gnu/tc//{name}.dist");
        Fail::new(1, format!("No distribution data for {name} ({file}: No such file or directory)"))
    })
}

fn rate(args: &mut Args) -> Done<NetemRate> {
    let mut rate = NetemRate {
        bytes_per_second: units::rate(&args.need()?).ok_or_else(|| illegal("rate"))?,
        ..NetemRate::default()
    };
    if is_signed(args) {
        rate.overhead = args.need()?.parse().map_err(|_| illegal("rate"))?;
        if is_number(args) {
            rate.cell = args.need()?.parse().map_err(|_| illegal("rate"))?;
            if is_signed(args) {
                rate.cell_overhead = args.need()?.parse().map_err(|_| illegal("rate"))?;
            }
        }
    }
    Ok(rate)
}

pub(super) fn print(out: &mut Out, opt: &Options, qdisc: &Qdisc) {
    let Discipline::Netem(netem) = &qdisc.discipline else { return };
    let options = &netem.options;
    let (delay_cor, loss_cor, duplicate_cor) = options.correlation.unwrap_or_default();
    out.any("limit", format_args!("limit {}", options.limit), options.limit);
    if options.latency > 0 {
        print_delay(out, options, delay_cor);
    }
    match options.loss {
        Loss::Random(0) => {}
        Loss::Random(loss) => chance(out, ("loss-random", "loss"), "loss", loss, loss_cor),
        Loss::States { p13, p31, p32, p23, p14 } => {
            let parts = [("p13", p13), ("p31", p31), ("p32", p32), ("p23", p23), ("p14", p14)];
            model(out, "loss-state", "loss state", &parts);
        }
        Loss::Gemodel { p, r, bad, good } => {
            model(out, "loss-gemodel", "loss gemodel", &[("p", p), ("r", r), ("1-h", bad), ("1-k", good)]);
        }
    }
    if options.duplicate > 0 {
        chance(out, ("duplicate", "duplicate"), "duplicate", options.duplicate, duplicate_cor);
    }
    if let Some((part, correlation)) = options.reorder.filter(|reorder| reorder.0 > 0) {
        chance(out, ("reorder", "reorder"), "reorder", part, correlation);
    }
    if let Some((part, correlation)) = options.corrupt.filter(|corrupt| corrupt.0 > 0) {
        chance(out, ("corrupt", "corrupt"), "corrupt", part, correlation);
    }
    if let Some(rate) = options.rate.filter(|rate| rate.bytes_per_second > 0) {
        print_rate(out, opt, &rate);
    }
    let ecn = options.ecn == Some(true);
    out.any("ecn", if ecn { " ecn " } else { "" }, ecn);
    let gap = if options.gap > 0 { format!(" gap {}", options.gap) } else { String::new() };
    out.any("gap", gap, options.gap);
}

fn print_delay(out: &mut Out, options: &NetemOptions, correlation: u32) {
    let micros = |nanos: u64| units::micros((nanos / TICK) as u32);
    let (latency, jitter) = (micros(options.latency), micros(options.jitter));
    let seconds = |micros: u32| Json::Raw(general_6(f64::from(micros) / 1e6));
    out.object(Some("delay"), |out| {
        out.any("delay", format_args!(" delay {}", units::show_time(latency)), seconds(latency));
        let shown = if options.jitter > 0 { format!("  {}", units::show_time(jitter)) } else { String::new() };
        out.any("jitter", shown, seconds(jitter));
        print_correlation(out, if options.jitter > 0 { correlation } else { 0 });
    });
}

fn print_correlation(out: &mut Out, correlation: u32) {
    let text = if correlation > 0 { format!(" {}", show_percent(correlation)) } else { String::new() };
    out.any("correlation", text, Json::Raw(show_part(correlation)));
}

/// ` WORD 10% 25%`.
fn chance(out: &mut Out, keys: (&str, &str), word: &str, part: u32, correlation: u32) {
    out.object(Some(keys.0), |out| {
        out.any(keys.1, format_args!(" {word} {}", show_percent(part)), Json::Raw(show_part(part)));
        print_correlation(out, correlation);
    });
}

fn model(out: &mut Out, key: &str, words: &str, parts: &[(&str, u32)]) {
    out.text(format_args!(" {words}"));
    out.object(Some(key), |out| {
        for (name, part) in parts {
            out.any(name, format_args!(" {name} {}", show_percent(*part)), Json::Raw(show_part(*part)));
        }
    });
}

fn print_rate(out: &mut Out, opt: &Options, rate: &NetemRate) {
    out.object(Some("rate"), |out| {
        let text = units::show_rate(rate.bytes_per_second, opt.iec);
        out.any("rate", format_args!(" rate {text}"), rate.bytes_per_second);
        for (key, value) in [
            ("packetoverhead", i64::from(rate.overhead)),
            ("cellsize", i64::from(rate.cell)),
            ("celloverhead", i64::from(rate.cell_overhead)),
        ] {
            let text = if value != 0 { format!(" {key} {value}") } else { String::new() };
            out.any(key, text, Json::Int(value));
        }
    });
}
