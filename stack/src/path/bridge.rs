//! A bridge's port receives a frame, or the bridge link itself sends one. Models `br_handle_frame`,
//! `br_handle_frame_finish`, `br_dev_xmit`, `br_flood` and `br_pass_frame_up`.

use core::ops::ControlFlow;

use hopwise_devices::bridge::{FrameSort, Learned, PortState, is_link_local};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{BridgeVerdict, Detail, DropReason, Duration, Fate, IfIndex, Packet, PacketType};

use crate::cx::{Cx, Verdict};
use crate::namespace::Namespace;
use crate::path::dev_xmit::dev_xmit;
use crate::path::memo::{FloodKey, FloodList, FloodPort};
use crate::path::{br_netfilter, br_vlan};

/// What a frame's port says about it.
#[derive(Clone, Copy)]
struct Ingress {
    bridge: IfIndex,
    port: IfIndex,
    isolated: bool,
    locked: bool,
    forwarding: bool,
    may_learn: bool,
}

/// Where a frame in the bridge comes from.
#[derive(Clone, Copy)]
struct Origin {
    bridge: IfIndex,
    /// The port and whether it is isolated; `None`: the bridge link itself sends.
    from: Option<(IfIndex, bool)>,
    /// Its VLAN; 0: the bridge does not look at VLANs.
    vlan: u16,
}

impl Ingress {
    fn of(ns: &Namespace, port: IfIndex) -> Option<Ingress> {
        let state = ns.devs.get(port)?.port.as_deref()?;
        Some(Ingress {
            bridge: state.bridge,
            port,
            isolated: state.isolated,
            locked: state.locked,
            forwarding: state.state == PortState::Forwarding,
            may_learn: state.learning && matches!(state.state, PortState::Forwarding | PortState::Learning),
        })
    }
}

/// A frame came in through a port: is it one to be switched? If so, the hooks of IPv4 may see it first. `br_handle_frame`.
pub fn port_rx(ns: &mut Namespace, cx: &mut Cx<'_>, port: IfIndex, mut packet: Packet) -> Verdict {
    let Some((dst, src)) = addresses(&packet) else {
        return ControlFlow::Break(cx.drop(packet, DropReason::PktTooSmall));
    };
    if !src.is_unicast() || src == MacAddr::ZERO {
        return ControlFlow::Break(cx.drop(packet, DropReason::MacInvalidSource));
    }
    let Some(ingress) = Ingress::of(ns, port) else { return ControlFlow::Continue(packet) };
    if is_link_local(dst)
        && let Some(stays) = link_local(ns, ingress.bridge, dst)
    {
        return if stays {
            ControlFlow::Continue(packet)
        } else {
            ControlFlow::Break(cx.drop(packet, DropReason::MacIeeeMacControl))
        };
    }
    if !ingress.forwarding && !ingress.may_learn {
        return ControlFlow::Break(cx.drop(packet, DropReason::BridgeIngressStpState));
    }
    if ns.devs.get(ingress.bridge).is_some_and(|bridge| bridge.addr == dst) {
        packet.kind = PacketType::Host;
    }
    let packet = br_netfilter::pre_routing(ns, cx, ingress.bridge, port, packet)?;
    ControlFlow::Break(handle_frame_finish(ns, cx, &ingress, packet))
}

