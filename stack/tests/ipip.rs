//! Packets through `ipip` tunnels, as Linux 6.1 was seen to treat them.

mod common;

use common::{Pinger, address, cable, conserved, drops, host, network, run, set, via};
use core::net::Ipv4Addr;
use hopwise_devices::ipip::TunnelParams;
use hopwise_protocols::fib::{Insert, NhFlags, RT_SCOPE_LINK, RT_TABLE_MAIN, Route};
use hopwise_protocols::wire::icmp::{ICMP_DEST_UNREACH, ICMP_ECHOREPLY, ICMP_FRAG_NEEDED, ICMP_HOST_UNREACH};
use hopwise_protocols::wire::ipv4;
use hopwise_protocols::wire::{IntoBytes, ethernet};
use hopwise_sim_core::{DropReason, IfIndex, NsId};
use hopwise_stack::Network;
use hopwise_stack::socket::{PmtuDisc, SocketKind};
use proptest::prelude::*;

/// Two nodes with a router between them, and a tunnel from one to the other.
struct Lab {
    net: Network,
    a: NsId,
    b: NsId,
    tunnels: [IfIndex; 2],
    /// The router's link to `b`.
    narrow: (NsId, IfIndex),
}

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 1);
const INNER_A: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
const INNER_B: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 2);

fn lab(params: TunnelParams) -> Lab {
    let mut net = network();
    let [a, r, b] = ["a", "r", "b"].map(|name| host(&mut net, name, name == "r"));
    cable(&mut net, (a, "eth0", "10.0.1.1/24"), (r, "left", "10.0.1.254/24"));
    let (_, narrow) = cable(&mut net, (b, "eth0", "10.0.2.1/24"), (r, "right", "10.0.2.254/24"));
    via(&mut net, a, "0.0.0.0/0", "10.0.1.254");
    via(&mut net, b, "0.0.0.0/0", "10.0.2.254");
    let ends = [(a, A, B, "192.168.0.1/30"), (b, B, A, "192.168.0.2/30")];
    let tunnels = ends.map(|(ns, local, remote, inner)| {
        let link = net.tunnel_add(ns, Some("tun"), TunnelParams { local, remote, ..params }).unwrap();
        net.set_link_up(ns, link, true).unwrap();
        address(&mut net, ns, link, inner);
        link
    });
    Lab { net, a, b, tunnels, narrow: (r, narrow) }
}

/// Whether an echo request is answered.
fn answered(ping: &Pinger, net: &mut Network, to: Ipv4Addr) -> bool {
    ping.ping(net, &to.to_string()).iter().any(|(from, _, kind, ..)| (*from, *kind) == (to, ICMP_ECHOREPLY))
}

/// The errors about inner packets that came: from whom, type, code, MTU. (A raw socket sees those about outer ones too.)
fn errors(ping: &Pinger, net: &mut Network) -> Vec<(Ipv4Addr, u8, u8, u16)> {
    let all = ping.received(net).into_iter().filter(|(from, ..)| *from == INNER_A);
    all.map(|(from, _, kind, code, [_, _, a, b])| (from, kind, code, u16::from_be_bytes([a, b]))).collect()
}

/// The outer headers that left `a` for `b`.
fn outer(lab: &Lab) -> Vec<ipv4::Header> {
    let eth0 = lab.net.ns(lab.a).unwrap().devs.index_of("eth0").unwrap();
    let frames = lab.net.captures.frames().iter().filter(|f| (f.ns, f.link) == (lab.a, eth0));
    let packets = frames.filter_map(|f| ipv4::view(lab.net.captures.bytes(f).get(14..)?).ok().map(|ip| *ip.header));
    packets.filter(|ip| ip.protocol == ipv4::IPPROTO_IPIP && ip.src() == A).collect()
}

#[test]
fn the_inner_packet_arrives_as_it_was_and_the_outer_header_follows_the_tunnel() {
    let mut lab = lab(TunnelParams { tos: 0x10, ..TunnelParams::default() });
    let ping = Pinger::new(&mut lab.net, lab.a);
    assert!(answered(&ping, &mut lab.net, INNER_B));
    let header = outer(&lab)[0];
    assert_eq!((header.tos, header.ttl, header.dont_fragment(), header.total_len.get()), (0x10, 64, true, 104));
    assert_ne!(header.id.get(), 0);
    let dev = lab.net.ns(lab.a).unwrap().devs.get(lab.tunnels[0]).unwrap();
    assert_eq!((dev.mtu, dev.stats.tx_packets, dev.stats.tx_bytes, dev.stats.rx_bytes), (1480, 1, 84, 84));
    conserved(&lab.net);
}

#[test]
fn the_sender_learns_of_a_narrow_way_with_the_second_packet() {
    let mut lab = lab(TunnelParams::default());
    lab.net.set_link_mtu(lab.narrow.0, lab.narrow.1, 1400).unwrap();
    let ping = Pinger::new(&mut lab.net, lab.a);
    lab.net.socket_mut(ping.ns, ping.socket).unwrap().opts.pmtudisc = PmtuDisc::Do;
    for seq in 1..=2 {
        ping.send(&mut lab.net, "192.168.0.2", seq, 1452).unwrap();
        run(&mut lab.net, 1000);
    }
    assert_eq!(errors(&ping, &mut lab.net), [(INNER_A, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1380)]);
}

