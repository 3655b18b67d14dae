//! kube-proxy in iptables mode: what it writes for Services.

pub mod names;
