//! What a VXLAN link answers or shortens itself, from the neighbour table: `proxy` and `rsc`. Models `arp_reduce` and
//! `route_shortcircuit`.

use core::net::Ipv4Addr;

use hopwise_protocols::neigh::Nud;
use hopwise_protocols::wire::arp::{self, ARPOP_REQUEST};
use hopwise_protocols::wire::ethernet::{self, ETH_HLEN, ETH_P_ARP};
use hopwise_protocols::wire::{ArpPacket, IntoBytes, MacAddr, split_mut};
use hopwise_sim_core::{Detail, Duration, Fate, Packet, Time};

use super::{Sender, ageing, miss, rcv, state};
use crate::cx::Cx;
use crate::namespace::Namespace;

/// ARP does not leave a link that answers it: what is known is answered, all else ends here.
pub(super) fn arp_reduce(ns: &mut Namespace, cx: &mut Cx<'_>, sender: &Sender, packet: Packet) -> Fate {
    if let Ok(request) = arp::parse(packet.data().get(ETH_HLEN..).unwrap_or_default())
        && request.op.get() == ARPOP_REQUEST
    {
        answer(ns, cx, sender, &packet, *request);
    }
    cx.consume(packet, "vxlan (proxy)")
}

fn answer(ns: &Namespace, cx: &mut Cx<'_>, sender: &Sender, packet: &Packet, request: ArpPacket) {
    let target = request.target_ip();
    if target.is_loopback() || target.is_multicast() {
        return;
    }
    let Some(entry) = ns.neigh.get(target, sender.link) else {
        if sender.config.l3miss {
            miss::ip(cx, packet, sender.link, target);
        }
        return;
    };
    let Some(lladdr) = entry.lladdr().filter(|_| entry.state().intersects(Nud::CONNECTED)) else { return };
    if is_local(ns, cx.now, sender, lladdr) {
        return;
    }
    let reply = ArpPacket::reply(lladdr, target, request.sha, request.sender_ip());
    let mut answer = cx.pool.alloc_from(reply.as_bytes());
    let header = ethernet::Header::new(request.sha, lladdr, ETH_P_ARP);
    answer.push(ETH_HLEN).copy_from_slice(header.as_bytes());
    let from = Some(packet.id);
    cx.note(&answer, || Detail::Born { by: "vxlan (proxy)", from });
    rcv::hand_over(cx, Duration::ZERO, (cx.ns, sender.link), answer);
}

/// Whether an address is behind this very host, as a bridge's.
fn is_local(ns: &Namespace, now: Time, sender: &Sender, addr: MacAddr) -> bool {
    let entry = state(ns, sender.link).and_then(|v| v.fdb.get(now, addr, ageing(&sender.config)));
    entry.and_then(|e| e.remotes.first()).is_some_and(|remote| remote.ip.is_unspecified())
}

/// Whether an address is that of a router.
pub(super) fn is_router(ns: &Namespace, now: Time, sender: &Sender, addr: MacAddr) -> bool {
    let entry = state(ns, sender.link).and_then(|v| v.fdb.get(now, addr, ageing(&sender.config)));
    entry.is_some_and(|e| e.router)
}

/// A packet to a router whose destination is a known neighbour goes there at once: the addresses of the frame are
/// changed. Gives the new destination.
pub(super) fn short_circuit(
    ns: &Namespace,
    cx: &mut Cx<'_>,
    sender: &Sender,
    router: MacAddr,
    packet: &mut Packet,
) -> Option<MacAddr> {
    if router.is_multicast() {
        return None;
    }
    let bytes: [u8; 4] = *packet.data().get(ETH_HLEN + 16..)?.first_chunk()?;
    let dst = Ipv4Addr::from(bytes);
    let Some(entry) = ns.neigh.get(dst, sender.link) else {
        if sender.config.l3miss {
            miss::ip(cx, packet, sender.link, dst);
        }
        return None;
    };
    let next = entry.lladdr().filter(|next| *next != router)?;
    let (header, _) = split_mut::<ethernet::Header>(packet.data_mut()).ok()?;
    (header.src, header.dst) = (router, next);
    Some(next)
}
