//! `-m connbytes`: how much a connection carried (`net/netfilter/xt_connbytes.c`).

use super::{Asks, Extension, How};
use crate::conntrack::Counter;
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;

/// A range of packets, bytes or bytes for each packet.
#[derive(Clone, PartialEq, Debug)]
pub struct Connbytes {
    from: u64,
    to: u64,
    inv: bool,
    mode: u8,
    dir: u8,
}

const MODES: [&str; 3] = ["packets", "bytes", "avgpkt"];
const DIRS: [&str; 3] = ["original", "reply", "both"];

static OPTIONS: &[Opt] = &[
    Opt::arg("connbytes", 0).inv().must(),
    Opt::arg("connbytes-dir", 1).must(),
    Opt::arg("connbytes-mode", 2).must(),
];

fn choose(call: &Call<'_>, names: &[&str]) -> Done<u8> {
    let found = names.iter().position(|name| *name == call.arg).map(|place| place as u8);
    found.ok_or_else(|| Refusal::new(format!("Unknown --{} `{}'", call.opt.name, call.arg)))
}

fn range(call: &Call<'_>) -> Done<(u64, u64)> {
    let (from, to) = call.arg.split_once(':').map_or((call.arg, ""), |ends| ends);
    let number = |word: &str, empty| if word.is_empty() { Some(empty) } else { number::within(word, 0, u64::MAX) };
    let ends = number(from, 0).zip(number(to, u64::MAX)).filter(|_| !call.arg.is_empty());
    let (from, to) = ends.ok_or_else(|| call.bad_value(0, u64::MAX))?;
    if from > to {
        return Err(Refusal::new(format!("{from} should be less than {to}")));
    }
    Ok((from, to))
}

impl Connbytes {
    fn span(&self) -> String {
        if self.to == u64::MAX { self.from.to_string() } else { format!("{}:{}", self.from, self.to) }
    }

    fn amount(&self, counters: &[Counter; 2]) -> u64 {
        let sides = match self.dir {
            0 => &counters[..1],
            1 => &counters[1..],
            _ => &counters[..],
        };
        let packets = sides.iter().map(|c| c.packets).sum();
        let bytes: u64 = sides.iter().map(|c| c.bytes).sum();
        match self.mode {
            0 => packets,
            1 => bytes,
            _ => bytes.checked_div(packets).unwrap_or(0),
        }
    }
}

impl Extension for Connbytes {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Connbytes { from: 0, to: 0, inv: false, mode: 0, dir: 0 }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            0 => ((self.from, self.to), self.inv) = (range(call)?, call.inv),
            1 => self.dir = choose(call, &DIRS)?,
            _ => self.mode = choose(call, &MODES)?,
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        let (mode, dir) = (MODES[usize::from(self.mode)], DIRS[usize::from(self.dir)]);
        let not = if self.inv { " !" } else { "" };
        out.push_str(&format!("{not} --connbytes {} --connbytes-mode {mode} --connbytes-dir {dir}", self.span()));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        let (mode, dir) = (MODES[usize::from(self.mode)], DIRS[usize::from(self.dir)]);
        let not = if self.inv { " !" } else { "" };
        out.push_str(&format!("{not} connbytes {} connbytes mode {mode} connbytes direction {dir}", self.span()));
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        let (mode, dir) = (MODES[rng.below(3) as usize], DIRS[rng.below(3) as usize]);
        format!("-m connbytes {inv}--connbytes {}: --connbytes-mode {mode} --connbytes-dir {dir}", rng.below(9))
    }
}

impl Asks for Connbytes {
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let counters = skb.conn.as_ref().and_then(|conn| conn.counters);
        counters.is_some_and(|counters| (self.from..=self.to).contains(&self.amount(&counters)) != self.inv)
    }
}
