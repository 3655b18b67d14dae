//! ARP packets received and sent. Models `arp_rcv`, `arp_process`, `parp_redo` and `arp_send_dst`; what to do is decided
//! by [`hopwise_protocols::neigh::arp`].

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use hopwise_devices::LinkFlags;
use hopwise_protocols::fib::{RT_SCOPE_LINK, RouteType};
use hopwise_protocols::neigh::arp::{
    self as judge, ArpConf, ArpContext, Decision, IfaceAddr, InputRoute, Learn, SolicitContext,
};
use hopwise_protocols::neigh::{Initial, NeighError, Solicit};
use hopwise_protocols::wire::arp::{ARP_LEN, ARPOP_REPLY};
use hopwise_protocols::wire::ethernet::{self, ETH_HLEN, ETH_P_ARP};
use hopwise_protocols::wire::{ArpPacket, IntoBytes, MacAddr, arp};
use hopwise_sim_core::{Detail, DropReason, Duration, Fate, IfIndex, Packet, PacketType};

use crate::conf::ConfKey;
use crate::cx::{Cx, TimerKind};
use crate::dev::Dev;
use crate::inet::IfAddr;
use crate::namespace::Namespace;
use crate::path::dev_xmit::dev_xmit;
use crate::path::neigh_out::apply;
use crate::path::route::{self, OutputFlow};

/// Proxy answers that wait for their random delay.
#[derive(Clone, Debug, Default)]
pub struct ProxyQueue {
    waiting: VecDeque<(u32, IfIndex, ArpPacket, Packet)>,
    next: u32,
}

