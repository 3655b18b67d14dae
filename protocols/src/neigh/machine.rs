//! The state machine of one entry: use, time, news. `__neigh_event_send`, `neigh_timer_handler`, `__neigh_update`.

use super::entry::{NeighFlags, Neighbour, Nud, nanos, signed};
use super::parms::NeighParms;
use super::table::NeighError;
use crate::wire::MacAddr;
use core::net::Ipv4Addr;
use core::time::Duration;
use hopwise_sim_core::Time;
use smallvec::SmallVec;

bitflags::bitflags! {
    /// How news about a neighbour is to be taken. `NEIGH_UPDATE_F_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct UpdateFlags: u32 {
        /// Another link-layer address replaces the known one.
        const OVERRIDE = 1;
        /// Another address makes a connected entry stale instead of replacing its address.
        const WEAK_OVERRIDE = 2;
        /// The router flag is to be set as given.
        const OVERRIDE_ISROUTER = 4;
        /// Only make the entry be used.
        const USE = 0x1000_0000;
        /// The entry is to be kept resolved.
        const MANAGED = 0x2000_0000;
        /// A control plane told it.
        const EXT_LEARNED = 0x2000;
        /// The neighbour is a router.
        const ISROUTER = 0x4000_0000;
        /// A person or program said so, not the network.
        const ADMIN = 0x8000_0000;
    }
}

/// What is said about a neighbour.
#[derive(Clone, Copy)]
pub(super) struct News {
    /// Its address; `None`: not said.
    pub(super) lladdr: Option<MacAddr>,
    /// Its state.
    pub(super) state: Nud,
    /// How to take it.
    pub(super) how: UpdateFlags,
}

/// When to call [`super::NeighTable::timer`], and with which generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    /// When.
    pub at: Time,
    /// For which setting of the timer.
    pub generation: u32,
}

/// An ARP request to be sent. [`super::arp::solicit_source`] chooses its source address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Solicit {
    /// Whose link-layer address is wanted.
    pub target: Ipv4Addr,
    /// To this neighbour alone; `None`: to all.
    pub unicast: Option<MacAddr>,
}

/// What follows from something that happened to an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Effects<P> {
    /// Packets that go out now, in this order, to [`Effects::lladdr`].
    pub send: SmallVec<[P; 1]>,
    /// Where they go to.
    pub lladdr: MacAddr,
    /// A request to send. It may need the last packet that waits ([`Neighbour::waiting`]).
    pub solicit: Option<Solicit>,
    /// Set the timer; an earlier one of this entry is void.
    pub timer: Option<Deadline>,
    /// Packets whose destination cannot be reached: their senders get "host unreachable". `arp_error_report`.
    pub unreachable: SmallVec<[P; 1]>,
    /// Packets that found no room in the queue or whose entry refuses to ask. `SKB_DROP_REASON_NEIGH_QUEUEFULL`.
    pub dropped: SmallVec<[P; 1]>,
    /// The entry changed in a way that `ip monitor` would show.
    pub changed: bool,
}

impl<P> Default for Effects<P> {
    fn default() -> Self {
        Effects {
            send: SmallVec::new(),
            lladdr: MacAddr::ZERO,
            solicit: None,
            timer: None,
            unreachable: SmallVec::new(),
            dropped: SmallVec::new(),
            changed: false,
        }
    }
}

impl<P> Neighbour<P> {
    /// Sets the timer; `generation` is new.
    fn arm(&mut self, at: Time, generation: u32, effects: &mut Effects<P>) {
        self.generation = generation;
        effects.timer = Some(Deadline { at, generation });
    }

