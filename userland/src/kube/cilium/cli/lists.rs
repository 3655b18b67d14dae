//! `cilium endpoint`, `identity`, `node`, `status` and `config`.

use core::fmt::Write;

use hopwise_cluster::object::cilium::{CILIUM_INTERNAL_IP, INTERNAL_IP};
use hopwise_cluster::object::{CiliumIdentity, CiliumNode};
use hopwise_machine::Sys;
use hopwise_stack::path::tc::cilium::maps::identity;
use serde_json::{Value, json};

use super::bpf::labels_of;
use super::table::{layout, line};
use super::{Answer, agent};
use crate::kernel::SimKernel;
use crate::kube::cilium::node::{Endpoint, Node};
use crate::kube::cilium::settings::Tunnel;
use crate::kube::cilium::usable;

/// Whether the answer shall be JSON.
fn is_json(words: &[&str]) -> bool {
    words.windows(2).any(|pair| matches!(pair[0], "-o" | "--output") && pair[1] == "json")
        || words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json"))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// `Enabled` or `Disabled`.
const fn enabled(on: bool) -> &'static str {
    if on { "Enabled" } else { "Disabled" }
}

pub(super) fn endpoints(node: &Node, words: &[&str]) -> Answer {
    if is_json(words) {
        return Ok(pretty(&node.endpoints.values().map(endpoint_json).collect()));
    }
    let mut lines = vec![
        line([
            "ENDPOINT",
            "POLICY (ingress)",
            "POLICY (egress)",
            "IDENTITY",
            "LABELS (source:key[=value])",
            "IPv6",
            "IPv4",
            "STATUS",
        ]),
        line(["", "ENFORCEMENT", "ENFORCEMENT", "", "", "", "", ""]),
    ];
    let mut rows = vec![(node.host_endpoint, (false, false), 1, vec!["reserved:host".to_owned()], String::new())];
    rows.extend(node.endpoints.values().map(|e| (e.id, e.enforced, e.identity, e.labels.clone(), e.ip.to_string())));
    rows.sort();
    for (id, (ingress, egress), identity, labels, ip) in rows {
        let first = labels.first().map_or("", |label| label);
        let (id, identity) = (id.to_string(), identity.to_string());
        lines.push(line([&id, enabled(ingress), enabled(egress), &identity, first, "", &ip, "ready"]));
        for label in labels.iter().skip(1) {
            lines.push(line(["", "", "", "", label, "", "", ""]));
        }
    }
    Ok(layout(&lines))
}

pub(super) fn endpoint(node: &Node, id: &str) -> Answer {
    let found = id.parse().ok().and_then(|number: u16| node.endpoints.get(&number));
    let found = found.ok_or_else(|| {
        format!("Error: Cannot get endpoint {id}: [GET /endpoint/{{id}}][404] getEndpointIdNotFound\n")
    })?;
    Ok(pretty(&json!([endpoint_json(found)])))
}

fn endpoint_json(endpoint: &Endpoint) -> Value {
    let (ingress, egress) = endpoint.enforced;
    let enforcement = match (ingress, egress) {
        (false, false) => "none",
        (true, false) => "ingress",
        (false, true) => "egress",
        (true, true) => "both",
    };
    json!({
        "id": endpoint.id,
        "status": {
            "external-identifiers": {
                "container-id": endpoint.container,
                "k8s-namespace": endpoint.pod.0,
                "k8s-pod-name": endpoint.pod.1,
                "pod-name": format!("{}/{}", endpoint.pod.0, endpoint.pod.1),
            },
            "identity": { "id": endpoint.identity, "labels": endpoint.labels },
            "networking": {
                "addressing": [{ "ipv4": endpoint.ip.to_string() }],
                "host-mac": endpoint.node_mac.to_string(),
                "interface-index": endpoint.link.0.0,
                "interface-name": endpoint.link.1,
                "mac": endpoint.mac.to_string(),
            },
            "policy": { "realized": { "id": endpoint.identity, "policy-enabled": enforcement } },
            "state": "ready",
        },
    })
}

pub(super) fn identities(sys: &Sys<'_, SimKernel>, words: &[&str]) -> Answer {
    agent(sys)?;
    let reserved = identity::HOST..=identity::KUBE_APISERVER;
    let mut known: Vec<u32> = sys.kernel.kube.store.list::<CiliumIdentity>(None).map(CiliumIdentity::number).collect();
    known.sort_unstable();
    let all: Vec<(u32, Vec<String>)> = reserved.chain(known).map(|number| (number, labels_of(sys, number))).collect();
    if is_json(words) {
        return Ok(pretty(&all.iter().map(|(id, labels)| json!({ "id": id, "labels": labels })).collect()));
    }
    let mut lines = vec![vec!["ID".to_owned(), "LABELS (source:key[=value])".to_owned()]];
    for (number, labels) in all {
        for (place, label) in labels.into_iter().enumerate() {
            lines.push(vec![if place == 0 { number.to_string() } else { String::new() }, label]);
        }
    }
    Ok(layout(&lines))
}

