//! The life of neighbours as dialogues. Times are those of Linux with its default settings.

use super::*;
use crate::fib::Insert;
use crate::wire::MacAddr;
use core::net::Ipv4Addr;
use core::time::Duration;
use hopwise_sim_core::{IfIndex, Rng, Time};
use proptest::prelude::*;

const DEV: IfIndex = IfIndex(2);
const ADDR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const OTHER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 3]);

/// A table, a clock and the one timer that counts; packets are numbers of 1000 bytes each.
struct World {
    now: Time,
    table: NeighTable<u32>,
    parms: NeighParms,
    timer: Option<Deadline>,
}

impl World {
    fn new() -> Self {
        World { now: Time::ZERO, table: NeighTable::default(), parms: NeighParms::default(), timer: None }
    }

    fn take(&mut self, effects: Effects<u32>) -> Effects<u32> {
        self.timer = effects.timer.or(self.timer);
        effects
    }

    /// A packet for the neighbour.
    fn send(&mut self, packet: u32) -> Effects<u32> {
        match self.table.output(self.now, ADDR, DEV, &self.parms, Initial::default, packet, 1000) {
            Output::Effects(effects) => self.take(effects),
            Output::Send(lladdr, packet) => Effects { send: [packet].into(), lladdr, ..Effects::default() },
            Output::TableFull(_) => panic!("full"),
        }
    }

