//! A frame is given to a link: queued if somebody put a queue there, captured, counted, and handed on in the way of the
//! link's kind. Models `__dev_queue_xmit` and each kind's `ndo_start_xmit`.

use core::ops::ControlFlow;

use hopwise_devices::veth::Sent;
use hopwise_devices::{Kind, LinkStats, lo};
use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_sim_core::{Detail, DropReason, Fate, IfIndex, Offload, Packet, PacketType};

use crate::capture::Direction;
use crate::cx::{Cx, TimerKind};
use crate::dev::Dev;
use crate::namespace::Namespace;
use crate::path::bridge::bridge_xmit;
use crate::path::{checksum, ipip, qdisc, stacked, tc, vlan, vrf, vxlan};
use crate::socket::packet;

/// How many virtual links may hand a packet on without a queue in between (`XMIT_RECURSION_LIMIT`).
const MAX_DEPTH: u8 = 8;

/// Sends a frame, which begins with its link-layer header, through `link`.
pub fn dev_xmit(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Fate {
    packet.depth += 1;
    packet.kind = PacketType::Outgoing;
    let Some(dev) = ns.devs.get_mut(link) else {
        return cx.drop(packet, DropReason::DevReady);
    };
    if packet.depth > MAX_DEPTH {
        dev.stats.tx_dropped += 1;
        return cx.drop(packet, DropReason::TooDeep);
    }
    checksum::finish_for(dev, &mut packet);
    if dev.is_plain() {
        return transmit(ns, cx, link, packet);
    }
    if dev.clsact.is_some() {
        return match tc::egress(ns, cx, link, packet) {
            ControlFlow::Continue(packet) => queue(ns, cx, link, packet),
            ControlFlow::Break(fate) => fate,
        };
    }
    queue(ns, cx, link, packet)
}

/// The frame goes into the queue of the link, or is sent at once if there is none.
#[inline]
fn queue(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) -> Fate {
    let Some(dev) = ns.devs.get_mut(link) else { return cx.drop(packet, DropReason::DevReady) };
    // A link that is down or has no carrier keeps the noop discipline, which drops.
    if !dev.active {
        dev.stats.tx_dropped += u64::from(dev.is_up());
        let reason = if dev.is_up() { DropReason::Qdisc } else { DropReason::DevReady };
        return cx.drop(packet, reason);
    }
    if dev.queue.is_some() {
        return qdisc::queue(ns, cx, link, packet);
    }
    transmit(ns, cx, link, packet)
}

/// A frame leaves the queue, or there is none: who listens sees it, and the driver has it (`dev_hard_start_xmit`). What each
/// kind does with it is its `ndo_start_xmit`.
#[inline]
pub(super) fn transmit(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Fate {
    let Some(mut dev) = ns.devs.get_mut(link) else { return cx.drop(packet, DropReason::DevReady) };
    cx.note(&packet, || Detail::LinkTx { link });
    if packet.vlan.is_some() && !dev.kind.carries_tags() {
        vlan::insert(&mut packet);
    }
    if dev.taps > 0 {
        packet::tap(ns, cx, link, Direction::Out, &packet);
        let Some(again) = ns.devs.get_mut(link) else { return cx.drop(packet, DropReason::DevReady) };
        dev = again;
    }
    let len = packet.len();
    // A tunnel counts once it knows that there is a way.
    if !matches!(dev.kind, Kind::Vxlan(_)) {
        dev.stats.tx_packets += 1;
        dev.stats.tx_bytes += len as u64;
    }
    match &mut dev.link.kind {
        Kind::Loopback => {
            // loopback_xmit counts after eth_type_trans has taken the header off.
            dev.stats.tx_bytes -= ETH_HLEN as u64;
            packet.depth = 0;
            cx.send(lo::CROSSING, cx.ns, link, packet);
            Fate::Sent
        }
        Kind::Dummy => {
            cx.note(&packet, || Detail::Dropped { reason: DropReason::DummySink });
            cx.pool.dropped(packet);
            Fate::Dropped(DropReason::DummySink)
        }
        Kind::Veth(veth) => {
            let ((peer_ns, peer), far) = (veth.peer, veth.far);
            match veth.send(cx.now, len) {
                Sent::After(delay) => {
                    // The other end is another world: it knows nothing of marks and hops here (skb_scrub_packet).
                    packet.depth = 0;
                    packet.frag_max_size = 0;
                    packet.conn = None;
                    packet.phys = (IfIndex::NONE, IfIndex::NONE);
                    packet.from_socket = false;
                    if far {
                        *packet.offload_mut() = Offload::default();
                    }
                    if peer_ns != cx.ns {
                        packet.mark = 0;
                    }
                    cx.send(delay, peer_ns, peer, packet);
                    Fate::Sent
                }
                Sent::Lost => cx.drop(packet, DropReason::WireLoss),
                Sent::Cut => cx.drop(packet, DropReason::WireDown),
                Sent::Full => cx.drop(packet, DropReason::Qdisc),
                Sent::TooLong => {
                    // Both ends count it, and whoever sent it is told (veth_xmit).
                    uncount(ns, link, len, |stats| stats.tx_dropped += 1);
                    cx.timer_soon(peer_ns, TimerKind::Refused { link: peer });
                    cx.drop(packet, DropReason::PeerMtu)
                }
            }
        }
        // br_dev_xmit takes it in any case.
        Kind::Bridge(_) => match bridge_xmit(ns, cx, link, packet) {
            fate if was_dropped(fate) => Fate::Sent,
            fate => fate,
        },
        Kind::Ipip(_) => ipip::xmit(ns, cx, link, packet),
        Kind::Vxlan(_) => vxlan::xmit(ns, cx, link, packet),
        Kind::Vlan(vlan) => {
            let lower = vlan.lower;
            packet.vlan = vlan.tag(packet.priority);
            let fate = stacked::send_below(ns, cx, lower, packet);
            not_sent(ns, link, len, fate)
        }
        Kind::Macvlan(_) | Kind::Ipvlan(_) => {
            let Some(lower) = dev.kind.lower() else { return cx.drop(packet, DropReason::DevReady) };
            let from = (cx.ns, link);
            let fate = stacked::child_xmit(ns, cx, from, lower, packet);
            not_sent(ns, link, len, fate)
        }
        Kind::Vrf(_) => vrf::xmit(ns, cx, link, packet),
        Kind::Tun(_) => tun_xmit(dev, cx, packet),
    }
}

/// A link that stands on another one counts a frame as dropped if that one did not take it.
fn not_sent(ns: &mut Namespace, link: IfIndex, len: usize, fate: Fate) -> Fate {
    if stacked::was_refused(fate) {
        uncount(ns, link, len, |stats| stats.tx_dropped += 1);
    }
    fate
}

/// Whether a packet did not get into a link or its queue, so that who sent it is told (`NET_XMIT_DROP`).
pub(crate) const fn was_dropped(fate: Fate) -> bool {
    matches!(fate, Fate::Dropped(DropReason::PeerMtu))
}

/// The other end of a veth sent more than this one takes (`__dev_forward_skb`).
pub(crate) fn refused(ns: &mut Namespace, link: IfIndex) {
    if let Some(dev) = ns.devs.get_mut(link) {
        dev.stats.rx_dropped += 1;
    }
}

/// A packet of `len` bytes was counted as sent when the link took it, and is counted as something else now.
pub(crate) fn uncount(ns: &mut Namespace, link: IfIndex, len: usize, as_what: impl FnOnce(&mut LinkStats)) {
    if let Some(dev) = ns.devs.get_mut(link) {
        // The link may have been made anew while the news was on its way.
        dev.stats.tx_packets = dev.stats.tx_packets.saturating_sub(1);
        dev.stats.tx_bytes = dev.stats.tx_bytes.saturating_sub(len as u64);
        as_what(&mut dev.stats);
    }
}

/// A program reads it, if one is attached and reads fast enough (`tun_net_xmit`). It is counted when it is read.
fn tun_xmit(dev: &mut Dev, cx: &mut Cx<'_>, packet: Packet) -> Fate {
    let limit = dev.tx_queue_len as usize;
    dev.stats.tx_packets -= 1;
    dev.stats.tx_bytes -= packet.len() as u64;
    let Some(tun) = dev.link.kind.tun_mut() else { return cx.drop(packet, DropReason::DevReady) };
    if tun.file.is_none() || tun.queue.len() >= limit {
        let reason = if tun.file.is_none() { DropReason::DevReady } else { DropReason::FullRing };
        dev.stats.tx_dropped += 1;
        return cx.drop(packet, reason);
    }
    cx.note(&packet, || Detail::Held { why: "the program that reads the link" });
    tun.queue.push_back(packet);
    if tun.reader != 0 {
        cx.wakeups.push(tun.reader);
    }
    Fate::Held
}
