//! Pods come and go: the CNI plugin, and the agent's part of it.

use hopwise_cluster::object::cilium::{
    AddressPair, CiliumEndpoint, CiliumEndpointStatus, EndpointIdentity, Networking,
};
use hopwise_cluster::object::{Kind, ObjectMeta};
use hopwise_machine::Sys;
use hopwise_sim_core::NsId;
use hopwise_stack::path::tc::Hook;
use hopwise_stack::path::tc::cilium::Program;
use hopwise_stack::path::tc::cilium::maps::{self, EndpointProgram, Local, PolicyMap, Remote};
use ipnet::Ipv4Net;
use sha2::{Digest, Sha256};

use super::node::{Endpoint, Node};
use super::{identity, links, sync};
use crate::kernel::SimKernel;
use crate::kube::cni::{Attached, CniError, Sandbox};
use crate::kube::tools;

/// What a new endpoint is made from.
pub(super) struct Wish<'a> {
    /// The namespace and name of the pod.
    pub pod: (&'a str, &'a str),
    /// The name under which its number and address are drawn.
    pub name: &'a str,
    /// The container of its sandbox.
    pub container: &'a str,
    /// The name of the node's end; `None`: it follows from the container.
    pub link: Option<&'a str>,
    /// The namespace that it lives in, and its name.
    pub inside: (NsId, &'a str),
    /// The name of the pod's end.
    pub ifname: &'a str,
    /// Its identity and labels.
    pub identity: (u32, Vec<String>),
}

/// CNI ADD.
pub(super) fn add(sandbox: &mut Sandbox<'_, '_>) -> Result<Attached, CniError> {
    let machine = sandbox.sys.machine();
    let Some(mut node) = sandbox.sys.kernel.cilium.remove(&machine) else {
        return Err("unable to connect to Cilium daemon: failed to create cilium agent client after 30.000000 seconds \
                    timeout: Get \"http:///var/run/cilium/cilium.sock/v1/config\": dial unix /var/run/cilium/cilium.sock: \
                    connect: no such file or directory\nIs the agent running?"
            .into());
    };
    let result = add_pod(sandbox, &mut node);
    let agent = node.agent;
    sandbox.sys.kernel.cilium.insert(machine, node);
    sandbox.sys.kernel.kube.poke(agent);
    result
}

fn add_pod(sandbox: &mut Sandbox<'_, '_>, node: &mut Node) -> Result<Attached, CniError> {
    let (namespace, name) = (sandbox.pod.namespace.clone(), sandbox.pod.name.clone());
    let labels = identity::labels_of(sandbox.store(), &node.settings, &namespace, &name);
    let number = identity::allocate(sandbox.store(), &node.settings, &labels)?;
    let wish = Wish {
        pod: (&namespace, &name),
        name: &name,
        container: &sandbox.container_id,
        link: None,
        inside: (sandbox.inside, &sandbox.netns),
        ifname: &sandbox.ifname,
        identity: (number, labels.iter().map(|(key, value)| format!("{key}={value}")).collect()),
    };
    let endpoint = create(sandbox.sys, node, &wish)?;
    let status = CiliumEndpointStatus {
        id: endpoint.id,
        identity: EndpointIdentity { id: number, labels: endpoint.labels.clone() },
        networking: Networking {
            addressing: vec![AddressPair { ipv4: Some(endpoint.ip) }],
            node: Some(node.address.0),
        },
        state: "ready".into(),
    };
    let object = CiliumEndpoint { metadata: ObjectMeta::named(&namespace, &name), status };
    sandbox.store().apply(Box::new(object)).map_err(|why| why.to_string())?;
    Ok(Attached { address: Ipv4Net::from(endpoint.ip), gateway: Some(node.router) })
}

/// Makes an endpoint: its veth, its address and routes, its program and its entries in the maps.
pub(super) fn create(sys: &mut Sys<'_, SimKernel>, node: &mut Node, wish: &Wish<'_>) -> Result<Endpoint, String> {
    let digest = Sha256::digest(wish.container.as_bytes());
    let hash: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let link = wish.link.map_or_else(|| format!("lxc{hash}"), str::to_owned);
    let owner = if wish.pod.1.is_empty() { "health".to_owned() } else { format!("{}/{}", wish.pod.0, wish.pod.1) };
    let id = node.number(wish.name)?;
    let ip = node.allocate(wish.name, &owner)?;
    let made = connect(sys, node, wish, (&link, &hash[..5]), ip);
    let (index, node_mac) = made.inspect_err(|_| {
        node.allocated.remove(&ip);
    })?;
    let mac = sys.kernel.net.ns(wish.inside.0).and_then(|ns| ns.devs.find(wish.ifname)).map(|dev| dev.addr);
    let endpoint = Endpoint {
        id,
        pod: (wish.pod.0.to_owned(), wish.pod.1.to_owned()),
        container: wish.container.to_owned(),
        link: (index, link.clone()),
        mac: mac.unwrap_or_default(),
        node_mac,
        ip,
        identity: wish.identity.0,
        labels: wish.identity.1.clone(),
        enforced: (false, false),
    };
    fill(sys, node, &endpoint);
    links::attach(sys, node, (index, &link), Hook::Ingress, Program::FromContainer(endpoint.id))?;
    node.endpoints.insert(endpoint.id, endpoint.clone());
    sync::policies(sys, node);
    Ok(endpoint)
}

