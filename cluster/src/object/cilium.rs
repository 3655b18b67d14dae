//! What Cilium's agents tell each other through the API server: their nodes, the identities of label sets, their endpoints
//! (`cilium.io/v2`).

use core::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::{Kind, Labels, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};

/// A node with an agent.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct CiliumNode {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What it has.
    pub spec: CiliumNodeSpec,
}

/// What a node has.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct CiliumNodeSpec {
    /// `InternalIP`: the node's own address; `CiliumInternalIP`: that of `cilium_host`.
    pub addresses: Vec<NodeAddress>,
    /// Where its health is asked.
    pub health: Health,
    /// The addresses of its pods.
    pub ipam: NodeIpam,
}

/// An address of a node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct NodeAddress {
    /// The address.
    pub ip: Ipv4Addr,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The address of the health endpoint.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Health {
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<Ipv4Addr>,
}

/// The addresses of a node's pods.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct NodeIpam {
    /// Ranges.
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Vec<Ipv4Net>,
}

/// The type of a node's own address.
pub const INTERNAL_IP: &str = "InternalIP";
/// The type of the address of `cilium_host`.
pub const CILIUM_INTERNAL_IP: &str = "CiliumInternalIP";

impl CiliumNode {
    /// Its address of that type.
    pub fn address(&self, kind: &str) -> Option<Ipv4Addr> {
        self.spec.addresses.iter().find(|address| address.kind == kind).map(|address| address.ip)
    }
}

impl Kind for CiliumNode {
    const TYPE: TypeInfo = TypeInfo {
        kind: "CiliumNode",
        api_version: "cilium.io/v2",
        plural: "ciliumnodes",
        singular: "ciliumnode",
        short: &["cn", "ciliumn"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::new("CILIUMINTERNALIP"), Column::new("INTERNALIP"), Column::new("AGE")];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        let address = |kind| self.address(kind).map_or(String::new(), |ip| ip.to_string());
        vec![address(CILIUM_INTERNAL_IP), address(INTERNAL_IP), show.age(&self.metadata)]
    }
}

/// The identity of a set of labels: its name is the number.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "kebab-case", default)]
pub struct CiliumIdentity {
    /// Its number, as a name.
    pub metadata: ObjectMeta,
    /// The labels, each with its source in front: `k8s:app`.
    pub security_labels: Labels,
}

impl CiliumIdentity {
    /// Its number.
    pub fn number(&self) -> u32 {
        self.metadata.name.parse().unwrap_or(0)
    }
}

impl Kind for CiliumIdentity {
    const TYPE: TypeInfo = TypeInfo {
        kind: "CiliumIdentity",
        api_version: "cilium.io/v2",
        plural: "ciliumidentities",
        singular: "ciliumidentity",
        short: &["ciliumid"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::new("NAMESPACE"), Column::new("AGE")];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        let namespace = self.security_labels.get("k8s:io.kubernetes.pod.namespace").cloned();
        vec![namespace.unwrap_or_default(), show.age(&self.metadata)]
    }
}

/// A pod as its agent sees it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct CiliumEndpoint {
    /// The pod's name.
    pub metadata: ObjectMeta,
    /// What it is.
    pub status: CiliumEndpointStatus,
}

/// What an endpoint is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct CiliumEndpointStatus {
    /// Its number on its node.
    pub id: u16,
    /// Its identity.
    pub identity: EndpointIdentity,
    /// Where it is.
    pub networking: Networking,
    /// `ready`.
    pub state: String,
}

/// The identity of an endpoint.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct EndpointIdentity {
    /// Its number.
    pub id: u32,
    /// Its labels.
    pub labels: Vec<String>,
}

/// Where an endpoint is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Networking {
    /// Its addresses.
    pub addressing: Vec<AddressPair>,
    /// The address of its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Ipv4Addr>,
}

/// The addresses of an endpoint.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct AddressPair {
    /// The one there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<Ipv4Addr>,
}

impl Kind for CiliumEndpoint {
    const TYPE: TypeInfo = TypeInfo {
        kind: "CiliumEndpoint",
        api_version: "cilium.io/v2",
        plural: "ciliumendpoints",
        singular: "ciliumendpoint",
        short: &["cep", "ciliumep"],
        namespaced: true,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::new("ENDPOINT ID"),
            Column::new("IDENTITY ID"),
            Column::new("ENDPOINT STATE"),
            Column::new("IPV4"),
        ];
        COLUMNS
    }

    fn cells(&self, _: &Show<'_>) -> Vec<String> {
        let Self { status, .. } = self;
        let ip = status.networking.addressing.iter().find_map(|pair| pair.ipv4);
        let ip = ip.map_or(String::new(), |ip| ip.to_string());
        vec![status.id.to_string(), status.identity.id.to_string(), status.state.clone(), ip]
    }
}
