//! `-j CONNSECMARK`: the security mark of the packet for its connection, or the other way round (`net/netfilter/xt_CONNSECMARK.c`).
//! Only SELinux's `SECMARK` makes such marks, and no machine here has it: neither has one, and Linux copies none then.

use super::{Acts, Extension, Outcome};
use crate::hook::TableId;
use crate::matches::How;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// Which way.
#[derive(Clone, PartialEq, Debug)]
pub struct Connsecmark {
    restore: bool,
}

static OPTIONS: &[Opt] = &[Opt::flag("save", 0).excl(0b10), Opt::flag("restore", 1).excl(0b01)];

impl Connsecmark {
    const fn word(&self) -> &'static str {
        if self.restore { "restore" } else { "save" }
    }
}

impl Extension for Connsecmark {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Connsecmark { restore: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        self.restore = call.opt.bit == 1;
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("CONNSECMARK target: parameter required")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --{}", self.word()));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" CONNSECMARK {}", self.word()));
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        format!("-j CONNSECMARK {}", ["--save", "--restore"][rng.below(2) as usize])
    }
}

impl Acts for Connsecmark {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        matches!(place.table, TableId::Mangle | TableId::Security)
    }

    fn act(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        Outcome::Continue
    }
}