/// The veth and what is in the pod: its address, a route to the router, and over it everywhere.
fn connect(
    sys: &mut Sys<'_, SimKernel>,
    node: &Node,
    wish: &Wish<'_>,
    (link, hash): (&str, &str),
    ip: core::net::Ipv4Addr,
) -> Result<(hopwise_sim_core::IfIndex, hopwise_protocols::wire::MacAddr), String> {
    let (router, ifname, netns) = (node.router, wish.ifname, wish.inside.1);
    let whose = if wish.pod.1.is_empty() { "health".to_owned() } else { format!("{}/{}", wish.pod.0, wish.pod.1) };
    let why = ("cilium", &*format!("endpoint {whose}"));
    tools::ip_all(
        sys,
        node.ns,
        why,
        &[
            &format!("link add name {link} type veth peer name tmp{hash}"),
            &format!("link set tmp{hash} netns {netns}"),
            &format!("link set {link} up"),
        ],
    )?;
    tools::ip_all(
        sys,
        wish.inside.0,
        why,
        &[
            &format!("link set tmp{hash} name {ifname}"),
            &format!("link set {ifname} up"),
            &format!("addr add {ip}/32 dev {ifname}"),
            &format!("route add {router} dev {ifname} scope link"),
            &format!("route add default via {router} dev {ifname} mtu {}", node.route_mtu()),
        ],
    )?;
    tools::sysctl(sys, node.ns, &format!("net.ipv4.conf.{link}.rp_filter"), "0")?;
    links::find(sys, node.ns, link)
}

/// The entries of an endpoint in the maps of its node.
fn fill(sys: &mut Sys<'_, SimKernel>, node: &Node, endpoint: &Endpoint) {
    let Some(maps) = sys.kernel.net.ns_mut(node.ns).and_then(|space| space.cilium.as_deref_mut()) else { return };
    let Endpoint { id, ip, identity, mac, node_mac, .. } = *endpoint;
    let policy = PolicyMap::open();
    maps.programs.insert(id, EndpointProgram { ip, identity, node_mac, policy });
    let local = maps::Endpoint { id, ifindex: endpoint.link.0, mac, node_mac };
    maps.endpoints.insert(ip, Local::Pod(local));
    // The agent will find it in the store as well; the pod may be talked to at once.
    maps.ipcache.set(ip.into(), Remote { identity, tunnel: core::net::Ipv4Addr::UNSPECIFIED });
}

/// CNI DEL: everything of the pod goes, in the maps too.
pub(super) fn del(sandbox: &mut Sandbox<'_, '_>) -> Result<(), CniError> {
    let machine = sandbox.sys.machine();
    let Some(mut node) = sandbox.sys.kernel.cilium.remove(&machine) else { return Ok(()) };
    let gone = node.endpoints.values().find(|endpoint| endpoint.container == sandbox.container_id).cloned();
    if let Some(endpoint) = gone {
        remove(sandbox.sys, &mut node, &endpoint);
        let (namespace, name) = &endpoint.pod;
        sandbox.store().remove(&CiliumEndpoint::TYPE, namespace, name);
    }
    let agent = node.agent;
    sandbox.sys.kernel.cilium.insert(machine, node);
    sandbox.sys.kernel.kube.poke(agent);
    Ok(())
}

fn remove(sys: &mut Sys<'_, SimKernel>, node: &mut Node, endpoint: &Endpoint) {
    node.endpoints.remove(&endpoint.id);
    node.allocated.remove(&endpoint.ip);
    if let Some(maps) = sys.kernel.net.ns_mut(node.ns).and_then(|space| space.cilium.as_deref_mut()) {
        maps.programs.remove(&endpoint.id);
        maps.endpoints.remove(&endpoint.ip);
        maps.ipcache.remove(endpoint.ip.into());
        // scrubIPsInConntrackTable, which takes the mappings of the entries away with them.
        maps.ct.forget(endpoint.ip);
        maps.nat.forget(endpoint.ip);
    }
    // The link may be gone with the sandbox already.
    let _ = tools::ip(sys, node.ns, &format!("link del {}", endpoint.link.1));
}
