//! Routing told as dialogues; the expected words and orders were taken from Linux 6.18 with iproute2 6.1.

mod links;
mod rules;

use super::*;
use hopwise_sim_core::Errno;
use proptest::prelude::*;
use smallvec::smallvec;

/// v0 (2) and w0 (4) are up with a carrier, down (6) is down, bare (8) is up without a carrier.
struct Links;
const V0: IfIndex = IfIndex(2);
const W0: IfIndex = IfIndex(4);
const DOWN: IfIndex = IfIndex(6);
const BARE: IfIndex = IfIndex(8);

impl LinkFacts for Links {
    fn exists(&self, dev: IfIndex) -> bool {
        [IfIndex::LO, V0, W0, DOWN, BARE].contains(&dev)
    }
    fn is_up(&self, dev: IfIndex) -> bool {
        dev != DOWN
    }
    fn has_carrier(&self, dev: IfIndex) -> bool {
        dev != BARE && dev != DOWN
    }
    fn l3mdev_table(&self, _: IfIndex) -> u32 {
        0
    }
}

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn ip(text: &str) -> Option<Ipv4Addr> {
    Some(text.parse().unwrap())
}

fn to(dst: &str) -> Flow {
    Flow { dst: dst.parse().unwrap(), ..Flow::default() }
}

fn via(dst: &str, gateway: &str) -> Route {
    Route::new(net(dst)).with_nexthop(ip(gateway), IfIndex::NONE)
}

fn dev(dst: &str, dev: IfIndex) -> Route {
    let route = Route { scope: RT_SCOPE_LINK, ..Route::new(net(dst)) };
    route.with_nexthop(None, dev)
}

fn of(kind: RouteType, dst: &str) -> Route {
    Route { kind, ..Route::new(net(dst)) }
}

/// What the kernel installs for an address with a /24 on a link.
fn address(fib: &mut Fib, address: &str, link: IfIndex) {
    let addr: Ipv4Addr = address.parse().unwrap();
    let subnet = Ipv4Net::new(addr, 24).unwrap().trunc();
    let kernel = Route { proto: RTPROT_KERNEL, prefsrc: Some(addr), ..Route::new(subnet) };
    let local = Route { kind: RouteType::Local, scope: RT_SCOPE_HOST, dst: addr.into(), ..kernel.clone() };
    let link_scope = Route { scope: RT_SCOPE_LINK, ..kernel };
    let broadcast = Route { kind: RouteType::Broadcast, dst: subnet.broadcast().into(), ..link_scope.clone() };
    for (table, route) in [(RT_TABLE_LOCAL, local), (RT_TABLE_LOCAL, broadcast), (RT_TABLE_MAIN, link_scope)] {
        fib.add(table, route.with_nexthop(None, link), Insert::ADD_ROUTE, &Links).unwrap();
    }
}

/// v0 has 10.0.0.1/24, w0 has 10.1.0.1/24.
fn router() -> Fib {
    let mut fib = Fib::default();
    address(&mut fib, "10.0.0.1", V0);
    address(&mut fib, "10.1.0.1", W0);
    fib
}

fn add(fib: &mut Fib, route: Route) -> Result<Inserted, RouteError> {
    fib.add(RT_TABLE_MAIN, route, Insert::ADD_ROUTE, &Links)
}

/// `ip route show` in short: prefix, tos, metric, way.
fn show(fib: &Fib) -> Vec<String> {
    let line = |route: &Route| {
        let mut text = route.dst.to_string();
        if route.tos != 0 {
            text += &format!(" tos {:#04x}", route.tos);
        }
        for nh in &route.nexthops {
            text += &nh.via.map_or(String::new(), |via| format!(" via {via}"));
            text += &format!(" dev {}", nh.dev);
            text += if nh.flags.contains(NhFlags::DEAD) { " dead" } else { "" };
            text += if nh.flags.contains(NhFlags::LINKDOWN) { " linkdown" } else { "" };
        }
        if route.metric != 0 {
            text += &format!(" metric {}", route.metric);
        }
        text
    };
    fib.table(RT_TABLE_MAIN).map_or(vec![], |main| main.iter().map(line).collect())
}

