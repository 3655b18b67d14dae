//! `-j CLASSIFY`: the class in which a queueing discipline puts the packet (`net/netfilter/xt_CLASSIFY.c`).

use super::{Acts, Extension, Outcome};
use crate::hook::Hook;
use crate::matches::How;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// Major and minor number.
#[derive(Clone, PartialEq, Debug)]
pub struct Classify(u16, u16);

static OPTIONS: &[Opt] = &[Opt::arg("set-class", 0).must()];

impl Extension for Classify {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Classify(0, 0)
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let half = |word: &str| u16::from_str_radix(word, 16).ok().filter(|_| !word.starts_with('+'));
        let read = || {
            let (major, minor) = call.arg.split_once(':')?;
            Some(Classify(half(major)?, half(minor)?))
        };
        *self = read().ok_or_else(|| Refusal::new(format!("Bad class value \"{}\"", call.arg)))?;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --set-class {:04x}:{:04x}", self.0, self.1));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" CLASSIFY set {:x}:{:x}", self.0, self.1));
    }

    fn sample(rng: &mut Rng) -> String {
        format!("-j CLASSIFY --set-class {:x}:{:x}", rng.below(65_536), rng.below(65_536))
    }
}

impl Acts for Classify {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.only(&[Hook::Forward, Hook::LocalOut, Hook::PostRouting])
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        skb.packet.priority = u32::from(self.0) << 16 | u32::from(self.1);
        Outcome::Continue
    }
}
