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
