//! Stories about links, bridges and namespaces, each told on real Linux before.

use hopwise_devices::bridge::PortState;
use hopwise_devices::{LinkFlags, OperState};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Duration, Errno, IfIndex, NsId};
use hopwise_stack::control::bridge::{FdbChange, FdbState, PortOption};
use hopwise_stack::control::link::{KindSpec, LinkSpec, PeerSpec, WireChange, WireSpec};
use hopwise_stack::{Network, NlError};

fn world() -> (Network, NsId) {
    let mut net = Network::new(7);
    let host = net.add_host("host");
    let root = net.host(host).map(|h| h.root).unwrap();
    (net, root)
}

fn add(net: &mut Network, ns: NsId, spec: LinkSpec) -> IfIndex {
    net.link_add(ns, spec).unwrap()
}

fn find(net: &Network, ns: NsId, name: &str) -> IfIndex {
    net.ns(ns).unwrap().devs.index_of(name).unwrap()
}

/// Running (no `NO-CARRIER`), `LOWER_UP` and the state, as a dump shows them.
fn state(net: &Network, ns: NsId, name: &str) -> (bool, bool, OperState) {
    let dev = net.ns(ns).unwrap().devs.find(name).unwrap();
    let flags = dev.flags_shown();
    (flags.contains(LinkFlags::RUNNING), flags.contains(LinkFlags::LOWER_UP), dev.operstate_shown())
}

fn up(net: &mut Network, ns: NsId, name: &str) {
    let link = find(net, ns, name);
    net.set_link_up(ns, link, true).unwrap();
}

fn down(net: &mut Network, ns: NsId, name: &str) {
    let link = find(net, ns, name);
    net.set_link_up(ns, link, false).unwrap();
}

fn wait(net: &mut Network, millis: u64) {
    net.run_until(net.now() + Duration::from_millis(millis));
}

fn text<T: core::fmt::Debug>(result: Result<T, NlError>) -> String {
    result.unwrap_err().to_string()
}

const fn mac(last: u8) -> MacAddr {
    MacAddr([2, 0, 0, 0, 0, last])
}

#[test]
fn the_peer_of_a_veth_is_made_first_and_patterns_take_the_lowest_free_number() {
    let (mut net, root) = world();
    add(&mut net, root, LinkSpec::veth("v1", "v1p"));
    add(&mut net, root, LinkSpec::new(Some("d%d"), KindSpec::Veth(PeerSpec::default())));
    add(&mut net, root, LinkSpec::new(None, KindSpec::Veth(PeerSpec::default())));
    add(&mut net, root, LinkSpec::new(None, KindSpec::Bridge(Vec::new())));
    let names: Vec<String> = net.ns(root).unwrap().devs.iter().map(|d| format!("{} {}", d.index, d.name)).collect();
    assert_eq!(names, ["1 lo", "2 v1p", "3 v1", "4 veth0", "5 d0", "6 veth1", "7 veth2", "8 bridge0"]);
}

#[test]
fn numbers_are_not_given_twice_unless_asked_for() {
    let (mut net, root) = world();
    add(&mut net, root, LinkSpec::veth("a", "b"));
    let a = find(&net, root, "a");
    net.link_del(root, a).unwrap();
    assert_eq!(net.ns(root).unwrap().devs.len(), 1);
    let far = LinkSpec { index: Some(IfIndex(50)), ..LinkSpec::bridge("far") };
    assert_eq!(add(&mut net, root, far.clone()), IfIndex(50));
    assert_eq!(add(&mut net, root, LinkSpec::bridge("br0")), IfIndex(4));
    let again = LinkSpec { name: Some("x".into()), ..far };
    assert_eq!(net.link_add(root, again).unwrap_err().errno, Errno::EEXIST);
}

