//! What calico-node does before anything else: it finds the node's address (`startup`), and takes an address for each tunnel
//! (`allocate-tunnel-addrs`). Both are told in annotations of the node.

use core::net::Ipv4Addr;

use hopwise_cluster::calico::from::{self, CalicoNode, annotation, vxlan_mac};
use hopwise_cluster::ipam::calico::{Pool, Tunnel};
use hopwise_cluster::object::Node;
use hopwise_cluster::object::calico::IpPool;
use hopwise_machine::Sys;
use ipnet::Ipv4Net;

use super::annotate;
use crate::kernel::SimKernel;

/// Whether the node has its address.
pub(super) fn is_done(sys: &mut Sys<'_, SimKernel>, node: &str) -> bool {
    sys.kernel.store().get::<Node>("", node).is_some_and(|node| CalicoNode::of(node).address.is_some())
}

/// The link with an address, and the address with its subnet.
pub(super) fn link_of(sys: &Sys<'_, SimKernel>, address: Ipv4Addr) -> Option<(String, Ipv4Net, u32)> {
    let ns = sys.kernel.net.ns(sys.root_ns())?;
    ns.devs.iter().find_map(|dev| {
        let own = dev.inet.addrs.iter().find(|own| own.local == address)?;
        let net = Ipv4Net::new(address, own.prefix_len).ok()?;
        Some((dev.name.to_string(), net, dev.mtu))
    })
}

/// The address under which Kubernetes knows the node.
pub(super) fn internal_ip(sys: &mut Sys<'_, SimKernel>, node: &str) -> Option<Ipv4Addr> {
    sys.kernel.store().get::<Node>("", node)?.ip()
}

/// Brings the annotations of the node up to date. False: the node is not there yet, or has no address.
pub(super) fn run(sys: &mut Sys<'_, SimKernel>, node: &str) -> bool {
    let Some((_, address, _)) = internal_ip(sys, node).and_then(|ip| link_of(sys, ip)) else { return false };
    set(sys, node, annotation::ADDRESS, Some(address.to_string()));
    let (ipip, vxlan) = (from::has_ipip(sys.kernel.store()), from::has_vxlan(sys.kernel.store()));
    tunnel(sys, node, Tunnel::Ipip, annotation::IPIP, ipip);
    tunnel(sys, node, Tunnel::Vxlan, annotation::VXLAN, vxlan);
    let mac = vxlan_mac(node).map(|byte| format!("{byte:02x}")).join(":");
    set(sys, node, annotation::VXLAN_MAC, vxlan.then_some(mac));
    true
}

fn set(sys: &mut Sys<'_, SimKernel>, node: &str, name: &str, value: Option<String>) {
    sys.kernel.store().modify::<Node>("", node, |node| annotate(&mut node.metadata.annotations, name, value));
}

/// Takes an address for a tunnel that is needed, gives it back for one that is not.
fn tunnel(sys: &mut Sys<'_, SimKernel>, node: &str, tunnel: Tunnel, name: &str, is_needed: bool) {
    let store = sys.kernel.store();
    let why = tunnel.attribute(node);
    let has = from::ipam(store).addresses_of(&why.handle_id).first().copied();
    let address = match (is_needed, has) {
        (false, None) => None,
        (false, Some(_)) => {
            from::with_ipam(store, |ipam| ipam.release_handle(&why.handle_id));
            None
        }
        (true, Some(address)) => Some(address),
        (true, None) => {
            let pools = pools(sys, node, tunnel);
            from::with_ipam(sys.kernel.store(), |ipam| ipam.auto_assign(&pools, node, &why))
        }
    };
    set(sys, node, name, address.map(|address| address.to_string()));
}

/// The pools from which a tunnel takes its address: those that are reached through it.
fn pools(sys: &mut Sys<'_, SimKernel>, node: &str, tunnel: Tunnel) -> Vec<Pool> {
    use hopwise_cluster::calico::bird_cfg::Mode;
    let store = sys.kernel.store();
    let labels = store.get::<Node>("", node).map(|node| node.metadata.labels.clone()).unwrap_or_default();
    let mode = |pool: &IpPool| match tunnel {
        Tunnel::Ipip => pool.spec.ipip_mode,
        Tunnel::Vxlan => pool.spec.vxlan_mode,
    };
    let used = from::pools(store).filter(|pool| mode(pool) != Mode::Never && pool.serves(&labels, "Tunnel"));
    used.map(IpPool::for_ipam).collect()
}
