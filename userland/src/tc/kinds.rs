//! The disciplines that tc knows: how their options are read and printed, one line each.

use hopwise_devices::qdisc::{Qdisc, Spec};

use super::{fifo, fq_codel, netem, prio, tbf};
use crate::ip::args::{Args, Done, Fail};
use crate::ip::{Options, Out};

/// One discipline.
pub(super) struct KindRow {
    /// Its name.
    pub(super) name: &'static str,
    /// Reads its options.
    pub(super) parse: fn(&mut Args) -> Done<Spec>,
    /// Prints them.
    pub(super) print: fn(&mut Out, &Options, &Qdisc),
}

static KINDS: &[KindRow] = &[
    KindRow { name: "netem", parse: netem::parse, print: netem::print },
    KindRow { name: "tbf", parse: tbf::parse, print: tbf::print },
    KindRow { name: "pfifo", parse: |args| fifo::parse(args, "pfifo"), print: fifo::print },
    KindRow { name: "bfifo", parse: |args| fifo::parse(args, "bfifo"), print: fifo::print },
    KindRow { name: "pfifo_fast", parse: fifo::parse_fast, print: |out, _, _| prio::print_fast(out) },
    KindRow { name: "fq_codel", parse: fq_codel::parse, print: fq_codel::print },
    KindRow { name: "prio", parse: prio::parse, print: prio::print },
];

/// Those that tc knows and this kernel does not: their options are not read.
const FOREIGN: &[&str] = &[
    "cake", "cbq", "cbs", "choke", "codel", "drr", "dsmark", "etf", "ets", "fq", "fq_pie", "gred", "hfsc", "hhf",
    "htb", "mqprio", "multiq", "pie", "qfq", "red", "sfb", "sfq", "skbprio", "taprio",
];

/// Those that this kernel knows and tc has no options for.
const BARE: [(&str, Spec); 2] = [("noqueue", Spec::Noqueue), ("mq", Spec::Mq)];

/// The discipline of that name.
pub(super) fn find(name: &str) -> Option<&'static KindRow> {
    KINDS.iter().find(|row| row.name == name)
}

/// Reads the options of a discipline; `None` if there is none of that name.
pub(super) fn parse(name: &str, args: &mut Args) -> Done<Option<Spec>> {
    if let Some(row) = find(name) {
        return (row.parse)(args).map(Some);
    }
    if FOREIGN.contains(&name) {
        args.rest();
    }
    match args.peek() {
        None => Ok(BARE.into_iter().find(|(bare, _)| *bare == name).map(|(_, spec)| spec)),
        Some(word) => Err(Fail::new(1, format!("Unknown qdisc \"{name}\", hence option \"{word}\" is unparsable"))),
    }
}

/// `explain1` of several disciplines.
pub(super) fn illegal(what: &str) -> Fail {
    Fail::new(1, format!("Illegal \"{what}\""))
}
