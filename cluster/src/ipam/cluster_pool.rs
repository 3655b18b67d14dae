//! `cluster-pool`: the addresses of all pods are cut into parts of one size, and each node gets a whole part. So do Cilium's operator
//! (`ipam: cluster-pool`, `pkg/ipam/allocator/clusterpool`) and the controller manager (`RangeAllocator`).

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

/// A pool, and which node has what of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterPool {
    pods: Ipv4Net,
    mask: u8,
    /// What is taken, by the first address: the last address, and whose it is. Ranges that overlap lie under each of their nodes.
    taken: BTreeMap<(u32, u32), Vec<String>>,
    /// The number of the part from which on one is free: all before it are taken.
    hint: u32,
}

impl ClusterPool {
    /// A pool whose parts have this prefix length. `None`: a part would be larger than the pool.
    pub fn new(pods: Ipv4Net, mask: u8) -> Option<Self> {
        let fits = (pods.prefix_len()..=32).contains(&mask) && mask - pods.prefix_len() < 32;
        fits.then(|| ClusterPool { pods: pods.trunc(), mask, taken: BTreeMap::new(), hint: 0 })
    }

    /// How many parts there are.
    pub fn parts(&self) -> u32 {
        1 << (self.mask - self.pods.prefix_len())
    }

    fn part(&self, number: u32) -> Ipv4Net {
        let first = u64::from(self.pods.network().to_bits()) + (u64::from(number) << (32 - self.mask));
        Ipv4Net::new_assert(core::net::Ipv4Addr::from_bits(first as u32), self.mask)
    }

    /// Notes that a node has a range, whoever gave it and however it is cut.
    pub fn occupy(&mut self, node: &str, range: Ipv4Net) {
        let owners = self.taken.entry(ends(range)).or_default();
        if !owners.iter().any(|owner| owner == node) {
            owners.push(node.to_owned());
        }
    }

    /// Gives a node the first free part. `None`: there is none.
    pub fn allocate(&mut self, node: &str) -> Option<Ipv4Net> {
        let number = (self.hint..self.parts()).find(|number| self.is_free(self.part(*number)))?;
        self.hint = number + 1;
        let part = self.part(number);
        self.occupy(node, part);
        Some(part)
    }

    /// A node is gone: all that it has is free. Gives what it was.
    pub fn release(&mut self, node: &str) -> Vec<Ipv4Net> {
        let mut gone = Vec::new();
        self.taken.retain(|(first, last), owners| {
            let before = owners.len();
            owners.retain(|owner| owner != node);
            if owners.len() < before {
                let length = 32 - (last - first).checked_add(1).map_or(32, |size| size.trailing_zeros()) as u8;
                gone.push(Ipv4Net::new_assert(core::net::Ipv4Addr::from_bits(*first), length));
            }
            !owners.is_empty()
        });
        self.hint = 0;
        gone
    }

    /// Whether a range has no address in common with one that is taken.
    pub fn is_free(&self, range: Ipv4Net) -> bool {
        let (first, last) = ends(range);
        // Networks lie in each other or apart: what begins before this one and reaches into it encloses it.
        let inside = self.taken.range((first, 0)..=(last, u32::MAX)).next().is_some();
        let around = (0..range.prefix_len()).map(|length| ends(Ipv4Net::new_assert(range.network(), length).trunc()));
        !inside && !around.into_iter().any(|ends| self.taken.contains_key(&ends))
    }
}

