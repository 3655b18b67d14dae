//! The agenda with its lanes, and the plain binary heap it replaced: kept here so that the difference stays measured.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use criterion::{BenchmarkId, Criterion};
use hopwise_sim_core::{Agenda, Duration, HostId, Key, Time};

/// The size of an event that carries a packet.
type Event = [u64; 3];

/// What both can do.
trait Queue: Default {
    fn push(&mut self, delay: Duration, key: Key, event: Event);
    fn pop(&mut self) -> Option<(Key, Event)>;
}

impl Queue for Agenda<Event> {
    fn push(&mut self, delay: Duration, key: Key, event: Event) {
        self.push_after(delay, key, event);
    }
    fn pop(&mut self) -> Option<(Key, Event)> {
        self.pop_until(Time::NEVER)
    }
}

#[derive(Default)]
struct Heap(BinaryHeap<Reverse<(Key, Event)>>);

impl Queue for Heap {
    fn push(&mut self, _: Duration, key: Key, event: Event) {
        self.0.push(Reverse((key, event)));
    }
    fn pop(&mut self) -> Option<(Key, Event)> {
        self.0.pop().map(|Reverse(entry)| entry)
    }
}

const DELAYS: [Duration; 3] = [Duration::ZERO, Duration::from_micros(10), Duration::from_millis(1)];

/// A queue with `pending` packets in flight, from which one is taken and put back again and again.
struct Flight<Q> {
    queue: Q,
    sequence: u64,
}

impl<Q: Queue> Flight<Q> {
    fn new(pending: u64) -> Self {
        let mut flight = Flight { queue: Q::default(), sequence: 0 };
        for i in 0..pending {
            flight.put(Time::ZERO, [i, 0, 0]);
        }
        flight
    }

    fn put(&mut self, now: Time, event: Event) {
        self.sequence += 1;
        let delay = DELAYS[(event[0] % 3) as usize];
        self.queue.push(delay, Key::new(now + delay, HostId(0), self.sequence), event);
    }

    fn hop(&mut self) {
        if let Some((key, event)) = self.queue.pop() {
            // Packets of no delay would keep time from going on.
            let next = if event[0] % 3 == 0 { [event[0] + 1, 0, 0] } else { event };
            self.put(key.time(), next);
        }
    }
}

pub(crate) fn agenda(c: &mut Criterion) {
    let mut group = c.benchmark_group("agenda");
    for pending in [16, 1_000, 65_000] {
        let mut lanes = Flight::<Agenda<Event>>::new(pending);
        group.bench_function(BenchmarkId::new("lanes", pending), |b| b.iter(|| lanes.hop()));
        let mut heap = Flight::<Heap>::new(pending);
        group.bench_function(BenchmarkId::new("heap", pending), |b| b.iter(|| heap.hop()));
    }
    group.finish();
}
