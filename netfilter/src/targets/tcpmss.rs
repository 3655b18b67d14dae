//! `-j TCPMSS`: a smaller largest segment (`net/netfilter/xt_TCPMSS.c`).

use super::{Extension, Outcome, rewrite};
use crate::hook::Hook;
use crate::matches::How;
use crate::rules::{Cx, IpMatch, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// The size, or that of the routes.
#[derive(Clone, PartialEq, Debug)]
pub struct Tcpmss {
    /// `None`: what fits the MTU of the routes both ways.
    size: Option<u16>,
}

/// IPv4 and TCP header.
const HEADERS: u32 = 40;
/// The TCP option and its length.
const OPTION: [u8; 2] = [2, 4];

static OPTIONS: &[Opt] = &[Opt::arg("set-mss", 0), Opt::flag("clamp-mss-to-pmtu", 1)];

impl Tcpmss {
    /// The size that the packet shall name at most; `None`: no segment fits.
    fn most(&self, skb: &Skb<'_>, cx: &Cx<'_>) -> Option<u16> {
        if self.size.is_some() {
            return self.size;
        }
        let mtu = |addr| cx.env.route_mtu(addr).unwrap_or(u32::MAX);
        let least = mtu(skb.dst()).min(mtu(skb.src()));
        least.checked_sub(HEADERS).filter(|size| *size > 0).map(|size| size.min(65_535) as u16)
    }
}

/// Where in a TCP header the size stands.
fn place(header: &[u8]) -> Option<usize> {
    let mut at = 20;
    while let Some(option) = header.get(at..at + 4) {
        if option[..2] == OPTION {
            return Some(at + 2);
        }
        at += if option[0] < 2 { 1 } else { usize::from(option[1]).max(1) };
    }
    None
}

impl Extension for Tcpmss {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Tcpmss { size: None }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        self.size = if call.opt.bit == 0 { Some(call.number(0, 65_515)? as u16) } else { None };
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("TCPMSS target: At least one parameter is required")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        match self.size {
            Some(size) => out.push_str(&format!(" --set-mss {size}")),
            None => out.push_str(" --clamp-mss-to-pmtu"),
        }
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        match self.size {
            Some(size) => out.push_str(&format!(" TCPMSS set {size}")),
            None => out.push_str(" TCPMSS clamp to PMTU"),
        }
    }

    fn may_stand(&self, place: &Place<'_>) -> bool {
        let routed = place.only(&[Hook::Forward, Hook::LocalOut, Hook::PostRouting]);
        place.ip.only_protocol() == Some(6) && (self.size.is_some() || routed)
    }

    fn act(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        if skb.head.fragment != 0 {
            return Outcome::Continue;
        }
        let (Some(header), Some(most)) = (skb.tcp(), self.most(skb, cx)) else {
            return Outcome::Verdict(Verdict::Drop);
        };
        // A size is never made larger. A SYN without one stays so: there is no room to add it in place.
        if let Some(at) = place(header)
            && u16::from_be_bytes([header[at], header[at + 1]]) > most
        {
            let tcp = skb.head.transport;
            put_size(skb.packet.data_mut(), tcp, at, most);
        }
        Outcome::Continue
    }

    fn sample(rng: &mut Rng) -> String {
        match rng.below(2) {
            0 => format!("-p tcp -j TCPMSS --set-mss {}", rng.below(1500)),
            _ => "-p tcp -j TCPMSS --clamp-mss-to-pmtu".to_owned(),
        }
    }
}

/// Writes a size that may stand at an odd place: the checksum is corrected by whole words.
fn put_size(data: &mut [u8], tcp: usize, at: usize, size: u16) {
    let [high, low] = size.to_be_bytes();
    let sum = tcp + 16;
    let at = tcp + at;
    if (at - tcp).is_multiple_of(2) {
        rewrite::put_word(data, at, size, sum);
    } else {
        let (before, behind) = (data[at - 1], data.get(at + 2).copied().unwrap_or(0));
        rewrite::put_word(data, at - 1, u16::from_be_bytes([before, high]), sum);
        rewrite::put_word(data, at + 1, u16::from_be_bytes([low, behind]), sum);
    }
}
