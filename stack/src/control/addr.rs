//! Addresses of links and the routes that come with them. Models `net/ipv4/devinet.c` (`__inet_insert_ifa`,
//! `__inet_del_ifa`, `inetdev_event`) and `fib_add_ifaddr`, `fib_del_ifaddr`, `fib_inetaddr_event`, `fib_netdev_event`
//! of `net/ipv4/fib_frontend.c`.
//!
//! Each address wants certain routes (`wanted`). A change of the address list is a change of that set: what is no
//! longer wanted by any address of the link goes, what is newly wanted comes.

use core::net::Ipv4Addr;

use hopwise_devices::LinkFlags;
use hopwise_protocols::fib::{
    Insert, NextHop, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_TABLE_LOCAL, RT_TABLE_MAIN, RTPROT_KERNEL, Route, RouteSpec,
    RouteType,
};
use hopwise_sim_core::{IfIndex, NsId};
use ipnet::Ipv4Net;
use smallvec::{SmallVec, smallvec};

use crate::conf::ConfKey;
use crate::control::neigh;
use crate::control::route::Links;
use crate::cx::{Cx, TimerKind};
use crate::dev::Dev;
use crate::error::{Errno, NlError};
use crate::inet::IfAddr;
use crate::namespace::Namespace;
use crate::network::Network;
use crate::path::arp;

/// What to do if the link has the address already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddrMode {
    /// Refuse: `ip addr add`.
    Add,
    /// Change metric, protocol and lifetimes: `ip addr replace`, `ip addr change`.
    Replace,
}

/// Which address to delete: what is `None` does not restrict (`inet_rtm_deladdr`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AddrMatch {
    /// The address itself (`IFA_LOCAL`).
    pub local: Option<Ipv4Addr>,
    /// Peer or own address with the exact length of the prefix (`IFA_ADDRESS`).
    pub address: Option<(Ipv4Addr, u8)>,
    /// The label.
    pub label: Option<String>,
}

impl AddrMatch {
    /// The address with exactly this prefix length.
    pub fn exactly(local: Ipv4Addr, prefix_len: u8) -> Self {
        AddrMatch { local: Some(local), address: Some((local, prefix_len)), label: None }
    }

    fn fits(&self, addr: &IfAddr) -> bool {
        self.local.is_none_or(|local| local == addr.local)
            && self.label.as_deref().is_none_or(|label| *label == *addr.label)
            && self.address.is_none_or(|(a, len)| len == addr.prefix_len && addr.covers(a))
    }
}

impl Network {
    /// Gives a link an address: RTM_NEWADDR. An empty label becomes the link's name.
    ///
    /// # Errors
    /// `EEXIST`, `EINVAL` (scope, prefix, lifetimes), `ENODEV`, each with the kernel's words.
    pub fn addr_add(&mut self, ns: NsId, link: IfIndex, addr: IfAddr, mode: AddrMode) -> Result<(), NlError> {
        self.with(ns, |space, cx| add(space, cx, link, addr, mode)).unwrap_or(Err(Errno::ENODEV.into()))
    }

