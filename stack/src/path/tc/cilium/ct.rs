//! The connection tracking map of the programs (`bpf/lib/conntrack.h`), which has nothing to do with netfilter's.
//!
//! There is one entry per connection and direction of its making: one that a pod opened is `OUT`, one that came to a pod
//! is `IN`. Two pods on one node that talk have both, and a client of a service has a third one, which remembers the pod that
//! serves it. An entry lives until the agent collects it, however old it is, or until a full map needs its room.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use hopwise_protocols::wire::ipv4::{IPPROTO_ICMP, IPPROTO_TCP};

use super::maps::Direction;

/// Seconds that an entry lives after each packet: TCP (`CT_CONNECTION_LIFETIME_TCP`).
pub const LIFETIME_TCP: u32 = 21_600;
/// Everything else (`CT_CONNECTION_LIFETIME_NONTCP`).
pub const LIFETIME_OTHER: u32 = 60;
/// TCP before anything but a SYN was seen (`CT_SYN_TIMEOUT`).
pub const LIFETIME_SYN: u32 = 60;
/// TCP after both ends closed (`CT_CLOSE_TIMEOUT`).
pub const LIFETIME_CLOSE: u32 = 10;
/// At most every so many seconds a packet of a known connection is told of (`CT_REPORT_INTERVAL`).
pub const REPORT_INTERVAL: u32 = 5;
/// Entries of the two maps by default (`bpf-ct-global-tcp-max`, `bpf-ct-global-any-max`).
pub const MAX_TCP: usize = 524_288;
/// See [`MAX_TCP`].
pub const MAX_ANY: usize = 262_144;

/// How many entries a full map gives up at a time (`LOCAL_FREE_TARGET` of the kernel's `bpf_lru_list.c`).
const SHRINK: usize = 128;

const TCP_FIN: u8 = 0x01;
const TCP_SYN: u8 = 0x02;
const TCP_RST: u8 = 0x04;

/// Who talks with whom, as a packet says it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Tuple {
    /// IP protocol.
    pub protocol: u8,
    /// Source address.
    pub src: Ipv4Addr,
    /// Source port; the identifier of an ICMP echo request.
    pub sport: u16,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Destination port; the identifier of an ICMP echo reply.
    pub dport: u16,
    /// It is an ICMP error about a connection (`TUPLE_F_RELATED`).
    pub related: bool,
}

impl Tuple {
    /// The same, seen from the other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Tuple { src: self.dst, sport: self.dport, dst: self.src, dport: self.sport, ..self }
    }
}

/// What a packet says beside its addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segment {
    /// It may open a connection again (`ACTION_CREATE`).
    pub creates: bool,
    /// It closes one (`ACTION_CLOSE`).
    pub closes: bool,
    /// Its TCP flags.
    pub flags: u8,
}

impl Segment {
    /// A TCP segment with these flags.
    pub const fn tcp(flags: u8) -> Self {
        let closes = flags & (TCP_FIN | TCP_RST) != 0;
        Segment { creates: !closes && flags & TCP_SYN != 0, closes, flags }
    }
}

/// Who made an entry: the pod that the connection comes from, or the one it goes to (`TUPLE_F_OUT`, `TUPLE_F_IN`,
/// `TUPLE_F_SERVICE`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Made {
    /// On its way from a pod.
    Out,
    /// On its way to a pod.
    In,
    /// On its way to a service, before that was translated.
    Service,
}

/// A key of the map: the connection in the direction in which it was opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// Who talks with whom.
    pub tuple: Tuple,
    /// Which program made it.
    pub made: Made,
}

