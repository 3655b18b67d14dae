//! Pods.

mod admit;

use core::fmt;
use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(super) use self::admit::admit_spec;
use super::{Invalid, Kind, Labels, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};
use crate::time::Timestamp;

/// One or more containers that share a network namespace.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Pod {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: PodSpec,
    /// What is.
    pub status: PodStatus,
}

/// What a pod shall be.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// Its containers.
    pub containers: Vec<Container>,
    /// The node it is bound to.
    pub node_name: String,
    /// Labels of the nodes that it may be bound to.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub node_selector: Labels,
    /// Whether it lives in the node's own namespace.
    pub host_network: Option<bool>,
    /// `Always`, `OnFailure` or `Never`.
    pub restart_policy: String,
    /// `ClusterFirst`, `Default`, `None`, `ClusterFirstWithHostNet`.
    pub dns_policy: String,
    /// Servers, domains and options for its resolver, besides those of the policy.
    pub dns_config: Option<DnsConfig>,
    /// Its hostname, if not the name.
    pub hostname: String,
    /// The headless Service under whose name it is known.
    pub subdomain: String,
    /// How long it may take to end, in seconds.
    pub termination_grace_period_seconds: Option<u64>,
    /// Lines for its /etc/hosts.
    pub host_aliases: Vec<HostAlias>,
    /// What may bind it to a node that repels pods.
    pub tolerations: Vec<Toleration>,
    /// Kept and shown; the scheduler knows nothing of it.
    pub affinity: Option<Value>,
    /// As `affinity`.
    pub topology_spread_constraints: Option<Value>,
    /// Kept and shown; nothing follows from it.
    pub automount_service_account_token: Option<bool>,
    /// As above.
    pub enable_service_links: Option<bool>,
    /// As above.
    pub image_pull_secrets: Option<Value>,
    /// As above.
    pub priority: Option<i64>,
    /// As above.
    pub priority_class_name: Option<String>,
    /// As above.
    pub preemption_policy: Option<String>,
    /// As above.
    pub scheduler_name: Option<String>,
    /// As above.
    pub security_context: Option<Value>,
    /// As above.
    pub service_account: Option<String>,
    /// As above.
    pub service_account_name: Option<String>,
    /// As above.
    pub volumes: Option<Value>,
    /// As above.
    #[serde(rename = "hostPID")]
    pub host_pid: Option<bool>,
    /// As above.
    #[serde(rename = "hostIPC")]
    pub host_ipc: Option<bool>,
    /// As above.
    pub share_process_namespace: Option<bool>,
    /// As above.
    pub os: Option<Value>,
}

/// What a pod's resolver is told besides.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct DnsConfig {
    /// Servers.
    pub nameservers: Vec<Ipv4Addr>,
    /// Domains in which names are looked for.
    pub searches: Vec<String>,
    /// Options.
    pub options: Vec<DnsOption>,
}

/// An option of `resolv.conf(5)`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct DnsOption {
    /// `ndots`
    pub name: String,
    /// `2`
    pub value: Option<String>,
}

/// A line for /etc/hosts.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct HostAlias {
    /// The address.
    pub ip: String,
    /// Its names.
    pub hostnames: Vec<String>,
}

/// What lets a pod onto a node with a taint.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Toleration {
    /// The taint's key; empty: every one.
    pub key: String,
    /// `Exists` or `Equal`.
    pub operator: String,
    /// The taint's value.
    pub value: String,
    /// The taint's effect; empty: every one.
    pub effect: String,
    /// Kept and shown.
    pub toleration_seconds: Option<i64>,
}

