//! A bridge that looks at VLANs: what it admits, and with which tag frames leave. Models the packet path of
//! `net/bridge/br_vlan.c`; the decisions are those of [`VlanGroup`].

use hopwise_devices::bridge::PortState;
use hopwise_devices::bridge::vlan::{BridgeVlans, VlanGroup, Way};
use hopwise_sim_core::{IfIndex, Packet, VlanTag};

use crate::namespace::Namespace;
use crate::path::vlan;

fn vlans(ns: &Namespace, bridge: IfIndex) -> Option<&BridgeVlans> {
    ns.devs.get(bridge)?.kind.bridge()?.vlans.as_deref()
}

/// The VLANs of a port, or of the bridge link itself.
fn group(ns: &Namespace, bridge: IfIndex, port: IfIndex) -> Option<&VlanGroup> {
    if port.is_some() { Some(&ns.devs.get(port)?.port.as_deref()?.vlans) } else { vlans(ns, bridge).map(|v| &v.own) }
}

/// A frame, its Ethernet header pulled, comes in through a port or from the bridge link ([`IfIndex::NONE`]): it gets the tag
/// that it has in the bridge. Gives its VLAN and the state of that at the port; `None` if it is not admitted
/// (`br_allowed_ingress`).
pub(super) fn admit(
    ns: &mut Namespace,
    bridge: IfIndex,
    port: IfIndex,
    packet: &mut Packet,
) -> Option<(u16, PortState)> {
    let protocol = vlans(ns, bridge)?.protocol;
    // A tag among the bytes that somebody sent through the bridge link.
    if packet.protocol == protocol && !packet.vlan.is_some() && !vlan::untag_behind_header(packet) {
        return None;
    }
    let admitted = group(ns, bridge, port)?.admit(protocol, packet.vlan)?;
    if admitted.nests {
        vlan::insert_behind_header(packet);
    }
    packet.vlan = admitted.tag;
    let vid = admitted.tag.vid();
    count(ns, bridge, port, vid, Way::In, packet.len());
    Some((vid, admitted.state))
}

/// A frame leaves through a port that is in its VLAN, with its tag or without (`br_handle_vlan`).
pub(super) fn leave(ns: &mut Namespace, bridge: IfIndex, port: IfIndex, vid: u16, packet: &mut Packet) {
    count(ns, bridge, port, vid, Way::Out, packet.len());
    if group(ns, bridge, port).is_some_and(|g| g.untags(vid)) {
        packet.vlan = VlanTag::NONE;
    }
}

/// A frame goes up to the host: false, and the bridge link has only counted it, if that is not in its VLAN. Who looks at
/// everything (`promisc`) gets it as it is (`br_pass_frame_up`).
pub(super) fn reaches_host(ns: &mut Namespace, bridge: IfIndex, vid: u16, packet: &mut Packet) -> bool {
    let Some(dev) = ns.devs.get_mut(bridge) else { return false };
    let promisc = dev.promiscuity > 0;
    let Some(own) = dev.link.kind.bridge().and_then(|b| b.own_vlans()) else { return false };
    let is_in = own.get(vid).is_some();
    if !promisc && !own.lets_out(vid) {
        dev.stats.rx_packets += 1;
        dev.stats.rx_bytes += packet.len() as u64;
        return false;
    }
    if is_in {
        leave(ns, bridge, IfIndex::NONE, vid, packet);
    }
    true
}

/// Counts a frame of a VLAN, if the bridge does (`vlan_stats_enabled`).
#[inline]
fn count(ns: &mut Namespace, bridge: IfIndex, port: IfIndex, vid: u16, way: Way, len: usize) {
    let Some(state) = ns.devs.get_mut(bridge).and_then(|d| d.link.kind.bridge_mut()) else { return };
    let Some(vlans) = state.vlans.as_deref_mut().filter(|v| v.counts) else { return };
    if !vlans.per_port {
        vlans.stats.entry(vid).or_default().count(way, len);
    } else if !port.is_some() {
        vlans.own.get_mut(vid).into_iter().for_each(|v| v.stats.count(way, len));
    } else if let Some(port) = ns.devs.get_mut(port).and_then(|d| d.link.port.as_deref_mut()) {
        port.vlans.get_mut(vid).into_iter().for_each(|v| v.stats.count(way, len));
    }
}
