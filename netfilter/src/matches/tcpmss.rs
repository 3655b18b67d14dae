//! `-m tcpmss`: the largest segment that a SYN names (`net/netfilter/xt_tcpmss.c`).

use super::{Asks, Extension, How};
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// A range of sizes.
#[derive(Clone, PartialEq, Debug)]
pub struct Tcpmss {
    from: u16,
    to: u16,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("mss", 0).inv().must()];

/// Where in a TCP header the size stands (RFC 9293, section 3.7.1).
pub(crate) fn place(header: &[u8]) -> Option<usize> {
    let mut at = 20;
    while let Some(option) = header.get(at..at + 4) {
        if option[..2] == [2, 4] {
            return Some(at + 2);
        }
        at += if option[0] < 2 { 1 } else { usize::from(option[1]).max(1) };
    }
    None
}

impl Tcpmss {
    fn span(&self) -> String {
        if self.from == self.to { self.from.to_string() } else { format!("{}:{}", self.from, self.to) }
    }
}

impl Extension for Tcpmss {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Tcpmss { from: 0, to: 0, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let (from, to) = call.range(65535)?;
        if from > to {
            return Err(Refusal::new("tcpmss: invalid range given"));
        }
        *self = Tcpmss { from: from as u16, to: to as u16, inv: call.inv };
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --mss {}", if self.inv { " !" } else { "" }, self.span()));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" tcpmss match {}{}", if self.inv { "!" } else { "" }, self.span()));
    }

    fn sample(rng: &mut Rng) -> String {
        let not = if rng.below(3) == 0 { "! " } else { "" };
        format!("-p tcp -m tcpmss {not}--mss {}:{}", rng.below(600), 600 + rng.below(900))
    }
}

impl Asks for Tcpmss {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.ip.only_protocol() == Some(6)
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let Some(header) = skb.tcp() else {
            cx.hotdrop = true;
            return false;
        };
        let size = place(header).map(|at| u16::from_be_bytes([header[at], header[at + 1]]));
        size.is_some_and(|size| self.from <= size && size <= self.to) != self.inv
    }
}
