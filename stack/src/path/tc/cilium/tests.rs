//! The maps by themselves: who is where, who may talk, what is known of connections.

use core::net::Ipv4Addr;

use ipnet::Ipv4Net;
use proptest::prelude::*;

use super::ct::{CtMap, Key, Limits, Made, New, Segment, Status, Tuple};
use super::lb::{Service, ServiceMap, Socket};
use super::maps::{Direction, IpCache, Match, Permit, PolicyKey, PolicyMap, Remote};
use super::nat;

const POD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 85);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 124);

const fn tcp(sport: u16, dport: u16) -> Tuple {
    Tuple { protocol: 6, src: POD, sport, dst: OTHER, dport, related: false }
}

fn new(bytes: u64) -> New {
    New { bytes, identity: 3352, ..New::default() }
}

fn remote(identity: u32) -> Remote {
    Remote { identity, tunnel: Ipv4Addr::UNSPECIFIED }
}

#[test]
fn the_longest_prefix_says_who_it_is() {
    let mut cache = IpCache::default();
    let net = |text: &str| text.parse::<Ipv4Net>().unwrap();
    cache.set(net("0.0.0.0/0"), remote(2));
    cache.set(net("10.0.0.99/16"), remote(300));
    cache.set(net("10.0.0.85/32"), remote(3352));
    let who = |cache: &IpCache, addr| cache.lookup(addr).map(|found| found.identity);
    assert_eq!(who(&cache, POD), Some(3352));
    assert_eq!(who(&cache, OTHER), Some(300));
    assert_eq!(who(&cache, Ipv4Addr::new(8, 8, 8, 8)), Some(2));
    cache.remove(net("10.0.0.85/32"));
    assert_eq!(who(&cache, POD), Some(300));
    cache.remove(net("10.0.0.0/16"));
    cache.remove(net("0.0.0.0/0"));
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
    map.create(tuple, Direction::Egress, syn, new(74), 100);
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
    map.create(echo, Direction::Ingress, segment, new(98), 10);
    // The answer of the pod is looked up with flags=1, long after the lifetime is over.
    let found = map.lookup(echo.reversed(), Direction::Egress, Segment::default(), 98, 5000);
    assert_eq!((found.status, found.flags, found.lifetime), (Status::Reply, 1, Some(70)));
    assert_eq!(map.collect(100), 1, "only the entry for errors, which nobody has used");
    assert_eq!(map.len(), 1);
}

#[test]
fn errors_are_related_in_both_directions() {
    let mut map = CtMap::default();
    map.create(tcp(40000, 80), Direction::Egress, Segment::tcp(0x02), new(74), 1);
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
    let mut leave = |port| map.leave(tcp(port, 80), NODE, 1).map(|mapping| mapping.port);
    for port in [32_768, 40_000, 65_535] {
        assert_eq!(leave(port), Some(port));
    }
    assert!(leave(1000).is_some_and(|port| port >= 32_768));
}

/// `snat_v4_new_mapping`: who comes first keeps the port, the pod or the node.
#[test]
fn a_port_belongs_to_one_connection_of_pods_and_node() {
    let node = |sport| Tuple { src: NODE, ..tcp(sport, 80) };
    let mut map = nat::NatMap::default();
    let mut leave = |tuple| map.leave(tuple, NODE, 10).map(|mapping| (mapping.port, mapping.own));
    assert_eq!(leave(node(40_000)), Some((40_000, true)));
    assert_eq!(leave(tcp(40_000, 80)), Some((40_001, false)), "the node has it");
    assert_eq!(leave(tcp(50_000, 80)), Some((50_000, false)));
    assert_eq!(leave(node(50_000)), Some((50_001, true)), "a pod has it, and keeps it");
    assert_eq!(leave(tcp(50_000, 80)), Some((50_000, false)));
    let answer = |port| Tuple { src: OTHER, sport: 80, dst: NODE, dport: port, ..tcp(0, 0) };
    assert_eq!(map.back(answer(50_000)), Some((POD, 50_000, false)));
    assert_eq!(map.back(answer(50_001)), Some((NODE, 50_000, true)));
}

