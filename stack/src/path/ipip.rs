//! The tunnel `ipip`: a packet gets an outer header in the namespace of the link, goes on in the namespace that the link was made
//! in, and is taken out of the outer packet at the other end. Models `net/ipv4/ip_tunnel.c` and `net/ipv4/ipip.c`.
//!
//! What the two namespaces tell each other travels through the agenda: the outer packet down, arrivals and failures up.

use core::net::Ipv4Addr;
use core::ops::ControlFlow;

use hopwise_devices::Kind;
use hopwise_protocols::encap::{DecapError, flow, ipip as encap};
use hopwise_protocols::wire::icmp::{
    ICMP_DEST_UNREACH, ICMP_EXC_TTL, ICMP_FRAG_NEEDED, ICMP_HOST_UNREACH, ICMP_PORT_UNREACH, ICMP_SR_FAILED,
    ICMP_TIME_EXCEEDED,
};
use hopwise_protocols::wire::ipv4::IP_HLEN;
use hopwise_protocols::wire::{IntoBytes, ipv4, split};
use hopwise_sim_core::{Detail, DropReason, Duration, Fate, IfIndex, NsId, Packet, TunnelNote};

use crate::cx::{Cx, EventKind, TimerKind};
use crate::namespace::Namespace;
use crate::path::icmp::{self, Report};
use crate::path::netfilter;
use crate::path::output::ip_output;
use crate::path::route::{self, OutputFlow, Route};

/// Why an outer packet could not be sent; the link counts it, the inner packet's sender may be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// There is no route to the far end.
    NoRoute,
    /// The route to the far end leads into the tunnel itself.
    Loop,
    /// The inner packet must not be cut and is larger than this, in bytes.
    TooBig(u16),
}

