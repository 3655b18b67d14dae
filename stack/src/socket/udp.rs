//! UDP sockets: ports, sending, errors. Models `net/ipv4/udp.c`.

use core::net::Ipv4Addr;

use hopwise_netfilter::env::FoundSocket;
use hopwise_protocols::wire::ipv4::{IPPROTO_UDP, Ipv4};
use hopwise_protocols::wire::udp::{self, UDP_HLEN};
use hopwise_protocols::wire::{IntoBytes, split};
use hopwise_sim_core::IfIndex;
use smallvec::SmallVec;

use crate::cx::Cx;
use crate::error::Errno;
use crate::l3mdev::InDev;
use crate::namespace::Namespace;
use crate::path::dev_xmit::was_dropped;
use crate::path::icmp::Report;
use crate::path::output;
use crate::path::route::{self, OutputFlow, RouteKind};
use crate::socket::{Socket, SocketId, raw};
use crate::sysctl::SysctlKey;

/// The sockets that get a datagram: the best match, or all matches if it was sent to a group.
pub fn receivers(
    ns: &Namespace,
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    from_dev: InDev,
    group: bool,
) -> SmallVec<[SocketId; 2]> {
    if group {
        matches(ns, from, to, from_dev).map(|(_, id)| id).collect()
    } else {
        receiver(ns, from, to, from_dev).into_iter().collect()
    }
}

/// The socket that matches a datagram best, among equals the first (`__udp4_lib_lookup`).
#[inline]
pub fn receiver(ns: &Namespace, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), from_dev: InDev) -> Option<SocketId> {
    let accept = ns.sysctl[SysctlKey::UdpL3mdevAccept] != 0;
    let mut best = None;
    for &id in ns.sockets.udp.get(&to.1)? {
        let suitable = ns.sockets.get(id).filter(|s| from_dev.suits(s.bound_dev, accept));
        if let Some(score) = suitable.and_then(|socket| score(socket, from, to))
            && best.is_none_or(|(top, _)| score > top)
        {
            best = Some((score, id));
        }
    }
    best.map(|(_, id)| id)
}

/// The sockets that match a datagram, and how well.
#[inline]
fn matches(
    ns: &Namespace,
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    from_dev: InDev,
) -> impl Iterator<Item = (u32, SocketId)> {
    let accept = ns.sysctl[SysctlKey::UdpL3mdevAccept] != 0;
    let bound = ns.sockets.udp.get(&to.1).map_or(&[][..], |ids| ids);
    let suitable = move |id| ns.sockets.get(id).filter(|s| from_dev.suits(s.bound_dev, accept));
    bound.iter().filter_map(move |&id| Some((score(suitable(id)?, from, to)?, id)))
}

/// The socket that a datagram is for, as rules see it (`udp4_lib_lookup`).
pub(crate) fn for_datagram(
    ns: &Namespace,
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    from_dev: InDev,
) -> Option<FoundSocket> {
    let socket = ns.sockets.get(receiver(ns, from, to, from_dev)?)?;
    Some(FoundSocket { wildcard: socket.local.0.is_unspecified(), mark: Some(socket.opts.mark) })
}

