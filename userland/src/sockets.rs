//! The sockets of a namespace as `ss` and `netstat` list them.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_protocols::tcp::State;
use hopwise_sim_core::{Duration, IfIndex, Time};
use hopwise_stack::Namespace;
use hopwise_stack::socket::tcp::{Addr, Conn, Role};
use hopwise_stack::socket::{Socket, SocketId, SocketKind};

use crate::kernel::SimKernel;

/// Nobody's address.
const NOBODY: Addr = (Ipv4Addr::UNSPECIFIED, 0);

/// What kind of socket a row is about, in the order in which they are listed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A packet socket.
    Packet,
    /// Raw IPv4.
    Raw,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// A timer that runs: its number in `/proc/net/tcp`, when it runs out, and how many tries were in vain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timer {
    /// 1 retransmission, 2 keepalive, 3 `TIME_WAIT`, 4 window probe.
    pub kind: u8,
    /// How long it still runs.
    pub left: Duration,
    /// Tries.
    pub tries: u32,
}

/// A socket, or a connection that no program has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Kind.
    pub kind: Kind,
    /// How it stands; UDP and raw sockets are `Established` if connected, else `Close`.
    pub state: State,
    /// Bytes to be read; at a listener, connections to be accepted.
    pub recv: u64,
    /// Bytes not acknowledged; at a listener, how many connections may wait.
    pub send: u64,
    /// Our end. Raw sockets: the protocol is the port.
    pub local: Addr,
    /// The other end.
    pub remote: Addr,
    /// The link it is bound to.
    pub dev: IfIndex,
    /// Its inode, 0 for what is no socket any more.
    pub inode: u32,
    /// The process that has it, and its descriptor.
    pub user: Option<(u64, u32)>,
    /// The timer that runs.
    pub timer: Option<Timer>,
    /// How many datagrams did not fit into its buffer.
    pub drops: u64,
    /// The connection's place.
    pub conn: Option<hopwise_stack::socket::tcp::ConnId>,
}

/// All sockets of the caller's namespace: packet, raw, UDP, TCP; listeners before connections.
pub fn rows(sys: &Sys<'_, SimKernel>) -> Vec<Row> {
    sys.kernel.net.ns(sys.ns()).map_or_else(Vec::new, |space| of_namespace(space, sys.now()))
}

/// The same of a namespace.
pub fn of_namespace(space: &Namespace, now: Time) -> Vec<Row> {
    let mut rows: Vec<Row> = space.sockets.iter().filter_map(|(id, socket)| of_socket(space, id, socket)).collect();
    rows.extend(space.sockets.tcp.iter().filter_map(|(id, conn)| of_conn(space, now, id, conn)));
    rows.sort_by_key(|row| {
        let listens = row.state == State::Listen;
        (row.kind, !listens, if row.conn.is_some() { 0 } else { row.local.1 }, row.inode)
    });
    rows
}

/// The process of a socket, and the number of its descriptor: standard ones come first.
fn user(space: &Namespace, id: SocketId, socket: &Socket) -> (u64, u32) {
    let before = space.sockets.iter().take_while(|(other, _)| *other != id);
    let own = before.filter(|(_, other)| other.owner == socket.owner).count();
    (socket.owner, 3 + own as u32)
}

fn of_socket(space: &Namespace, id: SocketId, socket: &Socket) -> Option<Row> {
    let state = if socket.remote.is_some() { State::Established } else { State::Close };
    let mut row = Row {
        kind: Kind::Udp,
        state,
        recv: socket.queued as u64,
        send: 0,
        local: socket.local,
        remote: socket.remote.unwrap_or(NOBODY),
        dev: socket.bound_dev,
        inode: inode(id),
        user: Some(user(space, id, socket)),
        timer: None,
        drops: socket.dropped,
        conn: None,
    };
    match socket.kind {
        // An unbound UDP socket is in no table of the kernel.
        SocketKind::Udp if socket.local.1 == 0 => return None,
        SocketKind::Udp => {}
        SocketKind::Raw { protocol } => (row.kind, row.local.1) = (Kind::Raw, u16::from(protocol)),
        SocketKind::Packet { protocol } => (row.kind, row.local.1) = (Kind::Packet, protocol),
        SocketKind::Tcp => {
            let Role::Listen(listener) = &socket.tcp else { return None };
            (row.kind, row.state) = (Kind::Tcp, State::Listen);
            (row.recv, row.send) = (listener.waiting.len() as u64, u64::from(listener.backlog));
        }
    }
    Some(row)
}

/// Inodes of sockets begin where a machine's first ones do.
const fn inode(id: SocketId) -> u32 {
    20_000 + id.0
}

fn of_conn(space: &Namespace, now: Time, id: hopwise_stack::socket::tcp::ConnId, conn: &Conn) -> Option<Row> {
    let state = conn.end.state();
    if state == State::Close {
        return None;
    }
    let socket = conn.socket.and_then(|id| Some((id, space.sockets.get(id)?)));
    // A FIN behind unread data counts as a byte.
    let readable = conn.end.readable() as u64;
    let fin = u64::from(readable > 0 && conn.end.is_ended());
    let (kind, at, tries) = conn.end.timer_info();
    let timer = at.filter(|_| kind != 0).map(|at| Timer { kind, left: at.since(now), tries });
    // Once nobody has it, waiting for the other side's FIN is remembering it, too.
    let waits = conn.end.is_orphan() && state == State::FinWait2;
    Some(Row {
        kind: Kind::Tcp,
        state,
        recv: readable + fin,
        send: conn.end.unacknowledged() as u64,
        local: conn.pair.local,
        remote: conn.pair.remote,
        dev: conn.bound_dev,
        inode: socket.map_or(0, |(id, _)| inode(id)),
        user: socket.map(|(id, socket)| user(space, id, socket)),
        timer: timer.map(|timer| Timer { kind: if waits { 3 } else { timer.kind }, ..timer }),
        drops: 0,
        conn: Some(id),
    })
}

/// The name of a port in `/etc/services`.
pub fn service(sys: &mut Sys<'_, SimKernel>, port: u16, protocol: &str) -> Option<String> {
    let text = sys.read_file("/etc/services").ok()?;
    let text = String::from_utf8_lossy(&text);
    let wanted = format!("{port}/{protocol}");
    let fits = |line: &&str| line.split_whitespace().nth(1) == Some(&*wanted);
    text.lines().find(fits)?.split_whitespace().next().map(str::to_owned)
}

/// The name and number of a process of this machine that owns a socket.
pub fn process(sys: &Sys<'_, SimKernel>, owner: u64) -> Option<(u32, String)> {
    let pid = SimKernel::pid_of(owner);
    let found = sys.processes().into_iter().find(|p| p.pid == pid.number && pid.machine == sys.machine());
    found.map(|p| (p.pid, p.comm))
}
