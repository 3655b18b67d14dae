//! Whole transcripts of commands, taken from Linux 6.18 with iproute2 6.1, bridge-utils 1.7 and ethtool 6.1: the
//! simulator prints the same. Hardware addresses are drawn at random, so each stands for any; so do two timers of a
//! bridge's spanning tree, which stand still here.

use hopwise_userland::World;

/// Runs the commands of a transcript (`$ COMMAND`) and compares what they print and their status (`? STATUS`).
fn replay(golden: &str) {
    let mut world = World::new(1);
    let machine = world.add_machine("host");
    let mut got = String::new();
    for command in golden.lines().filter_map(|line| line.strip_prefix("$ ")) {
        let output = world.run(machine, command);
        got.push_str(&format!("$ {command}\n{}", output.text));
        if output.status != 0 {
            got.push_str(&format!("? {}\n", output.status));
        }
    }
    let (golden, got) = (normal(golden), normal(&got));
    for (number, (want, have)) in golden.lines().zip(got.lines()).enumerate() {
        assert_eq!(have, want, "line {} of the transcript", number + 1);
    }
    assert_eq!(got.lines().count(), golden.lines().count());
}

/// The text with every hardware address replaced by `MAC` and every bridge id and timer made equal.
fn normal(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let skip = address(rest).or_else(|| bridge_id(rest)).or_else(|| timer(rest));
            match skip {
                Some((len, name)) => {
                    out.push_str(name);
                    rest = &rest[len..];
                }
                None => {
                    out.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        out.push('\n');
    }
    out
}

fn address(text: &str) -> Option<(usize, &'static str)> {
    let bytes = text.as_bytes().get(..17)?;
    let fits = |(i, b): (usize, &u8)| if i % 3 == 2 { *b == b':' } else { b.is_ascii_hexdigit() };
    bytes.iter().enumerate().all(fits).then_some((17, "MAC"))
}

fn bridge_id(text: &str) -> Option<(usize, &'static str)> {
    let rest = text.strip_prefix("8000.")?;
    let len = rest.find(|c: char| !c.is_ascii_hexdigit() && c != ':').unwrap_or(rest.len());
    Some((5 + len, "8000.ID"))
}

fn timer(text: &str) -> Option<(usize, &'static str)> {
    let name = ["gc_timer", "forward_delay_timer"].into_iter().find(|name| text.starts_with(name))?;
    let rest = &text[name.len()..];
    let len = rest.find(|c: char| !matches!(c, ' ' | '"' | ':' | '.') && !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((name.len() + len, "TIMER "))
}

#[test]
fn links_and_namespaces() {
    replay(include_str!("golden/links.txt"));
}

#[test]
fn bridges() {
    replay(include_str!("golden/bridges.txt"));
}

/// Taken from Linux 6.1, which has VLANs in bridges, without its IPv6 addresses.
#[test]
fn bridge_vlans() {
    replay(include_str!("golden/bridge-vlans.txt"));
}

/// Taken from Linux 6.1, as `bridge_vlans`.
#[test]
fn vlans() {
    replay(include_str!("golden/vlans.txt"));
}

/// What a kernel without their modules says to GRE and SIT, and to tunnels that are not there. Taken from Linux 6.18, of IPIP from 6.1.
#[test]
fn absent_tunnels() {
    replay(include_str!("golden/absent-tunnels.txt"));
}

/// Batches of `ip`, `bridge` and `tc`: what ends them and what does not.
#[test]
fn batches() {
    replay(include_str!("golden/batches.txt"));
}

/// Taken from Linux 6.1.
#[test]
fn macvlans() {
    replay(include_str!("golden/macvlans.txt"));
}

#[test]
fn brctl_ethtool_and_sysfs() {
    replay(include_str!("golden/brctl-ethtool-sysfs.txt"));
}

#[test]
fn iptables_commands() {
    replay(include_str!("golden/iptables-commands.txt"));
}

#[test]
fn iptables_matches() {
    replay(include_str!("golden/iptables-matches.txt"));
}

#[test]
fn iptables_nat_and_targets() {
    replay(include_str!("golden/iptables-nat-and-targets.txt"));
}

#[test]
fn iptables_save_and_restore() {
    replay(include_str!("golden/iptables-restore.txt"));
}

#[test]
fn iptables_more_matches() {
    replay(include_str!("golden/iptables-more-matches.txt"));
}

#[test]
fn iptables_more_targets() {
    replay(include_str!("golden/iptables-more-targets.txt"));
}

#[test]
fn ipset() {
    replay(include_str!("golden/ipset.txt"));
}

#[test]
fn conntrack() {
    replay(include_str!("golden/conntrack.txt"));
}

#[test]
fn queueing_disciplines() {
    replay(include_str!("golden/qdisc.txt"));
}

/// Linux 6.1, as the newer kernel has no netem.
#[test]
fn netem_and_prio() {
    replay(include_str!("golden/qdisc-netem.txt"));
}

#[test]
fn tuns_and_taps() {
    replay(include_str!("golden/tuntap.txt"));
}
