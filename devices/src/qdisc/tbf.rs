//! `tbf`: a token bucket. Models `net/sched/sch_tbf.c`.

use core::time::Duration;

use hopwise_sim_core::{Errno, Packet, Time};

use super::fifo::Fifo;
use super::{Discipline, Env, LinkFacts, Next, Qdisc, QdiscStats};

/// A rate as the kernel calculates with it (`struct psched_ratecfg`): the time of a packet is a multiplication and a
/// shift.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rate {
    /// Bytes per second; 0: no rate.
    pub bytes_per_second: u64,
    /// Bytes counted on top of each packet.
    pub overhead: u16,
    /// The least bytes that a packet counts.
    pub mpu: u16,
    /// Packets are counted in ATM cells of 53 bytes with 48 of payload.
    pub atm: bool,
    mult: u32,
    shift: u8,
}

impl Rate {
    /// `psched_ratecfg_precompute`: the multiplier is made as large as 32 bits allow.
    pub fn new(bytes_per_second: u64, overhead: u16, mpu: u16, atm: bool) -> Self {
        let mut rate = Rate { bytes_per_second, overhead, mpu, atm, mult: 1, shift: 0 };
        let mut factor: u64 = 1_000_000_000;
        while let Some(mult) = factor.checked_div(bytes_per_second) {
            rate.mult = mult as u32;
            if rate.mult & (1 << 31) != 0 || factor & (1 << 63) != 0 {
                break;
            }
            factor <<= 1;
            rate.shift += 1;
        }
        rate
    }

    /// How long a packet of `len` bytes takes, in nanoseconds (`psched_l2t_ns`).
    pub fn nanos(&self, len: u32) -> u64 {
        let len = (u64::from(len) + u64::from(self.overhead)).max(u64::from(self.mpu));
        let len = if self.atm { len.div_ceil(48) * 53 } else { len };
        len.wrapping_mul(u64::from(self.mult)) >> self.shift
    }
}

/// The options of `tc qdisc add ... tbf`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TbfOptions {
    /// The rate.
    pub rate: Rate,
    /// Size of the bucket in bytes.
    pub burst: u32,
    /// Limit of the queue in bytes.
    pub limit: u32,
    /// The rate of a second bucket.
    pub peak: Rate,
    /// The size of the second bucket in bytes.
    pub mtu: u32,
}

/// The state of the discipline.
#[derive(Clone, Debug)]
pub struct Tbf {
    /// The rate.
    pub rate: Rate,
    /// The peak rate.
    pub peak: Rate,
    /// Limit of the queue in bytes, as it was given.
    pub limit: u32,
    /// Size of the bucket in nanoseconds of the rate.
    pub buffer: i64,
    /// Size of the second bucket in nanoseconds of the peak rate.
    pub mtu: i64,
    /// Larger packets are dropped.
    pub max_size: u32,
    /// The queue inside; `None` drops everything.
    pub inner: Option<Box<Qdisc>>,
    tokens: i64,
    peak_tokens: i64,
    checked: Time,
    /// The next packet, taken out of the queue inside to be looked at.
    peeked: Option<Packet>,
}

impl Tbf {
    pub(super) fn new(options: &TbfOptions, link: LinkFacts) -> Result<Self, Errno> {
        let inner = Qdisc {
            handle: 0,
            class: 1,
            stats: QdiscStats::default(),
            discipline: Discipline::Fifo(Fifo::bytes(options.limit)),
        };
        let mut tbf = Tbf {
            rate: options.rate,
            peak: options.peak,
            limit: options.limit,
            buffer: 0,
            mtu: 0,
            max_size: 0,
            inner: Some(Box::new(inner)),
            tokens: 0,
            peak_tokens: 0,
            checked: Time::ZERO,
            peeked: None,
        };
        tbf.change(options, link, Time::ZERO)?;
        Ok(tbf)
    }

    /// `tbf_change`: the buckets are full afterwards.
    pub(super) fn change(&mut self, options: &TbfOptions, _: LinkFacts, _: Time) -> Result<(), Errno> {
        let mut max_size = options.burst;
        let has_peak = options.peak.bytes_per_second > 0;
        if has_peak {
            if options.peak.bytes_per_second <= options.rate.bytes_per_second {
                return Err(Errno::EINVAL);
            }
            max_size = max_size.min(options.mtu);
        }
        if max_size == 0 {
            return Err(Errno::EINVAL);
        }
        self.rate = options.rate;
        self.peak = options.peak;
        self.limit = options.limit;
        self.max_size = max_size;
        self.buffer = i64::try_from(options.rate.nanos(options.burst)).unwrap_or(i64::MAX >> 1);
        self.mtu = if has_peak { i64::try_from(options.peak.nanos(options.mtu)).unwrap_or(i64::MAX >> 1) } else { 0 };
        (self.tokens, self.peak_tokens) = (self.buffer, self.mtu);
        if let Some(Discipline::Fifo(fifo)) = self.inner.as_mut().map(|inner| &mut inner.discipline) {
            fifo.set_limit(options.limit);
        }
        Ok(())
    }

    pub(super) fn graft(&mut self, new: Option<Qdisc>) -> Option<Qdisc> {
        core::mem::replace(&mut self.inner, new.map(Box::new)).map(|old| *old)
    }

    pub(super) fn enqueue(&mut self, packet: Packet, env: &mut Env<'_>) -> bool {
        match &mut self.inner {
            Some(inner) if packet.len() <= self.max_size as usize => inner.enqueue(packet, env),
            _ => {
                env.drop(packet);
                false
            }
        }
    }

    pub(super) fn dequeue(&mut self, stats: &mut QdiscStats, env: &mut Env<'_>) -> Next {
        if self.peeked.is_none() {
            let Some(inner) = &mut self.inner else { return Next::Empty };
            match inner.dequeue(env) {
                Next::Packet(packet) => self.peeked = Some(packet),
                other => return other,
            }
        }
        let Some(packet) = self.peeked.take() else { return Next::Empty };
        let len = packet.len() as u32;
        let passed = i64::try_from(env.now.since(self.checked).as_nanos()).unwrap_or(i64::MAX >> 1).min(self.buffer);
        let mut peak_tokens = 0;
        if self.peak.bytes_per_second > 0 {
            peak_tokens = (passed + self.peak_tokens).min(self.mtu) - self.peak.nanos(len) as i64;
        }
        let tokens = (passed + self.tokens).min(self.buffer) - self.rate.nanos(len) as i64;
        if tokens >= 0 && peak_tokens >= 0 {
            self.checked = env.now;
            (self.tokens, self.peak_tokens) = (tokens, peak_tokens);
            return Next::Packet(packet);
        }
        self.peeked = Some(packet);
        stats.overlimits += 1;
        let missing = (-tokens).max(-peak_tokens).unsigned_abs();
        Next::At(env.now.saturating_add(Duration::from_nanos(missing)))
    }

    pub(super) fn backlog(&self) -> (u32, u32) {
        let (packets, bytes) = self.inner.as_ref().map_or((0, 0), |inner| inner.backlog());
        let peeked = self.peeked.as_ref().map(|packet| packet.len() as u32);
        (packets + u32::from(peeked.is_some()), bytes + peeked.unwrap_or(0))
    }

    pub(super) fn reset(&mut self, env: &mut Env<'_>) {
        self.peeked.take().into_iter().for_each(|packet| env.drop(packet));
        self.inner.iter_mut().for_each(|inner| inner.reset(env));
        (self.tokens, self.peak_tokens) = (self.buffer, self.mtu);
        self.checked = env.now;
    }
}