    /// Takes the first address that fits from a link: RTM_DELADDR. Its secondaries go with it unless they are promoted.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`, `ENODEV`.
    pub fn addr_del(&mut self, ns: NsId, link: IfIndex, which: &AddrMatch) -> Result<(), NlError> {
        let work = |space: &mut Namespace, cx: &mut Cx<'_>| {
            let dev = space.devs.get(link).ok_or_else(|| NlError::with(Errno::ENODEV, "ipv4: Device not found"))?;
            let at = dev.inet.addrs.iter().position(|a| which.fits(a));
            let at = at.ok_or_else(|| NlError::with(Errno::EADDRNOTAVAIL, "ipv4: Address not found"))?;
            remove(space, cx, link, at);
            Ok(())
        };
        self.with(ns, work).unwrap_or(Err(Errno::ENODEV.into()))
    }

    /// A link was set up (`NETDEV_UP`): `lo` gets its address, routes of addresses come, dead next hops live.
    pub fn inet_link_up(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| link_up(space, cx, link));
    }

    /// A link was set down (`NETDEV_DOWN`): its routes and neighbours go, its addresses stay.
    pub fn inet_link_down(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| {
            space.fib.link_down(link);
            neigh::forget_link(space, cx, link);
        });
    }

    /// A link leaves the namespace (`NETDEV_UNREGISTER`): addresses, routes, neighbours, and the hold of rules on it.
    /// To be called while the link is still there.
    pub fn inet_link_gone(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| {
            while space.devs.get(link).is_some_and(|d| !d.inet.addrs.is_empty()) {
                remove(space, cx, link, 0);
            }
            space.fib.link_gone(link);
            neigh::forget_link(space, cx, link);
            let name = space.name_of(link).to_owned();
            space.fib.rules_follow_link(&name, IfIndex::NONE);
            space.fib.linkdown.links.retain(|l| *l != link);
            space.sysctl.forget_link(&name);
        });
    }

    /// A link came into the namespace (`NETDEV_REGISTER`): rules that name it find it.
    pub fn inet_link_added(&mut self, ns: NsId, link: IfIndex) {
        let Some(space) = self.ns_mut(ns) else { return };
        let name = space.name_of(link).to_owned();
        space.fib.rules_follow_link(&name, link);
    }

    /// A link that was called `old` has another name now (`NETDEV_CHANGENAME`): labels follow (`inetdev_changename`),
    /// rules look for their link again.
    pub fn inet_link_renamed(&mut self, ns: NsId, link: IfIndex, old: &str) {
        let Some(space) = self.ns_mut(ns) else { return };
        let Some(dev) = space.devs.get_mut(link) else { return };
        let name = dev.name.clone();
        for (nth, addr) in dev.inet.addrs.iter_mut().enumerate() {
            addr.label = renamed_label(&addr.label, &name, nth).into();
        }
        space.fib.rules_follow_link(old, IfIndex::NONE);
        space.fib.rules_follow_link(&name, link);
        space.sysctl.rename_link(old, &name);
    }

    /// The link-layer address of a link changed (`NETDEV_CHANGEADDR`): neighbours are forgotten, `arp_notify` speaks.
    pub fn inet_link_addr_changed(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| {
            neigh::forget_entries(space, cx, link, true);
            notify(space, cx, link);
        });
    }

    /// ARP was switched on or off on a link (`NETDEV_CHANGE` with `IFF_NOARP`): neighbours are forgotten.
    pub fn inet_link_arp_switched(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| neigh::forget_entries(space, cx, link, true));
    }

    /// The carrier of a link changed and the link watcher tells so (`NETDEV_CHANGE`): next hops get or lose `linkdown`,
    /// and neighbours that were learned through a dead link are forgotten.
    pub fn inet_carrier_changed(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| {
            let Some(dev) = space.devs.get(link) else { return };
            let evict = space.conf_and(dev, ConfKey::ArpEvictNocarrier) && !dev.carrier;
            if !dev.is_up() {
                return;
            }
            if lives(dev) {
                space.fib.link_got_carrier(link);
            } else {
                space.fib.link_lost_carrier(link);
            }
            if evict {
                neigh::forget_entries(space, cx, link, false);
            }
        });
    }
}

/// `IFF_RUNNING | IFF_LOWER_UP`.
fn lives(dev: &Dev) -> bool {
    dev.flags_shown().intersects(LinkFlags::RUNNING | LinkFlags::LOWER_UP)
}

/// `inet_rtm_newaddr`.
fn add(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut addr: IfAddr, mode: AddrMode) -> Result<(), NlError> {
    let Some(dev) = space.devs.get_mut(link) else {
        return Err(NlError::with(Errno::ENODEV, "ipv4: Device not found"));
    };
    if addr.label.is_empty() {
        addr.label = dev.name.clone();
    }
    // From now on the link no longer follows `net.ipv4.conf.default` (`ipv4_devconf_setall`).
    dev.inet.conf.hold_all();
    let same = |a: &&mut Box<IfAddr>| a.local == addr.local && a.prefix_len == addr.prefix_len && a.covers(addr.peer);
    let Some(existing) = dev.inet.addrs.iter_mut().find(same) else {
        return insert(space, cx, link, addr);
    };
    if mode == AddrMode::Add {
        return Err(NlError::with(Errno::EEXIST, "ipv4: Address already assigned"));
    }
    let old_metric = core::mem::replace(&mut existing.metric, addr.metric);
    existing.proto = addr.proto;
    (existing.valid_until, existing.preferred_until) = (addr.valid_until, addr.preferred_until);
    let existing = (**existing).clone();
    watch(cx, &existing);
    if old_metric != existing.metric {
        move_prefix_route(space, link, &existing, old_metric);
    }
    Ok(())
}

