//! `-j MARK`: the firewall mark (`net/netfilter/xt_mark.c`).

use super::{Acts, Extension, Outcome};
use crate::matches::How;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// `mark = (mark & !mask) ^ value`.
#[derive(Clone, PartialEq, Debug)]
pub struct Mark {
    value: u32,
    mask: u32,
}

const ALL: u32 = 0b11111;

static OPTIONS: &[Opt] = &[
    Opt::arg("set-xmark", 0).excl(ALL),
    Opt::arg("set-mark", 1).excl(ALL),
    Opt::arg("and-mark", 2).excl(ALL),
    Opt::arg("or-mark", 3).excl(ALL),
    Opt::arg("xor-mark", 4).excl(ALL),
];

/// Value and mask of one of the options that change a mark: those of `MARK` and `CONNMARK`.
pub(super) fn change(call: &Call<'_>) -> Done<(u32, u32)> {
    Ok(match call.opt.name {
        "set-xmark" => call.marked()?,
        "set-mark" => {
            let (value, mask) = call.marked()?;
            (value, mask | value)
        }
        "and-mark" => (0, !call.integer()?),
        "or-mark" => {
            let value = call.integer()?;
            (value, value)
        }
        _ => (call.integer()?, 0),
    })
}

/// How `-L` tells such a change.
pub(super) fn told(value: u32, mask: u32) -> String {
    if value == 0 {
        format!("and {:#x}", !mask)
    } else if value == mask {
        format!("or {value:#x}")
    } else if mask == 0 {
        format!("xor {value:#x}")
    } else if mask == u32::MAX {
        format!("set {value:#x}")
    } else {
        format!("xset {value:#x}/{mask:#x}")
    }
}

impl Extension for Mark {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Mark { value: 0, mask: 0 }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        (self.value, self.mask) = change(call)?;
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 {
            let text = "MARK: One of the --set-xmark, --{and,or,xor,set}-mark options is required";
            return Err(Refusal::new(text));
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --set-xmark {:#x}/{:#x}", self.value, self.mask));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" MARK {}", told(self.value, self.mask)));
    }

    fn sample(rng: &mut Rng) -> String {
        let word = ["--set-xmark", "--set-mark", "--and-mark", "--or-mark", "--xor-mark"][rng.below(5) as usize];
        format!("-j MARK {word} {:#x}", rng.below(8))
    }
}

impl Acts for Mark {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        true
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        skb.packet.mark = (skb.packet.mark & !self.mask) ^ self.value;
        Outcome::Continue
    }
}
