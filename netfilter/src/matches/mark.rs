//! `-m mark`: the firewall mark (`net/netfilter/xt_mark.c`).

use super::{Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// A value under a mask.
#[derive(Clone, PartialEq, Debug)]
pub struct Mark {
    value: u32,
    mask: u32,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("mark", 0).inv().must()];

/// ` 0xVALUE[/0xMASK]`.
pub(crate) fn put_mark(out: &mut String, value: u32, mask: u32) {
    out.push_str(&format!(" {value:#x}"));
    if mask != u32::MAX {
        out.push_str(&format!("/{mask:#x}"));
    }
}

impl Extension for Mark {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Mark { value: 0, mask: 0, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        (self.value, self.mask) = call.marked()?;
        self.inv = call.inv;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inv { " ! --mark" } else { " --mark" });
        put_mark(out, self.value, self.mask);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(if self.inv { " mark match !" } else { " mark match" });
        put_mark(out, self.value, self.mask);
    }

    #[inline]
    fn fits(&mut self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        (skb.packet.mark & self.mask == self.value) != self.inv
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(2) {
            0 => format!("-m mark {inv}--mark {:#x}", rng.below(4)),
            _ => format!("-m mark {inv}--mark {:#x}/{:#x}", rng.below(4), rng.below(8)),
        }
    }
}
