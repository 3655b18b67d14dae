//! What Calico does with its blocks, and the laws that hold whatever is asked.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn pool(cidr: &str, block_size: u8) -> Pool {
    Pool { cidr: cidr.parse().unwrap(), block_size }
}

fn pod(name: &str, node: &str) -> Attribute {
    let secondary = [("node", node), ("pod", name)].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Attribute { handle_id: format!("k8s-pod-network.{name}"), secondary: secondary.into() }
}

fn take(ipam: &mut Ipam, pools: &[Pool], node: &str, name: &str) -> Option<String> {
    ipam.auto_assign(pools, node, &pod(name, node)).map(|address| address.to_string())
}

#[test]
fn the_tunnel_comes_first_and_pods_follow_upwards() {
    let (mut ipam, pools) = (Ipam::default(), [pool("10.244.0.0/16", 26)]);
    let tunnel = ipam.auto_assign(&pools, "k8s-node1", &Tunnel::Ipip.attribute("k8s-node1"));
    assert_eq!(tunnel.unwrap().to_string(), "10.244.36.64");
    assert_eq!(take(&mut ipam, &pools, "k8s-node1", "a").unwrap(), "10.244.36.65");
    assert_eq!(take(&mut ipam, &pools, "k8s-node1", "b").unwrap(), "10.244.36.66");
    assert_eq!(ipam.addresses_of("ipip-tunnel-addr-k8s-node1").len(), 1);
}

#[test]
fn what_is_given_back_comes_again_last() {
    let (mut ipam, pools) = (Ipam::default(), [pool("10.0.0.0/28", 30)]);
    let first = take(&mut ipam, &pools, "n", "a").unwrap();
    assert_eq!(ipam.release_handle("k8s-pod-network.a").len(), 1);
    let next: Vec<String> = ["b", "c", "d", "e"].iter().map(|p| take(&mut ipam, &pools, "n", p).unwrap()).collect();
    assert_ne!(next[0], first);
    assert_eq!(next[3], first);
    assert_eq!(ipam.blocks.len(), 1);
}

#[test]
fn a_second_block_follows_when_the_first_is_full() {
    let (mut ipam, pools) = (Ipam::default(), [pool("10.244.0.0/16", 26)]);
    let all: Vec<String> = (0..65).map(|n| take(&mut ipam, &pools, "k8s-node1", &n.to_string()).unwrap()).collect();
    let blocks: Vec<String> = ipam.blocks_of("k8s-node1").map(|b| b.cidr.to_string()).collect();
    assert_eq!(blocks, ["10.244.36.64/26", "10.244.36.128/26"]);
    assert_eq!((all[63].as_str(), all[64].as_str()), ("10.244.36.127", "10.244.36.128"));
}

#[test]
fn without_a_free_block_one_borrows_unless_affinity_is_strict() {
    let pools = [pool("10.0.0.0/29", 30)];
    let mut ipam = Ipam::default();
    take(&mut ipam, &pools, "a", "1").unwrap();
    take(&mut ipam, &pools, "b", "2").unwrap();
    let mut strict = ipam.clone();
    strict.config.strict_affinity = true;
    let lent = take(&mut ipam, &pools, "c", "3").unwrap();
    let block = ipam.block_of(lent.parse().unwrap()).unwrap();
    assert!(block.node() == Some("a") || block.node() == Some("b"));
    assert_eq!(take(&mut strict, &pools, "c", "3"), None);
}

#[test]
fn an_empty_block_of_another_node_may_be_claimed() {
    let pools = [pool("10.0.0.0/30", 30)];
    let mut ipam = Ipam::default();
    take(&mut ipam, &pools, "a", "1").unwrap();
    ipam.release_handle("k8s-pod-network.1");
    assert!(take(&mut ipam, &pools, "b", "2").is_some());
    assert_eq!((ipam.blocks_of("a").count(), ipam.blocks_of("b").count()), (0, 1));
}

#[test]
fn a_limit_of_blocks_holds() {
    let pools = [pool("10.0.0.0/24", 32)];
    let config = Config { strict_affinity: true, max_blocks_per_host: Some(2) };
    let mut ipam = Ipam { config, ..Ipam::default() };
    assert!(take(&mut ipam, &pools, "a", "1").is_some());
    assert!(take(&mut ipam, &pools, "a", "2").is_some());
    assert_eq!(take(&mut ipam, &pools, "a", "3"), None);
}

