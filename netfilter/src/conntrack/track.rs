//! Which connection a packet belongs to (`nf_conntrack_in`).

use hopwise_protocols::wire::ipv4::IPPROTO_ICMP;
use hopwise_sim_core::{ConnInfo, ConnTag, Packet, Time};

use super::conn::{Conn, ConnStatus, Zone};
use super::error::Icmp;
use super::events::EventMask;
use super::proto::{self, Outcome, Seen};
use super::tuple::{Direction, Tuple, transport};
use super::{Conntrack, LogLine, Setting, Template, Verdict};
use crate::hook::Hook;

/// Where a packet's connection was found, or why there is none.
enum Resolved {
    /// In that slot; the packet goes in that direction.
    Found(u32, Direction),
    /// A new one was made there.
    Made(u32),
    /// There is none, and this packet can begin none.
    Impossible,
    /// The table is full.
    Full,
}

/// How a packet in that direction stands to a connection.
#[inline]
fn info_of(status: ConnStatus, direction: Direction) -> ConnInfo {
    if direction == Direction::Reply {
        ConnInfo::EstablishedReply
    } else if status.contains(ConnStatus::SEEN_REPLY) {
        ConnInfo::Established
    } else if status.contains(ConnStatus::EXPECTED) {
        ConnInfo::Related
    } else {
        ConnInfo::New
    }
}

impl Conntrack {
    /// Finds the connection of a packet, or makes one that [`Conntrack::confirm`] has to confirm in this same instant, and lets
    /// its protocol's tracker see the packet. `packet.conn` then says how it stands to it; it stays `None` for what is invalid.
    /// A packet that has a connection already (it comes from the loopback device) or is exempt is left alone.
    pub fn track(&mut self, now: Time, hook: Hook, packet: &mut Packet, template: &Template) -> Verdict {
        if packet.conn.is_some() {
            return Verdict::Accept;
        }
        self.store.begin(now);
        let Some((offset, protocol)) = transport(packet.data()) else {
            self.stats.invalid += 1;
            return Verdict::Accept;
        };
        if protocol == IPPROTO_ICMP {
            match self.icmp(now, hook, packet.data(), offset, template.zones()) {
                Icmp::Query => {}
                Icmp::Error(tag) => {
                    packet.conn = tag;
                    return Verdict::Accept;
                }
            }
        }
        let Some(tuple) = Tuple::of_packet(packet.data(), offset, protocol) else {
            self.stats.invalid += 1;
            return Verdict::Accept;
        };
        loop {
            let (slot, direction) = match self.resolve(now, &tuple, template) {
                Resolved::Found(slot, direction) => (slot, direction),
                Resolved::Made(slot) => (slot, Direction::Original),
                Resolved::Impossible => {
                    self.stats.invalid += 1;
                    return Verdict::Accept;
                }
                Resolved::Full => {
                    self.stats.drop += 1;
                    return Verdict::Drop;
                }
            };
            match self.show(now, hook, packet.data(), offset, (slot, direction)) {
                // The tracker made room for a new connection: once more, and then none is found.
                Outcome::Reopen => self.remove(now, slot),
                Outcome::Invalid => {
                    self.store.discard(slot);
                    self.stats.invalid += 1;
                    return Verdict::Accept;
                }
                outcome => {
                    packet.conn = self.attach(slot, direction);
                    if outcome == Outcome::Kill {
                        self.remove(now, slot);
                    }
                    return Verdict::Accept;
                }
            }
        }
    }

    /// The tag of a packet that its tracker accepted; the first answer is noted.
    #[inline]
    fn attach(&mut self, slot: u32, direction: Direction) -> Option<ConnTag> {
        let generation = self.store.generation(slot);
        let conn = self.store.conn_mut(slot)?;
        let info = info_of(conn.status, direction);
        if info == ConnInfo::EstablishedReply {
            conn.raise(ConnStatus::SEEN_REPLY, EventMask::REPLY);
        }
        Some(ConnTag { slot, generation, info })
    }