/// A container.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its name within the pod.
    pub name: String,
    /// What it would be made of. Its name decides what runs if there is no command.
    pub image: String,
    /// The program, instead of the image's entrypoint.
    pub command: Vec<String>,
    /// Its arguments, instead of the image's.
    pub args: Vec<String>,
    /// The folder it starts in.
    pub working_dir: String,
    /// Environment variables.
    pub env: Vec<EnvVar>,
    /// Ports it says it listens at.
    pub ports: Vec<ContainerPort>,
    /// When it is ready for traffic.
    pub readiness_probe: Option<Probe>,
    /// Kept and shown; nothing is restarted by it.
    pub liveness_probe: Option<Value>,
    /// As above.
    pub startup_probe: Option<Value>,
    /// Kept and shown; nothing follows from it.
    pub resources: Option<Value>,
    /// As above: no image is pulled.
    pub image_pull_policy: Option<String>,
    /// As above.
    pub security_context: Option<Value>,
    /// As above: there are no volumes.
    pub volume_mounts: Option<Value>,
    /// As above.
    pub lifecycle: Option<Value>,
    /// As above.
    pub stdin: Option<bool>,
    /// As above.
    pub stdin_once: Option<bool>,
    /// As above.
    pub tty: Option<bool>,
    /// As above.
    pub termination_message_path: Option<String>,
    /// As above.
    pub termination_message_policy: Option<String>,
}

/// An environment variable.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// A field of the pod that is its value.
    pub value_from: Option<EnvSource>,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvSource {
    /// A field of the pod.
    pub field_ref: FieldRef,
}

/// A field of the pod.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    /// `v1`
    pub api_version: String,
    /// `status.podIP`, `metadata.name`, ...
    pub field_path: String,
}

/// A port that a container listens at.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// A name by which Services and policies call it.
    pub name: String,
    /// Its number.
    pub container_port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Protocol,
    /// A port of the node that leads to it. Only a pod on the host's network can have it here, where it says nothing new: there is no
    /// plugin `portmap`.
    pub host_port: Option<u16>,
    /// The address of the node that has the port.
    #[serde(rename = "hostIP")]
    pub host_ip: Option<String>,
}

/// A transport protocol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

impl Protocol {
    /// As iptables writes it.
    pub const fn lower(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        })
    }
}

/// A port by number or by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(untagged)]
pub enum PortRef {
    /// Its number.
    Number(u16),
    /// Its name in the pod.
    Name(String),
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortRef::Number(number) => write!(f, "{number}"),
            PortRef::Name(name) => f.write_str(name),
        }
    }
}

/// How a container is found to be ready. A TCP or HTTP probe asks whether somebody listens at the port; the others say "ready" once
/// the container runs.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    /// Somebody listens at a port.
    pub tcp_socket: Option<Value>,
    /// Somebody answers a request.
    pub http_get: Option<Value>,
    /// A command succeeds.
    pub exec: Option<Value>,
    /// A gRPC server says so.
    pub grpc: Option<Value>,
    /// Seconds before the first one.
    pub initial_delay_seconds: Option<u64>,
    /// Seconds between two.
    pub period_seconds: Option<u64>,
    /// Seconds until one has failed.
    pub timeout_seconds: Option<u64>,
    /// How many make a success.
    pub success_threshold: Option<u64>,
    /// How many make a failure.
    pub failure_threshold: Option<u64>,
}

/// What a pod is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`.
    pub phase: String,
    /// Initialized, Ready, ContainersReady, PodScheduled.
    pub conditions: Vec<Condition>,
    /// The node's address.
    #[serde(rename = "hostIP")]
    pub host_ip: Option<Ipv4Addr>,
    /// Its own address.
    #[serde(rename = "podIP")]
    pub pod_ip: Option<Ipv4Addr>,
    /// The same in a list.
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    /// When it began.
    pub start_time: Option<Timestamp>,
    /// How its containers are.
    pub container_statuses: Vec<ContainerStatus>,
    /// Why it is as it is, in a word.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// Kept and shown.
    pub qos_class: String,
}

/// An address of a pod.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct PodIp {
    /// The address.
    pub ip: Ipv4Addr,
}

/// Something that is so or not.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What: `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// Why, in a word.
    pub reason: String,
    /// The same in a sentence.
    pub message: String,
    /// Since when.
    pub last_transition_time: Option<Timestamp>,
    /// When it was looked at.
    pub last_update_time: Option<Timestamp>,
    /// When the kubelet was heard last.
    pub last_heartbeat_time: Option<Timestamp>,
    /// When it was probed.
    pub last_probe_time: Option<Timestamp>,
}

