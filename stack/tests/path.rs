//! The way of packets through small networks, as stories.

mod common;

use common::*;
use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route, RouteType};
use hopwise_protocols::wire::{arp, icmp, ipv4};
use hopwise_sim_core::{DropReason, Errno, IfIndex, NsId};
use hopwise_stack::Network;
use hopwise_stack::control::link::LinkSpec;
use hopwise_stack::socket::{PmtuDisc, SocketKind};

/// `client 10.0.0.1 --- 10.0.0.254 router 10.0.1.254 --- 10.0.1.1 server`.
fn routed() -> (Network, NsId, NsId, NsId) {
    let mut net = network();
    let (client, router, server) =
        (host(&mut net, "client", false), host(&mut net, "router", true), host(&mut net, "server", false));
    cable(&mut net, (client, "eth0", "10.0.0.1/24"), (router, "left", "10.0.0.254/24"));
    cable(&mut net, (server, "eth0", "10.0.1.1/24"), (router, "right", "10.0.1.254/24"));
    via(&mut net, client, "0.0.0.0/0", "10.0.0.254");
    via(&mut net, server, "0.0.0.0/0", "10.0.1.254");
    (net, client, router, server)
}

#[test]
fn an_echo_crosses_a_router_and_loses_one_hop() {
    let (mut net, client, _, _) = routed();
    let pinger = Pinger::new(&mut net, client);
    let answers = pinger.ping(&mut net, "10.0.1.1");
    assert_eq!(answers, [([10, 0, 1, 1].into(), 63, icmp::ICMP_ECHOREPLY, 0, [0, 1, 0, 1])]);
    conserved(&net);
}

#[test]
fn the_first_packet_asks_for_the_gateway_and_the_second_does_not() {
    let (mut net, client, _, _) = routed();
    let pinger = Pinger::new(&mut net, client);
    pinger.ping(&mut net, "10.0.1.1");
    let eth0 = net.ns(client).unwrap().devs.index_of("eth0").unwrap();
    let arps = |net: &Network| {
        let frames = frames(net, client, eth0);
        frames
            .iter()
            .filter_map(|f| arp::parse(&f[14..]).ok().filter(|_| f[12..14] == [8, 6]).map(|a| a.op.get()))
            .collect::<Vec<_>>()
    };
    assert_eq!(arps(&net), [arp::ARPOP_REQUEST, arp::ARPOP_REPLY]);
    pinger.ping(&mut net, "10.0.1.1");
    assert_eq!(arps(&net).len(), 2);
}

#[test]
fn without_forwarding_the_packet_dies_silently_and_the_reason_is_known() {
    let (mut net, client, router, _) = routed();
    set(&mut net, router, "net.ipv4.ip_forward", "0");
    let pinger = Pinger::new(&mut net, client);
    assert_eq!(pinger.ping(&mut net, "10.0.1.1"), []);
    assert_eq!(drops(&net), [DropReason::NotForwarding]);
}

#[test]
fn every_refusing_route_has_its_own_answer() {
    let (mut net, client, router, _) = routed();
    for (prefix, kind) in [
        ("10.9.1.0/24", RouteType::Unreachable),
        ("10.9.2.0/24", RouteType::Prohibit),
        ("10.9.3.0/24", RouteType::Blackhole),
    ] {
        let route = Route { kind, ..Route::new(prefix.parse().unwrap()) };
        net.route_add(router, RT_TABLE_MAIN, route, Insert::ADD_ROUTE).unwrap();
    }
    let pinger = Pinger::new(&mut net, client);
    let code = |answers: Vec<(_, _, u8, u8, _)>| answers.first().map(|a| (a.2, a.3));
    assert_eq!(code(pinger.ping(&mut net, "10.9.1.1")), Some((icmp::ICMP_DEST_UNREACH, icmp::ICMP_HOST_UNREACH)));
    run(&mut net, 2000);
    assert_eq!(code(pinger.ping(&mut net, "10.9.2.1")), Some((icmp::ICMP_DEST_UNREACH, icmp::ICMP_PKT_FILTERED)));
    assert_eq!(code(pinger.ping(&mut net, "10.9.3.1")), None);
    run(&mut net, 2000);
    assert_eq!(code(pinger.ping(&mut net, "10.9.4.1")), Some((icmp::ICMP_DEST_UNREACH, icmp::ICMP_NET_UNREACH)));
    let reasons =
        [DropReason::RouteUnreachable, DropReason::RouteProhibit, DropReason::RouteBlackhole, DropReason::IpInNoRoutes];
    assert_eq!(drops(&net), reasons);
}

