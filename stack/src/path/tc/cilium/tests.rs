//! The maps by themselves: who is where, who may talk, what is known of connections.

use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::ct::{CtMap, Key, Made, Segment, Status, Tuple};
use super::maps::{Direction, IpCache, Match, Permit, PolicyKey, PolicyMap, Remote};
use super::nat;

const POD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 85);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 124);

const fn tcp(sport: u16, dport: u16) -> Tuple {
    Tuple { protocol: 6, src: POD, sport, dst: OTHER, dport, related: false }
}

fn remote(identity: u32) -> Remote {
    Remote { identity, tunnel: Ipv4Addr::UNSPECIFIED }
}

#[test]
fn the_longest_prefix_says_who_it_is() {
    let mut cache = IpCache::default();
    cache.set(Ipv4Addr::UNSPECIFIED, 0, remote(2));
    cache.set(Ipv4Addr::new(10, 0, 0, 99), 16, remote(300));
    cache.set(POD, 32, remote(3352));
    let who = |cache: &IpCache, addr| cache.lookup(addr).map(|found| found.identity);
    assert_eq!(who(&cache, POD), Some(3352));
    assert_eq!(who(&cache, OTHER), Some(300));
    assert_eq!(who(&cache, Ipv4Addr::new(8, 8, 8, 8)), Some(2));
    cache.remove(POD, 32);
    assert_eq!(who(&cache, POD), Some(300));
    cache.remove(Ipv4Addr::new(10, 0, 0, 0), 16);
    cache.remove(Ipv4Addr::UNSPECIFIED, 0);
    assert_eq!(who(&cache, POD), None);
}

#[test]
fn a_policy_is_asked_from_the_narrowest_entry_on() {
    let key = |identity, protocol, port| PolicyKey { direction: Direction::Ingress, identity, protocol, port };
    let mut map = PolicyMap::default();
    map.allow(key(3352, 6, 80));
    map.allow(key(0, 6, 443));
    map.allow(key(300, 0, 0));
    map.deny(key(300, 6, 22));
    let mut ask = |identity, protocol, port| {
        let decision = map.decide(Direction::Ingress, identity, (protocol, port), 60);
        (decision.verdict, decision.matched)
    };
    assert_eq!(ask(3352, 6, 80), (Permit::Allow, Match::L3L4));
    assert_eq!(ask(3352, 6, 443), (Permit::Allow, Match::L4));
    assert_eq!(ask(3352, 6, 81), (Permit::Missing, Match::None));
    assert_eq!(ask(300, 17, 53), (Permit::Allow, Match::L3));
    assert_eq!(ask(300, 6, 22), (Permit::Deny, Match::L3L4));
    let counted =
        map.iter().find(|(entry, _)| **entry == key(3352, 6, 80)).map(|(_, entry)| (entry.packets, entry.bytes));
    assert_eq!(counted, Some((1, 60)));
    let other_way = map.decide(Direction::Egress, 3352, (6, 80), 60);
    assert_eq!(other_way.verdict, Permit::Missing);
}

#[test]
fn a_pod_without_policy_is_open() {
    let mut map = PolicyMap::open();
    for direction in [Direction::Ingress, Direction::Egress] {
        assert_eq!(map.decide(direction, 2, (6, 80), 1).verdict, Permit::Allow);
        assert!(!map.enforces(direction));
    }
}