/// How well a socket matches (`compute_score`); `None`: not at all.
#[inline]
fn score(socket: &Socket, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Option<u32> {
    let mut score = 1;
    if !socket.local.0.is_unspecified() {
        if socket.local.0 != to.0 {
            return None;
        }
        score += 4;
    }
    if let Some(remote) = socket.remote {
        if remote != from {
            return None;
        }
        score += 8;
    }
    if socket.bound_dev.is_some() {
        score += 4;
    }
    Some(score)
}

/// Binds a socket to a local address and port; port 0 takes a free one (`inet_bind`, `udp_lib_get_port`).
///
/// Errors: `EADDRNOTAVAIL` if the address is not one of this namespace's, `EADDRINUSE` if the port is taken.
pub fn bind(ns: &mut Namespace, id: SocketId, addr: Ipv4Addr, port: u16) -> Result<u16, Errno> {
    let dev = ns.sockets.get(id).map_or(IfIndex::NONE, |socket| socket.bound_dev);
    let known = addr.is_unspecified() || ns.is_own_on(dev, addr) || addr.is_loopback() || addr.is_multicast();
    if !known && !addr.is_broadcast() && !route::is_broadcast(ns, addr) {
        return Err(Errno::EADDRNOTAVAIL);
    }
    let port = match port {
        0 => free_port(ns, id, addr)?,
        port if in_use(ns, id, addr, port) => return Err(Errno::EADDRINUSE),
        port => port,
    };
    let socket = ns.sockets.get_mut(id).ok_or(Errno::EBADF)?;
    let old = core::mem::replace(&mut socket.local, (addr, port));
    ns.sockets.unhash(id, old.1);
    ns.sockets.udp.entry(port).or_default().push(id);
    Ok(port)
}

/// Whether a port cannot be had: sockets that all have `SO_REUSEADDR` share it (`inet_rcv_saddr_equal`, `udp_lib_lport_inuse`).
fn in_use(ns: &Namespace, id: SocketId, addr: Ipv4Addr, port: u16) -> bool {
    let reuse = ns.sockets.get(id).is_some_and(|socket| socket.reuse);
    ns.sockets
        .udp
        .get(&port)
        .into_iter()
        .flatten()
        .filter(|other| **other != id)
        .filter_map(|&id| ns.sockets.get(id))
        .filter(|s| !(reuse && s.reuse))
        .any(|s| s.local.0 == addr || s.local.0.is_unspecified() || addr.is_unspecified())
}

/// A free port of `ip_local_port_range`, beginning at a random one.
fn free_port(ns: &mut Namespace, id: SocketId, addr: Ipv4Addr) -> Result<u16, Errno> {
    let (low, high) = ns.sysctl.local_ports;
    let count = u32::from(high.saturating_sub(low)) + 1;
    let start = ns.rng.below(count);
    (0..count)
        .map(|i| low + ((start + i) % count) as u16)
        .find(|&port| !in_use(ns, id, addr, port))
        .ok_or(Errno::EADDRINUSE)
}

/// Sends a datagram; `to` may be left out on a connected socket (`udp_sendmsg`).
pub fn send(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    id: SocketId,
    to: Option<(Ipv4Addr, u16)>,
    payload: &[u8],
) -> Result<usize, Errno> {
    if payload.len() > usize::from(u16::MAX) {
        return Err(Errno::EMSGSIZE);
    }
    let socket = ns.sockets.get_mut(id).ok_or(Errno::EBADF)?;
    if let Some(errno) = socket.pending.take() {
        return Err(errno);
    }
    let to = to.or(socket.remote).ok_or(Errno::ENOTCONN)?;
    let (opts, local, bound) = (socket.opts, socket.local, socket.bound_dev);
    if local.1 == 0 {
        bind(ns, id, local.0, 0)?;
    }
    let local = ns.sockets.get(id).map_or(local, |s| s.local);
    let src = Some(local.0).filter(|a| !a.is_unspecified());
    let flow = OutputFlow {
        dst: to.0,
        src,
        oif: ns.socket_oif(bound, to.0),
        tos: opts.tos,
        mark: opts.mark,
        protocol: IPPROTO_UDP,
        ports: (local.1, to.1),
        ..OutputFlow::default()
    };
    let route = route::route_output(ns, cx.now, &flow).inspect_err(|why| count_no_route(ns, *why))?;
    if route.kind == RouteKind::Broadcast && !opts.broadcast {
        return Err(Errno::EACCES);
    }
    let header = udp::Header::new((route.src, local.1), (to.0, to.1), payload);
    let spec = raw::spec(&opts, route, to.0, IPPROTO_UDP);
    let sent = output::send(ns, cx, &route, spec, UDP_HLEN + payload.len(), ("udp", None), |bytes| {
        bytes[..UDP_HLEN].copy_from_slice(header.as_bytes());
        bytes[UDP_HLEN..].copy_from_slice(payload);
    });
    match sent {
        // udp_send_skb.
        Ok(fate) if was_dropped(fate) && opts.recverr => {
            ns.snmp.udp_sndbuf_errors += 1;
            Err(Errno::ENOBUFS)
        }
        Ok(_) => {
            ns.snmp.udp_out_datagrams += 1;
            Ok(payload.len())
        }
        Err(errno) => {
            raw::local_error(ns, cx, id, errno, to, raw::fragsize(ns, &opts, route));
            Err(errno)
        }
    }
}

/// Counts a packet that was not made because there is no route (`IPSTATS_MIB_OUTNOROUTES`).
pub(crate) fn count_no_route(ns: &mut Namespace, why: Errno) {
    ns.snmp.out_no_routes += u64::from(why == Errno::ENETUNREACH);
}

/// The socket of the tunnel that sent a datagram: its ports are any, but it listens where its far end does
/// (`__udp4_lib_err_encap`).
fn tunnel_of(ns: &Namespace, remote: (Ipv4Addr, u16), local: (Ipv4Addr, u16), from_dev: InDev) -> Option<SocketId> {
    let id = receiver(ns, (remote.0, local.1), (local.0, remote.1), from_dev)?;
    ns.sockets.get(id).filter(|socket| socket.tunnel).map(|_| id)
}

/// An ICMP error about a datagram that was sent from here (`__udp4_lib_err`).
pub fn error(ns: &mut Namespace, cx: &mut Cx<'_>, report: &Report, inner: &Ipv4<'_>) {
    let Ok((header, payload)) = split::<udp::Header>(inner.payload) else { return };
    let local = (inner.header.src(), header.source.get());
    let remote = (inner.header.dst(), header.dest.get());
    let found = receiver(ns, remote, local, report.from_dev);
    let found = found.or_else(|| tunnel_of(ns, remote, local, report.from_dev));
    let Some((id, dev)) = found.and_then(|id| Some((id, ns.sockets.get(id)?.bound_dev))) else { return };
    // A tunnel's socket belongs to the VRF of its link below (vxlan_create_sock).
    let of_tunnel = ns.sockets.get(id).is_some_and(|socket| socket.tunnel);
    report.learn_path_mtu(ns, cx.now, remote.0, if of_tunnel { ns.l3mdev_master(report.iif) } else { dev });
    let Some(socket) = ns.sockets.get_mut(id).filter(|s| !s.tunnel) else { return };
    socket.hear(cx.now, report, remote, payload);
    cx.wakeups.push(socket.owner);
}
