//! The routes that come and go with addresses: `fib_add_ifaddr`, `fib_del_ifaddr` and `fib_magic` of
//! `net/ipv4/fib_frontend.c`.
//!
//! What is put in may be refused: the address that speaks for a secondary one can be another subnet's broadcast address,
//! which is no valid preferred source. Then an own address has no local route, on Linux too.

use core::net::Ipv4Addr;

use hopwise_devices::LinkFlags;
use hopwise_protocols::fib::{
    Insert, NextHop, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_TABLE_LOCAL, RT_TABLE_MAIN, RTPROT_KERNEL, Route, RouteSpec,
    RouteType,
};
use hopwise_sim_core::IfIndex;
use ipnet::Ipv4Net;
use smallvec::smallvec;

use crate::control::neigh;
use crate::control::route::Links;
use crate::cx::Cx;
use crate::dev::Dev;
use crate::inet::IfAddr;
use crate::namespace::Namespace;

/// A route of an address.
#[derive(Clone, Copy, Debug)]
struct Magic {
    kind: RouteType,
    dst: Ipv4Net,
    prefsrc: Ipv4Addr,
    metric: u32,
}

impl Magic {
    fn host(kind: RouteType, dst: Ipv4Addr, prefsrc: Ipv4Addr) -> Self {
        Magic { kind, dst: dst.into(), prefsrc, metric: 0 }
    }

    fn subnet(dev: &Dev, addr: &IfAddr, metric: u32) -> Self {
        let kind = if dev.flags.contains(LinkFlags::LOOPBACK) { RouteType::Local } else { RouteType::Unicast };
        Magic { kind, dst: addr.net(), prefsrc: addr.local, metric }
    }

    /// `fib_magic`: the table of the link's VRF has them all.
    fn table(&self, space: &Namespace, link: IfIndex) -> u32 {
        if let Some((_, table)) = space.l3mdev(link) {
            return table;
        }
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
        let table = self.table(space, link);
        let _ = space.fib.add(table, route, Insert::APPEND_ROUTE, &Links(&space.devs));
    }

    /// Takes the route out, if it is there. Metric 0 is any.
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
        let table = self.table(space, link);
        let _ = space.fib.delete(table, &spec);
    }
}

/// Puts in the routes of the address at this place: only that to itself while the link is down. `fib_add_ifaddr`.
pub(super) fn add(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, at: usize) {
    let Some(dev) = space.devs.get(link) else { return };
    let Some(addr) = dev.inet.addrs.get(at) else { return };
    let Some(prefsrc) = speaker(dev, addr).map(|a| a.local) else { return };
    let (addr, up) = ((**addr).clone(), dev.is_up());
    let subnet = (!addr.secondary && has_subnet(&addr)).then(|| Magic::subnet(dev, &addr, addr.metric));
    Magic::host(RouteType::Local, addr.local, prefsrc).add(space, link);
    if !up {
        return;
    }
    let mut broadcast = |space: &mut Namespace, to: Ipv4Addr| {
        Magic::host(RouteType::Broadcast, to, prefsrc).add(space, link);
        neigh::invalidate(space, cx, link, to);
    };
    if let Some(to) = addr.broadcast.filter(|b| *b != Ipv4Addr::BROADCAST) {
        broadcast(space, to);
    }
    let Some(subnet) = subnet else { return };
    if !addr.noprefixroute {
        subnet.add(space, link);
    }
    if addr.prefix_len < 31 {
        broadcast(space, addr.net().broadcast());
    }
}

