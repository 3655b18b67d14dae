//! The network of a world: hosts, their namespaces, and the agenda that joins them.

use hopwise_devices::{Kind, Link, LinkFlags};
use hopwise_netfilter::conntrack::Conntrack;
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{
    Agenda, DropReason, Duration, Fate, HostId, IfIndex, Journey, Key, NsId, Origins, Packet, Pool, PoolStats, Rng,
    Time,
};

use crate::capture::CaptureLog;
use crate::conf::ConfKey;
use crate::control::link::WireChange;
use crate::cx::{Cx, Event, Flight, TimerKind};
use crate::dev::Dev;
use crate::inet::InetDev;
use crate::linkwatch::{self, LinkWatch};
use crate::namespace::{Defaults, Namespace};
use crate::path;

/// A machine as the network sees it: a root namespace and the order of its events.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// The namespace it starts in.
    pub root: NsId,
    /// How many events it has put on the agenda.
    sequence: u64,
    /// Links whose carrier changed and was not looked at yet.
    pub watch: LinkWatch,
    /// Whether the module `ipip` is loaded: see [`Network::load_ipip`].
    pub ipip: bool,
    /// Its kernel has VLANs: see [`Network::load_vlans`].
    pub vlans: bool,
    /// The last handle that was given to a queueing discipline by itself (`autohandle` of `qdisc_alloc_handle`).
    pub(crate) qdisc_handle: u16,
    /// How many queueing disciplines were made.
    pub(crate) qdiscs: u32,
}

/// Why running stopped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Programs are to be woken: see [`Network::take_wakeups`].
    Woken,
    /// The time given was reached; nothing is due before it.
    Reached,
    /// Packets multiply or circle without end.
    Storm(Storm),
}

/// A forwarding loop or broadcast storm: what was seen of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Storm {
    /// When it was noticed.
    pub at: Time,
    /// Packets in flight then.
    pub in_flight: u64,
    /// The links that most frames were on their way to: `host/namespace number:link`.
    pub links: Vec<(NsId, IfIndex, u32)>,
}

/// More packets in flight than this are a storm: a lab has tens, a benchmark tens of thousands.
pub const MAX_IN_FLIGHT: u64 = 200_000;

/// More frame arrivals than this within one second of virtual time, without any program waking up, are a loop.
pub const MAX_ARRIVALS_PER_SECOND: u64 = 2_000_000;

/// Hosts, namespaces, links, and what is going on between them.
#[derive(Clone, Debug)]
pub struct Network {
    now: Time,
    seed: u64,
    hosts: Vec<Host>,
    namespaces: Vec<Option<Box<Namespace>>>,
    agenda: Agenda<Event>,
    pool: Pool,
    /// The records of what happened to packets.
    pub journey: Journey,
    /// Why routes and rules are there, as far as it was said.
    pub origins: Origins,
    /// The frames captured on links with `captured` set.
    pub captures: CaptureLog,
    /// Whether new links are captured from the start.
    pub capture_new_links: bool,
    pub(crate) wakeups: Vec<u64>,
    /// Programs that are woken when the state of a link changes by itself (`RTMGRP_LINK`).
    link_listeners: Vec<(NsId, u64)>,
    /// Where the tun is that each open file is attached to.
    pub(crate) tuns: Vec<Option<(NsId, IfIndex)>>,
    macs: Rng,
    defaults: Defaults,
    /// What was planned to happen to wires: the wire's number, and what.
    pub(crate) wire_changes: Vec<(u32, WireChange)>,
    arrivals: (u64, u64),
    events: u64,
    digest: u64,
}

