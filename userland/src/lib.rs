//! The network programs of hopwise, and the [`World`] they live in.
//!
//! A [`World`] is a [`hopwise_stack::Network`] (namespaces, links, packets) and the machines of
//! [`hopwise_machine`] (files, processes, bash), one for each host. Programs are registered in [`programs`]: one line
//! each.
#![warn(missing_docs)]

pub mod captures;
pub mod kernel;
pub mod procfs;
pub mod programs;
pub mod world;

pub use kernel::SimKernel;
pub use world::{Output, World};
