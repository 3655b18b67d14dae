//! The links of a node, and the programs on them.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::control::qdisc::Verb;
use hopwise_stack::path::tc::cilium::ct::CtMap;
use hopwise_stack::path::tc::cilium::{self, Program};
use hopwise_stack::path::tc::{Filter, Hook};

use super::draw;
use super::node::Node;
use super::settings::Tunnel;
use crate::kernel::SimKernel;
use crate::kube::tools;

/// The number of a link and its MAC address.
pub(super) fn find(sys: &Sys<'_, SimKernel>, ns: NsId, name: &str) -> Result<(IfIndex, MacAddr), String> {
    let dev = sys.kernel.net.ns(ns).and_then(|space| space.devs.find(name));
    dev.map(|dev| (dev.index, dev.addr)).ok_or_else(|| format!("Link not found: {name}"))
}

/// The object file that a link's programs come from: what the loader makes for each kind of link (`reloadHostDatapath`,
/// `reloadDatapath`).
fn object(link: &str, program: Program) -> String {
    match (program, link) {
        (Program::FromContainer(_), _) => "bpf_lxc.o".to_owned(),
        (Program::FromOverlay | Program::ToOverlay, _) => "bpf_overlay.o".to_owned(),
        (Program::FromNetdev | Program::ToNetdev, link) => format!("bpf_netdev_{link}.o"),
        (_, "cilium_host") => "bpf_host.o".to_owned(),
        (_, link) => format!("bpf_host_{link}.o"),
    }
}

/// Puts a program at a hook of a link (`tc filter replace ... bpf da obj FILE sec SECTION`, which names it after both).
pub(super) fn attach(
    sys: &mut Sys<'_, SimKernel>,
    node: &mut Node,
    (link, name): (IfIndex, &str),
    hook: Hook,
    program: Program,
) -> Result<(), String> {
    let (tag, name) =
        (draw(&format!("{name} {}", program.name())), format!("{}:[{}]", object(name, program), program.name()));
    let filter = Filter { tag, name: name.into(), program, pref: 1, handle: 1, id: node.program_id() };
    let net = &mut sys.kernel.net;
    net.clsact_modify(node.ns, link, Verb::Replace, false).map_err(|why| why.to_string())?;
    net.filter_replace(node.ns, link, hook, filter).map_err(|why| why.to_string())
}

/// Makes `cilium_host` and `cilium_net` and loads the node's programs.
///
/// # Errors
/// What the kernel refuses.
pub(super) fn make(sys: &mut Sys<'_, SimKernel>, node: &mut Node) -> Result<(), String> {
    let (ns, router, range) = (node.ns, node.router, node.pod_cidr);
    tools::ip_all(
        sys,
        ns,
        ("cilium", "router of this node's pods"),
        &[
            "link add name cilium_host type veth peer name cilium_net",
            "link set cilium_host arp off",
            "link set cilium_net arp off",
            "link set cilium_host up",
            "link set cilium_net up",
            &format!("addr add {router}/32 dev cilium_host scope link"),
            &format!("route add {router}/32 dev cilium_host scope link"),
            &format!("route add {range} via {router} dev cilium_host src {router}"),
        ],
    )?;
    for (name, value) in [
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv4.conf.cilium_host.forwarding", "1"),
        ("net.ipv4.conf.cilium_host.rp_filter", "0"),
        ("net.ipv4.conf.cilium_net.forwarding", "1"),
        ("net.ipv4.conf.cilium_net.rp_filter", "0"),
        ("net.ipv4.conf.cilium_net.accept_local", "1"),
        ("net.ipv4.conf.cilium_host.accept_local", "1"),
    ] {
        tools::sysctl(sys, ns, name, value)?;
    }
    let host = find(sys, ns, "cilium_host")?;
    let net = find(sys, ns, "cilium_net")?;
    let settings = node.settings.clone();
    let config = cilium::Config {
        host_routing: !settings.legacy_routing,
        tunnel: None,
        host_endpoint: node.host_endpoint,
        cilium_host: host,
        cilium_net_mac: net.1,
        masquerade: node.masquerade(),
        debug: settings.debug,
        aggregation: settings.aggregation,
    };
    let space = sys.kernel.net.ns_mut(ns).ok_or("the node's namespace is gone")?;
    let ct = CtMap::limited(settings.ct_limits);
    space.cilium = Some(Box::new(cilium::Maps { config, ct, ..cilium::Maps::default() }));
    attach(sys, node, (host.0, "cilium_host"), Hook::Ingress, Program::ToHost)?;
    attach(sys, node, (host.0, "cilium_host"), Hook::Egress, Program::FromHost)?;
    attach(sys, node, (net.0, "cilium_net"), Hook::Ingress, Program::ToHost)?;
    if settings.tunnel == Tunnel::Vxlan {
        overlay(sys, node)?;
        // With the stack's routing nothing is left to do at the node's link.
        if settings.legacy_routing {
            return Ok(());
        }
    }
    let device = node.address.1;
    let name = sys.kernel.net.ns(ns).map_or(String::new(), |space| space.name_of(device).to_owned());
    attach(sys, node, (device, &name), Hook::Ingress, Program::FromNetdev)?;
    attach(sys, node, (device, &name), Hook::Egress, Program::ToNetdev)
}

/// The tunnel to the other nodes: the programs say where each packet goes.
fn overlay(sys: &mut Sys<'_, SimKernel>, node: &mut Node) -> Result<(), String> {
    const NAME: &str = "cilium_vxlan";
    let ns = node.ns;
    tools::ip(sys, ns, &format!("link add name {NAME} type vxlan external dstport 8472"))?;
    tools::ip(sys, ns, &format!("link set {NAME} up"))?;
    tools::sysctl(sys, ns, &format!("net.ipv4.conf.{NAME}.rp_filter"), "0")?;
    let link = find(sys, ns, NAME)?.0;
    if let Some(maps) = sys.kernel.net.ns_mut(ns).and_then(|space| space.cilium.as_deref_mut()) {
        maps.config.tunnel = Some(link);
    }
    attach(sys, node, (link, NAME), Hook::Ingress, Program::FromOverlay)?;
    attach(sys, node, (link, NAME), Hook::Egress, Program::ToOverlay)
}

/// The address that the other nodes know a node by, and its link: the one that was said, or the first global one.
pub(super) fn address(sys: &Sys<'_, SimKernel>, ns: NsId, said: Option<Ipv4Addr>) -> Option<(Ipv4Addr, IfIndex)> {
    let space = sys.kernel.net.ns(ns)?;
    let mut all = space.devs.iter().flat_map(|dev| dev.inet.addrs.iter().map(|addr| (addr, dev.index)));
    let found = all.find(|(addr, _)| said.map_or(addr.scope == 0, |said| addr.local == said))?;
    Some((found.0.local, found.1))
}
