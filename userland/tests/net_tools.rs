//! net-tools, command by command, against what net-tools 2.10 printed on Linux 6.18 in the same network: `net_tools/*.txt`
//! have `$ COMMAND`, its output, and `? STATUS` if that was not 0. `@b ` before a command runs it on the other machine.

use hopwise_machine::MachineId;
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_stack::control::link::{KindSpec, LinkSpec};
use hopwise_userland::World;

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