#[test]
fn of_a_quick_series_only_two_packets_without_a_route_are_answered() {
    let (mut net, client, router, _) = routed();
    let pinger = Pinger::new(&mut net, client);
    for seq in 1..=4 {
        pinger.send(&mut net, "10.9.0.1", seq, 56).unwrap();
    }
    run(&mut net, 100);
    assert_eq!(pinger.received(&mut net).len(), 2);
    assert_eq!(net.ns(router).unwrap().snmp.icmp_out_rate_limit_host, 1);
}

#[test]
fn a_neighbour_that_does_not_answer_is_reported_after_three_questions() {
    let (mut net, client, _, _) = routed();
    let pinger = Pinger::new(&mut net, client);
    pinger.send(&mut net, "10.0.1.77", 1, 56).unwrap();
    run(&mut net, 2900);
    assert_eq!(pinger.received(&mut net), []);
    run(&mut net, 300);
    let [answer] = pinger.received(&mut net)[..] else { panic!("one answer") };
    assert_eq!(
        (answer.0, answer.2, answer.3),
        ([10, 0, 0, 254].into(), icmp::ICMP_DEST_UNREACH, icmp::ICMP_HOST_UNREACH)
    );
    assert!(drops(&net).contains(&DropReason::NeighFailed));
    conserved(&net);
}

#[test]
fn the_ttl_runs_out_at_the_router() {
    let (mut net, client, _, _) = routed();
    let pinger = Pinger::new(&mut net, client);
    net.socket_mut(client, pinger.socket).unwrap().opts.ttl = Some(1);
    let answers = pinger.ping(&mut net, "10.0.1.1");
    assert_eq!(answers.len(), 1);
    assert_eq!((answers[0].0, answers[0].2), ([10, 0, 0, 254].into(), icmp::ICMP_TIME_EXCEEDED));
    assert_eq!(drops(&net), [DropReason::TtlExceeded]);
}

#[test]
fn a_large_packet_is_cut_and_put_together() {
    let (mut net, client, _, server) = routed();
    let pinger = Pinger::new(&mut net, client);
    pinger.send(&mut net, "10.0.1.1", 1, 4000).unwrap();
    run(&mut net, 500);
    assert_eq!(pinger.received(&mut net).len(), 1);
    assert_eq!(net.ns(server).unwrap().snmp.reasm_oks, 1);
    assert_eq!(net.ns(client).unwrap().snmp.frag_creates, 3);
    conserved(&net);
}

#[test]
fn a_narrow_link_behind_the_router_teaches_the_path_mtu() {
    let (mut net, client, router, server) = routed();
    let right = net.ns(router).unwrap().devs.index_of("right").unwrap();
    net.set_link_mtu(router, right, 1400).unwrap();
    let eth0 = net.ns(server).unwrap().devs.index_of("eth0").unwrap();
    net.set_link_mtu(server, eth0, 1400).unwrap();
    let pinger = Pinger::new(&mut net, client);
    net.socket_mut(client, pinger.socket).unwrap().opts.pmtudisc = PmtuDisc::Do;
    pinger.send(&mut net, "10.0.1.1", 1, 1472).unwrap();
    run(&mut net, 500);
    let answers = pinger.received(&mut net);
    assert_eq!(
        (answers[0].2, answers[0].3, answers[0].4),
        (icmp::ICMP_DEST_UNREACH, icmp::ICMP_FRAG_NEEDED, [0, 0, 5, 120])
    );
    assert_eq!(pinger.send(&mut net, "10.0.1.1", 2, 1472), Err(Errno::EMSGSIZE));
    assert!(pinger.send(&mut net, "10.0.1.1", 3, 1372).is_ok());
    run(&mut net, 500);
    assert_eq!(pinger.received(&mut net)[0].2, icmp::ICMP_ECHOREPLY);
}

