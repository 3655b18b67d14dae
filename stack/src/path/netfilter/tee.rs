//! Copies of packets that go to another host: `nf_dup_ipv4` of `net/ipv4/netfilter/nf_dup_ipv4.c`.

use core::net::Ipv4Addr;
use core::ops::ControlFlow;

use hopwise_netfilter::conntrack::UNTRACKED;
use hopwise_protocols::wire::checksum::update16;
use hopwise_protocols::wire::{ipv4, split_mut};
use hopwise_sim_core::{Detail, DropReason, IfIndex, Packet};

use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::output;
use crate::path::route::{OutputFlow, route_output};

/// A copy that waits until the rules of this hook were asked.
pub(super) struct Copy {
    pub(super) packet: Packet,
    /// The next hop, whatever the packet's destination is.
    pub(super) gateway: Ipv4Addr,
    /// The link to leave through; [`IfIndex::NONE`]: any.
    pub(super) link: IfIndex,
    /// Whether its time to live becomes less.
    pub(super) ages: bool,
}

/// Sends a copy as if it were made here. It is of no connection, and no rule copies it again.
#[cold]
pub(super) fn send(ns: &mut Namespace, cx: &mut Cx<'_>, copy: Copy) {
    let Copy { mut packet, gateway, link, ages } = copy;
    cx.note(&packet, || Detail::Born { by: "tee", from: None });
    packet.conn = Some(UNTRACKED);
    packet.phys = (IfIndex::NONE, IfIndex::NONE);
    (packet.iif, packet.mac_len, packet.from_socket) = (IfIndex::NONE, 0, false);
    let Ok((header, _)) = split_mut::<ipv4::Header>(packet.data_mut()) else {
        cx.drop(packet, DropReason::PktTooSmall);
        return;
    };
    let (old, new) = (header.frag_off.get(), header.frag_off.get() | ipv4::IP_DF);
    header.frag_off.set(new);
    header.check.set(update16(header.check.get(), old, new));
    if ages {
        header.decrease_ttl();
    }
    let flow = OutputFlow { dst: gateway, any_src: true, oif: link, ..OutputFlow::default() };
    let Ok(mut route) = route_output(ns, cx.now, &flow) else {
        cx.drop(packet, DropReason::IpOutNoRoutes);
        return;
    };
    // FLOWI_FLAG_KNOWN_NH: not the packet's destination is the neighbour.
    route.gateway = route.gateway.or(Some(gateway));
    cx.copying = true;
    if let ControlFlow::Continue((packet, other)) = super::local_out(ns, cx, &route, packet) {
        output::ip_output(ns, cx, &other.unwrap_or(route), packet);
    }
    cx.copying = false;
}
