//! Deployments and replica sets.

use serde_json::Value;

use super::pod::template;
use super::{labels_and_annotations, put};
use crate::object::{Deployment, Pod, ReplicaSet};
use crate::print::Show;
use crate::print::tabwriter::{DESCRIBE, set};

/// A deployment.
pub fn deployment(deployment: &Deployment, show: &Show<'_>) -> String {
    let (meta, spec, status) = (&deployment.metadata, &deployment.spec, &deployment.status);
    let mut text = format!("Name:\t{}\nNamespace:\t{}\n", meta.name, meta.namespace);
    put!(text, "CreationTimestamp:\t{}", show.or_none(meta.creation_timestamp.map(|at| at.rfc1123())));
    labels_and_annotations(&mut text, meta);
    put!(text, "Selector:\t{}", spec.selector.shown("<none>"));
    let count = |n: Option<u32>| n.unwrap_or(0);
    put!(
        text,
        "Replicas:\t{} desired | {} updated | {} total | {} available | {} unavailable",
        count(spec.replicas),
        count(status.updated_replicas),
        count(status.replicas),
        count(status.available_replicas),
        count(status.unavailable_replicas)
    );
    let strategy = spec.strategy.as_ref();
    let kind = strategy.and_then(|s| s.get("type")?.as_str()).unwrap_or("RollingUpdate");
    put!(text, "StrategyType:\t{kind}");
    put!(text, "MinReadySeconds:\t{}", count(spec.min_ready_seconds));
    if kind == "RollingUpdate" {
        let of = |field: &str| {
            let value: Option<&Value> = strategy.and_then(|s| s.get("rollingUpdate")?.get(field));
            value.map_or_else(|| "25%".into(), crate::print::jsonpath::shown)
        };
        put!(text, "RollingUpdateStrategy:\t{} max unavailable, {} max surge", of("maxUnavailable"), of("maxSurge"));
    }
    template(&mut text, &spec.template);
    if !status.conditions.is_empty() {
        text.push_str("Conditions:\n  Type\tStatus\tReason\n  ----\t------\t------\n");
        status.conditions.iter().for_each(|c| put!(text, "  {} \t{}\t{}", c.kind, c.status, c.reason));
    }
    let owned = |set: &&ReplicaSet| set.metadata.controller().is_some_and(|owner| owner.uid == meta.uid);
    let sets: Vec<&ReplicaSet> = show.store.list::<ReplicaSet>(Some(&meta.namespace)).filter(owned).collect();
    let is_new = |set: &&&ReplicaSet| {
        let mut labels = set.spec.template.metadata.labels.clone();
        labels.remove(crate::controllers::deployment::TEMPLATE_HASH);
        labels == spec.template.metadata.labels
            && set.spec.template.spec == spec.template.spec
            && set.spec.template.metadata.annotations == spec.template.metadata.annotations
    };
    let shown = |sets: Vec<&&ReplicaSet>| {
        let one = |set: &&ReplicaSet| {
            let (name, have, want) = (&set.metadata.name, set.status.replicas, count(set.spec.replicas));
            format!("{name} ({have}/{want} replicas created)")
        };
        let all: Vec<String> = sets.into_iter().map(one).collect();
        if all.is_empty() { "<none>".to_owned() } else { all.join(", ") }
    };
    put!(text, "OldReplicaSets:\t{}", shown(sets.iter().filter(|set| !is_new(set)).collect()));
    put!(text, "NewReplicaSet:\t{}", shown(sets.iter().filter(is_new).collect()));
    text.push_str("Events:\t<none>\n");
    set(&text, DESCRIBE)
}

/// A replica set.
pub fn replica_set(set_: &ReplicaSet, show: &Show<'_>) -> String {
    let (meta, spec) = (&set_.metadata, &set_.spec);
    let mut text = format!("Name:\t{}\nNamespace:\t{}\n", meta.name, meta.namespace);
    put!(text, "Selector:\t{}", spec.selector.shown("<none>"));
    labels_and_annotations(&mut text, meta);
    if let Some(owner) = meta.controller() {
        put!(text, "Controlled By:\t{}/{}", owner.kind, owner.name);
    }
    put!(text, "Replicas:\t{} current / {} desired", set_.status.replicas, spec.replicas.unwrap_or(0));
    let own = |pod: &&Pod| pod.metadata.controller().is_some_and(|owner| owner.uid == meta.uid);
    let phases: Vec<&str> =
        show.store.list::<Pod>(Some(&meta.namespace)).filter(own).map(|pod| &*pod.status.phase).collect();
    let [running, waiting, succeeded, failed] =
        ["Running", "Pending", "Succeeded", "Failed"].map(|phase| phases.iter().filter(|p| **p == phase).count());
    put!(text, "Pods Status:\t{running} Running / {waiting} Waiting / {succeeded} Succeeded / {failed} Failed");
    template(&mut text, &spec.template);
    text.push_str("Events:\t<none>\n");
    set(&text, DESCRIBE)
}
