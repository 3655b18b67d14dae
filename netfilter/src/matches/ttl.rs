//! `-m ttl`: the time to live (`net/netfilter/xt_hl.c`).

use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// How it is compared.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mode {
    Equal,
    Unequal,
    Less,
    Greater,
}

/// A comparison.
#[derive(Clone, PartialEq, Debug)]
pub struct Ttl {
    mode: Mode,
    value: u8,
}

static OPTIONS: &[Opt] = &[
    Opt::arg("ttl-lt", 0).excl(0b110),
    Opt::arg("ttl-gt", 1).excl(0b101),
    Opt::arg("ttl-eq", 2).inv().excl(0b011),
];

impl Extension for Ttl {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Ttl { mode: Mode::Equal, value: 0 }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        self.value = call.number(0, 255)? as u8;
        self.mode = match call.opt.bit {
            0 => Mode::Less,
            1 => Mode::Greater,
            _ if call.inv => Mode::Unequal,
            _ => Mode::Equal,
        };
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match seen {
            0 => Err(Refusal::new("TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt")),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut String) {
        let words = match self.mode {
            Mode::Equal => " --ttl-eq",
            Mode::Unequal => " ! --ttl-eq",
            Mode::Less => " --ttl-lt",
            Mode::Greater => " --ttl-gt",
        };
        out.push_str(&format!("{words} {}", self.value));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        let sign = match self.mode {
            Mode::Equal => "==",
            Mode::Unequal => "!=",
            Mode::Less => "<",
            Mode::Greater => ">",
        };
        out.push_str(&format!(" TTL match TTL {sign} {}", self.value));
    }

    fn sample(rng: &mut Rng) -> String {
        let words = ["--ttl-eq", "! --ttl-eq", "--ttl-lt", "--ttl-gt"][rng.below(4) as usize];
        format!("-m ttl {words} {}", 62 + rng.below(4))
    }
}

impl Asks for Ttl {
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let Some(ttl) = skb.packet.data().get(8) else { return false };
        match self.mode {
            Mode::Equal => *ttl == self.value,
            Mode::Unequal => *ttl != self.value,
            Mode::Less => *ttl < self.value,
            Mode::Greater => *ttl > self.value,
        }
    }
}
