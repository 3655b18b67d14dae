//! Links that stand on another one: how they send through it, and what it receives for them. Models `vlan_do_receive`,
//! `vlan_dev_hard_start_xmit`, `macvlan_handle_frame` and `macvlan_queue_xmit`.
//!
//! The link above may be in another namespace: then the way goes through the agenda. On the way up it always does.

use core::ops::ControlFlow;

use hopwise_devices::macvlan::{MacvlanPort, Mode};
use hopwise_protocols::wire::ethernet::{ETH_HLEN, MacAddr};
use hopwise_sim_core::{Detail, DropReason, Duration, Fate, IfIndex, NsId, Packet, PacketType, VlanTag};

use crate::capture::Direction;
use crate::cx::{Cx, Event, Verdict, Way};
use crate::namespace::Namespace;
use crate::path::dev_xmit::dev_xmit;
use crate::path::ipvlan;
use crate::socket::packet;

/// Where a link is.
pub(super) type At = (NsId, IfIndex);

/// A frame leaves one namespace for another: what is known of it there is no use here (`skb_scrub_packet`).
pub(super) fn scrub(cx: &Cx<'_>, to: NsId, packet: &mut Packet) {
    packet.phys = (IfIndex::NONE, IfIndex::NONE);
    if to != cx.ns {
        packet.mark = 0;
        packet.conn = None;
        packet.from_socket = false;
    }
}

/// Gives a frame, which begins with its Ethernet header, to the link below (`dev_queue_xmit`).
pub(super) fn send_below(ns: &mut Namespace, cx: &mut Cx<'_>, (lower_ns, lower): At, mut packet: Packet) -> Fate {
    if lower_ns == cx.ns {
        return dev_xmit(ns, cx, lower, packet);
    }
    scrub(cx, lower_ns, &mut packet);
    cx.soon(lower_ns, Way::Out(lower), packet);
    Fate::Sent
}

/// Gives a frame, which begins with its Ethernet header, to a link above: it comes in there.
pub(super) fn send_up(cx: &mut Cx<'_>, (ns, link): At, mut packet: Packet) {
    packet.depth = 0;
    scrub(cx, ns, &mut packet);
    cx.send(Duration::ZERO, ns, link, packet);
}

