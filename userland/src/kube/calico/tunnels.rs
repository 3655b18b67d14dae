//! The links of the tunnels on a node: `tunl0` and `vxlan.calico` (`felix/dataplane/linux/{ipip,vxlan}_mgr.go`).

use std::collections::BTreeSet;

use hopwise_cluster::calico::from::{self, CalicoNode};
use hopwise_cluster::calico::routes::{VXLAN_PORT, VXLAN_VNI, Vtep};
use hopwise_cluster::object::Node;
use hopwise_machine::Sys;

use super::startup;
use crate::kernel::SimKernel;
use crate::kube::tools;

/// The addresses of a link.
fn addresses(sys: &Sys<'_, SimKernel>, link: &str) -> Option<Vec<String>> {
    let ns = sys.kernel.net.ns(sys.root_ns())?;
    let dev = ns.devs.get(ns.devs.index_of(link)?)?;
    Some(dev.inet.addrs.iter().map(|own| format!("{}/{}", own.local, own.prefix_len)).collect())
}

fn ip(sys: &mut Sys<'_, SimKernel>, words: &str) -> Result<(), String> {
    let root = sys.root_ns();
    tools::ip(sys, root, words).map(|_| ())
}

/// Gives a link this one address.
fn set_address(sys: &mut Sys<'_, SimKernel>, link: &str, wanted: Option<String>) -> Result<(), String> {
    let has = addresses(sys, link).unwrap_or_default();
    for other in has.iter().filter(|address| Some(*address) != wanted.as_ref()) {
        ip(sys, &format!("addr del {other} dev {link}"))?;
    }
    match wanted.filter(|wanted| !has.contains(wanted)) {
        Some(address) => ip(sys, &format!("addr add {address} dev {link}")),
        None => Ok(()),
    }
}

/// Brings both tunnels to where the pools want them.
pub(super) fn sync(sys: &mut Sys<'_, SimKernel>, node: &str) -> Result<(), String> {
    let store = sys.kernel.store();
    let (ipip, vxlan, config) = (from::has_ipip(store), from::has_vxlan(store), from::felix_config(store).spec);
    let own = store.get::<Node>("", node).map(CalicoNode::of).unwrap_or_default();
    let Some((nic, _, mtu)) = own.address.and_then(|net| startup::link_of(sys, net.addr())) else { return Ok(()) };
    if ipip {
        let mtu = config.ipip_mtu.unwrap_or(mtu.saturating_sub(20));
        if addresses(sys, "tunl0").is_none() {
            // It comes with the module, which the request loads; the request itself fails then.
            let _ = ip(sys, "tunnel add tunl0 mode ipip");
        }
        ip(sys, &format!("link set tunl0 mtu {mtu}"))?;
        ip(sys, "link set tunl0 up")?;
        set_address(sys, "tunl0", own.ipip.map(|address| format!("{address}/32")))?;
    } else if addresses(sys, "tunl0").is_some() {
        set_address(sys, "tunl0", None)?;
    }
    if vxlan {
        let mtu = config.vxlan_mtu.unwrap_or(mtu.saturating_sub(50));
        let local = own.address.map(|net| net.addr().to_string()).unwrap_or_default();
        if addresses(sys, "vxlan.calico").is_none() {
            let kind = format!("type vxlan id {VXLAN_VNI} local {local} dev {nic} dstport {VXLAN_PORT} nolearning");
            let mac = own.vxlan_mac.map(shown).unwrap_or_default();
            ip(sys, &format!("link add vxlan.calico address {mac} {kind}"))?;
        }
        ip(sys, &format!("link set vxlan.calico mtu {mtu}"))?;
        ip(sys, "link set vxlan.calico up")?;
        set_address(sys, "vxlan.calico", own.vxlan.map(|address| format!("{address}/32")))?;
    } else if addresses(sys, "vxlan.calico").is_some() {
        ip(sys, "link del vxlan.calico")?;
    }
    Ok(())
}

/// Tells `vxlan.calico` where the other ends are. `known` is what it was told before.
pub(super) fn sync_vteps(
    sys: &mut Sys<'_, SimKernel>,
    wanted: &[Vtep],
    known: &mut BTreeSet<Vtep>,
) -> Result<(), String> {
    if addresses(sys, "vxlan.calico").is_none() {
        // With the link went all that it knew.
        known.clear();
        return Ok(());
    }
    let root = sys.root_ns();
    let wanted: BTreeSet<Vtep> = wanted.iter().copied().collect();
    let gone: Vec<Vtep> = known.difference(&wanted).copied().collect();
    for vtep in gone {
        let mac = shown(vtep.mac);
        tools::bridge(sys, root, &format!("fdb del {mac} dev vxlan.calico dst {} self", vtep.node))?;
        ip(sys, &format!("neigh del {} dev vxlan.calico", vtep.tunnel))?;
        known.remove(&vtep);
    }
    for vtep in wanted {
        if !known.contains(&vtep) {
            let mac = shown(vtep.mac);
            tools::bridge(sys, root, &format!("fdb replace {mac} dev vxlan.calico dst {} self permanent", vtep.node))?;
            ip(sys, &format!("neigh replace {} lladdr {mac} dev vxlan.calico nud permanent", vtep.tunnel))?;
            known.insert(vtep);
        }
    }
    Ok(())
}

fn shown(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
