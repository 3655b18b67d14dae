//! Who made the route that a packet takes, for its journey. Only who looks pays for it: packets do not carry it.

use core::net::Ipv4Addr;

use hopwise_protocols::fib::{self, FibError, Flow, NhFlags, RTPROT_BOOT, RTPROT_KERNEL, RTPROT_STATIC, RTPROT_UNSPEC};
use hopwise_sim_core::{Detail, IfIndex, Maker, Refused};
use ipnet::Ipv4Net;

use super::{Route, RouteKind};
use crate::namespace::Namespace;

impl Route {
    /// What the journey tells of it.
    pub fn detail(&self, ns: &Namespace, dst: Ipv4Addr) -> Detail {
        let kind = match self.kind {
            RouteKind::Unicast => "unicast",
            RouteKind::Local => "local",
            RouteKind::Broadcast => "broadcast",
            RouteKind::Multicast => "multicast",
        };
        let (table, rule, prefix, maker) = (self.table, self.rule, self.prefix, maker(ns, self));
        Detail::Route { dst, table, rule, prefix, kind, via: self.gateway, oif: self.oif, maker }
    }
}

/// What the journey tells of a packet that is led nowhere.
pub fn no_route(ns: &Namespace, flow: &Flow) -> Detail {
    let refused = match ns.fib_lookup(flow) {
        Err(FibError::Route { route, .. }) => Some(Refused {
            kind: route.kind.name(),
            prefix: (route.dst.addr(), route.dst.prefix_len()),
            maker: said(route),
        }),
        _ => None,
    };
    Detail::NoRoute { dst: flow.dst, refused }
}

/// The maker of the route that was decided for. Routes of the same prefix may differ in their TOS, which is not known any more: if
/// they have different makers, none is named.
fn maker(ns: &Namespace, decided: &Route) -> Maker {
    let Some(table) = ns.fib.table(decided.table) else { return Maker::Unknown };
    let Ok(prefix) = Ipv4Net::new(decided.prefix.0, decided.prefix.1) else { return Maker::Unknown };
    let mut fitting = table.exact(prefix).iter().filter(|route| fits(route, decided));
    let Some(first) = fitting.next() else { return Maker::Unknown };
    let found = said(first);
    let clear = first.tos == 0 || fitting.all(|other| said(other) == found);
    if clear { found } else { Maker::Unknown }
}

/// Whether the decision may have come from this route alone: a gateway that a redirect told of is none of its maker's.
fn fits(route: &fib::Route, decided: &Route) -> bool {
    if route.kind.is_error() || route.flags.contains(NhFlags::DEAD) {
        return false;
    }
    let leads = |hop: &fib::NextHop| hop.dev == decided.oif && hop.gateway() == decided.gateway;
    decided.kind != RouteKind::Unicast || route.nexthops.iter().any(leads)
}

/// What is known of a route's maker. `boot` and `static` say only that it was somebody.
fn said(route: &fib::Route) -> Maker {
    if route.origin.is_some() {
        return Maker::Said(route.origin);
    }
    match (route.proto, route.prefsrc) {
        (RTPROT_KERNEL, Some(address)) => {
            Maker::Kernel(address, route.nexthops.first().map_or(IfIndex::NONE, |hop| hop.dev))
        }
        (RTPROT_UNSPEC | RTPROT_BOOT | RTPROT_STATIC, _) => Maker::Unknown,
        (proto, _) => Maker::Proto(proto),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, RTPROT_BIRD, RTPROT_DHCP};

    fn decided(gateway: Option<[u8; 4]>, oif: IfIndex) -> Route {
        Route {
            kind: RouteKind::Unicast,
            oif,
            gateway: gateway.map(Into::into),
            src: Ipv4Addr::UNSPECIFIED,
            mtu: 1500,
            mtu_locked: false,
            redirect: false,
            table: RT_TABLE_MAIN,
            rule: u32::MAX,
            prefix: ([10, 1, 0, 0].into(), 16),
        }
    }

    #[test]
    fn the_first_route_that_can_have_been_meant() {
        let mut net = Network::new(1);
        let host = net.add_host("h");
        let ns = net.host(host).unwrap().root;
        let (bird, typed) = (net.origins.add("bird", "a session"), net.origins.add("typed", "ip route add"));
        let lo = IfIndex::LO;
        let mut put = |tos: u8, metric: u32, proto: u8, origin| {
            let hop = fib::NextHop::new(None, lo);
            let route = fib::Route { tos, metric, proto, origin, ..fib::Route::new("10.1.0.0/16".parse().unwrap()) };
            let route = fib::Route { nexthops: core::iter::once(hop).collect(), scope: fib::RT_SCOPE_LINK, ..route };
            net.route_add(ns, RT_TABLE_MAIN, route, Insert::ADD_ROUTE).unwrap();
            maker(net.ns(ns).unwrap(), &decided(None, lo))
        };
        let none = hopwise_sim_core::OriginId::NONE;
        assert_eq!(put(0, 100, RTPROT_DHCP, none), Maker::Proto(RTPROT_DHCP));
        assert_eq!(put(0, 32, RTPROT_BIRD, bird), Maker::Said(bird));
        assert_eq!(put(0, 0, RTPROT_BOOT, typed), Maker::Said(typed));
        assert_eq!(put(8, 0, RTPROT_BOOT, bird), Maker::Unknown, "one of them, but which?");
        for other in [decided(None, IfIndex(77)), decided(Some([10, 0, 0, 1]), lo)] {
            assert_eq!(maker(net.ns(ns).unwrap(), &other), Maker::Unknown);
        }
    }
}
