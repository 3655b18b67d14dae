//! One table: its chains, and the changes that commands make.

use std::sync::Arc;

use hopwise_sim_core::{Errno, OriginId};

use super::chain::{Chain, ChainId, Policy};
use super::counts::{Counts, Edit};
use super::error::{Request, RuleError};
use super::rule::{Counters, Rule, Target};
use super::shape::Shape;
use crate::hook::{Hook, TableId};

/// A rule as it was read: the chain that it jumps to is still a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The rule; its target is [`Target::Nothing`] if it jumps.
    pub rule: Rule,
    /// The chain it jumps to, and whether by `-g`.
    pub jump: Option<(Box<str>, bool)>,
}

/// A table of one namespace: its chains, which it may share with others, and what it has counted.
#[derive(Clone, Debug)]
pub struct Table {
    /// Which table.
    pub id: TableId,
    pub(super) shape: Arc<Shape>,
    pub(super) counts: Counts,
}

impl Table {
    /// A table with its built-in chains only.
    pub fn new(id: TableId) -> Self {
        let mut shape = Shape::default();
        for hook in id.hooks() {
            shape.add(Chain::new(hook.chain(), Some(*hook)));
        }
        Table { id, shape: Arc::new(shape), counts: Counts::default() }
    }

    /// A chain by its place.
    #[inline]
    pub fn chain(&self, id: ChainId) -> &Chain {
        self.shape.chain(id)
    }

    pub(super) fn shape_mut(&mut self) -> &mut Shape {
        Arc::make_mut(&mut self.shape)
    }

    pub(super) fn chain_mut(&mut self, id: ChainId) -> &mut Chain {
        self.shape_mut().chain_mut(id)
    }

