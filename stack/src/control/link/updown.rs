//! A link goes up or down: `__dev_open`, `__dev_close_many`, each kind's `ndo_open` and `ndo_stop`, and what the carrier
//! does to others.

use hopwise_devices::{Kind, LinkFlags, Qdisc};
use hopwise_sim_core::{IfIndex, NsId};

use crate::error::{Errno, NlError};
use crate::linkwatch;
use crate::network::Network;

impl Network {
    /// `ip link set LINK up` or `down`.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn set_link_up(&mut self, ns: NsId, link: IfIndex, up: bool) -> Result<(), NlError> {
        if self.ns(ns).and_then(|n| n.devs.get(link)).is_none() {
            return Err(Errno::ENODEV.into());
        }
        let done = if up {
            self.open(ns, link)
        } else {
            self.close(ns, link);
            Ok(())
        };
        linkwatch::after(self);
        done
    }

    /// `__dev_open`, `NETDEV_UP`. A kind may refuse (`ndo_open`): the link stays down then.
    pub(super) fn open(&mut self, ns: NsId, link: IfIndex) -> Result<(), NlError> {
        self.may_open(ns, link)?;
        self.vxlan_open(ns, link)?;
        let Some(dev) = self.link_mut(ns, link).filter(|d| !d.is_up()) else { return Ok(()) };
        dev.flags.insert(LinkFlags::UP);
        match dev.kind {
            Kind::Veth(_) => self.veth_open(ns, link),
            Kind::Bridge(_) => self.bridge_open(ns, link),
            Kind::Ipip(_) => self.tunnel_switched(ns, link, true),
            Kind::Vlan(_) | Kind::Macvlan(_) | Kind::Ipvlan(_) => self.stacked_open(ns, link),
            Kind::Loopback | Kind::Dummy | Kind::Vxlan(_) | Kind::Tun(_) | Kind::Vrf(_) => {}
        }
        if let Some(dev) = self.link_mut(ns, link) {
            // dev_activate: without carrier the queue waits for the link watcher.
            dev.qdisc = if dev.kind.has_queue() { Qdisc::PfifoFast } else { Qdisc::Noqueue };
            dev.active |= dev.carrier;
        }
        self.sync_filter((ns, link));
        self.inet_link_up(ns, link);
        self.port_may_start(ns, link);
        self.lower_went_up(ns, link);
        Ok(())
    }

    /// `__dev_close_many`, `NETDEV_DOWN`.
    pub(super) fn close(&mut self, ns: NsId, link: IfIndex) {
        let Some(dev) = self.link_mut(ns, link).filter(|d| d.is_up()) else { return };
        dev.flags.remove(LinkFlags::UP);
        dev.active = false;
        if let Some(stacked) = &mut dev.link.stacked {
            stacked.joined_late = false;
        }
        self.reset_queue(ns, link);
        let Some(dev) = self.link_mut(ns, link) else { return };
        match dev.kind {
            Kind::Veth(_) => self.veth_stop(ns, link),
            Kind::Bridge(_) => self.bridge_stop(ns, link),
            Kind::Ipip(_) => self.tunnel_switched(ns, link, false),
            Kind::Vxlan(_) => self.vxlan_stop(ns, link),
            Kind::Vlan(_) | Kind::Macvlan(_) | Kind::Ipvlan(_) => self.stacked_stop(ns, link),
            Kind::Loopback | Kind::Dummy | Kind::Tun(_) | Kind::Vrf(_) => {}
        }
        self.inet_link_down(ns, link);
        self.port_must_stop(ns, link);
        self.lower_went_down(ns, link);
    }

    /// `veth_open`: once both ends are up, both have a carrier.
    fn veth_open(&mut self, ns: NsId, link: IfIndex) {
        let Some((peer_ns, peer)) = self.peer_of(ns, link) else { return };
        if self.is_up(peer_ns, peer) && !self.is_cut(ns, link) {
            self.set_carrier(ns, link, true);
            self.set_carrier(peer_ns, peer, true);
        }
    }

    /// `veth_close`: the carrier of both is lost.
    fn veth_stop(&mut self, ns: NsId, link: IfIndex) {
        let Some((peer_ns, peer)) = self.peer_of(ns, link) else { return };
        self.set_carrier(ns, link, false);
        self.set_carrier(peer_ns, peer, false);
    }

    /// `netif_carrier_on` and `netif_carrier_off`.
    pub(crate) fn set_carrier(&mut self, ns: NsId, link: IfIndex, on: bool) {
        let Some(dev) = self.link_mut(ns, link).filter(|d| d.carrier != on) else { return };
        dev.carrier = on;
        dev.carrier_changes += 1;
        linkwatch::fire(self, ns, link);
    }

    /// `ip link set LINK carrier on|off`: only a dummy and a tun let themselves be told, a tun without a program only
    /// that it has none.
    ///
    /// # Errors
    /// `EOPNOTSUPP`, `EPERM`, `ENODEV`.
    pub fn set_link_carrier(&mut self, ns: NsId, link: IfIndex, on: bool) -> Result<(), NlError> {
        let dev = self.ns(ns).and_then(|n| n.devs.get(link)).ok_or(Errno::ENODEV)?;
        match &dev.kind {
            Kind::Tun(tun) if on && tun.file.is_none() => return Err(Errno::EPERM.into()),
            Kind::Dummy | Kind::Tun(_) => {}
            _ => return Err(Errno::EOPNOTSUPP.into()),
        }
        self.set_carrier(ns, link, on);
        linkwatch::after(self);
        Ok(())
    }

    /// The link watcher says that a link which is up changed its state (`NETDEV_CHANGE`): routes, neighbours and the
    /// link's bridge react.
    pub fn carrier_changed(&mut self, ns: NsId, link: IfIndex) {
        self.inet_carrier_changed(ns, link);
        self.port_carrier_check(ns, link);
        self.lower_changed(ns, link);
    }

    /// Brings the operational state of one link up to date before it is shown alone (`linkwatch_sync_dev`).
    pub fn sync_link(&mut self, ns: NsId, link: IfIndex) {
        linkwatch::sync(self, ns, link);
        linkwatch::after(self);
    }
}