/// An entry of the map (`struct ct_entry`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// Packets to the pod.
    pub rx_packets: u64,
    /// Their bytes; for a service the number of the pod that serves (`backend_id` of `struct ct_entry`).
    pub rx_bytes: u64,
    /// Packets from the pod.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// The second after which it may be collected.
    pub lifetime: u32,
    /// The pod's peer has closed.
    pub rx_closing: bool,
    /// The pod has closed.
    pub tx_closing: bool,
    /// Something else than a SYN was seen.
    pub seen_non_syn: bool,
    /// TCP flags seen in what came to the pod.
    pub rx_flags_seen: u8,
    /// TCP flags seen in what it sent.
    pub tx_flags_seen: u8,
    /// When a packet to the pod was last told of.
    pub last_rx_report: u32,
    /// When one from it was.
    pub last_tx_report: u32,
    /// The service whose address was translated.
    pub rev_nat: u16,
    /// The identity of the one who opened the connection.
    pub source_identity: u32,
    /// The pod is its own server: the address it came from was translated, too (`lb_loopback`).
    pub loopback: bool,
    /// When the map last had to do with it, for a full map to see which one is the oldest.
    used: u64,
}

impl Entry {
    /// Its flags as `cilium bpf ct list` prints them: number and words.
    pub fn flags(&self) -> (u16, String) {
        let all = [
            (self.rx_closing, 1, "RxClosing "),
            (self.tx_closing, 2, "TxClosing "),
            (self.loopback, 8, "LBLoopback "),
            (self.seen_non_syn, 16, "SeenNonSyn "),
        ];
        let set = all.iter().filter(|flag| flag.0);
        set.fold((0, String::new()), |(bits, words), (_, bit, word)| (bits | bit, words + word))
    }

    /// Pushes the end of its life forward; says whether the packet is worth telling (`ct_update_timeout`).
    fn touch(&mut self, tcp: bool, direction: Direction, flags: u8, now: u32) -> bool {
        let life = if tcp {
            self.seen_non_syn |= flags & TCP_SYN == 0;
            if self.seen_non_syn { LIFETIME_TCP } else { LIFETIME_SYN }
        } else {
            LIFETIME_OTHER
        };
        self.lifetime = now.saturating_add(life);
        let (seen, last) = match direction {
            Direction::Ingress => (&mut self.rx_flags_seen, &mut self.last_rx_report),
            Direction::Egress => (&mut self.tx_flags_seen, &mut self.last_tx_report),
        };
        let all = *seen | flags;
        let tell = last.saturating_add(REPORT_INTERVAL) < now || all != *seen;
        if tell {
            (*seen, *last) = (all, now);
        }
        tell
    }

    fn count(&mut self, direction: Direction, bytes: u64) {
        let (packets, sum) = match direction {
            Direction::Ingress => (&mut self.rx_packets, &mut self.rx_bytes),
            Direction::Egress => (&mut self.tx_packets, &mut self.tx_bytes),
        };
        *packets += 1;
        *sum += bytes;
    }
}

/// How a packet stands to what is known (`CT_NEW`, ...).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Nothing is known.
    New,
    /// Of a known connection, in the direction in which it was opened.
    Established,
    /// Of a known connection, in the other direction.
    Reply,
    /// An ICMP error about one.
    Related,
    /// It opens one again that was closed.
    Reopened,
}

impl Status {
    /// The word that `CT verdict` prints.
    pub const fn name(self) -> &'static str {
        match self {
            Status::New => "New",
            Status::Established => "Established",
            Status::Reply => "Reply",
            Status::Related => "Related",
            Status::Reopened => "Reopened",
        }
    }
}

/// What a lookup found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// How the packet stands to it.
    pub status: Status,
    /// The flags of the first key looked up: 0 made on the way out, 1 on the way in, and 2 if it is about an error.
    pub flags: u8,
    /// The lifetime that the entry had, if there was one.
    pub lifetime: Option<u32>,
    /// Whether the packet is worth telling.
    pub tell: bool,
    /// The service whose address was translated.
    pub rev_nat: u16,
    /// The pod is its own server.
    pub loopback: bool,
}

/// What a new entry begins with, beside its first packet (`struct ct_state`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct New {
    /// Bytes of the packet.
    pub bytes: u64,
    /// The identity of the one who opens.
    pub identity: u32,
    /// The service whose address was translated.
    pub rev_nat: u16,
    /// The pod is its own server.
    pub loopback: bool,
}

/// How many entries each of the two maps has at most (`bpf-ct-global-tcp-max`, `bpf-ct-global-any-max`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Of TCP.
    pub tcp: usize,
    /// Of all else.
    pub any: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { tcp: MAX_TCP, any: MAX_ANY }
    }
}