pub(super) fn identity(sys: &Sys<'_, SimKernel>, id: &str) -> Answer {
    let number: u32 = id.parse().map_err(|_| format!("Error: Invalid identity ID {id}\n"))?;
    let lines: Vec<Vec<String>> = labels_of(sys, number)
        .into_iter()
        .enumerate()
        .map(|(n, label)| vec![if n == 0 { id.to_owned() } else { String::new() }, label])
        .collect();
    Ok(layout(&[vec![vec!["ID".to_owned(), "LABELS".to_owned()]], lines].concat()))
}

pub(super) fn nodes(sys: &Sys<'_, SimKernel>) -> Answer {
    agent(sys)?;
    let mut lines = vec![line(["Name", "IPv4 Address", "Endpoint CIDR", "IPv6 Address", "Endpoint CIDR"])];
    for node in sys.kernel.kube.store.list::<CiliumNode>(None) {
        let ip = node.address(INTERNAL_IP).map_or(String::new(), |ip| ip.to_string());
        let range = node.spec.ipam.pod_cidrs.first().map_or(String::new(), ToString::to_string);
        lines.push(line([&node.metadata.name, &ip, &range, "", ""]));
    }
    Ok(layout(&lines))
}

pub(super) fn status(sys: &Sys<'_, SimKernel>, words: &[&str]) -> Answer {
    let node = agent(sys)?;
    if words.contains(&"--brief") {
        return Ok("OK\n".to_owned());
    }
    let settings = &node.settings;
    let reachable = sys.kernel.kube.store.list::<CiliumNode>(None).filter(|n| n.address(CILIUM_INTERNAL_IP).is_some());
    let reachable = reachable.count();
    let masquerade = match (settings.masquerade, node.masquerade()) {
        (false, _) => "Disabled".to_owned(),
        (true, Some(rule)) => {
            let device = sys.kernel.net.ns(node.ns).map_or(String::new(), |ns| ns.name_of(node.address.1).to_owned());
            format!("BPF   [{device}]   {}/{} [IPv4: Enabled, IPv6: Disabled]", rule.excluded.0, rule.excluded.1)
        }
        (true, None) => "IPTables [IPv4: Enabled, IPv6: Disabled]".to_owned(),
    };
    let mut lines = vec![
        ("Kubernetes:", "Ok         1.23 (v1.23.0) [linux/amd64]".to_owned()),
        ("KubeProxyReplacement:", "Disabled".to_owned()),
        ("Host firewall:", "Disabled".to_owned()),
        ("Cilium:", "Ok   1.11.1 (v1.11.1-76d34db)".to_owned()),
        ("NodeMonitor:", "Listening for events on 1 CPUs with 64x4096 of shared memory".to_owned()),
        (
            "IPAM:",
            format!("IPv4: {}/{} allocated from {}, ", node.allocated.len(), usable(node.pod_cidr), node.pod_cidr),
        ),
    ];
    if words.iter().any(|word| *word == "--verbose" || *word == "-v") {
        lines.push(("Allocated addresses:", String::new()));
    }
    let marker = lines.len();
    lines.extend([
        ("BandwidthManager:", "Disabled".to_owned()),
        ("Host Routing:", if settings.legacy_routing { "Legacy" } else { "BPF" }.to_owned()),
        ("Masquerading:", masquerade),
        ("Hubble:", "Disabled".to_owned()),
        ("Encryption:", "Disabled".to_owned()),
        ("Cluster health:", format!("{reachable}/{reachable} reachable")),
    ]);
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 3;
    let mut text = String::new();
    for (place, (name, value)) in lines.iter().enumerate() {
        if *name == "Allocated addresses:" {
            let _ = writeln!(text, "{name}");
            for (ip, owner) in &node.allocated {
                let _ = writeln!(text, "  {ip} ({owner})");
            }
            debug_assert_eq!(place + 1, marker);
        } else {
            let _ = writeln!(text, "{name:width$}{value}");
        }
    }
    Ok(text)
}

pub(super) fn config(node: &Node) -> String {
    let settings = &node.settings;
    let tunnel = if settings.tunnel == Tunnel::Vxlan { "vxlan" } else { "disabled" };
    let enforcement = if settings.always_enforce { "always" } else { "default" };
    let aggregation = format!("{:?}", settings.aggregation);
    let rows = [
        ("ConntrackAccounting", "Enabled"),
        ("ConntrackLocal", "Disabled"),
        ("Debug", enabled(settings.debug)),
        ("DebugLB", "Disabled"),
        ("DropNotification", "Enabled"),
        ("MonitorAggregationLevel", &aggregation),
        ("PolicyEnforcement", enforcement),
        ("PolicyVerdictNotification", "Enabled"),
        ("TraceNotification", "Enabled"),
        ("HostLegacyRouting", enabled(settings.legacy_routing)),
        ("Tunnel", tunnel),
    ];
    let width = 3 + rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:width$}: {value}\n")).collect()
}
