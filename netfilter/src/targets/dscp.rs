//! `-j DSCP`: another class of service (`net/netfilter/xt_DSCP.c`).

use super::{Acts, Extension, Outcome, rewrite};
use crate::hook::TableId;
use crate::matches::{How, class_of};
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// The class.
#[derive(Clone, PartialEq, Debug)]
pub struct Dscp(u8);

static OPTIONS: &[Opt] = &[Opt::arg("set-dscp", 0).excl(0b10), Opt::arg("set-dscp-class", 1).excl(0b01)];

impl Extension for Dscp {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Dscp(0)
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        self.0 = if call.opt.bit == 0 { call.number(0, 63)? as u8 } else { class_of(call.arg)? };
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("DSCP target: Parameter --set-dscp is required")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --set-dscp 0x{:02x}", self.0));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" DSCP set 0x{:02x}", self.0));
    }

    fn sample(rng: &mut Rng) -> String {
        format!("-j DSCP --set-dscp {}", rng.below(64))
    }
}

impl Acts for Dscp {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.table == TableId::Mangle
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        rewrite::tos(skb.packet.data_mut(), |tos| tos & 0b11 | self.0 << 2);
        Outcome::Continue
    }
}