    /// The next timer runs out; how many milliseconds after the beginning, and what follows.
    fn next_timer(&mut self) -> (u64, Effects<u32>) {
        let Deadline { at, generation } = self.timer.take().expect("a timer runs");
        self.now = at;
        let effects = self.table.timer(at, ADDR, DEV, &self.parms, generation);
        (at.as_nanos() / 1_000_000, self.take(effects))
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn hear(&mut self, lladdr: MacAddr, state: Nud, override_address: bool) -> Result<Effects<u32>, NeighError> {
        let news = arp::Learn { addr: ADDR, lladdr, state, override_address, create: true };
        let effects = self.table.learn(self.now, &self.parms, &news, DEV, Initial::default)?;
        Ok(self.take(effects))
    }

    fn set(&mut self, lladdr: Option<MacAddr>, state: Nud, how: Insert) -> Result<Effects<u32>, NeighError> {
        let flags = NeighFlags::empty();
        let new = NewNeigh { addr: ADDR, dev: DEV, lladdr, state, flags, use_it: false, protocol: 0 };
        let effects = self.table.set(self.now, &self.parms, &new, how, Initial::default)?;
        Ok(self.take(effects))
    }

    fn state(&self) -> Option<Nud> {
        self.table.get(ADDR, DEV).map(Neighbour::state)
    }

    fn reachable() -> Self {
        let mut world = World::new();
        world.send(0);
        world.hear(MAC, Nud::REACHABLE, true).unwrap();
        world
    }
}

fn all(effects: &Effects<u32>) -> Solicit {
    effects.solicit.expect("a request")
}

#[test]
fn nobody_answers() {
    let mut world = World::new();
    let first = world.send(1);
    assert_eq!(all(&first), Solicit { target: ADDR, unicast: None }, "asked at once");
    assert_eq!(world.send(2), Effects::default(), "the second packet only waits");
    for second in [1, 2] {
        let (at, effects) = world.next_timer();
        assert_eq!((at, all(&effects).unicast), (second * 1000, None));
    }
    let (at, effects) = world.next_timer();
    assert_eq!((at, world.state(), world.timer), (3000, Some(Nud::FAILED), None));
    assert_eq!(effects.unreachable[..], [1, 2], "both senders are told");
    assert_eq!(effects.solicit, None);

    world.wait(10_000);
    assert!(world.send(3).solicit.is_some(), "the next packet asks again");
    assert_eq!(world.state(), Some(Nud::INCOMPLETE));
}

#[test]
fn the_neighbour_answers_and_grows_stale() {
    let mut world = World::new();
    world.send(1);
    world.send(2);
    world.wait(1);
    let answered = world.hear(MAC, Nud::REACHABLE, false).unwrap();
    assert_eq!((answered.send.as_slice(), answered.lladdr), (&[1, 2][..], MAC));
    assert_eq!(world.table.connected(ADDR, DEV), Some(MAC));
    world.wait(29_000);
    assert_eq!(world.send(3).send[..], [3], "sent straight away, which is no use that counts");

    let (at, effects) = world.next_timer();
    assert_eq!((at, world.state(), world.timer), (30_001, Some(Nud::STALE), None));
    assert!(effects.changed && effects.solicit.is_none());
    assert_eq!(world.table.connected(ADDR, DEV), None);
    assert_eq!(world.table.get(ADDR, DEV).and_then(Neighbour::lladdr), Some(MAC));
}

#[test]
fn a_stale_neighbour_is_used_then_probed() {
    let mut world = World::reachable();
    world.next_timer();
    world.wait(100_000);
    let used = world.send(1);
    assert_eq!((used.send.as_slice(), used.solicit), (&[1][..], None), "it is still believed");
    assert_eq!(world.state(), Some(Nud::DELAY));
    let (at, effects) = world.next_timer();
    assert_eq!((at, world.state()), (135_000, Some(Nud::PROBE)));
    assert_eq!(all(&effects).unicast, Some(MAC), "it alone is asked");
    assert_eq!(world.send(2).send[..], [2], "and still gets packets");
    assert_eq!(world.next_timer().1.solicit.map(|s| s.unicast), Some(Some(MAC)));
    assert_eq!(world.next_timer().1.solicit.map(|s| s.unicast), Some(Some(MAC)));
    let (at, effects) = world.next_timer();
    assert_eq!((at, world.state(), effects.solicit), (138_000, Some(Nud::FAILED), None));
    assert_eq!(effects.unreachable.len(), 0, "nothing waited");
}

#[test]
fn a_probed_neighbour_answers() {
    let mut world = World::reachable();
    world.next_timer();
    world.send(1);
    world.next_timer();
    world.wait(2);
    world.hear(MAC, Nud::REACHABLE, false).unwrap();
    assert_eq!(world.state(), Some(Nud::REACHABLE));
    assert_eq!(world.timer.map(|t| t.at), Some(world.now + world.parms.reachable_time));
}

#[test]
fn a_confirmation_from_above_saves_the_probe() {
    let mut world = World::reachable();
    world.next_timer();
    world.send(1);
    world.wait(4000);
    world.table.confirm(world.now, ADDR, DEV);
    let confirmed = world.now;
    let (_, effects) = world.next_timer();
    assert_eq!((world.state(), effects.solicit), (Some(Nud::REACHABLE), None));
    assert_eq!(world.timer.map(|t| t.at), Some(confirmed + world.parms.reachable_time));
    world.wait(1000);
    world.table.confirm(world.now, ADDR, DEV);
    let again = world.now + world.parms.reachable_time;
    world.next_timer();
    assert_eq!((world.state(), world.timer.map(|t| t.at)), (Some(Nud::REACHABLE), Some(again)), "it goes on");
}

#[test]
fn who_asks_us_is_stale_and_its_waiting_packets_go() {
    let mut world = World::new();
    world.send(1);
    let heard = world.hear(MAC, Nud::STALE, true).unwrap();
    assert_eq!(heard.send[..], [1]);
    assert_eq!(world.state(), Some(Nud::DELAY), "sending what waited is a use");
    assert_eq!(world.timer.map(|t| t.at), Some(world.now + Duration::from_secs(5)));
}

#[test]
fn a_request_does_not_take_reachability_away() {
    let mut world = World::reachable();
    let before = world.timer;
    assert_eq!(world.hear(MAC, Nud::STALE, true).unwrap().timer, None);
    assert_eq!((world.state(), world.timer), (Some(Nud::REACHABLE), before));
    assert!(world.hear(OTHER_MAC, Nud::STALE, true).unwrap().changed, "but another address does");
    assert_eq!((world.state(), world.table.get(ADDR, DEV).unwrap().lladdr()), (Some(Nud::STALE), Some(OTHER_MAC)));
}

#[test]
fn another_answer_within_the_lock_time_is_not_believed() {
    let mut world = World::reachable();
    world.hear(OTHER_MAC, Nud::REACHABLE, false).unwrap();
    assert_eq!(world.table.connected(ADDR, DEV), Some(MAC));
    world.hear(OTHER_MAC, Nud::REACHABLE, true).unwrap();
    assert_eq!(world.table.connected(ADDR, DEV), Some(OTHER_MAC));
}

#[test]
fn an_old_timer_means_nothing() {
    let mut world = World::new();
    world.send(1);
    let old = world.timer.unwrap();
    world.hear(MAC, Nud::REACHABLE, true).unwrap();
    assert_eq!(world.table.timer(old.at, ADDR, DEV, &world.parms, old.generation), Effects::default());
    let old = world.timer.unwrap();
    assert!(world.table.link_down(DEV).is_empty());
    world.send(2);
    assert_eq!(world.table.timer(old.at, ADDR, DEV, &world.parms, old.generation), Effects::default());
    assert_eq!(world.state(), Some(Nud::INCOMPLETE), "the timer of the earlier entry is not that of this one");
}

#[test]
fn the_oldest_packets_make_room() {
    let mut world = World::new();
    world.parms.queue_len_bytes = 2500;
    assert!((1..=2).all(|n| world.send(n).dropped.is_empty()));
    assert_eq!(world.send(3).dropped[..], [1]);
    let waiting: Vec<_> = world.table.get(ADDR, DEV).unwrap().waiting().copied().collect();
    assert_eq!(waiting, [2, 3]);
}

#[test]
fn by_hand() {
    let mut world = World::new();
    let [add, change, replace] = [Insert::ADD_ROUTE, Insert::CHANGE_ROUTE, Insert::REPLACE_ROUTE];
    assert_eq!(world.set(Some(MAC), Nud::PERMANENT, change), Err(NeighError::NotFound));
    world.set(Some(MAC), Nud::PERMANENT, add).unwrap();
    assert_eq!(world.set(Some(MAC), Nud::PERMANENT, add), Err(NeighError::Exists));
    assert_eq!(world.hear(OTHER_MAC, Nud::STALE, true), Err(NeighError::NotPermitted), "ARP does not touch it");
    assert_eq!(world.send(1).lladdr, MAC);
    world.set(Some(OTHER_MAC), Nud::STALE, replace).unwrap();
    assert_eq!((world.state(), world.timer), (Some(Nud::STALE), None));
    world.set(None, Nud::REACHABLE, change).expect("the address that is known stays");
    assert_eq!(world.table.connected(ADDR, DEV), Some(OTHER_MAC));
    world.set(Some(MAC), Nud::DELAY, replace).unwrap();
    world.next_timer();
    assert_eq!(world.state(), Some(Nud::PROBE), "a delay by hand ends at once");
    world.table.delete(world.now, ADDR, DEV, &world.parms).unwrap();
    assert_eq!(world.table.delete(world.now, ADDR, DEV, &world.parms), Err(NeighError::NotFound));

    let refused = world.set(None, Nud::PERMANENT, add).unwrap_err();
    assert_eq!(refused.extack(), Some("No link layer address given"));
    assert_eq!(world.state(), Some(Nud::NONE), "the entry made for it stays");
}

#[test]
fn deletion_tells_those_who_wait() {
    let mut world = World::new();
    world.send(1);
    let effects = world.table.delete(world.now, ADDR, DEV, &world.parms).unwrap();
    assert_eq!((effects.unreachable.as_slice(), world.table.len()), (&[1][..], 0));
}

#[test]
fn links_take_their_neighbours_with_them() {
    let mut world = World::new();
    world.send(1);
    world.table.add_proxy(ADDR, DEV);
    world.table.add_proxy(Ipv4Addr::new(10, 0, 0, 9), IfIndex::NONE);
    assert_eq!(world.table.link_lost_carrier(DEV), [1], "what waited is dropped");
    world.set(Some(MAC), Nud::PERMANENT, Insert::ADD_ROUTE).unwrap();
    assert!(world.table.link_lost_carrier(DEV).is_empty());
    assert_eq!(world.state(), Some(Nud::PERMANENT), "without carrier, permanent entries stay");
    world.table.link_down(DEV);
    assert_eq!(world.state(), None, "down, they go too");
    assert!(!world.table.is_proxy(ADDR, DEV), "and proxy entries of the link");
    assert!(world.table.is_proxy(Ipv4Addr::new(10, 0, 0, 9), DEV));
}

#[test]
fn ages_are_those_of_ip_neigh() {
    let mut world = World::new();
    world.wait(100_000);
    world.send(1);
    let ages = |world: &World| world.table.get(ADDR, DEV).unwrap().ages(world.now).map(|age| age.as_secs());
    assert_eq!(ages(&world), [0, 60, 0], "a new entry counts as confirmed twice the reachable time ago");
    world.wait(1500);
    world.hear(MAC, Nud::REACHABLE, true).unwrap();
    world.wait(2000);
    assert_eq!(ages(&world), [3, 2, 2]);
    assert_eq!(world.table.get(ADDR, DEV).unwrap().references(), 1);
}

fn fill(world: &mut World, count: u32) -> Result<(), u32> {
    for n in 0..count {
        let addr = Ipv4Addr::from_bits(0x0b00_0000 + n);
        let news = arp::Learn { addr, lladdr: MAC, state: Nud::STALE, override_address: true, create: true };
        world.table.learn(world.now, &world.parms, &news, DEV, Initial::default).map_err(|_| n)?;
    }
    Ok(())
}

#[test]
fn the_table_overflows() {
    let mut world = World::new();
    assert_eq!(fill(&mut world, 2000), Err(1024), "gc_thresh3");
    let output = world.table.output(world.now, ADDR, DEV, &world.parms, Initial::default, 7, 1000);
    assert!(matches!(output, Output::TableFull(7)));
    world.set(Some(MAC), Nud::PERMANENT, Insert::ADD_ROUTE).expect("permanent entries do not count");
    world.wait(6000);
    world.table.delete(world.now, ADDR, DEV, &world.parms).unwrap();
    assert!(world.send(1).solicit.is_some(), "what has not changed for five seconds makes room");
    assert_eq!(world.table.len(), 513, "down to gc_thresh2 and the new one");
    assert_eq!(world.table.get(Ipv4Addr::from_bits(0x0b00_0000), DEV).map(Neighbour::state), None, "the oldest went");
}

#[test]
fn unused_entries_are_collected() {
    let mut world = World::new();
    fill(&mut world, 127).unwrap();
    world.wait(61_000);
    assert_eq!(world.table.collect(world.now, |_| Duration::from_secs(60)), 0, "below gc_thresh1");
    world.send(1);
    assert!(world.table.needs_collecting());
    assert_eq!(world.table.collect(world.now, |_| Duration::from_secs(60)), 127);
    assert_eq!(world.state(), Some(Nud::INCOMPLETE), "a timer holds it");
}

#[test]
fn the_reachable_time_is_drawn_around_its_base() {
    let mut rng = Rng::stream(1, "neigh", 0);
    let mut parms = NeighParms::default();
    let mut seen = (u128::MAX, 0);
    for _ in 0..1000 {
        parms.draw_reachable_time(&mut rng);
        let millis = parms.reachable_time.as_millis();
        seen = (seen.0.min(millis), seen.1.max(millis));
    }
    assert!(seen.0 >= 15_000 && seen.0 < 16_000 && seen.1 <= 45_000 && seen.1 > 44_000, "{seen:?}");
}

#[test]
fn some_addresses_need_no_asking() {
    use crate::fib::RouteType;
    let ethernet = arp::LinkLayer {
        has_header: true,
        noarp: false,
        point_to_point: false,
        address: MAC,
        broadcast: MacAddr::BROADCAST,
    };
    let initial = |kind, link: &arp::LinkLayer| arp::constructor(Ipv4Addr::new(224, 0, 0, 5), kind, link);
    assert_eq!(initial(RouteType::Unicast, &ethernet).state, Nud::NONE);
    assert_eq!(initial(RouteType::Multicast, &ethernet).lladdr.to_string(), "01:00:5e:00:00:05");
    assert_eq!(initial(RouteType::Broadcast, &ethernet).lladdr, MacAddr::BROADCAST);
    let loopback = arp::LinkLayer { noarp: true, ..ethernet };
    assert_eq!(initial(RouteType::Unicast, &loopback), Initial { state: Nud::NOARP, lladdr: MAC });
    let tunnel = arp::LinkLayer { has_header: false, ..ethernet };
    assert_eq!(initial(RouteType::Unicast, &tunnel), Initial { state: Nud::NOARP, lladdr: MacAddr::ZERO });
}

proptest! {
    /// Whatever happens, no packet is lost or doubled, a timer runs exactly in the states that have one, and the table
    /// comes to rest by itself.
    #[test]
    fn packets_are_conserved_and_timers_run_out(events in proptest::collection::vec(0u8..12, 0..80)) {
        let mut world = World::new();
        let (mut sent_in, mut out) = (0u32, 0usize);
        let count = |effects: &Effects<u32>| effects.send.len() + effects.unreachable.len() + effects.dropped.len();
        for event in events {
            let effects = match event {
                0..=2 => {
                    sent_in += 1;
                    world.send(sent_in)
                }
                3 => world.hear(MAC, Nud::REACHABLE, true).unwrap_or_default(),
                4 => world.hear(OTHER_MAC, Nud::STALE, false).unwrap_or_default(),
                5 => world.set(Some(MAC), Nud::PERMANENT, Insert::REPLACE_ROUTE).unwrap_or_default(),
                6 => world.set(Some(MAC), Nud::STALE, Insert::CHANGE_ROUTE).unwrap_or_default(),
                7 => world.table.delete(world.now, ADDR, DEV, &world.parms).unwrap_or_default(),
                8 => {
                    out += world.table.link_lost_carrier(DEV).len();
                    Effects::default()
                }
                9 => {
                    world.table.confirm(world.now, ADDR, DEV);
                    Effects::default()
                }
                _ if world.timer.is_some() => world.next_timer().1,
                _ => Effects::default(),
            };
            out += count(&effects);
            prop_assert_eq!(effects.timer.is_some_and(|t| t.at < world.now), false);
            let waiting = world.table.get(ADDR, DEV).map_or(0, |n| n.waiting().count());
            prop_assert_eq!(out + waiting, sent_in as usize);
            prop_assert!(waiting == 0 || world.state() == Some(Nud::INCOMPLETE));
            world.wait(u64::from(event) * 300);
        }
        let mut steps = 0;
        while world.timer.is_some() {
            out += count(&world.next_timer().1);
            steps += 1;
            prop_assert!(steps < 20, "it does not come to rest");
        }
        prop_assert_eq!(out, sent_in as usize);
        prop_assert!(world.state().is_none_or(|state| !state.intersects(Nud::IN_TIMER)));
    }

    #[test]
    fn entries_are_found_in_small_and_large_tables(changes in proptest::collection::vec((0u8..40, any::<bool>()), 0..120)) {
        let mut world = World::new();
        let mut model = std::collections::BTreeSet::new();
        for (last, add) in changes {
            let addr = Ipv4Addr::new(10, 0, 0, last);
            if add {
                let news = arp::Learn { addr, lladdr: MacAddr([last; 6]), state: Nud::STALE, override_address: true, create: true };
                world.table.learn(world.now, &world.parms, &news, DEV, Initial::default).unwrap();
                model.insert(last);
            } else {
                prop_assert_eq!(world.table.delete(world.now, addr, DEV, &world.parms).is_ok(), model.remove(&last));
            }
        }
        for last in 0..40 {
            let found = world.table.get(Ipv4Addr::new(10, 0, 0, last), DEV).and_then(Neighbour::lladdr);
            prop_assert_eq!(found, model.contains(&last).then_some(MacAddr([last; 6])));
        }
        prop_assert_eq!(world.table.len(), model.len());
    }
}
