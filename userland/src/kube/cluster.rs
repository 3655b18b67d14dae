//! A cluster as it is described, and how it starts.

use core::fmt;
use core::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_cluster::object::meta::Labels;
use hopwise_cluster::object::service::ServicePort;
use hopwise_cluster::object::{Deployment, Namespace, Node, Object, ObjectMeta, Pod, Service};
use hopwise_machine::MachineId;
use hopwise_sim_core::Duration;
use ipnet::Ipv4Net;

use super::cni::{Agent, CniPlugin};
use crate::world::World;

/// Who writes the rules for Services.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Proxy {
    /// kube-proxy in iptables mode.
    #[default]
    Iptables,
    /// Nobody, or the network plugin.
    None,
}

/// Who answers for the names of Services.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Dns {
    /// Nobody, until somebody brings it.
    #[default]
    None,
    /// CoreDNS in two pods behind the Service `kube-dns`, as kubeadm brings it.
    CoreDns,
}

/// A machine that is a node.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Member {
    /// The machine's name, which is the node's.
    pub machine: String,
    /// The address that the other nodes know it by; not given: the first one of its first NIC that has one.
    pub address: Option<Ipv4Addr>,
    /// Labels, besides those that every node has.
    pub labels: Labels,
}

impl Member {
    /// A machine, with the address it has.
    pub fn named(machine: &str) -> Self {
        Member { machine: machine.to_owned(), ..Member::default() }
    }
}

/// What a cluster is made of.
///
/// ```
/// use hopwise_userland::kube::{Cluster, Member};
/// let cluster = Cluster { nodes: vec![Member::named("worker1"), Member::named("worker2")], ..Cluster::default() };
/// assert_eq!(cluster.pod_cidr.to_string(), "10.244.0.0/16");
/// ```
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The network plugin; `None`: pods get no network but `lo`, until somebody brings it.
    pub cni: Option<Arc<dyn CniPlugin>>,
    /// The addresses of all pods.
    pub pod_cidr: Ipv4Net,
    /// The prefix length of a node's part of them.
    pub node_mask: u8,
    /// The addresses of Services.
    pub service_cidr: Ipv4Net,
    /// The nodes; the first one is the control plane.
    pub nodes: Vec<Member>,
    /// Who writes the rules for Services.
    pub proxy: Proxy,
    /// Who answers for the names of Services.
    pub dns: Dns,
}

impl Default for Cluster {
    fn default() -> Self {
        Cluster {
            cni: None,
            pod_cidr: Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16),
            node_mask: 24,
            service_cidr: Ipv4Net::new_assert(Ipv4Addr::new(10, 96, 0, 0), 12),
            nodes: Vec::new(),
            proxy: Proxy::default(),
            dns: Dns::default(),
        }
    }
}

/// Why a cluster cannot be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterError(pub String);

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for ClusterError {}

/// The namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

impl World {
    /// Makes machines of this world the nodes of a cluster, and starts what runs on them. The machines must have their addresses.
    ///
    /// # Errors
    /// If there is a cluster already, or it cannot be as described.
    pub fn start_cluster(&mut self, cluster: Cluster) -> Result<(), ClusterError> {
        if self.kernel.kube.is_up() {
            return Err(ClusterError("there is a cluster already".into()));
        }
        if cluster.nodes.is_empty() {
            return Err(ClusterError("a cluster needs a node".into()));
        }
        let mut machines = Vec::new();
        for member in &cluster.nodes {
            let name = &member.machine;
            let machine = self.machine(name).ok_or_else(|| ClusterError(format!("there is no machine `{name}`")))?;
            if machines.contains(&machine) {
                return Err(ClusterError(format!("`{name}` is a node already")));
            }
            machines.push(machine);
        }
        let cluster = Arc::new(cluster);
        let store = self.kernel.store();
        store.services.set_range(cluster.service_cidr);
        first_objects(store).map_err(|why| ClusterError(why.to_string()))?;
        if cluster.dns == Dns::CoreDns {
            super::coredns::install(store).map_err(ClusterError)?;
        }
        if let Some(cni) = &cluster.cni {
            cni.prepare(&cluster, store).map_err(ClusterError)?;
        }
        self.kernel.kube.cluster = Some(cluster.clone());
        for (machine, member) in machines.into_iter().zip(&cluster.nodes) {
            let plugin = cluster.cni.iter().flat_map(|cni| cni.agents(&cluster, &member.machine));
            for agent in super::agents::of(&cluster, member).into_iter().chain(plugin) {
                self.start_agent(machine, agent)?;
            }
        }
        Ok(())
    }