impl Network {
    /// An empty network whose random decisions derive from `seed`.
    pub fn new(seed: u64) -> Self {
        Network {
            now: Time::ZERO,
            seed,
            hosts: Vec::new(),
            namespaces: Vec::new(),
            agenda: Agenda::default(),
            pool: Pool::default(),
            journey: Journey::default(),
            origins: Origins::default(),
            captures: CaptureLog::default(),
            capture_new_links: false,
            wakeups: Vec::new(),
            link_listeners: Vec::new(),
            tuns: Vec::new(),
            macs: Rng::stream(seed, "mac", 0),
            defaults: Defaults::default(),
            wire_changes: Vec::new(),
            arrivals: (0, 0),
            events: 0,
            digest: 0,
        }
    }

    /// The present.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The seed.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The hosts, in the order of creation.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// A host.
    pub fn host(&self, host: HostId) -> Option<&Host> {
        self.hosts.get(host.0 as usize)
    }

    pub(crate) fn host_mut(&mut self, host: HostId) -> Option<&mut Host> {
        self.hosts.get_mut(host.0 as usize)
    }

    /// Adds a host with a root namespace whose `lo` is up.
    pub fn add_host(&mut self, name: &str) -> HostId {
        let host = HostId(self.hosts.len() as u32);
        let root = NsId(self.namespaces.len() as u32);
        self.hosts.push(Host {
            name: name.into(),
            root,
            sequence: 0,
            watch: LinkWatch::default(),
            ipip: false,
            vlans: false,
            qdisc_handle: 0x8000,
            qdiscs: 0,
        });
        let added = self.add_namespace(host);
        debug_assert_eq!(added, root, "the root namespace comes next");
        if let Some(space) = self.ns_mut(root) {
            space.is_root = true;
        }
        // LABS.md, rule 9: at the start every machine's lo is up.
        let up = self.set_link_up(root, IfIndex::LO, true);
        debug_assert!(up.is_ok(), "lo can always be set up");
        host
    }

    /// Adds a namespace to a host: `lo` only, and down.
    pub fn add_namespace(&mut self, host: HostId) -> NsId {
        let id = NsId(self.namespaces.len() as u32);
        self.namespaces.push(Some(Box::new(Namespace::new(id, host, self.seed, &self.defaults))));
        self.inherit_conntrack(id);
        let mut lo = Link::new(Kind::Loopback);
        lo.name = "lo".into();
        self.register(id, lo, IfIndex::NONE);
        if self.host(host).is_some_and(|h| h.ipip) {
            self.add_fallback_tunnel(id);
        }
        id
    }

    /// Puts a new link into a namespace under the number `index` ([`IfIndex::NONE`]: the next one). Name and number must
    /// be free. Gives its number.
    pub fn register(&mut self, ns: NsId, mut link: Link, index: IfIndex) -> IfIndex {
        let captured = self.capture_new_links;
        let Some(space) = self.ns_mut(ns) else { return IfIndex::NONE };
        link.index = if index.is_some() { index } else { space.devs.next_index() };
        link.taps += u32::from(captured);
        let index = link.index;
        let mut conf = space.conf_default.clone();
        if matches!(link.kind, Kind::Loopback) {
            conf.set(ConfKey::DisablePolicy, 1);
            conf.set(ConfKey::DisableXfrm, 1);
        }
        let mut neigh = space.neigh_default.clone();
        neigh.draw_reachable_time(&mut space.rng);
        let dev = Dev {
            link,
            inet: InetDev { addrs: smallvec::SmallVec::new(), conf },
            neigh,
            captured,
            watched: false,
            clsact: None,
        };
        space.devs.insert(Box::new(dev));
        index
    }

    /// A namespace.
    #[inline]
    pub fn ns(&self, ns: NsId) -> Option<&Namespace> {
        self.namespaces.get(ns.0 as usize)?.as_deref()
    }

    /// A namespace, to be changed.
    #[inline]
    pub fn ns_mut(&mut self, ns: NsId) -> Option<&mut Namespace> {
        let space = self.namespaces.get_mut(ns.0 as usize)?.as_deref_mut()?;
        space.memo.forget();
        Some(space)
    }

