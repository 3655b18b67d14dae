//! `-j TEE`: a copy of the packet goes to another host (`net/netfilter/xt_TEE.c`, `nf_dup_ipv4`).

use core::net::Ipv4Addr;

use super::{Acts, Extension, Outcome};
use crate::env::Tee as Request;
use crate::hook::Hook;
use crate::matches::How;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// To whom, and through which link if that is said.
#[derive(Clone, PartialEq, Debug)]
pub struct Tee {
    gateway: Ipv4Addr,
    link: Box<str>,
}

/// Longer names of links are cut (`IFNAMSIZ`).
const MAX_NAME: usize = 15;

static OPTIONS: &[Opt] = &[Opt::arg("gateway", 0).must(), Opt::arg("oif", 1)];

impl Extension for Tee {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Tee { gateway: Ipv4Addr::UNSPECIFIED, link: Box::default() }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            0 => self.gateway = call.host()?,
            _ => self.link = call.arg.chars().take(MAX_NAME).collect::<String>().into(),
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --gateway {}", self.gateway));
        if !self.link.is_empty() {
            out.push_str(&format!(" --oif {}", self.link));
        }
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        let name = if how.numeric { None } else { how.names.host_name(self.gateway) };
        out.push_str(&format!(" TEE gw:{}", name.unwrap_or_else(|| self.gateway.to_string())));
        if !self.link.is_empty() {
            out.push_str(&format!(" oif={}", self.link));
        }
    }

    fn sample(rng: &mut Rng) -> String {
        format!("-j TEE --gateway 10.0.0.{}{}", 1 + rng.below(9), ["", " --oif eth1"][rng.below(2) as usize])
    }
}

impl Acts for Tee {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        !self.gateway.is_unspecified()
    }

    fn act(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        // A copy of what has just come in went one hop further, so that two hosts that copy to each other come to an end.
        let ages = matches!(cx.hook, Hook::PreRouting | Hook::LocalIn);
        cx.env.tee(skb.packet, &Request { gateway: self.gateway, link: &self.link, ages });
        Outcome::Continue
    }
}