impl ProxyQueue {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True if none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// An ARP packet came in. `arp_rcv`.
pub fn arp_rcv(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> Fate {
    let link = packet.iif;
    let no_arp = ns.devs.get(link).is_none_or(|d| d.flags.contains(LinkFlags::NOARP));
    if no_arp || packet.kind == PacketType::OtherHost {
        return cx.drop(packet, DropReason::OtherHost);
    }
    let arp = match arp::parse(packet.data()) {
        Ok(arp) => *arp,
        Err(_) => return cx.drop(packet, DropReason::PktTooSmall),
    };
    process(ns, cx, link, arp, packet, false)
}

/// `arp_process`: judge the packet, then do what was decided.
fn process(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, arp: ArpPacket, packet: Packet, redone: bool) -> Fate {
    let Some(dev) = ns.devs.get(link) else { return cx.drop(packet, DropReason::DevReady) };
    let to_host = packet.kind == PacketType::Host;
    match judge::process(&arp, to_host, redone, &View { ns, dev, cx }) {
        Decision::Ignore(_) => cx.drop(packet, DropReason::ArpIgnored),
        Decision::Learn(news) => {
            learn(ns, cx, link, &news);
            cx.consume(packet, "arp")
        }
        Decision::Reply { learn: news, .. } => {
            if news.is_none_or(|news| learn(ns, cx, link, &news)) {
                answer(ns, cx, link, &arp, &packet);
            }
            cx.consume(packet, "arp")
        }
        Decision::ReplyLater { learn: news } => {
            if learn(ns, cx, link, &news) {
                wait(ns, cx, link, arp, packet)
            } else {
                cx.consume(packet, "arp")
            }
        }
    }
}

/// Tells the neighbour table; false if it had no room.
fn learn(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, news: &Learn) -> bool {
    let Some(dev) = ns.devs.get(link) else { return false };
    match ns.neigh.learn(cx.now, &dev.neigh, news, link, Initial::default) {
        Ok(effects) => {
            apply(ns, cx, news.addr, link, effects);
            true
        }
        // What a person has set stays, and does not keep us from answering.
        Err(why) => why != NeighError::TableFull,
    }
}

/// Answers a request: "this address is at my MAC address".
fn answer(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, arp: &ArpPacket, cause: &Packet) {
    let Some(dev) = ns.devs.get(link) else { return };
    let own = dev.addr;
    let reply = ArpPacket::reply(own, arp.target_ip(), arp.sha, arp.sender_ip());
    transmit(ns, cx, link, arp.sha, &reply, Some(cause));
}

/// Lets a proxy answer wait for a random part of `proxy_delay` (`pneigh_enqueue`).
fn wait(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, arp: ArpPacket, packet: Packet) -> Fate {
    let Some(dev) = ns.devs.get(link) else { return cx.drop(packet, DropReason::DevReady) };
    let (delay, limit) = (dev.neigh.proxy_delay, dev.neigh.proxy_qlen as usize);
    if ns.proxy_queue.len() > limit {
        return cx.drop(packet, DropReason::NeighQueueFull);
    }
    let millis = ns.rng.below(u32::try_from(delay.as_millis()).unwrap_or(u32::MAX));
    ns.proxy_queue.next = ns.proxy_queue.next.wrapping_add(1);
    let id = ns.proxy_queue.next;
    cx.note(&packet, || Detail::Held { why: "the random delay of a proxy ARP answer" });
    ns.proxy_queue.waiting.push_back((id, link, arp, packet));
    cx.wheel_timer(cx.now + Duration::from_millis(u64::from(millis)), TimerKind::ProxyArp { id });
    Fate::Held
}

/// The delay of a proxy answer is over. `parp_redo`.
pub fn proxy_redo(ns: &mut Namespace, cx: &mut Cx<'_>, id: u32) {
    let Some(at) = ns.proxy_queue.waiting.iter().position(|w| w.0 == id) else { return };
    let Some((_, link, arp, packet)) = ns.proxy_queue.waiting.remove(at) else { return };
    process(ns, cx, link, arp, packet, true);
}

/// Packets of a link that goes away wait no longer.
pub fn forget_link(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex) {
    let (gone, kept) = core::mem::take(&mut ns.proxy_queue.waiting).into_iter().partition(|w| w.1 == link);
    ns.proxy_queue.waiting = kept;
    let gone: VecDeque<(u32, IfIndex, ArpPacket, Packet)> = gone;
    for (_, _, _, packet) in gone {
        cx.drop(packet, DropReason::NeighDead);
    }
}

/// Sends a request for a neighbour's address; `wish`: the source address of the packet that waits. `arp_solicit`.
pub fn send_request(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, solicit: Solicit, wish: Option<Ipv4Addr>) {
    let Some(dev) = ns.devs.get(link) else { return };
    let source = judge::solicit_source(solicit.target, wish, &View { ns, dev, cx });
    let request = ArpPacket::request(dev.addr, source, solicit.target);
    let to = solicit.unicast.unwrap_or(MacAddr::BROADCAST);
    transmit(ns, cx, link, to, &request, None);
}

/// Announces an own address to all (`arp_notify`, `inetdev_send_gratuitous_arp`).
pub fn gratuitous(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, addr: Ipv4Addr) {
    let Some(dev) = ns.devs.get(link) else { return };
    let own = dev.addr;
    let request = ArpPacket::request(own, addr, addr);
    transmit(ns, cx, link, MacAddr::BROADCAST, &request, None);
}

/// Sends an ARP packet in a frame. `arp_create`, `arp_xmit`.
fn transmit(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, to: MacAddr, arp: &ArpPacket, cause: Option<&Packet>) {
    let Some(dev) = ns.devs.get(link) else { return };
    if !dev.uses_arp() {
        return;
    }
    let header = ethernet::Header::new(to, dev.addr, ETH_P_ARP);
    let mut packet = cx.pool.alloc_from(arp.as_bytes());
    debug_assert_eq!(packet.len(), ARP_LEN, "an ARP packet for Ethernet and IPv4");
    packet.protocol = ETH_P_ARP;
    packet.push(ETH_HLEN).copy_from_slice(header.as_bytes());
    let by = if arp.op.get() == ARPOP_REPLY { "arp (answer)" } else { "arp (question)" };
    let from = cause.map(|p| p.id);
    cx.note(&packet, || Detail::Born { by, from });
    dev_xmit(ns, cx, link, packet);
}

/// What ARP's decisions look at.
struct View<'a, 'c> {
    ns: &'a Namespace,
    dev: &'a Dev,
    cx: &'a Cx<'c>,
}

fn iface_addr(addr: &IfAddr) -> IfaceAddr {
    IfaceAddr { local: addr.local, address: addr.peer, prefix_len: addr.prefix_len, scope: addr.scope }
}

impl View<'_, '_> {
    fn small(&self, key: ConfKey) -> u8 {
        u8::try_from(self.ns.conf_max(self.dev, key)).unwrap_or(u8::MAX)
    }
}

impl ArpContext for View<'_, '_> {
    fn conf(&self) -> ArpConf {
        let (ns, dev) = (self.ns, self.dev);
        ArpConf {
            ignore: self.small(ConfKey::ArpIgnore),
            announce: self.small(ConfKey::ArpAnnounce),
            accept: self.small(ConfKey::ArpAccept),
            filter: ns.conf_or(dev, ConfKey::ArpFilter),
            proxy: ns.conf_or(dev, ConfKey::ProxyArp),
            proxy_pvlan: dev.inet.conf[ConfKey::ProxyArpPvlan] != 0,
            drop_gratuitous: ns.conf_or(dev, ConfKey::DropGratuitousArp),
            route_localnet: ns.conf_or(dev, ConfKey::RouteLocalnet),
            forwarding: dev.inet.conf[ConfKey::Forwarding] != 0,
            medium_id: dev.inet.conf[ConfKey::MediumId],
            proxy_at_once: dev.neigh.proxy_delay.is_zero(),
        }
    }

    fn dev(&self) -> IfIndex {
        self.dev.index
    }

    fn addresses(&self, any_link: bool) -> impl Iterator<Item = IfaceAddr> {
        let own = self.dev.index;
        let links = self.ns.devs.iter().filter(move |d| any_link || d.index == own);
        links.flat_map(|d| d.inet.addrs.iter().map(|a| iface_addr(a)))
    }

    fn addr_type(&self, addr: Ipv4Addr) -> RouteType {
        self.ns.addr_type_on(self.dev.index, addr)
    }

    fn route_input(&self, dst: Ipv4Addr, src: Ipv4Addr) -> Option<InputRoute> {
        route::lookup_input(self.ns, self.dev, dst, src).map(|(kind, dev)| InputRoute { kind, dev })
    }

    fn route_output(&self, dst: Ipv4Addr, src: Ipv4Addr) -> Option<IfIndex> {
        let flow =
            OutputFlow { dst, src: Some(src), oif: self.ns.l3mdev_master(self.dev.index), ..OutputFlow::default() };
        route::route_output(self.ns, self.cx.now, &flow).ok().map(|r| r.oif)
    }

    fn medium_id_of(&self, dev: IfIndex) -> i32 {
        self.ns.devs.get(dev).map_or(-1, |d| d.inet.conf[ConfKey::MediumId])
    }

    fn is_proxy(&self, addr: Ipv4Addr) -> bool {
        self.ns.neigh.is_proxy(addr, self.dev.index)
    }

    fn is_known(&self, addr: Ipv4Addr) -> bool {
        self.ns.neigh.get(addr, self.dev.index).is_some()
    }

    fn lock_time_is_over(&self, addr: Ipv4Addr) -> bool {
        let entry = self.ns.neigh.get(addr, self.dev.index);
        entry.is_none_or(|e| e.ages(self.cx.now)[2] > self.dev.neigh.lock_time)
    }
}

impl SolicitContext for View<'_, '_> {
    fn announce(&self) -> u8 {
        self.small(ConfKey::ArpAnnounce)
    }

    fn is_local(&self, addr: Ipv4Addr) -> bool {
        self.ns.addr_type_on(self.dev.index, addr) == RouteType::Local
    }

    fn addresses(&self) -> impl Iterator<Item = IfaceAddr> {
        self.dev.inet.addrs.iter().map(|a| iface_addr(a))
    }

    fn select(&self, target: Ipv4Addr) -> Ipv4Addr {
        route::select_addr(self.ns, Some(self.dev), target, RT_SCOPE_LINK).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }
}
