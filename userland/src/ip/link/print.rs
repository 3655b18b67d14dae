//! A link as `ip link` and `ip address` print it: `print_linkinfo` of iproute2's `ipaddress.c`.

use hopwise_devices::LinkFlags;
use hopwise_devices::describe::{Attr, Describe, Value};
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::Dev;
use hopwise_stack::dev::DevTable;

use super::stats;
use crate::ip::out::{Json, Out};
use crate::ip::{Ip, netns};

/// The link below (a veth's peer), as netlink names it.
struct Below {
    index: IfIndex,
    /// Its name and whether it is up, if it is in the same namespace.
    here: Option<(String, bool)>,
    /// The number of its namespace, and its name if it has one.
    elsewhere: Option<(u32, Option<String>)>,
}

/// Prints a link. `as_link`: for `ip link`, with the link mode and statistics; else for `ip address`, which prints its
/// addresses after it.
pub fn link(ip: &mut Ip<'_, '_>, link: IfIndex, as_link: bool) {
    let below = below(ip, link);
    let Ip { sys, opt, out, ns, .. } = ip;
    let Some(space) = sys.kernel.net.ns(*ns) else { return };
    let Some(dev) = space.devs.get(link) else { return };
    if as_link {
        out.open_object(None);
    }
    out.any("ifindex", format_args!("{}: ", dev.index), dev.index.0);
    let m_down = name_and_link(out, dev, below.as_ref(), false);
    flags(out, dev, m_down);
    out.any("mtu", format_args!("mtu {} ", dev.mtu), dev.mtu);
    out.any("qdisc", format_args!("qdisc {} ", dev.qdisc_name()), dev.qdisc_name());
    if let Some(master) = space.devs.get(dev.master) {
        out.any("master", format_args!("master {} ", master.name), &*master.name);
    }
    let state = dev.operstate_shown().name();
    out.any("operstate", format_args!("state {state} "), state);
    if as_link {
        let mode = if dev.mode_dormant { "DORMANT" } else { "DEFAULT" };
        out.any("linkmode", format_args!("mode {mode} "), mode);
    }
    let group = group_name(dev.group);
    out.any("group", format_args!("group {group} "), group.as_str());
    if dev.tx_queue_len > 0 {
        out.any("txqlen", format_args!("qlen {}", dev.tx_queue_len), dev.tx_queue_len);
    }
    let only_inet = matches!(opt.family, crate::ip::Family::Inet) && !as_link;
    if !only_inet || opt.details > 0 {
        out.line();
        addresses(out, dev);
    }
    if let Some(ipvlan) = dev.kind.ipvlan().filter(|i| opt.details > 0 && i.first_addr != dev.addr) {
        let first = ipvlan.first_addr.to_string();
        out.any("permaddr", format_args!(" permaddr {first}"), first.as_str());
    }
    if let Some(Below { elsewhere: Some((id, name)), .. }) = &below {
        out.field("link_netnsid", *id);
        match name {
            Some(name) => out.text(format_args!(" link-netns {name}")),
            None => out.text(format_args!(" link-netnsid {id}")),
        }
    }
    if opt.details > 0 {
        details(out, dev, &space.devs, as_link);
    }
    if let Some(alias) = dev.alias.as_deref().filter(|_| as_link || opt.details > 0) {
        out.line();
        out.any("ifalias", format_args!("    alias {alias}"), alias);
    }
    if as_link && opt.stats > 0 {
        out.line();
        stats::print(out, dev, opt);
    }
    out.end_record();
    if as_link {
        out.close_object();
    }
}

/// Prints a link with `-br`; `as_link`: with address and flags, else `ip address` goes on with the addresses.
pub fn brief(ip: &mut Ip<'_, '_>, link: IfIndex, as_link: bool) {
    let below = below(ip, link);
    let Ip { sys, out, ns, .. } = ip;
    let Some(dev) = sys.kernel.net.ns(*ns).and_then(|n| n.devs.get(link)) else { return };
    if as_link {
        out.open_object(None);
    }
    let m_down = name_and_link(out, dev, below.as_ref(), true);
    let state = dev.operstate_shown().name();
    out.any("operstate", format_args!("{state:<14} "), state);
    if as_link {
        let addr = dev.address_shown();
        if dev.hw_addr_len() > 0 {
            out.any("address", format_args!("{addr} "), addr.as_str());
        }
        flags(out, dev, m_down);
        out.end_record();
        out.close_object();
    }
}

