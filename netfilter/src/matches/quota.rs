//! `-m quota`: so many bytes and then no more (`net/netfilter/xt_quota.c`).

use super::{Asks, Extension, How};
use crate::rules::{Cx, State};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// The bytes that fit, and those that are left of them.
#[derive(Clone, PartialEq, Debug)]
pub struct Quota {
    bytes: u64,
    left: State<u64>,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("quota", 0).inv().must()];

impl Extension for Quota {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Quota { bytes: 0, left: State(0), inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let bytes = call.number(0, u64::MAX)?;
        *self = Quota { bytes, left: State(bytes), inv: call.inv };
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --quota {}", if self.inv { " !" } else { "" }, self.bytes));
    }

    // `-L` does not tell whether it is negated.
    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" quota: {} bytes", self.bytes));
    }

    fn sample(rng: &mut Rng) -> String {
        let not = if rng.below(3) == 0 { "! " } else { "" };
        format!("-m quota {not}--quota {}", rng.below(2000))
    }
}

impl Asks for Quota {
    const PURE: bool = false;

    fn remembers(&self) -> bool {
        true
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        self.clone().fits_and_remember(skb, cx)
    }

    fn fits_and_remember(&mut self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let left = self.left.0.checked_sub(skb.packet.len() as u64);
        // What is too large ends it: smaller packets do not fit from now on either.
        self.left.0 = left.unwrap_or(0);
        left.is_some() != self.inv
    }
}
