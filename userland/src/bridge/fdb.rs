//! `bridge fdb`: iproute2's `bridge/fdb.c`.

use hopwise_devices::bridge::vlan::MAX_VID;
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Errno, IfIndex};
use hopwise_stack::NlError;
use hopwise_stack::control::bridge::{FdbChange, FdbRow, FdbState};

use super::refused;
use crate::ip::Ip;
use crate::ip::args::{self, Args, Done, Fail};

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show(ip, args) };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("add") => modify(ip, args, How { create: true, exclusive: true, delete: false }),
        () if is("append") || is("replace") => modify(ip, args, How { create: true, exclusive: false, delete: false }),
        () if is("delete") => modify(ip, args, How { create: false, exclusive: false, delete: true }),
        () if is("get") => get(ip, args),
        () if is("flush") => flush(ip, args),
        () if is("show") || is("lst") || is("list") => show(ip, args),
        () if is("help") => Err(Fail::usage(USAGE)),
        () => Err(Fail::new(255, format!("Command \"{word}\" is unknown, try \"bridge fdb help\"."))),
    }
}

struct How {
    create: bool,
    exclusive: bool,
    delete: bool,
}

/// What `show` is asked to list.
#[derive(Default)]
struct Filter {
    bridge: Option<IfIndex>,
    port: Option<IfIndex>,
    dynamic: bool,
    state: Option<FdbState>,
    vlan: Option<u16>,
}

fn bridge_named(ip: &Ip<'_, '_>, name: &str) -> Done<IfIndex> {
    ip.link(name).ok_or_else(|| Fail::new(255, format!("Cannot find bridge device \"{name}\"")))
}

fn device_named(ip: &Ip<'_, '_>, name: &str) -> Done<IfIndex> {
    ip.link(name).ok_or_else(|| Fail::new(255, format!("Cannot find device \"{name}\"")))
}

fn show(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let mut filter = Filter::default();
    while let Some(word) = args.next() {
        match &*word {
            "brport" | "dev" => filter.port = Some(device_named(ip, &args.need()?)?),
            "br" => filter.bridge = Some(bridge_named(ip, &args.need()?)?),
            "vlan" => {
                // Read as `atoi` does; what is no number means none.
                filter.vlan = Some(vlan_number(&args.need()?));
            }
            "dynamic" => filter.dynamic = true,
            "state" => {
                let text = args.need()?;
                filter.state = Some(match &*text {
                    _ if args::matches(&text, "permanent") => FdbState::Permanent,
                    _ if args::matches(&text, "static") => FdbState::Static,
                    _ if args::matches(&text, "dynamic") => FdbState::Reachable,
                    _ => return Err(args::invarg("invalid state", &text)),
                });
            }
            _ if args::matches(&word, "help") => return Err(Fail::usage(USAGE)),
            // Other words are skipped, as `bridge` does it.
            _ => {}
        }
    }
    let ns = ip.ns;
    let rows = ip.net().fdb_rows(ns);
    ip.out.open();
    for row in rows {
        if wanted(ip, &filter, &row) {
            print(ip, &row, filter.port.is_none());
        }
    }
    ip.out.close();
    Ok(())
}

fn wanted(ip: &Ip<'_, '_>, filter: &Filter, row: &FdbRow) -> bool {
    let of_bridge = |bridge: IfIndex| {
        let dev = ip.dev(row.link);
        // With `br` the kernel lists that bridge's ports and the bridge itself, if it is one.
        ip.dev(bridge).is_some_and(|b| b.kind.bridge().is_some())
            && (row.link == bridge || dev.is_some_and(|d| d.master == bridge))
    };
    filter.bridge.is_none_or(of_bridge)
        && filter.port.is_none_or(|p| p == row.link)
        && (!filter.dynamic || row.state != FdbState::Permanent)
        && filter.state.is_none_or(|s| s == row.state)
        && filter.vlan.is_none_or(|v| v == row.vlan)
}

fn print(ip: &mut Ip<'_, '_>, row: &FdbRow, with_device: bool) {
    let device = ip.link_name(row.link);
    let master = row.master.map(|m| ip.link_name(m));
    let (out, stats) = (&mut ip.out, ip.opt.stats > 0);
    out.open_object(None);
    let addr = row.addr.to_string();
    out.any("mac", format_args!("{addr} "), addr.as_str());
    if with_device {
        out.any("ifname", format_args!("dev {device} "), device.as_str());
    }
    if row.vlan != 0 {
        out.any("vlan", format_args!("vlan {} ", row.vlan), row.vlan);
    }
    if let Some((used, updated)) = row.ages.filter(|_| stats) {
        let (used, updated) = (used.as_secs(), updated.as_secs());
        out.text(format_args!("used {used}/{updated} "));
        out.field("used", used);
        out.field("updated", updated);
    }
    out.open_array(Some("flags"));
    if row.master.is_none() {
        out.item("self ", "self");
    }
    if row.sticky {
        out.item("sticky ", "sticky");
    }
    out.close_array();
    if let Some(master) = master {
        out.any("master", format_args!("master {master} "), master.as_str());
    }
    let state = match row.state {
        FdbState::Permanent => "permanent",
        FdbState::Static => "static",
        FdbState::Reachable => "",
    };
    out.any("state", format_args!("{state}\n"), state);
    out.close_object();
}

/// Reads an address as `sscanf("%hhx:...")` does: six parts.
fn mac(text: &str) -> Done<MacAddr> {
    text.parse().map_err(|_| Fail::new(255, format!("Invalid mac address {text}")))
}

