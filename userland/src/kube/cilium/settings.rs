//! The settings of an agent: the keys of the ConfigMap `cilium-config`.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;
use std::sync::Arc;

use hopwise_stack::path::tc::cilium::ct::Limits;
use hopwise_stack::path::tc::cilium::event::Aggregation;
use ipnet::Ipv4Net;
use serde_json::Value;

use super::Cilium;
use crate::kube::cni::CniPlugin;
use crate::kube::registry::{BadSetting, Settings as Map};

/// How packets get to other nodes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Tunnel {
    /// By the routes of the network.
    #[default]
    Disabled,
    /// Through VXLAN.
    Vxlan,
}

/// What an agent is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `tunnel`
    pub tunnel: Tunnel,
    /// `ipv4-native-routing-cidr`, in older versions `native-routing-cidr`: no masquerading to there.
    pub native_cidr: Option<Ipv4Net>,
    /// `auto-direct-node-routes`: a route to each other node's pods.
    pub direct_routes: bool,
    /// `enable-host-legacy-routing`
    pub legacy_routing: bool,
    /// `enable-ipv4-masquerade`
    pub masquerade: bool,
    /// `enable-endpoint-health-checking`
    pub health: bool,
    /// `debug`
    pub debug: bool,
    /// `monitor-aggregation`
    pub aggregation: Aggregation,
    /// `enable-policy`: `default` or `always`; there is no `never`.
    pub always_enforce: bool,
    /// `enable-session-affinity`: services may keep their clients with one pod.
    pub session_affinity: bool,
    /// `bpf-ct-global-tcp-max` and `bpf-ct-global-any-max`.
    pub ct_limits: Limits,
    /// `cluster-name`
    pub cluster_name: String,
    /// What Cilium would draw: `drawn`. Not a key of Cilium: a lab that shows a certain cluster can have its numbers.
    pub drawn: Drawn,
}

/// Numbers and addresses that Cilium draws at random, given instead.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Drawn {
    /// The numbers of pods and nodes on their nodes, by name.
    pub endpoints: BTreeMap<String, u16>,
    /// Addresses of pods, routers (`NODE/router`) and health endpoints (`NODE/health`), by name.
    pub addresses: BTreeMap<String, Ipv4Addr>,
    /// The identities in the order in which sets of labels get them.
    pub identities: Vec<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            tunnel: Tunnel::default(),
            native_cidr: None,
            direct_routes: false,
            legacy_routing: true,
            masquerade: true,
            health: true,
            debug: false,
            aggregation: Aggregation::None,
            always_enforce: false,
            session_affinity: false,
            ct_limits: Limits::default(),
            cluster_name: "default".into(),
            drawn: Drawn::default(),
        }
    }
}

/// Makes the plugin from what the front matter says.
///
/// # Errors
/// Which key is not understood, and why.
pub fn make(map: &Map) -> Result<Arc<dyn CniPlugin>, BadSetting> {
    let mut settings = Settings::default();
    for (key, value) in map {
        settings.set(key, value).map_err(|why| (key.clone(), why))?;
    }
    if settings.tunnel == Tunnel::Disabled && settings.masquerade && settings.native_cidr.is_none() {
        let why = "native routing cidr must be configured with option --ipv4-native-routing-cidr in combination with \
                   --enable-ipv4-masquerade --tunnel=disabled";
        return Err((String::new(), why.to_owned()));
    }
    if settings.tunnel == Tunnel::Vxlan && settings.direct_routes {
        let why =
            "auto-direct-node-routes cannot be used with tunneling. Packets must be routed through the tunnel device.";
        return Err((String::new(), why.to_owned()));
    }
    Ok(Arc::new(Cilium { settings: Arc::new(settings) }))
}

impl Settings {
    fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match key {
            "tunnel" => {
                self.tunnel = match &*text {
                    "disabled" => Tunnel::Disabled,
                    "vxlan" => Tunnel::Vxlan,
                    _ => return Err("`disabled` or `vxlan`".into()),
                };
            }
            "native-routing-cidr" | "ipv4-native-routing-cidr" => {
                self.native_cidr = Some(text.parse().map_err(|_| "not a range of addresses".to_owned())?);
            }
            "auto-direct-node-routes" => self.direct_routes = flag(&text)?,
            "enable-host-legacy-routing" => self.legacy_routing = flag(&text)?,
            "enable-ipv4-masquerade" | "masquerade" => self.masquerade = flag(&text)?,
            "enable-endpoint-health-checking" => self.health = flag(&text)?,
            "debug" => self.debug = flag(&text)?,
            "monitor-aggregation" => {
                self.aggregation = match &*text {
                    "none" => Aggregation::None,
                    "lowest" => Aggregation::Lowest,
                    "low" => Aggregation::Low,
                    "medium" => Aggregation::Medium,
                    "max" | "maximum" => Aggregation::Maximum,
                    _ => return Err("`none`, `lowest`, `low`, `medium` or `maximum`".into()),
                };
            }
            "enable-policy" => {
                self.always_enforce = match &*text {
                    "default" => false,
                    "always" => true,
                    _ => return Err("`default` or `always`".into()),
                };
            }
            "enable-session-affinity" => self.session_affinity = flag(&text)?,
            "bpf-ct-global-tcp-max" => self.ct_limits.tcp = limit(&text)?,
            "bpf-ct-global-any-max" => self.ct_limits.any = limit(&text)?,
            "cluster-name" => self.cluster_name = text,
            "drawn" => self.drawn = drawn(value)?,
            _ => return Err("is not a setting of Cilium that is known here".into()),
        }
        Ok(())
    }
}

fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "`true` or `false`".into())
}

/// The size of a connection tracking map (`LimitTableMin`, `LimitTableMax`).
fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1 << 10..=1 << 24).contains(number));
    number.ok_or_else(|| "a number from 1024 to 16777216".into())
}

fn drawn(value: &Value) -> Result<Drawn, String> {
    let mut drawn = Drawn::default();
    let bad = |what: &str| format!("`{what}` is not understood");
    for (key, value) in value.as_object().ok_or("endpoints, addresses, identities")? {
        match (&**key, value) {
            ("endpoints", Value::Object(map)) => {
                for (name, value) in map {
                    let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
                    drawn.endpoints.insert(name.clone(), number.filter(|n| *n > 0).ok_or_else(|| bad(name))?);
                }
            }
            ("addresses", Value::Object(map)) => {
                for (name, value) in map {
                    let address = value.as_str().and_then(|text| text.parse().ok());
                    drawn.addresses.insert(name.clone(), address.ok_or_else(|| bad(name))?);
                }
            }
            ("identities", Value::Array(list)) => {
                for value in list {
                    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                    drawn.identities.push(number.filter(|n| *n >= 256).ok_or_else(|| bad(key))?);
                }
            }
            _ => return Err(bad(key)),
        }
    }
    Ok(drawn)
}
