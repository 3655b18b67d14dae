//! Kubernetes on the machines: the programs that change the store, and the agents of the nodes that carry out what follows.
//!
//! The store ([`hopwise_cluster::Store`]) lives in the [`SimKernel`](crate::SimKernel). An agent is an ordinary process: it says with
//! [`Kube::watch`] what concerns it, looks at the objects whenever it is stepped, carries out what follows with [`tools`], and blocks
//! with [`hopwise_machine::Wait::event`] until something of it has changed.

mod agents;
mod bridge;
pub mod calico;
pub mod cilium;
pub mod cluster;
pub mod cni;
mod container;
mod coredns;
mod flannel;
pub mod host_local;
mod kube_proxy;
pub(crate) mod kubectl;
mod kubelet;
pub mod registry;
pub mod state;
pub mod tools;

pub use cluster::{Cluster, ClusterError, Dns, Member, Proxy};
pub use cni::{Agent, Attached, CniError, CniPlugin, Pod, Sandbox};
pub use state::Kube;
