//! Each node's part of the addresses of all pods (`nodeipam` of the controller manager, mode RangeAllocator).

use ipnet::Ipv4Net;

use crate::ipam::cluster_pool::ClusterPool;
use crate::object::Node;
use crate::store::Store;

/// Gives every node that has none the first free range: one that has no address in common with the range of any node, also of one
/// that was given by hand and is cut otherwise.
pub fn sync(store: &mut Store, pods: Ipv4Net, mask: u8) {
    let mut nodes: Vec<(u64, String)> = store
        .list::<Node>(None)
        .filter(|node| node.spec.pod_cidr.is_empty())
        .map(|node| (node.metadata.resource_version.parse().unwrap_or(0), node.metadata.name.clone()))
        .collect();
    if nodes.is_empty() {
        return;
    }
    nodes.sort();
    let Some(mut pool) = ClusterPool::new(pods, mask) else { return };
    for node in store.list::<Node>(None) {
        let ranges = node.spec.pod_cidrs.iter().chain([&node.spec.pod_cidr]);
        ranges.filter_map(|range| range.parse().ok()).for_each(|range| pool.occupy(&node.metadata.name, range));
    }
    for (_, name) in nodes {
        let Some(range) = pool.allocate(&name) else { return };
        store.modify::<Node>("", &name, |node| {
            node.spec.pod_cidr = range.to_string();
            node.spec.pod_cidrs = vec![range.to_string()];
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::object::{Kind, ObjectMeta};

    fn ranges(store: &Store) -> BTreeMap<String, Ipv4Net> {
        let range = |node: &Node| Some((node.metadata.name.clone(), node.pod_cidr()?));
        store.list::<Node>(None).filter_map(range).collect()
    }

    proptest! {
        /// No range twice, none lost, and a node keeps what it has, whichever nodes join and leave.
        #[test]
        fn ranges_of_nodes(steps in proptest::collection::vec((0u8..12, any::<bool>()), 0..60)) {
            let pods: Ipv4Net = "10.244.0.0/21".parse().unwrap();
            let mut store = Store::new(1);
            for (node, joins) in steps {
                let name = format!("n{node}");
                if joins {
                    let _ = store.create(Box::new(Node { metadata: ObjectMeta::named("", &name), ..Node::default() }));
                } else {
                    store.remove(&Node::TYPE, "", &name);
                }
                let before = ranges(&store);
                sync(&mut store, pods, 24);
                let after = ranges(&store);
                prop_assert!(before.iter().all(|(name, range)| after[name] == *range));
                let distinct: BTreeSet<&Ipv4Net> = after.values().collect();
                prop_assert_eq!(distinct.len(), after.len());
                prop_assert!(after.values().all(|range| range.prefix_len() == 24 && pods.contains(range)));
                // There are eight ranges: as many nodes have one as can.
                prop_assert_eq!(after.len(), store.list::<Node>(None).count().min(8));
            }
        }
    }

    fn add(store: &mut Store, name: &str, range: &str) {
        let mut node = Node { metadata: ObjectMeta::named("", name), ..Node::default() };
        node.spec.pod_cidr = range.to_owned();
        store.create(Box::new(node)).unwrap();
    }

    #[test]
    fn ranges_that_overlap_are_not_given_out() {
        let mut store = Store::new(1);
        // By hand: a wide range at the beginning, a narrow one in the middle of a part, one outside of the pool.
        for (name, range) in [("a", "10.244.0.0/23"), ("b", "10.244.3.128/26"), ("c", "192.168.0.0/16")] {
            add(&mut store, name, range);
        }
        ["d", "e"].into_iter().for_each(|name| add(&mut store, name, ""));
        sync(&mut store, "10.244.0.0/16".parse().unwrap(), 24);
        let given = ["d", "e"].map(|name| store.get::<Node>("", name).unwrap().spec.pod_cidr.clone());
        assert_eq!(given, ["10.244.2.0/24", "10.244.4.0/24"]);
    }

    #[test]
    fn a_full_pool_leaves_nodes_without_a_range() {
        let mut store = Store::new(1);
        ["a", "b", "c"].into_iter().for_each(|name| add(&mut store, name, ""));
        sync(&mut store, "10.244.0.0/23".parse().unwrap(), 24);
        let given: Vec<String> = store.list::<Node>(None).map(|node| node.spec.pod_cidr.clone()).collect();
        assert_eq!(given, ["10.244.0.0/24", "10.244.1.0/24", ""]);
        store.remove(&<Node as crate::Kind>::TYPE, "", "a");
        sync(&mut store, "10.244.0.0/23".parse().unwrap(), 24);
        assert_eq!(store.get::<Node>("", "c").unwrap().spec.pod_cidr, "10.244.0.0/24");
    }
}
