//! Queueing disciplines: what stands between a link and its driver. One file per discipline, one line each in the
//! [`registry`]. Models `net/sched/sch_generic.c` and `net/sched/sch_api.c`.
//!
//! A discipline takes packets ([`Qdisc::enqueue`]) and is asked for the next one to be sent ([`Qdisc::dequeue`]); it
//! answers with a packet, with the time when there will be one, or that it is empty. Classful ones have others inside.

pub mod codel;
pub mod distribution;
pub mod fifo;
pub mod fq_codel;
mod inner;
pub mod mq;
pub mod netem;
pub mod prio;
pub mod registry;
pub mod tbf;

use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_protocols::wire::{FromBytes, ipv4};
use hopwise_sim_core::{Errno, Packet, Pool, Rng, Time};

use fifo::{Bands, Fifo};
use fq_codel::{FqCodel, FqCodelOptions};
use mq::Mq;
use netem::{Netem, NetemOptions};
use prio::{Prio, PrioOptions};
use tbf::{Tbf, TbfOptions};

/// What a discipline works with: the time, the buffers, and who is told of what it drops.
pub struct Env<'a> {
    /// The present.
    pub now: Time,
    /// The packet buffers.
    pub pool: &'a mut Pool,
    /// Copies that netem made: they enter the whole queue again from its root (`qdisc_root_bh`).
    pub copies: &'a mut Vec<Packet>,
    /// What is entering is such a copy, and not copied again.
    pub is_copy: bool,
    /// Where the network header begins in a packet of this link.
    pub network_offset: usize,
    /// Hears of each packet that is dropped.
    pub dropped: &'a mut dyn FnMut(&Packet),
}

impl Env<'_> {
    /// Ends a packet's life.
    pub fn drop(&mut self, packet: Packet) {
        (self.dropped)(&packet);
        self.pool.dropped(packet);
    }
}

/// The IPv4 header of a packet that is about to be sent, if it is one.
fn ipv4_mut(packet: &mut Packet, offset: usize) -> Option<&mut ipv4::Header> {
    let data = packet.data_mut();
    if offset == ETH_HLEN && data.get(12..14) != Some(&[8, 0]) {
        return None;
    }
    let (header, _) = ipv4::Header::mut_from_prefix(data.get_mut(offset..)?).ok()?;
    (header.version_ihl >> 4 == 4).then_some(header)
}

/// A number that the packets of one flow share (`skb_get_hash`): of addresses, protocol and, unless it is a fragment, ports, mixed as
/// FNV-1a does.
fn flow_hash(packet: &Packet, offset: usize) -> u32 {
    let data = packet.data().get(offset..).unwrap_or_default();
    let fragment = data.get(6..8).is_some_and(|bytes| bytes[0] & 0x3f != 0 || bytes[1] != 0);
    let (protocol, rest) = (data.get(9..10).unwrap_or_default(), data.get(12..).unwrap_or_default());
    let ports = matches!(protocol, [6 | 17]) && !fragment;
    let rest = rest.get(..if ports { 12 } else { 8 }).unwrap_or(rest);
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    protocol.iter().chain(rest).fold(0x811c_9dc5, mix)
}

/// What a discipline answers when it is asked for a packet.
#[derive(Debug)]
pub enum Next {
    /// This one is sent now.
    Packet(Packet),
    /// None before this time.
    At(Time),
    /// There is none.
    Empty,
}

/// What a link is like, as far as its disciplines want to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkFacts {
    /// MTU in bytes.
    pub mtu: u32,
    /// Bytes of link-layer header.
    pub header: u32,
    /// Length of the transmit queue in packets.
    pub queue_len: u32,
    /// How many queues it has for sending.
    pub queues: u32,
    /// How many of them it uses.
    pub used_queues: u32,
}

/// The counters of a discipline (`struct gnet_stats_basic`, `gnet_stats_queue`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QdiscStats {
    /// Bytes that left it.
    pub bytes: u64,
    /// Packets that left it.
    pub packets: u64,
    /// Packets it dropped.
    pub drops: u32,
    /// How often it held back a packet because of the rate.
    pub overlimits: u32,
    /// Packets put in front of others.
    pub requeues: u32,
}

