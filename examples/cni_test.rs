//! A unit test that the author of a CNI plugin would write: what the plugin does is a list of commands; the test checks
//! the network that comes of it. `cargo test --example cni_test`, or `cargo run --example cni_test`.

use hopwise::capture::{Capture, matching};
use hopwise::{MachineId, Output, World};

/// What the plugin under test runs for ADD.
fn add(pod: &str, addr: &str) -> String {
    format!(
        "ip netns add {pod}
         ip link add veth-{pod} mtu 1450 type veth peer name eth0 mtu 1450 netns {pod}
         ip link set veth-{pod} master cni0 up
         ip -n {pod} addr add {addr}/24 dev eth0
         ip -n {pod} link set eth0 up
         ip -n {pod} route add default via 10.244.0.1"
    )
}

/// What it runs for DEL.
fn del(pod: &str) -> String {
    format!("ip netns del {pod}")
}

/// A node with the plugin's bridge.
fn node() -> (World, MachineId) {
    let mut world = World::new(1);
    let node = world.add_machine("node");
    world.record_everything();
    world
        .run(node, "ip link add cni0 type bridge; ip addr add 10.244.0.1/24 dev cni0; ip link set cni0 up")
        .expect_ok();
    (world, node)
}

fn ping(world: &mut World, node: MachineId, from: &str, to: &str) -> Output {
    world.run(node, &format!("ip netns exec {from} ping -c 1 -W 1 {to}"))
}

/// Pods reach each other and their node, through the bridge and at the MTU that was promised.
fn pods_reach_each_other() {
    let (mut world, node) = node();
    world.run(node, &add("web", "10.244.0.2")).expect_ok();
    world.run(node, &add("db", "10.244.0.3")).expect_ok();
    for to in ["10.244.0.3", "10.244.0.1"] {
        ping(&mut world, node, "web", to).expect_ok();
    }
    let whole = world.run(node, "ip netns exec web ping -c 1 -W 1 -M do -s 1422 10.244.0.3");
    whole.expect_ok();
    let larger = world.run(node, "ip netns exec web ping -c 1 -W 1 -M do -s 1423 10.244.0.3");
    assert!(larger.text.contains("message too long, mtu=1450"), "{}", larger.text);
}

/// A packet between pods is not routed: its TTL is untouched when it arrives.
fn pods_are_neighbours() {
    let (mut world, node) = node();
    world.run(node, &add("web", "10.244.0.2")).expect_ok();
    world.run(node, &add("db", "10.244.0.3")).expect_ok();
    ping(&mut world, node, "web", "10.244.0.3").expect_ok();
    let eth0 = Capture::of(&world, "node/db:eth0").expect("the pod has a link");
    eth0.expect(&matching("icmp[icmptype] == icmp-echo and ip[8] == 64").expect("a filter"));
}

/// DEL leaves nothing behind.
fn del_leaves_nothing() {
    let (mut world, node) = node();
    let before = world.run(node, "ip -br link; ip route; ip netns list").expect_ok().text;
    world.run(node, &add("web", "10.244.0.2")).expect_ok();
    world.run(node, &del("web")).expect_ok();
    let after = world.run(node, "ip -br link; ip route; ip netns list").expect_ok().text;
    let links = |text: &str| text.lines().filter(|line| line.contains("veth")).count();
    assert_eq!(links(&after), links(&before), "{after}");
    assert!(!after.contains("web"), "{after}");
}

fn main() {
    pods_reach_each_other();
    pods_are_neighbours();
    del_leaves_nothing();
    println!("the plugin does what it should");
}

#[cfg(test)]
mod tests {
    #[test]
    fn pods_reach_each_other() {
        super::pods_reach_each_other();
    }

    #[test]
    fn pods_are_neighbours() {
        super::pods_are_neighbours();
    }

    #[test]
    fn del_leaves_nothing() {
        super::del_leaves_nothing();
    }
}