#[test]
fn strict_reverse_path_filtering_drops_what_came_the_wrong_way() {
    let (mut net, client, router, _) = routed();
    set(&mut net, router, "net.ipv4.conf.all.rp_filter", "1");
    let lo = IfIndex::LO;
    address(&mut net, client, lo, "172.16.0.1/32");
    let pinger = Pinger::new(&mut net, client);
    // First from the address that is right, so that the neighbours know each other: ARP is filtered too.
    assert_eq!(pinger.ping(&mut net, "10.0.1.1").len(), 1);
    net.bind_raw(client, pinger.socket, [172, 16, 0, 1].into()).unwrap();
    assert_eq!(pinger.ping(&mut net, "10.0.1.1"), []);
    assert_eq!(drops(&net), [DropReason::IpRpFilter]);
}

#[test]
fn a_closed_udp_port_is_refused_and_an_open_one_delivers() {
    let (mut net, client, _, server) = routed();
    let sender = net.open_socket(client, 1, SocketKind::Udp).unwrap();
    net.connect_udp(client, sender, ([10, 0, 1, 1].into(), 7)).unwrap();
    net.send_udp(client, sender, None, b"hello").unwrap();
    run(&mut net, 500);
    assert_eq!(net.send_udp(client, sender, None, b"again"), Err(Errno::ECONNREFUSED));
    let receiver = net.open_socket(server, 2, SocketKind::Udp).unwrap();
    net.bind_udp(server, receiver, [0, 0, 0, 0].into(), 7).unwrap();
    net.send_udp(client, sender, None, b"third").unwrap();
    run(&mut net, 500);
    assert_eq!(payloads(net.recv(server, receiver)), [b"third".to_vec()]);
    assert_eq!(net.ns(server).unwrap().snmp.udp_no_ports, 1);
}

#[test]
fn a_better_way_on_the_same_link_is_told_by_a_redirect_and_followed() {
    let mut net = network();
    let (client, wrong, right) =
        (host(&mut net, "client", false), host(&mut net, "wrong", true), host(&mut net, "right", true));
    let switch = host(&mut net, "switch", false);
    let bridge = net.link_add(switch, LinkSpec::bridge("br0")).unwrap();
    net.set_link_up(switch, bridge, true).unwrap();
    for (i, (ns, addr)) in
        [(client, "10.0.0.1/24"), (wrong, "10.0.0.2/24"), (right, "10.0.0.3/24")].into_iter().enumerate()
    {
        let port = format!("p{i}");
        let (_, port) = cable(&mut net, (ns, "eth0", addr), (switch, &port, ""));
        net.set_link_master(switch, port, Some(bridge)).unwrap();
    }
    address(&mut net, right, IfIndex::LO, "10.9.0.1/32");
    via(&mut net, client, "10.9.0.0/24", "10.0.0.2");
    via(&mut net, wrong, "10.9.0.0/24", "10.0.0.3");
    run(&mut net, 2000);
    let pinger = Pinger::new(&mut net, client);
    let answers = pinger.ping(&mut net, "10.9.0.1");
    let kinds: Vec<u8> = answers.iter().map(|a| a.2).collect();
    assert_eq!(kinds, [icmp::ICMP_REDIRECT, icmp::ICMP_ECHOREPLY]);
    assert_eq!(answers[0].4, [10, 0, 0, 3]);
    // The client only asked for the new gateway's MAC address; the second redirect is followed.
    let kinds = |net: &mut Network| pinger.ping(net, "10.9.0.1").iter().map(|a| a.2).collect::<Vec<_>>();
    assert_eq!(kinds(&mut net), [icmp::ICMP_REDIRECT, icmp::ICMP_ECHOREPLY]);
    assert_eq!(kinds(&mut net), [icmp::ICMP_ECHOREPLY]);
    conserved(&net);
}

