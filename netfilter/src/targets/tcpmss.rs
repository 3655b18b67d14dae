//! `-j TCPMSS`: a smaller largest segment (`net/netfilter/xt_TCPMSS.c`).

use super::{Acts, Extension, Outcome, rewrite};
use crate::hook::Hook;
use crate::matches::{How, mss_place};
use crate::rules::{Cx, IpMatch, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::{Packet, Rng};

/// The size, or that of the routes.
#[derive(Clone, PartialEq, Debug)]
pub struct Tcpmss {
    /// `None`: what fits the MTU of the routes both ways.
    size: Option<u16>,
}

/// IPv4 and TCP header.
const HEADERS: u32 = 40;
/// No size that is added is larger (RFC 9293, section 3.7.1).
const DEFAULT: u16 = 536;
/// The longest TCP header.
const MAX_HEADER: usize = 60;

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

    fn sample(rng: &mut Rng) -> String {
        match rng.below(2) {
            0 => format!("-p tcp -j TCPMSS --set-mss {}", rng.below(1500)),
            _ => "-p tcp -j TCPMSS --clamp-mss-to-pmtu".to_owned(),
        }
    }
}

impl Acts for Tcpmss {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        let routed = place.only(&[Hook::Forward, Hook::LocalOut, Hook::PostRouting]);
        place.ip.only_protocol() == Some(6) && (self.size.is_some() || routed)
    }

    fn act(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        if skb.head.fragment != 0 {
            return Outcome::Continue;
        }
        let (Some(header), Some(most)) = (skb.tcp(), self.most(skb, cx)) else {
            return Outcome::Verdict(Verdict::Drop);
        };
        let (tcp, len) = (skb.head.transport, header.len());
        match mss_place(header) {
            // A size is never made larger.
            Some(at) if u16::from_be_bytes([header[at], header[at + 1]]) <= most => {}
            Some(at) => {
                let [high, low] = most.to_be_bytes();
                rewrite::put_byte(skb.packet.data_mut(), tcp, at, high);
                rewrite::put_byte(skb.packet.data_mut(), tcp, at + 1, low);
            }
            // Payload would have to move, and a SYN with some may then be too large.
            None if skb.payload().len() > len || len + 4 > MAX_HEADER => {}
            None => add(skb.packet, tcp, most.min(DEFAULT)),
        }
        Outcome::Continue
    }
}

/// Puts a size in front of the other options of a segment without payload.
fn add(packet: &mut Packet, tcp: usize, size: u16) {
    let end = packet.len();
    packet.append(4);
    let data = packet.data_mut();
    data.copy_within(tcp + 20..end, tcp + 24);
    let [high, low] = size.to_be_bytes();
    data[tcp + 20..tcp + 24].copy_from_slice(&[2, 4, high, low]);
    rewrite::put_word(data, 2, (end + 4) as u16, 10);
    // The pseudo header's length, the option and the header's length are in the checksum of TCP.
    let grown = |old: usize| (old as u16, (old + 4) as u16);
    let (old, new) = grown(end - tcp);
    let offset = u16::from_be_bytes([data[tcp + 12], data[tcp + 13]]);
    for (old, new) in [(old, new), (0, u16::from_be_bytes([2, 4])), (0, size)] {
        rewrite::patch(data, tcp + 16, old, new);
    }
    rewrite::put_word(data, tcp + 12, offset + 0x1000, tcp + 16);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SYN, checksums_are_right, tcp, tcp_with};
    use hopwise_sim_core::Pool;

    #[test]
    fn a_size_is_added_and_the_checksums_stay_right() {
        let mut pool = Pool::default();
        for options in [&[][..], &[1, 3, 3, 7], &[4, 2, 1, 1]] {
            let bytes = tcp_with(("10.0.0.1", 5), ("10.0.0.2", 80), SYN, (7, 0, 1000), options, &[]);
            let mut packet = pool.alloc_from(&bytes);
            add(&mut packet, 20, 536);
            let header = packet.data()[20..].to_vec();
            assert!(checksums_are_right(packet.data()));
            assert_eq!((packet.len(), mss_place(&header)), (bytes.len() + 4, Some(22)));
            assert_eq!((&header[22..24], &header[24..]), (&536u16.to_be_bytes()[..], options));
        }
        let plain = tcp(("10.0.0.1", 5), ("10.0.0.2", 80), SYN, 7, 0, b"data");
        assert_eq!(mss_place(&plain[20..40]), None);
    }
}
