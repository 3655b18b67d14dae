//! A packet that does not fit the tunnel's path: who sends such packets is told. Models `skb_tunnel_check_pmtu` and
//! `iptunnel_pmtud_build_icmp`.

use core::ops::ControlFlow;

use hopwise_devices::vxlan::HEADROOM;
use hopwise_protocols::encap::vxlan;
use hopwise_protocols::wire::ethernet::{self, ETH_HLEN, ETH_P_IP};
use hopwise_protocols::wire::icmp::{self, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP_HLEN, rest_mtu};
use hopwise_protocols::wire::ipv4::{self, IP_HLEN, IPPROTO_ICMP};
use hopwise_protocols::wire::{IntoBytes, MacAddr};
use hopwise_sim_core::{Detail, Duration, Packet};

use super::{Sender, rcv};
use crate::cx::{Cx, Verdict};
use crate::namespace::Namespace;
use crate::path::route::{self, Route};

/// The smallest MTU that is told (the smallest that every host must take).
const LEAST: u32 = 576;

/// Lets a frame pass whose packet fits into the tunnel along `route`. Else, if it was routed into the tunnel, its path
/// MTU is noted for the next ones; if the link is a bridge's port, which has nobody to tell, the link answers itself.
#[inline]
pub(super) fn check(ns: &mut Namespace, cx: &mut Cx<'_>, sender: &Sender, route: &Route, packet: Packet) -> Verdict {
    let mtu = route.mtu.saturating_sub(HEADROOM);
    if packet.len() - ETH_HLEN <= mtu as usize {
        ControlFlow::Continue(packet)
    } else {
        too_big(ns, cx, sender, mtu, packet)
    }
}

#[cold]
fn too_big(ns: &mut Namespace, cx: &mut Cx<'_>, sender: &Sender, mtu: u32, packet: Packet) -> Verdict {
    let Some(inner) = vxlan::inner_ipv4(packet.data()).copied() else { return ControlFlow::Continue(packet) };
    let Ok((frame, _)) = ethernet::parse(packet.data()) else { return ControlFlow::Continue(packet) };
    let frame = *frame;
    let Some(dev) = ns.devs.get(sender.link) else { return ControlFlow::Continue(packet) };
    let (port, own) = (dev.port.as_deref().map(|p| p.bridge), dev.addr);
    let bridge = port.and_then(|bridge| ns.devs.get(bridge)).map(|b| (b.index, b.addr));
    // Only what this host routed into the tunnel has a route whose MTU can be lowered.
    if frame.src == bridge.map_or(own, |(_, addr)| addr) {
        route::learn_path_mtu(ns, cx.now, inner.dst(), ns.l3mdev_master(bridge.map_or(sender.link, |(at, _)| at)), mtu);
    }
    if port.is_none() || mtu < LEAST || !inner.dont_fragment() || inner.is_fragment() || !may_answer(&inner, &packet) {
        return ControlFlow::Continue(packet);
    }
    let mut answer = build(cx, &packet, &frame, &inner, mtu);
    let from = Some(packet.id);
    // The kernel makes the answer of the packet itself, which bypasses the tunnel and is counted both ways.
    super::remote::count_bypass(ns, sender, answer.len());
    answer.next_hop = rcv::OWN_ANSWER.octets();
    cx.note(&answer, || Detail::Born { by: "vxlan (packet too big)", from });
    rcv::hand_over(cx, Duration::ZERO, (cx.ns, sender.link), answer);
    ControlFlow::Break(cx.consume(packet, "vxlan (packet too big)"))
}

/// Nobody is told about packets to or from many, nor about errors.
fn may_answer(inner: &ipv4::Header, packet: &Packet) -> bool {
    let (src, dst) = (inner.src(), inner.dst());
    let bad = |a: core::net::Ipv4Addr| a.is_multicast() || a.is_loopback() || a.octets()[0] == 0 || a.is_broadcast();
    let kind = packet.data().get(ETH_HLEN + inner.header_len()).copied().unwrap_or_default();
    let is_error = inner.protocol == IPPROTO_ICMP && !matches!(kind, 0 | 8 | 13..=18);
    !bad(src) && !bad(dst) && !is_error
}

/// "Fragmentation needed" from the destination of the packet to its source.
fn build(cx: &mut Cx<'_>, packet: &Packet, frame: &ethernet::Header, inner: &ipv4::Header, mtu: u32) -> Packet {
    let room = LEAST as usize - IP_HLEN - ICMP_HLEN;
    let whole = packet.data().get(ETH_HLEN..).unwrap_or_default();
    let quote = whole.get(..room).unwrap_or(whole);
    let rest = rest_mtu(u16::try_from(mtu).unwrap_or(u16::MAX));
    let message = icmp::Header::new(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, rest, quote);
    let mut ip = ipv4::Header::new(inner.dst(), inner.src(), IPPROTO_ICMP, (ICMP_HLEN + quote.len()) as u16);
    ip.frag_off.set(ipv4::IP_DF);
    ip.ttl = inner.ttl;
    ip.seal(&[]);
    let mut answer = cx.pool.alloc_from(quote);
    answer.push(ICMP_HLEN).copy_from_slice(message.as_bytes());
    answer.push(IP_HLEN).copy_from_slice(ip.as_bytes());
    let (to, from): (MacAddr, MacAddr) = (frame.src, frame.dst);
    answer.push(ETH_HLEN).copy_from_slice(ethernet::Header::new(to, from, ETH_P_IP).as_bytes());
    answer
}