#[test]
fn linux_refuses_in_these_words() {
    let mut fib = router();
    let with = |route: Route, change: fn(&mut Route)| {
        let mut route = route;
        change(&mut route);
        route
    };
    let onlink = |route| with(route, |r| r.nexthops[0].flags = NhFlags::ONLINK);
    let on = |route, link: IfIndex| {
        let mut route: Route = route;
        route.nexthops[0].dev = link;
        route
    };
    let to_net = "10.9.0.0/16";
    let gateway = "Nexthop has invalid gateway";
    for (route, words) in [
        (via(to_net, "172.16.0.1"), gateway),
        (on(via(to_net, "172.16.0.1"), V0), gateway),
        (on(via(to_net, "10.1.0.2"), V0), gateway),
        (via(to_net, "10.0.0.255"), gateway),
        (on(via(to_net, "224.0.0.1"), V0), gateway),
        (onlink(on(via(to_net, "10.0.0.1"), V0)), gateway),
        (onlink(on(via(to_net, "224.0.0.1"), V0)), gateway),
        (on(via(to_net, "10.9.9.9"), DOWN), gateway),
        (with(on(via(to_net, "10.0.0.2"), V0), |r| r.scope = RT_SCOPE_LINK), gateway),
        (onlink(via(to_net, "172.16.0.1")), "Nexthop device required for onlink"),
        (onlink(on(via(to_net, "172.16.0.1"), DOWN)), "Nexthop device is not up"),
        (onlink(with(on(via(to_net, "10.0.0.9"), V0), |r| r.scope = RT_SCOPE_LINK)), "Nexthop has invalid scope"),
        (onlink(dev(to_net, V0)), "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set"),
        (with(via(to_net, "10.0.0.2"), |r| r.scope = RT_SCOPE_HOST), "Route with host scope can not have a gateway"),
        (with(dev(to_net, V0), |r| r.scope = RT_SCOPE_NOWHERE), "Invalid scope"),
        (of(RouteType::Nat, to_net).with_nexthop(None, V0), "Invalid scope"),
        (with(dev(to_net, V0), |r| r.kind = RouteType::Local), "Invalid scope"),
        (with(dev(to_net, V0), |r| r.prefsrc = ip("1.2.3.4")), "Invalid prefsrc address"),
        (dev(to_net, DOWN), "Device for nexthop is not up"),
        (with(dev(to_net, V0), |r| r.tos = 3), "Invalid dsfield (tos): ECN bits must be 0"),
        (with(dev(to_net, V0), |r| r.dst = net("10.9.0.1/16")), "Invalid prefix for given prefix length"),
        (
            of(RouteType::Unreachable, to_net).with_nexthop(None, V0),
            "Gateway, device and multipath can not be specified for this route type",
        ),
        (
            with(dev("10.9.0.0/16", V0), |r| {
                (r.kind, r.scope) = (RouteType::Local, RT_SCOPE_HOST);
                r.nexthops.push(NextHop::new(None, W0));
            }),
            "Route with host scope can not have multiple nexthops",
        ),
    ] {
        let what = format!("{route:?}");
        assert_eq!(add(&mut fib, route).map_err(RouteError::extack), Err(Some(words)), "{what}");
    }
    assert_eq!(add(&mut fib, Route::new(net(to_net))).map_err(|e| e.errno()), Err(Errno::ENODEV));
    assert_eq!(fib.table(RT_TABLE_MAIN).map(RouteTable::len), Some(2), "nothing was added");
}

