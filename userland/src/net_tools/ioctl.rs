//! The kernel's side of `ioctl(2)` on sockets: `devinet_ioctl` of `net/ipv4/devinet.c`, `rtentry_to_fib_config` of
//! `net/ipv4/fib_frontend.c` and `arp_ioctl` of `net/ipv4/arp.c`. Each function is one request in the caller's
//! namespace.

use core::net::Ipv4Addr;

use hopwise_devices::LinkFlags;
use hopwise_machine::Sys;
use hopwise_protocols::fib::{
    Insert, Metrics, NextHop, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_NOWHERE, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN,
    RTAX_ADVMSS, RTAX_RTT, RTAX_WINDOW, RTPROT_BOOT, Route, RouteSpec, RouteType,
};
use hopwise_protocols::neigh::{NeighFlags, NewNeigh, Nud};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Errno, IfIndex};
use hopwise_stack::control::addr::{AddrMatch, AddrMode};
use hopwise_stack::control::link::FlagChange;
use hopwise_stack::control::route::{RouteFound, RouteQuery};
use hopwise_stack::dev::Dev;
use hopwise_stack::inet::IfAddr;
use hopwise_stack::{Namespace, NlError};
use ipnet::Ipv4Net;

use crate::kernel::SimKernel;

/// The longest name of a link (`IFNAMSIZ` without the terminating zero).
pub const NAME_MAX: usize = 15;

/// The flags that `SIOCSIFFLAGS` can change, and how; others it ignores.
const CHANGES: &[(LinkFlags, FlagChange)] = &[
    (LinkFlags::PROMISC, FlagChange::Promisc),
    (LinkFlags::ALLMULTI, FlagChange::AllMulti),
    (LinkFlags::MULTICAST, FlagChange::Multicast),
    (LinkFlags::DYNAMIC, FlagChange::Dynamic),
];

/// The caller's namespace.
///
/// # Errors
/// `ENODEV` if it is gone.
pub fn space<'a>(sys: &'a Sys<'_, SimKernel>) -> Result<&'a Namespace, Errno> {
    sys.kernel.net.ns(sys.ns()).ok_or(Errno::ENODEV)
}

/// The link that a name means: what follows a colon names an alias.
///
/// # Errors
/// `ENODEV`.
pub fn link<'a>(sys: &'a Sys<'_, SimKernel>, name: &str) -> Result<&'a Dev, Errno> {
    let link = name.split(':').next().unwrap_or_default();
    space(sys)?.devs.find(link).ok_or(Errno::ENODEV)
}

fn index(sys: &Sys<'_, SimKernel>, name: &str) -> Result<IfIndex, Errno> {
    link(sys, name).map(|dev| dev.index)
}

fn told(result: Result<(), NlError>) -> Result<(), Errno> {
    result.map_err(|error| error.errno)
}

/// `SIOCGIFFLAGS`: 16 bits, the alias' flags are its link's.
///
/// # Errors
/// `ENODEV`.
pub fn flags(sys: &Sys<'_, SimKernel>, name: &str) -> Result<LinkFlags, Errno> {
    link(sys, name).map(|dev| LinkFlags::from_bits_retain(dev.flags_shown().bits() & 0xffff))
}

/// `SIOCSIFFLAGS`. Of an alias only its end can be asked: the link is as it is.
///
/// # Errors
/// `ENODEV`; `EADDRNOTAVAIL` for an alias without address.
pub fn set_flags(sys: &mut Sys<'_, SimKernel>, name: &str, wanted: LinkFlags) -> Result<(), Errno> {
    let dev = index(sys, name)?;
    let ns = sys.ns();
    if name.contains(':') {
        let addr = address(sys, name)?;
        return if wanted.contains(LinkFlags::UP) { Ok(()) } else { delete(sys, dev, &addr) };
    }
    let before = flags(sys, name)?;
    let changed = before ^ wanted;
    // __dev_change_flags: first the lasting flags, then up or down, then the counted ones.
    if changed.contains(LinkFlags::NOARP) {
        told(sys.kernel.net.set_link_flags(ns, dev, FlagChange::Arp, !wanted.contains(LinkFlags::NOARP)))?;
    }
    if changed.contains(LinkFlags::UP) {
        told(sys.kernel.net.set_link_up(ns, dev, wanted.contains(LinkFlags::UP)))?;
    }
    for (flag, change) in CHANGES.iter().filter(|(flag, _)| changed.contains(*flag)) {
        told(sys.kernel.net.set_link_flags(ns, dev, *change, wanted.contains(*flag)))?;
    }
    Ok(())
}

