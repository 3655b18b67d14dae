//! The order in which a node looks at the blocks of a pool (libcalico-go `randomBlockGenerator`): from a block that follows from the
//! node's name, upwards and around. So two nodes seldom want the same one, and a node wants the same one again.

use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::go_rand::GoRand;

/// All blocks of a pool in the order of this node.
pub fn blocks_for(pool: Ipv4Net, block_size: u8, node: &str) -> impl Iterator<Item = Ipv4Net> {
    let count = 1u32.checked_shl(u32::from(block_size.saturating_sub(pool.prefix_len()))).unwrap_or(0);
    let first = if count == 0 { 0 } else { GoRand::new(fnv1(node)).below(count) };
    (0..count).filter_map(move |n| {
        let index = (first as u64 + u64::from(n)) % u64::from(count);
        let start = u64::from(pool.network().to_bits()) + (index << (32 - u32::from(block_size.min(32))));
        Ipv4Net::new(Ipv4Addr::from_bits(start as u32), block_size).ok()
    })
}

/// The 32 bits of FNV-1, Go's `fnv.New32`.
fn fnv1(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(node: &str, pool: &str) -> String {
        blocks_for(pool.parse().unwrap(), 26, node).next().unwrap().to_string()
    }

    /// What clusters with these names really have: it is printed in many a tutorial.
    #[test]
    fn a_node_has_the_block_that_it_has_on_a_real_cluster() {
        assert_eq!(first("k8s-node1", "10.244.0.0/16"), "10.244.36.64/26");
        assert_eq!(first("k8s-node2", "10.244.0.0/16"), "10.244.169.128/26");
        assert_eq!(first("node1", "10.244.0.0/16"), "10.244.166.128/26");
        assert_eq!(first("k8s-node01", "192.168.0.0/16"), "192.168.85.192/26");
    }

    #[test]
    fn every_block_comes_once() {
        let pool = "10.1.0.0/24".parse().unwrap();
        let mut all: Vec<Ipv4Net> = blocks_for(pool, 28, "a").collect();
        assert_eq!(all.len(), 16);
        all.sort();
        all.dedup();
        assert_eq!((all.len(), all[15].to_string().as_str()), (16, "10.1.0.240/28"));
        assert_eq!(blocks_for("10.1.0.0/26".parse().unwrap(), 26, "a").count(), 1);
    }
}
