//! A table that a saved form has changed, so that the same change can be made elsewhere without reading it.

use std::sync::Arc;

use super::counts::{Counts, Edits};
use super::shape::Shape;
use super::{Ruleset, Table};
use crate::hook::TableId;

/// What became of a table.
#[derive(Debug)]
pub(crate) struct Replaced {
    id: TableId,
    /// Its chains before; `None`: it was not there.
    before: Option<Arc<Shape>>,
    after: Arc<Shape>,
    /// What that did to what was counted.
    edits: Edits,
}

impl Replaced {
    /// Which table.
    pub(crate) fn id(&self) -> TableId {
        self.id
    }

    /// Its chains were told something since.
    pub(crate) fn renew(&mut self, rules: &Ruleset) {
        if let Some(table) = rules.table(self.id) {
            self.after = table.shape.clone();
        }
    }
}

impl Ruleset {
    /// Whether a table is the one that was changed then.
    pub(crate) fn is_before(&self, replaced: &Replaced) -> bool {
        match (self.table(replaced.id), &replaced.before) {
            (None, None) => true,
            (Some(table), Some(before)) => Arc::ptr_eq(&table.shape, before),
            _ => false,
        }
    }

    /// Changes it in the same way.
    pub(crate) fn repeat(&mut self, replaced: &Replaced) {
        let mut counts = self.table(replaced.id).map_or_else(Counts::default, |table| table.counts.clone());
        counts.replay(&replaced.edits);
        self.replace(Table { id: replaced.id, shape: replaced.after.clone(), counts });
    }

    /// Puts another table in place of one, and tells what that was.
    pub(crate) fn replace_noting(&mut self, mut table: Table) -> Replaced {
        let before = self.table(table.id).map(|table| table.shape.clone());
        let edits = table.counts.recorded();
        let replaced = Replaced { id: table.id, before, after: table.shape.clone(), edits };
        self.replace(table);
        replaced
    }

    /// Every rule has counted so much.
    #[cfg(test)]
    pub(crate) fn count_all(&mut self, much: u64) {
        for table in self.tables.iter_mut().flatten().map(Arc::make_mut) {
            for (at, chain) in table.shape.chains.iter().enumerate() {
                let live = table.counts.of(super::ChainId(at as u32), &chain.rules);
                live.iter_mut().for_each(|live| live.counters = super::Counters { packets: much, bytes: much });
            }
        }
    }

    /// Whether all its tables have the same chains as another's, in the same place of memory.
    #[cfg(test)]
    pub(crate) fn shares_with(&self, other: &Ruleset) -> bool {
        let shape = |table: &Option<Arc<Table>>| table.as_ref().map(|table| Arc::as_ptr(&table.shape));
        self.tables.iter().map(shape).eq(other.tables.iter().map(shape))
    }
}

impl Table {
    /// From now on notes what becomes of what was counted.
    pub(crate) fn record(&mut self) {
        self.counts.record();
    }
}