#[test]
fn a_switch_floods_the_unknown_and_remembers_the_known() {
    let mut net = network();
    let switch = host(&mut net, "switch", false);
    let bridge = net.link_add(switch, LinkSpec::bridge("br0")).unwrap();
    net.set_link_up(switch, bridge, true).unwrap();
    let mut ends = Vec::new();
    for i in 1..=3 {
        let ns = host(&mut net, &format!("h{i}"), false);
        let (link, port) = cable(&mut net, (ns, "eth0", &format!("10.0.0.{i}/24")), (switch, &format!("p{i}"), ""));
        net.set_link_master(switch, port, Some(bridge)).unwrap();
        ends.push((ns, link));
    }
    run(&mut net, 2000);
    let pinger = Pinger::new(&mut net, ends[0].0);
    assert_eq!(pinger.ping(&mut net, "10.0.0.2").len(), 1);
    let bystander = frames(&net, ends[2].0, ends[2].1);
    let kinds: Vec<[u8; 2]> = bystander.iter().map(|f| [f[12], f[13]]).collect();
    assert_eq!(kinds, [[8, 6]], "only the broadcast question reaches the third host");
    conserved(&net);
}

#[test]
fn proxy_arp_answers_for_others_after_a_random_delay() {
    let mut net = network();
    let (client, router, server) =
        (host(&mut net, "client", false), host(&mut net, "router", true), host(&mut net, "server", false));
    cable(&mut net, (client, "eth0", "10.0.0.1/16"), (router, "left", ""));
    cable(&mut net, (server, "eth0", "10.0.1.1/16"), (router, "right", ""));
    for (link, addr) in [("left", "10.0.0.1/32"), ("right", "10.0.1.1/32")] {
        set(&mut net, router, &format!("net.ipv4.conf.{link}.proxy_arp"), "1");
        let dev = net.ns(router).unwrap().devs.index_of(link).unwrap();
        let route = Route { scope: 253, ..Route::new(addr.parse().unwrap()) }.with_nexthop(None, dev);
        net.route_add(router, RT_TABLE_MAIN, route, Insert::ADD_ROUTE).unwrap();
    }
    address(&mut net, router, IfIndex::LO, "10.0.255.1/32");
    let pinger = Pinger::new(&mut net, client);
    pinger.send(&mut net, "10.0.1.1", 1, 56).unwrap();
    run(&mut net, 3000);
    assert_eq!(pinger.received(&mut net).len(), 1);
    conserved(&net);
}

