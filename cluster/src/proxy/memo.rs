//! The rules that were written last. Nodes have the same ones, unless a Service prefers the endpoints of the node itself: then they are
//! written for one node and read by all others.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::{Written, ports, purposes, write};
use crate::object::{EndpointSlice, Service};
use crate::store::Store;

/// The rules of a node, and what their chains are for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRules {
    /// The rules.
    pub written: Written,
    /// What [`purposes()`] says of the chains of table `nat`.
    pub purposes: Arc<Vec<(String, String)>>,
}

/// What was written last for any node.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    last: Option<Last>,
}

#[derive(Clone, Debug)]
struct Last {
    /// The revisions of Services and slices.
    seen: (u64, u64),
    pods: Option<Ipv4Net>,
    before: Arc<BTreeSet<String>>,
    rules: NodeRules,
}

impl Memo {
    /// Writes the rules of a node as [`write()`] does.
    pub fn write(
        &mut self,
        store: &Store,
        node: &str,
        pods: Option<Ipv4Net>,
        before: &Arc<BTreeSet<String>>,
    ) -> NodeRules {
        let seen = (store.revision_of::<Service>(), store.revision_of::<EndpointSlice>());
        let same = |other: &Arc<BTreeSet<String>>| Arc::ptr_eq(other, before) || other == before;
        if let Some(last) = &self.last
            && last.seen == seen
            && last.pods == pods
            && same(&last.before)
        {
            return last.rules.clone();
        }
        let ports = ports(store, node);
        let rules = NodeRules { written: write(&ports, pods, before), purposes: Arc::new(purposes(store, &ports)) };
        let depends = ports.iter().any(|port| port.internal_local || port.external_local);
        self.last = (!depends).then(|| Last { seen, pods, before: before.clone(), rules: rules.clone() });
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::decode;

    fn store(policy: &str) -> Store {
        let text = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: default}}\n---\napiVersion: v1\nkind: Service\n\
             metadata: {{name: web}}\nspec: {{ports: [{{port: 80}}], internalTrafficPolicy: {policy}}}\n---\n\
             apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: web-x, labels: {{kubernetes.io/service-name: web}}}}\naddressType: IPv4\nports: [{{port: 80}}]\n\
             endpoints: [{{addresses: [10.244.0.2], nodeName: a, conditions: {{ready: true}}}}]\n"
        );
        let mut store = Store::new(1);
        for manifest in decode::manifests(&text).unwrap() {
            store.apply(manifest.object).unwrap();
        }
        store
    }

    /// What is remembered is what would be written.
    #[test]
    fn nodes_get_what_is_written_for_them() {
        for policy in ["Cluster", "Local"] {
            let (mut store, mut memo, none) = (store(policy), Memo::default(), Arc::default());
            let pods = Some("10.244.0.0/16".parse().unwrap());
            let mut texts = Vec::new();
            for node in ["a", "b", "a"] {
                let rules = memo.write(&store, node, pods, &none);
                assert_eq!(rules.written, write(&ports(&store, node), pods, &none));
                assert_eq!(*rules.purposes, purposes(&store, &ports(&store, node)));
                texts.push(rules.written.text);
            }
            assert_eq!(Arc::ptr_eq(&texts[0], &texts[1]), policy == "Cluster");
            assert_eq!(texts[0] == texts[1], policy == "Cluster");
            let before = memo.write(&store, "a", pods, &none).written.chains;
            store.modify::<Service>("default", "web", |service| service.spec.ports[0].port = 81);
            let written = memo.write(&store, "b", pods, &before).written;
            assert_eq!(written, write(&ports(&store, "b"), pods, &before));
        }
    }
}
