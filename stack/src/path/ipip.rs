//! The tunnel `ipip`: a packet gets an outer header in the namespace of the link, goes on in the namespace that the link was made
//! in, and is taken out of the outer packet at the other end. Models `net/ipv4/ip_tunnel.c` and `net/ipv4/ipip.c`.
//!
//! What the two namespaces tell each other travels through the agenda: the outer packet down, arrivals and failures up.

use core::net::Ipv4Addr;

use hopwise_devices::Kind;
use hopwise_protocols::encap::{DecapError, flow, ipip as encap};
use hopwise_protocols::wire::icmp::{
    ICMP_DEST_UNREACH, ICMP_EXC_TTL, ICMP_FRAG_NEEDED, ICMP_HOST_UNREACH, ICMP_PORT_UNREACH, ICMP_SR_FAILED,
    ICMP_TIME_EXCEEDED,
};
use hopwise_protocols::wire::ipv4::IP_HLEN;
use hopwise_protocols::wire::{IntoBytes, ipv4, split};
use hopwise_sim_core::{Detail, DropReason, Duration, Fate, IfIndex, NsId, Packet};

use crate::cx::{Cx, Event, TimerKind, Way};
use crate::namespace::Namespace;
use crate::path::dev_xmit::{uncount, was_dropped};
use crate::path::icmp::{self, Report};
use crate::path::output::local_out;
use crate::path::route::{self, OutputFlow, Route};
use crate::path::tunnel;

/// Why an outer packet could not be sent; the link counts it, the inner packet's sender may be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// There is no route to the far end.
    NoRoute,
    /// The route to the far end leads into the tunnel itself.
    Loop,
    /// Too many links handed the packet on.
    TooDeep,
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
    let len = packet.len();
    let innermost = len.saturating_sub(tunnel::innermost(&mut packet, len));
    if encap::encapsulate_innermost(&mut packet, &outer, 0, innermost).is_err() {
        uncount(ns, link, len, |stats| stats.tx_errors += 1);
        return cx.drop(packet, DropReason::UnhandledProto);
    }
    scrub(cx.ns != underlay, &mut packet);
    cx.soon(underlay, Way::Outer { tunnel: (cx.ns, link), oif }, packet);
    Fate::Sent
}

/// What a packet forgets when it goes into a tunnel or comes out of one.
fn scrub(other_ns: bool, packet: &mut Packet) {
    tunnel::scrub(packet, other_ns);
    packet.from_socket &= !other_ns;
}