fn modify(ip: &mut Ip<'_, '_>, args: &mut Args, how: How) -> Done {
    let (mut dev, mut addr, mut at_self, mut at_master) = (None, None, false, false);
    let (mut state, mut sticky, mut vlan) = (FdbState::Permanent, false, None);
    while let Some(word) = args.next() {
        let is = |full| args::matches(&word, full);
        match &*word {
            "dev" => dev = Some(args.need()?),
            "self" => at_self = true,
            _ if is("master") => at_master = true,
            _ if is("local") || is("permanent") => state = FdbState::Permanent,
            _ if is("temp") || is("static") => state = FdbState::Static,
            _ if is("dynamic") => state = FdbState::Reachable,
            _ if is("sticky") => sticky = true,
            _ if is("vlan") => {
                let text = args.need()?;
                if vlan.is_some() {
                    return Err(args::duparg2("vlan", &text));
                }
                vlan = Some(vlan_number(&text));
            }
            // Destinations of tunnels and entries by router or next hop do not exist here.
            "dst" | "port" | "vni" | "nhid" | "src_vni" | "via" => {
                args.need()?;
                return Err(refused(NlError::from(Errno::EOPNOTSUPP)));
            }
            "use" | "router" | "extern_learn" => return Err(refused(NlError::from(Errno::EOPNOTSUPP))),
            _ => {
                let text = if word == "to" { args.need()? } else { word.clone() };
                if args::matches(&text, "help") {
                    return Err(Fail::usage(USAGE));
                }
                if addr.is_some() {
                    return Err(args::duparg2("to", &text));
                }
                addr = Some(text);
            }
        }
    }
    let (Some(dev), Some(addr)) = (dev, addr) else {
        return Err(Fail::new(255, "Device and address are required arguments."));
    };
    let addr = mac(&addr)?;
    let link = device_named(ip, &dev)?;
    // Without a word the entry is the link's own.
    at_self |= !at_master;
    let (ns, net) = (ip.ns, ip.net());
    // fdb_vid_parse.
    if vlan.is_some_and(|v| v == 0 || v > MAX_VID) {
        return Err(refused(NlError::with(Errno::EINVAL, "invalid vlan id")));
    }
    if how.delete {
        return net.fdb_del(ns, link, (addr, vlan), at_master, at_self).map_err(refused);
    }
    let change =
        FdbChange { addr, vlan, state, sticky, create: how.create, exclusive: how.exclusive, at_master, at_self };
    net.fdb_add(ns, link, &change).map_err(refused)
}

fn get(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let (mut dev, mut bridge, mut addr, mut at_self, mut vlan) = (None, None, None, false, 0);
    while let Some(word) = args.next() {
        match &*word {
            "brport" | "dev" => dev = Some(args.need()?),
            "br" => bridge = Some(args.need()?),
            "self" => at_self = true,
            "vlan" => vlan = vlan_number(&args.need()?),
            "master" | "dynamic" => {}
            _ => {
                let text = if word == "to" { args.need()? } else { word };
                if addr.is_some() {
                    return Err(args::duparg2("to", &text));
                }
                addr = Some(text);
            }
        }
    }
    let (Some(addr), true) = (addr, dev.is_some() || bridge.is_some()) else {
        return Err(Fail::new(255, "Device or master and address are required arguments."));
    };
    let addr = mac(&addr)?;
    let port = dev.map(|name| device_named(ip, &name)).transpose()?;
    let bridge = bridge.map(|name| bridge_named(ip, &name)).transpose()?;
    if at_self {
        return Err(Fail::new(254, "Error: Fdb get operation not supported by device."));
    }
    let ns = ip.ns;
    let bridge = bridge.or_else(|| ip.dev(port?)?.port.as_deref().map(|p| p.bridge)).or(port);
    let rows = ip.net().fdb_rows(ns);
    let found = rows
        .into_iter()
        .find(|row| row.addr == addr && row.vlan == vlan && row.master.is_some() && row.master == bridge);
    let row = found.ok_or_else(|| Fail::new(254, "Error: Fdb entry not found."))?;
    ip.out.open();
    print(ip, &row, true);
    ip.out.close();
    Ok(())
}

fn flush(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let (mut dev, mut port, mut vlan) = (None, None, None);
    while let Some(word) = args.next() {
        match &*word {
            "vlan" => vlan = Some(vlan_number(&args.need()?)),
            "dev" => dev = Some(args.need()?),
            "brport" => port = Some(args.need()?),
            "self" | "master" => {}
            _ => return Err(Fail::usage(USAGE)),
        }
    }
    let Some(dev) = dev else { return Err(Fail::new(255, "Device is a required argument.")) };
    let bridge = bridge_named(ip, &dev)?;
    let port = port.map(|name| device_named(ip, &name)).transpose()?;
    let ns = ip.ns;
    ip.net().fdb_flush(ns, bridge, port, vlan).map_err(refused)
}

/// The number of a VLAN as `atoi` reads it.
fn vlan_number(text: &str) -> u16 {
    text.parse().unwrap_or(if args::unsigned(text).is_some() { u16::MAX } else { 0 })
}

const USAGE: &str = "Usage: bridge fdb { add | append | del | replace } ADDR dev DEV
              [ self ] [ master ] [ vlan VID ]
              [ sticky ] [ local | static | dynamic ]
       bridge fdb [ show [ br BRDEV ] [ brport DEV ] [ vlan VID ]
              [ state STATE ] [ dynamic ] ]
       bridge fdb get [ to ] LLADDR [ br BRDEV ] { brport | dev } DEV
              [ vlan VID ] [ self ] [ master ] [ dynamic ]
       bridge fdb flush dev DEV [ brport DEV ] [ vlan VID ] [ self ] [ master ]
";
