//! Where a packet goes: [`input`] for those that came in, [`output`] for those made here, and what both share. Models
//! `net/ipv4/route.c` and `inet_select_addr`.

pub mod input;
mod maker;
pub mod output;

use core::net::Ipv4Addr;

use hopwise_protocols::fib::multipath::{self, HashPolicy};
use hopwise_protocols::fib::{
    FibResult, Flow, NextHop, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_LOCAL, RT_TABLE_MAIN, RTAX_MTU,
    RouteType,
};
use hopwise_protocols::wire::{ipv4, split};
use hopwise_sim_core::{IfIndex, Packet, Time};

use crate::conf::ConfKey;
use crate::dev::Dev;
use crate::namespace::Namespace;
use crate::sysctl::SysctlKey;

pub use input::{Refusal, decide_input, lookup_input, route_input};
pub use maker::no_route;
pub use output::{OutputFlow, errno, route_output, route_output_again};

/// What sort of destination a route leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteKind {
    /// To one host, over a gateway or straight.
    Unicast,
    /// To this host.
    Local,
    /// To all on a link.
    Broadcast,
    /// To a group.
    Multicast,
}

/// A decided route (`struct rtable`), small enough to be passed along by value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Sort of destination.
    pub kind: RouteKind,
    /// The link to leave through ([`IfIndex::LO`] for local packets made here, the incoming link for received ones).
    pub oif: IfIndex,
    /// The gateway, if there is one.
    pub gateway: Option<Ipv4Addr>,
    /// Source address for packets that have none yet.
    pub src: Ipv4Addr,
    /// The largest packet, in bytes from the IPv4 header on.
    pub mtu: u32,
    /// Whether the MTU must not be lowered by what is learned.
    pub mtu_locked: bool,
    /// Whether the sender should be told of a better way.
    pub redirect: bool,
    /// Table that answered.
    pub table: u32,
    /// Rule that led to it (`u32::MAX`: only default rules exist).
    pub rule: u32,
    /// Prefix that matched.
    pub prefix: (Ipv4Addr, u8),
}

impl Route {
    /// Nothing is decided yet: a place to write a decision to, as routes are large.
    pub const UNDECIDED: Route = Route {
        kind: RouteKind::Local,
        oif: IfIndex::NONE,
        gateway: None,
        src: Ipv4Addr::UNSPECIFIED,
        mtu: 0,
        mtu_locked: false,
        redirect: false,
        table: RT_TABLE_LOCAL,
        rule: u32::MAX,
        prefix: (Ipv4Addr::UNSPECIFIED, 0),
    };
}

/// Where a received packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputRoute {
    /// To this host.
    Local(Route),
    /// On, through another link.
    Forward(Route),
}

impl InputRoute {
    /// Nothing is decided yet.
    pub const UNDECIDED: InputRoute = InputRoute::Local(Route::UNDECIDED);

    /// The route itself.
    #[inline]
    pub const fn route(&self) -> &Route {
        let (InputRoute::Local(route) | InputRoute::Forward(route)) = self;
        route
    }

    /// The kind of destination.
    pub const fn kind(&self) -> RouteKind {
        self.route().kind
    }
}

/// The route of a packet that ends here.
fn received(kind: RouteKind, dev: &Dev, dst: Ipv4Addr, found: Option<&FibResult<'_>>) -> Route {
    Route {
        kind,
        oif: dev.index,
        gateway: None,
        src: dst,
        mtu: dev.mtu,
        mtu_locked: false,
        redirect: false,
        table: found.map_or(RT_TABLE_LOCAL, |f| f.table),
        rule: found.and_then(|f| f.rule).unwrap_or(u32::MAX),
        prefix: found.map_or((dst, 32), |f| (f.prefix().addr(), f.prefix().prefix_len())),
    }
}

/// The next hop of a route, chosen by the flow's hash if there are several. `fib_select_path`.
#[inline]
fn select_nexthop<'a>(ns: &Namespace, flow: &Flow, found: &FibResult<'a>, preferred: Option<Ipv4Addr>) -> &'a NextHop {
    if found.route.nexthops.len() < 2 {
        return found.nexthop;
    }
    let policy =
        if ns.sysctl[SysctlKey::FibMultipathHashPolicy] == 1 { HashPolicy::Layer4 } else { HashPolicy::Layer3 };
    let hash = multipath::hash(flow, policy, ns.hash_seed);
    let own = |nh: &NextHop| {
        preferred.is_some_and(|src| ns.devs.get(nh.dev).is_some_and(|d| d.inet.addrs.iter().any(|a| a.local == src)))
    };
    multipath::select(found.route, hash, own).unwrap_or(found.nexthop)
}

/// Puts a unicast route together: MTU of the route, the link, or what was learned for the destination.
#[inline]
fn unicast(ns: &Namespace, now: Time, dst: Ipv4Addr, found: &FibResult<'_>, nexthop: &NextHop, out: &Dev) -> Route {
    let route = found.route;
    let fixed = if route.metrics.is_some() { route.rtax(RTAX_MTU) } else { 0 };
    let locked = fixed != 0 && route.metrics.as_ref().is_some_and(|m| m.is_locked(RTAX_MTU));
    let mut mtu = if fixed != 0 { fixed.min(ipv4::IP_MAX_LEN as u32) } else { out.mtu };
    let mut gateway = nexthop.gateway();
    if !ns.pmtu.is_empty()
        && let Some(learned) = ns.pmtu.lookup(now, (dst, found.table))
    {
        if !locked && let Some(pmtu) = learned.mtu {
            mtu = mtu.min(pmtu);
        }
        gateway = learned.gateway.or(gateway);
    }
    Route {
        kind: RouteKind::Unicast,
        oif: out.index,
        gateway,
        src: Ipv4Addr::UNSPECIFIED,
        mtu,
        mtu_locked: locked,
        redirect: false,
        table: found.table,
        rule: found.rule.unwrap_or(u32::MAX),
        prefix: (route.dst.addr(), route.dst.prefix_len()),
    }
}

