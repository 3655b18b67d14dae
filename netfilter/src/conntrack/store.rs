//! Where connections are: slots with generations, the index of tuples, the index of sources.

use hopwise_sim_core::{ConnTag, Time};

use super::conn::{Conn, ConnStatus, Zone};
use super::events::{Event, EventKind, EventMask};
use super::table::Index;
use super::tuple::{Direction, Tuple};
use super::{Conntrack, Setting};

/// One place for a connection.
#[derive(Clone, Debug)]
struct Slot {
    /// Counts the connections that were here, so that old tags are known as such.
    generation: u16,
    /// In the index of tuples: both directions, or (a resolved clash) only the second.
    listed: [bool; 2],
    /// In the index of sources.
    sourced: bool,
    conn: Option<Conn>,
}

/// What a number in the index of tuples stands for.
const fn split(id: u32) -> (u32, Direction) {
    (id / 2, if id.is_multiple_of(2) { Direction::Original } else { Direction::Reply })
}

/// The connections of a namespace.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Both tuples of each confirmed connection: number `slot * 2 + direction`.
    tuples: Index,
    /// The original source of each connection whose source NAT decided about: its slot.
    sources: Index,
    /// Connections that are not in the table but that a packet of this instant may still belong to.
    limbo: Vec<u32>,
    limbo_since: Time,
    /// Connections that are not confirmed and whose packets wait somewhere between two hooks.
    held: Vec<u32>,
    /// How many connections there are, those of this instant included.
    count: usize,
    /// No confirmed connection ends before this.
    earliest_end: Time,
    made: u64,
}

impl Store {
    pub(crate) fn new(seed: u64) -> Store {
        Store {
            slots: Vec::new(),
            free: Vec::new(),
            tuples: Index::new(seed),
            sources: Index::new(seed),
            limbo: Vec::new(),
            limbo_since: Time::ZERO,
            held: Vec::new(),
            count: 0,
            earliest_end: Time::NEVER,
            made: 0,
        }
    }

    pub(crate) fn conn(&self, slot: u32) -> Option<&Conn> {
        self.slots.get(slot as usize)?.conn.as_ref()
    }

    pub(crate) fn conn_mut(&mut self, slot: u32) -> Option<&mut Conn> {
        self.slots.get_mut(slot as usize)?.conn.as_mut()
    }

