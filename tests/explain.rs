//! What the journey of a packet tells: of netfilter the rule that decided, the connection, the bytes that were changed; of
//! tunnels both headers.

use hopwise::World;
use hopwise::journey::Journeys;
use hopwise_capture::LinkType;

#[test]
fn a_journey_names_the_rule_the_connection_and_the_changed_bytes() {
    let mut world = World::new(1);
    let host = world.add_machine("host");
    world.record_everything();
    for command in [
        "ip netns add c; ip netns add s",
        "ip link add rc type veth peer name e0 netns c; ip link add rs type veth peer name e0 netns s",
        "ip addr add 10.0.1.1/24 dev rc; ip addr add 10.0.2.1/24 dev rs; ip link set rc up; ip link set rs up",
        "ip -n c addr add 10.0.1.2/24 dev e0; ip -n c link set e0 up; ip -n c route add default via 10.0.1.1",
        "ip -n s addr add 10.0.2.2/24 dev e0; ip -n s link set e0 up; ip -n s route add default via 10.0.2.1",
        "sysctl -qw net.ipv4.ip_forward=1; iptables -t nat -N SVC; iptables -t nat -A SVC -j DNAT --to 10.0.2.2",
        "iptables -t nat -A PREROUTING -d 10.96.0.10 -j SVC; iptables -A FORWARD -m length --length 1000: -j DROP",
    ] {
        world.run(host, command).expect_ok();
    }
    world.run(host, "ip netns exec c ping -c 1 -W 1 10.96.0.10; ip netns exec c ping -c 1 -W 1 -s 1200 10.96.0.10");
    let journeys = Journeys::of(&world);
    let requests =
        journeys.matching(|_, frame| frame.get(30..34) == Some(&[10, 96, 0, 10]) && frame.get(23) == Some(&1));
    let [small, large] = requests[..] else { panic!("{requests:?}") };
    let text = journeys.tell(small);
    for words in [
        "PREROUTING, rule 1: jump SVC (-A PREROUTING -d 10.96.0.10/32 -j SVC)",
        "PREROUTING, chain SVC, rule 1: DNAT (-A SVC -j DNAT --to-destination 10.0.2.2)",
        "NEW icmp 10.0.1.2:",
        "PREROUTING: destination 10.96.0.10 to 10.0.2.2 (bytes ",
        "16-19 0a60000a to 0a000202",
    ] {
        assert!(text.contains(words), "{words} in:\n{text}");
    }
    let text = journeys.tell(large);
    assert!(text.contains("FORWARD, rule 1: DROP (-A FORWARD -m length --length 1000:65535 -j DROP)"), "{text}");
    assert!(text.contains("DROP      NETFILTER_DROP"), "{text}");
}

/// Two bridges joined by VXLAN links, with a router in between: all in one machine.
fn overlay(world: &mut World) -> hopwise::MachineId {
    let host = world.add_machine("host");
    world.record_everything();
    for command in [
        "ip netns add r; ip -n r link set lo up; ip netns exec r sysctl -qw net.ipv4.ip_forward=1",
        "for n in 1 2; do ip netns add n$n; ip link add eth0 netns n$n type veth peer name e$n netns r; \
         ip -n r addr add 10.0.$n.1/24 dev e$n; ip -n r link set e$n up; ip -n n$n addr add 10.0.$n.2/24 dev eth0; \
         ip -n n$n link set eth0 up; ip -n n$n route add default via 10.0.$n.1; done",
        "ip -n n1 link add vx address 02:00:00:00:00:0a type vxlan id 7 dstport 4789 remote 10.0.2.2",
        "ip -n n2 link add vx address 02:00:00:00:00:0b type vxlan id 7 dstport 4789 remote 10.0.1.2",
        "for n in 1 2; do ip -n n$n addr add 172.16.0.$n/24 dev vx; ip -n n$n link set vx up; done",
    ] {
        world.run(host, command).expect_ok();
    }
    host
}

/// Where `words` stand in a text, one after the other.
fn in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let Some((_, after)) = rest.split_once(word) else { panic!("{word} is missing, or too early, in:\n{text}") };
        rest = after;
    }
}