    /// `resolve_normal_ct`.
    #[inline]
    fn resolve(&mut self, now: Time, tuple: &Tuple, template: &Template) -> Resolved {
        let zones = template.zones();
        match self.find(now, tuple, zones) {
            Some((slot, direction)) => Resolved::Found(slot, direction),
            None => self.make(now, tuple, zones, template),
        }
    }

    /// A new connection that begins with this packet. `init_conntrack`.
    fn make(&mut self, now: Time, tuple: &Tuple, zones: [Zone; 2], template: &Template) -> Resolved {
        let Some(reply) = tuple.invert() else { return Resolved::Impossible };
        if !self.has_room(now, tuple.key(zones[0])) {
            return Resolved::Full;
        }
        let mut conn = Conn::new(now, [*tuple, reply], zones);
        conn.events = self.told_events(template);
        conn.counters = self.settings.on(Setting::Acct).then(Default::default);
        conn.stamped = self.settings.on(Setting::Timestamp);
        Resolved::Made(self.store.add(conn))
    }

    /// Which events of a new connection are told: none, if nobody listens while it begins. `nf_ct_ecache_ext_add`.
    pub(super) fn told_events(&self, template: &Template) -> EventMask {
        let listened = match self.settings[Setting::Events] {
            0 => template.events.is_some(),
            1 => true,
            _ => self.events.wanted(),
        };
        if listened { template.events.unwrap_or(EventMask::all()) } else { EventMask::empty() }
    }

    /// Whether one more connection may be made; if not, the kernel's log says so. The beginning of `__nf_conntrack_alloc`.
    pub(super) fn has_room(&mut self, now: Time, key: u128) -> bool {
        let max = self.settings[Setting::Max] as usize;
        self.store.sweep_before_growth(now).then(|| self.sweep(now));
        if max == 0 || self.store.count() < max || self.count(now) < max || self.early_drop(now, key) {
            return true;
        }
        self.log_full(now);
        false
    }

    /// At most ten lines in five seconds (`net_ratelimit`).
    fn log_full(&mut self, now: Time) {
        const INTERVAL: u64 = 5;
        const BURST: u32 = 10;
        let (since, lines) = &mut self.full_log;
        if *lines == 0 || now.since(*since).as_secs() >= INTERVAL {
            (*since, *lines) = (now, 0);
        }
        *lines += 1;
        if *lines <= BURST {
            self.log.push(LogLine::TableFull);
        }
    }

    /// Lets the tracker of its protocol see a packet.
    #[inline]
    fn show(&mut self, now: Time, hook: Hook, packet: &[u8], offset: usize, at: (u32, Direction)) -> Outcome {
        let (slot, direction) = at;
        let Some(conn) = self.store.conn_mut(slot) else { return Outcome::Invalid };
        let mut log = None;
        let mut seen = Seen { now, hook, settings: &self.settings, packet, offset, direction, log: &mut log };
        let outcome = proto::packet(&mut seen, conn);
        if let Some(text) = log {
            self.log.push(LogLine::Invalid { protocol: conn.protocol(), text });
        }
        outcome
    }

    /// Whether a connection with that tuple is in the table and not closing already (`nf_conncount`).
    pub fn is_connected(&self, now: Time, tuple: &Tuple, zone: Zone) -> bool {
        self.all_with(now, tuple.key(zone)).any(|(_, _, conn)| !conn.is_over())
    }
}

/// How an answer that netfilter itself makes (`-j REJECT --reject-with tcp-reset`) stands to the connection of the packet that it
/// answers: it goes in the other direction. `nf_conntrack_attach`.
pub fn answer_tag(cause: Option<ConnTag>) -> Option<ConnTag> {
    cause.map(|tag| match tag.info {
        ConnInfo::Untracked => tag,
        info if info.is_reply() => ConnTag { info: ConnInfo::Related, ..tag },
        _ => ConnTag { info: ConnInfo::RelatedReply, ..tag },
    })
}
