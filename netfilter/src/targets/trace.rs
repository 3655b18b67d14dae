//! `-j TRACE`: each rule that the packet matches is told (`net/netfilter/xt_TRACE.c`). The packet's journey tells it of every packet
//! that is watched: nothing is left to do.

use super::{Acts, Extension, Outcome};
use crate::matches::How;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// Watches the packet.
#[derive(Clone, PartialEq, Debug)]
pub struct Trace;

impl Extension for Trace {
    const OPTIONS: &'static [Opt] = &[];

    fn new() -> Self {
        Trace
    }

    fn option(&mut self, _: &Call<'_>) -> Done {
        Ok(())
    }

    fn save(&self, _: &mut String) {}

    fn list(&self, _: &mut String, _: &How<'_>) {}

    fn sample(_: &mut Rng) -> String {
        "-j TRACE".to_owned()
    }
}

impl Acts for Trace {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        true
    }

    fn act(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        Outcome::Continue
    }
}
