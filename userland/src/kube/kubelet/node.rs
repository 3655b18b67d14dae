//! The node as an object: registered once it has an address, ready once the network plugin is.

use core::net::Ipv4Addr;

use hopwise_cluster::object::node::{NodeAddress, NodeInfo, NodeStatus};
use hopwise_cluster::object::pod::Condition;
use hopwise_cluster::object::{Node, ObjectMeta};
use hopwise_machine::Sys;

use crate::kernel::SimKernel;
use crate::kube::cluster::Member;
use crate::kube::tools;

/// What the kubelet says as long as the network plugin is not ready.
pub(super) const NOT_READY: &str = "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady \
message:Network plugin returns error: cni plugin not initialized";

/// The version that is told.
pub(crate) const VERSION: &str = "v1.28.0";

/// Makes the node's object. False: the machine has no address yet, or not the one it should have.
pub(super) fn register(sys: &mut Sys<'_, SimKernel>, member: &Member) -> bool {
    let Some(address) = address(sys, member.address) else { return false };
    let cluster = sys.kernel.kube.cluster.clone();
    let is_first = cluster.is_some_and(|cluster| cluster.nodes.first() == Some(member));
    let name = &member.machine;
    let mut metadata = ObjectMeta::named("", name);
    metadata.labels.clone_from(&member.labels);
    let mut label = |key: &str, value: &str| {
        metadata.labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    };
    label("kubernetes.io/hostname", name);
    label("kubernetes.io/os", "linux");
    label("kubernetes.io/arch", "amd64");
    if is_first {
        label("node-role.kubernetes.io/control-plane", "");
    }
    let pair = |kind: &str, address: String| NodeAddress { kind: kind.to_owned(), address };
    let status = NodeStatus {
        addresses: vec![pair("InternalIP", address.to_string()), pair("Hostname", name.clone())],
        conditions: vec![ready(sys, false)],
        node_info: NodeInfo {
            os_image: "Debian GNU/Linux 12 (bookworm)".into(),
            kernel_version: "6.18.0".into(),
            container_runtime_version: "containerd://1.7.0".into(),
            kubelet_version: VERSION.into(),
            kube_proxy_version: VERSION.into(),
            operating_system: "linux".into(),
            architecture: "amd64".into(),
            ..NodeInfo::default()
        },
        ..NodeStatus::default()
    };
    if let Err(why) = prepare(sys) {
        tools::log(sys, "kubelet", why.trim_end());
    }
    // A node that was registered already stays as it is.
    let _ = sys.kernel.store().create(Box::new(Node { metadata, spec: Default::default(), status }));
    true
}

/// What kubeadm demands of a node's kernel, and the chain by which the kubelet keeps others from its loopback addresses.
fn prepare(sys: &mut Sys<'_, SimKernel>) -> Result<(), String> {
    let root = sys.root_ns();
    for name in ["net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"] {
        tools::sysctl(sys, root, name, "1")?;
    }
    tools::iptables_restore(sys, root, ("kubelet", ""), FIREWALL)
}

/// `syncIPTablesRules`
const FIREWALL: &str = "*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n*nat\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n\
*filter\n:KUBE-KUBELET-CANARY - [0:0]\n:KUBE-FIREWALL - [0:0]\n-A INPUT -j KUBE-FIREWALL\n-A OUTPUT -j KUBE-FIREWALL\n\
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming localnet connections\" -m conntrack \
! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\nCOMMIT\n";

fn ready(sys: &mut Sys<'_, SimKernel>, is_ready: bool) -> Condition {
    let now = sys.kernel.store().now();
    let (reason, message) =
        if is_ready { ("KubeletReady", "kubelet is posting ready status") } else { ("KubeletNotReady", NOT_READY) };
    Condition {
        kind: "Ready".into(),
        status: if is_ready { "True" } else { "False" }.into(),
        reason: reason.into(),
        message: message.into(),
        last_transition_time: Some(now),
        last_heartbeat_time: Some(now),
        ..Condition::default()
    }
}

/// Asks the network plugin whether it is ready, and tells it if that is new.
pub(super) fn tell(sys: &mut Sys<'_, SimKernel>, member: &Member, before: bool) -> bool {
    if before {
        return true;
    }
    let plugin = sys.kernel.kube.cluster.as_ref().and_then(|cluster| cluster.cni.clone());
    let is_ready = plugin.is_some_and(|plugin| plugin.is_ready(sys, &member.machine));
    if is_ready {
        let condition = ready(sys, true);
        sys.kernel.store().modify::<Node>("", &member.machine, |node| {
            node.status.conditions = vec![condition];
        });
    }
    is_ready
}

/// The address of the node: the one it should have if it has it, else the first one of its first NIC that has one.
fn address(sys: &Sys<'_, SimKernel>, wanted: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    let space = sys.kernel.net.ns(sys.root_ns())?;
    let mut all = space.devs.iter().filter(|dev| &*dev.name != "lo").flat_map(|dev| &dev.inet.addrs).map(|a| a.local);
    match wanted {
        Some(wanted) => all.find(|addr| *addr == wanted),
        None => all.next(),
    }
}
