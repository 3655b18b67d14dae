//! UDP datagrams for this host. Models `__udp4_lib_rcv` and `__udp4_lib_err`'s lookup.

use hopwise_protocols::wire::icmp::{ICMP_DEST_UNREACH, ICMP_PORT_UNREACH};
use hopwise_protocols::wire::{Malformed, ipv4, udp};
use hopwise_sim_core::{DropReason, Fate, Packet, VlanTag};

use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::route::{Route, RouteKind};
use crate::path::vxlan;
use crate::path::{checksum, icmp};
use crate::socket::{self, Datagram};

/// Gives a datagram to the socket that is bound to its port; to all of them if it was sent to a group.
pub fn rcv(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, mut packet: Packet) -> Fate {
    let Ok(ip) = ipv4::view(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let (src, dst) = (ip.header.src(), ip.header.dst());
    let sound = if packet.owes_checksum() { udp::view(ip.payload) } else { udp::parse(ip.payload, src, dst) };
    let datagram = match sound {
        Ok(datagram) => datagram,
        Err(why) => {
            ns.snmp.udp_in_errors += 1;
            ns.snmp.udp_in_csum_errors += u64::from(why == Malformed::Checksum);
            let reason = if why == Malformed::Checksum { DropReason::UdpCsum } else { DropReason::PktTooSmall };
            return cx.drop(packet, reason);
        }
    };
    let from = (src, datagram.header.source.get());
    let to = (dst, datagram.header.dest.get());
    let group = route.kind != RouteKind::Local;
    let len = datagram.payload.len();
    if !group && is_for_tunnel(ns, to.1, &packet) {
        return into_tunnel(ns, cx, to.1, len, packet);
    }
    if packet.owes_checksum() {
        checksum::finish(&mut packet);
        return rcv(ns, cx, route, packet);
    }
    let receivers = socket::udp::receivers(ns, from, to, ns.in_dev(&packet), group);
    if receivers.is_empty() {
        if group {
            ns.snmp.udp_ignored_multi += 1;
            return cx.drop(packet, DropReason::NoSocket);
        }
        ns.snmp.udp_no_ports += 1;
        icmp::send_error(ns, cx, &packet, icmp::Error::new(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH));
        return cx.drop(packet, DropReason::NoSocket);
    }
    let (mut queued, mut tunnelled) = (false, false);
    for id in receivers {
        let Some(receiver) = ns.sockets.get_mut(id) else { continue };
        if receiver.tunnel {
            tunnelled = true;
            continue;
        }
        let ok = receiver.enqueue(Datagram {
            at: cx.now,
            from,
            to,
            iif: packet.iif,
            ttl: ip.header.ttl,
            tos: ip.header.tos,
            bytes: datagram.payload.to_vec(),
            packet: packet.id,
            seen: None,
            tag: VlanTag::NONE,
        });
        cx.wakeups.push(receiver.owner);
        if ok {
            ns.snmp.udp_in_datagrams += 1;
        } else {
            ns.snmp.udp_rcvbuf_errors += 1;
            ns.snmp.udp_in_errors += 1;
        }
        queued |= ok;
    }
    if tunnelled {
        return into_tunnel(ns, cx, to.1, len, packet);
    }
    if queued { cx.deliver(packet, "udp") } else { cx.drop(packet, DropReason::SocketRcvbuff) }
}

/// Whether a datagram is for a tunnel, as far as that can be said without looking for its socket: a tunnel's socket has its port
/// for itself, on all addresses. In a VRF it depends on `udp_l3mdev_accept`, too.
#[inline]
fn is_for_tunnel(ns: &Namespace, port: u16, packet: &Packet) -> bool {
    ns.vxlan.as_deref().is_some_and(|net| net.listens(port)) && ns.l3mdev(packet.iif).is_none()
}

/// What a tunnel's socket took was received, whatever the tunnel thinks of it (`encap_rcv` in `udp_queue_rcv_one_skb`).
#[inline]
fn into_tunnel(ns: &mut Namespace, cx: &mut Cx<'_>, port: u16, len: usize, packet: Packet) -> Fate {
    ns.snmp.udp_in_datagrams += 1;
    vxlan::rcv(ns, cx, port, len, packet)
}
