//! The agenda: the only queue of the future.

use alloc::collections::{BinaryHeap, VecDeque};
use core::cmp::Ordering;

use crate::{Duration, HostId, Time};

extern crate alloc;

/// How many distinct constant delays get a FIFO lane of their own; packets with further delays go to the heap.
pub const MAX_LANES: usize = 8;

/// The place of an event in the one order of a world: time, then host, then that host's own sequence number. It is
/// made of simulated history only, so it cannot depend on threads or on addresses in memory.
///
/// Packed as 64 bits of time, 24 bits of host, 40 bits of sequence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key(u128);

impl Key {
    /// Behind every event.
    const LAST: Key = Key(u128::MAX);

    /// The key of the `sequence`-th event that `host` put on the agenda, due at `at`.
    #[inline]
    pub const fn new(at: Time, host: HostId, sequence: u64) -> Self {
        Key(((at.as_nanos() as u128) << 64)
            | (((host.0 & 0xff_ffff) as u128) << 40)
            | ((sequence & 0xff_ffff_ffff) as u128))
    }

    /// When the event is due.
    #[inline]
    pub const fn time(self) -> Time {
        Time::from_nanos((self.0 >> 64) as u64)
    }
}

/// Events of type `E` in the order of their [`Key`]s.
///
/// Packets mostly travel with one of a few constant delays: each such delay has a FIFO *lane*, where pushing and
/// popping cost a few nanoseconds however many packets are in flight. Everything else (timers, wakeups) is in a binary
/// heap, whose size a packet's way does not feel.
#[derive(Clone, Debug)]
pub struct Agenda<E> {
    lanes: Vec<Lane<E>>,
    heap: BinaryHeap<Entry<E>>,
    /// The lane that the last packet came from. The next one mostly comes from there too: packets travel in bursts.
    current: usize,
    /// No event outside that lane comes before this. While the lane's first one does, the others need not be looked at.
    others: Key,
}

#[derive(Clone, Debug)]
struct Lane<E> {
    delay: Duration,
    queue: VecDeque<Entry<E>>,
}

impl<E> Lane<E> {
    /// Whether its first event comes before all `others`.
    #[inline]
    fn leads(&self, others: Key) -> bool {
        self.queue.front().is_some_and(|first| first.key < others)
    }

    /// Takes its first event if that is due.
    #[inline]
    fn pop(&mut self, until: Time) -> Option<(Key, E)> {
        let Entry { key, event } = self.queue.pop_front_if(|first| first.key.time() <= until)?;
        Some((key, event))
    }
}

#[derive(Clone, Debug)]
struct Entry<E> {
    key: Key,
    event: E,
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl<E> Eq for Entry<E> {}
impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<E> Ord for Entry<E> {
    /// Reversed: the standard heap gives the greatest first, the agenda the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl<E> Default for Agenda<E> {
    fn default() -> Self {
        Agenda { lanes: Vec::new(), heap: BinaryHeap::new(), current: 0, others: Key::LAST }
    }
}

impl<E> Agenda<E> {
    /// Puts an event on the agenda that lies a constant `delay` after the present: the lane of that delay takes it.
    /// `key` says when and in what order; its time must be the present plus `delay`.
    // Always inlined: the event is put together in its place in the lane, and not written twice.
    #[inline(always)]
    pub fn push_after(&mut self, delay: Duration, key: Key, event: E) {
        match self.lane(delay, key) {
            Some(queue) => queue.push_back(Entry { key, event }),
            None => self.push_between(delay, key, event),
        }
    }

    /// The lane of a delay, if it is there and `key` comes behind all that is in it.
    #[inline]
    fn lane(&mut self, delay: Duration, key: Key) -> Option<&mut VecDeque<Entry<E>>> {
        let at = self.lanes.iter().position(|lane| lane.delay == delay)?;
        let queue = &mut self.lanes[at].queue;
        if queue.back().is_some_and(|last| last.key >= key) {
            return None;
        }
        if at != self.current {
            self.others = self.others.min(key);
        }
        Some(queue)
    }

    /// Time only grows, so a lane is sorted by time as it is; events of one instant may come out of host order and are moved
    /// to their place, which is at most a few steps away. The first event of a delay makes its lane.
    #[cold]
    fn push_between(&mut self, delay: Duration, key: Key, event: E) {
        let at = match self.lanes.iter().position(|lane| lane.delay == delay) {
            Some(at) => at,
            None if self.lanes.len() < MAX_LANES => self.add_lane(delay),
            None => return self.push_at(key, event),
        };
        if at != self.current {
            self.others = self.others.min(key);
        }
        let queue = &mut self.lanes[at].queue;
        queue.insert(place(queue, key), Entry { key, event });
    }

    fn add_lane(&mut self, delay: Duration) -> usize {
        self.lanes.push(Lane { delay, queue: VecDeque::new() });
        self.lanes.len() - 1
    }

