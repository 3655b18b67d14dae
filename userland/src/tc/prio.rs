//! The options of `prio`: `q_prio.c` of iproute2.

use hopwise_devices::qdisc::prio::{PRIOMAP, PrioOptions};
use hopwise_devices::qdisc::{Discipline, Qdisc, Spec};

use super::kinds::illegal;
use crate::ip::args::{Args, Done, Fail};
use crate::ip::{Options, Out};

const USAGE: &str = "Usage: ... prio bands NUMBER priomap P1 P2...[multiqueue]\n";

pub(super) fn parse(args: &mut Args) -> Done<Spec> {
    let mut options = PrioOptions::default();
    let (mut in_map, mut place) = (false, 0);
    while let Some(word) = args.next() {
        match &*word {
            "bands" => options.bands = args.need()?.parse().map_err(|_| illegal("bands"))?,
            "priomap" if in_map => return Err(Fail::new(1, "Error: duplicate priomap")),
            "priomap" => in_map = true,
            "help" => return Err(Fail::as_is(1, USAGE.to_owned())),
            _ if !in_map => return Err(Fail::as_is(1, format!("What is \"{word}\"?\n{USAGE}"))),
            _ => {
                let band: u32 = word.parse().map_err(|_| Fail::new(1, "Illegal \"priomap\" element"))?;
                if band > options.bands {
                    return Err(Fail::new(1, "\"priomap\" element is out of bands"));
                }
                let Some(entry) = options.priomap.get_mut(place) else {
                    return Err(Fail::new(1, "\"priomap\" index > TC_PRIO_MAX=15"));
                };
                *entry = band.min(255) as u8;
                place += 1;
            }
        }
    }
    Ok(Spec::Prio(options))
}

pub(super) fn print(out: &mut Out, _: &Options, qdisc: &Qdisc) {
    if let Discipline::Prio(prio) = &qdisc.discipline {
        bands(out, prio.bands.len() as u32, &prio.priomap);
    }
}

/// The kernel's default discipline prints itself in the same way.
pub(super) fn print_fast(out: &mut Out) {
    bands(out, 3, &PRIOMAP);
}

fn bands(out: &mut Out, count: u32, map: &[u8; 16]) {
    out.any("bands", format_args!("bands {count} priomap"), count);
    out.array(Some("priomap"), |out| {
        for band in map {
            out.item(format_args!(" {band}"), u32::from(*band));
        }
    });
    out.field("multiqueue", false);
}
