//! `kubectl describe`.

use super::Show;
use super::table::align;
use crate::object::{Deployment, Kind, Node, ObjectMeta, Pod, Service};

/// Pairs of names and values, the values in one column: `Name:         web`.
#[derive(Default)]
pub struct Pairs {
    lines: Vec<(usize, String, String)>,
}

impl Pairs {
    /// Adds a pair; `depth` indents it.
    pub fn put(&mut self, depth: usize, name: &str, value: impl Into<String>) {
        self.lines.push((depth, name.to_owned(), value.into()));
    }

    /// Adds a map, one line for each entry.
    pub fn map<'a>(&mut self, name: &str, map: impl IntoIterator<Item = (&'a String, &'a String)>, sign: &str) {
        let mut name = name;
        for (key, value) in map {
            self.put(0, name, format!("{key}{sign}{value}"));
            name = "";
        }
        if !name.is_empty() {
            self.put(0, name, "<none>");
        }
    }

    /// The text: names end in a colon, values begin in the same column, two blanks behind the longest name.
    pub fn text(&self) -> String {
        let name = |(depth, name, _): &(usize, String, String)| {
            if name.is_empty() { String::new() } else { format!("{}{name}:", "  ".repeat(*depth)) }
        };
        let width =
            self.lines.iter().filter(|line| !line.2.is_empty()).map(|line| name(line).len()).max().unwrap_or(0) + 2;
        let line = |line| format!("{:width$}{}", name(line), line.2).trim_end().to_owned() + "\n";
        self.lines.iter().map(line).collect()
    }
}

fn begin(meta: &ObjectMeta, namespaced: bool) -> Pairs {
    let mut pairs = Pairs::default();
    pairs.put(0, "Name", &*meta.name);
    if namespaced {
        pairs.put(0, "Namespace", &*meta.namespace);
    }
    pairs
}

/// An object of a kind that has no description of its own: as kubectl describes what it does not know.
pub fn any<K: Kind>(object: &K, _: &Show<'_>) -> String {
    let meta = Kind::meta(object);
    let mut pairs = Pairs::default();
    pairs.put(0, "Name", &*meta.name);
    pairs.put(0, "Namespace", &*meta.namespace);
    pairs.map("Labels", &meta.labels, "=");
    pairs.map("Annotations", &meta.annotations, ": ");
    pairs.put(0, "API Version", K::TYPE.api_version);
    pairs.put(0, "Kind", K::TYPE.kind);
    let mut text = pairs.text();
    let json = crate::Object::json(object);
    let rest = json
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !matches!(&***key, "apiVersion" | "kind" | "metadata"));
    for (key, value) in rest {
        text.push_str(&format!("{}:\n{}", title(key), indented(&super::yaml::yaml(value))));
    }
    text + "Events:  <none>\n"
}

