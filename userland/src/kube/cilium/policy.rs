//! Network policies as the entries of an endpoint's policy map. Pure.

use std::collections::BTreeMap;

use hopwise_cluster::object::NetworkPolicy;
use hopwise_cluster::object::meta::Labels;
use hopwise_cluster::object::network_policy::{Peer, PolicyPort};
use hopwise_cluster::object::pod::{PortRef, Protocol};
use hopwise_cluster::selector::LabelSelector;
use hopwise_stack::path::tc::cilium::maps::{Direction, PolicyKey, PolicyMap, identity};
use ipnet::Ipv4Net;

use super::node::Endpoint;

/// The label that says which namespace a pod is in.
const NAMESPACE: &str = "io.kubernetes.pod.namespace";

/// At most this many ports of a range become entries of their own; a policy map has 16,384 entries.
const RANGE_MAX: u16 = 1024;

/// What policies are made from.
pub(super) struct Facts<'a> {
    /// All of them.
    pub policies: &'a [NetworkPolicy],
    /// The identities of the cluster with their labels.
    pub identities: &'a [(u32, Labels)],
    /// The namespaces with their labels.
    pub namespaces: &'a [(String, Labels)],
    /// The identities of ranges outside.
    pub ranges: &'a BTreeMap<Ipv4Net, u32>,
    /// Every endpoint is restricted, policies or not.
    pub always: bool,
}

/// The ranges of addresses that a policy speaks of, but the one that has all.
pub(super) fn ranges(policy: &NetworkPolicy) -> Vec<Ipv4Net> {
    let from = policy.spec.ingress.iter().flat_map(|rule| &rule.from);
    let to = policy.spec.egress.iter().flat_map(|rule| &rule.to);
    let blocks = from.chain(to).filter_map(|peer| peer.ip_block.as_ref());
    let all = blocks.flat_map(|block| core::iter::once(block.cidr).chain(block.except.iter().copied()));
    all.map(|range| range.trunc()).filter(|range| range.prefix_len() > 0).collect()
}

/// The policy map of an endpoint.
pub(super) fn map_of(facts: &Facts<'_>, endpoint: &Endpoint) -> PolicyMap {
    let own = endpoint.labels.iter().filter_map(|label| label.split_once('='));
    let own: Labels = own.map(|(key, value)| (key.trim_start_matches("k8s:").to_owned(), value.to_owned())).collect();
    let namespace = &endpoint.pod.0;
    let selected: Vec<&NetworkPolicy> = facts
        .policies
        .iter()
        .filter(|policy| policy.metadata.namespace == *namespace && !endpoint.pod.1.is_empty())
        .filter(|policy| policy.spec.pod_selector.matches(&own))
        .collect();
    let mut map = PolicyMap::default();
    map.ingress_enforced = facts.always || selected.iter().any(|policy| policy.is_for_ingress());
    map.egress_enforced = facts.always || selected.iter().any(|policy| policy.is_for_egress());
    // What the node itself sends reaches its pods in any case (`allow-localhost`).
    map.allow(key(Direction::Ingress, identity::HOST, (0, 0)));
    for (direction, enforced) in [(Direction::Ingress, map.ingress_enforced), (Direction::Egress, map.egress_enforced)]
    {
        if !enforced {
            map.allow(key(direction, 0, (0, 0)));
        }
    }
    for policy in selected {
        for rule in policy.spec.ingress.iter().filter(|_| policy.is_for_ingress()) {
            allow(facts, &mut map, Direction::Ingress, namespace, (&rule.from, &rule.ports));
        }
        for rule in policy.spec.egress.iter().filter(|_| policy.is_for_egress()) {
            allow(facts, &mut map, Direction::Egress, namespace, (&rule.to, &rule.ports));
        }
    }
    map
}

const fn key(direction: Direction, identity: u32, (protocol, port): (u8, u16)) -> PolicyKey {
    PolicyKey { direction, identity, protocol, port }
}

/// The entries of one rule: each peer with each port.
fn allow(
    facts: &Facts<'_>,
    map: &mut PolicyMap,
    direction: Direction,
    namespace: &str,
    (peers, ports): (&[Peer], &[PolicyPort]),
) {
    let everybody = peers.is_empty();
    let who: Vec<u32> =
        if everybody { vec![0] } else { peers.iter().flat_map(|peer| identities_of(facts, peer, namespace)).collect() };
    let where_to: Vec<(u8, u16)> =
        if ports.is_empty() { vec![(0, 0)] } else { ports.iter().flat_map(entries).collect() };
    for identity in who {
        for port in &where_to {
            map.allow(key(direction, identity, *port));
        }
    }
}

/// The identities that a peer stands for.
fn identities_of(facts: &Facts<'_>, peer: &Peer, namespace: &str) -> Vec<u32> {
    if let Some(block) = &peer.ip_block {
        let inside =
            |range: &Ipv4Net| block.cidr.contains(range) && !block.except.iter().any(|except| except.contains(range));
        let ranges = facts.ranges.iter().filter(|(range, _)| inside(range)).map(|(_, number)| *number);
        // The range of all addresses is the world.
        let world = (block.cidr.prefix_len() == 0).then_some(identity::WORLD);
        return world.into_iter().chain(ranges).collect();
    }
    let spaces: Vec<&str> = match &peer.namespace_selector {
        None => vec![namespace],
        Some(selector) => {
            facts.namespaces.iter().filter(|(_, labels)| selector.matches(labels)).map(|(name, _)| &**name).collect()
        }
    };
    let pods = peer.pod_selector.as_ref();
    let matches = |selector: Option<&LabelSelector>, labels: &Labels| selector.is_none_or(|s| s.matches(labels));
    let known = facts.identities.iter().filter(|(_, labels)| {
        labels.get(NAMESPACE).is_some_and(|space| spaces.contains(&&**space)) && matches(pods, labels)
    });
    known.map(|(number, _)| *number).collect()
}

/// Protocol and port of each entry that a port of a policy stands for. A name stands for none: Cilium would look it up in the
/// pods, here it allows nothing.
fn entries(port: &PolicyPort) -> Vec<(u8, u16)> {
    let protocol = match port.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    };
    match (&port.port, port.end_port) {
        (None, _) => vec![(protocol, 0)],
        (Some(PortRef::Number(first)), last) => {
            let last = last.unwrap_or(*first).min(first.saturating_add(RANGE_MAX));
            (*first..=last).map(|port| (protocol, port)).collect()
        }
        (Some(PortRef::Name(_)), _) => Vec::new(),
    }
}
