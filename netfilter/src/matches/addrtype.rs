//! `-m addrtype`: kinds of addresses (`net/netfilter/xt_addrtype.c`).

use core::net::Ipv4Addr;

use super::{Asks, Extension, How};
use crate::env::AddrType;
use crate::hook::Hook;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// Kinds of source and destination.
#[derive(Clone, PartialEq, Debug)]
pub struct Addrtype {
    src: AddrType,
    dst: AddrType,
    src_inv: bool,
    dst_inv: bool,
    limit: Limit,
}

/// Seen from which link.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Limit {
    None,
    In,
    Out,
}

static OPTIONS: &[Opt] = &[
    Opt::arg("src-type", 0).inv(),
    Opt::arg("dst-type", 1).inv(),
    Opt::flag("limit-iface-in", 2).excl(1 << 3),
    Opt::flag("limit-iface-out", 3).excl(1 << 2),
];

fn types(word: &str) -> Done<AddrType> {
    word.split(',').try_fold(AddrType::empty(), |all, word| {
        let begins = |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let found = AddrType::all().iter_names().find(|(name, _)| !word.is_empty() && begins(name));
        let (_, kind) = found.ok_or_else(|| Refusal::new(format!("addrtype: bad type \"{word}\"")))?;
        Ok(all | kind)
    })
}

fn put_types(out: &mut String, types: AddrType) {
    for (i, (name, _)) in types.iter_names().enumerate() {
        out.push_str(if i == 0 { "" } else { "," });
        out.push_str(name);
    }
}

impl Extension for Addrtype {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        let none = AddrType::empty();
        Addrtype { src: none, dst: none, src_inv: false, dst_inv: false, limit: Limit::None }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.name {
            "src-type" => (self.src, self.src_inv) = (types(call.arg)?, call.inv),
            "dst-type" => (self.dst, self.dst_inv) = (types(call.arg)?, call.inv),
            "limit-iface-in" => self.limit = Limit::In,
            _ => self.limit = Limit::Out,
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen & 0b11 == 0 {
            return Err(Refusal::new("addrtype: you must specify --src-type or --dst-type"));
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        for (word, types, inv) in [("src", self.src, self.src_inv), ("dst", self.dst, self.dst_inv)] {
            if !types.is_empty() {
                out.push_str(if inv { " !" } else { "" });
                out.push_str(&format!(" --{word}-type "));
                put_types(out, types);
            }
        }
        out.push_str(match self.limit {
            Limit::None => "",
            Limit::In => " --limit-iface-in",
            Limit::Out => " --limit-iface-out",
        });
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" ADDRTYPE match");
        for (word, types, inv) in [("src", self.src, self.src_inv), ("dst", self.dst, self.dst_inv)] {
            if !types.is_empty() {
                out.push_str(&format!(" {word}-type {}", if inv { "!" } else { "" }));
                put_types(out, types);
            }
        }
        out.push_str(match self.limit {
            Limit::None => "",
            Limit::In => " limit-in",
            Limit::Out => " limit-out",
        });
    }

    fn sample(rng: &mut Rng) -> String {
        let kind = |rng: &mut Rng| ["LOCAL", "UNICAST", "BROADCAST,MULTICAST", "UNSPEC"][rng.below(4) as usize];
        let inv = |rng: &mut Rng| if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(2) {
            0 => format!("-m addrtype {}--dst-type {}", inv(rng), kind(rng)),
            _ => format!("-m addrtype {}--src-type {} --dst-type {}", inv(rng), kind(rng), kind(rng)),
        }
    }
}

impl Asks for Addrtype {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        match self.limit {
            Limit::None => true,
            Limit::In => !place.some(&[Hook::PostRouting, Hook::LocalOut]),
            Limit::Out => !place.some(&[Hook::PreRouting, Hook::LocalIn]),
        }
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let link = match self.limit {
            Limit::None => None,
            Limit::In => Some(skb.input.index),
            Limit::Out => Some(skb.output.index),
        };
        let fits = |addr: Ipv4Addr, types: AddrType, inv: bool| {
            types.is_empty() || types.intersects(cx.env.addr_type(addr, link)) != inv
        };
        fits(skb.src(), self.src, self.src_inv) && fits(skb.dst(), self.dst, self.dst_inv)
    }
}