/// An outer packet, whose header lacks what follows from its route, is sent in the namespace below. `ip_tunnel_xmit`,
/// `iptunnel_xmit`.
pub(super) fn output(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    tunnel: (NsId, IfIndex),
    oif: IfIndex,
    mut packet: Packet,
) -> Fate {
    let Ok((header, _)) = split::<ipv4::Header>(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let mut header = *header;
    let inner = packet.data().get(IP_HLEN..).unwrap_or_default();
    let (mark, pmtudisc) = known(ns, tunnel);
    let seed = ns.hash_seed;
    let flow = OutputFlow {
        dst: header.dst(),
        src: Some(header.src()).filter(|src| !src.is_unspecified()),
        oif,
        tos: header.tos,
        mark,
        protocol: header.protocol,
        ..OutputFlow::default()
    };
    let mut route = Route::UNDECIDED;
    if route::route_output_again(ns, cx.now, &flow, || flow::of_ipv4(inner, seed), &mut route).is_err() {
        return fail(ns, cx, tunnel, Failure::NoRoute, packet);
    }
    if (cx.ns, route.oif) == tunnel {
        return fail(ns, cx, tunnel, Failure::Loop, packet);
    }
    let inner_len = usize::from(packet.offload().inner_len);
    let innermost = inner.len().checked_sub(inner_len).filter(|_| inner_len > 0).and_then(|at| inner.get(at..));
    let innermost = innermost.unwrap_or(inner);
    let df = split::<ipv4::Header>(innermost).is_ok_and(|(header, _)| header.dont_fragment());
    if pmtudisc && let Some(mtu) = path_mtu_of_inner(ns, cx, tunnel, &route, (inner, df)) {
        return fail(ns, cx, tunnel, Failure::TooBig(mtu), packet);
    }
    if tunnel::is_too_deep(&packet) {
        return fail(ns, cx, tunnel, Failure::TooDeep, packet);
    }
    header.set_src(flow.src.unwrap_or(route.src));
    header.id = ns.next_ip_id().into();
    header.seal(&[]);
    packet.data_mut()[..IP_HLEN].copy_from_slice(header.as_bytes());
    cx.note(&packet, || Detail::Encapsulated(note(tunnel, packet.data(), IP_HLEN)));
    cx.note(&packet, || route.detail(ns, header.dst()));
    let len = packet.len() - IP_HLEN;
    let fate = local_out(ns, cx, &route, packet);
    // iptunnel_xmit_stats.
    if fate == Fate::Dropped(DropReason::NetfilterDrop) || was_dropped(fate) {
        cx.put(Duration::ZERO, Event::NotSent { ns: tunnel.0, link: tunnel.1, len: len as u32 });
    }
    fate
}

/// Mark and path MTU discovery of a tunnel, as the namespace below knows them.
fn known(ns: &Namespace, tunnel: (NsId, IfIndex)) -> (u32, bool) {
    let known = ns.tunnels.as_deref().and_then(|tunnels| tunnels.get(tunnel));
    known.map_or((0, true), |t| (t.params.fwmark, t.params.pmtudisc))
}

/// What a journey tells of an outer packet whose inner one begins at `inner`.
fn note(link: (NsId, IfIndex), packet: &[u8], inner: usize) -> Box<hopwise_sim_core::TunnelNote> {
    tunnel::note(link, "ipip", packet, inner, IP_HLEN + 8)
}

/// The inner packet's path MTU follows from that of the outer one. Gives it if the packet is larger and must not be cut
/// (`tnl_update_pmtu`); `df` is that of the innermost packet. What a link in another namespace could learn of smaller packets stays unsaid.
fn path_mtu_of_inner(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    tunnel: (NsId, IfIndex),
    route: &Route,
    (inner, df): (&[u8], bool),
) -> Option<u16> {
    let mtu = route.mtu.saturating_sub(IP_HLEN as u32);
    let (header, len) = (*split::<ipv4::Header>(inner).ok()?.0, inner.len());
    if tunnel.0 == cx.ns && ns.devs.get(tunnel.1).is_some_and(|dev| mtu <= dev.mtu) {
        route::learn_path_mtu(ns, cx.now, header.dst(), ns.l3mdev_master(tunnel.1), mtu);
    }
    (df && len > mtu as usize).then(|| u16::try_from(mtu).unwrap_or(u16::MAX))
}

/// Sends the inner packet back up to its link with the reason.
fn fail(ns: &mut Namespace, cx: &mut Cx<'_>, tunnel: (NsId, IfIndex), why: Failure, mut packet: Packet) -> Fate {
    if !packet.pull(IP_HLEN) {
        return cx.drop(packet, DropReason::PktTooSmall);
    }
    if tunnel.0 == cx.ns {
        return failed(ns, cx, tunnel.1, why, packet);
    }
    cx.soon(tunnel.0, Way::TunnelFailed { link: tunnel.1, why }, packet);
    Fate::Sent
}

/// A packet given to the tunnel was not sent: it is counted, and its sender told if it was too big.
pub fn failed(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, why: Failure, packet: Packet) -> Fate {
    let reason = match why {
        Failure::NoRoute => DropReason::IpOutNoRoutes,
        Failure::Loop => DropReason::TunnelLoop,
        Failure::TooDeep => {
            tunnel::log_dead_loop(ns, cx, link);
            DropReason::TooDeep
        }
        Failure::TooBig(mtu) => {
            icmp::send_error(ns, cx, &packet, icmp::Error::frag_needed(mtu.into()));
            DropReason::PktTooBig
        }
    };
    uncount(ns, link, packet.len(), |stats| {
        stats.tx_errors += 1;
        stats.tx_carrier += u64::from(why == Failure::NoRoute);
        stats.collisions += u64::from(why == Failure::Loop);
    });
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
    packet.offload_mut().inner_len = 0;
    scrub(tunnel.at.0 != cx.ns, &mut packet);
    let (to, link) = tunnel.at;
    cx.send(Duration::ZERO, to, link, packet);
    Fate::Sent
}

/// An ICMP error came back about an outer packet with these ends. The tunnel tells who sends through it next, except of
/// what ends a hop count that was the inner packet's own. `ipip_err`.
pub fn error(ns: &mut Namespace, cx: &mut Cx<'_>, report: &Report, about: &ipv4::Header) {
    let tunnels = ns.tunnels.as_deref();
    let found = tunnels.and_then(|tunnels| tunnels.lookup(report.iif, about.src(), about.dst()));
    let Some(tunnel) = found.copied() else { return };
    report.learn_path_mtu(ns, cx.now, about.dst(), tunnel.params.dev);
    if tunnel.params.remote.is_unspecified() {
        return;
    }
    let tells = match report.icmp {
        (ICMP_DEST_UNREACH, ICMP_SR_FAILED | ICMP_FRAG_NEEDED) => false,
        (ICMP_DEST_UNREACH, _) => true,
        (ICMP_TIME_EXCEEDED, ICMP_EXC_TTL) => tunnel.params.ttl != 0,
        _ => false,
    };
    if tells {
        let (to, link) = tunnel.at;
        cx.timer_soon(to, TimerKind::TunnelError { link });
    }
}

/// The error has arrived at the link.
pub fn note_error(ns: &mut Namespace, cx: &Cx<'_>, link: IfIndex) {
    if let Some(tunnel) = ns.devs.get_mut(link).and_then(|dev| dev.link.kind.ipip_mut()) {
        tunnel.note_error(cx.now);
    }
}
