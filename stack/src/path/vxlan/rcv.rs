//! A UDP packet with a frame inside arrives: which link it is for, what is learned from it. Models `vxlan_rcv`,
//! `vxlan_set_mac` and `vxlan_ecn_decapsulate`.

use core::net::Ipv4Addr;

use hopwise_devices::Link;
use hopwise_devices::vxlan::fdb::{Remote, Snooped};
use hopwise_protocols::encap::vxlan;
use hopwise_protocols::wire::ethernet::{self, ETH_HLEN};
use hopwise_protocols::wire::udp::UDP_HLEN;
use hopwise_protocols::wire::vxlan::{Header, VXLAN_HLEN};
use hopwise_protocols::wire::{ipv4, split};
use hopwise_sim_core::{Detail, DropReason, Duration, Fate, IfIndex, Packet, Time};

use super::{ageing, note};
use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::{checksum, tunnel};
use crate::vxlan::Place;

/// In place of the host that a frame came from: it came from a link of this very host, without a packet around it.
pub(super) const BYPASSED: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// The same, for a frame that teaches nothing: the link made it itself.
pub(super) const OWN_ANSWER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 0);

/// Takes the frame out of a sound UDP packet to `port`, which begins with its IPv4 header, and hands it to its link.
/// `len`: bytes of the datagram's payload.
pub fn rcv(ns: &mut Namespace, cx: &mut Cx<'_>, port: u16, len: usize, mut packet: Packet) -> Fate {
    let Ok(ip) = ipv4::view(packet.data()) else { return cx.drop(packet, DropReason::PktTooSmall) };
    let outer = *ip.header;
    let Some(net) = ns.vxlan.as_deref() else { return cx.drop(packet, DropReason::NoSocket) };
    if outer.dst().is_multicast() && !net.has_joined(outer.dst(), packet.iif) {
        return cx.drop(packet, DropReason::NoSocket);
    }
    let payload = ip.payload.get(UDP_HLEN..UDP_HLEN + len).unwrap_or_default();
    let header = match split::<Header>(payload) {
        Ok((header, _)) if header.has_vni() => *header,
        _ => return cx.drop(packet, DropReason::VxlanInvalidHdr),
    };
    let Some(place) = net.find(port, header.vni()) else { return cx.drop(packet, DropReason::VxlanVniNotFound) };
    if header.has_unknown_bits() {
        count_error(ns, cx, place);
        return cx.drop(packet, DropReason::VxlanInvalidHdr);
    }
    if len < VXLAN_HLEN + ETH_HLEN {
        return cx.drop(packet, DropReason::PktTooSmall);
    }
    let headers = outer.header_len() + UDP_HLEN + VXLAN_HLEN;
    packet.trim(headers - VXLAN_HLEN + len);
    if cx.journey.is_on() {
        checksum::finish(&mut packet);
    }
    cx.note(&packet, || Detail::Decapsulated(note(place, packet.data(), headers)));
    let whole = packet.pull(headers);
    debug_assert!(whole, "the length was checked");
    // If the checksum around the frame is not made yet, it is not needed any more.
    packet.pay_checksum();
    if !vxlan::restore_marks(outer.tos, packet.data_mut()) {
        count_error(ns, cx, place);
        return cx.drop(packet, DropReason::TunnelEcn);
    }
    tunnel::scrub(&mut packet, place.0 != cx.ns);
    packet.next_hop = outer.saddr;
    packet.tunnel_id = header.vni();
    hand_over(cx, Duration::ZERO, place, packet)
}

/// The frame comes in again, through the link (`gro_cells_receive`, `netif_rx`).
pub(super) fn hand_over(cx: &mut Cx<'_>, delay: Duration, (ns, link): Place, mut packet: Packet) -> Fate {
    packet.depth = 0;
    packet.from_socket = false;
    packet.offload_mut().inner_len = 0;
    cx.send(delay, ns, link, packet);
    Fate::Sent
}

/// A frame with a fault that the link counts, if it is here.
#[cold]
fn count_error(ns: &mut Namespace, cx: &Cx<'_>, (at, link): Place) {
    if at == cx.ns
        && let Some(dev) = ns.devs.get_mut(link)
    {
        dev.stats.rx_errors += 1;
        dev.stats.rx_frame_errors += 1;
    }
}

/// A frame arrives at the link itself: is it one, and what does it teach? Gives how many bytes of it are counted, if it is
/// counted at all.
///
/// # Errors
/// The reason for which the frame is dropped.
#[inline]
pub fn arrive(link: &mut Link, now: Time, packet: &mut Packet) -> Result<Option<usize>, DropReason> {
    let from = Ipv4Addr::from(core::mem::take(&mut packet.next_hop));
    let Some(vxlan) = link.kind.vxlan_mut() else { return Ok(None) };
    if from.is_unspecified() {
        // An answer in place of the far end: nobody counts it.
        return Ok(None);
    }
    let Ok((header, _)) = ethernet::parse(packet.data()) else { return Err(DropReason::PktTooSmall) };
    let bypassed = from.is_loopback();
    if header.src == link.addr && !bypassed {
        return Err(DropReason::LocalMac);
    }
    let config = &vxlan.config;
    if config.learning && from != OWN_ANSWER {
        if !header.src.is_valid() {
            return Err(DropReason::MacInvalidSource);
        }
        let source = Remote { ip: from, port: config.port, vni: config.vni, via: IfIndex::NONE };
        let ageing = ageing(config);
        if vxlan.fdb.snoop(now, header.src, source, ageing, config.max_addresses) == Snooped::Elsewhere {
            return Err(DropReason::VxlanEntryExists);
        }
    }
    Ok(Some(if bypassed { packet.len() } else { packet.len() - ETH_HLEN }))
}
