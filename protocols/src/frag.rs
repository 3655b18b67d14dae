//! Fragments: where a packet is cut (`ip_do_fragment`) and how its parts are gathered (`net/ipv4/ip_fragment.c`,
//! `net/ipv4/inet_fragment.c`).
//!
//! Left out: `ipfrag_max_dist` (giving a packet up when many others of the same sender came in between). A part that is
//! not the last one and not a multiple of eight bytes long is dropped, where Linux cuts it down.

use core::net::Ipv4Addr;
use core::ops::Range;
use core::time::Duration;
use hopwise_sim_core::{IfIndex, Time};
use std::collections::BTreeMap;

/// The most bytes of payload that the parts may make up together: a packet is at most 65,535 bytes long.
const MAX_PAYLOAD: usize = crate::wire::ipv4::IP_MAX_LEN - crate::wire::ipv4::IP_HLEN;

/// What a held part counts for beside its bytes, towards `ipfrag_high_thresh` (about a `struct sk_buff`).
const OVERHEAD: usize = 512;

/// The byte ranges into which a payload of `len` bytes is cut when each part may have `room` bytes: all but the last
/// are as long as possible and multiples of eight. `ip_frag_init`, `ip_frag_next`.
///
/// Nothing if `room` is below eight bytes: then the packet cannot be cut.
///
/// ```
/// use hopwise_protocols::frag::pieces;
/// assert_eq!(pieces(3008, 1480).collect::<Vec<_>>(), [0..1480, 1480..2960, 2960..3008]);
/// ```
pub fn pieces(len: usize, room: usize) -> impl Iterator<Item = Range<usize>> {
    let step = room & !7;
    let mut start = 0;
    core::iter::from_fn(move || {
        if start >= len || step == 0 {
            return None;
        }
        let left = len - start;
        // The last one need not be a multiple of eight.
        let size = if left <= room { left } else { step };
        let piece = start..start + size;
        start += size;
        Some(piece)
    })
}

/// What the parts of one packet have in common. `frag_v4_compare_key`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Sender.
    pub src: Ipv4Addr,
    /// Receiver.
    pub dst: Ipv4Addr,
    /// Identification.
    pub id: u16,
    /// `IPPROTO_*`.
    pub protocol: u8,
    /// The VRF that it came through, or [`IfIndex::NONE`].
    pub vif: IfIndex,
}

/// One part of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<P> {
    /// Which bytes of the payload it has.
    pub range: Range<usize>,
    /// More follow.
    pub more: bool,
    /// The fragment itself.
    pub packet: P,
}

/// What becomes of a fragment.
#[derive(PartialEq, Eq, Debug)]
pub enum Outcome<P> {
    /// It waits for the others.
    Held {
        /// For the first part of a packet: when to call [`FragTable::expire`] and with which number.
        timer: Option<(Time, u32)>,
    },
    /// It was the last one missing: all parts, in the order of their places. They must be put together.
    Complete(Vec<Part<P>>),
    /// These bytes are there already; it is dropped, the others go on waiting. `IPFRAG_DUP`.
    Duplicate(P),
    /// It contradicts the others (overlaps, or another end) or the whole would be too long: all are dropped, itself
    /// included. `IPFRAG_OVERLAP`, `discard_qp`.
    Overlap(Vec<P>),
    /// It has no payload, bytes beyond the longest packet, or is not the last one and no multiple of eight bytes long;
    /// it alone is dropped.
    Malformed(P),
    /// Too many bytes wait already (`ipfrag_high_thresh`); it is dropped.
    Full(P),
}

/// A packet whose time is over.
#[derive(PartialEq, Eq, Debug)]
pub struct Expired<P> {
    /// The part with the first byte, if it came: its sender is told (ICMP time exceeded, code 1).
    pub first: Option<P>,
    /// The others.
    pub rest: Vec<P>,
}

/// The parts of one packet so far. `ipq`.
#[derive(Clone, Debug)]
struct Queue<P> {
    id: u32,
    /// In the order of their places, without overlap.
    parts: Vec<Part<P>>,
    /// How many bytes of payload there are.
    meat: usize,
    /// Where the payload ends at least; exactly, once the last part came.
    end: usize,
    /// The part without "more fragments" came. `INET_FRAG_LAST_IN`.
    last_in: bool,
    memory: usize,
}

