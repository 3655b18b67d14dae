//! `fq_codel`: a queue for each flow, served in turns, each controlled by CoDel (RFC 8290). Models `net/sched/sch_fq_codel.c`.

use std::collections::VecDeque;

use hopwise_sim_core::{Errno, Packet};

use super::codel::{Counted, Params, Queue, ticks};
use super::{Env, LinkFacts, Next, QdiscStats, flow_hash};

/// What the kernel keeps of a packet besides its bytes (`struct sk_buff` and `struct skb_shared_info`): they count, too.
const OVERHEAD: u32 = 576;

/// The most queues that there can be.
const MAX_FLOWS: u32 = 65_536;

/// The options of `tc qdisc add ... fq_codel`; `None`: the default, or what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FqCodelOptions {
    /// At most so many packets.
    pub limit: Option<u32>,
    /// How many queues.
    pub flows: Option<u32>,
    /// How many bytes a queue may send in its turn.
    pub quantum: Option<u32>,
    /// How long packets may wait, in microseconds.
    pub target: Option<u32>,
    /// How long they may wait longer, in microseconds.
    pub interval: Option<u32>,
    /// Beyond this wait packets are marked, in microseconds.
    pub ce_threshold: Option<u32>,
    /// Mark instead of drop.
    pub ecn: Option<bool>,
    /// At most so many bytes of memory.
    pub memory_limit: Option<u32>,
    /// At most so many packets are dropped at once when the limit is met.
    pub drop_batch: Option<u32>,
}

/// One queue.
#[derive(Clone, Debug, Default)]
struct Flow {
    queue: Queue,
    deficit: i64,
    /// Whether it waits for its turn.
    listed: bool,
}

/// The state of the discipline.
#[derive(Clone, Debug)]
pub struct FqCodel {
    /// At most so many packets.
    pub limit: u32,
    /// How many bytes a queue may send in its turn.
    pub quantum: u32,
    /// At most so many bytes of memory.
    pub memory_limit: u32,
    /// At most so many packets are dropped at once.
    pub drop_batch: u32,
    /// How the queues are controlled.
    pub params: Params,
    /// What the control counted.
    pub counted: Counted,
    /// Packets dropped because of a limit.
    pub drop_overlimit: u32,
    /// How often a queue had packets again.
    pub new_flow_count: u32,
    flows: Vec<Flow>,
    new: VecDeque<usize>,
    old: VecDeque<usize>,
    packets: u32,
    bytes: u32,
    memory: u32,
}

impl FqCodel {
    pub(super) fn new(options: &FqCodelOptions, link: LinkFacts) -> Result<Self, Errno> {
        let count = options.flows.unwrap_or(1024);
        if !(1..=MAX_FLOWS).contains(&count) {
            return Err(Errno::EINVAL);
        }
        let mtu = link.mtu + link.header;
        let (target, interval) = (ticks(5000), ticks(100_000));
        let mut new = FqCodel {
            limit: 10_240,
            quantum: mtu,
            memory_limit: 32 << 20,
            drop_batch: 64,
            params: Params { target, interval, ce_threshold: None, ecn: true, mtu },
            counted: Counted::default(),
            drop_overlimit: 0,
            new_flow_count: 0,
            flows: vec![Flow::default(); count as usize],
            new: VecDeque::new(),
            old: VecDeque::new(),
            packets: 0,
            bytes: 0,
            memory: 0,
        };
        new.set(options);
        Ok(new)
    }

    /// The number of queues stays. What is beyond a new limit is dropped (`fq_codel_change`).
    pub(super) fn change(&mut self, options: &FqCodelOptions) -> Result<(), Errno> {
        if options.flows.is_some() {
            return Err(Errno::EINVAL);
        }
        self.set(options);
        Ok(())
    }

    fn set(&mut self, o: &FqCodelOptions) {
        self.limit = o.limit.unwrap_or(self.limit);
        // Less would take too many turns.
        self.quantum = o.quantum.map_or(self.quantum, |quantum| quantum.max(256));
        self.memory_limit = o.memory_limit.map_or(self.memory_limit, |limit| limit.min(1 << 31));
        self.drop_batch = o.drop_batch.map_or(self.drop_batch, |batch| batch.max(1));
        let p = &mut self.params;
        p.target = o.target.map_or(p.target, ticks);
        p.interval = o.interval.map_or(p.interval, ticks);
        p.ce_threshold = o.ce_threshold.map(ticks).or(p.ce_threshold);
        p.ecn = o.ecn.unwrap_or(p.ecn);
    }

