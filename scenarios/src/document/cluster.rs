//! Reads `cluster:` of the front matter: a Kubernetes cluster on the machines of the lab.

use core::ops::Range;

use hopwise_cluster::Object;
use hopwise_cluster::object::decode;
use hopwise_userland::kube::{Cluster, Dns, Member, Proxy, registry};
use ipnet::Ipv4Net;
use serde_json::Value as Json;

use super::containerlab::{Read, entries, expected, items, text};
use super::schema;
use super::topology::{Topology, list};
use super::yaml::{Node, Value};
use crate::diagnostic::Diagnostic;

/// A cluster, and the objects that it begins with.
#[derive(Clone, Debug)]
pub struct ClusterPlan {
    /// What it is made of.
    pub cluster: Cluster,
    /// What is applied once its nodes are ready.
    pub manifests: Vec<Box<dyn Object>>,
}

/// Reads a whole cluster. `source` is the document, for the lines of manifests.
pub(super) fn read(node: &Node, topology: &Topology, source: &str, notes: &mut Vec<Diagnostic>) -> Read<ClusterPlan> {
    let mut plan = ClusterPlan { cluster: Cluster::default(), manifests: Vec::new() };
    let cluster = &mut plan.cluster;
    let (mut cni, mut settings) = (None, None);
    for (key, value) in entries(node, &schema::CLUSTER, notes)? {
        match key.text.as_str() {
            "cni" => cni = Some(value),
            "settings" => settings = Some(value),
            "podCIDR" => cluster.pod_cidr = range(value)?,
            "nodeCIDRMaskSize" => cluster.node_mask = mask(value)?,
            "serviceCIDR" => cluster.service_cidr = range(value)?,
            "nodes" => cluster.nodes = members(value, topology, notes)?,
            "proxy" => {
                cluster.proxy = match text(value, "`proxy`")? {
                    "iptables" => Proxy::Iptables,
                    "none" => Proxy::None,
                    other => return Err(refuse(value, format!("there is no proxy `{other}`"), "`iptables` or `none`")),
                }
            }
            "dns" => {
                cluster.dns = match text(value, "`dns`")? {
                    "coredns" => Dns::CoreDns,
                    "none" => Dns::None,
                    other => return Err(refuse(value, format!("there is no dns `{other}`"), "`coredns` or `none`")),
                }
            }
            "manifests" => plan.manifests = manifests(value, source)?,
            _ => {}
        }
    }
    if cluster.nodes.is_empty() {
        cluster.nodes = topology.machines.iter().map(|machine| Member::named(&machine.name)).collect();
    }
    if cluster.node_mask < cluster.pod_cidr.prefix_len() {
        let help = format!("a node's part of {} has at least its prefix length", cluster.pod_cidr);
        return Err(refuse(node, "`nodeCIDRMaskSize` is smaller than the range of all pods".into(), &help));
    }
    let Some(name) = cni else {
        return Err(refuse(node, "a cluster needs a `cni`".into(), &known()));
    };
    let word = text(name, "`cni`")?;
    if word == "none" {
        return Ok(plan);
    }
    let row = registry::find(word).ok_or_else(|| refuse(name, format!("there is no cni `{word}`"), &known()))?;
    let given = match settings.map(json) {
        Some(Json::Object(map)) => map,
        Some(Json::Null) | None => serde_json::Map::new(),
        Some(_) => return Err(expected(settings.unwrap_or(node), "`settings`", "a mapping of keys to values")),
    };
    cluster.cni = Some((row.make)(&given).map_err(|(key, why)| {
        let place = settings.map_or(name.span.clone(), |settings| place_of(settings, &key));
        Diagnostic::error(place, format!("{word} does not take this setting"), why)
    })?);
    Ok(plan)
}

fn refuse(node: &Node, title: String, help: &str) -> Diagnostic {
    Diagnostic::error(node.span.clone(), title, "not supported").help(help)
}

fn known() -> String {
    let names = registry::PLUGINS.iter().map(|row| row.name).chain(["none"]);
    format!("the values of `cni` are {}", list(names))
}