/// `br_handle_frame_finish`: the bridge learns where the sender is, and switches.
fn handle_frame_finish(ns: &mut Namespace, cx: &mut Cx<'_>, ingress: &Ingress, mut packet: Packet) -> Fate {
    let &Ingress { bridge, port, isolated, locked, mut forwarding, may_learn } = ingress;
    let mut vlan = 0;
    if filters_vlans(ns, bridge) {
        match br_vlan::admit(ns, bridge, port, &mut packet) {
            Some((vid, state)) => (vlan, forwarding) = (vid, forwarding && state == PortState::Forwarding),
            None => return cx.drop(packet, DropReason::BridgeVlanFilter),
        }
    }
    let Some((dst, src)) = addresses(&packet) else { return cx.drop(packet, DropReason::PktTooSmall) };
    let Some(br) = ns.devs.get_mut(bridge) else { return cx.drop(packet, DropReason::BridgeIngressStpState) };
    let up = br.is_up();
    let now = cx.now;
    let Some(switch) = br.link.kind.bridge_mut() else {
        return cx.drop(packet, DropReason::BridgeIngressStpState);
    };
    if locked && !switch.lookup(now, src, vlan).is_some_and(|e| e.port == port && !e.local) {
        return cx.drop(packet, DropReason::BridgeIngressStpState);
    }
    if may_learn && switch.learn(now, src, vlan, port) == Learned::OwnAddress {
        let (bridge, port) = (ns.name_of(bridge), ns.name_of(port));
        let whose = "with own address as source address";
        let text = format!("{bridge}: received packet on {port} {whose} (addr:{src}, vlan:{vlan})");
        ns.log(now, text);
    }
    // A bridge that is down does not forward: br_stp_disable_bridge has disabled its ports, unless one was just added.
    if !forwarding || !up {
        return cx.drop(packet, DropReason::BridgeIngressStpState);
    }
    switch_frame(ns, cx, Origin { bridge, from: Some((port, isolated)), vlan }, dst, packet)
}

#[inline]
fn filters_vlans(ns: &Namespace, bridge: IfIndex) -> bool {
    ns.devs.get(bridge).and_then(|d| d.kind.bridge()).is_some_and(|b| b.filters_vlans())
}

/// What happens to a frame for a link-local group: `None`: switched like any other, `Some(true)`: stays on the port as
/// if that were no port, `Some(false)`: dropped.
fn link_local(ns: &Namespace, bridge: IfIndex, dst: MacAddr) -> Option<bool> {
    match dst.0[5] {
        // Spanning tree: without STP a bridge is transparent to it.
        0x00 => None,
        // Pause frames never travel.
        0x01 => Some(false),
        n => {
            let mask = ns.devs.get(bridge).and_then(|d| d.kind.bridge()).map_or(0, |b| b.group_fwd_mask);
            if mask & (1 << n) != 0 { None } else { Some(true) }
        }
    }
}

/// Sends a frame where the forwarding database says: to one port, to all of them, up to this host.
fn switch_frame(ns: &mut Namespace, cx: &mut Cx<'_>, origin: Origin, dst: MacAddr, mut packet: Packet) -> Fate {
    let Origin { bridge, from, vlan } = origin;
    let sort = FrameSort::of(dst);
    let port = from.map_or(IfIndex::NONE, |(port, _)| port);
    let now = cx.now;
    let Some(br) = ns.devs.get_mut(bridge) else { return cx.drop(packet, DropReason::DevReady) };
    let promisc = br.promiscuity > 0;
    let Some(switch) = br.link.kind.bridge_mut() else { return cx.drop(packet, DropReason::DevReady) };
    if sort == FrameSort::Unicast {
        match switch.destination(now, dst, vlan) {
            Some((true, _)) if from.is_some() => {
                cx.note(&packet, || Detail::Bridge { bridge, port, dst: dst.0, verdict: BridgeVerdict::Local });
                return pass_up(ns, cx, origin, packet);
            }
            Some((false, to)) => {
                cx.note(&packet, || Detail::Bridge {
                    bridge,
                    port,
                    dst: dst.0,
                    verdict: BridgeVerdict::Forward { port: to },
                });
                if promisc && from.is_some() {
                    let copy = copy(cx, &packet);
                    pass_up(ns, cx, origin, copy);
                }
                return send_to_port(ns, cx, origin, to, packet);
            }
            _ => {}
        }
    }
    let to_host = from.is_some() && (sort != FrameSort::Unicast || promisc);
    cx.note(&packet, || {
        let ports = count_ports(ns, origin, sort);
        let verdict = if to_host { BridgeVerdict::LocalAndFlood { ports } } else { BridgeVerdict::Flood { ports } };
        Detail::Bridge { bridge, port, dst: dst.0, verdict }
    });
    packet.depth += 1;
    let sent = flood(ns, cx, origin, sort, &packet, to_host);
    packet.depth -= 1;
    match sent {
        // The last port (or the host) gets the packet itself, the others got copies.
        LastReceiver::Port(port) => leave(ns, cx, origin, port, packet),
        LastReceiver::Host => pass_up(ns, cx, origin, packet),
        LastReceiver::Nobody => cx.drop(packet, DropReason::BridgeNoEgressPort),
    }
}