#[test]
fn bad_names_addresses_and_sizes_are_refused() {
    let (mut net, root) = world();
    let mut refuse = |spec: LinkSpec| text(net.link_add(root, spec));
    assert_eq!(refuse(LinkSpec::bridge("averyveryverylongname")), "Error: Attribute failed policy validation.");
    for name in ["b%d%d", "b%s", "b:1", "..", "a b"] {
        assert_eq!(refuse(LinkSpec::bridge(name)), "RTNETLINK answers: Invalid argument", "{name}");
    }
    assert_eq!(refuse(LinkSpec::bridge("lo")), "RTNETLINK answers: File exists");
    assert_eq!(refuse(LinkSpec::veth("x0", "x0")), "RTNETLINK answers: File exists");
    let group = LinkSpec { addr: Some(MacAddr([1, 0, 0, 0, 0, 0])), ..LinkSpec::bridge("b") };
    assert_eq!(refuse(group), "RTNETLINK answers: Cannot assign requested address");
    assert_eq!(refuse(LinkSpec { mtu: Some(50), ..LinkSpec::veth("x", "y") }), "RTNETLINK answers: Invalid argument");
    let peer_up = PeerSpec { up: true, ..PeerSpec::default() };
    let not_yet = refuse(LinkSpec::new(Some("i"), KindSpec::Veth(peer_up)));
    assert_eq!(not_yet, "RTNETLINK answers: Transport endpoint is not connected");
    // Nothing is left behind.
    assert_eq!(net.ns(root).unwrap().devs.len(), 1);
}

#[test]
fn the_carrier_of_a_veth_follows_its_peer_at_once() {
    let (mut net, root) = world();
    add(&mut net, root, LinkSpec::veth("v1", "v2"));
    assert_eq!(state(&net, root, "v1"), (false, false, OperState::Down));
    up(&mut net, root, "v1");
    let v1 = find(&net, root, "v1");
    net.sync_link(root, v1);
    assert_eq!(state(&net, root, "v1"), (false, false, OperState::LowerLayerDown));
    up(&mut net, root, "v2");
    assert_eq!(state(&net, root, "v1"), (true, true, OperState::Up));
    assert_eq!(state(&net, root, "v2"), (true, true, OperState::Up));
    down(&mut net, root, "v2");
    assert_eq!(state(&net, root, "v1"), (false, false, OperState::LowerLayerDown));
    assert_eq!(state(&net, root, "v2"), (false, false, OperState::Down));
}

#[test]
fn a_peer_in_another_namespace_is_looked_for_by_its_number_here() {
    let (mut net, root) = world();
    let host = net.ns(root).unwrap().host;
    let n1 = net.add_namespace(host);
    let with_peer = |name: &str, peer: &str| {
        let peer = PeerSpec { name: Some(peer.into()), ns: Some(n1), ..PeerSpec::default() };
        LinkSpec::new(Some(name), KindSpec::Veth(peer))
    };
    // c1 has number 2 and so has its peer: no link below, says 6.18. The peer of c3 has number 3, which is c3's own.
    add(&mut net, root, with_peer("c1", "c2"));
    let c1 = find(&net, root, "c1");
    net.set_link_up(root, c1, true).unwrap();
    wait(&mut net, 2000);
    assert_eq!(state(&net, root, "c1"), (false, false, OperState::Down));
    add(&mut net, root, LinkSpec::bridge("br0"));
    add(&mut net, root, with_peer("c5", "c6"));
    up(&mut net, root, "c5");
    wait(&mut net, 2000);
    assert_eq!(state(&net, root, "c5"), (false, false, OperState::Down), "br0, number 3, has a carrier");
    assert_eq!(net.nsid_of(root, n1), Some(0));
    assert_eq!(net.nsid_of(n1, root), None);
}

