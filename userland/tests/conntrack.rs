//! `conntrack` beside packets: what a router's connections look like while they live, and what is told of them.

use hopwise_machine::MachineId;
use hopwise_userland::World;

struct Lab {
    world: World,
    host: MachineId,
}

impl Lab {
    /// Client `c` (10.0.1.2), router `r`, server `s` (10.0.2.2), as namespaces of one machine; the router masquerades.
    fn new() -> Lab {
        let mut world = World::new(3);
        let host = world.add_machine("host");
        let mut lab = Lab { world, host };
        lab.run("ip netns add c; ip netns add s; ip netns add r");
        for (name, net) in [("c", 1), ("s", 2)] {
            lab.run(&format!("ip link add r{name} netns r type veth peer name e0 netns {name}"));
            lab.run(&format!("ip -n r addr add 10.0.{net}.1/24 dev r{name}; ip -n r link set r{name} up"));
            lab.run(&format!("ip -n {name} addr add 10.0.{net}.2/24 dev e0; ip -n {name} link set e0 up"));
        }
        lab.run("ip -n c route add default via 10.0.1.1; ip netns exec r sysctl -qw net.ipv4.ip_forward=1");
        lab.run("ip netns exec r iptables -t nat -A POSTROUTING -o rs -j MASQUERADE");
        lab
    }

    fn run(&mut self, command: &str) {
        assert_eq!(self.text(command), "", "{command}");
    }

    fn text(&mut self, command: &str) -> String {
        self.world.run(self.host, command).text
    }

    /// A command in the router.
    fn router(&mut self, command: &str) -> String {
        self.text(&format!("ip netns exec r {command}"))
    }
}

#[test]
fn a_ping_through_a_masquerading_router_is_listed_until_it_is_forgotten() {
    let mut lab = Lab::new();
    lab.text("ip netns exec c ping -c 1 -e 77 10.0.2.2");
    let line = "icmp     1 29 src=10.0.1.2 dst=10.0.2.2 type=8 code=0 id=77 src=10.0.2.2 dst=10.0.2.1 type=0 code=0 id=77 mark=0 use=1\n";
    assert_eq!(
        lab.router("conntrack -L"),
        format!("conntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n{line}")
    );
    assert_eq!(lab.router("sysctl -n net.netfilter.nf_conntrack_count"), "1\n");
    assert_eq!(lab.router("conntrack -L -n 10.0.2.1 2>/dev/null"), line);
    lab.text("sleep 30");
    assert_eq!(lab.router("conntrack -C"), "0\n");
}

#[test]
fn events_are_told_when_they_happen_also_that_time_is_over() {
    let mut lab = Lab::new();
    lab.run("ip netns exec r conntrack -E > /tmp/events 2>&1 &");
    lab.run("ip netns exec r conntrack -E -e DESTROY -o timestamp > /tmp/ends 2>/dev/null &");
    lab.text("ip netns exec c ping -c 1 -e 77 10.0.2.2; sleep 40");
    lab.router("conntrack -I -s 1.1.1.1 -d 2.2.2.2 -p tcp --sport 10 --dport 20 --state SYN_SENT -t 5");
    lab.text("sleep 10; pkill -INT conntrack; sleep 0.1");
    let events = lab.text("sed 's/portid=.*/portid=N/' /tmp/events");
    let both = "src=10.0.1.2 dst=10.0.2.2 type=8 code=0 id=77";
    let back = "src=10.0.2.2 dst=10.0.2.1 type=0 code=0 id=77";
    let tcp = "src=1.1.1.1 dst=2.2.2.2 sport=10 dport=20 [UNREPLIED] src=2.2.2.2 dst=1.1.1.1 sport=20 dport=10";
    assert_eq!(
        events,
        format!(
            "    [NEW] icmp     1 30 {both} [UNREPLIED] {back}\n \
             [UPDATE] icmp     1 30 {both} {back}\n\
             [DESTROY] icmp     1 {both} {back}\n    \
                 [NEW] tcp      6 5 SYN_SENT {tcp} mark=0 [USERSPACE] portid=N\n\
             [DESTROY] tcp      6 SYN_SENT {tcp}\n\
             conntrack v1.4.7 (conntrack-tools): 5 flow events have been shown.\n"
        )
    );
    // Each end is told at its own time, not when somebody happens to look.
    let ends = lab.text("sed 's/\\..*//; s/^.//' /tmp/ends | tr '\\n' ' '");
    let times: Vec<u64> = ends.split_ascii_whitespace().map(|word| word.parse().unwrap()).collect();
    assert!(times.len() == 2 && (14..=16).contains(&(times[1] - times[0])), "{ends}");
}

