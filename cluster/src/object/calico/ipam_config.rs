//! How addresses are given out.

use serde::{Deserialize, Serialize};

use super::super::{Kind, ObjectMeta, TypeInfo};
use super::CRD;

/// The settings of IPAM; the one named `default` counts.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct IpamConfig {
    /// Its name.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: IpamConfigSpec,
}

/// The settings of IPAM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct IpamConfigSpec {
    /// Whether blocks are claimed when they are needed.
    pub auto_allocate_blocks: bool,
    /// So many blocks a node may have; 0: any number.
    #[serde(skip_serializing_if = "super::is_default")]
    pub max_blocks_per_host: usize,
    /// Whether a node takes addresses only from blocks of its own.
    pub strict_affinity: bool,
}

impl Default for IpamConfigSpec {
    fn default() -> Self {
        IpamConfigSpec { auto_allocate_blocks: true, max_blocks_per_host: 0, strict_affinity: false }
    }
}

impl Kind for IpamConfig {
    const TYPE: TypeInfo = TypeInfo {
        kind: "IPAMConfig",
        api_version: CRD,
        plural: "ipamconfigs",
        singular: "ipamconfig",
        short: &["ipamconfiguration"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
