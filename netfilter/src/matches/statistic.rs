//! `-m statistic`: chance, or every nth packet (`net/netfilter/xt_statistic.c`).

use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch, State};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// How packets are picked.
#[derive(Clone, PartialEq, Debug)]
enum Mode {
    /// With a probability, in units of 2^-31.
    Random(u32),
    /// Packet number `packet` of every `every`, with the number of the next one.
    Nth { every: u32, packet: u32, next: State<u32> },
}

/// Picks packets.
#[derive(Clone, PartialEq, Debug)]
pub struct Statistic {
    mode: Mode,
    inv: bool,
    probability: u32,
    every: u32,
    packet: u32,
}

/// The probability 1.
const ONE: u32 = 1 << 31;

const MODE: u32 = 1 << 0;
const PROBABILITY: u32 = 1 << 1;
const EVERY: u32 = 1 << 2;
const PACKET: u32 = 1 << 3;

static OPTIONS: &[Opt] = &[
    Opt::arg("mode", 0),
    Opt::arg("probability", 1).inv().also(MODE).excl(EVERY | PACKET),
    Opt::arg("every", 2).inv().also(MODE | PACKET).excl(PROBABILITY),
    Opt::arg("packet", 3).also(MODE | EVERY).excl(PROBABILITY),
];

/// A probability from 0 to 1 in units of 2^-31, rounded as `lround` does.
fn probability(word: &str) -> Option<u32> {
    let value: f64 = word.parse().ok()?;
    (0.0..=1.0).contains(&value).then(|| (value * f64::from(ONE)).round() as u32)
}

impl Statistic {
    /// The number of the packet is saved always, and listed if it is not the first.
    fn put(&self, out: &mut String, dashes: &str) {
        let inv = if self.inv { " !" } else { "" };
        match &self.mode {
            Mode::Random(p) => {
                let p = f64::from(*p) / f64::from(ONE);
                out.push_str(&format!(" {dashes}mode random{inv} {dashes}probability {p:.11}"));
            }
            Mode::Nth { every, packet, .. } => {
                out.push_str(&format!(" {dashes}mode nth{inv} {dashes}every {every}"));
                if !dashes.is_empty() || *packet != 0 {
                    out.push_str(&format!(" {dashes}packet {packet}"));
                }
            }
        }
    }
}

impl Extension for Statistic {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Statistic { mode: Mode::Random(0), inv: false, probability: 0, every: 0, packet: 0 }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.name {
            "mode" => {
                self.mode = match call.arg {
                    "random" => Mode::Random(0),
                    "nth" => Mode::Nth { every: 0, packet: 0, next: State(0) },
                    word => return Err(Refusal::new(format!("Bad mode \"{word}\""))),
                }
            }
            "probability" => {
                self.probability = probability(call.arg).ok_or_else(|| call.bad_value(0, 1))?;
                self.inv = call.inv;
            }
            "every" => {
                self.every = call.number(1, u32::MAX.into())? as u32;
                self.inv = call.inv;
            }
            _ => self.packet = call.number(0, u32::MAX.into())? as u32,
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match &mut self.mode {
            Mode::Random(p) => {
                if seen & PROBABILITY == 0 && seen & EVERY == 0 {
                    return Err(Refusal::new("--probability must be specified when using random mode"));
                }
                *p = self.probability;
            }
            Mode::Nth { every, packet, .. } => {
                if seen & (EVERY | PACKET) != EVERY | PACKET {
                    return Err(Refusal::new("--every and --packet must be specified when using nth mode"));
                }
                if seen & PACKET != 0 && self.packet >= self.every {
                    return Err(Refusal::new("the --packet p must be 0 <= p <= n-1"));
                }
                (*every, *packet) = (self.every, self.packet);
            }
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.put(out, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" statistic");
        self.put(out, "");
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(2) {
            0 => format!("-m statistic --mode random {inv}--probability 0.{}", 1 + rng.below(9)),
            _ => {
                let every = 1 + rng.below(5);
                format!("-m statistic --mode nth {inv}--every {every} --packet {}", rng.below(every))
            }
        }
    }
}

impl Asks for Statistic {
    const PURE: bool = false;

    fn remembers(&self) -> bool {
        matches!(self.mode, Mode::Nth { .. })
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        match self.mode {
            Mode::Random(chance) => (cx.env.random() & (ONE - 1) < chance) != self.inv,
            Mode::Nth { .. } => self.clone().fits_and_remember(skb, cx),
        }
    }

    fn fits_and_remember(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let Mode::Nth { every, packet, next } = &mut self.mode else { return self.fits(skb, cx) };
        let hit = next.0 == *packet;
        next.0 = (next.0 + 1) % *every;
        hit != self.inv
    }
}