#[test]
fn what_linux_accepts() {
    let mut fib = router();
    add(&mut fib, via("10.9.0.0/16", "10.0.0.1")).expect("a gateway may be an address of this host");
    let way = fib.lookup(&to("10.9.0.1")).unwrap().nexthop;
    assert_eq!((way.via, way.gateway()), (ip("10.0.0.1"), None), "but is not used then");
    add(&mut fib, Route { prefsrc: ip("10.1.0.1"), ..dev("10.10.0.0/16", V0) }).expect("any local address as source");
    add(&mut fib, dev("10.11.0.0/16", BARE)).unwrap();
    assert_eq!(fib.lookup(&to("10.11.0.1")).unwrap().route.flags, NhFlags::LINKDOWN);
    add(&mut fib, of(RouteType::Throw, "10.12.0.0/16")).unwrap();
    let mut onlink = via("10.13.0.0/16", "8.8.8.8");
    (onlink.nexthops[0].dev, onlink.nexthops[0].flags) = (V0, NhFlags::ONLINK);
    add(&mut fib, onlink).unwrap();
    add(&mut fib, dev("0.0.0.0/0", W0)).unwrap();
    add(&mut fib, via("10.14.0.0/16", "9.9.9.9")).expect("a gateway behind a default route of scope link");
    assert_eq!(fib.lookup(&to("10.14.0.1")).unwrap().nexthop.dev, W0);
}

#[test]
fn routes_are_shown_in_the_order_of_the_trie() {
    let mut fib = Fib::default();
    let order = [
        "0.0.0.0/8",
        "0.0.0.0/1",
        "0.0.0.0/0",
        "9.0.0.0/8",
        "10.0.0.0/32",
        "10.0.0.0/24",
        "10.0.0.0/23",
        "10.0.0.0/16",
        "10.0.0.0/8",
        "10.0.0.5/32",
        "10.0.0.128/25",
        "10.1.0.0/24",
        "128.0.0.0/1",
        "172.16.0.0/12",
        "192.168.0.0/16",
    ];
    let shown = |fib: &Fib| fib.table(RT_TABLE_MAIN).unwrap().iter().map(|r| r.dst.to_string()).collect::<Vec<_>>();
    for dst in order.iter().rev() {
        add(&mut fib, dev(dst, V0)).unwrap();
    }
    assert_eq!(shown(&fib), order, "as a list");
    add(&mut fib, dev("255.0.0.0/8", V0)).unwrap();
    fib.flush(|_, route| route.dst == net("255.0.0.0/8"));
    assert_eq!(shown(&fib), order, "as a trie");
}

#[test]
fn routes_to_one_prefix_stand_by_tos_then_metric() {
    let mut fib = Fib::default();
    let change = |fib: &mut Fib, how, link, metric, tos| {
        fib.add(RT_TABLE_MAIN, Route { metric, tos, ..dev("11.0.0.0/8", link) }, how, &Links)
    };
    for metric in [100, 0, 50] {
        for tos in [0, 0x10, 0x04] {
            change(&mut fib, Insert::ADD_ROUTE, V0, metric, tos).unwrap();
        }
    }
    assert_eq!(change(&mut fib, Insert::ADD_ROUTE, W0, 50, 0), Err(RouteError::Exists));
    change(&mut fib, Insert::APPEND_ROUTE, W0, 50, 0).unwrap();
    change(&mut fib, Insert::APPEND_ROUTE, BARE, 50, 0).unwrap();
    change(&mut fib, Insert::PREPEND_ROUTE, IfIndex::LO, 50, 0).unwrap();
    assert_eq!(change(&mut fib, Insert::APPEND_ROUTE, W0, 50, 0), Err(RouteError::Exists));
    assert_eq!(change(&mut fib, Insert::REPLACE_ROUTE, W0, 50, 0), Err(RouteError::Exists));
    assert_eq!(change(&mut fib, Insert::REPLACE_ROUTE, IfIndex::LO, 50, 0), Ok(Inserted::Unchanged));
    assert_eq!(change(&mut fib, Insert::CHANGE_ROUTE, W0, 51, 0), Err(RouteError::NotFound));
    assert_eq!(
        show(&fib),
        [
            "11.0.0.0/8 tos 0x10 dev 2",
            "11.0.0.0/8 tos 0x10 dev 2 metric 50",
            "11.0.0.0/8 tos 0x10 dev 2 metric 100",
            "11.0.0.0/8 tos 0x04 dev 2",
            "11.0.0.0/8 tos 0x04 dev 2 metric 50",
            "11.0.0.0/8 tos 0x04 dev 2 metric 100",
            "11.0.0.0/8 dev 2",
            "11.0.0.0/8 dev 1 metric 50",
            "11.0.0.0/8 dev 2 metric 50",
            "11.0.0.0/8 dev 4 metric 50",
            "11.0.0.0/8 dev 8 linkdown metric 50",
            "11.0.0.0/8 dev 2 metric 100",
        ]
    );
    let with_tos = Flow { tos: 0x10, ..to("11.1.1.1") };
    assert_eq!(fib.lookup(&with_tos).unwrap().route.tos, 0x10);
    assert_eq!(fib.lookup(&to("11.1.1.1")).unwrap().route.metric, 0);
}

