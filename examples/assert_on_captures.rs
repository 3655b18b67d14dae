//! Look at what was on a wire, as a test would: `cargo run --example assert_on_captures`.

use hopwise::World;
use hopwise::capture::{Capture, direction, matching};
use hopwise::stack::Direction;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut world = World::new(1);
    let host = world.add_machine("host");
    world.record_everything();
    world
        .run(
            host,
            "ip netns add pod; ip link add veth0 type veth peer name eth0 netns pod
             ip addr add 10.0.0.1/24 dev veth0; ip link set veth0 up
             ip -n pod addr add 10.0.0.2/24 dev eth0; ip -n pod link set eth0 up
             ping -c 2 10.0.0.2",
        )
        .expect_ok();

    let eth0 = Capture::of(&world, "host/pod:eth0").ok_or("there is no such link")?;
    print!("{}", eth0.to_text());

    // Checks are tcpdump's expressions, and can be combined.
    let request = matching("icmp[icmptype] == icmp-echo")?;
    let reply = matching("icmp[icmptype] == icmp-echoreply")?;
    assert_eq!(eth0.count(&request), 2);
    assert_eq!(eth0.count(&reply.and(direction(Direction::Out))), 2);
    assert_eq!(eth0.count(&matching("icmp")?.and(!matching("host 10.0.0.1")?)), 0);
    let first = eth0.expect(&matching("arp")?);
    println!("the first ARP message passed at {} s", first.at);
    Ok(())
}
