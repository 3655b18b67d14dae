//! The agents of every cluster: what runs on which node.

use super::cluster::{Cluster, Member};
use super::cni::Agent;

/// The agents of a node, besides those of the network plugin.
pub(super) fn of(_cluster: &Cluster, _member: &Member) -> Vec<Agent> {
    Vec::new()
}