/// The prefix route moves to another metric. `fib_modify_prefix_metric`.
fn move_prefix_route(space: &mut Namespace, link: IfIndex, addr: &IfAddr, old_metric: u32) {
    let Some(dev) = space.devs.get(link) else { return };
    if addr.secondary || addr.noprefixroute || !dev.is_up() || !has_subnet(addr) {
        return;
    }
    let route = subnet_route(dev, addr);
    route.add(space, link);
    Wanted { metric: old_metric, ..route }.delete(space, link);
}

/// `__inet_insert_ifa`: primaries stand by scope before all secondaries, a secondary comes last.
fn insert(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut addr: IfAddr) -> Result<(), NlError> {
    let Some(dev) = space.devs.get_mut(link) else { return Err(Errno::ENODEV.into()) };
    if addr.local.is_unspecified() {
        return Ok(());
    }
    addr.secondary = false;
    let mut place = 0;
    for (at, other) in dev.inet.addrs.iter().enumerate() {
        if !other.secondary && addr.scope <= other.scope {
            place = at + 1;
        }
        if other.prefix_len != addr.prefix_len || !other.covers(addr.peer) {
            continue;
        }
        if other.local == addr.local {
            return Err(NlError::with(Errno::EEXIST, "ipv4: Address already assigned"));
        }
        if other.scope != addr.scope {
            return Err(NlError::with(Errno::EINVAL, "ipv4: Invalid scope value"));
        }
        addr.secondary = true;
    }
    if addr.secondary {
        place = dev.inet.addrs.len();
    }
    watch(cx, &addr);
    *space.local_addrs.entry(addr.local).or_default() += 1;
    dev.inet.addrs.insert(place, Box::new(addr));
    let carrier = lives(dev);
    let up = dev.is_up();
    let routes = dev.inet.addrs.get(place).map_or_else(SmallVec::new, |a| wanted(dev, a, up));
    for route in routes {
        if route.kind == RouteType::Broadcast {
            neigh::invalidate(space, cx, link, route.dst.addr());
        }
        route.add(space, link);
    }
    if up {
        space.fib.link_up(link, carrier);
    }
    Ok(())
}

/// `__inet_del_ifa`: the address at this place goes, with it or promoted its secondaries.
fn remove(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, at: usize) {
    let Some(dev) = space.devs.get(link) else { return };
    let promote = space.conf_or(dev, ConfKey::PromoteSecondaries);
    let Some(dev) = space.devs.get_mut(link) else { return };
    if at >= dev.inet.addrs.len() {
        return;
    }
    let before = wanted_by_all(dev, true);
    let mut gone: SmallVec<[Box<IfAddr>; 2]> = smallvec![dev.inet.addrs.remove(at)];
    if !gone[0].secondary {
        let first = (*gone[0]).clone();
        let follows = |a: &IfAddr| a.secondary && a.prefix_len == first.prefix_len && a.covers(first.peer);
        if !promote {
            gone.extend(dev.inet.addrs.iter().filter(|a| follows(a)).cloned());
            dev.inet.addrs.retain(|a| !follows(a));
        } else if let Some(heir) = dev.inet.addrs.iter().position(|a| follows(a)) {
            let mut heir = dev.inet.addrs.remove(heir);
            heir.secondary = false;
            // Behind the last primary that is at least as near.
            let behind = dev.inet.addrs.iter().rposition(|a| !a.secondary && first.scope <= a.scope);
            dev.inet.addrs.insert(behind.map_or(0, |p| p + 1), heir);
        }
    }
    let (after, up) = (wanted_by_all(dev, true), dev.is_up());
    let empty = dev.inet.addrs.is_empty();
    before.iter().filter(|route| !after.contains(route)).for_each(|route| route.delete(space, link));
    for addr in &gone {
        no_longer_own(space, addr.local);
    }
    if empty {
        // The last one: IP is switched off on the link (`fib_disable_ip` with force).
        space.fib.link_without_address(link);
        neigh::forget_link(space, cx, link);
        return;
    }
    let now = space.devs.get(link).map_or_else(SmallVec::new, |dev| wanted_by_all(dev, up));
    now.iter().filter(|route| !before.contains(route)).for_each(|route| route.add(space, link));
}

