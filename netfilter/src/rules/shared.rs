//! What rules keep while packets pass.

use std::collections::BTreeMap;

use crate::matches::{HashLimits, RecentList};
use crate::sets::Sets;

/// Something that a rule remembers. It is no part of what the rule asks: two rules are equal whatever they remember.
#[derive(Clone, Debug, Default)]
pub struct State<T>(pub T);

impl<T> PartialEq for State<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What rules of all tables share, by name.
#[derive(Clone, Debug, Default)]
pub struct Shared {
    /// The sets of `-m set` and `-j SET` (`ipset`).
    pub sets: Sets,
    /// The lists of `-m recent` (`/proc/net/xt_recent`).
    pub recent: BTreeMap<Box<str>, RecentList>,
    /// The tables of `-m hashlimit` (`/proc/net/ipt_hashlimit`).
    pub hashlimit: BTreeMap<Box<str>, HashLimits>,
}

/// What of it a match refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SharedName<'a> {
    /// A list of recent addresses: its name, and for what it is made.
    Recent {
        /// Name.
        name: &'a str,
        /// The mask under which addresses are kept.
        mask: u32,
        /// So many times are kept of each address at least.
        hits: u32,
    },
    /// A table of limits.
    Limits(&'a str),
}

impl<'a> SharedName<'a> {
    /// The name of a list of recent addresses.
    pub const fn recent(self) -> Option<&'a str> {
        match self {
            SharedName::Recent { name, .. } => Some(name),
            SharedName::Limits(_) => None,
        }
    }

    /// The name of a table of limits.
    pub const fn limits(self) -> Option<&'a str> {
        match self {
            SharedName::Limits(name) => Some(name),
            SharedName::Recent { .. } => None,
        }
    }
}
