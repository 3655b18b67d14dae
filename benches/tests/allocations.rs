//! What the packet path and an idle namespace take from the allocator. (The crate `allocation-counter` is the global
//! allocator of this test and counts per thread.)

use allocation_counter::measure;
use hopwise_benches::hop::{Hop, datagram};
use hopwise_benches::{Bulk, Carrier, Chain, ChainOptions, Crowd, Switch, Tunnel};

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
