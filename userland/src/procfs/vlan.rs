//! `/proc/net/vlan/`: the VLANs of a namespace. Models `net/8021q/vlanproc.c`.

use hopwise_devices::Kind;
use hopwise_devices::vlan::{VlanFlags, VlanLink};
use hopwise_sim_core::NsId;
use hopwise_stack::{Dev, Network};

/// The name of the folder.
pub(super) const FOLDER: &str = "vlan";

/// The name of the file that lists them all.
pub(super) const CONFIG: &str = "config";

/// Whether the folder is there: the machine has VLANs.
pub(super) fn is_there(net: &Network, ns: NsId) -> bool {
    net.ns(ns).and_then(|n| net.host(n.host)).is_some_and(|host| host.vlans)
}

/// The names in the folder, if that is there.
pub(super) fn names(net: &Network, ns: NsId) -> Option<Vec<String>> {
    if !is_there(net, ns) {
        return None;
    }
    let devs = net.ns(ns).into_iter().flat_map(|n| n.devs.iter());
    let vlans = devs.filter(|d| d.kind.vlan().is_some()).map(|d| d.name.to_string());
    Some(core::iter::once(CONFIG.to_owned()).chain(vlans).collect())
}

/// A file of the folder, if there is one of that name.
pub(super) fn read(net: &Network, ns: NsId, name: &str) -> Option<String> {
    let space = net.ns(ns).filter(|_| is_there(net, ns))?;
    if name == CONFIG {
        let mut text = "VLAN Dev name\t | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n".to_owned();
        for dev in space.devs.iter() {
            if let Some(vlan) = dev.kind.vlan() {
                text.push_str(&format!("{:<15}| {}  | {}\n", dev.name, vlan.vid, lower_name(net, vlan)));
            }
        }
        return Some(text);
    }
    let dev = space.devs.find(name)?;
    Some(describe(net, dev, dev.kind.vlan()?))
}

fn lower_name<'a>(net: &'a Network, vlan: &VlanLink) -> &'a str {
    net.ns(vlan.lower.0).map_or("", |n| n.name_of(vlan.lower.1))
}

fn describe(net: &Network, dev: &Dev, vlan: &VlanLink) -> String {
    let reorder = u8::from(vlan.flags.contains(VlanFlags::REORDER_HDR));
    let lower = net.ns(vlan.lower.0).and_then(|n| n.devs.get(vlan.lower.1));
    // A bridge wants to keep the route of a packet (IFF_XMIT_DST_RELEASE is not set), so its VLANs do too.
    let flags = if lower.is_some_and(|d| matches!(d.kind, Kind::Bridge(_))) { 0x81001 } else { 0x81021 };
    let mut text = format!("{}  VID: {}\t REORDER_HDR: {reorder}  dev->priv_flags: {flags:x}\n", dev.name, vlan.vid);
    let stats = &dev.stats;
    for (what, count) in [
        ("total frames received", stats.rx_packets),
        ("total bytes received", stats.rx_bytes),
        ("Broadcast/Multicast Rcvd", stats.multicast),
        ("", 0),
        ("total frames transmitted", stats.tx_packets),
        ("total bytes transmitted", stats.tx_bytes),
    ] {
        if what.is_empty() { text.push('\n') } else { text.push_str(&format!("{what:>30} {count:>12}\n")) }
    }
    text.push_str(&format!("Device: {}\nINGRESS priority mappings:", lower_name(net, vlan)));
    for (i, to) in vlan.ingress.iter().enumerate() {
        let gap = if i == 7 { "" } else { " " };
        text.push_str(&format!("{} {i}:{to}", if i == 0 { "" } else { gap }));
    }
    text.push_str("\n EGRESS priority mappings: ");
    for (from, to) in &vlan.egress {
        text.push_str(&format!("{from}:{to} "));
    }
    text.push('\n');
    text
}
