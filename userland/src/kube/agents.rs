//! The agents of every cluster: what runs on which node.

use hopwise_cluster::controllers::pod_gc::PodGc;
use hopwise_cluster::controllers::{api_server, deployment, endpoints, node_ipam, replica_set, scheduler};
use hopwise_cluster::object::{Deployment, EndpointSlice, Node, Pod, ReplicaSet, Service};
use hopwise_machine::{Program, Step, Sys, Wait};

use super::cluster::{Cluster, Member, Proxy};
use super::cni::Agent;
use super::kubelet::Kubelet;
use crate::kernel::SimKernel;

/// The agents of a node, besides those of the network plugin. The first node is the control plane.
pub(super) fn of(cluster: &Cluster, member: &Member) -> Vec<Agent> {
    let mut agents = Vec::new();
    if cluster.nodes.first() == Some(member) {
        let command = format!(
            "kube-controller-manager --allocate-node-cidrs=true --cluster-cidr={} --node-cidr-mask-size={} --service-cluster-ip-range={}",
            cluster.pod_cidr, cluster.node_mask, cluster.service_cidr
        );
        agents.push(Agent::new(&command, Box::new(Controllers { watching: false, pod_gc: PodGc::default() })));
        agents.push(Agent::new("kube-scheduler", Box::new(Scheduler { watching: false, next: 0 })));
    }
    let command = format!("kubelet --hostname-override={}", member.machine);
    agents.push(Agent::new(&command, Box::new(Kubelet::new(member.clone()))));
    if cluster.proxy == Proxy::Iptables {
        let command = format!("kube-proxy --proxy-mode=iptables --hostname-override={}", member.machine);
        agents.push(Agent::new(&command, super::kube_proxy::start(&member.machine)));
    }
    agents
}

/// kube-controller-manager: the controllers, one after the other.
#[derive(Clone)]
struct Controllers {
    watching: bool,
    pod_gc: PodGc,
}

impl Program<SimKernel> for Controllers {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if !self.watching {
            let (pid, kube) = (sys.pid(), &mut sys.kernel.kube);
            kube.watch::<Deployment>(pid, None);
            kube.watch::<ReplicaSet>(pid, None);
            kube.watch::<Pod>(pid, None);
            kube.watch::<Service>(pid, None);
            kube.watch::<EndpointSlice>(pid, None);
            kube.watch::<Node>(pid, None);
            self.watching = true;
        }
        let Some(cluster) = sys.kernel.kube.cluster.clone() else { return Step::Exit(1) };
        let (now, store) = (sys.now(), sys.kernel.store());
        // The API server is on the first node, and tells its own address.
        let own = cluster.nodes.first().and_then(|member| store.get::<Node>("", &member.machine)).and_then(Node::ip);
        if let Some(address) = own {
            api_server::sync(store, address);
        }
        node_ipam::sync(store, cluster.pod_cidr, cluster.node_mask);
        deployment::sync(store);
        replica_set::sync(store);
        endpoints::sync(store);
        let next = self.pod_gc.sync(store, now);
        Step::Block(Wait::event().or_until(next))
    }
}

/// kube-scheduler.
#[derive(Clone)]
struct Scheduler {
    watching: bool,
    /// The node that is tried first.
    next: usize,
}

impl Program<SimKernel> for Scheduler {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if !self.watching {
            let (pid, kube) = (sys.pid(), &mut sys.kernel.kube);
            kube.watch::<Pod>(pid, None);
            kube.watch::<Node>(pid, None);
            self.watching = true;
        }
        scheduler::sync(sys.kernel.store(), &mut self.next);
        Step::Block(Wait::event())
    }
}
