//! The probing programs, run as commands in a small network. The expected text is what the real programs print on the
//! same network of real namespaces, but for times, which are virtual here.

use hopwise_machine::MachineId;
use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route};
use hopwise_sim_core::{Duration, IfIndex, NsId};
use hopwise_stack::IfAddr;
use hopwise_stack::control::addr::AddrMode;
use hopwise_stack::control::link::{KindSpec, LinkSpec};
use hopwise_userland::{Output, World};

/// `near 10.0.0.1 e0 --- r0 10.0.0.2 router 10.0.1.2 r1 --- f0 10.0.1.3 far`
struct Lab {
    world: World,
    near: MachineId,
    router: MachineId,
    far: MachineId,
}

impl Lab {
    fn new() -> Lab {
        let mut world = World::new(1);
        let [near, router, far] = ["near", "router", "far"].map(|name| world.add_machine(name));
        let mut lab = Lab { world, near, router, far };
        lab.cable((near, "e0", "10.0.0.1/24"), (router, "r0", "10.0.0.2/24"));
        lab.cable((router, "r1", "10.0.1.2/24"), (far, "f0", "10.0.1.3/24"));
        lab.default_route(near, "10.0.0.2");
        lab.default_route(far, "10.0.1.2");
        lab.set(router, "net.ipv4.ip_forward", "1");
        for machine in [near, router, far] {
            lab.set(machine, "net.ipv4.icmp_ratelimit", "0");
        }
        lab
    }

    fn ns(&self, machine: MachineId) -> NsId {
        self.world.net().hosts()[machine.index()].root
    }

    fn set(&mut self, machine: MachineId, name: &str, value: &str) {
        let ns = self.ns(machine);
        self.world.kernel.net.sysctl_set(ns, name, value).unwrap().unwrap();
    }

    fn link(&self, machine: MachineId, name: &str) -> IfIndex {
        self.world.net().ns(self.ns(machine)).unwrap().devs.index_of(name).unwrap()
    }

    fn cable(&mut self, a: (MachineId, &str, &str), b: (MachineId, &str, &str)) {
        let mut spec = LinkSpec::veth(a.1, b.1);
        if let KindSpec::Veth(peer) = &mut spec.kind {
            peer.ns = Some(self.ns(b.0));
        }
        self.world.kernel.net.link_add(self.ns(a.0), spec).unwrap();
        for (machine, name, addr) in [a, b] {
            let (ns, link) = (self.ns(machine), self.link(machine, name));
            self.world.kernel.net.set_link_up(ns, link, true).unwrap();
            let (addr, len) = addr.split_once('/').unwrap();
            let addr = IfAddr::new(addr.parse().unwrap(), len.parse().unwrap());
            self.world.kernel.net.addr_add(ns, link, addr, AddrMode::Add).unwrap();
        }
    }

    fn default_route(&mut self, machine: MachineId, gateway: &str) {
        let route =
            Route::new("0.0.0.0/0".parse().unwrap()).with_nexthop(Some(gateway.parse().unwrap()), IfIndex::NONE);
        let ns = self.ns(machine);
        self.world.kernel.net.route_add(ns, RT_TABLE_MAIN, route, Insert::ADD_ROUTE).unwrap();
    }

    fn set_up(&mut self, machine: MachineId, link: &str, up: bool) {
        let (ns, link) = (self.ns(machine), self.link(machine, link));
        self.world.kernel.net.set_link_up(ns, link, up).unwrap();
    }

    fn mtu(&mut self, machine: MachineId, link: &str, mtu: u32) {
        let (ns, link) = (self.ns(machine), self.link(machine, link));
        self.world.kernel.net.set_link_mtu(ns, link, mtu).unwrap();
    }

    /// Runs a command on the near host; gives its text with all times made equal, and the status.
    fn run(&mut self, command: &str) -> (String, i32) {
        let output = self.on(self.near, command);
        (same_times(&output.text), output.status)
    }

