//! Who speaks BGP with whom, besides the mesh.

use serde::{Deserialize, Serialize};

use super::super::{Invalid, Kind, ObjectMeta, TypeInfo};
use super::{V3, wrong};
use crate::calico::selector::Selector;
use crate::print::{Column, Show};

/// A peering: of all nodes, one node, or those of a selector, with one address or the nodes of another selector.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct BgpPeer {
    /// Its name.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: BgpPeerSpec,
}

/// A peering.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct BgpPeerSpec {
    /// The AS of the peer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_number: Option<u32>,
    /// Whether the peer is told of routes with the next hop that they came with.
    #[serde(skip_serializing_if = "super::is_default")]
    pub keep_original_next_hop: bool,
    /// The one node that has this peer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The nodes that have this peer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub node_selector: String,
    /// The peer's address, perhaps with its port.
    #[serde(rename = "peerIP", skip_serializing_if = "String::is_empty")]
    pub peer_ip: String,
    /// The nodes that are the peers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub peer_selector: String,
    /// Through which neighbour the peer is reached.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reachable_by: String,
}

impl BgpPeerSpec {
    /// The address and the port of the peer.
    pub fn address(&self) -> Option<(core::net::Ipv4Addr, Option<u16>)> {
        match self.peer_ip.split_once(':') {
            Some((address, port)) => Some((address.parse().ok()?, Some(port.parse().ok()?))),
            None => Some((self.peer_ip.parse().ok()?, None)),
        }
    }
}

impl Kind for BgpPeer {
    const TYPE: TypeInfo = TypeInfo {
        kind: "BGPPeer",
        api_version: V3,
        plural: "bgppeers",
        singular: "bgppeer",
        short: &["bgpp", "bgpps", "bp", "bps"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        let spec = &self.spec;
        if !spec.node.is_empty() && !spec.node_selector.is_empty() {
            return Err(wrong(
                "BGPPeerSpec.Node",
                &spec.node,
                "Node field must be empty when NodeSelector is specified",
            ));
        }
        if !spec.peer_ip.is_empty() && !spec.peer_selector.is_empty() {
            return Err(wrong(
                "BGPPeerSpec.PeerIP",
                &spec.peer_ip,
                "PeerIP field must be empty when PeerSelector is specified",
            ));
        }
        if spec.as_number.is_some() && !spec.peer_selector.is_empty() {
            let why = "ASNumber field must be empty when PeerSelector is specified";
            return Err(wrong("BGPPeerSpec.ASNumber", spec.as_number.unwrap_or(0), why));
        }
        if spec.peer_selector.is_empty() && spec.address().is_none() {
            return Err(wrong(
                "PeerIP",
                &spec.peer_ip,
                "Reason: failed to validate Field: PeerIP because of Tag: omitempty",
            ));
        }
        for selector in [&spec.node_selector, &spec.peer_selector] {
            Selector::parse(selector).map_err(|why| wrong("BGPPeerSpec.NodeSelector", selector, &why))?;
        }
        Ok(())
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::new("PEERIP"), Column::new("NODE"), Column::new("ASN")];
        COLUMNS
    }

    fn cells(&self, _show: &Show<'_>) -> Vec<String> {
        let spec = &self.spec;
        let node = match (&*spec.node, &*spec.node_selector) {
            ("", "") => "(global)".to_owned(),
            ("", selector) => selector.to_owned(),
            (node, _) => node.to_owned(),
        };
        let peer = if spec.peer_selector.is_empty() { &spec.peer_ip } else { &spec.peer_selector };
        vec![peer.clone(), node, spec.as_number.unwrap_or(0).to_string()]
    }
}
