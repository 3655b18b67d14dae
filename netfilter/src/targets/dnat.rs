//! `-j DNAT`: another destination for the connection (`net/netfilter/xt_nat.c`).

use super::nat::{Mapped, Maps, Takes};
use crate::hook::Hook;
use crate::nat::{Manip, Range};
use crate::rules::{Cx, Verdict};
use crate::skb::Skb;
use crate::xtables::Opt;
use hopwise_sim_core::Rng;

/// The range that the new destination is taken from.
pub(super) type Dnat = Mapped<Destination>;

/// `--to-destination`.
#[derive(Clone, PartialEq, Debug)]
pub enum Destination {}

impl Maps for Destination {
    const OPTIONS: &'static [Opt] = {
        static OPTIONS: &[Opt] = &[Opt::arg("to-destination", 0).must(), Opt::flag("random", 1), Opt::flag("persistent", 2)];
        OPTIONS
    };
    const TAKES: Takes = Takes::Addrs { base: true };
    const LISTED: &'static str = " to:";
    const HOOKS: &'static [Hook] = &[Hook::PreRouting, Hook::LocalOut];

    fn map(range: &Range, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Verdict {
        Verdict::Nat(Manip::Destination, *range)
    }

    fn sample(rng: &mut Rng) -> String {
        let to = ["10.0.0.7", "10.0.0.7-10.0.0.9", "10.0.0.7:80", ":8080-8090", "10.0.0.7:10-20/5"];
        let flags = ["", " --random", " --persistent"];
        let (to, flags) = (to[rng.below(5) as usize], flags[rng.below(3) as usize]);
        format!("-p tcp -j DNAT --to-destination {to}{flags}")
    }
}
