//! `-m dccp`: ports, packet types and options of DCCP (`net/netfilter/xt_dccp.c`, RFC 4340).

use super::ports::Ports;
use super::{Asks, Extension, How};
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// What is asked of a DCCP header.
#[derive(Clone, PartialEq, Debug)]
pub struct Dccp {
    sport: Ports,
    dport: Ports,
    /// The types, one bit each, and whether they are those that do not fit.
    types: Option<(u16, bool)>,
    /// The option that must be there, and whether it must not.
    option: Option<(u8, bool)>,
}

const PROTOCOL: u8 = 33;

static OPTIONS: &[Opt] = &[
    Opt::arg("source-port", 0).inv(),
    Opt::arg("sport", 0).inv(),
    Opt::arg("destination-port", 1).inv(),
    Opt::arg("dport", 1).inv(),
    Opt::arg("dccp-types", 2).inv(),
    Opt::arg("dccp-option", 3).inv(),
];

/// The types by number; what follows them is invalid.
const TYPES: [&str; 11] =
    ["REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK", "INVALID"];
/// All invalid types.
const INVALID: u16 = !0 << 10;

fn types(word: &str) -> Done<u16> {
    word.split(',').try_fold(0, |all, word| {
        let place = TYPES.iter().position(|name| name.eq_ignore_ascii_case(word));
        match place.ok_or_else(|| Refusal::new(format!("Unknown DCCP type `{word}'")))? {
            10 => Ok(all | INVALID),
            place => Ok(all | 1 << place),
        }
    })
}

fn types_text(mask: u16, numeric: bool) -> String {
    let set = (0..16).filter(|place| mask & 1 << place != 0);
    if numeric {
        return set.map(|place| place.to_string()).collect::<Vec<_>>().join(",");
    }
    set.filter_map(|place| TYPES.get(place).copied()).collect::<Vec<_>>().join(",")
}

/// How long the header of a type is: in front of its options (`__dccp_hdr_len`).
const fn length(kind: u8, extended: bool) -> usize {
    let basic = if extended { 16 } else { 12 };
    basic
        + match kind {
            2 => 0,
            0 => 4,
            3..=6 | 8 | 9 => 8,
            _ => 12,
        }
}

/// Whether an option is in a header (`dccp_find_option`).
fn has_option(packet: &[u8], header: &[u8; 12], option: u8) -> bool {
    let from = length(header[8] >> 1 & 15, header[8] & 1 != 0);
    let mut rest = packet.get(from..usize::from(header[4]) * 4).unwrap_or_default();
    while let Some(first) = rest.first() {
        if *first == option {
            return true;
        }
        let len = if *first < 2 { 1 } else { rest.get(1).map_or(1, |len| usize::from(*len).max(1)) };
        rest = rest.get(len..).unwrap_or_default();
    }
    false
}

impl Extension for Dccp {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Dccp { sport: Ports::ALL, dport: Ports::ALL, types: None, option: None }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            2 => self.types = Some((types(call.arg)?, call.inv)),
            3 => self.option = Some((call.number(1, 255)? as u8, call.inv)),
            bit => {
                let (from, to) = call.ports()?;
                *(if bit == 0 { &mut self.sport } else { &mut self.dport }) = Ports { from, to, inv: call.inv };
            }
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.sport.save(out, "sport");
        self.dport.save(out, "dport");
        let not = |inv| if inv { " !" } else { "" };
        if let Some((mask, inv)) = self.types {
            out.push_str(&format!("{} --dccp-types {}", not(inv), types_text(mask, false)));
        }
        if let Some((option, inv)) = self.option {
            out.push_str(&format!("{} --dccp-option {option}", not(inv)));
        }
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        out.push_str(" dccp");
        self.sport.list(out, "spt", how, PROTOCOL);
        self.dport.list(out, "dpt", how, PROTOCOL);
        if let Some((mask, inv)) = self.types {
            out.push_str(&format!("{} {}", if inv { " !" } else { "" }, types_text(mask, how.numeric)));
        }
        if let Some((option, inv)) = self.option {
            out.push_str(&format!(" option={}{option}", if inv { "!" } else { "" }));
        }
    }

    fn sample(rng: &mut Rng) -> String {
        let not = if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(4) {
            0 => format!("-p 33 -m dccp {not}--dport {}", rng.below(100)),
            1 => format!("-p 33 -m dccp {not}--sport {}:{} --dport 5", rng.below(50), 50 + rng.below(50)),
            2 => format!("-p 33 -m dccp {not}--dccp-types REQUEST,DATAACK,INVALID"),
            _ => format!("-p 33 -m dccp {not}--dccp-option {}", 1 + rng.below(50)),
        }
    }
}

impl Asks for Dccp {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.ip.only_protocol() == Some(PROTOCOL)
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        if skb.head.fragment != 0 {
            return false;
        }
        let packet = skb.payload();
        let (Some((sport, dport)), Some(header)) = (skb.head.ports, packet.first_chunk::<12>()) else {
            cx.hotdrop = true;
            return false;
        };
        self.sport.fits(sport)
            && self.dport.fits(dport)
            && self.types.is_none_or(|(mask, inv)| (mask >> (header[8] >> 1 & 15) & 1 != 0) != inv)
            && self.option.is_none_or(|(option, inv)| has_option(packet, header, option) != inv)
    }

    fn only_dport(&self) -> Option<u16> {
        self.dport.only()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_stand_behind_the_header_of_the_type() {
        let mut request = vec![0, 1, 0, 2, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        request.extend([1, 32, 4, 7, 7, 0, 33, 0]);
        let header = *request.first_chunk::<12>().unwrap();
        assert!(has_option(&request, &header, 32) && has_option(&request, &header, 33));
        assert!(!has_option(&request, &header, 9) && !has_option(&request, &header, 7));
        assert_eq!((types_text(INVALID | 1, false), types_text(INVALID | 1, true)), ("REQUEST,INVALID".to_owned(), "0,10,11,12,13,14,15".to_owned()));
    }
}
