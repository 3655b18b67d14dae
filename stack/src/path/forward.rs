//! A packet for somebody else: TTL lowered, size checked, sent on. Models `ip_forward`.

use core::ops::ControlFlow;

use hopwise_protocols::wire::options::IpOptions;
use hopwise_protocols::wire::{icmp as wire_icmp, ipv4, split_mut};
use hopwise_sim_core::{Detail, DropReason, Fate, Packet, PacketType};

use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::netfilter::{self, At};
use crate::path::route::Route;
use crate::path::{checksum, icmp, options, output, redirect};

/// Sends a received packet on along `route`; `options`: those that its header has.
#[inline]
pub fn forward(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    route: &Route,
    options: Option<IpOptions>,
    mut packet: Packet,
) -> Fate {
    // What was not addressed to this host's MAC address is not forwarded.
    if packet.kind != PacketType::Host {
        return cx.drop(packet, DropReason::NotSpecified);
    }
    checksum::finish(&mut packet);
    let len = packet.len();
    let frag_max = usize::from(packet.frag_max_size);
    let Ok((header, _)) = split_mut::<ipv4::Header>(packet.data_mut()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    if header.ttl <= 1 {
        ns.snmp.in_hdr_errors += 1;
        icmp::send_error(ns, cx, &packet, icmp::Error::new(wire_icmp::ICMP_TIME_EXCEEDED, wire_icmp::ICMP_EXC_TTL));
        return cx.drop(packet, DropReason::TtlExceeded);
    }
    // Counted before it is known whether it fits.
    ns.snmp.forw_datagrams += 1;
    // ip_exceeds_mtu: what has to be cut here and must not be is answered with the MTU that would fit. What came in fragments may
    // be cut again.
    let mtu = route.mtu as usize;
    if len > mtu && header.dont_fragment() && (frag_max == 0 || frag_max > mtu) {
        ns.snmp.frag_fails += 1;
        icmp::send_error(ns, cx, &packet, icmp::Error::frag_needed(route.mtu));
        return cx.drop(packet, DropReason::PktTooBig);
    }
    let ttl = header.decrease_ttl();
    if route.redirect {
        redirect::send(ns, cx, route, &packet);
    }
    cx.note(&packet, || Detail::Forward { ttl });
    let at = At::forward(ns.input_dev(&packet), route.oif);
    match netfilter::hook(ns, cx, at, packet) {
        ControlFlow::Continue(packet) => finish(ns, cx, route, options, packet),
        ControlFlow::Break(fate) => fate,
    }
}

/// `ip_forward_finish`: it may pass.
#[inline]
fn finish(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, options: Option<IpOptions>, mut packet: Packet) -> Fate {
    if let Some(compiled) = options {
        options::forward(ns, route, &compiled, &mut packet);
    }
    packet.mac_len = 0;
    output::ip_output(ns, cx, route, packet)
}
