//! Policy rules.

use super::*;

#[test]
fn the_first_rule_separates_local_from_main() {
    let mut fib = router();
    let all_local = Route { scope: RT_SCOPE_HOST, ..of(RouteType::Local, "40.0.0.0/8") };
    fib.add(RT_TABLE_LOCAL, all_local.with_nexthop(None, IfIndex::LO), Insert::ADD_ROUTE, &Links).unwrap();
    add(&mut fib, via("40.1.0.0/16", "10.0.0.2")).unwrap();
    let kind = |fib: &Fib| fib.lookup(&to("40.1.0.1")).unwrap().kind();
    assert_eq!(kind(&fib), RouteType::Unicast);
    fib.add_rule(Rule { from: Some(net("1.2.3.4/32")), ..Rule::new(32765, Action::Lookup(100)) }).unwrap();
    assert_eq!(kind(&fib), RouteType::Local);
}

#[test]
fn rules_are_numbered_backwards_and_asked_in_order() {
    let mut fib = router();
    fib.add(100, via("0.0.0.0/0", "10.1.0.2"), Insert::ADD_ROUTE, &Links).unwrap();
    assert_eq!(fib.default_rule_priority(), 32765);
    let from = |source: &str, action| Rule { from: Some(net(source)), ..Rule::new(0, action) };
    let mut add_rule = |rule: Rule| {
        let priority = fib.default_rule_priority();
        fib.add_rule(Rule { priority, ..rule })
    };
    add_rule(from("1.2.3.4/32", Action::Prohibit)).unwrap();
    add_rule(from("1.2.3.0/24", Action::Lookup(100))).unwrap();
    add_rule(Rule { invert: true, ..from("1.0.0.0/8", Action::Unreachable) }).unwrap();
    assert_eq!(fib.rules().iter().map(|r| r.priority).collect::<Vec<_>>(), [0, 32763, 32764, 32765, 32766, 32767]);

    let ask = |fib: &Fib, src: &str| {
        let flow = Flow { src: src.parse().unwrap(), ..to("50.0.0.1") };
        fib.lookup(&flow).map(|r| (r.table, r.rule)).map_err(|e| e.errno())
    };
    assert_eq!(ask(&fib, "1.2.3.4"), Ok((100, Some(32764))));
    assert_eq!(ask(&fib, "2.2.2.2"), Err(FibErrno::NetUnreach), "not from 1.0.0.0/8");
    fib.delete_rule(|r| r.priority == 32764).unwrap();
    assert_eq!(ask(&fib, "1.2.3.4"), Err(FibErrno::Access), "the next rule decides");
    assert_eq!(fib.delete_rule(|r| r.priority == 5), Err(RouteError::NotFound));

    assert_eq!(fib.add_rule(Rule::new(4, Action::Goto(4))), Err(RouteError::BackwardGoto));
    fib.add_rule(Rule::new(4, Action::Goto(6))).expect("a target may come later");
    assert_eq!(fib.add_rule(Rule::new(4, Action::Goto(6))), Err(RouteError::Exists));
    fib.add_rule(Rule::new(5, Action::Blackhole)).unwrap();
    assert_eq!(ask(&fib, "1.9.9.9"), Err(FibErrno::Invalid), "an unresolved goto does nothing");
    fib.add_rule(Rule::new(6, Action::Lookup(100))).unwrap();
    assert_eq!(ask(&fib, "1.9.9.9"), Ok((100, Some(6))), "now it jumps over the blackhole");
}

#[test]
fn what_a_new_rule_leaves_open_may_be_anything_in_an_old_one() {
    let mut fib = router();
    let old = Rule { from: Some(net("1.2.3.0/24")), tos: 0x10, ..Rule::new(5, Action::Lookup(77)) };
    fib.add_rule(old.clone()).unwrap();
    assert_eq!(fib.add_rule(Rule::new(5, Action::Lookup(77))), Err(RouteError::Exists));
    assert_eq!(fib.add_rule(Rule { invert: true, ..old.clone() }), Err(RouteError::Exists), "`not` does not count");
    fib.add_rule(Rule { from: Some(net("1.2.4.0/24")), ..Rule::new(5, Action::Lookup(77)) }).unwrap();
    fib.add_rule(Rule { suppress_prefixlength: Some(0), ..old }).unwrap();
}