#[test]
fn masqueraded_connections_end_with_their_address() {
    let mut lab = Lab::new();
    lab.text("ip netns exec c ping -c 1 10.0.2.2");
    assert_eq!(lab.router("conntrack -C"), "1\n");
    lab.run("ip -n r addr add 10.0.2.9/24 dev rs; ip -n r addr del 10.0.2.9/24 dev rs");
    assert_eq!(lab.router("conntrack -C"), "1\n", "that was another address");
    lab.run("ip -n r addr del 10.0.2.1/24 dev rs");
    assert_eq!(lab.router("conntrack -C"), "0\n");
}

#[test]
fn a_full_table_drops_and_says_so() {
    let mut lab = Lab::new();
    // Room is made only in the eight buckets next to the new connection's.
    lab.run("sysctl -qw net.netfilter.nf_conntrack_max=1 net.netfilter.nf_conntrack_buckets=8");
    lab.text("ip netns exec c ping -c 1 10.0.2.2");
    let answered = lab.text("ip netns exec c ping -q -c 1 -W 1 10.0.2.2 | grep -c ' 1 received'");
    assert_eq!(answered, "1\n", "a connection that is not assured makes room");
    lab.router("conntrack -F");
    let made = "-p tcp --sport 1 --dport 2 --state ESTABLISHED -u ASSURED,SEEN_REPLY -t 900";
    lab.router(&format!("conntrack -I -s 1.1.1.1 -d 2.2.2.2 {made}"));
    let answered = lab.text("ip netns exec c ping -q -c 1 -W 1 10.0.2.2 | grep -c ' 1 received'");
    assert_eq!(answered, "0\n");
    assert!(lab.text("dmesg").contains("nf_conntrack: nf_conntrack: table full in netns "));
}

#[test]
fn invalid_packets_are_logged_if_that_is_asked_for() {
    let mut lab = Lab::new();
    lab.router("sysctl -qw net.netfilter.nf_conntrack_log_invalid=255 net.netfilter.nf_conntrack_tcp_loose=0");
    lab.run("ip netns exec s nc -l 9000 > /dev/null &");
    lab.run("(sleep 1; echo hi; sleep 1) | ip netns exec c nc -p 5555 10.0.2.2 9000 &");
    lab.text("sleep 0.5");
    assert_eq!(lab.router("dmesg | grep -c nf_ct_proto"), "0\n");
    // The rest of the connection belongs to none any more.
    lab.router("conntrack -F");
    lab.text("sleep 1");
    let line = lab.text("dmesg | grep nf_ct_proto | head -n 1 | cut -d']' -f2");
    let packet = "SRC=10.0.1.2 DST=10.0.2.2 LEN=55 TOS=0x00 PREC=0x00 TTL=64 ID=";
    assert!(line.starts_with(&format!(" nf_ct_proto_6: invalid new IN= OUT= {packet}")), "{line}");
}

/// As on Linux 6.18 with the same rules.
#[test]
fn rules_set_marks_and_choose_events() {
    let mut lab = Lab::new();
    lab.router("iptables -t mangle -A PREROUTING -j CONNMARK --set-mark 5");
    lab.run("ip netns exec r conntrack -E > /tmp/events 2> /dev/null &");
    lab.text("ip netns exec c ping -c 1 -e 7 10.0.2.2; sleep 31");
    lab.router("iptables -t raw -A PREROUTING -j CT --ctevents destroy");
    lab.text("ip netns exec c ping -c 1 -e 8 10.0.2.2; sleep 31; pkill -INT conntrack; sleep 0.1");
    let events = lab.text("sed 's/^ *//; s/ icmp.* id=/ /' /tmp/events");
    assert_eq!(events, "[NEW] 7 mark=5\n[UPDATE] 7 mark=5\n[DESTROY] 7 mark=5\n[DESTROY] 8 mark=5\n");
}
