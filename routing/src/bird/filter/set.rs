//! Sets and masks, and what `~` asks of them.

use core::fmt;
use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::value::Value;
use crate::attrs::{AsPath, SegmentKind};

/// An element's place in an order: sets hold ranges of these.
pub type Key = (u8, u32, u32, u32);

/// Ranges of values of one type.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Set {
    /// First and last of each range, in order.
    pub ranges: Vec<(Key, Key)>,
}

/// The order key of a value that can be in a set.
pub fn key(value: &Value) -> Option<Key> {
    Some(match value {
        Value::Int(n) => (0, *n, 0, 0),
        Value::Ip(a) => (1, (*a).into(), 0, 0),
        Value::Quad(a) => (2, (*a).into(), 0, 0),
        Value::Pair(p) => (3, *p, 0, 0),
        Value::Ec(e) => (4, (e.0 >> 32) as u32, e.0 as u32, 0),
        Value::Lc(l) => (5, l.asn, l.first, l.second),
        Value::Enum(kind, n) => (6 + *kind as u8, *n, 0, 0),
        _ => return None,
    })
}

impl Set {
    /// A set of these ranges.
    pub fn new(mut ranges: Vec<(Key, Key)>) -> Self {
        ranges.sort_unstable();
        Set { ranges }
    }

    /// Whether a value is in it. A part that is a wildcard (`(65000,*)`) reaches over all its numbers, per part.
    pub fn contains(&self, k: Key) -> bool {
        let within = |low: u32, x: u32, high: u32| low <= x && x <= high;
        self.ranges.iter().any(|(low, high)| {
            if k.0 != low.0 {
                return false;
            }
            match k.0 {
                3 => {
                    let part = |v: u32| (v >> 16, v & 0xffff);
                    let ((a, b), (c, d), (e, f)) = (part(low.1), part(k.1), part(high.1));
                    within(a, c, e) && within(b, d, f)
                }
                4 | 5 => within(low.1, k.1, high.1) && within(low.2, k.2, high.2) && within(low.3, k.3, high.3),
                _ => *low <= k && k <= *high,
            }
        })
    }
}

fn show(f: &mut fmt::Formatter<'_>, k: &Key) -> fmt::Result {
    match k.0 {
        0 => write!(f, "{}", k.1),
        1 | 2 => write!(f, "{}", Ipv4Addr::from(k.1)),
        3 => write!(f, "({},{})", k.1 >> 16, k.1 & 0xffff),
        4 => write!(f, "{}", crate::attrs::ExtendedCommunity(u64::from(k.1) << 32 | u64::from(k.2))),
        5 => write!(f, "({}, {}, {})", k.1, k.2, k.3),
        kind => write!(f, "(enum {:x}){}", 0x30 + u32::from(kind) - 6, k.1),
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, (low, high)) in self.ranges.iter().enumerate() {
            f.write_str(if i > 0 { ", " } else { "" })?;
            show(f, low)?;
            if low != high {
                f.write_str("..")?;
                show(f, high)?;
            }
        }
        f.write_str("]")
    }
}

/// A pattern of prefixes: those of these lengths that share the leading bits (`10.0.0.0/8{8,24}`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PrefixPattern {
    /// The prefix.
    pub net: Ipv4Net,
    /// The shortest.
    pub low: u8,
    /// The longest.
    pub high: u8,
}

/// A set of prefixes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PrefixSet {
    /// Its patterns.
    pub patterns: Vec<PrefixPattern>,
}

impl PrefixSet {
    /// Whether a prefix is in it: its length is one of the pattern's, and both agree as far as the shorter one reaches.
    pub fn contains(&self, net: Ipv4Net) -> bool {
        self.patterns.iter().any(|p| {
            let len = p.net.prefix_len().min(net.prefix_len());
            let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
            let differ = u32::from(p.net.network()) ^ u32::from(net.network());
            (p.low..=p.high).contains(&net.prefix_len()) && differ & mask == 0
        })
    }
}

impl fmt::Display for PrefixSet {
    /// As BIRD walks its trie: in order, one entry for each prefix, with a bit for each length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lengths: BTreeMap<(u32, u8), u32> = BTreeMap::new();
        let mut zero = false;
        for p in &self.patterns {
            zero |= p.low == 0;
            let bits = (p.low.max(1)..=p.high).fold(0, |bits, len| bits | 1 << (32 - u32::from(len)));
            if bits != 0 {
                *lengths.entry((p.net.network().to_bits(), p.net.prefix_len())).or_default() |= bits;
            }
        }
        let all = zero.then(|| "0.0.0.0/0".to_owned()).into_iter();
        let shown = |((net, len), bits)| format!("{}/{len}{{{}}}", Ipv4Addr::from(net), Ipv4Addr::from(bits));
        let items: Vec<String> = all.chain(lengths.into_iter().map(shown)).collect();
        write!(f, "[{}]", items.join(", "))
    }
}

/// A part of a path mask (`[= 65000 * ? 1..5 =]`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MaskItem {
    /// Any number of ASes.
    Star,
    /// One AS.
    Any,
    /// This one or one of these.
    Range(u32, u32),
    /// One of a set.
    Set(Vec<(u32, u32)>),
}

impl fmt::Display for MaskItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaskItem::Star => f.write_str("*"),
            MaskItem::Any => f.write_str("?"),
            MaskItem::Range(low, high) if low == high => write!(f, "{low}"),
            MaskItem::Range(low, high) => write!(f, "{low}..{high}"),
            MaskItem::Set(ranges) => {
                f.write_str("[")?;
                for (i, (low, high)) in ranges.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    let dots = if low == high { String::new() } else { format!("..{high}") };
                    write!(f, "{comma}{low}{dots}")?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Whether a mask fits a whole path. One pass per item: bounded by the product of both lengths.
pub fn mask_matches(mask: &[MaskItem], path: &AsPath) -> bool {
    // Each position offers the numbers that may stand there: a set offers all its own, and counts as one.
    let mut positions: Vec<Vec<u32>> = Vec::new();
    for segment in path.segments() {
        match segment.kind {
            SegmentKind::Sequence | SegmentKind::ConfedSequence => {
                positions.extend(segment.asns.iter().map(|asn| vec![*asn]));
            }
            SegmentKind::Set | SegmentKind::ConfedSet => positions.push(segment.asns.clone()),
        }
    }
    let fits = |item: &MaskItem, asns: &[u32]| match item {
        MaskItem::Star | MaskItem::Any => true,
        MaskItem::Range(low, high) => asns.iter().any(|a| (low..=high).contains(&a)),
        MaskItem::Set(ranges) => asns.iter().any(|a| ranges.iter().any(|(low, high)| (low..=high).contains(&a))),
    };
    // Which prefixes of the path the items so far can have eaten.
    let mut reached = vec![false; positions.len() + 1];
    reached[0] = true;
    for item in mask {
        let mut next = vec![false; reached.len()];
        if matches!(item, MaskItem::Star) {
            let mut seen = false;
            for (at, was) in reached.iter().enumerate() {
                seen |= was;
                next[at] = seen;
            }
        } else {
            for (at, asns) in positions.iter().enumerate() {
                next[at + 1] = reached[at] && fits(item, asns);
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}
