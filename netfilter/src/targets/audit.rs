//! `-j AUDIT`: a record for the audit daemon (`net/netfilter/xt_AUDIT.c`). No machine here has one, so nobody has switched auditing
//! on, and then Linux writes none.

use super::{Acts, Extension, Outcome};
use crate::matches::How;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// What the record would say of the packet's fate.
#[derive(Clone, PartialEq, Debug)]
pub struct Audit(&'static str);

const TYPES: [&str; 3] = ["accept", "drop", "reject"];

static OPTIONS: &[Opt] = &[Opt::arg("type", 0).must()];

impl Extension for Audit {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Audit(TYPES[0])
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let found = TYPES.iter().find(|name| name.eq_ignore_ascii_case(call.arg));
        self.0 = found.ok_or_else(|| Refusal::new(format!("Bad action type value \"{}\"", call.arg)))?;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --type {}", self.0));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" AUDIT {}", self.0));
    }

    fn sample(rng: &mut Rng) -> String {
        format!("-j AUDIT --type {}", TYPES[rng.below(3) as usize])
    }
}

impl Acts for Audit {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        true
    }

    fn act(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        Outcome::Continue
    }
}
