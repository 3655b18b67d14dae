//! Packets of VRFs, as Linux 6.1 was seen to treat them.

mod common;

use core::net::Ipv4Addr;

use common::{Pinger, address, cable, conserved, host, network, run, set, via};
use hopwise_protocols::fib::{Insert, Route, RouteType};
use hopwise_protocols::wire::icmp::{ICMP_DEST_UNREACH, ICMP_ECHOREPLY, ICMP_FRAG_NEEDED, ICMP_HOST_UNREACH};
use hopwise_sim_core::{Errno, IfIndex, NsId};
use hopwise_stack::Network;
use hopwise_stack::control::link::{KindSpec, LinkSpec};
use hopwise_stack::socket::{PmtuDisc, SocketKind};
use proptest::prelude::*;

/// A router with a VRF for each of two tenants, whose networks have the same addresses.
struct Lab {
    net: Network,
    router: NsId,
    vrfs: [IfIndex; 2],
    /// Of each tenant: the host in 10.1.0.0/24 and the one in 10.2.0.0/24.
    hosts: [[NsId; 2]; 2],
    /// The router's links to them.
    ports: [[IfIndex; 2]; 2],
}

const TABLES: [u32; 2] = [10, 20];

fn lab() -> Lab {
    let mut net = network();
    let router = host(&mut net, "router", true);
    let vrfs = TABLES.map(|table| {
        let spec = LinkSpec::new(Some(&format!("vrf{table}")), KindSpec::Vrf(Some(table)));
        net.link_add(router, LinkSpec { up: true, ..spec }).unwrap()
    });
    let (mut hosts, mut ports) = ([[NsId(0); 2]; 2], [[IfIndex::NONE; 2]; 2]);
    for tenant in 0..2 {
        for side in 0..2 {
            let ns = host(&mut net, &format!("h{tenant}{side}"), false);
            let (name, net_no) = (format!("eth{tenant}{side}"), side + 1);
            let ends = (format!("10.{net_no}.0.2/24"), format!("10.{net_no}.0.1/24"));
            let (_, port) = cable(&mut net, (ns, "eth0", &ends.0), (router, &name, ""));
            net.set_link_master(router, port, Some(vrfs[tenant])).unwrap();
            address(&mut net, router, port, &ends.1);
            via(&mut net, ns, "0.0.0.0/0", &format!("10.{net_no}.0.1"));
            (hosts[tenant][side], ports[tenant][side]) = (ns, port);
        }
        let last =
            Route { kind: RouteType::Unreachable, metric: 4_278_198_272, ..Route::new("0.0.0.0/0".parse().unwrap()) };
        net.route_add(router, TABLES[tenant], last, Insert::ADD_ROUTE).unwrap();
    }
    Lab { net, router, vrfs, hosts, ports }
}

impl Lab {
    /// What comes back when `to` is pinged: sender, type, code.
    fn ping(&mut self, from: NsId, dev: IfIndex, to: &str) -> Vec<(Ipv4Addr, u8, u8)> {
        let ping = Pinger::new(&mut self.net, from);
        self.net.bind_to_link(from, ping.socket, dev).unwrap();
        let answers = ping.ping(&mut self.net, to);
        answers.into_iter().map(|(from, _, kind, code, _)| (from, kind, code)).collect()
    }

    fn answered(&mut self, from: NsId, dev: IfIndex, to: &str) -> bool {
        self.ping(from, dev, to) == [(to.parse().unwrap(), ICMP_ECHOREPLY, 0)]
    }

    fn seen(&self, link: IfIndex) -> usize {
        self.net.captures.frames().iter().filter(|f| (f.ns, f.link) == (self.router, link)).count()
    }
}

#[test]
fn the_same_addresses_twice() {
    let mut lab = lab();
    let [[blue, _], [red, _]] = lab.hosts;
    assert!(lab.answered(blue, IfIndex::NONE, "10.2.0.2") && lab.answered(blue, IfIndex::NONE, "10.1.0.1"));
    let [of_blue, of_red] = lab.vrfs;
    // Both ways of what is forwarded are seen as they come in; of what is for the router, also the answer.
    assert_eq!((lab.seen(of_blue), lab.seen(of_red)), (4, 0));
    assert!(lab.answered(red, IfIndex::NONE, "10.2.0.2"));
    assert_eq!((lab.seen(of_blue), lab.seen(of_red)), (4, 2));
    conserved(&lab.net);
}

