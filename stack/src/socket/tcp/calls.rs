//! What programs call on TCP sockets. Nothing blocks: `EAGAIN` and `EINPROGRESS` mean that the owner is woken later.

use core::net::Ipv4Addr;

use hopwise_protocols::tcp::{Endpoint, Opening, State};
use hopwise_protocols::wire::ipv4::IPPROTO_TCP;
use hopwise_sim_core::{Errno, NsId};

use super::{Addr, Conn, ConnId, Listener, Pair, Role, params, ports, queue};
use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::network::Network;
use crate::path::route::{self, OutputFlow, RouteKind};
use crate::path::tcp;
use crate::socket::{Socket, SocketId, SocketKind, udp};

impl Network {
    /// Binds a TCP socket to an address and port (0: a free one); gives the port.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`, `EADDRINUSE`, `EINVAL` if it is bound already.
    pub fn bind_tcp(&mut self, ns: NsId, id: SocketId, addr: Ipv4Addr, port: u16) -> Result<u16, Errno> {
        ports::bind(self.ns_mut(ns).ok_or(Errno::ENODEV)?, id, addr, port)
    }

    /// Listens; `backlog` and one more connections may wait to be accepted (`inet_listen`).
    ///
    /// # Errors
    /// `EINVAL` on a connected socket, `EADDRINUSE` if another one listens there.
    pub fn listen_tcp(&mut self, ns: NsId, id: SocketId, backlog: u32) -> Result<(), Errno> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        let somaxconn = space.sysctl.kept.get("net.core.somaxconn").and_then(|n| n.parse().ok()).unwrap_or(4096);
        let backlog = backlog.min(somaxconn);
        if let Some(listener) = queue(space, id) {
            listener.backlog = backlog;
            return Ok(());
        }
        let socket = space.sockets.get(id).ok_or(Errno::EBADF)?;
        let local = socket.local;
        if !matches!(socket.tcp, Role::Idle) {
            return Err(Errno::EINVAL);
        }
        if local.1 == 0 {
            ports::bind(space, id, local.0, 0)?;
        } else if ports::is_taken(space, id, local) {
            return Err(Errno::EADDRINUSE);
        }
        let socket = space.sockets.get_mut(id).ok_or(Errno::EBADF)?;
        socket.tcp = Role::Listen(Listener { backlog, ..Listener::default() });
        let port = socket.local.1;
        space.sockets.tcp.listening.entry(port).or_default().push(id);
        Ok(())
    }

    /// Takes the connection that has waited longest at a listener: a socket of the same owner, and who called.
    ///
    /// # Errors
    /// `EAGAIN` if none waits, `EINVAL` if the socket does not listen.
    pub fn accept_tcp(&mut self, ns: NsId, id: SocketId) -> Result<(SocketId, Addr), Errno> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        let conn_id = queue(space, id).ok_or(Errno::EINVAL)?.waiting.pop_front().ok_or(Errno::EAGAIN)?;
        let owner = space.sockets.get(id).ok_or(Errno::EBADF)?.owner;
        let socket_id = space.sockets.open(owner, SocketKind::Tcp);
        let mut conn = space.sockets.tcp.take(conn_id).ok_or(Errno::ECONNABORTED)?;
        (conn.socket, conn.listener) = (Some(socket_id), None);
        if let Some(socket) = space.sockets.get_mut(socket_id) {
            socket.local = conn.pair.local;
            socket.remote = Some(conn.pair.remote);
            (socket.opts, socket.bound_dev, socket.reuse) = (conn.opts, conn.bound_dev, conn.reuse);
            socket.tcp = Role::Conn(conn_id);
        }
        let remote = conn.pair.remote;
        space.sockets.tcp.put(conn_id, conn);
        Ok((socket_id, remote))
    }

    /// Begins to open a connection (`tcp_v4_connect`); the owner is woken when it is open or has failed.
    ///
    /// # Errors
    /// What routing says, `EISCONN`, `EALREADY`, `EADDRNOTAVAIL` without a free port.
    pub fn connect_tcp(&mut self, ns: NsId, id: SocketId, to: Addr) -> Result<(), Errno> {
        self.with(ns, |ns, cx| connect(ns, cx, id, to)).unwrap_or(Err(Errno::ENODEV))
    }

    /// How the connection of a socket stands; `Listen` for a listener, `Close` for one that is neither.
    pub fn tcp_state(&self, ns: NsId, id: SocketId) -> Option<State> {
        let space = self.ns(ns)?;
        Some(match &space.sockets.get(id)?.tcp {
            Role::Idle => State::Close,
            Role::Listen(_) => State::Listen,
            Role::Conn(conn) => space.sockets.tcp.get(*conn)?.end.state(),
        })
    }

    /// The machine of a socket's connection.
    pub fn tcp_endpoint(&self, ns: NsId, id: SocketId) -> Option<&Endpoint> {
        let space = self.ns(ns)?;
        let Role::Conn(conn) = space.sockets.get(id)?.tcp else { return None };
        space.sockets.tcp.get(conn).map(|conn| &conn.end)
    }

    /// Does something with the machine of a socket's connection, and sends what it then has to send.
    ///
    /// # Errors
    /// `ENOTCONN` if there is no connection.
    pub fn with_tcp<R>(&mut self, ns: NsId, id: SocketId, work: impl FnOnce(&mut Endpoint) -> R) -> Result<R, Errno> {
        let done = self.with(ns, |ns, cx| {
            let Role::Conn(conn) = ns.sockets.get(id).ok_or(Errno::EBADF)?.tcp else { return Err(Errno::ENOTCONN) };
            tcp::work(ns, cx, conn, |conn| work(&mut conn.end)).ok_or(Errno::ENOTCONN)
        });
        done.unwrap_or(Err(Errno::ENODEV))
    }

    /// Sends; gives how many bytes were taken.
    ///
    /// # Errors
    /// `EAGAIN` if the queue is full or the connection is not open yet, `EPIPE`, the error that ended the connection,
    /// `ENOTCONN`.
    pub fn send_tcp(&mut self, ns: NsId, id: SocketId, bytes: &[u8]) -> Result<usize, Errno> {
        let now = self.now();
        self.with_tcp(
            ns,
            id,
            |end| if end.state() == State::SynSent { Err(Errno::EAGAIN) } else { end.send(now, bytes) },
        )?
    }

    /// Takes up to `max` bytes that arrived; none: the other side has sent everything.
    ///
    /// # Errors
    /// `EAGAIN` if there is nothing yet, the error that ended the connection, `ENOTCONN`.
    pub fn recv_tcp(&mut self, ns: NsId, id: SocketId, max: usize) -> Result<Vec<u8>, Errno> {
        let now = self.now();
        self.with_tcp(ns, id, |end| end.read(now, max))?
    }

    /// Takes up to `max` bytes that arrived without giving them (`MSG_TRUNC`); gives how many there were.
    ///
    /// # Errors
    /// As [`Network::recv_tcp`].
    pub fn discard_tcp(&mut self, ns: NsId, id: SocketId, max: usize) -> Result<usize, Errno> {
        let now = self.now();
        self.with_tcp(ns, id, |end| end.discard(now, max))?
    }

    /// No more will be sent (`shutdown(SHUT_WR)`).
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shutdown_tcp(&mut self, ns: NsId, id: SocketId) -> Result<(), Errno> {
        let now = self.now();
        self.with_tcp(ns, id, |end| end.shutdown(now))
    }
}

