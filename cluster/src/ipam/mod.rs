//! Who gives out which addresses.

pub mod calico;
pub mod cluster_pool;
pub mod host_local;
