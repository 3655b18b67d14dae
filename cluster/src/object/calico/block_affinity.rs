//! To which node a block belongs.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::super::{Kind, ObjectMeta, TypeInfo};
use super::CRD;

/// A block of a node. It is there as long as the node has the block; its name is node and block, with dashes.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct BlockAffinity {
    /// Its name.
    pub metadata: ObjectMeta,
    /// What is.
    pub spec: BlockAffinitySpec,
}

/// A block of a node.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct BlockAffinitySpec {
    /// The block.
    pub cidr: Ipv4Net,
    /// `false`, a text as in Calico.
    pub deleted: String,
    /// The node.
    pub node: String,
    /// `confirmed`
    pub state: String,
}

impl BlockAffinity {
    /// That of a block.
    pub fn new(node: &str, cidr: Ipv4Net) -> Self {
        let name = format!("{node}-{}", cidr.to_string().replace(['.', '/'], "-"));
        let spec = BlockAffinitySpec { cidr, deleted: "false".into(), node: node.into(), state: "confirmed".into() };
        BlockAffinity { metadata: ObjectMeta::named("", &name), spec }
    }
}

impl Kind for BlockAffinity {
    const TYPE: TypeInfo = TypeInfo {
        kind: "BlockAffinity",
        api_version: CRD,
        plural: "blockaffinities",
        singular: "blockaffinity",
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
