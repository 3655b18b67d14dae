//! A packet for this host: put together if it came in fragments, then given to raw sockets and to its protocol. Models
//! `ip_local_deliver` and `ip_protocol_deliver_rcu`.

use core::ops::ControlFlow;

use hopwise_protocols::wire::ipv4::{IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_IPIP, IPPROTO_TCP, IPPROTO_UDP};
use hopwise_protocols::wire::{icmp as wire_icmp, ipv4, split};
use hopwise_sim_core::{Detail, DropReason, Fate, Packet};

use crate::cx::{Cx, Verdict};
use crate::namespace::Namespace;
use crate::path::netfilter::{self, At};
use crate::path::route::Route;
use crate::path::{checksum, frag, icmp, ipip, tcp, udp};
use crate::socket::raw;

/// Takes a packet that `route` says is for this host.
pub fn local_in(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, packet: Packet) -> Fate {
    match input(ns, cx, packet) {
        ControlFlow::Continue(packet) => deliver(ns, cx, route, packet),
        ControlFlow::Break(fate) => fate,
    }
}

/// `ip_local_deliver`: a packet is put together and passes INPUT.
#[inline]
pub(super) fn input(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> Verdict {
    let is_fragment = split::<ipv4::Header>(packet.data()).is_ok_and(|(h, _)| h.is_fragment());
    let packet = if is_fragment { frag::defrag(ns, cx, packet)? } else { packet };
    let at = At::local_in(ns.input_dev(&packet));
    netfilter::hook(ns, cx, at, packet)
}

/// `ip_local_deliver_finish`: a whole packet meets its protocol.
#[inline]
pub(super) fn deliver(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, mut packet: Packet) -> Fate {
    let Ok((header, _)) = split::<ipv4::Header>(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let protocol = header.protocol;
    cx.note(&packet, || Detail::LocalIn { protocol });
    let raw = !ns.sockets.raw.is_empty() && {
        checksum::finish(&mut packet);
        raw::deliver(ns, cx, &packet, protocol)
    };
    match protocol {
        IPPROTO_ICMP => {
            ns.snmp.in_delivers += 1;
            icmp::rcv(ns, cx, route, packet)
        }
        IPPROTO_UDP => {
            ns.snmp.in_delivers += 1;
            udp::rcv(ns, cx, route, packet)
        }
        // Membership reports are read by routers and snooping bridges, of which there are none here.
        IPPROTO_IGMP => {
            ns.snmp.in_delivers += 1;
            cx.consume(packet, "igmp")
        }
        IPPROTO_TCP => {
            ns.snmp.in_delivers += 1;
            tcp::rcv(ns, cx, route, packet)
        }
        IPPROTO_IPIP if ns.tunnels.is_some() => {
            ns.snmp.in_delivers += 1;
            ipip::rcv(ns, cx, packet)
        }
        _ if raw => {
            ns.snmp.in_delivers += 1;
            cx.deliver(packet, "raw")
        }
        _ => {
            ns.snmp.in_unknown_protos += 1;
            let error = icmp::Error::new(wire_icmp::ICMP_DEST_UNREACH, wire_icmp::ICMP_PROT_UNREACH);
            icmp::send_error(ns, cx, &packet, error);
            cx.drop(packet, DropReason::IpNoProto)
        }
    }
}
