//! `ip link set`: what was asked for is done in the order of the kernel's `do_setlink`; if something is refused, what
//! came before it stays done.

use hopwise_devices::bridge::options::OptionRow;
use hopwise_devices::ipip::TunnelParams;
use hopwise_devices::vlan::VlanOptions;
use hopwise_sim_core::{Errno, IfIndex, NsId};
use hopwise_stack::Dev;
use hopwise_stack::NlError;
use hopwise_stack::control::bridge::PortOption;
use hopwise_stack::control::link::MacvlanChange;
use hopwise_stack::control::vxlan::VxlanChange;

use super::kinds::{self, Change};
use super::spec::Spec;
use super::{macvlan, stacked_kinds, vxlan};
use crate::ip::Ip;
use crate::ip::args::{self, Args, Done, Fail};

/// The arguments behind `type`.
enum Kind {
    None,
    Bridge(Vec<Change<OptionRow>>),
    Port(Vec<Change<PortOption>>),
    Ipip(TunnelParams),
    Vxlan(Box<VxlanChange>),
    Vlan(VlanOptions),
    Macvlan(MacvlanChange),
    Vrf,
    Ipvlan(stacked_kinds::IpvlanWords),
}

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let spec = Spec::parse(ip, args)?;
    let kind = match spec.kind.as_deref() {
        // Without a word nothing is sent that could be refused; only a tun minds being named.
        Some(kind) if args.is_empty() && kind != "tun" => Kind::None,
        Some("bridge") => Kind::Bridge(kinds::bridge(args)?),
        Some("bridge_slave") => Kind::Port(kinds::bridge_slave(args)?),
        Some("ipip") => {
            let link = spec.dev.as_deref().map(|name| ip.need_link(name)).transpose()?;
            let now = link.and_then(|link| ip.dev(link)?.kind.ipip()).map(|tunnel| tunnel.params);
            let now = now.ok_or_else(|| Fail::new(1, "Failed to get existing tunnel info."))?;
            Kind::Ipip(super::ipip::parse(ip, args, now)?)
        }
        Some("vxlan") if !args.is_empty() => Kind::Vxlan(Box::new(vxlan::parse(ip, args, false)?)),
        Some("tun") => return Err(super::add::no_tun(args)),
        Some("veth") => {
            kinds::veth(ip, args)?;
            Kind::None
        }
        Some("vlan") => Kind::Vlan(stacked_kinds::vlan(args, None)?.options),
        Some("vrf") => {
            kinds::vrf(ip, args)?;
            Kind::Vrf
        }
        Some("ipvlan") => Kind::Ipvlan(stacked_kinds::ipvlan(args)?),
        Some("macvlan") => Kind::Macvlan(macvlan::parse(ip, args)?),
        _ => match args.peek() {
            None => Kind::None,
            Some(word) if args::matches(word, "help") => return Err(super::usage()),
            Some(word) => {
                let text = format!("Garbage instead of arguments \"{word} ...\". Try \"ip link help\".");
                return Err(Fail::new(1, text));
            }
        },
    };
    let ns = ip.ns;
    let Some(name) = &spec.dev else {
        // `ip link set group N ...`: all links of the group.
        let Some(group) = spec.group else {
            return Err(Fail::new(255, "Not enough information: \"dev\" argument is required."));
        };
        let members: Vec<IfIndex> = ip.space()?.devs.iter().filter(|d| d.group == group).map(|d| d.index).collect();
        let spec = Spec { group: None, ..spec };
        return members.into_iter().try_for_each(|link| apply(ip, ns, link, &spec, &kind));
    };
    let link = ip.need_link(name)?;
    let fits = |dev: &Dev, len: usize| dev.hw_addr_len() == len;
    match &spec.addr_length {
        // The ends of a tunnel are not set like this (eth_mac_addr is what others have).
        Some((len, _)) if ip.dev(link).is_some_and(|dev| fits(dev, *len)) => {
            Err(NlError::from(Errno::EOPNOTSUPP).into())
        }
        Some((_, fail)) => Err(fail.clone()),
        None => apply(ip, ns, link, &spec, &kind),
    }
}

