//! CoDel (RFC 8289): packets that waited too long for too long are dropped, or marked. Models `include/net/codel_impl.h`.

use std::collections::VecDeque;

use hopwise_sim_core::{Packet, Time};

use super::Env;

/// A duration as CoDel counts it: in units of 1,024 ns (`codel_time_t`).
pub type Ticks = u64;

/// The ticks of a number of microseconds.
pub const fn ticks(micros: u32) -> Ticks {
    (micros as u64 * 1000) >> 10
}

/// The microseconds of a number of ticks, as they are shown (`codel_time_to_us`).
pub const fn micros(ticks: Ticks) -> u32 {
    ((ticks << 10) / 1000) as u32
}

fn now(env: &Env<'_>) -> Ticks {
    env.now.as_nanos() >> 10
}

/// What all queues share (`struct codel_params`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// How long packets may wait.
    pub target: Ticks,
    /// How long they may wait longer before something is done.
    pub interval: Ticks,
    /// Beyond this wait packets are marked; `None`: never.
    pub ce_threshold: Option<Ticks>,
    /// Packets that can be are marked instead of dropped.
    pub ecn: bool,
    /// A queue that is as short as this is let alone.
    pub mtu: u32,
}

/// What is counted for all queues together (`struct codel_stats`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// The longest packet.
    pub max_packet: u32,
    /// Packets marked.
    pub ecn_mark: u32,
    /// Packets marked because of the second threshold.
    pub ce_mark: u32,
}

/// A queue with its state of control (`struct codel_vars`).
#[derive(Clone, Debug, Default)]
pub struct Queue {
    packets: VecDeque<(Packet, Time)>,
    /// Bytes in it.
    pub bytes: u32,
    /// How many were dropped since the control began.
    pub count: u32,
    last_count: u32,
    dropping: bool,
    /// The inverse square root of `count`, of which 1 would be 2^16.
    inverse_root: u16,
    first_above: Option<Ticks>,
    drop_next: Ticks,
    waited: Ticks,
}

impl Queue {
    /// How many packets are in it.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// One more packet.
    pub fn push(&mut self, packet: Packet, env: &Env<'_>) {
        self.bytes += packet.len() as u32;
        self.packets.push_back((packet, env.now));
    }

    /// The one that has waited longest, without control.
    pub fn pop(&mut self) -> Option<(Packet, Time)> {
        let (packet, at) = self.packets.pop_front()?;
        self.bytes -= packet.len() as u32;
        Some((packet, at))
    }

    /// `codel_should_drop`: whether the packet just taken waited too long, and those before it did.
    fn should_drop(
        &mut self,
        taken: Option<&(Packet, Time)>,
        p: &Params,
        counted: &mut Counted,
        backlog: u32,
        env: &Env<'_>,
    ) -> bool {
        let Some((packet, at)) = taken else {
            self.first_above = None;
            return false;
        };
        let now = now(env);
        self.waited = now.saturating_sub(at.as_nanos() >> 10);
        counted.max_packet = counted.max_packet.max(packet.len() as u32);
        if self.waited < p.target || backlog <= p.mtu {
            self.first_above = None;
            return false;
        }
        match self.first_above {
            None => {
                self.first_above = Some(now + p.interval);
                false
            }
            Some(since) => now > since,
        }
    }

    /// `codel_Newton_step`: the inverse square root follows the count.
    fn newton_step(&mut self) {
        let root = u64::from(self.inverse_root) << 16;
        let square = (root * root) >> 32;
        let value = (3_u64 << 32).wrapping_sub(u64::from(self.count).wrapping_mul(square)) >> 2;
        self.inverse_root = ((value.wrapping_mul(root) >> 31) >> 16) as u16;
    }

    /// `codel_control_law`: the next one is due the sooner, the more there were.
    fn control_law(&self, at: Ticks, p: &Params) -> Ticks {
        at + ((p.interval * (u64::from(self.inverse_root) << 16)) >> 32)
    }

    /// The next packet to be sent, after those that are dropped; `drop` hears of them. `backlog` is that of all queues, which each
    /// packet taken lowers (`codel_dequeue`).
    pub fn dequeue(
        &mut self,
        p: &Params,
        counted: &mut Counted,
        backlog: &mut u32,
        env: &mut Env<'_>,
        drop: &mut dyn FnMut(Packet, &mut Env<'_>),
    ) -> Option<Packet> {
        let mut take = |queue: &mut Self, env: &Env<'_>| {
            let taken = queue.pop();
            *backlog -= taken.as_ref().map_or(0, |(packet, _)| packet.len() as u32);
            let late = queue.should_drop(taken.as_ref(), p, counted, *backlog, env);
            (taken, late)
        };
        let (mut taken, late) = take(self, env);
        let mut marked = 0;
        if self.dropping {
            if !late {
                self.dropping = false;
            }
            while self.dropping && now(env) >= self.drop_next {
                self.count = self.count.wrapping_add(1);
                self.newton_step();
                if p.ecn && taken.as_mut().is_some_and(|(packet, _)| mark(packet, env)) {
                    marked += 1;
                    self.drop_next = self.control_law(self.drop_next, p);
                    break;
                }
                taken.take().into_iter().for_each(|(packet, _)| drop(packet, env));
                let (next, late) = take(self, env);
                taken = next;
                if late {
                    self.drop_next = self.control_law(self.drop_next, p);
                } else {
                    self.dropping = false;
                }
            }
        } else if late {
            if p.ecn && taken.as_mut().is_some_and(|(packet, _)| mark(packet, env)) {
                marked += 1;
            } else {
                taken.take().into_iter().for_each(|(packet, _)| drop(packet, env));
                taken = take(self, env).0;
            }
            self.begin(p, env);
        }
        counted.ecn_mark += marked;
        let (mut packet, _) = taken?;
        if p.ce_threshold.is_some_and(|threshold| self.waited > threshold) && mark(&mut packet, env) {
            counted.ce_mark += 1;
        }
        Some(packet)
    }

    /// The control begins; if it ended not long ago, at the rate that it had then.
    fn begin(&mut self, p: &Params, env: &Env<'_>) {
        self.dropping = true;
        let now = now(env);
        let delta = self.count.wrapping_sub(self.last_count);
        if delta > 1 && delta < u32::MAX / 2 && now.saturating_sub(self.drop_next) < 16 * p.interval {
            self.count = delta;
            self.newton_step();
        } else {
            self.count = 1;
            self.inverse_root = u16::MAX;
        }
        self.last_count = self.count;
        self.drop_next = self.control_law(now, p);
    }
}

/// Marks a packet, if its sender takes part (`INET_ECN_set_ce`).
fn mark(packet: &mut Packet, env: &Env<'_>) -> bool {
    let Some(header) = super::ipv4_mut(packet, env.network_offset).filter(|header| header.tos & 3 != 0) else {
        return false;
    };
    header.set_tos(header.tos | 3);
    true
}
