//! Raw IPv4 sockets: whole packets of one protocol. Models `net/ipv4/raw.c`.

use core::net::Ipv4Addr;

use hopwise_protocols::wire::ipv4::{self, IPPROTO_ICMP, Ipv4};
use hopwise_sim_core::{Packet, VlanTag};

use crate::cx::Cx;
use crate::error::Errno;
use crate::l3mdev::InDev;
use crate::namespace::Namespace;
use crate::path::dev_xmit::was_dropped;
use crate::path::icmp::Report;
use crate::path::output::{self, IpSpec};
use crate::path::route::{self, OutputFlow, Route, RouteKind};
use crate::socket::{Datagram, PmtuDisc, SockError, SockOpts, Socket, SocketId, SocketKind};
use crate::sysctl::SysctlKey;

/// Gives a copy of a packet to each raw socket that wants it. True if there was one (`raw_local_deliver`).
pub fn deliver(ns: &mut Namespace, cx: &mut Cx<'_>, packet: &Packet, protocol: u8) -> bool {
    debug_assert!(!packet.owes_checksum(), "who looks at a packet sees it complete");
    let Ok(ip) = ipv4::view(packet.data()) else { return false };
    let (src, dst) = (ip.header.src(), ip.header.dst());
    let (from_dev, accept) = (ns.in_dev(packet), ns.sysctl[SysctlKey::RawL3mdevAccept] != 0);
    let mut any = false;
    for i in 0..ns.sockets.raw.len() {
        let id = ns.sockets.raw[i];
        let Some(socket) = ns.sockets.get_mut(id) else { continue };
        if !wants(socket, protocol, (src, dst), from_dev, accept) {
            continue;
        }
        any = true;
        socket.enqueue(Datagram {
            at: cx.now,
            from: (src, 0),
            to: (dst, 0),
            iif: packet.iif,
            ttl: ip.header.ttl,
            tos: ip.header.tos,
            bytes: packet.data().to_vec(),
            packet: packet.id,
            seen: None,
            tag: VlanTag::NONE,
        });
        cx.wakeups.push(socket.owner);
    }
    any
}

/// `raw_v4_match`.
fn wants(socket: &Socket, protocol: u8, (src, dst): (Ipv4Addr, Ipv4Addr), from_dev: InDev, accept: bool) -> bool {
    socket.kind == (SocketKind::Raw { protocol })
        && (socket.local.0.is_unspecified() || socket.local.0 == dst)
        && socket.remote.is_none_or(|(remote, _)| remote == src)
        && from_dev.suits(socket.bound_dev, accept)
}

/// The header that a socket's options ask for.
pub fn spec(opts: &SockOpts, route: Route, dst: Ipv4Addr, protocol: u8) -> IpSpec<'_> {
    let ttl = match route.kind {
        RouteKind::Multicast => Some(opts.multicast_ttl.unwrap_or(1)),
        _ => opts.ttl,
    };
    let options = match &opts.options {
        Some((bytes, len)) => bytes.get(..usize::from(*len)).unwrap_or_default(),
        None => &[],
    };
    let base = IpSpec::new(route.src, dst, protocol);
    IpSpec { tos: opts.tos, ttl, pmtudisc: opts.pmtudisc, options, mark: opts.mark, from_socket: true, ..base }
}

/// Sends `payload` in a packet of the socket's protocol (`raw_sendmsg`).
///
/// Errors: what routing says; `EACCES` for a broadcast address without `SO_BROADCAST`; `EMSGSIZE`.
pub fn send(ns: &mut Namespace, cx: &mut Cx<'_>, id: SocketId, to: Ipv4Addr, payload: &[u8]) -> Result<usize, Errno> {
    if payload.len() > usize::from(u16::MAX) {
        // Found out before anything else, and not told in the error queue.
        return Err(Errno::EMSGSIZE);
    }
    let socket = ns.sockets.get_mut(id).ok_or(Errno::EBADF)?;
    if let Some(errno) = socket.pending.take() {
        return Err(errno);
    }
    let SocketKind::Raw { protocol } = socket.kind else { return Err(Errno::EOPNOTSUPP) };
    let (opts, local, bound) = (socket.opts, socket.local, socket.bound_dev);
    let src = Some(local.0).filter(|a| !a.is_unspecified());
    let oif = ns.socket_oif(bound, to);
    let flow = OutputFlow { dst: to, src, oif, tos: opts.tos, mark: opts.mark, protocol, ..OutputFlow::default() };
    let route = route::route_output(ns, cx.now, &flow)?;
    if route.kind == RouteKind::Broadcast && !opts.broadcast {
        return Err(Errno::EACCES);
    }
    let spec = spec(&opts, route, to, protocol);
    let sent = output::send(ns, cx, &route, spec, payload.len(), ("raw", None), |bytes| bytes.copy_from_slice(payload));
    match sent {
        Ok(fate) if was_dropped(fate) && opts.recverr => Err(Errno::ENOBUFS),
        Ok(_) => {
            if protocol == IPPROTO_ICMP
                && let Some(&kind) = payload.first()
            {
                ns.snmp.icmp_sent(kind);
            }
            Ok(payload.len())
        }
        Err(errno) => {
            local_error(ns, cx, id, errno, (to, 0), fragsize(ns, &opts, route));
            Err(errno)
        }
    }
}

/// The largest packet that a socket may send in one piece (`ip_sk_use_pmtu`): what it is told when it tries more.
pub fn fragsize(ns: &Namespace, opts: &SockOpts, route: Route) -> u32 {
    match opts.pmtudisc {
        PmtuDisc::Probe => ns.devs.get(route.oif).map_or(route.mtu, |d| d.mtu),
        _ => route.mtu,
    }
}

/// Reports a refusal by this host itself in the error queue (`ip_local_error`).
pub fn local_error(ns: &mut Namespace, cx: &Cx<'_>, id: SocketId, errno: Errno, to: (Ipv4Addr, u16), mtu: u32) {
    let Some(socket) = ns.sockets.get_mut(id) else { return };
    if errno == Errno::EMSGSIZE && socket.opts.recverr {
        socket.errors.push_back(SockError {
            at: cx.now,
            errno,
            from: None,
            icmp: (0, 0),
            info: mtu,
            to,
            bytes: Vec::new(),
            ttl: 0,
        });
    }
}

/// An ICMP error about a packet of a raw socket's protocol (`raw_icmp_error`).
pub fn error(ns: &mut Namespace, cx: &mut Cx<'_>, report: &Report, inner: &Ipv4<'_>) {
    let protocol = inner.header.protocol;
    let accept = ns.sysctl[SysctlKey::RawL3mdevAccept] != 0;
    for i in 0..ns.sockets.raw.len() {
        let id = ns.sockets.raw[i];
        let Some(socket) = ns.sockets.get_mut(id) else { continue };
        let about = (inner.header.dst(), inner.header.src());
        if !wants(socket, protocol, about, report.from_dev, accept) {
            continue;
        }
        let dev = socket.bound_dev;
        report.learn_path_mtu(ns, cx.now, inner.header.dst(), dev);
        let Some(socket) = ns.sockets.get_mut(id) else { continue };
        socket.hear(cx.now, report, (inner.header.dst(), 0), inner.payload);
        cx.wakeups.push(socket.owner);
    }
}
