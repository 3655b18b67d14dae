//! Neighbours by hand: RTM_NEWNEIGH, RTM_DELNEIGH, and what happens to neighbours when their link changes. Models
//! `neigh_add`, `neigh_delete`, `neigh_ifdown` of `net/core/neighbour.c` and `arp_invalidate` of `net/ipv4/arp.c`.
//! The entries are read from [`crate::Namespace::neigh`] itself.

use core::net::Ipv4Addr;

use hopwise_devices::LinkFlags;
use hopwise_protocols::fib::Insert;
use hopwise_protocols::neigh::{NeighError, NewNeigh, Nud};
use hopwise_sim_core::{DropReason, IfIndex, NsId};

use crate::cx::Cx;
use crate::error::{Errno, NlError};
use crate::namespace::Namespace;
use crate::network::Network;
use crate::path::{arp, br_netfilter, neigh_out};

impl From<NeighError> for NlError {
    fn from(error: NeighError) -> Self {
        NlError { errno: error.errno(), extack: error.extack().map(Into::into) }
    }
}

impl Network {
    /// Adds, changes or replaces an entry: RTM_NEWNEIGH.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `EINVAL`, `ENODEV`, `ENOBUFS`.
    pub fn neigh_set(&mut self, ns: NsId, new: &NewNeigh, how: Insert) -> Result<(), NlError> {
        let work = |space: &mut Namespace, cx: &mut Cx<'_>| {
            let dev = space.devs.get(new.dev).ok_or(Errno::ENODEV)?;
            // All neighbours on such a link are the same one (`arp_constructor`).
            let alone = dev.flags.intersects(LinkFlags::LOOPBACK | LinkFlags::POINTOPOINT);
            let addr = if alone { Ipv4Addr::UNSPECIFIED } else { new.addr };
            // It is asked for by the address that was said, which none of them has, so it counts as new.
            let how = match addr == new.addr {
                true => how,
                false if how.contains(Insert::CREATE) => Insert::REPLACE_ROUTE,
                false => return Err(Errno::ENOENT.into()),
            };
            let new = &NewNeigh { addr, ..new.clone() };
            let initial = neigh_out::initial(space, dev, new.addr);
            let effects = space.neigh.set(cx.now, &dev.neigh, new, how, || initial)?;
            neigh_out::apply(space, cx, new.addr, new.dev, effects);
            Ok(())
        };
        self.with(ns, work).unwrap_or(Err(Errno::ENODEV.into()))
    }

    /// Deletes an entry: RTM_DELNEIGH.
    ///
    /// # Errors
    /// `ENOENT`, `ENODEV`.
    pub fn neigh_del(&mut self, ns: NsId, link: IfIndex, addr: Ipv4Addr) -> Result<(), NlError> {
        let work = |space: &mut Namespace, cx: &mut Cx<'_>| {
            let dev = space.devs.get(link).ok_or(Errno::ENODEV)?;
            let effects = space.neigh.delete(cx.now, addr, link, &dev.neigh)?;
            neigh_out::apply(space, cx, addr, link, effects);
            Ok(())
        };
        self.with(ns, work).unwrap_or(Err(Errno::ENODEV.into()))
    }

    /// Lets this host answer for an address on a link ([`IfIndex::NONE`]: on all): `ip neigh add proxy`.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn neigh_add_proxy(&mut self, ns: NsId, link: IfIndex, addr: Ipv4Addr) -> Result<(), NlError> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        if link.is_some() && space.devs.get(link).is_none() {
            return Err(Errno::ENODEV.into());
        }
        space.neigh.add_proxy(addr, link);
        Ok(())
    }

    /// Ends that: `ip neigh del proxy`.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn neigh_del_proxy(&mut self, ns: NsId, link: IfIndex, addr: Ipv4Addr) -> Result<(), NlError> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        Ok(space.neigh.delete_proxy(addr, link)?)
    }
}

/// A link is down or gone: all its entries and proxies go, and the packets that waited (`neigh_ifdown`).
pub(crate) fn forget_link(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex) {
    for packet in space.neigh.link_down(link) {
        br_netfilter::waits_no_more(space, cx.now, &packet);
        cx.drop(packet, DropReason::NeighDead);
    }
    arp::forget_link(space, cx, link);
}

/// A link has another address (`all`: `neigh_changeaddr`) or no carrier (`neigh_carrier_down`, which keeps permanent
/// entries).
pub(crate) fn forget_entries(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, all: bool) {
    let waited = if all { space.neigh.link_address_changed(link) } else { space.neigh.link_lost_carrier(link) };
    for packet in waited {
        br_netfilter::waits_no_more(space, cx.now, &packet);
        cx.drop(packet, DropReason::NeighDead);
    }
}

/// An address became a broadcast address: whoever was known under it is not (`arp_invalidate`).
pub(crate) fn invalidate(space: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, addr: Ipv4Addr) {
    let known = space.neigh.get(addr, link).is_some_and(|n| !n.state().intersects(Nud::NOARP | Nud::PERMANENT));
    let Some(dev) = space.devs.get(link).filter(|_| known) else { return };
    if let Ok(effects) = space.neigh.delete(cx.now, addr, link, &dev.neigh) {
        neigh_out::apply(space, cx, addr, link, effects);
    }
}
