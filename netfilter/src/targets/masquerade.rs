//! `-j MASQUERADE`: the address of the link it leaves by as source of the connection (`nf_nat_masquerade_ipv4`).

use super::{Extension, Outcome, nat};
use crate::hook::Hook;
use crate::matches::How;
use crate::nat::{Manip, Range, RangeFlags};
use crate::rules::{Cx, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// The ports that the new source may have.
#[derive(Clone, PartialEq, Debug)]
pub struct Masquerade(Range);

static OPTIONS: &[Opt] = &[Opt::arg("to-ports", 0), Opt::flag("random", 1), Opt::flag("random-fully", 2)];

impl Extension for Masquerade {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Masquerade(Range::ANY)
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
            out.push_str(" masq ports: ");
            nat::put_ports(out, &self.0);
        }
        nat::put_flags(out, self.0.flags, "");
    }

    fn may_stand(&self, place: &Place<'_>) -> bool {
        nat::may_stand(place, &[Hook::PostRouting])
    }

    fn tracks(&self) -> bool {
        true
    }

    fn act(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        // What has no address yet (a DHCP client) is not meant to be masqueraded.
        if skb.head.src == 0 {
            return Outcome::Verdict(Verdict::Accept);
        }
        Outcome::Verdict(match cx.env.primary_addr(skb.output.index, skb.dst()) {
            Some(addr) => {
                if let Some(conn) = &mut skb.conn {
                    conn.masq = skb.output.index;
                }
                Verdict::Nat(Manip::Source, nat::at(&self.0, addr))
            }
            None => {
                cx.env.log(format!("{} ate my IP address", skb.output.name()));
                Verdict::Drop
            }
        })
    }

    fn sample(rng: &mut Rng) -> String {
        let ports = ["", " --to-ports 1024", " --to-ports 1024-65535"];
        let flags = ["", " --random", " --random-fully"];
        format!("-p tcp -j MASQUERADE{}{}", ports[rng.below(3) as usize], flags[rng.below(3) as usize])
    }
}
