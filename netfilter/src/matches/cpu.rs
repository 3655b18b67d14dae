//! `-m cpu`: the processor that handles the packet (`net/netfilter/xt_cpu.c`). A simulated machine has one, number 0.

use super::{Asks, Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// Its number.
#[derive(Clone, PartialEq, Debug)]
pub struct Cpu {
    number: u32,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("cpu", 0).inv().must()];

impl Extension for Cpu {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Cpu { number: 0, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        *self = Cpu { number: call.number(0, u32::MAX.into())? as u32, inv: call.inv };
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --cpu {}", if self.inv { " !" } else { "" }, self.number));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" cpu {}{}", if self.inv { "! " } else { "" }, self.number));
    }

    fn sample(rng: &mut Rng) -> String {
        format!("-m cpu {}--cpu {}", if rng.below(2) == 0 { "! " } else { "" }, rng.below(2))
    }
}

impl Asks for Cpu {
    fn fits(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        (self.number == 0) != self.inv
    }
}
