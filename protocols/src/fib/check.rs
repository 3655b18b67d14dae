//! What the kernel demands of a new route: `fib_create_info`, `fib_check_nh`, `fib_valid_prefsrc`.

use super::error::RouteError;
use super::route::*;
use super::{Fib, Flow};
use core::net::Ipv4Addr;
use hopwise_sim_core::IfIndex;

/// What must be known about links to check a route.
pub trait LinkFacts {
    /// True if the link exists. `__dev_get_by_index`.
    fn exists(&self, dev: IfIndex) -> bool;
    /// True if it is administratively up. `IFF_UP`.
    fn is_up(&self, dev: IfIndex) -> bool;
    /// True if it has a carrier. `netif_carrier_ok`.
    fn has_carrier(&self, dev: IfIndex) -> bool;
    /// The table of the VRF that the link is, or belongs to; 0: none. `l3mdev_fib_table`.
    fn l3mdev_table(&self, dev: IfIndex) -> u32;
}

/// Checks a route for this table and fills in what follows from the check: the link and scope of each next hop, and
/// who has no carrier. The part of `fib_create_info` after the netlink attributes were read.
///
/// # Errors
/// What Linux 6.18 says, in its order.
pub fn check(fib: &Fib, table: u32, route: &mut Route, links: &impl LinkFacts) -> Result<(), RouteError> {
    if route.kind.widest_scope() > route.scope {
        return Err(RouteError::InvalidScope);
    }
    let state = NhFlags::DEAD | NhFlags::LINKDOWN;
    if route.flags.intersects(state) || route.nexthops.iter().any(|nh| nh.flags.intersects(state)) {
        return Err(RouteError::StateFlags);
    }
    if route.kind.is_error() {
        let empty = route.nexthops.iter().all(|nh| nh.via.is_none() && !nh.dev.is_some());
        route.nexthops.clear();
        return if empty { Ok(()) } else { Err(RouteError::UnwantedNexthop) };
    }
    if route.scope > RT_SCOPE_HOST {
        return Err(RouteError::InvalidScope);
    }
    if route.nexthops.is_empty() {
        return Err(RouteError::NoDevice);
    }
    if route.scope == RT_SCOPE_HOST {
        check_host_scope(route, links)?;
    } else {
        for nh in &mut route.nexthops {
            check_nexthop(fib, table, route.scope, nh, links)?;
        }
    }
    if route.nexthops.iter().all(|nh| nh.flags.contains(NhFlags::LINKDOWN)) {
        route.flags |= NhFlags::LINKDOWN;
    }
    check_prefsrc(fib, table, route)
}

/// A route to this host: one link, no gateway.
fn check_host_scope(route: &mut Route, links: &impl LinkFacts) -> Result<(), RouteError> {
    let [nh] = route.nexthops.as_mut_slice() else { return Err(RouteError::HostScopeMultipath) };
    if nh.via.is_some() {
        return Err(RouteError::HostScopeGateway);
    }
    nh.scope = RT_SCOPE_NOWHERE;
    if links.exists(nh.dev) { Ok(()) } else { Err(RouteError::NoDevice) }
}

/// `fib_check_nh`.
fn check_nexthop(fib: &Fib, table: u32, scope: u8, nh: &mut NextHop, links: &impl LinkFacts) -> Result<(), RouteError> {
    match nh.via {
        None => check_without_gateway(nh, links)?,
        Some(gateway) if nh.flags.contains(NhFlags::ONLINK) => check_onlink(fib, scope, gateway, nh, links)?,
        Some(gateway) => check_gateway(fib, table, scope, gateway, nh, links)?,
    }
    if !links.has_carrier(nh.dev) {
        nh.flags |= NhFlags::LINKDOWN;
    }
    Ok(())
}

/// `fib_check_nh_nongw`.
fn check_without_gateway(nh: &mut NextHop, links: &impl LinkFacts) -> Result<(), RouteError> {
    if nh.flags.intersects(NhFlags::PERVASIVE | NhFlags::ONLINK) {
        return Err(RouteError::OnlinkWithoutGateway);
    }
    if !links.exists(nh.dev) {
        return Err(RouteError::NoDevice);
    }
    if !links.is_up(nh.dev) {
        return Err(RouteError::DeviceDown);
    }
    nh.scope = RT_SCOPE_HOST;
    Ok(())
}

/// `fib_check_nh_v4_gw`, the half for `onlink`.
fn check_onlink(
    fib: &Fib,
    scope: u8,
    gateway: Ipv4Addr,
    nh: &mut NextHop,
    links: &impl LinkFacts,
) -> Result<(), RouteError> {
    if scope >= RT_SCOPE_LINK {
        return Err(RouteError::InvalidNexthopScope);
    }
    if !links.exists(nh.dev) {
        return Err(RouteError::OnlinkWithoutDevice);
    }
    if !links.is_up(nh.dev) {
        return Err(RouteError::OnlinkDeviceDown);
    }
    if fib.addr_type(gateway, None, RT_TABLE_LOCAL) != RouteType::Unicast {
        return Err(RouteError::InvalidGateway);
    }
    nh.scope = RT_SCOPE_LINK;
    Ok(())
}

/// `fib_check_nh_v4_gw`, the other half: the gateway must be found by a route that leads nearer than the new one.
fn check_gateway(
    fib: &Fib,
    table: u32,
    scope: u8,
    gateway: Ipv4Addr,
    nh: &mut NextHop,
    links: &impl LinkFacts,
) -> Result<(), RouteError> {
    let flow = Flow {
        dst: gateway,
        scope: (scope + 1).max(RT_SCOPE_LINK),
        oif: nh.dev,
        iif: IfIndex::LO,
        l3mdev: links.l3mdev_table(nh.dev),
        ignore_linkstate: true,
        ..Flow::default()
    };
    let own_table = table != RT_TABLE_UNSPEC && table != RT_TABLE_MAIN && fib.table(table).is_some();
    let found = match own_table.then(|| fib.lookup_table(table, &flow)) {
        Some(Ok(found)) => Ok(found),
        _ => fib.lookup(&flow),
    };
    let found = found.map_err(|_| RouteError::UnreachableGateway)?;
    if !matches!(found.kind(), RouteType::Unicast | RouteType::Local) {
        return Err(RouteError::InvalidGateway);
    }
    nh.scope = found.route.scope;
    nh.dev = found.nexthop.dev;
    if !nh.dev.is_some() {
        return Err(RouteError::NoEgress);
    }
    if links.is_up(nh.dev) { Ok(()) } else { Err(RouteError::GatewayDeviceDown) }
}

/// `fib_valid_prefsrc`: an address of this namespace, or of the table; a local route may name itself.
fn check_prefsrc(fib: &Fib, table: u32, route: &Route) -> Result<(), RouteError> {
    let Some(src) = route.prefsrc else { return Ok(()) };
    let own = route.kind == RouteType::Local && route.dst.addr() == src;
    let table = if table == RT_TABLE_MAIN { RT_TABLE_LOCAL } else { table };
    let local = |table| fib.addr_type(src, None, table) == RouteType::Local;
    if own || local(table) || local(RT_TABLE_LOCAL) { Ok(()) } else { Err(RouteError::InvalidPrefsrc) }
}
