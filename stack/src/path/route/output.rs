//! Where a packet made here goes, and with which source address. Models `ip_route_output_key_hash_rcu`.

use core::net::Ipv4Addr;

use hopwise_protocols::fib::{
    FibErrno, FibResult, Flow, NextHop, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_LOCAL, RouteType,
};
use hopwise_sim_core::{Errno, IfIndex, Time};

use crate::dev::Dev;
use crate::namespace::Namespace;

use super::{Route, RouteKind, received, select_addr, select_nexthop, unicast};
use crate::path::memo::OutputKey;

/// What a locally made packet is routed by (`struct flowi4`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputFlow {
    /// Destination.
    pub dst: Ipv4Addr,
    /// Source, if it is fixed already.
    pub src: Option<Ipv4Addr>,
    /// Whether the source need not be an address of this host (`FLOWI_FLAG_ANYSRC`).
    pub any_src: bool,
    /// The link it must leave through.
    pub oif: IfIndex,
    /// TOS byte.
    pub tos: u8,
    /// Mark.
    pub mark: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// Source and destination port.
    pub ports: (u16, u16),
    /// What else shares flows among next hops: the hash of the packet inside (`flowi4_multipath_hash`).
    pub hash: u32,
}

impl Default for OutputFlow {
    fn default() -> Self {
        OutputFlow {
            dst: Ipv4Addr::UNSPECIFIED,
            src: None,
            any_src: false,
            oif: IfIndex::NONE,
            tos: 0,
            mark: 0,
            protocol: 0,
            ports: (0, 0),
            hash: 0,
        }
    }
}

/// Decides where a packet made here goes, and with which source address. `ip_route_output_key_hash_rcu`.
///
/// Errors: `EINVAL` for sources and destinations that cannot be, `ENETUNREACH` without a route, `EHOSTUNREACH`,
/// `EACCES`, `EINVAL` by the routes that refuse, `ENODEV`, `ENETDOWN`.
pub fn route_output(ns: &Namespace, now: Time, flow: &OutputFlow) -> Result<Route, Errno> {
    decide(ns, now, flow).map(|(route, _)| route)
}

/// The same, remembered for the next packet with the same ends: what a tunnel asks for each of its packets (`dst_cache_get`).
/// `hash`: [`OutputFlow::hash`], which need be known only when it is decided anew. The route is written to `route`.
///
/// # Errors
/// As [`route_output`]'s.
#[inline]
pub fn route_output_again(
    ns: &mut Namespace,
    now: Time,
    flow: &OutputFlow,
    hash: impl FnOnce() -> u32,
    route: &mut Route,
) -> Result<(), Errno> {
    let key = OutputKey { dst: flow.dst, src: flow.src, any_src: flow.any_src, oif: flow.oif, tos: flow.tos };
    match ns.memo.output.get(now, &key) {
        Some(known) if !ns.fib.has_custom_rules() => *route = *known,
        _ => *route = decide_and_keep(ns, now, key, &OutputFlow { hash: hash(), ..*flow })?,
    }
    Ok(())
}

#[cold]
fn decide_and_keep(ns: &mut Namespace, now: Time, key: OutputKey, flow: &OutputFlow) -> Result<Route, Errno> {
    let (route, shared) = decide(ns, now, flow)?;
    if !shared && !ns.fib.has_custom_rules() {
        let until = ns.pmtu.known_until(now, (flow.dst, route.table));
        ns.memo.output.put(key, route, until);
    }
    Ok(route)
}

/// The decision, and whether flows are shared among several next hops: then it is not that of another flow.
fn decide(ns: &Namespace, now: Time, flow: &OutputFlow) -> Result<(Route, bool), Errno> {
    if let Some(src) = flow.src
        && (src.is_multicast() || src.is_broadcast() || src.octets()[0] == 0)
    {
        return Err(Errno::EINVAL);
    }
    if let Some(src) = flow.src
        && !flow.oif.is_some()
        && !flow.any_src
        && !ns.is_own(src)
        && ns.fib.addr_type(src, None, RT_TABLE_LOCAL) != RouteType::Local
    {
        return Err(Errno::ENETUNREACH);
    }
    if flow.oif.is_some() {
        let dev = ns.devs.get(flow.oif).ok_or(Errno::ENODEV)?;
        if !dev.is_up() {
            return Err(Errno::ENETUNREACH);
        }
        if flow.dst.is_multicast() || flow.dst.is_broadcast() {
            return Ok((group_route(ns, flow, dev), false));
        }
    }
    // 0.0.0.0 means this host itself.
    let dst = match (flow.dst.is_unspecified(), flow.src) {
        (true, Some(src)) => src,
        (true, None) => Ipv4Addr::LOCALHOST,
        (false, _) => flow.dst,
    };
    let query = Flow {
        dst,
        src: flow.src.unwrap_or(Ipv4Addr::UNSPECIFIED),
        tos: flow.tos,
        mark: flow.mark,
        oif: flow.oif,
        proto: flow.protocol,
        sport: flow.ports.0,
        dport: flow.ports.1,
        hash: flow.hash,
        ..Flow::default()
    };
    match ns.fib_lookup(&query) {
        Ok(found) => {
            let route = output_route(ns, now, flow, dst, &query, &found)?;
            Ok((route, found.route.nexthops.len() > 1))
        }
        // Nobody said how, but which link is known: the destination is taken to be on it.
        Err(why) if flow.oif.is_some() && why.errno() == FibErrno::NetUnreach && ns.l3mdev(flow.oif).is_none() => {
            let dev = ns.devs.get(flow.oif).ok_or(Errno::ENODEV)?;
            let src = flow.src.or_else(|| select_addr(ns, Some(dev), Ipv4Addr::UNSPECIFIED, RT_SCOPE_LINK));
            let route = Route { src: src.unwrap_or(Ipv4Addr::UNSPECIFIED), ..on_link(RouteKind::Unicast, dev, dst) };
            Ok((route, false))
        }
        Err(why) => Err(errno(why.errno())),
    }
}

