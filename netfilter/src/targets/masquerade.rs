//! `-j MASQUERADE`: the address of the link it leaves by as source of the connection (`nf_nat_masquerade_ipv4`).

use super::nat::{Mapped, Maps, Takes, at};
use crate::hook::Hook;
use crate::nat::{Manip, Range};
use crate::rules::{Cx, Verdict};
use crate::skb::Skb;
use crate::xtables::Opt;
use hopwise_sim_core::Rng;

/// The range that the new ports of the source are taken from.
pub(super) type Masquerade = Mapped<OfLink>;

/// `--to-ports` with the address of the link.
#[derive(Clone, PartialEq, Debug)]
pub enum OfLink {}

impl Maps for OfLink {
    const OPTIONS: &'static [Opt] = {
        static OPTIONS: &[Opt] = &[Opt::arg("to-ports", 0), Opt::flag("random", 1), Opt::flag("random-fully", 2)];
        OPTIONS
    };
    const TAKES: Takes = Takes::Ports;
    const LISTED: &'static str = " masq ports: ";
    const HOOKS: &'static [Hook] = &[Hook::PostRouting];

    fn map(range: &Range, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Verdict {
        // What has no address yet (a DHCP client) is not meant to be masqueraded.
        if skb.head.src == 0 {
            return Verdict::Accept;
        }
        let Some(addr) = cx.env.primary_addr(skb.output.index, skb.dst()) else {
            cx.env.log(format!("{} ate my IP address", skb.output.name()));
            return Verdict::Drop;
        };
        if let Some(conn) = &mut skb.conn {
            conn.masq = skb.output.index;
        }
        Verdict::Nat(Manip::Source, at(range, addr))
    }

    fn sample(rng: &mut Rng) -> String {
        let ports = ["", " --to-ports 1024", " --to-ports 1024-65535"];
        let flags = ["", " --random", " --random-fully"];
        format!("-p tcp -j MASQUERADE{}{}", ports[rng.below(3) as usize], flags[rng.below(3) as usize])
    }
}
