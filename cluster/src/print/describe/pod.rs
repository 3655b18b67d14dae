//! Pods and their containers.

use serde_json::Value;

use super::{labels_and_annotations, map, or_none, put};
use crate::object::pod::{Container, ContainerStatus, Probe, Toleration};
use crate::object::{Kind, Labels, Pod};
use crate::print::Show;
use crate::print::tabwriter::{DESCRIBE, set};
use crate::time::Timestamp;

/// A pod.
pub fn pod(pod: &Pod, show: &Show<'_>) -> String {
    let (meta, spec, status) = (&pod.metadata, &pod.spec, &pod.status);
    let mut text = format!("Name:\t{}\nNamespace:\t{}\n", meta.name, meta.namespace);
    put!(text, "Priority:\t{}", spec.priority.unwrap_or(0));
    if let Some(class) = &spec.priority_class_name {
        put!(text, "Priority Class Name:\t{class}");
    }
    put!(text, "Service Account:\t{}", spec.service_account_name.as_deref().unwrap_or("default"));
    let host = status.host_ip.map_or(String::new(), |ip| format!("/{ip}"));
    put!(text, "Node:\t{}", show.or_none(Kind::node(pod).map(|node| format!("{node}{host}"))));
    if let Some(start) = status.start_time {
        put!(text, "Start Time:\t{}", start.rfc1123());
    }
    labels_and_annotations(&mut text, meta);
    match meta.deletion_timestamp {
        Some(since) => {
            put!(text, "Status:\tTerminating (lasts {})", crate::time::human(since.until(show.now)));
            put!(text, "Termination Grace Period:\t{}s", meta.deletion_grace_period_seconds.unwrap_or(30));
        }
        None => put!(text, "Status:\t{}", status.phase),
    }
    for (name, value) in [("Reason", &status.reason), ("Message", &status.message)] {
        if !value.is_empty() {
            put!(text, "{name}:\t{value}");
        }
    }
    put!(text, "IP:\t{}", pod.ip().map(|ip| ip.to_string()).unwrap_or_default());
    match pod.ip() {
        Some(ip) => put!(text, "IPs:\n  IP:\t{ip}"),
        None => put!(text, "IPs:\t<none>"),
    }
    if let Some(owner) = meta.controller() {
        put!(text, "Controlled By:\t{}/{}", owner.kind, owner.name);
    }
    text.push_str("Containers:\n");
    for container in &spec.containers {
        put!(text, "  {}:", container.name);
        self::container(
            &mut text,
            container,
            status.container_statuses.iter().find(|s| s.name == container.name),
            true,
        );
    }
    if !status.conditions.is_empty() {
        text.push_str("Conditions:\n  Type\tStatus\n");
        status.conditions.iter().for_each(|c| put!(text, "  {} \t{} ", c.kind, c.status));
    }
    volumes(&mut text, spec.volumes.as_ref(), "");
    put!(text, "QoS Class:\t{}", status.qos_class);
    map(&mut text, "Node-Selectors:", &spec.node_selector, "=");
    tolerations(&mut text, &spec.tolerations);
    text.push_str("Events:\t<none>\n");
    set(&text, DESCRIBE)
}

