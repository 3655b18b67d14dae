//! flannel: a daemon that leads packets for other nodes' pods there, by routes (`host-gw`) or through a tunnel (`vxlan`), and a plugin
//! that has `bridge` connect the pods.

use core::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_cluster::object::Node;
use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::Duration;
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::bridge::{self, Options};
use super::cluster::Cluster;
use super::cni::{Agent, Attached, CniError, CniPlugin, Sandbox};
use super::registry::{BadSetting, Settings};
use super::tools;
use crate::kernel::SimKernel;

/// Where the daemon tells the plugin about its node.
const SUBNET_ENV: &str = "/run/flannel/subnet.env";
/// The annotations by which the daemons tell each other about themselves.
const ANNOTATION: &str = "flannel.alpha.coreos.com/";
/// What a VXLAN header takes from the MTU.
const OVERHEAD: u32 = 50;

/// How packets get to other nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Backend {
    HostGw,
    Vxlan { vni: u32, port: u16, direct: bool },
}

/// Makes the plugin from its settings.
pub(super) fn make(settings: &Settings) -> Result<Arc<dyn CniPlugin>, BadSetting> {
    let (mut kind, mut vni, mut port, mut direct) = ("vxlan", 1, 8472, false);
    for (key, value) in settings {
        let bad = |why: &str| (key.clone(), why.to_owned());
        match (&**key, value) {
            ("backend", Value::String(word)) if matches!(&**word, "vxlan" | "host-gw") => kind = word,
            ("backend", _) => return Err(bad("expected `vxlan` or `host-gw`")),
            ("VNI", value) => {
                let number = value.as_u64().filter(|n| *n < 1 << 24);
                vni = number.ok_or_else(|| bad("expected a number below 16777216"))? as u32;
            }
            ("Port", value) => {
                let number = value.as_u64().filter(|n| (1..65_536).contains(n));
                port = number.ok_or_else(|| bad("expected a port"))? as u16;
            }
            ("DirectRouting", Value::Bool(is)) => direct = *is,
            ("DirectRouting", _) => return Err(bad("expected `true` or `false`")),
            _ => return Err(bad("the settings are `backend`, `VNI`, `Port` and `DirectRouting`")),
        }
    }
    let backend = if kind == "vxlan" { Backend::Vxlan { vni, port, direct } } else { Backend::HostGw };
    Ok(Arc::new(Flannel { backend }))
}

#[derive(Debug)]
struct Flannel {
    backend: Backend,
}

impl CniPlugin for Flannel {
    fn name(&self) -> &str {
        "flannel"
    }

    fn agents(&self, cluster: &Cluster, node: &str) -> Vec<Agent> {
        let known = Vec::new();
        let daemon =
            Daemon { node: node.to_owned(), backend: self.backend, cluster: cluster.pod_cidr, own: None, known };
        vec![Agent::new("/opt/bin/flanneld --ip-masq --kube-subnet-mgr", Box::new(daemon))]
    }

    fn is_ready(&self, sys: &mut Sys<'_, SimKernel>, _: &str) -> bool {
        sys.stat(SUBNET_ENV, true).is_ok()
    }