    pub(crate) fn generation(&self, slot: u32) -> u16 {
        self.slots.get(slot as usize).map_or(0, |s| s.generation)
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The slots with a connection in the table, the oldest connection first.
    pub(crate) fn confirmed(&self) -> Vec<u32> {
        let mut slots: Vec<(u64, u32)> = (0..self.slots.len() as u32)
            .filter(|&slot| self.slots[slot as usize].listed[0])
            .filter_map(|slot| Some((self.conn(slot)?.serial, slot)))
            .collect();
        slots.sort_unstable();
        slots.into_iter().map(|(_, slot)| slot).collect()
    }

    /// A slot for a connection that is not confirmed yet.
    pub(crate) fn add(&mut self, mut conn: Conn) -> u32 {
        conn.serial = self.made;
        self.made += 1;
        self.count += 1;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, listed: [false; 2], sourced: false, conn: None });
            self.slots.len() as u32 - 1
        });
        self.slots[slot as usize].conn = Some(conn);
        self.limbo.push(slot);
        slot
    }

    /// Puts a connection into the index of tuples.
    pub(crate) fn list(&mut self, slot: u32, directions: [bool; 2]) {
        let Some(conn) = self.slots[slot as usize].conn.as_ref() else { return };
        for direction in [Direction::Original, Direction::Reply] {
            if directions[direction as usize] {
                self.tuples.insert(slot * 2 + direction as u32, conn.key(direction));
            }
        }
        self.earliest_end = self.earliest_end.min(conn.expires);
        self.slots[slot as usize].listed = directions;
    }

    /// A connection may end earlier than it was thought.
    pub(crate) fn shortened(&mut self, slot: u32) {
        if let Some(conn) = self.conn(slot) {
            self.earliest_end = self.earliest_end.min(conn.expires);
        }
    }

    /// Notes the source of a connection.
    pub(crate) fn list_source(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        if let Some(conn) = entry.conn.as_ref().filter(|_| !entry.sourced) {
            entry.sourced = true;
            self.sources.insert(slot, conn.tuples[0].source_key(conn.zones[0]));
        }
    }

    /// Takes a connection out of the indices; packets of this instant may still refer to it.
    fn unlist(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        let listed = core::mem::take(&mut entry.listed);
        let sourced = core::mem::take(&mut entry.sourced);
        for (direction, listed) in (0..).zip(listed) {
            if listed {
                self.tuples.remove(slot * 2 + direction);
            }
        }
        if sourced {
            self.sources.remove(slot);
        }
        if let Some(conn) = self.conn_mut(slot) {
            conn.status.insert(ConnStatus::DYING);
        }
        if listed != [false; 2] {
            self.limbo.push(slot);
            self.count -= 1;
        }
    }

    /// What belonged to packets of an earlier instant is free again.
    #[inline]
    pub(crate) fn begin(&mut self, now: Time) {
        if now != self.limbo_since {
            self.limbo_since = now;
            if !self.limbo.is_empty() {
                self.empty_limbo();
            }
            if !self.held.is_empty() {
                self.forget_held(now);
            }
        }
    }

    /// A packet that was held and never came back was dropped where it waited.
    #[cold]
    fn forget_held(&mut self, now: Time) {
        let waits = |store: &Store, slot: u32| store.conn(slot).is_some_and(|conn| conn.expires > now);
        while let Some(at) = self.held.iter().position(|&slot| !waits(self, slot)) {
            let slot = self.held.remove(at);
            self.free(slot);
        }
    }

    /// Moves a connection that is not confirmed from those of this instant to those that wait, or back.
    fn move_waiting(&mut self, slot: u32, holds: bool) {
        let (from, to) = if holds { (&mut self.limbo, &mut self.held) } else { (&mut self.held, &mut self.limbo) };
        if let Some(at) = from.iter().position(|&one| one == slot) {
            to.push(from.remove(at));
        }
    }

    fn empty_limbo(&mut self) {
        while let Some(slot) = self.limbo.pop() {
            self.free(slot);
        }
    }

    /// Frees a slot if its connection is not in the table.
    fn free(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        let Some(status) = entry.conn.as_ref().map(|c| c.status) else { return };
        let confirmed = status.contains(ConnStatus::CONFIRMED);
        if confirmed && !status.contains(ConnStatus::DYING) {
            return;
        }
        entry.conn = None;
        entry.generation = entry.generation.wrapping_add(1);
        if core::mem::take(&mut entry.sourced) {
            self.sources.remove(slot);
        }
        self.free.push(slot);
        // One that was in the table ceased to count when it was taken out.
        self.count -= usize::from(!confirmed);
    }

    /// The packet that made this connection did not begin one after all.
    pub(crate) fn discard(&mut self, slot: u32) {
        if self.limbo.last() == Some(&slot) {
            self.limbo.pop();
            self.free(slot);
        }
    }

    /// Whether room for more slots has to be made, and it is time to look for what has ended.
    #[inline]
    pub(crate) fn sweep_before_growth(&self, now: Time) -> bool {
        self.free.is_empty() && self.slots.len().is_power_of_two() && now >= self.earliest_end
    }

    /// How many entries share the bucket of a key.
    pub(crate) fn chain_len(&self, key: u128) -> usize {
        self.tuples.chain_len(key)
    }
}

impl Conntrack {
    /// The connection that a tag refers to; `None` for an old tag, a template, an untracked packet.
    #[inline]
    pub fn conn(&self, tag: ConnTag) -> Option<&Conn> {
        let slot = self.store.slots.get(tag.slot as usize)?;
        slot.conn.as_ref().filter(|_| slot.generation == tag.generation)
    }

