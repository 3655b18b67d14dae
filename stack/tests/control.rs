//! Addresses, routes, rules, neighbours and settings as control operations change them, at the level of the stack.

use core::time::Duration;

use hopwise_devices::{Kind, Link};
use hopwise_protocols::fib::{Action, Insert, RT_TABLE_LOCAL, RT_TABLE_MAIN, Route, RouteSpec, RouteType, Rule};
use hopwise_protocols::neigh::{NeighFlags, NewNeigh, Nud};
use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{Errno, IfIndex, NsId, Time};
use hopwise_stack::control::addr::{AddrMatch, AddrMode};
use hopwise_stack::control::route::{RouteFound, RouteQuery};
use hopwise_stack::control::rule::RuleMatch;
use hopwise_stack::{IfAddr, Network};
use proptest::prelude::*;

const NS: NsId = NsId(0);

/// A host with two links that are up.
fn network() -> (Network, IfIndex, IfIndex) {
    let mut net = Network::new(1);
    net.add_host("host");
    let mut link = |name: &str| {
        let mut link = Link::new(Kind::Dummy);
        link.name = name.into();
        link.addr = MacAddr([2, 0, 0, 0, 0, 1]);
        let index = net.register(NS, link, IfIndex::NONE);
        net.set_link_up(NS, index, true).unwrap();
        index
    };
    let (a, b) = (link("a"), link("b"));
    (net, a, b)
}

fn add(net: &mut Network, link: IfIndex, addr: &str) {
    let prefix: ipnet::Ipv4Net = addr.parse().unwrap();
    net.addr_add(NS, link, IfAddr::new(prefix.addr(), prefix.prefix_len()), AddrMode::Add).unwrap();
}

fn del(net: &mut Network, link: IfIndex, addr: &str) {
    let prefix: ipnet::Ipv4Net = addr.parse().unwrap();
    net.addr_del(NS, link, &AddrMatch::exactly(prefix.addr(), prefix.prefix_len())).unwrap();
}

/// The routes beside those of `lo`: type, destination, preferred source.
fn routes(net: &Network) -> Vec<String> {
    let space = net.ns(NS).unwrap();
    let all = space.fib.tables().flat_map(|t| t.iter());
    let text =
        |r: &Route| format!("{} {} {:?}", r.kind.name(), r.dst, r.prefsrc.map(|s| s.to_string()).unwrap_or_default());
    all.filter(|r| !r.uses_dev(IfIndex::LO)).map(text).collect()
}

