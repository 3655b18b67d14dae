//! Networks of speakers: they come to rest, the tables depend on what is there and not on how it came, nothing goes in circles.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use hopwise_routing::attrs::{AsPath, Attrs};
use hopwise_routing::bgp::config::PeerConfig;
use hopwise_routing::bgp::decision::Step;
use hopwise_routing::bgp::fabric::Fabric;
use hopwise_routing::bgp::session::State;
use hopwise_routing::bgp::speaker::Speaker;
use hopwise_sim_core::{Duration, Time};
use ipnet::Ipv4Net;
use proptest::collection::vec;
use proptest::prelude::*;

const MINUTE: Duration = Duration::from_secs(60);

fn prefix(n: usize) -> Ipv4Net {
    Ipv4Net::new(Ipv4Addr::new(10, n as u8, 0, 0), 16).unwrap()
}

/// A network by its wires; speaker `n` has AS 65000 + n, or all have the same one.
#[derive(Clone, Debug)]
struct Plan {
    speakers: usize,
    wires: Vec<(usize, usize)>,
    one_as: bool,
}

impl Plan {
    fn build(&self, configure: impl Fn(&mut PeerConfig, usize)) -> Fabric {
        let mut fabric = Fabric::new();
        for n in 0..self.speakers {
            let asn = if self.one_as { 65000 } else { 65000 + n as u32 };
            fabric.add(Speaker::new(asn, Ipv4Addr::new(1, 1, 1, n as u8 + 1), 7));
        }
        for (i, (a, b)) in self.wires.iter().enumerate() {
            let addresses = [1, 2].map(|end| Ipv4Addr::new(192, 168, i as u8, end));
            let speakers = [*a, *b];
            fabric.connect(speakers, addresses, Duration::from_millis(1), |config, end| {
                configure(config, speakers[end]);
            });
        }
        fabric
    }
}

fn quiet(fabric: &mut Fabric) {
    let limit = fabric.now() + MINUTE * 20;
    assert!(fabric.run_until_quiet(limit).is_some(), "no rest until {limit}");
}

/// All tables: for each speaker and prefix the session and the path of the best route.
fn tables(fabric: &Fabric) -> Vec<BTreeMap<Ipv4Net, (Option<usize>, Attrs)>> {
    let of = |s: &Speaker| s.table().map(|(p, r)| (p, (r.session, (*r.attrs).clone()))).collect();
    fabric.speakers().iter().map(of).collect()
}

#[test]
fn three_in_a_row_hear_of_each_other() {
    let plan = Plan { speakers: 3, wires: vec![(0, 1), (1, 2)], one_as: false };
    let mut fabric = plan.build(|_, _| {});
    fabric.with(0, |s| s.originate(prefix(0), Attrs::default()));
    quiet(&mut fabric);
    // The connect delay, and two messages' ways.
    assert!(fabric.now() < Time::ZERO + Duration::from_secs(6));
    let route = fabric.speakers()[2].best(prefix(0)).unwrap();
    assert_eq!(route.attrs.as_path.as_ref().unwrap().to_string(), "65001 65000");
    fabric.with(0, |s| s.forget(prefix(0)));
    quiet(&mut fabric);
    assert!(fabric.speakers().iter().all(|s| s.table().count() == 0));
}

#[test]
fn a_ring_heals_when_a_wire_is_cut() {
    let plan = Plan { speakers: 4, wires: vec![(0, 1), (1, 2), (2, 3), (3, 0)], one_as: false };
    let mut fabric = plan.build(|_, _| {});
    fabric.with(0, |s| s.originate(prefix(0), Attrs::default()));
    quiet(&mut fabric);
    let path = |fabric: &Fabric, n: usize| {
        fabric.speakers()[n].best(prefix(0)).unwrap().attrs.as_path.as_ref().unwrap().to_string()
    };
    assert_eq!(path(&fabric, 1), "65000");
    // Two equal ways: the lower router id decides, and both may be used.
    assert_eq!(path(&fabric, 2), "65001 65000");
    assert_eq!(fabric.speakers()[2].multipath(prefix(0), 8).len(), 2);
    let losers = fabric.speakers()[2].losers(prefix(0));
    assert_eq!(losers[0].1, Some(Step::RouterId));
    fabric.set_up(0, false);
    quiet(&mut fabric);
    assert_eq!(path(&fabric, 1), "65002 65003 65000");
    fabric.set_up(0, true);
    quiet(&mut fabric);
    assert_eq!(path(&fabric, 1), "65000");
}

#[test]
fn a_reflector_serves_its_clients_and_without_it_they_hear_nothing() {
    let plan = Plan { speakers: 4, wires: vec![(0, 1), (0, 2), (0, 3)], one_as: true };
    for reflect in [true, false] {
        let mut fabric = plan.build(|config, me| config.rr_client = reflect && me == 0);
        fabric.with(1, |s| s.originate(prefix(1), Attrs::default()));
        quiet(&mut fabric);
        let known: Vec<_> = fabric.speakers().iter().map(|s| s.best(prefix(1)).is_some()).collect();
        assert_eq!(known, [true, true, reflect, reflect]);
        if reflect {
            let attrs = &fabric.speakers()[2].best(prefix(1)).unwrap().attrs;
            assert_eq!(attrs.originator_id, Some(Ipv4Addr::new(1, 1, 1, 2)));
            assert_eq!(attrs.cluster_list, [Ipv4Addr::new(1, 1, 1, 1)]);
            assert_eq!(attrs.next_hop, Some(Ipv4Addr::new(192, 168, 0, 2)));
        }
    }
}