#[test]
fn the_router_says_whose_world_it_means() {
    let mut lab = lab();
    let (router, [blue, red], [[port, _], _]) = (lab.router, lab.vrfs, lab.ports);
    for dev in [blue, red, port] {
        assert!(lab.answered(router, dev, "10.1.0.2"));
    }
    let ping = Pinger::new(&mut lab.net, router);
    assert_eq!(ping.send(&mut lab.net, "10.1.0.2", 1, 56), Err(Errno::ENETUNREACH));
    // The VRF is its own loopback.
    assert!(lab.answered(router, blue, "10.1.0.1"));
    address(&mut lab.net, router, blue, "10.9.9.9/32");
    assert!(lab.answered(router, blue, "10.9.9.9"));
    let [[of_blue, _], [of_red, _]] = lab.hosts;
    assert!(lab.answered(of_blue, IfIndex::NONE, "10.9.9.9"));
    let refused = ([10, 1, 0, 1].into(), ICMP_DEST_UNREACH, ICMP_HOST_UNREACH);
    assert_eq!(lab.ping(of_red, IfIndex::NONE, "10.9.9.9"), [refused]);
    conserved(&lab.net);
}

#[test]
fn a_leaked_route_leads_through_the_other_vrf() {
    let mut lab = lab();
    let (router, [blue, red]) = (lab.router, lab.vrfs);
    let [[_, of_blue], [_, of_red]] = lab.hosts;
    let lo = IfIndex::LO;
    for (ns, addr) in [(of_blue, "10.60.0.1/32"), (of_red, "10.50.0.1/32")] {
        lab.net.set_link_up(ns, lo, true).unwrap();
        address(&mut lab.net, ns, lo, addr);
    }
    let gateway = Some([10, 2, 0, 2].into());
    let to = |prefix: &str| Route::new(prefix.parse().unwrap());
    let onto = |prefix: &str, vrf| Route { scope: 253, ..to(prefix) }.with_nexthop(None, vrf);
    for (table, route) in [
        (TABLES[1], to("10.50.0.1/32").with_nexthop(gateway, lab.ports[1][1])),
        (TABLES[0], to("10.60.0.1/32").with_nexthop(gateway, lab.ports[0][1])),
        (TABLES[0], onto("10.50.0.1/32", red)),
        (TABLES[1], onto("10.60.0.1/32", blue)),
    ] {
        lab.net.route_add(router, table, route, Insert::ADD_ROUTE).unwrap();
    }
    let ping = Pinger::new(&mut lab.net, of_blue);
    lab.net.bind_raw(of_blue, ping.socket, [10, 60, 0, 1].into()).unwrap();
    let answers = ping.ping(&mut lab.net, "10.50.0.1");
    assert!(matches!(answers[..], [(_, 63, ICMP_ECHOREPLY, ..)]), "{answers:?}");
    conserved(&lab.net);
}

#[test]
fn routes_follow_their_link_into_the_table_and_back() {
    let mut lab = lab();
    let (router, port) = (lab.router, lab.ports[0][0]);
    let routes = |lab: &Lab, table| lab.net.ns(router).unwrap().fib.table(table).map_or(0, |t| t.len());
    // Two subnets with their own and broadcast addresses, and the last one.
    assert_eq!((routes(&lab, 10), routes(&lab, 254)), (7, 0));
    lab.net.set_link_master(router, port, None).unwrap();
    assert_eq!((routes(&lab, 10), routes(&lab, 254)), (4, 1));
    lab.net.link_del(router, lab.vrfs[0]).unwrap();
    assert_eq!((routes(&lab, 10), routes(&lab, 254), routes(&lab, 20)), (1, 2, 7));
}

#[test]
fn an_address_that_goes_takes_no_route_of_another_vrf_along() {
    let mut lab = lab();
    let (router, port) = (lab.router, lab.ports[0][0]);
    let which = hopwise_stack::control::addr::AddrMatch::exactly([10, 1, 0, 1].into(), 24);
    lab.net.addr_del(router, port, &which).unwrap();
    let [_, [red, _]] = lab.hosts;
    assert!(lab.answered(red, IfIndex::NONE, "10.2.0.2"));
}

