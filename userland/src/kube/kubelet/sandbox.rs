//! A pod's sandbox: a named network namespace as containerd makes it, connected by the network plugin.

use core::net::Ipv4Addr;

use hopwise_cluster::object::Pod;
use hopwise_machine::Sys;
use hopwise_sim_core::NsId;

use super::resolver;
use crate::kernel::SimKernel;
use crate::kube::cluster::Member;
use crate::kube::{cni, tools};

/// A sandbox that is there.
#[derive(Clone)]
pub(super) struct Made {
    /// Its namespace's name; `None`: the node's own namespace.
    pub(super) netns: Option<String>,
    pub(super) ns: NsId,
    pub(super) address: Ipv4Addr,
    /// Files of the node that its containers see in place of others.
    pub(super) binds: Vec<(String, String)>,
    container_id: String,
    pod: cni::Pod,
}

/// Makes the sandbox of a pod.
pub(super) fn make(sys: &mut Sys<'_, SimKernel>, member: &Member, pod: &Pod) -> Result<Made, String> {
    let container_id = long_id(sys);
    let meta = &pod.metadata;
    let named = cni::Pod { namespace: meta.namespace.clone(), name: meta.name.clone(), uid: meta.uid.clone() };
    let mut made = match pod.is_on_host_network() {
        true => {
            let address = sys.kernel.kube.store.get("", &member.machine).and_then(hopwise_cluster::object::Node::ip);
            let address = address.ok_or("the node has no address")?;
            Made { netns: None, ns: sys.root_ns(), address, binds: Vec::new(), container_id, pod: named }
        }
        false => {
            let netns = format!("cni-{}", sys.kernel.store().uid());
            let root = sys.root_ns();
            tools::ip(sys, root, &format!("netns add {netns}"))?;
            let ns = sys.kernel.named(sys.machine(), &netns).ok_or("the namespace is gone")?;
            let mut made = Made {
                netns: Some(netns),
                ns,
                address: Ipv4Addr::UNSPECIFIED,
                binds: Vec::new(),
                container_id,
                pod: named,
            };
            match attach(sys, member, &made) {
                Ok(address) => made.address = address,
                Err(why) => {
                    remove(sys, member, &made);
                    let (id, pod) = (&made.container_id, &made.pod);
                    let pod = format!("{}_{}_{}", pod.name, pod.namespace, pod.uid);
                    return Err(format!(
                        "failed to setup network for sandbox \"{id}\": plugin type=\"{}\" failed (add): {} (pod {pod})",
                        plugin_name(sys),
                        why.trim_end()
                    ));
                }
            }
            made
        }
    };
    made.binds = write_files(sys, pod, &made)?;
    Ok(made)
}

fn plugin_name(sys: &Sys<'_, SimKernel>) -> String {
    let cluster = sys.kernel.kube.cluster.as_ref();
    cluster.and_then(|c| c.cni.as_ref()).map(|cni| cni.name().to_owned()).unwrap_or_default()
}

fn attach(sys: &mut Sys<'_, SimKernel>, member: &Member, made: &Made) -> Result<Ipv4Addr, String> {
    tools::ip(sys, made.ns, "link set lo up")?;
    let plugin = sys.kernel.kube.cluster.as_ref().and_then(|cluster| cluster.cni.clone());
    let plugin = plugin.ok_or("cni plugin not initialized")?;
    plugin.add(&mut call(sys, member, made)).map(|attached| attached.address.addr())
}

fn call<'a, 's>(sys: &'a mut Sys<'s, SimKernel>, member: &Member, made: &Made) -> cni::Sandbox<'a, 's> {
    cni::Sandbox {
        host: sys.root_ns(),
        sys,
        node: member.machine.clone(),
        pod: made.pod.clone(),
        container_id: made.container_id.clone(),
        ifname: "eth0".into(),
        netns: made.netns.clone().unwrap_or_default(),
        inside: made.ns,
    }
}

/// Disconnects a sandbox and takes its namespace away.
pub(super) fn remove(sys: &mut Sys<'_, SimKernel>, member: &Member, made: &Made) {
    let Some(netns) = &made.netns else { return };
    if let Some(plugin) = sys.kernel.kube.cluster.as_ref().and_then(|cluster| cluster.cni.clone())
        && let Err(why) = plugin.del(&mut call(sys, member, made))
    {
        tools::log(
            sys,
            "kubelet",
            &format!("failed to destroy network for sandbox {:?}: {}", made.container_id, why.trim_end()),
        );
    }
    let root = sys.root_ns();
    if let Err(why) = tools::ip(sys, root, &format!("netns delete {netns}")) {
        tools::log(sys, "kubelet", why.trim_end());
    }
}

/// 64 hexadecimal digits.
pub(super) fn long_id(sys: &mut Sys<'_, SimKernel>) -> String {
    (0..8).map(|_| format!("{:08x}", sys.random_u32())).collect()
}

fn folder(uid: &str) -> String {
    format!("/var/lib/kubelet/pods/{uid}")
}

/// Writes the files that the containers see instead of the node's, and gives where they see them.
fn write_files(sys: &mut Sys<'_, SimKernel>, pod: &Pod, made: &Made) -> Result<Vec<(String, String)>, String> {
    let folder = folder(&pod.metadata.uid);
    let name = hostname(sys, pod);
    let mut binds = Vec::new();
    let mut files = Vec::new();
    if !pod.is_on_host_network() {
        let mut hosts = format!(
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{}\t{name}\n",
            made.address
        );
        for alias in &pod.spec.host_aliases {
            hosts.push_str(&format!("{}\t{}\n", alias.ip, alias.hostnames.join("\t")));
        }
        files.push(("/etc/hosts", "etc-hosts", hosts));
    }
    if let Some(text) = resolver::file(sys, pod) {
        files.push(("/etc/resolv.conf", "resolv.conf", text));
    }
    files.push(("/etc/hostname", "hostname", format!("{name}\n")));
    for (target, file, text) in files {
        let source = format!("{folder}/{file}");
        tools::write_file(sys, &source, &text)?;
        binds.push((target.to_owned(), source));
    }
    // What the containers write here is not seen by those of other pods.
    for (target, name) in [("/root", "root"), ("/tmp", "tmp"), (super::images::HTML, "html")] {
        let source = format!("{folder}/{name}");
        tools::write_file(sys, &format!("{source}/.keep"), "")?;
        // It was written a line above.
        let _ = sys.unlink(&format!("{source}/.keep"));
        binds.push((target.to_owned(), source));
    }
    Ok(binds)
}

/// The name that a pod has inside.
pub(super) fn hostname(sys: &Sys<'_, SimKernel>, pod: &Pod) -> String {
    match &*pod.spec.hostname {
        _ if pod.is_on_host_network() => sys.hostname().to_owned(),
        "" => pod.metadata.name.clone(),
        name => name.to_owned(),
    }
}

/// Takes away the files of a pod that is gone.
pub(super) fn forget_files(sys: &mut Sys<'_, SimKernel>, uid: &str) {
    fn clear(sys: &mut Sys<'_, SimKernel>, path: &str) {
        for entry in sys.list(path).unwrap_or_default() {
            let path = format!("{path}/{}", entry.name);
            match entry.kind {
                hopwise_machine::FileKind::Dir => clear(sys, &path),
                _ => sys.unlink(&path).unwrap_or_default(),
            }
        }
        let _ = sys.rmdir(path);
    }
    clear(sys, &folder(uid));
}
