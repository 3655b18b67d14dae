//! Links and their addresses, as the device protocol knows them.

use core::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;

use crate::bird::config::{Config, InterfacePattern};
use crate::bird::pattern;

/// An address of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IfaceAddr {
    /// The address.
    pub ip: Ipv4Addr,
    /// Its network.
    pub net: Ipv4Net,
    /// The other end of a link with two ends.
    pub peer: Option<Ipv4Addr>,
}

/// A link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Iface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: Arc<str>,
    /// It is switched on.
    pub up: bool,
    /// It has a carrier.
    pub link: bool,
    /// `lo`
    pub loopback: bool,
    /// It has no Ethernet header: two ends.
    pub point_to_point: bool,
    /// The longest packet.
    pub mtu: u32,
    /// Its master's name.
    pub master: Option<Arc<str>>,
    /// Its addresses, the first is preferred.
    pub addrs: Vec<IfaceAddr>,
}

impl Iface {
    /// The address of this link whose network an address is in, but not the address itself.
    pub fn addr_towards(&self, to: Ipv4Addr) -> Option<&IfaceAddr> {
        self.addrs.iter().find(|addr| match addr.peer {
            Some(peer) if addr.net.prefix_len() == 32 => peer == to,
            _ => addr.net.contains(&to) && addr.ip != to,
        })
    }
}

/// Whether a link is meant by a list of patterns; an empty list means all.
pub(super) fn is_meant(patterns: &[InterfacePattern], iface: &Iface, addr: &IfaceAddr) -> bool {
    if patterns.is_empty() {
        return true;
    }
    let fits = |p: &&InterfacePattern| {
        p.name.as_ref().is_none_or(|name| pattern::matches(name, &iface.name))
            && p.net.is_none_or(|net| net.contains(&addr.ip))
    };
    patterns.iter().find(fits).is_some_and(|p| !p.negative)
}

/// The router id: as configured, or the lowest address of a link that is no loopback.
pub(super) fn router_id(config: &Config, ifaces: &[Iface]) -> Option<Ipv4Addr> {
    if config.router_id.is_some() {
        return config.router_id;
    }
    let meant = |iface: &&Iface| match &config.router_id_from {
        None => iface.up && !iface.loopback,
        Some(patterns) => {
            let first = patterns.iter().find(|p| pattern::matches(p.trim_start_matches('-'), &iface.name));
            iface.up && first.is_some_and(|p| !p.starts_with('-'))
        }
    };
    ifaces.iter().filter(meant).filter_map(|iface| iface.addrs.first()).map(|addr| addr.ip).min()
}
