//! The kubelet: makes the sandboxes of its node's pods, has the network plugin connect them, runs their containers, and tells how
//! they are.

mod containers;
pub(crate) mod images;
mod node;
mod resolver;
mod sandbox;
mod status;
mod streams;

use std::collections::BTreeMap;

use hopwise_cluster::Kind;
use hopwise_cluster::object::{Node, Pod};
use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Time};

use super::cluster::Member;
use crate::kernel::SimKernel;
use containers::Running;
use sandbox::Made;
use streams::Served;

pub(crate) use node::VERSION;

/// How long it waits before it tries again what has failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often it asks whether the network is ready.
const NETWORK_POLL: Duration = Duration::from_millis(100);

/// The kubelet of a node.
#[derive(Clone)]
pub(super) struct Kubelet {
    member: Member,
    /// The revision up to which the store was looked at; `None`: not at all.
    seen: Option<u64>,
    /// Its pods by uid.
    pods: BTreeMap<String, Worker>,
    /// Commands that run for `kubectl exec`.
    served: Vec<Served>,
    registered: bool,
    network_ready: bool,
}

/// What the kubelet keeps of one pod.
#[derive(Clone)]
pub(super) struct Worker {
    namespace: String,
    name: String,
    sandbox: Option<Made>,
    containers: Vec<Running>,
    /// Why there is no sandbox.
    trouble: Option<String>,
    /// When a sandbox that could not be made is tried again. The failure changes the pod's status, which is no reason to hurry.
    retry_at: Option<Time>,
    /// When it goes on, if nothing changes before.
    next: Option<Time>,
    /// When what does not end by itself is killed.
    deadline: Option<Time>,
    started: Time,
}

impl Kubelet {
    pub(super) fn new(member: Member) -> Self {
        Kubelet {
            member,
            seen: None,
            pods: BTreeMap::new(),
            served: Vec::new(),
            registered: false,
            network_ready: false,
        }
    }

    /// The pods that have changed since the last look: their namespaces and names.
    fn changed(&mut self, sys: &mut Sys<'_, SimKernel>) -> Vec<(String, String)> {
        let store = &sys.kernel.kube.store;
        let node = &*self.member.machine;
        let all = || {
            let mine = store.list::<Pod>(None).filter(|pod| Kind::node(*pod) == Some(node));
            mine.map(|pod| (pod.metadata.namespace.clone(), pod.metadata.name.clone())).collect()
        };
        let mut names: Vec<(String, String)> = match self.seen.and_then(|seen| store.changes_since(seen)) {
            None => all(),
            Some(changes) => changes
                .filter(|change| change.node.as_deref() == Some(node) && change.key.0 == Pod::TYPE.plural)
                .map(|change| (change.key.1.clone(), change.key.2.clone()))
                .collect(),
        };
        self.seen = Some(store.revision());
        names.sort();
        names.dedup();
        names
    }

    /// Makes a worker for each pod that is new, and lets those go on whose pod has changed.
    fn take_pods(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let now = sys.now();
        for (namespace, name) in self.changed(sys) {
            let pod = sys.kernel.kube.store.get::<Pod>(&namespace, &name);
            let uid = pod.map(|pod| pod.metadata.uid.clone());
            // A pod that was taken out of the store by force still has to be taken down.
            for (other, worker) in &mut self.pods {
                if worker.namespace == namespace && worker.name == name && uid.as_ref() != Some(other) {
                    worker.next = Some(now);
                }
            }
            let Some(uid) = uid else { continue };
            let worker = self.pods.entry(uid).or_insert_with(|| Worker {
                namespace,
                name,
                sandbox: None,
                containers: Vec::new(),
                trouble: None,
                retry_at: None,
                next: None,
                deadline: None,
                started: now,
            });
            worker.next = Some(now);
        }
    }

