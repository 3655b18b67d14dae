//! The programs that change and show the rules of a namespace.

pub(crate) mod iptables;
mod names;
mod save;

pub(crate) use save::{restore, save};