/// The error number of a failed lookup.
pub const fn errno(why: FibErrno) -> Errno {
    match why {
        FibErrno::NetUnreach => Errno::ENETUNREACH,
        FibErrno::HostUnreach => Errno::EHOSTUNREACH,
        FibErrno::Access => Errno::EACCES,
        FibErrno::Invalid => Errno::EINVAL,
    }
}

fn output_route(
    ns: &Namespace,
    now: Time,
    flow: &OutputFlow,
    dst: Ipv4Addr,
    query: &Flow,
    found: &FibResult<'_>,
) -> Result<Route, Errno> {
    if found.kind() == RouteType::Local {
        let src = flow.src.or(found.route.prefsrc).unwrap_or(dst);
        // A VRF is the loopback of its links.
        let lo = ns.l3mdev(found.nexthop.dev).map_or(IfIndex::LO, |(vrf, _)| vrf);
        let lo = ns.devs.get(lo).ok_or(Errno::ENODEV)?;
        let base = received(RouteKind::Local, lo, dst, Some(found));
        return Ok(Route { src, ..base });
    }
    let nexthop = select_nexthop(ns, query, found, flow.src);
    let out = ns.devs.get(nexthop.dev).ok_or(Errno::ENODEV)?;
    let src = flow
        .src
        .or_else(|| domain_source(ns, flow.oif, out))
        .unwrap_or_else(|| source_for(ns, found, nexthop, out, dst));
    let kind = match found.kind() {
        RouteType::Broadcast => RouteKind::Broadcast,
        RouteType::Multicast => RouteKind::Multicast,
        _ if dst.is_multicast() => RouteKind::Multicast,
        _ if dst.is_broadcast() => RouteKind::Broadcast,
        _ => RouteKind::Unicast,
    };
    let route = Route { kind, src, ..unicast(ns, now, dst, found, nexthop, out) };
    // What goes to many goes onto the link itself, whatever gateway led to it (`__mkroute_output`).
    let gateway = if kind == RouteKind::Unicast { route.gateway } else { None };
    Ok(Route { gateway, ..route })
}

/// The source address when the way leads out of the VRF that the packet is made in: one of that (`fib_select_path`).
fn domain_source(ns: &Namespace, oif: IfIndex, out: &Dev) -> Option<Ipv4Addr> {
    let (vrf, _) = ns.l3mdev(oif)?;
    if ns.l3mdev_master(out.index) == vrf {
        return None;
    }
    Some(select_addr(ns, ns.devs.get(vrf), Ipv4Addr::UNSPECIFIED, RT_SCOPE_LINK).unwrap_or(Ipv4Addr::UNSPECIFIED))
}

/// The source address that a route implies (`fib_result_prefsrc`, `fib_info_update_nhc_saddr`).
pub(super) fn source_for(
    ns: &Namespace,
    found: &FibResult<'_>,
    nexthop: &NextHop,
    out: &Dev,
    dst: Ipv4Addr,
) -> Ipv4Addr {
    if let Some(src) = found.route.prefsrc {
        return src;
    }
    let towards = nexthop.gateway().unwrap_or(dst);
    let scope = if found.route.scope == RT_SCOPE_LINK || nexthop.gateway().is_none() {
        RT_SCOPE_LINK
    } else {
        RT_SCOPE_UNIVERSE
    };
    select_addr(ns, Some(out), towards, scope).unwrap_or(Ipv4Addr::UNSPECIFIED)
}

fn group_route(ns: &Namespace, flow: &OutputFlow, dev: &Dev) -> Route {
    let kind = if flow.dst.is_multicast() { RouteKind::Multicast } else { RouteKind::Broadcast };
    let src = flow.src.or_else(|| select_addr(ns, Some(dev), flow.dst, RT_SCOPE_LINK));
    Route { src: src.unwrap_or(Ipv4Addr::UNSPECIFIED), ..on_link(kind, dev, flow.dst) }
}

/// A route without a table: straight onto a link.
fn on_link(kind: RouteKind, dev: &Dev, dst: Ipv4Addr) -> Route {
    Route { kind, ..received(kind, dev, dst, None) }
}
