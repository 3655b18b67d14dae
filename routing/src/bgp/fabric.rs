//! Speakers joined by wires, in virtual time: BGP alone, without machines, TCP and packets.
//!
//! For questions about the protocol itself (does it converge, how long does it take, which routes remain), and for tests and
//! benchmarks. Connections are reliable and take the wire's delay, which has to be less than the time that a session waits at
//! least before it connects again (0.75 s).
//!
//! ```
//! use std::net::Ipv4Addr;
//! use hopwise_routing::attrs::Attrs;
//! use hopwise_routing::bgp::{fabric::Fabric, speaker::Speaker};
//! use hopwise_sim_core::{Duration, Time};
//!
//! let mut fabric = Fabric::new();
//! let worker = fabric.add(Speaker::new(65001, Ipv4Addr::new(192, 168, 210, 21), 1));
//! let leaf = fabric.add(Speaker::new(65000, Ipv4Addr::new(192, 168, 210, 254), 1));
//! let addresses = [Ipv4Addr::new(192, 168, 210, 21), Ipv4Addr::new(192, 168, 210, 254)];
//! fabric.connect([worker, leaf], addresses, Duration::from_millis(1), |config, _| config.times.hold = 90);
//! let pods = "192.168.10.0/24".parse().unwrap();
//! fabric.with(worker, |s| s.originate(pods, Attrs::default()));
//! fabric.run_until_quiet(Time::ZERO + Duration::from_secs(60)).expect("a session within a minute");
//! let route = fabric.speakers()[leaf].best(pods).unwrap();
//! assert_eq!(route.attrs.as_path.as_ref().unwrap().to_string(), "65001");
//! assert_eq!(route.attrs.next_hop, Some(addresses[0]));
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use hopwise_sim_core::{Duration, Errno, Time};

use super::config::PeerConfig;
use super::error::LastError;
use super::session::{Action, State, Stop, Way};
use super::speaker::Speaker;

/// One end of a wire: speaker and session.
type End = (usize, usize);

#[derive(Clone, Debug)]
struct Wire {
    ends: [End; 2],
    addresses: [Ipv4Addr; 2],
    interfaces: [u32; 2],
    delay: Duration,
    up: bool,
    /// Data is lost on it, and nobody is told.
    silent: bool,
    /// The connection that each end has opened, if it has: its number.
    open: [Option<u64>; 2],
}

#[derive(Clone, Debug)]
enum Event {
    /// Somebody opens a connection: the end that it reaches.
    Syn,
    /// It is there: the end that opened it.
    Connected,
    /// It is refused.
    Refused,
    Data(Vec<u8>),
    Closed,
}

#[derive(Clone, Debug)]
struct Delivery {
    wire: usize,
    /// The end that it reaches: 0 or 1.
    end: usize,
    /// The end that opened the connection, and the connection's number.
    opener: usize,
    connection: u64,
    event: Event,
}

/// Speakers and wires.
#[derive(Clone, Debug, Default)]
pub struct Fabric {
    now: Time,
    speakers: Vec<Speaker>,
    wires: Vec<Wire>,
    /// The wire and the end of each session of each speaker.
    places: Vec<Vec<(usize, usize)>>,
    deliveries: BTreeMap<(Time, u64), Delivery>,
    timers: BTreeSet<(Time, End)>,
    armed: Vec<Vec<Option<Time>>>,
    sequence: u64,
    messages: u64,
}

impl Fabric {
    /// Nothing yet, at the beginning of time.
    pub fn new() -> Self {
        Fabric::default()
    }

    /// The present.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// How many pieces of data have been delivered.
    pub const fn messages(&self) -> u64 {
        self.messages
    }

    /// Adds a speaker; gives its number.
    pub fn add(&mut self, speaker: Speaker) -> usize {
        self.speakers.push(speaker);
        self.places.push(Vec::new());
        self.armed.push(Vec::new());
        self.speakers.len() - 1
    }

