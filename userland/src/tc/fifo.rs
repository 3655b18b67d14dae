//! The options of `pfifo` and `bfifo`: `q_fifo.c` of iproute2.

use hopwise_devices::qdisc::{Discipline, Qdisc, Spec};

use super::units;
use crate::ip::args::{Args, Done, Fail};
use crate::ip::{Options, Out};

const USAGE: &str = "Usage: ... <[p|b]fifo | pfifo_head_drop> [ limit NUMBER ]\n";

pub(super) fn parse(args: &mut Args, kind: &str) -> Done<Spec> {
    let mut limit = None;
    while let Some(word) = args.next() {
        match &*word {
            "limit" => {
                let word = args.need()?;
                let refused = || Fail::new(1, format!("{kind}: Illegal value for \"limit\": \"{word}\""));
                limit = Some(units::size(&word).ok_or_else(refused)?);
            }
            "help" => return Err(Fail::as_is(1, USAGE.to_owned())),
            _ => return Err(Fail::as_is(1, format!("{kind}: unknown parameter \"{word}\"\n{USAGE}"))),
        }
    }
    Ok(if kind == "bfifo" { Spec::Bfifo(limit) } else { Spec::Pfifo(limit) })
}

/// `pfifo_fast` has no options.
pub(super) fn parse_fast(args: &mut Args) -> Done<Spec> {
    if args.is_empty() {
        return Ok(Spec::PfifoFast);
    }
    Err(Fail::new(255, "qdisc 'pfifo_fast' does not support option parsing"))
}

pub(super) fn print(out: &mut Out, _: &Options, qdisc: &Qdisc) {
    let Discipline::Fifo(fifo) = &qdisc.discipline else { return };
    let text = if fifo.in_bytes { units::show_size(fifo.limit) } else { format!("{}p", fifo.limit) };
    out.any("limit", format_args!("limit {text}"), fifo.limit);
}
