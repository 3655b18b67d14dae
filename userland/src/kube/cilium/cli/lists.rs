//! `cilium endpoint`, `identity`, `node`, `map` and `config`.

use hopwise_cluster::object::cilium::INTERNAL_IP;
use hopwise_cluster::object::{CiliumIdentity, CiliumNode};
use hopwise_machine::Sys;
use hopwise_stack::path::tc::cilium::Maps;
use hopwise_stack::path::tc::cilium::maps::identity;
use serde_json::{Value, json};

use super::bpf::labels_of;
use super::table::{layout, line, open_line};
use super::{Answer, agent};
use crate::kernel::SimKernel;
use crate::kube::cilium::node::{Endpoint, Node};
use crate::kube::cilium::settings::Tunnel;

/// Whether the answer shall be JSON.
pub(super) fn is_json(words: &[&str]) -> bool {
    words.windows(2).any(|pair| matches!(pair[0], "-o" | "--output") && pair[1] == "json")
        || words.iter().any(|word| matches!(*word, "-ojson" | "-o=json" | "--output=json"))
}

pub(super) fn pretty(value: &Value) -> String {
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

/// `cilium map list`: entries are counted of those maps that the agent has a copy of.
pub(super) fn maps(maps: &Maps) -> String {
    let services = maps.services.iter().map(|(_, service)| 1 + service.backends.len()).sum();
    let mut rows: Vec<(String, Option<usize>)> = vec![
        ("cilium_ct4_global".into(), None),
        ("cilium_ct_any4_global".into(), None),
        ("cilium_ipcache".into(), Some(maps.ipcache.iter().count())),
        ("cilium_ipv4_frag_datagrams".into(), None),
        ("cilium_lb4_affinity".into(), None),
        ("cilium_lb4_backends_v2".into(), Some(maps.services.backends().len())),
        ("cilium_lb4_reverse_nat".into(), Some(maps.services.reverse().len())),
        ("cilium_lb4_services_v2".into(), Some(services)),
        ("cilium_lxc".into(), Some(maps.endpoints.len())),
    ];
    rows.extend(maps.programs.keys().map(|id| (format!("cilium_policy_{id:05}"), None)));
    if maps.config.masquerade.is_some() {
        rows.push(("cilium_snat_v4_external".into(), None));
    }
    let mut lines = vec![open_line(["Name", "Num entries", "Num errors", "Cache enabled"])];
    lines.extend(rows.into_iter().map(|(name, entries)| {
        open_line([&name, &entries.unwrap_or(0).to_string(), "0", if entries.is_some() { "true" } else { "false" }])
    }));
    layout(&lines)
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