    /// All speakers.
    pub fn speakers(&self) -> &[Speaker] {
        &self.speakers
    }

    /// Changes a speaker: its own destinations, for instance. What follows from it is done at once.
    pub fn with<T>(&mut self, speaker: usize, change: impl FnOnce(&mut Speaker) -> T) -> T {
        let result = change(&mut self.speakers[speaker]);
        self.drain(speaker);
        result
    }

    /// Joins two speakers by a wire of their own, with a session over it that begins to come up. `configure` may change what
    /// either end is told; its second argument is 0 for the first speaker, 1 for the second. Gives the wire's number.
    pub fn connect(
        &mut self,
        speakers: [usize; 2],
        addresses: [Ipv4Addr; 2],
        delay: Duration,
        configure: impl Fn(&mut PeerConfig, usize),
    ) -> usize {
        let wire = self.wires.len();
        let interfaces = speakers.map(|s| self.speakers[s].sessions().len() as u32 + 1);
        let ends = [0, 1].map(|end| {
            let (me, other) = (speakers[end], speakers[1 - end]);
            let mut config = self.speakers[me].peer_config(self.speakers[other].asn(), addresses[1 - end]);
            configure(&mut config, end);
            let session = self.speakers[me].add_session(config);
            self.places[me].push((wire, end));
            self.armed[me].push(None);
            (me, session)
        });
        self.wires.push(Wire { ends, addresses, interfaces, delay, up: true, silent: false, open: [None, None] });
        for (end, (speaker, session)) in ends.into_iter().enumerate() {
            self.start(wire, end);
            self.rearm(speaker, session);
        }
        wire
    }

    fn start(&mut self, wire: usize, end: usize) {
        let w = &self.wires[wire];
        let ((speaker, session), address, interface, up) = (w.ends[end], w.addresses[end], w.interfaces[end], w.up);
        let s = &mut self.speakers[speaker];
        s.start(self.now, session);
        if up {
            s.neighbor_found(self.now, session, address, interface);
        }
    }

    /// Cuts a wire or mends it. What is on its way is lost, and both ends see it.
    pub fn set_up(&mut self, wire: usize, up: bool) {
        if self.wires[wire].up == up {
            return;
        }
        self.wires[wire].up = up;
        self.wires[wire].open = [None, None];
        for end in 0..2 {
            let (speaker, session) = self.wires[wire].ends[end];
            if up {
                self.start(wire, end);
            } else {
                self.speakers[speaker].neighbor_lost(self.now, session, LastError::LinkDown);
            }
            self.drain(speaker);
            self.rearm(speaker, session);
        }
    }

    /// Lets a wire swallow all that is sent over it, or ends that. Nobody is told: only the hold timer sees it.
    pub fn set_silent(&mut self, wire: usize, silent: bool) {
        self.wires[wire].silent = silent;
    }

    /// The speaker at the other end of a session.
    pub fn neighbor(&self, speaker: usize, session: usize) -> usize {
        let (wire, end) = self.places[speaker][session];
        self.wires[wire].ends[1 - end].0
    }

    /// Resets the session over a wire, from its first end.
    pub fn reset(&mut self, wire: usize) {
        let (speaker, session) = self.wires[wire].ends[0];
        let now = self.now;
        self.with(speaker, |s| s.stop(now, session, &Stop::Reset(String::new())));
    }

    /// Runs until all sessions over whole wires are established and nothing is on its way, at most until `limit`. Gives the time
    /// when this was so.
    pub fn run_until_quiet(&mut self, limit: Time) -> Option<Time> {
        while !(self.deliveries.is_empty() && self.all_established()) {
            if !self.step(limit) {
                return None;
            }
        }
        Some(self.now)
    }

    /// Runs until a time.
    pub fn run_until(&mut self, limit: Time) {
        while self.step(limit) {}
        self.now = self.now.max(limit);
    }