#[test]
fn one_journey_leads_through_encapsulation_underlay_and_decapsulation() {
    let mut world = World::new(1);
    let host = overlay(&mut world);
    world.run(host, "ip netns exec n1 ping -c 1 172.16.0.2").expect_ok();
    world.run(host, "ip netns exec n1 ping -c 1 172.16.0.2").expect_ok();
    let journeys = Journeys::of(&world);
    // Inside a VXLAN packet: outer headers of 50 bytes, then an echo request.
    let requests = journeys
        .matching(|_, f| f.get(36..38) == Some(&[0x12, 0xb5]) && f.get(73) == Some(&1) && f.get(84) == Some(&8));
    let [_, second] = requests[..] else { panic!("{requests:?}") };
    let text = journeys.tell(second);
    in_order(
        &text,
        &[
            "host/n1",
            "172.16.0.2 is unicast",
            "172.16.0.2 dev vx 02:00:00:00:00:0b",
            "out       vx",
            "10.0.2.2 is unicast: table main, 0.0.0.0/0 via 10.0.1.1 dev eth0",
            "encap     vx: outer [10.0.1.2:",
            " > 10.0.2.2:4789 udp, ttl 64, tos 0x0, vni 7] inner [02:00:00:00:00:0a > 02:00:00:00:00:0b, \
             172.16.0.1 > 172.16.0.2 icmp, ttl 64, tos 0x0, DF]",
            "out       eth0",
            "host/r",
            "forward   ttl is now 63",
            "host/n2",
            "for this host, protocol udp",
            "decap     vx: outer [10.0.1.2:",
            "ttl 63, tos 0x0, vni 7] inner [02:00:00:00:00:0a",
            "in        vx",
            "for this host, protocol icmp",
        ],
    );
}

#[test]
fn one_journey_goes_through_an_ipip_tunnel() {
    let mut world = World::new(1);
    let host = world.add_machine("host");
    world.record_everything();
    let script = "for n in n1 n2; do ip netns add $n; ip -n $n link set lo up; done
        ip link add eth0 netns n1 type veth peer name eth0 netns n2
        ip -n n1 addr add 10.0.1.1/24 dev eth0; ip -n n2 addr add 10.0.1.2/24 dev eth0
        ip -n n1 link set eth0 up; ip -n n2 link set eth0 up
        ip -n n1 tunnel add tun1 mode ipip local 10.0.1.1 remote 10.0.1.2
        ip -n n2 tunnel add tun1 mode ipip local 10.0.1.2 remote 10.0.1.1
        ip -n n1 addr add 172.16.0.1/24 dev tun1; ip -n n2 addr add 172.16.0.2/24 dev tun1
        ip -n n1 link set tun1 up; ip -n n2 link set tun1 up
        ip netns exec n1 ping -c 1 172.16.0.2";
    for line in script.lines() {
        world.run(host, line).expect_ok();
    }
    let journeys = Journeys::of(&world);
    let is_request = |link_type, frame: &[u8]| {
        link_type == LinkType::RAW && frame.get(12..16) == Some(&[172, 16, 0, 1]) && frame.get(20) == Some(&8)
    };
    let requests = journeys.matching(is_request);
    assert_eq!(requests.len(), 1);
    in_order(
        &journeys.tell(requests[0]),
        &[
            "out       tun1",
            "encap     tun1: outer [10.0.1.1 > 10.0.1.2 ipip, ttl 64, tos 0x0, DF] inner [172.16.0.1 > 172.16.0.2 icmp, ttl 64",
            "out       eth0",
            "host/n2",
            "decap     tun1: outer [10.0.1.1 > 10.0.1.2 ipip",
            "in        tun1",
            "for this host, protocol icmp",
        ],
    );
}

#[test]
fn a_journey_tells_what_a_tunnel_does_not_know() {
    let mut world = World::new(1);
    let host = overlay(&mut world);
    world.run(host, "ip -n n1 link set vx type vxlan remote 0.0.0.0; ip -n n1 link del vx").expect_ok();
    world.run(host, "ip -n n1 link add vx type vxlan id 7 dstport 4789 l2miss l3miss proxy").expect_ok();
    // The link's own neighbour table is asked, which has nothing for what a bridge sends.
    world
        .run(host, "ip -n n1 link add br0 type bridge; ip -n n1 link set vx master br0; ip -n n1 link set vx up")
        .expect_ok();
    world.run(host, "ip -n n1 link set br0 up; ip -n n1 addr add 172.16.0.1/24 dev br0").expect_ok();
    world.run(host, "ip netns exec n1 ping -c 1 -W 1 172.16.0.9");
    world.run(host, "ip -n n1 neigh add 172.16.0.8 lladdr 02:00:00:00:00:08 dev br0").expect_ok();
    world.run(host, "ip netns exec n1 ping -c 1 -W 1 172.16.0.8");
    let journeys = Journeys::of(&world);
    let all: String = journeys.packets().map(|p| journeys.tell(p)).collect();
    assert!(all.contains("miss      vx does not know the MAC address of 172.16.0.9"), "{all}");
    in_order(&all, &["miss      vx does not know which host 02:00:00:00:00:08 is behind", "DROP      NO_TX_TARGET"]);
}

