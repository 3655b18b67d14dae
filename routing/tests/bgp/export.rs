//! What is told to whom: the cases that BIRD 2.0.12 was seen to do, and RFC 4456.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_routing::attrs::{AsPath, Attrs, Community, Origin, Unknown, flags};
use hopwise_routing::bgp::config::{For, Peer, PeerConfig};
use hopwise_routing::bgp::export::{Exported, Gateway, Refusal, attributes, may_export};
use hopwise_routing::bgp::import;

const LEAF: Ipv4Addr = Ipv4Addr::new(192, 168, 210, 254);

fn peer(id: u32, remote_as: u32, last: u8, interface: Option<u32>, change: impl FnOnce(&mut PeerConfig)) -> Peer {
    let neighbor = Ipv4Addr::new(192, 168, 210, last);
    let mut config = PeerConfig::new(65000, LEAF, remote_as, neighbor);
    change(&mut config);
    Peer {
        id,
        config: Arc::new(config),
        remote_id: neighbor,
        remote_as,
        local_address: LEAF,
        interface,
        llgr_aware: true,
    }
}

fn external(id: u32, interface: u32) -> Peer {
    peer(id, 65000 + id, 20 + id as u8, Some(interface), |_| {})
}

fn internal(id: u32, client: bool) -> Peer {
    peer(id, 65000, 100 + id as u8, None, |c| c.rr_client = client)
}

/// As worker 1 sends it, after import.
fn route() -> Attrs {
    Attrs {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::sequence([65001])),
        next_hop: Some(Ipv4Addr::new(192, 168, 210, 21)),
        local_pref: Some(100),
        med: Some(7),
        ..Attrs::default()
    }
}

fn told(to: &Peer, source: Option<&Peer>, attrs: &Attrs) -> Result<Attrs, Refusal> {
    may_export(to, source, attrs)?;
    attributes(to, &Exported { attrs, source, gateway: None, fresh_next_hop: false, fresh_med: false })
}

#[test]
fn a_third_party_on_the_shared_segment_is_told_as_it_is() {
    let (w1, w2, w3) = (external(1, 5), external(2, 5), external(3, 6));
    let same = told(&w2, Some(&w1), &route()).unwrap();
    assert_eq!(same.next_hop, route().next_hop);
    assert_eq!(same.as_path.as_ref().unwrap().to_string(), "65000 65001");
    assert_eq!((same.local_pref, same.med), (None, None));
    assert_eq!(told(&w3, Some(&w1), &route()).unwrap().next_hop, Some(LEAF));
    assert_eq!(told(&w1, Some(&w1), &route()), Err(Refusal::Own));
    // Its own address comes back to nobody.
    let back = peer(4, 65004, 21, Some(5), |_| {});
    assert_eq!(told(&back, Some(&w1), &route()), Err(Refusal::NeighborNextHop));
}

#[test]
fn internal_peers_get_the_next_hop_and_a_local_preference() {
    let (w1, rr) = (external(1, 5), internal(9, false));
    let attrs = told(&rr, Some(&w1), &Attrs { local_pref: None, ..route() }).unwrap();
    assert_eq!((attrs.next_hop, attrs.local_pref, attrs.med), (route().next_hop, Some(100), Some(7)));
    assert_eq!(attrs.as_path.unwrap().to_string(), "65001");
    let itself = peer(9, 65000, 109, None, |c| c.next_hop_self = For::Ebgp);
    assert_eq!(told(&itself, Some(&w1), &route()).unwrap().next_hop, Some(LEAF));
    let other = internal(8, true);
    assert_eq!(told(&itself, Some(&other), &route()).unwrap().next_hop, route().next_hop);
}

#[test]
fn what_bgp_did_not_bring_begins_here() {
    let (w2, rr) = (external(2, 5), internal(9, false));
    let attrs = told(&w2, None, &Attrs::default()).unwrap();
    assert_eq!((attrs.origin, attrs.next_hop), (Some(Origin::Igp), Some(LEAF)));
    assert_eq!(attrs.as_path.unwrap().to_string(), "65000");
    // A static route's gateway, where the neighbour can reach it.
    let gateway = Some(Gateway { address: Ipv4Addr::new(192, 168, 210, 9), interface: 5 });
    let exported = |to: &Peer, fresh_next_hop| {
        let none = Attrs::default();
        let e = Exported { attrs: &none, source: None, gateway, fresh_next_hop, fresh_med: false };
        attributes(to, &e).unwrap().next_hop
    };
    assert_eq!(exported(&w2, false), gateway.map(|g| g.address));
    assert_eq!(exported(&external(3, 6), false), Some(LEAF));
    assert_eq!(exported(&rr, false), gateway.map(|g| g.address));
}

#[test]
fn what_an_export_filter_sets_is_told() {
    let (w1, w3) = (external(1, 5), external(3, 6));
    let attrs = route();
    let exported = Exported { attrs: &attrs, source: Some(&w1), gateway: None, fresh_next_hop: true, fresh_med: true };
    let told = attributes(&w3, &exported).unwrap();
    assert_eq!((told.next_hop, told.med), (attrs.next_hop, Some(7)));
    let zero = Attrs { next_hop: Some(Ipv4Addr::UNSPECIFIED), ..route() };
    assert_eq!(attributes(&w3, &Exported { attrs: &zero, ..exported }), Err(Refusal::ZeroNextHop));
}