/// A container; with its state, if it is that of a pod and not of a template.
pub(super) fn container(text: &mut String, container: &Container, status: Option<&ContainerStatus>, of_pod: bool) {
    if let Some(status) = status {
        put!(text, "    Container ID:\t{}", status.container_id);
    }
    put!(text, "    Image:\t{}", container.image);
    if let Some(status) = status {
        put!(text, "    Image ID:\t{}", status.image_id);
    }
    let ports: Vec<String> = container.ports.iter().map(|p| format!("{}/{}", p.container_port, p.protocol)).collect();
    let host: Vec<String> =
        container.ports.iter().map(|p| format!("{}/{}", p.host_port.unwrap_or(0), p.protocol)).collect();
    let many = if ports.len() > 1 { "s" } else { "" };
    put!(text, "    Port{many}:\t{}", or_none(&ports.join(", ")));
    put!(text, "    Host Port{many}:\t{}", or_none(&host.join(", ")));
    for (name, words) in [("Command", &container.command), ("Args", &container.args)] {
        if !words.is_empty() {
            put!(text, "    {name}:");
            words.iter().flat_map(|word| word.split('\n')).for_each(|word| put!(text, "      {word}"));
        }
    }
    if of_pod {
        state(text, "State", status.map(|s| &s.state));
        if let Some(last) = status.map(|s| &s.last_state).filter(|last| !last.is_empty()) {
            state(text, "Last State", Some(last));
        }
        put!(text, "    Ready:\t{}", if status.is_some_and(|s| s.ready) { "True" } else { "False" });
        put!(text, "    Restart Count:\t{}", status.map_or(0, |s| s.restart_count));
    }
    resources(text, container.resources.as_ref());
    for (name, probe) in [("Liveness", &container.liveness_probe), ("Startup", &container.startup_probe)] {
        let probe = probe.as_ref().and_then(|value| serde_json::from_value::<Probe>(value.clone()).ok());
        probe.iter().for_each(|probe| put!(text, "    {name}:\t{}", self::probe(probe)));
    }
    container.readiness_probe.iter().for_each(|probe| put!(text, "    Readiness:\t{}", self::probe(probe)));
    put!(text, "    Environment:{}", if container.env.is_empty() { "\t<none>" } else { "" });
    for var in &container.env {
        match &var.value_from {
            None => put!(text, "      {}:\t{}", var.name, var.value),
            Some(from) => {
                let version = if from.field_ref.api_version.is_empty() { "v1" } else { &from.field_ref.api_version };
                put!(text, "      {}:\t ({version}:{})", var.name, from.field_ref.field_path);
            }
        }
    }
    let mounts = container.volume_mounts.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    put!(text, "    Mounts:{}", if mounts.is_empty() { "\t<none>" } else { "" });
    for mount in mounts {
        let word = |field: &str| mount.get(field).and_then(Value::as_str).unwrap_or_default();
        let how = if mount.get("readOnly").and_then(Value::as_bool) == Some(true) { "ro" } else { "rw" };
        put!(text, "      {} from {} ({how})", word("mountPath"), word("name"));
    }
}

/// How a container is, or was (`describeStatus`).
fn state(text: &mut String, name: &str, state: Option<&std::collections::BTreeMap<String, Value>>) {
    let Some((word, of)) = state.and_then(|state| state.iter().next()) else {
        put!(text, "    {name}:\tWaiting");
        return;
    };
    let said = |field: &str| of.get(field).map(crate::print::jsonpath::shown);
    let time = |field: &str| {
        let at = of.get(field).and_then(|at| serde_json::from_value::<Timestamp>(at.clone()).ok());
        at.map(Timestamp::rfc1123)
    };
    let (title, rows) = match &**word {
        "running" => ("Running", vec![("Started", time("startedAt"))]),
        "terminated" => {
            let rows = vec![("Reason", said("reason")), ("Message", said("message")), ("Exit Code", said("exitCode"))];
            ("Terminated", [rows, vec![("Started", time("startedAt")), ("Finished", time("finishedAt"))]].concat())
        }
        // The message is told by events in Kubernetes. There are none here.
        _ => ("Waiting", vec![("Reason", said("reason")), ("Message", said("message"))]),
    };
    put!(text, "    {name}:\t{title}");
    rows.into_iter()
        .filter_map(|(row, value)| Some((row, value?)))
        .for_each(|(row, value)| put!(text, "      {row}:\t{value}"));
}

fn resources(text: &mut String, resources: Option<&Value>) {
    for (title, field) in [("Limits", "limits"), ("Requests", "requests")] {
        let Some(Value::Object(all)) = resources.and_then(|r| r.get(field)) else { continue };
        put!(text, "    {title}:");
        let mut keys: Vec<&String> = all.keys().collect();
        keys.sort_unstable();
        keys.iter().for_each(|key| put!(text, "      {key}:\t{}", crate::print::jsonpath::shown(&all[*key])));
    }
}