/// What a discipline shall be like, by its name and options.
#[derive(Clone, PartialEq, Debug)]
pub enum Spec {
    /// Delay, loss, duplication, corruption, reordering, rate.
    Netem(Box<NetemOptions>),
    /// A token bucket.
    Tbf(TbfOptions),
    /// At most so many packets; `None`: the link's queue length.
    Pfifo(Option<u32>),
    /// At most so many bytes; `None`: the link's queue length in full frames.
    Bfifo(Option<u32>),
    /// Three bands, the kernel's default.
    PfifoFast,
    /// Bands with disciplines of their own inside.
    Prio(PrioOptions),
    /// No queue at all.
    Noqueue,
    /// A discipline for each of the link's queues.
    Mq,
    /// A queue for each flow, each controlled by CoDel.
    FqCodel(Box<FqCodelOptions>),
}

impl Spec {
    /// The name of the discipline.
    pub const fn kind(&self) -> &'static str {
        match self {
            Spec::Netem(_) => "netem",
            Spec::Tbf(_) => "tbf",
            Spec::Pfifo(_) => "pfifo",
            Spec::Bfifo(_) => "bfifo",
            Spec::PfifoFast => "pfifo_fast",
            Spec::Prio(_) => "prio",
            Spec::Noqueue => "noqueue",
            Spec::Mq => "mq",
            Spec::FqCodel(_) => "fq_codel",
        }
    }
}

/// The state of each kind of discipline.
#[derive(Clone, Debug)]
pub enum Discipline {
    /// See [`netem`].
    Netem(Box<Netem>),
    /// See [`tbf`].
    Tbf(Box<Tbf>),
    /// See [`fifo`].
    Fifo(Fifo),
    /// See [`fifo`].
    PfifoFast(Box<Bands>),
    /// See [`prio`].
    Prio(Box<Prio>),
    /// What comes in goes out at once (`noqueue_qdisc_ops`); a packet is here for no time, and is not counted.
    Noqueue(Option<Packet>),
    /// See [`mq`].
    Mq(Box<Mq>),
    /// Drops everything (`noop_qdisc`).
    Noop,
    /// See [`fq_codel`].
    FqCodel(Box<FqCodel>),
}

/// A discipline with its handle and counters.
#[derive(Clone, Debug)]
pub struct Qdisc {
    /// The major number of its handle; 0 for those that the kernel made itself, which are not listed.
    pub handle: u16,
    /// The minor number of the class of its parent that it serves.
    pub class: u16,
    /// Counters.
    pub stats: QdiscStats,
    /// What it does.
    pub discipline: Discipline,
}

impl Qdisc {
    /// A new discipline.
    ///
    /// # Errors
    /// `EINVAL` for options that do not fit together.
    pub fn new(spec: Spec, handle: u16, class: u16, link: LinkFacts, rng: Rng) -> Result<Self, Errno> {
        let discipline = match spec {
            Spec::Netem(options) => Discipline::Netem(Box::new(Netem::new(&options, rng))),
            Spec::Tbf(options) => Discipline::Tbf(Box::new(Tbf::new(&options, link)?)),
            Spec::Pfifo(limit) => Discipline::Fifo(Fifo::packets(limit.unwrap_or(link.queue_len))),
            Spec::Bfifo(limit) => {
                Discipline::Fifo(Fifo::bytes(limit.unwrap_or(link.queue_len.saturating_mul(link.mtu + link.header))))
            }
            Spec::PfifoFast => Discipline::PfifoFast(Box::new(Bands::new(link.queue_len))),
            Spec::Prio(options) => Discipline::Prio(Box::new(Prio::new(&options, link)?)),
            Spec::Noqueue => Discipline::Noqueue(None),
            Spec::Mq => Discipline::Mq(Box::new(Mq::new(link)?)),
            Spec::FqCodel(options) => Discipline::FqCodel(Box::new(FqCodel::new(&options, link)?)),
        };
        Ok(Qdisc { handle, class, stats: QdiscStats::default(), discipline })
    }

