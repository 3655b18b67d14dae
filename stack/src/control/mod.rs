//! The control operations: what programs ask of the kernel through netlink, ioctl and sysctl. They run between events,
//! never inside one, and refuse in Linux's words.

pub mod addr;
mod addr_routes;
pub mod bridge;
pub mod kept;
pub mod link;
pub mod neigh;
pub mod netns;
pub mod qdisc;
pub mod route;
pub mod rule;
pub mod sysctl;
pub mod tc;
pub mod tun;
pub mod tunnel;
pub mod vxlan;