/// Told by a dump right after each command, on Linux 6.18.
#[test]
fn a_veth_whose_peer_has_the_same_number_elsewhere_is_not_urgent() {
    let (mut net, root) = world();
    let host = net.ns(root).unwrap().host;
    let n1 = net.add_namespace(host);
    let peer = PeerSpec { name: Some("vb".into()), ns: Some(n1), index: Some(IfIndex(20)), ..PeerSpec::default() };
    add(&mut net, root, LinkSpec { index: Some(IfIndex(20)), ..LinkSpec::new(Some("va"), KindSpec::Veth(peer)) });
    wait(&mut net, 2000);
    let both = |net: &Network| (state(net, root, "va"), state(net, n1, "vb"));
    let off = (false, false, OperState::Down);
    let on = (true, true, OperState::Up);
    up(&mut net, root, "va");
    assert_eq!(both(&net), (off, off));
    up(&mut net, n1, "vb");
    wait(&mut net, 1);
    assert_eq!(both(&net), (on, on), "the watcher did not have to pause");
    down(&mut net, n1, "vb");
    wait(&mut net, 1);
    assert_eq!(both(&net), ((true, false, OperState::Up), off), "nobody has looked at the lost carrier");
    wait(&mut net, 1200);
    assert_eq!(both(&net), (off, off));
    up(&mut net, n1, "vb");
    wait(&mut net, 1);
    let late = (false, true, OperState::Down);
    assert_eq!(both(&net), (on, late), "only the end whose queue waited for the carrier was urgent");
    wait(&mut net, 1200);
    assert_eq!(both(&net), (on, on));
    down(&mut net, root, "va");
    wait(&mut net, 1);
    assert_eq!(both(&net), (off, (true, false, OperState::Up)));
    // As `ip` does when it looks for the link by name.
    let va = net.ns(root).unwrap().devs.index_of("va").unwrap();
    net.sync_link(root, va);
    up(&mut net, root, "va");
    wait(&mut net, 1);
    assert_eq!(both(&net), (late, on));
    wait(&mut net, 1200);
    assert_eq!(both(&net), (on, on));
}

#[test]
fn a_bridge_takes_the_lowest_address_of_its_ports() {
    let (mut net, root) = world();
    add(&mut net, root, LinkSpec { addr: Some(mac(1)), ..LinkSpec::veth("m1", "m2") });
    add(&mut net, root, LinkSpec { addr: Some(mac(0)), ..LinkSpec::veth("m3", "m4") });
    let br = add(&mut net, root, LinkSpec::bridge("br9"));
    let (m1, m3) = (find(&net, root, "m1"), find(&net, root, "m3"));
    let addr = |net: &Network| net.ns(root).unwrap().devs.get(br).unwrap().addr;
    net.set_link_master(root, m1, Some(br)).unwrap();
    assert_eq!(addr(&net), mac(1));
    net.set_link_master(root, m3, Some(br)).unwrap();
    assert_eq!(addr(&net), mac(0));
    net.set_link_master(root, m3, None).unwrap();
    assert_eq!(addr(&net), mac(1));
    net.set_link_addr(root, br, mac(0x99)).unwrap();
    net.set_link_master(root, m3, Some(br)).unwrap();
    net.set_link_master(root, m1, None).unwrap();
    net.set_link_master(root, m3, None).unwrap();
    assert_eq!(addr(&net), mac(0x99));
    let other = add(&mut net, root, LinkSpec::bridge("brA"));
    net.set_link_master(root, m3, Some(other)).unwrap();
    net.set_link_master(root, m3, None).unwrap();
    assert_eq!(net.ns(root).unwrap().devs.get(other).unwrap().addr, MacAddr::ZERO);
}

#[test]
fn a_bridge_has_a_carrier_while_a_port_forwards_but_shows_it_up_to_a_second_late() {
    let (mut net, root) = world();
    add(&mut net, root, LinkSpec::veth("v1", "v2"));
    up(&mut net, root, "v1");
    up(&mut net, root, "v2");
    let br = add(&mut net, root, LinkSpec::bridge("br0"));
    let v1 = find(&net, root, "v1");
    net.set_link_master(root, v1, Some(br)).unwrap();
    // The look at the carrier lost by the new address comes before the bridge is up, and another one just now.
    wait(&mut net, 3000);
    down(&mut net, root, "v2");
    up(&mut net, root, "v2");
    up(&mut net, root, "br0");
    assert_eq!(state(&net, root, "br0"), (false, true, OperState::Down));
    let port = |net: &Network| net.ns(root).unwrap().devs.get(v1).unwrap().port.as_ref().unwrap().state;
    assert_eq!(port(&net), PortState::Forwarding);
    wait(&mut net, 1100);
    assert_eq!(state(&net, root, "br0"), (true, true, OperState::Up));
    down(&mut net, root, "v2");
    assert_eq!(port(&net), PortState::Disabled);
    assert_eq!(state(&net, root, "br0"), (true, false, OperState::Up));
    wait(&mut net, 1100);
    assert_eq!(state(&net, root, "br0"), (false, false, OperState::Down));
    up(&mut net, root, "v2");
    assert_eq!(state(&net, root, "br0"), (true, true, OperState::Up));
}

