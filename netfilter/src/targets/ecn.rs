//! `-j ECN`: no explicit congestion notification, or another one (`net/ipv4/netfilter/ipt_ECN.c`, RFC 3168).

use super::{Acts, Extension, Outcome, rewrite};
use crate::hook::TableId;
use crate::matches::How;
use crate::rules::{Cx, IpMatch, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// What the two flags of TCP and the code point of IPv4 become.
#[derive(Clone, PartialEq, Debug)]
pub struct Ecn {
    ece: Option<bool>,
    cwr: Option<bool>,
    ect: Option<u8>,
}

static OPTIONS: &[Opt] = &[
    Opt::flag("ecn-tcp-remove", 0).excl(0b110),
    Opt::arg("ecn-tcp-cwr", 1).excl(0b001),
    Opt::arg("ecn-tcp-ece", 2).excl(0b001),
    Opt::arg("ecn-ip-ect", 3),
];

/// Bits of the TCP header's byte 13.
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

impl Ecn {
    const fn removes(&self) -> bool {
        matches!(self, Ecn { ece: Some(false), cwr: Some(false), ect: None })
    }

    /// Each change with its words.
    fn put(&self, out: &mut String, words: [&str; 3]) {
        let values = [self.ece.map(u8::from), self.cwr.map(u8::from), self.ect];
        for (word, value) in words.into_iter().zip(values) {
            if let Some(value) = value {
                out.push_str(&format!(" {word}{value}"));
            }
        }
    }
}

impl Extension for Ecn {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Ecn { ece: None, cwr: None, ect: None }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            0 => (self.ece, self.cwr) = (Some(false), Some(false)),
            1 => self.cwr = Some(call.number(0, 1)? == 1),
            2 => self.ece = Some(call.number(0, 1)? == 1),
            _ => self.ect = Some(call.number(0, 3)? as u8),
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("ECN target: An operation is required")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        match self.removes() {
            true => out.push_str(" --ecn-tcp-remove"),
            false => self.put(out, ["--ecn-tcp-ece ", "--ecn-tcp-cwr ", "--ecn-ip-ect "]),
        }
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" ECN");
        match self.removes() {
            true => out.push_str(" TCP remove"),
            false => self.put(out, ["ECE=", "CWR=", "ECT codepoint="]),
        }
    }

    fn sample(rng: &mut Rng) -> String {
        match rng.below(4) {
            0 => "-p tcp -j ECN --ecn-tcp-remove".to_owned(),
            1 => format!("-j ECN --ecn-ip-ect {}", rng.below(4)),
            2 => format!("-p tcp -j ECN --ecn-tcp-cwr {}", rng.below(2)),
            _ => format!("-p tcp -j ECN --ecn-tcp-ece {} --ecn-tcp-cwr 0 --ecn-ip-ect 1", rng.below(2)),
        }
    }
}

impl Acts for Ecn {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        let tcp = self.ece.is_some() || self.cwr.is_some();
        place.table == TableId::Mangle && (!tcp || place.ip.only_protocol() == Some(6))
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        if let Some(ect) = self.ect {
            rewrite::tos(skb.packet.data_mut(), |tos| tos & !0b11 | ect);
        }
        if self.ece.is_none() && self.cwr.is_none() {
            return Outcome::Continue;
        }
        let Some(header) = skb.tcp() else { return Outcome::Verdict(Verdict::Drop) };
        let set = |byte: u8, bit: u8, to: Option<bool>| to.map_or(byte, |on| byte & !bit | if on { bit } else { 0 });
        let word = u16::from_be_bytes([header[12], set(set(header[13], ECE, self.ece), CWR, self.cwr)]);
        let tcp = skb.head.transport;
        rewrite::put_word(skb.packet.data_mut(), tcp + 12, word, tcp + 16);
        Outcome::Continue
    }
}