#[test]
fn deletion_takes_the_first_that_fits() {
    let mut fib = router();
    let del = |fib: &mut Fib, change: &dyn Fn(&mut RouteSpec)| {
        let mut spec = RouteSpec::new(net("10.33.0.0/16"));
        change(&mut spec);
        fib.delete(RT_TABLE_MAIN, &spec).map(|route| route.metric)
    };
    for metric in [5, 4] {
        add(&mut fib, Route { metric, ..via("10.33.0.0/16", "10.0.0.5") }).unwrap();
    }
    assert_eq!(del(&mut fib, &|s| s.metric = 6), Err(RouteError::NoSuchRoute));
    assert_eq!(del(&mut fib, &|s| s.proto = RTPROT_STATIC), Err(RouteError::NoSuchRoute));
    assert_eq!(del(&mut fib, &|s| s.nexthops = smallvec![(None, IfIndex::LO)]), Err(RouteError::NoSuchRoute));
    assert_eq!(del(&mut fib, &|s| s.tos = 0x10), Err(RouteError::NoSuchRoute));
    assert_eq!(del(&mut fib, &|s| s.metrics = smallvec![(RTAX_MTU, 1300)]), Err(RouteError::NoSuchRoute));
    assert_eq!(del(&mut fib, &|s| s.nexthops = smallvec![(ip("10.0.0.5"), IfIndex::NONE)]), Ok(4));
    assert_eq!(del(&mut fib, &|_| ()), Ok(5));
    assert_eq!(del(&mut fib, &|_| ()), Err(RouteError::NoSuchRoute));
    assert_eq!(fib.delete(77, &RouteSpec::new(net("1.2.3.0/24"))), Err(RouteError::NoSuchTable));
    assert_eq!(RouteError::NoSuchTable.extack(), Some("FIB table does not exist"));
}

#[test]
fn deleting_a_multipath_route() {
    let ways = [(ip("10.0.0.2"), IfIndex::NONE), (ip("10.1.0.2"), IfIndex::NONE)];
    let attempt = |nexthops: &[(Option<Ipv4Addr>, IfIndex)], multipath| {
        let mut fib = router();
        let mut route = Route::new(net("20.0.0.0/8"));
        route.nexthops.extend(ways.map(|(via, dev)| NextHop::new(via, dev)));
        add(&mut fib, route).unwrap();
        let spec = RouteSpec { nexthops: nexthops.into(), multipath, ..RouteSpec::new(net("20.0.0.0/8")) };
        fib.delete(RT_TABLE_MAIN, &spec).is_ok()
    };
    assert!(!attempt(&ways[1..], false), "via the second next hop");
    assert!(attempt(&ways[..1], false), "via the first next hop takes all of it");
    assert!(!attempt(&ways[..1], true), "nexthop via the first alone");
    assert!(attempt(&ways, true), "both");
}

