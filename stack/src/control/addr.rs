//! Addresses of links. Models `net/ipv4/devinet.c` (`__inet_insert_ifa`, `__inet_del_ifa`, `inetdev_event`) and
//! `fib_inetaddr_event`, `fib_netdev_event` of `net/ipv4/fib_frontend.c`. The routes that come with an address are in
//! `addr_routes`.

use core::net::Ipv4Addr;

use hopwise_devices::LinkFlags;
use hopwise_protocols::fib::RT_SCOPE_HOST;
use hopwise_sim_core::{IfIndex, NsId};
use smallvec::SmallVec;

use crate::conf::ConfKey;
use crate::control::{addr_routes, neigh};
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
        self.ipvlan_may_add(ns, link, &addr)?;
        let done = self.with(ns, |space, cx| add(space, cx, link, addr, mode)).unwrap_or(Err(Errno::ENODEV.into()));
        self.ipvlan_addrs_changed(ns, link);
        done
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
        let done = self.with(ns, work).unwrap_or(Err(Errno::ENODEV.into()));
        self.ipvlan_addrs_changed(ns, link);
        done
    }

    /// A link was set up (`NETDEV_UP`): `lo` gets its address, routes of addresses come, dead next hops live.
    pub fn inet_link_up(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| link_up(space, cx, link));
    }

    /// A link was set down (`NETDEV_DOWN`): its routes and neighbours go, its addresses stay.
    pub fn inet_link_down(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| {
            // masq_device_event: what was masqueraded as this link's address ends.
            if let Some(connections) = &mut space.conntrack {
                connections.masquerade_gone(cx.now, link, None);
            }
            space.fib.link_down(link);
            neigh::forget_link(space, cx, link);
        });
    }

    /// A link joins or leaves a VRF (`NETDEV_CHANGEUPPER`): all of its routes and neighbours go (`fib_disable_ip`).
    pub fn inet_link_changed_vrf(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| {
            space.fib.link_without_address(link);
            neigh::forget_link(space, cx, link);
        });
    }

    /// A link leaves the namespace (`NETDEV_UNREGISTER`): addresses, routes, neighbours, and the hold of rules on it.
    /// To be called while the link is still there.
    pub fn inet_link_gone(&mut self, ns: NsId, link: IfIndex) {
        self.with(ns, |space, cx| {
            // inetdev_destroy: one after the other, nobody inherits.
            while space.devs.get(link).is_some_and(|d| !d.inet.addrs.is_empty()) {
                unlink(space, cx, link, 0, true);
            }
            space.fib.link_gone(link);
            neigh::forget_link(space, cx, link);
            let name = space.name_of(link).to_owned();
            space.fib.rules_follow_link(&name, IfIndex::NONE);
            space.fib.linkdown.links.retain(|l| *l != link);
            space.sysctl.forget_link(&name);
        });
        self.ipvlan_addrs_changed(ns, link);
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
        addr_routes::move_to_metric(space, link, &existing, old_metric);
    }
    Ok(())
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
    announce(space, cx, link, place);
    Ok(())
}

/// An address was added: its routes come. `fib_inetaddr_event` for `NETDEV_UP`.
fn announce(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, at: usize) {
    addr_routes::add(space, cx, link, at);
    if let Some(dev) = space.devs.get(link).filter(|d| d.is_up()) {
        let carrier = lives(dev);
        space.fib.link_up(link, carrier);
    }
}

/// `__inet_del_ifa`: the address at this place goes, with it or promoted its secondaries.
fn remove(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, at: usize) {
    let Some(dev) = space.devs.get(link) else { return };
    let Some(first) = dev.inet.addrs.get(at).map(|a| (**a).clone()) else { return };
    let follows = |a: &IfAddr| a.secondary && a.prefix_len == first.prefix_len && a.covers(first.peer);
    if first.secondary || !dev.inet.addrs.iter().any(|a| follows(a)) {
        return unlink(space, cx, link, at, false);
    }
    if space.conf_or(dev, ConfKey::PromoteSecondaries) {
        return hand_over(space, cx, link, at, &first);
    }
    // They stand behind the first one, which goes last.
    let next = |space: &Namespace| space.devs.get(link)?.inet.addrs.iter().position(|a| follows(a));
    while let Some(secondary) = next(space) {
        unlink(space, cx, link, secondary, false);
    }
    unlink(space, cx, link, at, false);
}

/// The first address of a subnet goes and the next one of the subnet takes its place. All that spoke for themselves by
/// the first one's address lose their routes before and get new ones after.
fn hand_over(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, at: usize, first: &IfAddr) {
    let follows = |a: &IfAddr| a.secondary && a.prefix_len == first.prefix_len && a.covers(first.peer);
    let Some(dev) = space.devs.get(link) else { return };
    let heirs: SmallVec<[Box<IfAddr>; 4]> = dev.inet.addrs.iter().filter(|a| follows(a)).cloned().collect();
    for heir in &heirs {
        addr_routes::delete(space, link, heir, Some(first), false);
    }
    unlink(space, cx, link, at, false);
    let Some(dev) = space.devs.get_mut(link) else { return };
    let Some(from) = dev.inet.addrs.iter().position(|a| follows(a)) else { return };
    let mut heir = dev.inet.addrs.remove(from);
    heir.secondary = false;
    // Behind the last primary after the old one's place that is at least as near, else into that place.
    let primaries = dev.inet.addrs.iter().enumerate().skip(at).take_while(|(_, a)| !a.secondary);
    let place = primaries.filter(|(_, a)| first.scope <= a.scope).last().map_or(at, |(nth, _)| nth + 1);
    dev.inet.addrs.insert(place, heir);
    announce(space, cx, link, place);
    for nth in place + 1..space.devs.get(link).map_or(0, |d| d.inet.addrs.len()) {
        if space.devs.get(link).and_then(|d| d.inet.addrs.get(nth)).is_some_and(|a| follows(a)) {
            addr_routes::add(space, cx, link, nth);
        }
    }
}

/// Takes one address from the list, and what hangs on it. `fib_inetaddr_event` for `NETDEV_DOWN`.
fn unlink(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, at: usize, dead: bool) {
    let Some(dev) = space.devs.get_mut(link).filter(|d| at < d.inet.addrs.len()) else { return };
    let addr = dev.inet.addrs.remove(at);
    let last = dev.inet.addrs.is_empty();
    if let Some(count) = space.local_addrs.get_mut(&addr.local) {
        *count -= 1;
        if *count == 0 {
            space.local_addrs.remove(&addr.local);
        }
    }
    // masq_inet_event: what was masqueraded as this address ends.
    if let Some(connections) = space.conntrack.as_mut().filter(|_| !dead) {
        connections.masquerade_gone(cx.now, link, Some(addr.local));
    }
    addr_routes::delete(space, link, &addr, None, dead);
    if last {
        // IP is switched off on the link (`fib_disable_ip` with force).
        space.fib.link_without_address(link);
        neigh::forget_link(space, cx, link);
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
    let (carrier, count) = (lives(dev), dev.inet.addrs.len());
    for nth in 0..count {
        addr_routes::add(space, cx, link, nth);
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
