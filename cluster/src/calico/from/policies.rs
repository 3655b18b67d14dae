//! Policies of both kinds as Felix asks them: Calico's in their order, Kubernetes' among them with the order 1000
//! (libcalico-go `backend/k8s/conversion`).

use crate::calico::felix::{Action, Entity, Policy, PolicyRule, Ports};
use crate::calico::selector::Selector;
use crate::object::calico::policy::{EntityRule, PolicySpec, Rule, ports, protocol};
use crate::object::calico::{CalicoNetworkPolicy, GlobalNetworkPolicy};
use crate::object::network_policy::{Peer, PolicyPort};
use crate::object::pod::PortRef;
use crate::object::{NetworkPolicy, ObjectMeta};
use crate::selector::{LabelSelector, Operator};
use crate::store::Store;

/// The order of Kubernetes' policies among Calico's.
const K8S_ORDER: f64 = 1000.0;

/// All policies in the order in which they are asked, and what of them cannot be done.
pub(super) fn all(store: &Store) -> (Vec<Policy>, Vec<String>) {
    let (mut found, mut refused) = (Vec::new(), Vec::new());
    let mut take = |order: f64, name: String, policy: Result<Policy, String>| match policy {
        Ok(policy) => found.push((order, policy)),
        Err(why) => refused.push(format!("policy {name}: {why}")),
    };
    for policy in store.list::<NetworkPolicy>(None) {
        take(K8S_ORDER, shown(&policy.metadata), kubernetes(policy));
    }
    for policy in store.list::<CalicoNetworkPolicy>(None) {
        take(
            policy.spec.order.unwrap_or(f64::INFINITY),
            shown(&policy.metadata),
            calico(&policy.metadata, &policy.spec),
        );
    }
    for policy in store.list::<GlobalNetworkPolicy>(None) {
        take(
            policy.spec.order.unwrap_or(f64::INFINITY),
            shown(&policy.metadata),
            calico(&policy.metadata, &policy.spec),
        );
    }
    found.sort_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| (&x.name, &x.namespace).cmp(&(&y.name, &y.namespace))));
    (found.into_iter().map(|(_, policy)| policy).collect(), refused)
}

fn shown(meta: &ObjectMeta) -> String {
    if meta.namespace.is_empty() { meta.name.clone() } else { format!("{}/{}", meta.namespace, meta.name) }
}

fn of_namespace(namespace: &str) -> Selector {
    Selector::Equal("projectcalico.org/namespace".into(), namespace.into())
}

fn kubernetes(policy: &NetworkPolicy) -> Result<Policy, String> {
    let namespace = &policy.metadata.namespace;
    let rules = |ways: Vec<(&[Peer], &[PolicyPort], bool)>| {
        let all: Result<Vec<Vec<PolicyRule>>, String> =
            ways.into_iter().map(|(peers, ports, inward)| k8s_rules(namespace, peers, ports, inward)).collect();
        all.map(|all| all.concat())
    };
    let spec = &policy.spec;
    let ingress = spec.ingress.iter().map(|rule| (&*rule.from, &*rule.ports, true)).collect();
    let egress = spec.egress.iter().map(|rule| (&*rule.to, &*rule.ports, false)).collect();
    Ok(Policy {
        namespace: namespace.clone(),
        name: format!("knp.default.{}", policy.metadata.name),
        selector: pods(&spec.pod_selector).and(of_namespace(namespace)),
        ingress: policy.is_for_ingress().then(|| rules(ingress)).transpose()?,
        egress: policy.is_for_egress().then(|| rules(egress)).transpose()?,
    })
}

/// One rule for each protocol and each peer.
fn k8s_rules(namespace: &str, peers: &[Peer], ports: &[PolicyPort], inward: bool) -> Result<Vec<PolicyRule>, String> {
    let mut by_protocol: Vec<(Option<String>, Vec<Ports>)> = Vec::new();
    for port in ports {
        let name = Some(port.protocol.lower().to_owned());
        let number = match &port.port {
            None => None,
            Some(PortRef::Number(first)) => Some(Ports(*first, port.end_port.unwrap_or(*first))),
            Some(PortRef::Name(name)) => {
                return Err(format!("the port {name:?} has no number: names of ports are not supported"));
            }
        };
        match by_protocol.iter_mut().find(|(known, _)| *known == name) {
            Some((_, all)) => all.extend(number),
            None => by_protocol.push((name, number.into_iter().collect())),
        }
    }
    if by_protocol.is_empty() {
        by_protocol.push((None, Vec::new()));
    }
    by_protocol.sort_by(|a, b| a.0.cmp(&b.0));
    let ends: Vec<Entity> = match peers {
        [] => vec![Entity::default()],
        peers => peers.iter().map(|peer| k8s_peer(namespace, peer)).collect(),
    };
    let rule = |protocol: &Option<String>, ports: &[Ports], end: &Entity| {
        let here = Entity { ports: ports.to_vec(), ..Entity::default() };
        let (source, destination) = match inward {
            true => (end.clone(), here),
            false => (Entity::default(), Entity { ports: ports.to_vec(), ..end.clone() }),
        };
        PolicyRule {
            action: Action::Allow,
            protocol: protocol.clone(),
            not_protocol: None,
            icmp: None,
            source,
            destination,
        }
    };
    Ok(by_protocol
        .iter()
        .flat_map(|(protocol, ports)| ends.iter().map(move |end| rule(protocol, ports, end)))
        .collect())
}

