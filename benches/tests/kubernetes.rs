//! The rule sets of a Kubernetes node load, are saved the same, and lead packets where they should go.

use core::net::Ipv4Addr;

use hopwise_benches::kubernetes::{
    ENDPOINT_PORT, SERVICE_PORT, Shape, client, endpoint, felix, felix_sets, has_affinity, kube_proxy, node_port,
    service,
};
use hopwise_machine::MachineId;
use hopwise_userland::World;

/// A node with a pod's namespace `pod`, and one outside it, `outside`.
fn node() -> (World, MachineId) {
    let mut world = World::new(1);
    let node = world.add_machine("node");
    for line in [
        "sysctl -qw net.ipv4.ip_forward=1",
        "ip netns add pod; ip netns add outside",
        "ip link add cali0 type veth peer name eth0 netns pod",
        "ip link add eth0 type veth peer name eth0 netns outside",
        "ip addr add 10.244.255.1/32 dev cali0; ip link set cali0 up; ip route add 10.244.0.0/16 dev cali0",
        "ip addr add 192.168.1.10/24 dev eth0; ip link set eth0 up",
        "ip -n pod link set eth0 up; ip -n pod addr add 10.244.255.2/32 dev eth0",
        "ip -n pod route add 10.244.255.1 dev eth0; ip -n pod route add default via 10.244.255.1",
        "ip -n outside addr add 192.168.1.1/24 dev eth0; ip -n outside link set eth0 up",
        "ip -n outside route add default via 192.168.1.10",
        "ip netns exec pod nc -u -l -k 8080 >/run/got &",
    ] {
        ok(&mut world, node, line);
    }
    (world, node)
}

fn ok(world: &mut World, node: MachineId, line: &str) -> String {
    let output = world.run(node, line);
    assert_eq!(output.status, 0, "{line}: {}", output.text);
    output.text
}

/// Loads rules, and sees that they are saved as they were read.
fn load(world: &mut World, node: MachineId, rules: &str) {
    world.machines.write_file(node, "/etc/rules", rules.as_bytes()).unwrap();
    ok(world, node, "iptables-restore /etc/rules");
    let saved = ok(world, node, "iptables-save");
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect();
        // Rules of chains are told chain by chain; within one they keep their order.
        lines.sort_by(|a, b| a.split(' ').nth(1).cmp(&b.split(' ').nth(1)));
        lines
    };
    assert!(sorted(rules) == sorted(&saved), "not saved as it was read");
}

/// The connections that there are, in the words of the destination: who answers.
fn answered_by(world: &mut World, node: MachineId, to: Ipv4Addr, port: u32) -> Vec<String> {
    let list = ok(world, node, &format!("conntrack -L -p udp -d {to} --dport {port} 2>/dev/null"));
    let who = |line: &str| line.split("src=").nth(2).and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    list.lines().filter_map(who).collect()
}

fn kube(services: u32) {
    let (mut world, node) = node();
    load(&mut world, node, &kube_proxy(services, Shape::Full));
    let last = services - 1;
    for n in [0, 3, last] {
        for which in 0..2 {
            ok(&mut world, node, &format!("ip -n pod addr add {}/32 dev eth0", endpoint(n, which)));
        }
        for port in 0..8 {
            let addr = service(n);
            let from = 4000 + port;
            let send = format!("echo service {n} | nc -u -w 1 -p {from} {addr} {SERVICE_PORT}");
            ok(&mut world, node, &format!("ip netns exec outside bash -c '{send}'"));
        }
        let ends = answered_by(&mut world, node, service(n), SERVICE_PORT.into());
        assert_eq!(ends.len(), 8, "service {n}");
        let at = |which| ends.iter().filter(|end| **end == endpoint(n, which).to_string()).count();
        assert_eq!(at(0) + at(1), 8, "service {n}: {ends:?}");
        // The one who was sent somewhere is sent there again; the others are shared.
        assert_eq!(at(0) == 0 || at(1) == 0, has_affinity(n), "service {n}: {ends:?}");
    }
    // What comes from outside is masqueraded, so that the answer comes back here.
    let list = ok(&mut world, node, &format!("conntrack -L -p udp -d {} 2>/dev/null", service(0)));
    assert!(
        list.lines().all(|line| line.contains("dst=10.244.255.1 ") && line.contains(&format!("sport={ENDPOINT_PORT}"))),
        "{list}"
    );
    let port = node_port(0).unwrap();
    ok(&mut world, node, &format!("ip netns exec outside bash -c 'echo port | nc -u -w 1 192.168.1.10 {port}'"));
    assert_eq!(answered_by(&mut world, node, Ipv4Addr::new(192, 168, 1, 10), port).len(), 1);
    let got = ok(&mut world, node, "sort /run/got | uniq -c | tr -s ' '");
    let mut expected = " 1 port\n".to_owned();
    let mut names: Vec<String> = [0, 3, last].iter().map(|n| format!(" 8 service {n}\n")).collect();
    names.sort();
    expected.push_str(&names.concat());
    assert_eq!(got, expected);
}

#[test]
fn ten_services() {
    kube(10);
}

#[test]
fn a_thousand_services() {
    kube(1000);
}

#[test]
fn ten_thousand_services() {
    kube(10_000);
}

#[test]
fn felix_lets_in_whom_the_policy_names() {
    for workloads in [1, 1000] {
        let (mut world, node) = node();
        world.machines.write_file(node, "/etc/sets", felix_sets(workloads).as_bytes()).unwrap();
        ok(&mut world, node, "ipset restore < /etc/sets");
        load(&mut world, node, &felix(workloads));
        // A second pod on the node, behind a link that Felix knows if there are two workloads.
        ok(&mut world, node, "ip netns add peer; ip link add peer0 type veth peer name eth0 netns peer");
        ok(&mut world, node, "ip addr add 10.244.254.1/32 dev peer0; ip link set peer0 up");
        for addr in [client(0), client(1)] {
            ok(&mut world, node, &format!("ip -n peer addr add {addr}/32 dev eth0; ip route add {addr}/32 dev peer0"));
        }
        ok(&mut world, node, "ip -n peer link set eth0 up; ip -n peer route add 10.244.254.1 dev eth0");
        ok(&mut world, node, "ip -n peer route add default via 10.244.254.1");
        for (from, port) in [(client(0), ENDPOINT_PORT), (client(1), ENDPOINT_PORT), (client(0), 8081)] {
            let send = format!("echo from {from} to {port} | nc -u -w 1 -s {from} 10.244.255.2 {port}");
            ok(&mut world, node, &format!("ip netns exec peer bash -c '{send}'"));
        }
        assert_eq!(ok(&mut world, node, "cat /run/got"), format!("from {} to {ENDPOINT_PORT}\n", client(0)));
        let dropped =
            ok(&mut world, node, "iptables -vnxL cali-tw-cali0 | grep 'no policies' | tr -s ' ' | cut -d' ' -f2");
        assert_eq!(dropped, "2\n");
    }
}
