//! `show interfaces`

use std::net::Ipv4Addr;

use super::Reply;
use crate::bird::daemon::{Daemon, Iface, IfaceAddr};

pub(super) fn show(daemon: &Daemon, short: bool) -> Reply {
    if short { summary(daemon) } else { all(daemon) }
}

fn all(daemon: &Daemon) -> Reply {
    let mut reply = Reply::default();
    for iface in &daemon.ifaces {
        let master = iface.master.as_ref().map_or_else(String::new, |name| format!(" master={name}"));
        let state = if is_up(iface) { "up" } else { "down" };
        reply.line(1001, format!("{} {state} (index={}{master})", iface.name, iface.index));
        let kind = match (iface.loopback, iface.point_to_point) {
            (true, _) => "MultiAccess",
            (false, true) => "PtP Multicast",
            (false, false) => "MultiAccess Broadcast Multicast",
        };
        let admin = if iface.up { "AdminUp" } else { "AdminDown" };
        let link = if iface.link { "LinkUp" } else { "LinkDown" };
        let loopback = if iface.loopback { " Loopback Ignored" } else { "" };
        reply.line(1004, format!("\t{kind} {admin} {link}{loopback} MTU={}", iface.mtu));
        for (i, addr) in iface.addrs.iter().enumerate() {
            reply.line(1003, format!("\t{}", address(addr, i == 0)));
        }
    }
    reply.done()
}

fn is_up(iface: &Iface) -> bool {
    iface.up
}

fn address(addr: &IfaceAddr, preferred: bool) -> String {
    let preferred = if preferred { "Preferred, " } else { "" };
    let opposite = opposite(addr).map_or_else(String::new, |peer| format!("opposite {peer}, "));
    let scope = scope(addr.ip);
    format!("{}/{} ({preferred}{opposite}scope {scope})", addr.ip, addr.net.prefix_len())
}

/// The only other address of a network with two.
fn opposite(addr: &IfaceAddr) -> Option<Ipv4Addr> {
    let bits = addr.ip.to_bits();
    match addr.net.prefix_len() {
        31 => Some((bits ^ 1).into()),
        30 => Some((bits ^ 3).into()),
        _ => addr.peer,
    }
}

/// `ip4_classify`
fn scope(ip: Ipv4Addr) -> &'static str {
    if ip.is_loopback() {
        "host"
    } else if ip.is_link_local() {
        "link"
    } else if ip.is_private() {
        "site"
    } else {
        "univ"
    }
}

fn summary(daemon: &Daemon) -> Reply {
    let mut reply =
        Reply::of(2005, format!("{:<10} {:<6} {:<18} {}", "Interface", "State", "IPv4 address", "IPv6 address"));
    for iface in &daemon.ifaces {
        let addr = iface.addrs.first().map_or_else(String::new, |a| format!("{}/{}", a.ip, a.net.prefix_len()));
        let state = if is_up(iface) { "up" } else { "down" };
        reply.line(1005, format!("{:<10} {state:<6} {addr:<18} ", iface.name));
    }
    reply.done()
}
