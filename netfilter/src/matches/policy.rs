//! `-m policy`: the IPsec transformations that a packet went through or will go through (`net/netfilter/xt_policy.c`). There is no
//! IPsec here, `ip xfrm` is refused: no packet has any, as on every Linux where none is set up.

use core::net::Ipv4Addr;

use super::{Asks, Extension, How};
use crate::hook::Hook;
use crate::names::protocol;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, mask_len};
use hopwise_sim_core::Rng;

/// What is asked of one transformation: each with whether it is negated.
#[derive(Clone, Default, PartialEq, Debug)]
struct Element {
    reqid: Option<(u32, bool)>,
    spi: Option<(u32, bool)>,
    proto: Option<(u8, bool)>,
    /// Whether it is tunnel mode.
    mode: Option<(bool, bool)>,
    dst: Option<((u32, u32), bool)>,
    src: Option<((u32, u32), bool)>,
}

/// What is asked.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// Whether it is about the way out.
    out: Option<bool>,
    /// Whether there must be transformations.
    ipsec: Option<bool>,
    strict: bool,
    elements: Vec<Element>,
}

/// At most so many transformations are described (`XT_POLICY_MAX_ELEM`).
const MAX_ELEMENTS: usize = 4;

static OPTIONS: &[Opt] = &[
    Opt::arg("dir", 0),
    Opt::arg("pol", 1),
    Opt::flag("strict", 2),
    Opt::arg("reqid", 3).inv().multi(),
    Opt::arg("spi", 4).inv().multi(),
    Opt::arg("tunnel-src", 5).inv().multi(),
    Opt::arg("tunnel-dst", 6).inv().multi(),
    Opt::arg("proto", 7).inv().multi(),
    Opt::arg("mode", 8).inv().multi(),
    Opt::flag("next", 9).multi().also(1 << 2),
];

fn problem<T>(text: impl core::fmt::Display) -> Done<T> {
    Err(Refusal::new(format!("policy match: {text}")))
}

/// The protocols of IPsec.
const PROTOCOLS: [(&str, u8); 3] = [("esp", 50), ("ah", 51), ("ipcomp", 108)];

impl Element {
    fn take(&mut self, call: &Call<'_>) -> Done {
        let inv = call.inv;
        let twice = match call.opt.name {
            "reqid" => self.reqid.replace((call.number(0, u32::MAX.into())? as u32, inv)).is_some(),
            "spi" => self.spi.replace((call.number(0, u32::MAX.into())? as u32, inv)).is_some(),
            "tunnel-src" => self.src.replace((call.host_mask()?, inv)).is_some(),
            "tunnel-dst" => self.dst.replace((call.host_mask()?, inv)).is_some(),
            "proto" => {
                let own = PROTOCOLS.iter().find(|row| row.0 == call.arg).map(|row| row.1);
                match own.or_else(|| protocol(call.names, call.arg)) {
                    Some(number @ (50 | 51 | 108)) => self.proto.replace((number, inv)).is_some(),
                    _ => return problem("protocol must be ah/esp/ipcomp"),
                }
            }
            _ => match call.arg {
                "tunnel" => self.mode.replace((true, inv)).is_some(),
                "transport" => self.mode.replace((false, inv)).is_some(),
                word => return problem(format_args!("invalid mode \"{word}\"")),
            },
        };
        if twice { problem(format_args!("double --{} option", call.opt.name)) } else { Ok(()) }
    }

    fn put(&self, out: &mut String, dashes: &str, numeric: bool) {
        let mut put = |word: &str, value: Option<(String, bool)>| {
            if let Some((value, inv)) = value {
                out.push_str(&format!("{} {dashes}{word} {value}", if inv { " !" } else { "" }));
            }
        };
        let proto = |number: u8| {
            let row = PROTOCOLS.iter().find(|row| row.1 == number && !numeric);
            row.map_or_else(|| number.to_string(), |row| row.0.to_owned())
        };
        let net = |(addr, mask): (u32, u32)| {
            let addr = Ipv4Addr::from(addr);
            match mask_len(mask) {
                Some(32) => addr.to_string(),
                Some(len) => format!("{addr}/{len}"),
                None => format!("{addr}/{}", Ipv4Addr::from(mask)),
            }
        };
        put("reqid", self.reqid.map(|(id, inv)| (id.to_string(), inv)));
        put("spi", self.spi.map(|(spi, inv)| (format!("{spi:#x}"), inv)));
        put("proto", self.proto.map(|(number, inv)| (proto(number), inv)));
        put("mode", self.mode.map(|(tunnel, inv)| (if tunnel { "tunnel" } else { "transport" }.to_owned(), inv)));
        put("tunnel-dst", self.dst.map(|(dst, inv)| (net(dst), inv)));
        put("tunnel-src", self.src.map(|(src, inv)| (net(src), inv)));
    }
}

