//! The decision: its steps, that it is an order, and what MED does to it.

use core::cmp::Ordering;
use std::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_routing::attrs::{AsPath, Attrs, Origin};
use hopwise_routing::bgp::config::{Peer, PeerConfig};
use hopwise_routing::bgp::decision::{Candidate, Step, best, compare, merge, mergeable};
use proptest::collection::vec;
use proptest::prelude::*;

/// A session to neighbour number `n`, whose router id is not in the order of its address.
pub(crate) fn peer(n: u8, internal: bool, change: impl FnOnce(&mut PeerConfig)) -> Peer {
    let remote_as = if internal { 65000 } else { 65100 + u32::from(n) };
    let mut config = PeerConfig::new(65000, Ipv4Addr::new(10, 0, 0, 1), remote_as, Ipv4Addr::new(192, 0, 2, n));
    change(&mut config);
    Peer {
        id: n.into(),
        config: Arc::new(config),
        remote_id: Ipv4Addr::new(10, 0, 1, n ^ 0x55),
        remote_as,
        local_address: Ipv4Addr::new(192, 0, 2, 254),
        interface: None,
        llgr_aware: true,
    }
}

fn route(path: &[u32]) -> Attrs {
    Attrs {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::sequence(path.iter().copied())),
        next_hop: Some(Ipv4Addr::new(192, 0, 2, 1)),
        local_pref: Some(100),
        ..Attrs::default()
    }
}

#[test]
fn each_step_decides_where_all_before_are_equal() {
    let (one, two) = (peer(1, false, |_| {}), peer(2, false, |_| {}));
    let internal = peer(1, true, |_| {});
    let base = route(&[1, 9]);
    let with = |change: fn(&mut Attrs)| {
        let mut attrs = base.clone();
        change(&mut attrs);
        attrs
    };
    let cases = [
        (with(|a| a.local_pref = Some(99)), Step::LocalPref),
        (with(|a| a.as_path = Some(AsPath::sequence([1, 8, 9]))), Step::PathLength),
        (with(|a| a.origin = Some(Origin::Incomplete)), Step::Origin),
        (with(|a| a.med = Some(1)), Step::Med),
        (with(|a| a.originator_id = Some(Ipv4Addr::new(255, 0, 0, 1))), Step::RouterId),
    ];
    for (worse, step) in &cases {
        let order = compare(&Candidate::new(&base, &one), &Candidate::new(worse, &two));
        assert_eq!(order, (Ordering::Less, *step), "{step}");
    }
    let good = Candidate::new(&base, &one);
    let pairs = [
        (Candidate { resolvable: false, ..good }, Step::Resolvable),
        (Candidate { stale: true, ..good }, Step::Stale),
        (Candidate { peer: &internal, ..good }, Step::External),
        (Candidate { igp_metric: 5, ..good }, Step::IgpMetric),
    ];
    for (worse, step) in pairs {
        assert_eq!(compare(&good, &worse), (Ordering::Less, step));
    }
    // The same router over two sessions: the cluster list, then the address.
    let same_router = Peer { remote_id: one.remote_id, ..peer(3, false, |_| {}) };
    let longer = with(|a| a.cluster_list = vec![Ipv4Addr::LOCALHOST]);
    assert_eq!(compare(&Candidate::new(&longer, &one), &Candidate::new(&base, &same_router)).1, Step::ClusterList);
    assert_eq!(compare(&good, &Candidate::new(&base, &same_router)), (Ordering::Less, Step::Address));
}

#[test]
fn meds_of_different_neighbours_are_compared_only_on_request() {
    let (one, two) = (peer(1, false, |_| {}), peer(2, false, |_| {}));
    let low = Attrs { med: Some(1), ..route(&[2, 9]) };
    let high = Attrs { med: Some(5), ..route(&[1, 9]) };
    // Router ids: 10.0.1.84 and 10.0.1.87.
    let order = compare(&Candidate::new(&high, &one), &Candidate::new(&low, &two));
    assert_eq!(order, (Ordering::Less, Step::RouterId));
    let asking = peer(1, false, |c| c.med_metric = true);
    let order = compare(&Candidate::new(&high, &asking), &Candidate::new(&low, &two));
    assert_eq!(order, (Ordering::Greater, Step::Med));
}

#[test]
fn older_external_routes_stay_on_request() {
    let (one, two) = (peer(1, false, |c| c.prefer_older = true), peer(2, false, |_| {}));
    let attrs = route(&[1, 9]);
    let order = compare(&Candidate::new(&attrs, &one), &Candidate::new(&attrs, &two));
    assert_eq!(order, (Ordering::Greater, Step::Older));
}