/// Counts one address less; if it is not one of this namespace at all any more, routes that prefer it as their source
/// go (`fib_sync_down_addr`).
fn no_longer_own(space: &mut Namespace, addr: Ipv4Addr) {
    if let Some(count) = space.local_addrs.get_mut(&addr) {
        *count -= 1;
        if *count == 0 {
            space.local_addrs.remove(&addr);
        }
    }
    if space.fib.addr_type(addr, None, RT_TABLE_LOCAL) != RouteType::Local {
        space.fib.address_gone(addr);
    }
}

/// Sets the timer for the end of an address's life.
fn watch(cx: &mut Cx<'_>, addr: &IfAddr) {
    if let Some(until) = addr.valid_until {
        cx.timer(until, TimerKind::Address);
    }
}

/// The timer of lifetimes runs out: addresses whose time is over go (`check_lifetime`).
pub fn expire(space: &mut Namespace, cx: &mut Cx<'_>) {
    for link in space.devs.indices() {
        let now = cx.now;
        let over = move |a: &IfAddr| a.valid_until.is_some_and(|t| t <= now);
        while let Some(at) = space.devs.get(link).and_then(|d| d.inet.addrs.iter().position(|a| over(a))) {
            remove(space, cx, link, at);
        }
    }
}

/// `inetdev_event` and `fib_netdev_event` for `NETDEV_UP`.
fn link_up(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex) {
    let Some(dev) = space.devs.get_mut(link) else { return };
    if dev.flags.contains(LinkFlags::LOOPBACK) && dev.inet.addrs.is_empty() {
        dev.inet.conf.hold_all();
        let addr = IfAddr { scope: RT_SCOPE_HOST, label: dev.name.clone(), ..IfAddr::new(Ipv4Addr::LOCALHOST, 8) };
        let inserted = insert(space, cx, link, addr);
        debug_assert!(inserted.is_ok(), "an empty list takes any address");
    }
    notify(space, cx, link);
    let Some(dev) = space.devs.get(link) else { return };
    let carrier = lives(dev);
    for route in wanted_by_all(dev, true) {
        if route.kind == RouteType::Broadcast {
            neigh::invalidate(space, cx, link, route.dst.addr());
        }
        route.add(space, link);
    }
    space.fib.link_up(link, carrier);
}

/// `arp_notify`: tells the neighbours the link's addresses (`inetdev_send_gratuitous_arp`).
fn notify(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex) {
    let Some(dev) = space.devs.get(link) else { return };
    if !dev.is_up() || space.conf_max(dev, ConfKey::ArpNotify) == 0 {
        return;
    }
    let addrs: SmallVec<[Ipv4Addr; 4]> = dev.inet.addrs.iter().map(|a| a.local).collect();
    for addr in addrs {
        arp::gratuitous(space, cx, link, addr);
    }
}

/// A route that an address brings with it (`fib_magic`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Wanted {
    kind: RouteType,
    dst: Ipv4Net,
    prefsrc: Ipv4Addr,
    metric: u32,
}

impl Wanted {
    fn table(&self) -> u32 {
        if self.kind == RouteType::Unicast { RT_TABLE_MAIN } else { RT_TABLE_LOCAL }
    }

    fn scope(&self) -> u8 {
        if self.kind == RouteType::Local { RT_SCOPE_HOST } else { RT_SCOPE_LINK }
    }

