//! `cilium status`: what can be told from the agent's state and that of the node (`pkg/client`, `FormatStatusResponse`).

use hopwise_cluster::object::CiliumNode;
use hopwise_cluster::object::cilium::INTERNAL_IP;
use hopwise_machine::Sys;
use hopwise_stack::path::route::{OutputFlow, RouteKind};

use super::table::{open_line, status_layout};
use super::{Answer, agent};
use crate::kernel::SimKernel;
use crate::kube::cilium::node::Node;
use crate::kube::cilium::settings::Tunnel;
use crate::kube::cilium::usable;
use crate::kube::kubelet;

/// The kinds of objects that the agent watches, as it names them.
const APIS: &[&str] = &[
    "cilium/v2::CiliumEndpoint",
    "cilium/v2::CiliumIdentity",
    "cilium/v2::CiliumNode",
    "core/v1::Namespace",
    "core/v1::Pods",
    "core/v1::Service",
    "discovery/v1::EndpointSlice",
    "networking.k8s.io/v1::NetworkPolicy",
];

/// What an agent does again and again, whatever endpoints there are.
const CONTROLLERS: &[&str] = &[
    "cilium-health-ep",
    "dns-garbage-collector-job",
    "endpoint-gc",
    "ipcache-bpf-garbage-collection",
    "k8s-heartbeat",
    "mark-k8s-node-as-available",
    "metricsmap-bpf-prom-sync",
    "sync-endpoints-and-host-ips",
    "sync-lb-maps-with-k8s-services",
    "template-dir-watcher",
];

pub(super) fn run(sys: &Sys<'_, SimKernel>, words: &[&str]) -> Answer {
    let node = agent(sys)?;
    let (mut brief, mut all) = (false, false);
    for word in words {
        match *word {
            "--brief" => brief = true,
            "--verbose" | "--all-addresses" | "--all-controllers" => all = true,
            _ => return Err(format!("Error: unknown flag: {word}\n")),
        }
    }
    let (reachable, nodes) = reachable(sys, node);
    if brief {
        return Ok("OK\n".to_owned());
    }
    let settings = &node.settings;
    let version = kubelet::VERSION.trim_start_matches('v');
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    let mut lines = vec![
        open_line(["KVStore:", "Ok", "Disabled"]),
        open_line(["Kubernetes:", "Ok", &format!("{minor} (v{version}) [linux/amd64]")]),
        open_line(["Kubernetes APIs:", &format!("[\"{}\"]", APIS.join("\", \""))]),
        open_line(["KubeProxyReplacement:", "Disabled", ""]),
        open_line(["Host firewall:", "Disabled"]),
        open_line(["Cilium:", "Ok   1.11.1 (v1.11.1-76d34db)"]),
        open_line(["NodeMonitor:", "Listening for events on 1 CPUs with 64x4096 of shared memory"]),
    ];
    if settings.health {
        lines.push(open_line(["Cilium health daemon:", "Ok", ""]));
    }
    let (given, range) = (node.allocated.len(), node.pod_cidr);
    lines.push(open_line(["IPAM:", &format!("IPv4: {given}/{} allocated from {range}, ", usable(range))]));
    if all {
        lines.push(open_line(["Allocated addresses:"]));
        let mut given: Vec<String> = node.allocated.iter().map(|(ip, owner)| format!("  {ip} ({owner})")).collect();
        given.sort();
        lines.extend(given.into_iter().map(|text| vec![text]));
    }
    let routing = if settings.legacy_routing { "Legacy" } else { "BPF" };
    lines.push(open_line(["BandwidthManager:", "Disabled"]));
    lines.push(open_line(["Host Routing:", routing]));
    lines.push(masquerading(sys, node));
    let controllers = controllers(node);
    let count = controllers.len();
    lines.push(open_line(["Controller Status:", &format!("{count}/{count} healthy")]));
    if all {
        lines.push(open_line(["  Name", "Last error", "Count", "Message"]));
        lines.extend(controllers.iter().map(|name| open_line([&format!("  {name}"), "never", "0", "no error"])));
    }
    let proxy = format!("OK, ip {}, 0 redirects active on ports 10000-20000", node.router);
    lines.push(open_line(["Proxy Status:", &proxy]));
    lines.push(open_line(["Hubble:", "Disabled"]));
    lines.push(open_line(["Encryption:", "Disabled"]));
    if settings.health {
        lines.push(open_line(["Cluster health:", &format!("{reachable}/{nodes} reachable")]));
    }
    Ok(status_layout(&lines))
}

/// Who masquerades, through which link, and what is left alone.
fn masquerading(sys: &Sys<'_, SimKernel>, node: &Node) -> Vec<String> {
    match (node.settings.masquerade, node.masquerade()) {
        (false, _) => open_line(["Masquerading:", "Disabled"]),
        (true, None) => open_line(["Masquerading:", "IPTables [IPv4: Enabled, IPv6: Disabled]"]),
        (true, Some(rule)) => {
            let device = sys.kernel.net.ns(node.ns).map_or("", |ns| ns.name_of(node.address.1)).to_owned();
            let excluded = format!("{} [IPv4: Enabled, IPv6: Disabled]", rule.excluded);
            open_line(["Masquerading:", "BPF", &format!("[{device}]"), &excluded])
        }
    }
}

/// The names of what the agent does again and again: for itself, for the node's endpoint, for each pod.
fn controllers(node: &Node) -> Vec<String> {
    let own = CONTROLLERS.iter().filter(|name| node.settings.health || **name != "cilium-health-ep");
    let mut names: Vec<String> = own.map(|name| (*name).to_owned()).collect();
    let for_all = ["endpoint-{}-regeneration-recovery", "sync-policymap-{}"];
    let for_pods = ["resolve-identity-{}", "sync-to-k8s-ciliumendpoint ({})"];
    for (id, pod) in core::iter::once((node.host_endpoint, false)).chain(node.endpoints.keys().map(|id| (*id, true))) {
        let of_pods = for_pods.iter().filter(|_| pod);
        names.extend(for_all.iter().chain(of_pods).map(|name| name.replace("{}", &id.to_string())));
    }
    if node.settings.tunnel == Tunnel::Vxlan {
        names.push("bpf-map-sync-cilium_tunnel_map".to_owned());
    }
    names.sort();
    names
}

/// How many nodes can be reached, and how many there are. No packet asks: a node counts if its agent runs, there is a way to
/// it, and the links at both ends of that way are up.
fn reachable(sys: &Sys<'_, SimKernel>, node: &Node) -> (usize, usize) {
    let kernel = &sys.kernel;
    let up = |node: &Node, link| {
        let dev = kernel.net.ns(node.ns).and_then(|space| space.devs.get(link));
        dev.is_some_and(|dev| dev.is_up() && dev.is_oper_up())
    };
    let reached = |other: &CiliumNode| {
        if other.metadata.name == node.name {
            return true;
        }
        let Some(ip) = other.address(INTERNAL_IP) else { return false };
        let Some(agent) = kernel.cilium.values().find(|agent| agent.name == other.metadata.name) else { return false };
        let flow = OutputFlow { dst: ip, ..OutputFlow::default() };
        let route = kernel.net.route_for(node.ns, &flow).ok().filter(|route| route.kind == RouteKind::Unicast);
        route.is_some_and(|route| up(node, route.oif)) && up(agent, agent.address.1)
    };
    let all: Vec<&CiliumNode> = kernel.kube.store.list::<CiliumNode>(None).collect();
    (all.iter().filter(|other| reached(other)).count(), all.len())
}