fn k8s_peer(namespace: &str, peer: &Peer) -> Entity {
    if let Some(block) = &peer.ip_block {
        return Entity { nets: vec![block.cidr], not_nets: block.except.clone(), ..Entity::default() };
    }
    let spaces = peer.namespace_selector.as_ref().map(namespaces);
    let selector = match (spaces, &peer.pod_selector) {
        (Some(spaces), Some(of)) => spaces.and(pods(of)),
        (Some(spaces), None) => spaces,
        (None, of) => of_namespace(namespace).and(pods(&of.clone().unwrap_or_default())),
    };
    Entity { selector: Some(selector), ..Entity::default() }
}

/// Pods of Kubernetes with these labels.
fn pods(selector: &LabelSelector) -> Selector {
    let mut all = vec![Selector::Equal("projectcalico.org/orchestrator".into(), "k8s".into())];
    all.extend(demands(selector, ""));
    joined(all)
}

/// Workloads in namespaces with these labels.
fn namespaces(selector: &LabelSelector) -> Selector {
    let all = demands(selector, "pcns.");
    if all.is_empty() { Selector::Has("projectcalico.org/namespace".into()) } else { joined(all) }
}

fn joined(mut all: Vec<Selector>) -> Selector {
    if all.len() == 1 { all.remove(0) } else { Selector::And(all) }
}

fn demands(selector: &LabelSelector, prefix: &str) -> Vec<Selector> {
    let key = |key: &str| format!("{prefix}{key}");
    let labels = selector.match_labels.iter().map(|(name, value)| Selector::Equal(key(name), value.clone()));
    let more = selector.match_expressions.iter().map(|demand| {
        let (name, values) = (key(&demand.key), demand.values.iter().cloned().collect());
        match demand.operator {
            Operator::In => Selector::In(name, values),
            Operator::NotIn => Selector::NotIn(name, values),
            Operator::Exists => Selector::Has(name),
            Operator::DoesNotExist => Selector::Not(Box::new(Selector::Has(name))),
        }
    });
    labels.chain(more).collect()
}

fn calico(meta: &ObjectMeta, spec: &PolicySpec) -> Result<Policy, String> {
    let mut selector = Selector::parse(&spec.selector)?;
    if !meta.namespace.is_empty() {
        selector = selector.and(of_namespace(&meta.namespace));
    } else if !spec.namespace_selector.is_empty() {
        selector = selector.and(namespaces_of(&spec.namespace_selector)?);
    }
    let rules = |way: &str, rules: &[Rule]| {
        let asked = spec.types.iter().any(|word| word == way);
        asked.then(|| rules.iter().map(|rule| calico_rule(&meta.namespace, rule)).collect()).transpose()
    };
    Ok(Policy {
        namespace: meta.namespace.clone(),
        name: format!("default.{}", meta.name),
        selector,
        ingress: rules("Ingress", &spec.ingress)?,
        egress: rules("Egress", &spec.egress)?,
    })
}

fn calico_rule(namespace: &str, rule: &Rule) -> Result<PolicyRule, String> {
    Ok(PolicyRule {
        action: rule.action,
        protocol: rule.protocol.as_ref().and_then(protocol),
        not_protocol: rule.not_protocol.as_ref().and_then(protocol),
        icmp: rule.icmp.map(|icmp| (icmp.kind, icmp.code)),
        source: calico_end(namespace, &rule.source)?,
        destination: calico_end(namespace, &rule.destination)?,
    })
}

/// A selector without one of namespaces means the policy's own, if it has one.
fn calico_end(namespace: &str, end: &EntityRule) -> Result<Entity, String> {
    let place = match (&*end.namespace_selector, namespace) {
        ("", "") => None,
        ("", namespace) if !end.selector.is_empty() || !end.not_selector.is_empty() => Some(of_namespace(namespace)),
        ("", _) => None,
        (selector, _) => Some(namespaces_of(selector)?),
    };
    let own = (!end.selector.is_empty()).then(|| Selector::parse(&end.selector)).transpose()?;
    let selector = match (place, own) {
        (Some(place), Some(own)) => Some(place.and(own)),
        (place, own) => place.or(own),
    };
    let not_selector = (!end.not_selector.is_empty()).then(|| Selector::parse(&end.not_selector)).transpose()?;
    Ok(Entity {
        nets: end.nets.clone(),
        not_nets: end.not_nets.clone(),
        selector,
        not_selector,
        ports: end.ports.iter().filter_map(ports).collect(),
        not_ports: end.not_ports.iter().filter_map(ports).collect(),
    })
}

/// A selector of namespaces looks at the labels that a workload has from its namespace.
fn namespaces_of(text: &str) -> Result<Selector, String> {
    Ok(match Selector::parse(text)? {
        Selector::All => Selector::Has("projectcalico.org/namespace".into()),
        Selector::Global => Selector::Not(Box::new(Selector::Has("projectcalico.org/namespace".into()))),
        other => other.with_prefix("pcns."),
    })
}
