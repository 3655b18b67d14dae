//! What all machines of a cluster share: the objects, who watches them, how the cluster was set up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hopwise_cluster::{Kind, Store};
use hopwise_machine::Pid;

use super::cluster::Cluster;

/// What a process watches: objects of a kind, all or those that concern one node.
type Interest = (&'static str, Option<Arc<str>>);

/// The cluster, as far as it is not on one machine.
#[derive(Clone, Debug)]
pub struct Kube {
    /// The objects. [`crate::SimKernel::store`] gives it with its clock set.
    pub store: Store,
    /// How it was set up; `None` if there is no cluster.
    pub cluster: Option<Arc<Cluster>>,
    watchers: BTreeMap<Interest, BTreeSet<Pid>>,
    /// The revision up to which watchers were woken.
    told: u64,
    /// Processes to be woken for another reason.
    poked: BTreeSet<Pid>,
}

impl Kube {
    pub(crate) fn new(seed: u64) -> Self {
        Kube { store: Store::new(seed), cluster: None, watchers: BTreeMap::new(), told: 0, poked: BTreeSet::new() }
    }

    /// Whether there is a cluster.
    pub fn is_up(&self) -> bool {
        self.cluster.is_some()
    }

    /// From now on a process is woken after objects of a kind have changed: all of them, or those that concern a node (pods that are
    /// bound to it, the node itself).
    pub fn watch<K: Kind>(&mut self, pid: Pid, node: Option<&str>) {
        self.watchers.entry((K::TYPE.plural, node.map(Arc::from))).or_default().insert(pid);
    }

    /// A process is woken once, for something that is no object.
    pub fn poke(&mut self, pid: Pid) {
        self.poked.insert(pid);
    }

    /// A process has ended.
    pub(crate) fn forget(&mut self, pid: Pid) {
        self.watchers.retain(|_, pids| {
            pids.remove(&pid);
            !pids.is_empty()
        });
    }

    /// The processes whose objects have changed since this was asked last, in order.
    pub(crate) fn take_woken(&mut self) -> BTreeSet<Pid> {
        let mut woken = core::mem::take(&mut self.poked);
        if self.told == self.store.revision() {
            return woken;
        }
        match self.store.changes_since(self.told) {
            // So much has changed that it is not known what.
            None => woken.extend(self.watchers.values().flatten().copied()),
            Some(changes) => {
                let mut seen = BTreeSet::new();
                for change in changes {
                    seen.insert((change.key.0, None));
                    if change.node.is_some() {
                        seen.insert((change.key.0, change.node.clone()));
                    }
                }
                woken.extend(seen.iter().filter_map(|interest| self.watchers.get(interest)).flatten().copied());
            }
        }
        self.told = self.store.revision();
        woken
    }
}