#[test]
fn the_end_that_moved_into_a_pod_hears_of_the_narrow_way_too() {
    let mut lab = lab(TunnelParams::default());
    let host = lab.net.ns(lab.a).unwrap().host;
    let pod = lab.net.add_namespace(host);
    lab.net.set_link_up(pod, IfIndex::LO, true).unwrap();
    let link = lab.net.move_link(lab.a, lab.tunnels[0], pod, None).unwrap();
    address(&mut lab.net, pod, link, "192.168.0.1/30");
    lab.net.set_link_up(pod, link, true).unwrap();
    let ping = Pinger::new(&mut lab.net, pod);
    assert!(answered(&ping, &mut lab.net, INNER_B));
    lab.net.set_link_mtu(lab.narrow.0, lab.narrow.1, 1400).unwrap();
    lab.net.socket_mut(ping.ns, ping.socket).unwrap().opts.pmtudisc = PmtuDisc::Do;
    for seq in 2..=3 {
        ping.send(&mut lab.net, "192.168.0.2", seq, 1452).unwrap();
        run(&mut lab.net, 1000);
    }
    assert_eq!(errors(&ping, &mut lab.net), [(INNER_A, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, 1380)]);
    assert!(lab.net.link_del(pod, link).is_ok());
    assert_eq!(lab.net.ns(lab.a).unwrap().tunnels.as_ref().unwrap().iter().count(), 1, "only tunl0 is left");
}

#[test]
fn what_is_heard_of_the_far_end_is_told_to_the_next_packet() {
    let mut lab = lab(TunnelParams::default());
    lab.net.set_link_up(lab.b, lab.tunnels[1], false).unwrap();
    let ping = Pinger::new(&mut lab.net, lab.a);
    for seq in 1..=2 {
        ping.send(&mut lab.net, "192.168.0.2", seq, 56).unwrap();
        run(&mut lab.net, 1000);
    }
    assert_eq!(errors(&ping, &mut lab.net), [(INNER_A, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0)]);
    assert!(drops(&lab.net).contains(&DropReason::NoTunnel));
}

#[test]
fn without_a_route_and_with_one_into_itself_it_counts() {
    let mut lab = lab(TunnelParams::default());
    let ping = Pinger::new(&mut lab.net, lab.a);
    let mut into_itself = Route::new("10.0.2.1/32".parse().unwrap()).with_nexthop(None, lab.tunnels[0]);
    into_itself.scope = RT_SCOPE_LINK;
    lab.net.route_add(lab.a, RT_TABLE_MAIN, into_itself, Insert::ADD_ROUTE).unwrap();
    ping.send(&mut lab.net, "192.168.0.2", 1, 56).unwrap();
    run(&mut lab.net, 100);
    let stats = lab.net.ns(lab.a).unwrap().devs.get(lab.tunnels[0]).unwrap().stats;
    assert_eq!((stats.tx_packets, stats.tx_errors, stats.collisions, stats.tx_carrier), (0, 1, 1, 0));
    assert_eq!(drops(&lab.net), [DropReason::TunnelLoop]);
}

#[test]
fn a_far_end_that_is_not_fixed_is_the_next_hop() {
    let mut net = network();
    let [a, b] = ["a", "b"].map(|name| host(&mut net, name, true));
    cable(&mut net, (a, "eth0", "10.0.0.1/24"), (b, "eth0", "10.0.0.2/24"));
    for (ns, local, inner, far, next) in [
        (a, "10.0.0.1", "192.168.1.1/32", "192.168.2.0/24", "10.0.0.2"),
        (b, "10.0.0.2", "192.168.2.1/32", "192.168.1.0/24", "10.0.0.1"),
    ] {
        let params = TunnelParams { local: local.parse().unwrap(), ..TunnelParams::default() };
        let link = net.tunnel_add(ns, Some("tun"), params).unwrap();
        net.set_link_up(ns, link, true).unwrap();
        address(&mut net, ns, link, inner);
        let mut route = Route::new(far.parse().unwrap()).with_nexthop(Some(next.parse().unwrap()), link);
        route.nexthops[0].flags |= NhFlags::ONLINK;
        net.route_add(ns, RT_TABLE_MAIN, route, Insert::ADD_ROUTE).unwrap();
    }
    let ping = Pinger::new(&mut net, a);
    assert!(answered(&ping, &mut net, Ipv4Addr::new(192, 168, 2, 1)));
}

