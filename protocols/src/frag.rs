//! Fragments of IPv4 packets: how a packet is cut (`ip_do_fragment`), and how pieces are put together (`ip_frag.c`,
//! `inet_fragment.c`).

use core::net::Ipv4Addr;
use core::ops::Range;

use hopwise_sim_core::{Duration, Time};
use rustc_hash::FxHashMap;

/// Where the pieces of a payload of `len` bytes lie, if each may be at most `room` bytes: all but the last a multiple of
/// eight (RFC 791, section 3.2). Empty if `room` is below eight.
///
/// ```
/// use hopwise_protocols::frag::pieces;
/// assert_eq!(pieces(3000, 1480).collect::<Vec<_>>(), [0..1480, 1480..2960, 2960..3000]);
/// assert_eq!(pieces(3000, 1479).next(), Some(0..1472));
/// ```
pub fn pieces(len: usize, room: usize) -> impl Iterator<Item = Range<usize>> {
    let step = room & !7;
    let end = if step == 0 { 0 } else { len };
    (0..end).step_by(step.max(1)).map(move |start| start..(start + step).min(len))
}

/// To which packet a fragment belongs (RFC 791: source, destination, protocol, identification).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
    /// Identification.
    pub id: u16,
    /// IP protocol number.
    pub protocol: u8,
}

/// A piece of a packet: where its payload lies in the whole one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<P> {
    /// Offset and end of the payload, in bytes.
    pub range: Range<usize>,
    /// Whether more follow (`MF`).
    pub more: bool,
    /// The fragment.
    pub packet: P,
}

/// What became of a fragment.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<P> {
    /// It waits for the others; if it is the first of its packet, the caller sets a timer with this number for this
    /// time.
    Held {
        /// When to give up, and the number for [`FragTable::expire`].
        timer: Option<(Time, u32)>,
    },
    /// It was the last one missing: all of them, in order.
    Complete(Vec<Part<P>>),
    /// It was there already.
    Duplicate(P),
    /// It contradicts the others, which are given up with it.
    Overlap(Vec<P>),
    /// It cannot be a fragment: not a multiple of eight, or beyond 65,535 bytes.
    Malformed(P),
    /// There is no memory for more (`ipfrag_high_thresh`).
    Full(P),
}

/// What was given up because its time was over.
#[derive(Debug, PartialEq, Eq)]
pub struct Expired<P> {
    /// The fragment with offset 0, if it had arrived: the sender is told then.
    pub first: Option<P>,
    /// All others.
    pub rest: Vec<P>,
}

#[derive(Clone, Debug)]
struct Queue<P> {
    parts: Vec<Part<P>>,
    /// Length of the whole payload, known once the last fragment has come.
    total: Option<usize>,
    timer: u32,
}

/// The packets of a namespace that are being put together.
#[derive(Clone, Debug)]
pub struct FragTable<P> {
    queues: FxHashMap<Key, Queue<P>>,
    bytes: usize,
    next_timer: u32,
}

impl<P> Default for FragTable<P> {
    fn default() -> Self {
        FragTable { queues: FxHashMap::default(), bytes: 0, next_timer: 0 }
    }
}

/// The largest payload that a packet put together can have.
const MAX_PAYLOAD: usize = 65_535 - 20;

impl<P> FragTable<P> {
    /// Takes in a fragment. `timeout`: `ipfrag_time`; `limit`: `ipfrag_high_thresh` in bytes.
    pub fn insert(&mut self, now: Time, key: Key, part: Part<P>, timeout: Duration, limit: usize) -> Outcome<P> {
        let len = part.range.len();
        if part.range.end > MAX_PAYLOAD || len == 0 || (part.more && !len.is_multiple_of(8)) {
            return Outcome::Malformed(part.packet);
        }
        if self.bytes + len > limit {
            return Outcome::Full(part.packet);
        }
        let mut timer = None;
        let queue = self.queues.entry(key).or_insert_with(|| {
            self.next_timer = self.next_timer.wrapping_add(1);
            timer = Some((now + timeout, self.next_timer));
            Queue { parts: Vec::new(), total: None, timer: self.next_timer }
        });
        if queue.parts.iter().any(|p| p.range.start <= part.range.start && part.range.end <= p.range.end) {
            return Outcome::Duplicate(part.packet);
        }
        let overlaps = queue.parts.iter().any(|p| p.range.start < part.range.end && part.range.start < p.range.end);
        let beyond = queue.total.is_some_and(|total| part.range.end > total || (!part.more && part.range.end != total));
        let short = !part.more && queue.parts.iter().any(|p| p.range.end > part.range.end);
        if overlaps || beyond || short {
            let mut all = self.take(key);
            all.push(part.packet);
            return Outcome::Overlap(all);
        }
        if !part.more {
            queue.total = Some(part.range.end);
        }
        self.bytes += len;
        let at = queue.parts.partition_point(|p| p.range.start < part.range.start);
        queue.parts.insert(at, part);
        let have: usize = queue.parts.iter().map(|p| p.range.len()).sum();
        if queue.total != Some(have) {
            return Outcome::Held { timer };
        }
        let parts = self.queues.remove(&key).map_or_else(Vec::new, |q| q.parts);
        self.bytes -= have;
        Outcome::Complete(parts)
    }

