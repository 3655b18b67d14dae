//! The programs that change and show the rules and sets of a namespace.

pub(crate) mod conntrack;
pub(crate) mod ipset;
pub(crate) mod iptables;
mod names;
mod save;

pub(crate) use iptables::with_rules_of;
pub(crate) use names::Files;
pub(crate) use save::{restore, save};
