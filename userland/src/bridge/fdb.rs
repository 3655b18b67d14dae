//! `bridge fdb`: iproute2's `bridge/fdb.c`.

use hopwise_devices::bridge::vlan::MAX_VID;
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Errno, IfIndex};
use hopwise_stack::NlError;
use hopwise_stack::control::bridge::{FdbChange, FdbRow, FdbState};
use hopwise_stack::control::vxlan::TunnelRow;

use super::refused;
use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, Out, lladdr};

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show(ip, args) };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("add") => modify(ip, args, How { create: true, exclusive: true, ..How::default() }),
        () if is("append") => modify(ip, args, How { create: true, ..How::default() }),
        () if is("replace") => modify(ip, args, How { create: true, replace: true, ..How::default() }),
        () if is("delete") => modify(ip, args, How { delete: true, ..How::default() }),
        () if is("get") => get(ip, args),
        () if is("flush") => flush(ip, args),
        () if is("show") || is("lst") || is("list") => show(ip, args),
        () if is("help") => Err(Fail::usage(USAGE)),
        () => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"bridge fdb help\"."))),
    }
}

#[derive(Default)]
struct How {
    create: bool,
    exclusive: bool,
    replace: bool,
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
        && filter.state.is_none_or(|s| s == row.state || has_noarp(s, row))
        && filter.vlan.is_none_or(|v| v == row.vlan)
}

/// An entry of a VXLAN link that does not age has the bit of static ones beside its own.
fn has_noarp(wanted: FdbState, row: &FdbRow) -> bool {
    wanted == FdbState::Static && row.tunnel.is_some_and(|t| t.noarp)
}