    /// Runs a command in a shell of its own.
    fn on(&mut self, machine: MachineId, command: &str) -> Output {
        self.world.run_script(machine, "test", command)
    }

    #[track_caller]
    fn expect(&mut self, command: &str, text: &str, status: i32) {
        assert_eq!(self.run(command), (text.to_owned(), status), "{command}");
    }
}

/// Round trips depend on the wires alone; what is compared are the words around them.
fn same_times(text: &str) -> String {
    let mut result = String::new();
    for line in text.split_inclusive('\n') {
        match (line.split_once(" time="), line.split_once("rtt min/avg/max/mdev = ")) {
            (Some((front, back)), _) if back.contains(" ms") => {
                let rest = back.split_once(" ms").map_or("", |(_, rest)| rest);
                result.push_str(&format!("{front} time=T ms{rest}"));
            }
            (_, Some((_, back))) => {
                let rest = back.split_once(" ms").map_or("", |(_, rest)| rest);
                result.push_str(&format!("rtt T ms{rest}"));
            }
            _ => result.push_str(line),
        }
    }
    result
}

#[test]
fn ping_reaches_the_far_host() {
    Lab::new().expect(
        "ping -c 2 -i 0.2 10.0.1.3",
        "PING 10.0.1.3 (10.0.1.3) 56(84) bytes of data.\n\
         64 bytes from 10.0.1.3: icmp_seq=1 ttl=63 time=T ms\n\
         64 bytes from 10.0.1.3: icmp_seq=2 ttl=63 time=T ms\n\
         \n--- 10.0.1.3 ping statistics ---\n\
         2 packets transmitted, 2 received, 0% packet loss, time 200ms\nrtt T ms\n",
        0,
    );
}

#[test]
fn ping_names_hosts_and_sizes() {
    let mut lab = Lab::new();
    lab.expect(
        "ping -c 1 localhost",
        "PING localhost (127.0.0.1) 56(84) bytes of data.\n\
         64 bytes from localhost (127.0.0.1): icmp_seq=1 ttl=64 time=T ms\n\
         \n--- localhost ping statistics ---\n\
         1 packets transmitted, 1 received, 0% packet loss, time 0ms\nrtt T ms\n",
        0,
    );
    lab.expect(
        "ping -c 1 -s 7 10.0.1.3",
        "PING 10.0.1.3 (10.0.1.3) 7(35) bytes of data.\n15 bytes from 10.0.1.3: icmp_seq=1 ttl=63\n\
         \n--- 10.0.1.3 ping statistics ---\n1 packets transmitted, 1 received, 0% packet loss, time 0ms\n\n",
        0,
    );
    lab.expect("ping -c 1 nosuch", "ping: nosuch: Temporary failure in name resolution\n", 2);
    lab.expect("ping -c 1 -6 localhost", "ping: localhost: Address family for hostname not supported\n", 2);
    lab.expect("ping -c 1 -I nosuch 10.0.1.3", "ping: SO_BINDTODEVICE nosuch: No such device\n", 2);
    lab.expect("ping -c 1 -I 9.9.9.9 10.0.1.3", "ping: bind: Cannot assign requested address\n", 2);
    let (text, _) = lab.run("ping -c 1 -I e0 -q 10.0.1.3");
    assert!(text.starts_with("PING 10.0.1.3 (10.0.1.3) from 10.0.0.1 e0: 56(84) bytes of data.\n\n---"), "{text}");
}