fn title(key: &str) -> String {
    let mut chars = key.chars();
    chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// A pod.
pub fn pod(pod: &Pod, show: &Show<'_>) -> String {
    let meta = &pod.metadata;
    let mut pairs = begin(meta, true);
    pairs.put(0, "Priority", "0");
    pairs.put(0, "Service Account", "default");
    let host = pod.status.host_ip.map_or(String::new(), |ip| format!("/{ip}"));
    pairs.put(0, "Node", show.or_none(Kind::node(pod).map(|node| format!("{node}{host}"))));
    pairs.put(0, "Start Time", show.or_none(pod.status.start_time));
    pairs.map("Labels", &meta.labels, "=");
    pairs.map("Annotations", &meta.annotations, ": ");
    pairs.put(0, "Status", if meta.is_going() { "Terminating" } else { &*pod.status.phase });
    if !pod.status.reason.is_empty() {
        pairs.put(0, "Reason", &*pod.status.reason);
    }
    if !pod.status.message.is_empty() {
        pairs.put(0, "Message", &*pod.status.message);
    }
    pairs.put(0, "IP", pod.ip().map(|ip| ip.to_string()).unwrap_or_default());
    pairs.put(0, "IPs", if pod.ip().is_none() { "<none>" } else { "" });
    if let Some(ip) = pod.ip() {
        pairs.put(1, "IP", ip.to_string());
    }
    if let Some(owner) = meta.controller() {
        pairs.put(0, "Controlled By", format!("{}/{}", owner.kind, owner.name));
    }
    let mut text = pairs.text() + "Containers:\n";
    for container in &pod.spec.containers {
        text.push_str(&self::container(pod, container));
    }
    text.push_str("Conditions:\n");
    let mut rows = vec![vec!["  Type".to_owned(), "Status".to_owned()]];
    rows.extend(pod.status.conditions.iter().map(|c| vec![format!("  {}", c.kind), c.status.clone()]));
    text + &align(&rows) + "Events:  <none>\n"
}

fn container(pod: &Pod, container: &crate::object::pod::Container) -> String {
    let mut pairs = Pairs::default();
    let status = pod.status.container_statuses.iter().find(|status| status.name == container.name);
    pairs.put(2, "Container ID", status.map(|s| s.container_id.clone()).unwrap_or_default());
    pairs.put(2, "Image", &*container.image);
    let ports: Vec<String> = container.ports.iter().map(|p| format!("{}/{}", p.container_port, p.protocol)).collect();
    pairs.put(
        2,
        if ports.len() > 1 { "Ports" } else { "Port" },
        if ports.is_empty() { "<none>".into() } else { ports.join(", ") },
    );
    for (name, words) in [("Command", &container.command), ("Args", &container.args)] {
        if !words.is_empty() {
            pairs.put(2, name, "");
            // Each word has a line of its own.
            words.iter().for_each(|word| pairs.lines.push((3, String::new(), format!("\u{0}{word}"))));
        }
    }
    let state = status.and_then(|s| s.state.iter().next());
    pairs.put(2, "State", state.map_or("Waiting".into(), |(state, _)| title(state)));
    if let Some(reason) = state.and_then(|(_, of)| of.get("reason")).and_then(|r| r.as_str()) {
        pairs.put(3, "Reason", reason);
    }
    if let Some(message) = state.and_then(|(_, of)| of.get("message")).and_then(|r| r.as_str()) {
        pairs.put(3, "Message", message);
    }
    pairs.put(2, "Ready", if status.is_some_and(|s| s.ready) { "True" } else { "False" });
    pairs.put(2, "Restart Count", status.map_or(0, |s| s.restart_count).to_string());
    let text = pairs.text();
    let word = |line: &str| match line.split_once('\u{0}') {
        Some((_, word)) => format!("      {word}\n"),
        None => format!("{line}\n"),
    };
    format!("  {}:\n{}", container.name, text.lines().map(word).collect::<String>())
}

/// A deployment.
pub fn deployment(deployment: &Deployment, show: &Show<'_>) -> String {
    let (meta, spec, status) = (&deployment.metadata, &deployment.spec, &deployment.status);
    let mut pairs = begin(meta, true);
    pairs.put(0, "CreationTimestamp", show.or_none(meta.creation_timestamp));
    pairs.map("Labels", &meta.labels, "=");
    pairs.map("Annotations", &meta.annotations, ": ");
    pairs.put(0, "Selector", spec.selector.shown("<none>"));
    let count = |n: Option<u32>| n.unwrap_or(0);
    pairs.put(
        0,
        "Replicas",
        format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            count(spec.replicas),
            count(status.updated_replicas),
            count(status.replicas),
            count(status.available_replicas),
            count(status.unavailable_replicas)
        ),
    );
    let mut text = pairs.text() + "Pod Template:\n";
    let mut inner = Pairs::default();
    inner.map("  Labels", &spec.template.metadata.labels, "=");
    text.push_str(&inner.text());
    text.push_str("  Containers:\n");
    for container in &spec.template.spec.containers {
        let mut pairs = Pairs::default();
        pairs.put(2, "Image", &*container.image);
        text.push_str(&format!("   {}:\n{}", container.name, pairs.text()));
    }
    let owned = |rs: &&crate::object::ReplicaSet| rs.metadata.controller().is_some_and(|owner| owner.uid == meta.uid);
    for set in show.store.list::<crate::object::ReplicaSet>(Some(&meta.namespace)).filter(owned) {
        let (have, want) = (set.status.replicas, set.spec.replicas.unwrap_or(0));
        let word = if want > 0 { "NewReplicaSet:  " } else { "OldReplicaSets: " };
        text.push_str(&format!("{word} {} ({have}/{want} replicas created)\n", set.metadata.name));
    }
    text + "Events:  <none>\n"
}

