//! What one namespace has counted and remembered at the rules of a table. The rules themselves are shared by all namespaces that have
//! the same ones ([`super::shape`]), so nothing of this stands in them; a chain takes room here once a packet has met one of its rules.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::chain::{Chain, ChainId};
use super::rule::{Counters, Rule};
use crate::matches::Match;

/// What one rule has counted and remembered.
#[derive(Clone, Debug, Default)]
pub(super) struct Live {
    /// What it matched.
    pub(super) counters: Counters,
    /// Its matches as they are by now, if one of them remembers packets and was asked.
    own: Option<Box<SmallVec<[Match; 2]>>>,
}

impl Live {
    const fn new(counters: Counters) -> Self {
        Live { counters, own: None }
    }

    /// The matches of the rule, with what they remember.
    pub(super) fn matches(&mut self, rule: &Rule) -> &mut [Match] {
        self.own.get_or_insert_with(|| Box::new(rule.matches.clone()))
    }
}

/// A change of a chain, as far as counters are concerned.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    /// A rule stands at that place now, and those from there on behind it.
    Insert(usize, Counters),
    /// The rule of that place went away.
    Remove(usize),
    /// Another rule stands at that place.
    Replace(usize, Counters),
    /// All rules went away.
    Clear,
    /// A rule or all of them, and then the policy, too, begin again at nothing.
    Zero(Option<usize>),
    /// The policy was given counters.
    Policy,
}

/// Changes of chains, each chain's in order.
pub(super) type Edits = BTreeMap<ChainId, Vec<Edit>>;

/// What was counted, by chain.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// One for each rule of a chain; none: no rule of it was met, and each has what it was given when it was made.
    chains: Vec<Vec<Live>>,
    /// What the policies of the built-in chains decided; `None` as above.
    policies: [Option<Counters>; 5],
    /// What was changed since [`Counts::record`].
    log: Option<Edits>,
}

impl Counts {
    /// What the rules of a chain have counted, to be counted up.
    #[inline]
    pub(super) fn of(&mut self, id: ChainId, rules: &[Rule]) -> &mut [Live] {
        let at = id.0 as usize;
        if self.chains.get(at).is_none_or(Vec::is_empty) {
            if at >= self.chains.len() {
                self.chains.resize_with(at + 1, Vec::new);
            }
            self.chains[at] = rules.iter().map(|rule| Live::new(rule.counters)).collect();
        }
        &mut self.chains[at]
    }

    /// What a rule has counted.
    pub(super) fn rule(&self, id: ChainId, number: usize, rule: &Rule) -> Counters {
        let live = self.chains.get(id.0 as usize).and_then(|chain| chain.get(number));
        live.map_or(rule.counters, |live| live.counters)
    }

    /// What a policy has decided, if it counts at all.
    pub(super) fn policy(&self, id: ChainId, chain: &Chain) -> Option<Counters> {
        let given = chain.counters?;
        Some(self.policies.get(id.0 as usize).copied().flatten().unwrap_or(given))
    }

    /// A policy has decided about a packet.
    pub(super) fn add_policy(&mut self, id: ChainId, chain: &Chain, bytes: usize) {
        if let (Some(given), Some(counters)) = (chain.counters, self.policies.get_mut(id.0 as usize)) {
            counters.get_or_insert(given).add(bytes);
        }
    }

    /// A chain is changed.
    pub(super) fn edit(&mut self, id: ChainId, edit: Edit) {
        self.apply(id, edit);
        if let Some(log) = &mut self.log {
            log.entry(id).or_default().push(edit);
        }
    }

    fn apply(&mut self, id: ChainId, edit: Edit) {
        let at = id.0 as usize;
        if let (Edit::Zero(None) | Edit::Policy, Some(policy)) = (edit, self.policies.get_mut(at)) {
            *policy = None;
        }
        let Some(chain) = self.chains.get_mut(at).filter(|chain| !chain.is_empty()) else { return };
        match edit {
            Edit::Insert(at, counters) => chain.insert(at, Live::new(counters)),
            Edit::Remove(at) => drop(chain.remove(at)),
            Edit::Replace(at, counters) => chain[at] = Live::new(counters),
            Edit::Clear => *chain = Vec::new(),
            Edit::Zero(Some(at)) => chain[at].counters = Counters::default(),
            Edit::Zero(None) => chain.iter_mut().for_each(|live| live.counters = Counters::default()),
            Edit::Policy => {}
        }
    }

    /// From now on notes what is changed.
    pub(super) fn record(&mut self) {
        self.log = Some(Edits::new());
    }

    /// What was changed since then.
    pub(super) fn recorded(&mut self) -> Edits {
        self.log.take().unwrap_or_default()
    }

    /// Changes it as another namespace's was changed.
    pub(super) fn replay(&mut self, edits: &Edits) {
        let policies = 0..self.policies.len() as u32;
        let counted = (0..self.chains.len() as u32).filter(|at| !self.chains[*at as usize].is_empty());
        let concerned: SmallVec<[u32; 16]> =
            policies.clone().chain(counted.filter(|at| !policies.contains(at))).collect();
        for id in concerned.into_iter().map(ChainId) {
            edits.get(&id).into_iter().flatten().for_each(|edit| self.apply(id, *edit));
        }
    }
}
