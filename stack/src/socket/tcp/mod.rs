//! TCP sockets: the connections of a namespace, who listens, who has which port. The machine of one connection is
//! [`hopwise_protocols::tcp`]; here are the tables around it. Models `inet_hashtables.c`, `inet_connection_sock.c`.

mod accept;
mod calls;
mod ports;
mod settings;

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use hopwise_netfilter::env::FoundSocket;
use hopwise_protocols::tcp::{Endpoint, State};
use hopwise_sim_core::{IfIndex, Time};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::l3mdev::InDev;
use crate::namespace::Namespace;
use crate::socket::{SockOpts, Socket, SocketId};
use crate::sysctl::SysctlKey;

pub(crate) use accept::syn;
pub(crate) use calls::closed;
pub(crate) use settings::params;

/// An address and a port.
pub type Addr = (Ipv4Addr, u16);

/// A connection's place in its namespace's table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnId(pub u32);

/// The two ends of a connection, which tell it from all others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pair {
    /// Our end.
    pub local: Addr,
    /// The other one.
    pub remote: Addr,
    /// The VRF that both are in, or [`IfIndex::NONE`]: the same two may be others in another one.
    pub vrf: IfIndex,
}

/// A connection: also one that no program has yet, or any more.
#[derive(Clone, Debug)]
pub struct Conn {
    /// The machine.
    pub end: Endpoint,
    /// Between whom.
    pub pair: Pair,
    /// The socket that has it.
    pub socket: Option<SocketId>,
    /// The listener in whose queues it waits.
    pub listener: Option<SocketId>,
    /// Options of its packets.
    pub opts: SockOpts,
    /// `SO_BINDTODEVICE`
    pub bound_dev: IfIndex,
    /// `SO_REUSEADDR`
    pub reuse: bool,
    /// The IPv4 identification of its next packet (`inet_id`).
    pub(crate) ip_id: u16,
    /// When the agenda calls for its timers.
    pub(crate) timer_at: Option<Time>,
    /// Tells it from others that had its place.
    pub(crate) generation: u32,
}

/// What a TCP socket is.
#[derive(Clone, Default, Debug)]
pub enum Role {
    /// Neither listening nor connected.
    #[default]
    Idle,
    /// It listens.
    Listen(Listener),
    /// It is one end of a connection.
    Conn(ConnId),
}

/// The queue of a listener.
#[derive(Clone, Default, Debug)]
pub struct Listener {
    /// So many, and one more, may wait to be accepted.
    pub backlog: u32,
    /// Those that wait.
    pub waiting: VecDeque<ConnId>,
    /// How many handshakes are not complete.
    pub young: u32,
}

impl Listener {
    /// `sk_acceptq_is_full`
    pub fn is_full(&self) -> bool {
        self.waiting.len() > self.backlog as usize
    }
}

/// The connections and ports of a namespace.
#[derive(Clone, Default, Debug)]
pub struct TcpTable {
    conns: Vec<Option<Box<Conn>>>,
    free: Vec<u32>,
    by_pair: FxHashMap<Pair, ConnId>,
    /// Listening sockets by port.
    listening: FxHashMap<u16, SmallVec<[SocketId; 1]>>,
    /// Sockets that were bound, by port.
    bound: FxHashMap<u16, SmallVec<[SocketId; 1]>>,
    generation: u32,
}

impl TcpTable {
    /// A connection.
    pub fn get(&self, id: ConnId) -> Option<&Conn> {
        self.conns.get(id.0 as usize)?.as_deref()
    }

    /// The connection between two ends (`__inet_lookup_established`).
    pub fn find(&self, pair: &Pair) -> Option<ConnId> {
        self.by_pair.get(pair).copied()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (ConnId, &Conn)> {
        self.conns.iter().enumerate().filter_map(|(i, c)| Some((ConnId(i as u32), c.as_deref()?)))
    }

    /// Takes a connection out for the time of work on it: whatever happens meanwhile does not find it.
    pub(crate) fn take(&mut self, id: ConnId) -> Option<Box<Conn>> {
        self.conns.get_mut(id.0 as usize)?.take()
    }

    /// Puts it back.
    pub(crate) fn put(&mut self, id: ConnId, conn: Box<Conn>) {
        if let Some(place) = self.conns.get_mut(id.0 as usize) {
            *place = Some(conn);
        }
    }

    /// A place for a new connection; its generation is set.
    pub(crate) fn insert(&mut self, mut conn: Box<Conn>) -> ConnId {
        self.generation = self.generation.wrapping_add(1);
        conn.generation = self.generation;
        let id = ConnId(self.free.pop().unwrap_or(self.conns.len() as u32));
        if id.0 as usize == self.conns.len() {
            self.conns.push(None);
        }
        self.by_pair.insert(conn.pair, id);
        self.put(id, conn);
        id
    }

    /// No segment is for it any more (`inet_unhash`).
    pub(crate) fn unhash(&mut self, id: ConnId, pair: &Pair) {
        if self.by_pair.get(pair) == Some(&id) {
            self.by_pair.remove(pair);
        }
    }

    /// Its place is free.
    pub(crate) fn release(&mut self, id: ConnId) {
        self.free.push(id.0);
    }
}

/// The listener that takes a segment to `to` (`inet_lookup_listener`): a bound address and a bound link count.
pub(crate) fn listener(ns: &Namespace, to: Addr, from_dev: InDev) -> Option<SocketId> {
    let accept = ns.sysctl[SysctlKey::TcpL3mdevAccept] != 0;
    let score = |socket: &Socket| {
        let mut score = 1;
        if !socket.local.0.is_unspecified() {
            if socket.local.0 != to.0 {
                return None;
            }
            score += 1;
        }
        if !from_dev.suits(socket.bound_dev, accept) {
            return None;
        }
        score += if socket.bound_dev.is_some() { 2 } else { 0 };
        Some(score)
    };
    let candidates = ns.sockets.tcp.listening.get(&to.1).into_iter().flatten();
    let scored = candidates.filter_map(|&id| Some((score(ns.sockets.get(id)?)?, id)));
    scored.max_by_key(|&(score, id)| (score, core::cmp::Reverse(id))).map(|(_, id)| id)
}

/// The socket that a segment is for, as rules see it (`inet_lookup`).
pub(crate) fn for_segment(ns: &Namespace, from: Addr, to: Addr, from_dev: InDev) -> Option<FoundSocket> {
    if let Some(id) = ns.sockets.tcp.find(&Pair { local: to, remote: from, vrf: ns.l3mdev_master(from_dev.dif) }) {
        // What waits for the end of TIME_WAIT is no whole socket: it has no mark.
        let conn = ns.sockets.tcp.get(id);
        let mark = conn.filter(|conn| conn.end.state() != State::TimeWait).map(|conn| conn.opts.mark);
        return Some(FoundSocket { wildcard: false, mark });
    }
    let socket = ns.sockets.get(listener(ns, to, from_dev)?)?;
    Some(FoundSocket { wildcard: socket.local.0.is_unspecified(), mark: Some(socket.opts.mark) })
}

/// The queue of a listening socket.
pub(crate) fn queue(ns: &mut Namespace, id: SocketId) -> Option<&mut Listener> {
    match &mut ns.sockets.get_mut(id)?.tcp {
        Role::Listen(listener) => Some(listener),
        _ => None,
    }
}