/// A Service.
pub fn service(service: &Service, show: &Show<'_>) -> String {
    let (meta, spec) = (&service.metadata, &service.spec);
    let mut pairs = begin(meta, true);
    pairs.map("Labels", &meta.labels, "=");
    pairs.map("Annotations", &meta.annotations, ": ");
    let selector: Vec<String> = spec.selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.put(0, "Selector", if selector.is_empty() { "<none>".into() } else { selector.join(",") });
    pairs.put(0, "Type", &*spec.kind);
    pairs.put(0, "IP Family Policy", &*spec.ip_family_policy);
    pairs.put(0, "IP Families", spec.ip_families.join(","));
    pairs.put(0, "IP", &*spec.cluster_ip);
    pairs.put(0, "IPs", spec.cluster_ips.join(","));
    let endpoints = show.store.get::<crate::object::Endpoints>(&meta.namespace, &meta.name);
    for port in &spec.ports {
        let name = if port.name.is_empty() { "<unset>" } else { &port.name };
        pairs.put(0, "Port", format!("{name}  {}/{}", port.port, port.protocol));
        pairs.put(0, "TargetPort", format!("{}/{}", port.target(), port.protocol));
        if let Some(node_port) = port.node_port {
            pairs.put(0, "NodePort", format!("{name}  {node_port}/{}", port.protocol));
        }
        pairs.put(0, "Endpoints", endpoints.map_or("<none>".into(), |e| e.shown_for(&port.name)));
    }
    pairs.put(0, "Session Affinity", &*spec.session_affinity);
    if !spec.external_traffic_policy.is_empty() {
        pairs.put(0, "External Traffic Policy", &*spec.external_traffic_policy);
    }
    pairs.put(0, "Events", "<none>");
    pairs.text()
}

/// A node.
pub fn node(node: &Node, show: &Show<'_>) -> String {
    let meta = &node.metadata;
    let mut pairs = begin(meta, false);
    pairs.put(0, "Roles", node.roles());
    pairs.map("Labels", &meta.labels, "=");
    pairs.map("Annotations", &meta.annotations, ": ");
    pairs.put(0, "CreationTimestamp", show.or_none(meta.creation_timestamp));
    let taints: Vec<String> = node.spec.taints.iter().map(|t| format!("{}:{}", t.key, t.effect)).collect();
    pairs.put(0, "Taints", if taints.is_empty() { "<none>".into() } else { taints.join(" ") });
    pairs.put(0, "Unschedulable", (node.spec.unschedulable == Some(true)).to_string());
    let mut text = pairs.text() + "Addresses:\n";
    let rows: Vec<_> =
        node.status.addresses.iter().map(|a| vec![format!("  {}:", a.kind), a.address.clone()]).collect();
    text.push_str(&align(&rows));
    let mut pairs = Pairs::default();
    pairs.put(0, "PodCIDR", &*node.spec.pod_cidr);
    pairs.put(0, "PodCIDRs", node.spec.pod_cidrs.join(","));
    text.push_str(&pairs.text());
    let pods: Vec<&Pod> = show.store.list::<Pod>(None).filter(|pod| Kind::node(*pod) == Some(&meta.name)).collect();
    text.push_str(&format!("Non-terminated Pods:  ({} in total)\n", pods.len()));
    let mut rows = vec![["  Namespace", "Name", "Age"].map(str::to_owned).to_vec()];
    rows.extend(
        pods.iter()
            .map(|p| vec![format!("  {}", p.metadata.namespace), p.metadata.name.clone(), show.age(&p.metadata)]),
    );
    text + &align(&rows) + "Events:  <none>\n"
}
