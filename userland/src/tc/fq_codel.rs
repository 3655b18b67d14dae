//! The options of `fq_codel`: `q_fq_codel.c` of iproute2.

use hopwise_devices::qdisc::codel::micros;
use hopwise_devices::qdisc::fq_codel::{FqCodel, FqCodelOptions};
use hopwise_devices::qdisc::{Discipline, Qdisc, Spec};

use super::units;
use crate::ip::args::{Args, Done, Fail};
use crate::ip::{Options, Out};

const USAGE: &str = "Usage: ... fq_codel\t[ limit PACKETS ] [ flows NUMBER ]
[ memory_limit BYTES ]
[ target TIME ] [ interval TIME ]
[ quantum BYTES ] [ [no]ecn ]
[ ce_threshold TIME ]
[ drop_batch SIZE ]
";

fn read<T>(args: &mut Args, what: &str, read: impl Fn(&str) -> Option<T>) -> Done<Option<T>> {
    let text = args.need()?;
    read(&text).map(Some).ok_or_else(|| Fail::new(1, format!("Illegal \"{what}\"")))
}

pub(super) fn parse(args: &mut Args) -> Done<Spec> {
    let mut o = FqCodelOptions::default();
    let number = |text: &str| crate::ip::args::unsigned(text).and_then(|n| u32::try_from(n).ok());
    while let Some(word) = args.next() {
        match &*word {
            "limit" => o.limit = read(args, "limit", number)?,
            "flows" => o.flows = read(args, "flows", number)?,
            "quantum" => o.quantum = read(args, "quantum", units::size)?,
            "target" => o.target = read(args, "target", units::time)?,
            "interval" => o.interval = read(args, "interval", units::time)?,
            "ce_threshold" => o.ce_threshold = read(args, "ce_threshold", units::time)?,
            "memory_limit" => o.memory_limit = read(args, "memory_limit", units::size)?,
            "drop_batch" => o.drop_batch = read(args, "drop_batch", number)?,
            "ecn" => o.ecn = Some(true),
            "noecn" => o.ecn = Some(false),
            "help" => return Err(Fail::as_is(1, USAGE)),
            _ => return Err(Fail::as_is(1, format!("What is \"{word}\"?\n{USAGE}"))),
        }
    }
    // Zeroes of these are not sent to the kernel.
    for value in [&mut o.limit, &mut o.flows, &mut o.quantum, &mut o.target, &mut o.interval, &mut o.drop_batch] {
        *value = value.filter(|n| *n != 0);
    }
    Ok(Spec::FqCodel(Box::new(o)))
}

pub(super) fn print(out: &mut Out, _: &Options, qdisc: &Qdisc) {
    let Discipline::FqCodel(fq) = &qdisc.discipline else { return };
    let p = &fq.params;
    out.any("limit", format_args!("limit {}p ", fq.limit), fq.limit);
    out.any("flows", format_args!("flows {} ", fq.flow_count()), fq.flow_count() as u64);
    out.any("quantum", format_args!("quantum {} ", fq.quantum), fq.quantum);
    let mut time = |key: &str, ticks| {
        let micros = micros(ticks);
        out.any(key, format_args!("{key} {} ", units::show_time(micros)), micros);
    };
    time("target", p.target);
    p.ce_threshold.into_iter().for_each(|ticks| time("ce_threshold", ticks));
    time("interval", p.interval);
    out.any("memory_limit", format_args!("memory_limit {} ", units::show_size(fq.memory_limit)), fq.memory_limit);
    if p.ecn {
        out.any("ecn", "ecn ", true);
    }
    out.any("drop_batch", format_args!("drop_batch {} ", fq.drop_batch), fq.drop_batch);
}

/// What `-s` adds (`fq_codel_print_xstats`).
pub(super) fn print_stats(out: &mut Out, fq: &FqCodel) {
    let (new, old) = fq.waiting();
    for (key, value) in [
        ("maxpacket", u64::from(fq.counted.max_packet)),
        ("drop_overlimit", fq.drop_overlimit.into()),
        ("new_flow_count", fq.new_flow_count.into()),
        ("ecn_mark", fq.counted.ecn_mark.into()),
    ] {
        let blank = if key == "maxpacket" { "  " } else { " " };
        out.any(key, format_args!("{blank}{key} {value}"), value);
    }
    if fq.counted.ce_mark > 0 {
        out.any("ce_mark", format_args!(" ce_mark {}", fq.counted.ce_mark), fq.counted.ce_mark);
    }
    out.line();
    for (key, value) in [("new_flows_len", new as u64), ("old_flows_len", old as u64)] {
        let blank = if key == "new_flows_len" { "  " } else { " " };
        out.any(key, format_args!("{blank}{key} {value}"), value);
    }
    out.line();
}