#[test]
fn a_mapping_lives_as_long_as_its_connection() {
    let (mut ct, mut map) = (CtMap::default(), nat::NatMap::default());
    for port in [40_000, 40_001] {
        ct.create(tcp(port, 80), Direction::Egress, Segment::tcp(2), new(60), u32::from(port - 40_000) * 1000);
        map.leave(tcp(port, 80), NODE, 0).unwrap();
    }
    assert_eq!((map.collect(&ct), map.len()), (0, 2));
    ct.collect(500);
    assert_eq!((map.collect(&ct), map.len()), (1, 1));
    ct.forget(POD);
    map.forget(POD);
    assert!(map.is_empty() && ct.is_empty());
}

/// `snat_v4_process`: anything but echo requests and answers dies, whoever sends it.
#[test]
fn of_icmp_only_echoes_are_translated() {
    let ask = |kind: u8, side| {
        let found = nat::tuple(&frame(1, &[kind, 0, 0, 0, 0, 9, 0, 1]), side);
        found.map(|tuple| tuple.map(|tuple| (tuple.sport, tuple.dport)))
    };
    assert_eq!([8, 0].map(|kind| ask(kind, nat::Side::Source)), [Ok(Some((9, 0))); 2]);
    assert_eq!([8, 0].map(|kind| ask(kind, nat::Side::Destination)), [Ok(Some((0, 9))); 2]);
    for kind in [3, 11, 12, 13, 17] {
        assert_eq!(ask(kind, nat::Side::Source), Err(super::event::Reason::NatUnsupported));
    }
    assert_eq!(nat::tuple(&frame(132, &[0; 12]), nat::Side::Source), Ok(None), "SCTP goes as it is");
    assert_eq!(nat::tuple(&frame(6, &[0; 3]), nat::Side::Source), Err(super::event::Reason::Invalid));
}

#[test]
fn a_full_map_forgets_what_was_not_used_for_the_longest_time() {
    let mut map = CtMap::limited(Limits { tcp: 4, any: 100 });
    let syn = Segment::tcp(2);
    for port in 1..=4 {
        map.create(tcp(port, 80), Direction::Egress, syn, new(60), 1);
    }
    map.lookup(tcp(1, 80), Direction::Egress, syn, 60, 2);
    map.create(tcp(5, 80), Direction::Egress, syn, new(60), 3);
    let left: Vec<u16> =
        map.iter().filter(|(key, _)| key.tuple.protocol == 6).map(|(key, _)| key.tuple.sport).collect();
    assert_eq!(left, [1, 4, 5], "half of so small a map goes at a time");
    assert_eq!(map.lens().0, 3);
}

#[test]
fn services_come_and_go_with_their_numbers() {
    let mut map = ServiceMap::default();
    let frontend = Socket { addr: Ipv4Addr::new(10, 96, 0, 1), port: 80 };
    let service = Service { id: 7, backends: vec![3], affinity: None };
    map.replace([(frontend, service)].into(), [(3, Socket { addr: OTHER, port: 8080 })].into());
    assert_eq!(map.reverse().get(&7), Some(&frontend));
    map.replace([].into(), [].into());
    assert!(map.is_empty() && map.reverse().is_empty());
}

#[test]
fn reasons_have_the_words_of_the_monitor() {
    assert_eq!(super::event::Reason::NatNoMapping.text(), "No mapping for NAT masquerade");
    assert_eq!(super::event::Reason::FragmentNotFound.text(), "First logical datagram fragment not found");
}

