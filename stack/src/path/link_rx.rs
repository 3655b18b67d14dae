//! A frame arrives at a link: captured, counted, its Ethernet header read. Models `eth_type_trans` and the upper half of
//! `__netif_receive_skb_core`.

use core::ops::ControlFlow;

use hopwise_devices::Kind;
use hopwise_devices::macvlan::Mode;
use hopwise_protocols::wire::ethernet::{ETH_HLEN, ETH_P_802_2, ETH_P_802_3_MIN, ETH_P_IP, ETH_P_IPV6, MacAddr};
use hopwise_protocols::wire::vlan::VLAN_HLEN;
use hopwise_sim_core::{Detail, DropReason, IfIndex, Packet, PacketType};

use crate::capture::Direction;
use crate::cx::{Cx, Verdict};
use crate::namespace::Namespace;
use crate::path::{checksum, tc, vlan, vxlan};
use crate::socket::packet;

/// Takes a frame in at `link`. Afterwards the packet begins with its network header and knows its EtherType, for whom
/// it is, and where it came in.
#[inline]
pub fn link_rx(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Verdict {
    let Some(dev) = ns.devs.get_mut(link) else {
        return ControlFlow::Break(cx.drop(packet, DropReason::DevReady));
    };
    checksum::finish_for(dev, &mut packet);
    // is_skb_forwardable: a veth hands over only to a peer that is up, and no more than its MTU.
    if !dev.is_up() || (packet.len() > dev.mtu as usize + ETH_HLEN + VLAN_HLEN && checks_size(&dev.kind)) {
        dev.stats.rx_dropped += u64::from(dev.kind.lower().is_none());
        let reason = if dev.is_up() { DropReason::PktTooBig } else { DropReason::DevReady };
        return ControlFlow::Break(cx.drop(packet, reason));
    }
    if !dev.has_ethernet() {
        return bare(ns, cx, link, packet);
    }
    let Some((dst, protocol)) = ethernet(packet.data()) else {
        dev.stats.rx_errors += 1;
        return ControlFlow::Break(cx.drop(packet, DropReason::PktTooSmall));
    };
    match &dev.link.kind {
        // What a bridge passes up to itself was sorted when it came in through a port (br_pass_frame_up), and what comes
        // from the link below when it came in there. The address may be another one here (vlan_do_receive).
        Kind::Bridge(_) => {}
        // vrf_local_xmit: it was counted and seen on its way out.
        Kind::Vrf(_) => packet.kind = PacketType::Host,
        Kind::Vlan(vlan) => {
            packet.priority = vlan.ingress[(packet.priority & 7) as usize];
            if packet.kind == PacketType::OtherHost && dst == dev.addr {
                packet.kind = PacketType::Host;
            }
        }
        // For whom the link below thought it was, unless it is for this one (macvlan_forward_source_one).
        Kind::Macvlan(macvlan) if macvlan.mode == Mode::Source => {
            if dst == dev.addr {
                packet.kind = PacketType::Host;
            }
        }
        Kind::Macvlan(_) if dst.is_unicast() => packet.kind = PacketType::Host,
        Kind::Macvlan(_) => {
            // See macvlan_queue_xmit.
            dev.stats.rx_bytes += u64::from(packet.mac_len);
            packet.kind = address_sort(dst, dev.addr);
        }
        Kind::Ipvlan(_) => {
            // See ipvlan_rcv_frame and ipvlan_process_multicast.
            dev.stats.rx_bytes += u64::from(packet.mac_len);
            packet.kind = address_sort(dst, dev.addr);
        }
        _ => packet.kind = address_sort(dst, dev.addr),
    }
    packet.protocol = protocol;
    packet.iif = link;
    packet.mac_len = ETH_HLEN as u8;
    // loopback_xmit, br_pass_frame_up and vlan_do_receive count without the Ethernet header, everybody else with it.
    let counted = match dev.kind {
        Kind::Loopback | Kind::Bridge(_) | Kind::Vlan(_) => Some(packet.len() - ETH_HLEN),
        Kind::Vxlan(_) => match vxlan::arrive(dev, cx.now, &mut packet) {
            Ok(counted) => counted,
            Err(reason) => return ControlFlow::Break(cx.drop(packet, reason)),
        },
        Kind::Vrf(_) => None,
        _ => Some(packet.len()),
    };
    if let Some(bytes) = counted {
        dev.stats.rx_packets += 1;
        dev.stats.rx_bytes += bytes as u64;
    }
    if dev.kind.macvlan().is_some_and(|macvlan| macvlan.mode == Mode::Source) {
        // macvlan_forward_source_one knows no groups.
    } else if packet.kind == PacketType::Multicast {
        dev.stats.multicast += u64::from(!matches!(dev.kind, Kind::Veth(_) | Kind::Vxlan(_)));
    } else if packet.kind == PacketType::Broadcast {
        // macvlan_broadcast, ipvlan_process_multicast.
        dev.stats.multicast += u64::from(matches!(dev.kind, Kind::Macvlan(_) | Kind::Ipvlan(_)));
    }
    cx.note(&packet, || Detail::LinkRx { link });
    let taps = if dev.kind.vrf().is_some() { 0 } else { dev.taps };
    let programs = dev.clsact.is_some();
    if vlan::is_tag(protocol) && !vlan::untag(&mut packet) {
        return ControlFlow::Break(cx.drop(packet, DropReason::PktTooSmall));
    }
    if taps > 0 {
        packet::tap(ns, cx, link, Direction::In, &packet);
    }
    let pulled = packet.pull(ETH_HLEN);
    debug_assert!(pulled, "ethernet() saw a whole header");
    if programs {
        return tc::ingress(ns, cx, link, packet);
    }
    ControlFlow::Continue(packet)
}

/// Whether a link takes no frame beyond its MTU: only the peer of a veth is asked (`__dev_forward_skb`).
#[inline]
fn checks_size(kind: &Kind) -> bool {
    matches!(kind, Kind::Veth(_))
}

/// A packet arrives at a link without link-layer header: its first byte says what it is (`ip_tunnel_rcv`,
/// `tun_get_user`).
fn bare(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Verdict {
    let Some(dev) = ns.devs.get_mut(link) else {
        return ControlFlow::Break(cx.drop(packet, DropReason::DevReady));
    };
    packet.protocol = match packet.data().first().map(|b| b >> 4) {
        Some(4) => ETH_P_IP,
        Some(6) => ETH_P_IPV6,
        _ => {
            dev.stats.rx_dropped += 1;
            return ControlFlow::Break(cx.drop(packet, DropReason::UnhandledProto));
        }
    };
    packet.kind = PacketType::Host;
    packet.iif = link;
    packet.mac_len = 0;
    dev.stats.rx_packets += 1;
    dev.stats.rx_bytes += packet.len() as u64;
    cx.note(&packet, || Detail::LinkRx { link });
    if dev.taps > 0 {
        packet::tap(ns, cx, link, Direction::In, &packet);
    }
    ControlFlow::Continue(packet)
}

/// Destination and EtherType of a frame, if it has a whole header.
#[inline]
fn ethernet(frame: &[u8]) -> Option<(MacAddr, u16)> {
    let header = frame.first_chunk::<ETH_HLEN>()?;
    let [d0, d1, d2, d3, d4, d5, _, _, _, _, _, _, t0, t1] = *header;
    let protocol = u16::from_be_bytes([t0, t1]);
    // A length instead of an EtherType: 802.3 with an LLC header.
    let protocol = if protocol >= ETH_P_802_3_MIN { protocol } else { ETH_P_802_2 };
    Some((MacAddr([d0, d1, d2, d3, d4, d5]), protocol))
}

/// For whom a frame is, seen from a link with address `own`.
#[inline]
pub fn address_sort(dst: MacAddr, own: MacAddr) -> PacketType {
    if dst == own {
        PacketType::Host
    } else if dst.is_unicast() {
        PacketType::OtherHost
    } else if dst.is_broadcast() {
        PacketType::Broadcast
    } else {
        PacketType::Multicast
    }
}
