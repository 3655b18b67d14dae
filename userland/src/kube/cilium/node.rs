//! What the agent of a node keeps in its memory.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hopwise_machine::Pid;
use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::path::tc::cilium::nat::Masquerade;
use ipnet::Ipv4Net;

use super::settings::{Settings, Tunnel};
use super::{address_at, draw, usable};

/// A node with a running agent.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its settings.
    pub settings: Arc<Settings>,
    /// The process of the agent.
    pub agent: Pid,
    /// The namespace of the node.
    pub ns: NsId,
    /// The node's address and the link that has it.
    pub address: (Ipv4Addr, IfIndex),
    /// The addresses of its pods.
    pub pod_cidr: Ipv4Net,
    /// The address of `cilium_host`: the gateway of all pods.
    pub router: Ipv4Addr,
    /// The number of the node itself among the endpoints.
    pub host_endpoint: u16,
    /// The pods, by their number.
    pub endpoints: BTreeMap<u16, Endpoint>,
    /// Addresses that were given out, with whom they belong to.
    pub allocated: BTreeMap<Ipv4Addr, String>,
    /// Identities of ranges outside of the cluster that policies speak of: they mean something on this node only.
    pub cidr_identities: BTreeMap<Ipv4Net, u32>,
    /// The number that the next program of this node's kernel gets.
    pub next_program: u32,
    /// The routes to other nodes' pods that the agent has made.
    pub(super) routes: BTreeSet<(Ipv4Net, Ipv4Addr)>,
    /// The nodes in the set of all nodes' addresses.
    pub(super) nodes: BTreeSet<Ipv4Addr>,
    /// What the agent has put into the map of addresses.
    pub(super) cached: BTreeSet<(Ipv4Addr, u8)>,
}

/// A pod of this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Its number.
    pub id: u16,
    /// The namespace and the name of the pod; empty for the health endpoint.
    pub pod: (String, String),
    /// The container of its sandbox.
    pub container: String,
    /// The node's end of its veth.
    pub link: (IfIndex, String),
    /// Its MAC address.
    pub mac: MacAddr,
    /// That of the node's end.
    pub node_mac: MacAddr,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its identity.
    pub identity: u32,
    /// Its labels, each with its source in front.
    pub labels: Vec<String>,
    /// Whether a policy restricts what comes to it, and what it sends.
    pub enforced: (bool, bool),
}

/// The first identity of a range of addresses (`identity.LocalIdentityFlag`).
const LOCAL_IDENTITY: u32 = 1 << 24;

impl Node {
    /// Gives out an address for someone: the one the settings say, or one that is drawn.
    ///
    /// # Errors
    /// If all are given out.
    pub fn allocate(&mut self, name: &str, owner: &str) -> Result<Ipv4Addr, String> {
        let drawn = self.settings.drawn.addresses.get(name).copied();
        let count = usable(self.pod_cidr);
        let start = draw(name).checked_rem(count).unwrap_or(0);
        let places = (0..count).map(|n| address_at(self.pod_cidr, (start + n) % count));
        let free = drawn.into_iter().chain(places).find(|addr| !self.allocated.contains_key(addr));
        let addr = free.ok_or("unable to allocate IP via local cilium agent: range is full")?;
        self.allocated.insert(addr, owner.to_owned());
        Ok(addr)
    }

    /// Gives a number to an endpoint.
    pub fn number(&self, name: &str) -> u16 {
        let taken = |id: &u16| self.endpoints.contains_key(id) || *id == self.host_endpoint;
        let drawn = self.settings.drawn.endpoints.get(name).copied();
        let start = draw(name) % 4095;
        let numbers = (0..4095).map(|n| 1 + ((start + n) % 4095) as u16);
        drawn.into_iter().chain(numbers).find(|id| !taken(id)).unwrap_or(4095)
    }

    /// The largest packet to a pod of another node: a tunnel needs 50 bytes.
    pub fn route_mtu(&self) -> u32 {
        if self.settings.tunnel == Tunnel::Vxlan { 1450 } else { 1500 }
    }

    /// What the programs masquerade: netfilter does it with legacy host routing.
    pub fn masquerade(&self) -> Option<Masquerade> {
        let settings = &self.settings;
        if !settings.masquerade || settings.legacy_routing {
            return None;
        }
        let range = settings.native_cidr.unwrap_or(self.pod_cidr);
        Some(Masquerade { address: self.address.0, excluded: (range.network(), range.prefix_len()) })
    }

    /// The number of the next program.
    pub fn program_id(&mut self) -> u32 {
        self.next_program += 1;
        self.next_program
    }

    /// The identity of a range outside of the cluster.
    pub fn cidr_identity(&mut self, range: Ipv4Net) -> u32 {
        let next = LOCAL_IDENTITY + 1 + self.cidr_identities.len() as u32;
        *self.cidr_identities.entry(range).or_insert(next)
    }

    /// The endpoint of a pod.
    pub fn of_pod(&self, namespace: &str, name: &str) -> Option<&Endpoint> {
        self.endpoints.values().find(|endpoint| endpoint.pod.0 == namespace && endpoint.pod.1 == name)
    }
}
