//! Kubernetes for hopwise, without machines: objects from YAML, the store that an API server would keep, the addresses that
//! each of the network plugins would give out, and the rule sets and routes that follow.
//!
//! Everything here is a pure function of objects. What creates links, writes rules and starts containers is in `userland`.
#![warn(missing_docs)]

pub mod admission;
pub mod calico;
pub mod controllers;
pub mod ipam;
pub mod object;
pub mod print;
pub mod proxy;
pub mod selector;
pub mod store;
pub mod time;

pub use object::{Kind, Object, ObjectMeta, TypeInfo};
pub use store::{Change, Store};
pub use time::Timestamp;