#[test]
fn a_lookup_prefers_the_longest_usable_prefix() {
    let mut fib = router();
    add(&mut fib, via("0.0.0.0/0", "10.0.0.2")).unwrap();
    add(&mut fib, Route { tos: 0x08, ..via("20.0.0.0/8", "10.1.0.2") }).unwrap();
    add(&mut fib, of(RouteType::Unreachable, "20.1.0.0/16")).unwrap();
    add(&mut fib, of(RouteType::Prohibit, "20.2.0.0/16")).unwrap();
    add(&mut fib, of(RouteType::Blackhole, "20.3.0.0/16")).unwrap();
    add(&mut fib, of(RouteType::Throw, "20.4.0.0/16")).unwrap();
    let way = |flow: &Flow| fib.lookup(flow).map(|r| r.nexthop.dev).map_err(|e| e.errno());
    assert_eq!(way(&to("20.9.9.9")), Ok(V0), "the route with another tos does not count");
    assert_eq!(way(&Flow { tos: 0x09, ..to("20.9.9.9") }), Ok(W0));
    assert_eq!(way(&Flow { oif: W0, ..to("20.9.9.9") }), Err(FibErrno::NetUnreach));
    assert_eq!(way(&Flow { scope: RT_SCOPE_LINK, ..to("20.9.9.9") }), Err(FibErrno::NetUnreach));
    assert_eq!(way(&to("20.1.0.1")), Err(FibErrno::HostUnreach));
    assert_eq!(way(&to("20.2.0.1")), Err(FibErrno::Access));
    assert_eq!(way(&to("20.3.0.1")), Err(FibErrno::Invalid));
    assert_eq!(way(&to("20.4.0.1")), Err(FibErrno::NetUnreach));
    let own = fib.lookup(&to("10.0.0.1")).unwrap();
    assert_eq!((own.kind(), own.table), (RouteType::Local, RT_TABLE_LOCAL));
    assert_eq!(fib.addr_type([10, 0, 0, 1].into(), None, RT_TABLE_LOCAL), RouteType::Local);
    assert_eq!(fib.addr_type([10, 0, 0, 1].into(), Some(W0), RT_TABLE_LOCAL), RouteType::Unicast);
    assert_eq!(fib.addr_type([10, 0, 0, 255].into(), None, RT_TABLE_LOCAL), RouteType::Broadcast);
    assert_eq!(fib.addr_type([224, 0, 0, 1].into(), None, RT_TABLE_LOCAL), RouteType::Multicast);
    assert_eq!(Fib::default().lookup(&to("1.1.1.1")), Err(FibError::NoRoute));
}

#[test]
fn tables_exist_from_their_first_route_on() {
    let mut fib = Fib::default();
    assert!(fib.table(RT_TABLE_MAIN).is_none());
    fib.add(
        RT_TABLE_LOCAL,
        Route { scope: RT_SCOPE_HOST, kind: RouteType::Local, ..dev("127.0.0.1/32", IfIndex::LO) },
        Insert::ADD_ROUTE,
        &Links,
    )
    .unwrap();
    assert!(fib.table(RT_TABLE_MAIN).is_some(), "local and main come together");
    fib.add(7, dev("1.0.0.0/8", V0), Insert::ADD_ROUTE, &Links).unwrap();
    fib.add(1000, dev("1.0.0.0/8", V0), Insert::ADD_ROUTE, &Links).unwrap();
    assert_eq!(fib.tables().map(RouteTable::id).collect::<Vec<_>>(), [7, 254, 255, 1000]);
}

