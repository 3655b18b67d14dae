//! Endpoint slices: where the pods of a Service are.

use core::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pod::Protocol;
use super::{Kind, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};

/// The label that tells whose slice it is.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Some endpoints of a Service, all with the same ports.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// `IPv4`
    pub address_type: String,
    /// Where they are.
    pub endpoints: Vec<Endpoint>,
    /// Their ports.
    pub ports: Vec<EndpointPort>,
}

/// One endpoint.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// Its address.
    pub addresses: Vec<Ipv4Addr>,
    /// Whether traffic may come.
    pub conditions: EndpointConditions,
    /// Its name, for DNS.
    pub hostname: Option<String>,
    /// Its node.
    pub node_name: Option<String>,
    /// The pod.
    pub target_ref: Option<TargetRef>,
    /// Kept and shown.
    pub zone: Option<String>,
    /// Kept and shown.
    pub hints: Option<Value>,
}

/// Whether traffic may come to an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct EndpointConditions {
    /// It may.
    pub ready: Option<bool>,
    /// It may, or could though it is ending.
    pub serving: Option<bool>,
    /// It is ending.
    pub terminating: Option<bool>,
}

/// The object behind an endpoint.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct TargetRef {
    /// `Pod`
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
}

/// A port of all endpoints of a slice.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointPort {
    /// The name of the Service's port.
    pub name: String,
    /// Its number.
    pub port: Option<u16>,
    /// Its protocol.
    pub protocol: Protocol,
    /// Kept and shown.
    pub app_protocol: Option<String>,
}

impl Endpoint {
    /// Its address.
    pub fn ip(&self) -> Option<Ipv4Addr> {
        self.addresses.first().copied()
    }

    /// Whether new connections may go there.
    pub fn is_ready(&self) -> bool {
        self.conditions.ready != Some(false)
    }
}

impl EndpointSlice {
    /// The Service it belongs to.
    pub fn service(&self) -> Option<&str> {
        self.metadata.labels.get(SERVICE_NAME).map(String::as_str)
    }
}

impl Kind for EndpointSlice {
    const TYPE: TypeInfo = TypeInfo {
        kind: "EndpointSlice",
        api_version: "discovery.k8s.io/v1",
        plural: "endpointslices",
        singular: "endpointslice",
        short: &[],
        namespaced: true,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] =
            &[Column::new("ADDRESSTYPE"), Column::new("PORTS"), Column::new("ENDPOINTS"), Column::new("AGE")];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        let ports = self.ports.iter().filter_map(|p| p.port).map(|p| p.to_string()).collect();
        let addresses = self.endpoints.iter().flat_map(|e| &e.addresses).map(|a| a.to_string()).collect();
        vec![
            self.address_type.clone(),
            first_three(ports, "<unset>"),
            first_three(addresses, "<unset>"),
            show.age(&self.metadata),
        ]
    }

    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::endpoint_slice(self, show)
    }
}

/// At most three items (`formatEndpointSlice`, `formatEndpoints`).
pub(super) fn first_three(items: Vec<String>, none: &str) -> String {
    match items.get(..3) {
        _ if items.is_empty() => none.to_owned(),
        Some(three) if items.len() > 3 => format!("{} + {} more...", three.join(","), items.len() - 3),
        _ => items.join(","),
    }
}
