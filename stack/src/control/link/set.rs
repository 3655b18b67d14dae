//! Changing a link: `do_setlink` of `net/core/rtnetlink.c`.

use hopwise_devices::{Kind, Link, LinkFlags};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};

use super::names;
use crate::error::{Errno, NlError};
use crate::linkwatch;
use crate::network::Network;

/// A flag that `ip link set` turns on and off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlagChange {
    /// `arp`.
    Arp,
    /// `multicast`.
    Multicast,
    /// `promisc`.
    Promisc,
    /// `allmulticast`.
    AllMulti,
    /// `dynamic`.
    Dynamic,
}

/// `dev_validate_mtu`.
pub(super) fn check_mtu(link: &Link, mtu: u32) -> Result<(), NlError> {
    let (least, greatest) = link.mtu_range;
    if mtu < least || mtu > i32::MAX as u32 {
        return Err(NlError::with(Errno::EINVAL, "mtu less than device minimum"));
    }
    if greatest > 0 && mtu > greatest {
        return Err(NlError::with(Errno::EINVAL, "mtu greater than device maximum"));
    }
    Ok(())
}

impl Network {
    /// `ip link set LINK mtu`. A bridge's MTU follows its ports no longer then; a port's bridge follows it.
    ///
    /// # Errors
    /// `EINVAL` beyond the kind's limits, `ENODEV`.
    pub fn set_link_mtu(&mut self, ns: NsId, link: IfIndex, mtu: u32) -> Result<(), NlError> {
        let dev = self.link_mut(ns, link).ok_or(Errno::ENODEV)?;
        if dev.mtu == mtu {
            return Ok(());
        }
        check_mtu(dev, mtu)?;
        self.vxlan_check_mtu(ns, link, mtu)?;
        self.check_stacked_mtu(ns, link, mtu)?;
        let dev = self.link_mut(ns, link).ok_or(Errno::ENODEV)?;
        dev.mtu = mtu;
        let master = dev.master;
        if let Some(bridge) = dev.link.kind.bridge_mut() {
            bridge.mtu_set_by_user = true;
        }
        if master.is_some() {
            self.bridge_mtu_auto_adjust(ns, master);
        }
        self.lower_mtu_changed(ns, link);
        self.veth_mtu_changed(ns, link);
        Ok(())
    }

    /// `ip link set LINK address`.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` for a group or zero address, `ENODEV`.
    pub fn set_link_addr(&mut self, ns: NsId, link: IfIndex, addr: MacAddr) -> Result<(), NlError> {
        let dev = self.link_mut(ns, link).ok_or(Errno::ENODEV)?;
        if !dev.has_ethernet() {
            return Err(Errno::EOPNOTSUPP.into());
        }
        if dev.addr != addr && !addr.is_valid() {
            return Err(Errno::EADDRNOTAVAIL.into());
        }
        if self.stacked_addr(ns, link, addr)? {
            return Ok(());
        }
        let dev = self.link_mut(ns, link).ok_or(Errno::ENODEV)?;
        let old = core::mem::replace(&mut dev.addr, addr);
        dev.addr_set = true;
        let is_bridge = matches!(dev.kind, Kind::Bridge(_));
        if old != addr {
            if is_bridge {
                self.own_address_changed(ns, link, old);
            }
            self.port_address_changed(ns, link, old);
        }
        self.inet_link_addr_changed(ns, link);
        self.stacked_addr_done(ns, link);
        self.lower_addr_changed(ns, link);
        linkwatch::after(self);
        Ok(())
    }

