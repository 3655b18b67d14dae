//! A property of forwarding, tried on many frames: whatever comes in, no packet is lost or doubled, and the TTL of what
//! goes on is one less. `cargo run --release --example any_frame`.

use hopwise::protocols::wire::ipv4;
use hopwise::stack::Direction;
use hopwise::{Duration, World};

/// A small generator: an example needs no better one.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn main() {
    let mut world = World::new(1);
    let host = world.add_machine("host");
    world
        .run(
            host,
            "ip netns add in; ip netns add out; sysctl -qw net.ipv4.ip_forward=1
             ip link add left type veth peer name eth0 netns in; ip link add right type veth peer name eth0 netns out
             ip addr add 10.0.0.1/24 dev left; ip addr add 10.0.1.1/24 dev right; ip link set left up; ip link set right up
             ip -n in addr add 10.0.0.2/24 dev eth0; ip -n in link set eth0 up; ip -n in route add default via 10.0.0.1
             ip -n out addr add 10.0.1.2/24 dev eth0; ip -n out link set eth0 up; ip -n out route add default via 10.0.1.1
             ip netns exec in ping -c 1 10.0.1.2",
        )
        .expect_ok();
    world.record_everything();
    let (ns, left) = world.find_link("host:left").expect("the link was made");
    let right = world.find_link("host:right").expect("the link was made");
    let mac = world.net().ns(ns).and_then(|n| n.devs.get(left)).map(|d| d.addr).unwrap_or_default();

    let mut state = 1;
    for _ in 0..2_000 {
        // A frame to the router whose IPv4 header is right in some places and anything in others.
        let mut frame = [&mac.0[..], &[2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 40]].concat();
        frame.extend((0..36).map(|_| next(&mut state) as u8));
        frame[30..34].copy_from_slice(&[10, 0, 1, 2]);
        frame[26..30].copy_from_slice(&[10, 0, 0, 2]);
        frame[20] = 0x40; // not a fragment
        frame[21] = 0;
        frame[24..26].fill(0);
        let sum = hopwise::protocols::wire::checksum::checksum(&frame[14..34]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        world.kernel.net.inject(ns, left, &frame);
    }
    world.run_for(Duration::from_secs(60));

    let (flying, held) = world.net().in_flight_and_held();
    assert_eq!(world.net().packets().alive(), flying + held, "born = delivered + consumed + dropped + alive");
    let log = &world.net().captures;
    let mut forwarded = 0;
    for frame in log.frames().iter().filter(|f| (f.ns, f.link) == right && f.direction == Direction::Out) {
        let came_in = log.frames().iter().find(|f| f.packet == frame.packet && f.link == left);
        let Some(came_in) = came_in else { continue };
        let ttl = |bytes: &[u8]| bytes.get(14..).and_then(|ip| ipv4::parse(ip).ok()).map(|ip| ip.header.ttl);
        let (before, after) = (ttl(log.bytes(came_in)), ttl(log.bytes(frame)));
        assert_eq!(before.and_then(|t| t.checked_sub(1)), after);
        forwarded += 1;
    }
    println!("{forwarded} of 2000 frames were forwarded, and each lost one from its TTL");
}
