//! What becomes of the addresses of a node that has left the cluster: the node controller of calico-kube-controllers
//! (`kube-controllers/pkg/controllers/node/ipam.go`, `cleanupNode`).

use core::net::Ipv4Addr;

use super::from;
use crate::ipam::calico::{Attribute, Ipam};
use crate::object::calico::BlockAffinity;
use crate::object::{Kind, Node, Pod};
use crate::store::Store;

/// Nodes that have something of IPAM, and are not in the cluster.
pub fn gone_nodes(store: &Store) -> Vec<String> {
    let affine = store.list::<BlockAffinity>(None).map(|block| block.spec.node.clone());
    let ipam = from::ipam(store);
    let named = ipam.blocks.values().flat_map(|block| block.taken()).filter_map(|(_, why)| node_of(why));
    let mut names: Vec<String> = affine.chain(named.map(str::to_owned)).collect();
    names.sort();
    names.dedup();
    names.retain(|name| store.get::<Node>("", name).is_none());
    names
}

/// Gives back the addresses that are kept for a node which is gone, those of its tunnels included, and then its blocks. As long as a
/// pod of it is there, nothing is taken from it; false then.
pub fn release_node(store: &mut Store, node: &str) -> bool {
    let ipam = from::ipam(store);
    let own = addresses_of(&ipam, node);
    if own.iter().any(|(_, why)| has_pod(store, why, node)) {
        return false;
    }
    from::with_ipam(store, |ipam| {
        for (address, _) in &own {
            ipam.release(*address);
        }
        ipam.release_host(node);
    });
    true
}

fn node_of(why: &Attribute) -> Option<&str> {
    why.secondary.get("node").map(String::as_str)
}

fn addresses_of(ipam: &Ipam, node: &str) -> Vec<(Ipv4Addr, Attribute)> {
    let all = ipam.blocks.values().flat_map(|block| block.taken());
    all.filter(|(_, why)| node_of(why) == Some(node)).map(|(address, why)| (address, why.clone())).collect()
}

/// Whether an address is kept for a pod that is still there (`allocationIsValid`).
fn has_pod(store: &Store, why: &Attribute, node: &str) -> bool {
    let word = |name| why.secondary.get(name).map_or("", String::as_str);
    store.get::<Pod>(word("namespace"), word("pod")).is_some_and(|pod| Kind::node(pod) == Some(node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipam::calico::{Pool, Tunnel};
    use crate::object::calico::IpamBlock;
    use crate::object::{Namespace, ObjectMeta};

    fn pod_of(node: &str) -> Attribute {
        let of = [("node", node), ("namespace", "default"), ("pod", "web")];
        let secondary = of.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Attribute { handle_id: format!("k8s-pod-network.{node}"), secondary }
    }

    fn store() -> Store {
        let mut store = Store::new(1);
        let named = |namespace: &str, name: &str| ObjectMeta::named(namespace, name);
        store.create(Box::new(Namespace { metadata: named("", "default"), ..Namespace::default() })).unwrap();
        for name in ["a", "b"] {
            store.create(Box::new(Node { metadata: named("", name), ..Node::default() })).unwrap();
        }
        let mut pod = Pod { metadata: named("default", "web"), ..Pod::default() };
        pod.spec.node_name = "b".into();
        pod.spec.containers =
            vec![crate::object::pod::Container { name: "c".into(), image: "busybox".into(), ..Default::default() }];
        store.create(Box::new(pod)).unwrap();
        let pools = [Pool { cidr: "10.244.0.0/24".parse().unwrap(), block_size: 28 }];
        from::with_ipam(&mut store, |ipam| {
            for node in ["a", "b"] {
                ipam.auto_assign(&pools, node, &Tunnel::Ipip.attribute(node)).unwrap();
                ipam.auto_assign(&pools, node, &pod_of(node)).unwrap();
            }
        });
        store
    }

    #[test]
    fn blocks_tunnels_and_affinities_go_with_the_node_and_its_pods() {
        let mut store = store();
        assert_eq!(gone_nodes(&store), [""; 0]);
        store.delete(&Node::TYPE, "", "b").unwrap();
        assert_eq!(gone_nodes(&store), ["b"]);
        assert!(!release_node(&mut store, "b"), "its pod is there");
        assert_eq!(store.list::<BlockAffinity>(None).count(), 2);
        store.remove(&Pod::TYPE, "default", "web");
        assert!(release_node(&mut store, "b"));
        assert_eq!(gone_nodes(&store), [""; 0]);
        let left: Vec<&str> = store.list::<BlockAffinity>(None).map(|block| &*block.spec.node).collect();
        assert_eq!((left, store.list::<IpamBlock>(None).count()), (vec!["a"], 1));
        assert!(from::ipam(&store).addresses_of("ipip-tunnel-addr-b").is_empty());
    }

    #[test]
    fn a_borrowed_address_comes_back_and_its_block_stays_with_its_node() {
        let mut store = store();
        from::with_ipam(&mut store, |ipam| {
            let block = ipam.blocks.values_mut().find(|block| block.node() == Some("a")).unwrap();
            block.take(&Tunnel::Vxlan.attribute("b"));
        });
        store.remove(&Pod::TYPE, "default", "web");
        store.delete(&Node::TYPE, "", "b").unwrap();
        assert!(release_node(&mut store, "b"));
        let ipam = from::ipam(&store);
        assert_eq!(ipam.blocks.values().map(|block| block.in_use()).collect::<Vec<_>>(), [2]);
    }
}