#[test]
fn an_address_brings_its_routes_and_takes_them_along() {
    let (mut net, a, _) = network();
    add(&mut net, a, "10.0.0.1/24");
    let one = [
        r#"unicast 10.0.0.0/24 "10.0.0.1""#,
        r#"local 10.0.0.1/32 "10.0.0.1""#,
        r#"broadcast 10.0.0.255/32 "10.0.0.1""#,
    ];
    assert_eq!(routes(&net), one);
    add(&mut net, a, "10.0.0.2/24");
    assert!(routes(&net).contains(&r#"local 10.0.0.2/32 "10.0.0.1""#.to_owned()), "a secondary speaks for its primary");
    del(&mut net, a, "10.0.0.2/24");
    assert_eq!(routes(&net), one);
    del(&mut net, a, "10.0.0.1/24");
    assert_eq!(routes(&net), [""; 0]);
    assert!(!net.ns(NS).unwrap().is_own([10, 0, 0, 1].into()));
}

#[test]
fn secondaries_go_with_their_primary_or_are_promoted() {
    let (mut net, a, _) = network();
    for addr in ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"] {
        add(&mut net, a, addr);
    }
    let mut forked = net.clone();
    del(&mut net, a, "10.0.0.1/24");
    assert_eq!(routes(&net), [""; 0]);
    forked.sysctl_set(NS, "net.ipv4.conf.a.promote_secondaries", "1").unwrap().unwrap();
    del(&mut forked, a, "10.0.0.1/24");
    assert_eq!(
        routes(&forked),
        [
            r#"unicast 10.0.0.0/24 "10.0.0.2""#,
            r#"local 10.0.0.2/32 "10.0.0.2""#,
            r#"local 10.0.0.3/32 "10.0.0.2""#,
            r#"broadcast 10.0.0.255/32 "10.0.0.2""#
        ]
    );
}

#[test]
fn addresses_have_lifetimes() {
    let (mut net, a, _) = network();
    let end = Time::ZERO + Duration::from_secs(10);
    let addr = IfAddr { valid_until: Some(end), ..IfAddr::new([10, 0, 0, 1].into(), 24) };
    net.addr_add(NS, a, addr, AddrMode::Add).unwrap();
    net.run_until(Time::ZERO + Duration::from_secs(9));
    assert!(net.ns(NS).unwrap().is_own([10, 0, 0, 1].into()));
    net.run_until(end);
    assert!(!net.ns(NS).unwrap().is_own([10, 0, 0, 1].into()));
    assert_eq!(routes(&net), [""; 0]);
}

#[test]
fn refusals_have_the_kernels_words() {
    let (mut net, a, b) = network();
    add(&mut net, a, "10.0.0.1/24");
    let mut try_addr = |addr: IfAddr| net.addr_add(NS, a, addr, AddrMode::Add).unwrap_err().to_string();
    assert_eq!(try_addr(IfAddr::new([10, 0, 0, 1].into(), 24)), "Error: ipv4: Address already assigned.");
    let near = IfAddr { scope: 253, ..IfAddr::new([10, 0, 0, 9].into(), 24) };
    assert_eq!(try_addr(near), "Error: ipv4: Invalid scope value.");
    let gone = net.addr_del(NS, b, &AddrMatch::default()).unwrap_err();
    assert_eq!((gone.errno, gone.to_string()), (Errno::EADDRNOTAVAIL, "Error: ipv4: Address not found.".to_owned()));
    let far = Route::new("10.9.0.0/16".parse().unwrap()).with_nexthop(Some([10, 99, 0, 1].into()), IfIndex::NONE);
    let refused = net.route_add(NS, RT_TABLE_MAIN, far, Insert::ADD_ROUTE).unwrap_err();
    assert_eq!(
        (refused.errno, refused.to_string()),
        (Errno::ENETUNREACH, "Error: Nexthop has invalid gateway.".to_owned())
    );
    let missing = net.route_del(NS, RT_TABLE_MAIN, &RouteSpec::new("10.9.0.0/16".parse().unwrap())).unwrap_err();
    assert_eq!(missing.to_string(), "RTNETLINK answers: No such process");
}

#[test]
fn routes_with_a_vanished_source_go() {
    let (mut net, a, b) = network();
    add(&mut net, a, "10.0.0.1/24");
    add(&mut net, b, "10.1.0.1/24");
    let mut route = Route::new("10.9.0.0/16".parse().unwrap()).with_nexthop(Some([10, 0, 0, 2].into()), a);
    route.prefsrc = Some([10, 1, 0, 1].into());
    net.route_add(NS, RT_TABLE_MAIN, route, Insert::ADD_ROUTE).unwrap();
    del(&mut net, b, "10.1.0.1/24");
    assert!(net.ns(NS).unwrap().fib.table(RT_TABLE_MAIN).unwrap().exact("10.9.0.0/16".parse().unwrap()).is_empty());
}

#[test]
fn route_get_follows_rules_and_names_their_table() {
    let (mut net, a, b) = network();
    add(&mut net, a, "10.0.0.1/24");
    add(&mut net, b, "10.1.0.1/24");
    let table = |net: &mut Network, dst: [u8; 4]| match net.route_get(NS, &RouteQuery::new(dst.into())) {
        Ok(RouteFound::Decision(answer)) => (answer.table, answer.oif, answer.kind),
        other => panic!("{other:?}"),
    };
    assert_eq!(table(&mut net, [10, 0, 0, 1]), (RT_TABLE_MAIN, IfIndex::LO, RouteType::Local), "the two are one");
    let route = Route::new("10.0.0.0/24".parse().unwrap()).with_nexthop(None, b);
    net.route_add(NS, 100, Route { scope: 253, ..route }, Insert::ADD_ROUTE).unwrap();
    let rule = Rule { to: Some("10.0.0.0/24".parse().unwrap()), ..Rule::new(0, Action::Lookup(100)) };
    net.rule_add(NS, None, rule).unwrap();
    assert_eq!(table(&mut net, [10, 0, 0, 1]), (RT_TABLE_LOCAL, IfIndex::LO, RouteType::Local));
    assert_eq!(table(&mut net, [10, 0, 0, 9]), (100, b, RouteType::Unicast));
    net.rule_del(NS, &RuleMatch { action: Some(Action::Lookup(100)), ..RuleMatch::default() }).unwrap();
    assert_eq!(table(&mut net, [10, 0, 0, 9]), (RT_TABLE_MAIN, a, RouteType::Unicast));
}

#[test]
fn neighbours_go_with_their_link() {
    let (mut net, a, _) = network();
    add(&mut net, a, "10.0.0.1/24");
    let new = NewNeigh {
        addr: [10, 0, 0, 9].into(),
        dev: a,
        lladdr: Some(MacAddr([2, 0, 0, 0, 0, 9])),
        state: Nud::PERMANENT,
        flags: NeighFlags::empty(),
        use_it: false,
        protocol: 0,
    };
    net.neigh_set(NS, &new, Insert::ADD_ROUTE).unwrap();
    assert_eq!(net.neigh_set(NS, &new, Insert::ADD_ROUTE).unwrap_err().errno, Errno::EEXIST);
    net.neigh_add_proxy(NS, a, [10, 0, 0, 77].into()).unwrap();
    net.set_link_up(NS, a, false).unwrap();
    let space = net.ns(NS).unwrap();
    assert!(space.neigh.is_empty() && space.neigh.proxies().next().is_none());
}

#[test]
fn forwarding_reaches_every_link() {
    let (mut net, _, _) = network();
    let get = |net: &Network, name: &str| net.sysctl_get(NS, name);
    net.sysctl_set(NS, "net.ipv4.ip_forward", "1").unwrap().unwrap();
    for folder in ["all", "default", "a", "b", "lo"] {
        assert_eq!(get(&net, &format!("net.ipv4.conf.{folder}.forwarding")).as_deref(), Some("1"), "{folder}");
    }
    assert_eq!(get(&net, "net.ipv4.conf.all.accept_redirects").as_deref(), Some("0"));
    assert_eq!(net.sysctl_set(NS, "net.ipv4.ip_forward", "x"), Some(Err(Errno::EINVAL)));
    assert_eq!(net.sysctl_set(NS, "net.ipv4.nosuch", "1"), None);
}

#[test]
fn every_listed_setting_can_be_read_and_written_back() {
    let (mut net, _, _) = network();
    for name in net.sysctl_names(NS) {
        let text = net.sysctl_get(NS, &name).unwrap_or_else(|| panic!("{name} is listed"));
        let counted = name == "net.netfilter.nf_conntrack_count";
        let expected = if counted { Err(Errno::EACCES) } else { Ok(()) };
        assert_eq!(net.sysctl_set(NS, &name, &text), Some(expected), "{name} = {text}");
        assert_eq!(net.sysctl_get(NS, &name).as_deref(), Some(text.as_str()), "{name}");
    }
}

/// As on Linux 6.18: what is one for the machine is set in its first namespace, and can only be read in others.
#[test]
fn settings_of_connection_tracking() {
    const MAX: &str = "net.netfilter.nf_conntrack_max";
    const UDP: &str = "net.netfilter.nf_conntrack_udp_timeout";
    let mut net = Network::new(1);
    let host = net.add_host("host");
    let root = net.host(host).unwrap().root;
    let before = net.add_namespace(host);
    assert_eq!(net.sysctl_get(root, MAX).as_deref(), Some("262144"));
    assert_eq!(net.sysctl_set(root, "net.nf_conntrack_max", "1000"), Some(Ok(())));
    let after = net.add_namespace(host);
    for ns in [root, before, after] {
        assert_eq!(net.sysctl_get(ns, MAX).as_deref(), Some("1000"));
        assert_eq!(net.ns_mut(ns).unwrap().conntrack().settings[hopwise_netfilter::conntrack::Setting::Max], 1000);
    }
    assert_eq!(net.sysctl_set(after, MAX, "5"), Some(Err(Errno::EACCES)));
    assert_eq!(net.sysctl_set(after, UDP, "5"), Some(Ok(())));
    assert_eq!(net.sysctl_get(after, UDP).as_deref(), Some("5"));
    assert_eq!(net.sysctl_get(root, UDP).as_deref(), Some("30"));
    assert_eq!(net.sysctl_set(root, "net.netfilter.nf_conntrack_acct", "2"), Some(Err(Errno::EINVAL)));
    assert_eq!(net.sysctl_get(root, "net.netfilter.nf_conntrack_count").as_deref(), Some("0"));
    assert_eq!(net.sysctl_get(after, "net.nf_conntrack_max"), None);
}

/// What to do: 0 down, 1 up, else an address comes or goes; the address, in a small space; its prefix; which link.
fn step() -> impl Strategy<Value = (u8, u8, u8, bool)> {
    (0u8..12, any::<u8>(), 8u8..=32, any::<bool>())
}

/// Told by Linux 6.18: the one that speaks for a secondary address must be an own address for the routing too.
#[test]
fn a_secondary_of_an_address_that_is_a_broadcast_address_elsewhere_gets_no_local_route() {
    let (mut net, a, b) = network();
    add(&mut net, b, "10.0.2.1/30");
    add(&mut net, a, "10.0.2.3/18");
    add(&mut net, a, "10.0.0.1/18");
    let before =
        [r#"local 10.0.2.1/32 "10.0.2.1""#, r#"broadcast 10.0.2.3/32 "10.0.2.1""#, r#"local 10.0.2.3/32 "10.0.2.3""#];
    let local =
        |net: &Network| -> Vec<String> { routes(net).into_iter().filter(|r| !r.starts_with("unicast")).collect() };
    assert_eq!(local(&net), before, "and no broadcast route for 10.0.63.255 either");
    del(&mut net, b, "10.0.2.1/30");
    assert_eq!(local(&net), [r#"local 10.0.2.3/32 "10.0.2.3""#], "nobody looks again");
    net.set_link_up(NS, a, false).unwrap();
    net.set_link_up(NS, a, true).unwrap();
    let after = [
        r#"local 10.0.0.1/32 "10.0.2.3""#,
        r#"local 10.0.2.3/32 "10.0.2.3""#,
        r#"broadcast 10.0.63.255/32 "10.0.2.3""#,
    ];
    assert_eq!(local(&net), after);
}

/// Told by Linux 6.18.
#[test]
fn a_broadcast_route_to_the_first_address_of_another_subnet_is_left_behind() {
    let (mut net, a, _) = network();
    let odd = IfAddr { broadcast: Some([10, 0, 0, 0].into()), ..IfAddr::new([10, 0, 0, 3].into(), 30) };
    net.addr_add(NS, a, odd, AddrMode::Add).unwrap();
    add(&mut net, a, "10.0.0.3/24");
    del(&mut net, a, "10.0.0.3/30");
    assert!(routes(&net).contains(&r#"broadcast 10.0.0.0/32 "10.0.0.3""#.to_owned()));
    del(&mut net, a, "10.0.0.3/24");
    assert_eq!(routes(&net), [""; 0]);
}

proptest! {
    /// Whatever addresses come and go, and links with them: the first address of a subnet has the local route to itself,
    /// and in the end nothing is left. A secondary one may lack it: see `addr_routes`.
    #[test]
    fn routes_follow_addresses(steps in proptest::collection::vec(step(), 1..24), promote: bool) {
        let (mut net, a, b) = network();
        net.sysctl_set(NS, "net.ipv4.conf.all.promote_secondaries", if promote { "1" } else { "0" }).unwrap().unwrap();
        for (what, local, len, first) in steps {
            let link = if first { a } else { b };
            let addr = IfAddr::new([10, 0, local >> 6, local & 15].into(), len);
            match what {
                0 => net.set_link_up(NS, link, false).unwrap(),
                1 => net.set_link_up(NS, link, true).unwrap(),
                _ if net.addr_add(NS, link, addr.clone(), AddrMode::Add).is_ok() => {}
                _ => net.addr_del(NS, link, &AddrMatch { local: Some(addr.local), ..AddrMatch::default() }).unwrap(),
            }
            let space = net.ns(NS).unwrap();
            for dev in space.devs.iter() {
                for addr in &dev.inet.addrs {
                    prop_assert!(space.is_own(addr.local));
                    let table = space.fib.table(RT_TABLE_LOCAL).unwrap();
                    let own = |r: &Route| r.kind == RouteType::Local && r.prefsrc == Some(addr.local) && r.uses_dev(dev.index);
                    let there = table.exact(ipnet::Ipv4Net::from(addr.local)).iter().any(own);
                    prop_assert!(there || addr.secondary, "{} lacks its local route", addr.local);
                }
            }
        }
        for link in [a, b] {
            while net.addr_del(NS, link, &AddrMatch::default()).is_ok() {}
        }
        prop_assert_eq!(routes(&net), [""; 0]);
    }

    #[test]
    fn any_text_is_a_value_or_refused(name in "net\\.ipv4\\.[a-z._]{0,20}", text in "\\PC{0,12}") {
        let (mut net, _, _) = network();
        let _ = (net.sysctl_get(NS, &name), net.sysctl_set(NS, &name, &text));
        let _ = net.sysctl_set(NS, "net.ipv4.conf.a.rp_filter", &text);
    }
}
