//! calico-kube-controllers, as far as nodes are concerned: what a node has of IPAM is given back when it has left the cluster.

use std::collections::BTreeSet;

use hopwise_cluster::calico::gc;
use hopwise_cluster::object::{Node, Pod};
use hopwise_machine::{Program, Step, Sys, Wait};

use crate::kernel::SimKernel;

/// The program: one in a cluster.
pub(super) fn start() -> Box<dyn Program<SimKernel>> {
    Box::new(Controllers { nodes: None, gone: BTreeSet::new() })
}

#[derive(Clone)]
struct Controllers {
    /// The nodes at the last look; `None`: it has not looked yet.
    nodes: Option<BTreeSet<String>>,
    /// Nodes that are gone and still have something.
    gone: BTreeSet<String>,
}

impl Program<SimKernel> for Controllers {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.nodes.is_none() {
            let (pid, kube) = (sys.pid(), &mut sys.kernel.kube);
            kube.watch::<Node>(pid, None);
            self.gone.extend(gc::gone_nodes(&kube.store));
        }
        let store = sys.kernel.store();
        let now: BTreeSet<String> = store.list::<Node>(None).map(|node| node.metadata.name.clone()).collect();
        let before = self.nodes.take().unwrap_or_default();
        self.gone.extend(before.difference(&now).cloned());
        self.gone.retain(|name| !now.contains(name) && !gc::release_node(store, name));
        self.nodes = Some(now);
        if !self.gone.is_empty() {
            // They wait for their pods to go.
            let pid = sys.pid();
            sys.kernel.kube.watch::<Pod>(pid, None);
        }
        Step::Block(Wait::event())
    }
}
