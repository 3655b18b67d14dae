//! Endpoints, as they were before endpoint slices: shown only.

use core::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::endpoint_slice::{EndpointPort, TargetRef, first_three};
use super::{Kind, ObjectMeta, TypeInfo};
use crate::print::{Column, Show};

/// Where the pods of the Service of the same name are.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(default)]
pub struct Endpoints {
    /// Name and labels.
    pub metadata: ObjectMeta,
    /// The endpoints, by their ports.
    pub subsets: Vec<Subset>,
}

/// Endpoints with the same ports.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Subset {
    /// Those that are ready.
    pub addresses: Vec<Address>,
    /// Those that are not.
    pub not_ready_addresses: Vec<Address>,
    /// Their ports.
    pub ports: Vec<EndpointPort>,
}

/// One endpoint.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[serde(rename_all = "camelCase", default)]
pub struct Address {
    /// Its address.
    pub ip: Option<Ipv4Addr>,
    /// Its name, for DNS.
    pub hostname: String,
    /// Its node.
    pub node_name: String,
    /// The pod.
    pub target_ref: Option<TargetRef>,
}

impl Endpoints {
    /// Address and port of each endpoint that is ready, as kubectl shows them: at most three.
    pub fn shown(&self) -> String {
        self.listed(|_| true)
    }

    /// The same for one port of the Service.
    pub fn shown_for(&self, port: &str) -> String {
        self.listed(|p| p.name == port)
    }

    fn listed(&self, wanted: impl Fn(&EndpointPort) -> bool) -> String {
        let mut all = Vec::new();
        for subset in &self.subsets {
            for port in subset.ports.iter().filter(|port| wanted(port)) {
                let port = port.port.unwrap_or(0);
                all.extend(subset.addresses.iter().filter_map(|a| a.ip).map(|ip| format!("{ip}:{port}")));
            }
            if subset.ports.is_empty() {
                all.extend(subset.addresses.iter().filter_map(|a| a.ip).map(|ip| ip.to_string()));
            }
        }
        first_three(all, "<none>")
    }
}

impl Kind for Endpoints {
    const TYPE: TypeInfo = TypeInfo {
        kind: "Endpoints",
        api_version: "v1",
        plural: "endpoints",
        singular: "endpoints",
        short: &["ep"],
        namespaced: true,
    };

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }

    fn columns() -> &'static [Column] {
        const COLUMNS: &[Column] = &[Column::new("ENDPOINTS"), Column::new("AGE")];
        COLUMNS
    }

    fn cells(&self, show: &Show<'_>) -> Vec<String> {
        vec![self.shown(), show.age(&self.metadata)]
    }

    fn describe(&self, show: &Show<'_>) -> String {
        crate::print::describe::endpoints(self, show)
    }
}
