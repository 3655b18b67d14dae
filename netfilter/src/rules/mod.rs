//! The tables of one namespace: their chains and rules, how they are changed, and how a packet walks through them.

mod chain;
mod counts;
mod error;
mod files;
mod index;
pub(crate) mod reach;
mod replaced;
mod rule;
mod shape;
mod shared;
mod table;
mod walk;

pub use chain::{Chain, ChainId, Policy};
pub use error::{Request, RuleError};
pub use reach::Place;
pub(crate) use replaced::Replaced;
pub use rule::{Counters, Inverted, IpMatch, LinkMatch, Rule, Target};
pub use shared::{Shared, SharedName, State};
pub use table::{Draft, Table};
pub use walk::{Cx, Way};

use std::sync::Arc;

use crate::env::Env;
use crate::hook::{Hook, TableId};
use crate::nat::{Manip, Range};
use crate::skb::Skb;
use crate::targets::RejectWith;

/// What the rules of a table decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The packet goes on.
    Accept,
    /// It ends here.
    Drop,
    /// It ends here, and its sender is told.
    Reject(RejectWith),
    /// Its connection gets other addresses or ports.
    Nat(Manip, Range),
}

/// All tables of a namespace. A copy shares them until one of both is changed, be it by a counter.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    tables: [Option<Arc<Table>>; 5],
    /// What rules of all tables share.
    pub shared: Shared,
}

impl Ruleset {
    /// A table, if it was ever touched.
    pub fn table(&self, id: TableId) -> Option<&Table> {
        self.tables[id as usize].as_deref()
    }

    /// A table, made with its built-in chains if it was not there yet.
    pub fn table_mut(&mut self, id: TableId) -> &mut Table {
        Arc::make_mut(self.tables[id as usize].get_or_insert_with(|| Arc::new(Table::new(id))))
    }

    /// The state of a table, to be put back if a change fails.
    pub(crate) fn snapshot(&self, id: TableId) -> Option<Arc<Table>> {
        self.tables[id as usize].clone()
    }

    /// Puts back what [`Ruleset::snapshot`] gave.
    pub(crate) fn put_back(&mut self, id: TableId, table: Option<Arc<Table>>) {
        self.tables[id as usize] = table;
    }

    /// Puts another table in place of one: what `iptables-restore` does when it commits.
    pub fn replace(&mut self, table: Table) {
        let id = table.id;
        self.tables[id as usize] = Some(Arc::new(table));
        self.forget_unnamed();
    }

    /// Whether a table has anything to say at a hook: a rule, a policy that drops, or counters to keep.
    #[inline]
    pub fn is_active(&self, table: TableId, hook: Hook) -> bool {
        self.table(table)
            .and_then(|t| Some(t.chain(t.base(hook)?)))
            .is_some_and(|chain| !chain.rules().is_empty() || chain.policy == Policy::Drop || chain.counters.is_some())
    }

    /// Whether no table and no set was ever touched.
    pub fn is_untouched(&self) -> bool {
        self.tables.iter().all(Option::is_none) && self.shared.sets.is_empty()
    }

    /// How often rules refer to a set.
    pub fn uses_of_set(&self, name: &str) -> u32 {
        let rules = self.tables.iter().flatten().flat_map(|table| table.rules());
        rules.map(|rule| rule.uses_of_set(name) as u32).sum()
    }

    /// Whether a rule of any table needs connections to be tracked (`nf_ct_netns_get`).
    pub fn uses_conntrack(&self) -> bool {
        self.tables.iter().flatten().any(|table| table.uses_conntrack())
    }

    /// Asks the rules of a table at a hook.
    pub fn run(&mut self, table: TableId, hook: Hook, skb: &mut Skb<'_>, env: &mut dyn Env) -> Verdict {
        self.run_by(Way::Indexed, table, hook, skb, env)
    }

    /// The same, by the way that is said.
    pub fn run_by(&mut self, way: Way, table: TableId, hook: Hook, skb: &mut Skb<'_>, env: &mut dyn Env) -> Verdict {
        let Ruleset { tables, shared } = self;
        match &mut tables[table as usize] {
            Some(table) => Arc::make_mut(table).walk(skb, &mut Cx { env, shared, hook, hotdrop: false }, way),
            None => Verdict::Accept,
        }
    }
}