/// `SYN`, `SYN ACK`, `ACK`, both `FIN`s, seen from the program of the pod that opens.
#[test]
fn the_life_of_a_tcp_connection() {
    let mut map = CtMap::default();
    let (tuple, back) = (tcp(40000, 80), tcp(40000, 80).reversed());
    let syn = Segment::tcp(0x02);
    assert_eq!(map.lookup(tuple, Direction::Egress, syn, 74, 100).status, Status::New);
    assert!(map.create(tuple, Direction::Egress, syn, (74, 3352), 100));
    let entry = |map: &CtMap| *map.iter().find(|(key, _)| **key == Key { tuple, made: Made::Out }).unwrap().1;
    assert_eq!((entry(&map).lifetime, entry(&map).tx_packets, entry(&map).tx_flags_seen), (160, 1, 2));

    let found = map.lookup(back, Direction::Ingress, Segment::tcp(0x12), 74, 101);
    assert_eq!((found.status, found.flags, found.lifetime, found.tell), (Status::Reply, 0, Some(160), true));
    assert_eq!((entry(&map).lifetime, entry(&map).seen_non_syn), (161, false), "the answer has a SYN, too");

    let ack = map.lookup(tuple, Direction::Egress, Segment::tcp(0x10), 66, 101);
    assert_eq!((ack.status, ack.tell), (Status::Established, true));
    assert_eq!((entry(&map).lifetime, entry(&map).seen_non_syn), (101 + 21_600, true));
    let again = map.lookup(tuple, Direction::Egress, Segment::tcp(0x10), 66, 102);
    assert!(!again.tell, "nothing new within five seconds");

    map.lookup(tuple, Direction::Egress, Segment::tcp(0x11), 66, 103);
    assert_eq!(entry(&map).flags(), (0x12, "TxClosing SeenNonSyn ".to_owned()));
    map.lookup(back, Direction::Ingress, Segment::tcp(0x11), 66, 104);
    assert_eq!(entry(&map).lifetime, 114, "ten seconds after both have closed");
    let reopened = map.lookup(tuple, Direction::Egress, syn, 74, 105);
    assert_eq!(reopened.status, Status::Reopened);
    assert_eq!(map.collect(50_000), 2, "the connection and its entry for errors");
    assert!(map.is_empty());
}

#[test]
fn an_entry_lives_until_it_is_collected() {
    let mut map = CtMap::default();
    let echo = Tuple { protocol: 1, dport: 0, ..tcp(3072, 0) };
    let segment = Segment { creates: true, ..Segment::default() };
    assert!(map.create(echo, Direction::Ingress, segment, (98, 3352), 10));
    // The answer of the pod is looked up with flags=1, long after the lifetime is over.
    let found = map.lookup(echo.reversed(), Direction::Egress, Segment::default(), 98, 5000);
    assert_eq!((found.status, found.flags, found.lifetime), (Status::Reply, 1, Some(70)));
    assert_eq!(map.collect(100), 1, "only the entry for errors, which nobody has used");
    assert_eq!(map.len(), 1);
}

#[test]
fn errors_are_related_in_both_directions() {
    let mut map = CtMap::default();
    assert!(map.create(tcp(40000, 80), Direction::Egress, Segment::tcp(0x02), (74, 3352), 1));
    let error = Tuple { protocol: 1, sport: 0, dport: 0, related: true, ..tcp(0, 0) };
    for tuple in [error, error.reversed()] {
        for direction in [Direction::Egress, Direction::Ingress] {
            let status = map.lookup(tuple, direction, Segment::default(), 90, 2).status;
            let way_of_opening = tuple == error;
            let fits = way_of_opening == (direction == Direction::Egress);
            assert_eq!(status, if fits { Status::Related } else { Status::New });
        }
    }
}

const NODE: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);

/// A frame with an IPv4 header from the pod to the other one, and these bytes behind it.
fn frame(protocol: u8, l4: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14];
    frame[12] = 8;
    frame.extend([0x45, 0, 0, 20 + l4.len() as u8, 0, 1, 0, 0, 64, protocol, 0, 0]);
    frame.extend(POD.octets().into_iter().chain(OTHER.octets()));
    frame.extend(l4);
    frame
}

#[test]
fn a_udp_checksum_that_becomes_zero_is_written_as_ones() {
    let udp = |check: u16| {
        let words = [1000u16, 53, 8, check];
        let mut frame = frame(17, &words.map(u16::to_be_bytes).concat());
        nat::rewrite(&mut frame, nat::Side::Source, (POD, 40_000)).unwrap();
        assert_eq!(frame[34..36], 40_000u16.to_be_bytes());
        u16::from_be_bytes([frame[40], frame[41]])
    };
    assert_eq!(udp(39_000), 0xffff, "zero would say that there is none");
    assert_eq!(udp(0), 0, "there was none");
}

#[test]
fn a_frame_that_is_too_short_is_left_as_it_was() {
    for protocol in [1, 6, 17] {
        for len in 0..8 {
            let mut cut = frame(protocol, &vec![1; len]);
            let before = cut.clone();
            assert_eq!(nat::rewrite(&mut cut, nat::Side::Source, (NODE, 40_000)), None);
            assert_eq!(cut, before);
        }
    }
}