#[test]
fn silence_ends_a_session_by_the_hold_timer() {
    let plan = Plan { speakers: 2, wires: vec![(0, 1)], one_as: false };
    let mut fabric = plan.build(|_, _| {});
    fabric.with(0, |s| s.originate(prefix(0), Attrs::default()));
    quiet(&mut fabric);
    // Keepalives keep it up for hours.
    fabric.run_until(fabric.now() + MINUTE * 300);
    assert_eq!(fabric.speakers()[0].sessions()[0].state(), State::Established);
    assert_eq!(fabric.speakers()[1].table().count(), 1);
    fabric.set_silent(0, true);
    fabric.run_until(fabric.now() + MINUTE * 4);
    assert_eq!(fabric.speakers()[1].table().count(), 0);
    let last = fabric.speakers()[1].sessions()[0].last_error().to_string();
    assert_eq!(last, "BGP Error: Hold timer expired");
    fabric.set_silent(0, false);
    quiet(&mut fabric);
    assert_eq!(fabric.speakers()[1].table().count(), 1);
}

/// A connected network: a tree and some more wires; ASes of their own, or one AS in which everybody reflects to everybody.
fn plan() -> impl Strategy<Value = Plan> {
    use prop::sample::Index;
    let parents = vec(any::<Index>(), 6);
    (2usize..7, vec(any::<(Index, Index)>(), 0..6), parents, any::<bool>()).prop_map(
        |(speakers, more, parents, one_as)| {
            let mut wires: Vec<_> = (1..speakers).map(|n| (parents[n - 1].index(n), n)).collect();
            for (a, b) in more {
                let (a, b) = (a.index(speakers), b.index(speakers));
                let there = |(x, y): &(usize, usize)| (*x, *y) == (a, b) || (*x, *y) == (b, a);
                if a != b && !wires.iter().any(there) {
                    wires.push((a, b));
                }
            }
            Plan { speakers, wires, one_as }
        },
    )
}

#[derive(Clone, Debug)]
enum Change {
    Originate(prop::sample::Index, usize, Option<u32>),
    Forget(prop::sample::Index, usize),
    Reset(prop::sample::Index),
    Cut(prop::sample::Index),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Change>> {
    use Change::*;
    let index = any::<prop::sample::Index>;
    let step = prop_oneof![
        3 => (index(), 0usize..4, proptest::option::of(0u32..3)).prop_map(|(s, p, med)| Originate(s, p, med)),
        2 => (index(), 0usize..4).prop_map(|(s, p)| Forget(s, p)),
        1 => index().prop_map(Reset),
        1 => index().prop_map(Cut),
        3 => (0u64..4000).prop_map(Wait),
    ];
    vec(step, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// After announcements, withdrawals, resets and cut wires the tables are those that announcing the final state once gives.
    #[test]
    fn the_tables_forget_how_they_came_to_be(plan in plan(), steps in steps()) {
        let mut fabric = plan.build(|config, _| config.rr_client = plan.one_as);
        let mut own = BTreeMap::new();
        let mut cut = vec![false; plan.wires.len()];
        for step in steps {
            match step {
                Change::Originate(speaker, n, med) => {
                    let speaker = speaker.index(plan.speakers);
                    let attrs = Attrs { med, ..Attrs::default() };
                    own.insert((speaker, n), attrs.clone());
                    fabric.with(speaker, |s| s.originate(prefix(n), attrs));
                }
                Change::Forget(speaker, n) => {
                    let speaker = speaker.index(plan.speakers);
                    own.remove(&(speaker, n));
                    fabric.with(speaker, |s| s.forget(prefix(n)));
                }
                Change::Reset(wire) => fabric.reset(wire.index(plan.wires.len())),
                Change::Cut(wire) => {
                    let wire = wire.index(plan.wires.len());
                    cut[wire] = !cut[wire];
                    fabric.set_up(wire, !cut[wire]);
                }
                Change::Wait(millis) => fabric.run_until(fabric.now() + Duration::from_millis(millis)),
            }
        }
        quiet(&mut fabric);
        let mut fresh = plan.build(|config, _| config.rr_client = plan.one_as);
        for ((speaker, n), attrs) in own {
            fresh.with(speaker, |s| s.originate(prefix(n), attrs));
        }
        for (wire, _) in cut.iter().enumerate().filter(|(_, cut)| **cut) {
            fresh.set_up(wire, false);
        }
        quiet(&mut fresh);
        prop_assert_eq!(tables(&fabric), tables(&fresh));
        no_loops(&plan, &fabric)?;
    }
}

/// Who follows the best routes from speaker to speaker arrives, without meeting a speaker twice, on the way that AS_PATH tells.
fn no_loops(plan: &Plan, fabric: &Fabric) -> Result<(), TestCaseError> {
    for start in 0..plan.speakers {
        let table: Vec<_> = fabric.speakers()[start].table().map(|(p, r)| (p, r.attrs.clone())).collect();
        for (prefix, attrs) in table {
            let mut here = start;
            let mut seen = vec![start];
            while let Some(session) = fabric.speakers()[here].best(prefix).unwrap().session {
                here = fabric.neighbor(here, session);
                prop_assert!(!seen.contains(&here), "{prefix} goes in circles: {seen:?}");
                seen.push(here);
            }
            let told = attrs.as_path.clone().unwrap_or_default();
            if plan.one_as {
                prop_assert_eq!((told.len(), attrs.cluster_list.len()), (0, seen.len().saturating_sub(2)));
            } else {
                prop_assert_eq!(told, AsPath::sequence(seen[1..].iter().map(|n| 65000 + *n as u32)));
            }
        }
    }
    Ok(())
}