#[test]
fn sockets_take_what_is_of_their_world() {
    let mut lab = lab();
    let (router, [blue, red]) = (lab.router, lab.vrfs);
    let [[client, _], _] = lab.hosts;
    let server = |net: &mut Network, dev: IfIndex| {
        let socket = net.open_socket(router, 1, SocketKind::Udp).unwrap();
        net.bind_to_link(router, socket, dev).unwrap();
        net.bind_udp(router, socket, Ipv4Addr::UNSPECIFIED, 5000).map(|_| socket)
    };
    let asks = |net: &mut Network, socket| {
        let from = net.open_socket(client, 2, SocketKind::Udp).unwrap();
        net.send_udp(client, from, Some(([10, 1, 0, 1].into(), 5000)), b"x").unwrap();
        run(net, 100);
        net.close_socket(client, from);
        net.recv(router, socket).is_some()
    };
    for (dev, accept, heard) in [
        (blue, "0", true),
        (red, "0", false),
        (lab.ports[0][0], "0", true),
        (IfIndex::NONE, "0", false),
        (IfIndex::NONE, "1", true),
    ] {
        set(&mut lab.net, router, "net.ipv4.udp_l3mdev_accept", accept);
        let socket = server(&mut lab.net, dev).unwrap();
        assert_eq!(asks(&mut lab.net, socket), heard, "{dev} {accept}");
        lab.net.close_socket(router, socket);
    }
}

#[test]
fn a_path_mtu_is_one_of_its_vrf() {
    let mut lab = lab();
    let [blue, red] = lab.vrfs;
    let [[_, blue_host], _] = lab.hosts;
    // A router of blue alone has a narrow link behind it.
    let far = host(&mut lab.net, "far", false);
    let (_, narrow) = cable(&mut lab.net, (far, "eth0", "10.9.0.2/24"), (blue_host, "far", "10.9.0.1/24"));
    via(&mut lab.net, far, "0.0.0.0/0", "10.9.0.1");
    set(&mut lab.net, blue_host, "net.ipv4.ip_forward", "1");
    lab.net.set_link_mtu(blue_host, narrow, 1400).unwrap();
    for (table, port) in TABLES.into_iter().zip([lab.ports[0][1], lab.ports[1][1]]) {
        let route = Route::new("10.9.0.0/24".parse().unwrap()).with_nexthop(Some([10, 2, 0, 2].into()), port);
        lab.net.route_add(lab.router, table, route, Insert::ADD_ROUTE).unwrap();
    }
    let pingers = [blue, red].map(|vrf| {
        let ping = Pinger::new(&mut lab.net, lab.router);
        lab.net.socket_mut(ping.ns, ping.socket).unwrap().opts.pmtudisc = PmtuDisc::Do;
        lab.net.bind_to_link(ping.ns, ping.socket, vrf).unwrap();
        ping
    });
    pingers[0].send(&mut lab.net, "10.9.0.2", 1, 1472).unwrap();
    run(&mut lab.net, 500);
    assert_eq!(pingers[0].send(&mut lab.net, "10.9.0.2", 2, 1472), Err(Errno::EMSGSIZE));
    assert!(pingers[1].send(&mut lab.net, "10.9.0.2", 1, 1472).is_ok(), "red has another host of that address");
}

#[test]
fn a_socket_outside_of_all_vrfs_learns_a_path_mtu_for_itself() {
    let mut lab = lab();
    let [[_, blue_host], _] = lab.hosts;
    let far = host(&mut lab.net, "far", false);
    let (_, narrow) = cable(&mut lab.net, (far, "eth0", "10.9.0.2/24"), (blue_host, "far", "10.9.0.1/24"));
    via(&mut lab.net, far, "0.0.0.0/0", "10.9.0.1");
    set(&mut lab.net, blue_host, "net.ipv4.ip_forward", "1");
    lab.net.set_link_mtu(blue_host, narrow, 1400).unwrap();
    for table in [TABLES[0], 254] {
        let route =
            Route::new("10.9.0.0/24".parse().unwrap()).with_nexthop(Some([10, 2, 0, 2].into()), lab.ports[0][1]);
        lab.net.route_add(lab.router, table, route, Insert::ADD_ROUTE).unwrap();
    }
    let pinger = |net: &mut Network, dev| {
        let ping = Pinger::new(net, lab.router);
        net.socket_mut(ping.ns, ping.socket).unwrap().opts.pmtudisc = PmtuDisc::Do;
        net.bind_to_link(ping.ns, ping.socket, dev).unwrap();
        ping
    };
    let outside = pinger(&mut lab.net, IfIndex::NONE);
    outside.send(&mut lab.net, "10.9.0.2", 1, 1472).unwrap();
    run(&mut lab.net, 500);
    assert_eq!(outside.send(&mut lab.net, "10.9.0.2", 2, 1472), Err(Errno::EMSGSIZE));
    // One that was open before would have heard of it, too.
    let inside = pinger(&mut lab.net, lab.vrfs[0]);
    assert!(inside.send(&mut lab.net, "10.9.0.2", 1, 1472).is_ok(), "the route of the VRF is another one");
}

