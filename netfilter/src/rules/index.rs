//! Which rules of a chain can match a packet: long chains are not walked rule by rule.
//!
//! Each rule is filed once, under the most telling thing that it demands: its one destination and port, its one destination, its one
//! port, its one link, its one source. A rule that demands none of them is in the list of those that any packet may match. A packet
//! then visits, in the order of their numbers, the rules of the few lists that fit it. What is left out could not have matched, would
//! not have counted, and was not asked anything that remembers: so meaning and counters are those of the plain walk, which stays as
//! the oracle of a property test.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::rule::{Inverted, Rule};
use crate::skb::Skb;

/// Chains shorter than this are walked plainly: asking a handful of rules costs less than looking them up.
const WORTH_IT: usize = 12;

/// Under what a rule is filed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    /// Destination address, protocol, destination port.
    Service(u32, u8, u16),
    /// Destination address.
    Dst(u32),
    /// Protocol and destination port.
    Port(u8, u16),
    /// Link it came in by.
    Input(u128),
    /// Link it leaves by.
    Output(u128),
    /// Source address.
    Src(u32),
}

impl Key {
    /// The kinds of keys, as bits: which of them a chain has at all.
    const fn kind(self) -> u8 {
        match self {
            Key::Service(..) => 1 << 0,
            Key::Dst(_) => 1 << 1,
            Key::Port(..) => 1 << 2,
            Key::Input(_) => 1 << 3,
            Key::Output(_) => 1 << 4,
            Key::Src(_) => 1 << 5,
        }
    }

    /// The most telling demand of a rule.
    fn of(rule: &Rule) -> Option<Key> {
        let ip = &rule.ip;
        let one = |(addr, mask): (u32, u32), bit| (mask == u32::MAX && !ip.inv.contains(bit)).then_some(addr);
        let dst = one(ip.dst, Inverted::DST);
        if let (Some(protocol), Some(port)) = (ip.only_protocol(), only_port(rule)) {
            return Some(dst.map_or(Key::Port(protocol, port), |dst| Key::Service(dst, protocol, port)));
        }
        let link = |link: &super::LinkMatch, bit| link.exact().filter(|_| !ip.inv.contains(bit));
        dst.map(Key::Dst)
            .or_else(|| one(ip.src, Inverted::SRC).map(Key::Src))
            .or_else(|| link(&ip.input, Inverted::INPUT).map(Key::Input))
            .or_else(|| link(&ip.output, Inverted::OUTPUT).map(Key::Output))
    }
}

/// The one destination port that a rule demands before it asks anything that remembers.
fn only_port(rule: &Rule) -> Option<u16> {
    for m in &rule.matches {
        if let Some(port) = m.only_dport() {
            return Some(port);
        }
        if !m.is_pure() {
            return None;
        }
    }
    None
}

/// The index of one chain. It is made when a packet first walks a long chain, kept up by appending, and thrown away by other changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    kinds: u8,
    places: FxHashMap<Key, u32>,
    /// Numbers of rules in ascending order; the first list is of those without a key.
    lists: Vec<Vec<u32>>,
}

impl Index {
    /// Files a rule that was appended.
    pub(super) fn file(&mut self, number: usize, rule: &Rule) {
        let list = match Key::of(rule) {
            None => 0,
            Some(key) => {
                self.kinds |= key.kind();
                let next = self.lists.len() as u32;
                *self.places.entry(key).or_insert(next)
            }
        } as usize;
        if list == self.lists.len() {
            self.lists.push(Vec::new());
        }
        self.lists[list].push(number as u32);
    }

    /// The index of these rules, if they are enough for one.
    pub(super) fn of<'i>(place: &'i OnceLock<Index>, rules: &[Rule]) -> Option<&'i Index> {
        (rules.len() >= WORTH_IT).then(|| place.get_or_init(|| Index::build(rules)))
    }

    fn build(rules: &[Rule]) -> Self {
        let mut index = Index { lists: vec![Vec::new()], ..Index::default() };
        for (number, rule) in rules.iter().enumerate() {
            index.file(number, rule);
        }
        index
    }

    /// The lists of rules that a packet may match.
    #[inline]
    pub(super) fn candidates(&self, skb: &Skb<'_>) -> Candidates {
        let head = &skb.head;
        let mut found = Candidates::default();
        found.add(0, &self.lists);
        let mut look = |key: Key| {
            if self.kinds & key.kind() != 0
                && let Some(list) = self.places.get(&key)
            {
                found.add(*list, &self.lists);
            }
        };
        if let Some((_, port)) = head.ports {
            look(Key::Service(head.dst, head.protocol, port));
            look(Key::Port(head.protocol, port));
        }
        look(Key::Dst(head.dst));
        look(Key::Src(head.src));
        look(Key::Input(skb.input.padded()));
        look(Key::Output(skb.output.padded()));
        found
    }

    /// The number of the next candidate at or after `from`.
    #[inline]
    pub(super) fn next(&self, candidates: &Candidates, from: usize) -> Option<usize> {
        let mut least = u32::MAX;
        for list in &candidates.lists[..usize::from(candidates.count)] {
            let numbers = &self.lists[*list as usize];
            // Lists are short, or walked from their beginning: look there before halving.
            let at = match numbers.first() {
                Some(first) if *first as usize >= from => 0,
                _ => numbers.partition_point(|n| (*n as usize) < from),
            };
            if let Some(number) = numbers.get(at) {
                least = least.min(*number);
            }
        }
        (least != u32::MAX).then_some(least as usize)
    }
}

/// At most one list of each kind of key, and that of the rules without one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Candidates {
    lists: [u32; 7],
    count: u8,
}

impl Candidates {
    #[inline]
    fn add(&mut self, list: u32, lists: &[Vec<u32>]) {
        if !lists[list as usize].is_empty() {
            self.lists[usize::from(self.count)] = list;
            self.count += 1;
        }
    }
}
