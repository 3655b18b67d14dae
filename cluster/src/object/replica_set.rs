//! Replica sets: the pods of one template.

use serde::{Deserialize, Serialize};

use super::deployment::{PodTemplate, admit_template, containers};
use super::{Invalid, Kind, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};
use crate::selector::LabelSelector;

/// So many pods of one template.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct ReplicaSet {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: ReplicaSetSpec,
    /// What is.
    pub status: ReplicaSetStatus,
}

/// What a replica set shall be.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetSpec {
    /// How many pods.
    pub replicas: Option<u32>,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// What they are made from.
    pub template: PodTemplate,
    /// Kept and shown.
    pub min_ready_seconds: Option<u32>,
}

/// What a replica set is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaSetStatus {
    /// The generation that was seen.
    pub observed_generation: Option<u64>,
    /// Its pods.
    pub replicas: u32,
    /// Those that have the template's labels.
    pub fully_labeled_replicas: Option<u32>,
    /// Those that are ready.
    pub ready_replicas: Option<u32>,
    /// The same, as nothing is waited for.
    pub available_replicas: Option<u32>,
}

impl Kind for ReplicaSet {
    const TYPE: TypeInfo = TypeInfo {
        kind: "ReplicaSet",
        api_version: "apps/v1",
        plural: "replicasets",
        singular: "replicaset",
        short: &["rs"],
        namespaced: true,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        self.spec.replicas.get_or_insert(1);
        admit_template(&self.spec.selector, &mut self.spec.template)
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            Column::new("DESIRED"),
            Column::new("CURRENT"),
            Column::new("READY"),
            Column::new("AGE"),
            Column::wide("CONTAINERS"),
            Column::wide("IMAGES"),
            Column::wide("SELECTOR"),
        ];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        let [names, images] = containers(&self.spec.template);
        vec![
            self.spec.replicas.unwrap_or(0).to_string(),
            self.status.replicas.to_string(),
            self.status.ready_replicas.unwrap_or(0).to_string(),
            show.age(&self.metadata),
            names,
            images,
            self.spec.selector.shown("<none>"),
        ]
    }

    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::replica_set(self, show)
    }
}
