//! The entries of a table of limits and what they have left (`dsthash_*`, `rateinfo_*` of xt_hashlimit.c). Time goes in the ticks of a
//! kernel with `HZ=250`, as credits do: the numbers in `/proc/net/ipt_hashlimit` are those of such a kernel.

use std::collections::BTreeMap;

use core::fmt::Write;
use core::net::Ipv4Addr;

use hopwise_sim_core::Time;

/// Ticks in a second (`CONFIG_HZ`).
const HZ: u64 = 250;
/// What a tick brings (`CREDITS_PER_JIFFY`): credits of packets.
const CREDITS: u64 = 1 << 39;
/// And of bytes.
const BYTE_CREDITS: u64 = 1 << 24;
/// More bytes are not saved up than come in a second.
const BYTE_CAP: u64 = BYTE_CREDITS * HZ;
/// `XT_HASHLIMIT_SCALE_v2`.
pub(super) const SCALE: u64 = 1_000_000;
/// Bytes are counted in chunks of 16 (`XT_HASHLIMIT_BYTE_SHIFT`).
const SHIFT: u32 = 4;

/// Ticks since the beginning.
const fn ticks(now: Time) -> u64 {
    now.as_nanos() / (1_000_000_000 / HZ)
}

const fn ticks_of_millis(millis: u32) -> u64 {
    (millis as u64 * HZ).div_ceil(1000)
}

/// Bytes in a second as they are kept (`bytes_to_cost`).
pub(super) const fn cost_of_bytes(bytes: u64) -> u64 {
    u32::MAX as u64 / ((bytes >> SHIFT) + 1)
}

/// And back (`cost_to_bytes`).
pub(super) const fn bytes_of_cost(cost: u64) -> u64 {
    let chunks = match (u32::MAX as u64).checked_div(cost) {
        Some(chunks) => chunks,
        None => u32::MAX as u64,
    };
    (chunks - 1) << SHIFT
}

/// What a table is made for (`struct hashlimit_cfg3`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Config {
    /// Parts of the key, one bit each.
    pub(super) mode: u8,
    /// The rate is one of bytes.
    pub(super) bytes: bool,
    /// The rate itself is compared (`--hashlimit-rate-match`).
    pub(super) rate_match: bool,
    /// Time for a packet in units of a second / [`SCALE`], or what a byte costs.
    pub(super) avg: u64,
    /// Packets, or how often the bytes are there at once.
    pub(super) burst: u64,
    /// Seconds for which a rate is measured.
    pub(super) interval: u32,
    /// Buckets; 0: as many as the machine's memory suggests.
    pub(super) size: u32,
    /// Entries; 0: eight for each bucket.
    pub(super) max: u32,
    /// Milliseconds between looks for idle entries.
    pub(super) gc: u32,
    /// Milliseconds that idle ones are kept.
    pub(super) expire: u32,
    /// Prefix lengths of source and destination.
    pub(super) lens: (u8, u8),
}

impl Config {
    /// `user2credits`.
    const fn credits(avg: u64) -> u64 {
        avg.saturating_mul(HZ * CREDITS / SCALE)
    }

    /// What a chunk of bytes costs. `user2credits_byte`.
    pub(super) const fn byte_cost(&self) -> u64 {
        (self.avg * BYTE_CAP) >> 32
    }

    /// Whether the numbers can be worked with. The end of `hashlimit_mt_check_common`.
    pub(super) const fn is_sound(&self) -> bool {
        if self.rate_match {
            self.avg != 0 && self.avg <= u32::MAX as u64 && self.interval != 0
        } else if self.bytes {
            self.byte_cost() != 0
        } else {
            let all = self.avg.checked_mul(self.burst);
            self.burst != 0 && matches!(all, Some(all) if Config::credits(all) >= Config::credits(self.avg))
        }
    }

    /// The most entries there may be. `htable_create`.
    fn most(&self) -> usize {
        // That of a machine with more than a gigabyte of memory.
        let size = if self.size == 0 { 8192 } else { self.size };
        (if self.max == 0 { size.saturating_mul(8) } else { self.max.max(size) }) as usize
    }
}

