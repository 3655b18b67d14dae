//! `-m physdev`: the ports of a bridge that the packet passes (`net/netfilter/xt_physdev.c`).

use super::{Asks, Extension, How};
use crate::hook::Hook;
use crate::rules::{Cx, IpMatch, LinkMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// What is asked; the bits are those of [`OPTIONS`].
#[derive(Clone, PartialEq, Debug)]
pub struct Physdev {
    asked: u8,
    inv: u8,
    input: LinkMatch,
    output: LinkMatch,
}

const IN: u8 = 1 << 0;
const OUT: u8 = 1 << 1;
const IS_IN: u8 = 1 << 2;
const IS_OUT: u8 = 1 << 3;
const BRIDGED: u8 = 1 << 4;

static OPTIONS: &[Opt] = &[
    Opt::arg("physdev-in", 0).inv(),
    Opt::arg("physdev-out", 1).inv(),
    Opt::flag("physdev-is-in", 2).inv(),
    Opt::flag("physdev-is-out", 3).inv(),
    Opt::flag("physdev-is-bridged", 4).inv(),
];

impl Physdev {
    fn put(&self, out: &mut String) {
        // As libxt_physdev prints them: whether it came in by a port, by which; the same for the way out; whether it is bridged.
        for bit in [IS_IN, IN, IS_OUT, OUT, BRIDGED].into_iter().filter(|bit| self.asked & bit != 0) {
            out.push_str(if self.inv & bit != 0 { " !" } else { "" });
            out.push_str(&format!(" --{}", OPTIONS[bit.trailing_zeros() as usize].name));
            match bit {
                IN => out.push_str(&format!(" {}", self.input.text())),
                OUT => out.push_str(&format!(" {}", self.output.text())),
                _ => {}
            }
        }
    }
}

impl Extension for Physdev {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Physdev { asked: 0, inv: 0, input: LinkMatch::default(), output: LinkMatch::default() }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        if call.opt.arg {
            if call.arg.is_empty() || call.arg.len() >= 16 {
                let (name, arg) = (call.opt.name, call.arg);
                return Err(Refusal::new(format!("physdev: Bad value for \"--{name}\" option: \"{arg}\"")));
            }
            *(if call.opt.bit == 0 { &mut self.input } else { &mut self.output }) = LinkMatch::new(call.arg);
        }
        self.asked |= 1 << call.opt.bit;
        self.inv |= u8::from(call.inv) << call.opt.bit;
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("PHYSDEV: no physdev option specified")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        self.put(out);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" PHYSDEV match");
        self.put(out);
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        let words = ["--physdev-in eth0", "--physdev-in eth+", "--physdev-is-bridged", "--physdev-is-in"];
        format!("-m physdev {inv}{}", words[rng.below(4) as usize])
    }
}

impl Asks for Physdev {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        let bridged = self.asked & BRIDGED != 0 && self.inv & BRIDGED == 0;
        self.asked & (OUT | IS_OUT) == 0 || bridged || !place.some(&[Hook::LocalOut])
    }

    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let met = |bit, fits| self.asked & bit == 0 || fits != (self.inv & bit != 0);
        let (input, output) = (skb.phys_in, skb.phys_out);
        let (is_in, is_out) = (input.index.is_some(), output.index.is_some());
        met(BRIDGED, is_in && is_out)
            && met(IS_IN, is_in)
            && met(IS_OUT, is_out)
            && met(IN, is_in && self.input.fits(input))
            && met(OUT, is_out && self.output.fits(output))
    }
}