    /// Changes its options; those that are not given stay, as each kind does it. Packets in it stay.
    ///
    /// # Errors
    /// `EINVAL` for options that do not fit together or are of another kind, `EOPNOTSUPP` if it has none.
    pub fn change(&mut self, spec: Spec, link: LinkFacts, now: Time) -> Result<(), Errno> {
        match (&mut self.discipline, spec) {
            (Discipline::Netem(netem), Spec::Netem(options)) => netem.change(&options),
            (Discipline::Tbf(tbf), Spec::Tbf(options)) => return tbf.change(&options, link, now),
            (Discipline::Fifo(fifo), Spec::Pfifo(limit)) => fifo.set_limit(limit.unwrap_or(link.queue_len)),
            (Discipline::Fifo(fifo), Spec::Bfifo(limit)) => {
                fifo.set_limit(limit.unwrap_or(link.queue_len.saturating_mul(link.mtu + link.header)));
            }
            (Discipline::Prio(prio), Spec::Prio(options)) => return prio.change(&options, link),
            (Discipline::FqCodel(fq), Spec::FqCodel(options)) => return fq.change(&options),
            (Discipline::PfifoFast(_), Spec::PfifoFast)
            | (Discipline::Noqueue(_), Spec::Noqueue)
            | (Discipline::Mq(_), Spec::Mq) => {}
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match &self.discipline {
            Discipline::Netem(_) => "netem",
            Discipline::Tbf(_) => "tbf",
            Discipline::Fifo(fifo) if fifo.in_bytes => "bfifo",
            Discipline::Fifo(_) => "pfifo",
            Discipline::PfifoFast(_) => "pfifo_fast",
            Discipline::Prio(_) => "prio",
            Discipline::Noqueue(_) => "noqueue",
            Discipline::Mq(_) => "mq",
            Discipline::Noop => "noop",
            Discipline::FqCodel(_) => "fq_codel",
        }
    }

    /// Takes a packet. False if it was not kept: it was dropped, and who gave it counts that.
    pub fn enqueue(&mut self, packet: Packet, env: &mut Env<'_>) -> bool {
        let kept = match &mut self.discipline {
            Discipline::Netem(netem) => netem.enqueue(packet, &mut self.stats, env),
            Discipline::Tbf(tbf) => tbf.enqueue(packet, env),
            Discipline::Fifo(fifo) => fifo.enqueue(packet, env),
            Discipline::PfifoFast(bands) => bands.enqueue(packet, env),
            Discipline::Prio(prio) => prio.enqueue(packet, self.handle, env),
            Discipline::Mq(mq) => mq.enqueue(packet, env),
            Discipline::FqCodel(fq) => fq.enqueue(packet, &mut self.stats, env),
            Discipline::Noop => {
                env.drop(packet);
                false
            }
            Discipline::Noqueue(place) => {
                if let Some(old) = place.replace(packet) {
                    env.drop(old);
                }
                true
            }
        };
        self.stats.drops += u32::from(!kept);
        kept
    }

    /// The next packet to be sent.
    pub fn dequeue(&mut self, env: &mut Env<'_>) -> Next {
        let next = match &mut self.discipline {
            Discipline::Netem(netem) => netem.dequeue(&mut self.stats, env),
            Discipline::Tbf(tbf) => tbf.dequeue(&mut self.stats, env),
            Discipline::Fifo(fifo) => fifo.dequeue(),
            Discipline::PfifoFast(bands) => bands.dequeue(),
            Discipline::Prio(prio) => inner::dequeue(&mut prio.bands, env),
            Discipline::Mq(mq) => inner::dequeue(&mut mq.queues, env),
            Discipline::FqCodel(fq) => fq.dequeue(&mut self.stats, env),
            Discipline::Noop => Next::Empty,
            Discipline::Noqueue(place) => return place.take().map_or(Next::Empty, Next::Packet),
        };
        if let Next::Packet(packet) = &next {
            self.stats.packets += 1;
            self.stats.bytes += packet.len() as u64;
        }
        next
    }

    /// How many packets and bytes wait in it, those in its classes included.
    pub fn backlog(&self) -> (u32, u32) {
        match &self.discipline {
            Discipline::Netem(netem) => netem.backlog(),
            Discipline::Tbf(tbf) => tbf.backlog(),
            Discipline::Fifo(fifo) => fifo.backlog(),
            Discipline::PfifoFast(bands) => bands.backlog(),
            Discipline::Prio(prio) => inner::backlog(&prio.bands),
            Discipline::Mq(mq) => inner::backlog(&mq.queues),
            Discipline::FqCodel(fq) => fq.backlog(),
            Discipline::Noqueue(_) | Discipline::Noop => (0, 0),
        }
    }

    /// Drops everything that waits (`qdisc_reset`).
    pub fn reset(&mut self, env: &mut Env<'_>) {
        match &mut self.discipline {
            Discipline::Netem(netem) => netem.reset(env),
            Discipline::Tbf(tbf) => tbf.reset(env),
            Discipline::Fifo(fifo) => fifo.reset(env),
            Discipline::PfifoFast(bands) => bands.reset(env),
            Discipline::Prio(prio) => inner::reset(&mut prio.bands, env),
            Discipline::Mq(mq) => inner::reset(&mut mq.queues, env),
            Discipline::FqCodel(fq) => fq.reset(env),
            Discipline::Noop => {}
            Discipline::Noqueue(place) => place.take().into_iter().for_each(|packet| env.drop(packet)),
        }
    }

    /// The disciplines in its classes, in order.
    pub fn children(&self) -> impl Iterator<Item = &Qdisc> {
        let (one, many): (Option<&Qdisc>, &[Qdisc]) = match &self.discipline {
            Discipline::Netem(netem) => (netem.inner.as_deref(), &[]),
            Discipline::Tbf(tbf) => (tbf.inner.as_deref(), &[]),
            Discipline::Prio(prio) => (None, &prio.bands),
            Discipline::Mq(mq) => (None, &mq.queues),
            _ => (None, &[]),
        };
        one.into_iter().chain(many)
    }

    /// The same, to be changed.
    pub fn children_mut(&mut self) -> impl Iterator<Item = &mut Qdisc> {
        let (one, many): (Option<&mut Qdisc>, &mut [Qdisc]) = match &mut self.discipline {
            Discipline::Netem(netem) => (netem.inner.as_deref_mut(), &mut []),
            Discipline::Tbf(tbf) => (tbf.inner.as_deref_mut(), &mut []),
            Discipline::Prio(prio) => (None, &mut prio.bands),
            Discipline::Mq(mq) => (None, &mut mq.queues),
            _ => (None, &mut []),
        };
        one.into_iter().chain(many)
    }

    /// Whether it has classes.
    pub const fn is_classful(&self) -> bool {
        matches!(self.discipline, Discipline::Netem(_) | Discipline::Tbf(_) | Discipline::Prio(_) | Discipline::Mq(_))
    }

    /// Whether it has a class of that minor number. Those with one class take any number for it.
    pub fn has_class(&self, minor: u16) -> bool {
        match &self.discipline {
            Discipline::Prio(prio) => minor >= 1 && usize::from(minor) <= prio.bands.len(),
            Discipline::Mq(mq) => minor >= 1 && usize::from(minor) <= mq.queues.len(),
            _ => self.is_classful(),
        }
    }

    /// The discipline in the class of that minor number, if there is one (`leaf`).
    pub fn leaf(&self, minor: u16) -> Option<&Qdisc> {
        match &self.discipline {
            Discipline::Netem(netem) => netem.inner.as_deref(),
            Discipline::Tbf(tbf) => tbf.inner.as_deref(),
            Discipline::Prio(prio) => prio.bands.get(usize::from(minor.checked_sub(1)?)),
            Discipline::Mq(mq) => mq.queues.get(usize::from(minor.checked_sub(1)?)),
            _ => None,
        }
    }

    /// Puts another discipline into a class, or takes the one there out; gives the old one (`graft`). What is left in
    /// a class of prio is a queue as it was in the beginning; a token bucket with nothing inside drops everything.
    pub fn graft(&mut self, minor: u16, new: Option<Qdisc>, link: LinkFacts) -> Option<Qdisc> {
        match &mut self.discipline {
            Discipline::Netem(netem) => core::mem::replace(&mut netem.inner, new.map(Box::new)).map(|old| *old),
            Discipline::Tbf(tbf) => tbf.graft(new),
            Discipline::Prio(prio) => {
                let place = prio.bands.get_mut(usize::from(minor.checked_sub(1)?))?;
                Some(core::mem::replace(place, new.unwrap_or_else(|| prio::default_band(minor, link))))
            }
            Discipline::Mq(mq) => {
                let place = mq.queues.get_mut(usize::from(minor.checked_sub(1)?))?;
                Some(core::mem::replace(place, new.unwrap_or_else(|| mq::no_queue(minor))))
            }
            _ => None,
        }
    }

    /// The discipline of that handle: this one or one inside (`qdisc_lookup`).
    pub fn find(&self, handle: u16) -> Option<&Qdisc> {
        if self.handle == handle {
            return Some(self);
        }
        self.children().find_map(|child| child.find(handle))
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, handle: u16) -> Option<&mut Qdisc> {
        if self.handle == handle {
            return Some(self);
        }
        self.children_mut().find_map(|child| child.find_mut(handle))
    }

    /// How many disciplines stand one inside the other, this one included.
    pub fn depth(&self) -> usize {
        1 + self.children().map(Qdisc::depth).max().unwrap_or(0)
    }
}

/// The discipline at the root of a link, with the timer that wakes it (`qdisc_watchdog`).
#[derive(Clone, Debug)]
pub struct Root {
    /// The discipline.
    pub qdisc: Qdisc,
    /// When a timer is set that asks it again.
    pub watchdog: Option<Time>,
    /// Room for the copies that netem makes.
    copies: Vec<Packet>,
    /// A packet that goes past the discipline, because nothing waits there (`TCQ_F_CAN_BYPASS`).
    direct: Option<Packet>,
}

impl Root {
    /// A root with that discipline.
    pub const fn new(qdisc: Qdisc) -> Self {
        Root { qdisc, watchdog: None, copies: Vec::new(), direct: None }
    }

