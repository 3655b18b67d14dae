//! What Calico makes of pools, blocks, endpoints and policies: routes, sets, rules and the configuration of BIRD.

pub mod felix;
pub mod ipam_show;
pub mod selector;
pub mod table;
