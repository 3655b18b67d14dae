//! From the objects of the store to what the parts of Calico look at.

mod bgp;
mod node;
mod policies;

#[cfg(test)]
mod tests;

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use hopwise_sim_core::Time;
use ipnet::Ipv4Net;

pub use self::bgp::view as bird;
pub use self::node::{CalicoNode, annotation, vxlan_mac};

use super::bird_cfg::Mode;
use super::felix::{self, Endpoint, PoolRules, ToHost};
use super::routes::{Remote, View as Routes, Vtep, Workload};
use super::selector::Labels;
use crate::ipam::calico::{Config, Ipam};
use crate::object::calico::{BlockAffinity, FelixConfiguration, IpPool, IpamBlock, IpamConfig};
use crate::object::{Kind, Namespace, Node, Pod};
use crate::store::Store;
use crate::time::Timestamp;

/// The name of the objects that hold for all nodes.
const DEFAULT: &str = "default";

/// The settings of Felix.
pub fn felix_config(store: &Store) -> FelixConfiguration {
    store.get::<FelixConfiguration>("", DEFAULT).cloned().unwrap_or_default()
}

/// The pools that are in use.
pub fn pools(store: &Store) -> impl Iterator<Item = &IpPool> {
    store.list::<IpPool>(None)
}

/// Whether a pool is reached through `tunl0`.
pub fn has_ipip(store: &Store) -> bool {
    pools(store).any(|pool| pool.spec.ipip_mode != Mode::Never)
}

/// Whether a pool is reached through `vxlan.calico`.
pub fn has_vxlan(store: &Store) -> bool {
    pools(store).any(|pool| pool.spec.vxlan_mode != Mode::Never)
}

/// The name of a pod's link on the host: `cali` and eleven digits of a hash (`GenerateWorkloadName`).
pub fn interface_of(namespace: &str, pod: &str) -> String {
    use sha1::{Digest, Sha1};
    let hash = Sha1::digest(format!("{namespace}.{pod}"));
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cali{}", &hex[..11])
}

/// The workload of a pod. `None`: it has no network of its own, no address yet, or is over.
pub fn endpoint(store: &Store, pod: &Pod, node: &str) -> Option<Endpoint> {
    let meta = &pod.metadata;
    let address: Ipv4Addr = meta.annotations.get(annotation::POD_IP)?.split('/').next()?.parse().ok()?;
    if matches!(&*pod.status.phase, "Succeeded" | "Failed") {
        return None;
    }
    let account = pod.spec.service_account_name.clone().unwrap_or_else(|| DEFAULT.to_owned());
    let mut labels: Labels = meta.labels.clone();
    labels.insert("projectcalico.org/namespace".into(), meta.namespace.clone());
    labels.insert("projectcalico.org/orchestrator".into(), "k8s".into());
    labels.insert("projectcalico.org/serviceaccount".into(), account.clone());
    labels.insert("pcns.projectcalico.org/name".into(), meta.namespace.clone());
    let own = store.get::<Namespace>("", &meta.namespace).map(|namespace| &namespace.metadata.labels);
    labels.extend(own.into_iter().flatten().map(|(key, value)| (format!("pcns.{key}"), value.clone())));
    Some(Endpoint {
        interface: interface_of(&meta.namespace, &meta.name),
        namespace: meta.namespace.clone(),
        pod: meta.name.clone(),
        service_account: account,
        labels,
        addresses: vec![address],
        is_local: pod.spec.node_name == node,
    })
}

/// What decides a node's rules; and what of the policies cannot be done.
pub fn rules(store: &Store, node: &str) -> (felix::View, Vec<String>) {
    let config = felix_config(store);
    let to_host = match &*config.spec.default_endpoint_to_host_action {
        "Drop" => ToHost::Drop,
        "Return" => ToHost::Return,
        _ => ToHost::Accept,
    };
    let (policies, refused) = policies::all(store);
    let used = pools(store).map(|pool| PoolRules { cidr: pool.spec.cidr, nat_outgoing: pool.spec.nat_outgoing });
    let view = felix::View {
        ipip: has_ipip(store),
        vxlan: has_vxlan(store),
        pools: used.collect(),
        nodes: store.list::<Node>(None).filter_map(|n| CalicoNode::of(n).address).map(|net| net.addr()).collect(),
        endpoints: store.list::<Pod>(None).filter_map(|pod| endpoint(store, pod, node)).collect(),
        policies,
        to_host,
    };
    (view, refused)
}