/// The link below, if there is one. To be named, a namespace gets a number in this one.
fn below(ip: &mut Ip<'_, '_>, link: IfIndex) -> Option<Below> {
    let ns = ip.ns;
    if let Some(home) = ip.dev(link)?.kind.vxlan().map(|vxlan| vxlan.home).filter(|home| *home != ns) {
        // A link that was moved is shown as its own, in the namespace where it was made (rtnl_fill_link_netnsid).
        return Some(Below { index: link, here: None, elsewhere: far(ip, ns, home) });
    }
    let (peer_ns, index) = ip.net().below(ns, link)?;
    if peer_ns == ns {
        let here = Some((ip.link_name(index), ip.dev(index).is_none_or(|d| d.is_up())));
        return Some(Below { index, here, elsewhere: None });
    }
    Some(Below { index, here: None, elsewhere: far(ip, ns, peer_ns) })
}

fn far(ip: &mut Ip<'_, '_>, ns: NsId, peer_ns: NsId) -> Option<(u32, Option<String>)> {
    let id = ip.net().nsid(ns, peer_ns)?;
    Some((id, netns::name_of_nsid(ip.sys, ns, id)))
}

/// `NAME` or `NAME@BELOW`. Gives whether the link below is known to be down (`M-DOWN`).
fn name_and_link(out: &mut Out, dev: &Dev, below: Option<&Below>, brief: bool) -> bool {
    let (mut name, mut m_down) = (dev.name.to_string(), false);
    match below {
        Some(Below { index: IfIndex::NONE, .. }) => {
            out.field("link", Json::Null);
            name.push_str("@NONE");
        }
        Some(Below { elsewhere: Some(_), index, .. }) => {
            out.field("link_index", index.0);
            name.push_str(&format!("@if{index}"));
        }
        Some(Below { here: Some((below, up)), .. }) => {
            out.field("link", below.as_str());
            name.push_str(&format!("@{below}"));
            m_down = !up;
        }
        _ => {}
    }
    if out.is_json() {
        out.field("ifname", &*dev.name);
    } else if brief {
        out.text(format_args!("{name:<16} "));
    } else {
        out.text(format_args!("{name}: "));
    }
    m_down
}

/// The flags that have names, in iproute2's order (`print_link_flags`).
const FLAGS: &[(LinkFlags, &str)] = &[
    (LinkFlags::LOOPBACK, "LOOPBACK"),
    (LinkFlags::BROADCAST, "BROADCAST"),
    (LinkFlags::POINTOPOINT, "POINTOPOINT"),
    (LinkFlags::MULTICAST, "MULTICAST"),
    (LinkFlags::NOARP, "NOARP"),
    (LinkFlags::ALLMULTI, "ALLMULTI"),
    (LinkFlags::PROMISC, "PROMISC"),
    (LinkFlags::MASTER, "MASTER"),
    (LinkFlags::DYNAMIC, "DYNAMIC"),
    (LinkFlags::UP, "UP"),
    (LinkFlags::LOWER_UP, "LOWER_UP"),
];

/// Prints `<FLAG,FLAG> `.
pub fn flags(out: &mut Out, dev: &Dev, m_down: bool) {
    let shown = dev.flags_shown();
    let no_carrier = shown.contains(LinkFlags::UP) && !shown.contains(LinkFlags::RUNNING);
    let names = no_carrier
        .then_some("NO-CARRIER")
        .into_iter()
        .chain(FLAGS.iter().filter(|(flag, _)| shown.contains(*flag)).map(|(_, name)| *name))
        .chain(m_down.then_some("M-DOWN"));
    let names: Vec<&str> = names.collect();
    out.array(Some("flags"), |out| {
        if out.is_json() {
            names.iter().for_each(|name| out.item("", *name));
        }
    });
    out.text(format_args!("<{}> ", names.join(",")));
}

/// The name of a device group.
pub fn group_name(group: u32) -> String {
    if group == 0 { "default".into() } else { group.to_string() }
}

fn addresses(out: &mut Out, dev: &Dev) {
    let kind = dev.hw.name();
    out.any("link_type", format_args!("    link/{kind} "), kind);
    if dev.hw_addr_len() == 0 {
        return;
    }
    let (addr, far) = (dev.address_shown(), dev.broadcast_shown());
    out.any("address", &addr, addr.as_str());
    if dev.flags.contains(LinkFlags::POINTOPOINT) {
        out.field("link_pointtopoint", true);
        out.any("broadcast", format_args!(" peer {far}"), far.as_str());
    } else {
        out.any("broadcast", format_args!(" brd {far}"), far.as_str());
    }
}