fn connect(ns: &mut Namespace, cx: &mut Cx<'_>, id: SocketId, to: Addr) -> Result<(), Errno> {
    let socket = ns.sockets.get(id).ok_or(Errno::EBADF)?;
    let (local, opts, bound_dev, reuse) = (socket.local, socket.opts, socket.bound_dev, socket.reuse);
    match &socket.tcp {
        Role::Idle => {}
        Role::Listen(_) => return Err(Errno::EISCONN),
        Role::Conn(conn) => match ns.sockets.tcp.get(*conn).map(|conn| conn.end.state()) {
            Some(State::SynSent | State::SynRecv) => return Err(Errno::EALREADY),
            _ => return Err(Errno::EISCONN),
        },
    }
    let src = Some(local.0).filter(|a| !a.is_unspecified());
    let flow = OutputFlow {
        dst: to.0,
        src,
        oif: bound_dev,
        tos: opts.tos,
        mark: opts.mark,
        protocol: IPPROTO_TCP,
        ports: (local.1, to.1),
        ..OutputFlow::default()
    };
    let route = route::route_output(ns, cx.now, &flow).inspect_err(|why| udp::count_no_route(ns, *why))?;
    if matches!(route.kind, RouteKind::Broadcast | RouteKind::Multicast) {
        return Err(Errno::ENETUNREACH);
    }
    let to = (if to.0.is_unspecified() { route.src } else { to.0 }, to.1);
    let vrf = ns.l3mdev_master(bound_dev);
    let port = match local.1 {
        0 => ports::free_to_connect(ns, route.src, to, vrf)?,
        port => port,
    };
    let pair = Pair { local: (route.src, port), remote: to, vrf };
    if ns.sockets.tcp.find(&pair).is_some() {
        return Err(Errno::EADDRNOTAVAIL);
    }
    let opening = Opening { iss: ns.rng.next_u32(), stamp_offset: ns.rng.next_u32(), now: cx.now };
    let end = Endpoint::connect(params(ns, &route, &opts), opening);
    let conn = Box::new(Conn {
        end,
        pair,
        socket: Some(id),
        listener: None,
        opts,
        bound_dev,
        reuse,
        ip_id: ns.rng.next_u32() as u16,
        timer_at: None,
        generation: 0,
    });
    ns.snmp.tcp_active_opens += 1;
    let conn = ns.sockets.tcp.insert(conn);
    if let Some(socket) = ns.sockets.get_mut(id) {
        (socket.tcp, socket.local, socket.remote) = (Role::Conn(conn), pair.local, Some(to));
    }
    tcp::work(ns, cx, conn, |_| ());
    Ok(())
}

