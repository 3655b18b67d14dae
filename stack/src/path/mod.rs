//! The way of a packet through a namespace, one file per stage, named as Linux names it:
//!
//! ```text
//! link_rx -> bridge -> ip_rcv -> route -> local_in | forward -> output -> neigh_out -> dev_xmit -> (the link's kind) -> agenda
//! ```
//!
//! The hooks of netfilter stand between the stages, `netfilter` says which ones where; bridged packets meet them in `br_netfilter`.
//!
//! A stage calls only stages to its right. What has to go back up (loopback, a bridge's frame for the host itself)
//! goes through the agenda. A stage returns a [`Verdict`]: `?` reads "unless its life ends here".

pub mod arp;
pub(crate) mod br_netfilter;
mod br_vlan;
pub mod bridge;
pub(crate) mod checksum;
pub mod dev_xmit;
pub mod forward;
pub mod frag;
pub mod icmp;
pub mod ip_rcv;
pub mod ipip;
pub mod ipvlan;
pub mod link_rx;
pub mod local_in;
pub mod memo;
pub mod neigh_out;
pub mod netfilter;
pub mod options;
pub mod output;
pub mod qdisc;
pub mod redirect;
pub mod route;
pub mod stacked;
pub mod tc;
pub mod tcp;
pub mod tunnel;
pub mod udp;
pub mod vlan;
pub mod vrf;
pub mod vxlan;

use core::ops::ControlFlow;

use hopwise_protocols::wire::ethernet::{ETH_P_ARP, ETH_P_IP};
use hopwise_sim_core::{DropReason, Fate, IfIndex, Packet};

use crate::cx::{Cx, Verdict, Way};
use crate::namespace::Namespace;
use crate::path::netfilter::At;
use crate::path::route::InputRoute;

/// A packet comes from the agenda: its whole way, to the end of its life here.
#[inline]
pub fn go_on(ns: &mut Namespace, cx: &mut Cx<'_>, way: Way, packet: Packet) -> Fate {
    match way {
        Way::In(link) => receive(ns, cx, link, packet),
        Way::Out(link) => stacked::xmit_for(ns, cx, link, packet),
        Way::LocalIn(link) => ipvlan::local_in(ns, cx, link, packet),
        Way::Outer { tunnel, oif } => tunnel::output(ns, cx, tunnel, oif, packet),
        Way::TunnelFailed { link, why } => ipip::failed(ns, cx, link, why, packet),
    }
}

/// A frame arrives at a link of this namespace.
#[inline]
pub fn receive(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) -> Fate {
    match way_in(ns, cx, link, packet) {
        ControlFlow::Break(fate) | ControlFlow::Continue(fate) => fate,
    }
}

/// The way of a received packet, from the wire up and out again. `__netif_receive_skb_core`, `ip_rcv`.
fn way_in(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) -> ControlFlow<Fate, Fate> {
    let packet = link_rx::link_rx(ns, cx, link, packet)?;
    let packet = above(ns, cx, link, packet)?;
    match packet.protocol {
        ETH_P_IP => {
            let packet = ip_rcv::ip_rcv(ns, cx, packet)?;
            let packet = pre_routing(ns, cx, packet)?;
            let packet = vrf::rcv(ns, cx, packet)?;
            let packet = ipvlan::l3s_rcv(ns, cx, packet)?;
            let mut route = InputRoute::UNDECIDED;
            let packet = route::route_input(ns, cx, packet, &mut route)?;
            let (packet, options) = options::check(ns, cx, route.kind(), packet)?;
            ControlFlow::Continue(match &route {
                InputRoute::Local(route) => local_in::local_in(ns, cx, route, packet),
                InputRoute::Forward(route) => forward::forward(ns, cx, route, options, packet),
            })
        }
        ETH_P_ARP => ControlFlow::Continue(arp::arp_rcv(ns, cx, packet)),
        _ => ControlFlow::Continue(cx.drop(packet, DropReason::UnhandledProto)),
    }
}

/// Who stands on the link may take the frame: a VLAN, the bridge, a macvlan, an ipvlan.
#[inline]
fn above(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) -> Verdict {
    let mut packet = if packet.vlan.is_some() { stacked::vlan_rx(ns, cx, link, packet)? } else { packet };
    match ns.devs.get(link) {
        Some(dev) if dev.port.is_some() => packet = bridge::port_rx(ns, cx, link, packet)?,
        Some(dev) if dev.stacked.is_some() => packet = stacked::rx(ns, cx, link, packet)?,
        _ => {}
    }
    if packet.vlan.is_some() {
        vlan::give_up(&mut packet);
    }
    ControlFlow::Continue(packet)
}

/// PREROUTING, unless the packet met it already as a frame of a bridge. `ip_sabotage_in`.
#[inline]
fn pre_routing(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> Verdict {
    if packet.phys.0.is_some() {
        return ControlFlow::Continue(packet);
    }
    let at = At::pre_routing(packet.iif);
    netfilter::hook(ns, cx, at, packet)
}