#[test]
fn a_bridge_that_never_had_ports_is_unknown_and_one_with_a_given_address_has_no_carrier() {
    let (mut net, root) = world();
    add(&mut net, root, LinkSpec::bridge("br6"));
    up(&mut net, root, "br6");
    assert_eq!(state(&net, root, "br6"), (true, true, OperState::Unknown));
    let br5 = add(&mut net, root, LinkSpec { addr: Some(mac(5)), ..LinkSpec::bridge("br5") });
    up(&mut net, root, "br5");
    net.sync_link(root, br5);
    assert_eq!(state(&net, root, "br5"), (false, false, OperState::Down));
}

#[test]
fn the_mtu_of_a_bridge_follows_its_ports_until_somebody_sets_it() {
    let (mut net, root) = world();
    let br = add(&mut net, root, LinkSpec { mtu: Some(9000), ..LinkSpec::bridge("b7") });
    add(&mut net, root, LinkSpec { mtu: Some(4000), ..LinkSpec::veth("x", "y") });
    let x = find(&net, root, "x");
    let mtu = |net: &Network| net.ns(root).unwrap().devs.get(br).unwrap().mtu;
    assert_eq!(mtu(&net), 9000);
    net.set_link_master(root, x, Some(br)).unwrap();
    assert_eq!(mtu(&net), 4000);
    net.set_link_mtu(root, x, 1400).unwrap();
    assert_eq!(mtu(&net), 1400);
    net.set_link_mtu(root, br, 1300).unwrap();
    net.set_link_mtu(root, x, 1350).unwrap();
    assert_eq!(mtu(&net), 1300);
    assert_eq!(text(net.set_link_mtu(root, x, 67)), "Error: mtu less than device minimum.");
    assert_eq!(text(net.set_link_mtu(root, x, 65536)), "Error: mtu greater than device maximum.");
}

#[test]
fn masters_that_cannot_be() {
    let (mut net, root) = world();
    let br = add(&mut net, root, LinkSpec::bridge("br0"));
    let other = add(&mut net, root, LinkSpec::bridge("br1"));
    assert_eq!(text(net.set_link_master(root, other, Some(br))), "Error: Can not enslave a bridge to a bridge.");
    assert_eq!(text(net.set_link_master(root, IfIndex::LO, Some(br))), "RTNETLINK answers: Invalid argument");
    add(&mut net, root, LinkSpec::veth("a", "b"));
    let a = find(&net, root, "a");
    assert_eq!(text(net.set_link_master(root, a, Some(IfIndex::LO))), "RTNETLINK answers: Operation not supported");
    net.set_link_master(root, a, None).unwrap();
    assert_eq!(text(net.link_del(root, IfIndex::LO)), "RTNETLINK answers: Operation not supported");
    let hairpin = PortOption::find("hairpin").unwrap();
    assert_eq!(text(net.set_port_option(root, a, hairpin, 1)), "RTNETLINK answers: Operation not supported");
    net.set_link_master(root, a, Some(br)).unwrap();
    net.set_port_option(root, a, hairpin, 1).unwrap();
    let state = PortOption::find("state").unwrap();
    assert_eq!(text(net.set_port_option(root, a, state, 3)), "RTNETLINK answers: Network is down");
    net.link_del(root, br).unwrap();
    assert!(!net.ns(root).unwrap().devs.get(a).unwrap().master.is_some());
}

