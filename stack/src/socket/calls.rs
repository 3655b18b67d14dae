//! What programs call: open, bind, send, receive, close. The rest of this folder does the work inside a namespace.

use core::net::Ipv4Addr;

use hopwise_sim_core::{Errno, IfIndex, NsId};

use crate::network::Network;
use crate::path::route::{self, OutputFlow, Route};
use crate::socket::{Datagram, LinkDest, SockError, Socket, SocketId, SocketKind, packet, raw, tcp, udp};

impl Network {
    /// Opens a socket. `owner` is woken (see [`Network::take_wakeups`]) when something arrives for it. A packet socket
    /// listens on all links until [`Network::bind_to_link`].
    ///
    /// # Errors
    /// `ENODEV` if the namespace is gone.
    pub fn open_socket(&mut self, ns: NsId, owner: u64, kind: SocketKind) -> Result<SocketId, Errno> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        let id = space.sockets.open(owner, kind);
        if matches!(kind, SocketKind::Packet { .. }) {
            packet::retap(space);
        }
        Ok(id)
    }

    /// Closes a socket; what waited in it is gone.
    pub fn close_socket(&mut self, ns: NsId, id: SocketId) {
        self.set_promiscuous(ns, id, false);
        let Some(space) = self.ns_mut(ns) else { return };
        let closed = space.sockets.close(id);
        packet::retap(space);
        if let Some(socket) = closed.filter(|socket| socket.kind == SocketKind::Tcp) {
            self.with(ns, |ns, cx| tcp::closed(ns, cx, id, *socket));
        }
    }

    /// Makes the link of a packet socket receive everybody's frames while the socket is open (`PACKET_ADD_MEMBERSHIP`
    /// with `PACKET_MR_PROMISC`), or no more. Nothing happens on a socket that listens on all links.
    pub fn set_promiscuous(&mut self, ns: NsId, id: SocketId, on: bool) {
        let now = self.now();
        let Some(space) = self.ns_mut(ns) else { return };
        let Some(socket) = space.sockets.get_mut(id).filter(|s| s.promisc != on) else { return };
        socket.promisc = on;
        let link = socket.bound_dev;
        let Some(dev) = space.devs.get(link) else { return };
        let what = match (dev.promiscuity, on) {
            (0, true) => Some("entered"),
            (1, false) => Some("left"),
            _ => None,
        };
        if let Some(what) = what {
            let text = format!("{}: {what} promiscuous mode", dev.name);
            space.log(now, text);
        }
        self.promisc((ns, link), on);
    }

    /// A socket, to read its queues and set its options.
    pub fn socket_mut(&mut self, ns: NsId, id: SocketId) -> Option<&mut Socket> {
        self.ns_mut(ns)?.sockets.get_mut(id)
    }

    /// Takes what has waited longest in a socket.
    pub fn recv(&mut self, ns: NsId, id: SocketId) -> Option<Datagram> {
        self.socket_mut(ns, id)?.recv()
    }

    /// Takes the oldest entry of a socket's error queue (`MSG_ERRQUEUE`).
    pub fn recv_error(&mut self, ns: NsId, id: SocketId) -> Option<SockError> {
        self.socket_mut(ns, id)?.errors.pop_front()
    }

    /// Binds a socket to a link (`SO_BINDTODEVICE`, or the link of a packet socket).
    ///
    /// # Errors
    /// `ENODEV` if there is no such link, `EBADF` if there is no such socket.
    pub fn bind_to_link(&mut self, ns: NsId, id: SocketId, link: IfIndex) -> Result<(), Errno> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        if link.is_some() && space.devs.get(link).is_none() {
            return Err(Errno::ENODEV);
        }
        space.sockets.get_mut(id).ok_or(Errno::EBADF)?.bound_dev = link;
        packet::retap(space);
        Ok(())
    }

    /// Binds a UDP socket to an address and port (0: a free one); gives the port.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`, `EADDRINUSE`.
    pub fn bind_udp(&mut self, ns: NsId, id: SocketId, addr: Ipv4Addr, port: u16) -> Result<u16, Errno> {
        udp::bind(self.ns_mut(ns).ok_or(Errno::ENODEV)?, id, addr, port)
    }

    /// Binds a raw socket to a local address (`bind(2)`).
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` if the address is not one of this namespace's.
    pub fn bind_raw(&mut self, ns: NsId, id: SocketId, addr: Ipv4Addr) -> Result<(), Errno> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        let dev = space.sockets.get(id).ok_or(Errno::EBADF)?.bound_dev;
        if !addr.is_unspecified() && !space.is_own_on(dev, addr) && !addr.is_loopback() {
            return Err(Errno::EADDRNOTAVAIL);
        }
        space.sockets.get_mut(id).ok_or(Errno::EBADF)?.local.0 = addr;
        Ok(())
    }

    /// Connects a UDP socket: looks up the route, takes its source address, and gives it. `ip4_datagram_connect`.
    ///
    /// # Errors
    /// What routing says; `EACCES` for a broadcast address without `SO_BROADCAST`.
    pub fn connect_udp(&mut self, ns: NsId, id: SocketId, to: (Ipv4Addr, u16)) -> Result<Ipv4Addr, Errno> {
        let now = self.now();
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        let socket = space.sockets.get(id).ok_or(Errno::EBADF)?;
        let (local, opts) = (socket.local, socket.opts);
        let flow = OutputFlow {
            dst: to.0,
            src: Some(local.0).filter(|a| !a.is_unspecified()),
            oif: space.socket_oif(socket.bound_dev, to.0),
            tos: opts.tos,
            mark: opts.mark,
            protocol: hopwise_protocols::wire::ipv4::IPPROTO_UDP,
            ports: (local.1, to.1),
            ..OutputFlow::default()
        };
        let route = route::route_output(space, now, &flow).inspect_err(|why| udp::count_no_route(space, *why))?;
        if route.kind == route::RouteKind::Broadcast && !opts.broadcast {
            return Err(Errno::EACCES);
        }
        if local.1 == 0 {
            udp::bind(space, id, local.0, 0)?;
        }
        let socket = space.sockets.get_mut(id).ok_or(Errno::EBADF)?;
        socket.remote = Some(to);
        socket.local.0 = route.src;
        Ok(route.src)
    }

    /// Sends a UDP datagram; without `to` to the peer of a connected socket.
    ///
    /// # Errors
    /// A pending error of the socket, what routing says, `EMSGSIZE`, `EACCES`, `ENOTCONN`.
    pub fn send_udp(
        &mut self,
        ns: NsId,
        id: SocketId,
        to: Option<(Ipv4Addr, u16)>,
        payload: &[u8],
    ) -> Result<usize, Errno> {
        self.with(ns, |ns, cx| udp::send(ns, cx, id, to, payload)).unwrap_or(Err(Errno::ENODEV))
    }

    /// Sends a packet of a raw socket's protocol: `payload` follows the IPv4 header.
    ///
    /// # Errors
    /// As [`Network::send_udp`].
    pub fn send_raw(&mut self, ns: NsId, id: SocketId, to: Ipv4Addr, payload: &[u8]) -> Result<usize, Errno> {
        self.with(ns, |ns, cx| raw::send(ns, cx, id, to, payload)).unwrap_or(Err(Errno::ENODEV))
    }

    /// Sends a frame through a link: `payload` follows the link-layer header that is made from `to`.
    ///
    /// # Errors
    /// `ENXIO` without such a link, `ENETDOWN` if it is down, `EMSGSIZE`.
    pub fn send_frame(&mut self, ns: NsId, to: LinkDest, payload: &[u8]) -> Result<usize, Errno> {
        self.with(ns, |ns, cx| packet::send(ns, cx, to, payload)).unwrap_or(Err(Errno::ENODEV))
    }

    /// Looks up the route of a packet made here: what `ip route get` shows.
    ///
    /// # Errors
    /// As `connect(2)`: `ENETUNREACH`, `EHOSTUNREACH`, `EACCES`, `EINVAL`.
    pub fn route_for(&self, ns: NsId, flow: &OutputFlow) -> Result<Route, Errno> {
        route::route_output(self.ns(ns).ok_or(Errno::ENODEV)?, self.now(), flow)
    }
}
