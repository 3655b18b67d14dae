//! `cilium bpf`: the maps as they are.

use core::fmt::Write;
use core::net::Ipv4Addr;

use hopwise_cluster::object::CiliumIdentity;
use hopwise_machine::Sys;
use hopwise_protocols::wire::MacAddr;
use hopwise_protocols::wire::ipv4::{IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP};
use hopwise_stack::path::tc::cilium::Maps;
use hopwise_stack::path::tc::cilium::ct::{Entry, Key, Made, Tuple};
use hopwise_stack::path::tc::cilium::maps::{Direction, Local, PolicyMap, identity};
use hopwise_stack::path::tc::cilium::nat::{Mapping, answer_to};

use super::table::{layout, line};
use super::{Answer, agent, maps, services};
use crate::kernel::SimKernel;

pub(super) fn run(sys: &mut Sys<'_, SimKernel>, words: &[&str]) -> Answer {
    match words {
        ["endpoint", "list"] => Ok(endpoints(maps(sys)?)),
        ["ipcache", "list"] => Ok(ipcache(maps(sys)?)),
        ["ipcache", "get", addr] => {
            let addr = addr.parse().map_err(|_| format!("Invalid argument. {addr} is not a valid IP address.\n"))?;
            let found = maps(sys)?.ipcache.lookup(addr);
            let found = found.ok_or_else(|| format!("{addr} does not map to any identity\n"))?;
            Ok(format!(
                "{addr} maps to identity identity={} encryptkey=0 tunnelendpoint={}\n",
                found.identity, found.tunnel
            ))
        }
        ["ct", "list", "global"] => Ok(maps(sys)?.ct.iter().map(|(key, entry)| connection(key, entry)).collect()),
        ["ct", "flush", "global"] => flush(sys),
        ["lb", "list"] => Ok(services::table(maps(sys)?, false)),
        ["lb", "list", "--revnat"] => Ok(services::table(maps(sys)?, true)),
        ["nat", "list"] => Ok(maps(sys)?.nat.iter().map(|(tuple, mapping)| translation(tuple, mapping)).collect()),
        ["nat", "flush"] => flush_nat(sys),
        ["policy", "get", rest @ ..] => policy(sys, rest),
        [word, ..] if GROUPS.contains(word) => Err(super::unsupported(&format!("bpf {}", words.join(" ")))),
        _ => Err(format!("Error: unknown command {:?} for \"cilium bpf\"\n", words.join(" "))),
    }
}

/// The maps that `cilium bpf` of Cilium 1.11 knows.
const GROUPS: &[&str] = &[
    "bandwidth",
    "config",
    "ct",
    "egress",
    "endpoint",
    "fs",
    "ipcache",
    "ipmasq",
    "lb",
    "metrics",
    "nat",
    "policy",
    "recorder",
    "sha",
    "tunnel",
];

/// `TablePrinter`.
pub(super) fn two_columns(titles: [&str; 2], rows: impl Iterator<Item = (String, String)>) -> String {
    let rows = rows.map(|(key, value)| line([&key, &value]));
    layout(&core::iter::once(line(titles)).chain(rows).collect::<Vec<_>>())
}

fn endpoints(maps: &Maps) -> String {
    let rows = maps.endpoints.iter().map(|(ip, local)| {
        let value = match local {
            Local::Host => "(localhost)".to_owned(),
            Local::Pod(pod) => format!(
                "id={:<5} flags=0x0000 ifindex={:<3} mac={} nodemac={}",
                pod.id,
                pod.ifindex,
                upper(pod.mac),
                upper(pod.node_mac)
            ),
        };
        (format!("{ip}:0"), value)
    });
    two_columns(["IP ADDRESS", "LOCAL ENDPOINT INFO"], rows)
}

/// A MAC address as `mac.Uint64MAC` prints it.
fn upper(mac: MacAddr) -> String {
    mac.to_string().to_ascii_uppercase()
}

fn ipcache(maps: &Maps) -> String {
    let mut rows: Vec<_> = maps.ipcache.iter().collect();
    rows.sort_by_key(|(prefix, _)| *prefix);
    let rows = rows.into_iter().map(|(prefix, remote)| {
        let value = format!("identity={} encryptkey=0 tunnelendpoint={}", remote.identity, remote.tunnel);
        (prefix.to_string(), value)
    });
    two_columns(["IP PREFIX/ADDRESS", "IDENTITY"], rows)
}

/// The name of an IP protocol.
pub(super) fn protocol(number: u8) -> String {
    match number {
        IPPROTO_ICMP => "ICMP".to_owned(),
        IPPROTO_TCP => "TCP".to_owned(),
        IPPROTO_UDP => "UDP".to_owned(),
        132 => "SCTP".to_owned(),
        other => other.to_string(),
    }
}

/// A line of `cilium bpf ct list`.
fn connection(key: &Key, entry: &Entry) -> String {
    // What is looked up for a service stands the other way round.
    let service = key.made == Made::Service;
    let tuple = if service { key.tuple.reversed() } else { key.tuple };
    let made = if key.made == Made::In { "IN" } else { "OUT" };
    let related = match (tuple.related, service) {
        (true, _) => "related ",
        (_, true) => "service ",
        _ => "",
    };
    let (flags, words) = entry.flags();
    let mut text = format!(
        "{} {made} {}:{} -> {}:{} {related}",
        protocol(tuple.protocol),
        tuple.src,
        tuple.sport,
        tuple.dst,
        tuple.dport
    );
    let _ = writeln!(
        text,
        "expires={} RxPackets={} RxBytes={} RxFlagsSeen=0x{:02x} LastRxReport={} TxPackets={} TxBytes={} \
         TxFlagsSeen=0x{:02x} LastTxReport={} Flags=0x{flags:04x} [ {words}] RevNAT={} SourceSecurityID={} IfIndex=0 ",
        entry.lifetime,
        entry.rx_packets,
        entry.rx_bytes,
        entry.rx_flags_seen,
        entry.last_rx_report,
        entry.tx_packets,
        entry.tx_bytes,
        entry.tx_flags_seen,
        entry.last_tx_report,
        entry.rev_nat,
        entry.source_identity
    );
    text
}

