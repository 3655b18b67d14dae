//! Deployments.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pod::{Condition, PodSpec, admit_spec};
use super::{Invalid, Kind, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};
use crate::selector::LabelSelector;

/// So many pods of the same kind.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Deployment {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: DeploymentSpec,
    /// What is.
    pub status: DeploymentStatus,
}

/// What a deployment shall be.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentSpec {
    /// How many pods.
    pub replicas: Option<u32>,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// What they are made from.
    pub template: PodTemplate,
    /// `Recreate` has the old pods go first. Otherwise they go when the new ones are there, however many it allows at a time.
    pub strategy: Option<Value>,
    /// Kept and shown.
    pub min_ready_seconds: Option<u32>,
    /// Kept and shown.
    pub revision_history_limit: Option<u32>,
    /// Kept and shown.
    pub progress_deadline_seconds: Option<u32>,
    /// Whether a changed template has to wait.
    pub paused: Option<bool>,
}

/// What pods are made from.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct PodTemplate {
    /// Their labels.
    pub metadata: ObjectMeta,
    /// Their specification.
    pub spec: PodSpec,
}

/// What a deployment is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStatus {
    /// The generation that was seen.
    pub observed_generation: Option<u64>,
    /// Its pods.
    pub replicas: Option<u32>,
    /// Those of the present template.
    pub updated_replicas: Option<u32>,
    /// Those that are ready.
    pub ready_replicas: Option<u32>,
    /// The same, as nothing is waited for.
    pub available_replicas: Option<u32>,
    /// Those that are not.
    pub unavailable_replicas: Option<u32>,
    /// Available, Progressing.
    pub conditions: Vec<Condition>,
}

/// What a template and its selector must be like (`ValidateDeploymentSpec`).
pub(super) fn admit_template(selector: &LabelSelector, template: &mut PodTemplate) -> Result<(), Invalid> {
    if selector.is_empty() {
        return Err("spec.selector: Required value".into());
    }
    if !selector.matches(&template.metadata.labels) {
        let labels: Vec<String> = template.metadata.labels.iter().map(|(k, v)| format!("{k:?}:{v:?}")).collect();
        return Err(format!(
            "spec.template.metadata.labels: Invalid value: map[string]string{{{}}}: `selector` does not match template `labels`",
            labels.join(", ")
        ));
    }
    admit_spec(&mut template.spec, "spec.template.spec")?;
    if template.spec.restart_policy != "Always" {
        return Err(format!(
            "spec.template.spec.restartPolicy: Unsupported value: \"{}\": supported values: \"Always\"",
            template.spec.restart_policy
        ));
    }
    Ok(())
}

/// The columns CONTAINERS and IMAGES.
pub(super) fn containers(template: &PodTemplate) -> [String; 2] {
    let join =
        |of: fn(&super::pod::Container) -> &str| template.spec.containers.iter().map(of).collect::<Vec<_>>().join(",");
    [join(|c| &c.name), join(|c| &c.image)]
}

impl Kind for Deployment {
    const TYPE: TypeInfo = TypeInfo {
        kind: "Deployment",
        api_version: "apps/v1",
        plural: "deployments",
        singular: "deployment",
        short: &["deploy"],
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
            Column::new("READY"),
            Column::new("UP-TO-DATE"),
            Column::new("AVAILABLE"),
            Column::new("AGE"),
            Column::wide("CONTAINERS"),
            Column::wide("IMAGES"),
            Column::wide("SELECTOR"),
        ];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        let count = |n: Option<u32>| n.unwrap_or(0).to_string();
        let [names, images] = containers(&self.spec.template);
        vec![
            format!("{}/{}", count(self.status.ready_replicas), count(self.spec.replicas)),
            count(self.status.updated_replicas),
            count(self.status.available_replicas),
            show.age(&self.metadata),
            names,
            images,
            self.spec.selector.shown("<none>"),
        ]
    }

    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::deployment(self, show)
    }
}
