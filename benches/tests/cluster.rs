//! A cluster of many nodes: every node has the rules for every Service, and the answer comes from a pod of the Service that was asked.

use hopwise_benches::cluster::{Kubernetes, Size};
use hopwise_netfilter::hook::TableId;
use hopwise_netfilter::rules::Table;
use hopwise_sim_core::NsId;

/// The rules of a node's nat table.
fn nat(cluster: &Kubernetes, node: &str) -> Table {
    let ns = cluster.world.find_ns(node).unwrap_or(NsId(u32::MAX));
    let rules = cluster.world.net().ns(ns).and_then(|space| space.rules.as_ref());
    rules.and_then(|rules| rules.table(TableId::Nat)).unwrap_or_else(|| panic!("{node} has no rules")).clone()
}

#[test]
fn fifty_nodes() {
    let size = Size { nodes: 50, services: 50, replicas: 10 };
    let mut cluster = Kubernetes::new(size).unwrap();
    assert_eq!(cluster.pods(), 501);
    for n in 0..size.nodes {
        let table = nat(&cluster, &format!("node{n}"));
        let rules = |chain: &str| table.find(chain).map_or(0, |id| table.chain(id).rules().len());
        // One for each Service, that of the API server among them, and the one that leads to node ports.
        assert_eq!(rules("KUBE-SERVICES"), 52, "node{n}");
        let chains = table.listed().into_iter().map(|id| &*table.chain(id).name);
        let (services, endpoints): (Vec<&str>, Vec<&str>) = chains
            .filter(|name| name.starts_with("KUBE-SVC-") || name.starts_with("KUBE-SEP-"))
            .partition(|name| name.starts_with("KUBE-SVC-"));
        assert_eq!((services.len(), endpoints.len()), (51, 501), "node{n}");
        // A rule for each endpoint, and one for what comes from outside.
        assert_eq!(services.iter().filter(|name| rules(name) == 11).count(), 50);
        assert!(endpoints.iter().all(|name| rules(name) == 2));
    }
    let answer = cluster.ask().unwrap();
    assert!(answer.starts_with("s49-"), "{answer}");
}

/// Rules are shared, counters are not: the node that asked has counted, another one has not.
#[test]
fn what_was_counted_is_each_nodes_own() {
    let mut cluster = Kubernetes::new(Size { nodes: 3, services: 2, replicas: 2 }).unwrap();
    cluster.ask().unwrap();
    let counted = |node: &str| {
        let table = nat(&cluster, node);
        let id = table.find("KUBE-SERVICES").unwrap();
        (0..table.chain(id).rules().len()).map(|number| table.counters(id, number).packets).collect::<Vec<_>>()
    };
    // The API server, the two Services, node ports.
    assert_eq!(counted("node0"), [0, 0, 1, 0]);
    assert_eq!(counted("node1").iter().sum::<u64>() + counted("node2").iter().sum::<u64>(), 0);
}