#[test]
fn ping_tells_what_routers_report() {
    let mut lab = Lab::new();
    lab.expect(
        "ping -c 2 -i 0.2 -t 1 10.0.1.3",
        "PING 10.0.1.3 (10.0.1.3) 56(84) bytes of data.\n\
         From 10.0.0.2 icmp_seq=1 Time to live exceeded\n\
         From 10.0.0.2 icmp_seq=2 Time to live exceeded\n\
         \n--- 10.0.1.3 ping statistics ---\n\
         2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 200ms\n\n",
        1,
    );
    lab.expect(
        "ping -c 4 10.0.0.77",
        "PING 10.0.0.77 (10.0.0.77) 56(84) bytes of data.\n\
         From 10.0.0.1 icmp_seq=1 Destination Host Unreachable\n\
         From 10.0.0.1 icmp_seq=2 Destination Host Unreachable\n\
         From 10.0.0.1 icmp_seq=3 Destination Host Unreachable\n\
         From 10.0.0.1 icmp_seq=4 Destination Host Unreachable\n\
         \n--- 10.0.0.77 ping statistics ---\n\
         4 packets transmitted, 0 received, +4 errors, 100% packet loss, time 3000ms\npipe 4\n",
        1,
    );
    lab.expect(
        "ping -c 1 10.0.0.255",
        "ping: Do you want to ping broadcast? Then -b. If not, check your local firewall rules\n",
        2,
    );
    lab.set_up(lab.near, "e0", false);
    lab.expect("ping -c 1 10.0.1.3", "ping: connect: Network is unreachable\n", 2);
}

#[test]
fn ping_meets_a_smaller_mtu() {
    let mut lab = Lab::new();
    lab.mtu(lab.router, "r1", 1400);
    lab.mtu(lab.far, "f0", 1400);
    lab.expect(
        "ping -c 3 -i 0.2 -M do -s 1400 10.0.1.3",
        "PING 10.0.1.3 (10.0.1.3) 1400(1428) bytes of data.\n\
         From 10.0.0.2 icmp_seq=1 Frag needed and DF set (mtu = 1400)\n\
         ping: local error: message too long, mtu=1400\n\
         ping: local error: message too long, mtu=1400\n\
         \n--- 10.0.1.3 ping statistics ---\n\
         3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 400ms\n\n",
        1,
    );
    lab.expect(
        "ping -c 2 -i 0.2 -s 1400 10.0.1.3",
        "PING 10.0.1.3 (10.0.1.3) 1400(1428) bytes of data.\n\
         1408 bytes from 10.0.1.3: icmp_seq=1 ttl=63 time=T ms\n\
         1408 bytes from 10.0.1.3: icmp_seq=2 ttl=63 time=T ms\n\
         \n--- 10.0.1.3 ping statistics ---\n\
         2 packets transmitted, 2 received, 0% packet loss, time 200ms\nrtt T ms\n",
        0,
    );
}

#[test]
fn ping_waits_as_told() {
    let mut lab = Lab::new();
    lab.set(lab.far, "net.ipv4.icmp_echo_ignore_all", "1");
    let start = lab.world.now();
    let (text, status) = lab.run("ping -c 2 -i 0.2 -W 1 10.0.1.3");
    assert!(text.ends_with("2 packets transmitted, 0 received, 100% packet loss, time 200ms\n\n"), "{text}");
    assert_eq!((status, (lab.world.now() - start).as_millis() / 100), (1, 12));
    let start = lab.world.now();
    let (text, _) = lab.run("ping -w 2 -i 0.5 -O 10.0.1.3");
    assert!(text.contains("no answer yet for icmp_seq=3\n\n--- "), "{text}");
    assert!(text.contains("\n4 packets transmitted, 0 received, 100% packet loss, time 1500ms\n"), "{text}");
    assert_eq!((lab.world.now() - start).as_millis() / 100, 20);
}

#[test]
fn ping_floods_without_end_in_an_instant() {
    let (text, status) = Lab::new().run("ping -c 3 -f 10.0.1.3");
    assert!(
        text.starts_with("PING 10.0.1.3 (10.0.1.3) 56(84) bytes of data.\n.\x08 \x08.\x08 \x08.\x08 \x08\n---"),
        "{text}"
    );
    assert!(text.contains("3 packets transmitted, 3 received, 0% packet loss, time 0ms\n"), "{text}");
    assert!(text.contains(", ipg/ewma "), "{text}");
    assert_eq!(status, 0);
}