    /// Puts the route in; that it is there already, or cannot be, does not matter, as in the kernel.
    fn add(&self, space: &mut Namespace, link: IfIndex) {
        let route = Route {
            kind: self.kind,
            scope: self.scope(),
            proto: RTPROT_KERNEL,
            metric: self.metric,
            prefsrc: Some(self.prefsrc),
            nexthops: smallvec![NextHop::new(None, link)],
            ..Route::new(self.dst)
        };
        let _ = space.fib.add(self.table(), route, Insert::APPEND_ROUTE, &Links(&space.devs));
    }

    /// Takes the route out, if it is there.
    fn delete(&self, space: &mut Namespace, link: IfIndex) {
        let spec = RouteSpec {
            kind: Some(self.kind),
            scope: Some(self.scope()),
            proto: RTPROT_KERNEL,
            metric: self.metric,
            prefsrc: Some(self.prefsrc),
            nexthops: smallvec![(None, link)],
            ..RouteSpec::new(self.dst)
        };
        let _ = space.fib.delete(self.table(), &spec);
    }
}

/// The routes that all addresses of a link want, in the order in which they are made.
fn wanted_by_all(dev: &Dev, up: bool) -> SmallVec<[Wanted; 8]> {
    dev.inet.addrs.iter().flat_map(|addr| wanted(dev, addr, up)).collect()
}

/// The routes that an address wants; only that to itself while the link is down. `fib_add_ifaddr`.
fn wanted(dev: &Dev, addr: &IfAddr, up: bool) -> SmallVec<[Wanted; 4]> {
    let primary = if addr.secondary { primary_of(dev, addr) } else { Some(addr) };
    let Some(prefsrc) = primary.map(|a| a.local) else { return SmallVec::new() };
    let host = |kind, dst: Ipv4Addr| Wanted { kind, dst: dst.into(), prefsrc, metric: 0 };
    let mut routes = smallvec![host(RouteType::Local, addr.local)];
    if !up {
        return routes;
    }
    if let Some(broadcast) = addr.broadcast.filter(|b| *b != Ipv4Addr::BROADCAST) {
        routes.push(host(RouteType::Broadcast, broadcast));
    }
    if !addr.secondary && has_subnet(addr) {
        if !addr.noprefixroute {
            routes.push(subnet_route(dev, addr));
        }
        if addr.prefix_len < 31 {
            let route = host(RouteType::Broadcast, addr.net().broadcast());
            if !routes.contains(&route) {
                routes.push(route);
            }
        }
    }
    routes
}

/// Whether there is a subnet to route to: not for 0.0.0.0/8 nor for a host address without peer.
fn has_subnet(addr: &IfAddr) -> bool {
    let prefix = addr.net().addr();
    prefix.octets()[0] != 0 && (prefix != addr.local || addr.prefix_len < 32)
}

fn subnet_route(dev: &Dev, addr: &IfAddr) -> Wanted {
    let kind = if dev.flags.contains(LinkFlags::LOOPBACK) { RouteType::Local } else { RouteType::Unicast };
    Wanted { kind, dst: addr.net(), prefsrc: addr.local, metric: addr.metric }
}

/// The primary address of a secondary's subnet. `inet_ifa_byprefix`.
fn primary_of<'a>(dev: &'a Dev, addr: &IfAddr) -> Option<&'a IfAddr> {
    let mut addrs = dev.inet.addrs.iter();
    addrs.find(|a| !a.secondary && a.prefix_len == addr.prefix_len && a.covers(addr.peer)).map(|a| &**a)
}

/// The label of the `nth` address after its link was renamed: what stood behind the colon stays, a further address
/// without colon gets its number.
fn renamed_label(old: &str, name: &str, nth: usize) -> String {
    if nth == 0 {
        return name.to_owned();
    }
    let suffix = old.find(':').and_then(|at| old.get(at..)).map_or_else(|| format!(":{}", nth + 1), str::to_owned);
    let room = 15usize.saturating_sub(suffix.len());
    let name = name.get(..room.min(name.len())).unwrap_or(name);
    format!("{name}{suffix}")
}