    /// The same, to be changed.
    #[inline]
    pub fn conn_mut(&mut self, tag: ConnTag) -> Option<&mut Conn> {
        let slot = self.store.slots.get_mut(tag.slot as usize)?;
        slot.conn.as_mut().filter(|_| slot.generation == tag.generation)
    }

    /// The packet that began this connection waits between two hooks, and another instant comes before it is confirmed. It must be
    /// followed by [`Conntrack::resume`]; a packet that was dropped where it waited is forgotten when its connection's time is over.
    pub fn hold(&mut self, tag: ConnTag) {
        if self.conn(tag).is_some_and(|conn| !conn.status.contains(ConnStatus::CONFIRMED)) {
            self.store.move_waiting(tag.slot, true);
        }
    }

    /// The packet goes on, or ends in this instant.
    pub fn resume(&mut self, now: Time, tag: ConnTag) {
        self.store.begin(now);
        if self.conn(tag).is_some() {
            self.store.move_waiting(tag.slot, false);
        }
    }

    /// The slot of the connection with a packet's tuple, and the direction in which the packet goes. `nf_conntrack_find_get`.
    #[inline]
    pub(crate) fn find(&mut self, now: Time, tuple: &Tuple, zones: [Zone; 2]) -> Option<(u32, Direction)> {
        let found = self.find_in(now, tuple.key(zones[0]), zones);
        if found.is_some() || zones[0] == zones[1] {
            return found;
        }
        self.find_in(now, tuple.key(zones[1]), zones)
    }

    /// The connection with that key, if the zone of the packet in that direction is the connection's (`nf_ct_key_equal`).
    #[inline]
    fn find_in(&mut self, now: Time, key: u128, zones: [Zone; 2]) -> Option<(u32, Direction)> {
        loop {
            let mut over = None;
            for id in self.store.tuples.find(key) {
                let (slot, direction) = split(id);
                let Some(conn) = self.store.conn(slot) else { continue };
                if conn.expires <= now {
                    over = Some(slot);
                } else if conn.zones[direction as usize] == zones[direction as usize] {
                    return Some((slot, direction));
                }
            }
            self.remove(now, over?);
        }
    }

    /// The connection that a tag refers to, to be changed, and a view of the others: for rules that change the one and count the
    /// others (`connlimit`).
    pub fn split(&mut self, tag: ConnTag) -> Option<(&mut Conn, Others<'_>)> {
        let (before, rest) = self.store.slots.split_at_mut_checked(tag.slot as usize)?;
        let (slot, after) = rest.split_first_mut()?;
        let conn = slot.conn.as_mut().filter(|_| slot.generation == tag.generation)?;
        Some((conn, Others { before, after, tuples: &self.store.tuples }))
    }

    /// The slots of all connections from that source (`nf_nat_bysource`).
    pub(crate) fn of_source(&self, key: u128) -> impl Iterator<Item = &Conn> {
        self.store.sources.find(key).filter_map(|slot| self.store.conn(slot))
    }

    /// All entries with that key, expired ones left out: the direction, and the connection with its slot.
    pub(crate) fn all_with(&self, now: Time, key: u128) -> impl Iterator<Item = (Direction, u32, &Conn)> {
        self.store.tuples.find(key).filter_map(move |id| {
            let (slot, direction) = split(id);
            let conn = self.store.conn(slot)?;
            (conn.expires > now).then_some((direction, slot, conn))
        })
    }

    /// Takes a connection out of the table and tells it. `nf_ct_delete`.
    pub(crate) fn remove(&mut self, now: Time, slot: u32) {
        let listed = self.store.slots[slot as usize].listed != [false; 2];
        self.store.unlist(slot);
        if listed {
            self.tell(now, slot, EventKind::Destroy, EventMask::DESTROY);
        }
    }