/// An address of this host to speak from: of `dev` if it has a fitting one, else of any link. `inet_select_addr`.
///
/// `towards`: an address in whose subnet ours should be; `scope`: how near (numerically at most) it may be.
pub fn select_addr(ns: &Namespace, dev: Option<&Dev>, towards: Ipv4Addr, scope: u8) -> Option<Ipv4Addr> {
    if let Some(dev) = dev {
        let usable = || dev.inet.addrs.iter().filter(|a| !a.secondary && a.scope.min(RT_SCOPE_HOST) <= scope);
        let near = usable().find(|a| towards.is_unspecified() || a.covers(towards));
        if let Some(addr) = near.or_else(|| usable().next()) {
            return Some(addr.local);
        }
    }
    // No address on that link: that of its VRF, or any address of this host, or of the VRF, that may be shown outside.
    let vrf = dev.map_or(IfIndex::NONE, |dev| ns.l3mdev_master(dev.index));
    if let Some(master) = ns.devs.get(vrf).filter(|_| vrf.is_some())
        && let Some(addr) =
            master.inet.addrs.iter().find(|a| !a.secondary && a.scope != RT_SCOPE_LINK && a.scope <= scope)
    {
        return Some(addr.local);
    }
    ns.devs
        .iter()
        .filter(|d| ns.vrfs == 0 || ns.l3mdev_master(d.index) == vrf)
        .filter(|d| dev.is_none_or(|own| d.index != own.index))
        .flat_map(|d| d.inet.addrs.iter())
        .find(|a| !a.secondary && a.scope != RT_SCOPE_LINK && a.scope <= scope)
        .map(|a| a.local)
}

/// Whether an address is the broadcast address of one of this host's subnets.
pub fn is_broadcast(ns: &Namespace, addr: Ipv4Addr) -> bool {
    ns.fib.addr_type(addr, None, RT_TABLE_LOCAL) == RouteType::Broadcast
}

/// The address by which the sender of a packet should know this host: the one it was sent to, or, if it was sent to many
/// or to somebody else, the one that packets back to the sender get. `fib_compute_spec_dst`.
pub fn specific_destination(ns: &Namespace, kind: RouteKind, packet: &Packet) -> Option<Ipv4Addr> {
    let (header, _) = split::<ipv4::Header>(packet.data()).ok()?;
    if kind == RouteKind::Local {
        return Some(header.dst());
    }
    let dev = ns.devs.get(packet.iif)?;
    let src = header.src();
    if src.octets()[0] == 0 {
        return select_addr(ns, Some(dev), src, RT_SCOPE_LINK);
    }
    let mark = if ns.conf_or(dev, ConfKey::SrcValidMark) { packet.mark } else { 0 };
    let l3mdev = ns.l3mdev(packet.iif).map_or(0, |(_, table)| table);
    let back = Flow { dst: src, tos: header.tos, mark, iif: IfIndex::LO, l3mdev, ..Flow::default() };
    match ns.fib_lookup(&back) {
        Ok(found) => result_source(ns, &found, src),
        Err(_) => select_addr(ns, Some(dev), src, RT_SCOPE_UNIVERSE),
    }
}

/// The address that a forwarded packet would have if it were made here. `ip_rt_get_source`.
pub fn forwarding_source(ns: &Namespace, route: &Route, packet: &Packet) -> Option<Ipv4Addr> {
    let (header, _) = split::<ipv4::Header>(packet.data()).ok()?;
    let (src, dst) = (header.src(), header.dst());
    let flow =
        Flow { dst, src, tos: header.tos, mark: packet.mark, oif: route.oif, iif: packet.iif, ..Flow::default() };
    match ns.fib_lookup(&flow) {
        Ok(found) => result_source(ns, &found, dst),
        Err(_) => select_addr(ns, ns.devs.get(route.oif), route.gateway.unwrap_or(dst), RT_SCOPE_UNIVERSE),
    }
}

/// `fib_result_prefsrc`.
fn result_source(ns: &Namespace, found: &FibResult<'_>, dst: Ipv4Addr) -> Option<Ipv4Addr> {
    Some(output::source_for(ns, found, found.nexthop, ns.devs.get(found.nexthop.dev)?, dst))
}

/// Remembers the MTU that an ICMP error told for a destination. `__ip_rt_update_pmtu`.
pub fn learn_path_mtu(ns: &mut Namespace, now: Time, dst: Ipv4Addr, oif: IfIndex, mtu: u32) {
    let (min, expires) = (ns.sysctl[SysctlKey::MinPmtu], ns.sysctl[SysctlKey::MtuExpires]);
    let lasts = core::time::Duration::from_secs(expires.unsigned_abs());
    // A tunnel says the same again with each packet: where no other table is asked, that needs no lookup.
    let table = ns.l3mdev(oif).map_or(RT_TABLE_MAIN, |(_, table)| table);
    if ns.pmtu.is_fresh(now, (dst, table), mtu, lasts) {
        return;
    }
    let Ok(route) = route_output(ns, now, &OutputFlow { dst, oif, ..OutputFlow::default() }) else { return };
    if route.mtu_locked || route.kind != RouteKind::Unicast {
        return;
    }
    if ns.pmtu.learn_mtu(now, (dst, route.table), mtu, route.mtu, min as u32, lasts) {
        ns.memo.forget();
    }
}