#[test]
fn broken_headers_die_with_their_reason() {
    let (mut net, _, router, _) = routed();
    let left = net.ns(router).unwrap().devs.index_of("left").unwrap();
    let mac = net.ns(router).unwrap().devs.get(left).unwrap().addr.0;
    let frame = |edit: &dyn Fn(&mut Vec<u8>)| {
        let header = ipv4::Header::new([10, 0, 0, 1].into(), [10, 0, 1, 1].into(), 17, 8);
        let mut header = header;
        header.seal(&[]);
        let mut frame = [&mac[..], &[2, 0, 0, 0, 0, 9, 8, 0]].concat();
        frame.extend_from_slice(hopwise_protocols::wire::IntoBytes::as_bytes(&header));
        frame.extend_from_slice(&[0; 8]);
        edit(&mut frame);
        frame
    };
    type Edit<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: [(Edit<'_>, DropReason); 5] = [
        (&|f| f[24] ^= 1, DropReason::IpCsum),
        (&|f| f.truncate(30), DropReason::PktTooSmall),
        (&|f| f.truncate(10), DropReason::PktTooSmall),
        (&|f| f[0] ^= 4, DropReason::OtherHost),
        (&|f| f[12] = 0x12, DropReason::UnhandledProto),
    ];
    for (edit, reason) in cases {
        net.inject(router, left, &frame(edit));
        run(&mut net, 10);
        assert_eq!(drops(&net).last(), Some(&reason));
    }
    conserved(&net);
}

#[test]
fn a_link_that_is_down_drops_and_an_address_needs_a_broadcast_permission() {
    let (mut net, client, _, _) = routed();
    let eth0 = net.ns(client).unwrap().devs.index_of("eth0").unwrap();
    let pinger = Pinger::new(&mut net, client);
    assert_eq!(pinger.send(&mut net, "10.0.0.255", 1, 8), Err(Errno::EACCES));
    net.set_link_up(client, eth0, false).unwrap();
    assert_eq!(pinger.send(&mut net, "10.0.1.1", 1, 8), Err(Errno::ENETUNREACH));
}

#[test]
fn forks_go_the_same_way() {
    let (mut net, client, _, _) = routed();
    let pinger = Pinger::new(&mut net, client);
    pinger.send(&mut net, "10.0.1.77", 1, 56).unwrap();
    run(&mut net, 500);
    let mut fork = net.clone();
    run(&mut net, 5000);
    run(&mut fork, 5000);
    assert_eq!(net.digest(), fork.digest());
    assert_eq!(pinger.received(&mut net), pinger.received(&mut fork));
    conserved(&fork);
}

#[test]
fn what_is_too_large_counts_as_forwarded_and_every_fragment_as_transmitted() {
    let (mut net, client, router, server) = routed();
    for (ns, name) in [(router, "right"), (server, "eth0")] {
        let link = net.ns(ns).unwrap().devs.index_of(name).unwrap();
        net.set_link_mtu(ns, link, 1400).unwrap();
    }
    let pinger = Pinger::new(&mut net, client);
    let counters = |net: &Network| {
        let snmp = &net.ns(router).unwrap().snmp;
        (snmp.forw_datagrams, snmp.out_transmits, snmp.frag_creates, snmp.frag_fails)
    };
    net.socket_mut(client, pinger.socket).unwrap().opts.pmtudisc = PmtuDisc::Dont;
    pinger.send(&mut net, "10.0.1.1", 1, 1472).unwrap();
    run(&mut net, 900);
    // A request that is cut here, and a reply that was cut before.
    assert_eq!(counters(&net), (3, 4, 2, 0));
    net.socket_mut(client, pinger.socket).unwrap().opts.pmtudisc = PmtuDisc::Do;
    pinger.send(&mut net, "10.0.1.1", 2, 1472).unwrap();
    run(&mut net, 900);
    assert_eq!(counters(&net), (4, 5, 2, 1), "the one transmitted is the ICMP error");
}

#[test]
fn a_frame_that_the_other_end_of_a_veth_does_not_take_is_told_to_who_sends_it() {
    let mut net = network();
    let (a, b) = (host(&mut net, "a", false), host(&mut net, "b", false));
    let (near, far) = cable(&mut net, (a, "eth0", "10.0.0.1/24"), (b, "eth0", "10.0.0.2/24"));
    net.set_link_mtu(b, far, 1400).unwrap();
    let ping = Pinger::new(&mut net, a);
    // The kernel leaves room for a VLAN tag: 1404 bytes still pass.
    ping.send(&mut net, "10.0.0.2", 1, 1376).unwrap();
    run(&mut net, 100);
    assert_eq!(ping.received(&mut net).len(), 1);
    let counted = |net: &Network| {
        let stats = |ns, link| net.ns(ns).unwrap().devs.get(link).unwrap().stats;
        (stats(a, near).tx_packets, stats(a, near).tx_dropped, stats(b, far).rx_dropped)
    };
    let before = counted(&net);
    ping.send(&mut net, "10.0.0.2", 2, 1377).unwrap();
    net.socket_mut(a, ping.socket).unwrap().opts.recverr = true;
    assert_eq!(ping.send(&mut net, "10.0.0.2", 3, 1377), Err(Errno::ENOBUFS));
    run(&mut net, 100);
    assert_eq!(counted(&net), (before.0, before.1 + 2, before.2 + 2));
    assert!(ping.received(&mut net).is_empty());
    conserved(&net);
}
