//! A connection comes into the table when its first packet has survived all hooks (`nf_conntrack_confirm`).

use core::time::Duration;

use hopwise_protocols::wire::ipv4::IPPROTO_UDP;
use hopwise_sim_core::{ConnTag, Packet, Time};

use super::conn::{Conn, ConnStatus};
use super::events::{EventKind, EventMask};
use super::tuple::{Direction, IPPROTO_UDPLITE};
use super::{Conntrack, Verdict};

/// A bucket may hold a random number of connections, at least and more than that (`MIN_CHAINLEN`, `MAX_CHAINLEN`).
const MIN_CHAIN: u32 = 50;
const MORE_CHAIN: u32 = 30;

impl Conntrack {
    /// Puts the connection of a packet into the table, if it is not there yet, and tells what happened to it. To be called as the
    /// last thing at POSTROUTING and INPUT, for a packet that nothing dropped.
    pub fn confirm(&mut self, now: Time, packet: &mut Packet) -> Verdict {
        let Some(tag) = packet.conn else { return Verdict::Accept };
        let Some(conn) = self.conn(tag) else { return Verdict::Accept };
        if !conn.status.contains(ConnStatus::CONFIRMED) {
            // An answer made here (by REJECT) to the packet that began it: that packet is what confirms it, if anything.
            if tag.info.is_reply() {
                return Verdict::Accept;
            }
            if conn.status.contains(ConnStatus::DYING) {
                self.stats.insert_failed += 1;
                return Verdict::Drop;
            }
            match self.enter(now, tag) {
                Ok(slot) if slot != tag.slot => {
                    packet.conn = Some(ConnTag { slot, generation: self.store.generation(slot), info: tag.info });
                }
                Ok(_) => {}
                Err(verdict) => return verdict,
            }
        }
        if let Some(tag) = packet.conn {
            self.deliver(now, tag);
        }
        Verdict::Accept
    }

    /// Tells the events of a connection that have gathered. `nf_ct_deliver_cached_events`.
    #[inline]
    fn deliver(&mut self, now: Time, tag: ConnTag) {
        let Some(conn) = self.conn_mut(tag) else { return };
        if conn.pending.is_empty() || !conn.status.contains(ConnStatus::CONFIRMED) {
            return;
        }
        let changed = core::mem::take(&mut conn.pending);
        let new = changed.intersects(EventMask::NEW | EventMask::RELATED);
        self.tell(now, tag.slot, if new { EventKind::New } else { EventKind::Update }, changed);
    }

    /// Gives the slot of the connection that the packet belongs to from now on. `__nf_conntrack_confirm`.
    fn enter(&mut self, now: Time, tag: ConnTag) -> Result<u32, Verdict> {
        let Some(conn) = self.conn(tag) else { return Err(Verdict::Drop) };
        let keys = [conn.key(Direction::Original), conn.key(Direction::Reply)];
        let longest = MIN_CHAIN + self.rng.below(MORE_CHAIN);
        for (direction, key) in [Direction::Original, Direction::Reply].into_iter().zip(keys) {
            if let Some(winner) = self.taken(now, tag.slot, direction) {
                return self.resolve_clash(now, tag, winner);
            }
            if self.store.chain_len(key) > longest as usize {
                self.stats.chaintoolong += 1;
                self.stats.insert_failed += 1;
                return Err(Verdict::Drop);
            }
        }
        if let Some(conn) = self.store.conn_mut(tag.slot) {
            conn.status.insert(ConnStatus::CONFIRMED);
            conn.pending |=
                if conn.status.contains(ConnStatus::EXPECTED) { EventMask::RELATED } else { EventMask::NEW };
        }
        self.store.list(tag.slot, [true; 2]);
        Ok(tag.slot)
    }

    /// Another connection that has one of the tuples of the one in that slot.
    fn taken(&mut self, now: Time, slot: u32, direction: Direction) -> Option<u32> {
        let conn = self.store.conn(slot)?;
        let (tuple, zones) = (*conn.tuple(direction), conn.zones);
        self.find(now, &tuple, zones).map(|(found, _)| found)
    }

    /// Two packets of one new flow were on their way at the same time, and the other one was faster. `nf_ct_resolve_clash`.
    fn resolve_clash(&mut self, now: Time, tag: ConnTag, winner: u32) -> Result<u32, Verdict> {
        let Some(loser) = self.store.conn(tag.slot).cloned() else { return Err(Verdict::Drop) };
        let lost = |table: &mut Conntrack| {
            table.stats.drop += 1;
            table.stats.insert_failed += 1;
            Err(Verdict::Drop)
        };
        if !matches!(loser.protocol(), IPPROTO_UDP | IPPROTO_UDPLITE) {
            return lost(self);
        }
        if self.merge(tag.slot, &loser, winner) {
            return Ok(winner);
        }
        // The answers differ (NAT chose otherwise): both stay, but only answers find the second one, for a second.
        if let Some(other) = self.taken(now, tag.slot, Direction::Reply) {
            return if self.merge(tag.slot, &loser, other) { Ok(other) } else { lost(self) };
        }
        if let Some(conn) = self.store.conn_mut(tag.slot) {
            conn.expires = now + Duration::from_secs(1);
            conn.status |= ConnStatus::CONFIRMED | ConnStatus::FIXED_TIMEOUT | ConnStatus::NAT_CLASH;
        }
        self.store.list(tag.slot, [false, true]);
        self.stats.clash_resolve += 1;
        Ok(tag.slot)
    }

    /// If both connections are one and the same, the winner takes the loser's packet. `__nf_ct_resolve_clash`.
    fn merge(&mut self, slot: u32, loser: &Conn, winner: u32) -> bool {
        let Some(conn) = self.store.conn_mut(winner) else { return false };
        if conn.status.contains(ConnStatus::DYING)
            || (conn.status.intersects(ConnStatus::NAT_DONE) && !same(conn, loser))
        {
            return false;
        }
        merge_counters(conn, loser);
        self.store.discard(slot);
        self.stats.clash_resolve += 1;
        true
    }
}

/// `nf_ct_match`.
fn same(a: &Conn, b: &Conn) -> bool {
    a.tuples == b.tuples && a.zones == b.zones
}

/// `nf_ct_acct_merge`.
fn merge_counters(winner: &mut Conn, loser: &Conn) {
    if let (Some(to), Some(from)) = (&mut winner.counters, &loser.counters) {
        for (to, from) in to.iter_mut().zip(from) {
            to.packets += from.packets;
            to.bytes += from.bytes;
        }
    }
}