/// How a container is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// The image's digest.
    #[serde(rename = "imageID")]
    pub image_id: String,
    /// The container's id.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// Whether traffic may come.
    pub ready: bool,
    /// Whether it has started.
    pub started: Option<bool>,
    /// How often it was started again.
    pub restart_count: u32,
    /// `running`, `waiting` or `terminated`, with more.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub state: BTreeMap<String, Value>,
    /// The state before.
    pub last_state: BTreeMap<String, Value>,
}

impl ContainerStatus {
    /// A word of its state: `reason` of `waiting`.
    pub fn said(&self, state: &str, field: &str) -> Option<&str> {
        self.state.get(state)?.get(field)?.as_str()
    }
}

impl Pod {
    /// Its address, once it has one.
    pub fn ip(&self) -> Option<Ipv4Addr> {
        self.status.pod_ip
    }

    /// Whether traffic may come.
    pub fn is_ready(&self) -> bool {
        self.condition("Ready")
    }

    /// Whether something is so.
    pub fn condition(&self, kind: &str) -> bool {
        self.status.conditions.iter().any(|c| c.kind == kind && c.status == "True")
    }

    /// Whether it lives in the node's own namespace.
    pub fn is_on_host_network(&self) -> bool {
        self.spec.host_network == Some(true)
    }

    /// Whether it has ended for good.
    pub fn is_over(&self) -> bool {
        matches!(&*self.status.phase, "Succeeded" | "Failed")
    }

    /// The number of a port of its containers (`FindPort`).
    pub fn port(&self, port: &PortRef, protocol: Protocol) -> Option<u16> {
        match port {
            PortRef::Number(number) => Some(*number),
            PortRef::Name(name) => {
                let mut ports = self.spec.containers.iter().flat_map(|container| &container.ports);
                ports.find(|p| p.name == *name && p.protocol == protocol).map(|p| p.container_port)
            }
        }
    }

    /// The column STATUS (`printPod`).
    pub fn shown_status(&self) -> String {
        let status = &self.status;
        let mut shown = if status.reason.is_empty() { status.phase.clone() } else { status.reason.clone() };
        for container in status.container_statuses.iter().rev() {
            if let Some(reason) = container.said("waiting", "reason") {
                shown = reason.to_owned();
            } else if let Some(reason) = container.said("terminated", "reason") {
                shown = reason.to_owned();
            }
        }
        if self.metadata.is_going() { "Terminating".into() } else { shown }
    }
}

impl Kind for Pod {
    const TYPE: TypeInfo =
        TypeInfo { kind: "Pod", api_version: "v1", plural: "pods", singular: "pod", short: &["po"], namespaced: true };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn node(&self) -> Option<&str> {
        Some(&self.spec.node_name).filter(|name| !name.is_empty()).map(String::as_str)
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        admit_spec(&mut self.spec, "spec")?;
        if self.status.phase.is_empty() {
            self.status.phase = "Pending".into();
            self.status.qos_class = "BestEffort".into();
        }
        Ok(())
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::new("READY"),
            Column::new("STATUS"),
            Column::new("RESTARTS"),
            Column::new("AGE"),
            Column::wide("IP"),
            Column::wide("NODE"),
            Column::wide("NOMINATED NODE"),
            Column::wide("READINESS GATES"),
        ];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        let statuses = &self.status.container_statuses;
        let ready = statuses.iter().filter(|c| c.ready).count();
        let restarts: u32 = statuses.iter().map(|c| c.restart_count).sum();
        vec![
            format!("{ready}/{}", self.spec.containers.len()),
            self.shown_status(),
            restarts.to_string(),
            show.age(&self.metadata),
            show.or_none(self.status.pod_ip),
            show.or_none(Kind::node(self)),
            "<none>".into(),
            "<none>".into(),
        ]
    }

    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::pod(self, show)
    }
}
