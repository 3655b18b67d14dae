//! `-m sctp`: ports and chunks (`net/netfilter/xt_sctp.c`).

use super::ports::Ports;
use super::tcp::port_range;
use super::{Asks, Extension, How};
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;
use smallvec::SmallVec;

/// How the chunks of a packet are compared with those that are named.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Compare {
    Any,
    All,
    Only,
}

/// Chunks that are named: type, mask of flags, flags.
type Chunk = (u8, u8, u8);

/// What is asked of an SCTP header.
#[derive(Clone, PartialEq, Debug)]
pub struct Sctp {
    sport: Ports,
    dport: Ports,
    how: Option<(Compare, bool)>,
    chunks: SmallVec<[Chunk; 4]>,
    every: bool,
}

static OPTIONS: &[Opt] = &[
    Opt::arg("source-port", 0).inv().multi(),
    Opt::arg("sport", 0).inv().multi(),
    Opt::arg("destination-port", 1).inv().multi(),
    Opt::arg("dport", 1).inv().multi(),
    Opt::arg("chunk-types", 2).inv().multi(),
];

/// Chunks by name, with the letters of their flags from the highest bit on.
static CHUNKS: &[(&str, u8, &str)] = &[
    ("DATA", 0, "----IUBE"),
    ("INIT", 1, "--------"),
    ("INIT_ACK", 2, "--------"),
    ("SACK", 3, "--------"),
    ("HEARTBEAT", 4, "--------"),
    ("HEARTBEAT_ACK", 5, "--------"),
    ("ABORT", 6, "-------T"),
    ("SHUTDOWN", 7, "--------"),
    ("SHUTDOWN_ACK", 8, "--------"),
    ("ERROR", 9, "--------"),
    ("COOKIE_ECHO", 10, "--------"),
    ("COOKIE_ACK", 11, "--------"),
    ("ECN_ECNE", 12, "--------"),
    ("ECN_CWR", 13, "--------"),
    ("SHUTDOWN_COMPLETE", 14, "-------T"),
    ("I_DATA", 64, "----IUBE"),
    ("RE_CONFIG", 130, "--------"),
    ("PAD", 132, "--------"),
    ("ASCONF", 193, "--------"),
    ("ASCONF_ACK", 128, "--------"),
    ("FORWARD_TSN", 192, "--------"),
    ("I_FORWARD_TSN", 194, "--------"),
];

fn chunk(word: &str) -> Done<Chunk> {
    let (name, flags) = word.split_once(':').map_or((word, ""), |(name, flags)| (name, flags));
    let found = CHUNKS.iter().find(|row| row.0.eq_ignore_ascii_case(name));
    let row = found.ok_or_else(|| Refusal::new(format!("Unknown sctp chunk `{name}'")))?;
    let (mut mask, mut value) = (0, 0);
    for letter in flags.chars() {
        let place = row.2.chars().position(|c| c != '-' && c == letter.to_ascii_uppercase());
        let bit = 0x80 >> place.ok_or_else(|| Refusal::new("Invalid flags for chunk type"))?;
        mask |= bit;
        value |= if letter.is_ascii_uppercase() { bit } else { 0 };
    }
    Ok((row.1, mask, value))
}

impl Sctp {
    fn put(&self, out: &mut String, numeric: bool) {
        let Some((how, inv)) = self.how else { return };
        out.push_str(if inv { " !" } else { "" });
        out.push_str(match how {
            Compare::Any => " any ",
            Compare::All => " all ",
            Compare::Only => " only ",
        });
        self.put_chunks(out, numeric);
    }

    fn put_chunks(&self, out: &mut String, numeric: bool) {
        if self.every {
            out.push_str("ALL");
            return;
        }
        if self.chunks.is_empty() {
            out.push_str("NONE");
        }
        for (i, (kind, mask, value)) in self.chunks.iter().enumerate() {
            out.push_str(if i == 0 { "" } else { "," });
            let row = CHUNKS.iter().find(|row| row.1 == *kind);
            match row.filter(|_| !numeric) {
                Some(row) => out.push_str(row.0),
                None => out.push_str(&format!("0x{kind:04X}")),
            }
            for (i, letter) in row.map_or("", |row| row.2).chars().enumerate().filter(|(i, _)| mask & 0x80 >> i != 0) {
                let first = mask.leading_zeros() as usize == i;
                out.push_str(if first { ":" } else { "" });
                out.push(if value & 0x80 >> i != 0 { letter } else { letter.to_ascii_lowercase() });
            }
        }
    }

