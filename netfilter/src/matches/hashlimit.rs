//! `-m hashlimit`: so much in a time for each address or port (`net/netfilter/xt_hashlimit.c`).

use std::collections::BTreeMap;

use super::rate::{self, Bucket};
use super::{Extension, How};
use crate::rules::{Cx, IpMatch};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::{Rng, Time};

/// How much is allowed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Rate {
    /// The time for each packet, in units of a second / [`SCALE`].
    Packets(u64),
    /// Bytes in a second.
    Bytes(u64),
}

/// What is asked.
#[derive(Clone, PartialEq, Debug)]
pub struct Hashlimit {
    rate: Rate,
    above: bool,
    burst: u32,
    mode: u8,
    name: Box<str>,
    /// Size, most entries, milliseconds between looks for idle ones, milliseconds that they are kept: what was said.
    table: [Option<u32>; 4],
    /// Prefix lengths of source and destination.
    lens: (u8, u8),
}

/// `XT_HASHLIMIT_SCALE_v2`.
const SCALE: u64 = 1_000_000;
const BURST: u32 = 5;
/// Idle entries are kept for ten seconds if nothing else is said.
const EXPIRE: u32 = 10_000;
/// At most so many entries if nothing else is said: eight for each of a table of 1024.
const MOST: usize = 8192;

/// Entries by masked source, destination, ports.
type Key = (u32, u32, u16, u16);

/// The entries of one table (`/proc/net/ipt_hashlimit/NAME`).
#[derive(Clone, Debug, Default)]
pub struct HashLimits(BTreeMap<Key, Bucket>);

static OPTIONS: &[Opt] = &[
    Opt::arg("hashlimit-upto", 0).excl(0b10),
    Opt::arg("hashlimit-above", 1).excl(0b01),
    Opt::arg("hashlimit", 0).excl(0b10),
    Opt::arg("hashlimit-burst", 2),
    Opt::arg("hashlimit-mode", 3),
    Opt::arg("hashlimit-name", 4).must(),
    Opt::arg("hashlimit-htable-size", 5),
    Opt::arg("hashlimit-htable-max", 6),
    Opt::arg("hashlimit-htable-gcinterval", 7),
    Opt::arg("hashlimit-htable-expire", 8),
    Opt::arg("hashlimit-srcmask", 9),
    Opt::arg("hashlimit-dstmask", 10),
];

/// The parts of a key, in the order in which they are printed.
const MODES: [(&str, u8); 4] = [("srcip", 1 << 1), ("srcport", 1 << 3), ("dstip", 1 << 0), ("dstport", 1 << 2)];

/// Units of bytes, the largest first.
const UNITS: [(&str, u64); 3] = [("m", 1 << 20), ("k", 1 << 10), ("", 1)];

fn bytes(word: &str) -> Option<u64> {
    let (count, rest) = number::strtoul(word)?;
    let unit = rest.strip_suffix("/s")?.strip_suffix('b')?;
    let (_, factor) = UNITS.iter().find(|row| row.0 == unit)?;
    count.checked_mul(*factor).filter(|rate| (1..=u64::from(u32::MAX)).contains(rate))
}

impl Hashlimit {
    fn rate_text(&self) -> String {
        match self.rate {
            Rate::Packets(period) => rate::text(period, SCALE),
            Rate::Bytes(rate) => {
                let (unit, factor) = UNITS.iter().find(|row| rate.is_multiple_of(row.1)).unwrap_or(&UNITS[2]);
                format!("{}{unit}b/s", rate / factor)
            }
        }
    }

    fn modes(&self, between: &str) -> String {
        let names: Vec<&str> = MODES.iter().filter(|row| self.mode & row.1 != 0).map(|row| row.0).collect();
        names.join(between)
    }

    /// Whether the burst is told: always for packets, for bytes only if one was given.
    fn tells_burst(&self) -> bool {
        matches!(self.rate, Rate::Packets(_)) || self.burst != BURST
    }

    fn put_table(&self, out: &mut String, dashes: &str) {
        for (value, opt) in self.table.iter().zip(&OPTIONS[6..10]) {
            if let Some(value) = value {
                let name = if dashes.is_empty() { &opt.name["hashlimit-".len()..] } else { opt.name };
                out.push_str(&format!(" {dashes}{name} {value}"));
            }
        }
        for (len, name) in [(self.lens.0, "srcmask"), (self.lens.1, "dstmask")] {
            if len != 32 {
                let prefix = if dashes.is_empty() { "" } else { "--hashlimit-" };
                out.push_str(&format!(" {prefix}{name} {len}"));
            }
        }
    }

