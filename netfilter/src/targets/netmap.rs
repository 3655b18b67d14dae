//! `-j NETMAP`: another network, the same host in it (`net/netfilter/xt_NETMAP.c`).

use core::net::Ipv4Addr;

use super::{Acts, Extension, Outcome, nat};
use crate::hook::Hook;
use crate::matches::How;
use crate::nat::{Manip, Range, RangeFlags};
use crate::rules::{Cx, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, mask_len};
use hopwise_sim_core::Rng;

/// The other network.
#[derive(Clone, PartialEq, Debug)]
pub struct Netmap {
    addr: u32,
    len: u8,
}

static OPTIONS: &[Opt] = &[Opt::arg("to", 0).must()];

impl Netmap {
    const fn mask(&self) -> u32 {
        if self.len == 0 { 0 } else { u32::MAX << (32 - self.len) }
    }
}

impl Extension for Netmap {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Netmap { addr: 0, len: 32 }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let (addr, mask) = call.host_mask()?;
        // A mask with holes is told as a full one, as Linux does it.
        self.len = mask_len(mask).unwrap_or(32) as u8;
        self.addr = addr & self.mask();
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --to {}/{}", Ipv4Addr::from(self.addr), self.len));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" to:{}/{}", Ipv4Addr::from(self.addr), self.len));
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        format!("-j NETMAP --to 192.168.{}.0/{}", rng.below(9), 24 + rng.below(9))
    }
}

impl Acts for Netmap {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        nat::may_stand(place, &[Hook::PreRouting, Hook::LocalIn, Hook::LocalOut, Hook::PostRouting])
    }

    fn act(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        let (manip, old) = match cx.hook {
            Hook::PreRouting | Hook::LocalOut => (Manip::Destination, skb.head.dst),
            _ => (Manip::Source, skb.head.src),
        };
        let new = Ipv4Addr::from(self.addr | (old & !self.mask()));
        let range = Range { flags: RangeFlags::MAP_IPS, addrs: (new, new), ..Range::ANY };
        Outcome::Verdict(Verdict::Nat(manip, range))
    }
}