/// RFC 3345: of these three each one beats another one, so without an order by neighbour the last one to come decides.
#[test]
fn med_makes_the_pairwise_comparison_go_in_circles() {
    let peers = [peer(0x54, true, |_| {}), peer(0x57, true, |_| {}), peer(0x56, false, |_| {})];
    // Router ids 10.0.1.1, 10.0.1.2, 10.0.1.3.
    let a = Attrs { med: Some(10), ..route(&[1, 9]) };
    let b = route(&[2, 9]);
    let c = Attrs { med: Some(0), ..route(&[1, 9]) };
    let near = |attrs, peer, igp_metric| Candidate { igp_metric, ..Candidate::new(attrs, peer) };
    let peers_internal = [&peers[0], &peers[1]];
    let third = peer(0x56, true, |_| {});
    let all = [near(&a, peers_internal[0], 1), near(&b, peers_internal[1], 2), near(&c, &third, 3)];
    assert!(compare(&all[0], &all[1]).0.is_lt());
    assert!(compare(&all[1], &all[2]).0.is_lt());
    assert!(compare(&all[2], &all[0]).0.is_lt());
    let orders = [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 2, 1], [2, 1, 0], [1, 0, 2]];
    let winners = |deterministic| orders.map(|order| order[best(&order.map(|i| all[i]), deterministic).unwrap()]);
    assert_eq!(winners(true), [1; 6]);
    assert!(winners(false).iter().any(|w| *w != winners(false)[0]));
}

#[test]
fn equal_ways_are_used_together_up_to_a_limit() {
    let peers: Vec<_> = (1..5).map(|n| peer(n, false, |_| {})).collect();
    let (good, bad) = (route(&[1, 9]), Attrs { local_pref: Some(50), ..route(&[1, 9]) });
    let mut all: Vec<_> = peers.iter().map(|p| Candidate::new(&good, p)).collect();
    all[2].attrs = &bad;
    let first = best(&all, false).unwrap();
    // Router ids by neighbour: 1 -> .84, 2 -> .87, 4 -> .81.
    assert_eq!(merge(&all, first, 16), [3, 0, 1]);
    assert_eq!(merge(&all, first, 2), [3, 0]);
    assert!(!mergeable(&all[3], &all[2]));
}

/// A candidate by its numbers: peer, internal, local preference, path, origin, MED, metric, originator, cluster list.
type Numbers = (u8, bool, u32, Vec<u32>, u32, Option<u32>, u32, Option<u8>, usize);

fn numbers() -> impl Strategy<Value = Numbers> {
    (
        0u8..4,
        any::<bool>(),
        100u32..102,
        vec(1u32..4, 0..3),
        0u32..3,
        proptest::option::of(0u32..3),
        0u32..2,
        proptest::option::of(0u8..2),
        0usize..2,
    )
}

fn build(n: &Numbers, med_metric: bool) -> (Attrs, Peer, u32) {
    let (number, internal, local_pref, path, origin, med, metric, originator, clusters) = n.clone();
    let attrs = Attrs {
        origin: Origin::from_number(origin),
        local_pref: Some(local_pref),
        med,
        originator_id: originator.map(|o| Ipv4Addr::new(10, 0, 0, o)),
        cluster_list: vec![Ipv4Addr::LOCALHOST; clusters],
        ..route(&path)
    };
    (attrs, peer(number, internal, |c| c.med_metric = med_metric), metric)
}

proptest! {
    /// Where all MEDs are comparable the decision is a total order: antisymmetric, transitive, and equal only for one neighbour.
    #[test]
    fn it_is_a_total_order(all in vec(numbers(), 3), med_metric in any::<bool>()) {
        let mut all = all;
        if !med_metric {
            all.iter_mut().for_each(|n| n.5 = None);
        }
        let built: Vec<_> = all.iter().map(|n| build(n, med_metric)).collect();
        let c: Vec<_> = built.iter().map(|(a, p, m)| Candidate { igp_metric: *m, ..Candidate::new(a, p) }).collect();
        let order = |i: usize, j: usize| compare(&c[i], &c[j]).0;
        for i in 0..3 {
            prop_assert_eq!(order(i, i), Ordering::Equal);
            for j in 0..3 {
                prop_assert_eq!(order(i, j), order(j, i).reverse());
                if order(i, j).is_eq() {
                    prop_assert_eq!(c[i].peer.config.neighbor, c[j].peer.config.neighbor);
                }
                for k in 0..3 {
                    if order(i, j).is_le() && order(j, k).is_le() {
                        prop_assert!(order(i, k).is_le());
                    }
                }
            }
        }
    }

    /// With an order by neighbour AS first, the best route is the best whatever came first.
    #[test]
    fn the_best_does_not_depend_on_the_order(all in vec(numbers(), 1..7), seed in any::<u64>()) {
        let mut all = all;
        // One route for each session, and the sessions tell them apart.
        all.iter_mut().enumerate().for_each(|(i, n)| n.0 = i as u8);
        let built: Vec<_> = all.iter().map(|n| build(n, false)).collect();
        let of = |order: &[usize]| {
            let c: Vec<_> = order
                .iter()
                .map(|i| &built[*i])
                .map(|(a, p, m)| Candidate { igp_metric: *m, ..Candidate::new(a, p) })
                .collect();
            order[best(&c, true).unwrap()]
        };
        let straight: Vec<usize> = (0..built.len()).collect();
        let mut mixed = straight.clone();
        mixed.sort_by_key(|i| (seed.rotate_left(*i as u32 * 7)) % 31);
        let reverse: Vec<usize> = straight.iter().rev().copied().collect();
        prop_assert_eq!(of(&straight), of(&mixed));
        prop_assert_eq!(of(&straight), of(&reverse));
    }
}

