//! The hooks of netfilter in the packet path, by what users type: what happened on Linux 6.18 with the same commands.

use hopwise_machine::MachineId;
use hopwise_userland::World;

struct Lab {
    world: World,
    host: MachineId,
}

impl Lab {
    /// Client `c` (10.0.1.2), router, server `s` (10.0.2.2), as namespaces of one machine.
    fn routed() -> Lab {
        let mut lab = Lab::empty();
        lab.run("ip netns add c; ip netns add s");
        lab.run("ip link add rc type veth peer name e0 netns c; ip link add rs type veth peer name e0 netns s");
        lab.run("ip addr add 10.0.1.1/24 dev rc; ip addr add 10.0.2.1/24 dev rs; ip link set rc up; ip link set rs up");
        for (name, net) in [("c", 1), ("s", 2)] {
            lab.run(&format!("ip -n {name} addr add 10.0.{net}.2/24 dev e0; ip -n {name} link set e0 up"));
            lab.run(&format!("ip -n {name} link set lo up; ip -n {name} route add default via 10.0.{net}.1"));
        }
        lab.run("sysctl -qw net.ipv4.ip_forward=1");
        lab
    }

    /// Three namespaces `a`, `b`, `c` (10.0.0.2 to .4) behind the bridge `br0` (10.0.0.1).
    fn bridged() -> Lab {
        let mut lab = Lab::empty();
        lab.run("ip link add br0 type bridge; ip addr add 10.0.0.1/24 dev br0; ip link set br0 up");
        for (name, n) in [("a", 2), ("b", 3), ("c", 4)] {
            lab.run(&format!("ip netns add {name}; ip link add p{name} type veth peer name e0 netns {name}"));
            lab.run(&format!("ip link set p{name} master br0 up; ip -n {name} addr add 10.0.0.{n}/24 dev e0"));
            lab.run(&format!("ip -n {name} link set e0 up; ip -n {name} route add default via 10.0.0.1"));
        }
        lab
    }

    fn empty() -> Lab {
        let mut world = World::new(3);
        let host = world.add_machine("host");
        Lab { world, host }
    }

    /// Types a command that must succeed silently.
    fn run(&mut self, command: &str) {
        assert_eq!(self.text(command), "", "{command}");
    }

    fn text(&mut self, command: &str) -> String {
        self.world.run(self.host, command).text
    }

    /// How many echo requests of three are answered.
    fn pings(&mut self, ns: &str, to: &str) -> u32 {
        let text = self.text(&format!("ip netns exec {ns} ping -q -c 3 -i 0.2 -W 0.2 {to}"));
        text.split(" received").next().and_then(|t| t.rsplit(", ").next()).and_then(|n| n.parse().ok()).unwrap_or(99)
    }

    /// What `tcpdump` in a namespace shows while a command runs.
    fn seen(&mut self, ns: &str, filter: &str, command: &str) -> String {
        self.run(&format!("ip netns exec {ns} tcpdump -ntli e0 {filter} > /tmp/seen 2>/dev/null &"));
        self.text(&format!("sleep 0.1; {command}; sleep 1; pkill tcpdump"));
        self.text("sleep 0.1; cat /tmp/seen")
    }
}

#[test]
fn a_masqueraded_packet_leaves_with_the_routers_address_and_its_answer_comes_back() {
    let mut lab = Lab::routed();
    lab.run("ip -n s route del default");
    assert_eq!(lab.pings("c", "10.0.2.2"), 0, "the server knows no way back");
    lab.run("iptables -t nat -A POSTROUTING -s 10.0.1.0/24 -o rs -j MASQUERADE");
    assert_eq!(lab.pings("c", "10.0.2.2"), 3);
    let seen = lab.seen("s", "icmp", "ip netns exec c ping -q -c 1 -e 5 10.0.2.2");
    assert!(seen.starts_with("IP 10.0.2.1 > 10.0.2.2: ICMP echo request, id 5, seq 1, length 64\n"), "{seen}");
    let counted = lab.text("iptables -t nat -vnL POSTROUTING | tail -n 1");
    assert!(counted.trim_start().starts_with("2   168 MASQUERADE"), "one packet a connection: {counted}");
}