/// Masked source, destination, and ports: of each what the mode says, else zero.
pub(super) type Key = (u32, u32, u16, u16);

/// What one key has left.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// Credits, the most of them (of bytes: refills that are left), what a packet or chunk costs.
    Credits(u64, u64, u64),
    /// Whether the last interval was above the rate, what this one had.
    Rate(bool, u64),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    left: Left,
    /// When it was last brought up to date.
    since: u64,
    expires: u64,
}

impl Entry {
    /// `rateinfo_init`.
    const fn new(config: &Config, now: u64) -> Entry {
        let left = if config.rate_match {
            Left::Rate(false, 0)
        } else if config.bytes {
            Left::Credits(BYTE_CAP, config.burst, config.byte_cost())
        } else {
            let full = Config::credits(config.avg.saturating_mul(config.burst));
            Left::Credits(full, full, Config::credits(config.avg))
        };
        Entry { left, since: now, expires: 0 }
    }

    /// Time has gone on. `rateinfo_recalc`.
    fn recalc(&mut self, config: &Config, now: u64) {
        let passed = now - self.since;
        match &mut self.left {
            _ if passed == 0 => return,
            Left::Rate(above, had) => {
                let interval = u64::from(config.interval) * HZ;
                if passed < interval {
                    return;
                }
                *above = had.saturating_mul(interval) > passed.saturating_mul(rate(config));
                *had = 0;
            }
            Left::Credits(credits, _, _) if config.bytes => {
                *credits = credits.saturating_add(passed.saturating_mul(BYTE_CREDITS)).min(BYTE_CAP);
            }
            Left::Credits(credits, most, _) => {
                *credits = credits.saturating_add(passed.saturating_mul(CREDITS)).min(*most);
            }
        }
        self.since = now;
    }

    /// Whether one more packet is within the limit.
    fn take(&mut self, config: &Config, len: usize) -> bool {
        match &mut self.left {
            Left::Rate(above, had) => {
                *had += if config.bytes { len as u64 } else { 1 };
                !*above && *had <= rate_burst(config)
            }
            Left::Credits(credits, refills, cost) => {
                let mut cost = *cost;
                if config.bytes {
                    // `hashlimit_byte_cost`: a burst is spent one second's worth of bytes at a time.
                    cost = (((len as u64) >> SHIFT) + 1).saturating_mul(cost).min(BYTE_CAP);
                    if *credits < cost && *refills > 0 {
                        *refills -= 1;
                        *credits = BYTE_CAP;
                    }
                }
                let enough = *credits >= cost;
                if enough {
                    *credits -= cost;
                }
                enough
            }
        }
    }
}

/// The rate that is compared (`user2rate`).
const fn rate(config: &Config) -> u64 {
    if config.bytes {
        bytes_of_cost(config.avg)
    } else {
        match SCALE.checked_div(config.avg) {
            Some(rate) => rate,
            None => 0,
        }
    }
}

const fn rate_burst(config: &Config) -> u64 {
    match (config.bytes, config.burst) {
        (true, 0) => rate(config),
        (true, burst) => burst.saturating_mul(rate(config)),
        (false, burst) => burst + rate(config),
    }
}

/// The entries of one table (`/proc/net/ipt_hashlimit/NAME`). All rules of that name share it; the first one says what it is for.
#[derive(Clone, Debug)]
pub struct HashLimits {
    config: Config,
    entries: BTreeMap<Key, Entry>,
    made: u64,
    /// Until when idle entries were looked for.
    swept: u64,
}

impl HashLimits {
    pub(super) const fn new(config: Config, now: Time) -> HashLimits {
        let now = ticks(now);
        HashLimits { config, entries: BTreeMap::new(), made: now, swept: now }
    }

    /// Takes out what was idle at the last look. `htable_gc`.
    fn sweep(&mut self, now: u64) {
        let every = ticks_of_millis(self.config.gc).max(1);
        let last = now - (now - self.made) % every;
        if last > self.swept {
            self.entries.retain(|_, entry| entry.expires > last);
            self.swept = last;
        }
    }