/// `sendmsg(2)` says why it failed, and the error queue does not: ping keeps silent. Only what is too long for a route,
/// yet not for any packet, is told in the queue.
#[test]
fn ping_is_silent_about_what_never_leaves() {
    let mut lab = Lab::new();
    for (size, told) in [(65_527, "ping: local error: message too long, mtu=1500\n"), (65_528, ""), (70_000, "")] {
        let errors = if told.is_empty() { "" } else { " +1 errors," };
        let text = format!(
            "PING 10.0.1.3 (10.0.1.3) {size}({}) bytes of data.\n{told}\n--- 10.0.1.3 ping statistics ---\n\
             1 packets transmitted, 0 received,{errors} 100% packet loss, time 0ms\n\n",
            size + 28
        );
        lab.expect(&format!("ping -c 1 -W 1 -s {size} 10.0.1.3"), &text, 1);
    }
    let id = lab.world.machines.submit(lab.near, "ping -c 3 -i 0.5 -W 1 10.0.1.99").unwrap();
    lab.world.run_for(Duration::from_millis(700));
    lab.run("ip route del default");
    lab.world.run_for(Duration::from_secs(3));
    let text = String::from_utf8_lossy(lab.world.machines.output(id)).into_owned();
    assert!(!text.contains("sendmsg"), "{text}");
    assert!(text.contains("3 packets transmitted, 0 received, 100% packet loss"), "{text}");
}

#[test]
fn arping_without_an_interval_waits_for_ever() {
    let mut lab = Lab::new();
    let (text, status) = lab.run("timeout 3 arping -i 0 -c 1 -I e0 10.0.0.2");
    assert!(text.ends_with("\nSent 1 probes (1 broadcast(s))\nReceived 1 response(s)\n"), "{text}");
    assert_eq!(status, 124);
}

#[test]
fn arping_asks_everybody_and_then_one() {
    let mut lab = Lab::new();
    let mac = lab.world.net().ns(lab.ns(lab.router)).unwrap().devs.find("r0").unwrap().addr.to_string().to_uppercase();
    let (text, status) = lab.run("arping -c 2 -I e0 10.0.0.2");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], status), ("ARPING 10.0.0.2 from 10.0.0.1 e0", 0));
    assert!(lines[1].starts_with(&format!("Unicast reply from 10.0.0.2 [{mac}]  0.")), "{text}");
    assert_eq!(lines[3..], ["Sent 2 probes (1 broadcast(s))", "Received 2 response(s)"]);
    lab.expect(
        "arping -D -c 2 -I e0 10.0.0.98",
        "ARPING 10.0.0.98 from 0.0.0.0 e0\nSent 2 probes (2 broadcast(s))\nReceived 0 response(s)\n",
        0,
    );
    assert_eq!(lab.run("arping -D -c 1 -I e0 10.0.0.2").1, 1);
    lab.expect("arping -I nosuch 10.0.0.2", "arping: Device nosuch not available.\n", 2);
    lab.expect("arping -I lo 127.0.0.1", "Interface \"lo\" is not ARPable\n", 2);
    lab.expect(
        "arping -U -c 1 -I e0 10.0.0.1",
        "ARPING 10.0.0.1 from 10.0.0.1 e0\nSent 1 probes (1 broadcast(s))\nReceived 0 response(s)\n",
        0,
    );
}

/// The lines of traceroute without the times.
fn hops(text: &str) -> Vec<String> {
    let words = |line: &str| {
        let mut out: Vec<&str> = Vec::new();
        for word in line.split_whitespace() {
            if word == "ms" {
                out.pop();
            } else {
                out.push(word);
            }
        }
        out.join(" ")
    };
    text.lines().map(words).collect()
}