    /// The timer of that number ran out: gives up its packet, unless that is complete already. `ip_expire`.
    pub fn expire(&mut self, timer: u32) -> Option<Expired<P>> {
        let key = *self.queues.iter().find(|(_, q)| q.timer == timer)?.0;
        let has_first = self.queues.get(&key).and_then(|q| q.parts.first()).is_some_and(|p| p.range.start == 0);
        let mut rest = self.take(key);
        let first = if has_first && !rest.is_empty() { Some(rest.remove(0)) } else { None };
        Some(Expired { first, rest })
    }

    /// How many fragments wait.
    pub fn held(&self) -> usize {
        self.queues.values().map(|q| q.parts.len()).sum()
    }

    fn take(&mut self, key: Key) -> Vec<P> {
        let parts = self.queues.remove(&key).map_or_else(Vec::new, |q| q.parts);
        self.bytes -= parts.iter().map(|p| p.range.len()).sum::<usize>();
        parts.into_iter().map(|p| p.packet).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: Key = Key { src: Ipv4Addr::new(10, 0, 0, 1), dst: Ipv4Addr::new(10, 0, 0, 2), id: 7, protocol: 17 };
    const TIMEOUT: Duration = Duration::from_secs(30);

    fn part(range: Range<usize>, more: bool) -> Part<usize> {
        Part { packet: range.start, range, more }
    }

    fn put(table: &mut FragTable<usize>, range: Range<usize>, more: bool) -> Outcome<usize> {
        table.insert(Time::ZERO, KEY, part(range, more), TIMEOUT, 1 << 20)
    }

    #[test]
    fn a_packet_is_complete_when_its_last_hole_is_filled() {
        let mut table = FragTable::default();
        assert_eq!(put(&mut table, 16..20, false), Outcome::Held { timer: Some((Time::ZERO + TIMEOUT, 1)) });
        assert_eq!(put(&mut table, 0..8, true), Outcome::Held { timer: None });
        assert_eq!(put(&mut table, 0..8, true), Outcome::Duplicate(0));
        let all = vec![part(0..8, true), part(8..16, true), part(16..20, false)];
        assert_eq!(put(&mut table, 8..16, true), Outcome::Complete(all));
        assert_eq!((table.held(), table.bytes), (0, 0));
        assert_eq!(table.expire(1), None);
    }

    #[test]
    fn an_overlap_ends_the_whole_packet() {
        let mut table = FragTable::default();
        put(&mut table, 0..16, true);
        assert_eq!(put(&mut table, 8..24, true), Outcome::Overlap(vec![0, 8]));
        assert_eq!(table.bytes, 0);
    }

    #[test]
    fn time_runs_out_and_the_first_fragment_is_told_apart() {
        let mut table = FragTable::default();
        put(&mut table, 0..8, true);
        put(&mut table, 16..24, true);
        assert_eq!(table.expire(1), Some(Expired { first: Some(0), rest: vec![16] }));
        put(&mut table, 16..24, true);
        assert_eq!(table.expire(2), Some(Expired { first: None, rest: vec![16] }));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut table = FragTable::default();
        assert_eq!(put(&mut table, 0..9, true), Outcome::Malformed(0));
        assert_eq!(put(&mut table, 65512..65536, false), Outcome::Malformed(65512));
        assert_eq!(table.insert(Time::ZERO, KEY, part(0..8, true), TIMEOUT, 7), Outcome::Full(0));
    }

    proptest! {
        /// Cut and put together in any order is the identity, and nothing is left behind.
        #[test]
        fn any_order_completes(len in 1usize..5000, room in 8usize..600, seed in any::<u64>()) {
            let mut parts: Vec<_> = pieces(len, room).map(|r| part(r.clone(), r.end < len)).collect();
            let mut rng = hopwise_sim_core::Rng::stream(seed, "test", 0);
            for i in (1..parts.len()).rev() {
                parts.swap(i, rng.below(i as u32 + 1) as usize);
            }
            let mut table = FragTable::default();
            let last = parts.pop().unwrap();
            for p in parts {
                let held = matches!(table.insert(Time::ZERO, KEY, p, TIMEOUT, 1 << 20), Outcome::Held { .. });
                prop_assert!(held);
            }
            match table.insert(Time::ZERO, KEY, last, TIMEOUT, 1 << 20) {
                Outcome::Complete(all) => {
                    prop_assert!(all.iter().zip(pieces(len, room)).all(|(p, r)| p.range == r));
                }
                other => prop_assert!(false, "{:?}", other),
            }
            prop_assert_eq!(table.held(), 0);
        }
    }
}
