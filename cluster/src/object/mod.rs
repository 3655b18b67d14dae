//! The objects of a cluster: one file per kind, one line per kind in [`registry`].

pub mod calico;
pub mod cilium;
pub mod decode;
pub mod deployment;
pub mod endpoint_slice;
pub mod endpoints;
pub mod lines;
pub mod meta;
pub mod namespace;
pub mod network_policy;
pub mod node;
pub mod patch;
pub mod pod;
pub mod registry;
pub mod replica_set;
pub mod service;

use core::any::Any;
use core::fmt::Debug;

use dyn_clone::DynClone;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use cilium::{CiliumEndpoint, CiliumIdentity, CiliumNode};
pub use deployment::Deployment;
pub use endpoint_slice::EndpointSlice;
pub use endpoints::Endpoints;
pub use meta::{Labels, ObjectMeta, OwnerReference};
pub use namespace::Namespace;
pub use network_policy::NetworkPolicy;
pub use node::Node;
pub use pod::Pod;
pub use replica_set::ReplicaSet;
pub use service::Service;

use crate::print::{Column, Show};

/// What a kind is called.
#[derive(PartialEq, Eq, Debug)]
pub struct TypeInfo {
    /// `Pod`
    pub kind: &'static str,
    /// `v1`, `apps/v1`
    pub api_version: &'static str,
    /// `pods`: the name under which the store keeps it, and kubectl asks for it.
    pub plural: &'static str,
    /// `pod`
    pub singular: &'static str,
    /// `po`
    pub short: &'static [&'static str],
    /// Whether its objects lie in namespaces.
    pub namespaced: bool,
}

impl TypeInfo {
    /// The group: `apps`; empty for the core group.
    pub fn group(&self) -> &'static str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// `deployment.apps`, `pod`: how kubectl names an object's kind.
    pub fn resource(&self) -> String {
        match self.group() {
            "" => self.singular.to_owned(),
            group => format!("{}.{group}", self.singular),
        }
    }

    /// `deployments.apps`, `pods`: how the server names the kind in errors.
    pub fn resources(&self) -> String {
        match self.group() {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }
}

/// Why an object is refused, in the words behind `The Pod "x" is invalid: `.
pub type Invalid = String;

/// A kind of object. `apiVersion` and `kind` are no fields of it: they are added when it is written.
///
/// Fields of real manifests that do not matter for the network are kept as [`Value`], so that they are accepted and shown; a field
/// that a struct does not have is refused with its line.
pub trait Kind: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static {
    /// What it is called.
    const TYPE: TypeInfo;

    /// What it begins with.
    fn meta(&self) -> &ObjectMeta;

    /// What it begins with, to be changed.
    fn meta_mut(&mut self) -> &mut ObjectMeta;

    /// The node it concerns, if it concerns one: who watches for that node only is woken for it.
    fn node(&self) -> Option<&str> {
        None
    }

    /// Fills in what the API server would, and refuses what it would.
    ///
    /// # Errors
    /// Why it is refused.
    fn admit(&mut self) -> Result<(), Invalid> {
        Ok(())
    }

    /// The columns of kubectl's table behind NAME.
    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::new("AGE")];
        COLUMNS
    }

    /// Its row in that table, without the name: a cell for each column, the wide ones included.
    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        vec![show.age(self.meta())]
    }

    /// What `kubectl describe` prints.
    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::any(self, show)
    }

    /// Whether it differs from another one in more than its status: such a change begins another generation.
    fn spec_differs(&self, other: &Self) -> bool {
        let of = |object: &Self| {
            let mut value = object.json();
            if let Some(map) = value.as_object_mut() {
                map.remove("metadata");
                map.remove("status");
            }
            value
        };
        of(self) != of(other)
    }
}

/// An object of any kind.
pub trait Object: DynClone + Any + Debug + Send + Sync {
    /// What its kind is called.
    fn info(&self) -> &'static TypeInfo;
    /// What it begins with.
    fn meta(&self) -> &ObjectMeta;
    /// What it begins with, to be changed.
    fn meta_mut(&mut self) -> &mut ObjectMeta;
    /// See [`Kind::node`].
    fn node(&self) -> Option<&str>;
    /// See [`Kind::admit`].
    ///
    /// # Errors
    /// Why it is refused.
    fn admit(&mut self) -> Result<(), Invalid>;
    /// All of it, `apiVersion` and `kind` included.
    fn json(&self) -> Value;
    /// Whether another object is the same in every field.
    fn same(&self, other: &dyn Object) -> bool;
    /// See [`Kind::spec_differs`].
    fn spec_differs(&self, other: &dyn Object) -> bool;
    /// See [`Kind::columns`].
    fn columns(&self) -> &'static [Column];
    /// See [`Kind::cells`].
    fn cells(&self, show: &Show<'_>) -> Vec<String>;
    /// See [`Kind::describe`].
    fn describe(&self, show: &Show<'_>) -> String;
    /// For [`dyn Object::get`].
    fn as_any(&self) -> &dyn Any;
    /// For [`dyn Object::get_mut`].
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

dyn_clone::clone_trait_object!(Object);

impl<K: Kind> Object for K {
    fn info(&self) -> &'static TypeInfo {
        &K::TYPE
    }
    fn meta(&self) -> &ObjectMeta {
        Kind::meta(self)
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        Kind::meta_mut(self)
    }
    fn node(&self) -> Option<&str> {
        Kind::node(self)
    }
    fn admit(&mut self) -> Result<(), Invalid> {
        Kind::admit(self)
    }
    fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("apiVersion".into(), K::TYPE.api_version.into());
        all.insert("kind".into(), K::TYPE.kind.into());
        // An object consists of maps with text for keys, which JSON has.
        if let Ok(Value::Object(own)) = serde_json::to_value(self) {
            all.extend(own);
        }
        let mut all = Value::Object(all);
        prune(&mut all);
        all
    }
    fn same(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<K>() == Some(self)
    }
    fn spec_differs(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<K>().is_none_or(|other| Kind::spec_differs(self, other))
    }
    fn columns(&self) -> &'static [Column] {
        <K as Kind>::columns()
    }
    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        Kind::cells(self, show)
    }
    fn describe(&self, show: &Show<'_>) -> String {
        Kind::describe(self, show)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

impl dyn Object {
    /// The object as one of that kind, if it is one.
    pub fn get<K: Kind>(&self) -> Option<&K> {
        self.as_any().downcast_ref()
    }

    /// The same, to be changed.
    pub fn get_mut<K: Kind>(&mut self) -> Option<&mut K> {
        self.as_any_mut().downcast_mut()
    }
}

/// Takes away what Go's `omitempty` leaves out: nothing, empty text and empty lists. Empty mappings stay, as most of them are structs
/// (`podSelector: {}`); maps of names leave themselves out.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, value| match value {
                Value::Null => false,
                Value::Array(items) => !items.is_empty(),
                Value::String(text) => !text.is_empty(),
                _ => true,
            });
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}
