//! What Calico makes of pools, blocks, endpoints and policies: routes, sets, rules and the configuration of BIRD.

pub mod ipam_show;
pub mod table;
