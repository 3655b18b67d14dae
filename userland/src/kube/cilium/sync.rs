//! What an agent does about the objects: who is where goes into the map of addresses, routes lead to other nodes' pods,
//! policies become entries of policy maps.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use hopwise_cluster::object::cilium::{CILIUM_INTERNAL_IP, INTERNAL_IP};
use hopwise_cluster::object::{CiliumEndpoint, CiliumIdentity, CiliumNode, Kind, NetworkPolicy};
use hopwise_machine::Sys;
use hopwise_stack::path::tc::cilium::lb::{Service, Socket};
use hopwise_stack::path::tc::cilium::maps::{Remote, identity};
use ipnet::Ipv4Net;

use super::node::Node;
use super::settings::Tunnel;
use super::{identity as identities, policy, rules};
use crate::kernel::SimKernel;
use crate::kube::tools;

/// Makes everything as the objects say.
pub(super) fn all(sys: &mut Sys<'_, SimKernel>, node: &mut Node) {
    addresses(sys, node);
    routes(sys, node);
    node_set(sys, node);
    policies(sys, node);
    services(sys, node);
}

/// The services that pods reach through the programs: those with an address of the cluster (`SyncWithK8sFinished`).
fn services(sys: &mut Sys<'_, SimKernel>, node: &mut Node) {
    let ports = hopwise_cluster::proxy::ports(&sys.kernel.kube.store, &node.name);
    let (mut all, mut backends) = (BTreeMap::new(), BTreeMap::new());
    for port in &ports {
        let Some(addr) = port.address else { continue };
        let frontend = Socket { addr, port: port.port };
        let Some(id) = node.numbers.service(frontend) else { continue };
        let mut serving = Vec::new();
        for backend in port.everywhere() {
            let at = Socket { addr: backend.at.0, port: backend.at.1 };
            let number = node.numbers.backend(at);
            backends.insert(number, at);
            serving.push(number);
        }
        let affinity = port.affinity.filter(|_| node.settings.session_affinity);
        // Of two protocols at one port the later one counts: the key has no room for it (`L3n4Addr.Hash`).
        all.insert(frontend, Service { id, backends: serving, affinity });
    }
    node.numbers.keep(|at| all.contains_key(at), |number| backends.contains_key(&number));
    if let Some(maps) = sys.kernel.net.ns_mut(node.ns).and_then(|space| space.cilium.as_deref_mut()) {
        maps.services.replace(all, backends);
    }
}

/// The set of the nodes' addresses: what pods send to a node keeps its source.
fn node_set(sys: &mut Sys<'_, SimKernel>, node: &mut Node) {
    let all = sys.kernel.kube.store.list::<CiliumNode>(None).filter_map(|other| other.address(INTERNAL_IP));
    let wanted: BTreeSet<Ipv4Addr> = all.collect();
    if wanted == node.nodes {
        return;
    }
    let gone = node.nodes.difference(&wanted).map(|ip| format!("del {} {ip}\n", rules::NODES));
    let new = wanted.difference(&node.nodes).map(|ip| format!("add {} {ip}\n", rules::NODES));
    let text: String = gone.chain(new).collect();
    if let Err(why) = tools::ipset_restore(sys, node.ns, &text) {
        tools::log(sys, "cilium-agent", &format!("level=warning msg={why:?} subsys=ipset"));
    }
    node.nodes = wanted;
}

/// Who is where.
fn addresses(sys: &mut Sys<'_, SimKernel>, node: &mut Node) {
    let here = Ipv4Addr::UNSPECIFIED;
    let mut wanted: BTreeMap<Ipv4Net, Remote> = BTreeMap::new();
    let mut put = |prefix: Ipv4Net, identity: u32, tunnel: Ipv4Addr| {
        wanted.insert(prefix, Remote { identity, tunnel });
    };
    put(Ipv4Net::default(), identity::WORLD, here);
    for (range, number) in &node.cidr_identities {
        put(*range, *number, here);
    }
    let store = &sys.kernel.kube.store;
    for other in store.list::<CiliumNode>(None) {
        let Some(ip) = other.address(INTERNAL_IP) else { continue };
        let own = other.metadata.name == node.name;
        let (who, tunnel) = if own { (identity::HOST, here) } else { (identity::REMOTE_NODE, ip) };
        put(ip.into(), who, here);
        if let Some(router) = other.address(CILIUM_INTERNAL_IP) {
            put(router.into(), who, tunnel);
        }
        if let Some(health) = other.spec.health.ipv4 {
            put(health.into(), identity::HEALTH, tunnel);
        }
    }
    for endpoint in store.list::<CiliumEndpoint>(None) {
        let status = &endpoint.status;
        let Some(at) = status.networking.node else { continue };
        let tunnel = if at == node.address.0 { here } else { at };
        for ip in status.networking.addressing.iter().filter_map(|pair| pair.ipv4) {
            put(ip.into(), status.identity.id, tunnel);
        }
    }
    for endpoint in node.endpoints.values() {
        put(endpoint.ip.into(), endpoint.identity, here);
    }
    let Some(maps) = sys.kernel.net.ns_mut(node.ns).and_then(|space| space.cilium.as_deref_mut()) else { return };
    for prefix in node.cached.iter().filter(|key| !wanted.contains_key(key)) {
        maps.ipcache.remove(*prefix);
    }
    for (prefix, remote) in &wanted {
        maps.ipcache.set(*prefix, *remote);
    }
    node.cached = wanted.into_keys().collect();
}

