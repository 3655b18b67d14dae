//! What a network plugin is to a cluster: it connects the sandbox of each pod, and brings the agents that join the nodes.
//!
//! The shape is that of the CNI specification: the kubelet calls ADD and DEL with a network namespace and a container's id, one call
//! after the other on each node. Whatever a plugin keeps, it keeps where a real one does: in files of the node (`host-local`), or in the
//! store (Calico, Cilium).

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
