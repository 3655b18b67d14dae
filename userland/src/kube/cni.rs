//! What a network plugin is to a cluster: it connects the sandbox of each pod, and brings the agents that join the nodes.
//!
//! The shape is that of the CNI specification: the kubelet calls ADD and DEL with a network namespace and a container's id, one call
//! after the other on each node. Whatever a plugin keeps, it keeps where a real one does: in files of the node (`host-local`), or in the
//! store (Calico, Cilium).
//!
//! A plugin of one's own, on a cluster of one node (`userland/tests/cni_author.rs` has two nodes and all kinds of connections):
//!
//! ```
//! use std::sync::Arc;
//! use hopwise_userland::kube::{Attached, Cluster, CniError, CniPlugin, Member, Sandbox, host_local};
//! use hopwise_userland::{Duration, World};
//!
//! /// Each pod has a pair of links and a host route.
//! #[derive(Debug)]
//! struct PointToPoint;
//!
//! impl CniPlugin for PointToPoint {
//!     fn name(&self) -> &str {
//!         "ptp"
//!     }
//!
//!     fn add(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<Attached, CniError> {
//!         let (id, netns) = (sandbox.container_id.clone(), sandbox.netns.clone());
//!         let range = "10.244.0.0/24".parse().map_err(|_| "no range")?;
//!         let (address, range) = host_local::take(sandbox.sys, "ptp", range, &id, "eth0")?;
//!         let (gateway, veth) = (range.gateway(), format!("ptp{}", &id[..8]));
//!         sandbox.host_ip(&format!("link add {veth} type veth peer name eth0 netns {netns}"))?;
//!         sandbox.host_ip(&format!("addr add {gateway}/32 dev {veth}"))?;
//!         sandbox.host_ip(&format!("link set {veth} up"))?;
//!         sandbox.host_ip(&format!("route add {address}/32 dev {veth}"))?;
//!         sandbox.pod_ip(&format!("addr add {address}/32 dev eth0"))?;
//!         sandbox.pod_ip("link set eth0 up")?;
//!         sandbox.pod_ip(&format!("route add {gateway} dev eth0"))?;
//!         sandbox.pod_ip(&format!("route add default via {gateway}"))?;
//!         Ok(Attached { address: address.into(), gateway: Some(gateway) })
//!     }
//!
//!     fn del(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<(), CniError> {
//!         let id = sandbox.container_id.clone();
//!         host_local::give_back(sandbox.sys, "ptp", &id);
//!         Ok(())
//!     }
//! }
//!
//! let mut world = World::new(1);
//! let node = world.add_machine("node");
//! world.run(node, "ip link add eth0 type dummy && ip addr add 192.168.0.1/24 dev eth0 && ip link set eth0 up").expect_ok();
//! let cluster = Cluster { cni: Some(Arc::new(PointToPoint)), nodes: vec![Member::named("node")], ..Cluster::default() };
//! world.start_cluster(cluster).unwrap();
//! assert!(world.wait_for_nodes(Duration::from_secs(10)), "{}", world.why_not_ready());
//! world.run(node, "kubectl create deployment web --image=nginx --replicas=2").expect_ok();
//! assert!(world.wait_for_pods(Duration::from_secs(10)));
//! world.run(node, "kubectl run c --rm -i --image=busybox --restart=Never -- ping -c 1 10.244.0.2").expect_ok();
//! ```

use core::fmt::Debug;
use core::net::Ipv4Addr;

use hopwise_cluster::Store;
use hopwise_machine::{Program, Sys};
use hopwise_sim_core::NsId;
use ipnet::Ipv4Net;

use super::cluster::Cluster;
use super::tools;
use crate::kernel::SimKernel;

/// A network plugin. It has no state of its own: one value serves all nodes.
pub trait CniPlugin: Debug + Send + Sync {
    /// The name of the network, as in `/etc/cni/net.d`.
    fn name(&self) -> &str;

    /// Puts what it needs into the store before any node starts: pools, its configuration.
    ///
    /// # Errors
    /// Why the cluster cannot be.
    fn prepare(&self, _cluster: &Cluster, _store: &mut Store) -> Result<(), String> {
        Ok(())
    }