fn place_of(settings: &Node, key: &str) -> Range<usize> {
    match &settings.value {
        Value::Map(map) => {
            map.iter().find(|(k, _)| k.text == key).map_or(settings.span.clone(), |(k, _)| k.span.clone())
        }
        _ => settings.span.clone(),
    }
}

fn range(node: &Node) -> Read<Ipv4Net> {
    let word = text(node, "a range of addresses")?;
    let net: Option<Ipv4Net> = word.parse().ok();
    net.filter(|net| net.trunc() == *net && net.prefix_len() <= 30)
        .ok_or_else(|| expected(node, "a range of addresses", "a network, as in 10.244.0.0/16"))
}

fn mask(node: &Node) -> Read<u8> {
    let word = text(node, "`nodeCIDRMaskSize`")?;
    word.parse().ok().filter(|n| (8..=30).contains(n)).ok_or_else(|| expected(node, "a prefix length", "8 to 30"))
}

/// `nodes: [a, b]`, or `nodes: {a: {address: 10.0.0.1}, b: {}}`.
fn members(node: &Node, topology: &Topology, notes: &mut Vec<Diagnostic>) -> Read<Vec<Member>> {
    let check = |name: &str, span: &Range<usize>| match topology.has_machine(name) {
        true => Ok(()),
        false => {
            let error = Diagnostic::error(span.clone(), format!("there is no machine `{name}`"), "not in the topology");
            Err(error.help(format!("the machines are {}", topology.names())))
        }
    };
    let mut found = Vec::new();
    let Value::Map(map) = &node.value else {
        for item in items(node, "`nodes`")? {
            let name = text(item, "a node")?;
            check(name, &item.span)?;
            found.push(Member::named(name));
        }
        return Ok(found);
    };
    for (key, value) in map {
        check(&key.text, &key.span)?;
        let mut member = Member::named(&key.text);
        for (key, value) in entries(value, &schema::MEMBER, notes)? {
            match (key.text.as_str(), &value.value) {
                ("address", _) => {
                    let word = text(value, "`address`")?;
                    let address = word.parse().map_err(|_| expected(value, "`address`", "an IPv4 address"))?;
                    member.address = Some(address);
                }
                ("labels", Value::Map(labels)) => {
                    for (key, value) in labels {
                        member.labels.insert(key.text.clone(), text(value, "a label's value")?.to_owned());
                    }
                }
                _ => return Err(expected(value, "`labels`", "a mapping of labels to values")),
            }
        }
        found.push(member);
    }
    Ok(found)
}

/// The objects of a block of text: `manifests: |`.
fn manifests(node: &Node, source: &str) -> Read<Vec<Box<dyn Object>>> {
    let block = text(node, "`manifests` (write the YAML as a block of text: `manifests: |`)")?;
    match decode::manifests(block) {
        Ok(found) => Ok(found.into_iter().map(|manifest| manifest.object).collect()),
        Err(refused) => {
            let why = refused.text("manifests");
            let why = why.split("\n  manifests:").next().unwrap_or(&why).to_owned();
            Err(Diagnostic::error(line_in(source, node.span.start, block, refused.line), "a manifest is refused", why))
        }
    }
}

/// The bytes of a line of a block that begins somewhere behind `start`.
fn line_in(source: &str, start: usize, block: &str, line: usize) -> Range<usize> {
    let first = block.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let blank = block.lines().take_while(|line| line.trim().is_empty()).count();
    let begin = source.get(start..).and_then(|rest| rest.find(first)).map_or(start, |at| start + at);
    let mut at = begin;
    for text in source.get(begin..).unwrap_or_default().split_inclusive('\n').take(line.saturating_sub(1 + blank)) {
        at += text.len();
    }
    let text = source.get(at..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let indent = text.len() - text.trim_start().len();
    let end = (at + text.len()).max(at + 1).min(source.len());
    (at + indent).min(end)..end
}

/// A setting as JSON. Words that are numbers or truth values are such.
fn json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Scalar(word) => match (word.parse::<i64>(), word.as_str()) {
            (Ok(number), _) => number.into(),
            (_, "true") => true.into(),
            (_, "false") => false.into(),
            _ => word.as_str().into(),
        },
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Map(map) => map.iter().map(|(key, value)| (key.text.clone(), json(value))).collect(),
    }
}
