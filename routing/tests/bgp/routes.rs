//! Generated attributes and prefixes.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_routing::attrs::{
    Aggregator, AsPath, Attrs, Community, ExtendedCommunity, LargeCommunity, Origin, Partial, Segment, SegmentKind,
    Unknown, code, flags,
};
use ipnet::Ipv4Net;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn prefix() -> impl Strategy<Value = Ipv4Net> {
    (any::<u32>(), 0u8..=32).prop_map(|(address, length)| Ipv4Net::new(address.into(), length).unwrap().trunc())
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

fn path() -> impl Strategy<Value = AsPath> {
    let kind = prop_oneof![3 => Just(SegmentKind::Sequence), 1 => Just(SegmentKind::Set)];
    let asn = prop_oneof![1u32..10, 64512u32..65535, any::<u32>()];
    let segment = (kind, vec(asn, 1..6)).prop_map(|(kind, asns)| Segment { kind, asns });
    vec(segment, 0..4).prop_map(AsPath::from_segments)
}

fn origin() -> impl Strategy<Value = Origin> {
    (0u32..3).prop_map(|n| Origin::from_number(n).unwrap())
}

fn unknown() -> impl Strategy<Value = Vec<Unknown>> {
    let code = prop_oneof![Just(11u8), 19u8..32, 33u8..=255];
    let one = (code, any::<bool>(), any::<bool>(), vec(any::<u8>(), 0..300)).prop_map(
        |(code, transitive, partial, value)| {
            let transitive = if transitive { flags::TRANSITIVE } else { 0 };
            let partial = if partial { flags::PARTIAL } else { 0 };
            Unknown { code, flags: flags::OPTIONAL | transitive | partial, value: Arc::from(value) }
        },
    );
    vec(one, 0..3).prop_map(|mut all| {
        all.sort_by_key(|u| u.code);
        all.dedup_by_key(|u| u.code);
        all
    })
}

fn large() -> impl Strategy<Value = LargeCommunity> {
    any::<[u32; 3]>().prop_map(|[asn, first, second]| LargeCommunity { asn, first, second })
}

/// Attributes as an UPDATE may carry them: the mandatory ones are there.
pub(crate) fn attrs() -> impl Strategy<Value = Attrs> {
    let first = (origin(), path(), address(), option::of(any::<u32>()), option::of(any::<u32>()), any::<bool>());
    let aggregator = option::of((any::<u32>(), address()).prop_map(|(asn, id)| Aggregator { asn, id }));
    let lists = (
        vec(any::<u32>().prop_map(Community), 0..4),
        vec(any::<u64>().prop_map(ExtendedCommunity), 0..3),
        vec(large(), 0..3),
        vec(address(), 0..3),
    );
    (first, aggregator, lists, option::of(address()), unknown(), any::<[bool; 4]>()).prop_map(
        |(first, aggregator, lists, originator_id, unknown, partial)| {
            let (origin, as_path, next_hop, med, local_pref, atomic_aggregate) = first;
            let (communities, extended_communities, large_communities, cluster_list) = lists;
            let mut attrs = Attrs {
                origin: Some(origin),
                as_path: Some(as_path),
                next_hop: Some(next_hop),
                med,
                local_pref,
                atomic_aggregate,
                aggregator,
                communities,
                originator_id,
                cluster_list,
                extended_communities,
                large_communities,
                unknown,
                partial: Partial::default(),
            };
            let there = [
                (code::AGGREGATOR, attrs.aggregator.is_some()),
                (code::COMMUNITIES, !attrs.communities.is_empty()),
                (code::EXTENDED_COMMUNITIES, !attrs.extended_communities.is_empty()),
                (code::LARGE_COMMUNITIES, !attrs.large_communities.is_empty()),
            ];
            for ((code, there), partial) in there.into_iter().zip(partial) {
                attrs.partial.set(code, there && partial);
            }
            attrs
        },
    )
}