fn ends(range: Ipv4Net) -> (u32, u32) {
    (range.network().to_bits(), range.broadcast().to_bits())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn parts_in_their_order() {
        let mut pool = ClusterPool::new(net("10.0.0.0/8"), 24).unwrap();
        let given = ["a", "b", "c"].map(|node| pool.allocate(node).unwrap().to_string());
        assert_eq!(given, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]);
        assert_eq!(pool.release("b"), [net("10.0.1.0/24")]);
        assert_eq!(pool.allocate("d"), Some(net("10.0.1.0/24")));
        assert_eq!((pool.release("nobody"), pool.parts()), (Vec::new(), 1 << 16));
    }

    #[test]
    fn sizes() {
        assert_eq!(ClusterPool::new(net("10.0.0.0/24"), 23), None);
        assert_eq!(ClusterPool::new(net("0.0.0.0/0"), 32), None);
        let mut whole = ClusterPool::new(net("10.1.2.0/24"), 24).unwrap();
        assert_eq!((whole.allocate("a"), whole.allocate("b")), (Some(net("10.1.2.0/24")), None));
        let mut last = ClusterPool::new(net("255.255.255.254/31"), 32).unwrap();
        assert_eq!(last.allocate("a"), Some(net("255.255.255.254/32")));
        assert_eq!((last.allocate("b"), last.allocate("c")), (Some(net("255.255.255.255/32")), None));
    }

    #[test]
    fn what_overlaps_is_not_free() {
        let mut pool = ClusterPool::new(net("10.0.0.0/22"), 24).unwrap();
        pool.occupy("a", net("10.0.0.128/25"));
        pool.occupy("b", net("10.0.2.0/23"));
        assert_eq!((pool.allocate("c"), pool.allocate("d")), (Some(net("10.0.1.0/24")), None));
        pool.occupy("e", net("0.0.0.0/0"));
        assert!(!pool.is_free(net("192.168.0.0/24")));
        assert_eq!(pool.release("e"), [net("0.0.0.0/0")]);
        assert!(pool.is_free(net("192.168.0.0/24")));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Allocate(u8),
        Occupy(u8, u32, u8),
        Release(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..12u8).prop_map(Step::Allocate),
            1 => (0..12u8, 0..1024u32, 22..33u8).prop_map(|(node, at, length)| Step::Occupy(node, at, length)),
            3 => (0..12u8).prop_map(Step::Release),
        ]
    }

    proptest! {
        /// No address twice, no leak: a part is given out exactly if it meets nothing that somebody has, and a node that is gone has
        /// nothing.
        #[test]
        fn no_address_twice_and_none_leaks(mask in 24u8..28, steps in proptest::collection::vec(step(), 0..80)) {
            let pods = net("10.0.0.0/22");
            let mut pool = ClusterPool::new(pods, mask).unwrap();
            let mut held: BTreeMap<String, Vec<Ipv4Net>> = BTreeMap::new();
            let meets = |a: &Ipv4Net, b: &Ipv4Net| a.contains(b) || b.contains(a);
            for step in steps {
                match step {
                    Step::Allocate(node) => {
                        let free = |held: &BTreeMap<String, Vec<Ipv4Net>>| {
                            let all: Vec<Ipv4Net> = held.values().flatten().copied().collect();
                            pods.subnets(mask).unwrap().find(|part| !all.iter().any(|other| meets(part, other)))
                        };
                        let before = free(&held);
                        let given = pool.allocate(&node.to_string());
                        prop_assert_eq!(given.is_some(), before.is_some());
                        if let Some(part) = given {
                            prop_assert!(part.prefix_len() == mask && pods.contains(&part));
                            prop_assert!(!held.values().flatten().any(|other| meets(&part, other)), "{} twice", part);
                            held.entry(node.to_string()).or_default().push(part);
                        }
                    }
                    Step::Occupy(node, at, length) => {
                        let range = Ipv4Net::new(core::net::Ipv4Addr::from_bits(0x0a00_0000 + at), length).unwrap().trunc();
                        pool.occupy(&node.to_string(), range);
                        let own = held.entry(node.to_string()).or_default();
                        if !own.contains(&range) {
                            own.push(range);
                        }
                    }
                    Step::Release(node) => {
                        let mut gone = pool.release(&node.to_string());
                        let mut own = held.remove(&node.to_string()).unwrap_or_default();
                        gone.sort();
                        own.sort();
                        prop_assert_eq!(gone, own);
                    }
                }
            }
        }
    }
}
