//! The kernel as the daemon sees it: links and foreign routes in, own routes out (`sysdep/linux/netlink.c`).

use std::sync::Arc;

use hopwise_devices::LinkFlags;
use hopwise_machine::Sys;
use hopwise_protocols::fib::{self, Insert, NextHop, NhFlags, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RouteSpec, RouteType};
use hopwise_routing::bird::daemon::{Iface, IfaceAddr, KernelRoute, RTPROT_BIRD};
use hopwise_routing::bird::route::{self, Dest, Krt, Route, Source};
use hopwise_sim_core::{IfIndex, OriginId};
use hopwise_stack::Namespace;
use ipnet::Ipv4Net;

use crate::kernel::SimKernel;

/// The links of the caller's namespace.
pub(super) fn links(sys: &Sys<'_, SimKernel>) -> Vec<Iface> {
    let Some(space) = sys.kernel.net.ns(sys.ns()) else { return Vec::new() };
    let mut links: Vec<Iface> = space.devs.iter().map(|dev| link(space, dev)).collect();
    links.sort_by_key(|link| link.index);
    links
}

fn link(space: &Namespace, dev: &hopwise_stack::Dev) -> Iface {
    let addr = |a: &hopwise_stack::IfAddr| {
        let net = Ipv4Net::new(a.peer, a.prefix_len).ok()?.trunc();
        Some(IfaceAddr { ip: a.local, net, peer: (a.peer != a.local).then_some(a.peer) })
    };
    Iface {
        index: dev.index.0,
        name: (&*dev.name).into(),
        up: dev.is_up(),
        link: dev.is_up() && dev.carrier,
        loopback: dev.flags.contains(LinkFlags::LOOPBACK),
        point_to_point: dev.flags.contains(LinkFlags::POINTOPOINT),
        mtu: dev.mtu,
        master: dev.master.is_some().then(|| space.name_of(dev.master).into()),
        addrs: dev.inet.addrs.iter().filter_map(|a| addr(a)).collect(),
    }
}

/// The routes of the caller's namespace.
pub(super) fn routes(sys: &Sys<'_, SimKernel>) -> Vec<KernelRoute> {
    let Some(space) = sys.kernel.net.ns(sys.ns()) else { return Vec::new() };
    let kernel: Arc<str> = "".into();
    let mut found = Vec::new();
    for table in space.fib.tables() {
        for route in table.iter() {
            let Some(dest) = destination(route.kind) else { continue };
            let mut learned = Route::new(route.dst, 0, kernel.clone(), Source::Inherit);
            learned.dest = dest;
            learned.krt = Krt { source: Some(route.proto.into()), metric: Some(route.metric), prefsrc: route.prefsrc };
            learned.nexthops = route.nexthops.iter().map(|hop| next_hop(space, hop)).collect();
            found.push(KernelRoute { route: learned, table: table.id() });
        }
    }
    found
}

fn destination(kind: RouteType) -> Option<Dest> {
    Some(match kind {
        RouteType::Unicast => Dest::Unicast,
        RouteType::Blackhole => Dest::Blackhole,
        RouteType::Unreachable => Dest::Unreachable,
        RouteType::Prohibit => Dest::Prohibit,
        _ => return None,
    })
}

fn next_hop(space: &Namespace, hop: &NextHop) -> route::NextHop {
    let onlink = hop.flags.contains(NhFlags::ONLINK);
    let weight = hop.weight.saturating_sub(1) as u8;
    route::NextHop { gateway: hop.via, iface: hop.dev.0, name: space.name_of(hop.dev).into(), weight, onlink }
}

/// Puts a route into a table of the kernel, in place of the own one; `None` takes that away. The error is for the log.
pub(super) fn install(
    sys: &mut Sys<'_, SimKernel>,
    table: u32,
    metric: u32,
    net: Ipv4Net,
    route: Option<(&Route, OriginId)>,
) -> Result<(), String> {
    let ns = sys.ns();
    let spec = RouteSpec { metric, proto: RTPROT_BIRD as u8, ..RouteSpec::new(net) };
    let Some((route, origin)) = route else {
        // The kernel may have taken it away with its link.
        let _ = sys.kernel.net.route_del(ns, table, &spec);
        return Ok(());
    };
    let mut made = build(route, metric, net);
    made.origin = origin;
    if let (Some(tunnel), Dest::Unicast) = (&route.tunnel, route.dest) {
        let link = sys.kernel.net.ns(ns).and_then(|space| space.devs.index_of(tunnel));
        let link = link.ok_or_else(|| format!("Netlink: {}", hopwise_sim_core::Errno::ENODEV))?;
        made.nexthops = core::iter::once(through(link, route)).collect();
        made.scope = RT_SCOPE_UNIVERSE;
    }
    let failed = |error: hopwise_stack::NlError| format!("Netlink: {}", error.errno);
    sys.kernel.net.route_add(ns, table, made, Insert::REPLACE_ROUTE).map(|_| ()).map_err(failed)
}

fn build(route: &Route, metric: u32, net: Ipv4Net) -> fib::Route {
    let mut made = fib::Route::new(net);
    made.proto = RTPROT_BIRD as u8;
    made.metric = metric;
    made.prefsrc = route.krt.prefsrc;
    made.kind = match route.dest {
        Dest::Unicast => RouteType::Unicast,
        Dest::Blackhole => RouteType::Blackhole,
        Dest::Unreachable => RouteType::Unreachable,
        Dest::Prohibit => RouteType::Prohibit,
    };
    if route.dest == Dest::Unicast {
        made.nexthops = route.nexthops.iter().map(kernel_hop).collect();
        let on_link = route.nexthops.iter().all(|hop| hop.gateway.is_none());
        made.scope = if on_link { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE };
    }
    made
}

/// The way through a tunnel (`krt_tunnel` of Calico's BIRD): the gateway is the BGP next hop, wherever it is.
fn through(tunnel: IfIndex, route: &Route) -> NextHop {
    let gateway = route.attrs.next_hop.or_else(|| route.nexthops.first()?.gateway);
    let mut made = NextHop::new(gateway, tunnel);
    made.flags |= NhFlags::ONLINK;
    made
}

fn kernel_hop(hop: &route::NextHop) -> NextHop {
    let mut made = NextHop::new(hop.gateway, IfIndex(hop.iface));
    made.weight = u16::from(hop.weight) + 1;
    if hop.onlink {
        made.flags |= NhFlags::ONLINK;
    }
    made
}
