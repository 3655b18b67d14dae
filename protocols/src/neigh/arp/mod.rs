//! What ARP decides: which received packet is answered or believed (`arp_process`), from which address to ask
//! (`arp_solicit`), and what needs no asking (`arp_constructor`).

use super::entry::Nud;
use super::table::Initial;
use crate::fib::{RT_SCOPE_HOST, RT_SCOPE_LINK, RouteType};
use crate::wire::arp::{ARPOP_REPLY, ARPOP_REQUEST};
use crate::wire::{ArpPacket, MacAddr};
use core::net::Ipv4Addr;
use hopwise_sim_core::IfIndex;

/// An address of a link, as ARP needs it. `in_ifaddr`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IfaceAddr {
    /// The own address. `ifa_local`.
    pub local: Ipv4Addr,
    /// The address whose prefix is on the link: the own one, or that of the peer. `ifa_address`.
    pub address: Ipv4Addr,
    /// Length of that prefix.
    pub prefix_len: u8,
    /// `RT_SCOPE_*`.
    pub scope: u8,
}

impl IfaceAddr {
    /// True if `addr` is in the prefix of this address. `inet_ifa_match`.
    pub fn covers(&self, addr: Ipv4Addr) -> bool {
        let mask = (0xffff_ffff_0000_0000_u64 >> self.prefix_len.min(32)) as u32;
        (addr.to_bits() ^ self.address.to_bits()) & mask == 0
    }
}

/// The settings of a link that concern ARP, `all` and the link's own already combined as each one wants it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ArpConf {
    /// `arp_ignore` (the larger value).
    pub ignore: u8,
    /// `arp_announce` (the larger value).
    pub announce: u8,
    /// `arp_accept` (the larger value).
    pub accept: u8,
    /// `arp_filter` (one of both).
    pub filter: bool,
    /// `proxy_arp` (one of both).
    pub proxy: bool,
    /// `proxy_arp_pvlan` (the link's own).
    pub proxy_pvlan: bool,
    /// `drop_gratuitous_arp` (one of both).
    pub drop_gratuitous: bool,
    /// `route_localnet` (one of both).
    pub route_localnet: bool,
    /// `forwarding` (the link's own).
    pub forwarding: bool,
    /// `medium_id` (the link's own).
    pub medium_id: i32,
    /// True if `proxy_delay` is zero.
    pub proxy_at_once: bool,
}

/// Where a packet from the asker to the asked address would go. `ip_route_input`, as far as ARP looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InputRoute {
    /// Type of the route.
    pub kind: RouteType,
    /// The link it leaves through.
    pub dev: IfIndex,
}

/// What a received ARP packet is judged by. The questions are asked only where the kernel asks them.
pub trait ArpContext {
    /// The settings of the receiving link.
    fn conf(&self) -> ArpConf;
    /// The receiving link.
    fn dev(&self) -> IfIndex;
    /// The addresses of the receiving link (`any_link` false) or of all links.
    fn addresses(&self, any_link: bool) -> impl Iterator<Item = IfaceAddr>;
    /// The type of an address in table `local`. `inet_addr_type_dev_table`.
    fn addr_type(&self, addr: Ipv4Addr) -> RouteType;
    /// The route of a packet from `src` to `dst` that came in through this link; `None`: it would be refused
    /// (no route, martian source, reverse path filter).
    fn route_input(&self, dst: Ipv4Addr, src: Ipv4Addr) -> Option<InputRoute>;
    /// The link through which a packet from `src` to `dst` made here would leave. For `arp_filter`.
    fn route_output(&self, dst: Ipv4Addr, src: Ipv4Addr) -> Option<IfIndex>;
    /// `medium_id` of another link.
    fn medium_id_of(&self, dev: IfIndex) -> i32;
    /// True if there is a proxy entry for this address on the receiving link or on all.
    fn is_proxy(&self, addr: Ipv4Addr) -> bool;
    /// True if the table has an entry for this address on the receiving link.
    fn is_known(&self, addr: Ipv4Addr) -> bool;
    /// True if that entry changed longer than `locktime` ago.
    fn lock_time_is_over(&self, addr: Ipv4Addr) -> bool;
}

/// News for the table. [`super::NeighTable::learn`] takes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Learn {
    /// The neighbour.
    pub addr: Ipv4Addr,
    /// Its link-layer address.
    pub lladdr: MacAddr,
    /// REACHABLE if it answered us, else STALE.
    pub state: Nud,
    /// The address replaces another one.
    pub override_address: bool,
    /// An entry is made if there is none.
    pub create: bool,
}

/// Why an ARP packet has no consequences.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ignored {
    /// Neither request nor reply.
    Operation,
    /// The address asked for is a multicast or loopback address.
    BadTarget,
    /// Gratuitous, and `drop_gratuitous_arp` is set.
    Gratuitous,
    /// `arp_ignore` forbids the answer.
    ArpIgnore,
    /// `arp_filter`: the answer would leave through another link.
    ArpFilter,
    /// Nobody here knows the sender, and the packet is not for us.
    Unconcerned,
}