#[test]
fn a_reflector_says_where_a_route_has_been() {
    let (client, other_client, plain, second) =
        (internal(1, true), internal(2, true), internal(3, false), internal(4, false));
    assert_eq!(told(&second, Some(&plain), &route()), Err(Refusal::NotReflected));
    let attrs = told(&other_client, Some(&client), &route()).unwrap();
    assert_eq!((attrs.originator_id, &*attrs.cluster_list), (Some(client.remote_id), &[LEAF][..]));
    // From a client to a plain peer and back.
    let attrs = told(&plain, Some(&client), &route()).unwrap();
    assert_eq!(attrs.cluster_list, [LEAF]);
    let attrs = told(&client, Some(&plain), &route()).unwrap();
    assert_eq!((attrs.originator_id, &*attrs.cluster_list), (Some(plain.remote_id), &[LEAF][..]));
    // Not into a cluster where it has been, and its originator stays the first one.
    assert_eq!(told(&client, Some(&plain), &attrs), Err(Refusal::ClusterLoop));
    let far = Attrs { originator_id: Some(Ipv4Addr::LOCALHOST), cluster_list: vec![Ipv4Addr::BROADCAST], ..route() };
    let attrs = told(&client, Some(&plain), &far).unwrap();
    assert_eq!((attrs.originator_id, &*attrs.cluster_list), (far.originator_id, &[LEAF, Ipv4Addr::BROADCAST][..]));
    // Two clusters behind one reflector: both are written down.
    let mine = peer(5, 65000, 105, None, |c| (c.rr_client, c.rr_cluster_id) = (true, Some(Ipv4Addr::new(0, 0, 0, 5))));
    let attrs = told(&mine, Some(&client), &route()).unwrap();
    assert_eq!(attrs.cluster_list, [Ipv4Addr::new(0, 0, 0, 5), LEAF]);
    // Outside the AS none of this is told.
    let attrs = told(&external(6, 9), Some(&plain), &far).unwrap();
    assert_eq!((attrs.originator_id, attrs.cluster_list.len()), (None, 0));
}

#[test]
fn well_known_communities_are_obeyed() {
    let (w1, w2, rr) = (external(1, 5), external(2, 5), internal(9, false));
    let with = |community| Attrs { communities: vec![community], ..route() };
    assert_eq!(told(&w2, Some(&w1), &with(Community::NO_EXPORT)), Err(Refusal::NoExport));
    assert_eq!(told(&w2, Some(&w1), &with(Community::NO_EXPORT_SUBCONFED)), Err(Refusal::NoExport));
    assert_eq!(told(&w2, Some(&w1), &with(Community::NO_ADVERTISE)), Err(Refusal::NoAdvertise));
    assert_eq!(told(&rr, Some(&w1), &with(Community::NO_ADVERTISE)), Err(Refusal::NoAdvertise));
    assert!(told(&rr, Some(&w1), &with(Community::NO_EXPORT)).is_ok());
    // Not for routes that begin here, and not where they mean nothing.
    assert!(told(&w2, None, &with(Community::NO_EXPORT)).is_ok());
    let deaf = peer(2, 65002, 22, Some(5), |c| c.interpret_communities = false);
    assert!(told(&deaf, Some(&w1), &with(Community::NO_ADVERTISE)).is_ok());
}

#[test]
fn unknown_attributes_are_passed_on_if_they_may() {
    let unknown = |code, flags| Unknown { code, flags, value: Arc::from([1, 2]) };
    let attrs = Attrs {
        unknown: vec![unknown(99, flags::OPTIONAL), unknown(100, flags::OPTIONAL | flags::TRANSITIVE)],
        communities: vec![Community::new(2, 2), Community::new(1, 1)],
        ..route()
    };
    let told = told(&external(2, 5), Some(&external(1, 5)), &attrs).unwrap();
    assert_eq!(told.unknown, [unknown(100, flags::OPTIONAL | flags::TRANSITIVE | flags::PARTIAL)]);
    assert_eq!(told.communities, [Community::new(1, 1), Community::new(2, 2)]);
}

#[test]
fn a_route_server_stays_out_of_the_path() {
    let client = peer(2, 65002, 22, Some(5), |c| c.rs_client = true);
    let attrs = told(&client, Some(&external(1, 5)), &route()).unwrap();
    assert_eq!(attrs.as_path.unwrap().to_string(), "65001");
    assert_eq!(attrs.med, Some(7));
}

#[test]
fn loops_are_not_imported() {
    let (w1, client) = (external(1, 5), internal(2, true));
    let check = |from: &Peer, change: fn(&mut Attrs)| {
        let mut attrs = route();
        change(&mut attrs);
        import::attributes(from, &mut attrs).map(|()| attrs)
    };
    let own_as = |a: &mut Attrs| a.as_path = Some(AsPath::sequence([65001, 65000]));
    assert_eq!(check(&w1, own_as), Err(import::Rejection::AsLoop));
    let tolerant = peer(1, 65001, 21, Some(5), |c| c.allow_local_as = 1);
    assert!(check(&tolerant, own_as).is_ok());
    assert_eq!(check(&client, |a| a.originator_id = Some(LEAF)), Err(import::Rejection::OriginatorLoop));
    assert_eq!(check(&client, |a| a.cluster_list = vec![LEAF]), Err(import::Rejection::ClusterLoop));
    // From outside these attributes are nothing.
    let attrs = check(&w1, |a| (a.originator_id, a.local_pref) = (Some(LEAF), Some(999))).unwrap();
    assert_eq!((attrs.originator_id, attrs.local_pref), (None, Some(100)));
    let strict = peer(1, 65001, 21, Some(5), |c| c.enforce_first_as = true);
    assert!(check(&strict, |_| {}).is_ok());
    assert_eq!(check(&strict, |a| a.as_path = Some(AsPath::sequence([65009]))), Err(import::Rejection::FirstAs));
}