    fn add(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<Attached, CniError> {
        let text = tools::read_file(sandbox.sys, SUBNET_ENV);
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let parse = |key| value(key).and_then(|v| v.parse::<Ipv4Net>().ok());
        let missing = || format!("loadFlannelSubnetEnv failed: open {SUBNET_ENV}: no such file or directory");
        let (network, subnet) = (parse("FLANNEL_NETWORK"), parse("FLANNEL_SUBNET").ok_or_else(missing)?);
        let mtu = value("FLANNEL_MTU").and_then(|v| v.parse().ok()).unwrap_or(0);
        bridge::add(sandbox, &Options { mtu, route: network, ..options() }, subnet.trunc())
    }

    fn del(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<(), CniError> {
        bridge::del(sandbox, &options())
    }
}

/// What flannel has `bridge` do: masquerading is the daemon's affair.
fn options() -> Options {
    Options { network: "cbr0".into(), bridge: "cni0".into(), ip_masq: false, hairpin: true, mtu: 0, route: None }
}

/// flanneld.
#[derive(Clone)]
struct Daemon {
    node: String,
    backend: Backend,
    cluster: Ipv4Net,
    own: Option<Own>,
    /// The other nodes to which it leads packets.
    known: Vec<Other>,
}

/// What the daemon knows about its own node.
#[derive(Clone)]
struct Own {
    subnet: Ipv4Net,
    iface: String,
    /// The network that its address is in.
    network: Ipv4Net,
}

/// Another node.
#[derive(Clone, PartialEq, Eq)]
struct Other {
    name: String,
    subnet: Ipv4Net,
    address: Ipv4Addr,
    /// The link-layer address of its tunnel.
    vtep: Option<String>,
}

impl Program<SimKernel> for Daemon {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.own.is_none() {
            let pid = sys.pid();
            sys.kernel.kube.watch::<Node>(pid, None);
            match self.begin(sys) {
                Ok(Some(own)) => self.own = Some(own),
                Ok(None) => return Step::Block(Wait::event()),
                Err(why) => {
                    tools::log(sys, "flanneld", why.trim_end());
                    return Step::Block(Wait::until(sys.now() + Duration::from_secs(1)));
                }
            }
        }
        if let Some(own) = self.own.clone() {
            let others = self.others(sys);
            for gone in self.known.iter().filter(|known| !others.contains(known)) {
                self.leave(sys, &own, gone);
            }
            for other in &others {
                if let Err(why) = self.lead_to(sys, &own, other) {
                    tools::log(sys, "flanneld", why.trim_end());
                }
            }
            self.known = others;
        }
        Step::Block(Wait::event())
    }
}

impl Daemon {
    /// Sets its own node up, once that has its range.
    fn begin(&self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Own>, String> {
        let node = sys.kernel.kube.store.get::<Node>("", &self.node);
        let Some((subnet, address)) = node.and_then(|node| node.pod_cidr().zip(node.ip())) else { return Ok(None) };
        let root = sys.root_ns();
        let space = sys.kernel.net.ns(root).ok_or("no namespace")?;
        let holds = |dev: &&hopwise_stack::Dev| dev.inet.addrs.iter().any(|a| a.local == address);
        let dev = space.devs.iter().find(holds).ok_or_else(|| format!("failed to find interface with IP {address}"))?;
        let length = dev.inet.addrs.iter().find(|a| a.local == address).map_or(32, |a| a.prefix_len);
        let network = Ipv4Net::new(address, length).map_err(|why| why.to_string())?.trunc();
        let (iface, mut mtu) = (dev.name.to_string(), dev.mtu);
        let mut data = Value::Null;
        let kind = match self.backend {
            Backend::HostGw => "host-gw",
            Backend::Vxlan { vni, port, .. } => {
                mtu -= OVERHEAD;
                let vtep = tunnel(sys, &Tunnel { vni, port, mtu, address, iface: &iface, subnet })?;
                data = json!({"VNI": vni, "VtepMAC": vtep});
                "vxlan"
            }
        };
        sys.kernel.store().modify::<Node>("", &self.node, |node| {
            let mut put =
                |key: &str, value: String| node.metadata.annotations.insert(format!("{ANNOTATION}{key}"), value);
            put("backend-data", data.to_string());
            put("backend-type", kind.to_owned());
            put("kube-subnet-manager", "true".to_owned());
            put("public-ip", address.to_string());
        });
        tools::iptables_restore(sys, root, ("flannel", ""), &rules(self.cluster, subnet))?;
        let gateway = Ipv4Addr::from_bits(subnet.network().to_bits() + 1);
        let env = format!(
            "FLANNEL_NETWORK={}\nFLANNEL_SUBNET={gateway}/{}\nFLANNEL_MTU={mtu}\nFLANNEL_IPMASQ=true\n",
            self.cluster,
            subnet.prefix_len()
        );
        tools::write_file(sys, SUBNET_ENV, &env)?;
        Ok(Some(Own { subnet, iface, network }))
    }

    /// The other nodes that have told about themselves.
    fn others(&self, sys: &Sys<'_, SimKernel>) -> Vec<Other> {
        let nodes = sys.kernel.kube.store.list::<Node>(None).filter(|node| node.metadata.name != self.node);
        let other = |node: &Node| {
            let value = |key: &str| node.metadata.annotations.get(&format!("{ANNOTATION}{key}"));
            let data: Value = serde_json::from_str(value("backend-data")?).ok()?;
            let vtep = data.get("VtepMAC").and_then(Value::as_str).map(str::to_owned);
            let (name, address) = (node.metadata.name.clone(), value("public-ip")?.parse().ok()?);
            Some(Other { name, subnet: node.pod_cidr()?, address, vtep })
        };
        nodes.filter_map(other).collect()
    }

    /// Leads packets for the pods of another node there.
    fn lead_to(&self, sys: &mut Sys<'_, SimKernel>, own: &Own, other: &Other) -> Result<(), String> {
        let root = sys.root_ns();
        let (subnet, address) = (other.subnet, other.address);
        debug_assert_ne!(own.subnet, subnet);
        match self.tunnel_to(own, other) {
            Some(vni) => {
                let Some(vtep) = &other.vtep else { return Ok(()) };
                let (link, gateway) = (format!("flannel.{vni}"), subnet.network());
                tools::ip(sys, root, &format!("neigh replace {gateway} lladdr {vtep} dev {link} nud permanent"))?;
                tools::bridge(sys, root, &format!("fdb replace {vtep} dev {link} dst {address} self permanent"))?;
                let why = format!("subnet of node {} ({address}) via {link}", other.name);
                let words = format!("route replace {subnet} via {gateway} dev {link} onlink");
                tools::ip_for(sys, root, ("flannel", &why), &words).map(|_| ())
            }
            None => {
                let why = format!("subnet of node {} ({address})", other.name);
                let words = format!("route replace {subnet} via {address} dev {}", own.iface);
                tools::ip_for(sys, root, ("flannel", &why), &words).map(|_| ())
            }
        }
    }

    /// Takes back what [`Daemon::lead_to`] did, for a node that is gone (`handleSubnetEvents`, `EventRemoved`).
    fn leave(&self, sys: &mut Sys<'_, SimKernel>, own: &Own, other: &Other) {
        let root = sys.root_ns();
        let (subnet, address) = (other.subnet, other.address);
        let mut lines = Vec::new();
        match (self.tunnel_to(own, other), &other.vtep) {
            (Some(vni), Some(vtep)) => {
                let (link, gateway) = (format!("flannel.{vni}"), subnet.network());
                lines.push(format!("route del {subnet} via {gateway} dev {link}"));
                lines.push(format!("neigh del {gateway} dev {link}"));
                if let Err(why) = tools::bridge(sys, root, &format!("fdb del {vtep} dev {link} dst {address} self")) {
                    tools::log(sys, "flanneld", why.trim_end());
                }
            }
            (Some(_), None) => {}
            (None, _) => lines.push(format!("route del {subnet} via {address} dev {}", own.iface)),
        }
        for line in lines {
            if let Err(why) = tools::ip(sys, root, &line) {
                tools::log(sys, "flanneld", why.trim_end());
            }
        }
    }

    /// The number of the tunnel through which another node is reached, if it is reached through one.
    fn tunnel_to(&self, own: &Own, other: &Other) -> Option<u32> {
        match self.backend {
            Backend::Vxlan { vni, direct, .. } if !(direct && own.network.contains(&other.address)) => Some(vni),
            _ => None,
        }
    }
}

/// What a tunnel is made from.
struct Tunnel<'a> {
    vni: u32,
    port: u16,
    mtu: u32,
    address: Ipv4Addr,
    iface: &'a str,
    subnet: Ipv4Net,
}

/// Makes `flannel.1`, and gives its link-layer address.
fn tunnel(sys: &mut Sys<'_, SimKernel>, of: &Tunnel<'_>) -> Result<String, String> {
    let Tunnel { vni, port, mtu, address, iface, subnet } = of;
    let (root, link) = (sys.root_ns(), format!("flannel.{vni}"));
    let add =
        format!("link add {link} mtu {mtu} type vxlan id {vni} local {address} dev {iface} dstport {port} nolearning");
    tools::ip(sys, root, &add)?;
    tools::ip(sys, root, &format!("addr add {}/32 dev {link}", subnet.network()))?;
    tools::ip(sys, root, &format!("link set dev {link} up"))?;
    let space = sys.kernel.net.ns(root).ok_or("no namespace")?;
    let dev = space.devs.index_of(&link).and_then(|index| space.devs.get(index));
    dev.map(|dev| dev.addr.to_string()).ok_or_else(|| format!("{link} is gone"))
}

/// The rules of a node: pods are hidden behind the node when they talk to somebody who is none, and nothing of theirs is kept from
/// being forwarded.
fn rules(cluster: Ipv4Net, subnet: Ipv4Net) -> String {
    let masq = "-m comment --comment \"flanneld masq\"";
    let forward = "-m comment --comment \"flanneld forward\"";
    format!(
        "*filter\n:FLANNEL-FWD - [0:0]\n-A FORWARD {forward} -j FLANNEL-FWD\n-A FLANNEL-FWD -s {cluster} {forward} -j ACCEPT\n\
         -A FLANNEL-FWD -d {cluster} {forward} -j ACCEPT\nCOMMIT\n\
         *nat\n:FLANNEL-POSTRTG - [0:0]\n-A POSTROUTING {masq} -j FLANNEL-POSTRTG\n\
         -A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 {masq} -j RETURN\n\
         -A FLANNEL-POSTRTG -s {subnet} -d {cluster} {masq} -j RETURN\n\
         -A FLANNEL-POSTRTG -s {cluster} -d {subnet} {masq} -j RETURN\n\
         -A FLANNEL-POSTRTG ! -s {cluster} -d {subnet} {masq} -j RETURN\n\
         -A FLANNEL-POSTRTG -s {cluster} ! -d 224.0.0.0/4 {masq} -j MASQUERADE --random-fully\n\
         -A FLANNEL-POSTRTG ! -s {cluster} -d {cluster} {masq} -j MASQUERADE --random-fully\nCOMMIT\n"
    )
}
