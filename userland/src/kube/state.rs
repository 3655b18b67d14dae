//! What all machines of a cluster share: the objects, who watches them, how the cluster was set up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hopwise_cluster::proxy::Memo;
use hopwise_cluster::{Kind, Store};
use hopwise_machine::Pid;
use hopwise_netfilter::xtables::kept::Kept;

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
    /// The kubelet of each node.
    pub(crate) kubelets: BTreeMap<String, Pid>,
    /// What is asked of kubelets, by number.
    pub(crate) streams: BTreeMap<u64, Stream>,
    /// The rules that a kube-proxy wrote last.
    pub(crate) proxied: Memo,
    /// What agents gave to `iptables-restore` last.
    pub(crate) restored: Kept,
    next_stream: u64,
    watchers: BTreeMap<Interest, BTreeSet<Pid>>,
    /// The revision up to which watchers were woken.
    told: u64,
    /// Processes to be woken for another reason.
    poked: BTreeSet<Pid>,
}

impl Kube {
    pub(crate) fn new(seed: u64) -> Self {
        Kube {
            store: Store::new(seed),
            cluster: None,
            kubelets: BTreeMap::new(),
            streams: BTreeMap::new(),
            proxied: Memo::default(),
            restored: Kept::default(),
            next_stream: 0,
            watchers: BTreeMap::new(),
            told: 0,
            poked: BTreeSet::new(),
        }
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

    /// Asks the kubelet of a node for something. Gives the number of the stream; `None` if the node has no kubelet.
    pub(crate) fn ask(&mut self, stream: Stream) -> Option<u64> {
        let kubelet = *self.kubelets.get(&stream.node)?;
        let id = self.next_stream;
        self.next_stream += 1;
        self.streams.insert(id, stream);
        self.poke(kubelet);
        Some(id)
    }

    /// There is more for the command of a stream: its kubelet is woken.
    pub(crate) fn poke_kubelet(&mut self, stream: u64) {
        if let Some(kubelet) = self.streams.get(&stream).and_then(|s| self.kubelets.get(&s.node)) {
            self.poked.insert(*kubelet);
        }
    }

    /// The streams of a node that its kubelet has not taken yet; they are taken by this.
    pub(crate) fn streams_for(&mut self, node: &str) -> Vec<u64> {
        let mut found = Vec::new();
        for (id, stream) in self.streams.iter_mut().filter(|(_, s)| s.node == node && !s.taken) {
            stream.taken = true;
            found.push(*id);
        }
        found
    }

    /// A process has ended.
    pub(crate) fn forget(&mut self, pid: Pid) {
        self.streams.retain(|_, stream| stream.owner != pid);
        self.kubelets.retain(|_, kubelet| *kubelet != pid);
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

/// What somebody asks a kubelet for, and what it has given so far.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// The node.
    pub(crate) node: String,
    /// The pod's uid.
    pub(crate) pod: String,
    /// Which of its containers.
    pub(crate) container: usize,
    /// What is asked for.
    pub(crate) ask: Ask,
    /// Who asks, to be woken.
    pub(crate) owner: Pid,
    /// What the kubelet has to hand on to the command.
    pub(crate) input: Vec<u8>,
    /// Nothing more follows.
    pub(crate) input_closed: bool,
    /// What has come.
    pub(crate) pieces: VecDeque<Piece>,
    /// How it ended.
    pub(crate) status: Option<i32>,
    /// Whether the command could not be started.
    pub(crate) refused: bool,
    /// Whether the kubelet has seen it.
    pub(crate) taken: bool,
}

/// What is asked of a kubelet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ask {
    /// To run a command in a container.
    Exec(Vec<String>),
    /// What a container has printed.
    Logs,
}

/// A piece of output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Piece {
    /// Standard output.
    Out(Vec<u8>),
    /// Standard error.
    Err(Vec<u8>),
}