/// What a received ARP packet does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// The sender is learnt (if given), then answered. If the table has no room for it, nothing is answered.
    Reply {
        /// What to learn first; nothing for a duplicate address probe.
        learn: Option<Learn>,
        /// The answer is for an address of somebody else.
        proxied: bool,
    },
    /// The sender is learnt; the answer goes out after a random time below `proxy_delay` (if fewer than `proxy_qlen`
    /// wait): then the packet is judged again with `redone` set.
    ReplyLater {
        /// What to learn now.
        learn: Learn,
    },
    /// The sender is learnt, no answer.
    Learn(Learn),
    /// Nothing.
    Ignore(Ignored),
}

/// Judges a well-formed ARP packet for this host. `arp_process`; `arp_rcv` has dropped packets for other hosts and
/// those on links without ARP.
///
/// `to_host`: the frame was addressed to this host's own address (`PACKET_HOST`). `redone`: it waited in the proxy
/// queue before.
pub fn process(arp: &ArpPacket, to_host: bool, redone: bool, cx: &impl ArpContext) -> Decision {
    let (sip, tip, sha) = (arp.sender_ip(), arp.target_ip(), arp.sha);
    let (conf, op) = (cx.conf(), arp.op.get());
    if op != ARPOP_REQUEST && op != ARPOP_REPLY {
        return Decision::Ignore(Ignored::Operation);
    }
    if tip.is_multicast() || (tip.is_loopback() && !conf.route_localnet) {
        return Decision::Ignore(Ignored::BadTarget);
    }
    if sip == tip && conf.drop_gratuitous {
        return Decision::Ignore(Ignored::Gratuitous);
    }
    if sip.is_unspecified() {
        return duplicate_probe(op, tip, cx);
    }
    if op == ARPOP_REQUEST
        && let Some(route) = cx.route_input(tip, sip)
    {
        // Who asks is learnt, stale: nobody has proved that packets reach it.
        let learn = Learn { addr: sip, lladdr: sha, state: Nud::STALE, override_address: true, create: true };
        if route.kind == RouteType::Local {
            return match refuses(sip, tip, cx) {
                Some(why) => Decision::Ignore(why),
                None => Decision::Reply { learn: Some(learn), proxied: false },
            };
        }
        if conf.forwarding && route.kind == RouteType::Unicast && answers_for_others(sip, tip, route.dev, cx) {
            return if redone || to_host || conf.proxy_at_once {
                Decision::Reply { learn: Some(learn), proxied: true }
            } else {
                Decision::ReplyLater { learn }
            };
        }
    }
    news(arp, to_host, cx)
}

/// The sender has no address yet and asks whether somebody has the one it wants (RFC 5227; RFC 2131).
fn duplicate_probe(op: u16, tip: Ipv4Addr, cx: &impl ArpContext) -> Decision {
    if op != ARPOP_REQUEST || cx.addr_type(tip) != RouteType::Local {
        return Decision::Ignore(Ignored::Unconcerned);
    }
    if ignores(Ipv4Addr::UNSPECIFIED, tip, cx) {
        return Decision::Ignore(Ignored::ArpIgnore);
    }
    Decision::Reply { learn: None, proxied: false }
}

/// Why an own address is not told.
fn refuses(sip: Ipv4Addr, tip: Ipv4Addr, cx: &impl ArpContext) -> Option<Ignored> {
    if ignores(sip, tip, cx) {
        return Some(Ignored::ArpIgnore);
    }
    (cx.conf().filter && cx.route_output(sip, tip) != Some(cx.dev())).then_some(Ignored::ArpFilter)
}

/// `arp_ignore`.
fn ignores(sip: Ipv4Addr, tip: Ipv4Addr, cx: &impl ArpContext) -> bool {
    let (peer, scope, any_link) = match cx.conf().ignore {
        1 => (None, RT_SCOPE_HOST, false),
        2 => (Some(sip), RT_SCOPE_HOST, false),
        3 => (None, RT_SCOPE_LINK, true),
        8 => return true,
        _ => return false,
    };
    !is_confirmed(peer.filter(|peer| !peer.is_unspecified()), tip, scope, any_link, cx)
}

/// Whether `local` is an own address of at most this scope, and an address whose prefix holds it also holds `peer`.
/// `inet_confirm_addr` with a local address given, of one link at a time.
fn is_confirmed(peer: Option<Ipv4Addr>, local: Ipv4Addr, scope: u8, any_link: bool, cx: &impl ArpContext) -> bool {
    // With route_localnet, addresses of scope host count as link. `confirm_addr_indev`.
    let localnet = if cx.conf().route_localnet { RT_SCOPE_LINK } else { RT_SCOPE_HOST };
    let (mut own, mut same) = (false, false);
    for addr in cx.addresses(any_link) {
        own |= addr.local == local && addr.scope.min(localnet) <= scope;
        same |= addr.covers(local) && peer.is_none_or(|peer| addr.covers(peer));
    }
    own && same
}

