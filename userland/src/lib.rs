//! The network programs of hopwise, and the [`World`] they live in.
//!
//! A [`World`] is a [`hopwise_stack::Network`] (namespaces, links, packets) and the machines of
//! [`hopwise_machine`] (files, processes, bash), one for each host. Programs are registered in [`programs`]: one line
//! each.
#![warn(missing_docs)]

pub mod arping;
pub mod bird;
pub mod brctl;
pub mod bridge;
pub mod captures;
pub mod curl;
pub mod dns;
pub mod ethtool;
pub mod getent;
pub mod getopt;
pub mod http;
pub mod ip;
pub mod iperf3;
pub mod kernel;
pub mod kmod;
pub mod kube;
pub mod nc;
pub mod net_tools;
mod netfilter;
pub mod nsenter;
pub mod openvpn;
pub mod ping;
pub mod procfs;
pub mod programs;
pub mod resolve;
pub mod rtnetlink;
pub mod sock;
pub mod sockets;
pub mod ss;
mod stdio;
pub mod stream;
pub mod sysctl;
pub mod sysfs;
pub mod tc;
pub mod tcpdump;
pub mod tracepath;
pub mod traceroute;
mod tun;
pub mod unix;
pub mod vm;
pub mod wget;
pub mod world;

pub use hopwise_sim_core::Duration;
pub use hopwise_stack::control::tun::{TunFile, TunRequest};
pub use kernel::SimKernel;
pub use world::{Output, World};
