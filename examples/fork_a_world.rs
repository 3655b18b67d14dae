//! Try two futures from the same present: `cargo run --example fork_a_world`.

use hopwise::{MachineId, World};

/// How much of ten pings comes back.
fn loss(world: &mut World, host: MachineId) -> String {
    let ping = world.run(host, "ip netns exec a ping -c 10 -i 0.1 -W 1 10.0.1.2");
    ping.text.lines().find(|line| line.contains("packet loss")).unwrap_or("nothing").to_owned()
}

fn main() {
    let mut world = World::new(1);
    let host = world.add_machine("host");
    world
        .run(
            host,
            "for n in a router b; do ip netns add $n; done
             ip link add eth0 netns a type veth peer name left netns router
             ip link add eth0 netns b type veth peer name right netns router
             ip -n a addr add 10.0.0.2/24 dev eth0; ip -n b addr add 10.0.1.2/24 dev eth0
             ip -n router addr add 10.0.0.1/24 dev left; ip -n router addr add 10.0.1.1/24 dev right
             for l in left right; do ip -n router link set $l up; done
             for n in a b; do ip -n $n link set eth0 up; done
             ip -n a route add default via 10.0.0.1; ip -n b route add default via 10.0.1.1",
        )
        .expect_ok();

    // Cloning a world costs microseconds; both go on independently.
    let mut other = world.clone();
    other.run(host, "ip netns exec router sysctl -qw net.ipv4.ip_forward=1").expect_ok();
    println!("without ip_forward: {}", loss(&mut world, host));
    println!("with ip_forward:    {}", loss(&mut other, host));
    assert_ne!(world.digest(), other.digest());
}
