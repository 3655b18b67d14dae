//! `bridge link`: iproute2's `bridge/link.c`.

use hopwise_devices::bridge::{Port, PortState};
use hopwise_sim_core::{Errno, IfIndex};
use hopwise_stack::NlError;
use hopwise_stack::control::bridge::PortOption;

use super::refused;
use crate::ip::Ip;
use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::link::print;
use crate::ip::out::Out;

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show(ip, args) };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("set") || is("change") => set(ip, args),
        () if is("show") || is("lst") || is("list") => show(ip, args),
        () if is("help") => Err(Fail::usage(USAGE)),
        () => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"bridge link help\"."))),
    }
}

fn show(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let mut only = None;
    // Words that are not known are skipped, as `bridge` does it.
    while let Some(word) = args.next() {
        if word == "dev" {
            let name = args.need()?;
            only = Some(ip.link(&name).ok_or_else(|| Fail::new(255, format!("Cannot find device \"{name}\"")))?);
        }
    }
    let ports: Vec<IfIndex> = ip.space()?.devs.iter().filter(|d| d.port.is_some()).map(|d| d.index).collect();
    ip.out.open();
    for port in ports.into_iter().filter(|p| only.is_none_or(|o| o == *p)) {
        print_port(ip, port);
    }
    ip.out.close();
    Ok(())
}

fn print_port(ip: &mut Ip<'_, '_>, link: IfIndex) {
    let Ip { sys, opt, out, ns, .. } = ip;
    let Some(space) = sys.kernel.net.ns(*ns) else { return };
    let Some(dev) = space.devs.get(link) else { return };
    let Some(port) = dev.port.as_deref() else { return };
    out.open_object(None);
    out.any("ifindex", format_args!("{}: ", dev.index), dev.index.0);
    let (mut name, mut m_down) = (dev.name.to_string(), false);
    let below = dev.iflink();
    // br_fill_ifinfo tells the number of the peer only where it differs, even if the peer is in another namespace.
    if below != dev.index {
        // The number is looked up in this namespace, wherever the peer is: as `bridge` does it.
        let below = space.devs.get(below);
        let named = below.map_or_else(|| format!("if{}", dev.iflink()), |d| d.name.to_string());
        m_down = below.is_some_and(|d| !d.is_up());
        out.field("link", named.as_str());
        name.push_str(&format!("@{named}"));
    }
    out.any("ifname", format_args!("{name}: "), &*dev.name);
    print::flags(out, dev, m_down);
    out.any("mtu", format_args!("mtu {} ", dev.mtu), dev.mtu);
    let master = space.name_of(port.bridge);
    out.any("master", format_args!("master {master} "), master);
    out.any("state", format_args!("state {} ", port.state.name()), port.state.name());
    out.any("priority", format_args!("priority {} ", port.priority), port.priority);
    out.any("cost", format_args!("cost {} ", port.cost), port.cost);
    if opt.details > 0 {
        out.line();
        out.text("    ");
        details(out, port);
    }
    out.end_record();
    out.close_object();
}

/// What `-d` adds, in iproute2's order.
fn details(out: &mut Out, port: &Port) {
    const WORDS: [&str; 14] = [
        "hairpin",
        "guard",
        "root_block",
        "fastleave",
        "learning",
        "flood",
        "mcast_flood",
        "bcast_flood",
        "mcast_router",
        "mcast_to_unicast",
        "neigh_suppress",
        "vlan_tunnel",
        "isolated",
        "locked",
    ];
    for option in WORDS.iter().filter_map(|word| PortOption::find(word)) {
        let value = option.get(port);
        if option.switch {
            let text = if value != 0 { "on" } else { "off" };
            out.any(option.word, format_args!("{} {text} ", option.word), value != 0);
        } else {
            out.any(option.word, format_args!("{} {value} ", option.word), value);
        }
    }
}

fn set(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let (mut dev, mut changes, mut at_self) = (None, Vec::new(), false);
    while let Some(word) = args.next() {
        match &*word {
            "dev" => dev = Some(args.need()?),
            "self" => at_self = true,
            "master" => {}
            "state" => changes.push((option("state")?, state(&args.need()?)?)),
            // Numbers as `atoi` reads them; a cost of zero is not sent at all.
            "cost" | "priority" => {
                let value = args::unsigned(&args.need()?).unwrap_or(0);
                if word == "priority" || value > 0 {
                    changes.push((option(&word)?, value));
                }
            }
            "mcast_router" => changes.push((option(&word)?, args.number::<u8>("invalid mcast_router")?.into())),
            // The kernel takes it and does nothing for a software bridge.
            "learning_sync" => drop(args.on_off(&word)?),
            // Only hardware has a mode, and no bridge here has a spare port.
            "hwmode" | "backup_port" => {
                args.need()?;
                return Err(refused(NlError::from(Errno::EOPNOTSUPP)));
            }
            _ => match PortOption::find(&word).filter(|o| o.switch) {
                Some(option) => changes.push((option, u64::from(args.on_off(&word)?))),
                None => return Err(Fail::usage(USAGE)),
            },
        }
    }
    let Some(name) = dev else { return Err(Fail::new(255, "Device is a required argument.")) };
    let missing = || Fail::new(255, format!("Cannot find bridge device \"{name}\""));
    let link = ip.link(&name).ok_or_else(missing)?;
    if at_self {
        return Err(refused(NlError::from(Errno::EOPNOTSUPP)));
    }
    let ns = ip.ns;
    for (option, value) in changes {
        ip.net().set_port_option(ns, link, option, value).map_err(refused)?;
    }
    Ok(())
}

fn option(word: &str) -> Done<&'static PortOption> {
    PortOption::find(word).ok_or_else(|| Fail::usage(USAGE))
}

fn state(word: &str) -> Done<u64> {
    if let Ok(number) = word.parse::<u64>() {
        return Ok(number);
    }
    let named = (0..5).filter_map(PortState::from_number).find(|s| s.name().eq_ignore_ascii_case(word));
    named.map(|s| s.number().into()).ok_or_else(|| Fail::new(255, "Error: invalid STP port state"))
}

const USAGE: &str = "Usage: bridge link set dev DEV [ cost COST ] [ priority PRIO ] [ state STATE ]
                               [ guard {on | off} ]
                               [ hairpin {on | off} ]
                               [ fastleave {on | off} ]
                               [ root_block {on | off} ]
                               [ learning {on | off} ]
                               [ learning_sync {on | off} ]
                               [ flood {on | off} ]
                               [ mcast_router MULTICAST_ROUTER ]
                               [ mcast_flood {on | off} ]
                               [ bcast_flood {on | off} ]
                               [ mcast_to_unicast {on | off} ]
                               [ neigh_suppress {on | off} ]
                               [ vlan_tunnel {on | off} ]
                               [ isolated {on | off} ]
                               [ locked {on | off} ]
                               [ self ] [ master ]
       bridge link show [dev DEV]
";
