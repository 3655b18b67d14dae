//! What goes round without end is found out and named.

use hopwise::journey::Journeys;
use hopwise::{MachineId, World};

fn world(script: &str) -> (World, MachineId) {
    let mut world = World::new(1);
    let host = world.add_machine("host");
    world.run(host, script).expect_ok();
    (world, host)
}

/// Two bridges joined by `links` veth pairs: no spanning tree keeps a broadcast from going round.
fn ring(links: u32) -> String {
    let mut script = String::from("ip link add left type bridge; ip link add right type bridge\n");
    for i in 0..links {
        script += &format!(
            "ip link add a{i} type veth peer name b{i}; ip link set a{i} master left up; ip link set b{i} master right up\n"
        );
    }
    script + "ip addr add 10.0.0.1/24 dev left; ip link set left up; ip link set right up; sleep 1"
}

#[test]
fn a_broadcast_storm_ends_with_the_names_of_its_links() {
    let (mut world, host) = world(&ring(3));
    let ping = world.run(host, "ping -c 1 -W 1 10.0.0.2");
    assert_ne!(ping.status, 0);
    assert!(ping.text.contains("hopwise: packets circle or multiply without end"), "{}", ping.text);
    assert!(ping.text.contains("host:a0") || ping.text.contains("host:b0"), "{}", ping.text);
}

#[test]
fn frames_that_circle_without_multiplying_are_found_too() {
    let (mut world, host) = world(&ring(2));
    let ping = world.run(host, "ping -c 20 -W 1 10.0.0.2");
    assert!(ping.text.contains("hopwise: packets circle or multiply without end"), "{}", ping.text);
    assert!(ping.text.contains("host:"), "{}", ping.text);
}

#[test]
fn a_world_can_be_used_after_a_storm() {
    let (mut world, host) = world(&ring(3));
    world.run(host, "ping -c 1 -W 1 10.0.0.2");
    world.run(host, "ip link set right down").expect_ok();
    world.run(host, "ip link del left; sleep 1; ping -c 1 127.0.0.1").expect_ok();
    let (flying, held) = world.net().in_flight_and_held();
    assert_eq!(world.net().packets().alive(), flying + held);
}

#[test]
fn a_loop_of_routes_ends_by_ttl_and_says_so() {
    let (mut world, host) = world(
        "for n in a b c; do ip netns add $n; done\n\
         ip link add eth0 netns a type veth peer name eth0 netns b\n\
         ip link add eth1 netns a type veth peer name eth0 netns c\n\
         for n in a b c; do ip -n $n link set eth0 up; ip netns exec $n sysctl -qw net.ipv4.ip_forward=1; done\n\
         ip -n a link set eth1 up; ip -n a addr add 10.0.0.1/24 dev eth0; ip -n b addr add 10.0.0.2/24 dev eth0\n\
         ip -n a addr add 10.0.1.1/24 dev eth1; ip -n c addr add 10.0.1.2/24 dev eth0\n\
         ip -n a route add default via 10.0.0.2; ip -n b route add default via 10.0.0.1; ip -n c route add default via 10.0.1.1",
    );
    world.record_everything();
    let ping = world.run(host, "ip netns exec c ping -c 1 -W 1 192.0.2.1");
    assert_eq!(ping.status, 1);
    assert!(ping.text.contains("Time to live exceeded"), "{}", ping.text);
    let journeys = Journeys::of(&world);
    let told: String = journeys.packets().map(|p| journeys.tell(p)).collect();
    assert!(told.contains("HOPWISE_TTL_EXCEEDED"), "{told}");
}
