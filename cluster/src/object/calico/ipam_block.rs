//! Blocks of addresses, with who has which.

use serde::{Deserialize, Serialize};

use super::super::{Kind, ObjectMeta, TypeInfo};
use super::CRD;
use crate::ipam::calico::Block;

/// A block as the store keeps it. Its name is its network with dashes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct IpamBlock {
    /// Its name.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// The block.
    pub spec: Block,
}

impl IpamBlock {
    /// The object of a block.
    pub fn new(block: Block) -> Self {
        IpamBlock { metadata: ObjectMeta::named("", &Self::name_of(&block.cidr)), spec: block }
    }

    /// The name of a block's object.
    pub fn name_of(cidr: &ipnet::Ipv4Net) -> String {
        cidr.to_string().replace(['.', '/'], "-")
    }
}

impl Kind for IpamBlock {
    const TYPE: TypeInfo = TypeInfo {
        kind: "IPAMBlock",
        api_version: CRD,
        plural: "ipamblocks",
        singular: "ipamblock",
        short: &[],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