/// `http-get http://:80/ delay=0s timeout=1s period=10s #success=1 #failure=3` (`DescribeProbe`)
fn probe(probe: &Probe) -> String {
    let word = |value: &Value, field: &str| value.get(field).map(crate::print::jsonpath::shown).unwrap_or_default();
    let what = if let Some(get) = &probe.http_get {
        let scheme = word(get, "scheme").to_lowercase();
        let scheme = if scheme.is_empty() { "http" } else { &scheme };
        format!("http-get {scheme}://{}:{}{}", word(get, "host"), word(get, "port"), word(get, "path"))
    } else if let Some(socket) = &probe.tcp_socket {
        format!("tcp-socket {}:{}", word(socket, "host"), word(socket, "port"))
    } else if let Some(exec) = &probe.exec {
        let words = exec.get("command").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        format!("exec [{}]", words.iter().map(crate::print::jsonpath::shown).collect::<Vec<_>>().join(" "))
    } else {
        "grpc".to_owned()
    };
    format!(
        "{what} delay={}s timeout={}s period={}s #success={} #failure={}",
        probe.initial_delay_seconds.unwrap_or(0),
        probe.timeout_seconds.unwrap_or(1),
        probe.period_seconds.unwrap_or(10),
        probe.success_threshold.unwrap_or(1),
        probe.failure_threshold.unwrap_or(3)
    )
}

pub(super) fn volumes(text: &mut String, volumes: Option<&Value>, indent: &str) {
    let volumes = volumes.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    put!(text, "{indent}Volumes:{}", if volumes.is_empty() { "\t<none>" } else { "" });
    for volume in volumes {
        let word = |value: &Value, field: &str| value.get(field).map(crate::print::jsonpath::shown).unwrap_or_default();
        put!(text, "{indent}  {}:", word(volume, "name"));
        if let Some(empty) = volume.get("emptyDir") {
            put!(text, "{indent}    Type:\tEmptyDir (a temporary directory that shares a pod's lifetime)");
            put!(text, "{indent}    Medium:\t{}", word(empty, "medium"));
            let limit = word(empty, "sizeLimit");
            put!(text, "{indent}    SizeLimit:\t{}", if limit.is_empty() { "<unset>" } else { &limit });
        } else if let Some(host) = volume.get("hostPath") {
            put!(text, "{indent}    Type:\tHostPath (bare host directory volume)");
            put!(text, "{indent}    Path:\t{}", word(host, "path"));
            put!(text, "{indent}    HostPathType:\t{}", word(host, "type"));
        } else {
            put!(text, "{indent}    <unknown>");
        }
    }
}

/// `printPodTolerationsMultiline`
fn tolerations(text: &mut String, all: &[Toleration]) {
    let mut title = "Tolerations:";
    for t in all {
        let mut shown = t.key.clone();
        for (sign, part) in [("=", &t.value), (":", &t.effect)] {
            if !part.is_empty() {
                shown.push_str(&format!("{sign}{part}"));
            }
        }
        if t.operator == "Exists" && t.value.is_empty() {
            shown.push_str(if shown.is_empty() { "op=Exists" } else { " op=Exists" });
        }
        if let Some(seconds) = t.toleration_seconds {
            shown.push_str(&format!(" for {seconds}s"));
        }
        put!(text, "{title}\t{shown}");
        title = "";
    }
    if all.is_empty() {
        put!(text, "{title}\t<none>");
    }
}

/// The template of pods (`DescribePodTemplate`).
pub(super) fn template(text: &mut String, template: &crate::object::deployment::PodTemplate) {
    let labels: &Labels = &template.metadata.labels;
    text.push_str("Pod Template:\n");
    map(text, "  Labels:", labels, "=");
    if !template.metadata.annotations.is_empty() {
        map(text, "  Annotations:", &template.metadata.annotations, ": ");
    }
    if let Some(account) = &template.spec.service_account_name {
        put!(text, "  Service Account:\t{account}");
    }
    text.push_str("  Containers:\n");
    for container in &template.spec.containers {
        put!(text, "   {}:", container.name);
        self::container(text, container, None, false);
    }
    volumes(text, template.spec.volumes.as_ref(), "  ");
}