/// A TCP socket was closed: its connection ends by itself, those that wait at a listener are broken off
/// (`tcp_close`, `inet_csk_listen_stop`).
pub(crate) fn closed(ns: &mut Namespace, cx: &mut Cx<'_>, id: SocketId, socket: Socket) {
    let port = socket.local.1;
    forget(&mut ns.sockets.tcp.bound, port, id);
    match socket.tcp {
        Role::Idle => {}
        Role::Conn(conn) => {
            let now = cx.now;
            tcp::work(ns, cx, conn, |conn| {
                conn.socket = None;
                conn.end.close(now);
            });
        }
        Role::Listen(_) => {
            forget(&mut ns.sockets.tcp.listening, port, id);
            let orphans: Vec<ConnId> =
                ns.sockets.tcp.iter().filter(|(_, conn)| conn.listener == Some(id)).map(|(id, _)| id).collect();
            for conn in orphans {
                let now = cx.now;
                tcp::work(ns, cx, conn, |conn| {
                    conn.listener = None;
                    if conn.end.is_embryo() { conn.end.forget() } else { conn.end.abort(now) }
                });
            }
        }
    }
}

fn forget(table: &mut rustc_hash::FxHashMap<u16, smallvec::SmallVec<[SocketId; 1]>>, port: u16, id: SocketId) {
    if let Some(list) = table.get_mut(&port) {
        list.retain(|s| *s != id);
        if list.is_empty() {
            table.remove(&port);
        }
    }
}
