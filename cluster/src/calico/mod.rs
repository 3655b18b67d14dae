//! What Calico makes of pools, blocks, endpoints and policies: routes, sets, rules and the configuration of BIRD.

pub mod bird_cfg;
pub mod felix;
pub mod from;
pub mod gc;
pub mod ipam_show;
pub mod routes;
pub mod selector;
pub mod table;