/// Puts a tunnel into the tunnel of a lab, and so on, until there are so many. Gives the links of `a` and the innermost
/// address of `b`.
fn nested(lab: &mut Lab, count: u8) -> (Vec<IfIndex>, Ipv4Addr) {
    let mut links = vec![lab.tunnels[0]];
    for i in 1..count {
        let ends = [1, 2].map(|end| Ipv4Addr::new(192, 168, i - 1, end));
        for (ns, local, remote, own) in [(lab.a, ends[0], ends[1], 1), (lab.b, ends[1], ends[0], 2)] {
            let params = TunnelParams { local, remote, ..TunnelParams::default() };
            let link = lab.net.tunnel_add(ns, Some(&format!("tun{i}")), params).unwrap();
            lab.net.set_link_up(ns, link, true).unwrap();
            address(&mut lab.net, ns, link, &format!("192.168.{i}.{own}/30"));
            links.extend((ns == lab.a).then_some(link));
        }
    }
    (links, Ipv4Addr::new(192, 168, count - 1, 2))
}

#[test]
fn three_tunnels_in_each_other_carry_a_packet_and_a_fourth_is_a_dead_loop() {
    let mut three = lab(TunnelParams::default());
    let (_, inmost) = nested(&mut three, 3);
    let ping = Pinger::new(&mut three.net, three.a);
    assert!(answered(&ping, &mut three.net, inmost));
    let mut four = lab(TunnelParams::default());
    let (links, inmost) = nested(&mut four, 4);
    let ping = Pinger::new(&mut four.net, four.a);
    assert!(!answered(&ping, &mut four.net, inmost));
    assert_eq!(drops(&four.net), [DropReason::TooDeep]);
    let a = four.net.ns(four.a).unwrap();
    let log: Vec<&str> = a.log.iter().map(|(_, text)| &**text).collect();
    assert_eq!(log, ["Dead loop on virtual device tun, fix it urgently!"]);
    // That the fourth did not send is its own affair: the others have sent.
    let counted = links.iter().map(|link| a.devs.get(*link).unwrap().stats);
    let counted: Vec<_> = counted.map(|stats| (stats.tx_packets, stats.tx_errors, stats.tx_dropped)).collect();
    assert_eq!(counted, [(0, 1, 0), (1, 0, 0), (1, 0, 0), (1, 0, 0)]);
    conserved(&four.net);
}

#[test]
fn tunnels_in_two_namespaces_are_in_each_other_all_the_same() {
    let mut lab = lab(TunnelParams::default());
    let (links, inmost) = nested(&mut lab, 4);
    let pod = lab.net.add_namespace(lab.net.ns(lab.a).unwrap().host);
    let link = lab.net.move_link(lab.a, links[3], pod, None).unwrap();
    address(&mut lab.net, pod, link, "192.168.3.1/30");
    lab.net.set_link_up(pod, link, true).unwrap();
    let ping = Pinger::new(&mut lab.net, pod);
    assert!(!answered(&ping, &mut lab.net, inmost));
    assert_eq!(drops(&lab.net), [DropReason::TooDeep]);
    conserved(&lab.net);
}

proptest! {
    /// Whatever comes inside a packet of protocol 4, nothing is lost count of.
    #[test]
    fn nothing_inside_an_outer_packet_breaks_the_receiver(tail in prop::collection::vec(any::<u8>(), 0..120), tos: u8) {
        let mut lab = lab(TunnelParams::default());
        set(&mut lab.net, lab.b, "net.ipv4.conf.all.rp_filter", "0");
        let mut header = ipv4::Header::new(A, B, ipv4::IPPROTO_IPIP, tail.len() as u16);
        header.tos = tos;
        header.seal(&[]);
        let eth0 = lab.net.ns(lab.b).unwrap().devs.find("eth0").unwrap();
        let (link, mac) = (eth0.index, eth0.addr);
        let ethernet = ethernet::Header::new(mac, mac, 0x0800);
        let frame = [ethernet.as_bytes(), header.as_bytes(), &tail].concat();
        lab.net.inject(lab.b, link, &frame);
        run(&mut lab.net, 100);
        conserved(&lab.net);
    }
}

#[test]
fn what_a_tunnel_in_a_tunnel_inherits_comes_from_the_innermost_datagram_of_a_socket_but_not_of_a_raw_one() {
    let mut lab = lab(TunnelParams { tos: 1, ..TunnelParams::default() });
    let (links, inmost) = nested(&mut lab, 2);
    let inner = TunnelParams { ttl: 33, tos: 0x20, ..lab.net.tunnel_params(lab.a, links[1]).unwrap() };
    lab.net.tunnel_change(lab.a, links[1], inner).unwrap();
    let socket = lab.net.open_socket(lab.a, 1, SocketKind::Udp).unwrap();
    let ping = Pinger::new(&mut lab.net, lab.a);
    for id in [socket, ping.socket] {
        let opts = &mut lab.net.socket_mut(lab.a, id).unwrap().opts;
        (opts.ttl, opts.tos) = (Some(77), 0x48);
    }
    lab.net.send_udp(lab.a, socket, Some((inmost, 9)), b"x").unwrap();
    ping.send(&mut lab.net, &inmost.to_string(), 1, 1).unwrap();
    run(&mut lab.net, 100);
    let seen: Vec<(u8, u8)> = outer(&lab).iter().map(|header| (header.ttl, header.tos)).collect();
    assert_eq!(seen, [(77, 0x48), (33, 0x20)], "as Linux 6.1 sends them");
}