#[test]
fn a_node_that_leaves_takes_its_empty_blocks_along() {
    let (mut ipam, pools) = (Ipam::default(), [pool("10.0.0.0/24", 28)]);
    let address: Ipv4Addr = take(&mut ipam, &pools, "a", "1").unwrap().parse().unwrap();
    ipam.release_host("a");
    assert_eq!(ipam.blocks.values().next().unwrap().affinity, None);
    assert!(ipam.release(address));
    assert!(ipam.blocks.is_empty() && !ipam.release(address));
}

#[test]
fn an_address_may_be_asked_for() {
    let (mut ipam, pools) = (Ipam::default(), [pool("10.0.0.0/24", 28)]);
    let address = "10.0.0.77".parse().unwrap();
    assert_eq!(ipam.assign(&pools, "a", address, &pod("1", "a")), Some(address));
    assert_eq!(ipam.assign(&pools, "a", address, &pod("2", "a")), None);
    assert_eq!(ipam.assign(&pools, "a", "10.1.0.1".parse().unwrap(), &pod("3", "a")), None);
    assert_eq!(ipam.attribute(address).unwrap().handle_id, "k8s-pod-network.1");
}

#[derive(Clone, Debug)]
enum Step {
    Take(u8, u8),
    Ask(u8, u8, u8),
    Back(u8),
    Leave(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4u8, 0..40u8).prop_map(|(node, name)| Step::Take(node, name)),
        1 => (0..4u8, 0..40u8, any::<u8>()).prop_map(|(node, name, at)| Step::Ask(node, name, at)),
        3 => (0..40u8).prop_map(Step::Back),
        1 => (0..4u8).prop_map(Step::Leave),
    ]
}

proptest! {
    /// No address twice, none lost: what was given and not given back is what is in use, and a block counts it so.
    #[test]
    fn no_address_twice_and_none_leaks(steps in proptest::collection::vec(step(), 0..120), strict: bool) {
        let pools = [pool("10.0.0.0/26", 29)];
        let config = Config { strict_affinity: strict, max_blocks_per_host: None };
        let mut ipam = Ipam { config, ..Ipam::default() };
        let mut held: BTreeMap<String, BTreeSet<Ipv4Addr>> = BTreeMap::new();
        for step in steps {
            let given = match &step {
                Step::Take(node, name) => {
                    let why = pod(&name.to_string(), &format!("n{node}"));
                    ipam.auto_assign(&pools, &format!("n{node}"), &why).map(|a| (why.handle_id, a))
                }
                Step::Ask(node, name, at) => {
                    let (node, why) = (format!("n{node}"), pod(&name.to_string(), "x"));
                    ipam.assign(&pools, &node, Ipv4Addr::new(10, 0, 0, *at), &why).map(|a| (why.handle_id, a))
                }
                Step::Back(name) => {
                    let handle = pod(&name.to_string(), "x").handle_id;
                    let gone: BTreeSet<Ipv4Addr> = ipam.release_handle(&handle).into_iter().collect();
                    prop_assert_eq!(gone, held.remove(&handle).unwrap_or_default());
                    None
                }
                Step::Leave(node) => {
                    ipam.release_host(&format!("n{node}"));
                    None
                }
            };
            if let Some((handle, address)) = given {
                prop_assert!(held.values().all(|all| !all.contains(&address)), "{} twice", address);
                held.entry(handle).or_default().insert(address);
            }
            let used: usize = ipam.blocks.values().map(Block::in_use).sum();
            prop_assert_eq!(used, held.values().map(BTreeSet::len).sum::<usize>());
            for block in ipam.blocks.values() {
                prop_assert_eq!(block.in_use() + block.unallocated.len(), block.capacity());
                prop_assert!(block.allocations.iter().flatten().all(|i| *i < block.attributes.len()));
                if !strict { continue }
                let foreign = block.node().is_some_and(|node| block.taken().any(|(_, why)| {
                    why.secondary.get("node").is_some_and(|n| n != node && n != "x")
                }));
                prop_assert!(!foreign);
            }
        }
    }
}
