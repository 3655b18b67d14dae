//! One frame to one host: routed, put into a UDP packet, sent. Models `vxlan_xmit_one`.

use hopwise_devices::vxlan::fdb::Remote;
use hopwise_protocols::encap::{Outer, flow, vxlan};
use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_protocols::wire::ipv4::{self, IP_HLEN, IPPROTO_UDP};
use hopwise_sim_core::{Detail, DropReason, Duration, Fate, IfIndex, NsId, Packet};

use super::{Sender, dropped, pmtu, rcv};
use crate::cx::{Cx, Way};
use crate::error::Errno;
use crate::namespace::Namespace;
use crate::path::dev_xmit::was_dropped;
use crate::path::route::{self, OutputFlow, Route, RouteKind};
use crate::path::tunnel::{innermost, is_too_deep, log_dead_loop, scrub};
use crate::path::{checksum, output};
use crate::sysctl::SysctlKey;

/// Sends a frame to a host. `shortened`: it took the short way to its destination (`rsc`).
pub(super) fn xmit(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    sender: &Sender,
    remote: &Remote,
    shortened: bool,
    packet: Packet,
) -> Fate {
    let (config, link) = (&sender.config, sender.link);
    if remote.ip.is_unspecified() {
        // An address that is behind this very host.
        if shortened {
            return bypass(ns, cx, sender, (cx.ns, link), packet);
        }
        return dropped(ns, cx, link, packet, DropReason::NoTxTarget);
    }
    let ports = config.source_ports(ns.sysctl.local_ports);
    let source = flow::source_port(flow::hash(packet.data(), flow::KEY), ports);
    let here = sender.home == cx.ns;
    // Another namespace has defaults of its own, which are filled in there.
    let default_ttl = if here { ns.sysctl[SysctlKey::IpDefaultTtl] as u8 } else { 0 };
    let outer = Outer {
        src: config.local,
        dst: remote.ip,
        tos: config.outer_tos(),
        ttl: config.outer_ttl(remote.ip, default_ttl),
        df: config.df,
    };
    let mut tunnel = vxlan::Vxlan { outer, source, port: remote.port, vni: remote.vni, checksum: config.udp_csum };
    if here {
        xmit_here(ns, cx, sender, remote, &mut tunnel, packet)
    } else {
        xmit_elsewhere(ns, cx, sender, remote, &tunnel, packet)
    }
}

/// The link is where it was made: its packets are routed here.
fn xmit_here(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    sender: &Sender,
    remote: &Remote,
    tunnel: &mut vxlan::Vxlan,
    packet: Packet,
) -> Fate {
    let mut route = Route::UNDECIDED;
    if let Err(why) = find_route(ns, cx, sender, remote, tunnel, &packet, &mut route) {
        return failed(ns, cx, sender, why, packet);
    }
    cx.note(&packet, || route.detail(ns, remote.ip));
    if route.kind == RouteKind::Local {
        return match ns.vxlan.as_ref().and_then(|v| v.find(remote.port, remote.vni)) {
            Some(place) => bypass(ns, cx, sender, place, packet),
            None => {
                count_error(ns, sender);
                cx.drop(packet, DropReason::VxlanVniNotFound)
            }
        };
    }
    let packet = match pmtu::check(ns, cx, sender, &route, packet) {
        core::ops::ControlFlow::Continue(packet) => packet,
        core::ops::ControlFlow::Break(fate) => return fate,
    };
    if is_too_deep(&packet) {
        return too_deep(ns, cx, sender, packet);
    }
    tunnel.outer.src = route.src;
    let id = ns.next_ip_id();
    match encapsulate(cx, sender, tunnel, id, packet) {
        Err(packet) => failed(ns, cx, sender, Errno::EMSGSIZE, packet),
        Ok((packet, len)) => {
            let fate = output::local_out(ns, cx, &route, packet);
            if let Some(dev) = ns.devs.get_mut(sender.link) {
                // iptunnel_xmit_stats: what netfilter or a link refused was dropped.
                let sent = fate != Fate::Dropped(DropReason::NetfilterDrop) && !was_dropped(fate);
                dev.stats.tx_packets += u64::from(sent);
                dev.stats.tx_bytes += if sent { len as u64 } else { 0 };
                dev.stats.tx_dropped += u64::from(!sent);
            }
            // vxlan_xmit took it in any case.
            if was_dropped(fate) { Fate::Sent } else { fate }
        }
    }
}

/// The link was moved: its packets are routed where it was made, which it cannot look into.
#[cold]
fn xmit_elsewhere(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    sender: &Sender,
    remote: &Remote,
    tunnel: &vxlan::Vxlan,
    packet: Packet,
) -> Fate {
    if is_too_deep(&packet) {
        return too_deep(ns, cx, sender, packet);
    }
    match encapsulate(cx, sender, tunnel, 0, packet) {
        Err(packet) => failed(ns, cx, sender, Errno::EMSGSIZE, packet),
        Ok((packet, len)) => {
            if let Some(dev) = ns.devs.get_mut(sender.link) {
                dev.stats.tx_packets += 1;
                dev.stats.tx_bytes += len as u64;
            }
            cx.soon(sender.home, Way::Outer { tunnel: (cx.ns, sender.link), oif: remote.via }, packet);
            Fate::Sent
        }
    }
}

