//! What rules keep as the files of `/proc/net` show it: `xt_recent/NAME` and `ipt_hashlimit/NAME`. A file is there for as long as a
//! rule names it.

use std::collections::BTreeSet;

use hopwise_sim_core::Time;

use super::Ruleset;
use super::shared::SharedName;
use crate::matches::{Match, RecentList};

impl Ruleset {
    fn shared_names(&self) -> impl Iterator<Item = SharedName<'_>> {
        let rules = self.tables.iter().flatten().flat_map(|table| table.rules());
        rules.flat_map(|rule| rule.matches.iter().filter_map(Match::shared))
    }

    /// The lists of recent addresses, by name.
    pub fn recent_names(&self) -> BTreeSet<&str> {
        self.shared_names().filter_map(SharedName::recent).collect()
    }

    /// The tables of limits, by name.
    pub fn limit_names(&self) -> BTreeSet<&str> {
        self.shared_names().filter_map(SharedName::limits).collect()
    }

    /// The lines of a list of recent addresses.
    pub fn recent_file(&self, name: &str) -> Option<String> {
        let is_named = self.shared_names().any(|shared| shared.recent() == Some(name));
        is_named.then(|| self.shared.recent.get(name).map_or(String::new(), RecentList::text))
    }

    /// Does what is written into the file of such a list: whether it is a request. `None`: there is no such list.
    pub fn write_recent_file(&mut self, name: &str, text: &str, now: Time) -> Option<bool> {
        let made = self.shared_names().find_map(|shared| match shared {
            SharedName::Recent { name: other, mask, hits } if other == name => Some(RecentList::new(mask, hits)),
            _ => None,
        })?;
        Some(self.shared.recent.entry(name.into()).or_insert(made).write(text, now))
    }

    /// The lines of a table of limits.
    pub fn limit_file(&self, name: &str, now: Time) -> Option<String> {
        let is_named = self.shared_names().any(|shared| shared.limits() == Some(name));
        is_named.then(|| self.shared.hashlimit.get(name).map_or(String::new(), |table| table.text(now)))
    }

    /// Rules went away: what no rule names any more is forgotten.
    pub(crate) fn forget_unnamed(&mut self) {
        if self.shared.recent.is_empty() && self.shared.hashlimit.is_empty() {
            return;
        }
        let owned = |names: BTreeSet<&str>| names.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        let (recent, limits) = (owned(self.recent_names()), owned(self.limit_names()));
        self.shared.recent.retain(|name, _| recent.contains(&**name));
        self.shared.hashlimit.retain(|name, _| limits.contains(&**name));
    }
}