#[test]
fn traceroute_by_udp_and_icmp() {
    let mut lab = Lab::new();
    for option in ["", "-I ", "-U ", "-N 1 "] {
        let (text, status) = lab.run(&format!("traceroute -n {option}10.0.1.3"));
        let expected = ["traceroute to 10.0.1.3 (10.0.1.3), 30 hops max, 60 byte packets", "1 10.0.0.2", "2 10.0.1.3"];
        assert_eq!((hops(&text), status), (expected.map(str::to_owned).to_vec(), 0), "{option}");
        assert_eq!(text.matches(" ms").count(), 6, "{text}");
    }
    let (text, _) = lab.run("traceroute 10.0.1.3 100");
    assert!(text.contains("\n 2  10.0.1.3 (10.0.1.3)  "), "{text}");
    assert!(text.starts_with("traceroute to 10.0.1.3 (10.0.1.3), 30 hops max, 100 byte packets\n 1  "), "{text}");
}

#[test]
fn traceroute_shows_what_stops_it() {
    let mut lab = Lab::new();
    assert_eq!(hops(&lab.run("traceroute -n -q1 10.0.9.9").0)[1], "1 10.0.0.2 !N");
    assert_eq!(hops(&lab.run("traceroute -n -w 0.5 -m 3 10.0.1.77").0)[1..], ["1 10.0.0.2", "2 * * *", "3 * * *"]);
    lab.mtu(lab.router, "r1", 1400);
    let text = lab.run("traceroute -n -F -q 1 10.0.1.3 1500").0;
    assert_eq!(hops(&text)[1..], ["1 10.0.0.2", "2 10.0.0.2 !F-1400"], "{text}");
    assert_eq!(hops(&lab.run("traceroute -n -F -q 1 10.0.1.3 1600").0)[1], "1 * !F-1500");
    lab.expect(
        "traceroute -n -s 9.9.9.9 10.0.1.3",
        "traceroute to 10.0.1.3 (10.0.1.3), 30 hops max, 60 byte packets\nbind: Cannot assign requested address\n",
        1,
    );
    lab.expect("traceroute nosuch", "nosuch: Temporary failure in name resolution\nCannot handle \"host\" cmdline arg `nosuch' on position 1 (argc 1)\n", 2);
    lab.expect(
        "traceroute -n -r 10.0.1.3",
        "traceroute to 10.0.1.3 (10.0.1.3), 30 hops max, 60 byte packets\nconnect: Network is unreachable\n",
        1,
    );
    assert_eq!(hops(&lab.run("traceroute -n -r -q 1 10.0.0.2").0)[1..], ["1 10.0.0.2"]);
    assert_eq!(hops(&lab.run("traceroute -n -r -I -q 1 10.0.0.2").0)[1..], ["1 10.0.0.2"]);
    lab.expect("traceroute -T 10.0.1.3", "Bad option `-T' (argc 1)\n", 2);
}

/// Starts a command on a machine, lets the near host run another one, and ends the first as Ctrl-C does.
fn while_running(lab: &mut Lab, machine: MachineId, first: &str, second: &str) -> String {
    let id = lab.world.machines.submit(machine, first).unwrap();
    lab.world.run_for(Duration::from_millis(10));
    if !second.is_empty() {
        lab.on(lab.near, second);
    }
    lab.world.run_for(Duration::from_millis(10));
    lab.world.machines.interrupt(id);
    lab.world.run_for(Duration::from_millis(10));
    String::from_utf8_lossy(lab.world.machines.output(id)).into_owned()
}

/// A captured line without its time.
fn timeless(text: &str) -> Vec<&str> {
    let stamped = |line: &str| line.as_bytes().get(2) == Some(&b':') && line.len() > 16;
    text.lines().map(|line| if stamped(line) { &line[16..] } else { line }).collect()
}

#[test]
fn tcpdump_listens_on_a_link() {
    let mut lab = Lab::new();
    lab.run("ping -q -c 1 10.0.1.3");
    let router = lab.router;
    let text = while_running(&mut lab, router, "tcpdump -n -i r1 icmp", "ping -q -c 1 -e 7 10.0.1.3; sleep 1");
    assert_eq!(
        timeless(&text),
        [
            "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode",
            "listening on r1, link-type EN10MB (Ethernet), snapshot length 262144 bytes",
            "IP 10.0.0.1 > 10.0.1.3: ICMP echo request, id 7, seq 1, length 64",
            "IP 10.0.1.3 > 10.0.0.1: ICMP echo reply, id 7, seq 1, length 64",
            "",
            "2 packets captured",
            "2 packets received by filter",
            "0 packets dropped by kernel",
        ]
    );
}