/// What BIRD 2.0.12 chose of routes that came in this order, and which of them it merged in the kernel's table: neighbours 1 and
/// 2 of AS 65001, 3 of AS 65003, 4 internal; router ids 9.9.9.4, .2, .3 and .1.
#[test]
fn bird_chose_the_same() {
    let neighbor = |n: u8| {
        let asn = [65001, 65001, 65003, 65000][usize::from(n) - 1];
        let config = PeerConfig::new(65000, Ipv4Addr::new(9, 9, 9, 254), asn, Ipv4Addr::new(10, 100, n, n));
        let remote_id = Ipv4Addr::new(9, 9, 9, [4, 2, 3, 1][usize::from(n) - 1]);
        Peer { config: Arc::new(config), remote_id, remote_as: asn, ..peer(n, false, |_| {}) }
    };
    type Said = (u8, fn(&mut Attrs));
    let plain: fn(&mut Attrs) = |_| {};
    fn more(a: &mut Attrs) {
        let nearest = a.first_as().unwrap();
        a.as_path = Some(AsPath::sequence([nearest, 7]));
    }
    let cases: &[(&[Said], u8, &[u8])] = &[
        (&[(2, plain), (3, plain), (1, plain)], 2, &[1, 2, 3]),
        (&[(2, more), (3, plain), (1, plain)], 3, &[1, 3]),
        (
            &[
                (2, |a| a.origin = Some(Origin::Egp)),
                (3, |a| a.origin = Some(Origin::Incomplete)),
                (1, |a| a.origin = Some(Origin::Incomplete)),
            ],
            2,
            &[2],
        ),
        (&[(2, |a| a.med = Some(10)), (3, plain), (1, |a| a.med = Some(5))], 1, &[1, 3]),
        (&[(2, |a| a.med = Some(5)), (3, |a| a.med = Some(7)), (1, |a| a.med = Some(10))], 2, &[2, 3]),
        (&[(4, plain), (3, plain)], 4, &[4]),
        (&[(4, |a| a.local_pref = Some(200)), (3, plain), (1, plain)], 4, &[4]),
        (&[(2, |a| a.med = Some(1)), (1, plain)], 1, &[1]),
        (&[(2, more), (3, more), (1, more)], 2, &[1, 2, 3]),
        (&[(2, |a| a.med = Some(2)), (3, |a| a.med = Some(9)), (1, |a| a.med = Some(1))], 1, &[1, 3]),
        (&[(4, plain), (1, more)], 4, &[4]),
        (&[(4, |a| a.local_pref = Some(50)), (1, more)], 1, &[1]),
    ];
    for (i, (said, first, merged)) in cases.iter().enumerate() {
        let routes: Vec<_> = said
            .iter()
            .map(|(n, change)| {
                let from = neighbor(*n);
                let mut attrs = if *n == 4 { route(&[]) } else { route(&[from.remote_as]) };
                change(&mut attrs);
                (attrs, from)
            })
            .collect();
        let all: Vec<_> = routes.iter().map(|(attrs, peer)| Candidate::new(attrs, peer)).collect();
        let place = best(&all, false).unwrap();
        assert_eq!(said[place].0, *first, "172.16.{}.0/24", i + 1);
        let mut together: Vec<_> = merge(&all, place, 16).into_iter().map(|p| said[p].0).collect();
        together.sort_unstable();
        assert_eq!(together, *merged, "172.16.{}.0/24", i + 1);
    }
}