/// Whether this host answers in the name of `tip`. `arp_fwd_proxy`, `arp_fwd_pvlan`, `pneigh_lookup`.
fn answers_for_others(sip: Ipv4Addr, tip: Ipv4Addr, out: IfIndex, cx: &impl ArpContext) -> bool {
    let conf = cx.conf();
    if out == cx.dev() {
        // A private VLAN: its members reach each other only through us. Nobody is told that its own address is taken.
        return sip != tip && conf.proxy_pvlan;
    }
    let other_medium = || match conf.medium_id {
        0 => true,
        -1 => false,
        own => {
            let other = cx.medium_id_of(out);
            other != own && other != -1
        }
    };
    (conf.proxy && other_medium()) || cx.is_proxy(tip)
}

/// The packet is not for us to answer, but may tell something about its sender. The second half of `arp_process`.
fn news(arp: &ArpPacket, to_host: bool, cx: &impl ArpContext) -> Decision {
    let (sip, tip, op) = (arp.sender_ip(), arp.target_ip(), arp.op.get());
    let accepts = match cx.conf().accept {
        0 => false,
        1 => true,
        // Only senders in the prefix of one of the link's own addresses.
        _ => cx.addresses(false).any(|addr| addr.covers(sip)),
    };
    let known = cx.is_known(sip);
    if !known && !accepts {
        return Decision::Ignore(Ignored::Unconcerned);
    }
    let gratuitous = sip == tip && (op != ARPOP_REPLY || arp.tha == arp.sha) && cx.addr_type(sip) == RouteType::Unicast;
    let create = !known && (gratuitous || (op == ARPOP_REPLY && cx.addr_type(sip) == RouteType::Unicast));
    if !known && !create {
        return Decision::Ignore(Ignored::Unconcerned);
    }
    // A request, or an answer to all, does not prove that the sender hears us.
    let state = if op == ARPOP_REPLY && to_host { Nud::REACHABLE } else { Nud::STALE };
    // Of several answers in a row the first one counts. An entry made just now has not passed its lock time either.
    let override_address = gratuitous || (known && cx.lock_time_is_over(sip));
    Decision::Learn(Learn { addr: sip, lladdr: arp.sha, state, override_address, create })
}

/// What [`solicit_source`] needs to know.
pub trait SolicitContext {
    /// `arp_announce` (the larger value).
    fn announce(&self) -> u8;
    /// True if the address is in table `local`. `inet_addr_type_dev_table() == RTN_LOCAL`.
    fn is_local(&self, addr: Ipv4Addr) -> bool;
    /// The addresses of the link.
    fn addresses(&self) -> impl Iterator<Item = IfaceAddr>;
    /// The address this host would choose towards `target` on the link. `inet_select_addr(dev, target, RT_SCOPE_LINK)`.
    fn select(&self, target: Ipv4Addr) -> Ipv4Addr;
}

/// The source address of a request for `target`, because of a packet from `packet_src` (if one waits). `arp_solicit`.
pub fn solicit_source(target: Ipv4Addr, packet_src: Option<Ipv4Addr>, cx: &impl SolicitContext) -> Ipv4Addr {
    let own = packet_src.filter(|src| cx.is_local(*src));
    let announced = match cx.announce() {
        // Any own address.
        0 => own,
        // One that the target can know. `inet_addr_onlink`.
        1 => own.filter(|src| cx.addresses().any(|addr| addr.covers(target) && addr.covers(*src))),
        // The best one of the link.
        2 => None,
        _ => own,
    };
    announced.unwrap_or_else(|| cx.select(target))
}

/// What is known of a link when an entry is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkLayer {
    /// It has link-layer headers at all (a tunnel has not).
    pub has_header: bool,
    /// `IFF_NOARP` or `IFF_LOOPBACK`.
    pub noarp: bool,
    /// `IFF_POINTOPOINT`.
    pub point_to_point: bool,
    /// The own address.
    pub address: MacAddr,
    /// The broadcast address.
    pub broadcast: MacAddr,
}

/// State and address of a new entry: what needs no ARP is known at once. `arp_constructor`.
pub fn constructor(addr: Ipv4Addr, kind: RouteType, link: &LinkLayer) -> Initial {
    let known = |lladdr| Initial { state: Nud::NOARP, lladdr };
    if !link.has_header {
        known(MacAddr::ZERO)
    } else if kind == RouteType::Multicast {
        known(MacAddr::multicast_ipv4(addr))
    } else if link.noarp {
        known(link.address)
    } else if kind == RouteType::Broadcast || link.point_to_point {
        known(link.broadcast)
    } else {
        Initial::default()
    }
}

#[cfg(test)]
mod tests;
