//! `-j REDIRECT`: this host as destination of the connection (`nf_nat_redirect_ipv4`).

use core::net::Ipv4Addr;

use super::{Extension, Outcome, nat};
use crate::hook::Hook;
use crate::matches::How;
use crate::nat::{Manip, Range, RangeFlags};
use crate::rules::{Cx, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// The ports that the new destination may have.
#[derive(Clone, PartialEq, Debug)]
pub struct Redirect(Range);

static OPTIONS: &[Opt] = &[Opt::arg("to-ports", 0), Opt::flag("random", 1)];

impl Extension for Redirect {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Redirect(Range::ANY)
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        if call.opt.arg {
            return nat::ports(&mut self.0, call.arg, call, false);
        }
        self.0.flags |= nat::flag(call.opt.name);
        Ok(())
    }

    fn save(&self, out: &mut String) {
        if self.0.flags.contains(RangeFlags::PROTO_SPECIFIED) {
            out.push_str(" --to-ports ");
            nat::put_ports(out, &self.0);
        }
        nat::put_flags(out, self.0.flags, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        if self.0.flags.contains(RangeFlags::PROTO_SPECIFIED) {
            out.push_str(" redir ports ");
            nat::put_ports(out, &self.0);
        }
        nat::put_flags(out, self.0.flags, "");
    }

    fn may_stand(&self, place: &Place<'_>) -> bool {
        nat::may_stand(place, &[Hook::PreRouting, Hook::LocalOut])
    }

    fn tracks(&self) -> bool {
        true
    }

    fn act(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        let own = match cx.hook {
            Hook::LocalOut => Some(Ipv4Addr::LOCALHOST),
            _ => cx.env.primary_addr(skb.input.index, Ipv4Addr::UNSPECIFIED),
        };
        Outcome::Verdict(own.map_or(Verdict::Drop, |addr| Verdict::Nat(Manip::Destination, nat::at(&self.0, addr))))
    }

    fn sample(rng: &mut Rng) -> String {
        let ports = ["", " --to-ports 8080", " --to-ports 0-99"];
        let flags = ["", " --random"];
        format!("-p udp -j REDIRECT{}{}", ports[rng.below(3) as usize], flags[rng.below(2) as usize])
    }
}