    /// All namespaces, in the order of creation.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.iter().filter_map(|n| n.as_deref())
    }

    /// Takes a namespace out of the world; the caller has dealt with its links.
    pub(crate) fn forget_namespace(&mut self, ns: NsId) -> Option<Box<Namespace>> {
        self.namespaces.get_mut(ns.0 as usize)?.take()
    }

    /// Two namespaces at once, to be changed; they must be different ones.
    pub fn two(&mut self, a: NsId, b: NsId) -> Option<(&mut Namespace, &mut Namespace)> {
        let [a, b] = self.namespaces.get_disjoint_mut([a.0 as usize, b.0 as usize]).ok()?;
        let (a, b) = (a.as_deref_mut()?, b.as_deref_mut()?);
        a.memo.forget();
        b.memo.forget();
        Some((a, b))
    }

    /// A random MAC address, locally administered (`eth_random_addr`).
    pub fn random_mac(&mut self) -> MacAddr {
        let bytes = self.macs.next_u64().to_be_bytes();
        let [_, _, a, b, c, d, e, f] = bytes;
        MacAddr([(a & 0xfe) | 0x02, b, c, d, e, f])
    }

    /// Does something in a namespace between two events, with all that a namespace can reach.
    #[inline]
    pub fn with<R>(&mut self, ns: NsId, work: impl FnOnce(&mut Namespace, &mut Cx<'_>) -> R) -> Option<R> {
        let space = self.namespaces.get_mut(ns.0 as usize)?.as_deref_mut()?;
        space.memo.forget();
        let host = self.hosts.get_mut(space.host.0 as usize)?;
        let mut cx = Cx {
            now: self.now,
            ns,
            host: space.host,
            sequence: &mut host.sequence,
            pool: &mut self.pool,
            agenda: &mut self.agenda,
            journey: &mut self.journey,
            captures: &mut self.captures,
            wakeups: &mut self.wakeups,
            copying: false,
        };
        let result = work(space, &mut cx);
        ring(space, &mut self.wakeups);
        Some(result)
    }

    /// Does something with the connections of a namespace between two events; who listens to them is woken.
    pub fn with_conntrack<R>(&mut self, ns: NsId, work: impl FnOnce(&mut Conntrack, Time) -> R) -> Option<R> {
        self.with(ns, |space, cx| work(space.conntrack(), cx.now))
    }

    /// Sets a timer of a namespace from outside the packet path.
    pub(crate) fn set_timer(&mut self, ns: NsId, at: Time, timer: TimerKind) {
        self.with(ns, |_, cx| cx.timer(at, timer));
    }

    /// Puts a frame into a link as if it had just arrived from outside: what a test or a fuzzer does.
    pub fn inject(&mut self, ns: NsId, link: IfIndex, frame: &[u8]) {
        self.with(ns, |_, cx| {
            let packet = cx.pool.alloc_from(frame);
            cx.send(Duration::ZERO, cx.ns, link, packet);
        });
    }

    /// When the next event is due.
    pub fn next_event(&self) -> Option<Time> {
        self.agenda.next_key().map(Key::time)
    }

    /// Lets events happen until `until`, or until programs are to be woken. Time ends at `until` only if that is
    /// reached.
    pub fn run_until(&mut self, until: Time) -> Stop {
        while let Some((key, event)) = self.agenda.pop_until(until) {
            self.now = key.time();
            self.events += 1;
            self.witness(&event);
            self.happen(event);
            // A program takes a while to get going: whatever arrives in the same instant is there by then, as interrupts come first.
            if !self.wakeups.is_empty() && self.next_event() != Some(self.now) {
                self.arrivals = (0, 0);
                return Stop::Woken;
            }
            if self.is_storm() {
                return Stop::Storm(self.storm());
            }
        }
        if until != Time::NEVER {
            self.now = self.now.max(until);
        }
        Stop::Reached
    }

    /// Takes an event into the running hash of everything that happened.
    #[inline]
    fn witness(&mut self, event: &Event) {
        let (ns, what) = match event {
            Event::Timer(ns, _) | Event::NotSent { ns, .. } => (ns, 1),
            Event::Packet(Flight { way, ns, packet }) => {
                let link = way.link();
                let head = packet.data().first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
                (ns, (packet.id.0 << 32) ^ (packet.len() as u64) ^ u64::from(link.0).rotate_left(16) ^ head)
            }
        };
        let mixed = self.digest.rotate_left(5) ^ self.now.as_nanos() ^ u64::from(ns.0).rotate_left(48) ^ what;
        self.digest = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    /// A hash of every event until now: time, place, packet. Equal histories have equal digests.
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Packet(Flight { way, ns, packet }) => {
                self.take_over(ns, packet, |ns, cx, packet| path::go_on(ns, cx, way, packet));
            }
            Event::Timer(_, TimerKind::Wire { index }) => {
                if let Some((number, change)) = self.wire_changes.get(index as usize).copied() {
                    self.wire_change(number, &change);
                }
            }
            Event::NotSent { ns, link, len } => {
                self.with(ns, |ns, _| path::dev_xmit::uncount(ns, link, len as usize, |stats| stats.tx_dropped += 1));
            }
            Event::Timer(ns, TimerKind::Address) => {
                self.timer(ns, TimerKind::Address);
                self.ipvlan_addrs_expired(ns);
            }
            Event::Timer(ns, TimerKind::LinkWatch) => linkwatch::run(self, ns),
            Event::Timer(ns, timer) => self.timer(ns, timer),
        }
    }

    /// A packet goes on in a namespace, which may have been deleted while it was on its way.
    #[inline]
    fn take_over(&mut self, ns: NsId, packet: Packet, work: impl FnOnce(&mut Namespace, &mut Cx<'_>, Packet) -> Fate) {
        let Some(space) = self.namespaces.get_mut(ns.0 as usize).and_then(|n| n.as_deref_mut()) else {
            self.pool.dropped(packet);
            return;
        };
        let host = space.host;
        let Some(owner) = self.hosts.get_mut(host.0 as usize) else {
            self.pool.dropped(packet);
            return;
        };
        let mut cx = Cx {
            now: self.now,
            ns,
            host,
            sequence: &mut owner.sequence,
            pool: &mut self.pool,
            agenda: &mut self.agenda,
            journey: &mut self.journey,
            captures: &mut self.captures,
            wakeups: &mut self.wakeups,
            copying: false,
        };
        work(space, &mut cx, packet);
        ring(space, &mut self.wakeups);
    }

    fn timer(&mut self, ns: NsId, timer: TimerKind) {
        self.with(ns, |ns, cx| match timer {
            TimerKind::Neigh { addr, link, generation } => path::neigh_out::timer(ns, cx, addr, link, generation),
            TimerKind::NeighGc => path::neigh_out::collect_garbage(ns, cx),
            TimerKind::ProxyArp { id } => path::arp::proxy_redo(ns, cx, id),
            TimerKind::Frag { id } => path::frag::expire(ns, cx, id),
            TimerKind::Address => crate::control::addr::expire(ns, cx),
            TimerKind::Tcp { conn, generation } => path::tcp::timer(ns, cx, conn, generation),
            TimerKind::TunnelError { link } => path::ipip::note_error(ns, cx, link),
            TimerKind::Refused { link } => path::dev_xmit::refused(ns, link),
            TimerKind::Qdisc { link } => path::qdisc::timer(ns, cx, link),
            TimerKind::LinkWatch | TimerKind::Wire { .. } => {}
        });
    }

    /// Whether too much is going on for a network that is in order.
    #[inline]
    fn is_storm(&mut self) -> bool {
        let second = self.now.as_nanos() >> 30;
        if self.arrivals.0 != second {
            self.arrivals = (second, 0);
        }
        self.arrivals.1 += 1;
        self.arrivals.1 > MAX_ARRIVALS_PER_SECOND || self.pool.stats().alive() > MAX_IN_FLIGHT
    }

    /// What circles: the links that frames are on their way to, the busiest first. Clears the agenda of frames, so that
    /// what comes next can be seen.
    #[cold]
    fn storm(&mut self) -> Storm {
        let mut links = std::collections::BTreeMap::new();
        for (_, event) in self.agenda.iter() {
            if let Some(flight) = event.flight() {
                *links.entry((flight.ns, flight.way.link())).or_insert(0u32) += 1;
            }
        }
        let mut links: Vec<_> = links.into_iter().map(|((ns, link), n)| (ns, link, n)).collect();
        links.sort_by_key(|&(ns, link, n)| (core::cmp::Reverse(n), ns, link));
        links.truncate(8);
        let storm = Storm { at: self.now, in_flight: self.pool.stats().alive(), links };
        self.arrivals = (0, 0);
        for event in self.agenda.extract(|event| event.flight().is_some()) {
            let Event::Packet(Flight { ns, packet, .. }) = event else { continue };
            self.take_over(ns, packet, |_, cx, packet| cx.drop(packet, DropReason::TooDeep));
        }
        storm
    }

    /// A program is woken from now on when the link watcher finds that a link of a namespace has changed.
    pub fn listen_to_links(&mut self, ns: NsId, owner: u64) {
        self.link_listeners.push((ns, owner));
    }

    /// A program listens no longer.
    pub fn unlisten_to_links(&mut self, owner: u64) {
        self.link_listeners.retain(|(_, listener)| *listener != owner);
    }

    pub(crate) fn tell_link_listeners(&mut self, ns: NsId) {
        self.wakeups.extend(self.link_listeners.iter().filter(|(n, _)| *n == ns).map(|(_, owner)| *owner));
    }

    /// The owners of sockets that got something since the last call.
    pub fn take_wakeups(&mut self) -> Vec<u64> {
        let mut woken = Vec::new();
        self.swap_wakeups(&mut woken);
        woken
    }

    /// The same into a list that is used again and again: whoever is woken by each segment allocates nothing for it.
    pub fn swap_wakeups(&mut self, woken: &mut Vec<u64>) {
        woken.clear();
        core::mem::swap(woken, &mut self.wakeups);
        woken.sort_unstable();
        woken.dedup();
    }

    /// Counts of packets.
    pub const fn packets(&self) -> PoolStats {
        self.pool.stats()
    }

    /// How many events have happened.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Packets on their way to a link, and packets waiting in a queue. Together they are all that are alive: see
    /// [`PoolStats::alive`].
    pub fn in_flight_and_held(&self) -> (u64, u64) {
        let flying = self.agenda.iter().filter(|(_, e)| e.flight().is_some()).count() as u64;
        let held = self.namespaces().map(Namespace::held).sum();
        (flying, held)
    }

    /// The link that one stands on or leads to, and where it is: see [`Kind::below`].
    pub fn below(&self, ns: NsId, link: IfIndex) -> Option<(NsId, IfIndex)> {
        self.ns(ns)?.devs.get(link)?.kind.below()
    }

    /// The other end of a veth, and where it is.
    pub fn peer_of(&self, ns: NsId, link: IfIndex) -> Option<(NsId, IfIndex)> {
        Some(self.ns(ns)?.devs.get(link)?.kind.veth()?.peer)
    }

    /// Whether a link is administratively up and there is a link of that number.
    pub fn is_up(&self, ns: NsId, link: IfIndex) -> bool {
        self.ns(ns).and_then(|n| n.devs.get(link)).is_some_and(|d| d.flags.contains(LinkFlags::UP))
    }
}

/// Wakes who listens to the events of connections, if there are new ones.
#[inline]
fn ring(space: &mut Namespace, wakeups: &mut Vec<u64>) {
    if let Some(conntrack) = &mut space.conntrack
        && conntrack.events.take_news()
    {
        wakeups.extend_from_slice(conntrack.events.listeners());
    }
}