/// A route to the pods of each other node, over that node (`auto-direct-node-routes`).
fn routes(sys: &mut Sys<'_, SimKernel>, node: &mut Node) {
    let mut wanted: BTreeSet<(Ipv4Net, Ipv4Addr)> = BTreeSet::new();
    let mut owners: BTreeMap<Ipv4Net, String> = BTreeMap::new();
    let tunnel = node.settings.tunnel == Tunnel::Vxlan;
    if node.settings.direct_routes || tunnel {
        for other in sys.kernel.kube.store.list::<CiliumNode>(None).filter(|other| other.metadata.name != node.name) {
            let Some(ip) = other.address(INTERNAL_IP) else { continue };
            // Through a tunnel the way is over cilium_host, whose program knows the node.
            let via = if tunnel { node.router } else { ip };
            wanted.extend(other.spec.ipam.pod_cidrs.iter().map(|range| (*range, via)));
            owners.extend(other.spec.ipam.pod_cidrs.iter().map(|range| (*range, other.metadata.name.clone())));
        }
    }
    for (range, via) in node.routes.difference(&wanted) {
        // It may have gone with its link.
        let _ = tools::ip(sys, node.ns, &format!("route del {range} via {via}"));
    }
    let mut made: BTreeSet<_> = node.routes.intersection(&wanted).copied().collect();
    for (range, via) in wanted.difference(&node.routes) {
        let owner = owners.get(range).map_or("?", String::as_str);
        match direct_route(sys, node, owner, (*range, *via)) {
            Ok(()) => {
                made.insert((*range, *via));
            }
            Err(why) => tools::log(sys, "cilium-agent", &format!("level=warning msg={why:?} subsys=linux-datapath")),
        }
    }
    node.routes = made;
}

fn direct_route(
    sys: &mut Sys<'_, SimKernel>,
    node: &Node,
    owner: &str,
    (range, via): (Ipv4Net, Ipv4Addr),
) -> Result<(), String> {
    if node.settings.tunnel == Tunnel::Vxlan {
        let words = format!("route replace {range} via {via} dev cilium_host src {via} mtu {}", node.route_mtu());
        let why = format!("tunnel to the pods of node {owner}");
        return tools::ip_for(sys, node.ns, ("cilium", &why), &words).map(|_| ());
    }
    // Only a node on the same segment can be a gateway.
    let found = tools::ip(sys, node.ns, &format!("route get {via}"))?;
    if found.split_whitespace().any(|word| word == "via") {
        return Err(format!(
            "Unable to install direct node route: route to destination {via} contains gateway, must be \
                            directly reachable"
        ));
    }
    let device = sys.kernel.net.ns(node.ns).map_or(String::new(), |space| space.name_of(node.address.1).to_owned());
    let why = format!("auto-direct-node-routes: node {owner}");
    let words = format!("route replace {range} via {via} dev {device}");
    tools::ip_for(sys, node.ns, ("cilium", &why), &words).map(|_| ())
}

/// The policy map of each endpoint.
pub(super) fn policies(sys: &mut Sys<'_, SimKernel>, node: &mut Node) {
    let store = &sys.kernel.kube.store;
    let policies: Vec<NetworkPolicy> = store.list::<NetworkPolicy>(None).cloned().collect();
    let known: Vec<(u32, _)> = store
        .list::<CiliumIdentity>(None)
        .map(|identity| (identity.number(), identities::plain(&identity.security_labels)))
        .collect();
    let namespaces: Vec<_> = store
        .list::<hopwise_cluster::object::Namespace>(None)
        .map(|ns| (ns.metadata.name.clone(), ns.meta().labels.clone()))
        .collect();
    let ranges: BTreeSet<Ipv4Net> = policies.iter().flat_map(policy::ranges).collect();
    let moved = node.identify_ranges(&ranges);
    let revision = store.revision_of::<NetworkPolicy>();
    if node.policy.1 != revision {
        node.policy = (node.policy.0 + 1, revision);
    }
    let facts = policy::Facts {
        policies: &policies,
        identities: &known,
        namespaces: &namespaces,
        ranges: &node.cidr_identities,
        always: node.settings.always_enforce,
    };
    let maps: Vec<_> =
        node.endpoints.values().map(|endpoint| (endpoint.id, policy::map_of(&facts, endpoint))).collect();
    if moved {
        addresses(sys, node);
    }
    let Some(space) = sys.kernel.net.ns_mut(node.ns).and_then(|space| space.cilium.as_deref_mut()) else { return };
    for (id, mut map) in maps {
        if let Some(endpoint) = node.endpoints.get_mut(&id) {
            endpoint.enforced = (map.ingress_enforced, map.egress_enforced);
        }
        if let Some(program) = space.programs.get_mut(&id) {
            map.keep_counters(&program.policy);
            program.policy = map;
        }
    }
}
