//! Netfilter: what stands at the five hooks of the packet path.
//!
//! - [`hook`]: the hooks, the tables, and the order in which they are asked.
//! - [`conntrack`]: which connection a packet belongs to, and in what state that is.
//! - [`nat`]: how the addresses and ports of a connection are changed.
//! - [`rules`]: the tables of one namespace, and how a packet walks through them.
//! - [`mod@matches`], [`targets`]: what a rule may ask, and what it may do: one file and one line of a registry each.
//! - [`extension`]: what those two have in common.
//! - [`sets`]: sets of addresses, networks and ports that rules refer to, and `ipset`.
//! - [`xtables`]: how the words of a rule are read (`libxtables`).
//!
//! Everything here works on one packet's bytes and on tables of one namespace. What it wants to know of the rest of the namespace
//! (routes, addresses, links) it is told, or asks through a trait: [`env::Env`], [`names::Names`].
#![warn(missing_docs)]

pub mod conntrack;
pub mod env;
pub mod extension;
pub mod hook;
pub mod matches;
pub mod names;
pub mod nat;
pub mod rules;
pub mod sets;
pub mod skb;
pub mod targets;
pub mod xtables;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;
