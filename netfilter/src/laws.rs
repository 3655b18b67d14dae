//! What holds for connection tracking and NAT whatever the packets are.

use core::net::Ipv4Addr;

use hopwise_sim_core::Time;
use proptest::prelude::*;

use crate::conntrack::{Change, ConnStatus, End, Setting, Tuple, Zone};
use crate::nat::{Choice, Manip, Range, RangeFlags};
use crate::testing::*;

/// Two ends, few enough that they meet again.
fn ends() -> impl Strategy<Value = ((String, u16), (String, u16))> {
    let end = |net: u8| {
        (1u8..6, prop_oneof![1u16..4, 600u16..603, 5000u16..5004])
            .prop_map(move |(host, port)| (format!("10.0.{net}.{host}"), port))
    };
    (end(1), end(2))
}

/// A range as SNAT, DNAT, MASQUERADE, REDIRECT and NETMAP make them, or nothing.
fn choice(manip: Manip, net: u8) -> impl Strategy<Value = Choice> {
    let flags = prop_oneof![
        Just(RangeFlags::empty()),
        Just(RangeFlags::PROTO_RANDOM),
        Just(RangeFlags::PROTO_RANDOM_FULLY),
        Just(RangeFlags::PERSISTENT)
    ];
    let ports = proptest::option::of((1u16..60_000, 0u16..5000));
    (any::<bool>(), 1u8..200, 0u8..40, ports, flags).prop_map(move |(some, first, more, ports, mut flags)| {
        let addr = |host| Ipv4Addr::new(203, 0, net, host);
        if !some {
            return Choice::Nothing;
        }
        if ports.is_some() {
            flags |= RangeFlags::PROTO_SPECIFIED;
        }
        let (low, span) = ports.unwrap_or_default();
        let addrs = (addr(first), addr(first + more));
        Choice::Map(manip, Range { flags: flags | RangeFlags::MAP_IPS, addrs, ports: (low, low + span), base_port: 0 })
    })
}

/// What kind of first packet: UDP, TCP or a ping.
fn first(kind: u8, from: At<'_>, to: At<'_>, payload: &[u8]) -> Vec<u8> {
    match kind {
        0 => udp(from, to, payload),
        1 => tcp(from, to, SYN, 1000, 0, &[]),
        _ => icmp(from.0, to.0, 8, 0, [(from.1 >> 8) as u8, from.1 as u8, 0, 1], payload),
    }
}

/// The answer of whoever got that packet.
fn answer(kind: u8, bytes: &[u8], payload: &[u8]) -> Vec<u8> {
    let addr = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]).to_string();
    let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let (src, dst) = (addr(12), addr(16));
    let (from, to) = ((dst.as_str(), port(22)), (src.as_str(), port(20)));
    match kind {
        0 => udp(from, to, payload),
        1 => tcp(from, to, SYN | ACK, 77, 1001, &[]),
        _ => icmp(from.0, to.0, 0, 0, [bytes[24], bytes[25], 0, 1], payload),
    }
}

