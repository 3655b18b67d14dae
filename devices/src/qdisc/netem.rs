//! `netem`: delay, loss, duplication, corruption, reordering and rate. Models `net/sched/sch_netem.c`, with a random
//! stream of its own instead of the kernel's generator.

use std::collections::VecDeque;

use core::time::Duration;

use hopwise_protocols::wire::ipv4::INET_ECN_MASK;
use hopwise_sim_core::{Packet, Rng, Time};

use super::distribution::{Distribution, SCALE, SIZE};
use super::{Env, Next, Qdisc, QdiscStats};

/// A probability of 100 %.
pub const ALWAYS: u32 = u32::MAX;

/// How packets are lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// Each with this probability.
    Random(u32),
    /// A chain of four states: `loss state`.
    States {
        /// From gap to burst.
        p13: u32,
        /// From burst to gap.
        p31: u32,
        /// From burst to good within burst.
        p32: u32,
        /// From good within burst to burst.
        p23: u32,
        /// A loss alone within a gap.
        p14: u32,
    },
    /// Gilbert and Elliott's two states: `loss gemodel`.
    Gemodel {
        /// From good to bad.
        p: u32,
        /// From bad to good.
        r: u32,
        /// Loss in the bad state, `1-h`.
        bad: u32,
        /// Loss in the good state, `1-k`.
        good: u32,
    },
}

impl Default for Loss {
    fn default() -> Self {
        Loss::Random(0)
    }
}

/// The rate of netem, and what it counts on top of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NetemRate {
    /// Bytes per second; 0: no limit.
    pub bytes_per_second: u64,
    /// Bytes added to each packet.
    pub overhead: i32,
    /// Packets are cut into cells of this size; 0: not.
    pub cell: u32,
    /// Bytes added to each cell.
    pub cell_overhead: i32,
}

/// The options of `tc qdisc add ... netem`, in netlink's units. What is `None` stays as it is on a change.
#[derive(Clone, PartialEq, Debug)]
pub struct NetemOptions {
    /// Delay in nanoseconds.
    pub latency: u64,
    /// Deviation of the delay in nanoseconds.
    pub jitter: u64,
    /// The distribution of the deviation; `None`: uniform.
    pub distribution: Option<&'static Distribution>,
    /// How many packets it holds at most.
    pub limit: u32,
    /// Every so many-th packet is put in front; 0: none.
    pub gap: u32,
    /// Loss.
    pub loss: Loss,
    /// Probability of a second copy.
    pub duplicate: u32,
    /// Correlations of delay, loss and duplication with those of the packet before.
    pub correlation: Option<(u32, u32, u32)>,
    /// Probability and correlation of reordering.
    pub reorder: Option<(u32, u32)>,
    /// Probability and correlation of a flipped bit.
    pub corrupt: Option<(u32, u32)>,
    /// Rate.
    pub rate: Option<NetemRate>,
    /// Packets that can be are marked instead of being lost.
    pub ecn: Option<bool>,
}

impl Default for NetemOptions {
    fn default() -> Self {
        NetemOptions {
            latency: 0,
            jitter: 0,
            distribution: None,
            limit: 1000,
            gap: 0,
            loss: Loss::default(),
            duplicate: 0,
            correlation: None,
            reorder: None,
            corrupt: None,
            rate: None,
            ecn: None,
        }
    }
}

/// A source of random numbers of which each resembles the one before (`struct crndstate`).
#[derive(Clone, Copy, Debug, Default)]
struct Correlated {
    last: u32,
    rho: u32,
}

impl Correlated {
    /// `get_crandom`.
    fn next(&mut self, rng: &mut Rng) -> u32 {
        let value = rng.next_u32();
        if self.rho == 0 {
            return value;
        }
        let rho = u128::from(self.rho) + 1;
        let mixed = u128::from(value) * ((1 << 32) - rho) + u128::from(self.last) * rho;
        self.last = (mixed >> 32) as u32;
        self.last
    }
}

/// Where the chain of `loss state` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Good,
    GoodInBurst,
    Lost,
    LostInGap,
}

/// A packet with the time at which it may go.
#[derive(Clone, Debug)]
struct Waiting {
    at: Time,
    packet: Packet,
}

/// The state of the discipline.
#[derive(Clone, Debug)]
pub struct Netem {
    /// The options, all of them set.
    pub options: NetemOptions,
    /// A discipline that packets go through after their delay.
    pub inner: Option<Box<Qdisc>>,
    /// Packets by the time at which they may go; those of one time in the order of their coming.
    queue: VecDeque<Waiting>,
    /// Packets that were put in front of all.
    front: VecDeque<Packet>,
    bytes: u32,
    counter: u32,
    phase: Phase,
    delay: Correlated,
    losing: Correlated,
    duplicating: Correlated,
    reordering: Correlated,
    corrupting: Correlated,
    rng: Rng,
}