/// The address that a name stands for: the first one with this label (`SIOCGIFADDR` and the like).
///
/// # Errors
/// `ENODEV`, `EADDRNOTAVAIL`.
pub fn address(sys: &Sys<'_, SimKernel>, name: &str) -> Result<IfAddr, Errno> {
    let found = link(sys, name)?.inet.addrs.iter().find(|a| *a.label == *name);
    found.map(|a| (**a).clone()).ok_or(Errno::EADDRNOTAVAIL)
}

fn delete(sys: &mut Sys<'_, SimKernel>, dev: IfIndex, addr: &IfAddr) -> Result<(), Errno> {
    let which = AddrMatch {
        local: Some(addr.local),
        address: Some((addr.peer, addr.prefix_len)),
        label: Some(addr.label.to_string()),
    };
    let ns = sys.ns();
    told(sys.kernel.net.addr_del(ns, dev, &which))
}

/// Takes an address away and puts it back changed, which is how the kernel changes them.
fn change(sys: &mut Sys<'_, SimKernel>, name: &str, change: impl FnOnce(&mut IfAddr, &Dev)) -> Result<(), Errno> {
    let old = address(sys, name)?;
    let dev = link(sys, name)?;
    let mut new = old.clone();
    change(&mut new, dev);
    let index = dev.index;
    if new == old {
        return Ok(());
    }
    delete(sys, index, &old)?;
    // The kernel does not look whether it can put it back: an address that is there already in this form is lost.
    let _ = insert(sys, index, new);
    Ok(())
}

fn insert(sys: &mut Sys<'_, SimKernel>, dev: IfIndex, mut addr: IfAddr) -> Result<(), Errno> {
    addr.secondary = false;
    if addr.local.is_loopback() {
        addr.scope = RT_SCOPE_HOST;
    }
    let ns = sys.ns();
    told(sys.kernel.net.addr_add(ns, dev, addr, AddrMode::Add))
}

/// The length of the prefix of an address' class (`inet_abc_len`).
fn class_prefix(addr: Ipv4Addr) -> Option<u8> {
    match addr.octets()[0] {
        _ if addr.is_broadcast() => Some(0),
        0 => Some(0),
        1..128 => Some(8),
        128..192 => Some(16),
        192..224 => Some(24),
        224..240 => None,
        240.. => Some(32),
    }
}

/// `SIOCSIFADDR`: the address that the name stands for becomes this one, with the prefix of its class. 0.0.0.0 takes it
/// away.
///
/// # Errors
/// `ENODEV`, `EINVAL` for a group, `EEXIST`.
pub fn set_address(sys: &mut Sys<'_, SimKernel>, name: &str, local: Ipv4Addr) -> Result<(), Errno> {
    let dev = link(sys, name)?;
    let (index, broadcast) = (dev.index, dev.flags.contains(LinkFlags::BROADCAST));
    let prefix_len = class_prefix(local).ok_or(Errno::EINVAL)?;
    if let Ok(old) = address(sys, name) {
        if old.local == local {
            return Ok(());
        }
        delete(sys, index, &old)?;
    }
    let mut addr = IfAddr { label: name.into(), ..IfAddr::new(local, prefix_len) };
    if broadcast && prefix_len < 31 {
        addr.broadcast = Some(directed_broadcast(&addr));
    }
    insert(sys, index, addr)
}

fn directed_broadcast(addr: &IfAddr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(addr.local) | !mask_of(addr.prefix_len))
}

fn mask_of(prefix_len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0)
}

/// `SIOCSIFNETMASK`. A broadcast address that followed from the old mask follows the new one.
///
/// # Errors
/// `ENODEV`, `EADDRNOTAVAIL` without address, `EINVAL` for a mask with holes.
pub fn set_netmask(sys: &mut Sys<'_, SimKernel>, name: &str, mask: Ipv4Addr) -> Result<(), Errno> {
    address(sys, name)?;
    let mask = u32::from(mask);
    let prefix_len = mask.leading_ones() as u8;
    if mask != mask_of(prefix_len) {
        return Err(Errno::EINVAL);
    }
    change(sys, name, |addr, dev| {
        let follows = addr.broadcast == Some(directed_broadcast(addr));
        addr.prefix_len = prefix_len;
        if dev.flags.contains(LinkFlags::BROADCAST) && prefix_len < 31 && follows {
            addr.broadcast = Some(directed_broadcast(addr));
        }
    })
}

