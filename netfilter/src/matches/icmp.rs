//! `-m icmp`: type and code (`icmp_match` of `net/ipv4/netfilter/ip_tables.c`).

use super::{Asks, Extension, How};
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;

/// Type and range of codes.
#[derive(Clone, PartialEq, Debug)]
pub struct Icmp {
    kind: u8,
    codes: (u8, u8),
    inv: bool,
}

/// A type that stands for all of them.
const ANY: u8 = 255;

static OPTIONS: &[Opt] = &[Opt::arg("icmp-type", 0).inv().must()];

/// Names with type and codes (`icmp_codes` of libipt_icmp).
pub(crate) static TYPES: &[(&str, u8, u8, u8)] = &[
    ("any", ANY, 0, 255),
    ("echo-reply", 0, 0, 255),
    ("pong", 0, 0, 255),
    ("destination-unreachable", 3, 0, 255),
    ("network-unreachable", 3, 0, 0),
    ("host-unreachable", 3, 1, 1),
    ("protocol-unreachable", 3, 2, 2),
    ("port-unreachable", 3, 3, 3),
    ("fragmentation-needed", 3, 4, 4),
    ("source-route-failed", 3, 5, 5),
    ("network-unknown", 3, 6, 6),
    ("host-unknown", 3, 7, 7),
    ("network-prohibited", 3, 9, 9),
    ("host-prohibited", 3, 10, 10),
    ("TOS-network-unreachable", 3, 11, 11),
    ("TOS-host-unreachable", 3, 12, 12),
    ("communication-prohibited", 3, 13, 13),
    ("host-precedence-violation", 3, 14, 14),
    ("precedence-cutoff", 3, 15, 15),
    ("source-quench", 4, 0, 255),
    ("redirect", 5, 0, 255),
    ("network-redirect", 5, 0, 0),
    ("host-redirect", 5, 1, 1),
    ("TOS-network-redirect", 5, 2, 2),
    ("TOS-host-redirect", 5, 3, 3),
    ("echo-request", 8, 0, 255),
    ("ping", 8, 0, 255),
    ("router-advertisement", 9, 0, 255),
    ("router-solicitation", 10, 0, 255),
    ("time-exceeded", 11, 0, 255),
    ("ttl-exceeded", 11, 0, 255),
    ("ttl-zero-during-transit", 11, 0, 0),
    ("ttl-zero-during-reassembly", 11, 1, 1),
    ("parameter-problem", 12, 0, 255),
    ("ip-header-bad", 12, 0, 0),
    ("required-option-missing", 12, 1, 1),
    ("timestamp-request", 13, 0, 255),
    ("timestamp-reply", 14, 0, 255),
    ("address-mask-request", 17, 0, 255),
    ("address-mask-reply", 18, 0, 255),
];

fn parse(word: &str) -> Done<(u8, (u8, u8))> {
    let begins = |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let mut named = TYPES.iter().filter(|row| begins(row.0));
    if let Some(first) = named.next() {
        return match named.next() {
            Some(other) => {
                let text = format!("Ambiguous ICMP type `{word}': `{}' or `{}'?", first.0, other.0);
                Err(Refusal::new(text))
            }
            None => Ok((first.1, (first.2, first.3))),
        };
    }
    let (kind, code) = word.split_once('/').map_or((word, None), |(kind, code)| (kind, Some(code)));
    let kind = number::within(kind, 0, 255).ok_or_else(|| Refusal::new(format!("Unknown ICMP type `{kind}'")))?;
    let codes = match code {
        None => (0, 255),
        Some(code) => {
            let code = number::within(code, 0, 255)
                .ok_or_else(|| Refusal::new(format!("Unknown ICMP code `{word}'")))?;
            (code as u8, code as u8)
        }
    };
    Ok((kind as u8, codes))
}

impl Extension for Icmp {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Icmp { kind: ANY, codes: (0, 255), inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        (self.kind, self.codes) = parse(call.arg)?;
        self.inv = call.inv;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inv { " ! --icmp-type " } else { " --icmp-type " });
        if self.kind == ANY {
            out.push_str("any");
            return;
        }
        out.push_str(&self.kind.to_string());
        if self.codes != (0, 255) {
            out.push_str(&format!("/{}", self.codes.0));
        }
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        out.push_str(" icmp");
        let is_it = |row: &&(&str, u8, u8, u8)| row.1 == self.kind && (row.2, row.3) == self.codes;
        if let Some(row) = TYPES.iter().find(is_it).filter(|_| !how.numeric) {
            out.push_str(&format!(" {}{}", if self.inv { "!" } else { "" }, row.0));
            return;
        }
        out.push_str(&format!("{}type {}", if self.inv { " !" } else { "" }, self.kind));
        if self.codes != (0, 255) {
            out.push_str(&format!(" code {}", self.codes.0));
        }
    }

    fn sample(rng: &mut Rng) -> String {
        let row = TYPES[rng.below(TYPES.len() as u32) as usize];
        let inv = if rng.below(4) == 0 { "! " } else { "" };
        let code = if row.2 == row.3 { format!("/{}", row.2) } else { String::new() };
        let kind = if row.1 == ANY { "any".to_owned() } else { row.1.to_string() };
        format!("-p icmp -m icmp {inv}--icmp-type {kind}{code}")
    }
}

impl Asks for Icmp {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.ip.only_protocol() == Some(1)
    }

    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let Some(&[kind, code]) = skb.payload().get(..8).and_then(|h| h.first_chunk::<2>()) else { return false };
        let fits = self.kind == ANY || (kind == self.kind && (self.codes.0..=self.codes.1).contains(&code));
        fits != self.inv
    }
}
