//! How Felix works on all nodes.

use serde::{Deserialize, Serialize};

use super::super::{Invalid, Kind, ObjectMeta, TypeInfo};
use super::{V3, wrong};
use crate::print::{Column, Show};

/// The settings of Felix; the one named `default` is that of all nodes.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct FelixConfiguration {
    /// Its name.
    pub metadata: ObjectMeta,
    /// What shall be.
    pub spec: FelixConfigurationSpec,
}

/// The settings of Felix that have an effect here; others are refused.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct FelixConfigurationSpec {
    /// What happens to packets of a workload for its host: `Accept`, `Drop`, `Return`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub default_endpoint_to_host_action: String,
    /// The MTU of `tunl0`.
    #[serde(rename = "ipipMTU", skip_serializing_if = "Option::is_none")]
    pub ipip_mtu: Option<u32>,
    /// Whether Felix sets the routes between nodes also without VXLAN, so that no BIRD is needed (Calico 3.30 and later).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub program_cluster_routes: String,
    /// The MTU of `vxlan.calico`.
    #[serde(rename = "vxlanMTU", skip_serializing_if = "Option::is_none")]
    pub vxlan_mtu: Option<u32>,
}

impl Kind for FelixConfiguration {
    const TYPE: TypeInfo = TypeInfo {
        kind: "FelixConfiguration",
        api_version: V3,
        plural: "felixconfigurations",
        singular: "felixconfiguration",
        short: &["felixconfig", "felixconfigs"],
        namespaced: false,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn admit(&mut self) -> Result<(), Invalid> {
        let one_of = |field: &str, value: &str, words: &[&str]| match value.is_empty() || words.contains(&value) {
            true => Ok(()),
            false => Err(wrong(field, value, &format!("must be one of {}", words.join(", ")))),
        };
        let spec = &self.spec;
        let action = &spec.default_endpoint_to_host_action;
        one_of("FelixConfigurationSpec.DefaultEndpointToHostAction", action, &["Accept", "Drop", "Return"])?;
        let routes = &spec.program_cluster_routes;
        one_of("FelixConfigurationSpec.ProgramClusterRoutes", routes, &["Enabled", "Disabled"])
    }

    fn columns() -> &'static [Column] {
        &[]
    }

    fn cells(&self, _show: &Show<'_>) -> Vec<String> {
        Vec::new()
    }
}