#[test]
fn a_link_moves_and_keeps_its_number_if_it_can() {
    let (mut net, root) = world();
    let host = net.ns(root).unwrap().host;
    let (a, b) = (net.add_namespace(host), net.add_namespace(host));
    add(&mut net, root, LinkSpec::veth("v1", "v2"));
    let v2 = find(&net, root, "v2");
    up(&mut net, root, "v2");
    assert_eq!(net.move_link(root, v2, a, None), Ok(IfIndex(2)));
    assert_eq!((net.nsid_of(root, a), net.nsid_of(a, root)), (Some(0), Some(0)));
    assert!(!net.ns(a).unwrap().devs.get(v2).unwrap().is_up());
    add(&mut net, b, LinkSpec::veth("x1", "v2"));
    let clash = text(net.move_link(a, v2, b, None));
    assert_eq!(clash, "Error: An interface with the same name exists in the target netns.");
    assert_eq!(net.move_link(a, v2, b, Some("e%d")), Ok(IfIndex(4)));
    assert_eq!(net.ns(b).unwrap().name_of(IfIndex(4)), "e0");
    let v1 = find(&net, root, "v1");
    assert_eq!(net.peer_of(root, v1), Some((b, IfIndex(4))));
    let br = add(&mut net, root, LinkSpec::bridge("br0"));
    assert_eq!(text(net.move_link(root, br, a, None)), "Error: The interface netns is immutable.");
}

#[test]
fn a_deleted_namespace_takes_its_links_and_their_peers() {
    let (mut net, root) = world();
    let host = net.ns(root).unwrap().host;
    let a = net.add_namespace(host);
    let peer = PeerSpec { name: Some("e0".into()), ns: Some(a), ..PeerSpec::default() };
    add(&mut net, root, LinkSpec::new(Some("v1"), KindSpec::Veth(peer)));
    let br = add(&mut net, root, LinkSpec::bridge("br0"));
    let v1 = find(&net, root, "v1");
    net.set_link_master(root, v1, Some(br)).unwrap();
    net.delete_namespace(a).unwrap();
    assert!(net.ns(a).is_none());
    assert_eq!(net.ns(root).unwrap().devs.len(), 2);
    assert!(net.ports_of(root, br).is_empty());
    assert_eq!(net.nsid_of(root, a), None);
    assert!(net.delete_namespace(root).is_err());
}

#[test]
fn entries_of_the_forwarding_database() {
    let (mut net, root) = world();
    add(&mut net, root, LinkSpec::veth("v1", "v2"));
    up(&mut net, root, "v1");
    up(&mut net, root, "v2");
    let br = add(&mut net, root, LinkSpec::bridge("br0"));
    let (v1, v2) = (find(&net, root, "v1"), find(&net, root, "v2"));
    net.set_link_master(root, v1, Some(br)).unwrap();
    let change =
        |addr, state| FdbChange { addr, state, create: true, exclusive: true, at_master: true, ..FdbChange::default() };
    // The bridge is down, so its port does not learn: no dynamic entries.
    let dynamic = change(mac(2), FdbState::Reachable);
    assert_eq!(net.fdb_add(root, v1, &dynamic).unwrap_err().errno, Errno::EPERM);
    up(&mut net, root, "br0");
    net.fdb_add(root, v1, &dynamic).unwrap();
    assert_eq!(net.fdb_add(root, v1, &dynamic).unwrap_err().errno, Errno::EEXIST);
    net.fdb_add(root, v1, &change(mac(3), FdbState::Static)).unwrap();
    assert_eq!(net.fdb_add(root, v2, &dynamic).unwrap_err().errno, Errno::EOPNOTSUPP);
    let own = net.ns(root).unwrap().devs.get(v1).unwrap().addr;
    let rows = |net: &mut Network| -> Vec<(MacAddr, FdbState)> {
        let rows = net.fdb_rows(root).into_iter().filter(|r| r.link == v1 && r.master.is_some());
        rows.map(|r| (r.addr, r.state)).collect()
    };
    let (p, s, d) = (FdbState::Permanent, FdbState::Static, FdbState::Reachable);
    assert_eq!(rows(&mut net), [(mac(3), s), (mac(2), d), (own, p)]);
    wait(&mut net, 301_000);
    assert_eq!(rows(&mut net), [(mac(3), s), (own, p)]);
    let gone = change(mac(3), FdbState::Static);
    net.fdb_del(root, v1, &gone).unwrap();
    assert_eq!(net.fdb_del(root, v1, &gone).unwrap_err().errno, Errno::ENOENT);
    net.set_link_addr(root, v1, mac(9)).unwrap();
    assert_eq!(rows(&mut net), [(mac(9), p)]);
}