/// All packets that are being gathered in a namespace. `fqdir`.
#[derive(Clone, Debug)]
pub struct FragTable<P> {
    queues: BTreeMap<Key, Queue<P>>,
    keys: BTreeMap<u32, Key>,
    memory: usize,
    next_id: u32,
}

impl<P> Default for FragTable<P> {
    fn default() -> Self {
        FragTable { queues: BTreeMap::new(), keys: BTreeMap::new(), memory: 0, next_id: 0 }
    }
}

impl<P> FragTable<P> {
    /// How many packets are incomplete.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// True if nothing is incomplete.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// How many fragments wait.
    pub fn held(&self) -> usize {
        self.queues.values().map(|queue| queue.parts.len()).sum()
    }

    /// What all of them take, in bytes. `fqdir_mem`.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Takes a fragment in. `timeout` is `ipfrag_time`, `limit` is `ipfrag_high_thresh` in bytes.
    /// `ip_find`, `ip_frag_queue`.
    pub fn insert(&mut self, now: Time, key: Key, part: Part<P>, timeout: Duration, limit: usize) -> Outcome<P> {
        let is_new = !self.queues.contains_key(&key);
        if is_new && (self.memory > limit || limit == 0) {
            return Outcome::Full(part.packet);
        }
        if !is_sound(&part) {
            return Outcome::Malformed(part.packet);
        }
        let mut timer = None;
        if is_new {
            self.next_id = self.next_id.wrapping_add(1);
            self.keys.insert(self.next_id, key);
            timer = Some((now + timeout, self.next_id));
        }
        let queue = self.queues.entry(key).or_insert_with(|| Queue::new(self.next_id));
        let before = queue.memory;
        let fit = queue.insert(part);
        self.memory = self.memory + queue.memory - before;
        match fit {
            Fit::Placed if queue.is_complete() => {
                let parts = self.take(key).map_or(Vec::new(), |queue| queue.parts);
                Outcome::Complete(parts)
            }
            Fit::Placed => Outcome::Held { timer },
            Fit::Duplicate(part) => Outcome::Duplicate(part.packet),
            Fit::Contradicts(part) => {
                let all = self.take(key).map_or(Vec::new(), |queue| queue.parts);
                Outcome::Overlap(all.into_iter().chain([part]).map(|part| part.packet).collect())
            }
        }
    }

    /// The time of the packet with this number is over. `None` if it was completed or given up before. `ip_expire`.
    pub fn expire(&mut self, id: u32) -> Option<Expired<P>> {
        let key = *self.keys.get(&id)?;
        let mut parts = self.take(key)?.parts;
        let first = parts.first().is_some_and(|part| part.range.start == 0).then(|| parts.remove(0).packet);
        Some(Expired { first, rest: parts.into_iter().map(|part| part.packet).collect() })
    }

    /// Gives up everything: the namespace goes away (`fqdir_exit`).
    pub fn drain(&mut self) -> Vec<P> {
        self.keys.clear();
        self.memory = 0;
        let queues = core::mem::take(&mut self.queues);
        queues.into_values().flat_map(|queue| queue.parts).map(|part| part.packet).collect()
    }

    fn take(&mut self, key: Key) -> Option<Queue<P>> {
        let queue = self.queues.remove(&key)?;
        self.keys.remove(&queue.id);
        self.memory -= queue.memory;
        Some(queue)
    }
}

/// What happened to a part within its queue.
enum Fit<P> {
    Placed,
    Duplicate(Part<P>),
    Contradicts(Part<P>),
}

/// A part must have bytes, none beyond the longest packet, and end where another one can begin.
fn is_sound<P>(part: &Part<P>) -> bool {
    let Range { start, end } = part.range;
    start < end && end <= MAX_PAYLOAD && (!part.more || end.is_multiple_of(8))
}

impl<P> Queue<P> {
    fn new(id: u32) -> Self {
        Queue { id, parts: Vec::new(), meat: 0, end: 0, last_in: false, memory: 0 }
    }

    fn is_complete(&self) -> bool {
        self.last_in && self.meat == self.end && self.parts.first().is_some_and(|part| part.range.start == 0)
    }

