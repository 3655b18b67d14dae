//! `-j REDIRECT`: this host as destination of the connection (`nf_nat_redirect_ipv4`).

use core::net::Ipv4Addr;

use super::nat::{Mapped, Maps, Takes, at};
use crate::hook::Hook;
use crate::nat::{Manip, Range};
use crate::rules::{Cx, Verdict};
use crate::skb::Skb;
use crate::xtables::Opt;
use hopwise_sim_core::Rng;

/// The range that the new ports of the destination are taken from.
pub(super) type Redirect = Mapped<ToHere>;

/// `--to-ports` with an address of this host.
#[derive(Clone, PartialEq, Debug)]
pub enum ToHere {}

impl Maps for ToHere {
    const OPTIONS: &'static [Opt] = {
        static OPTIONS: &[Opt] = &[Opt::arg("to-ports", 0), Opt::flag("random", 1)];
        OPTIONS
    };
    const TAKES: Takes = Takes::Ports;
    const LISTED: &'static str = " redir ports ";
    const HOOKS: &'static [Hook] = &[Hook::PreRouting, Hook::LocalOut];

    fn map(range: &Range, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Verdict {
        let own = match cx.hook {
            Hook::LocalOut => Some(Ipv4Addr::LOCALHOST),
            _ => cx.env.primary_addr(skb.input.index, Ipv4Addr::UNSPECIFIED),
        };
        own.map_or(Verdict::Drop, |addr| Verdict::Nat(Manip::Destination, at(range, addr)))
    }

    fn sample(rng: &mut Rng) -> String {
        let ports = ["", " --to-ports 8080", " --to-ports 0-99"];
        let flags = ["", " --random"];
        format!("-p udp -j REDIRECT{}{}", ports[rng.below(3) as usize], flags[rng.below(2) as usize])
    }
}