#[test]
fn what_a_rule_can_ask_for() {
    let link = |name: &str, index| Some(RuleLink { name: name.into(), index });
    let tcp = Flow { proto: 6, sport: 5, dport: 8, mark: 0x15, tos: 0x13, iif: V0, oif: W0, ..to("5.1.1.1") };
    let rule = |change: &dyn Fn(&mut Rule)| {
        let mut rule = Rule::new(1, Action::Nop);
        change(&mut rule);
        rule.matches(&tcp)
    };
    assert!(rule(&|_| ()) && !rule(&|r| r.invert = true));
    assert!(rule(&|r| (r.fwmark, r.fwmask) = (5, 7)) && !rule(&|r| (r.fwmark, r.fwmask) = (5, u32::MAX)));
    assert!(rule(&|r| r.tos = 0x10) && !rule(&|r| r.tos = 0x08) && !rule(&|r| r.dscp = Some(0x20)));
    assert!(rule(&|r| r.iif = link("v0", V0)) && !rule(&|r| r.iif = link("gone", IfIndex::NONE)));
    assert!(rule(&|r| r.oif = link("w0", W0)) && !rule(&|r| r.oif = link("v0", V0)));
    assert!(rule(&|r| r.ipproto = 6) && !rule(&|r| r.ipproto = 17));
    assert!(rule(&|r| r.dport = Some(PortRange { start: 7, end: 9 })));
    assert!(!rule(&|r| r.sport = Some(PortRange { start: 7, end: 9 })));
    assert!(rule(&|r| r.to = Some(net("5.0.0.0/8"))) && !rule(&|r| r.from = Some(net("5.0.0.0/8"))));
}

#[test]
fn suppress_prefixlength_passes_over_the_default_route() {
    let mut fib = router();
    add(&mut fib, via("0.0.0.0/0", "10.0.0.2")).unwrap();
    fib.add(100, via("0.0.0.0/0", "10.1.0.2"), Insert::ADD_ROUTE, &Links).unwrap();
    let main = Rule { suppress_prefixlength: Some(0), ..Rule::new(9, Action::Lookup(RT_TABLE_MAIN)) };
    fib.add_rule(main).unwrap();
    fib.add_rule(Rule::new(10, Action::Lookup(100))).unwrap();
    assert_eq!(fib.lookup(&to("50.0.0.1")).unwrap().table, 100);
    assert_eq!(fib.lookup(&to("10.0.0.9")).unwrap().table, RT_TABLE_MAIN);
}

#[test]
fn a_rule_finds_its_link_again() {
    let mut fib = router();
    let nope = RuleLink { name: "nope".into(), index: IfIndex::NONE };
    fib.add_rule(Rule { iif: Some(nope), ..Rule::new(1, Action::Prohibit) }).unwrap();
    let flow = Flow { iif: IfIndex(9), ..to("10.0.0.9") };
    assert!(fib.lookup(&flow).is_ok());
    fib.rules_follow_link("nope", IfIndex(9));
    assert_eq!(fib.lookup(&flow).map_err(|e| e.errno()).unwrap_err(), FibErrno::Access);
}

#[test]
fn the_rule_of_vrfs_asks_the_table_of_the_flow() {
    let mut fib = router();
    fib.add(10, via("0.0.0.0/0", "10.1.0.2"), Insert::ADD_ROUTE, &Links).unwrap();
    fib.add_rule(L3MDEV_RULE).unwrap();
    let ask = |l3mdev| {
        let flow = Flow { l3mdev, ..to("50.0.0.1") };
        fib.lookup(&flow).map(|r| (r.table, r.rule)).map_err(|e| e.errno())
    };
    assert_eq!(ask(10), Ok((10, Some(1000))));
    assert_eq!(ask(0), Err(FibErrno::NetUnreach), "flows of no VRF are not meant");
    assert_eq!(ask(11), Err(FibErrno::NetUnreach), "a table that is not there says nothing");
}