/// The least MTU of a link with IPv6 (RFC 8200, section 5).
const IPV6_MIN_MTU: u32 = 1280;

/// What `-d` adds.
fn details(out: &mut Out, dev: &Dev, devs: &DevTable, as_link: bool) {
    let ops = dev.kind.ops();
    out.any("promiscuity", format_args!(" promiscuity {} ", dev.promiscuity), dev.promiscuity);
    out.any("allmulti", format_args!(" allmulti {} ", dev.allmulti), dev.allmulti);
    out.any("min_mtu", format_args!("minmtu {} ", dev.mtu_range.0), dev.mtu_range.0);
    out.any("max_mtu", format_args!("maxmtu {} ", dev.mtu_range.1), dev.mtu_range.1);
    if !ops.name.is_empty() {
        out.object(Some("linkinfo"), |out| kind_info(out, dev, devs));
    }
    // A link whose MTU is less than IPv6 asks for has no IPv6.
    if as_link && dev.mtu >= IPV6_MIN_MTU && !dev.addrgenmode.is_empty() {
        let mode = dev.addrgenmode;
        out.any("inet6_addr_gen_mode", format_args!("addrgenmode {mode} "), mode);
    }
    let sizes = dev.sizes;
    for (key, word, value) in [
        ("num_tx_queues", "numtxqueues", sizes.tx_queues),
        ("num_rx_queues", "numrxqueues", sizes.rx_queues),
        ("gso_max_size", "gso_max_size", sizes.gso_max_size),
        ("gso_max_segs", "gso_max_segs", sizes.gso_max_segs),
        ("tso_max_size", "tso_max_size", dev.tso_max_size()),
        ("tso_max_segs", "tso_max_segs", 65535),
        ("gro_max_size", "gro_max_size", sizes.gro_max_size),
    ] {
        out.any(key, format_args!("{word} {value} "), value);
    }
}

fn kind_info(out: &mut Out, dev: &Dev, devs: &DevTable) {
    let ops = dev.kind.ops();
    out.line();
    out.any("info_kind", format_args!("    {} ", ops.name), ops.name);
    let mut about = Describe::default();
    (ops.describe)(dev, &mut about);
    if !about.attrs.is_empty() {
        out.object(Some("info_data"), |out| attributes(out, &about.attrs, devs));
    }
    if let (Some(port), Some(bridge)) = (dev.port.as_deref(), devs.get(dev.master)) {
        out.line();
        out.any("info_slave_kind", "    bridge_slave ", "bridge");
        let attrs = super::kinds::port_attributes(port, bridge);
        out.object(Some("info_slave_data"), |out| attributes(out, &attrs, devs));
    }
    vrf_slave(out, dev, devs);
}

/// `vrf_slave_print_opt`.
fn vrf_slave(out: &mut Out, dev: &Dev, devs: &DevTable) {
    let Some(vrf) = devs.get(dev.master).filter(|m| m.index.is_some()).and_then(|m| m.kind.vrf()) else { return };
    out.line();
    out.any("info_slave_kind", "    vrf_slave ", "vrf");
    out.object(Some("info_slave_data"), |out| out.any("table", format_args!("table {} ", vrf.table), vrf.table));
}

fn attributes(out: &mut Out, attrs: &[Attr], devs: &DevTable) {
    for attr in attrs {
        if let Value::Link(link) = attr.value {
            let name = devs.get(link).map_or_else(|| format!("if{link}"), |dev| dev.name.to_string());
            out.any(attr.key, format_args!("{} {name} ", attr.text), name.as_str());
            continue;
        }
        for (i, line) in attr.text.split('\n').enumerate() {
            if i > 0 {
                out.line();
            }
            out.text(line);
        }
        if !attr.key.is_empty() {
            json(out, Some(attr.key), &attr.value);
        }
    }
}

fn json(out: &mut Out, key: Option<&str>, value: &Value) {
    let value = match value {
        Value::Number(n) => Json::Uint(*n),
        Value::Text(text) => Json::Text(text.clone()),
        Value::Bool(b) => Json::Bool(*b),
        Value::Decimal(text) => Json::Raw(text.clone()),
        Value::Link(link) => Json::Text(format!("if{link}")),
        Value::List(items) => return out.array(key, |out| items.iter().for_each(|item| json(out, None, item))),
        Value::Object(members) => {
            return out.object(key, |out| members.iter().for_each(|(key, value)| json(out, Some(key), value)));
        }
    };
    match key {
        Some(key) => out.field(key, value),
        None => out.item("", value),
    }
}
