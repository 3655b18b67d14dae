//! Ipvlans: what they send, and what the link below receives for them. Models `drivers/net/ipvlan/ipvlan_core.c` and
//! `ipvlan_l3s.c`. All of it happens in the namespace of the link below, which knows whose each IP address is.

use core::ops::ControlFlow;

use hopwise_devices::ipvlan::{Child, End, IpvlanPort, Mode, Reach, address};
use hopwise_protocols::wire::ethernet::{ETH_HLEN, ETH_P_IP, MacAddr};
use hopwise_protocols::wire::{ipv4, split};
use hopwise_sim_core::{Detail, DropReason, Fate, IfIndex, Packet};

use crate::cx::{Cx, Verdict, Way};
use crate::namespace::Namespace;
use crate::path::dev_xmit::dev_xmit;
use crate::path::route::{InputRoute, OutputFlow, RouteKind, route_input, route_output};
use crate::path::stacked::{At, copy, destination, scrub, send_up};
use crate::path::{local_in as delivery, output};

/// The group that every host with IPv4 is in (224.0.0.1).
const ALL_HOSTS: MacAddr = MacAddr([1, 0, 0x5e, 0, 0, 1]);

/// What the sender is told of a frame that went nowhere, whatever the reason (`NET_XMIT_DROP`).
const NOT_TAKEN: Fate = Fate::Dropped(DropReason::Qdisc);

fn port(ns: &Namespace, link: IfIndex) -> Option<&IpvlanPort> {
    ns.devs.get(link)?.stacked.as_deref().map(|s| &s.ipvlan)
}

/// The ipvlan that a frame, which begins with its Ethernet header, is from or for.
fn owner(port: &IpvlanPort, frame: &[u8], end: End) -> Option<At> {
    let (header, payload) = frame.split_at_checked(ETH_HLEN)?;
    let protocol = u16::from_be_bytes(*header.last_chunk::<2>()?);
    port.find(address(protocol, payload, end)?)
}

/// An ipvlan sends a frame (`ipvlan_queue_xmit`).
#[cold]
pub(super) fn queue_xmit(ns: &mut Namespace, cx: &mut Cx<'_>, from: At, lower: IfIndex, packet: Packet) -> Fate {
    match port(ns, lower).map(|p| p.mode) {
        Some(Mode::L2) => match xmit_l2(ns, cx, from, lower, packet) {
            // A link that is down says NET_XMIT_CN, which counts as sent (noop_enqueue, ipvlan_start_xmit).
            Fate::Dropped(DropReason::DevReady) => Fate::Sent,
            fate => fate,
        },
        Some(Mode::L3 | Mode::L3s) => xmit_l3(ns, cx, lower, packet),
        None => cx.drop(packet, DropReason::DevReady),
    }
}

/// A switch: to another one on the link, to all, or out (`ipvlan_xmit_mode_l2`).
fn xmit_l2(ns: &mut Namespace, cx: &mut Cx<'_>, from: At, lower: IfIndex, packet: Packet) -> Fate {
    let Some(port) = port(ns, lower) else { return cx.drop(packet, DropReason::DevReady) };
    let ends = packet.data().first_chunk::<12>().map(|b| b.split_at(6));
    let Some(dst) = destination(packet.data()) else { return cx.drop(packet, DropReason::PktTooSmall) };
    if !dst.is_unicast() {
        to_group(ns, cx, lower, Some(from), &packet);
        return dev_xmit(ns, cx, lower, packet);
    }
    // All of them have one address, and so has the link below.
    if port.reach != Reach::Vepa && ends.is_some_and(|(dst, src)| dst == src) {
        return match owner(port, packet.data(), End::Destination) {
            Some(to) => to_sibling(cx, port.reach, to, packet),
            None => {
                send_up(cx, (cx.ns, lower), packet);
                Fate::Sent
            }
        };
    }
    dev_xmit(ns, cx, lower, packet)
}

/// A router: to another one on the link, or routed where the link below is (`ipvlan_xmit_mode_l3`).
fn xmit_l3(ns: &mut Namespace, cx: &mut Cx<'_>, lower: IfIndex, packet: Packet) -> Fate {
    let Some(port) = port(ns, lower) else { return cx.drop(packet, DropReason::DevReady) };
    if port.reach != Reach::Vepa
        && let Some(to) = owner(port, packet.data(), End::Destination)
    {
        return to_sibling(cx, port.reach, to, packet);
    }
    outbound(ns, cx, lower, packet)
}

/// `ipvlan_rcv_frame` for a frame of another one on the link: it does not pass that.
fn to_sibling(cx: &mut Cx<'_>, reach: Reach, to: At, mut packet: Packet) -> Fate {
    if reach == Reach::Private {
        cx.consume(packet, "ipvlan (private)");
        return NOT_TAKEN;
    }
    // Counted with the Ethernet header once more, though it has not been taken off here.
    packet.mac_len = ETH_HLEN as u8;
    send_up(cx, to, packet);
    Fate::Sent
}