/// Takes the routes of an address out, but for those that other addresses of the link need. `promoted`: the address
/// stays, and will speak for itself instead of by this one. `dead`: the link goes, nobody needs anything.
/// `fib_del_ifaddr`.
pub(super) fn delete(space: &mut Namespace, link: IfIndex, addr: &IfAddr, promoted: Option<&IfAddr>, dead: bool) {
    let Some(dev) = space.devs.get(link) else { return };
    let Some(primary) = speaker(dev, addr) else { return };
    let prefsrc = primary.local;
    let needed = if dead { Needed::default() } else { Needed::by_others(dev, addr, primary, promoted) };
    let subnet = (!addr.secondary && has_subnet(addr)).then(|| Magic::subnet(dev, addr, 0));
    if let Some(route) = subnet.filter(|_| !addr.noprefixroute) {
        route.delete(space, link);
    }
    let mut broadcasts = smallvec::SmallVec::<[Ipv4Addr; 3]>::new();
    broadcasts.extend(addr.broadcast.filter(|_| !needed.broadcast));
    if subnet.is_some() && addr.prefix_len < 31 {
        broadcasts.extend((!needed.last).then(|| addr.net().broadcast()));
        broadcasts.extend((!needed.first).then(|| addr.net().network()));
    }
    for to in broadcasts {
        Magic::host(RouteType::Broadcast, to, prefsrc).delete(space, link);
    }
    if needed.local {
        return;
    }
    Magic::host(RouteType::Local, addr.local, prefsrc).delete(space, link);
    let gone = promoted.is_none() && space.addr_type_on(link, addr.local) != RouteType::Local;
    if gone {
        // Routes that prefer it as their source go (`fib_sync_down_addr`).
        let table = space.l3mdev(link).map_or(RT_TABLE_MAIN, |(_, table)| table);
        space.fib.address_gone(addr.local, table);
    }
}

/// What of an address's routes others of its link need too.
#[derive(Clone, Copy, Default)]
struct Needed {
    local: bool,
    /// The broadcast address that was given to it.
    broadcast: bool,
    /// The last address of its subnet.
    last: bool,
    /// The first one, which was a broadcast address up to Linux 5.16.
    first: bool,
}

impl Needed {
    fn by_others(dev: &Dev, addr: &IfAddr, primary: &IfAddr, promoted: Option<&IfAddr>) -> Self {
        let mut needed = Needed::default();
        let ours = |a: &IfAddr, of: &IfAddr| a.prefix_len == of.prefix_len && of.covers(a.peer);
        for other in &dev.inet.addrs {
            if promoted.is_some_and(|p| ours(other, p)) {
                continue;
            }
            // Routes are the same only if they have the same preferred source.
            let by = match other.secondary {
                true if ours(other, primary) => Some(primary),
                true => speaker(dev, other),
                false => Some(&**other),
            };
            if by.is_some_and(|by| by.local == primary.local) {
                needed.add(addr, other);
            }
        }
        needed
    }

    fn add(&mut self, addr: &IfAddr, other: &IfAddr) {
        let net = addr.net();
        let (first, last) = (net.network(), net.broadcast());
        self.local |= addr.local == other.local;
        self.broadcast |= addr.broadcast == other.broadcast;
        self.last |= other.broadcast == Some(last);
        self.first |= other.broadcast == Some(first);
        // A primary one needs both ends of its subnet, though no route to the first has been made for long.
        let its = other.net();
        if !other.secondary && other.prefix_len < 31 && !is_zeronet(its) {
            let end = |a: Ipv4Addr| a == its.network() || a == its.broadcast();
            self.broadcast |= addr.broadcast.is_some_and(end);
            self.last |= end(last);
            self.first |= end(first);
        }
    }
}

/// The prefix route moves to another metric. `fib_modify_prefix_metric`.
pub(super) fn move_to_metric(space: &mut Namespace, link: IfIndex, addr: &IfAddr, old_metric: u32) {
    let Some(dev) = space.devs.get(link) else { return };
    if addr.secondary || addr.noprefixroute || !dev.is_up() || !has_subnet(addr) {
        return;
    }
    let route = Magic::subnet(dev, addr, addr.metric);
    route.add(space, link);
    Magic { metric: old_metric, ..route }.delete(space, link);
}

/// Whether there is a subnet to route to: not for 0.0.0.0/8 nor for a host address without peer.
fn has_subnet(addr: &IfAddr) -> bool {
    let net = addr.net();
    !is_zeronet(net) && (net.addr() != addr.local || addr.prefix_len < 32)
}

const fn is_zeronet(net: Ipv4Net) -> bool {
    net.addr().octets()[0] == 0
}

/// The address that is the preferred source of another one's routes: itself, or the first of a secondary's subnet
/// (`inet_ifa_byprefix`).
fn speaker<'a>(dev: &'a Dev, addr: &'a IfAddr) -> Option<&'a IfAddr> {
    if !addr.secondary {
        return Some(addr);
    }
    let mut addrs = dev.inet.addrs.iter();
    addrs.find(|a| a.prefix_len == addr.prefix_len && a.covers(addr.peer)).map(|a| &**a)
}