    /// All rules.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.shape.chains.iter().flat_map(|chain| &chain.rules)
    }

    /// What a rule has counted; rules are counted from 0.
    pub fn counters(&self, id: ChainId, number: usize) -> Counters {
        let rule = self.chain(id).rules.get(number);
        rule.map_or_else(Counters::default, |rule| self.counts.rule(id, number, rule))
    }

    /// What the policy of a chain has decided; zeros if it does not count.
    pub fn policy_counters(&self, id: ChainId) -> Counters {
        self.counts.policy(id, self.chain(id)).unwrap_or_default()
    }

    /// Whether a rule of it needs connections to be tracked.
    pub fn uses_conntrack(&self) -> bool {
        self.shape.tracking > 0
    }

    /// The built-in chain of a hook.
    pub fn base(&self, hook: Hook) -> Option<ChainId> {
        let place = self.id.hooks().iter().position(|h| *h == hook)?;
        Some(ChainId(place as u32))
    }

    /// The chain of a name.
    pub fn find(&self, name: &str) -> Option<ChainId> {
        self.shape.find(name)
    }

    fn need(&self, name: &str) -> Result<ChainId, RuleError> {
        self.find(name).ok_or(RuleError::NoChain)
    }

    /// The chains as they are listed: the built-in ones by hook, then the others by name.
    pub fn listed(&self) -> Vec<ChainId> {
        let base = self.id.hooks().len() as u32;
        let mut own: Vec<ChainId> = self.shape.by_name.values().copied().filter(|id| id.0 >= base).collect();
        own.sort_unstable_by(|a, b| self.chain(*a).name.cmp(&self.chain(*b).name));
        (0..base).map(ChainId).chain(own).collect()
    }

    /// Makes a rule of a draft: finds the chain that it jumps to.
    ///
    /// # Errors
    /// [`RuleError::NoJumpChain`].
    pub fn resolve(&self, draft: Draft) -> Result<Rule, RuleError> {
        let Draft { mut rule, jump } = draft;
        if let Some((name, goto)) = jump {
            let chain = self.find(&name).ok_or_else(|| RuleError::NoJumpChain(name.into()))?;
            rule.target = Target::Jump { chain, goto };
        }
        Ok(rule)
    }

    /// `-A`.
    ///
    /// # Errors
    /// No such chain, or the kernel refuses the rule there.
    pub fn append(&mut self, chain: &str, draft: Draft) -> Result<(), RuleError> {
        let rule = self.resolve(draft)?;
        let id = self.need(chain)?;
        self.admit_for(Request::Append, id, &rule)?;
        self.counts.edit(id, Edit::Insert(self.chain(id).rules.len(), rule.counters));
        let chain = self.chain_mut(id);
        if let Some(index) = chain.index.get_mut() {
            index.file(chain.rules.len(), &rule);
        }
        chain.rules.push(rule);
        Ok(())
    }

    /// `-I`: before the rule of that number, counted from 0.
    ///
    /// # Errors
    /// No such chain, too few rules, or the kernel refuses the rule there.
    pub fn insert(&mut self, chain: &str, at: usize, draft: Draft) -> Result<(), RuleError> {
        let rule = self.resolve(draft)?;
        let id = self.need(chain)?;
        let len = self.chain(id).rules.len();
        if at > len {
            return Err(RuleError::InsertTooBig);
        }
        self.admit_for(Request::Insert, id, &rule)?;
        self.counts.edit(id, Edit::Insert(at, rule.counters));
        let chain = self.chain_mut(id);
        chain.index.take();
        chain.rules.insert(at, rule);
        Ok(())
    }

    /// `-R`: in place of the rule of that number, counted from 0. It keeps nothing of the old one.
    ///
    /// # Errors
    /// No such chain or rule, or the kernel refuses the rule there.
    pub fn replace(&mut self, chain: &str, at: usize, draft: Draft) -> Result<(), RuleError> {
        let rule = self.resolve(draft)?;
        let id = self.need(chain)?;
        if at >= self.chain(id).rules.len() {
            return Err(RuleError::ReplaceTooBig);
        }
        self.admit_for(Request::Replace, id, &rule)?;
        self.counts.edit(id, Edit::Replace(at, rule.counters));
        let chain = self.chain_mut(id);
        chain.index.take();
        let old = core::mem::replace(&mut chain.rules[at], rule);
        self.shape_mut().released(&old);
        Ok(())
    }

    /// `-D CHAIN NUMBER`, counted from 0.
    ///
    /// # Errors
    /// No such chain or rule.
    pub fn delete_number(&mut self, chain: &str, at: usize) -> Result<(), RuleError> {
        let id = self.need(chain)?;
        if at >= self.chain(id).rules.len() {
            return Err(RuleError::DeleteTooBig);
        }
        self.counts.edit(id, Edit::Remove(at));
        let chain = self.chain_mut(id);
        chain.index.take();
        let old = chain.rules.remove(at);
        self.shape_mut().released(&old);
        Ok(())
    }

    /// The number of the first rule that asks and does the same, counted from 0 (`-C`).
    ///
    /// # Errors
    /// No such chain or rule, which iptables does not tell apart; or the rule jumps to a chain that does not exist.
    pub fn position(&self, chain: &str, draft: Draft) -> Result<usize, RuleError> {
        let rule = self.resolve(draft)?;
        let id = self.find(chain).ok_or(RuleError::NoRule)?;
        self.shape.position(id, &rule).ok_or(RuleError::NoRule)
    }

    /// `-D CHAIN RULE`.
    ///
    /// # Errors
    /// Those of [`Table::position`].
    pub fn delete(&mut self, chain: &str, draft: Draft) -> Result<(), RuleError> {
        let at = self.position(chain, draft)?;
        self.delete_number(chain, at)
    }

    /// Says what a chain is for; nothing is done if there is no such chain.
    pub fn set_purpose(&mut self, chain: &str, purpose: OriginId) {
        if let Some(id) = self.find(chain).filter(|id| self.chain(*id).purpose != purpose) {
            self.chain_mut(id).purpose = purpose;
        }
    }

    /// `-N`.
    ///
    /// # Errors
    /// There is one already.
    pub fn new_chain(&mut self, name: &str) -> Result<(), RuleError> {
        if self.find(name).is_some() {
            return Err(RuleError::ChainExists);
        }
        self.shape_mut().add(Chain::new(name, None));
        Ok(())
    }

    /// `-X CHAIN`.
    ///
    /// # Errors
    /// No such chain, or it is in use.
    pub fn delete_chain(&mut self, name: &str) -> Result<(), RuleError> {
        let id = self.need(name)?;
        let chain = self.chain(id);
        if chain.hook.is_some() || chain.references > 0 || !chain.rules.is_empty() {
            return Err(busy(name));
        }
        self.shape_mut().remove(id);
        Ok(())
    }

    /// `-X`: all chains that are not built in, if none of them is in use.
    ///
    /// # Errors
    /// One is in use; then none is deleted.
    pub fn delete_chains(&mut self) -> Result<(), RuleError> {
        let own: Vec<ChainId> = self.listed().into_iter().filter(|id| self.chain(*id).hook.is_none()).collect();
        for id in &own {
            let chain = self.chain(*id);
            if chain.references > 0 || !chain.rules.is_empty() {
                return Err(busy(&chain.name));
            }
        }
        for id in own {
            self.shape_mut().remove(id);
        }
        Ok(())
    }

    /// `-E`. Rules that jump to it go on doing so.
    ///
    /// # Errors
    /// No such chain, the name is taken, or it is built in.
    pub fn rename(&mut self, old: &str, new: &str) -> Result<(), RuleError> {
        if self.find(new).is_some() {
            return Err(RuleError::NameTaken);
        }
        let id = self.need(old)?;
        if self.chain(id).hook.is_some() {
            return Err(RuleError::RenameBuiltin);
        }
        self.shape_mut().rename(id, new);
        Ok(())
    }

    /// `-F CHAIN`.
    ///
    /// # Errors
    /// No such chain.
    pub fn flush(&mut self, chain: &str) -> Result<(), RuleError> {
        let id = self.need(chain)?;
        self.flush_id(id);
        Ok(())
    }

    /// `-F`.
    pub fn flush_all(&mut self) {
        for id in 0..self.shape.chains.len() as u32 {
            self.flush_id(ChainId(id));
        }
    }

    fn flush_id(&mut self, id: ChainId) {
        if !self.chain(id).rules.is_empty() {
            self.counts.edit(id, Edit::Clear);
            self.shape_mut().empty(id);
        }
    }

    /// `-Z CHAIN [NUMBER]`, counted from 0. A number beyond the end is ignored.
    ///
    /// # Errors
    /// No such chain, in which there is no such rule either.
    pub fn zero(&mut self, chain: &str, number: Option<usize>) -> Result<(), RuleError> {
        let missing = if number.is_some() { RuleError::NoRule } else { RuleError::NoChain };
        let id = self.find(chain).ok_or(missing)?;
        if number.is_none_or(|at| at < self.chain(id).rules.len()) {
            self.zero_id(id, number);
        }
        Ok(())
    }

    /// `-Z`.
    pub fn zero_all(&mut self) {
        for id in 0..self.shape.chains.len() as u32 {
            self.zero_id(ChainId(id), None);
        }
    }

    fn zero_id(&mut self, id: ChainId, number: Option<usize>) {
        self.counts.edit(id, Edit::Zero(number));
        let none = Counters::default();
        let chain = self.chain(id);
        let concerned = |at: usize| number.is_none_or(|number| number == at);
        let is_zero = |(at, rule): (usize, &Rule)| !concerned(at) || rule.counters == none;
        if chain.rules.iter().enumerate().all(is_zero) && chain.counters.is_none_or(|given| given == none) {
            return;
        }
        // Some were given counters when they were made.
        let chain = self.chain_mut(id);
        if number.is_none() {
            chain.counters = chain.counters.map(|_| none);
        }
        for (at, rule) in chain.rules.iter_mut().enumerate() {
            if concerned(at) {
                rule.counters = none;
            }
        }
    }

    /// `-P`: also gives the chain counters.
    ///
    /// # Errors
    /// It is not built in.
    pub fn set_policy(&mut self, chain: &str, policy: Policy, counters: Counters) -> Result<(), RuleError> {
        let id = self.find(chain).filter(|id| self.chain(*id).hook.is_some()).ok_or(RuleError::BadBuiltin)?;
        self.counts.edit(id, Edit::Policy);
        let chain = self.chain_mut(id);
        chain.policy = policy;
        chain.counters = Some(counters);
        Ok(())
    }

    fn admit_for(&mut self, request: Request, id: ChainId, rule: &Rule) -> Result<(), RuleError> {
        let table = self.id;
        self.shape_mut().admit(table, id, rule).map_err(|errno| {
            let chain = self.chain(id).name.to_string();
            RuleError::Kernel { request, errno, chain }
        })
    }
}

fn busy(name: &str) -> RuleError {
    RuleError::Kernel { request: Request::DeleteChain, errno: Errno::EBUSY, chain: name.to_owned() }
}