#[test]
fn tcpdump_listens_on_all_links() {
    let mut lab = Lab::new();
    lab.run("ping -q -c 1 10.0.1.3");
    let router = lab.router;
    let text = while_running(&mut lab, router, "tcpdump -n -i any icmp", "ping -q -c 1 -e 7 10.0.1.3; sleep 1");
    assert_eq!(
        timeless(&text)[..7],
        [
            "tcpdump: data link type LINUX_SLL2",
            "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode",
            "listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 262144 bytes",
            "r0    In  IP 10.0.0.1 > 10.0.1.3: ICMP echo request, id 7, seq 1, length 64",
            "r1    Out IP 10.0.0.1 > 10.0.1.3: ICMP echo request, id 7, seq 1, length 64",
            "r1    In  IP 10.0.1.3 > 10.0.0.1: ICMP echo reply, id 7, seq 1, length 64",
            "r0    Out IP 10.0.1.3 > 10.0.0.1: ICMP echo reply, id 7, seq 1, length 64",
        ]
    );
}

#[test]
fn tcpdump_writes_files_that_it_can_read() {
    let mut lab = Lab::new();
    let router = lab.router;
    let text = while_running(&mut lab, router, "tcpdump -i r0 -w x.pcap arp", "ping -q -c 1 10.0.1.3; sleep 1");
    assert_eq!(
        text,
        "tcpdump: listening on r0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n\
         2 packets captured\n2 packets received by filter\n0 packets dropped by kernel\n"
    );
    let output = lab.on(router, "tcpdump -n -r x.pcap").text;
    assert_eq!(
        timeless(&output)[..2],
        [
            "reading from file x.pcap, link-type EN10MB (Ethernet), snapshot length 262144",
            "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28"
        ]
    );
    assert_eq!(lab.on(router, "tcpdump -r x.pcap --count -c 1").text.lines().last(), Some("1 packet"));
    let refused = lab.on(router, "tcpdump -r none.pcap");
    assert_eq!((refused.text.as_str(), refused.status), ("tcpdump: none.pcap: No such file or directory\n", 1));
}

/// What the kernel still holds when tcpdump is stopped is lost: a second's worth, a tenth of it with `-l`.
#[test]
fn tcpdump_sees_packets_when_their_block_is_over() {
    let listening = "listening on r0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n";
    for (options, pause, captured) in
        [("", "0.5", 0), ("", "1", 2), ("-l", "0.05", 0), ("-l", "0.1", 2), ("--immediate-mode", "0", 2)]
    {
        let mut lab = Lab::new();
        lab.run("ping -q -c 1 10.0.1.3");
        let router = lab.router;
        let command = format!("tcpdump -q -n -i r0 {options} icmp");
        let text = while_running(&mut lab, router, &command, &format!("ping -q -c 1 10.0.1.3; sleep {pause}"));
        let (_, text) = text.split_once(listening).unwrap();
        assert_eq!(text.lines().filter(|line| line.contains(" IP ")).count(), captured, "{command}: {text}");
        assert!(text.contains(&format!("\n{captured} packets captured\n2 packets received by filter\n")), "{text}");
    }
}

#[test]
fn tcpdump_without_l_writes_in_blocks() {
    let mut lab = Lab::new();
    let router = lab.router;
    let listen = "tcpdump -ni r0 icmp > held 2>/dev/null & a=$!; tcpdump -w held.pcap -i r0 2>/dev/null & sleep 0.01; echo $a $!";
    let listeners = lab.on(router, listen).text;
    lab.run("ping -q -c 1 10.0.1.3; sleep 1");
    assert_eq!(lab.on(router, "wc -c < held; wc -c < held.pcap").text, "0\n0\n");
    let after = "sleep 1; grep -c ICMP held; tcpdump -r held.pcap --count icmp 2>/dev/null";
    assert_eq!(lab.on(router, &format!("kill {}; {after}", listeners.trim())).text, "2\n2 packets\n");
}

