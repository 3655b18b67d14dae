//! The last step before the link: whose MAC address? Models `ip_finish_output2`, `neigh_output`, `arp_solicit` and
//! `arp_error_report`.

use core::net::Ipv4Addr;

use hopwise_devices::LinkFlags;
use hopwise_protocols::fib::Insert;
use hopwise_protocols::neigh::arp::{LinkLayer, constructor};
use hopwise_protocols::neigh::{Effects, Initial, NeighFlags, NewNeigh, Nud, OVERFLOW_MESSAGE, Output, Solicit};
use hopwise_protocols::wire::ethernet::{self, ETH_HLEN, ETH_P_IP};
use hopwise_protocols::wire::icmp::{ICMP_DEST_UNREACH, ICMP_HOST_UNREACH};
use hopwise_protocols::wire::{IntoBytes, MacAddr};
use hopwise_sim_core::{Detail, DropReason, Fate, IfIndex, Packet};

use crate::cx::{Cx, TimerKind};
use crate::dev::Dev;
use crate::namespace::Namespace;
use crate::path::dev_xmit::dev_xmit;
use crate::path::route::{Route, RouteKind};
use crate::path::{arp as arp_path, br_netfilter, checksum, icmp};

/// What a waiting packet counts for beside its bytes (`SKB_TRUESIZE`'s overhead, about).
const TRUESIZE_OVERHEAD: usize = 576;

/// Links on which all neighbours share one entry, with the key 0.0.0.0.
const ONE_FOR_ALL: LinkFlags = LinkFlags::LOOPBACK.union(LinkFlags::POINTOPOINT);

/// Gives a packet its link-layer header and sends it.
#[inline]
pub fn neigh_out(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, mut packet: Packet) -> Fate {
    let Some(dev) = ns.devs.get(route.oif) else { return cx.drop(packet, DropReason::DevReady) };
    let Some(dst) = destination(&packet) else { return cx.drop(packet, DropReason::PktTooSmall) };
    let hop = route.gateway.unwrap_or(dst);
    let next = if dev.flags.intersects(ONE_FOR_ALL) { Ipv4Addr::UNSPECIFIED } else { hop };
    note_neigh(ns, cx, next, route.oif, &packet);
    match ns.neigh.connected(next, route.oif) {
        Some(lladdr) => {
            put_header(dev, (hop, lladdr), &mut packet);
            dev_xmit(ns, cx, route.oif, packet)
        }
        None => ask_or_wait(ns, cx, route, next, packet),
    }
}

/// A packet for a neighbour whose address is not known, or not sure (`neigh_event_send`).
#[cold]
fn ask_or_wait(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, next: Ipv4Addr, mut packet: Packet) -> Fate {
    checksum::finish(&mut packet);
    let Some(dev) = ns.devs.get(route.oif) else { return cx.drop(packet, DropReason::DevReady) };
    // What needs no asking gets an entry too; on loopback and point-to-point links one for all (arp_hash's key).
    let plain = route.kind == RouteKind::Unicast && dev.uses_arp();
    let new =
        if plain || ns.neigh.get(next, route.oif).is_some() { Initial::default() } else { initial(ns, dev, next) };
    let size = (packet.len() + TRUESIZE_OVERHEAD) as u32;
    match ns.neigh.output(cx.now, next, route.oif, &dev.neigh, || new, packet, size) {
        Output::Send(lladdr, packet) => send(ns, cx, route.oif, (next, lladdr), packet),
        Output::Effects(effects) => apply(ns, cx, next, route.oif, effects),
        Output::TableFull(packet) => {
            let text = OVERFLOW_MESSAGE.to_owned();
            ns.log(cx.now, text);
            cx.drop(packet, DropReason::NeighCreateFail)
        }
    }
}

#[inline]
fn destination(packet: &Packet) -> Option<Ipv4Addr> {
    let bytes: [u8; 4] = packet.data().get(16..20)?.try_into().ok()?;
    Some(Ipv4Addr::from(bytes))
}

/// Makes an entry for a neighbour that a packet may be sent to later, and asks for its address (`neigh_event_send`).
pub fn resolve(ns: &mut Namespace, cx: &mut Cx<'_>, addr: Ipv4Addr, link: IfIndex) {
    let Some(dev) = ns.devs.get(link) else { return };
    let wish = NewNeigh {
        addr,
        dev: link,
        lladdr: None,
        state: Nud::NONE,
        flags: NeighFlags::empty(),
        use_it: true,
        protocol: 0,
    };
    if let Ok(effects) = ns.neigh.set(cx.now, &dev.neigh, &wish, Insert::CREATE, Initial::default) {
        apply(ns, cx, addr, link, effects);
    }
}

/// State and address with which an entry for `addr` on a link is made (`arp_constructor`).
pub fn initial(ns: &Namespace, dev: &Dev, addr: Ipv4Addr) -> Initial {
    let kind = ns.addr_type_on(dev.index, addr);
    let link = LinkLayer {
        has_header: dev.has_ethernet(),
        noarp: !dev.uses_arp(),
        point_to_point: dev.flags.contains(LinkFlags::POINTOPOINT),
        address: dev.addr,
        broadcast: dev.broadcast,
    };
    constructor(addr, kind, &link)
}

