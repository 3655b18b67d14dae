//! Deployments: one replica set for each template, of which the newest one has the pods.

use std::collections::BTreeMap;

use super::{is_owned, owned_by};
use crate::object::pod::Condition;
use crate::object::replica_set::ReplicaSetSpec;
use crate::object::{Deployment, ObjectMeta, Pod, ReplicaSet};
use crate::store::Store;

/// The label that tells replica sets of one deployment apart.
pub const TEMPLATE_HASH: &str = "pod-template-hash";

/// Makes the replica sets of all deployments what they should be.
pub fn sync(store: &mut Store) {
    let all: Vec<Deployment> = store.list(None).cloned().collect();
    // Of each deployment, by its uid. What is done for one of them changes no other's.
    let mut owned: BTreeMap<String, Vec<ReplicaSet>> = BTreeMap::new();
    for set in store.list::<ReplicaSet>(None) {
        if let Some(owner) = set.metadata.controller() {
            owned.entry(owner.uid.clone()).or_default().push(set.clone());
        }
    }
    for deployment in all {
        let sets = owned.remove(&deployment.metadata.uid).unwrap_or_default();
        sync_one(store, &deployment, sets);
    }
}

fn sync_one(store: &mut Store, deployment: &Deployment, mut sets: Vec<ReplicaSet>) {
    let (meta, spec) = (&deployment.metadata, &deployment.spec);
    let hash = template_hash(deployment);
    let name = format!("{}-{hash}", meta.name);
    let wanted = spec.replicas.unwrap_or(1);
    let paused = spec.paused == Some(true);
    if !paused
        && !sets.iter().any(|set| set.metadata.name == name)
        && let Ok(object) = store.create(Box::new(new_set(deployment, &name, &hash)))
    {
        sets.extend(object.get::<ReplicaSet>().cloned());
    }
    let ready = |set: &ReplicaSet| set.status.ready_replicas.unwrap_or(0);
    let is_new = |set: &&ReplicaSet| set.metadata.name == name;
    let new_is_there = sets.iter().find(is_new).is_some_and(|set| ready(set) >= wanted);
    // `strategy.type: Recreate`: the new pods come when the old ones are gone.
    let recreates = spec.strategy.as_ref().and_then(|s| s.get("type")?.as_str()) == Some("Recreate");
    let waits = recreates && sets.iter().filter(|set| !is_new(set)).any(|set| has_pods(store, set));
    let newest = sets.iter().max_by_key(|set| set.spec.replicas).map(|set| set.metadata.name.clone());
    for set in &sets {
        let replicas = match is_new(&set) {
            // While it is paused the templates stay as they are, but not the number of pods.
            _ if paused && newest.as_ref() == Some(&set.metadata.name) => Some(wanted),
            _ if paused => None,
            true if waits => None,
            true => Some(wanted),
            // The old pods go when the new ones are there.
            false if new_is_there || recreates => Some(0),
            false => None,
        };
        if let Some(replicas) = replicas {
            store.modify::<ReplicaSet>(&meta.namespace, &set.metadata.name, |set| set.spec.replicas = Some(replicas));
        }
    }
    let total: u32 = sets.iter().map(|set| set.status.replicas).sum();
    let ready_all: u32 = sets.iter().map(ready).sum();
    let updated = sets.iter().find(is_new).map_or(0, |set| set.status.replicas);
    // A replica set that has not been looked at yet says nothing about its pods.
    let settled = paused
        || sets.iter().find(is_new).is_some_and(|set| {
            let set = store.get::<ReplicaSet>(&meta.namespace, &set.metadata.name).unwrap_or(set);
            set.status.observed_generation == set.metadata.generation
        });
    let (namespace, name, now) = (meta.namespace.clone(), meta.name.clone(), store.now());
    store.modify::<Deployment>(&namespace, &name, |deployment| {
        let generation = deployment.metadata.generation;
        let status = &mut deployment.status;
        if settled {
            status.observed_generation = generation;
        }
        let some = |n: u32| (n > 0).then_some(n);
        status.replicas = some(total);
        status.updated_replicas = some(updated);
        status.ready_replicas = some(ready_all);
        status.available_replicas = some(ready_all);
        status.unavailable_replicas = some(wanted.saturating_sub(ready_all));
        let is = if ready_all >= wanted { "True" } else { "False" };
        let reason = if ready_all >= wanted { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" };
        if status.conditions.first().is_none_or(|c| c.status != is) {
            status.conditions = vec![Condition {
                kind: "Available".into(),
                status: is.into(),
                reason: reason.into(),
                last_transition_time: Some(now),
                last_update_time: Some(now),
                ..Condition::default()
            }];
        }
    });
}

fn has_pods(store: &Store, set: &ReplicaSet) -> bool {
    store.list::<Pod>(Some(&set.metadata.namespace)).any(|pod| is_owned(&pod.metadata, &set.metadata.uid))
}

fn new_set(deployment: &Deployment, name: &str, hash: &str) -> ReplicaSet {
    let mut template = deployment.spec.template.clone();
    template.metadata.labels.insert(TEMPLATE_HASH.into(), hash.to_owned());
    let mut selector = deployment.spec.selector.clone();
    selector.match_labels.insert(TEMPLATE_HASH.into(), hash.to_owned());
    let mut metadata = ObjectMeta::named(&deployment.metadata.namespace, name);
    metadata.labels = template.metadata.labels.clone();
    metadata.owner_references = owned_by(deployment);
    let spec = ReplicaSetSpec { replicas: Some(0), selector, template, min_ready_seconds: None };
    ReplicaSet { metadata, spec, status: Default::default() }
}

/// The hash of a template: FNV-1a over it, as a safe word (`ComputeHash`, `SafeEncodeString`). It is not the number that Kubernetes
/// computes, which depends on how Go prints its structs.
fn template_hash(deployment: &Deployment) -> String {
    const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = serde_json::to_string(&deployment.spec.template).unwrap_or_default();
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.to_string().bytes().map(|digit| char::from(SAFE[usize::from(digit) % SAFE.len()])).collect()
}