#[test]
fn a_router_translates_the_errors_about_translated_packets() {
    let mut lab = Lab::routed();
    lab.run("iptables -t nat -A PREROUTING -d 10.9.9.9 -j DNAT --to-destination 10.0.2.2");
    assert_eq!(lab.pings("c", "10.9.9.9"), 3);
    let text = lab.text("ip netns exec c traceroute -n -q 1 -w 1 10.9.9.9 2>&1 | awk '{print $2}'");
    assert_eq!(text, "to\n10.9.9.9\n10.9.9.9\n", "even the router's own error comes from the translated address");
}

#[test]
fn connections_are_tracked_only_while_a_rule_needs_them() {
    let mut lab = Lab::routed();
    lab.run("iptables -A FORWARD -p icmp -j ACCEPT");
    assert_eq!(lab.pings("c", "10.0.2.2"), 3);
    assert!(lab.world.net().namespaces().all(|ns| ns.conntrack.is_none()));
    lab.run("iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP");
    assert_eq!(lab.pings("c", "10.0.2.2"), 3);
    assert!(lab.world.net().namespaces().any(|ns| ns.conntrack.is_some()));
}

#[test]
fn a_firewall_lets_answers_in_and_nothing_else() {
    let mut lab = Lab::routed();
    lab.run("iptables -P FORWARD DROP; iptables -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT");
    lab.run("iptables -A FORWARD -i rc -m conntrack --ctstate NEW -j ACCEPT");
    assert_eq!((lab.pings("c", "10.0.2.2"), lab.pings("s", "10.0.1.2")), (3, 0));
    lab.run("iptables -R FORWARD 1 -m conntrack --ctstate ESTABLISHED -j DROP");
    assert_eq!(lab.pings("c", "10.0.2.2"), 0, "the answers are dropped now");
}

#[test]
fn what_is_rejected_is_answered() {
    let mut lab = Lab::routed();
    lab.run("iptables -A FORWARD -p icmp -j REJECT --reject-with icmp-host-prohibited");
    lab.run("iptables -A FORWARD -p tcp -j REJECT --reject-with tcp-reset");
    let text = lab.text("ip netns exec c ping -c 1 -W 1 10.0.2.2 | sed -n 2p");
    assert_eq!(text, "From 10.0.1.1 icmp_seq=1 Destination Host Prohibited\n");
    let text = lab.text("ip netns exec c curl -sS -m 3 10.0.2.2 2>&1 | sed 's/after [0-9]* ms/after N ms/'");
    assert_eq!(text, "curl: (7) Failed to connect to 10.0.2.2 port 80 after N ms: Couldn't connect to server\n");
    lab.run("iptables -I OUTPUT -p udp -d 10.0.1.2 -j DROP");
    let text = lab.text("traceroute -n -q 1 -m 1 -w 1 10.0.1.2 2>&1 | tail -n 1");
    assert_eq!(text, "send: Operation not permitted\n", "the sender is told");
}

#[test]
fn a_local_packet_is_routed_again_after_its_destination_was_changed() {
    let mut lab = Lab::routed();
    lab.run("ip netns exec s python3 -m http.server 80 > /dev/null 2>&1 & sleep 0.5");
    lab.run("iptables -t nat -A OUTPUT -d 10.0.1.99 -p tcp --dport 8080 -j DNAT --to-destination 10.0.2.2:80");
    // The source address was chosen for the way to 10.0.1.99.
    let seen = lab.seen("s", "'tcp[13] = 2'", "curl -s -o /dev/null 10.0.1.99:8080");
    assert!(seen.contains("IP 10.0.1.1.") && seen.contains(" > 10.0.2.2.80: Flags [S]"), "{seen}");
    assert_eq!(lab.text("curl -s -o /dev/null -w '%{http_code}' -m 3 10.0.1.99:8080"), "200");
}

#[test]
fn a_mark_set_at_output_finds_another_table() {
    let mut lab = Lab::routed();
    lab.run("ip rule add fwmark 7 table 7; ip route add 10.0.3.0/24 via 10.0.2.2 table 7");
    assert_eq!(lab.text("ping -c 1 -W 1 10.0.3.3 2>&1"), "ping: connect: Network is unreachable\n");
    lab.run("ip route add 10.0.3.0/24 via 10.0.1.2; iptables -t mangle -A OUTPUT -p icmp -j MARK --set-mark 7");
    let seen = lab.seen("s", "icmp", "ping -c 1 -W 1 10.0.3.3");
    assert!(seen.starts_with("IP 10.0.1.1 > 10.0.3.3: ICMP echo request"), "{seen}");
}

