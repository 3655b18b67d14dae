//! Nodes.

use super::{labels_and_annotations, or_none, put};
use crate::object::{Kind, Node, Pod};
use crate::print::Show;
use crate::print::tabwriter::{DESCRIBE, set};

/// A node. Resources are not told, as there are none.
pub fn node(node: &Node, show: &Show<'_>) -> String {
    let (meta, status) = (&node.metadata, &node.status);
    let mut text = format!("Name:\t{}\nRoles:\t{}\n", meta.name, node.roles());
    labels_and_annotations(&mut text, meta);
    put!(text, "CreationTimestamp:\t{}", show.or_none(meta.creation_timestamp.map(|at| at.rfc1123())));
    let mut title = "Taints:";
    for taint in &node.spec.taints {
        let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
        put!(text, "{title}\t{}{value}:{}", taint.key, taint.effect);
        title = "";
    }
    if node.spec.taints.is_empty() {
        put!(text, "{title}\t<none>");
    }
    put!(text, "Unschedulable:\t{}", node.spec.unschedulable == Some(true));
    text.push_str("Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n");
    text.push_str("  ----\t------\t-----------------\t------------------\t------\t-------\n");
    for c in &status.conditions {
        let time = |at: Option<crate::Timestamp>| show.or_none(at.map(|at| at.rfc1123()));
        let (beat, since) = (time(c.last_heartbeat_time), time(c.last_transition_time));
        put!(text, "  {} \t{} \t{beat} \t{since} \t{} \t{} ", c.kind, c.status, c.reason, c.message);
    }
    text.push_str("Addresses:\n");
    status.addresses.iter().for_each(|a| put!(text, "  {}:\t{}", a.kind, a.address));
    let info = &status.node_info;
    text.push_str("System Info:\n");
    for (name, value) in [
        ("Machine ID", &info.machine_id),
        ("System UUID", &info.system_uuid),
        ("Boot ID", &info.boot_id),
        ("Kernel Version", &info.kernel_version),
        ("OS Image", &info.os_image),
        ("Operating System", &info.operating_system),
        ("Architecture", &info.architecture),
        ("Container Runtime Version", &info.container_runtime_version),
        ("Kubelet Version", &info.kubelet_version),
        ("Kube-Proxy Version", &info.kube_proxy_version),
    ] {
        put!(text, "  {name}:\t{value}");
    }
    if !node.spec.pod_cidr.is_empty() {
        put!(text, "PodCIDR:\t{}\nPodCIDRs:\t{}", node.spec.pod_cidr, or_none(&node.spec.pod_cidrs.join(",")));
    }
    let mine = |pod: &&Pod| Kind::node(*pod) == Some(&meta.name) && !pod.is_over();
    let pods: Vec<&Pod> = show.store.list::<Pod>(None).filter(mine).collect();
    put!(text, "Non-terminated Pods:\t({} in total)", pods.len());
    text.push_str("  Namespace\tName\tAge\n  ---------\t----\t---\n");
    for pod in pods {
        let meta = &pod.metadata;
        put!(text, "  {}\t{}\t{}", meta.namespace, meta.name, show.age(meta));
    }
    text.push_str("Events:\t<none>\n");
    set(&text, DESCRIBE)
}