    /// Brings one pod a step further. Gives whether it is done with.
    fn sync(&mut self, sys: &mut Sys<'_, SimKernel>, uid: &str, worker: &mut Worker) -> bool {
        let pod = sys.kernel.kube.store.get::<Pod>(&worker.namespace, &worker.name);
        let pod = pod.filter(|pod| pod.metadata.uid == uid).cloned();
        worker.next = None;
        match pod {
            Some(pod) if !pod.metadata.is_going() => {
                self.keep(sys, &pod, worker);
                status::tell(sys, &pod, worker);
                false
            }
            pod => self.end(sys, pod.as_ref(), uid, worker),
        }
    }

    /// A pod that shall be: its sandbox, then its containers.
    fn keep(&mut self, sys: &mut Sys<'_, SimKernel>, pod: &Pod, worker: &mut Worker) {
        if pod.is_over() {
            return;
        }
        let wants_network = !pod.is_on_host_network();
        if worker.sandbox.is_none() {
            if wants_network && !self.network_ready {
                worker.trouble = Some(node::NOT_READY.to_owned());
                worker.next = Some(sys.now() + NETWORK_POLL);
                return;
            }
            if let Some(at) = worker.retry_at.filter(|at| *at > sys.now()) {
                worker.next = Some(at);
                return;
            }
            match sandbox::make(sys, &self.member, pod) {
                Ok(made) => (worker.sandbox, worker.trouble) = (Some(made), None),
                Err(why) => {
                    worker.trouble = Some(why);
                    worker.retry_at = Some(sys.now() + RETRY);
                    worker.next = worker.retry_at;
                    return;
                }
            }
        }
        if let Some(sandbox) = &worker.sandbox {
            worker.next = containers::keep(sys, pod, sandbox, &mut worker.containers);
        }
    }

    /// A pod that shall not be: its containers end, then its sandbox, then the object. Gives whether nothing is left.
    fn end(&mut self, sys: &mut Sys<'_, SimKernel>, pod: Option<&Pod>, uid: &str, worker: &mut Worker) -> bool {
        let now = sys.now();
        let grace = pod.and_then(|pod| pod.metadata.deletion_grace_period_seconds).unwrap_or(30);
        let first = worker.deadline.is_none();
        let deadline = *worker.deadline.get_or_insert(now + Duration::from_secs(grace));
        if !containers::end(sys, &mut worker.containers, first, now >= deadline) {
            worker.next = Some(deadline);
            return false;
        }
        if let Some(made) = worker.sandbox.take() {
            sandbox::remove(sys, &self.member, &made);
        }
        sandbox::forget_files(sys, uid);
        if pod.is_some() {
            sys.kernel.store().remove(&Pod::TYPE, &worker.namespace, &worker.name);
        }
        true
    }
}

impl Program<SimKernel> for Kubelet {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if !self.registered {
            if !node::register(sys, &self.member) {
                return Step::Block(Wait::until(sys.now() + NETWORK_POLL));
            }
            let pid = sys.pid();
            sys.kernel.kube.watch::<Pod>(pid, Some(&self.member.machine));
            sys.kernel.kube.watch::<Node>(pid, Some(&self.member.machine));
            sys.kernel.kube.kubelets.insert(self.member.machine.clone(), pid);
            self.registered = true;
        }
        self.network_ready = node::tell(sys, &self.member, self.network_ready);
        self.take_pods(sys);
        let now = sys.now();
        let mut pods = core::mem::take(&mut self.pods);
        pods.retain(|uid, worker| {
            let ended = containers::reap(sys, &mut worker.containers);
            let due = worker.next.is_some_and(|at| at <= now);
            !(ended || due) || !self.sync(sys, uid, worker)
        });
        self.pods = pods;
        streams::serve(sys, &self.member.machine, &self.pods, &mut self.served);
        let next = self.pods.values().filter_map(|worker| worker.next).min();
        let poll = (!self.network_ready).then(|| now + NETWORK_POLL);
        let wait = Wait::event().or_until(next).or_until(poll);
        Step::Block(self.served.iter().flat_map(Served::readable).fold(wait, Wait::or_readable))
    }
}
