//! A network namespace and everything that happens in it: the [`path`] of a packet, the [`control`] operations (what
//! netlink does), the [`socket`]s. [`Network`] owns all namespaces and the agenda that joins them.
//!
//! Read `path/` from its `mod.rs` to find the way of a packet.
#![warn(missing_docs)]

pub mod capture;
pub mod conf;
pub mod control;
pub mod cx;
pub mod dev;
pub mod error;
pub mod inet;
pub mod jiffies;
pub mod l3mdev;
pub mod linkwatch;
pub mod namespace;
pub mod network;
pub mod nsid;
pub mod path;
pub mod snmp;
pub mod socket;
pub mod sysctl;
pub mod tunnels;
pub mod vxlan;

pub use capture::{CaptureLog, Captured, Direction};
pub use cx::{Cx, Event, TimerKind};
pub use dev::{Dev, DevTable};
pub use error::{Errno, NlError};
pub use inet::{IfAddr, InetDev};
pub use namespace::Namespace;
pub use network::{Host, Network};