fn flush(sys: &mut Sys<'_, SimKernel>) -> Answer {
    let ns = agent(sys)?.ns;
    let Some(maps) = sys.kernel.net.ns_mut(ns).and_then(|space| space.cilium.as_deref_mut()) else {
        return Ok(String::new());
    };
    let (tcp, any) = maps.ct.lens();
    maps.ct.flush();
    // Each entry takes its mapping away with it.
    maps.nat.collect(&maps.ct);
    let path = "/sys/fs/bpf/tc/globals/cilium_ct";
    Ok(format!("Flushed {tcp} entries from {path}4_global\nFlushed {any} entries from {path}_any4_global\n"))
}

fn flush_nat(sys: &mut Sys<'_, SimKernel>) -> Answer {
    let ns = agent(sys)?.ns;
    let maps = sys.kernel.net.ns_mut(ns).and_then(|space| space.cilium.as_deref_mut());
    let count = maps.map_or(0, |maps| maps.nat.flush());
    Ok(format!("Flushed {count} entries from /sys/fs/bpf/tc/globals/cilium_snat_v4_external\n"))
}

/// The two lines of `cilium bpf nat list` for a mapping (`NatEntry4.Dump`): how it leaves, and how it comes back.
fn translation(tuple: &Tuple, mapping: &Mapping) -> String {
    let Mapping { addr, port, own, created, .. } = *mapping;
    let answer = answer_to(*tuple, addr, port);
    let kind = protocol(tuple.protocol);
    let line = |way: &str, tuple: &Tuple, what: &str, to: (Ipv4Addr, u16)| {
        format!(
            "{kind} {way} {}:{} -> {}:{} {what} {}:{} Created={created}sec HostLocal={}\n",
            tuple.src,
            tuple.sport,
            tuple.dst,
            tuple.dport,
            to.0,
            to.1,
            u8::from(own)
        )
    };
    line("OUT", tuple, "XLATE_SRC", (addr, port)) + &line("IN", &answer, "XLATE_DST", (tuple.src, tuple.sport))
}

fn policy(sys: &Sys<'_, SimKernel>, words: &[&str]) -> Answer {
    let numeric = words.iter().any(|word| matches!(*word, "-n" | "--numeric"));
    let all = words.contains(&"--all");
    let ids: Vec<&&str> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let maps = maps(sys)?;
    let mut text = String::new();
    if all {
        for (id, program) in &maps.programs {
            let _ = writeln!(text, "/sys/fs/bpf/tc/globals/cilium_policy_{id:05}:\n");
            text += &policy_table(sys, &program.policy, numeric);
            text.push('\n');
        }
        return Ok(text);
    }
    if ids.is_empty() {
        return Err("Error: missing endpoint id argument\n".to_owned());
    }
    for id in ids {
        let program = id.parse().ok().and_then(|number: u16| maps.programs.get(&number));
        let program = program.ok_or_else(|| {
            format!("Failed to open map: unable to open map /sys/fs/bpf/tc/globals/cilium_policy_{id:0>5}: no such file or directory\n")
        })?;
        text += &policy_table(sys, &program.policy, numeric);
    }
    Ok(text)
}

fn policy_table(sys: &Sys<'_, SimKernel>, policy: &PolicyMap, numeric: bool) -> String {
    let title = if numeric { "IDENTITY" } else { "LABELS (source:key[=value])" };
    let mut lines = vec![line(["POLICY", "DIRECTION", title, "PORT/PROTO", "PROXY PORT", "BYTES", "PACKETS"])];
    for (key, entry) in policy.iter() {
        let labels = if numeric { vec![key.identity.to_string()] } else { labels_of(sys, key.identity) };
        let verdict = if entry.deny { "Deny" } else { "Allow" };
        let direction = if key.direction == Direction::Ingress { "Ingress" } else { "Egress" };
        let port =
            if key.protocol == 0 { "ANY".to_owned() } else { format!("{}/{}", key.port, protocol(key.protocol)) };
        let (bytes, packets) = (entry.bytes.to_string(), entry.packets.to_string());
        let first = labels.first().map_or("", |label| label);
        lines.push(line([verdict, direction, first, &port, "NONE", &bytes, &packets]));
        for label in labels.iter().skip(1) {
            lines.push(line(["", "", label, "", "", "", ""]));
        }
    }
    layout(&lines)
}

/// The labels of an identity.
pub(super) fn labels_of(sys: &Sys<'_, SimKernel>, number: u32) -> Vec<String> {
    if let Some(name) = identity::name(number) {
        return vec![format!("reserved:{name}")];
    }
    if let Some(range) = agent(sys).ok().and_then(|node| node.cidr_identities.iter().find(|(_, id)| **id == number)) {
        return vec![format!("cidr:{}", range.0), "reserved:world".to_owned()];
    }
    let store = &sys.kernel.kube.store;
    let found = store.get::<CiliumIdentity>("", &number.to_string());
    let labels = found.map(|found| found.security_labels.iter().map(|(key, value)| format!("{key}={value}")).collect());
    labels.unwrap_or_else(|| vec![number.to_string()])
}
