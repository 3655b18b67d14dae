//! Who gives out which addresses.

pub mod calico;
pub mod host_local;
