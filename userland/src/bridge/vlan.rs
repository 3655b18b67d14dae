//! `bridge vlan`: iproute2's `bridge/vlan.c`. What it has for multicast routers in VLANs is kept, what it has for tunnels
//! and queriers is refused.

use hopwise_devices::bridge::PortState;
use hopwise_devices::bridge::vlan::VlanStats;
use hopwise_sim_core::{Errno, IfIndex};
use hopwise_stack::NlError;
use hopwise_stack::control::bridge::{VlanChange, VlanRow};

use super::{Extra, refused};
use crate::ip::Ip;
use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::out::Out;

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args, extra: Extra) -> Done {
    let Some(word) = args.next() else { return show(ip, args, extra) };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("add") => modify(ip, args, true),
        () if is("delete") => modify(ip, args, false),
        () if is("show") || is("lst") || is("list") => show(ip, args, extra),
        () if word == "tunnelshow" => {
            ip.out.open();
            ip.out.text("port              vlan-id    tunnel-id\n");
            ip.out.close();
            Ok(())
        }
        () if is("set") => set(ip, args),
        // The options of queriers, which do not exist here.
        () if is("global") => Err(refused(NlError::from(Errno::EOPNOTSUPP))),
        () if is("help") => Err(Fail::usage(USAGE)),
        () => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"bridge vlan help\"."))),
    }
}

/// A number as `atoi` reads it: digits, and what follows is not looked at.
fn atoi(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    sign * digits.get(..end).and_then(|d| d.parse::<u32>().ok()).map_or(0, i64::from)
}

/// The VLANs that a command is about, as they stand on the command line.
#[derive(Clone, Copy)]
struct Vids {
    first: i64,
    last: Option<i64>,
}

impl Vids {
    fn read(text: &str) -> Vids {
        match text.split_once('-') {
            Some((first, last)) => Vids { first: atoi(first), last: Some(atoi(last)) },
            None => Vids { first: atoi(text), last: None },
        }
    }

    /// The numbers, if iproute2 lets them pass.
    fn checked(self) -> Done<(u16, u16)> {
        let first = self.first as u16;
        if self.first >= 4096 || self.first < 0 {
            return Err(Fail::new(255, format!("Invalid VLAN ID \"{first}\"")));
        }
        match self.last {
            Some(last) if last >= 4096 || self.first >= last => {
                Err(Fail::new(255, format!("Invalid VLAN range \"{first}-{}\"", last as u16)))
            }
            Some(last) => Ok((first, last as u16)),
            None => Ok((first, first)),
        }
    }
}

const REQUIRED: &str = "Device and VLAN ID are required arguments.";

fn device_named(ip: &Ip<'_, '_>, name: &str) -> Done<IfIndex> {
    ip.link(name).ok_or_else(|| Fail::new(255, format!("Cannot find bridge device \"{name}\"")))
}

/// `vlan_modify`.
fn modify(ip: &mut Ip<'_, '_>, args: &mut Args, add: bool) -> Done {
    let (mut dev, mut vids, mut tunnel) = (None, None, false);
    let mut change = VlanChange { first: 0, last: 0, pvid: false, untagged: false, at_master: false, at_self: false };
    while let Some(word) = args.next() {
        match &*word {
            "dev" => dev = Some(args.need()?),
            "vid" => vids = Some(Vids::read(&args.need()?)),
            "self" => change.at_self = true,
            "master" => change.at_master = true,
            "pvid" => change.pvid = true,
            "untagged" => change.untagged = true,
            "tunnel_info" => {
                args.need()?;
                args.need()?;
                tunnel = true;
            }
            _ if args::matches(&word, "help") => drop(args.need()?),
            // Other words are skipped, as `bridge` does it.
            _ => {}
        }
    }
    let (Some(dev), Some(vids)) = (dev, vids) else { return Err(Fail::new(255, REQUIRED)) };
    let link = device_named(ip, &dev)?;
    (change.first, change.last) = vids.checked()?;
    if vids.last.is_some() && change.pvid {
        return Err(Fail::new(255, "pvid cannot be configured for a vlan range"));
    }
    let (ns, net) = (ip.ns, ip.net());
    if tunnel {
        // br_process_vlan_tunnel_info: the port must be one of tunnels.
        return Err(refused(NlError::from(Errno::EINVAL)));
    }
    let done = if add { net.vlan_add(ns, link, &change) } else { net.vlan_del(ns, link, &change) };
    done.map_err(refused)
}

/// `vlan_option_set`.
fn set(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let (mut dev, mut vids, mut state, mut router) = (None, None, None, None);
    while let Some(word) = args.next() {
        match &*word {
            "dev" => dev = Some(args.need()?),
            "vid" => vids = Some(Vids::read(&args.need()?)),
            "state" => state = Some(stp_state(&args.need()?)?),
            "mcast_router" => router = Some(args.number::<u8>("invalid mcast_router")?),
            _ if args::matches(&word, "help") => drop(args.need()?),
            _ => {}
        }
    }
    let (Some(dev), Some(vids)) = (dev, vids) else { return Err(Fail::new(255, REQUIRED)) };
    let link = device_named(ip, &dev)?;
    let vids = vids.checked()?;
    let (ns, net) = (ip.ns, ip.net());
    net.vlan_set(ns, link, vids, state, router).map_err(refused)
}

fn stp_state(word: &str) -> Done<u8> {
    if let Ok(number) = word.parse() {
        return Ok(number);
    }
    let named = (0..5).filter_map(PortState::from_number).find(|s| s.name().eq_ignore_ascii_case(word));
    named.map(PortState::number).ok_or_else(|| Fail::new(255, "Error: invalid STP state"))
}

/// VLANs that are shown as one: the first and the last.
type Range = (VlanRow, VlanRow);