/// Puts the frame into its outer packet. Gives that, and the bytes of the packet inside the frame, which is what the
/// link counts. (`Err`: it would be too long.)
#[inline]
fn encapsulate(
    cx: &mut Cx<'_>,
    sender: &Sender,
    tunnel: &vxlan::Vxlan,
    id: u16,
    mut packet: Packet,
) -> Result<(Packet, usize), Packet> {
    let len = packet.len() - ETH_HLEN;
    innermost(&mut packet, len);
    packet.offload_mut().partial |= tunnel.checksum;
    if vxlan::begin(&mut packet, tunnel, id).is_err() {
        return Err(packet);
    }
    if tunnel.checksum {
        packet.owe_checksum(IP_HLEN);
    }
    // The link that the packet leaves through makes the checksum, unless the way to it is through the agenda, or is told of.
    if sender.home != cx.ns || cx.journey.is_on() {
        checksum::finish(&mut packet);
    }
    scrub(&mut packet, sender.home != cx.ns);
    packet.from_socket = true;
    let place = (cx.ns, sender.link);
    cx.note(&packet, || Detail::Encapsulated(super::note(place, packet.data(), vxlan::HEADERS)));
    Ok((packet, len))
}

/// Finds the way of the outer packet (`udp_tunnel_dst_lookup`).
#[inline]
fn find_route(
    ns: &mut Namespace,
    cx: &Cx<'_>,
    sender: &Sender,
    remote: &Remote,
    tunnel: &vxlan::Vxlan,
    packet: &Packet,
    route: &mut Route,
) -> Result<(), Errno> {
    let config = &sender.config;
    let tos = if config.tos == 1 { vxlan::inner_ipv4(packet.data()).map_or(0, |ip| ip.tos) } else { config.tos };
    let flow = OutputFlow {
        dst: remote.ip,
        src: Some(config.local).filter(|local| !local.is_unspecified()),
        oif: remote.via,
        tos: tos & ipv4::INET_DSCP_MASK,
        protocol: IPPROTO_UDP,
        ports: (tunnel.source, tunnel.port),
        ..OutputFlow::default()
    };
    route::route_output_again(ns, cx.now, &flow, || 0, route)?;
    // A way that leads back into the tunnel has no end.
    if route.oif == sender.link { Err(Errno::ELOOP) } else { Ok(()) }
}

/// A frame that cannot be sent (`tx_error` of `vxlan_xmit_one`).
#[cold]
fn failed(ns: &mut Namespace, cx: &mut Cx<'_>, sender: &Sender, why: Errno, packet: Packet) -> Fate {
    count_error(ns, sender);
    if let Some(dev) = ns.devs.get_mut(sender.link) {
        dev.stats.collisions += u64::from(why == Errno::ELOOP);
        dev.stats.tx_carrier += u64::from(why == Errno::ENETUNREACH);
    }
    let reason = match why {
        Errno::EMSGSIZE => DropReason::PktTooBig,
        Errno::ELOOP => DropReason::TunnelLoop,
        _ => DropReason::IpOutNoRoutes,
    };
    cx.drop(packet, reason)
}

/// A frame that too many links handed on.
#[cold]
fn too_deep(ns: &mut Namespace, cx: &mut Cx<'_>, sender: &Sender, packet: Packet) -> Fate {
    count_error(ns, sender);
    log_dead_loop(ns, cx, sender.link);
    cx.drop(packet, DropReason::TooDeep)
}

fn count_error(ns: &mut Namespace, sender: &Sender) {
    if let Some(dev) = ns.devs.get_mut(sender.link) {
        dev.stats.tx_errors += 1;
    }
}

/// What bypasses the tunnel is counted as sent, with its Ethernet header.
pub(super) fn count_bypass(ns: &mut Namespace, sender: &Sender, len: usize) {
    if let Some(dev) = ns.devs.get_mut(sender.link) {
        dev.stats.tx_packets += 1;
        dev.stats.tx_bytes += len as u64;
    }
}

/// The far end is this host: the frame goes to its link without a packet around it, as if it came from 127.0.0.1
/// (`vxlan_encap_bypass`).
#[cold]
fn bypass(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    sender: &Sender,
    (to_ns, to): (NsId, IfIndex),
    mut packet: Packet,
) -> Fate {
    count_bypass(ns, sender, packet.len());
    scrub(&mut packet, to_ns != cx.ns);
    packet.next_hop = rcv::BYPASSED.octets();
    rcv::hand_over(cx, Duration::ZERO, (to_ns, to), packet)
}