/// `SIOCSIFBRDADDR`.
///
/// # Errors
/// `ENODEV`, `EADDRNOTAVAIL` without address.
pub fn set_broadcast(sys: &mut Sys<'_, SimKernel>, name: &str, broadcast: Ipv4Addr) -> Result<(), Errno> {
    change(sys, name, |addr, _| addr.broadcast = Some(broadcast).filter(|b| !b.is_unspecified()))
}

/// `SIOCSIFDSTADDR`.
///
/// # Errors
/// `ENODEV`, `EADDRNOTAVAIL` without address, `EINVAL` for a group.
pub fn set_peer(sys: &mut Sys<'_, SimKernel>, name: &str, peer: Ipv4Addr) -> Result<(), Errno> {
    address(sys, name)?;
    class_prefix(peer).ok_or(Errno::EINVAL)?;
    change(sys, name, |addr, _| addr.peer = peer)
}

/// `SIOCSIFMTU`.
///
/// # Errors
/// `ENODEV`, `EINVAL`.
pub fn set_mtu(sys: &mut Sys<'_, SimKernel>, name: &str, mtu: i32) -> Result<(), Errno> {
    let (dev, ns) = (index(sys, name)?, sys.ns());
    let mtu = u32::try_from(mtu).map_err(|_| Errno::EINVAL)?;
    told(sys.kernel.net.set_link_mtu(ns, dev, mtu))
}

/// `SIOCSIFTXQLEN`.
///
/// # Errors
/// `ENODEV`, `EINVAL` for a negative length.
pub fn set_txqlen(sys: &mut Sys<'_, SimKernel>, name: &str, length: i32) -> Result<(), Errno> {
    let (dev, ns) = (index(sys, name)?, sys.ns());
    let length = u32::try_from(length).map_err(|_| Errno::EINVAL)?;
    told(sys.kernel.net.set_link_txqlen(ns, dev, length))
}

/// `SIOCSIFHWADDR`, for a kind of hardware that is Ethernet or not.
///
/// # Errors
/// `ENODEV`, `EINVAL` if the link is of another kind, `EADDRNOTAVAIL` for a group.
pub fn set_hardware_address(sys: &mut Sys<'_, SimKernel>, name: &str, ether: bool, addr: MacAddr) -> Result<(), Errno> {
    let dev = link(sys, name)?;
    if !ether || dev.flags.contains(LinkFlags::LOOPBACK) {
        return Err(Errno::EINVAL);
    }
    let (dev, ns) = (dev.index, sys.ns());
    told(sys.kernel.net.set_link_addr(ns, dev, addr))
}

/// `SIOCSIFNAME`.
///
/// # Errors
/// `ENODEV`, `EEXIST`, `EINVAL`.
pub fn rename(sys: &mut Sys<'_, SimKernel>, name: &str, new: &str) -> Result<(), Errno> {
    let (dev, ns) = (index(sys, name)?, sys.ns());
    told(sys.kernel.net.set_link_name(ns, dev, new))
}

/// `struct rtentry`: a route as the old requests describe it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RtEntry {
    /// Destination.
    pub dst: Ipv4Addr,
    /// Its mask; a host's does not count.
    pub mask: Ipv4Addr,
    /// `RTF_HOST`.
    pub host: bool,
    /// `RTF_REJECT`.
    pub reject: bool,
    /// `RTF_GATEWAY`.
    pub gateway: Option<Ipv4Addr>,
    /// Metric.
    pub metric: u32,
    /// Link or alias.
    pub dev: Option<String>,
    /// Segment size, window, initial round-trip time in milliseconds.
    pub metrics: [Option<u32>; 3],
}