    /// The agents that run on a node: they start with it and show in `ps`.
    fn agents(&self, _cluster: &Cluster, _node: &str) -> Vec<Agent> {
        Vec::new()
    }

    /// Whether pods of a node can be connected: the kubelet asks until it is so, and the node is not ready before.
    fn is_ready(&self, _sys: &mut Sys<'_, SimKernel>, _node: &str) -> bool {
        true
    }

    /// Connects a sandbox (CNI ADD).
    ///
    /// # Errors
    /// Why not. The kubelet tells it in the pod's status, and tries again a second later.
    fn add(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<Attached, CniError>;

    /// Disconnects a sandbox (CNI DEL); its namespace goes afterwards. Called also if ADD has failed.
    ///
    /// # Errors
    /// Why not; the kubelet logs it.
    fn del(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<(), CniError>;
}

/// Why a plugin failed, as the kubelet shows it.
pub type CniError = String;

/// What ADD did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attached {
    /// The pod's address and the prefix length it has on its link.
    pub address: Ipv4Net,
    /// Its gateway.
    pub gateway: Option<Ipv4Addr>,
}

/// Which pod a sandbox is for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Pod {
    /// `K8S_POD_NAMESPACE`
    pub namespace: String,
    /// `K8S_POD_NAME`
    pub name: String,
    /// `K8S_POD_UID`
    pub uid: String,
}

/// A call of a plugin: the sandbox, and the machine on which the plugin runs.
pub struct Sandbox<'a, 's> {
    /// The kubelet, which the plugin runs in.
    pub sys: &'a mut Sys<'s, SimKernel>,
    /// The node.
    pub node: String,
    /// The pod.
    pub pod: Pod,
    /// `CNI_CONTAINERID`: 64 hexadecimal digits.
    pub container_id: String,
    /// `CNI_IFNAME`: `eth0`.
    pub ifname: String,
    /// The name of the sandbox's namespace: `CNI_NETNS` is `/var/run/netns/` and this.
    pub netns: String,
    /// The sandbox's namespace.
    pub inside: NsId,
    /// The node's namespace.
    pub host: NsId,
}

impl Sandbox<'_, '_> {
    /// Carries out `ip WORDS` on the node.
    ///
    /// # Errors
    /// What it would print on standard error.
    pub fn host_ip(&mut self, words: &str) -> Result<String, CniError> {
        let why = self.reason();
        tools::ip_for(self.sys, self.host, ("cni", &why), words)
    }

    /// Carries out `ip WORDS` in the sandbox.
    ///
    /// # Errors
    /// What it would print on standard error.
    pub fn pod_ip(&mut self, words: &str) -> Result<String, CniError> {
        let why = self.reason();
        tools::ip_for(self.sys, self.inside, ("cni", &why), words)
    }

    /// For whom routes are made: `workload endpoint default/web-1, connected by calico`.
    pub fn reason(&self) -> String {
        let cluster = self.sys.kernel.kube.cluster.as_ref();
        let plugin = cluster.and_then(|cluster| cluster.cni.as_ref()).map_or("", |plugin| plugin.name());
        format!("workload endpoint {}/{}, connected by {plugin}", self.pod.namespace, self.pod.name)
    }

    /// The store.
    pub fn store(&mut self) -> &mut Store {
        self.sys.kernel.store()
    }

    /// Whether the node has a link of this name.
    pub fn host_has(&self, link: &str) -> bool {
        self.sys.kernel.net.ns(self.host).is_some_and(|ns| ns.devs.index_of(link).is_some())
    }
}

/// An agent of a node: a process.
pub struct Agent {
    /// Its command, as `ps` shows it.
    pub argv: Vec<String>,
    /// The process.
    pub program: Box<dyn Program<SimKernel>>,
}

impl Agent {
    /// An agent of this command line.
    pub fn new(command: &str, program: Box<dyn Program<SimKernel>>) -> Self {
        Agent { argv: command.split_whitespace().map(str::to_owned).collect(), program }
    }
}