    /// Takes a packet to be sent.
    pub fn enqueue(
        &mut self,
        packet: Packet,
        now: Time,
        pool: &mut Pool,
        offset: usize,
        dropped: &mut dyn FnMut(&Packet),
    ) {
        // The fifos bypass themselves, too, but there is nothing by which one could tell.
        if matches!(self.qdisc.discipline, Discipline::FqCodel(_)) && self.qdisc.backlog().0 == 0 {
            self.direct = Some(packet);
            return;
        }
        let mut env = Env { now, pool, copies: &mut self.copies, is_copy: false, network_offset: offset, dropped };
        self.qdisc.enqueue(packet, &mut env);
        Self::again(&mut self.qdisc, &mut env);
    }

    /// Gives the next packet to be sent.
    pub fn dequeue(&mut self, now: Time, pool: &mut Pool, offset: usize, dropped: &mut dyn FnMut(&Packet)) -> Next {
        if let Some(packet) = self.direct.take() {
            self.qdisc.stats.packets += 1;
            self.qdisc.stats.bytes += packet.len() as u64;
            return Next::Packet(packet);
        }
        let mut env = Env { now, pool, copies: &mut self.copies, is_copy: false, network_offset: offset, dropped };
        let next = self.qdisc.dequeue(&mut env);
        if env.copies.is_empty() {
            return next;
        }
        // A netem inside another one made copies while its packets came to it.
        Self::again(&mut self.qdisc, &mut env);
        match next {
            Next::Packet(_) => next,
            Next::At(_) | Next::Empty => self.qdisc.dequeue(&mut env),
        }
    }

    /// Drops everything that waits.
    pub fn reset(&mut self, now: Time, pool: &mut Pool, dropped: &mut dyn FnMut(&Packet)) {
        let mut env = Env { now, pool, copies: &mut self.copies, is_copy: false, network_offset: 0, dropped };
        self.direct.take().into_iter().for_each(|packet| env.drop(packet));
        self.qdisc.reset(&mut env);
    }

    fn again(qdisc: &mut Qdisc, env: &mut Env<'_>) {
        env.is_copy = true;
        while let Some(copy) = env.copies.pop() {
            qdisc.enqueue(copy, env);
        }
        env.is_copy = false;
    }
}

#[cfg(test)]
mod tests;
