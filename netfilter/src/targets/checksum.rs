//! `-j CHECKSUM`: the checksum is filled in (`net/netfilter/xt_CHECKSUM.c`). Packets always have it here: nothing is left to do.

use super::{Acts, Extension, Outcome};
use crate::hook::TableId;
use crate::matches::How;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// Fills it in.
#[derive(Clone, PartialEq, Debug)]
pub struct Checksum;

static OPTIONS: &[Opt] = &[Opt::flag("checksum-fill", 0).must()];

impl Extension for Checksum {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Checksum
    }

    fn option(&mut self, _: &Call<'_>) -> Done {
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(" --checksum-fill");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" CHECKSUM fill");
    }

    fn sample(_: &mut Rng) -> String {
        "-j CHECKSUM --checksum-fill".to_owned()
    }
}

impl Acts for Checksum {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.table == TableId::Mangle
    }

    fn act(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        Outcome::Continue
    }
}
