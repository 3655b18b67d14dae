//! `-j SNAT`: another source for the connection (`net/netfilter/xt_nat.c`).

use super::{Extension, Outcome, nat};
use crate::hook::Hook;
use crate::matches::How;
use crate::nat::{Manip, Range};
use crate::rules::{Cx, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// The range that the new source is taken from.
#[derive(Clone, PartialEq, Debug)]
pub struct Snat(Range);

static OPTIONS: &[Opt] = &[
    Opt::arg("to-source", 0).must(),
    Opt::flag("random", 1),
    Opt::flag("random-fully", 2),
    Opt::flag("persistent", 3),
];

impl Extension for Snat {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Snat(Range::ANY)
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        if call.opt.arg {
            // Linux reads a base port here, loses it and prints 0: a rule that cannot be read back. It is refused.
            return nat::to(&mut self.0, call, false);
        }
        self.0.flags |= nat::flag(call.opt.name);
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(" --to-source ");
        nat::put_to(out, &self.0);
        nat::put_flags(out, self.0.flags, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" to:");
        nat::put_to(out, &self.0);
        nat::put_flags(out, self.0.flags, "");
    }

    fn may_stand(&self, place: &Place<'_>) -> bool {
        nat::may_stand(place, &[Hook::PostRouting, Hook::LocalIn])
    }

    fn tracks(&self) -> bool {
        true
    }

    fn act(&mut self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        Outcome::Verdict(Verdict::Nat(Manip::Source, self.0))
    }

    fn sample(rng: &mut Rng) -> String {
        let to = ["10.0.0.7", "10.0.0.7-10.0.0.9", "10.0.0.7:80", ":8080-8090"];
        let flags = ["", " --random", " --random-fully", " --persistent"];
        let (to, flags) = (to[rng.below(4) as usize], flags[rng.below(4) as usize]);
        format!("-p udp -j SNAT --to-source {to}{flags}")
    }
}
