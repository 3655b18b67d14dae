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