    /// A packet wants to go to this neighbour (or, without one, somebody wants it resolved). `neigh_event_send`, and
    /// the sending of `neigh_resolve_output`.
    pub(super) fn event_send(
        &mut self,
        now: Time,
        parms: &NeighParms,
        generation: u32,
        packet: Option<(P, u32)>,
        effects: &mut Effects<P>,
    ) {
        if !self.state.intersects(Nud::CONNECTED) {
            self.used = now;
        }
        let mut ask_now = false;
        if self.state == Nud::STALE {
            self.state = Nud::DELAY;
            self.updated = now;
            self.arm(now + parms.delay_probe_time, generation, effects);
        } else if !self.state.intersects(Nud::VALID | Nud::INCOMPLETE) {
            self.updated = now;
            if parms.mcast_probes + parms.app_probes == 0 {
                self.state = Nud::FAILED;
                self.generation = generation;
                effects.dropped.extend(packet.map(|(packet, _)| packet));
                return;
            }
            // The count begins behind the unicast requests, for which there is no address yet.
            self.probes = parms.ucast_probes;
            self.state = Nud::INCOMPLETE;
            self.arm(now + parms.retrans(), generation, effects);
            ask_now = true;
        }
        if self.state == Nud::INCOMPLETE {
            if let Some((packet, size)) = packet {
                self.enqueue(packet, size, parms.queue_len_bytes, effects);
            }
        } else {
            effects.lladdr = self.lladdr;
            effects.send.extend(packet.map(|(packet, _)| packet));
        }
        if ask_now {
            self.probe(parms, effects);
        }
    }

    /// Lets a packet wait; the oldest ones make room.
    fn enqueue(&mut self, packet: P, size: u32, limit: u32, effects: &mut Effects<P>) {
        let waiting = self.waiting.get_or_insert_default();
        while waiting.bytes.saturating_add(size) > limit {
            let Some((oldest, its_size)) = waiting.packets.pop_front() else { break };
            waiting.bytes -= its_size;
            effects.dropped.push(oldest);
        }
        waiting.bytes = waiting.bytes.saturating_add(size);
        waiting.packets.push_back((packet, size));
    }

    /// Asks once more. `neigh_probe`, and the choice in `arp_solicit` of whom to ask.
    fn probe(&mut self, parms: &NeighParms, effects: &mut Effects<P>) {
        let unicast = self.probes < parms.ucast_probes;
        if unicast || self.probes >= parms.ucast_probes + parms.app_probes {
            effects.solicit = Some(Solicit { target: self.addr, unicast: unicast.then_some(self.lladdr) });
        }
        self.probes += 1;
    }

    /// The timer ran out. `neigh_timer_handler`.
    pub(super) fn timer(&mut self, now: Time, parms: &NeighParms, generation: u32) -> Effects<P> {
        let mut effects = Effects::default();
        let mut next = now + parms.retrans();
        match self.state {
            Nud::REACHABLE => {
                if self.confirmed_within(now, parms.reachable_time) {
                    next = self.after_confirmation(parms.reachable_time);
                } else {
                    self.updated = now;
                    if now <= self.used + parms.delay_probe_time {
                        self.state = Nud::DELAY;
                        next = now + parms.delay_probe_time;
                    } else {
                        self.state = Nud::STALE;
                        effects.changed = true;
                    }
                }
            }
            Nud::DELAY => {
                self.updated = now;
                effects.changed = true;
                if self.confirmed_within(now, parms.delay_probe_time) {
                    self.state = Nud::REACHABLE;
                    next = self.after_confirmation(parms.reachable_time);
                } else {
                    self.state = Nud::PROBE;
                    self.probes = 0;
                }
            }
            Nud::PROBE | Nud::INCOMPLETE => {}
            _ => return effects,
        }
        let asking = self.state.intersects(Nud::INCOMPLETE | Nud::PROBE);
        if asking && self.probes >= self.max_probes(parms) {
            self.state = Nud::FAILED;
            effects.changed = true;
            self.invalidate(now, generation, &mut effects);
            return effects;
        }
        if self.state.intersects(Nud::IN_TIMER) {
            // The kernel's least distance between two runs of the timer: a hundredth of a second.
            self.arm(next.max(now + Duration::from_millis(10)), generation, &mut effects);
        }
        if asking {
            self.probe(parms, &mut effects);
        }
        effects
    }

    fn after_confirmation(&self, span: Duration) -> Time {
        Time::from_nanos(u64::try_from(self.confirmed.saturating_add(nanos(span))).unwrap_or(0))
    }

    /// `neigh_max_probes`.
    fn max_probes(&self, parms: &NeighParms) -> u32 {
        let last = if self.state == Nud::PROBE { parms.mcast_reprobes } else { parms.mcast_probes };
        parms.ucast_probes + parms.app_probes + last
    }

