//! The rules of Felix: what Calico 3.24 writes into iptables and ipset on a node (`felix/rules`). The hashes in the comments are those of
//! Felix, so that a rule here carries the very name that it has on a real node.

mod dispatch;
mod endpoint;
mod policy;
pub mod purposes;
mod rule;
pub mod sets;
mod statics;

#[cfg(test)]
mod tests;

use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

pub use self::policy::{Action, Entity, Policy, PolicyRule, Ports};
pub use self::rule::{Base, Chain, Rule, Table, Tables};
pub use self::sets::IpSet;

use super::selector::Labels;

/// The bits of a packet's mark that Felix takes for itself.
pub(crate) mod mark {
    /// A policy said yes.
    pub(crate) const ACCEPT: u32 = 0x1_0000;
    /// A policy hands over to the next tier.
    pub(crate) const PASS: u32 = 0x2_0000;
    /// A scratch bit: all blocks of a rule match; in the raw table: the packet comes from a workload.
    pub(crate) const SCRATCH0: u32 = 0x4_0000;
    /// A scratch bit: this block of a rule matches.
    pub(crate) const SCRATCH1: u32 = 0x8_0000;
    /// All of them.
    pub(crate) const ALL: u32 = ACCEPT | PASS | SCRATCH0 | SCRATCH1;
}

/// A pod's end of its veth on this node, or a pod elsewhere whose address selectors find.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Endpoint {
    /// The link on the host: `cali` and eleven digits.
    pub interface: String,
    /// The namespace of the pod.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The service account of the pod.
    pub service_account: String,
    /// The labels as selectors see them: those of the pod and those that Calico adds.
    pub labels: Labels,
    /// Its addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// Whether it is on this node.
    pub is_local: bool,
}

impl Endpoint {
    /// The profiles that say what holds without a policy: that of its namespace and that of its account.
    fn profiles(&self) -> [String; 2] {
        [format!("kns.{}", self.namespace), format!("ksa.{}.{}", self.namespace, self.service_account)]
    }
}

/// A pool as the rules see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolRules {
    /// Its addresses.
    pub cidr: Ipv4Net,
    /// Whether what leaves for the world outside gets the node's address.
    pub nat_outgoing: bool,
}

/// What happens to packets of a workload for the host itself once policy let them pass (`DefaultEndpointToHostAction`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum ToHost {
    /// `Accept`: what Calico's manifests set.
    #[default]
    Accept,
    /// `Return`: the other rules of the host decide.
    Return,
    /// `Drop`.
    Drop,
}

/// All that decides which rules a node has.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct View {
    /// Whether a pool is reached through `tunl0`.
    pub ipip: bool,
    /// Whether a pool is reached through `vxlan.calico`.
    pub vxlan: bool,
    /// The pools.
    pub pools: Vec<PoolRules>,
    /// The addresses of all nodes.
    pub nodes: Vec<Ipv4Addr>,
    /// The workloads of the cluster.
    pub endpoints: Vec<Endpoint>,
    /// The policies in the order in which they are asked.
    pub policies: Vec<Policy>,
    /// What may go from a workload to its host.
    pub to_host: ToHost,
}

/// The rules and the sets of a node.
pub fn render(view: &View) -> (Tables, Vec<IpSet>) {
    let mut tables = statics::tables(view);
    let mut sets = sets::fixed(view);
    let local: Vec<&Endpoint> = view.endpoints.iter().filter(|endpoint| endpoint.is_local).collect();
    let names: Vec<&str> = local.iter().map(|endpoint| &*endpoint.interface).collect();
    let filter = &mut tables.filter.chains;
    filter.extend(dispatch::chains(&names));
    filter.extend(local.iter().flat_map(|endpoint| endpoint::chains(endpoint, &view.policies)));
    let applied = view.policies.iter().filter(|policy| local.iter().any(|e| policy.selector.matches(&e.labels)));
    for policy in applied {
        filter.extend(policy::chains(policy));
        sets.extend(policy::sets(policy, &view.endpoints));
    }
    let mut profiles: Vec<String> = local.iter().flat_map(|endpoint| endpoint.profiles()).collect();
    profiles.sort();
    profiles.dedup();
    filter.extend(profiles.iter().flat_map(|profile| policy::profile_chains(profile)));
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    sets.dedup_by(|a, b| a.name == b.name);
    (tables, sets)
}