#[test]
fn tcpdump_knows_the_names_of_the_hosts_file() {
    for (options, name) in [("", "far.lab"), ("-N", "far"), ("-n", "10.0.1.3")] {
        let mut lab = Lab::new();
        lab.run("ping -q -c 1 10.0.1.3");
        let router = lab.router;
        lab.on(router, "echo 10.0.1.3 far.lab far >> /etc/hosts");
        let command = format!("tcpdump -t {options} -i r0 -c 1 host far and icmp ");
        let text = while_running(&mut lab, router, &command, "ping -q -c 1 -e 7 10.0.1.3; sleep 1");
        let line = format!("\nIP 10.0.0.1 > {name}: ICMP echo request, id 7, seq 1, length 64\n");
        assert!(text.contains(&line), "{command}: {text}");
    }
}

#[test]
fn tcpdump_ends_with_its_link() {
    let mut lab = Lab::new();
    let router = lab.router;
    let id = lab.world.machines.submit(router, "tcpdump -ni r1").unwrap();
    lab.world.run_for(Duration::from_millis(10));
    lab.on(router, "ip link del r1");
    lab.world.run_for(Duration::from_millis(10));
    let text = String::from_utf8_lossy(lab.world.machines.output(id)).into_owned();
    assert!(text.contains("tcpdump: pcap_loop: The interface disappeared\n0 packets captured\n"), "{text}");
}

#[test]
fn tcpdump_writes_rows_of_files() {
    let mut lab = Lab::new();
    let router = lab.router;
    let pings = "ping -q -c 10 -s 60000 -i 0.01 10.0.1.3; sleep 1";
    while_running(&mut lab, router, "tcpdump -ni r0 -C 1 -w row icmp", pings);
    assert_eq!(lab.on(router, "echo row*").text, "row row1\n");
    while_running(&mut lab, router, "tcpdump -ni r0 -C 1 -W 2 -w ring icmp", pings);
    assert_eq!(lab.on(router, "echo ring*").text, "ring0 ring1\n");
    let text = while_running(&mut lab, router, "tcpdump -ni r0 -G 2 -W 1 -w once icmp", "ping -q -c 5 10.0.1.3");
    assert!(text.contains("\nMaximum file limit reached: 1\n"), "{text}");
}

#[test]
fn tcpdump_refuses_in_libpcaps_words() {
    let mut lab = Lab::new();
    lab.expect("tcpdump -i foo", "tcpdump: foo: No such device exists\n(No such device exists)\n", 1);
    lab.expect("tcpdump -i e0 foo bar", "tcpdump: can't parse filter expression: syntax error\n", 1);
    lab.expect("tcpdump -i e0 -w /nonexist/x", "tcpdump: /nonexist/x: No such file or directory\n", 1);
    lab.expect("tcpdump -i any -y EN10MB", "tcpdump: EN10MB is not one of the DLTs supported by this device\n", 1);
    let devices = "1.e0 [Up, Running, Connected]\n\
                   2.any (Pseudo-device that captures on all interfaces) [Up, Running]\n3.lo [Up, Running, Loopback]\n";
    lab.expect("tcpdump -D", devices, 0);
    lab.set_up(lab.near, "e0", false);
    lab.expect("tcpdump -i e0", "tcpdump: e0: That device is not up\n", 1);
}

