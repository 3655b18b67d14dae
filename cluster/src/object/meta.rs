//! What every object begins with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Timestamp;

/// Labels, annotations, node selectors: names and values in order of name.
pub type Labels = BTreeMap<String, String>;

/// `ObjectMeta` of `meta/v1`.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Unique within kind and namespace.
    pub name: String,
    /// The beginning of a name that the store completes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    /// Empty for kinds that have none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Labels, which selectors look at.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Annotations, which programs look at.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub annotations: Labels,
    /// Unique in the cluster, also among objects that are gone.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The revision of the store at which it was written last.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// How often its specification was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// When it was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    /// When it was asked to go, if it has not gone yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<Timestamp>,
    /// How long it may take to go, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<u64>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<OwnerReference>,
    /// Who must agree before it goes. Kept, not honoured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Who changed what. Read and forgotten.
    #[serde(skip_serializing)]
    pub managed_fields: Option<Value>,
    /// Where it was found in former versions of Kubernetes. Read and forgotten.
    #[serde(skip_serializing)]
    pub self_link: Option<Value>,
}

impl ObjectMeta {
    /// The beginning of an object of this name in a namespace (empty: none).
    pub fn named(namespace: &str, name: &str) -> Self {
        ObjectMeta { name: name.to_owned(), namespace: namespace.to_owned(), ..ObjectMeta::default() }
    }

    /// The owner that manages it.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// Whether it was asked to go.
    pub fn is_going(&self) -> bool {
        self.deletion_timestamp.is_some()
    }
}

impl OwnerReference {
    /// To an object that the one with the reference goes with, though it is not managed by it.
    pub fn to<K: super::Kind>(owner: &K) -> Self {
        OwnerReference {
            api_version: K::TYPE.api_version.into(),
            kind: K::TYPE.kind.into(),
            name: owner.meta().name.clone(),
            uid: owner.meta().uid.clone(),
            ..OwnerReference::default()
        }
    }
}

/// Whose an object is: it goes with its owner.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: String,
    /// Whether the owner waits for it when it goes.
    pub block_owner_deletion: bool,
    /// Whether the owner manages it.
    pub controller: bool,
    /// The owner's kind.
    pub kind: String,
    /// The owner's name.
    pub name: String,
    /// The owner's uid.
    pub uid: String,
}
