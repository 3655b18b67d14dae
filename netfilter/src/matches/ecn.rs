//! `-m ecn`: explicit congestion notification (`net/netfilter/xt_ecn.c`, RFC 3168).

use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// Flags of TCP and the code point of IPv4; each with whether it is negated.
#[derive(Clone, PartialEq, Debug)]
pub struct Ecn {
    ece: Option<bool>,
    cwr: Option<bool>,
    ect: Option<(u8, bool)>,
}

static OPTIONS: &[Opt] =
    &[Opt::flag("ecn-tcp-cwr", 0).inv(), Opt::flag("ecn-tcp-ece", 1).inv(), Opt::arg("ecn-ip-ect", 2).inv()];

/// Bits of the TCP header's byte 13.
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

impl Extension for Ecn {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Ecn { ece: None, cwr: None, ect: None }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            0 => self.cwr = Some(call.inv),
            1 => self.ece = Some(call.inv),
            _ => self.ect = Some((call.number(0, 3)? as u8, call.inv)),
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("ECN match: some option required")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        let not = |inv| if inv { " !" } else { "" };
        for (flag, option) in [(self.ece, "--ecn-tcp-ece"), (self.cwr, "--ecn-tcp-cwr")] {
            if let Some(inv) = flag {
                out.push_str(&format!("{} {option}", not(inv)));
            }
        }
        if let Some((ect, inv)) = self.ect {
            out.push_str(&format!("{} --ecn-ip-ect {ect}", not(inv)));
        }
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" ECN match");
        let not = |inv| if inv { "!" } else { "" };
        for (flag, name) in [(self.ece, "ECE"), (self.cwr, "CWR")] {
            if let Some(inv) = flag {
                out.push_str(&format!(" {}{name}", not(inv)));
            }
        }
        if let Some((ect, inv)) = self.ect {
            out.push_str(&format!(" {}ECT={ect}", not(inv)));
        }
    }

    fn sample(rng: &mut Rng) -> String {
        let not = if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(3) {
            0 => format!("-m ecn {not}--ecn-ip-ect {}", rng.below(4)),
            1 => format!("-p tcp -m ecn {not}--ecn-tcp-cwr"),
            _ => format!("-p tcp -m ecn ! --ecn-tcp-ece {not}--ecn-tcp-cwr --ecn-ip-ect {}", rng.below(4)),
        }
    }
}

impl Asks for Ecn {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        (self.ece.is_none() && self.cwr.is_none()) || place.ip.only_protocol() == Some(6)
    }

    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        if let Some((ect, inv)) = self.ect
            && skb.packet.data().get(1).is_none_or(|tos| (tos & 3 == ect) == inv)
        {
            return false;
        }
        if self.ece.is_none() && self.cwr.is_none() {
            return true;
        }
        let Some(header) = skb.tcp() else { return false };
        let fits = |asked: Option<bool>, bit| asked.is_none_or(|inv| (header[13] & bit != 0) != inv);
        fits(self.ece, ECE) && fits(self.cwr, CWR)
    }
}
