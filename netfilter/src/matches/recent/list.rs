//! A list of addresses and when they were seen (`struct recent_table`).

use std::collections::BTreeMap;

use core::fmt::Write;
use core::net::Ipv4Addr;

use hopwise_sim_core::Time;

/// So many addresses a list remembers (`ip_list_tot`); the one that was touched longest ago makes room.
const MAX_ADDRS: usize = 100;
/// So many times are remembered of each, or more if the rule that made the list asks for more (`ip_pkt_list_tot`).
const TIMES: u32 = 20;
/// Ticks in a second (`CONFIG_HZ`).
const HZ: u64 = 250;
/// The kernel's clock begins five minutes before its lower half overflows (`INITIAL_JIFFIES`).
const FIRST_TICK: u64 = (1 << 32) - 300 * HZ;

/// What is known of an address.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) ttl: u8,
    /// When it was seen: a ring whose next place is `index`.
    pub(super) times: Vec<Time>,
    index: usize,
    /// Grows with each touch of any entry.
    touched: u64,
}

impl Entry {
    fn last(&self) -> Time {
        self.index.checked_sub(1).and_then(|place| self.times.get(place)).copied().unwrap_or(Time::ZERO)
    }
}

/// A list (`/proc/net/xt_recent/NAME`).
#[derive(Clone, Debug)]
pub struct RecentList {
    pub(super) entries: BTreeMap<u32, Entry>,
    /// The mask of the rule that made it: addresses are kept under it.
    pub(super) mask: u32,
    /// So many times are kept of each address: a power of two.
    most: usize,
    touches: u64,
}

impl RecentList {
    /// A list for a rule that asks for so many hits.
    pub(crate) fn new(mask: u32, hits: u32) -> Self {
        let most = if hits < TIMES { TIMES } else { hits };
        RecentList { entries: BTreeMap::new(), mask, most: most.next_power_of_two() as usize, touches: 0 }
    }

    /// A rule asks for so many hits: if that is more than are kept, the list begins anew. The end of `recent_mt_check`.
    pub(super) fn keep(&mut self, hits: u32) {
        if hits as usize > self.most {
            *self = RecentList::new(self.mask, hits);
        }
    }

    /// Notes that an address was seen. `recent_entry_init`, `recent_entry_update`.
    pub(super) fn touch(&mut self, addr: u32, ttl: Option<u8>, now: Time) {
        if !self.entries.contains_key(&addr)
            && self.entries.len() >= MAX_ADDRS
            && let Some(oldest) = self.oldest()
        {
            self.entries.remove(&oldest);
        }
        self.touches += 1;
        let entry = self.entries.entry(addr).or_default();
        (entry.touched, entry.ttl) = (self.touches, ttl.unwrap_or(entry.ttl));
        entry.index %= self.most;
        match entry.times.get_mut(entry.index) {
            Some(time) => *time = now,
            None => entry.times.push(now),
        }
        entry.index += 1;
    }

    /// The address that was touched longest ago.
    fn oldest(&self) -> Option<u32> {
        self.entries.iter().min_by_key(|(_, entry)| entry.touched).map(|(addr, _)| *addr)
    }

    /// Forgets the oldest address if it was last seen before a time, unless it is the one at work. `recent_entry_reap`.
    pub(super) fn reap(&mut self, before: Time, keep: Option<u32>) {
        if let Some(oldest) = self.oldest().filter(|oldest| Some(*oldest) != keep)
            && self.entries.get(&oldest).is_some_and(|entry| entry.last() < before)
        {
            self.entries.remove(&oldest);
        }
    }

    /// The lines of its file. `recent_seq_show`.
    pub fn text(&self) -> String {
        let tick = |time: Time| FIRST_TICK + time.as_nanos() / (1_000_000_000 / HZ);
        let mut text = String::new();
        for (addr, entry) in &self.entries {
            let (addr, last) = (Ipv4Addr::from(*addr), tick(entry.last()));
            let times: Vec<String> = entry.times.iter().map(|time| tick(*time).to_string()).collect();
            let (ttl, index, times) = (entry.ttl, entry.index, times.join(", "));
            let _ = writeln!(text, "src={addr} ttl: {ttl} last_seen: {last} oldest_pkt: {index} {times}");
        }
        text
    }

    /// Does what is written into its file: `+ADDR`, `-ADDR`, `/`. Whether it is one of these. `recent_mt_proc_write`.
    pub fn write(&mut self, text: &str, now: Time) -> bool {
        let text = text.trim();
        if text.starts_with('/') {
            self.entries.clear();
            return true;
        }
        let Some(addr) = text.get(1..).and_then(|addr| addr.parse::<Ipv4Addr>().ok()) else { return false };
        match text.as_bytes().first() {
            Some(b'+') => self.touch(addr.to_bits(), None, now),
            Some(b'-') => drop(self.entries.remove(&addr.to_bits())),
            _ => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_and_written() {
        let mut list = RecentList::new(u32::MAX, 0);
        let at = |ms: u64| Time::from_nanos(ms * 1_000_000);
        list.touch(0x7f00_0001, Some(64), at(0));
        list.touch(0x7f00_0001, Some(64), at(8));
        assert_eq!(list.text(), "src=127.0.0.1 ttl: 64 last_seen: 4294892298 oldest_pkt: 2 4294892296, 4294892298\n");
        assert!(list.write("+10.0.0.1\n", at(12)) && list.write("-127.0.0.1\n", at(12)));
        assert_eq!(list.text(), "src=10.0.0.1 ttl: 0 last_seen: 4294892299 oldest_pkt: 1 4294892299\n");
        assert!(!list.write("foo\n", at(12)) && !list.write("+foo", at(12)) && !list.write("", at(12)));
        assert!(list.write("/\n", at(12)));
        assert_eq!(list.text(), "");
    }

    #[test]
    fn times_are_a_ring_and_old_addresses_make_room() {
        let mut list = RecentList::new(u32::MAX, 0);
        (0..34).for_each(|n| list.touch(1, Some(1), Time::from_nanos(n * 4_000_000)));
        let entry = &list.entries[&1];
        assert_eq!((entry.times.len(), entry.index, entry.last()), (32, 2, Time::from_nanos(33 * 4_000_000)));
        (2..=101).for_each(|addr| list.touch(addr, Some(1), Time::ZERO));
        assert!(list.entries.len() == MAX_ADDRS && !list.entries.contains_key(&1));
    }
}