/// The Ethernet header is of no use; the packet is routed and sent as if it were made here (`ipvlan_process_outbound`).
fn outbound(ns: &mut Namespace, cx: &mut Cx<'_>, lower: IfIndex, mut packet: Packet) -> Fate {
    let reason = match destination(packet.data()) {
        Some(dst) if dst.is_unicast() && packet.protocol == ETH_P_IP => None,
        Some(dst) if dst.is_unicast() => Some(DropReason::UnhandledProto),
        _ => Some(DropReason::NotSpecified),
    };
    if let Some(reason) = reason {
        cx.drop(packet, reason);
        return NOT_TAKEN;
    }
    let pulled = packet.pull(ETH_HLEN);
    debug_assert!(pulled, "there is a destination in it");
    let Ok((header, _)) = split::<ipv4::Header>(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let flow = OutputFlow {
        dst: header.dst(),
        src: Some(header.src()),
        any_src: true,
        oif: lower,
        tos: header.tos,
        mark: packet.mark,
        ..OutputFlow::default()
    };
    packet.mac_len = 0;
    packet.iif = IfIndex::NONE;
    scrub(cx, cx.ns, &mut packet);
    let fate = match route_output(ns, cx.now, &flow) {
        Ok(route) if matches!(route.kind, RouteKind::Unicast | RouteKind::Local) => {
            cx.note(&packet, || route.detail(ns, flow.dst));
            output::local_out(ns, cx, &route, packet)
        }
        _ => cx.drop(packet, DropReason::IpOutNoRoutes),
    };
    if let (Fate::Dropped(_), Some(dev)) = (fate, ns.devs.get_mut(lower)) {
        dev.stats.tx_errors += 1;
        return NOT_TAKEN;
    }
    fate
}

/// A frame to a group, for all that are in it, but for the one that sent it (`ipvlan_process_multicast`).
fn to_group(ns: &mut Namespace, cx: &mut Cx<'_>, lower: IfIndex, from: Option<At>, packet: &Packet) {
    let frame = if from.is_some() { packet.data() } else { packet.mac_header() };
    let (Some(port), Some(dst)) = (port(ns, lower), destination(frame)) else { return };
    let everybody = dst.is_broadcast() || dst == ALL_HOSTS;
    let hears = |c: &&Child| c.up && from != Some(c.at) && (everybody || c.all_groups);
    for child in port.children.iter().filter(hears) {
        let mut copy = copy(cx, packet, "ipvlan");
        if from.is_some() {
            copy.mac_len = ETH_HLEN as u8;
        } else {
            copy.push_mac_header();
        }
        send_up(cx, child.at, copy);
    }
}

/// A frame has come in through the link below: it is an ipvlan's, or the link's own, or a group's and everybody's
/// (`ipvlan_handle_frame`).
pub(super) fn rx(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Verdict {
    let Some(port) = port(ns, link) else { return ControlFlow::Continue(packet) };
    let Some(dst) = destination(packet.mac_header()) else { return ControlFlow::Continue(packet) };
    match port.mode {
        Mode::L3s => return ControlFlow::Continue(packet),
        Mode::L2 if !dst.is_unicast() => {
            if is_external(ns, link, port, &packet) {
                to_group(ns, cx, link, None, &packet);
            }
            return ControlFlow::Continue(packet);
        }
        Mode::L2 | Mode::L3 => {}
    }
    let to = address(packet.protocol, packet.data(), End::Destination).and_then(|addr| port.find(addr));
    let Some(to) = to else { return ControlFlow::Continue(packet) };
    packet.push_mac_header();
    send_up(cx, to, packet);
    ControlFlow::Break(Fate::Sent)
}

/// Whether a frame to a group is not one of our own that came back (`ipvlan_external_frame`).
fn is_external(ns: &Namespace, link: IfIndex, port: &IpvlanPort, packet: &Packet) -> bool {
    let src = packet.mac_header().get(6..).and_then(destination);
    let own = ns.devs.get(link).map(|d| d.addr);
    let sender = || address(packet.protocol, packet.data(), End::Source).and_then(|addr| port.find(addr));
    src != own || sender().is_none()
}

/// A packet has passed PREROUTING where the link below is. In mode l3s one that is for an ipvlan passes INPUT there too, and then is
/// delivered where the ipvlan is, without having passed its link (`ipvlan_l3_rcv`, `ipvlan_nf_input`).
#[inline]
pub(super) fn l3s_rcv(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> Verdict {
    match ns.devs.get(packet.iif) {
        Some(dev) if dev.stacked.is_some() => l3s_input(ns, cx, packet),
        _ => ControlFlow::Continue(packet),
    }
}

#[cold]
fn l3s_input(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> Verdict {
    let Some(port) = port(ns, packet.iif).filter(|p| p.mode == Mode::L3s && !p.children.is_empty()) else {
        return ControlFlow::Continue(packet);
    };
    let to = address(ETH_P_IP, packet.data(), End::Destination).and_then(|addr| port.find(addr));
    let Some((to_ns, to)) = to else { return ControlFlow::Continue(packet) };
    let mut packet = delivery::input(ns, cx, packet)?;
    packet.conn = None;
    packet.mac_len = 0;
    cx.soon(to_ns, Way::LocalIn(to), packet);
    ControlFlow::Break(Fate::Sent)
}

/// The second half of that, in the namespace of the ipvlan.
pub(crate) fn local_in(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Fate {
    let Some(dev) = ns.devs.get_mut(link).filter(|d| d.is_up()) else { return cx.drop(packet, DropReason::DevReady) };
    dev.stats.rx_packets += 1;
    dev.stats.rx_bytes += (packet.len() + ETH_HLEN) as u64;
    packet.iif = link;
    cx.note(&packet, || Detail::LinkRx { link });
    let mut route = InputRoute::UNDECIDED;
    let packet = match route_input(ns, cx, packet, &mut route) {
        ControlFlow::Continue(packet) => packet,
        ControlFlow::Break(fate) => return fate,
    };
    match &route {
        InputRoute::Local(route) => delivery::deliver(ns, cx, route, packet),
        InputRoute::Forward(_) => cx.drop(packet, DropReason::NotForwarding),
    }
}