#[test]
fn tcpdump_makes_its_link_promiscuous() {
    let mut lab = Lab::new();
    let router = lab.router;
    let id = lab.world.machines.submit(router, "tcpdump -i r0 -c 1 udp").unwrap();
    lab.world.run_for(Duration::from_millis(10));
    let promiscuity = |lab: &Lab| lab.world.net().ns(lab.ns(router)).unwrap().devs.find("r0").unwrap().promiscuity;
    assert_eq!(promiscuity(&lab), 1);
    lab.world.machines.interrupt(id);
    lab.world.run_for(Duration::from_millis(10));
    assert_eq!(promiscuity(&lab), 0);
    let log = lab.on(router, "dmesg -t").text;
    assert_eq!(log, "r0: entered promiscuous mode\nr0: left promiscuous mode\n");
}

#[test]
fn modules_are_accepted_if_a_tutorial_may_need_them() {
    let mut lab = Lab::new();
    lab.expect("modprobe br-netfilter", "", 0);
    lab.expect("lsmod", "Module                  Size  Used by\nbr_netfilter           16384  0\n", 0);
    let (text, status) = lab.run("modprobe nosuch");
    assert!(text.starts_with("modprobe: FATAL: Module nosuch not found in directory /lib/modules/6."), "{text}");
    assert_eq!(status, 1);
}

#[test]
fn namespaces_are_entered_and_made() {
    let mut lab = Lab::new();
    let text = lab.on(lab.far, "unshare -n ping -c 1 10.0.1.2").text;
    assert_eq!(text, "ping: connect: Network is unreachable\n");
    let host = hopwise_userland::SimKernel::host_of(lab.near);
    let ns = lab.world.kernel.net.add_namespace(host);
    lab.world.kernel.names[lab.near.index()].insert("blue".into(), ns);
    lab.expect("nsenter --net=/run/netns/blue ping -c 1 10.0.0.2", "ping: connect: Network is unreachable\n", 2);
    lab.expect(
        "nsenter --net=/run/netns/none true",
        "nsenter: cannot open /run/netns/none: No such file or directory\n",
        1,
    );
    lab.expect("nsenter -n true", "nsenter: neither filename nor target pid supplied for ns/net\n", 1);
    lab.expect(
        "nsenter --net=/run/netns/blue nosuch",
        "nsenter: failed to execute nosuch: No such file or directory\n",
        127,
    );
}

#[test]
fn bridge_link_names_the_peer_only_where_its_number_differs() {
    let mut world = World::new(1);
    let host = world.add_machine("host");
    let script = "ip netns add a; ip link add p1 type veth peer name eth0 netns a; ip link add br0 type bridge
ip link add p2 type veth peer name eth1 netns a
for p in p1 p2; do ip link set $p master br0; echo $(cat /sys/class/net/$p/ifindex /sys/class/net/$p/iflink); done
bridge link | cut -d: -f1,2";
    assert_eq!(world.run(host, script).text, "2 2\n4 3\n2: p1\n4: p2@br0\n");
}

#[test]
fn tracepath_ends_after_the_last_ttl_that_there_is() {
    let mut lab = Lab::new();
    let near = lab.near;
    lab.world.run(near, "ip link add d type dummy; ip link set d up; ip route add 10.9.0.0/16 dev d").expect_ok();
    let out = lab.world.run(near, "tracepath -n -m 255 10.9.0.1").expect_ok().text.clone();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.iter().filter(|line| line.ends_with("no reply")).count(), 255, "{out}");
    assert_eq!(lines[lines.len() - 2..], ["     Too many hops: pmtu 1500", "     Resume: pmtu 1500 "]);
}

#[test]
fn tracepath_takes_lengths_that_no_packet_has() {
    let mut lab = Lab::new();
    let refused = " 1:  send failed\n     Resume: pmtu 2147483647 \n";
    lab.expect("tracepath -n -l 2147483647 10.0.0.1", refused, 0);
    let wrong = "tracepath: pktlen must be within: 28 < value <= 2147483647\n";
    lab.expect("tracepath -n -l 28 10.0.0.1", wrong, 1);
    let out = lab.world.run(lab.near, "tracepath -n -l 0 10.0.0.1");
    assert!(out.text.contains("pmtu 65535 hops 1 back 1"), "{}", out.text);
}