    /// How many queues there are.
    pub fn flow_count(&self) -> usize {
        self.flows.len()
    }

    /// How many queues wait for their first turn, and for one more.
    pub fn waiting(&self) -> (usize, usize) {
        (self.new.len(), self.old.len())
    }

    pub(super) fn enqueue(&mut self, packet: Packet, stats: &mut QdiscStats, env: &mut Env<'_>) -> bool {
        let len = packet.len() as u32;
        let hash = flow_hash(&packet, env.network_offset);
        let at = ((u64::from(hash) * self.flows.len() as u64) >> 32) as usize;
        let Some(flow) = self.flows.get_mut(at) else {
            env.drop(packet);
            return false;
        };
        flow.queue.push(packet, env);
        if !flow.listed {
            (flow.listed, flow.deficit) = (true, i64::from(self.quantum));
            self.new.push_back(at);
            self.new_flow_count += 1;
        }
        self.packets += 1;
        self.bytes += len;
        self.memory += len + OVERHEAD;
        if self.packets > self.limit || self.memory > self.memory_limit {
            let before = self.packets;
            self.drop_from_longest(stats, env);
            self.drop_overlimit += before - self.packets;
        }
        true
    }

    /// Drops from the longest queue, half of it at most (`fq_codel_drop`).
    fn drop_from_longest(&mut self, stats: &mut QdiscStats, env: &mut Env<'_>) {
        // The first of those that are equally long.
        let longest = self.flows.iter().enumerate().rev().max_by_key(|(_, flow)| flow.queue.bytes).map(|(at, _)| at);
        let Some(flow) = longest.and_then(|at| self.flows.get_mut(at)) else { return };
        let (half, mut len, mut count) = (flow.queue.bytes / 2, 0, 0);
        while let Some((packet, _)) = flow.queue.pop() {
            len += packet.len() as u32;
            count += 1;
            env.drop(packet);
            if count >= self.drop_batch || len >= half {
                break;
            }
        }
        flow.queue.count = flow.queue.count.wrapping_add(count);
        stats.drops += count;
        self.packets -= count;
        self.bytes -= len;
        self.memory -= len + count * OVERHEAD;
    }

    pub(super) fn dequeue(&mut self, stats: &mut QdiscStats, env: &mut Env<'_>) -> Next {
        loop {
            let is_new = !self.new.is_empty();
            let list = if is_new { &mut self.new } else { &mut self.old };
            let Some(at) = list.front().copied() else { return Next::Empty };
            let Some(flow) = self.flows.get_mut(at) else { return Next::Empty };
            if flow.deficit <= 0 {
                flow.deficit += i64::from(self.quantum);
                list.pop_front();
                self.old.push_back(at);
                continue;
            }
            let (packets, memory) = (&mut self.packets, &mut self.memory);
            let mut gone = |len: usize| {
                *packets -= 1;
                *memory -= len as u32 + OVERHEAD;
            };
            let mut drop = |packet: Packet, env: &mut Env<'_>| {
                gone(packet.len());
                stats.drops += 1;
                env.drop(packet);
            };
            let bytes = &mut self.bytes;
            match flow.queue.dequeue(&self.params, &mut self.counted, bytes, env, &mut drop) {
                Some(packet) => {
                    gone(packet.len());
                    flow.deficit -= packet.len() as i64;
                    return Next::Packet(packet);
                }
                // A new one that is empty waits behind the old ones, so that they are not starved.
                None => {
                    list.pop_front();
                    if is_new && !self.old.is_empty() {
                        self.old.push_back(at);
                    } else {
                        flow.listed = false;
                    }
                }
            }
        }
    }

    pub(super) const fn backlog(&self) -> (u32, u32) {
        (self.packets, self.bytes)
    }

    pub(super) fn reset(&mut self, env: &mut Env<'_>) {
        for flow in &mut self.flows {
            while let Some((packet, _)) = flow.queue.pop() {
                env.drop(packet);
            }
            *flow = Flow::default();
        }
        self.new.clear();
        self.old.clear();
        (self.packets, self.bytes, self.memory) = (0, 0, 0);
    }
}
