//! `-j TTL`: another time to live (`net/netfilter/xt_HL.c`).

use super::{Acts, Extension, Outcome, rewrite};
use crate::hook::TableId;
use crate::matches::How;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// How it changes.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mode {
    Set,
    More,
    Less,
}

/// A change.
#[derive(Clone, PartialEq, Debug)]
pub struct Ttl {
    mode: Mode,
    value: u8,
}

const ALL: u32 = 0b111;

static OPTIONS: &[Opt] =
    &[Opt::arg("ttl-set", 0).excl(ALL), Opt::arg("ttl-inc", 1).excl(ALL), Opt::arg("ttl-dec", 2).excl(ALL)];

impl Extension for Ttl {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Ttl { mode: Mode::Set, value: 0 }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        (self.mode, self.value) = match call.opt.bit {
            0 => (Mode::Set, call.number(0, 255)? as u8),
            1 => (Mode::More, call.number(1, 255)? as u8),
            _ => (Mode::Less, call.number(1, 255)? as u8),
        };
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("TTL: You must specify an action")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        let word = match self.mode {
            Mode::Set => "set",
            Mode::More => "inc",
            Mode::Less => "dec",
        };
        out.push_str(&format!(" --ttl-{word} {}", self.value));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        let words = match self.mode {
            Mode::Set => "set to",
            Mode::More => "increment by",
            Mode::Less => "decrement by",
        };
        out.push_str(&format!(" TTL {words} {}", self.value));
    }

    fn sample(rng: &mut Rng) -> String {
        let word = ["set", "inc", "dec"][rng.below(3) as usize];
        format!("-j TTL --ttl-{word} {}", 1 + rng.below(70))
    }
}

impl Acts for Ttl {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.table == TableId::Mangle
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        rewrite::ttl(skb.packet.data_mut(), |ttl| match self.mode {
            Mode::Set => self.value,
            Mode::More => ttl.saturating_add(self.value),
            Mode::Less => ttl.saturating_sub(self.value),
        });
        Outcome::Continue
    }
}
