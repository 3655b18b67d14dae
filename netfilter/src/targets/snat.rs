//! `-j SNAT`: another source for the connection (`net/netfilter/xt_nat.c`).

use super::nat::{Mapped, Maps, Takes};
use crate::hook::Hook;
use crate::nat::{Manip, Range};
use crate::rules::{Cx, Verdict};
use crate::skb::Skb;
use crate::xtables::Opt;
use hopwise_sim_core::Rng;

/// The range that the new source is taken from.
pub(super) type Snat = Mapped<Source>;

/// `--to-source`. Linux reads a base port here, loses it and prints 0: a rule that cannot be read back. It is refused.
#[derive(Clone, PartialEq, Debug)]
pub enum Source {}

impl Maps for Source {
    const OPTIONS: &'static [Opt] = {
        static OPTIONS: &[Opt] = &[Opt::arg("to-source", 0).must(), Opt::flag("random", 1), Opt::flag("random-fully", 2), Opt::flag("persistent", 3)];
        OPTIONS
    };
    const TAKES: Takes = Takes::Addrs { base: false };
    const LISTED: &'static str = " to:";
    const HOOKS: &'static [Hook] = &[Hook::PostRouting, Hook::LocalIn];

    fn map(range: &Range, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Verdict {
        Verdict::Nat(Manip::Source, *range)
    }

    fn sample(rng: &mut Rng) -> String {
        let to = ["10.0.0.7", "10.0.0.7-10.0.0.9", "10.0.0.7:80", ":8080-8090"];
        let flags = ["", " --random", " --random-fully", " --persistent"];
        let (to, flags) = (to[rng.below(4) as usize], flags[rng.below(4) as usize]);
        format!("-p udp -j SNAT --to-source {to}{flags}")
    }
}
