//! Services.

use core::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pod::{PortRef, Protocol};
use super::{Invalid, Kind, Labels, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};

/// One address for many pods.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Service {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: ServiceSpec,
    /// What is.
    pub status: ServiceStatus,
}

/// What a Service shall be.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The labels of its pods; none: its endpoints are made by hand.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub selector: Labels,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Its address, or `None` for a headless one.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// The same in a list.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    /// Addresses that lead to it too.
    #[serde(rename = "externalIPs")]
    pub external_ips: Vec<Ipv4Addr>,
    /// `None` or `ClientIP`.
    pub session_affinity: String,
    /// How long a client is remembered.
    pub session_affinity_config: Option<AffinityConfig>,
    /// Where clients from outside are sent: `Cluster` or `Local`.
    pub external_traffic_policy: String,
    /// Where clients from inside are sent: `Cluster` or `Local`.
    pub internal_traffic_policy: String,
    /// Whether pods that are not ready are endpoints too.
    pub publish_not_ready_addresses: Option<bool>,
    /// The port at which a load balancer asks whether a node has endpoints. Kept and shown.
    pub health_check_node_port: Option<u16>,
    /// Kept and shown: there is no load balancer.
    #[serde(rename = "loadBalancerIP")]
    pub load_balancer_ip: Option<String>,
    /// Who may reach the load balancer's address.
    pub load_balancer_source_ranges: Vec<String>,
    /// Kept and shown.
    pub load_balancer_class: Option<String>,
    /// Whether node ports are made for a load balancer.
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// `IPv4` only.
    pub ip_families: Vec<String>,
    /// `SingleStack` only.
    pub ip_family_policy: String,
    /// The name that an `ExternalName` stands for.
    pub external_name: Option<String>,
}

/// How long a client is remembered.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct AffinityConfig {
    /// By its address.
    #[serde(rename = "clientIP")]
    pub client_ip: ClientIpConfig,
}

/// How long a client is remembered by its address.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientIpConfig {
    /// In seconds; 10800 if not given.
    pub timeout_seconds: Option<u32>,
}

/// A port of a Service.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Its name: needed if there are several.
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Protocol,
    /// Its number at the Service's address.
    pub port: u16,
    /// The port of the pods; the same if not given.
    pub target_port: Option<PortRef>,
    /// The port of every node.
    pub node_port: Option<u16>,
    /// Kept and shown.
    pub app_protocol: Option<String>,
}

impl ServicePort {
    /// The port of the pods.
    pub fn target(&self) -> PortRef {
        self.target_port.clone().unwrap_or(PortRef::Number(self.port))
    }
}

/// What a Service is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// The load balancer's addresses.
    pub load_balancer: LoadBalancerStatus,
    /// Kept and shown.
    pub conditions: Option<Value>,
}

/// The load balancer's addresses.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct LoadBalancerStatus {
    /// Each of them.
    pub ingress: Vec<Ingress>,
}

/// An address of a load balancer.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Ingress {
    /// The address.
    pub ip: Option<Ipv4Addr>,
    /// Kept and shown.
    pub hostname: Option<String>,
    /// Kept and shown.
    pub ip_mode: Option<String>,
}

impl Service {
    /// Its address, if it has one.
    pub fn ip(&self) -> Option<Ipv4Addr> {
        self.spec.cluster_ip.parse().ok()
    }

    /// Whether its name leads to the pods themselves.
    pub fn is_headless(&self) -> bool {
        self.spec.cluster_ip == "None"
    }

    /// Whether nodes have ports for it.
    pub fn has_node_ports(&self) -> bool {
        match &*self.spec.kind {
            "NodePort" => true,
            "LoadBalancer" => self.spec.allocate_load_balancer_node_ports != Some(false),
            _ => false,
        }
    }

    /// Whether clients from outside are sent to endpoints of the node they come to only.
    pub fn external_is_local(&self) -> bool {
        self.spec.external_traffic_policy == "Local"
    }

    /// The same for clients from inside.
    pub fn internal_is_local(&self) -> bool {
        self.spec.internal_traffic_policy == "Local"
    }

    /// For how many seconds a client goes to the same endpoint.
    pub fn affinity(&self) -> Option<u32> {
        let config = self.spec.session_affinity_config.as_ref();
        let seconds = config.and_then(|c| c.client_ip.timeout_seconds).unwrap_or(10_800);
        (self.spec.session_affinity == "ClientIP").then_some(seconds)
    }
}