    /// Goes on until every node is ready, at most for `limit`. Gives whether they are.
    pub fn wait_for_nodes(&mut self, limit: Duration) -> bool {
        let members = self.kernel.kube.cluster.as_ref().map_or(0, |cluster| cluster.nodes.len());
        self.run_while(limit, |world| {
            let store = &world.kernel.kube.store;
            store.list::<Node>(None).filter(|node| node.is_ready()).count() < members
        })
    }

    /// Goes on until every pod is ready or has ended, at most for `limit`. Gives whether they are.
    pub fn wait_for_pods(&mut self, limit: Duration) -> bool {
        self.run_while(limit, |world| {
            let store = &world.kernel.kube.store;
            let waiting = |pod: &Pod| !pod.is_ready() && !pod.is_over();
            let scaling =
                |deployment: &Deployment| deployment.status.observed_generation != deployment.metadata.generation;
            store.list::<Deployment>(None).any(scaling) || store.list::<Pod>(None).any(waiting)
        })
    }

    /// What the nodes that are not ready say.
    pub fn why_not_ready(&self) -> String {
        let kube = &self.kernel.kube;
        let mut told = Vec::new();
        for member in kube.cluster.iter().flat_map(|cluster| &cluster.nodes) {
            let node = kube.store.get::<Node>("", &member.machine);
            let condition = node.and_then(|node| node.status.conditions.iter().find(|c| c.kind == "Ready"));
            match condition {
                Some(ready) if ready.status == "True" => {}
                Some(ready) => told.push(format!("node {}: {}", member.machine, ready.message)),
                None => told.push(format!("node {} has no address", member.machine)),
            }
        }
        told.join("; ")
    }

    fn run_while(&mut self, limit: Duration, waits: impl Fn(&World) -> bool) -> bool {
        let until = self.now() + limit;
        while waits(self) && self.now() < until {
            self.run_for(Duration::from_millis(100));
        }
        !waits(self)
    }

    /// Starts an agent as a process of a machine, as its init would.
    ///
    /// # Errors
    /// If the machine has too many processes.
    pub fn start_agent(&mut self, machine: MachineId, agent: Agent) -> Result<(), ClusterError> {
        let name = agent.argv.first().cloned().unwrap_or_default();
        let started = self.machines.start_daemon(machine, agent.argv, agent.program);
        started.map(|_| ()).map_err(|errno| ClusterError(format!("{name}: {errno}")))
    }
}

/// What is in the store of every new cluster.
fn first_objects(store: &mut hopwise_cluster::Store) -> Result<(), hopwise_cluster::store::ApiError> {
    for name in NAMESPACES {
        store.create(Box::new(Namespace { metadata: ObjectMeta::named("", name), ..Namespace::default() }))?;
    }
    let mut service = Service { metadata: ObjectMeta::named("default", "kubernetes"), ..Service::default() };
    service.metadata.labels.insert("component".into(), "apiserver".into());
    service.metadata.labels.insert("provider".into(), "kubernetes".into());
    service.spec.cluster_ip = store.services.nth(1).to_string();
    let target = Some(hopwise_cluster::object::pod::PortRef::Number(6443));
    service.spec.ports =
        vec![ServicePort { name: "https".into(), port: 443, target_port: target, ..ServicePort::default() }];
    let object: Box<dyn Object> = Box::new(service);
    store.create(object).map(|_| ())
}