    fn key(&self, skb: &Skb<'_>) -> Key {
        let on = |i: usize| self.mode & MODES[i].1 != 0;
        let mask = |len: u8| u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
        let (sport, dport) = skb.head.ports.unwrap_or_default();
        (
            if on(0) { skb.head.src & mask(self.lens.0) } else { 0 },
            if on(2) { skb.head.dst & mask(self.lens.1) } else { 0 },
            if on(1) { sport } else { 0 },
            if on(3) { dport } else { 0 },
        )
    }

    /// What the packet costs, and the most that may be saved up, in nanoseconds.
    fn costs(&self, len: usize) -> (u64, u64) {
        match self.rate {
            Rate::Packets(period) => {
                let cost = rate::nanos(period, SCALE);
                (cost, cost.saturating_mul(u64::from(self.burst)))
            }
            Rate::Bytes(rate) => {
                let nanos = |bytes: u64| bytes.saturating_mul(1_000_000_000) / rate.max(1);
                let burst = if self.burst == BURST { 1_000_000_000 } else { nanos(u64::from(self.burst)) };
                (nanos(len as u64), burst)
            }
        }
    }
}

impl Extension for Hashlimit {
    const OPTIONS: &'static [Opt] = OPTIONS;
    const PURE: bool = false;

    fn new() -> Self {
        Hashlimit {
            rate: Rate::Packets(1200 * SCALE),
            above: false,
            burst: BURST,
            mode: 0,
            name: Box::default(),
            table: [None; 4],
            lens: (32, 32),
        }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let bad = || {
            Refusal::new(format!("hashlimit: Bad value for \"--{}\" option: \"{}\"", call.opt.name, call.arg))
        };
        match call.opt.bit {
            0 | 1 => {
                let packets = || rate::period(call.arg, SCALE).filter(|period| *period != 0).map(Rate::Packets);
                self.rate = bytes(call.arg).map(Rate::Bytes).or_else(packets).ok_or_else(bad)?;
                self.above = call.opt.bit == 1;
            }
            2 => self.burst = call.number(1, 1_000_000)? as u32,
            3 => {
                for word in call.arg.split(',') {
                    self.mode |= MODES.iter().find(|row| row.0 == word).ok_or_else(bad)?.1;
                }
            }
            4 if call.arg.is_empty() || call.arg.len() > 254 || call.arg.contains(['/', '"']) => return Err(bad()),
            4 => self.name = call.arg.into(),
            bit @ 5..=8 => self.table[usize::from(bit - 5)] = Some(call.number(1, u32::MAX.into())? as u32),
            9 => self.lens.0 = call.number(0, 32)? as u8,
            _ => self.lens.1 = call.number(0, 32)? as u8,
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen & 0b11 == 0 { Err(Refusal::new("You have to specify --hashlimit")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        let word = if self.above { "above" } else { "upto" };
        out.push_str(&format!(" --hashlimit-{word} {}", self.rate_text()));
        if self.tells_burst() {
            out.push_str(&format!(" --hashlimit-burst {}", self.burst));
        }
        if self.mode != 0 {
            out.push_str(&format!(" --hashlimit-mode {}", self.modes(",")));
        }
        out.push_str(&format!(" --hashlimit-name {}", self.name));
        self.put_table(out, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(if self.above { " limit: above " } else { " limit: up to " });
        out.push_str(&self.rate_text());
        if self.tells_burst() {
            out.push_str(&format!(" burst {}", self.burst));
        }
        if self.mode != 0 {
            out.push_str(&format!(" mode {}", self.modes("-")));
        }
        self.put_table(out, "");
    }

    fn fits(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let now = cx.env.now();
        let key = self.key(skb);
        let (cost, full) = self.costs(skb.packet.len());
        let HashLimits(entries) = cx.shared.hashlimit.entry(self.name.clone()).or_default();
        if !entries.contains_key(&key) {
            let kept = u64::from(self.table[3].unwrap_or(EXPIRE)) * 1_000_000;
            let since = Time::from_nanos(now.as_nanos().saturating_sub(kept));
            entries.retain(|_, bucket| bucket.last() >= since);
            // A full table drops nothing but lets no new key in: the packet is over its limit.
            if entries.len() >= self.table[1].map_or(MOST, |most| most as usize) {
                return self.above;
            }
        }
        let within = entries.entry(key).or_insert(Bucket::full(full, now)).take(cost, full, now);
        within != self.above
    }

    fn sample(rng: &mut Rng) -> String {
        let word = ["upto", "above"][rng.below(2) as usize];
        let rate = ["3/sec", "20/min", "1/hour", "512kb/s", "100b/s"][rng.below(5) as usize];
        let mode = ["", " --hashlimit-mode srcip", " --hashlimit-mode srcip,dstport --hashlimit-srcmask 24"];
        let (mode, name) = (mode[rng.below(3) as usize], ["a", "b"][rng.below(2) as usize]);
        format!("-m hashlimit --hashlimit-{word} {rate}{mode} --hashlimit-name {name}")
    }
}
