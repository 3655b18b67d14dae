//! Sharing flows among the next hops of a route: `fib_rebalance`, `fib_multipath_hash`, `fib_select_multipath`.

use super::route::{NextHop, Route};
use super::{Flow, Linkdown};

/// Divides the 31-bit hash space among the next hops in use, by weight. `fib_rebalance`.
pub fn rebalance(route: &mut Route, linkdown: &Linkdown) {
    let used = |nh: &NextHop| !linkdown.excludes(nh);
    let total: u64 = route.nexthops.iter().filter(|nh| used(nh)).map(|nh| u64::from(nh.weight)).sum();
    let mut sum = 0;
    for nh in &mut route.nexthops {
        nh.upper_bound = if used(nh) {
            sum += u64::from(nh.weight);
            // Rounded to the nearest; never more than 2^31 - 1, because the sum is at most the total.
            ((((sum << 31) + total / 2) / total.max(1)) as i64 - 1) as i32
        } else {
            -1
        };
    }
}

/// The next hop for a flow with this hash (31 bits). `preferred` says whether a next hop's own source address is the
/// one that the packet already has (for packets made here; otherwise it says false). `fib_select_multipath`.
///
/// `None` only if no next hop is in use: then the one that the lookup found stays.
pub fn select(route: &Route, hash: u32, mut preferred: impl FnMut(&NextHop) -> bool) -> Option<&NextHop> {
    let hash = (hash & 0x7fff_ffff) as i32;
    let mut best = None;
    let mut best_score = 0;
    for nh in route.nexthops.iter().filter(|nh| nh.upper_bound != -1) {
        let score = 2 * u8::from(preferred(nh)) + u8::from(hash <= nh.upper_bound);
        if score > best_score {
            (best, best_score) = (Some(nh), score);
        }
    }
    best
}

/// What `net.ipv4.fib_multipath_hash_policy` says to hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum HashPolicy {
    /// 0: the addresses.
    #[default]
    Layer3,
    /// 1: addresses, protocol and ports.
    Layer4,
}

/// The hash (31 bits) of a flow; the same for both directions, as `flow_hash_from_keys` is. Linux hashes with a random
/// key, so which flow takes which way is not comparable; here it follows from `seed`.
#[inline]
pub fn hash(flow: &Flow, policy: HashPolicy, seed: u64) -> u32 {
    let mut ends = [(flow.dst.to_bits(), 0u16), (flow.src.to_bits(), 0u16)];
    let mut proto = 0;
    if policy == HashPolicy::Layer4 {
        (ends[0].1, ends[1].1, proto) = (flow.dport, flow.sport, flow.proto);
    }
    if ends[0] < ends[1] {
        ends.swap(0, 1);
    }
    let [(a, a_port), (b, b_port)] = ends;
    let addresses = (u64::from(a) << 32) | u64::from(b);
    let rest = (u64::from(a_port) << 32) | (u64::from(b_port) << 16) | u64::from(proto);
    let seed = seed ^ u64::from(flow.hash);
    let first = folded_multiply(addresses ^ seed, 0x9e37_79b9_7f4a_7c15);
    (folded_multiply(first ^ rest, 0xd6e8_feb8_6659_fd93 ^ seed.rotate_left(32)) >> 33) as u32
}

/// Upper and lower half of the 128-bit product together: every input bit reaches every output bit.
#[inline]
const fn folded_multiply(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::super::NhFlags;
    use super::*;
    use hopwise_sim_core::IfIndex;
    use proptest::prelude::*;

    fn route(weights: &[u16]) -> Route {
        let mut route = Route::new("0.0.0.0/0".parse().unwrap());
        for (at, &weight) in weights.iter().enumerate() {
            let nh = NextHop::new(None, IfIndex(at as u32 + 1));
            route.nexthops.push(NextHop { weight, ..nh });
        }
        rebalance(&mut route, &Linkdown::default());
        route
    }

    #[test]
    fn bounds_are_those_of_the_kernel() {
        let bounds = |weights: &[u16]| route(weights).nexthops.iter().map(|nh| nh.upper_bound).collect::<Vec<_>>();
        assert_eq!(bounds(&[1]), [0x7fff_ffff]);
        assert_eq!(bounds(&[1, 1]), [0x3fff_ffff, 0x7fff_ffff]);
        assert_eq!(bounds(&[3, 1]), [0x5fff_ffff, 0x7fff_ffff]);
        assert_eq!(bounds(&[1, 1, 1]), [0x2aaa_aaaa, 0x5555_5554, 0x7fff_ffff]);
    }

    #[test]
    fn flows_share_by_weight_and_stay_where_they_are() {
        let route = route(&[3, 1]);
        let mut taken = [0u32; 2];
        for n in 0..4000u32 {
            let flow = Flow { src: (0x0a00_0000 + n).into(), dst: [192, 0, 2, 1].into(), ..Flow::default() };
            let h = hash(&flow, HashPolicy::Layer3, 7);
            taken[select(&route, h, |_| false).unwrap().dev.0 as usize - 1] += 1;
            let ports = Flow { sport: n as u16, ..flow };
            assert_eq!(hash(&ports, HashPolicy::Layer3, 7), h, "ports do not matter to policy 0");
        }
        assert!(taken[0].abs_diff(3000) < 100, "{taken:?}");
    }

    #[test]
    fn the_next_hop_whose_address_the_packet_has_is_preferred() {
        let route = route(&[1, 1]);
        for hash in [0, 0x7fff_ffff] {
            assert_eq!(select(&route, hash, |nh| nh.dev == IfIndex(2)).unwrap().dev, IfIndex(2));
        }
    }

    #[test]
    fn a_dead_next_hop_gets_nothing() {
        let mut route = route(&[1, 1]);
        route.nexthops[0].flags = NhFlags::DEAD;
        rebalance(&mut route, &Linkdown::default());
        assert_eq!(route.nexthops.iter().map(|nh| nh.upper_bound).collect::<Vec<_>>(), [-1, 0x7fff_ffff]);
        assert_eq!(select(&route, 0, |_| false).unwrap().dev, IfIndex(2));
        route.nexthops[1].flags = NhFlags::LINKDOWN;
        rebalance(&mut route, &Linkdown { all: true, links: vec![] });
        assert_eq!(select(&route, 0, |_| false), None);
    }

    proptest! {
        #[test]
        fn some_next_hop_takes_every_hash(weights in proptest::collection::vec(1u16..=256, 1..20), hash: u32) {
            prop_assert!(select(&route(&weights), hash, |_| false).is_some());
        }

        #[test]
        fn both_directions_hash_alike(src: u32, dst: u32, sport: u16, dport: u16, seed: u64) {
            let there = Flow { src: src.into(), dst: dst.into(), sport, dport, proto: 17, ..Flow::default() };
            let back = Flow { src: dst.into(), dst: src.into(), sport: dport, dport: sport, proto: 17, ..Flow::default() };
            prop_assert_eq!(hash(&there, HashPolicy::Layer4, seed), hash(&back, HashPolicy::Layer4, seed));
            prop_assert!(hash(&there, HashPolicy::Layer3, seed) <= 0x7fff_ffff);
        }
    }
}
