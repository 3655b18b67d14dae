//! Each node's part of the addresses of all pods (`nodeipam` of the controller manager, mode RangeAllocator).

use std::collections::BTreeSet;

use ipnet::Ipv4Net;

use crate::object::Node;
use crate::store::Store;

/// Gives every node that has none the first free range.
pub fn sync(store: &mut Store, pods: Ipv4Net, mask: u8) {
    let taken: BTreeSet<Ipv4Net> = store.list::<Node>(None).filter_map(Node::pod_cidr).collect();
    let mut nodes: Vec<(u64, String)> = store
        .list::<Node>(None)
        .filter(|node| node.spec.pod_cidr.is_empty())
        .map(|node| (node.metadata.resource_version.parse().unwrap_or(0), node.metadata.name.clone()))
        .collect();
    nodes.sort();
    let Ok(ranges) = pods.subnets(mask) else { return };
    let free = ranges.filter(|range| !taken.contains(range));
    for ((_, name), range) in nodes.into_iter().zip(free) {
        store.modify::<Node>("", &name, |node| {
            node.spec.pod_cidr = range.to_string();
            node.spec.pod_cidrs = vec![range.to_string()];
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
}