impl Netem {
    pub(super) fn new(options: &NetemOptions, rng: Rng) -> Self {
        let mut netem = Netem {
            options: NetemOptions::default(),
            inner: None,
            queue: VecDeque::new(),
            front: VecDeque::new(),
            bytes: 0,
            counter: 0,
            phase: Phase::Good,
            delay: Correlated::default(),
            losing: Correlated::default(),
            duplicating: Correlated::default(),
            reordering: Correlated::default(),
            corrupting: Correlated::default(),
            rng,
        };
        netem.change(options);
        netem
    }

    /// `netem_change`: the numbers that are always sent are taken over, of the others those that were given.
    pub(super) fn change(&mut self, options: &NetemOptions) {
        let old = &self.options;
        let new = NetemOptions {
            distribution: options.distribution.or(old.distribution),
            correlation: options.correlation.or(old.correlation),
            // For the sake of old programs a gap alone means that every such packet is put in front.
            reorder: options.reorder.or(if options.gap > 0 { Some((ALWAYS, 0)) } else { old.reorder }),
            corrupt: options.corrupt.or(old.corrupt),
            rate: options.rate.or(old.rate),
            ecn: options.ecn.or(old.ecn),
            ..options.clone()
        };
        let (delay, losing, duplicating) = new.correlation.unwrap_or_default();
        self.delay = Correlated { rho: delay, last: self.rng.next_u32() };
        self.duplicating = Correlated { rho: duplicating, last: self.rng.next_u32() };
        self.reordering = Correlated { rho: new.reorder.unwrap_or_default().1, last: self.rng.next_u32() };
        self.corrupting = Correlated { rho: new.corrupt.unwrap_or_default().1, last: self.rng.next_u32() };
        self.losing = Correlated { rho: losing, last: self.rng.next_u32() };
        self.phase = Phase::Good;
        self.counter = 0;
        self.options = new;
    }

    /// Whether the next packet is lost (`loss_event`).
    fn loses(&mut self) -> bool {
        match self.options.loss {
            Loss::Random(loss) => loss > 0 && loss >= self.losing.next(&mut self.rng),
            Loss::States { p13, p31, p32, p23, p14 } => {
                let random = self.rng.next_u32();
                self.phase = match self.phase {
                    Phase::Good if random < p14 => Phase::LostInGap,
                    Phase::Good if u64::from(random) < u64::from(p13) + u64::from(p14) => Phase::Lost,
                    Phase::Good | Phase::LostInGap => Phase::Good,
                    Phase::GoodInBurst if random < p23 => Phase::Lost,
                    Phase::GoodInBurst => Phase::GoodInBurst,
                    Phase::Lost if random < p32 => Phase::GoodInBurst,
                    Phase::Lost if u64::from(random) < u64::from(p31) + u64::from(p32) => Phase::Good,
                    Phase::Lost => Phase::Lost,
                };
                matches!(self.phase, Phase::Lost | Phase::LostInGap)
            }
            Loss::Gemodel { p, r, bad, good } => {
                let in_bad = self.phase == Phase::Lost;
                let (leaves, lost) = if in_bad { (r, bad) } else { (p, good) };
                if self.rng.next_u32() < leaves {
                    self.phase = if in_bad { Phase::Good } else { Phase::Lost };
                }
                // A probability of 100 % is the greatest number there is: it must hold for that one, too.
                let random = self.rng.next_u32();
                random < lost || lost == ALWAYS
            }
        }
    }

    /// The delay of the next packet in nanoseconds (`tabledist`).
    fn delay(&mut self) -> i64 {
        let (mu, sigma) = (self.options.latency as i64, self.options.jitter.min(i32::MAX as u64) as i64);
        if sigma == 0 {
            return mu;
        }
        let random = self.delay.next(&mut self.rng);
        match self.options.distribution {
            None => i64::from(random) % (2 * sigma) + mu - sigma,
            Some(distribution) => {
                let t = i64::from(distribution.table[random as usize % SIZE]);
                let x = (sigma % SCALE) * t;
                let x = if x >= 0 { x + SCALE / 2 } else { x - SCALE / 2 };
                x / SCALE + (sigma / SCALE) * t + mu
            }
        }
    }

