//! What the journey of a packet tells of netfilter: the rule that decided, the connection, the bytes that were changed.

use hopwise::World;
use hopwise::journey::Journeys;

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
