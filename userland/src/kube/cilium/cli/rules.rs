//! `cilium policy get`: the policies as the agent keeps them, each with the labels that say where it comes from
//! (`pkg/k8s`, `ParseNetworkPolicy`).

use hopwise_cluster::object::NetworkPolicy;
use hopwise_cluster::object::network_policy::{Peer, PolicyPort};
use hopwise_cluster::object::pod::PortRef;
use hopwise_cluster::selector::{LabelSelector, Operator};
use hopwise_machine::Sys;
use serde_json::{Map, Value, json};

use super::lists::pretty;
use super::{Answer, agent};
use crate::kernel::SimKernel;

/// The label that says which namespace a pod is in.
const NAMESPACE: &str = "k8s:io.kubernetes.pod.namespace";

pub(super) fn run(sys: &Sys<'_, SimKernel>, words: &[&str]) -> Answer {
    match words {
        ["get"] | ["get", "-o", "json"] => {}
        [] => return Err("Error: `cilium policy` needs `get`\n".to_owned()),
        _ => return Err(super::unsupported(&format!("policy {}", words[0]))),
    }
    let node = agent(sys)?;
    let rules: Value = sys.kernel.kube.store.list::<NetworkPolicy>(None).map(rule).collect();
    Ok(format!("{}Revision: {}\n", pretty(&rules), node.policy.0))
}

fn rule(policy: &NetworkPolicy) -> Value {
    let meta = &policy.metadata;
    let space = &*meta.namespace;
    let mut rule = Map::new();
    rule.insert("endpointSelector".into(), selector(&policy.spec.pod_selector, Some(space)));
    if policy.is_for_ingress() {
        let rules = policy
            .spec
            .ingress
            .iter()
            .map(|rule| part(("fromEndpoints", "fromCIDRSet"), &rule.from, &rule.ports, space));
        rule.insert("ingress".into(), none_is_one(rules.collect()));
    }
    if policy.is_for_egress() {
        let rules =
            policy.spec.egress.iter().map(|rule| part(("toEndpoints", "toCIDRSet"), &rule.to, &rule.ports, space));
        rule.insert("egress".into(), none_is_one(rules.collect()));
    }
    let label = |key: &str, value: &str| json!({ "key": format!("io.cilium.k8s.policy.{key}"), "value": value, "source": "k8s" });
    let labels = [
        label("derived-from", "NetworkPolicy"),
        label("name", &meta.name),
        label("namespace", space),
        label("uid", &meta.uid),
    ];
    rule.insert("labels".into(), labels.into_iter().collect());
    Value::Object(rule)
}

/// A policy that allows nothing has one empty rule: it makes its direction a restricted one.
fn none_is_one(rules: Vec<Value>) -> Value {
    if rules.is_empty() { json!([{}]) } else { Value::Array(rules) }
}

/// One rule: the peers and the ports.
fn part((endpoints, cidrs): (&str, &str), peers: &[Peer], ports: &[PolicyPort], space: &str) -> Value {
    let mut map = Map::new();
    let blocks: Vec<Value> = peers
        .iter()
        .filter_map(|peer| peer.ip_block.as_ref())
        .map(|block| {
            let mut one = json!({ "cidr": block.cidr.to_string() });
            if !block.except.is_empty() {
                one["except"] = block.except.iter().map(ToString::to_string).collect();
            }
            one
        })
        .collect();
    let pods: Vec<Value> = peers.iter().filter(|peer| peer.ip_block.is_none()).map(|peer| pods(peer, space)).collect();
    // No peer is every peer.
    if peers.is_empty() {
        map.insert(endpoints.into(), json!([{}]));
    }
    if !pods.is_empty() {
        map.insert(endpoints.into(), Value::Array(pods));
    }
    if !blocks.is_empty() {
        map.insert(cidrs.into(), Value::Array(blocks));
    }
    if !ports.is_empty() {
        let ports: Vec<Value> = ports
            .iter()
            .map(|port| {
                let number = match &port.port {
                    Some(PortRef::Number(number)) => number.to_string(),
                    Some(PortRef::Name(name)) => name.clone(),
                    None => "0".to_owned(),
                };
                json!({ "ports": [{ "port": number, "protocol": port.protocol.to_string() }] })
            })
            .collect();
        map.insert("toPorts".into(), Value::Array(ports));
    }
    Value::Object(map)
}

/// The pods that a peer means.
fn pods(peer: &Peer, space: &str) -> Value {
    let any = LabelSelector::default();
    let pods = peer.pod_selector.as_ref().unwrap_or(&any);
    let Some(spaces) = &peer.namespace_selector else { return selector(pods, Some(space)) };
    let mut all = selector(pods, None);
    let (labels, more) = parts(spaces, "k8s:io.cilium.k8s.namespace.labels.");
    merge(&mut all, "matchLabels", Value::Object(labels));
    let mut more = more;
    if spaces.match_labels.is_empty() && spaces.match_expressions.is_empty() {
        more.push(json!({ "key": NAMESPACE, "operator": "Exists" }));
    }
    merge(&mut all, "matchExpressions", Value::Array(more));
    all
}

/// A selector, of pods of one namespace if one is given.
fn selector(wanted: &LabelSelector, space: Option<&str>) -> Value {
    let (mut labels, more) = parts(wanted, "k8s:");
    if let Some(space) = space {
        labels.insert(NAMESPACE.into(), space.into());
        labels.sort_keys();
    }
    let mut all = json!({});
    merge(&mut all, "matchLabels", Value::Object(labels));
    merge(&mut all, "matchExpressions", Value::Array(more));
    all
}

/// The two parts of a selector, with a prefix in front of each key.
fn parts(wanted: &LabelSelector, prefix: &str) -> (Map<String, Value>, Vec<Value>) {
    let labels = wanted.match_labels.iter().map(|(key, value)| (format!("{prefix}{key}"), Value::from(value.clone())));
    let more = wanted.match_expressions.iter().map(|one| {
        let operator = match one.operator {
            Operator::In => "In",
            Operator::NotIn => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
        };
        let mut demand = json!({ "key": format!("{prefix}{}", one.key), "operator": operator });
        if !one.values.is_empty() {
            demand["values"] = one.values.iter().cloned().collect();
        }
        demand
    });
    (labels.collect(), more.collect())
}

/// Adds what is not empty to a part of an object.
fn merge(all: &mut Value, key: &str, more: Value) {
    match (all.get_mut(key), more) {
        (_, Value::Object(map)) if map.is_empty() => {}
        (_, Value::Array(list)) if list.is_empty() => {}
        (Some(Value::Object(here)), Value::Object(map)) => {
            here.extend(map);
            here.sort_keys();
        }
        (Some(Value::Array(here)), Value::Array(list)) => here.extend(list),
        (_, more) => all[key] = more,
    }
}