proptest! {
    /// The lengths that are looked at are those of the entries, whatever comes and goes.
    #[test]
    fn a_prefix_is_found_as_long_as_it_is_there(steps in prop::collection::vec((any::<bool>(), 0u32..4, 28u8..=32), 0..40)) {
        let mut cache = IpCache::default();
        for (add, addr, len) in steps {
            let prefix = Ipv4Net::new(Ipv4Addr::from_bits(addr), len).unwrap();
            if add { cache.set(prefix, remote(u32::from(len) + 300)) } else { cache.remove(prefix) }
            for bits in 0..4 {
                let addr = Ipv4Addr::from_bits(bits);
                let covers = |prefix: Ipv4Addr, len: u8| len == 0 || (prefix.to_bits() ^ bits) >> (32 - u32::from(len)) == 0;
                let longest = cache.iter().filter(|(p, _)| covers(p.addr(), p.prefix_len())).max_by_key(|one| one.0.prefix_len());
                prop_assert_eq!(cache.lookup(addr), longest.map(|one| one.1));
            }
        }
    }

    /// Whatever comes, no tuple of bytes panics, and what is found was put there.
    #[test]
    fn any_frame_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut frame = bytes.clone();
        let _ = super::frame::tuple(&bytes, &mut super::frag::FragMap::default());
        let _ = super::frame::l3(&mut frame, None, None);
        for side in [nat::Side::Source, nat::Side::Destination] {
            let _ = nat::tuple(&bytes, side);
            let _ = nat::rewrite(&mut frame, side, (NODE, 40_000));
        }
        let _ = super::frame::answer_arp(&mut frame, hopwise_protocols::wire::MacAddr([2; 6]), POD);
    }

    /// However full, there is room; the numbers of entries are right, and what was used last is still there.
    #[test]
    fn a_map_never_grows_beyond_its_limits(ports in prop::collection::vec((1u16..60, any::<bool>()), 0..120), limit in 2usize..12) {
        let mut map = CtMap::limited(Limits { tcp: limit, any: limit });
        for (port, udp) in ports {
            let tuple = Tuple { protocol: if udp { 17 } else { 6 }, ..tcp(port, 80) };
            let segment = Segment { creates: true, ..Segment::default() };
            if map.lookup(tuple, Direction::Egress, segment, 60, 1).status == Status::New {
                map.create(tuple, Direction::Egress, segment, new(60), 1);
            }
            let tcp = map.iter().filter(|(key, _)| key.tuple.protocol == 6).count();
            prop_assert_eq!(map.lens(), (tcp, map.len() - tcp));
            prop_assert!(tcp <= limit && map.len() - tcp <= limit);
            let here = map.contains(&Key { tuple, made: Made::Out });
            prop_assert!(here || limit < 3, "the entry for errors may have taken its place in a map of two");
        }
    }

    /// What leaves comes back to where it came from, and no two connections share a port towards the same receiver.
    #[test]
    fn every_answer_finds_its_sender(flows in prop::collection::vec((0u32..4, 32_768u16..32_776), 0..40)) {
        let mut map = nat::NatMap::default();
        let mut seen = std::collections::BTreeMap::new();
        for (last, sport) in flows {
            let src = if last == 0 { NODE } else { Ipv4Addr::from_bits(POD.to_bits() + last) };
            let tuple = Tuple { src, ..tcp(sport, 80) };
            let mapping = map.leave(tuple, NODE, 1).unwrap();
            prop_assert_eq!(*seen.entry(tuple).or_insert(mapping.port), mapping.port);
            prop_assert_eq!(map.back(nat::answer_to(tuple, NODE, mapping.port)), Some((src, sport, last == 0)));
        }
        let ports: std::collections::BTreeSet<u16> = seen.values().copied().collect();
        prop_assert_eq!(ports.len(), seen.len());
    }

    /// The number of entries is what was made and not collected.
    #[test]
    fn collecting_leaves_what_lives(lives in prop::collection::vec((1u16..2000, 0u32..1000), 0..40), now in 0u32..2000) {
        let mut map = CtMap::default();
        for (port, at) in &lives {
            map.create(tcp(*port, 80), Direction::Egress, Segment::tcp(2), new(60), *at);
        }
        let before = map.len();
        let gone = map.collect(now);
        prop_assert_eq!(map.len() + gone, before);
        prop_assert!(map.iter().all(|(_, entry)| entry.lifetime >= now));
        prop_assert_eq!(map.collect(now), 0);
    }
}
