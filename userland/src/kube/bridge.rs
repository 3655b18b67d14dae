//! The plugin `bridge` of containernetworking, with `host-local`: pods of a node share a bridge. How pods reach other nodes is up to
//! whoever types the routes. flannel's plugin uses it too.

use core::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_cluster::object::Node;
use hopwise_cluster::proxy::names::cni_chain;
use hopwise_machine::Sys;
use ipnet::Ipv4Net;
use serde_json::Value;

use super::cni::{Attached, CniError, CniPlugin, Sandbox};
use super::host_local;
use super::registry::{BadSetting, Settings};
use super::tools;
use crate::kernel::SimKernel;

/// How a bridge is made and used: the fields of the plugin's configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Options {
    /// The network's name.
    pub(super) network: String,
    /// The bridge's name.
    pub(super) bridge: String,
    /// Whether pods are hidden behind the node when they talk to anybody outside of the node's range.
    pub(super) ip_masq: bool,
    /// Whether a pod may be sent its own packets back.
    pub(super) hairpin: bool,
    /// The MTU of bridge and links; 0: the usual one.
    pub(super) mtu: u32,
    /// Another range that pods reach through the bridge, beside the default route.
    pub(super) route: Option<Ipv4Net>,
}

/// Makes the plugin from its settings.
pub(super) fn make(settings: &Settings) -> Result<Arc<dyn CniPlugin>, BadSetting> {
    let mut options = Options {
        network: "bridge".into(),
        bridge: "cni0".into(),
        ip_masq: false,
        hairpin: false,
        mtu: 0,
        route: None,
    };
    for (key, value) in settings {
        let bad = |why: &str| (key.clone(), why.to_owned());
        match (&**key, value) {
            ("bridge", Value::String(name)) if (1..16).contains(&name.len()) => options.bridge.clone_from(name),
            ("bridge", _) => return Err(bad("expected the name of a link")),
            ("ipMasq", Value::Bool(is)) => options.ip_masq = *is,
            ("hairpinMode", Value::Bool(is)) => options.hairpin = *is,
            ("ipMasq" | "hairpinMode", _) => return Err(bad("expected `true` or `false`")),
            ("mtu", value) => {
                let mtu = value.as_u64().filter(|mtu| (68..=65_535).contains(mtu));
                options.mtu = mtu.ok_or_else(|| bad("expected an MTU"))? as u32;
            }
            _ => return Err(bad("the settings are `bridge`, `ipMasq`, `hairpinMode` and `mtu`")),
        }
    }
    Ok(Arc::new(Bridge { options }))
}

#[derive(Debug)]
struct Bridge {
    options: Options,
}

impl CniPlugin for Bridge {
    fn name(&self) -> &str {
        "bridge"
    }

    fn is_ready(&self, sys: &mut Sys<'_, SimKernel>, node: &str) -> bool {
        sys.kernel.kube.store.get::<Node>("", node).is_some_and(|node| node.pod_cidr().is_some())
    }