proptest! {
    /// To both ends it looks as if there were no NAT but for the addresses and ports of the other one: what comes back to the one
    /// who asked is the answer to the packet that it sent, byte for byte.
    #[test]
    fn nat_and_its_reverse_change_nothing(
        kind in 0u8..3,
        flows in proptest::collection::vec(ends(), 1..12),
        destination in choice(Manip::Destination, 2),
        source in choice(Manip::Source, 1),
        payload in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut router = Router::new();
        (router.destination, router.source) = (destination, source);
        for ((from, from_port), (to, to_port)) in &flows {
            let sent = first(kind, (from, *from_port), (to, *to_port), &payload);
            // Where no port is free, the packet is dropped.
            let Some(out) = router.forward(&sent) else { continue };
            prop_assert!(checksums_are_right(&out));
            prop_assert_eq!(&out[20..].len(), &sent[20..].len());
            let back = router.forward(&answer(kind, &out, &payload));
            prop_assert_eq!(back, Some(answer(kind, &sent, &payload)));
            // An error about the packet comes back to its sender with the packet as it was sent; if that was led elsewhere, all
            // errors seem to come from where it was meant to go.
            let (outer, inner) = (Ipv4Addr::new(out[12], out[13], out[14], out[15]).to_string(), &out[..28]);
            let error = router.forward(&icmp("198.51.100.9", &outer, 11, 0, [0; 4], inner));
            let tuple = Tuple::of_packet(&sent, 20, sent[9]);
            let led = router.conns().iter().any(|c| Some(c.tuples[0]) == tuple && c.status.contains(ConnStatus::DST_NAT));
            let told_by = if led { to } else { "198.51.100.9" };
            prop_assert_eq!(error, Some(icmp(told_by, from, 11, 0, [0; 4], &sent[..28])));
        }
    }

    /// No two connections are answered alike.
    #[test]
    fn answers_are_unique(flows in proptest::collection::vec(ends(), 1..40), source in choice(Manip::Source, 1)) {
        let mut router = Router::new();
        router.source = source;
        for (from, to) in &flows {
            router.forward(&udp((&from.0, from.1), (&to.0, to.1), b""));
        }
        let mut replies: Vec<_> = router.conns().iter().map(|conn| conn.tuples[1]).collect();
        let all = replies.len();
        replies.sort_unstable();
        replies.dedup();
        prop_assert_eq!(replies.len(), all);
    }

    /// There are never more connections than may be, and what was dropped begins none.
    #[test]
    fn the_limit_holds_and_dropped_packets_begin_nothing(
        max in 1u32..6,
        buckets in 1u32..40,
        steps in proptest::collection::vec((ends(), any::<bool>(), 0u64..20, any::<bool>()), 1..60),
    ) {
        let mut router = Router::new();
        router.table.settings[Setting::Max] = max;
        router.table.settings[Setting::Buckets] = buckets;
        for ((from, to), dropped, wait, assured) in &steps {
            router.wait(*wait);
            router.source = if *dropped { Choice::Drop } else { Choice::Nothing };
            let before = router.conns().len();
            let bytes = udp((&from.0, from.1), (&to.0, to.1), b"");
            let passed = router.forward(&bytes).is_some();
            let now = router.now;
            let listed = router.conns().len();
            prop_assert!(listed <= max as usize);
            if !passed {
                prop_assert!(listed <= before);
            } else if *assured
                && let Some(tuple) = Tuple::of_packet(&bytes, 20, 17)
                && let Some(tag) = router.table.lookup(now, &tuple, [Zone(0); 2])
            {
                let change = Change { status: Some(ConnStatus::ASSURED), ..Change::default() };
                let _ = router.table.change(now, tag, &change);
            }
        }
        router.wait(1000);
        prop_assert_eq!(router.table.count(router.now), 0);
        prop_assert_eq!(router.table.next_end(), Time::NEVER);
    }

    /// A checksum that is brought up to date is the one that would be computed anew.
    #[test]
    fn rewritten_packets_have_the_checksums_of_new_ones(
        kind in 0u8..3,
        (from, to) in ends(),
        addr: u32,
        port in 1u16..,
        payload in proptest::collection::vec(any::<u8>(), 0..60),
        source: bool,
    ) {
        let mut bytes = first(kind, (&from.0, from.1), (&to.0, to.1), &payload);
        let target = Ipv4Addr::from_bits(addr | 1 << 24).to_string();
        let (manip, expected) = match source {
            true => (Manip::Source, first(kind, (&target, port), (&to.0, to.1), &payload)),
            false if kind < 2 => (Manip::Destination, first(kind, (&from.0, from.1), (&target, port), &payload)),
            false => (Manip::Destination, first(kind, (&from.0, port), (&target, to.1), &payload)),
        };
        let end = End { addr: ip(&target), port };
        let tuple = Tuple { src: end, dst: end, protocol: bytes[9] };
        prop_assert!(crate::nat::manip::rewrite(&mut bytes, &tuple, manip));
        prop_assert_eq!(bytes, expected);
    }
}