#[test]
fn what_a_vrf_could_not_send_is_not_counted_as_sent() {
    let mut lab = lab();
    let (router, vrf, port) = (lab.router, lab.vrfs[0], lab.ports[0][1]);
    let onto = Route { scope: 253, ..Route::new("10.2.0.2/32".parse().unwrap()) }.with_nexthop(None, vrf);
    lab.net.route_add(router, 254, onto, Insert::ADD_ROUTE).unwrap();
    lab.net.set_link_mtu(router, port, 1000).unwrap();
    let ping = Pinger::new(&mut lab.net, router);
    lab.net.socket_mut(ping.ns, ping.socket).unwrap().opts.pmtudisc = PmtuDisc::Do;
    ping.send(&mut lab.net, "10.2.0.2", 1, 1200).unwrap();
    run(&mut lab.net, 500);
    let stats = &lab.net.ns(router).unwrap().devs.get(vrf).unwrap().stats;
    // What was sent is the ICMP error about it.
    assert_eq!((stats.tx_packets, stats.tx_bytes, stats.tx_errors, stats.tx_dropped), (1, 590, 0, 1));
    conserved(&lab.net);
}

#[test]
fn a_router_says_that_the_way_through_a_vrf_is_narrow_from_an_address_of_the_vrf() {
    let mut lab = lab();
    let (router, vrf, port) = (lab.router, lab.vrfs[0], lab.ports[0][1]);
    let far = host(&mut lab.net, "far", false);
    let (_, link) = cable(&mut lab.net, (far, "eth0", "10.3.0.2/24"), (router, "far", "10.3.0.1/24"));
    via(&mut lab.net, far, "0.0.0.0/0", "10.3.0.1");
    let onto =
        |prefix: &str, link| Route { scope: 253, ..Route::new(prefix.parse().unwrap()) }.with_nexthop(None, link);
    lab.net.route_add(router, 254, onto("10.2.0.2/32", vrf), Insert::ADD_ROUTE).unwrap();
    lab.net.route_add(router, TABLES[0], onto("10.3.0.0/24", link), Insert::ADD_ROUTE).unwrap();
    lab.net.set_link_mtu(router, port, 1000).unwrap();
    let ping = Pinger::new(&mut lab.net, far);
    lab.net.socket_mut(ping.ns, ping.socket).unwrap().opts.pmtudisc = PmtuDisc::Do;
    ping.send(&mut lab.net, "10.2.0.2", 1, 1200).unwrap();
    run(&mut lab.net, 500);
    let answers = ping.received(&mut lab.net);
    let [(from, _, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, rest)] = answers[..] else { panic!("{answers:?}") };
    assert_eq!((from, rest), ([10, 1, 0, 1].into(), [0, 0, 3, 232]));
    conserved(&lab.net);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in through a port or is sent through a VRF, nothing panics and no packet is lost without a reason.
    #[test]
    fn any_frame_comes_to_an_end(
        mut frame in prop::collection::vec(any::<u8>(), 34..90),
        dst in prop::sample::select(vec![[10u8, 1, 0, 1], [10, 2, 0, 2], [10, 1, 0, 255], [224, 0, 0, 5], [127, 0, 0, 1], [1, 2, 3, 4]]),
        through_vrf: bool,
    ) {
        let mut lab = lab();
        let at = if through_vrf { lab.vrfs[0] } else { lab.ports[0][0] };
        let own = lab.net.ns(lab.router).unwrap().devs.get(at).unwrap().addr;
        frame[..6].copy_from_slice(&own.0);
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        let total = (frame.len() - 14) as u16;
        frame[16..18].copy_from_slice(&total.to_be_bytes());
        frame[26..30].copy_from_slice(&[10, 1, 0, 2]);
        frame[30..34].copy_from_slice(&dst);
        frame[24..26].fill(0);
        let sum = hopwise_protocols::wire::checksum::checksum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        lab.net.inject(lab.router, at, &frame);
        run(&mut lab.net, 5000);
        conserved(&lab.net);
    }
}
