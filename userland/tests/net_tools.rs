//! net-tools, command by command, against what net-tools 2.10 printed on Linux 6.18 in the same network: `net_tools/*.txt`
//! have `$ COMMAND`, its output, and `? STATUS` if that was not 0. `@b ` before a command runs it on the other machine.

use hopwise_machine::MachineId;
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_stack::control::link::{KindSpec, LinkSpec};
use hopwise_stack::socket::SocketKind;
use hopwise_userland::World;
use proptest::prelude::*;

/// `va` of the first machine and `vb` of the second are the ends of a veth pair; `vb` is up.
fn network() -> (World, MachineId, MachineId) {
    let mut world = World::new(1);
    let (a, b) = (world.add_machine("a"), world.add_machine("b"));
    let root = |m: MachineId| world.net().hosts()[m.index()].root;
    let (ns_a, ns_b) = (root(a), root(b));
    let mut spec = LinkSpec { addr: Some(MacAddr([2, 0, 0, 0, 0, 0xa])), ..LinkSpec::veth("va", "vb") };
    if let KindSpec::Veth(peer) = &mut spec.kind {
        (peer.ns, peer.addr) = (Some(ns_b), Some(MacAddr([2, 0, 0, 0, 0, 0xb])));
    }
    world.kernel.net.link_add(ns_a, spec).unwrap();
    world.run(b, "ip link set vb up").expect_ok();
    (world, a, b)
}

/// Runs the commands of a golden text; gives what they print in the same form.
fn replay(golden: &str) -> String {
    let (mut world, a, b) = network();
    let mut text = String::new();
    for line in golden.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let (machine, command) = line.strip_prefix("@b ").map_or((a, line), |command| (b, command));
        let output = world.run(machine, command);
        text.push_str(&format!("$ {line}\n{}", output.text));
        if output.status != 0 {
            text.push_str(&format!("? {}\n", output.status));
        }
    }
    text
}

/// Compares command by command, so that all differences are seen at once.
#[track_caller]
fn check(golden: &str) {
    let got = replay(golden);
    let commands = |text: &str| text.split("\n$ ").map(|c| c.trim_end().to_owned()).collect::<Vec<_>>();
    let (wanted, got) = (commands(golden), commands(&got));
    let differences: Vec<String> = wanted
        .iter()
        .zip(&got)
        .filter(|(wanted, got)| wanted != got)
        .map(|(wanted, got)| format!("--- Linux:\n{wanted}\n--- here:\n{got}\n"))
        .collect();
    assert!(differences.is_empty() && wanted.len() == got.len(), "{}", differences.join("\n"));
}

#[test]
fn ifconfig_shows_and_sets_up() {
    check(include_str!("net_tools/ifconfig.txt"));
}

#[test]
fn ifconfig_refuses() {
    check(include_str!("net_tools/ifconfig_errors.txt"));
}

#[test]
fn route_shows_and_changes() {
    check(include_str!("net_tools/route.txt"));
}

#[test]
fn arp_shows_and_changes() {
    check(include_str!("net_tools/arp.txt"));
}

#[test]
fn netstat_shows() {
    check(include_str!("net_tools/netstat.txt"));
}

/// The sockets that a Python program held on Linux; their numbers (inodes) are this world's.
#[test]
fn netstat_shows_sockets() {
    let (mut world, a, _) = network();
    world.run(a, "ifconfig va 10.0.0.1/24").expect_ok();
    let ns = world.net().hosts()[0].root;
    let net = &mut world.kernel.net;
    let mut open = |kind| net.open_socket(ns, 0, kind).unwrap();
    let [any, named, local] = [SocketKind::Udp; 3].map(&mut open);
    open(SocketKind::Raw { protocol: 1 });
    net.bind_udp(ns, any, [0, 0, 0, 0].into(), 5000).unwrap();
    net.bind_udp(ns, named, [10, 0, 0, 1].into(), 6000).unwrap();
    net.connect_udp(ns, named, ([10, 0, 0, 2].into(), 7001)).unwrap();
    net.bind_udp(ns, local, [127, 0, 0, 1].into(), 53).unwrap();
    let head = "Proto Recv-Q Send-Q Local Address           Foreign Address         State      ";
    let listening = "udp        0      0 127.0.0.1:53            0.0.0.0:*                          \n\
                     udp        0      0 0.0.0.0:5000            0.0.0.0:*                          \n";
    let connected = "udp        0      0 10.0.0.1:6000           10.0.0.2:7001           ESTABLISHED\n";
    let raw = "raw        0      0 0.0.0.0:1               0.0.0.0:*               7          \n";
    for (options, which, rows) in [
        ("-un", "w/o servers", connected.to_owned()),
        ("-uln", "only servers", listening.to_owned()),
        ("-uan", "servers and established", format!("{listening}{connected}")),
        ("-wan", "servers and established", raw.to_owned()),
        ("-tuwan", "servers and established", format!("{listening}{connected}{raw}")),
    ] {
        let expected = format!("Active Internet connections ({which})\n{head}\n{rows}");
        assert_eq!(world.run(a, &format!("netstat {options}")).text, expected, "{options}");
    }
    assert_eq!(
        world.run(a, "netstat -unaepo | sed -n 5p").text,
        "udp        0      0 10.0.0.1:6000           10.0.0.2:7001           ESTABLISHED 0          20001      -                    off (0.00/0/0)\n"
    );
}

/// Words of all four programs, and some of none.
const WORDS: &[&str] = &[
    "va",
    "va:1",
    "lo",
    "nosuch",
    "10.0.0.1",
    "10.0.0.0/24",
    "10.0.0.7/33",
    "224.0.0.1",
    "255.255.255.255",
    "0.0.0.0",
    "-1",
    "99999999999",
    "up",
    "down",
    "netmask",
    "255.255.0.0",
    "broadcast",
    "mtu",
    "1400",
    "hw",
    "ether",
    "02:00:00:00:00:0c",
    "txqueuelen",
    "add",
    "del",
    "name",
    "pointopoint",
    "dstaddr",
    "promisc",
    "-arp",
    "default",
    "-net",
    "-host",
    "gw",
    "dev",
    "metric",
    "reject",
    "mss",
    "window",
    "irtt",
    "loopback",
    "localhost",
    "-n",
    "-a",
    "-s",
    "-d",
    "-i",
    "-e",
    "-v",
    "-D",
    "pub",
    "temp",
    "-r",
    "-u",
    "-l",
    "-p",
    "x",
    "ü",
    ":",
    "/",
    "inet",
    "inet6",
    "-A",
    "-H",
    "fe80::1",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is said, the programs end, and the world stands.
    #[test]
    fn any_words_are_survived(lines in prop::collection::vec((0..4usize, prop::collection::vec(0..WORDS.len(), 0..7)), 1..12)) {
        let (mut world, a, _) = network();
        for (program, words) in lines {
            let words: Vec<&str> = words.into_iter().map(|w| WORDS[w]).collect();
            let command = format!("{} {}", ["ifconfig", "route", "arp", "netstat"][program], words.join(" "));
            prop_assert!(world.run(a, &command).status <= 255);
        }
        prop_assert_eq!(world.run(a, "ifconfig -a; route -n; arp -n; netstat -s").status, 0);
    }
}
