//! `-m multiport`: up to 15 ports and ranges (`net/netfilter/xt_multiport.c`).

use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, service_port};
use hopwise_sim_core::Rng;
use smallvec::SmallVec;

/// Which ports are compared.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Which {
    Source,
    Destination,
    Either,
}

/// A list of ports and ranges.
#[derive(Clone, PartialEq, Debug)]
pub struct Multiport {
    which: Which,
    ports: SmallVec<[(u16, u16); 8]>,
    inv: bool,
}

/// A range counts twice (`XT_MULTI_PORTS`).
const MAX: usize = 15;

static OPTIONS: &[Opt] = &[
    Opt::arg("source-ports", 0).inv().excl(0b110),
    Opt::arg("sports", 0).inv().excl(0b110),
    Opt::arg("destination-ports", 1).inv().excl(0b101),
    Opt::arg("dports", 1).inv().excl(0b101),
    Opt::arg("ports", 2).inv().excl(0b011),
];

const fn known(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}

fn protocol(ip: &IpMatch) -> Done<u8> {
    match ip.only_protocol() {
        None => Err(Refusal::new("multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'")),
        Some(protocol) if known(protocol) => Ok(protocol),
        Some(_) => Err(Refusal::new("multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP")),
    }
}

impl Multiport {
    fn text(&self, name: impl Fn(u16) -> String) -> String {
        let mut text = String::new();
        for (from, to) in &self.ports {
            text.push_str(if text.is_empty() { "" } else { "," });
            text.push_str(&name(*from));
            if from != to {
                text.push(':');
                text.push_str(&name(*to));
            }
        }
        text
    }

    const fn word(&self) -> &'static str {
        match self.which {
            Which::Source => "sports",
            Which::Destination => "dports",
            Which::Either => "ports",
        }
    }
}

impl Extension for Multiport {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Multiport { which: Which::Either, ports: SmallVec::new(), inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let protocol = protocol(call.ip)?;
        self.which = match call.opt.bit {
            0 => Which::Source,
            1 => Which::Destination,
            _ => Which::Either,
        };
        self.inv = call.inv;
        let mut room = MAX;
        for item in call.arg.split(',') {
            let (from, to) = item.split_once(':').map_or((item, None), |(from, to)| (from, Some(to)));
            let taken = if to.is_some() { 2 } else { 1 };
            if room < taken {
                return Err(Refusal::new("too many ports specified"));
            }
            room -= taken;
            let from = service_port(call.names, from, Some(protocol))?;
            let to = to.map_or(Ok(from), |to| service_port(call.names, to, Some(protocol)))?;
            if from > to {
                return Err(Refusal::new("invalid portrange specified"));
            }
            self.ports.push((from, to));
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("multiport expection an option")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inv { " ! --" } else { " --" });
        out.push_str(self.word());
        out.push(' ');
        out.push_str(&self.text(|port| port.to_string()));
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        let text = self.text(|port| how.port(port, how.ip.protocol));
        out.push_str(&format!(" multiport {} {}{text}", self.word(), if self.inv { " !" } else { "" }));
    }

    fn sample(rng: &mut Rng) -> String {
        let word = ["sports", "dports", "ports"][rng.below(3) as usize];
        let inv = if rng.below(4) == 0 { "! " } else { "" };
        let (a, b) = (rng.below(100), rng.below(50));
        let protocol = ["tcp", "udp", "sctp"][rng.below(3) as usize];
        format!("-p {protocol} -m multiport {inv}--{word} {a},{b}:{}", b + 20)
    }
}

impl Asks for Multiport {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.ip.only_protocol().is_some_and(known)
    }

    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let Some((sport, dport)) = skb.head.ports else { return false };
        let any = |port: u16| self.ports.iter().any(|(from, to)| (*from..=*to).contains(&port));
        let fits = match self.which {
            Which::Source => any(sport),
            Which::Destination => any(dport),
            Which::Either => any(sport) || any(dport),
        };
        fits != self.inv
    }
}
