//! Ask a packet why it did not arrive: `cargo run --example explain_a_drop`.

use hopwise::World;
use hopwise::journey::Journeys;

fn main() {
    let mut world = World::new(1);
    let host = world.add_machine("host");
    world.record_everything();
    world
        .run(
            host,
            "ip netns add a; ip link add veth0 type veth peer name eth0 netns a
             ip addr add 10.0.0.1/24 dev veth0; ip link set veth0 up
             ip -n a addr add 10.0.0.2/24 dev eth0; ip -n a link set eth0 up
             ip -n a route add default via 10.0.0.1
             ip link add dummy0 type dummy; ip addr add 10.9.0.1/24 dev dummy0; ip link set dummy0 up",
        )
        .expect_ok();
    // The host has a route to 10.9.0.0/24, and yet nothing comes back.
    let ping = world.run(host, "ip netns exec a ping -c 1 -W 1 10.9.0.7");
    assert_eq!(ping.status, 1);

    let journeys = Journeys::of(&world);
    for packet in journeys.packets() {
        let told = journeys.tell(packet);
        if told.contains("DROP") && told.contains("10.9.0.7") {
            // HOPWISE_NOT_FORWARDING: net.ipv4.ip_forward is 0.
            print!("{told}");
        }
    }
}