/// How rows are joined and what is said about each.
#[derive(Clone, Copy)]
struct Layout {
    details: bool,
    stats: bool,
    ranges: bool,
    color: bool,
}

/// `vlan_show`.
fn show(ip: &mut Ip<'_, '_>, args: &mut Args, extra: Extra) -> Done {
    let (mut dev, mut vid): (Option<String>, i64) = (None, 0);
    while let Some(word) = args.next() {
        match &*word {
            "dev" => {
                let name = args.need()?;
                if dev.is_some() {
                    return Err(args::duparg("dev", &name));
                }
                dev = Some(name);
            }
            "vid" => {
                let text = args.need()?;
                if vid != 0 {
                    return Err(args::duparg("vid", &text));
                }
                vid = atoi(&text);
            }
            _ => {}
        }
    }
    let missing = |name: &String| Fail::new(255, format!("Cannot find device \"{name}\""));
    let only = dev.map(|name| ip.link(&name).ok_or_else(|| missing(&name))).transpose()?;
    let layout = Layout {
        details: ip.opt.details > 0,
        stats: ip.opt.stats > 0,
        ranges: ip.opt.stats == 0 && (ip.opt.details > 0 || extra.compress),
        color: extra.color,
    };
    let ns = ip.ns;
    let mut rows = ip.net().vlan_rows(ns);
    rows.retain(|row| only.is_none_or(|o| o == row.link));
    if layout.stats && !layout.details {
        // The counters of bridges are asked for first, then those of ports.
        rows.sort_by_key(|row| ip.dev(row.link).is_some_and(|d| d.port.is_some()));
    }
    let ranges: Vec<Range> = join(&rows, layout)
        .into_iter()
        .filter(|(a, b)| vid == 0 || (vid >= a.vlan.vid.into() && vid <= b.vlan.vid.into()))
        .collect();
    ip.out.open();
    let end = if layout.stats && !layout.details { "" } else { "  " };
    ip.out.text(format_args!("port              vlan-id{end}\n"));
    for of_link in ranges.chunk_by(|a, b| a.0.link == b.0.link) {
        if let [first, ..] = of_link {
            let name = ip.link_name(first.0.link);
            print_link(&mut ip.out, &name, of_link, layout);
        }
    }
    ip.out.close();
    Ok(())
}

/// Neighbouring VLANs that are alike become one row (`br_vlan_can_enter_range`; without `-d` by their flags alone).
fn join(rows: &[VlanRow], layout: Layout) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for row in rows {
        if layout.ranges
            && let Some((first, last)) = ranges.last_mut()
            && last.link == row.link
            && last.vlan.vid + 1 == row.vlan.vid
            && last.vlan.untagged == row.vlan.untagged
            && !row.pvid
            && (if layout.details { options(last) == options(row) } else { !first.pvid })
        {
            *last = *row;
            continue;
        }
        ranges.push((*row, *row));
    }
    ranges
}

fn options(row: &VlanRow) -> (PortState, u8) {
    (row.vlan.state, row.vlan.mcast_router)
}

fn print_link(out: &mut Out, name: &str, ranges: &[Range], layout: Layout) {
    out.open_object(None);
    let padded = format!("{name:<17} ");
    let colored = if layout.color { format!("\x1b[36m{padded}\x1b[0m") } else { padded };
    out.any("ifname", colored, name);
    out.array(Some("vlans"), |out| {
        for (i, (first, last)) in ranges.iter().enumerate() {
            if i > 0 {
                out.text(format_args!("{:18}", ""));
            }
            out.object(None, |out| print_range(out, first, last, layout));
        }
    });
    out.close_object();
}

fn print_range(out: &mut Out, first: &VlanRow, last: &VlanRow, layout: Layout) {
    let (from, to) = (first.vlan.vid, last.vlan.vid);
    let key = if layout.stats && !layout.details { "vid" } else { "vlan" };
    out.any(key, from, from);
    if to != from {
        out.any("vlanEnd", format_args!("-{to}"), to);
    }
    let flags = [(first.pvid, "PVID"), (first.vlan.untagged, "Egress Untagged")];
    if flags.iter().any(|(on, _)| *on) {
        out.array(Some("flags"), |out| {
            for (_, flag) in flags.iter().filter(|(on, _)| *on) {
                out.item(format_args!(" {flag}"), *flag);
            }
        });
    }
    out.text("\n");
    if layout.details {
        let state = first.vlan.state.name();
        out.any("state", format_args!("{:20}state {state} ", ""), state);
        let router = first.vlan.mcast_router;
        out.any("mcast_router", format_args!("mcast_router {router} "), router);
        out.text("\n");
    }
    if layout.stats {
        print_stats(out, &first.vlan.stats);
    }
}

fn print_stats(out: &mut Out, stats: &VlanStats) {
    let &VlanStats { rx_bytes, rx_packets, tx_bytes, tx_packets } = stats;
    out.any("rx_bytes", format_args!("{:20}RX: {rx_bytes} bytes", ""), rx_bytes);
    out.any("rx_packets", format_args!(" {rx_packets} packets\n"), rx_packets);
    out.any("tx_bytes", format_args!("{:20}TX: {tx_bytes} bytes", ""), tx_bytes);
    out.any("tx_packets", format_args!(" {tx_packets} packets\n"), tx_packets);
}

const USAGE: &str = "Usage: bridge vlan { add | del } vid VLAN_ID dev DEV [ pvid ] [ untagged ]
                                            [ self ] [ master ]
       bridge vlan set vid VLAN_ID dev DEV [ state STP_STATE ]
                                           [ mcast_router MULTICAST_ROUTER ]
       bridge vlan [ show ] [ dev DEV ] [ vid VLAN_ID ]
";
