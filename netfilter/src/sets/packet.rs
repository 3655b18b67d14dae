//! Sets as rules ask them: the parts of a packet that are looked up (`ip_set_test`, `ip_set_add`, `ip_set_del`).

use hopwise_sim_core::Time;
use smallvec::SmallVec;

use super::Sets;
use super::set::{Key, Kind, Member, Set, mask};
use crate::skb::Skb;

/// Which end of the packet each part of an element is compared with: true for the source.
pub type Dirs = SmallVec<[bool; 6]>;

/// Type and code of ICMP, or a port, with its protocol.
fn port(skb: &Skb<'_>, source: bool) -> Option<(u8, u16)> {
    let protocol = skb.head.protocol;
    if protocol == 1 {
        let header = skb.payload().first_chunk::<2>()?;
        return Some((protocol, u16::from_be_bytes(*header)));
    }
    let (src, dst) = skb.head.ports.filter(|_| matches!(protocol, 6 | 17 | 132 | 136))?;
    Some((protocol, if source { src } else { dst }))
}

impl Set {
    /// The element that a packet is.
    fn key(&self, skb: &Skb<'_>, dirs: &[bool]) -> Option<Key> {
        let first = *dirs.first()?;
        if self.kind == Kind::BitmapPort {
            let (_, port) = port(skb, first)?;
            return (self.range.0..=self.range.1).contains(&port).then_some(Key { port, ..Key::default() });
        }
        let addr = if first { skb.head.src } else { skb.head.dst };
        let (addr, len) = (addr & mask(self.netmask), if self.kind.has_nets() { 32 } else { 0 });
        if self.kind.dimension() == 1 {
            return Some(Key { addr, len, ..Key::default() });
        }
        let (protocol, port) = port(skb, *dirs.get(1)?)?;
        Some(Key { addr, len, protocol, port })
    }
}

impl Sets {
    /// The sets that a name means: itself, or the members of a list.
    fn meant(&self, name: &str, now: Time) -> SmallVec<[Box<str>; 4]> {
        match self.get(name) {
            None => SmallVec::new(),
            Some(set) if set.kind == Kind::ListSet => {
                set.list.iter().filter(|row| row.1.is_there(now)).map(|row| row.0.clone()).collect()
            }
            Some(set) => SmallVec::from_elem(set.name.clone(), 1),
        }
    }

    /// Whether a packet is in a set; it is counted there if the set counts. `nomatch`: exceptions are in it, too.
    pub fn test(&mut self, name: &str, dirs: &[bool], nomatch: bool, skb: &Skb<'_>, now: Time) -> bool {
        let bytes = skb.packet.len() as u64;
        let mut one = |set: &mut Set| {
            let counters = set.counters;
            let Some(key) = set.key(skb, dirs) else { return false };
            let Some(member) = set.find(key, now).filter(|member| nomatch || !member.nomatch) else { return false };
            if counters {
                member.packets += 1;
                member.bytes += bytes;
            }
            true
        };
        // A set that is no list is asked without looking for others.
        match self.get_mut(name) {
            None => return false,
            Some(set) if set.kind != Kind::ListSet => return one(set),
            Some(_) => {}
        }
        let names = self.meant(name, now);
        names.iter().any(|name| self.get_mut(name).is_some_and(&mut one))
    }

    /// Adds a packet's part to a set; with `exist` its time begins anew.
    pub fn add(&mut self, name: &str, dirs: &[bool], exist: bool, timeout: Option<u32>, skb: &Skb<'_>, now: Time) {
        for name in self.meant(name, now) {
            let Some(set) = self.get_mut(&name) else { continue };
            let Some(key) = set.key(skb, dirs) else { continue };
            let member = Member { expires: set.expiry(timeout, now), ..Member::default() };
            // A packet that finds the set full goes on all the same.
            if set.add(key, member, exist, now).is_ok() {
                return;
            }
        }
    }

    /// Removes a packet's part from a set.
    pub fn delete(&mut self, name: &str, dirs: &[bool], skb: &Skb<'_>, now: Time) {
        for name in self.meant(name, now) {
            if let Some(set) = self.get_mut(&name)
                && let Some(key) = set.key(skb, dirs)
                && set.delete(&key, false, now).is_ok()
            {
                return;
            }
        }
    }
}
