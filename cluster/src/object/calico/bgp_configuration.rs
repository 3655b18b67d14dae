//! How all nodes speak BGP.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::super::{Kind, ObjectMeta, TypeInfo};
use super::V3;
use crate::print::{Column, Show};

/// The settings of BGP; the one named `default` is that of all nodes.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct BgpConfiguration {
    /// Its name.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: BgpConfigurationSpec,
}

/// The settings of BGP.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct BgpConfigurationSpec {
    /// The AS of all nodes that name no other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_number: Option<u32>,
    /// The port, if it is not 179.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_port: Option<u16>,
    /// How much is logged.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub log_severity_screen: String,
    /// Whether each node speaks to each other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_to_node_mesh_enabled: Option<bool>,
    /// The addresses of Services that peers are told of.
    #[serde(rename = "serviceClusterIPs", skip_serializing_if = "Vec::is_empty")]
    pub service_cluster_ips: Vec<ServiceBlock>,
}

/// Addresses of Services.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct ServiceBlock {
    /// The addresses.
    pub cidr: Ipv4Net,
}

/// The AS of the nodes, when nobody says another one.
pub const DEFAULT_AS: u32 = 64512;

impl Kind for BgpConfiguration {
    const TYPE: TypeInfo = TypeInfo {
        kind: "BGPConfiguration",
        api_version: V3,
        plural: "bgpconfigurations",
        singular: "bgpconfiguration",
        short: &["bgpconfig", "bgpconfigs"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::new("LOGSEVERITY"), Column::new("MESHENABLED"), Column::new("ASNUMBER")];
        COLUMNS
    }

    fn cells(&self, _show: &Show<'_>) -> Vec<String> {
        let spec = &self.spec;
        let mesh = spec.node_to_node_mesh_enabled.map_or_else(|| "-".to_owned(), |on| on.to_string());
        let number = spec.as_number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let severity = if spec.log_severity_screen.is_empty() { "-" } else { &spec.log_severity_screen };
        vec![severity.to_owned(), mesh, number]
    }
}