    fn add(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<Attached, CniError> {
        let node = sandbox.node.clone();
        let range = sandbox.store().get::<Node>("", &node).and_then(Node::pod_cidr).ok_or("the node has no range")?;
        add(sandbox, &self.options, range)
    }

    fn del(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<(), CniError> {
        del(sandbox, &self.options)
    }
}

/// CNI ADD: the bridge if it is not there, a pair of links, an address.
pub(super) fn add(sandbox: &mut Sandbox<'_, '_>, options: &Options, range: Ipv4Net) -> Result<Attached, CniError> {
    let Options { network, bridge, .. } = options;
    let (id, ifname) = (sandbox.container_id.clone(), sandbox.ifname.clone());
    let (address, range) = host_local::take(sandbox.sys, network, range, &id, &ifname)?;
    let (gateway, length) = (range.gateway(), range.net().prefix_len());
    let mtu = if options.mtu == 0 { String::new() } else { format!(" mtu {}", options.mtu) };
    if !sandbox.host_has(bridge) {
        sandbox.host_ip(&format!("link add name {bridge}{mtu} type bridge"))?;
        sandbox.host_ip(&format!("link set dev {bridge} up"))?;
    }
    let has_gateway = addresses_of(sandbox, bridge).contains(&gateway);
    if !has_gateway {
        sandbox.host_ip(&format!("addr add {gateway}/{length} brd + dev {bridge}"))?;
    }
    let veth = format!("veth{:08x}", sandbox.sys.random_u32());
    let netns = sandbox.netns.clone();
    sandbox.host_ip(&format!("link add {veth}{mtu} type veth peer name {ifname} netns {netns}{mtu}"))?;
    let hairpin = if options.hairpin { " type bridge_slave hairpin on" } else { "" };
    sandbox.host_ip(&format!("link set dev {veth} master {bridge} up"))?;
    if !hairpin.is_empty() {
        sandbox.host_ip(&format!("link set dev {veth}{hairpin}"))?;
    }
    sandbox.pod_ip(&format!("addr add {address}/{length} brd + dev {ifname}"))?;
    sandbox.pod_ip(&format!("link set dev {ifname} up"))?;
    sandbox.pod_ip(&format!("route add default via {gateway} dev {ifname}"))?;
    if let Some(route) = options.route {
        sandbox.pod_ip(&format!("route add {route} via {gateway} dev {ifname}"))?;
    }
    let host = sandbox.host;
    tools::sysctl(sandbox.sys, host, "net.ipv4.ip_forward", "1")?;
    if options.ip_masq {
        masquerade(sandbox, network, address, range.net())?;
    }
    let address = Ipv4Net::new(address, length).map_err(|why| why.to_string())?;
    Ok(Attached { address, gateway: Some(gateway) })
}

/// CNI DEL: the address goes back; the links go with the sandbox.
pub(super) fn del(sandbox: &mut Sandbox<'_, '_>, options: &Options) -> Result<(), CniError> {
    let id = sandbox.container_id.clone();
    let addresses = host_local::give_back(sandbox.sys, &options.network, &id);
    if options.ip_masq {
        let (host, chain) = (sandbox.host, cni_chain(&options.network, &id));
        for address in addresses {
            let source = format!("{address}/32");
            let remark = remark(&options.network, &id);
            let words =
                ["-t", "nat", "-D", "POSTROUTING", "-s", &source, "-m", "comment", "--comment", &remark, "-j", &chain];
            tools::iptables(sandbox.sys, host, ("cni", ""), &words)?;
        }
        // The chain is not there if ADD has failed before it was made.
        let _ = tools::iptables(sandbox.sys, host, ("cni", ""), &["-t", "nat", "-F", &chain]);
        let _ = tools::iptables(sandbox.sys, host, ("cni", ""), &["-t", "nat", "-X", &chain]);
    }
    Ok(())
}

fn addresses_of(sandbox: &Sandbox<'_, '_>, link: &str) -> Vec<Ipv4Addr> {
    let space = sandbox.sys.kernel.net.ns(sandbox.host);
    let dev = space.and_then(|space| space.devs.get(space.devs.index_of(link)?));
    dev.map_or_else(Vec::new, |dev| dev.inet.addrs.iter().map(|a| a.local).collect())
}

fn remark(network: &str, container: &str) -> String {
    format!("name: \"{network}\" id: \"{container}\"")
}

/// A chain of the container's own (`ip.SetupIPMasq`).
fn masquerade(sandbox: &mut Sandbox<'_, '_>, network: &str, address: Ipv4Addr, range: Ipv4Net) -> Result<(), CniError> {
    let (host, id) = (sandbox.host, sandbox.container_id.clone());
    let (chain, remark) = (cni_chain(network, &id), remark(network, &id).replace('"', "\\\""));
    let comment = format!("-m comment --comment \"{remark}\"");
    let text = format!(
        "*nat\n:{chain} - [0:0]\n-A {chain} -d {range} {comment} -j ACCEPT\n-A {chain} ! -d 224.0.0.0/4 {comment} -j MASQUERADE\n\
         -A POSTROUTING -s {address}/32 {comment} -j {chain}\nCOMMIT\n"
    );
    let why = sandbox.reason();
    tools::iptables_restore(sandbox.sys, host, ("cni", &why), &text)
}
