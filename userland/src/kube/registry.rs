//! The network plugins that a lab can name, one line each.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::cilium;
use super::cni::CniPlugin;

/// Settings of a plugin, as the front matter has them.
pub type Settings = Map<String, Value>;

/// A setting that is not understood: which, and why. An empty name means all of them.
pub type BadSetting = (String, String);

/// A plugin that a lab can name.
#[derive(Clone, Copy)]
pub struct Row {
    /// `cni: NAME`
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Makes it from its settings.
    pub make: fn(&Settings) -> Result<Arc<dyn CniPlugin>, BadSetting>,
}

/// The plugins.
pub static PLUGINS: &[Row] = &[
    Row {
        name: "bridge",
        about: "pods of a node on a bridge; routes between nodes by hand",
        make: super::bridge::make,
    },
    Row {
        name: "calico",
        about: "Calico: routes and BGP, IPIP or VXLAN between nodes, policies",
        make: super::calico::make,
    },
    Row { name: "flannel", about: "bridge, and VXLAN or routes between nodes", make: super::flannel::make },
    Row { name: "cilium", about: "programs at the hooks of links, identities, policies", make: cilium::make },
];

/// The plugin of a name.
pub fn find(name: &str) -> Option<&'static Row> {
    PLUGINS.iter().find(|row| row.name == name)
}