#[test]
fn bridged_packets_meet_the_hooks_if_the_setting_says_so() {
    let mut lab = Lab::bridged();
    lab.run("iptables -A FORWARD -i br0 -o br0 -m comment --comment bridged -j DROP");
    assert_eq!((lab.pings("a", "10.0.0.3"), lab.pings("a", "10.0.0.1")), (0, 3));
    lab.run("sysctl -qw net.bridge.bridge-nf-call-iptables=0");
    assert_eq!(lab.pings("a", "10.0.0.3"), 3);
    assert_eq!(
        lab.text("sysctl -w net.bridge.bridge-nf-call-iptables=5; sysctl -n net.bridge.bridge-nf-call-iptables"),
        "net.bridge.bridge-nf-call-iptables = 5\n1\n"
    );
}

/// The answer comes straight over the bridge; only if the bridge shows it to the hooks it is translated back.
#[test]
fn a_service_behind_the_same_bridge_needs_the_bridges_hooks() {
    for (setting, answered) in [(1, "200"), (0, "000")] {
        let mut lab = Lab::bridged();
        lab.run("sysctl -qw net.ipv4.ip_forward=1");
        lab.run(&format!("sysctl -qw net.bridge.bridge-nf-call-iptables={setting}"));
        lab.run("ip netns exec b python3 -m http.server 80 > /dev/null 2>&1 & sleep 0.5");
        lab.run("iptables -t nat -A PREROUTING -d 10.96.0.10 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.3:80");
        let text = lab.text("ip netns exec a curl -s -o /dev/null -m 3 -w '%{http_code}' 10.96.0.10");
        assert_eq!(text, answered, "bridge-nf-call-iptables = {setting}");
    }
}

/// The bridge's hooks put fragments together, and what is larger than the bridge's own MTU then is taken up nevertheless (br_pass_frame_up
/// does not ask).
#[test]
fn fragments_that_the_bridges_hooks_put_together_reach_the_host() {
    let mut lab = Lab::bridged();
    lab.run("iptables -t nat -A POSTROUTING -s 10.0.0.0/24 ! -d 10.0.0.0/24 -j MASQUERADE");
    let text = lab.text("ip netns exec a ping -c 1 -s 4000 10.0.0.1");
    assert!(text.contains("4008 bytes from 10.0.0.1"), "{text}");
}

/// The destination of a bridged frame is changed to another station: it gets its MAC address, and the source's stays.
#[test]
fn a_bridged_frame_with_another_destination_stays_in_the_bridge() {
    let mut lab = Lab::bridged();
    lab.run("iptables -t nat -A PREROUTING -d 10.0.0.3 -p icmp -j DNAT --to-destination 10.0.0.4");
    assert_eq!(lab.pings("a", "10.0.0.3"), 0, "a host that does not forward takes it up and drops it");
    lab.run("sysctl -qw net.ipv4.ip_forward=1");
    assert_eq!(lab.pings("a", "10.0.0.3"), 3);
    let source = lab.text("ip -n a -br link show e0 | awk '{print $3}'");
    let seen = lab.seen("c", "-e icmp", "ip netns exec a ping -q -c 1 10.0.0.3");
    assert!(seen.starts_with(source.trim()) && seen.contains("10.0.0.2 > 10.0.0.4: ICMP echo request"), "{seen}");
}

