//! Calico 3.24 on the nodes: the CNI plugin, Felix, confd with BIRD, and `calicoctl`.

pub(crate) mod calicoctl;
mod confd;
mod controllers;
mod felix;
mod plugin;
mod startup;
mod tunnels;

use std::sync::Arc;

use hopwise_cluster::calico::bird_cfg::Mode;
use hopwise_cluster::object::ObjectMeta;
use hopwise_cluster::object::calico::{FelixConfiguration, IpPool, IpamConfig};
use hopwise_cluster::{Object, Store};
use hopwise_machine::{Program, Step, Sys, Wait};

use super::cluster::Cluster;
use super::cni::{Agent, Attached, CniError, CniPlugin, Sandbox};
use super::registry::{BadSetting, Settings};
use crate::kernel::SimKernel;

/// The version that is told.
pub(crate) const VERSION: &str = "v3.24.1";

/// Calico as a lab sets it up: what becomes of it afterwards is up to the objects.
#[derive(Clone, Debug)]
pub struct Calico {
    ipip: Mode,
    vxlan: Mode,
    block_size: u8,
    nat_outgoing: bool,
    bgp: bool,
}

impl Default for Calico {
    /// As Calico's manifest: IPIP always, BGP between all nodes.
    fn default() -> Self {
        Calico { ipip: Mode::Always, vxlan: Mode::Never, block_size: 26, nat_outgoing: true, bgp: true }
    }
}

/// Reads the settings of a lab: `ipipMode`, `vxlanMode`, `blockSize`, `natOutgoing` as in an IPPool, and `bgp: false` for a cluster
/// without BIRD, in which Felix sets all routes.
pub(crate) fn make(settings: &Settings) -> Result<Arc<dyn CniPlugin>, BadSetting> {
    let mut calico = Calico::default();
    if settings.contains_key("vxlanMode") && !settings.contains_key("ipipMode") {
        calico.ipip = Mode::Never;
    }
    for (key, value) in settings {
        let bad = |why: &str| (key.clone(), why.to_owned());
        let mode = || serde_json::from_value(value.clone()).map_err(|_| bad("expected Always, CrossSubnet or Never"));
        let flag = || value.as_bool().ok_or_else(|| bad("expected true or false"));
        match &**key {
            "ipipMode" => calico.ipip = mode()?,
            "vxlanMode" => calico.vxlan = mode()?,
            "natOutgoing" => calico.nat_outgoing = flag()?,
            "bgp" => calico.bgp = flag()?,
            "blockSize" => {
                let size = value.as_u64().filter(|size| (20..=32).contains(size));
                calico.block_size = size.ok_or_else(|| bad("expected a number from 20 to 32"))? as u8;
            }
            _ => return Err(bad("the settings are ipipMode, vxlanMode, blockSize, natOutgoing and bgp")),
        }
    }
    if calico.bgp && !crate::programs::network_programs().iter().any(|program| program.name == "bird") {
        return Err(("bgp".into(), "there is no BIRD: say `bgp: false`, and Felix sets all routes".into()));
    }
    Ok(Arc::new(calico))
}

impl CniPlugin for Calico {
    fn name(&self) -> &str {
        "calico"
    }

    fn prepare(&self, cluster: &Cluster, store: &mut Store) -> Result<(), String> {
        let mut pool = IpPool { metadata: ObjectMeta::named("", "default-ipv4-ippool"), ..IpPool::default() };
        pool.spec.cidr = cluster.pod_cidr;
        pool.spec.block_size = self.block_size;
        pool.spec.nat_outgoing = self.nat_outgoing;
        (pool.spec.ipip_mode, pool.spec.vxlan_mode) = (self.ipip, self.vxlan);
        let ipam = IpamConfig { metadata: ObjectMeta::named("", "default"), ..IpamConfig::default() };
        let mut felix =
            FelixConfiguration { metadata: ObjectMeta::named("", "default"), ..FelixConfiguration::default() };
        if !self.bgp {
            felix.spec.program_cluster_routes = "Enabled".into();
        }
        let objects: [Box<dyn Object>; 3] = [Box::new(pool), Box::new(ipam), Box::new(felix)];
        objects.into_iter().try_for_each(|object| store.create(object).map(|_| ()).map_err(|why| why.to_string()))
    }

    fn agents(&self, cluster: &Cluster, node: &str) -> Vec<Agent> {
        let mut agents = vec![Agent::new("calico-node -felix", felix::start(node))];
        if self.bgp {
            agents.push(Agent::new("calico-node -confd", confd::start(node)));
            let bird6 = "bird6 -s /var/run/calico/bird6.ctl -d -c /etc/calico/confd/config/bird6.cfg";
            agents.push(Agent::new(bird6, Box::new(Bird6)));
        }
        if cluster.nodes.first().is_some_and(|member| member.machine == node) {
            agents.push(Agent::new("/usr/bin/kube-controllers", controllers::start()));
        }
        agents
    }

    /// Once calico-node has said where the node is (the plugin waits for `/var/lib/calico/nodename`).
    fn is_ready(&self, sys: &mut Sys<'_, SimKernel>, node: &str) -> bool {
        startup::is_done(sys, node)
    }

    fn add(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<Attached, CniError> {
        plugin::add(sandbox)
    }

    fn del(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<(), CniError> {
        plugin::del(sandbox)
    }
}

/// BIRD for IPv6. Without IPv6 it has no peers and nothing to do; it is there because calico-node always starts it.
#[derive(Clone)]
struct Bird6;

impl Program<SimKernel> for Bird6 {
    fn step(&mut self, _sys: &mut Sys<'_, SimKernel>) -> Step {
        Step::Block(Wait::event())
    }
}

/// A map of an object's annotations with one more, or one less.
pub(crate) fn annotate(map: &mut std::collections::BTreeMap<String, String>, name: &str, value: Option<String>) {
    match value {
        Some(value) => drop(map.insert(name.to_owned(), value)),
        None => drop(map.remove(name)),
    }
}