/// The two maps, TCP and all else, as one. They are of the kind `lru_hash`: there is always room for a new entry, in the place
/// of those that were not used for the longest time. (The kernel's idea of the longest time is a rough one.)
#[derive(Clone, Debug, Default)]
pub struct CtMap {
    entries: BTreeMap<Key, Entry>,
    tcp: usize,
    limits: Limits,
    /// Counts what happens, as a clock for [`Entry::used`].
    ticks: u64,
}

impl CtMap {
    /// An empty map with other limits than the usual ones.
    pub fn limited(limits: Limits) -> Self {
        CtMap { limits, ..CtMap::default() }
    }

    /// Looks a packet up, first as an answer, then as one of those who opened (`ct_lookup4`).
    pub fn lookup(&mut self, tuple: Tuple, direction: Direction, segment: Segment, bytes: u64, now: u32) -> Found {
        // What answers a packet that goes to the pod was made on the way out of it, and the other way round.
        let (reply, forward) = match direction {
            Direction::Ingress => (Made::Out, Made::In),
            Direction::Egress => (Made::In, Made::Out),
        };
        let flags = u8::from(reply == Made::In) | u8::from(tuple.related) << 1;
        let mut found = Found { status: Status::New, flags, lifetime: None, tell: true, rev_nat: 0, loopback: false };
        self.ticks += 1;
        for (made, key) in [(reply, tuple.reversed()), (forward, tuple)] {
            let Some(entry) = self.entries.get_mut(&Key { tuple: key, made }) else { continue };
            entry.used = self.ticks;
            found.lifetime = Some(entry.lifetime);
            let (reopened, tell) = meet(entry, tuple.protocol == IPPROTO_TCP, direction, segment, now);
            entry.count(direction, bytes);
            (found.tell, found.rev_nat, found.loopback) = (tell, entry.rev_nat, entry.loopback);
            found.status = match reopened {
                _ if tuple.related => Status::Related,
                _ if made == reply => Status::Reply,
                true => Status::Reopened,
                false => Status::Established,
            };
            return found;
        }
        found
    }

    /// Looks up which pod serves a client of a service: the lifetime, the number of the service and that of the pod
    /// (`ct_lookup4` with `CT_SERVICE`).
    pub fn lookup_service(&mut self, tuple: Tuple, segment: Segment, now: u32) -> Option<(u32, u16, u32)> {
        self.ticks += 1;
        let entry = self.entries.get_mut(&Key { tuple, made: Made::Service })?;
        entry.used = self.ticks;
        let lifetime = entry.lifetime;
        meet(entry, tuple.protocol == IPPROTO_TCP, Direction::Egress, segment, now);
        Some((lifetime, entry.rev_nat, entry.rx_bytes as u32))
    }

    /// Remembers which pod serves a client of a service (`ct_create4`, `ct_update4_backend_id`).
    pub fn serve(&mut self, tuple: Tuple, segment: Segment, (rev_nat, backend): (u16, u32), now: u32) {
        let key = Key { tuple, made: Made::Service };
        if let Some(entry) = self.entries.get_mut(&key) {
            (entry.rev_nat, entry.rx_bytes) = (rev_nat, u64::from(backend));
            return;
        }
        let mut entry = Entry { rev_nat, rx_bytes: u64::from(backend), ..Entry::default() };
        entry.touch(tuple.protocol == IPPROTO_TCP, Direction::Egress, segment.flags, now);
        self.put(key, entry);
    }

    /// Makes the entry of a connection, and the one for ICMP errors about it (`ct_create4`).
    pub fn create(&mut self, tuple: Tuple, direction: Direction, segment: Segment, new: New, now: u32) {
        let made = match direction {
            Direction::Ingress => Made::In,
            Direction::Egress => Made::Out,
        };
        let New { bytes, identity, rev_nat, loopback } = new;
        let mut entry = Entry { source_identity: identity, rev_nat, loopback, ..Entry::default() };
        entry.touch(tuple.protocol == IPPROTO_TCP, direction, segment.flags, now);
        entry.count(direction, bytes);
        self.put(Key { tuple, made }, entry);
        let about = Tuple { protocol: IPPROTO_ICMP, sport: 0, dport: 0, related: true, ..tuple };
        let mut errors = Entry { seen_non_syn: true, ..entry };
        errors.touch(false, direction, 0, now);
        self.put(Key { tuple: about, made }, errors);
    }

