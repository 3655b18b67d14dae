//! `-m tos`: the type of service (`net/netfilter/xt_dscp.c`).

use super::{Asks, Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;

/// A value under a mask, perhaps negated.
#[derive(Clone, PartialEq, Debug)]
pub struct Tos {
    value: u8,
    mask: u8,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("tos", 0).inv().must()];

/// The old types by name.
static NAMES: &[(&str, u8)] = &[
    ("Minimize-Delay", 0x10),
    ("Maximize-Throughput", 0x08),
    ("Maximize-Reliability", 0x04),
    ("Minimize-Cost", 0x02),
    ("Normal-Service", 0x00),
];

/// Names mean these bits only.
const NAMED_MASK: u8 = 0x3f;

/// `VALUE[/MASK]` or a name; the mask of a value without one is `full`.
pub(crate) fn parse(word: &str) -> Done<(u8, u8)> {
    let unknown = || Refusal::new(format!("Symbolic name \"{word}\" is unknown"));
    let (value, mask) = word.split_once('/').unwrap_or((word, "0xff"));
    let byte = |word| number::within(word, 0, 255).map(|byte| byte as u8);
    if let (Some(value), Some(mask)) = (byte(value), byte(mask)) {
        return Ok((value, mask));
    }
    let begins = |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let mut found = NAMES.iter().filter(|row| !word.is_empty() && begins(row.0));
    match (found.next(), found.next()) {
        (Some(row), None) => Ok((row.1, NAMED_MASK)),
        (Some(_), Some(_)) => Err(Refusal::new(format!("Symbolic name \"{word}\" is ambiguous"))),
        _ => Err(unknown()),
    }
}

/// The name of a value under a mask.
pub(crate) fn name_of(value: u8, mask: u8) -> Option<&'static str> {
    NAMES.iter().find(|row| mask == NAMED_MASK && row.1 == value).map(|row| row.0)
}

impl Extension for Tos {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Tos { value: 0, mask: 0, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        (self.value, self.mask) = parse(call.arg)?;
        self.inv = call.inv;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        let not = if self.inv { " !" } else { "" };
        out.push_str(&format!("{not} --tos 0x{:02x}/0x{:02x}", self.value, self.mask));
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        out.push_str(if self.inv { " tos match!" } else { " tos match" });
        match name_of(self.value, self.mask).filter(|_| !how.numeric) {
            Some(name) => out.push_str(&format!(" {name}")),
            None => out.push_str(&format!("0x{:02x}/0x{:02x}", self.value, self.mask)),
        }
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(2) {
            0 => format!("-m tos {inv}--tos {:#x}/{:#x}", rng.below(256), rng.below(256)),
            _ => format!("-m tos {inv}--tos {}", NAMES[rng.below(5) as usize].0),
        }
    }
}

impl Asks for Tos {
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        skb.packet.data().get(1).is_some_and(|tos| (tos & self.mask == self.value) != self.inv)
    }
}
