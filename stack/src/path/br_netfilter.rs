//! Bridged IPv4 packets meet the hooks of IPv4 too, if `net.bridge.bridge-nf-call-iptables` says so. Models
//! `net/bridge/br_netfilter_hooks.c`.
//!
//! A frame is shown to PREROUTING before the bridge looks its destination up, to FORWARD and POSTROUTING on its way out of each port.
//! For the rules the bridge is the link (`-i br0`), its ports are what `physdev` asks for. A frame that goes up to the host itself has
//! met PREROUTING already and does not meet it again (`ip_sabotage_in`): [`Fields::phys`](hopwise_sim_core::Fields::phys) says so.

use core::net::Ipv4Addr;
use core::ops::ControlFlow;

use hopwise_protocols::neigh::Nud;
use hopwise_protocols::wire::ethernet::{ETH_HLEN, ETH_P_IP, MacAddr};
use hopwise_protocols::wire::{ipv4, split};
use hopwise_sim_core::{DropReason, Fate, IfIndex, Packet, PacketType, Time};

use crate::cx::{Cx, Verdict};
use crate::namespace::Namespace;
use crate::path::dev_xmit::dev_xmit;
use crate::path::netfilter::{self, At};
use crate::path::route::{InputRoute, Refusal, Route, decide_input};
use crate::path::{frag, ip_rcv, neigh_out};
use crate::sysctl::SysctlKey;

/// Whether a frame is shown to the hooks of IPv4.
#[inline]
fn is_shown(ns: &Namespace, packet: &Packet) -> bool {
    let untagged_ip = packet.protocol == ETH_P_IP && !packet.vlan.is_some();
    netfilter::in_use(ns) && untagged_ip && ns.sysctl[SysctlKey::BridgeNfCallIptables] != 0
}

/// A frame that came in through `port` meets PREROUTING; its Ethernet header is pulled. If its destination was changed there, its MAC
/// address follows. `br_nf_pre_routing`, `br_nf_pre_routing_finish`.
#[inline]
pub(super) fn pre_routing(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    bridge: IfIndex,
    port: IfIndex,
    packet: Packet,
) -> Verdict {
    if is_shown(ns, &packet) { shown(ns, cx, bridge, port, packet) } else { ControlFlow::Continue(packet) }
}

fn shown(ns: &mut Namespace, cx: &mut Cx<'_>, bridge: IfIndex, port: IfIndex, packet: Packet) -> Verdict {
    let mut packet = ip_rcv::validate(cx, packet)?;
    packet.phys.0 = port;
    let before = destination(&packet);
    let mut packet = as_own(packet, |packet| netfilter::hook(ns, cx, At::pre_routing(bridge), packet))?;
    if destination(&packet) == before {
        return ControlFlow::Continue(packet);
    }
    packet.iif = bridge;
    let kind = core::mem::replace(&mut packet.kind, PacketType::Host);
    let route = decide_input(ns, cx.now, &packet);
    packet.iif = port;
    match route {
        Ok(InputRoute::Forward(route)) if route.oif == bridge => {
            packet.kind = kind;
            bridged_dnat(ns, cx, &route, packet)
        }
        // Up to the host, which routes it, or refuses to (ip_route_input gives refusals a route too).
        Ok(_) | Err(Refusal::NotForwarding | Refusal::Unreachable(_)) => {
            let own = ns.devs.get(bridge).map_or(MacAddr::ZERO, |dev| dev.addr);
            set_mac_destination(&mut packet, own);
            ControlFlow::Continue(packet)
        }
        Err(Refusal::Martian(reason)) => ControlFlow::Break(cx.drop(packet, reason)),
    }
}

/// The new destination is behind the same bridge: the frame gets its MAC address and stays a bridged one; its source is still the one
/// that sent it. `br_nf_pre_routing_finish_bridge`.
fn bridged_dnat(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, mut packet: Packet) -> Verdict {
    let next = route.gateway.unwrap_or_else(|| destination(&packet));
    let entry = ns.neigh.get(next, route.oif).filter(|entry| entry.state().intersects(Nud::CONNECTED));
    match entry.and_then(|entry| entry.lladdr()) {
        Some(lladdr) => {
            set_mac_destination(&mut packet, lladdr);
            ControlFlow::Continue(packet)
        }
        // Who has it is asked first; then the packet comes into the bridge again, as its own.
        None => {
            save_mac_source(&mut packet);
            packet.phys.1 = AWAY;
            packet.mac_len = 0;
            if let (Some(tag), Some(connections)) = (packet.conn, &mut ns.conntrack) {
                connections.hold(tag);
            }
            ControlFlow::Break(neigh_out::neigh_out(ns, cx, route, packet))
        }
    }
}