    /// Nobody answered: who waits is told. `neigh_invalidate`.
    fn invalidate(&mut self, now: Time, generation: u32, effects: &mut Effects<P>) {
        self.updated = now;
        self.generation = generation;
        effects.unreachable.extend(self.take_waiting());
    }

    /// The upper layer heard from the neighbour. `neigh_confirm`.
    pub(super) fn confirm(&mut self, now: Time) {
        self.confirmed = self.confirmed.max(signed(now));
    }

    /// News about the neighbour. `__neigh_update`.
    pub(super) fn update(
        &mut self,
        now: Time,
        parms: &NeighParms,
        generation: u32,
        news: News,
        effects: &mut Effects<P>,
    ) -> Result<(), NeighError> {
        let News { lladdr, state: new, how } = news;
        let old = self.state;
        let admin = how.contains(UpdateFlags::ADMIN);
        if !admin && old.intersects(Nud::NOARP | Nud::PERMANENT) {
            return Err(NeighError::NotPermitted);
        }
        if admin {
            self.update_flags(how);
        }
        if how.intersects(UpdateFlags::USE | UpdateFlags::MANAGED) {
            self.state = old - Nud::PERMANENT;
            return Ok(());
        }
        if !new.intersects(Nud::VALID) {
            self.generation = generation;
            self.state = new;
            effects.changed = old.intersects(Nud::VALID);
            if old.intersects(Nud::INCOMPLETE | Nud::PROBE) && new == Nud::FAILED {
                self.invalidate(now, generation, effects);
                effects.changed = true;
            }
            return Ok(());
        }
        let known = old.intersects(Nud::VALID);
        let mut lladdr = match lladdr {
            Some(lladdr) => lladdr,
            None if known => self.lladdr,
            None => return Err(NeighError::NoAddress),
        };
        if new.intersects(Nud::CONNECTED) {
            self.confirmed = signed(now);
        }
        let mut new = new;
        if known {
            if lladdr != self.lladdr && !how.contains(UpdateFlags::OVERRIDE) {
                if !(how.contains(UpdateFlags::WEAK_OVERRIDE) && old.intersects(Nud::CONNECTED)) {
                    return Ok(());
                }
                (lladdr, new) = (self.lladdr, Nud::STALE);
            } else if lladdr == self.lladdr && new == Nud::STALE && !admin {
                new = old;
            }
        }
        self.become_valid(now, parms, generation, lladdr, new, effects);
        if how.contains(UpdateFlags::OVERRIDE_ISROUTER) {
            self.flags.set(NeighFlags::ROUTER, how.contains(UpdateFlags::ISROUTER));
        }
        Ok(())
    }

    /// The second half of `__neigh_update`: address and state are decided.
    fn become_valid(
        &mut self,
        now: Time,
        parms: &NeighParms,
        generation: u32,
        lladdr: MacAddr,
        new: Nud,
        effects: &mut Effects<P>,
    ) {
        let old = self.state;
        let other_address = lladdr != self.lladdr;
        // Only a real change moves the time within which other answers are not believed.
        if new != old || other_address {
            self.updated = now;
            effects.changed = true;
        }
        if new != old {
            self.generation = generation;
            self.state = new;
            if new == Nud::PROBE {
                self.probes = 0;
            }
            if new.intersects(Nud::IN_TIMER) {
                let wait = if new == Nud::REACHABLE { parms.reachable_time } else { Duration::ZERO };
                self.arm(now + wait, generation, effects);
            }
        }
        if other_address {
            self.lladdr = lladdr;
            if !new.intersects(Nud::CONNECTED) {
                self.confirmed = signed(now).saturating_sub(nanos(parms.base_reachable_time).saturating_mul(2));
            }
        }
        if !old.intersects(Nud::VALID) {
            // Those who waited go now; that is a use, so a stale entry is probed soon.
            for packet in self.take_waiting() {
                self.event_send(now, parms, generation, Some((packet, 0)), effects);
            }
            effects.lladdr = lladdr;
        }
    }

    /// `neigh_update_flags`.
    fn update_flags(&mut self, how: UpdateFlags) {
        self.flags.set(NeighFlags::EXT_LEARNED, how.contains(UpdateFlags::EXT_LEARNED));
        self.flags.set(NeighFlags::MANAGED, how.contains(UpdateFlags::MANAGED));
    }
}