#[test]
fn the_last_one_to_ask_for_a_route_is_its_maker() {
    let mut origins = hopwise_sim_core::Origins::default();
    let (one, two) = (origins.add("bird", "one"), origins.add("bird", "two"));
    let mut fib = Fib::default();
    let put = |fib: &mut Fib, origin| {
        let route = Route { origin, ..dev("10.1.0.0/16", V0) };
        fib.add(RT_TABLE_MAIN, route, Insert::REPLACE_ROUTE, &Links).unwrap()
    };
    assert_eq!(put(&mut fib, one), Inserted::New);
    assert_eq!(put(&mut fib, two), Inserted::Unchanged, "the maker is no property of a route");
    assert_eq!(fib.lookup(&to("10.1.0.1")).unwrap().route.origin, two);
}

#[test]
fn an_idle_namespace_is_small() {
    assert!(size_of::<Route>() <= 80, "{}", size_of::<Route>());
    assert!(size_of::<Fib>() <= 200, "{}", size_of::<Fib>());
}

prop_compose! {
    /// Few addresses, so that prefixes collide and nest.
    fn some_net()(bits in 0u32..16, len in prop_oneof![0u8..=8, 24u8..=32]) -> Ipv4Net {
        Ipv4Net::new(((bits & 3) | (bits >> 2) << 24).into(), len).unwrap().trunc()
    }
}

proptest! {
    #[test]
    fn list_hash_and_trie_agree_with_the_definition(
        few_lengths: bool,
        routes in proptest::collection::vec((some_net(), 0u32..3, prop_oneof![Just(0u8), Just(8u8)], any::<bool>()), 0..60),
        removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        asked in proptest::collection::vec((0u32..16, prop_oneof![Just(0u8), Just(8u8)]), 20),
    ) {
        let mut table = RouteTable::new(7);
        let mut model: Vec<Route> = vec![];
        for (dst, metric, tos, dead) in routes {
            // With few lengths the table stays a hash, with many it becomes a trie.
            let len = if few_lengths { dst.prefix_len() & !7 } else { dst.prefix_len() };
            let dst = Ipv4Net::new(dst.addr(), len).unwrap().trunc();
            let flags = if dead { NhFlags::DEAD } else { NhFlags::empty() };
            let route = Route { metric, tos, flags, ..Route::new(dst).with_nexthop(None, V0) };
            let taken = model.iter().any(|r| (r.dst, r.metric, r.tos) == (dst, metric, tos));
            prop_assert_eq!(table.insert(route.clone(), Insert::ADD_ROUTE).is_err(), taken);
            if !taken {
                model.push(route);
            }
        }
        for index in removed {
            if !model.is_empty() {
                let gone = model.swap_remove(index.index(model.len()));
                let spec = RouteSpec { tos: gone.tos, metric: gone.metric, ..RouteSpec::new(gone.dst) };
                // Metric 0 in a specification means any: then some route of this prefix and tos goes.
                let deleted = table.delete(&spec).unwrap();
                if deleted != gone {
                    let at = model.iter().position(|r| *r == deleted).unwrap();
                    model[at] = gone;
                }
            }
        }
        prop_assert_eq!(table.len(), model.len());
        model.sort_by_key(|r| (r.dst.addr(), core::cmp::Reverse(r.dst.prefix_len()), r.rank()));
        prop_assert!(table.iter().eq(model.iter()));
        for (bits, tos) in asked {
            let flow = Flow { dst: ((bits & 3) | (bits >> 2) << 24).into(), tos, ..Flow::default() };
            let usable = |r: &&Route| r.dst.contains(&flow.dst) && (r.tos == 0 || r.tos == tos) && r.flags.is_empty();
            let best = model.iter().filter(usable).min_by_key(|r| (core::cmp::Reverse(r.dst.prefix_len()), r.rank()));
            prop_assert_eq!(table.find(&flow, &Linkdown::default()).map(|f| f.route), best);
        }
    }
}
