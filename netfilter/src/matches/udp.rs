//! `-m udp`: ports (`net/netfilter/xt_tcpudp.c`).

use super::ports::Ports;
use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// What is asked of a UDP header.
#[derive(Clone, PartialEq, Debug)]
pub struct Udp {
    sport: Ports,
    dport: Ports,
}

static OPTIONS: &[Opt] = &[
    Opt::arg("source-port", 0).inv(),
    Opt::arg("sport", 0).inv(),
    Opt::arg("destination-port", 1).inv(),
    Opt::arg("dport", 1).inv(),
];

impl Udp {
    /// Takes up the demands of another match, if they are about other ports.
    pub(super) fn absorb(&mut self, other: &Udp) -> bool {
        let nothing = |udp: &Udp| udp.sport.is_all() && udp.dport.is_all();
        let joined = self.sport.joined(other.sport).zip(self.dport.joined(other.dport));
        match joined.filter(|_| !nothing(self) && !nothing(other)) {
            Some((sport, dport)) => {
                *self = Udp { sport, dport };
                true
            }
            None => false,
        }
    }
}

impl Extension for Udp {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Udp { sport: Ports::ALL, dport: Ports::ALL }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let (from, to) = call.ports()?;
        let ports = Ports { from, to, inv: call.inv };
        *(if call.opt.bit == 0 { &mut self.sport } else { &mut self.dport }) = ports;
        Ok(())
    }

    fn finish(&mut self, seen: u32, ip: &IpMatch) -> Done {
        if seen != 0 && ip.only_protocol() != Some(17) {
            return Err(Refusal::new("UDP match requires '-p udp'"));
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.sport.save(out, "sport");
        self.dport.save(out, "dport");
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        out.push_str(" udp");
        self.sport.list(out, "spt", how, 17);
        self.dport.list(out, "dpt", how, 17);
    }

    fn sample(rng: &mut Rng) -> String {
        match rng.below(3) {
            0 => format!("-p udp -m udp --dport {}", rng.below(100)),
            1 => format!("-p udp -m udp ! --sport {}:{}", rng.below(50), 50 + rng.below(50)),
            _ => format!("-p udp -m udp --sport {} --dport {}", rng.below(100), rng.below(100)),
        }
    }
}

impl Asks for Udp {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.ip.only_protocol() == Some(17)
    }

    #[inline]
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        skb.head.ports.is_some_and(|(sport, dport)| self.sport.fits(sport) && self.dport.fits(dport))
    }

    fn only_dport(&self) -> Option<u16> {
        self.dport.only()
    }
}
