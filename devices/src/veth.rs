//! `veth`: a pair of links, each handing its frames to the other. Models `drivers/net/veth.c`.
//!
//! A NIC at the end of a wire between two machines is one too (as in containerlab), with a [`Wire`] that delays,
//! limits and loses frames.

use std::collections::VecDeque;

use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_protocols::wire::vlan::VLAN_HLEN;
use hopwise_sim_core::{Duration, IfIndex, NsId, Rng, Time};

use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::{Link, OperState};

/// How long a frame takes from one end to the other when there is no wire in between: the order of a softirq.
pub const CROSSING: Duration = Duration::from_micros(10);

/// How many frames wait for a wire or travel along it; what comes then is dropped (netem's `limit` where none is given).
pub const WIRE_LIMIT: usize = 1000;

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "veth",
    summary: "a pair of links; a NIC on a wire between two machines",
    hw: HwType::Ether,
    mtu: (68, 65535),
    setup,
    describe: |_, _| {},
    queues: (2, 2),
    driver: "veth",
    speed: Some(10_000),
    immutable_netns: false,
};

fn setup(link: &mut Link) {
    // veth_newlink: the carrier comes when both ends are up.
    link.carrier = false;
    link.operstate = OperState::Unknown;
}

/// The state of one end.
#[derive(Clone, Debug)]
pub struct Veth {
    /// Where the other end is.
    pub peer: (NsId, IfIndex),
    /// The other end's MTU: it takes nothing that is longer.
    pub peer_mtu: u32,
    /// The other end is on another machine: what only a kernel knows of its packets does not get there.
    pub far: bool,
    /// The wire between them, for NICs of different machines.
    pub wire: Option<Box<Wire>>,
}

/// The transmitting side of a wire.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Its number, by which it can be changed; 0: it stays as it is.
    pub number: u32,
    /// It is cut: no frame passes, and neither end has a carrier.
    pub cut: bool,
    /// One-way delay.
    pub delay: Duration,
    /// Bits per second; 0: no limit.
    pub rate: u64,
    /// Lost frames per million.
    pub loss_ppm: u32,
    /// Uniformly random extra delay, up to this. Frames keep their order.
    pub jitter: Duration,
    /// When the last bit of the last frame has been sent.
    pub busy_until: Time,
    /// When each frame that is on the wire, or waits for it, has arrived: at most [`WIRE_LIMIT`].
    pub queued: VecDeque<Time>,
    /// Draws losses and jitter.
    pub rng: Rng,
}

/// What a wire does with a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// It arrives this much later.
    After(Duration),
    /// It is lost.
    Lost,
    /// Too many wait before it.
    Full,
    /// The wire is cut.
    Cut,
    /// The other end takes no frame of this length.
    TooLong,
}

impl Wire {
    /// Sends a frame of `len` bytes at `now`: it waits for those before it, takes its time at the wire's rate, and
    /// travels for the delay. Models `netem_enqueue`.
    pub fn send(&mut self, now: Time, len: usize) -> Sent {
        if self.cut {
            return Sent::Cut;
        }
        if self.loss_ppm > 0 && self.rng.below(1_000_000) < self.loss_ppm {
            return Sent::Lost;
        }
        while self.queued.front().is_some_and(|at| *at <= now) {
            self.queued.pop_front();
        }
        if self.queued.len() >= WIRE_LIMIT {
            return Sent::Full;
        }
        let mut done = now;
        if let Some(nanos) = (len as u64 * 8 * 1_000_000_000).checked_div(self.rate) {
            done = self.busy_until.max(now) + Duration::from_nanos(nanos);
            self.busy_until = done;
        }
        let jitter = u32::try_from(self.jitter.as_micros()).unwrap_or(u32::MAX);
        let arrival = done + self.delay + Duration::from_micros(u64::from(self.rng.below(jitter)));
        self.queued.push_back(arrival);
        Sent::After(arrival.since(now).max(CROSSING))
    }
}

impl Veth {
    /// One end that does not know the other one yet.
    pub const fn alone() -> Self {
        Veth { peer: (NsId(0), IfIndex::NONE), peer_mtu: 0, far: false, wire: None }
    }

    /// Whether it is the end of a wire that is cut.
    pub fn is_cut(&self) -> bool {
        self.wire.as_ref().is_some_and(|wire| wire.cut)
    }

    /// Sends a frame of `len` bytes at `now`.
    #[inline]
    pub fn send(&mut self, now: Time, len: usize) -> Sent {
        // veth_forward_skb: __is_skb_forwardable of the other end.
        if len > self.peer_mtu as usize + ETH_HLEN + VLAN_HLEN {
            return Sent::TooLong;
        }
        match &mut self.wire {
            None => Sent::After(CROSSING),
            Some(wire) => wire.send(now, len),
        }
    }
}
