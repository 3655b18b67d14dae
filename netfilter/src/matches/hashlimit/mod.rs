//! `-m hashlimit`: so much in a time for each address or port (`net/netfilter/xt_hashlimit.c`).

mod limits;

use super::rate;
use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch, Place, SharedName};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;
use limits::{Config, Key, SCALE, bytes_of_cost, cost_of_bytes};

pub use limits::HashLimits;

/// What is asked of which table.
#[derive(Clone, PartialEq, Debug)]
pub struct Hashlimit {
    config: Config,
    above: bool,
    name: Box<str>,
    /// The seconds of the unit in which the rate was told: for so long idle entries are kept if nothing else is said.
    unit: u32,
}

const BURST: u64 = 5;
/// `XT_HASHLIMIT_BURST_MAX`.
const MAX_BURST: u64 = 1_000_000;
/// Milliseconds between looks for idle entries.
const GC: u32 = 1000;
/// Seconds that idle entries of byte rates are kept, without and with a burst.
const BYTES_KEPT: [u32; 2] = [15, 60];

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
    Opt::flag("hashlimit-rate-match", 11),
    Opt::arg("hashlimit-rate-interval", 12),
];

const GIVEN_BURST: u32 = 1 << 2;
const GIVEN_EXPIRE: u32 = 1 << 8;

/// The parts of a key, in the order in which they are printed.
const MODES: [(&str, u8); 4] = [("srcip", 1 << 1), ("srcport", 1 << 3), ("dstip", 1 << 0), ("dstport", 1 << 2)];

/// Units of bytes, the largest first.
const UNITS: [(&str, u64); 3] = [("m", 1 << 20), ("k", 1 << 10), ("", 1)];

/// Reads `COUNT[k|m]b/s`.
fn bytes(word: &str) -> Option<u64> {
    let (count, rest) = number::strtoul(word)?;
    let unit = rest.strip_suffix("/s")?.strip_suffix('b')?;
    let (_, factor) = UNITS.iter().find(|row| row.0 == unit)?;
    count.checked_mul(*factor)
}

/// Reads a burst: a count, perhaps with a unit.
fn burst(word: &str) -> Done<u64> {
    let (count, rest) = number::strtoul(word).unwrap_or((0, ""));
    let factor = UNITS.iter().find(|row| !row.0.is_empty() && rest.starts_with(row.0)).map_or(1, |row| row.1);
    let most = u64::from(u32::MAX);
    count.checked_mul(factor).filter(|burst| (1..=most).contains(burst)).ok_or_else(bad_burst)
}

fn bad_burst() -> Refusal {
    Refusal::new(format!("bad value for option \"--hashlimit-burst\", or out of range (1-{MAX_BURST})."))
}

/// Bytes in the largest unit of which there is one at least, cut to whole ones.
fn text_of(bytes: u64, fits: impl Fn(u64) -> bool) -> String {
    // The kernel's mask has 32 bits: large rates have no large units.
    let whole = |row: &&(&str, u64)| bytes >= row.1 && fits(bytes & u64::from(!(row.1 as u32 - 1)));
    let (unit, factor) = UNITS.iter().find(whole).unwrap_or(&UNITS[2]);
    format!("{}{unit}b", bytes / factor)
}

impl Hashlimit {
    fn rate_text(&self, listed: bool) -> String {
        let Config { bytes, avg, rate_match, interval, .. } = self.config;
        if bytes {
            return text_of(bytes_of_cost(avg), |cut| cost_of_bytes(cut) == avg) + "/s";
        }
        // A measured rate is listed by the interval, and saved by the second.
        let scale = if listed && rate_match { u64::from(interval) } else { 1 };
        rate::text(avg.saturating_mul(scale), SCALE)
    }

    /// The burst as it is told: always of packets, of bytes only if one was given.
    fn burst_text(&self) -> Option<String> {
        let Config { bytes, avg, burst, .. } = self.config;
        if !bytes {
            return Some(burst.to_string());
        }
        // Linux cuts it to whole units whatever is read back then.
        let rate = bytes_of_cost(avg);
        (burst != 0).then(|| text_of(rate.saturating_mul(burst), |cut| cut.div_ceil(rate) == burst))
    }

