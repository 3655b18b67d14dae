//! Pools of addresses, and how packets between their pods travel.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::super::{Invalid, Kind, ObjectMeta, TypeInfo};
use super::{V3, is_default, wrong};
use crate::calico::bird_cfg::{Mode, Pool};
use crate::calico::selector::{Labels, Selector};
use crate::ipam::calico as ipam;
use crate::print::{Column, Show};

/// A pool of addresses.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct IpPool {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: IpPoolSpec,
}

/// What a pool shall be.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct IpPoolSpec {
    /// For what addresses may be taken: `Workload`, `Tunnel`.
    pub allowed_uses: Vec<String>,
    /// The prefix length of a block.
    pub block_size: u8,
    /// The addresses.
    pub cidr: Ipv4Net,
    /// Whether peers are not told of it.
    #[serde(rename = "disableBGPExport", skip_serializing_if = "is_default")]
    pub disable_bgp_export: bool,
    /// Whether nobody gets an address of it.
    #[serde(skip_serializing_if = "is_default")]
    pub disabled: bool,
    /// When packets go through `tunl0`.
    pub ipip_mode: Mode,
    /// Whether what leaves for addresses outside of all pools gets the node's address.
    #[serde(skip_serializing_if = "is_default")]
    pub nat_outgoing: bool,
    /// The nodes that take addresses of it.
    pub node_selector: String,
    /// When packets go through `vxlan.calico`.
    pub vxlan_mode: Mode,
}

impl IpPool {
    /// Whether a node with these labels takes addresses of it for this: `Workload`, `Tunnel`.
    pub fn serves(&self, node: &Labels, purpose: &str) -> bool {
        let selects = || Selector::parse(&self.spec.node_selector).is_ok_and(|selector| selector.matches(node));
        !self.spec.disabled && self.spec.allowed_uses.iter().any(|allowed| allowed == purpose) && selects()
    }

    /// The pool as the giving out of addresses sees it.
    pub fn for_ipam(&self) -> ipam::Pool {
        ipam::Pool { cidr: self.spec.cidr, block_size: self.spec.block_size }
    }

    /// The pool as BIRD's filters see it.
    pub fn for_bird(&self) -> Pool {
        let spec = &self.spec;
        let (ipip, vxlan) = (spec.ipip_mode, spec.vxlan_mode);
        Pool { cidr: spec.cidr, ipip, vxlan, disable_bgp_export: spec.disable_bgp_export }
    }
}

impl Kind for IpPool {
    const TYPE: TypeInfo = TypeInfo {
        kind: "IPPool",
        api_version: V3,
        plural: "ippools",
        singular: "ippool",
        short: &["ipp", "ipps", "pool", "pools"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        let spec = &mut self.spec;
        if spec.block_size == 0 {
            spec.block_size = 26;
        }
        if spec.node_selector.is_empty() {
            spec.node_selector = "all()".into();
        }
        if spec.allowed_uses.is_empty() {
            spec.allowed_uses = ["Workload", "Tunnel"].map(str::to_owned).into();
        }
        let cidr = spec.cidr;
        if cidr.prefix_len() == 0 {
            return Err(wrong("IPpool.CIDR", "", "CIDR is required"));
        }
        if cidr.trunc() != cidr {
            return Err(wrong("IPpool.CIDR", cidr, "IP pool CIDR is not strictly masked"));
        }
        if !(20..=32).contains(&spec.block_size) {
            return Err(wrong("IPpool.BlockSize", spec.block_size, "block size must be between 20 and 32"));
        }
        if cidr.prefix_len() > spec.block_size {
            let why = "IP pool size is too small for use with Calico IPAM. It must be equal to or greater than the block size.";
            return Err(wrong("IPpool.CIDR", cidr, why));
        }
        if spec.ipip_mode != Mode::Never && spec.vxlan_mode != Mode::Never {
            let why = "IPIPMode and VXLANMode cannot both be enabled on the same IP pool";
            return Err(wrong("IPpool.IPIPMode", spec.ipip_mode, why));
        }
        if let Some(other) = spec.allowed_uses.iter().find(|word| !["Workload", "Tunnel"].contains(&&***word)) {
            return Err(wrong("IPpool.AllowedUses", other, "unknown use"));
        }
        let refused = |why: String| wrong("IPpool.NodeSelector", &spec.node_selector, &why);
        Selector::parse(&spec.node_selector).map(|_| ()).map_err(refused)
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::new("CIDR"),
            Column::wide("NAT"),
            Column::wide("IPIPMODE"),
            Column::wide("VXLANMODE"),
            Column::wide("DISABLED"),
            Column::wide("DISABLEBGPEXPORT"),
            Column::new("SELECTOR"),
        ];
        COLUMNS
    }

    fn cells(&self, _show: &Show<'_>) -> Vec<String> {
        let spec = &self.spec;
        vec![
            spec.cidr.to_string(),
            spec.nat_outgoing.to_string(),
            spec.ipip_mode.to_string(),
            spec.vxlan_mode.to_string(),
            spec.disabled.to_string(),
            spec.disable_bgp_export.to_string(),
            spec.node_selector.clone(),
        ]
    }
}