#[test]
fn a_port_of_the_range_is_kept_the_last_one_too() {
    let mut map = nat::NatMap::default();
    for port in [32_768, 40_000, 65_535] {
        assert_eq!(map.leave(tcp(port, 80), NODE), Some(port));
    }
    let low = map.leave(tcp(1000, 80), NODE);
    assert!(low.is_some_and(|port| port >= 32_768));
}

#[test]
fn the_ports_of_the_node_are_its_own() {
    let node = Tuple { src: NODE, ..tcp(40_000, 80) };
    let mut map = nat::NatMap::default();
    map.claim(node, 10);
    assert_eq!(map.leave(tcp(40_000, 80), NODE), Some(40_001), "the node has it");
    assert_eq!(map.back(node.reversed()), None);
    // A pod was there first: what answers the node goes to the node all the same.
    assert_eq!(map.leave(tcp(50_000, 80), NODE), Some(50_000));
    let late = Tuple { sport: 50_000, ..node };
    assert!(map.back(late.reversed()).is_some());
    map.claim(late, 10);
    assert_eq!(map.back(late.reversed()), None);
    assert_eq!(map.leave(tcp(50_000, 80), NODE), Some(50_001));
    // Nothing is kept for ever.
    map.collect(&CtMap::default(), 100_000);
    assert_eq!(map.leave(tcp(40_000, 80), NODE), Some(40_000));
}

#[test]
fn of_icmp_only_echo_requests_are_translated() {
    let ask = |kind: u8| nat::may_translate(&frame(1, &[kind, 0, 0, 0, 0, 1, 0, 1]), 1);
    assert_eq!([ask(8), ask(0)], [Ok(true), Ok(false)]);
    assert_eq!([ask(13), ask(17)], [Err(super::event::Reason::NatUnsupported); 2]);
}

#[test]
fn reasons_have_the_words_of_the_monitor() {
    assert_eq!(super::event::Reason::NatNoMapping.text(), "No mapping for NAT masquerade");
    assert_eq!(super::event::Reason::FragmentNotFound.text(), "First logical datagram fragment not found");
}

proptest! {
    /// The lengths that are looked at are those of the entries, whatever comes and goes.
    #[test]
    fn a_prefix_is_found_as_long_as_it_is_there(steps in prop::collection::vec((any::<bool>(), 0u32..4, 28u8..=40), 0..40)) {
        let mut cache = IpCache::default();
        for (add, addr, len) in steps {
            let addr = Ipv4Addr::from_bits(addr);
            if add { cache.set(addr, len, remote(u32::from(len.min(32)) + 300)) } else { cache.remove(addr, len) }
            for bits in 0..4 {
                let addr = Ipv4Addr::from_bits(bits);
                let covers = |prefix: Ipv4Addr, len: u8| len == 0 || (prefix.to_bits() ^ bits) >> (32 - u32::from(len)) == 0;
                let longest = cache.iter().filter(|(prefix, len, _)| covers(*prefix, *len)).max_by_key(|one| one.1);
                prop_assert_eq!(cache.lookup(addr), longest.map(|one| one.2));
            }
        }
    }

    /// Whatever comes, no tuple of bytes panics, and what is found was put there.
    #[test]
    fn any_frame_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut frame = bytes.clone();
        let _ = super::frame::tuple(&bytes, &mut super::frag::FragMap::default());
        let _ = super::frame::l3(&mut frame, None, None);
        let _ = super::frame::answer_arp(&mut frame, hopwise_protocols::wire::MacAddr([2; 6]), POD);
    }

    /// The number of entries is what was made and not collected.
    #[test]
    fn collecting_leaves_what_lives(lives in prop::collection::vec((1u16..2000, 0u32..1000), 0..40), now in 0u32..2000) {
        let mut map = CtMap::default();
        for (port, at) in &lives {
            prop_assert!(map.create(tcp(*port, 80), Direction::Egress, Segment::tcp(2), (60, 1), *at));
        }
        let before = map.len();
        let gone = map.collect(now);
        prop_assert_eq!(map.len() + gone, before);
        prop_assert!(map.iter().all(|(_, entry)| entry.lifetime >= now));
        prop_assert_eq!(map.collect(now), 0);
    }
}