    /// `ip link set LINK broadcast`.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn set_link_broadcast(&mut self, ns: NsId, link: IfIndex, addr: MacAddr) -> Result<(), NlError> {
        self.link_mut(ns, link).ok_or(Errno::ENODEV)?.broadcast = addr;
        Ok(())
    }

    /// `ip link set LINK name`: also while it is up. A pattern such as `eth%d` is expanded.
    ///
    /// # Errors
    /// `EEXIST`, `EINVAL`, `ENODEV`.
    pub fn set_link_name(&mut self, ns: NsId, link: IfIndex, name: &str) -> Result<(), NlError> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        let old = space.devs.get(link).ok_or(Errno::ENODEV)?.name.clone();
        if *old == *name {
            return Ok(());
        }
        let name = names::new_name(&space.devs, name)?;
        space.devs.rename(link, &name);
        if let Some(dev) = space.devs.get_mut(link) {
            dev.renamed = true;
        }
        self.inet_link_renamed(ns, link, &old);
        Ok(())
    }

    /// `ip link set LINK master BRIDGE` and `nomaster` (`do_set_master`): it leaves the old one first.
    ///
    /// # Errors
    /// `EINVAL` for `lo` or a master that is none, `ELOOP` for a bridge in a bridge, `ENODEV`.
    pub fn set_link_master(&mut self, ns: NsId, link: IfIndex, master: Option<IfIndex>) -> Result<(), NlError> {
        let done = self.change_master(ns, link, master);
        linkwatch::after(self);
        done
    }

    pub(super) fn change_master(&mut self, ns: NsId, link: IfIndex, master: Option<IfIndex>) -> Result<(), NlError> {
        let space = self.ns(ns).ok_or(Errno::ENODEV)?;
        let now = space.devs.get(link).ok_or(Errno::ENODEV)?.master;
        let wanted = master.unwrap_or(IfIndex::NONE);
        if now == wanted {
            return Ok(());
        }
        if wanted.is_some() && space.devs.get(wanted).is_none() {
            return Err(Errno::EINVAL.into());
        }
        if now.is_some() {
            self.leave_bridge(ns, link);
            self.leave_vrf(ns, link);
        }
        if self.dev((ns, wanted)).is_some_and(|m| m.kind.vrf().is_some()) {
            return self.join_vrf(ns, wanted, link);
        }
        if wanted.is_some() { self.join_bridge(ns, wanted, link) } else { Ok(()) }
    }

    /// `ip link set LINK arp|multicast|promisc|allmulticast|dynamic on|off`.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn set_link_flags(&mut self, ns: NsId, link: IfIndex, flag: FlagChange, on: bool) -> Result<(), NlError> {
        if self.ns(ns).and_then(|n| n.devs.get(link)).is_none() {
            return Err(Errno::ENODEV.into());
        }
        self.change_flag(ns, link, flag, on);
        linkwatch::after(self);
        Ok(())
    }

    /// `__dev_change_flags`. Promiscuous and all-groups reception are counted: others (a bridge, a capture) may want
    /// them too.
    pub(super) fn change_flag(&mut self, ns: NsId, link: IfIndex, flag: FlagChange, on: bool) {
        let Some(dev) = self.link_mut(ns, link) else { return };
        let before = dev.flags;
        match flag {
            FlagChange::Arp => dev.flags.set(LinkFlags::NOARP, !on),
            FlagChange::Multicast => dev.flags.set(LinkFlags::MULTICAST, on),
            FlagChange::Dynamic => dev.flags.set(LinkFlags::DYNAMIC, on),
            FlagChange::Promisc => dev.flags.set(LinkFlags::PROMISC, on),
            FlagChange::AllMulti => dev.flags.set(LinkFlags::ALLMULTI, on),
        }
        let (changed, up) = (before ^ dev.flags, dev.is_up());
        if changed.contains(LinkFlags::PROMISC) {
            self.promisc((ns, link), on);
        }
        if changed.contains(LinkFlags::ALLMULTI) {
            self.allmulti((ns, link), on);
        }
        if changed.contains(LinkFlags::NOARP) && up {
            self.inet_link_arp_switched(ns, link);
        }
    }

    /// `ip link set LINK alias`; an empty one goes. At most 255 bytes.
    ///
    /// # Errors
    /// `EINVAL` if too long, `ENODEV`.
    pub fn set_link_alias(&mut self, ns: NsId, link: IfIndex, alias: &str) -> Result<(), NlError> {
        if alias.len() > 255 {
            return Err(NlError::with(Errno::ERANGE, "Attribute failed policy validation"));
        }
        self.link_mut(ns, link).ok_or(Errno::ENODEV)?.alias = (!alias.is_empty()).then(|| alias.into());
        Ok(())
    }

    /// `ip link set LINK group`.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn set_link_group(&mut self, ns: NsId, link: IfIndex, group: u32) -> Result<(), NlError> {
        self.link_mut(ns, link).ok_or(Errno::ENODEV)?.group = group;
        Ok(())
    }

    /// `ip link set LINK txqueuelen`.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn set_link_txqlen(&mut self, ns: NsId, link: IfIndex, length: u32) -> Result<(), NlError> {
        self.link_mut(ns, link).ok_or(Errno::ENODEV)?.tx_queue_len = length;
        Ok(())
    }

    /// `ip link set LINK mode default|dormant`.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn set_link_mode(&mut self, ns: NsId, link: IfIndex, dormant: bool) -> Result<(), NlError> {
        self.link_mut(ns, link).ok_or(Errno::ENODEV)?.mode_dormant = dormant;
        Ok(())
    }

    /// Whether the world writes the link's frames into its capture log.
    pub fn set_captured(&mut self, ns: NsId, link: IfIndex, on: bool) {
        let Some(dev) = self.link_mut(ns, link).filter(|d| d.captured != on) else { return };
        dev.captured = on;
        dev.taps = if on { dev.taps + 1 } else { dev.taps.saturating_sub(1) };
    }
}