/// A world with a client, a router and a server; the client's route is typed.
fn routed() -> (World, hopwise::MachineId) {
    let mut world = World::new(7);
    let host = world.add_machine("host");
    world.record_everything();
    for command in [
        "ip netns add c; ip netns add s",
        "ip link add rc type veth peer name e0 netns c; ip link add rs type veth peer name e0 netns s",
        "ip addr add 10.0.1.1/24 dev rc; ip addr add 10.0.2.1/24 dev rs; ip link set rc up; ip link set rs up",
        "ip -n c addr add 10.0.1.2/24 dev e0; ip -n c link set e0 up; ip -n c route add default via 10.0.1.1",
        "ip -n s addr add 10.0.2.2/24 dev e0; ip -n s link set e0 up; ip netns exec s route add default gw 10.0.2.1",
        "sysctl -qw net.ipv4.ip_forward=1; iptables -I FORWARD -p icmp -j ACCEPT",
    ] {
        world.run(host, command).expect_ok();
    }
    (world, host)
}

fn ping(world: &mut World, host: hopwise::MachineId) {
    world.run(host, "ip netns exec c ping -c 1 10.0.2.2").expect_ok();
}

#[test]
fn a_fork_tells_the_same_and_each_goes_on_for_itself() {
    let (mut world, host) = routed();
    let mut fork = world.clone();
    for world in [&mut world, &mut fork] {
        ping(world, host);
    }
    let all = |world: &World| {
        let journeys = Journeys::of(world);
        let packets: Vec<_> = journeys.packets().collect();
        packets.into_iter().map(|packet| journeys.tell(packet)).collect::<String>()
    };
    let told = all(&world);
    assert_eq!(all(&fork), told);
    for origin in [
        "by        typed: ip -n c route add default via 10.0.1.1\n",
        "by        typed: route add default gw 10.0.2.1\n",
        "by        typed: iptables -I FORWARD -p icmp -j ACCEPT\n",
        "by        kernel: address 10.0.2.1 on rs\n",
        "by        kernel: address 10.0.1.2 on e0\n",
    ] {
        assert!(told.contains(origin), "{origin} in:\n{told}");
    }
    // What a packet met stays true after the route has another maker.
    fork.run(host, "ip -n c route replace default via 10.0.1.1 proto dhcp").expect_ok();
    let later = all(&fork);
    assert!(later.starts_with(&told) || later == told, "{later}");
    ping(&mut fork, host);
    assert!(all(&fork).contains("typed: ip -n c route replace default via 10.0.1.1 proto dhcp"));
    assert_eq!(all(&world), told);
}

#[test]
fn of_a_route_that_nobody_spoke_of_only_its_protocol_is_told() {
    let (mut world, host) = routed();
    let ns = world.find_ns("host/c").unwrap();
    world.run(host, "ip -n c route del default").expect_ok();
    let link = world.find_link("host/c:e0").unwrap().1;
    for (proto, told) in [(186, "by        proto: bgp\n"), (3, "")] {
        let route = hopwise_protocols::fib::Route::new("0.0.0.0/0".parse().unwrap());
        let mut route = route.with_nexthop(Some([10, 0, 1, 1].into()), link);
        (route.proto, route.metric) = (proto, 0);
        let how = hopwise_protocols::fib::Insert::REPLACE_ROUTE;
        world.kernel.net.route_add(ns, 254, route, how).unwrap();
        ping(&mut world, host);
        let journeys = Journeys::of(&world);
        let requests = journeys.matching(|_, frame| frame.get(34) == Some(&8));
        let text = journeys.tell(*requests.last().unwrap());
        let mut lines = text.lines().skip_while(|line| !line.contains(" route "));
        let (route, next) = (lines.next().unwrap(), lines.next().unwrap());
        assert!(route.contains("0.0.0.0/0 via 10.0.1.1"), "{text}");
        assert_eq!(next.contains(" by "), !told.is_empty(), "{text}");
        assert!(text.contains(told), "{text}");
    }
}