    fn put(&mut self, key: Key, mut entry: Entry) {
        self.ticks += 1;
        entry.used = self.ticks;
        let tcp = key.tuple.protocol == IPPROTO_TCP;
        if let Some(old) = self.entries.get_mut(&key) {
            *old = entry;
            return;
        }
        let (used, limit) =
            if tcp { (self.tcp, self.limits.tcp) } else { (self.entries.len() - self.tcp, self.limits.any) };
        if used >= limit {
            self.shrink(tcp, (limit / 2).clamp(1, SHRINK));
        }
        self.tcp += usize::from(tcp);
        self.entries.insert(key, entry);
    }

    /// Gives up the entries of one of the maps that were not used for the longest time (`__bpf_lru_list_shrink`).
    fn shrink(&mut self, tcp: bool, count: usize) {
        let of_map = self.entries.iter().filter(|(key, _)| (key.tuple.protocol == IPPROTO_TCP) == tcp);
        let mut oldest: Vec<(u64, Key)> = of_map.map(|(key, entry)| (entry.used, *key)).collect();
        if oldest.len() > count {
            oldest.select_nth_unstable(count);
            oldest.truncate(count);
        }
        for (_, key) in &oldest {
            self.entries.remove(key);
        }
        if tcp {
            self.tcp -= oldest.len();
        }
    }

    /// Takes out what has lived long enough; says how many entries that were (`ctmap.GC`).
    pub fn collect(&mut self, now: u32) -> usize {
        self.retain(|_, entry| entry.lifetime >= now)
    }

    /// Takes everything out.
    pub fn flush(&mut self) -> usize {
        self.retain(|_, _| false)
    }

    /// Takes out what belongs to an address.
    pub fn forget(&mut self, addr: Ipv4Addr) -> usize {
        self.retain(|key, _| key.tuple.src != addr && key.tuple.dst != addr)
    }

    fn retain(&mut self, keep: impl Fn(&Key, &Entry) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|key, entry| keep(key, entry));
        self.tcp = self.entries.keys().filter(|key| key.tuple.protocol == IPPROTO_TCP).count();
        before - self.entries.len()
    }

    /// All entries: those of TCP, then the others, each in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        let of = |tcp: bool| self.entries.iter().filter(move |(key, _)| (key.tuple.protocol == IPPROTO_TCP) == tcp);
        of(true).chain(of(false))
    }

    /// The entry of a key.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Whether there is an entry of that key.
    pub fn contains(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many there are of TCP, and of all else.
    pub fn lens(&self) -> (usize, usize) {
        (self.tcp, self.entries.len() - self.tcp)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A packet meets its entry: whether it opens it again, and whether it is worth telling (`__ct_lookup`).
fn meet(entry: &mut Entry, tcp: bool, direction: Direction, segment: Segment, now: u32) -> (bool, bool) {
    let alive = |entry: &Entry| !(entry.rx_closing && entry.tx_closing);
    let mut tell = false;
    if alive(entry) {
        tell = entry.touch(tcp, direction, segment.flags, now);
    }
    if segment.creates && tcp && (entry.rx_closing || entry.tx_closing) {
        (entry.rx_closing, entry.tx_closing) = (false, false);
        return (true, entry.touch(tcp, direction, segment.flags, now));
    }
    if segment.closes {
        let reset = segment.flags & TCP_RST != 0;
        entry.rx_closing |= reset || direction == Direction::Ingress;
        entry.tx_closing |= reset || direction == Direction::Egress;
        // The packet that closes is told in any case.
        tell = true;
        if !alive(entry) {
            entry.lifetime = now.saturating_add(LIFETIME_CLOSE);
        }
    }
    (false, tell)
}