#[test]
fn two_machines_are_joined_by_a_wire() {
    let mut net = Network::new(1);
    let (a, b) = (net.add_host("a"), net.add_host("b"));
    let (a, b) = (net.host(a).unwrap().root, net.host(b).unwrap().root);
    let wire = WireSpec { mtu: 9000, delay: Duration::from_millis(5), ..WireSpec::default() };
    let (x, y) = net.connect((a, "eth0"), (b, "eth0"), wire).unwrap();
    assert_eq!((x, y), (IfIndex(2), IfIndex(2)));
    assert_eq!(net.ns(b).unwrap().devs.get(y).unwrap().mtu, 9000);
    assert!(net.ns(a).unwrap().devs.get(x).unwrap().kind.veth().unwrap().wire.is_some());
    assert_eq!(state(&net, a, "eth0"), (true, true, OperState::Up));
}

#[test]
fn a_thousand_namespaces_on_a_bridge() {
    let (mut net, root) = world();
    let host = net.ns(root).unwrap().host;
    let br = add(&mut net, root, LinkSpec::bridge("br0"));
    net.set_link_up(root, br, true).unwrap();
    for n in 0..1000 {
        let ns = net.add_namespace(host);
        let peer = PeerSpec { name: Some("eth0".into()), ns: Some(ns), ..PeerSpec::default() };
        let name = format!("veth{n}");
        let link = add(&mut net, root, LinkSpec::new(Some(&name), KindSpec::Veth(peer)));
        net.set_link_master(root, link, Some(br)).unwrap();
        net.set_link_up(root, link, true).unwrap();
        let eth0 = find(&net, ns, "eth0");
        net.set_link_up(ns, eth0, true).unwrap();
    }
    wait(&mut net, 2000);
    let ports = net.ports_of(root, br);
    let devs = &net.ns(root).unwrap().devs;
    let port = |p: &IfIndex| devs.get(*p).unwrap().port.clone().unwrap();
    assert!(ports.iter().all(|p| port(p).state == PortState::Forwarding));
    assert_eq!(ports.iter().map(|p| port(p).number).min(), Some(1));
    let lowest = ports.iter().map(|p| devs.get(*p).unwrap().addr).min();
    assert_eq!(Some(devs.get(br).unwrap().addr), lowest);
    let more = 1000..1023;
    for n in more.chain([1023]) {
        let link = add(&mut net, root, LinkSpec::veth(&format!("x{n}"), &format!("y{n}")));
        let joined = net.set_link_master(root, link, Some(br));
        assert_eq!(joined.is_ok(), n < 1023, "port {n}");
    }
}

#[test]
fn a_wire_is_cut_mended_and_changed_when_it_was_planned() {
    let (mut net, a) = world();
    let b = net.add_host("other");
    let b = net.host(b).map(|h| h.root).unwrap();
    let wire = WireSpec { number: 1, ..WireSpec::default() };
    let (eth0, _) = net.connect((a, "eth0"), (b, "eth0"), wire).unwrap();
    let at = |secs| hopwise_sim_core::Time::ZERO + Duration::from_secs(secs);
    net.plan_wire_change(at(10), 1, WireChange { up: Some(false), ..WireChange::default() });
    net.plan_wire_change(at(20), 1, WireChange { up: Some(true), loss_ppm: Some(7), ..WireChange::default() });
    let up = (true, true, OperState::Up);
    assert_eq!(state(&net, a, "eth0"), up);
    net.run_until(at(11));
    assert_eq!(state(&net, a, "eth0"), (false, false, OperState::Down));
    assert_eq!(state(&net, b, "eth0"), (false, false, OperState::Down));
    // Who sets it down and up again mends no wire.
    set_up(&mut net, a, false);
    set_up(&mut net, a, true);
    assert!(!net.ns(a).unwrap().devs.find("eth0").unwrap().carrier);
    net.run_until(at(21));
    assert_eq!(state(&net, a, "eth0"), up);
    let veth = net.ns(a).unwrap().devs.get(eth0).unwrap().kind.veth().unwrap().clone();
    assert_eq!(veth.wire.map(|wire| wire.loss_ppm), Some(7));
}

fn set_up(net: &mut Network, ns: NsId, is_up: bool) {
    let link = find(net, ns, "eth0");
    net.set_link_up(ns, link, is_up).unwrap();
}
