//! The kinds of link: one file per kind, one line in the [`registry`].
//!
//! A [`Link`] is the kernel's `net_device`: name, addresses, MTU, flags, operational state, counters. Its [`Kind`] says
//! what happens to a frame that is sent through it. This crate holds the state and the decisions of each kind (what a
//! bridge does with a frame, to where a veth hands it); the stack carries them out.
#![warn(missing_docs)]

pub mod bridge;
pub mod describe;
pub mod dummy;
pub mod hw;
pub mod ipip;
pub mod ipvlan;
pub mod kind;
pub mod link;
pub mod lo;
pub mod macvlan;
pub mod qdisc;
pub mod registry;
pub mod stacked;
pub mod tun;
pub mod veth;
pub mod vlan;
pub mod vrf;
pub mod vxlan;

pub use hw::HwType;
pub use kind::{Kind, KindOps};
pub use link::{Link, LinkFlags, LinkStats, OperState, Qdisc};