    fn chunks_fit(&self, how: Compare, payload: &[u8]) -> bool {
        let mut missing: SmallVec<[Chunk; 4]> = self.chunks.clone();
        let mut rest = payload.get(12..).unwrap_or_default();
        while let Some(&[kind, flags, a, b]) = rest.first_chunk::<4>() {
            let named = |row: &Chunk| row.0 == kind && flags & row.1 == row.2;
            let hit = self.every || self.chunks.iter().any(named);
            match how {
                Compare::Any if hit => return true,
                Compare::Only if !hit => return false,
                _ => missing.retain(|row| !named(row)),
            }
            let len = usize::from(u16::from_be_bytes([a, b])).next_multiple_of(4).max(4);
            rest = rest.get(len..).unwrap_or_default();
        }
        match how {
            Compare::Any => false,
            Compare::All => missing.is_empty() && !self.every,
            Compare::Only => true,
        }
    }
}

impl Extension for Sctp {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Sctp { sport: Ports::ALL, dport: Ports::ALL, how: None, chunks: SmallVec::new(), every: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        if call.seen & (1 << call.opt.bit) != 0 {
            return Err(Refusal::new(format!("Only one `--{}' allowed", call.opt.name)));
        }
        if call.opt.bit < 2 {
            let (from, to) = port_range(call.names, call.arg, 132)?;
            let ports = Ports { from, to, inv: call.inv };
            *(if call.opt.bit == 0 { &mut self.sport } else { &mut self.dport }) = ports;
            return Ok(());
        }
        let how = match call.arg.to_ascii_lowercase().as_str() {
            "any" => Compare::Any,
            "all" => Compare::All,
            "only" => Compare::Only,
            _ => return Err(Refusal::new("Match type has to be one of \"ALL\", \"ANY\" or \"ONLY\"")),
        };
        self.how = Some((how, call.inv));
        match call.second {
            "ALL" | "all" => self.every = true,
            "NONE" | "none" => {}
            list => {
                for word in list.split(',') {
                    let found = chunk(word)?;
                    self.chunks.retain(|row| row.0 != found.0);
                    self.chunks.push(found);
                }
                self.chunks.sort_unstable();
            }
        }
        Ok(())
    }

    fn wants_second(&self, opt: &Opt) -> Option<&'static str> {
        (opt.bit == 2).then_some("--chunk-types requires two args")
    }

    fn save(&self, out: &mut String) {
        self.sport.save(out, "sport");
        self.dport.save(out, "dport");
        if let Some((how, inv)) = self.how {
            out.push_str(if inv { " ! --chunk-types" } else { " --chunk-types" });
            Sctp { how: Some((how, false)), ..self.clone() }.put(out, false);
        }
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        out.push_str(" sctp");
        self.sport.list(out, "spt", how, 132);
        self.dport.list(out, "dpt", how, 132);
        self.put(out, how.numeric);
    }

    fn sample(rng: &mut Rng) -> String {
        match rng.below(4) {
            0 => format!("-p sctp -m sctp --dport {}", rng.below(100)),
            1 => format!("-p sctp -m sctp ! --sport {}:{}", rng.below(50), 50 + rng.below(50)),
            2 => "-p sctp -m sctp --chunk-types any DATA:Be,INIT".to_owned(),
            _ => "-p sctp -m sctp ! --chunk-types only ABORT,SACK".to_owned(),
        }
    }
}

impl Asks for Sctp {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.ip.only_protocol() == Some(132)
    }

    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let Some((sport, dport)) = skb.head.ports else { return false };
        self.sport.fits(sport)
            && self.dport.fits(dport)
            && self.how.is_none_or(|(how, inv)| self.chunks_fit(how, skb.payload()) != inv)
    }

    fn only_dport(&self) -> Option<u16> {
        self.dport.only()
    }
}
