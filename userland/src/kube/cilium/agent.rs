//! The agent of a node as a process: it sets the node up, then follows the objects.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hopwise_cluster::object::cilium::{CILIUM_INTERNAL_IP, Health, INTERNAL_IP, NodeAddress};
use hopwise_cluster::object::{
    CiliumEndpoint, CiliumIdentity, CiliumNode, EndpointSlice, Namespace, NetworkPolicy, OwnerReference, Service,
};
use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Time};
use hopwise_stack::path::tc::cilium::maps::{Local, identity};
use ipnet::Ipv4Net;

use super::endpoint::{self, Wish};
use super::node::{Node, Numbers};
use super::settings::{Settings, Tunnel};
use super::{links, rules, sync};
use crate::kernel::SimKernel;
use crate::kube::tools;

/// How often connections that have ended are collected (`ConntrackGCStartingInterval`).
const COLLECT_EVERY: Duration = Duration::from_secs(300);
/// How long until a node without an address is looked at again.
const RETRY: Duration = Duration::from_secs(1);

/// The process `cilium-agent`.
#[derive(Clone)]
pub(super) struct CiliumAgent {
    node: String,
    address: Option<Ipv4Addr>,
    settings: Arc<Settings>,
    /// It is set up.
    running: bool,
    /// When connections are collected next.
    collect_at: Time,
}

impl CiliumAgent {
    pub(super) fn new(node: &str, address: Option<Ipv4Addr>, settings: Arc<Settings>) -> Self {
        CiliumAgent { node: node.to_owned(), address, settings, running: false, collect_at: Time::ZERO }
    }

    /// Sets the node up. `None`: it has no address yet.
    fn begin(&self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Node>, String> {
        let (ns, name) = (sys.root_ns(), &self.node);
        let Some(address) = links::address(sys, ns, self.address) else { return Ok(None) };
        let object = sys.kernel.store().get::<CiliumNode>("", name);
        let range: Option<Ipv4Net> = object.and_then(|object| object.spec.ipam.pod_cidrs.first().copied());
        let pod_cidr = range.ok_or("required IPv4 PodCIDR not available")?;
        let mut node = Node {
            name: name.clone(),
            settings: self.settings.clone(),
            agent: sys.pid(),
            ns,
            address,
            pod_cidr,
            router: Ipv4Addr::UNSPECIFIED,
            host_endpoint: 0,
            endpoints: BTreeMap::new(),
            allocated: BTreeMap::new(),
            cidr_identities: BTreeMap::new(),
            given_identities: 0,
            numbers: Numbers::default(),
            policy: (1, 0),
            next_program: 0,
            routes: BTreeSet::new(),
            nodes: BTreeSet::new(),
            cached: BTreeSet::new(),
        };
        node.host_endpoint = node.number(name)?;
        node.router = node.allocate(&format!("{name}/router"), "router")?;
        links::make(sys, &mut node)?;
        let excluded = self.settings.native_cidr.or(Some(pod_cidr));
        let facts = rules::Facts {
            pod_cidr,
            excluded: excluded.filter(|_| self.settings.masquerade && self.settings.legacy_routing),
            router: node.router,
            tunnel: self.settings.tunnel != Tunnel::Disabled,
        };
        tools::ipset_restore(sys, ns, &format!("create {} hash:ip\n", rules::NODES))?;
        tools::iptables_restore(sys, ns, ("cilium", ""), &rules::text(&facts))?;
        if let Some(maps) = sys.kernel.net.ns_mut(ns).and_then(|space| space.cilium.as_deref_mut()) {
            maps.endpoints.insert(address.0, Local::Host);
            maps.endpoints.insert(node.router, Local::Host);
        }
        let health = if self.settings.health { Some(health_endpoint(sys, &mut node)?) } else { None };
        announce(sys, &node, health);
        Ok(Some(node))
    }

    /// Says what concerns it.
    fn watch(sys: &mut Sys<'_, SimKernel>) {
        let pid = sys.pid();
        let kube = &mut sys.kernel.kube;
        kube.watch::<CiliumNode>(pid, None);
        kube.watch::<CiliumEndpoint>(pid, None);
        kube.watch::<CiliumIdentity>(pid, None);
        kube.watch::<NetworkPolicy>(pid, None);
        kube.watch::<Namespace>(pid, None);
        kube.watch::<Service>(pid, None);
        kube.watch::<EndpointSlice>(pid, None);
    }
}

impl Program<SimKernel> for CiliumAgent {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let (machine, now) = (sys.machine(), sys.now());
        if !self.running {
            match self.begin(sys) {
                Ok(Some(node)) => {
                    sys.kernel.cilium.insert(machine, node);
                    Self::watch(sys);
                    (self.running, self.collect_at) = (true, now + COLLECT_EVERY);
                }
                Ok(None) => return Step::Block(Wait::until(now + RETRY)),
                Err(why) => {
                    tools::log(sys, "cilium-agent", &format!("level=fatal msg={why:?} subsys=daemon"));
                    sys.err(&format!("level=fatal msg={why:?} subsys=daemon\n"));
                    return Step::Exit(1);
                }
            }
        }
        let Some(mut node) = sys.kernel.cilium.remove(&machine) else { return Step::Exit(1) };
        sync::all(sys, &mut node);
        if now >= self.collect_at {
            self.collect_at = now + COLLECT_EVERY;
            let seconds = (now.as_nanos() / 1_000_000_000) as u32;
            if let Some(maps) = sys.kernel.net.ns_mut(node.ns).and_then(|space| space.cilium.as_deref_mut()) {
                maps.ct.collect(seconds);
                maps.nat.collect(&maps.ct);
            }
        }
        sys.kernel.cilium.insert(machine, node);
        Step::Block(Wait::until(self.collect_at))
    }
}

/// The endpoint that other agents ask whether pods of this node can be reached: `lxc_health`.
fn health_endpoint(sys: &mut Sys<'_, SimKernel>, node: &mut Node) -> Result<Ipv4Addr, String> {
    const NAME: &str = "cilium-health";
    tools::ip(sys, node.ns, &format!("netns add {NAME}"))?;
    let machine = sys.machine();
    let inside = sys.kernel.named(machine, NAME).ok_or("the namespace of the health endpoint is gone")?;
    let name = format!("{}/health", node.name);
    let wish = Wish {
        pod: ("", ""),
        name: &name,
        container: &name,
        link: Some("lxc_health"),
        inside: (inside, NAME),
        ifname: "cilium",
        identity: (identity::HEALTH, vec!["reserved:health".to_owned()]),
    };
    endpoint::create(sys, node, &wish).map(|endpoint| endpoint.ip)
}

/// Tells the other nodes what they need to know.
fn announce(sys: &mut Sys<'_, SimKernel>, node: &Node, health: Option<Ipv4Addr>) {
    let at = |ip: Ipv4Addr, kind: &str| NodeAddress { ip, kind: kind.to_owned() };
    let addresses = vec![at(node.address.0, INTERNAL_IP), at(node.router, CILIUM_INTERNAL_IP)];
    let store = sys.kernel.store();
    // It goes with the node.
    let owner = store.get::<hopwise_cluster::object::Node>("", &node.name).map(OwnerReference::to);
    store.modify::<CiliumNode>("", &node.name, |object| {
        object.metadata.owner_references = owner.into_iter().collect();
        object.spec.addresses = addresses;
        object.spec.health = Health { ipv4: health };
    });
}
