//! `-m tcp`: ports, flags and options (`net/netfilter/xt_tcpudp.c`).

use super::ports::Ports;
use super::{Asks, Extension, How};
use crate::names::Names;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number, service_port};
use hopwise_sim_core::Rng;

/// What is asked of a TCP header.
#[derive(Clone, PartialEq, Debug)]
pub struct Tcp {
    sport: Ports,
    dport: Ports,
    /// The option that must be there, and whether it must not.
    option: Option<(u8, bool)>,
    /// Which flags are looked at, and which of them must be set.
    flags: (u8, u8),
    flags_inv: bool,
}

const FLAGS: [(&str, u8); 6] = [("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32)];

/// The flags that `--syn` looks at: FIN, SYN, RST, ACK.
const SYN_MASK: u8 = 0x17;

static OPTIONS: &[Opt] = &[
    Opt::arg("source-port", 0).inv().multi(),
    Opt::arg("sport", 0).inv().multi(),
    Opt::arg("destination-port", 1).inv().multi(),
    Opt::arg("dport", 1).inv().multi(),
    Opt::flag("syn", 2).inv().multi(),
    Opt::arg("tcp-flags", 3).inv().multi(),
    Opt::arg("tcp-option", 4).inv().multi(),
];

/// `FROM[:TO]` as the older extensions read it.
pub(super) fn port_range(names: &dyn Names, word: &str, protocol: u8) -> Done<(u16, u16)> {
    let port = |word| service_port(names, word, Some(protocol));
    let Some((from, to)) = word.split_once(':') else {
        let port = port(word)?;
        return Ok((port, port));
    };
    let from = if from.is_empty() { 0 } else { port(from)? };
    let to = if to.is_empty() { u16::MAX } else { port(to)? };
    if from > to {
        return Err(Refusal::new("invalid portrange (min > max)"));
    }
    Ok((from, to))
}

fn flags_of(word: &str) -> Done<u8> {
    word.split(',').filter(|w| !w.is_empty()).try_fold(0, |all, word| {
        let named = FLAGS.iter().find(|f| f.0.eq_ignore_ascii_case(word)).map(|f| f.1);
        let bits = match word.to_ascii_uppercase().as_str() {
            "ALL" => Some(0x3f),
            "NONE" => Some(0),
            _ => named,
        };
        bits.map(|bits| all | bits).ok_or_else(|| Refusal::new(format!("Unknown TCP flag `{word}'")))
    })
}

fn put_flags(out: &mut String, flags: u8) {
    if flags == 0 {
        out.push_str("NONE");
    }
    let names: Vec<&str> = FLAGS.iter().filter(|f| flags & f.1 != 0).map(|f| f.0).collect();
    out.push_str(&names.join(","));
}

impl Tcp {
    /// Whether nf_tables asks it by its own means: ports and flags, and something of them.
    fn is_native(&self) -> bool {
        self.option.is_none() && !(self.sport.is_all() && self.dport.is_all() && !self.asks_flags())
    }

    const fn asks_flags(&self) -> bool {
        self.flags.0 != 0 || self.flags_inv
    }

    /// Takes up the demands of another match, if they are about something else.
    pub(super) fn absorb(&mut self, other: &Tcp) -> bool {
        if !self.is_native() || !other.is_native() || (self.asks_flags() && other.asks_flags()) {
            return false;
        }
        let Some((sport, dport)) = self.sport.joined(other.sport).zip(self.dport.joined(other.dport)) else {
            return false;
        };
        (self.sport, self.dport) = (sport, dport);
        if other.asks_flags() {
            (self.flags, self.flags_inv) = (other.flags, other.flags_inv);
        }
        true
    }
}

impl Extension for Tcp {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Tcp { sport: Ports::ALL, dport: Ports::ALL, option: None, flags: (0, 0), flags_inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let twice = call.seen & (1 << call.opt.bit) != 0;
        match call.opt.name {
            name @ ("source-port" | "destination-port") => {
                if twice {
                    return Err(Refusal::new(format!("Only one `--{name}' allowed")));
                }
                let (from, to) = port_range(call.names, call.arg, 6)?;
                let ports = Ports { from, to, inv: call.inv };
                *(if name == "source-port" { &mut self.sport } else { &mut self.dport }) = ports;
            }
            "tcp-option" => {
                if twice {
                    return Err(Refusal::new("Only one `--tcp-option' allowed"));
                }
                let kind = number::within(call.arg, 1, 255)
                    .ok_or_else(|| Refusal::new(format!("Bad TCP option \"{}\"", call.arg)))?;
                self.option = Some((kind as u8, call.inv));
            }
            name => {
                if call.seen & 0b1100 != 0 {
                    return Err(Refusal::new("Only one of `--syn' or `--tcp-flags'  allowed"));
                }
                self.flags =
                    if name == "syn" { (SYN_MASK, 2) } else { (flags_of(call.arg)?, flags_of(call.second)?) };
                self.flags_inv = call.inv;
            }
        }
        Ok(())
    }

    fn wants_second(&self, opt: &Opt) -> Option<&'static str> {
        (opt.name == "tcp-flags").then_some("--tcp-flags requires two args.")
    }

    fn finish(&mut self, seen: u32, ip: &IpMatch) -> Done {
        if seen & 0b1111 != 0 && ip.only_protocol() != Some(6) {
            return Err(Refusal::new("TCP match requires '-p tcp'"));
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.sport.save(out, "sport");
        self.dport.save(out, "dport");
        if let Some((kind, inv)) = self.option {
            out.push_str(&format!("{} --tcp-option {kind}", if inv { " !" } else { "" }));
        }
        if self.flags.0 != 0 || self.flags_inv {
            out.push_str(if self.flags_inv { " ! --tcp-flags " } else { " --tcp-flags " });
            put_flags(out, self.flags.0);
            out.push(' ');
            put_flags(out, self.flags.1);
        }
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        out.push_str(" tcp");
        self.sport.list(out, "spt", how, 6);
        self.dport.list(out, "dpt", how, 6);
        if let Some((kind, inv)) = self.option {
            out.push_str(&format!(" option={}{kind}", if inv { "!" } else { "" }));
        }
        if self.flags.0 != 0 || self.flags_inv {
            out.push_str(if self.flags_inv { " flags:!" } else { " flags:" });
            if how.numeric {
                out.push_str(&format!("0x{:02X}/0x{:02X}", self.flags.0, self.flags.1));
            } else {
                put_flags(out, self.flags.0);
                out.push('/');
                put_flags(out, self.flags.1);
            }
        }
    }

    fn sample(rng: &mut Rng) -> String {
        let mut text = "-p tcp -m tcp".to_owned();
        if rng.below(4) > 0 {
            text.push_str(&format!(" --dport {}", rng.below(100)));
        } else if rng.below(2) == 0 {
            text.push_str(&format!(" ! --dport {}:{}", rng.below(50), 50 + rng.below(50)));
        }
        match rng.below(6) {
            0 => text.push_str(&format!(" --sport {}:", rng.below(1000))),
            1 => text.push_str(" --tcp-flags SYN,RST,ACK SYN"),
            2 => text.push_str(" ! --tcp-flags FIN,SYN,RST,ACK SYN"),
            3 => text.push_str(" --tcp-option 2"),
            _ => {}
        }
        text
    }
}

impl Asks for Tcp {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.ip.only_protocol() == Some(6)
    }

    #[inline]
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let Some((sport, dport)) = skb.head.ports else { return false };
        if !self.sport.fits(sport) || !self.dport.fits(dport) {
            return false;
        }
        if self.flags.0 == 0 && !self.flags_inv && self.option.is_none() {
            return true;
        }
        let Some(header) = skb.tcp() else { return false };
        (header[13] & self.flags.0 == self.flags.1) != self.flags_inv
            && self.option.is_none_or(|(kind, inv)| has_option(header, kind) != inv)
    }

    fn only_dport(&self) -> Option<u16> {
        self.dport.only()
    }
}

/// Whether an option is in a TCP header (`tcp_find_option`).
fn has_option(header: &[u8], kind: u8) -> bool {
    let mut rest = header.get(20..).unwrap_or_default();
    while let Some(first) = rest.first() {
        if *first == kind {
            return true;
        }
        let len = if *first < 2 { 1 } else { rest.get(1).map_or(1, |len| usize::from(*len).max(1)) };
        rest = rest.get(len..).unwrap_or_default();
    }
    false
}
