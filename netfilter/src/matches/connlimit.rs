//! `-m connlimit`: how many connections there are at once (`net/netfilter/xt_connlimit.c`, `nf_conncount.c`).

use std::collections::BTreeMap;

use super::{Asks, Extension, How};
use crate::conntrack::{Direction, End, Tuple, Zone};
use crate::rules::{Cx, IpMatch, State};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;

/// The connections that were seen, by masked address and zone.
type Seen = BTreeMap<(u32, Zone), Vec<Tuple>>;

/// A limit, over the addresses of one side.
#[derive(Clone, PartialEq, Debug)]
pub struct Connlimit {
    limit: u32,
    /// `--connlimit-upto`.
    upto: bool,
    len: u8,
    dest: bool,
    seen: State<Seen>,
}

static OPTIONS: &[Opt] = &[
    Opt::arg("connlimit-upto", 0).excl(0b10),
    Opt::arg("connlimit-above", 1).inv().excl(0b01),
    Opt::arg("connlimit-mask", 2),
    Opt::flag("connlimit-saddr", 3).excl(1 << 4),
    Opt::flag("connlimit-daddr", 4).excl(1 << 3),
];

impl Extension for Connlimit {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Connlimit { limit: 0, upto: false, len: 32, dest: false, seen: State(Seen::new()) }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            0 | 1 => {
                self.limit = call.number(0, u32::MAX.into())? as u32;
                self.upto = (call.opt.bit == 0) != call.inv;
            }
            2 => {
                // A length that is too long means the full one.
                let bad = || Refusal::new(format!("connlimit: Bad value for \"--connlimit-mask\" option: \"{}\"", call.arg));
                self.len = number::within(call.arg, 0, 128).ok_or_else(bad)?.min(32) as u8;
            }
            bit => self.dest = bit == 4,
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match seen & 0b11 {
            0 => Err(Refusal::new("You must specify \"--connlimit-above\" or \"--connlimit-upto\".")),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut String) {
        let word = if self.upto { "upto" } else { "above" };
        let side = if self.dest { "daddr" } else { "saddr" };
        out.push_str(&format!(" --connlimit-{word} {} --connlimit-mask {} --connlimit-{side}", self.limit, self.len));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        let (side, sign) = (if self.dest { "dst" } else { "src" }, if self.upto { "<=" } else { ">" });
        out.push_str(&format!(" #conn {side}/{} {sign} {}", self.len, self.limit));
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        let word = ["upto", "above"][rng.below(2) as usize];
        let side = ["saddr", "daddr"][rng.below(2) as usize];
        let (limit, len) = (rng.below(4), rng.below(33));
        format!("-m connlimit --connlimit-{word} {limit} --connlimit-mask {len} --connlimit-{side}")
    }
}

impl Asks for Connlimit {
    const PURE: bool = false;

    fn remembers(&self) -> bool {
        true
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        self.clone().fits_and_remember(skb, cx)
    }

    fn fits_and_remember(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let (tuple, zone) = match &skb.conn {
            Some(conn) => (*conn.tuple(Direction::Original), conn.zones[0]),
            None => {
                let (sport, dport) = skb.head.ports.unwrap_or_default();
                let (src, dst) = (End { addr: skb.src(), port: sport }, End { addr: skb.dst(), port: dport });
                (Tuple { src, dst, protocol: skb.head.protocol }, Zone::default())
            }
        };
        let addr = if self.dest { skb.head.dst } else { skb.head.src };
        let mask = u32::MAX.checked_shl(32 - u32::from(self.len)).unwrap_or(0);
        let seen = self.seen.0.entry((addr & mask, zone)).or_default();
        seen.retain(|other| *other == tuple || cx.env.is_connected(other, zone));
        if !seen.contains(&tuple) {
            seen.push(tuple);
        }
        (seen.len() as u64 > u64::from(self.limit)) != self.upto
    }
}
