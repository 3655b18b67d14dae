//! Namespaces of objects.

use serde::{Deserialize, Serialize};

use super::{Invalid, Kind, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};

/// A name that keeps the names of objects apart.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Namespace {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: NamespaceSpec,
    /// What is.
    pub status: NamespaceStatus,
}

/// What a namespace shall be.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct NamespaceSpec {
    /// Kept and shown.
    pub finalizers: Vec<String>,
}

/// What a namespace is.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct NamespaceStatus {
    /// `Active` or `Terminating`.
    pub phase: String,
}

impl Kind for Namespace {
    const TYPE: TypeInfo = TypeInfo {
        kind: "Namespace",
        api_version: "v1",
        plural: "namespaces",
        singular: "namespace",
        short: &["ns"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        // Policies select namespaces by this label.
        let name = self.metadata.name.clone();
        self.metadata.labels.insert("kubernetes.io/metadata.name".into(), name);
        if self.spec.finalizers.is_empty() {
            self.spec.finalizers.push("kubernetes".into());
        }
        self.status.phase = "Active".into();
        Ok(())
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::new("STATUS"), Column::new("AGE")];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        vec![self.status.phase.clone(), show.age(&self.metadata)]
    }

    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::namespace(self, show)
    }
}