/// Two questions leave from one port: the endpoint that the first one is sent to has to be asked for its MAC address, and meanwhile the
/// second one begins the connection to the other endpoint.
#[test]
fn a_bridged_packet_that_waits_for_arp_meets_a_connection_of_its_own_flow() {
    let mut lab = Lab::bridged();
    lab.run("sysctl -qw net.ipv4.ip_forward=1");
    for (every, to) in [("-m statistic --mode nth --every 2 --packet 0", 3), ("", 4)] {
        for protocol in ["udp --dport 53", "tcp --dport 80"] {
            lab.run(&format!(
                "iptables -t nat -A PREROUTING -d 10.96.0.10 -p {protocol} {every} -j DNAT --to 10.0.0.{to}"
            ));
        }
    }
    lab.run("mkdir -p /etc/netns/a; echo nameserver 10.96.0.10 > /etc/netns/a/resolv.conf");
    for name in ["b", "c"] {
        lab.run(&format!("ip netns exec {name} dnsmasq -R -h --host-record=web.test,10.0.0.4"));
        lab.run(&format!("ip netns exec {name} python3 -m http.server 80 > /dev/null 2>&1 &"));
    }
    lab.text("ping -q -c 1 10.0.0.2; ping -q -c 1 10.0.0.4");
    lab.run("ip link set pb down; (sleep 0.4; ip link set pb up) &");
    let text =
        lab.text("ip netns exec a curl -s -o /dev/null -w '%{http_code} %{time_namelookup}' web.test | cut -c 1-7");
    assert_eq!(text, "200 1.0\n");
    let counted =
        "conntrack -S | grep -o 'insert_failed=. drop=. \\|clash_resolve=.*'; conntrack -L -p udp 2>/dev/null | wc -l";
    assert_eq!(lab.text(counted), "insert_failed=0 drop=0 \nclash_resolve=1 chaintoolong=0 \n1\n");
    // The first SYN loses against the one that is sent a second later.
    lab.text("ip neigh flush all; ping -q -c 1 10.0.0.2; ping -q -c 1 10.0.0.4");
    lab.run("ip link set pb down; (sleep 1.4; ip link set pb up) &");
    let text =
        lab.text("ip netns exec a curl -s -o /dev/null -w '%{http_code} %{time_connect}' 10.96.0.10 | cut -c 1-7");
    assert_eq!(text, "200 1.0\n");
    lab.run("sleep 2");
    assert_eq!(lab.text(counted), "insert_failed=1 drop=1 \nclash_resolve=1 chaintoolong=0 \n1\n");
}

#[test]
fn fragments_are_put_together_for_tracking_and_cut_again() {
    let mut lab = Lab::routed();
    lab.run("iptables -t nat -A POSTROUTING -o rs -j MASQUERADE");
    let seen = lab.seen("s", "ip", "ip netns exec c ping -q -c 1 -s 3000 10.0.2.2");
    let lines: Vec<&str> = seen.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 6, "{seen}");
    assert!(lines[0].starts_with("IP 10.0.2.1 > 10.0.2.2: ICMP echo request"), "{seen}");
    assert!(lines[1].starts_with("IP 10.0.2.1 > 10.0.2.2: ip-proto-1"), "{seen}");
    let mut lab = Lab::bridged();
    lab.run("iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP");
    assert_eq!(lab.text("ip netns exec a ping -q -c 1 -s 3000 10.0.0.3 | grep -c '1 received'"), "1\n");
}

#[test]
fn a_world_with_rules_is_the_same_every_time() {
    let digest = || {
        let mut lab = Lab::routed();
        lab.run("iptables -t nat -A POSTROUTING -o rs -p tcp -j MASQUERADE --random-fully");
        lab.run("ip netns exec s python3 -m http.server 80 > /dev/null 2>&1 & sleep 0.5");
        for _ in 0..5 {
            lab.text("ip netns exec c curl -s -m 3 10.0.2.2");
        }
        lab.world.net().digest()
    };
    assert_eq!(digest(), digest());
}

#[test]
fn a_missing_table_refuses_numbers_in_the_kernels_words() {
    let mut lab = Lab::empty();
    let missing = "iptables: No chain/target/match by that name.\n";
    assert_eq!(lab.text("iptables -R INPUT 1 -j ACCEPT"), missing);
    assert_eq!(lab.text("iptables -D INPUT 1"), missing);
    let no_rule = "iptables: Bad rule (does a matching rule exist in that chain?).\n";
    assert_eq!(lab.text("iptables -Z INPUT 1"), no_rule);
    lab.run("iptables -A INPUT -j ACCEPT");
    assert_eq!(lab.text("iptables -Z NOSUCH 1"), no_rule);
    assert_eq!(lab.text("iptables -Z NOSUCH"), missing);
}
