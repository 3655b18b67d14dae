//! The routes that openvpn makes and takes back: `route.c` of openvpn.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route, RouteSpec};
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::path::route::OutputFlow;

use super::log::Log;
use super::options::Options;
use crate::kernel::SimKernel;

/// A change of the routing table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Change {
    add: bool,
    dst: (Ipv4Addr, u8),
    gateway: Ipv4Addr,
    metric: Option<u32>,
}

impl Change {
    const fn new(dst: (Ipv4Addr, u8), gateway: Ipv4Addr) -> Self {
        Change { add: true, dst, gateway, metric: None }
    }

    /// What takes it back.
    const fn undone(self) -> Self {
        Change { add: !self.add, ..self }
    }

    fn carry_out(self, sys: &mut Sys<'_, SimKernel>, log: &mut Log) {
        let (ns, (network, len)) = (sys.ns(), self.dst);
        let what = if self.add { "add" } else { "del" };
        let metric = self.metric.map_or_else(|| "-1".into(), |metric| metric.to_string());
        let text =
            format!("net_route_v4_{what}: {network}/{len} via {} dev [NULL] table 0 metric {metric}", self.gateway);
        log.line(sys, 3, &text);
        let Ok(dst) = format!("{network}/{len}").parse() else { return };
        let net = &mut sys.kernel.net;
        let done = if self.add {
            let mut route = Route::new(dst).with_nexthop(Some(self.gateway), IfIndex::NONE);
            route.metric = self.metric.unwrap_or(0);
            route.origin = net.origins.add("openvpn", format!("route to {network}/{len} via {}", self.gateway));
            net.route_add(ns, RT_TABLE_MAIN, route, Insert::ADD_ROUTE).map(|_| ())
        } else {
            net.route_del(ns, RT_TABLE_MAIN, &RouteSpec::new(dst)).map(|_| ())
        };
        if let Err(error) = done {
            let number = error.errno.number();
            log.line(sys, 1, &format!("sitnl_send: rtnl: generic error (-{number}): {}", error.errno));
            log.line(sys, 1, &format!("ERROR: Linux route {} command failed", if self.add { "add" } else { "delete" }));
        }
    }
}

/// The gateway of the default route, with the link it is behind.
pub(super) fn best_gateway(sys: &mut Sys<'_, SimKernel>, log: &mut Log, ns: NsId) -> Option<Ipv4Addr> {
    let flow = OutputFlow { dst: Ipv4Addr::new(0, 0, 0, 1), ..OutputFlow::default() };
    let found = sys.kernel.net.route_for(ns, &flow).ok().and_then(|route| Some((route.gateway?, route.oif)));
    log.line(sys, 3, "net_route_v4_best_gw query: dst 0.0.0.0");
    let Some((gateway, link)) = found else {
        log.line(sys, 3, "net_route_v4_best_gw result: via 0.0.0.0 dev ");
        log.line(sys, 3, "ROUTE_GATEWAY 0.0.0.0");
        return None;
    };
    let dev = sys.kernel.net.ns(ns).and_then(|space| space.devs.get(link));
    let (name, mac) = dev.map_or_else(Default::default, |dev| (dev.name.to_string(), dev.addr.to_string()));
    let len = dev.and_then(|dev| dev.inet.addrs.first()).map_or(32, |addr| addr.prefix_len);
    let mask = Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0));
    log.line(sys, 3, &format!("net_route_v4_best_gw result: via {gateway} dev {name}"));
    log.line(sys, 3, &format!("ROUTE_GATEWAY {gateway}/{mask} IFACE={name} HWADDR={mac}"));
    Some(gateway)
}

/// Makes the routes; gives what is to be done to take them back.
pub(super) fn make(
    sys: &mut Sys<'_, SimKernel>,
    log: &mut Log,
    options: &Options,
    gateway: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let far = options.ifconfig.map(|(_, far)| far);
    if let (Some(halves), Some(gateway), Some(far)) = (options.redirect, gateway, far) {
        // What goes to the other end of the tunnel itself keeps its way.
        changes.extend(server.map(|server| Change::new((server, 32), gateway)));
        let all = (Ipv4Addr::UNSPECIFIED, 0);
        if halves {
            changes.push(Change::new((Ipv4Addr::UNSPECIFIED, 1), far));
            changes.push(Change::new((Ipv4Addr::new(128, 0, 0, 0), 1), far));
        } else {
            changes.push(Change::new(all, gateway).undone());
            changes.push(Change::new(all, far));
        }
    }
    for route in &options.routes {
        let Some(gateway) = route.gateway.or(far) else { continue };
        changes.push(Change { metric: route.metric, ..Change::new((route.network, route.len), gateway) });
    }
    for change in &changes {
        change.carry_out(sys, log);
    }
    changes
}

/// Takes the routes back: first what was made, then what was taken away comes again.
pub(super) fn undo(sys: &mut Sys<'_, SimKernel>, log: &mut Log, changes: &[Change]) {
    let (made, taken): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(|change| change.add);
    for change in made.into_iter().chain(taken) {
        change.undone().carry_out(sys, log);
    }
}
