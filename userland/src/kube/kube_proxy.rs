//! kube-proxy in iptables mode: writes the rules for Services whenever Services or their endpoints have changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use hopwise_cluster::object::{EndpointSlice, Service};
use hopwise_cluster::proxy::{JUMPS, Jump};
use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_netfilter::hook::TableId;

use super::tools;
use crate::kernel::SimKernel;

/// Who it says it is.
const NAME: &str = "kube-proxy";

/// The proxy of a node.
pub(super) fn start(node: &str) -> Box<dyn Program<SimKernel>> {
    Box::new(KubeProxy { node: node.to_owned(), chains: Arc::default(), seen: None })
}

#[derive(Clone)]
struct KubeProxy {
    node: String,
    /// The chains of Services and endpoints that are there.
    chains: Arc<BTreeSet<String>>,
    /// The revisions of Services and slices that were written; `None`: nothing yet.
    seen: Option<(u64, u64)>,
}

impl Program<SimKernel> for KubeProxy {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.seen.is_none() {
            let pid = sys.pid();
            sys.kernel.kube.watch::<Service>(pid, None);
            sys.kernel.kube.watch::<EndpointSlice>(pid, None);
            if let Err(why) = begin(sys) {
                tools::log(sys, "kube-proxy", why.trim_end());
            }
        }
        let store = &sys.kernel.kube.store;
        let revisions = (store.revision_of::<Service>(), store.revision_of::<EndpointSlice>());
        if self.seen == Some(revisions) {
            return Step::Block(Wait::event());
        }
        self.seen = Some(revisions);
        let pods = sys.kernel.kube.cluster.as_ref().map(|cluster| cluster.pod_cidr);
        let kube = &mut sys.kernel.kube;
        let rules = kube.proxied.write(&kube.store, &self.node, pods, &self.chains);
        let root = sys.root_ns();
        match tools::iptables_restore_shared(
            sys,
            root,
            (NAME, ""),
            &rules.written.text,
            Some((TableId::Nat, &rules.purposes)),
        ) {
            Ok(()) => self.chains = rules.written.chains,
            Err(why) => tools::log(sys, "kube-proxy", why.trim_end()),
        }
        Step::Block(Wait::event())
    }
}

/// What is there whether or not there are Services: settings, the chains' beginnings, the rules that lead to them.
fn begin(sys: &mut Sys<'_, SimKernel>) -> Result<(), String> {
    let root = sys.root_ns();
    tools::sysctl(sys, root, "net.ipv4.conf.all.route_localnet", "1")?;
    let mut text = String::new();
    for table in ["mangle", "nat", "filter"] {
        text.push_str(&format!("*{table}\n:KUBE-PROXY-CANARY - [0:0]\n"));
        let mut made = BTreeSet::new();
        for jump in JUMPS.iter().filter(|jump| jump.table == table) {
            if made.insert(jump.to) {
                text.push_str(&format!(":{} - [0:0]\n", jump.to));
            }
            text.push_str(&first_rule(jump));
        }
        text.push_str("COMMIT\n");
    }
    tools::iptables_restore(sys, root, (NAME, ""), &text)
}

fn first_rule(jump: &Jump) -> String {
    let Jump { from, to, remark, new, .. } = jump;
    let new = if *new { "-m conntrack --ctstate NEW " } else { "" };
    format!("-I {from} 1 {new}-m comment --comment \"{remark}\" -j {to}\n")
}
