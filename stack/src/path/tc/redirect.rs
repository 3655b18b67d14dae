//! What a program said is done: the frame dies, or goes through another link. Models `skb_do_redirect`.

use hopwise_protocols::fib::Flow;
use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_sim_core::{DropReason, Duration, Fate, IfIndex, Packet};

use super::{Action, Hook, cilium};
use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::dev_xmit::dev_xmit;
use crate::path::neigh_out::neigh_out;
use crate::path::route::{OutputFlow, RouteKind, no_route, route_output};

/// Does what a program said with a frame, which begins with its Ethernet header.
pub(super) fn carry_out(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    (action, hook): (Action, Hook),
    mut packet: Packet,
) -> Fate {
    packet.mac_len = 0;
    match action {
        Action::Shot if hook == Hook::Ingress => cx.drop(packet, DropReason::TcIngress),
        Action::Shot => cx.drop(packet, DropReason::TcEgress),
        // __bpf_tx_skb.
        Action::Redirect(link) => dev_xmit(ns, cx, link, packet),
        // __bpf_rx_skb, over the backlog.
        Action::RedirectIngress(link) => {
            packet.depth = 0;
            cx.send(Duration::ZERO, cx.ns, link, packet);
            Fate::Sent
        }
        Action::RedirectPeer(link) => to_peer(ns, cx, link, packet),
        Action::RedirectNeigh(link) => to_neighbour(ns, cx, link, packet),
        Action::Ok => {
            debug_assert!(false, "what goes on is not redirected");
            cx.drop(packet, DropReason::NotSpecified)
        }
    }
}

/// `bpf_redirect_peer`: the frame never passes this end of the veth, neither its counters nor who listens there.
fn to_peer(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Fate {
    let Some((peer_ns, peer)) = ns.devs.get(link).and_then(|dev| dev.kind.veth()).map(|veth| veth.peer) else {
        return cx.drop(packet, DropReason::DevReady);
    };
    if peer_ns == cx.ns {
        return cx.drop(packet, DropReason::DevReady);
    }
    packet.depth = 0;
    packet.conn = None;
    packet.phys = (IfIndex::NONE, IfIndex::NONE);
    packet.from_socket = false;
    cx.send(Duration::ZERO, peer_ns, peer, packet);
    Fate::Sent
}

/// `bpf_redirect_neigh`: the route through that link says who is next, and the neighbour table where that is. Neither
/// netfilter nor the MTU is asked.
fn to_neighbour(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Fate {
    if !packet.pull(ETH_HLEN) {
        return cx.drop(packet, DropReason::PktTooSmall);
    }
    let Some(header) = cilium::frame::ip_header(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let (dst, src, tos, protocol) = (header.dst(), header.src(), header.tos, header.protocol);
    let flow = OutputFlow {
        dst,
        src: Some(src),
        any_src: true,
        oif: link,
        tos,
        mark: packet.mark,
        protocol,
        ..OutputFlow::default()
    };
    match route_output(ns, cx.now, &flow) {
        Ok(route) if route.kind == RouteKind::Unicast => {
            cx.note(&packet, || route.detail(ns, dst));
            neigh_out(ns, cx, &route, packet)
        }
        _ => {
            cx.note(&packet, || no_route(ns, &Flow { dst, src, tos, mark: packet.mark, oif: link, ..Flow::default() }));
            cx.drop(packet, DropReason::IpOutNoRoutes)
        }
    }
}
