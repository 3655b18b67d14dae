//! Cilium on the nodes of a cluster: the CNI plugin, the agent of each node, and the command `cilium`.
//!
//! The data path is in the kernel: `stack/src/path/tc/cilium`. Here is what fills its maps. An agent makes `cilium_host` and
//! `cilium_net`, loads the programs, writes the rules of legacy host routing, and follows the objects: other nodes, endpoints
//! and identities, network policies. What agents tell each other they tell through the store, as real ones do.

mod agent;
pub(crate) mod cli;
pub(crate) mod cni;
mod endpoint;
mod identity;
mod links;
mod node;
mod policy;
mod rules;
mod settings;
mod sync;

use core::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_cluster::Store;
use hopwise_cluster::ipam::cluster_pool::ClusterPool;
use hopwise_cluster::object::cilium::{CiliumNodeSpec, NodeIpam};
use hopwise_cluster::object::{CiliumNode, ObjectMeta};
use ipnet::Ipv4Net;

pub use identity::meaning;
pub use node::{Endpoint, Node};
pub use settings::{Settings, Tunnel, make};

use super::cluster::Cluster;
use super::cni::{Agent, Attached, CniError, CniPlugin, Sandbox};

/// The network plugin.
#[derive(Clone, Debug, Default)]
pub struct Cilium {
    /// The settings of `cilium-config`.
    pub settings: Arc<Settings>,
}

impl CniPlugin for Cilium {
    fn name(&self) -> &'static str {
        "cilium"
    }

    /// The operator's work: each node gets its part of the addresses of all pods (`ipam: cluster-pool`).
    fn prepare(&self, cluster: &Cluster, store: &mut Store) -> Result<(), String> {
        let mut pool =
            ClusterPool::new(cluster.pod_cidr, cluster.node_mask).ok_or("a node's part is larger than the pod CIDR")?;
        for member in &cluster.nodes {
            let part = pool.allocate(&member.machine).ok_or("the pod CIDR has no part left for a node")?;
            let ipam = NodeIpam { pod_cidrs: vec![part] };
            let metadata = ObjectMeta::named("", &member.machine);
            let spec = CiliumNodeSpec { ipam, ..CiliumNodeSpec::default() };
            store.create(Box::new(CiliumNode { metadata, spec })).map_err(|why| why.to_string())?;
        }
        Ok(())
    }

    fn agents(&self, cluster: &Cluster, node: &str) -> Vec<Agent> {
        let address = cluster.nodes.iter().find(|member| member.machine == node).and_then(|member| member.address);
        let program = agent::CiliumAgent::new(node, address, self.settings.clone());
        vec![Agent::new("cilium-agent --config-dir=/tmp/cilium/config-map", Box::new(program))]
    }

    fn add(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<Attached, CniError> {
        endpoint::add(sandbox)
    }

    fn del(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<(), CniError> {
        endpoint::del(sandbox)
    }
}

/// A number that looks random and follows from a text (FNV-1a): what Cilium draws, so that it does not depend on what else
/// happened before.
fn draw(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The number of addresses in a range that may be given out: all but the first and the last.
fn usable(range: Ipv4Net) -> u64 {
    (1u64 << (32 - range.prefix_len())).saturating_sub(2)
}

/// The address at a place of a range.
fn address_at(range: Ipv4Net, place: u64) -> Ipv4Addr {
    Ipv4Addr::from_bits(range.network().to_bits().wrapping_add(1 + place as u32))
}
