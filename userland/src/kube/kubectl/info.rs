//! What kubectl says about the cluster: `cluster-info`, `version`, `api-resources`, `api-versions`.

use hopwise_cluster::object::registry::KINDS;
use hopwise_cluster::object::{Node, Service};
use hopwise_cluster::print::table::align;
use hopwise_machine::Sys;

use super::args::Args;
use super::{Done, Next, store};
use crate::kernel::SimKernel;

/// `kubectl cluster-info`
pub(super) fn cluster_info(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    if args.words.len() > 1 {
        return Err(Done::fail("error: hopwise has `kubectl cluster-info` without `dump`: use `kubectl get all -A`"));
    }
    let first = sys.kernel.kube.cluster.as_ref().and_then(|cluster| cluster.nodes.first().cloned());
    let store = store(sys);
    let node = first.and_then(|member| store.get::<Node>("", &member.machine));
    let address = node.and_then(Node::ip).map(|ip| ip.to_string()).unwrap_or_else(|| "localhost".into());
    let server = format!("https://{address}:6443");
    let mut text = format!("Kubernetes control plane is running at {server}\n");
    for service in store.list::<Service>(Some("kube-system")) {
        let (meta, label) = (&service.metadata, |name: &str| service.metadata.labels.get(name));
        if label("kubernetes.io/cluster-service").is_none_or(|value| value != "true") {
            continue;
        }
        let shown = label("kubernetes.io/name").unwrap_or(&meta.name);
        let port = service.spec.ports.first().map(|port| format!(":{}", port.name)).filter(|port| port.len() > 1);
        let (name, port) = (&meta.name, port.unwrap_or_default());
        let path = format!("api/v1/namespaces/{}/services/{name}{port}/proxy", meta.namespace);
        text.push_str(&format!("{shown} is running at {server}/{path}\n"));
    }
    text.push_str("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.\n");
    Ok(Done::ok(text).into())
}

/// `kubectl version`
pub(super) fn version(sys: &mut Sys<'_, SimKernel>, _: &Args, _: &str) -> Result<Next, Done> {
    let version = crate::kube::kubelet::VERSION;
    let server = if sys.kernel.kube.is_up() { format!("Server Version: {version}\n") } else { String::new() };
    let kustomize = "v5.0.4-0.20230601165947-6ce0bf390ce3";
    Ok(Done::ok(format!("Client Version: {version}\nKustomize Version: {kustomize}\n{server}")).into())
}

/// `kubectl api-resources`
pub(super) fn api_resources(_: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let mut rows: Vec<_> = KINDS.iter().map(|row| row.info).collect();
    // By group, the core one first, then by name.
    rows.sort_by_key(|info| (info.group(), info.plural));
    let mut lines: Vec<Vec<String>> = Vec::new();
    if !args.has("no-headers") {
        lines.push(["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"].map(str::to_owned).into());
    }
    lines.extend(rows.iter().map(|info| {
        let namespaced = info.namespaced.to_string();
        vec![info.plural.into(), info.short.join(","), info.api_version.into(), namespaced, info.kind.into()]
    }));
    Ok(Done::ok(align(&lines)).into())
}

/// `kubectl api-versions`
pub(super) fn api_versions(_: &mut Sys<'_, SimKernel>, _: &Args, _: &str) -> Result<Next, Done> {
    let mut all: Vec<&str> = KINDS.iter().map(|row| row.info.api_version).collect();
    all.sort_unstable();
    all.dedup();
    Ok(Done::ok(all.iter().map(|version| format!("{version}\n")).collect::<String>()).into())
}
