//! VRFs on the way of a packet: received packets of their links pass them, so do packets made here that leave through
//! their links, and what is sent through the VRF itself is routed by its table. Models `drivers/net/vrf.c`.

use core::ops::ControlFlow;

use hopwise_protocols::wire::ethernet::{self, ETH_HLEN, ETH_P_IP};
use hopwise_protocols::wire::{IntoBytes, MacAddr, ipv4, split};
use hopwise_sim_core::{ConnInfo, ConnTag, Detail, DropReason, Duration, Fate, IfIndex, Packet, PacketType};

use crate::capture::Direction;
use crate::cx::{Cx, Verdict};
use crate::namespace::Namespace;
use crate::path::dev_xmit::uncount;
use crate::path::netfilter::{self, At};
use crate::path::route::{OutputFlow, Route, route_output};
use crate::path::{checksum, output, stacked};
use crate::socket::packet;

fn destination(packet: &Packet) -> Option<core::net::Ipv4Addr> {
    split::<ipv4::Header>(packet.data()).ok().map(|(header, _)| header.dst())
}

/// A packet has passed PREROUTING as one of its link; it does so once more as one of the VRF, if there is one
/// (`l3mdev_ip_rcv`, `vrf_ip_rcv`).
#[inline]
pub(super) fn rcv(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> Verdict {
    match ns.l3mdev(packet.iif) {
        // What the VRF has sent to itself was there already.
        Some((vrf, _)) if vrf != packet.iif => slave_rcv(ns, cx, vrf, packet),
        _ => ControlFlow::Continue(packet),
    }
}

#[cold]
fn slave_rcv(ns: &mut Namespace, cx: &mut Cx<'_>, vrf: IfIndex, mut packet: Packet) -> Verdict {
    checksum::finish(&mut packet);
    if destination(&packet).is_none_or(|dst| dst.is_multicast()) {
        return ControlFlow::Continue(packet);
    }
    let Some(dev) = ns.devs.get_mut(vrf) else { return ControlFlow::Continue(packet) };
    dev.stats.rx_packets += 1;
    dev.stats.rx_bytes += packet.len() as u64;
    cx.note(&packet, || Detail::LinkRx { link: vrf });
    if dev.taps > 0 && dev.is_up() {
        let pulled = packet.mac_len;
        packet.push_mac_header();
        // dev_queue_xmit_nit: who listens takes it for one that leaves.
        packet::tap(ns, cx, vrf, Direction::Out, &packet);
        let done = packet.pull(usize::from(pulled));
        debug_assert!(done, "the header was just pushed");
        packet.mac_len = pulled;
    }
    netfilter::hook(ns, cx, At::pre_routing(vrf), packet)
}

/// A packet made here leaves through a link of a VRF: it passes OUTPUT and POSTROUTING as one of the VRF, untracked, before it
/// does so as one of the link (`l3mdev_ip_out`, `vrf_ip_out_direct`).
#[inline]
pub(super) fn out(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, packet: Packet) -> Verdict {
    match ns.l3mdev(route.oif) {
        Some((vrf, _)) if vrf != route.oif => slave_out(ns, cx, vrf, packet),
        _ => ControlFlow::Continue(packet),
    }
}

#[cold]
fn slave_out(ns: &mut Namespace, cx: &mut Cx<'_>, vrf: IfIndex, mut packet: Packet) -> Verdict {
    checksum::finish(&mut packet);
    if destination(&packet).is_none_or(|dst| dst.is_multicast() || dst.is_broadcast()) {
        return ControlFlow::Continue(packet);
    }
    let untracked = ConnTag { slot: 0, generation: 0, info: ConnInfo::Untracked };
    let conn = packet.conn;
    packet.conn = Some(conn.unwrap_or(untracked));
    let packet = netfilter::hook(ns, cx, At::local_out(vrf), packet)?;
    let mut packet = netfilter::hook(ns, cx, At::post_routing(vrf), packet)?;
    let Some(dev) = ns.devs.get(vrf) else { return ControlFlow::Continue(packet) };
    cx.note(&packet, || Detail::LinkTx { link: vrf });
    if dev.taps > 0 && dev.is_up() {
        let header = ethernet::Header::new(MacAddr::ZERO, dev.addr, ETH_P_IP);
        packet.push(ETH_HLEN).copy_from_slice(header.as_bytes());
        packet::tap(ns, cx, vrf, Direction::Out, &packet);
        let done = packet.pull(ETH_HLEN);
        debug_assert!(done, "the header was just pushed");
    }
    if packet.conn == Some(untracked) {
        packet.conn = None;
    }
    ControlFlow::Continue(packet)
}

/// A frame is given to the VRF itself, by a route that leads there: its table says where it goes (`vrf_process_v4_outbound`).
pub(super) fn xmit(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Fate {
    let len = packet.len();
    let header = packet.data().get(ETH_HLEN..).and_then(|bytes| split::<ipv4::Header>(bytes).ok());
    let Some((header, _)) = header.filter(|_| packet.protocol == ETH_P_IP) else {
        return not_sent(ns, cx, link, packet);
    };
    let flow = OutputFlow {
        dst: header.dst(),
        src: Some(header.src()),
        any_src: true,
        oif: link,
        tos: header.tos,
        protocol: header.protocol,
        ..OutputFlow::default()
    };
    let Ok(route) = route_output(ns, cx.now, &flow) else { return not_sent(ns, cx, link, packet) };
    if route.oif == link {
        // It is for this host: the VRF is its loopback (vrf_local_xmit).
        if let Some(dev) = ns.devs.get_mut(link) {
            dev.stats.rx_packets += 1;
            dev.stats.rx_bytes += len as u64;
        }
        packet.depth = 0;
        cx.send(Duration::ZERO, cx.ns, link, packet);
        return Fate::Sent;
    }
    let pulled = packet.pull(ETH_HLEN);
    debug_assert!(pulled, "there is an IPv4 header behind it");
    packet.mac_len = 0;
    // The kernel marks only the copies of those who listen as leaving; this one may still be answered with an error.
    packet.kind = PacketType::Host;
    cx.note(&packet, || route.detail(ns, flow.dst));
    let fate = output::through_vrf(ns, cx, &route, packet);
    if stacked::was_refused(fate) || matches!(fate, Fate::Dropped(DropReason::NetfilterDrop | DropReason::PktTooBig)) {
        uncount(ns, link, len, |stats| stats.tx_dropped += 1);
    }
    fate
}

fn not_sent(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) -> Fate {
    uncount(ns, link, packet.len(), |stats| stats.tx_dropped += 1);
    cx.drop(packet, DropReason::IpOutNoRoutes)
}