/// In place of the port that a frame leaves through: it is on its way through ARP back to the bridge
/// (`nf_bridge->bridged_dnat`). Its source address is kept in front of the Ethernet header that it gets meanwhile.
const AWAY: IfIndex = IfIndex(u32::MAX);

fn save_mac_source(packet: &mut Packet) {
    let Some(&[_, _, _, _, _, _, ref src @ ..]) = packet.mac_header().first_chunk::<12>() else { return };
    let src = *src;
    packet.push(ETH_HLEN + src.len())[..src.len()].copy_from_slice(&src);
    let _ = packet.pull(ETH_HLEN + src.len());
}

/// A frame that the bridge link itself sends is a bridged one that now knows its destination: gives it its source back, and says
/// through which port it came in. `br_nf_dev_xmit`, `br_nf_pre_routing_finish_bridge_slow`.
#[inline]
pub(super) fn is_back(ns: &mut Namespace, now: Time, packet: &mut Packet) -> Option<IfIndex> {
    if packet.phys.1 != AWAY {
        return None;
    }
    waits_no_more(ns, now, packet);
    Some(restore_mac_source(packet))
}

/// A packet that waited for an ARP answer goes on or is dropped. If it was on its way back to a bridge it is still between two hooks,
/// with a connection that nobody has confirmed.
pub(crate) fn waits_no_more(ns: &mut Namespace, now: Time, packet: &Packet) {
    if let (AWAY, Some(tag), Some(connections)) = (packet.phys.1, packet.conn, &mut ns.conntrack) {
        connections.resume(now, tag);
    }
}

#[cold]
fn restore_mac_source(packet: &mut Packet) -> IfIndex {
    let kept = packet.push(ETH_HLEN + 6);
    kept.copy_within(0..6, 12);
    let _ = packet.pull(ETH_HLEN + 6);
    packet.phys.1 = IfIndex::NONE;
    packet.phys.0
}

fn set_mac_destination(packet: &mut Packet, address: MacAddr) {
    if let Some(place) = packet.mac_header_mut().first_chunk_mut::<6>() {
        *place = address.0;
    }
}

/// A frame leaves through `port`: it meets FORWARD and POSTROUTING, and what was put together for connection tracking is cut again.
/// Gives the frame back if it is to be sent. `br_nf_forward_ip`, `br_nf_post_routing`, `br_nf_dev_queue_xmit`.
#[inline]
pub(super) fn leave(ns: &mut Namespace, cx: &mut Cx<'_>, bridge: IfIndex, port: IfIndex, packet: Packet) -> Verdict {
    if packet.phys.0.is_some() && is_shown(ns, &packet) {
        shown_leaving(ns, cx, bridge, port, packet)
    } else {
        ControlFlow::Continue(packet)
    }
}

fn shown_leaving(ns: &mut Namespace, cx: &mut Cx<'_>, bridge: IfIndex, port: IfIndex, mut packet: Packet) -> Verdict {
    packet.phys.1 = port;
    let packet = as_own(packet, |packet| {
        let packet = netfilter::hook(ns, cx, At::forward(bridge, bridge), packet)?;
        netfilter::hook(ns, cx, At::post_routing(bridge), packet)
    })?;
    let mtu = ns.devs.get(port).map_or(u32::MAX, |dev| dev.mtu) as usize;
    if packet.len() <= mtu || packet.frag_max_size == 0 {
        return ControlFlow::Continue(packet);
    }
    ControlFlow::Break(cut(ns, cx, port, mtu, packet))
}

/// Sends a packet that had come in fragments in fragments again, each with the Ethernet header. `br_nf_ip_fragment`.
#[cold]
fn cut(ns: &mut Namespace, cx: &mut Cx<'_>, port: IfIndex, mtu: usize, packet: Packet) -> Fate {
    let size = mtu.min(usize::from(packet.frag_max_size));
    let Some(fragments) = frag::split(cx, &packet, size) else { return cx.drop(packet, DropReason::PktTooBig) };
    for mut fragment in fragments {
        fragment.push_mac_header();
        dev_xmit(ns, cx, port, fragment);
    }
    cx.consume(packet, "fragmentation")
}

/// The hooks see a frame for somebody else's MAC address as if it were for this host (`nf_bridge->pkt_otherhost`).
fn as_own(mut packet: Packet, ask: impl FnOnce(Packet) -> Verdict) -> Verdict {
    let kind = packet.kind;
    if kind == PacketType::OtherHost {
        packet.kind = PacketType::Host;
    }
    let mut packet = ask(packet)?;
    packet.kind = kind;
    ControlFlow::Continue(packet)
}

fn destination(packet: &Packet) -> Ipv4Addr {
    split::<ipv4::Header>(packet.data()).map_or(Ipv4Addr::UNSPECIFIED, |(header, _)| header.dst())
}
