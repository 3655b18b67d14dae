//! The chains of a table, without what was counted: namespaces that have the same ones share them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::chain::{Chain, ChainId};
use super::rule::Rule;

/// The chains of a table. A copy shares them, each until it is changed in one of both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(super) chains: Vec<Arc<Chain>>,
    pub(super) by_name: FxHashMap<Arc<str>, ChainId>,
    /// Places in `chains` that are free.
    free: Vec<ChainId>,
    /// A jump went away, so that chains may look reachable that are not.
    pub(super) stale: bool,
    /// How many rules need connections to be tracked.
    pub(super) tracking: u32,
}

impl Shape {
    #[inline]
    pub(super) fn chain(&self, id: ChainId) -> &Chain {
        &self.chains[id.0 as usize]
    }

    #[inline]
    pub(super) fn chain_mut(&mut self, id: ChainId) -> &mut Chain {
        Arc::make_mut(&mut self.chains[id.0 as usize])
    }

    pub(super) fn find(&self, name: &str) -> Option<ChainId> {
        self.by_name.get(name).copied()
    }

    pub(super) fn add(&mut self, chain: Chain) {
        let name = chain.name.clone();
        let chain = Arc::new(chain);
        let id = match self.free.pop() {
            Some(id) => {
                self.chains[id.0 as usize] = chain;
                id
            }
            None => {
                self.chains.push(chain);
                ChainId(self.chains.len() as u32 - 1)
            }
        };
        self.by_name.insert(name, id);
    }

    pub(super) fn remove(&mut self, id: ChainId) {
        self.by_name.remove(&self.chains[id.0 as usize].name);
        self.chain_mut(id).name = "".into();
        self.free.push(id);
    }

    pub(super) fn rename(&mut self, id: ChainId, name: &str) {
        self.by_name.remove(&self.chains[id.0 as usize].name);
        let name: Arc<str> = name.into();
        self.chain_mut(id).name = name.clone();
        self.by_name.insert(name, id);
    }

    /// Takes all rules out of a chain, without copying those that others share.
    pub(super) fn empty(&mut self, id: ChainId) {
        let place = &mut self.chains[id.0 as usize];
        let bare = Arc::new(place.without_rules());
        let old = core::mem::replace(place, bare);
        old.rules.iter().for_each(|rule| self.released(rule));
    }

    /// The number of the first rule of a chain that asks and does the same.
    pub(super) fn position(&self, id: ChainId, rule: &Rule) -> Option<usize> {
        self.chain(id).rules.iter().position(|other| other == rule)
    }
}
