//! The controllers: each makes the store a step more like what its objects ask for. They are functions of the store; running them
//! again without a change changes nothing.

pub mod api_server;
pub mod deployment;
pub mod endpoints;
pub mod node_ipam;
pub mod pod_gc;
pub mod replica_set;
pub mod scheduler;

use crate::object::{Kind, ObjectMeta, OwnerReference};

/// What makes an object belong to its controller.
fn owned_by<K: Kind>(owner: &K) -> Vec<OwnerReference> {
    let meta = owner.meta();
    vec![OwnerReference {
        api_version: K::TYPE.api_version.into(),
        block_owner_deletion: true,
        controller: true,
        kind: K::TYPE.kind.into(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
    }]
}

/// Whether an object is managed by the owner of that uid.
fn is_owned(meta: &ObjectMeta, uid: &str) -> bool {
    meta.controller().is_some_and(|owner| owner.uid == uid)
}