/// A frame with a tag has come in: it goes up to the link of its VLAN, if there is one (`vlan_do_receive`).
#[cold]
pub(super) fn vlan_rx(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Verdict {
    let stacked = ns.devs.get(link).and_then(|d| d.stacked.as_deref());
    let Some(upper) = stacked.and_then(|s| s.vlan(packet.vlan)).map(|v| v.at) else {
        return ControlFlow::Continue(packet);
    };
    // The link above looks it up in its map.
    packet.priority = u32::from(packet.vlan.tci >> 13);
    packet.vlan = VlanTag::NONE;
    packet.push_mac_header();
    send_up(cx, upper, packet);
    ControlFlow::Break(Fate::Sent)
}

/// A macvlan or an ipvlan sends a frame, which is looked at where the link below is: it may be for others on that.
pub(super) fn child_xmit(ns: &mut Namespace, cx: &mut Cx<'_>, from: At, lower: At, mut packet: Packet) -> Fate {
    if lower.0 == cx.ns {
        packet.phys = (IfIndex(from.0.0), from.1);
        return xmit_for(ns, cx, lower.1, packet);
    }
    scrub(cx, lower.0, &mut packet);
    // Who sends it must be known there; the ports of a bridge are of no use on this way.
    packet.phys = (IfIndex(from.0.0), from.1);
    cx.soon(lower.0, Way::Out(lower.1), packet);
    Fate::Sent
}

/// Whether the link below did not take a frame (what `dev_queue_xmit` returns).
pub(super) const fn was_refused(fate: Fate) -> bool {
    matches!(fate, Fate::Dropped(DropReason::DevReady | DropReason::Qdisc | DropReason::TooDeep | DropReason::PeerMtu))
}

/// A link sends for one that stands on it in another namespace.
pub(crate) fn xmit_for(ns: &mut Namespace, cx: &mut Cx<'_>, lower: IfIndex, mut packet: Packet) -> Fate {
    let (from_ns, from) = core::mem::take(&mut packet.phys);
    if !from.is_some() {
        return dev_xmit(ns, cx, lower, packet);
    }
    let (from, len) = ((NsId(from_ns.0), from), packet.len() as u32);
    let fate = match ns.devs.get(lower).and_then(|d| d.stacked.as_deref()) {
        Some(stacked) if !stacked.ipvlan.children.is_empty() => ipvlan::queue_xmit(ns, cx, from, lower, packet),
        _ => macvlan_queue_xmit(ns, cx, from, lower, packet),
    };
    if from.0 != cx.ns && was_refused(fate) {
        cx.put(Duration::ZERO, Event::NotSent { ns: from.0, link: from.1, len });
    }
    fate
}

/// A frame has come in through a link that others stand on: its `rx_handler`.
#[cold]
pub(super) fn rx(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) -> Verdict {
    match ns.devs.get(link).and_then(|d| d.stacked.as_deref()) {
        Some(stacked) if !stacked.ipvlan.children.is_empty() => ipvlan::rx(ns, cx, link, packet),
        _ => macvlan_rx(ns, cx, link, packet),
    }
}

/// `macvlan_queue_xmit`, in the namespace of the link below.
fn macvlan_queue_xmit(ns: &mut Namespace, cx: &mut Cx<'_>, from: At, lower: IfIndex, packet: Packet) -> Fate {
    let Some(dev) = ns.devs.get(lower) else { return cx.drop(packet, DropReason::DevReady) };
    let Some(stacked) = dev.stacked.as_deref() else { return dev_xmit(ns, cx, lower, packet) };
    let children = &stacked.macvlan.children;
    let bridged = children.iter().any(|c| c.at == from && c.mode == Mode::Bridge);
    let (Some(dst), true) = (destination(packet.data()), bridged) else { return dev_xmit(ns, cx, lower, packet) };
    if dst.is_unicast() {
        let Some(to) = stacked.macvlan.find(dst).filter(|c| c.mode == Mode::Bridge).map(|c| c.at) else {
            return dev_xmit(ns, cx, lower, packet);
        };
        // It passes the link below, for those who listen there (dev_forward_skb).
        if !dev.is_up() {
            return cx.drop(packet, DropReason::DevReady);
        }
        if dev.taps > 0 {
            packet::tap(ns, cx, lower, Direction::In, &packet);
        }
        send_up(cx, to, packet);
        return Fate::Sent;
    }
    for child in children.iter().filter(|c| c.up && c.at != from && c.mode == Mode::Bridge) {
        let mut copy = copy(cx, &packet, "macvlan");
        // macvlan_broadcast counts the Ethernet header once more, though it has not been taken off here.
        copy.mac_len = ETH_HLEN as u8;
        send_up(cx, child.at, copy);
    }
    dev_xmit(ns, cx, lower, packet)
}

/// A frame has come in through a link with macvlans: it is theirs, or the link's own, or a group's and everybody's
/// (`macvlan_handle_frame`).
fn macvlan_rx(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Verdict {
    let Some(port) = ns.devs.get(link).and_then(|d| d.stacked.as_deref()).map(|s| &s.macvlan) else {
        return ControlFlow::Continue(packet);
    };
    let header = packet.mac_header();
    let (Some(dst), Some(src)) = (destination(header), header.get(6..).and_then(destination)) else {
        return ControlFlow::Continue(packet);
    };
    if !port.sources.is_empty() && forward_source(port, cx, src, &packet) {
        return ControlFlow::Break(cx.consume(packet, "macvlan (nodst)"));
    }
    let to = if !dst.is_unicast() {
        let src = port.find(src);
        let hearers = port.children.iter().filter(|c| port.hears_from_outside(src, c));
        if let Some(only) = src.filter(|s| matches!(s.mode, Mode::Private | Mode::Passthru | Mode::Source)) {
            Some(only.at)
        } else {
            for child in hearers {
                let mut copy = copy(cx, &packet, "macvlan");
                copy.push_mac_header();
                send_up(cx, child.at, copy);
            }
            None
        }
    } else if port.is_passthru() {
        port.children.first().filter(|c| c.up).map(|c| c.at)
    } else {
        port.find(dst).filter(|c| c.mode != Mode::Source).map(|c| c.at)
    };
    let Some(to) = to else { return ControlFlow::Continue(packet) };
    if dst.is_unicast() {
        packet.kind = PacketType::Host;
    }
    packet.push_mac_header();
    send_up(cx, to, packet);
    ControlFlow::Break(Fate::Sent)
}

/// Who hears what `src` sends gets a copy; gives whether that is all (`macvlan_forward_source`).
fn forward_source(port: &MacvlanPort, cx: &mut Cx<'_>, src: MacAddr, packet: &Packet) -> bool {
    let mut alone = false;
    for (_, at, nodst) in port.sources.iter().filter(|(addr, ..)| *addr == src) {
        alone |= nodst;
        if port.children.iter().any(|c| c.at == *at && c.up) {
            let mut copy = copy(cx, packet, "macvlan");
            copy.push_mac_header();
            send_up(cx, *at, copy);
        }
    }
    alone
}

pub(super) fn copy(cx: &mut Cx<'_>, packet: &Packet, by: &'static str) -> Packet {
    let copy = cx.pool.copy(packet);
    cx.note(&copy, || Detail::Born { by, from: Some(packet.id) });
    copy
}

#[inline]
pub(super) fn destination(frame: &[u8]) -> Option<MacAddr> {
    frame.first_chunk::<6>().map(|bytes| MacAddr(*bytes))
}