/// A field that has one of some words, the first one if it is empty.
fn one_of(field: &mut String, path: &str, words: &[&str]) -> Result<(), Invalid> {
    match words {
        [first, ..] if field.is_empty() => (*first).clone_into(field),
        _ if words.contains(&&**field) => {}
        _ => {
            let mut sorted = words.to_vec();
            sorted.sort_unstable();
            let words: Vec<String> = sorted.iter().map(|word| format!("{word:?}")).collect();
            return Err(format!("{path}: Unsupported value: {field:?}: supported values: {}", words.join(", ")));
        }
    }
    Ok(())
}

/// A Service that is another name for something: it has no address and no endpoints.
fn admit_external_name(spec: &mut ServiceSpec) -> Result<(), Invalid> {
    if !spec.cluster_ip.is_empty() {
        let value = &spec.cluster_ip;
        return Err(format!("spec.clusterIPs[0]: Forbidden: may not be set for ExternalName services: {value:?}"));
    }
    spec.internal_traffic_policy.clear();
    let name = spec.external_name.as_deref().unwrap_or_default().trim_end_matches('.');
    if name.is_empty() {
        return Err("spec.externalName: Required value".into());
    }
    let is_name = |label: &str| {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inside)
    };
    if !name.split('.').all(is_name) {
        return Err(format!(
            "spec.externalName: Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
             characters, '-' or '.', and must start and end with an alphanumeric character"
        ));
    }
    Ok(())
}

impl Kind for Service {
    const TYPE: TypeInfo = TypeInfo {
        kind: "Service",
        api_version: "v1",
        plural: "services",
        singular: "service",
        short: &["svc"],
        namespaced: true,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        let spec = &mut self.spec;
        one_of(&mut spec.kind, "spec.type", &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])?;
        one_of(&mut spec.session_affinity, "spec.sessionAffinity", &["None", "ClientIP"])?;
        if spec.session_affinity == "ClientIP" {
            let config = spec.session_affinity_config.get_or_insert_default();
            config.client_ip.timeout_seconds.get_or_insert(10_800);
        }
        one_of(&mut spec.internal_traffic_policy, "spec.internalTrafficPolicy", &["Cluster", "Local"])?;
        if spec.kind == "ExternalName" {
            return admit_external_name(spec);
        }
        spec.external_name = spec.external_name.take().filter(|name| !name.is_empty());
        let outside = spec.kind != "ClusterIP" || !spec.external_ips.is_empty();
        if outside {
            one_of(&mut spec.external_traffic_policy, "spec.externalTrafficPolicy", &["Cluster", "Local"])?;
        } else if !spec.external_traffic_policy.is_empty() {
            return Err(format!(
                "spec.externalTrafficPolicy: Invalid value: {:?}: may only be set for externally-accessible services",
                spec.external_traffic_policy
            ));
        }
        if spec.ports.is_empty() && spec.cluster_ip != "None" {
            return Err("spec.ports: Required value".into());
        }
        let several = spec.ports.len() > 1;
        for (index, port) in spec.ports.iter_mut().enumerate() {
            if several && port.name.is_empty() {
                return Err(format!("spec.ports[{index}].name: Required value"));
            }
            if port.port == 0 {
                let range = "must be between 1 and 65535, inclusive";
                return Err(format!("spec.ports[{index}].port: Invalid value: 0: {range}"));
            }
            port.target_port = Some(port.target());
        }
        if spec.ip_families.is_empty() {
            spec.ip_families = vec!["IPv4".into()];
        }
        one_of(&mut spec.ip_family_policy, "spec.ipFamilyPolicy", &["SingleStack", "PreferDualStack"])
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::new("TYPE"),
            Column::new("CLUSTER-IP"),
            Column::new("EXTERNAL-IP"),
            Column::new("PORT(S)"),
            Column::new("AGE"),
            Column::wide("SELECTOR"),
        ];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        let spec = &self.spec;
        let ports: Vec<String> = spec
            .ports
            .iter()
            .map(|p| match p.node_port {
                Some(node_port) => format!("{}:{node_port}/{}", p.port, p.protocol),
                None => format!("{}/{}", p.port, p.protocol),
            })
            .collect();
        let balancer = self.status.load_balancer.ingress.iter().filter_map(|i| i.ip);
        let mut outside: Vec<String> =
            balancer.chain(spec.external_ips.iter().copied()).map(|ip| ip.to_string()).collect();
        if let Some(name) = &spec.external_name {
            outside.push(name.clone());
        } else if outside.is_empty() {
            outside.push(if spec.kind == "LoadBalancer" { "<pending>" } else { "<none>" }.into());
        }
        let selector: Vec<String> = spec.selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let none = |text: String| if text.is_empty() { "<none>".to_owned() } else { text };
        vec![
            spec.kind.clone(),
            none(spec.cluster_ip.clone()),
            outside.join(","),
            none(ports.join(",")),
            show.age(&self.metadata),
            none(selector.join(",")),
        ]
    }

    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::service(self, show)
    }
}