/// Who gets the packet itself after all others got copies.
enum LastReceiver {
    Port(IfIndex),
    Host,
    Nobody,
}

/// `br_flood`: copies to all ports but the last one that wants the frame.
fn flood(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    origin: Origin,
    sort: FrameSort,
    packet: &Packet,
    to_host: bool,
) -> LastReceiver {
    let mut last = if to_host { LastReceiver::Host } else { LastReceiver::Nobody };
    let key = FloodKey { bridge: origin.bridge, sort, vlan: origin.vlan };
    let mut i = 0;
    while let Some(out) = flood_port(ns, key, i) {
        i += 1;
        if !out.lets_out(origin.from) {
            continue;
        }
        if let LastReceiver::Port(previous) = last {
            let copy = copy(cx, packet);
            leave(ns, cx, origin, previous, copy);
        } else if let LastReceiver::Host = last {
            let copy = copy(cx, packet);
            pass_up(ns, cx, origin, copy);
        }
        last = LastReceiver::Port(out.port);
    }
    last
}

/// The `i`-th port that such frames are flooded to, but for the one they came in through. A copy on its way may be flooded in another
/// bridge before the next one of this, so that the list is looked for each time.
#[inline]
fn flood_port(ns: &mut Namespace, key: FloodKey, i: usize) -> Option<FloodPort> {
    let at = ns.memo.flood.iter().position(|list| list.of == Some(key));
    let at = at.unwrap_or_else(|| make_flood_list(ns, key));
    ns.memo.flood[at].ports.get(i).copied()
}

/// How many lists are kept: bridges over bridges, and frames to many and to one.
const FLOOD_LISTS: usize = 4;

#[cold]
fn make_flood_list(ns: &mut Namespace, key: FloodKey) -> usize {
    let lists = &mut ns.memo.flood;
    let at = match lists.iter().position(|list| list.of.is_none()) {
        Some(free) => free,
        None if lists.len() < FLOOD_LISTS => {
            lists.push(FloodList::default());
            lists.len() - 1
        }
        None => {
            lists.rotate_left(1);
            FLOOD_LISTS - 1
        }
    };
    let mut list = core::mem::take(&mut lists[at]);
    list.of = Some(key);
    list.ports.clear();
    let anywhere = Origin { bridge: key.bridge, from: None, vlan: key.vlan };
    let bridge = ns.devs.get(key.bridge).and_then(|d| d.kind.bridge());
    for &port in bridge.map_or(&[][..], |b| &b.ports) {
        if wants(ns, port, anywhere, key.sort)
            && let Some(state) = ns.devs.get(port).and_then(|d| d.port.as_deref())
        {
            list.ports.push(FloodPort { port, hairpin: state.hairpin, isolated: state.isolated });
        }
    }
    ns.memo.flood[at] = list;
    at
}

/// `should_deliver`, and whether such frames are flooded to the port.
fn wants(ns: &Namespace, port: IfIndex, origin: Origin, sort: FrameSort) -> bool {
    let state = ns.devs.get(port).and_then(|d| d.port.as_deref());
    state.is_some_and(|p| p.lets_out(port, origin.from) && p.floods(sort) && p.vlans.lets_out(origin.vlan))
}

fn count_ports(ns: &Namespace, origin: Origin, sort: FrameSort) -> u16 {
    let ports = ns.devs.get(origin.bridge).and_then(|d| d.kind.bridge()).map_or(&[][..], |b| &b.ports);
    ports.iter().filter(|&&p| wants(ns, p, origin, sort)).count() as u16
}

