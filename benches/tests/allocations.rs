//! What the packet path and an idle namespace take from the allocator. (The crate `allocation-counter` is the global
//! allocator of this test and counts per thread.)

use allocation_counter::measure;
use hopwise_benches::hop::{Hop, datagram};
use hopwise_benches::{Bulk, Carrier, Chain, ChainOptions, Crowd, Pods, Switch, Tunnel, Way, address, frames, join};
use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route, RouteType};
use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{Duration, IfIndex, NsId};
use hopwise_stack::Network;
use hopwise_stack::control::link::{IpvlanSpec, KindSpec, LinkSpec};

#[test]
fn a_forwarded_packet_allocates_nothing() {
    let options = ChainOptions { hops: 8, routes: 1_000, ..ChainOptions::default() };
    let mut chain = Chain::new(options).unwrap();
    chain.send(512);
    let counted = measure(|| {
        assert_eq!(chain.send(500), 500);
    });
    assert_eq!(counted.count_total, 0, "4,000 hops made {} allocations", counted.count_total);
}

#[test]
fn a_frame_through_a_bridge_allocates_nothing() {
    let mut switch = Switch::new(16, 1500).unwrap();
    switch.send_flood(512);
    let counted = measure(|| {
        assert_eq!(switch.send_unicast(100), 100);
        switch.send_flood(100);
    });
    assert_eq!(counted.count_total, 0, "200 frames made {} allocations", counted.count_total);
}

#[test]
fn a_packet_through_a_tunnel_allocates_nothing() {
    for carrier in [Carrier::Vxlan, Carrier::Ipip] {
        let mut tunnel = Tunnel::new(carrier, 1400).unwrap();
        tunnel.send(512);
        let counted = measure(|| assert_eq!(tunnel.send(500), 500));
        assert_eq!(counted.count_total, 0, "{carrier:?}: 500 packets made {} allocations", counted.count_total);
    }
}

/// A frame to `dst` for a link.
fn frame(net: &Network, at: (NsId, IfIndex), dst: [u8; 4]) -> Vec<u8> {
    let own = net.ns(at.0).unwrap().devs.get(at.1).unwrap().addr;
    frames::datagram((own, MacAddr([2; 6])), [10, 0, 0, 9].into(), dst.into(), 200)
}

/// Frames come in through a link; gives how many of so many came to their end.
fn arrive(net: &mut Network, at: (NsId, IfIndex), frame: &[u8], count: u32) -> u64 {
    let before = net.packets().dropped;
    for _ in 0..count {
        net.inject(at.0, at.1, frame);
    }
    let until = net.now() + Duration::from_millis(4);
    net.run_until(until);
    net.packets().dropped - before
}

/// A router with a link, and another host behind it.
fn router() -> (Network, NsId, IfIndex) {
    let mut net = Network::new(1);
    let host = net.add_host("router");
    let (router, far) = (net.add_namespace(host), net.add_namespace(host));
    let (link, _) = join(&mut net, (router, "eth0"), (far, "eth0")).unwrap();
    address(&mut net, (router, link), [10, 0, 0, 1].into(), 24).unwrap();
    (net, router, link)
}

#[test]
fn a_packet_for_a_pod_on_an_ipvlan_allocates_nothing() {
    let (mut net, router, link) = router();
    let host = net.ns(router).unwrap().host;
    let pod = net.add_namespace(host);
    let spec = IpvlanSpec { lower: Some((router, link)), mode: None, reach: None };
    let ipvlan = net.link_add(pod, LinkSpec::new(Some("eth0"), KindSpec::Ipvlan(spec))).unwrap();
    net.set_link_up(pod, ipvlan, true).unwrap();
    address(&mut net, (pod, ipvlan), [10, 0, 0, 2].into(), 24).unwrap();
    // Nobody listens there, and after the first few nobody is told.
    let frame = frame(&net, (router, link), [10, 0, 0, 2]);
    arrive(&mut net, (router, link), &frame, 512);
    let counted = measure(|| assert_eq!(arrive(&mut net, (router, link), &frame, 500), 500));
    assert_eq!(counted.count_total, 0, "500 packets made {} allocations", counted.count_total);
}

#[test]
fn a_packet_of_a_vrf_allocates_nothing() {
    let (mut net, router, link) = router();
    let vrf = net.link_add(router, LinkSpec::new(Some("vrf0"), KindSpec::Vrf(Some(10)))).unwrap();
    net.set_link_up(router, vrf, true).unwrap();
    net.set_link_master(router, link, Some(vrf)).unwrap();
    net.sysctl_set(router, "net.ipv4.ip_forward", "1").unwrap().unwrap();
    let hole = Route { kind: RouteType::Blackhole, ..Route::new("10.9.0.0/16".parse().unwrap()) };
    net.route_add(router, 10, hole, Insert::ADD_ROUTE).unwrap();
    assert!(net.ns(router).unwrap().fib.table(RT_TABLE_MAIN).is_none_or(|main| main.is_empty()));
    let frame = frame(&net, (router, link), [10, 9, 0, 1]);
    arrive(&mut net, (router, link), &frame, 512);
    let counted = measure(|| assert_eq!(arrive(&mut net, (router, link), &frame, 500), 500));
    assert_eq!(counted.count_total, 0, "500 packets made {} allocations", counted.count_total);
}

#[test]
fn a_packet_through_programs_allocates_nothing() {
    for way in [Way::Legacy, Way::HostRouting] {
        let mut pods = Pods::new(way, 1400).unwrap();
        pods.send(512);
        let counted = measure(|| assert_eq!(pods.send(500), 500));
        assert_eq!(counted.count_total, 0, "{way:?}: 500 packets made {} allocations", counted.count_total);
    }
}

#[test]
fn a_packet_of_a_known_connection_allocates_nothing() {
    let mut hop = Hop::new(10);
    let packets: Vec<Vec<u8>> = (0..100).map(|client| datagram(client, 5000)).collect();
    packets.iter().for_each(|packet| assert!(hop.pass(packet)));
    let counted = measure(|| packets.iter().for_each(|packet| assert!(hop.pass(packet))));
    assert_eq!(counted.count_total, 0, "100 packets made {} allocations", counted.count_total);
}

#[test]
fn a_segment_of_an_open_connection_allocates_nothing() {
    for tracked in [false, true] {
        let mut world = Bulk::new(0, tracked).unwrap();
        let open = world.open().unwrap();
        // The windows grow to their end, and with them the queues.
        assert_eq!(world.transfer(open, 64 << 20), Ok(64 << 20));
        let before = world.segments();
        let counted = measure(|| assert_eq!(world.transfer(open, 4 << 20), Ok(4 << 20)));
        let segments = world.segments() - before;
        println!("{segments} segments made {} allocations", counted.count_total);
        assert!(counted.count_total * 100 < segments, "{segments} segments made {} allocations", counted.count_total);
    }
}

/// The budget for an idle namespace with a veth, an address and two routes is 2 KiB, at most 4 KiB; both ends of the
/// veth and the bridge port are counted.
#[test]
fn an_idle_namespace_is_small() {
    const MANY: u32 = 1_000;
    let mut crowd = None;
    let counted = measure(|| crowd = Some(Crowd::new(MANY).unwrap()));
    let each = counted.bytes_current / i64::from(MANY);
    println!("{each} bytes per namespace, {} allocations", counted.count_current / i64::from(MANY));
    assert!(each <= 4096, "an idle namespace takes {each} bytes");
}