fn print(ip: &mut Ip<'_, '_>, row: &FdbRow, with_device: bool) {
    let device = ip.link_name(row.link);
    let master = row.master.map(|m| ip.link_name(m));
    let via = row.tunnel.map(|t| t.via).filter(|via| via.is_some()).map(|via| ip.link_name(via));
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
    if let Some(tunnel) = &row.tunnel {
        print_tunnel(out, tunnel, via);
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
    if row.router {
        out.item("router ", "router");
    }
    if row.extern_learn {
        out.item("extern_learn ", "extern_learn");
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

/// Where the frames of an entry go.
fn print_tunnel(out: &mut Out, tunnel: &TunnelRow, via: Option<String>) {
    let dst = tunnel.dst.to_string();
    out.any("dst", format_args!("dst {dst} "), dst.as_str());
    if let Some(port) = tunnel.port {
        out.any("port", format_args!("port {port} "), u32::from(port));
    }
    if let Some(vni) = tunnel.vni {
        out.any("vni", format_args!("vni {vni} "), vni);
    }
    match (via, tunnel.netnsid) {
        // In another namespace it has no name here.
        (Some(_), Some(_)) => out.any("viaIfIndex", format_args!("via ifindex {} ", tunnel.via), tunnel.via.0),
        (Some(via), None) => out.any("viaIf", format_args!("via {via} "), via.as_str()),
        (None, _) => {}
    }
    if let Some(id) = tunnel.netnsid {
        out.any("linkNetNsId", format_args!("link-netnsid {id} "), id);
    }
}

/// Reads an address as `sscanf("%hhx:...")` does: six parts.
fn mac(text: &str) -> Done<MacAddr> {
    // sscanf("%hhx:%hhx:..."): six numbers, of which the last byte counts, and whatever follows.
    let bytes: Option<Vec<u8>> = text.splitn(7, ':').take(6).map(|part| Some(lladdr::scan(part)? as u8)).collect();
    let mac = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok()).map(MacAddr);
    mac.ok_or_else(|| Fail::new(255, format!("Invalid mac address {text}")))
}

/// The words of `add` and its siblings.
#[derive(Default)]
struct Words {
    dev: Option<String>,
    addr: Option<String>,
    change: FdbChange,
    state: Option<FdbState>,
    /// `NTF_USE`: only a bridge looks at it.
    use_it: bool,
}

impl Words {
    fn word(&mut self, ip: &mut Ip<'_, '_>, args: &mut Args, word: String) -> Done {
        let is = |full| args::matches(&word, full);
        let change = &mut self.change;
        let tunnel = &mut change.tunnel;
        match &*word {
            "dev" => self.dev = Some(args.need()?),
            "dst" => {
                let text = args.need()?;
                if tunnel.dst.is_some() {
                    return Err(args::duparg2("dst", &text));
                }
                tunnel.dst = Some(host(&text)?);
            }
            // A number or the name of a service; 0 is not sent.
            "port" => tunnel.port = args.number::<u16>("invalid port\n")?,
            "vni" => tunnel.vni = Some(vni(args, "invalid VNI\n")?),
            // Only links that carry many networks look at it.
            "src_vni" => drop(vni(args, "invalid src VNI\n")?),
            "via" => tunnel.via = device_named(ip, &args.need()?)?,
            "self" => change.at_self = true,
            _ if is("master") => change.at_master = true,
            _ if is("router") => change.router = true,
            _ if is("local") || is("permanent") => self.state = Some(FdbState::Permanent),
            _ if is("temp") || is("static") => self.state = Some(FdbState::Static),
            _ if is("dynamic") => self.state = Some(FdbState::Reachable),
            _ if is("extern_learn") => change.extern_learn = true,
            _ if is("sticky") => change.sticky = true,
            _ if is("vlan") => {
                let text = args.need()?;
                if change.vlan.is_some() {
                    return Err(args::duparg2("vlan", &text));
                }
                change.vlan = Some(vlan_number(&text));
            }
            // Entries by next hop do not exist here.
            "nhid" => {
                args.need()?;
                return Err(refused(NlError::from(Errno::EOPNOTSUPP)));
            }
            "use" => self.use_it = true,
            _ => {
                let text = if word == "to" { args.need()? } else { word.clone() };
                if args::matches(&text, "help") {
                    return Err(Fail::usage(USAGE));
                }
                if self.addr.is_some() {
                    return Err(args::duparg2("to", &text));
                }
                self.addr = Some(text);
            }
        }
        Ok(())
    }
}

fn vni(args: &mut Args, message: &str) -> Done<u32> {
    let text = args.peek().unwrap_or_default().to_owned();
    let vni = args.number::<u32>(message)?;
    if vni < 1 << 24 { Ok(vni) } else { Err(args::invarg(message, &text)) }
}

/// The host of an entry. There is no IPv6, as on a kernel without it.
fn host(text: &str) -> Done<core::net::Ipv4Addr> {
    if text.parse::<core::net::Ipv6Addr>().is_ok() {
        return Err(refused(NlError::from(Errno::EAFNOSUPPORT)));
    }
    args::parse_addr(text)
        .ok_or_else(|| Fail::new(1, format!("Error: any valid address is expected rather than \"{text}\".")))
}

fn modify(ip: &mut Ip<'_, '_>, args: &mut Args, how: How) -> Done {
    let mut words = Words::default();
    while let Some(word) = args.next() {
        words.word(ip, args, word)?;
    }
    let Words { dev: Some(dev), addr: Some(addr), mut change, state, use_it } = words else {
        return Err(Fail::new(255, "Device and address are required arguments."));
    };
    change.addr = mac(&addr)?;
    let link = device_named(ip, &dev)?;
    let is_vxlan = ip.dev(link).is_some_and(|d| d.kind.vxlan().is_some());
    // A bridge of this kernel keeps neither routers nor what others learned, and learns only from frames.
    if (use_it && change.at_master) || (change.router || change.extern_learn) && (change.at_master || !is_vxlan) {
        return Err(refused(NlError::from(Errno::EOPNOTSUPP)));
    }
    // Without a word the entry is the link's own, and permanent.
    change.at_self |= !change.at_master;
    change.state = state.unwrap_or_default();
    change.noarp = change.state != FdbState::Reachable;
    (change.create, change.exclusive, change.replace) = (how.create, how.exclusive, how.replace);
    let (ns, net) = (ip.ns, ip.net());
    // fdb_vid_parse.
    if change.vlan.is_some_and(|v| v == 0 || v > MAX_VID) {
        return Err(refused(NlError::with(Errno::EINVAL, "invalid vlan id")));
    }
    if how.delete {
        return net.fdb_del(ns, link, &change).map_err(refused);
    }
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
    let ns = ip.ns;
    if at_self {
        return get_own(ip, port, addr);
    }
    if port.is_some_and(|p| ip.dev(p).is_some_and(|d| d.kind.vxlan().is_some() && d.port.is_none())) {
        return Err(Fail::new(254, "Error: Device is not a bridge port."));
    }
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

/// `get ... self`: an entry of the link's own database.
fn get_own(ip: &mut Ip<'_, '_>, link: Option<IfIndex>, addr: MacAddr) -> Done {
    if link.and_then(|link| ip.dev(link)).is_none_or(|d| d.kind.vxlan().is_none()) {
        return Err(Fail::new(254, "Error: Fdb get operation not supported by device."));
    }
    let ns = ip.ns;
    let rows = ip.net().fdb_rows(ns);
    let found = rows.into_iter().find(|row| row.addr == addr && row.tunnel.is_some() && Some(row.link) == link);
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
              [ self ] [ master ] [ vlan VID ] [ router ] [ extern_learn ]
              [ sticky ] [ local | static | dynamic ]
              [ dst IPADDR ] [ port PORT] [ vni VNI ]
	       [ via DEV ] [ src_vni VNI ]
       bridge fdb [ show [ br BRDEV ] [ brport DEV ] [ vlan VID ]
              [ state STATE ] [ dynamic ] ]
       bridge fdb get [ to ] LLADDR [ br BRDEV ] { brport | dev } DEV
              [ vlan VID ] [ self ] [ master ] [ dynamic ]
       bridge fdb flush dev DEV [ brport DEV ] [ vlan VID ] [ self ] [ master ]
";
