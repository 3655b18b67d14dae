//! `-m mac`: the hardware address that the frame came from (`net/netfilter/xt_mac.c`).

use super::{Asks, Extension, How};
use crate::hook::Hook;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// An address.
#[derive(Clone, PartialEq, Debug)]
pub struct Mac {
    source: [u8; 6],
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("mac-source", 0).inv().must()];

fn parse(word: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = word.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| (1..=2).contains(&part.len()))?;
        *byte = u8::from_str_radix(part, 16).ok().filter(|_| !part.starts_with('+'))?;
    }
    parts.next().is_none().then_some(bytes)
}

impl Mac {
    fn text(&self) -> String {
        self.source.map(|byte| format!("{byte:02x}")).join(":")
    }
}

impl Extension for Mac {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Mac { source: [0; 6], inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        self.source = parse(call.arg).ok_or_else(|| Refusal::new("Invalid MAC address specified."))?;
        self.inv = call.inv;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --mac-source {}", if self.inv { " !" } else { "" }, self.text()));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" MAC{} {}", if self.inv { " !" } else { "" }, self.text()));
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        format!("-m mac {inv}--mac-source 02:00:00:00:00:{:02x}", rng.below(256))
    }
}

impl Asks for Mac {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.only(&[Hook::PreRouting, Hook::LocalIn, Hook::Forward])
    }

    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let header = skb.packet.mac_header();
        header.len() >= 14 && (header[6..12] == self.source) != self.inv
    }
}
