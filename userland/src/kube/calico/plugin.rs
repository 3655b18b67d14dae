//! The CNI plugin (`cni-plugin/pkg/dataplane/linux`): a veth whose outer end has the same MAC address for every pod, a gateway that
//! nobody has, and proxy ARP, so that a pod sends everything to its node whatever its address is.

use core::net::Ipv4Addr;

use hopwise_cluster::calico::bird_cfg::Mode;
use hopwise_cluster::calico::from::{self, annotation};
use hopwise_cluster::ipam::calico::Attribute;
use hopwise_cluster::object::calico::IpPool;
use hopwise_cluster::object::{Node, Pod};
use ipnet::Ipv4Net;

use super::{annotate, startup};
use crate::kube::cni::{Attached, CniError, Sandbox};
use crate::kube::tools;

/// The gateway of every pod.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The MAC address of every pod's link on the host.
const HOST_MAC: &str = "ee:ee:ee:ee:ee:ee";

fn handle(sandbox: &Sandbox<'_, '_>) -> String {
    format!("k8s-pod-network.{}", sandbox.container_id)
}

/// CNI ADD.
pub(super) fn add(sandbox: &mut Sandbox<'_, '_>) -> Result<Attached, CniError> {
    let address = take_address(sandbox)?;
    let link = from::interface_of(&sandbox.pod.namespace, &sandbox.pod.name);
    if let Err(why) = connect(sandbox, address, &link) {
        let handle = handle(sandbox);
        from::with_ipam(sandbox.store(), |ipam| ipam.release_handle(&handle));
        return Err(why);
    }
    tell(sandbox, address);
    Ok(Attached { address: Ipv4Net::from(address), gateway: Some(GATEWAY) })
}

fn take_address(sandbox: &mut Sandbox<'_, '_>) -> Result<Ipv4Addr, CniError> {
    let now = from::stamp(sandbox.sys.now());
    let (node, pod) = (sandbox.node.clone(), sandbox.pod.clone());
    let of = [("namespace", &*pod.namespace), ("node", &*node), ("pod", &*pod.name), ("timestamp", &*now)];
    let secondary = of.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let why = Attribute { handle_id: handle(sandbox), secondary };
    let store = sandbox.store();
    let labels = store.get::<Node>("", &node).map(|node| node.metadata.labels.clone()).unwrap_or_default();
    let pools: Vec<_> =
        from::pools(store).filter(|pool| pool.serves(&labels, "Workload")).map(IpPool::for_ipam).collect();
    if pools.is_empty() {
        return Err(format!("no configured Calico pools for node {node}"));
    }
    from::with_ipam(store, |ipam| ipam.auto_assign(&pools, &node, &why)).ok_or_else(|| {
        "failed to request IPv4 addresses: Assigned 0 out of 1 requested IPv4 addresses; No more free affine blocks and strict \
         affinity enabled or no free addresses in any pool"
            .to_owned()
    })
}

/// The MTU of pods: that of the node's link, without what the tunnels in use add.
fn mtu(sandbox: &mut Sandbox<'_, '_>) -> u32 {
    let node = sandbox.node.clone();
    let link = startup::internal_ip(sandbox.sys, &node).and_then(|ip| startup::link_of(sandbox.sys, ip));
    let nic = link.map_or(1500, |(_, _, mtu)| mtu);
    let extra = from::pools(sandbox.store()).map(|pool| match (pool.spec.ipip_mode, pool.spec.vxlan_mode) {
        (Mode::Never, Mode::Never) => 0,
        (_, Mode::Never) => 20,
        _ => 50,
    });
    nic.saturating_sub(extra.max().unwrap_or(0))
}

fn connect(sandbox: &mut Sandbox<'_, '_>, address: Ipv4Addr, link: &str) -> Result<(), CniError> {
    let (eth0, mtu) = (sandbox.ifname.clone(), mtu(sandbox));
    if sandbox.host_has(link) {
        // Left over from a sandbox that is gone.
        sandbox.host_ip(&format!("link del {link}"))?;
    }
    sandbox.pod_ip(&format!("link add {eth0} mtu {mtu} type veth peer name {link} mtu {mtu}"))?;
    sandbox.pod_ip(&format!("link set {link} address {HOST_MAC}"))?;
    let kubelet = sandbox.sys.pid().number;
    sandbox.pod_ip(&format!("link set {link} netns {kubelet}"))?;
    sandbox.pod_ip(&format!("link set {eth0} up"))?;
    sandbox.pod_ip(&format!("route add {GATEWAY} dev {eth0} scope link"))?;
    sandbox.pod_ip(&format!("route add default via {GATEWAY} dev {eth0}"))?;
    sandbox.pod_ip(&format!("addr add {address}/32 dev {eth0}"))?;
    let conf = |name: &str| format!("net.ipv4.conf.{link}.{name}");
    for (name, value) in [
        (conf("route_localnet"), "1"),
        (format!("net.ipv4.neigh.{link}.proxy_delay"), "0"),
        (conf("proxy_arp"), "1"),
        (conf("forwarding"), "1"),
    ] {
        tools::sysctl(sandbox.sys, sandbox.host, &name, value)?;
    }
    sandbox.host_ip(&format!("link set {link} up"))?;
    sandbox.host_ip(&format!("route replace {address} dev {link} scope link"))?;
    Ok(())
}

/// Felix on all nodes hears of the pod's address before Kubernetes knows it.
fn tell(sandbox: &mut Sandbox<'_, '_>, address: Ipv4Addr) {
    let (pod, id) = (sandbox.pod.clone(), sandbox.container_id.clone());
    sandbox.store().modify::<Pod>(&pod.namespace, &pod.name, |pod| {
        let annotations = &mut pod.metadata.annotations;
        annotate(annotations, annotation::CONTAINER_ID, Some(id));
        annotate(annotations, annotation::POD_IP, Some(format!("{address}/32")));
        annotate(annotations, annotation::POD_IPS, Some(format!("{address}/32")));
    });
}

/// CNI DEL.
pub(super) fn del(sandbox: &mut Sandbox<'_, '_>) -> Result<(), CniError> {
    let handle = handle(sandbox);
    from::with_ipam(sandbox.store(), |ipam| ipam.release_handle(&handle));
    let (pod, id) = (sandbox.pod.clone(), sandbox.container_id.clone());
    sandbox.store().modify::<Pod>(&pod.namespace, &pod.name, |pod| {
        let annotations = &mut pod.metadata.annotations;
        if annotations.get(annotation::CONTAINER_ID) == Some(&id) {
            for name in [annotation::CONTAINER_ID, annotation::POD_IP, annotation::POD_IPS] {
                annotations.remove(name);
            }
        }
    });
    let link = from::interface_of(&pod.namespace, &pod.name);
    if sandbox.host_has(&link) {
        sandbox.host_ip(&format!("link del {link}"))?;
    }
    Ok(())
}
