//! A list of rules.

use std::sync::{Arc, OnceLock};

use hopwise_sim_core::OriginId;

use super::index::Index;
use super::rule::{Counters, Rule};
use crate::hook::Hook;

/// A chain's place in its table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChainId(pub(crate) u32);

/// What happens to packets that come to the end of a built-in chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// They go on.
    #[default]
    Accept,
    /// They end here.
    Drop,
}

impl Policy {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Policy::Accept => "ACCEPT",
            Policy::Drop => "DROP",
        }
    }

    /// The policy of that name.
    pub fn of_name(name: &str) -> Option<Policy> {
        [Policy::Accept, Policy::Drop].into_iter().find(|p| p.name() == name)
    }
}

/// A chain.
#[derive(Clone, Debug)]
pub struct Chain {
    /// Its name.
    pub name: Arc<str>,
    /// The hook at which it is asked, if it is built in.
    pub hook: Option<Hook>,
    /// Its policy, if it is built in.
    pub policy: Policy,
    /// What its policy had decided when it was given counters (`-P`, `iptables-restore`). nf_tables counts only where it was.
    pub counters: Option<Counters>,
    /// How many rules lead to it.
    pub references: u32,
    /// What it is for, for those who look.
    pub purpose: OriginId,
    /// Hooks from which packets can come here, one bit each.
    pub(super) reach: u8,
    /// The longest way here from a built-in chain, in jumps.
    pub(super) depth: u32,
    pub(super) rules: Vec<Rule>,
    /// Made when a packet first walks the chain, if it is long.
    pub(super) index: OnceLock<Index>,
}

impl Chain {
    pub(super) fn new(name: impl Into<Arc<str>>, hook: Option<Hook>) -> Self {
        Chain {
            name: name.into(),
            hook,
            policy: Policy::Accept,
            counters: None,
            references: 0,
            purpose: OriginId::NONE,
            reach: hook.map_or(0, |h| 1 << h as u8),
            depth: 0,
            rules: Vec::new(),
            index: OnceLock::new(),
        }
    }

    /// The same chain, empty.
    pub(super) fn without_rules(&self) -> Self {
        let Chain { ref name, hook, policy, counters, references, purpose, reach, depth, .. } = *self;
        Chain { policy, counters, references, purpose, reach, depth, ..Chain::new(name.clone(), hook) }
    }

    /// Its rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}