/// A packet is given to an `ipip` link: the outer header is begun with all that is known here. `ipip_tunnel_xmit`.
pub fn xmit(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Fate {
    let Some(dev) = ns.devs.get_mut(link) else { return cx.drop(packet, DropReason::DevReady) };
    let Kind::Ipip(tunnel) = &mut dev.link.kind else { return cx.drop(packet, DropReason::DevReady) };
    let (underlay, oif) = (tunnel.underlay, tunnel.params.dev);
    let outer = tunnel.params.outer(Ipv4Addr::from(packet.next_hop));
    if tunnel.take_error(cx.now) {
        icmp::send_error(ns, cx, &packet, icmp::Error::new(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH));
    }
    if encap::encapsulate(&mut packet, &outer, 0).is_err() {
        return not_sent(ns, cx, link, |stats| stats.tx_errors += 1, (packet, DropReason::UnhandledProto));
    }
    scrub(cx.ns != underlay, &mut packet);
    let event = EventKind::Outer { tunnel: (cx.ns, link), oif, packet };
    cx.soon(underlay, event);
    Fate::Sent
}

/// What a packet forgets when it goes into a tunnel or comes out of one (`skb_scrub_packet`).
pub fn scrub(other_namespace: bool, packet: &mut Packet) {
    packet.conn = None;
    packet.phys = (IfIndex::NONE, IfIndex::NONE);
    packet.frag_max_size = 0;
    packet.iif = IfIndex::NONE;
    packet.mac_len = 0;
    if other_namespace {
        packet.mark = 0;
        packet.from_socket = false;
    }
}

/// An outer packet, whose header lacks what follows from its route, is sent in the namespace below. `ip_tunnel_xmit`,
/// `iptunnel_xmit`.
pub fn output(ns: &mut Namespace, cx: &mut Cx<'_>, tunnel: (NsId, IfIndex), oif: IfIndex, mut packet: Packet) -> Fate {
    let Ok((header, _)) = split::<ipv4::Header>(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let mut header = *header;
    let inner = packet.data().get(IP_HLEN..).unwrap_or_default();
    let (mark, pmtudisc) = known(ns, tunnel);
    let flow = OutputFlow {
        dst: header.dst(),
        src: Some(header.src()).filter(|src| !src.is_unspecified()),
        oif,
        tos: header.tos,
        mark,
        protocol: header.protocol,
        hash: flow::of_ipv4(inner, ns.hash_seed),
        ..OutputFlow::default()
    };
    let Ok(route) = route::route_output(ns, cx.now, &flow) else {
        return fail(ns, cx, tunnel, Failure::NoRoute, packet);
    };
    if (cx.ns, route.oif) == tunnel {
        return fail(ns, cx, tunnel, Failure::Loop, packet);
    }
    if pmtudisc && let Some(mtu) = path_mtu_of_inner(ns, cx, tunnel, &route, inner) {
        return fail(ns, cx, tunnel, Failure::TooBig(mtu), packet);
    }
    header.set_src(flow.src.unwrap_or(route.src));
    header.id = ns.next_ip_id().into();
    header.seal(&[]);
    packet.data_mut()[..IP_HLEN].copy_from_slice(header.as_bytes());
    cx.note(&packet, || Detail::Encapsulated(note(tunnel, packet.data(), IP_HLEN)));
    local_out(ns, cx, &route, header.dst(), packet)
}

/// Mark and path MTU discovery of a tunnel, as the namespace below knows them.
fn known(ns: &Namespace, tunnel: (NsId, IfIndex)) -> (u32, bool) {
    let known = ns.tunnels.as_deref().and_then(|tunnels| tunnels.get(tunnel));
    known.map_or((0, true), |t| (t.params.fwmark, t.params.pmtudisc))
}

/// What a journey tells of an outer packet whose inner one begins at `inner`.
fn note(link: (NsId, IfIndex), packet: &[u8], inner: usize) -> Box<TunnelNote> {
    let (outer, inner) = packet.split_at_checked(inner).unwrap_or((packet, &[]));
    let inner = inner.get(..IP_HLEN + 8).unwrap_or(inner);
    Box::new(TunnelNote { link, kind: "ipip", outer: outer.to_vec(), inner: inner.to_vec() })
}

/// A finished outer packet takes its route (`ip_local_out`).
pub fn local_out(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, dst: Ipv4Addr, packet: Packet) -> Fate {
    cx.note(&packet, || route.detail(dst));
    ns.snmp.out_requests += 1;
    match netfilter::local_out(ns, cx, route, packet) {
        ControlFlow::Continue((packet, None)) => ip_output(ns, cx, route, packet),
        ControlFlow::Continue((packet, Some(other))) => ip_output(ns, cx, &other, packet),
        ControlFlow::Break(fate) => fate,
    }
}

/// The inner packet's path MTU follows from that of the outer one. Gives it if the packet is larger and must not be cut
/// (`tnl_update_pmtu`). What a link in another namespace could learn of smaller packets stays unsaid.
fn path_mtu_of_inner(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    tunnel: (NsId, IfIndex),
    route: &Route,
    inner: &[u8],
) -> Option<u16> {
    let mtu = route.mtu.saturating_sub(IP_HLEN as u32);
    let (header, len) = (*split::<ipv4::Header>(inner).ok()?.0, inner.len());
    if tunnel.0 == cx.ns && ns.devs.get(tunnel.1).is_some_and(|dev| mtu <= dev.mtu) {
        route::learn_path_mtu(ns, cx.now, header.dst(), IfIndex::NONE, mtu);
    }
    (header.dont_fragment() && len > mtu as usize).then(|| u16::try_from(mtu).unwrap_or(u16::MAX))
}

/// Sends the inner packet back up to its link with the reason.
fn fail(ns: &mut Namespace, cx: &mut Cx<'_>, tunnel: (NsId, IfIndex), why: Failure, mut packet: Packet) -> Fate {
    if !packet.pull(IP_HLEN) {
        return cx.drop(packet, DropReason::PktTooSmall);
    }
    if tunnel.0 == cx.ns {
        return failed(ns, cx, tunnel.1, why, packet);
    }
    cx.soon(tunnel.0, EventKind::TunnelFailed { link: tunnel.1, why, packet });
    Fate::Sent
}

/// A packet given to the tunnel was not sent: it is counted, and its sender told if it was too big.
pub fn failed(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, why: Failure, packet: Packet) -> Fate {
    let reason = match why {
        Failure::NoRoute => DropReason::IpOutNoRoutes,
        Failure::Loop => DropReason::TunnelLoop,
        Failure::TooBig(mtu) => {
            icmp::send_error(ns, cx, &packet, icmp::Error::frag_needed(mtu.into()));
            DropReason::PktTooBig
        }
    };
    let count = |stats: &mut hopwise_devices::LinkStats| {
        stats.tx_errors += 1;
        stats.tx_carrier += u64::from(why == Failure::NoRoute);
        stats.collisions += u64::from(why == Failure::Loop);
    };
    not_sent(ns, cx, link, count, (packet, reason))
}

/// Ends the life of a packet that was counted as sent when the link took it.
fn not_sent(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    link: IfIndex,
    count: impl FnOnce(&mut hopwise_devices::LinkStats),
    (packet, reason): (Packet, DropReason),
) -> Fate {
    if let Some(dev) = ns.devs.get_mut(link) {
        let stats = &mut dev.stats;
        stats.tx_packets = stats.tx_packets.saturating_sub(1);
        stats.tx_bytes = stats.tx_bytes.saturating_sub(packet.len() as u64);
        count(stats);
    }
    cx.drop(packet, reason)
}

/// An outer packet for this host: the tunnel of its ends takes the inner one out. `tunnel4_rcv`, `ipip_rcv`,
/// `ip_tunnel_rcv`.
pub fn rcv(ns: &mut Namespace, cx: &mut Cx<'_>, mut packet: Packet) -> Fate {
    let Ok((header, _)) = split::<ipv4::Header>(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let (local, remote, header_len) = (header.dst(), header.src(), header.header_len());
    let tunnels = ns.tunnels.as_deref();
    let Some(tunnel) = tunnels.and_then(|tunnels| tunnels.lookup(packet.iif, local, remote)).copied() else {
        icmp::send_error(ns, cx, &packet, icmp::Error::new(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH));
        return cx.drop(packet, DropReason::NoTunnel);
    };
    cx.note(&packet, || Detail::Decapsulated(note(tunnel.at, packet.data(), header_len)));
    match encap::decapsulate(&mut packet) {
        Ok(_) => {}
        Err(DecapError::Congestion) => {
            if let Some(dev) = ns.devs.get_mut(tunnel.at.1).filter(|_| tunnel.at.0 == cx.ns) {
                dev.stats.rx_errors += 1;
            }
            return cx.drop(packet, DropReason::TunnelEcn);
        }
        // What is inside is judged where it arrives.
        Err(_) => {
            if !packet.pull(header_len) {
                return cx.drop(packet, DropReason::PktTooSmall);
            }
        }
    }
    scrub(tunnel.at.0 != cx.ns, &mut packet);
    let (to, link) = tunnel.at;
    cx.send(Duration::ZERO, to, link, packet);
    Fate::Sent
}

/// An ICMP error came back about an outer packet with these ends. The tunnel tells who sends through it next, except of
/// what ends a hop count that was the inner packet's own. `ipip_err`.
pub fn error(ns: &Namespace, cx: &mut Cx<'_>, report: &Report, about: &ipv4::Header) {
    let tunnels = ns.tunnels.as_deref();
    let found = tunnels.and_then(|tunnels| tunnels.lookup(report.iif, about.src(), about.dst()));
    let Some(tunnel) = found.filter(|t| !t.params.remote.is_unspecified()) else { return };
    let tells = match report.icmp {
        (ICMP_DEST_UNREACH, ICMP_SR_FAILED | ICMP_FRAG_NEEDED) => false,
        (ICMP_DEST_UNREACH, _) => true,
        (ICMP_TIME_EXCEEDED, ICMP_EXC_TTL) => tunnel.params.ttl != 0,
        _ => false,
    };
    if tells {
        let (to, link) = tunnel.at;
        cx.soon(to, EventKind::Timer(TimerKind::TunnelError { link }));
    }
}

/// The error has arrived at the link.
pub fn note_error(ns: &mut Namespace, cx: &Cx<'_>, link: IfIndex) {
    if let Some(tunnel) = ns.devs.get_mut(link).and_then(|dev| dev.link.kind.ipip_mut()) {
        tunnel.note_error(cx.now);
    }
}