impl RtEntry {
    fn prefix(&self) -> Result<Ipv4Net, Errno> {
        if self.host {
            return Ok(self.dst.into());
        }
        let mask = u32::from(self.mask);
        let prefix_len = mask.leading_ones() as u8;
        if mask != mask_of(prefix_len) || u32::from(self.dst) & !mask != 0 {
            return Err(Errno::EINVAL);
        }
        Ipv4Net::new(self.dst, prefix_len).map_err(|_| Errno::EINVAL)
    }

    /// The link, and the source address if an alias was named.
    fn way(&self, sys: &Sys<'_, SimKernel>) -> Result<(IfIndex, Option<Ipv4Addr>), Errno> {
        let Some(name) = &self.dev else { return Ok((IfIndex::NONE, None)) };
        let dev = index(sys, name)?;
        if !name.contains(':') {
            return Ok((dev, None));
        }
        let alias = address(sys, name).map_err(|_| Errno::ENODEV)?;
        Ok((dev, Some(alias.local)))
    }

    /// The scope that a gateway gives to the route.
    fn scope(&self, sys: &Sys<'_, SimKernel>) -> Result<u8, Errno> {
        let Some(gateway) = self.gateway else { return Ok(RT_SCOPE_NOWHERE) };
        let unicast = space(sys)?.fib.addr_type(gateway, None, RT_TABLE_MAIN) == RouteType::Unicast;
        Ok(if unicast { RT_SCOPE_UNIVERSE } else { RT_SCOPE_NOWHERE })
    }
}

/// `SIOCADDRT`.
///
/// # Errors
/// `EINVAL`, `ENODEV`, `ENETUNREACH`, `EEXIST`, `ENETDOWN`.
pub fn add_route(sys: &mut Sys<'_, SimKernel>, entry: &RtEntry) -> Result<(), Errno> {
    let mut route = Route { proto: RTPROT_BOOT, metric: entry.metric, ..Route::new(entry.prefix()?) };
    if entry.reject {
        route.kind = RouteType::Unreachable;
        route.scope = RT_SCOPE_HOST;
    } else {
        let (dev, prefsrc) = entry.way(sys)?;
        let scope = entry.scope(sys)?;
        route.scope = if scope == RT_SCOPE_NOWHERE { RT_SCOPE_LINK } else { scope };
        if entry.gateway.is_none() && !dev.is_some() {
            return Err(Errno::ENODEV);
        }
        route.prefsrc = prefsrc;
        route.nexthops = core::iter::once(NextHop::new(entry.gateway.filter(|g| !g.is_unspecified()), dev)).collect();
        let [mss, window, irtt] = entry.metrics;
        let mut metrics = Metrics::default();
        let values =
            [(RTAX_ADVMSS, mss.map(|m| m.wrapping_sub(40))), (RTAX_WINDOW, window), (RTAX_RTT, irtt.map(|t| t << 3))];
        for (rtax, value) in values {
            if let Some(value) = value.filter(|v| *v != 0) {
                metrics.set(rtax, value);
            }
        }
        route.metrics = Some(metrics).filter(|m| !m.is_empty()).map(Box::new);
    }
    route.origin = sys.kernel.net.origins.add("typed", sys.argv().join(" "));
    let ns = sys.ns();
    // The request creates without excluding: a route of the same key goes in front, only an equal one is refused.
    sys.kernel.net.route_add(ns, RT_TABLE_MAIN, route, Insert::PREPEND_ROUTE).map(|_| ()).map_err(|error| error.errno)
}

/// `SIOCDELRT`.
///
/// # Errors
/// `EINVAL`, `ENODEV`, `ESRCH`.
pub fn delete_route(sys: &mut Sys<'_, SimKernel>, entry: &RtEntry) -> Result<(), Errno> {
    let mut spec = RouteSpec { metric: entry.metric, ..RouteSpec::new(entry.prefix()?) };
    if entry.reject {
        spec.kind = Some(RouteType::Unreachable);
        spec.scope = Some(RT_SCOPE_HOST);
    } else {
        let (dev, prefsrc) = entry.way(sys)?;
        spec.kind = Some(RouteType::Unicast);
        spec.scope = Some(entry.scope(sys)?);
        spec.prefsrc = prefsrc;
        spec.nexthops = core::iter::once((entry.gateway, dev)).collect();
    }
    let ns = sys.ns();
    sys.kernel.net.route_del(ns, RT_TABLE_MAIN, &spec).map(|_| ()).map_err(|error| error.errno)
}