    /// Puts a part at its place. `ip_frag_queue`, `inet_frag_queue_insert`.
    fn insert(&mut self, part: Part<P>) -> Fit<P> {
        let (start, end) = (part.range.start, part.range.end);
        let beyond =
            if part.more { self.last_in && end > self.end } else { end < self.end || self.ends_elsewhere(end) };
        if beyond {
            return Fit::Contradicts(part);
        }
        let at = self.parts.partition_point(|other| other.range.end <= start);
        if self.parts.get(at).is_some_and(|next| next.range.start < end) {
            return if self.run_covers(at, start, end) { Fit::Duplicate(part) } else { Fit::Contradicts(part) };
        }
        self.end = self.end.max(end);
        self.last_in |= !part.more;
        self.meat += end - start;
        self.memory += end - start + OVERHEAD;
        self.parts.insert(at, part);
        Fit::Placed
    }

    fn ends_elsewhere(&self, end: usize) -> bool {
        self.last_in && end != self.end
    }

    /// True if the parts from `at` on cover these bytes without a gap.
    fn run_covers(&self, at: usize, start: usize, end: usize) -> bool {
        let mut covered = start;
        for part in self.parts.iter().skip(at) {
            if part.range.start > covered {
                return false;
            }
            covered = covered.max(part.range.end);
            if covered >= end {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: Key = Key {
        src: Ipv4Addr::new(10, 0, 0, 1),
        dst: Ipv4Addr::new(10, 0, 0, 2),
        id: 7,
        protocol: 17,
        vif: IfIndex::NONE,
    };
    const TIMEOUT: Duration = Duration::from_secs(30);

    fn part(range: Range<usize>, more: bool) -> Part<String> {
        let packet = format!("{range:?}");
        Part { range, more, packet }
    }

    fn put(table: &mut FragTable<String>, range: Range<usize>, more: bool) -> Outcome<String> {
        table.insert(Time::ZERO, KEY, part(range, more), TIMEOUT, 4 << 20)
    }

    const HELD: Outcome<String> = Outcome::Held { timer: None };

    #[test]
    fn fragments_arrive_in_any_order() {
        let mut table = FragTable::default();
        let Outcome::Held { timer: Some((at, _)) } = put(&mut table, 16..20, false) else { panic!() };
        assert_eq!(at, Time::ZERO + TIMEOUT);
        assert_eq!(put(&mut table, 0..8, true), HELD);
        assert_eq!(put(&mut table, 0..8, true), Outcome::Duplicate("0..8".into()), "twice the same is no harm");
        let other = Key { id: 8, ..KEY };
        assert!(matches!(table.insert(Time::ZERO, other, part(8..16, true), TIMEOUT, 4000), Outcome::Held { .. }));
        let Outcome::Complete(parts) = put(&mut table, 8..16, true) else { panic!() };
        assert_eq!(parts.iter().map(|p| p.range.clone()).collect::<Vec<_>>(), [0..8, 8..16, 16..20]);
        assert_eq!(table.len(), 1, "the other packet still waits");
    }

    #[test]
    fn overlapping_fragments_are_all_dropped() {
        let mut table = FragTable::default();
        put(&mut table, 0..16, true);
        assert_eq!(put(&mut table, 8..24, true), Outcome::Overlap(vec!["0..16".into(), "8..24".into()]));
        assert!(table.is_empty() && table.memory == 0);
    }

    #[test]
    fn a_packet_has_one_end() {
        for (range, more) in [(16..24, false), (0..4, false), (16..24, true)] {
            let mut table = FragTable::default();
            put(&mut table, 8..12, false);
            assert!(
                matches!(put(&mut table, range.clone(), more), Outcome::Overlap(all) if all.len() == 2),
                "{range:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_a_part() {
        let mut table = FragTable::default();
        assert!(matches!(put(&mut table, 8..8, true), Outcome::Malformed(_)));
        assert!(
            matches!(put(&mut table, 8..15, true), Outcome::Malformed(_)),
            "less than eight bytes, but not the last"
        );
        assert!(matches!(put(&mut table, 65_512..65_520, false), Outcome::Malformed(_)));
        assert!(matches!(table.insert(Time::ZERO, KEY, part(0..8, true), TIMEOUT, 0), Outcome::Full(_)));
    }

    #[test]
    fn time_runs_out() {
        let mut table = FragTable::default();
        let Outcome::Held { timer: Some((_, id)) } = put(&mut table, 8..16, true) else { panic!() };
        put(&mut table, 0..8, true);
        let expired = table.expire(id).unwrap();
        assert_eq!(expired, Expired { first: Some("0..8".into()), rest: vec!["8..16".into()] });
        assert_eq!(table.expire(id), None, "only once");
        let Outcome::Held { timer: Some((_, id)) } = put(&mut table, 8..16, true) else { panic!() };
        assert_eq!(table.expire(id).unwrap().first, None, "nobody is told about a packet whose head did not come");
        put(&mut table, 0..8, true);
        assert!(matches!(put(&mut table, 8..16, false), Outcome::Complete(_)));
        assert_eq!(table.expire(id + 1), None, "it was complete");
    }

    #[test]
    fn memory_is_limited() {
        let mut table = FragTable::default();
        let held = (0..100u16).filter(|&id| {
            let key = Key { id, ..KEY };
            matches!(table.insert(Time::ZERO, key, part(0..1480, true), TIMEOUT, 10_000), Outcome::Held { .. })
        });
        assert_eq!(held.count(), 6);
    }

    proptest! {
        #[test]
        fn pieces_cover_everything_once(len in 0usize..70_000, room in 0usize..9000) {
            let all: Vec<_> = pieces(len, room).collect();
            if room < 8 {
                prop_assert!(all.is_empty());
                return Ok(());
            }
            let mut at = 0;
            for (n, piece) in all.iter().enumerate() {
                prop_assert_eq!(piece.start, at);
                prop_assert!(!piece.is_empty() && piece.len() <= room);
                prop_assert!(n + 1 == all.len() || piece.len() % 8 == 0);
                at = piece.end;
            }
            prop_assert_eq!(at, len);
        }

        #[test]
        fn what_was_cut_is_whole_again(len in 1usize..4000, room in 8usize..1500, order: u64) {
            let pieces: Vec<_> = pieces(len, room).collect();
            let mut mixed: Vec<usize> = (0..pieces.len()).collect();
            mixed.sort_by_key(|n| (*n as u64).wrapping_mul(order | 1));
            let mut table = FragTable::default();
            let last = mixed.pop().unwrap();
            for n in mixed {
                let outcome = put(&mut table, pieces[n].clone(), n + 1 < pieces.len());
                prop_assert!(matches!(outcome, Outcome::Held { .. }), "{:?}", outcome);
            }
            let Outcome::Complete(parts) = put(&mut table, pieces[last].clone(), last + 1 < pieces.len()) else {
                return Err(TestCaseError::fail("not complete"));
            };
            prop_assert_eq!(parts.into_iter().map(|p| p.range).collect::<Vec<_>>(), pieces);
            prop_assert!(table.is_empty() && table.keys.is_empty() && table.memory == 0);
        }

        #[test]
        fn any_fragments_are_held_or_given_back(parts in proptest::collection::vec((0usize..20, 0usize..40, any::<bool>(), 0u16..2), 0..60)) {
            let mut table = FragTable::default();
            let mut born = 0;
            let mut gone = 0;
            let mut ids = vec![];
            for (start, len, more, id) in parts {
                born += 1;
                let part = Part { range: start * 8..start * 8 + len, more, packet: () };
                gone += match table.insert(Time::ZERO, Key { id, ..KEY }, part, TIMEOUT, 4 << 20) {
                    Outcome::Held { timer } => {
                        ids.extend(timer.map(|(_, id)| id));
                        0
                    }
                    Outcome::Complete(parts) => {
                        let adjoin = parts.windows(2).all(|w| w[0].range.end == w[1].range.start);
                        prop_assert!(adjoin && parts[0].range.start == 0 && !parts[parts.len() - 1].more);
                        parts.len()
                    }
                    Outcome::Overlap(all) => all.len(),
                    Outcome::Duplicate(()) | Outcome::Malformed(()) | Outcome::Full(()) => 1,
                };
            }
            prop_assert_eq!(table.held() + gone, born);
            for id in ids {
                gone += table.expire(id).map_or(0, |e| e.rest.len() + usize::from(e.first.is_some()));
            }
            prop_assert_eq!((gone, table.memory), (born, 0));
        }
    }
}