/// The blocks of a node.
pub fn blocks(store: &Store, node: &str) -> Vec<Ipv4Net> {
    store.list::<BlockAffinity>(None).filter(|block| block.spec.node == node).map(|block| block.spec.cidr).collect()
}

/// The blocks of all nodes.
fn blocks_by_node(store: &Store) -> BTreeMap<&str, Vec<Ipv4Net>> {
    let mut found: BTreeMap<&str, Vec<Ipv4Net>> = BTreeMap::new();
    for block in store.list::<BlockAffinity>(None) {
        found.entry(&block.spec.node).or_default().push(block.spec.cidr);
    }
    found
}

/// What decides the routes that Felix sets on a node. `None` until the node has its address.
pub fn routes(store: &Store, node: &str, link: &str) -> Option<Routes> {
    let own = CalicoNode::of(store.get::<Node>("", node)?).address?;
    let local = store.list::<Pod>(None).filter(|pod| pod.spec.node_name == node);
    let local = local.filter_map(|pod| endpoint(store, pod, node));
    let workloads = |e: Endpoint| {
        let Endpoint { interface, namespace, pod, addresses, .. } = e;
        let pod = format!("{namespace}/{pod}");
        addresses.into_iter().map(move |address| Workload { address, link: interface.clone(), pod: pod.clone() })
    };
    let blocks = blocks_by_node(store);
    let blocks_of = |node: &str| blocks.get(node).cloned().unwrap_or_default();
    let remote = |other: &Node| {
        let name = &other.metadata.name;
        let of = CalicoNode::of(other);
        let address = of.address?.addr();
        let vtep = of.vxlan.zip(of.vxlan_mac).map(|(tunnel, mac)| Vtep { node: address, tunnel, mac });
        Some(Remote { name: name.clone(), node: address, vtep, blocks: blocks_of(name) })
    };
    let others = store.list::<Node>(None).filter(|other| other.metadata.name != node);
    Some(Routes {
        address: own,
        link: link.to_owned(),
        blocks: blocks_of(node),
        pods: local.flat_map(workloads).collect(),
        pools: pools(store).map(IpPool::for_bird).collect(),
        remotes: others.filter_map(remote).collect(),
        all: felix_config(store).spec.program_cluster_routes == "Enabled",
    })
}

/// The state of IPAM as the store has it.
pub fn ipam(store: &Store) -> Ipam {
    let blocks = store.list::<IpamBlock>(None).map(|block| (block.spec.cidr, block.spec.clone())).collect();
    let spec = store.get::<IpamConfig>("", DEFAULT).map(|config| config.spec.clone()).unwrap_or_default();
    let max_blocks_per_host = Some(spec.max_blocks_per_host).filter(|limit| *limit > 0);
    Ipam { blocks, config: Config { strict_affinity: spec.strict_affinity, max_blocks_per_host } }
}

/// Changes the state of IPAM, and writes back what has changed: the blocks, and to whom they belong.
pub fn with_ipam<T>(store: &mut Store, change: impl FnOnce(&mut Ipam) -> T) -> T {
    let old = ipam(store);
    let mut new = old.clone();
    let answer = change(&mut new);
    for (cidr, block) in old.blocks.iter().filter(|(cidr, block)| new.blocks.get(cidr) != Some(block)) {
        let kept = new.blocks.get(cidr);
        if kept.is_none() {
            // It was there a moment ago.
            let _ = store.delete(&IpamBlock::TYPE, "", &IpamBlock::name_of(cidr));
        }
        if let Some(node) = block.node().filter(|node| kept.and_then(|b| b.node()) != Some(node)) {
            let _ = store.delete(&BlockAffinity::TYPE, "", &BlockAffinity::new(node, *cidr).metadata.name);
        }
    }
    for (cidr, block) in new.blocks.iter().filter(|(cidr, block)| old.blocks.get(cidr) != Some(block)) {
        let before = old.blocks.get(cidr);
        match before {
            Some(_) => {
                store.modify::<IpamBlock>("", &IpamBlock::name_of(cidr), |object| object.spec = block.clone());
            }
            // Names follow from networks, which are unique here.
            None => drop(store.create(Box::new(IpamBlock::new(block.clone())))),
        }
        if let Some(node) = block.node().filter(|node| before.and_then(|b| b.node()) != Some(node)) {
            drop(store.create(Box::new(BlockAffinity::new(node, *cidr))));
        }
    }
    answer
}

/// A point in time as IPAM notes it: `2022-05-14 09:21:32 +0000 UTC`.
pub fn stamp(now: Time) -> String {
    let text = Timestamp::of(now).to_string();
    format!("{} +0000 UTC", text.replace('T', " ").trim_end_matches('Z'))
}