    /// Puts an event on the agenda at any time: timers and wakeups.
    pub fn push_at(&mut self, key: Key, event: E) {
        self.others = self.others.min(key);
        self.heap.push(Entry { key, event });
    }

    /// The key of the earliest event.
    #[inline]
    pub fn next_key(&self) -> Option<Key> {
        let fronts = self.lanes.iter().filter_map(|lane| lane.queue.front());
        fronts.chain(self.heap.peek()).map(|entry| entry.key).min()
    }

    /// Takes the earliest event if it is due at `until` or before.
    #[inline]
    pub fn pop_until(&mut self, until: Time) -> Option<(Key, E)> {
        let others = self.others;
        match self.lanes.get_mut(self.current) {
            Some(lane) if lane.leads(others) => lane.pop(until),
            _ => self.pop_elsewhere(until),
        }
    }

    /// The earliest event is not the first one of the current lane.
    fn pop_elsewhere(&mut self, until: Time) -> Option<(Key, E)> {
        self.turn();
        let others = self.others;
        match self.lanes.get_mut(self.current) {
            Some(lane) if lane.leads(others) => lane.pop(until),
            _ => self.pop_heap(until),
        }
    }

    /// Turns to the lane with the earliest event, and finds out anew how far it leads.
    fn turn(&mut self) {
        let first = |lane: &Lane<E>| lane.queue.front().map_or(Key::LAST, |entry| entry.key);
        let mut lead = Key::LAST;
        self.others = self.heap.peek().map_or(Key::LAST, |entry| entry.key);
        for (at, lane) in self.lanes.iter().enumerate() {
            let key = first(lane);
            if key < lead {
                self.others = self.others.min(lead);
                (self.current, lead) = (at, key);
            } else {
                self.others = self.others.min(key);
            }
        }
    }

    #[cold]
    fn pop_heap(&mut self, until: Time) -> Option<(Key, E)> {
        if self.heap.peek()?.key.time() > until {
            return None;
        }
        self.heap.pop().map(|entry| (entry.key, entry.event))
    }

    /// Takes out all waiting events that `which` chooses, in no particular order.
    pub fn extract(&mut self, mut which: impl FnMut(&E) -> bool) -> Vec<E> {
        let mut taken = Vec::new();
        let mut sort = |entry: Entry<E>| {
            if which(&entry.event) {
                taken.push(entry.event);
                return None;
            }
            Some(entry)
        };
        for lane in &mut self.lanes {
            lane.queue = core::mem::take(&mut lane.queue).into_iter().filter_map(&mut sort).collect();
        }
        self.heap = core::mem::take(&mut self.heap).into_iter().filter_map(&mut sort).collect();
        taken
    }

    /// How many events are waiting.
    pub fn len(&self) -> usize {
        self.heap.len() + self.lanes.iter().map(|l| l.queue.len()).sum::<usize>()
    }

    /// True if nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty() && self.lanes.iter().all(|l| l.queue.is_empty())
    }

    /// All waiting events, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &E)> {
        self.heap.iter().chain(self.lanes.iter().flat_map(|l| &l.queue)).map(|e| (e.key, &e.event))
    }
}

/// Where in a lane an event belongs that does not come last.
fn place<E>(queue: &VecDeque<Entry<E>>, key: Key) -> usize {
    let behind = queue.iter().rev().take_while(|entry| entry.key > key).count();
    queue.len() - behind
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever mixture of lanes and heap: events come out in the order of their keys.
        #[test]
        fn events_come_out_in_order(pushes in prop::collection::vec((0u64..20, 0u32..4, any::<bool>()), 0..200)) {
            let mut agenda = Agenda::default();
            let mut keys = Vec::new();
            for (i, &(delay, host, timer)) in pushes.iter().enumerate() {
                let key = Key::new(Time::from_nanos(delay), HostId(host), i as u64);
                keys.push(key);
                if timer { agenda.push_at(key, i) } else { agenda.push_after(Duration::from_nanos(delay), key, i) }
            }
            keys.sort();
            prop_assert_eq!(agenda.len(), keys.len());
            let mut half = agenda.clone();
            let odd = half.extract(|i| i % 2 == 1);
            prop_assert_eq!(odd.len(), pushes.len() / 2);
            let mut even = Vec::new();
            while let Some((key, i)) = half.pop_until(Time::NEVER) {
                prop_assert_eq!(i % 2, 0);
                even.push(key);
            }
            prop_assert!(even.is_sorted());
            let mut out = Vec::new();
            while let Some((key, i)) = agenda.pop_until(Time::NEVER) {
                out.push(key);
                prop_assert_eq!(key.time(), Time::from_nanos(pushes[i].0));
            }
            prop_assert_eq!(out, keys);
            prop_assert!(agenda.is_empty());
        }
    }
}
