//! Netfilter: what stands at the five hooks of the packet path.
//!
//! - [`hook`]: the hooks, the tables, and the order in which they are asked.
//! - [`conntrack`]: which connection a packet belongs to, and in what state that is.
//! - [`nat`]: how the addresses and ports of a connection are changed.
//!
//! Everything here works on one packet's bytes and on tables of one namespace. What it wants to know of the rest of the namespace
//! (routes, addresses, links) it is told, or asks through a trait.
#![warn(missing_docs)]

pub mod conntrack;
pub mod hook;
pub mod nat;
