//! Replica sets: so many pods of one template.

use std::collections::BTreeMap;

use super::owned_by;
use crate::object::{Kind, ObjectMeta, Pod, ReplicaSet};
use crate::store::Store;

/// Makes and ends pods until every replica set has as many as it wants.
pub fn sync(store: &mut Store) {
    let mut pods: BTreeMap<String, Vec<(u32, String)>> = BTreeMap::new();
    let mut ready: BTreeMap<String, u32> = BTreeMap::new();
    for pod in store.list::<Pod>(None).filter(|pod| !pod.metadata.is_going() && !pod.is_over()) {
        let Some(owner) = pod.metadata.controller() else { continue };
        pods.entry(owner.uid.clone()).or_default().push((rank(pod), pod.metadata.name.clone()));
        *ready.entry(owner.uid.clone()).or_default() += u32::from(pod.is_ready());
    }
    let sets: Vec<ReplicaSet> = store.list(None).cloned().collect();
    for set in sets {
        let mut own = pods.remove(&set.metadata.uid).unwrap_or_default();
        let (have, want) = (own.len() as u32, set.spec.replicas.unwrap_or(1));
        for _ in have..want {
            // A full store refuses; the next change tries again.
            if store.create(Box::new(new_pod(&set))).is_err() {
                break;
            }
        }
        if have > want {
            own.sort();
            for (_, name) in own.iter().rev().take((have - want) as usize) {
                // It is there: it was listed a moment ago.
                let _ = store.delete(&Pod::TYPE, &set.metadata.namespace, name);
            }
        }
        let is_ready = ready.get(&set.metadata.uid).copied().unwrap_or(0).min(want.max(have));
        let some = |n: u32| (n > 0).then_some(n);
        store.modify::<ReplicaSet>(&set.metadata.namespace, &set.metadata.name, |set| {
            set.status.observed_generation = set.metadata.generation;
            set.status.replicas = want;
            set.status.fully_labeled_replicas = some(want);
            set.status.ready_replicas = some(is_ready);
            set.status.available_replicas = some(is_ready);
        });
    }
}

/// Which pods stay when there are too many: ready ones before running ones before others, and the older name before the newer
/// (`ActivePods`, without its look at the age in finer steps than a second).
fn rank(pod: &Pod) -> u32 {
    match (pod.is_ready(), &*pod.status.phase) {
        (true, _) => 0,
        (_, "Running") => 1,
        _ if Kind::node(pod).is_some() => 2,
        _ => 3,
    }
}

fn new_pod(set: &ReplicaSet) -> Pod {
    let template = &set.spec.template;
    let mut metadata = ObjectMeta {
        generate_name: format!("{}-", set.metadata.name),
        namespace: set.metadata.namespace.clone(),
        ..ObjectMeta::default()
    };
    metadata.labels = template.metadata.labels.clone();
    metadata.annotations = template.metadata.annotations.clone();
    metadata.owner_references = owned_by(set);
    Pod { metadata, spec: template.spec.clone(), status: Default::default() }
}