fn copy(cx: &mut Cx<'_>, packet: &Packet) -> Packet {
    let copy = cx.pool.copy(packet);
    cx.note(&copy, || Detail::Born { by: "bridge", from: Some(packet.id) });
    copy
}

/// `br_forward`: out of one port of a bridge, if it lets the frame out.
fn send_to_port(ns: &mut Namespace, cx: &mut Cx<'_>, origin: Origin, port: IfIndex, packet: Packet) -> Fate {
    let state = ns.devs.get(port).and_then(|d| d.port.as_deref());
    if !state.is_some_and(|p| p.lets_out(port, origin.from)) {
        return cx.drop(packet, DropReason::BridgeNoEgressPort);
    }
    if !state.is_some_and(|p| p.vlans.lets_out(origin.vlan)) {
        return cx.drop(packet, DropReason::BridgeVlanFilter);
    }
    leave(ns, cx, origin, port, packet)
}

/// `__br_forward`: out of a port that lets the frame out. What the bridge link itself sends has met the hooks already.
#[inline]
fn leave(ns: &mut Namespace, cx: &mut Cx<'_>, origin: Origin, port: IfIndex, mut packet: Packet) -> Fate {
    if origin.vlan != 0 {
        br_vlan::leave(ns, origin.bridge, port, origin.vlan, &mut packet);
    }
    let shown = if origin.from.is_some() {
        br_netfilter::leave(ns, cx, origin.bridge, port, packet)
    } else {
        ControlFlow::Continue(packet)
    };
    match shown {
        ControlFlow::Continue(mut packet) => {
            packet.push_mac_header();
            dev_xmit(ns, cx, port, packet)
        }
        ControlFlow::Break(fate) => fate,
    }
}

/// `br_pass_frame_up`: the frame comes in again, through the bridge link, if that is in its VLAN.
fn pass_up(ns: &mut Namespace, cx: &mut Cx<'_>, origin: Origin, mut packet: Packet) -> Fate {
    let bridge = origin.bridge;
    if origin.vlan != 0 && !br_vlan::reaches_host(ns, bridge, origin.vlan, &mut packet) {
        return cx.drop(packet, DropReason::BridgeVlanFilter);
    }
    packet.push_mac_header();
    let ns = cx.ns;
    cx.send(Duration::ZERO, ns, bridge, packet);
    Fate::Sent
}

/// `br_dev_xmit`: the bridge link itself sends a frame (which begins with its Ethernet header).
pub fn bridge_xmit(ns: &mut Namespace, cx: &mut Cx<'_>, bridge: IfIndex, mut packet: Packet) -> Fate {
    if !packet.pull(14) {
        return cx.drop(packet, DropReason::PktTooSmall);
    }
    packet.mac_len = 14;
    if let Some(port) = br_netfilter::is_back(ns, cx.now, &mut packet) {
        return match Ingress::of(ns, port) {
            Some(ingress) => handle_frame_finish(ns, cx, &ingress, packet),
            None => cx.drop(packet, DropReason::BridgeIngressStpState),
        };
    }
    let mut vlan = 0;
    if filters_vlans(ns, bridge) {
        match br_vlan::admit(ns, bridge, IfIndex::NONE, &mut packet) {
            Some((vid, PortState::Forwarding)) => vlan = vid,
            _ => return cx.drop(packet, DropReason::BridgeVlanFilter),
        }
    }
    match addresses(&packet) {
        Some((dst, _)) => switch_frame(ns, cx, Origin { bridge, from: None, vlan }, dst, packet),
        None => cx.drop(packet, DropReason::PktTooSmall),
    }
}

/// Destination and source of a frame whose Ethernet header has been pulled.
#[inline]
fn addresses(packet: &Packet) -> Option<(MacAddr, MacAddr)> {
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *packet.mac_header().first_chunk::<12>()?;
    Some((MacAddr([d0, d1, d2, d3, d4, d5]), MacAddr([s0, s1, s2, s3, s4, s5])))
}
