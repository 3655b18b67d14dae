//! `-m length`: the packet's length (`net/netfilter/xt_length.c`).

use super::{Asks, Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// A range, perhaps negated.
#[derive(Clone, PartialEq, Debug)]
pub struct Length {
    from: u16,
    to: u16,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("length", 0).inv().must()];

impl Length {
    fn text(&self) -> String {
        if self.from == self.to { self.from.to_string() } else { format!("{}:{}", self.from, self.to) }
    }
}

impl Extension for Length {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Length { from: 0, to: 0, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let (from, to) = call.range(65535)?;
        *self = Length { from: from as u16, to: to as u16, inv: call.inv };
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --length {}", if self.inv { " !" } else { "" }, self.text()));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" length {}{}", if self.inv { "!" } else { "" }, self.text()));
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        format!("-m length {inv}--length {}:{}", rng.below(60), 60 + rng.below(60))
    }
}

impl Asks for Length {
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let Some(&[a, b]) = skb.packet.data().get(2..4) else { return false };
        (self.from..=self.to).contains(&u16::from_be_bytes([a, b])) != self.inv
    }
}
