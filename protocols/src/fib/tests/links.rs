//! Routes follow their links and addresses.

use super::*;

#[test]
fn links_go_down_and_come_back() {
    let mut fib = router();
    let mut both = Route::new(net("20.0.0.0/8"));
    both.nexthops = smallvec![NextHop::new(ip("10.0.0.2"), IfIndex::NONE), NextHop::new(ip("10.1.0.2"), IfIndex::NONE)];
    add(&mut fib, both).unwrap();

    fib.link_down(V0);
    assert_eq!(show(&fib), ["10.1.0.0/24 dev 4", "20.0.0.0/8 via 10.0.0.2 dev 2 dead linkdown via 10.1.0.2 dev 4"]);
    assert_eq!(fib.lookup(&to("20.0.0.1")).unwrap().nexthop.dev, W0, "the live next hop serves alone");
    assert_eq!(fib.lookup(&to("10.0.0.1")).unwrap().kind(), RouteType::Local, "the own address stays");

    fib.link_up(V0, true);
    address(&mut fib, "10.0.0.7", V0);
    assert_eq!(
        show(&fib),
        ["10.0.0.0/24 dev 2", "10.1.0.0/24 dev 4", "20.0.0.0/8 via 10.0.0.2 dev 2 via 10.1.0.2 dev 4"]
    );

    fib.link_lost_carrier(W0);
    assert_eq!(
        show(&fib),
        [
            "10.0.0.0/24 dev 2",
            "10.1.0.0/24 dev 4 linkdown",
            "20.0.0.0/8 via 10.0.0.2 dev 2 via 10.1.0.2 dev 4 linkdown"
        ]
    );
    assert_eq!(fib.lookup(&to("10.1.0.9")).unwrap().nexthop.dev, W0, "a route without carrier is still used");
    fib.linkdown.links = vec![W0];
    assert_eq!(fib.lookup(&to("10.1.0.9")), Err(FibError::NoRoute), "unless ignore_routes_with_linkdown");
    fib.link_got_carrier(W0);
    assert_eq!(fib.lookup(&to("10.1.0.9")).unwrap().route.flags, NhFlags::empty());

    fib.link_gone(W0);
    assert_eq!(show(&fib), ["10.0.0.0/24 dev 2"], "a deleted link takes the multipath route with it");
}

#[test]
fn routes_go_with_their_source_address() {
    let mut fib = router();
    add(&mut fib, Route { prefsrc: ip("10.1.0.1"), ..via("52.0.0.0/8", "10.0.0.9") }).unwrap();
    let elsewhere = Route { prefsrc: ip("10.1.0.1"), ..via("52.0.0.0/8", "10.0.0.9") };
    fib.add(90, elsewhere, Insert::ADD_ROUTE, &Links).unwrap();
    assert_eq!(fib.address_gone([10, 1, 0, 1].into(), RT_TABLE_MAIN), 2);
    assert_eq!(show(&fib), ["10.0.0.0/24 dev 2"]);
    assert_eq!(fib.table(90).map(RouteTable::len), Some(1), "only table main is looked at");
}
