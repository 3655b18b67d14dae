//! Nodes.

use core::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pod::Condition;
use super::{Kind, Labels, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};

/// A machine of the cluster.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Node {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: NodeSpec,
    /// What is.
    pub status: NodeStatus,
}

/// What a node shall be.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSpec {
    /// The range of its pods' addresses.
    #[serde(rename = "podCIDR")]
    pub pod_cidr: String,
    /// The same in a list.
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Vec<String>,
    /// What repels pods.
    pub taints: Vec<Taint>,
    /// Whether no new pod is bound to it.
    pub unschedulable: Option<bool>,
    /// Kept and shown.
    #[serde(rename = "providerID")]
    pub provider_id: Option<String>,
}

/// What repels pods.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
    /// Kept and shown.
    pub time_added: Option<String>,
}

/// What a node is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStatus {
    /// Its addresses.
    pub addresses: Vec<NodeAddress>,
    /// Ready.
    pub conditions: Vec<Condition>,
    /// Versions of what runs there.
    pub node_info: NodeInfo,
    /// Kept and shown.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub capacity: Labels,
    /// Kept and shown.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub allocatable: Labels,
    /// Kept and shown.
    pub images: Option<Value>,
    /// Kept and shown.
    pub daemon_endpoints: Option<Value>,
}

/// An address of a node.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct NodeAddress {
    /// `InternalIP`, `Hostname`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The address.
    pub address: String,
}

/// Versions of what runs on a node.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeInfo {
    /// `Debian GNU/Linux 12 (bookworm)`
    pub os_image: String,
    /// The kernel's version.
    pub kernel_version: String,
    /// `containerd://1.7.0`
    pub container_runtime_version: String,
    /// `v1.28.0`
    pub kubelet_version: String,
    /// `v1.28.0`
    pub kube_proxy_version: String,
    /// `linux`
    pub operating_system: String,
    /// `amd64`
    pub architecture: String,
    /// Kept and shown.
    #[serde(rename = "machineID")]
    pub machine_id: String,
    /// Kept and shown.
    #[serde(rename = "systemUUID")]
    pub system_uuid: String,
    /// Kept and shown.
    #[serde(rename = "bootID")]
    pub boot_id: String,
}

impl Node {
    /// The address under which the other nodes know it.
    pub fn ip(&self) -> Option<Ipv4Addr> {
        self.status.addresses.iter().find(|a| a.kind == "InternalIP")?.address.parse().ok()
    }

    /// The range of its pods' addresses.
    pub fn pod_cidr(&self) -> Option<ipnet::Ipv4Net> {
        self.spec.pod_cidr.parse().ok()
    }

    /// Whether its kubelet says that pods can run.
    pub fn is_ready(&self) -> bool {
        self.status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True")
    }

    /// The column ROLES: the ends of its labels `node-role.kubernetes.io/ROLE`.
    pub fn roles(&self) -> String {
        let roles = self.metadata.labels.keys().filter_map(|key| key.strip_prefix("node-role.kubernetes.io/"));
        let roles: Vec<&str> = roles.filter(|role| !role.is_empty()).collect();
        if roles.is_empty() { "<none>".into() } else { roles.join(",") }
    }
}

impl Kind for Node {
    const TYPE: TypeInfo = TypeInfo {
        kind: "Node",
        api_version: "v1",
        plural: "nodes",
        singular: "node",
        short: &["no"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn node(&self) -> Option<&str> {
        Some(&self.metadata.name)
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::new("STATUS"),
            Column::new("ROLES"),
            Column::new("AGE"),
            Column::new("VERSION"),
            Column::wide("INTERNAL-IP"),
            Column::wide("EXTERNAL-IP"),
            Column::wide("OS-IMAGE"),
            Column::wide("KERNEL-VERSION"),
            Column::wide("CONTAINER-RUNTIME"),
        ];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        let mut status = if self.is_ready() { "Ready" } else { "NotReady" }.to_owned();
        if self.spec.unschedulable == Some(true) {
            status.push_str(",SchedulingDisabled");
        }
        let info = &self.status.node_info;
        let known = |text: &str| if text.is_empty() { "<unknown>".to_owned() } else { text.to_owned() };
        vec![
            status,
            self.roles(),
            show.age(&self.metadata),
            info.kubelet_version.clone(),
            show.or_none(self.ip()),
            "<none>".into(),
            known(&info.os_image),
            known(&info.kernel_version),
            known(&info.container_runtime_version),
        ]
    }

    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::node(self, show)
    }
}
