//! `pfifo`, `bfifo` and `pfifo_fast`: packets leave as they came. Models `net/sched/sch_fifo.c` and the second half of
//! `net/sched/sch_generic.c`.

use std::collections::VecDeque;

use hopwise_sim_core::Packet;

use super::{Env, Next, prio};

/// A queue with a limit in packets or in bytes.
#[derive(Clone, Debug)]
pub struct Fifo {
    /// Whether the limit is one of bytes (`bfifo`).
    pub in_bytes: bool,
    /// The limit.
    pub limit: u32,
    queue: VecDeque<Packet>,
    bytes: u32,
}

impl Fifo {
    /// `pfifo`.
    pub const fn packets(limit: u32) -> Self {
        Fifo { in_bytes: false, limit, queue: VecDeque::new(), bytes: 0 }
    }

    /// `bfifo`.
    pub const fn bytes(limit: u32) -> Self {
        Fifo { in_bytes: true, limit, queue: VecDeque::new(), bytes: 0 }
    }

    /// Sets the limit. What is in the queue stays.
    pub const fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    pub(super) fn enqueue(&mut self, packet: Packet, env: &mut Env<'_>) -> bool {
        let len = packet.len() as u32;
        let fits = if self.in_bytes {
            u64::from(self.bytes) + u64::from(len) <= u64::from(self.limit)
        } else {
            (self.queue.len() as u64) < u64::from(self.limit)
        };
        if !fits {
            env.drop(packet);
            return false;
        }
        self.bytes += len;
        self.queue.push_back(packet);
        true
    }

    pub(super) fn dequeue(&mut self) -> Next {
        let Some(packet) = self.queue.pop_front() else { return Next::Empty };
        self.bytes -= packet.len() as u32;
        Next::Packet(packet)
    }

    pub(super) fn backlog(&self) -> (u32, u32) {
        (self.queue.len() as u32, self.bytes)
    }

    pub(super) fn reset(&mut self, env: &mut Env<'_>) {
        self.bytes = 0;
        self.queue.drain(..).for_each(|packet| env.drop(packet));
    }
}

/// `pfifo_fast`: three queues, the first one that has a packet sends it.
#[derive(Clone, Debug)]
pub struct Bands([Fifo; 3]);

impl Bands {
    /// Each band holds as many packets as the link's queue is long.
    pub const fn new(queue_len: u32) -> Self {
        Bands([Fifo::packets(queue_len), Fifo::packets(queue_len), Fifo::packets(queue_len)])
    }

    pub(super) fn enqueue(&mut self, mut packet: Packet, env: &mut Env<'_>) -> bool {
        let priority = prio::priority(&mut packet, env.network_offset);
        let band = usize::from(prio::PRIOMAP[priority as usize & 15]);
        self.0[band].enqueue(packet, env)
    }

    pub(super) fn dequeue(&mut self) -> Next {
        for band in &mut self.0 {
            if let Next::Packet(packet) = band.dequeue() {
                return Next::Packet(packet);
            }
        }
        Next::Empty
    }

    pub(super) fn backlog(&self) -> (u32, u32) {
        self.0.iter().map(Fifo::backlog).fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }

    pub(super) fn reset(&mut self, env: &mut Env<'_>) {
        self.0.iter_mut().for_each(|band| band.reset(env));
    }
}