impl Policy {
    fn words(&self) -> (&'static str, &'static str) {
        (
            if self.out == Some(true) { "out" } else { "in" },
            if self.ipsec == Some(true) { "ipsec" } else { "none" },
        )
    }
}

impl Extension for Policy {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Policy { out: None, ipsec: None, strict: false, elements: vec![Element::default()] }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match (call.opt.name, call.arg) {
            ("dir", "in") => self.out = Some(false),
            ("dir", "out") => self.out = Some(true),
            ("dir", word) => return Err(Refusal::new(format!("policy_match: invalid dir \"{word}\""))),
            ("pol", "none") => self.ipsec = Some(false),
            ("pol", "ipsec") => self.ipsec = Some(true),
            ("pol", word) => return problem(format_args!("invalid policy \"{word}\"")),
            ("strict", _) => self.strict = true,
            ("next", _) if self.elements.len() == MAX_ELEMENTS => return problem("maximum policy depth reached"),
            ("next", _) => self.elements.push(Element::default()),
            _ => {
                if let Some(last) = self.elements.last_mut() {
                    last.take(call)?;
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, _: u32, _: &IpMatch) -> Done {
        if self.out.is_none() {
            return problem("neither --dir in nor --dir out specified");
        }
        if !*self.ipsec.get_or_insert(true) {
            if self.strict {
                return problem("policy none but --strict given");
            }
            // What is asked of transformations that there must not be is forgotten.
            self.elements.clear();
        }
        for (number, element) in self.elements.iter().enumerate() {
            if self.strict && *element == Element::default() {
                return problem(format_args!(
                    "empty policy element {number}. --strict is in effect, but at least one of reqid, spi, tunnel-src, \
                     tunnel-dst, proto or mode is required."
                ));
            }
            let tunnel = matches!(element.mode, Some((true, false)) | Some((false, true)));
            if (element.src.is_some() || element.dst.is_some()) && !tunnel {
                return problem("--tunnel-src/--tunnel-dst is only valid in tunnel mode");
            }
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        let (dir, pol) = self.words();
        out.push_str(&format!(" --dir {dir} --pol {pol}{}", if self.strict { " --strict" } else { "" }));
        for (i, element) in self.elements.iter().enumerate() {
            out.push_str(if i == 0 { "" } else { " --next" });
            element.put(out, "--", false);
        }
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        let (dir, pol) = self.words();
        out.push_str(&format!(" policy match dir {dir} pol {pol}{}", if self.strict { " strict" } else { "" }));
        for (i, element) in self.elements.iter().enumerate() {
            if self.strict {
                out.push_str(&format!(" [{i}]"));
            }
            element.put(out, "", how.numeric);
        }
    }

    fn sample(rng: &mut Rng) -> String {
        let (dir, not) = (["in", "out"][rng.below(2) as usize], ["", "! "][rng.below(2) as usize]);
        let pol = [
            "none".to_owned(),
            "ipsec".to_owned(),
            format!("ipsec {not}--reqid 5 --proto esp"),
            format!("ipsec --strict --spi 0x7 {not}--mode transport --next --proto ah --mode tunnel --tunnel-dst 10.0.0.0/8"),
        ];
        format!("-m policy --dir {dir} --pol {}", pol[rng.below(4) as usize])
    }
}

impl Asks for Policy {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        match self.out {
            Some(true) => !place.some(&[Hook::PreRouting, Hook::LocalIn]),
            _ => !place.some(&[Hook::PostRouting, Hook::LocalOut]),
        }
    }

    fn fits(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        self.ipsec == Some(false)
    }
}
