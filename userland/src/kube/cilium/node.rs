//! What the agent of a node keeps in its memory.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hopwise_machine::Pid;
use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::path::tc::cilium::lb::Socket;
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
    /// How many such identities were given out: a number is not given out again.
    pub(super) given_identities: u32,
    /// The numbers of services and of the pods that serve.
    pub(super) numbers: Numbers,
    /// How often the policies have changed, and what they were.
    pub(super) policy: (u64, u64),
    /// The number that the next program of this node's kernel gets.
    pub next_program: u32,
    /// The routes to other nodes' pods that the agent has made.
    pub(super) routes: BTreeSet<(Ipv4Net, Ipv4Addr)>,
    /// The nodes in the set of all nodes' addresses.
    pub(super) nodes: BTreeSet<Ipv4Addr>,
    /// What the agent has put into the map of addresses.
    pub(super) cached: BTreeSet<Ipv4Net>,
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

/// The numbers that an agent has given to services and to the pods that serve (`pkg/service/id.go`).
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    services: BTreeMap<Socket, u16>,
    backends: BTreeMap<Socket, u32>,
    /// The numbers that were given last.
    last: (u16, u32),
}

impl Numbers {
    /// The number of a service; `None`: there are too many.
    pub(super) fn service(&mut self, at: Socket) -> Option<u16> {
        if let Some(number) = self.services.get(&at) {
            return Some(*number);
        }
        let taken = |number: &u16| self.services.values().any(|other| other == number);
        let last = self.last.0;
        let number = (1..=u16::MAX).map(|n| last.wrapping_add(n)).find(|number| *number != 0 && !taken(number))?;
        self.last.0 = number;
        self.services.insert(at, number);
        Some(number)
    }

    /// The number of a pod that serves.
    pub(super) fn backend(&mut self, at: Socket) -> u32 {
        let last = &mut self.last.1;
        *self.backends.entry(at).or_insert_with(|| {
            *last += 1;
            *last
        })
    }

    /// Only these are used any more.
    pub(super) fn keep(&mut self, services: impl Fn(&Socket) -> bool, backends: impl Fn(u32) -> bool) {
        self.services.retain(|at, _| services(at));
        self.backends.retain(|_, number| backends(*number));
    }
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
    ///
    /// # Errors
    /// If all are given out (`idallocator`).
    pub fn number(&self, name: &str) -> Result<u16, String> {
        let taken = |id: &u16| self.endpoints.contains_key(id) || *id == self.host_endpoint;
        let drawn = self.settings.drawn.endpoints.get(name).copied();
        let start = draw(name) % 4095;
        let numbers = (0..4095).map(|n| 1 + ((start + n) % 4095) as u16);
        drawn
            .into_iter()
            .chain(numbers)
            .find(|id| !taken(id))
            .ok_or_else(|| "no more endpoint IDs available".to_owned())
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
        Some(Masquerade { address: self.address.0, excluded: settings.native_cidr.unwrap_or(self.pod_cidr) })
    }

    /// The number of the next program.
    pub fn program_id(&mut self) -> u32 {
        self.next_program += 1;
        self.next_program
    }

    /// Policies speak of these ranges outside of the cluster now: each has an identity of its own, others have none any
    /// more. Says whether something changed (`localIdentityCache`).
    pub(super) fn identify_ranges(&mut self, ranges: &BTreeSet<Ipv4Net>) -> bool {
        let before = self.cidr_identities.clone();
        self.cidr_identities.retain(|range, _| ranges.contains(range));
        for range in ranges {
            self.cidr_identities.entry(*range).or_insert_with(|| {
                self.given_identities += 1;
                LOCAL_IDENTITY + self.given_identities
            });
        }
        before != self.cidr_identities
    }

    /// The endpoint of a pod.
    pub fn of_pod(&self, namespace: &str, name: &str) -> Option<&Endpoint> {
        self.endpoints.values().find(|endpoint| endpoint.pod.0 == namespace && endpoint.pod.1 == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> Node {
        Node {
            name: "node-1".into(),
            settings: Arc::default(),
            agent: Pid { machine: hopwise_machine::MachineId(0), number: 1 },
            ns: NsId(0),
            address: (Ipv4Addr::new(192, 168, 0, 120), IfIndex(2)),
            pod_cidr: "10.0.0.0/30".parse().unwrap(),
            router: Ipv4Addr::new(10, 0, 0, 1),
            host_endpoint: 1,
            endpoints: BTreeMap::new(),
            allocated: BTreeMap::new(),
            cidr_identities: BTreeMap::new(),
            given_identities: 0,
            numbers: Numbers::default(),
            policy: (0, 0),
            next_program: 0,
            routes: BTreeSet::new(),
            nodes: BTreeSet::new(),
            cached: BTreeSet::new(),
        }
    }

    #[test]
    fn what_is_used_up_is_refused() {
        let mut node = node();
        for id in 2..=4095 {
            let endpoint = Endpoint {
                id,
                pod: Default::default(),
                container: String::new(),
                link: (IfIndex(1), String::new()),
                mac: MacAddr::ZERO,
                node_mac: MacAddr::ZERO,
                ip: Ipv4Addr::UNSPECIFIED,
                identity: 300,
                labels: Vec::new(),
                enforced: (false, false),
            };
            assert!(node.number(&format!("pod-{id}")).is_ok());
            node.endpoints.insert(id, endpoint);
        }
        assert_eq!(node.number("one-more"), Err("no more endpoint IDs available".to_owned()));
        assert_eq!([(); 3].map(|()| node.allocate("pod", "pod").is_ok()), [true, true, false]);
    }

    #[test]
    fn numbers_of_services_stay_and_are_not_given_twice() {
        let mut numbers = Numbers::default();
        let at = |port| Socket { addr: Ipv4Addr::new(10, 96, 0, 1), port };
        assert_eq!([80, 81, 80].map(|port| numbers.service(at(port))), [Some(1), Some(2), Some(1)]);
        assert_eq!([80, 81, 80].map(|port| numbers.backend(at(port))), [1, 2, 1]);
        numbers.keep(|socket| socket.port == 81, |number| number == 2);
        assert_eq!([81, 80].map(|port| numbers.service(at(port))), [Some(2), Some(3)]);
        assert_eq!([81, 80].map(|port| numbers.backend(at(port))), [2, 3]);
    }
}