fn apply(ip: &mut Ip<'_, '_>, mut ns: NsId, mut link: IfIndex, spec: &Spec, kind: &Kind) -> Done {
    change_kind(ip, ns, link, kind)?;
    let net = ip.net();
    if let Some(to) = spec.netns {
        link = net.move_link(ns, link, to, spec.name.as_deref())?;
        ns = to;
    }
    if let Some(addr) = spec.addr {
        net.set_link_addr(ns, link, addr)?;
    }
    if let Some(mtu) = spec.mtu {
        net.set_link_mtu(ns, link, mtu)?;
    }
    if let Some(group) = spec.group {
        net.set_link_group(ns, link, group)?;
    }
    if let Some(name) = &spec.name {
        net.set_link_name(ns, link, name)?;
    }
    if let Some(alias) = &spec.alias {
        net.set_link_alias(ns, link, alias)?;
    }
    if let Some(addr) = spec.broadcast {
        net.set_link_broadcast(ns, link, addr)?;
    }
    if let Some(master) = spec.master {
        net.set_link_master(ns, link, Some(master).filter(|m| m.is_some()))?;
    }
    for (flag, on) in &spec.flags {
        net.set_link_flags(ns, link, *flag, *on)?;
    }
    if let Some(up) = spec.up {
        net.set_link_up(ns, link, up)?;
    }
    if let Some(on) = spec.carrier {
        net.set_link_carrier(ns, link, on)?;
    }
    if let Some(length) = spec.txqlen {
        net.set_link_txqlen(ns, link, length)?;
    }
    net.set_link_sizes(ns, link, &spec.sizes)?;
    if let Some(dormant) = spec.dormant {
        net.set_link_mode(ns, link, dormant)?;
    }
    if spec.vf {
        return Err(NlError::from(Errno::EOPNOTSUPP).into());
    }
    if let Some(mode) = spec.addrgenmode
        && let Some(dev) = net.ns_mut(ns).and_then(|n| n.devs.get_mut(link))
    {
        dev.addrgenmode = mode;
    }
    if spec.protodown {
        return Err(NlError::with(Errno::EOPNOTSUPP, "Protodown not supported by device").into());
    }
    Ok(())
}

/// `rtnl_changelink`: options of the kind, or of the port.
fn change_kind(ip: &mut Ip<'_, '_>, ns: NsId, link: IfIndex, kind: &Kind) -> Done {
    let net = ip.net();
    let dev = net.ns(ns).and_then(|n| n.devs.get(link)).ok_or(NlError::from(Errno::ENODEV))?;
    let (is_bridge, master) = (dev.kind.bridge().is_some(), dev.master);
    match kind {
        Kind::None => {}
        Kind::Vlan(options) => net.vlan_change(ns, link, options)?,
        // It has no ops->changelink.
        Kind::Vrf => return Err(NlError::from(Errno::EOPNOTSUPP).into()),
        Kind::Ipvlan(words) => net.ipvlan_change(ns, link, words.mode, words.reach)?,
        Kind::Macvlan(change) => net.macvlan_change(ns, link, change)?,
        Kind::Bridge(_) if !is_bridge => return Err(NlError::from(Errno::EOPNOTSUPP).into()),
        Kind::Bridge(changes) => {
            for change in changes {
                match change {
                    Change::Set(row, value) => net.set_bridge_option(ns, link, row, *value)?,
                    Change::Flush => net.bridge_flush(ns, link, None)?,
                }
            }
        }
        Kind::Ipip(params) => net.tunnel_change(ns, link, *params)?,
        Kind::Vxlan(change) => net.vxlan_change(ns, link, change)?,
        Kind::Port(_) if !master.is_some() => return Err(NlError::from(Errno::EOPNOTSUPP).into()),
        Kind::Port(changes) => {
            for change in changes {
                match change {
                    Change::Set(option, value) => net.set_port_option(ns, link, option, *value)?,
                    Change::Flush => net.bridge_flush(ns, master, Some(link))?,
                }
            }
        }
    }
    Ok(())
}
