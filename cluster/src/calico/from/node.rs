//! A node as Calico sees it: in a cluster whose store is Kubernetes' own, it lies in annotations.

use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::object::Node;

/// Where Calico keeps what Kubernetes has no field for.
pub mod annotation {
    /// A node's address with its subnet.
    pub const ADDRESS: &str = "projectcalico.org/IPv4Address";
    /// The address of `tunl0`.
    pub const IPIP: &str = "projectcalico.org/IPv4IPIPTunnelAddr";
    /// The address of `vxlan.calico`.
    pub const VXLAN: &str = "projectcalico.org/IPv4VXLANTunnelAddr";
    /// Its MAC address.
    pub const VXLAN_MAC: &str = "projectcalico.org/VXLANTunnelMACAddr";
    /// The node's AS.
    pub const AS_NUMBER: &str = "projectcalico.org/ASNumber";
    /// The cluster whose reflector the node is.
    pub const CLUSTER_ID: &str = "projectcalico.org/RouteReflectorClusterID";
    /// A pod's address, as soon as the plugin has given it one.
    pub const POD_IP: &str = "cni.projectcalico.org/podIP";
    /// The same, all of them.
    pub const POD_IPS: &str = "cni.projectcalico.org/podIPs";
    /// The sandbox of a pod.
    pub const CONTAINER_ID: &str = "cni.projectcalico.org/containerID";
}

/// What Calico knows of a node.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CalicoNode {
    /// Its address with its subnet.
    pub address: Option<Ipv4Net>,
    /// The address of `tunl0`.
    pub ipip: Option<Ipv4Addr>,
    /// The address of `vxlan.calico`.
    pub vxlan: Option<Ipv4Addr>,
    /// Its MAC address.
    pub vxlan_mac: Option<[u8; 6]>,
    /// Its AS, if it is not that of all.
    pub as_number: Option<u32>,
    /// The cluster whose reflector it is.
    pub cluster_id: Option<Ipv4Addr>,
}

impl CalicoNode {
    /// What the annotations of a node say.
    pub fn of(node: &Node) -> Self {
        let text = |name: &str| node.metadata.annotations.get(name).map(String::as_str);
        CalicoNode {
            address: text(annotation::ADDRESS).and_then(|text| text.parse().ok()),
            ipip: text(annotation::IPIP).and_then(|text| text.parse().ok()),
            vxlan: text(annotation::VXLAN).and_then(|text| text.parse().ok()),
            vxlan_mac: text(annotation::VXLAN_MAC).and_then(mac),
            as_number: text(annotation::AS_NUMBER).and_then(|text| text.parse().ok()),
            cluster_id: text(annotation::CLUSTER_ID).and_then(|text| text.parse().ok()),
        }
    }
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    bytes?.try_into().ok()
}

/// The MAC address of a node's `vxlan.calico`: an `f` and the first five bytes of the hash of the node's name.
pub fn vxlan_mac(node: &str) -> [u8; 6] {
    use sha1::{Digest, Sha1};
    let hash = Sha1::digest(node);
    [b'f', hash[0], hash[1], hash[2], hash[3], hash[4]]
}