/// `struct arpreq`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArpReq {
    /// The neighbour.
    pub addr: Ipv4Addr,
    /// Its link-layer address.
    pub hardware: MacAddr,
    /// Whether that is an Ethernet one; `None`: not said.
    pub ether: Option<bool>,
    /// The link; found by routing if not given.
    pub dev: Option<String>,
    /// `ATF_PERM`.
    pub permanent: bool,
    /// `ATF_PUBL`.
    pub public: bool,
    /// `ATF_DONTPUB`.
    pub dontpub: bool,
    /// `ATF_NETMASK`.
    pub mask: Option<Ipv4Addr>,
}

impl ArpReq {
    /// What every request has to be like (`arp_ioctl`).
    fn check(&self) -> Result<(), Errno> {
        let alone = !self.public && (self.dontpub || self.mask.is_some());
        let subnet = self.mask.is_some_and(|m| !m.is_broadcast() && !m.is_unspecified());
        if alone || subnet { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// `arp_req_dev`.
    fn dev(&self, sys: &mut Sys<'_, SimKernel>) -> Result<IfIndex, Errno> {
        let index = match &self.dev {
            Some(name) => space(sys)?.devs.index_of(name).ok_or(Errno::ENODEV)?,
            None if self.public => return Ok(IfIndex::NONE),
            None => {
                let ns = sys.ns();
                match sys.kernel.net.route_get(ns, &RouteQuery::new(self.addr)).map_err(|error| error.errno)? {
                    RouteFound::Decision(answer) => answer.oif,
                    RouteFound::Route(..) => return Err(Errno::EINVAL),
                }
            }
        };
        let loopback = space(sys)?.devs.get(index).is_some_and(|d| d.flags.contains(LinkFlags::LOOPBACK));
        if self.ether.is_some_and(|ether| ether == loopback) { Err(Errno::EINVAL) } else { Ok(index) }
    }
}

/// `SIOCSARP`.
///
/// # Errors
/// `EINVAL`, `ENODEV`, `ENETUNREACH`, `ENOBUFS`.
pub fn set_arp(sys: &mut Sys<'_, SimKernel>, req: &ArpReq) -> Result<(), Errno> {
    req.check()?;
    let mut dev = req.dev(sys)?;
    let ns = sys.ns();
    if req.public {
        if !dev.is_some() {
            let owner = space(sys)?.devs.iter().find(|d| d.addr == req.hardware && req.ether == Some(true));
            dev = owner.map(|d| d.index).ok_or(Errno::ENODEV)?;
        }
        return told(sys.kernel.net.neigh_add_proxy(ns, dev, req.addr));
    }
    let state = if req.permanent { Nud::PERMANENT } else { Nud::STALE };
    let new = NewNeigh {
        addr: req.addr,
        dev,
        lladdr: Some(req.hardware),
        state,
        flags: NeighFlags::empty(),
        use_it: false,
        protocol: 0,
    };
    told(sys.kernel.net.neigh_set(ns, &new, Insert::REPLACE_ROUTE))
}

/// `SIOCDARP`.
///
/// # Errors
/// `ENXIO` if there is no such entry, `EINVAL`, `ENODEV`, `ENETUNREACH`.
pub fn delete_arp(sys: &mut Sys<'_, SimKernel>, req: &ArpReq) -> Result<(), Errno> {
    req.check()?;
    let dev = req.dev(sys)?;
    let ns = sys.ns();
    let gone = if req.public {
        sys.kernel.net.neigh_del_proxy(ns, dev, req.addr)
    } else {
        sys.kernel.net.neigh_del(ns, dev, req.addr)
    };
    gone.map_err(|error| if error.errno == Errno::ENOENT { Errno::ENXIO } else { error.errno })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_give_prefixes() {
        let class = |text: &str| class_prefix(text.parse().unwrap());
        assert_eq!((class("10.0.0.1"), class("172.16.0.1"), class("192.168.0.1")), (Some(8), Some(16), Some(24)));
        assert_eq!((class("224.0.0.1"), class("250.0.0.1"), class("255.255.255.255")), (None, Some(32), Some(0)));
        assert_eq!((mask_of(0), mask_of(24), mask_of(32)), (0, 0xffff_ff00, u32::MAX));
    }
}