    /// The seconds after which idle entries go if it is not said: it follows from how the rate is told (`quantum`).
    fn quantum(&self, listed: bool) -> u32 {
        let Config { bytes, burst, avg, rate_match, interval, .. } = self.config;
        if bytes {
            return BYTES_KEPT[usize::from(burst != 0)];
        }
        let scale = if listed && rate_match { u64::from(interval) } else { 1 };
        rate::unit(avg.saturating_mul(scale), SCALE) as u32
    }

    fn modes(&self, between: &str) -> String {
        let names: Vec<&str> = MODES.iter().filter(|row| self.config.mode & row.1 != 0).map(|row| row.0).collect();
        names.join(between)
    }

    fn put_table(&self, out: &mut String, prefix: &str, listed: bool) {
        let Config { size, max, gc, expire, lens, rate_match, interval, .. } = self.config;
        let rows = [
            ("htable-size", size, 0),
            ("htable-max", max, 0),
            ("htable-gcinterval", gc, GC),
            ("htable-expire", expire, self.quantum(listed).saturating_mul(1000)),
            ("srcmask", lens.0.into(), 32),
            ("dstmask", lens.1.into(), 32),
        ];
        for (name, value, _) in rows.into_iter().filter(|row| row.1 != row.2) {
            out.push_str(&format!(" {prefix}{name} {value}"));
        }
        if rate_match {
            out.push_str(&format!(" {prefix}rate-match"));
            if interval != 1 {
                out.push_str(&format!(" {prefix}rate-interval {interval}"));
            }
        }
    }

    /// What the packet is counted under; `None`: its ports are cut off. `hashlimit_init_dst`.
    fn key(&self, skb: &Skb<'_>) -> Option<Key> {
        let on = |i: usize| self.config.mode & MODES[i].1 != 0;
        let mask = |len: u8| u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
        let (sport, dport) = if on(1) || on(3) { skb.ports_or_index()? } else { (0, 0) };
        let (src, dst) = self.config.lens;
        Some((
            if on(0) { skb.head.src & mask(src) } else { 0 },
            if on(2) { skb.head.dst & mask(dst) } else { 0 },
            if on(1) { sport } else { 0 },
            if on(3) { dport } else { 0 },
        ))
    }
}

