//! Calico's own kinds (`projectcalico.org/v3`), and those in which its IPAM keeps its state (`crd.projectcalico.org/v1`).

pub mod bgp_configuration;
pub mod bgp_peer;
pub mod block_affinity;
pub mod felix_configuration;
pub mod ip_pool;
pub mod ipam_block;
pub mod ipam_config;
pub mod policy;

#[cfg(test)]
mod tests;

pub use bgp_configuration::BgpConfiguration;
pub use bgp_peer::BgpPeer;
pub use block_affinity::BlockAffinity;
pub use felix_configuration::FelixConfiguration;
pub use ip_pool::IpPool;
pub use ipam_block::IpamBlock;
pub use ipam_config::IpamConfig;
pub use policy::{CalicoNetworkPolicy, GlobalNetworkPolicy};

/// Group and version of what users write.
const V3: &str = "projectcalico.org/v3";
/// Group and version of what only Calico writes.
const CRD: &str = "crd.projectcalico.org/v1";

/// Whether a field has its zero value, and is not shown then (Go's `omitempty`).
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A refusal in the words of Calico's validator.
fn wrong(field: &str, value: impl core::fmt::Display, why: &str) -> String {
    format!("error with field {field} = '{value}' ({why})")
}