    /// Writes a message, if somebody listens.
    #[inline]
    pub(crate) fn tell(&mut self, now: Time, slot: u32, kind: EventKind, changed: EventMask) {
        if !self.events.wanted() {
            return;
        }
        if let Some(conn) = self.store.conn(slot).filter(|conn| conn.events.intersects(changed)).cloned() {
            let by = self.events.by;
            self.events.push(Event { at: now, kind, changed, conn, by });
        }
    }

    /// The connections in the table, the oldest first.
    pub fn list(&mut self, now: Time) -> impl Iterator<Item = &Conn> {
        self.sweep(now);
        self.store.confirmed().into_iter().filter_map(|slot| self.store.conn(slot))
    }

    /// Takes out all whose time is over.
    pub fn sweep(&mut self, now: Time) {
        self.store.begin(now);
        if now < self.store.earliest_end {
            return;
        }
        let mut earliest = Time::NEVER;
        for slot in 0..self.store.slots.len() as u32 {
            if self.store.slots[slot as usize].listed == [false; 2] {
                continue;
            }
            match self.store.conn(slot) {
                Some(conn) if conn.expires > now => earliest = earliest.min(conn.expires),
                Some(_) => self.remove(now, slot),
                None => {}
            }
        }
        self.store.earliest_end = earliest;
    }

    /// When the next connection ends, as far as that is known: a lower bound, for those who wait for its message.
    pub fn next_end(&self) -> Time {
        self.store.earliest_end
    }

    /// How many connections there are (`nf_conntrack_count`).
    pub fn count(&mut self, now: Time) -> usize {
        self.sweep(now);
        self.store.count()
    }

    /// The same for one who only looks.
    pub fn count_at(&self, now: Time) -> usize {
        let over =
            |slot: &&Slot| slot.listed != [false; 2] && slot.conn.as_ref().is_some_and(|conn| conn.expires <= now);
        self.store.count - self.store.slots.iter().filter(over).count()
    }

    /// The connections in the table as they are at that time, the oldest first.
    pub fn list_at(&self, now: Time) -> impl Iterator<Item = &Conn> {
        let conns = self.store.confirmed().into_iter().filter_map(|slot| self.store.conn(slot));
        conns.filter(move |conn| conn.expires > now)
    }

    /// Makes room in the neighbourhood of a new connection's bucket by ending connections that are not assured.
    /// `early_drop`.
    pub(crate) fn early_drop(&mut self, now: Time, key: u128) -> bool {
        /// Buckets that are looked at (`NF_CT_EVICTION_RANGE`).
        const RANGE: usize = 8;
        let hash = self.store.tuples.hash(key);
        let buckets = self.settings[Setting::Buckets] as usize;
        for ahead in 0..RANGE {
            let mut slots: Vec<u32> = self.store.tuples.near(hash, buckets, ahead).map(|id| id / 2).collect();
            slots.dedup();
            let mut dropped = 0;
            for slot in slots {
                let weak = |c: &Conn| !c.status.intersects(ConnStatus::ASSURED | ConnStatus::DYING);
                if self.store.conn(slot).is_some_and(weak) {
                    self.remove(now, slot);
                    dropped += 1;
                }
            }
            if dropped > 0 {
                self.stats.early_drop += dropped;
                return true;
            }
        }
        false
    }
}

/// All connections but one.
#[derive(Clone, Copy, Debug)]
pub struct Others<'a> {
    before: &'a [Slot],
    after: &'a [Slot],
    tuples: &'a Index,
}

impl Others<'_> {
    /// As [`Conntrack::is_connected`]; the one that is missing here counts as connected.
    pub fn is_connected(&self, now: Time, tuple: &Tuple, zone: Zone) -> bool {
        self.tuples.find(tuple.key(zone)).any(|id| {
            let at = split(id).0 as usize;
            let slot = match at.checked_sub(self.before.len()) {
                None => &self.before[at],
                Some(0) => return true,
                Some(at) => &self.after[at - 1],
            };
            slot.conn.as_ref().is_some_and(|conn| conn.expires > now && !conn.is_over())
        })
    }
}