    pub(super) fn enqueue(&mut self, mut packet: Packet, stats: &mut QdiscStats, env: &mut Env<'_>) -> bool {
        let twice = self.options.duplicate > 0
            && !env.is_copy
            && self.options.duplicate >= self.duplicating.next(&mut self.rng);
        if self.loses() {
            if self.options.ecn == Some(true) && set_ce(&mut packet, env.network_offset) {
                stats.drops += 1;
            } else if !twice {
                env.drop(packet);
                return false;
            }
        } else if twice {
            let copy = env.pool.copy(&packet);
            env.copies.push(copy);
        }
        let corrupt = self.options.corrupt.unwrap_or_default().0;
        if corrupt > 0 && corrupt >= self.corrupting.next(&mut self.rng) && !packet.is_empty() {
            let at = self.rng.below(packet.len() as u32) as usize;
            let bit = self.rng.below(8);
            packet.data_mut()[at] ^= 1 << bit;
        }
        if self.queue.len() as u64 >= u64::from(self.options.limit) {
            env.drop(packet);
            return false;
        }
        self.bytes += packet.len() as u32;
        let (gap, reorder) = (self.options.gap, self.options.reorder.unwrap_or_default().0);
        if gap == 0 || self.counter < gap - 1 || reorder < self.reordering.next(&mut self.rng) {
            self.counter += 1;
            let at = self.time_to_send(&packet, env.now);
            let place = self.queue.partition_point(|waiting| waiting.at <= at);
            self.queue.insert(place, Waiting { at, packet });
        } else {
            self.counter = 0;
            self.front.push_front(packet);
            stats.requeues += 1;
        }
        true
    }

    /// When a packet may go: after its delay, and with a rate not before the last bit of those before it was sent.
    fn time_to_send(&mut self, packet: &Packet, now: Time) -> Time {
        let mut delay = self.delay();
        let mut from = now;
        if let Some(rate) = self.options.rate.filter(|rate| rate.bytes_per_second > 0) {
            if let Some(last) = self.queue.back() {
                // The time until the last one goes is a part of the delay.
                let early = last.at.as_nanos() as i64 - now.as_nanos() as i64;
                delay = delay.saturating_sub(early).max(0);
                from = last.at;
            }
            delay = delay.saturating_add(rate.nanos(packet.len()));
        }
        // A delay below zero makes a packet go at once.
        from.saturating_add(Duration::from_nanos(delay.max(0) as u64))
    }

    pub(super) fn dequeue(&mut self, _: &mut QdiscStats, env: &mut Env<'_>) -> Next {
        if let Some(packet) = self.front.pop_front() {
            self.bytes -= packet.len() as u32;
            return Next::Packet(packet);
        }
        loop {
            let due = self.queue.front().map(|waiting| waiting.at);
            if due.is_some_and(|at| at <= env.now)
                && let Some(Waiting { packet, .. }) = self.queue.pop_front()
            {
                self.bytes -= packet.len() as u32;
                let Some(inner) = &mut self.inner else { return Next::Packet(packet) };
                inner.enqueue(packet, env);
                continue;
            }
            let inside = self.inner.as_mut().map_or(Next::Empty, |inner| inner.dequeue(env));
            return match (inside, due) {
                (Next::Packet(packet), _) => Next::Packet(packet),
                (Next::At(at), Some(due)) => Next::At(at.min(due)),
                (Next::At(at), None) | (Next::Empty, Some(at)) => Next::At(at),
                (Next::Empty, None) => Next::Empty,
            };
        }
    }

    pub(super) fn backlog(&self) -> (u32, u32) {
        let (packets, bytes) = self.inner.as_ref().map_or((0, 0), |inner| inner.backlog());
        (packets + (self.queue.len() + self.front.len()) as u32, bytes + self.bytes)
    }

    pub(super) fn reset(&mut self, env: &mut Env<'_>) {
        self.bytes = 0;
        self.front.drain(..).for_each(|packet| env.drop(packet));
        self.queue.drain(..).for_each(|waiting| env.drop(waiting.packet));
        self.inner.iter_mut().for_each(|inner| inner.reset(env));
    }
}

impl NetemRate {
    /// How long a packet takes, in nanoseconds (`packet_time_ns`).
    fn nanos(&self, len: usize) -> i64 {
        let mut len = (len as i128 + i128::from(self.overhead)).max(0);
        if self.cell > 0 {
            let cell = i128::from(self.cell);
            let cells = (len + cell - 1) / cell;
            len = (cells * (cell + i128::from(self.cell_overhead))).max(0);
        }
        i64::try_from(len * 1_000_000_000 / i128::from(self.bytes_per_second.max(1))).unwrap_or(i64::MAX)
    }
}

/// Marks an IPv4 packet of a sender that understands it as having met congestion (`INET_ECN_set_ce`).
fn set_ce(packet: &mut Packet, offset: usize) -> bool {
    let Some(header) = super::ipv4_mut(packet, offset) else { return false };
    if header.tos & INET_ECN_MASK == 0 {
        return false;
    }
    header.set_tos(header.tos | INET_ECN_MASK);
    true
}