impl Extension for Hashlimit {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        let config = Config {
            mode: 0,
            bytes: false,
            rate_match: false,
            avg: 0,
            burst: BURST,
            interval: 0,
            size: 0,
            max: 0,
            gc: GC,
            expire: 0,
            lens: (32, 32),
        };
        Hashlimit { config, above: false, name: Box::default(), unit: 1 }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let config = &mut self.config;
        let bad = || {
            Refusal::new(format!("hashlimit: Bad value for \"--{}\" option: \"{}\"", call.opt.name, call.arg))
        };
        let number = || Ok(call.number(0, u32::MAX.into())? as u32);
        match call.opt.bit {
            0 | 1 => {
                self.above = call.opt.bit == 1;
                if let Some(rate) = bytes(call.arg) {
                    // Linux tells less than a chunk in a second as nothing, which it does not read back.
                    if rate < 16 {
                        return Err(bad());
                    }
                    (config.bytes, config.avg) = (true, cost_of_bytes(rate));
                } else {
                    let (period, unit) = rate::period(call.arg, SCALE).ok_or_else(bad)?;
                    if period == 0 {
                        return Err(Refusal::new(format!("Rate too fast \"{}\"", call.arg)));
                    }
                    (config.avg, self.unit) = (period, unit as u32);
                }
            }
            2 => config.burst = burst(call.arg)?,
            3 => {
                for word in call.arg.split(',') {
                    config.mode |= MODES.iter().find(|row| row.0 == word).ok_or_else(bad)?.1;
                }
            }
            4 if call.arg.is_empty() || call.arg.len() > 254 || call.arg.contains('"') => return Err(bad()),
            4 => self.name = call.arg.into(),
            5 => config.size = number()?,
            6 => config.max = number()?,
            7 => config.gc = number()?,
            8 => config.expire = number()?,
            9 => config.lens.0 = call.number(0, 128)? as u8,
            10 => config.lens.1 = call.number(0, 128)? as u8,
            11 => config.rate_match = true,
            _ => config.interval = number::within(call.arg, 1, u32::MAX.into()).ok_or_else(bad)? as u32,
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen & 0b11 == 0 {
            return Err(Refusal::new("You have to specify --hashlimit"));
        }
        let config = &mut self.config;
        let mut kept = self.unit;
        if config.bytes {
            let rate = bytes_of_cost(config.avg);
            let given = seen & GIVEN_BURST != 0;
            if given && config.burst < rate {
                return Err(Refusal::new(format!("burst cannot be smaller than {rate}b")));
            }
            config.burst = if given { config.burst.div_ceil(rate) } else { 0 };
            kept = BYTES_KEPT[usize::from(given)];
        } else if config.burst > MAX_BURST {
            return Err(bad_burst());
        }
        if seen & GIVEN_EXPIRE == 0 {
            config.expire = kept.saturating_mul(1000);
        }
        let unit = core::mem::replace(&mut self.unit, 1);
        if !config.rate_match {
            config.interval = 0;
        } else {
            config.avg /= if config.bytes { 1 } else { u64::from(unit) };
            config.interval = match config.interval {
                0 if config.bytes => 1,
                0 => unit,
                given => given,
            };
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        let word = if self.above { "above" } else { "upto" };
        out.push_str(&format!(" --hashlimit-{word} {}", self.rate_text(false)));
        if let Some(burst) = self.burst_text() {
            out.push_str(&format!(" --hashlimit-burst {burst}"));
        }
        if self.config.mode != 0 {
            out.push_str(&format!(" --hashlimit-mode {}", self.modes(",")));
        }
        out.push_str(&format!(" --hashlimit-name {}", self.name));
        self.put_table(out, "--hashlimit-", false);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(if self.above { " limit: above " } else { " limit: up to " });
        out.push_str(&self.rate_text(true));
        if let Some(burst) = self.burst_text() {
            out.push_str(&format!(" burst {burst}"));
        }
        if self.config.mode != 0 {
            out.push_str(&format!(" mode {}", self.modes("-")));
        }
        self.put_table(out, "", true);
    }

    fn sample(rng: &mut Rng) -> String {
        let word = ["upto", "above"][rng.below(2) as usize];
        let rate = [
            "3/sec",
            "20/min",
            "120/min --hashlimit-htable-max 9",
            "1/hour --hashlimit-burst 9",
            "512kb/s",
            "100b/s --hashlimit-burst 1150",
            "123456b/s --hashlimit-burst 1mb --hashlimit-htable-expire 7000",
            "40/min --hashlimit-rate-match",
            "4kb/s --hashlimit-burst 9kb --hashlimit-rate-match --hashlimit-rate-interval 3",
        ];
        let mode = ["", " --hashlimit-mode srcip", " --hashlimit-mode srcip,dstport --hashlimit-srcmask 24"];
        let (rate, mode) = (rate[rng.below(9) as usize], mode[rng.below(3) as usize]);
        format!("-m hashlimit --hashlimit-{word} {rate}{mode} --hashlimit-name {}", ["a", "b"][rng.below(2) as usize])
    }
}

impl Asks for Hashlimit {
    const PURE: bool = false;

    fn may_stand(&self, _: &Place<'_>) -> bool {
        let Config { gc, expire, lens, .. } = self.config;
        gc != 0 && expire != 0 && lens.0 <= 32 && lens.1 <= 32 && self.config.is_sound() && !self.name.contains('/')
    }

    fn shared(&self) -> Option<SharedName<'_>> {
        Some(SharedName::Limits(&self.name))
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let Some(key) = self.key(skb) else {
            cx.hotdrop = true;
            return false;
        };
        let now = cx.env.now();
        if !cx.shared.hashlimit.contains_key(&self.name) {
            cx.shared.hashlimit.insert(self.name.clone(), HashLimits::new(self.config, now));
        }
        let table = cx.shared.hashlimit.get_mut(&self.name);
        match table.and_then(|table| table.within(key, skb.packet.len(), now)) {
            Some(within) => within != self.above,
            None => {
                cx.hotdrop = true;
                false
            }
        }
    }
}