    fn all_established(&self) -> bool {
        let up = |(speaker, session): End| self.speakers[speaker].sessions()[session].state() == State::Established;
        self.wires.iter().filter(|w| w.up).all(|w| w.ends.into_iter().all(up))
    }

    /// One event. False if there is none before `limit`.
    fn step(&mut self, limit: Time) -> bool {
        let delivery = self.deliveries.first_key_value().map(|((at, _), _)| *at);
        let timer = self.timers.first().map(|(at, _)| *at);
        let Some(at) = delivery.into_iter().chain(timer).min().filter(|at| *at <= limit) else { return false };
        self.now = self.now.max(at);
        if delivery == Some(at) {
            if let Some((_, delivery)) = self.deliveries.pop_first() {
                self.deliver(delivery);
            }
        } else if let Some((_, (speaker, session))) = self.timers.first().copied() {
            self.speakers[speaker].on_timer(self.now, session);
            self.rearm(speaker, session);
            self.drain(speaker);
        }
        true
    }

    fn deliver(&mut self, delivery: Delivery) {
        let Delivery { wire, end, opener, connection, event } = delivery;
        let w = &self.wires[wire];
        if !w.up || w.silent || w.open[opener] != Some(connection) {
            return;
        }
        let (now, (speaker, session), address) = (self.now, w.ends[end], w.addresses[end]);
        let way = if end == opener { Way::Outgoing } else { Way::Incoming };
        let s = &mut self.speakers[speaker];
        match event {
            Event::Syn => {
                let answer = if s.accept(now, session, address) { Event::Connected } else { Event::Refused };
                self.send(wire, opener, opener, answer);
            }
            Event::Connected => s.connected(now, session, address),
            Event::Refused => {
                self.wires[wire].open[opener] = None;
                s.closed(now, session, way, Some(Errno::ECONNREFUSED));
            }
            Event::Data(bytes) => {
                self.messages += 1;
                s.received(now, session, way, &bytes);
            }
            Event::Closed => {
                self.wires[wire].open[opener] = None;
                s.closed(now, session, way, None);
            }
        }
        self.rearm(speaker, session);
        self.drain(speaker);
    }

    /// Puts something on its way on a connection, to the given end.
    fn send(&mut self, wire: usize, end: usize, opener: usize, event: Event) {
        let Some(connection) = self.wires[wire].open[opener] else { return };
        self.sequence += 1;
        let at = self.now + self.wires[wire].delay;
        self.deliveries.insert((at, self.sequence), Delivery { wire, end, opener, connection, event });
    }

    /// Does what a speaker wants done.
    fn drain(&mut self, speaker: usize) {
        while let Some((session, action)) = self.speakers[speaker].poll(self.now) {
            let (wire, end) = self.places[speaker][session];
            let opener = |way| if way == Way::Outgoing { end } else { 1 - end };
            match action {
                Action::Connect => {
                    self.sequence += 1;
                    self.wires[wire].open[end] = Some(self.sequence);
                    self.send(wire, 1 - end, end, Event::Syn);
                }
                Action::Send(way, bytes) => self.send(wire, 1 - end, opener(way), Event::Data(bytes)),
                Action::Close(way) => self.send(wire, 1 - end, opener(way), Event::Closed),
                Action::Stopped if !self.speakers[speaker].sessions()[session].is_disabled() => self.start(wire, end),
                _ => {}
            }
            self.rearm(speaker, session);
        }
    }

    fn rearm(&mut self, speaker: usize, session: usize) {
        let next = self.speakers[speaker].sessions()[session].next_timer();
        let armed = &mut self.armed[speaker][session];
        if *armed != next {
            if let Some(old) = armed.take() {
                self.timers.remove(&(old, (speaker, session)));
            }
            if let Some(at) = next {
                self.timers.insert((at, (speaker, session)));
            }
            *armed = next;
        }
    }
}
