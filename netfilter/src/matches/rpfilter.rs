//! `-m rpfilter`: would an answer leave by the link that the packet came in by (`net/ipv4/netfilter/ipt_rpfilter.c`)?

use super::{Asks, Extension, How};
use crate::env::ReversePath;
use crate::hook::{Hook, TableId};
use crate::rules::{Cx, Place};
use crate::skb::{Skb, pad};
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// The question, one bit for each option.
#[derive(Clone, PartialEq, Debug)]
pub struct Rpfilter {
    flags: u8,
}

const LOOSE: u8 = 1 << 0;
const VALIDMARK: u8 = 1 << 1;
const ACCEPT_LOCAL: u8 = 1 << 2;
const INVERT: u8 = 1 << 3;

static OPTIONS: &[Opt] =
    &[Opt::flag("loose", 0), Opt::flag("validmark", 1), Opt::flag("accept-local", 2), Opt::flag("invert", 3)];

impl Rpfilter {
    fn put(&self, out: &mut String, dashes: &str) {
        for opt in OPTIONS.iter().filter(|opt| self.flags & (1 << opt.bit) != 0) {
            out.push_str(&format!(" {dashes}{}", opt.name));
        }
    }
}

impl Extension for Rpfilter {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Rpfilter { flags: 0 }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        self.flags |= 1 << call.opt.bit;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.put(out, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" rpfilter");
        self.put(out, "");
    }

    fn sample(rng: &mut Rng) -> String {
        let words = ["", " --invert", " --loose", " --validmark --invert", " --accept-local"];
        format!("-m rpfilter{}", words[rng.below(5) as usize])
    }
}

impl Asks for Rpfilter {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        matches!(place.table, TableId::Raw | TableId::Mangle) && place.only(&[Hook::PreRouting])
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let inv = self.flags & INVERT != 0;
        if skb.input.padded() == pad(b"lo") {
            return !inv;
        }
        let (src, dst) = (skb.src(), skb.dst());
        if dst.is_multicast() && src.octets()[0] == 0 {
            let local = dst.octets()[..3] == [224, 0, 0];
            return local != inv;
        }
        let question = ReversePath {
            src,
            dst,
            tos: skb.packet.data().get(1).copied().unwrap_or(0),
            mark: if self.flags & VALIDMARK != 0 { skb.packet.mark } else { 0 },
            link: skb.input.index,
            loose: self.flags & LOOSE != 0,
            accept_local: self.flags & ACCEPT_LOCAL != 0,
        };
        cx.env.reverse_path(&question) != inv
    }
}