    /// Whether a packet is within its limit; `None`: the table is full. `hashlimit_mt_common`.
    pub(super) fn within(&mut self, key: Key, len: usize, now: Time) -> Option<bool> {
        let (now, config) = (ticks(now), self.config);
        self.sweep(now);
        if !self.entries.contains_key(&key) && self.entries.len() >= config.most() {
            return None;
        }
        let entry = self.entries.entry(key).or_insert_with(|| Entry::new(&config, now));
        entry.expires = now + ticks_of_millis(config.expire);
        entry.recalc(&config, now);
        Some(entry.take(&config, len))
    }

    /// The lines of its file. `dl_seq_real_show`.
    pub fn text(&self, now: Time) -> String {
        let mut table = self.clone();
        let now = ticks(now);
        table.sweep(now);
        let mut text = String::new();
        for ((src, dst, sport, dport), entry) in &mut table.entries {
            entry.recalc(&self.config, now);
            let (a, b, c) = match entry.left {
                Left::Credits(credits, most, cost) => (credits, most, cost),
                Left::Rate(above, had) => {
                    (u64::from(self.config.interval) | u64::from(above) << 32, had, rate(&self.config))
                }
            };
            let left = (entry.expires as i64 - now as i64) / HZ as i64;
            let (src, dst) = (Ipv4Addr::from(*src), Ipv4Addr::from(*dst));
            let _ = writeln!(text, "{left} {src}:{sport}->{dst}:{dport} {a} {b} {c}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(bytes: bool, avg: u64, burst: u64) -> Config {
        let (mode, rate_match, interval) = (0, false, 0);
        Config { mode, bytes, rate_match, avg, burst, interval, size: 0, max: 0, gc: 1000, expire: 10_000, lens: (32, 32) }
    }

    fn at(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    fn within(table: &mut HashLimits, len: usize, times: &[u64]) -> Vec<bool> {
        times.iter().map(|ms| table.within((0, 0, 0, 0), len, at(*ms)).unwrap()).collect()
    }

    /// As a kernel with 250 ticks printed it for `5/sec`.
    #[test]
    fn credits_are_those_of_the_kernel() {
        let mut table = HashLimits::new(config(false, SCALE / 5, 5), at(0));
        assert_eq!(within(&mut table, 84, &[0, 0]), [true, true]);
        assert_eq!(table.text(at(0)), "10 0.0.0.0:0->0.0.0.0:0 82463371800000 137438953000000 27487790600000\n");
        let mut table = HashLimits::new(config(true, cost_of_bytes(4096), 100), at(0));
        assert_eq!(within(&mut table, 84, &[0, 0]), [true, true]);
        let text = table.text(at(0));
        assert_eq!(text, "10 0.0.0.0:0->0.0.0.0:0 3998460940 100 16320249\n".replace("3998460940", &(4_194_304_000u64 - 2 * 6 * 16_320_249).to_string()));
    }

    #[test]
    fn a_burst_of_bytes_is_spent_by_the_second() {
        let mut table = HashLimits::new(config(true, cost_of_bytes(1024), 1), at(0));
        // 1024 bytes are 64 of the 65 chunks that a second brings.
        assert_eq!(within(&mut table, 1000, &[0, 0, 0, 900, 1100]), [true, true, false, false, true]);
    }

    #[test]
    fn a_measured_rate_blocks_the_next_interval() {
        let per_second = Config { rate_match: true, interval: 1, ..config(false, SCALE / 2, 1) };
        let mut table = HashLimits::new(per_second, at(0));
        assert_eq!(within(&mut table, 84, &[0, 1, 2, 3, 1000, 2001, 4100]), [true, true, true, false, false, true, true]);
    }

    #[test]
    fn idle_entries_go_and_a_full_table_takes_none() {
        let mut table = HashLimits::new(Config { size: 1, max: 1, ..config(false, SCALE, 1) }, at(0));
        assert_eq!(table.within((1, 0, 0, 0), 84, at(0)), Some(true));
        assert_eq!(table.within((2, 0, 0, 0), 84, at(9_999)), None);
        assert_eq!(table.within((2, 0, 0, 0), 84, at(10_000)), Some(true));
    }
}