fn note_neigh(ns: &Namespace, cx: &mut Cx<'_>, addr: Ipv4Addr, link: IfIndex, packet: &Packet) {
    cx.note(packet, || {
        let entry = ns.neigh.get(addr, link);
        let state = entry.map_or("new", |e| e.state().name());
        Detail::Neigh { addr, link, state, lladdr: entry.and_then(|e| e.lladdr()).map(|m| m.0) }
    });
}

/// A packet that waited, or its neighbour's first one, goes out (`neigh_resolve_output`, `neigh_direct_output`).
fn send(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, to: (Ipv4Addr, MacAddr), mut packet: Packet) -> Fate {
    let Some(dev) = ns.devs.get(link) else { return cx.drop(packet, DropReason::DevReady) };
    put_header(dev, to, &mut packet);
    dev_xmit(ns, cx, link, packet)
}

/// Puts the Ethernet header on, if the link has any (`dev_hard_header`).
#[inline]
fn put_header(dev: &Dev, to: (Ipv4Addr, MacAddr), packet: &mut Packet) {
    if dev.has_ethernet() {
        let header = ethernet::Header::new(to.1, dev.addr, ETH_P_IP);
        packet.push(ETH_HLEN).copy_from_slice(header.as_bytes());
    } else {
        packet.next_hop = to.0.octets();
    }
    packet.protocol = ETH_P_IP;
    packet.mac_len = 0;
}

/// Does what the neighbour table asks for: sends, asks, sets the timer, tells senders of packets that cannot arrive.
pub fn apply(ns: &mut Namespace, cx: &mut Cx<'_>, addr: Ipv4Addr, link: IfIndex, effects: Effects<Packet>) -> Fate {
    let mut fate = Fate::Held;
    if let Some(deadline) = effects.timer {
        cx.wheel_timer(deadline.at, TimerKind::Neigh { addr, link, generation: deadline.generation });
    }
    if let Some(solicit) = effects.solicit {
        ask(ns, cx, link, solicit);
    }
    for packet in effects.dropped {
        br_netfilter::waits_no_more(ns, cx.now, &packet);
        fate = cx.drop(packet, DropReason::NeighQueueFull);
    }
    for packet in effects.send {
        fate = send(ns, cx, link, (addr, effects.lladdr), packet);
    }
    for packet in effects.unreachable {
        unreachable(ns, cx, link, packet);
    }
    start_collecting(ns, cx);
    fate
}

/// Sends an ARP request. `arp_solicit`: the packet that waits may decide the source address.
fn ask(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, solicit: Solicit) {
    let waiting = ns.neigh.get(solicit.target, link).and_then(|e| e.waiting().next_back());
    let wish = waiting.and_then(|p| Some(Ipv4Addr::from(<[u8; 4]>::try_from(p.data().get(12..16)?).ok()?)));
    if let Some(packet) = waiting {
        let id = packet.id;
        cx.journey.note(cx.now, cx.ns, id, || Detail::Held { why: "an ARP answer" });
    }
    arp_path::send_request(ns, cx, link, solicit, wish);
}

/// A packet whose next hop did not answer: its sender is told. `arp_error_report`, `ipv4_link_failure`.
fn unreachable(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) {
    br_netfilter::waits_no_more(ns, cx.now, &packet);
    let link = if packet.iif.is_some() { packet.iif } else { link };
    icmp::send_error_on(ns, cx, &packet, icmp::Error::new(ICMP_DEST_UNREACH, ICMP_HOST_UNREACH), link);
    cx.drop(packet, DropReason::NeighFailed);
}

/// The timer of a neighbour entry ran out.
pub fn timer(ns: &mut Namespace, cx: &mut Cx<'_>, addr: Ipv4Addr, link: IfIndex, generation: u32) {
    let Some(dev) = ns.devs.get(link) else { return };
    let effects = ns.neigh.timer(cx.now, addr, link, &dev.neigh, generation);
    apply(ns, cx, addr, link, effects);
}

/// Sets the timer of the garbage collection if there is something to collect.
fn start_collecting(ns: &mut Namespace, cx: &mut Cx<'_>) {
    if ns.neigh_gc_at.is_none() && ns.neigh.needs_collecting() {
        let at = cx.now + ns.neigh_default.base_reachable_time / 2;
        ns.neigh_gc_at = Some(at);
        cx.timer(at, TimerKind::NeighGc);
    }
}

/// Takes out entries that nobody needs any more. `neigh_periodic_work`.
pub fn collect_garbage(ns: &mut Namespace, cx: &mut Cx<'_>) {
    ns.neigh_gc_at = None;
    let devs = &ns.devs;
    let default = ns.neigh_default.gc_stale_time;
    ns.neigh.collect(cx.now, |link| devs.get(link).map_or(default, |d| d.neigh.gc_stale_time));
    start_collecting(ns, cx);
}
