//! Ipvlans: made, changed, and known to the link below with their addresses. Models `drivers/net/ipvlan/ipvlan_main.c`.
//! What they share with others that stand on a link is in [`stacked`](super::stacked).

use core::net::Ipv4Addr;

use hopwise_devices::ipvlan::{Child, Ipvlan, IpvlanPort, Mode, Reach};
use hopwise_devices::{HwType, Kind, LinkFlags};
use hopwise_sim_core::{IfIndex, NsId};

use super::FlagChange;
use super::stacked::Inherited;
use crate::error::{Errno, NlError};
use crate::inet::IfAddr;
use crate::network::Network;

/// What a new ipvlan shall be.
#[derive(Clone, Copy, Debug)]
pub struct IpvlanSpec {
    /// The link below: in the namespace of the command, not in that of the new link.
    pub lower: Option<(NsId, IfIndex)>,
    /// The mode of all on that link from now on; l3 if nothing is said.
    pub mode: Option<Mode>,
    /// Who reaches whom from now on; `None`: as before.
    pub reach: Option<Reach>,
}

impl Network {
    /// `ipvlan_link_new`, its first half. An ipvlan on an ipvlan stands on the link below that. Only one kind of link takes a link's
    /// frames.
    pub(super) fn ipvlan_newlink(&self, spec: &IpvlanSpec) -> Result<Inherited, NlError> {
        let at = spec.lower.ok_or(Errno::EINVAL)?;
        let at = self.dev(at).and_then(|d| d.kind.ipvlan()).map_or(at, |i| i.lower);
        let lower = self.dev(at).ok_or(Errno::ENODEV)?;
        let stacked = lower.stacked.as_deref();
        let port = stacked.map(|s| &s.ipvlan).filter(|p| !p.children.is_empty());
        if lower.hw != HwType::Ether || lower.flags.contains(LinkFlags::LOOPBACK) {
            return Err(Errno::EINVAL.into());
        }
        if lower.port.is_some() || (port.is_none() && stacked.is_some_and(|s| s.takes_frames())) {
            return Err(Errno::EBUSY.into());
        }
        if lower.kind.has_no_rx_handler() {
            return Err(Errno::EINVAL.into());
        }
        self.nesting(at)?;
        let reach = spec.reach.or(port.map(|p| p.reach)).unwrap_or_default();
        let ipvlan = Ipvlan { lower: at, mode: spec.mode.unwrap_or_default(), reach, first_addr: lower.addr };
        Ok(Inherited { kind: Kind::Ipvlan(Box::new(ipvlan)), addr: None, mtu: lower.mtu })
    }

    /// The second half: the others change to the mode of the new one, then the link below knows it.
    pub(super) fn ipvlan_added(&mut self, ns: NsId, link: IfIndex) {
        let Some(ipvlan) = self.dev((ns, link)).and_then(|d| d.kind.ipvlan()).copied() else { return };
        let addr = self.dev(ipvlan.lower).map(|d| d.addr);
        if let (Some(addr), Some(dev)) = (addr, self.link_mut(ns, link)) {
            dev.addr = addr;
            dev.addr_set = false;
        }
        self.set_port_mode(ipvlan.lower, ipvlan.mode);
        self.set_port_reach(ipvlan.lower, ipvlan.reach);
        if let Some(port) = self.ipvlan_port(ipvlan.lower) {
            port.children.push(Child { at: (ns, link), up: false, all_groups: false });
        }
    }

    fn ipvlan_port(&mut self, (ns, link): (NsId, IfIndex)) -> Option<&mut IpvlanPort> {
        self.link_mut(ns, link)?.link.stacked.as_deref_mut().map(|s| &mut s.ipvlan)
    }

    fn ipvlans_on(&mut self, lower: (NsId, IfIndex)) -> Vec<(NsId, IfIndex)> {
        self.ipvlan_port(lower).map_or_else(Vec::new, |port| port.children.iter().map(|c| c.at).collect())
    }

    /// `ipvlan_set_port_mode`: above layer 2 there is no ARP.
    fn set_port_mode(&mut self, lower: (NsId, IfIndex), mode: Mode) {
        let Some(port) = self.ipvlan_port(lower) else { return };
        let changed = core::mem::replace(&mut port.mode, mode) != mode;
        for (ns, link) in self.ipvlans_on(lower) {
            if changed {
                self.change_flag(ns, link, FlagChange::Arp, mode == Mode::L2);
            }
            if let Some(ipvlan) = self.link_mut(ns, link).and_then(|d| d.link.kind.ipvlan_mut()) {
                ipvlan.mode = mode;
            }
        }
    }

    fn set_port_reach(&mut self, lower: (NsId, IfIndex), reach: Reach) {
        if let Some(port) = self.ipvlan_port(lower) {
            port.reach = reach;
        }
        for (ns, link) in self.ipvlans_on(lower) {
            if let Some(ipvlan) = self.link_mut(ns, link).and_then(|d| d.link.kind.ipvlan_mut()) {
                ipvlan.reach = reach;
            }
        }
    }

    /// `ip link set LINK type ipvlan ...` (`ipvlan_nl_changelink`): it changes all on the link below.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the link is none.
    pub fn ipvlan_change(
        &mut self,
        ns: NsId,
        link: IfIndex,
        mode: Option<Mode>,
        reach: Option<Reach>,
    ) -> Result<(), NlError> {
        let ipvlan = self.dev((ns, link)).and_then(|d| d.kind.ipvlan()).copied().ok_or(Errno::EOPNOTSUPP)?;
        if let Some(mode) = mode {
            self.set_port_mode(ipvlan.lower, mode);
        }
        if let Some(reach) = reach {
            self.set_port_reach(ipvlan.lower, reach);
        }
        Ok(())
    }

    /// An ipvlan goes up or down, or wants more or less: the link below knows (`ipvlan_open`, `ipvlan_stop`,
    /// `ipvlan_set_multicast_mac_filter`).
    pub(super) fn ipvlan_switched(&mut self, ns: NsId, link: IfIndex) {
        let Some(dev) = self.link_mut(ns, link) else { return };
        let Some(ipvlan) = dev.kind.ipvlan().copied() else { return };
        let (up, all_groups) = (dev.is_up(), dev.promiscuity > 0 || dev.allmulti > 0);
        let Some(port) = self.ipvlan_port(ipvlan.lower) else { return };
        let Some(child) = port.children.iter_mut().find(|c| c.at == (ns, link)) else { return };
        child.all_groups = all_groups;
        let opened = up && !core::mem::replace(&mut child.up, up);
        if opened && let Some(dev) = self.link_mut(ns, link) {
            dev.flags.set(LinkFlags::NOARP, ipvlan.mode != Mode::L2);
        }
    }

    /// Whether a link that is promiscuous makes the one below so: an ipvlan does not (`ipvlan_change_rx_flags`).
    pub(super) fn hands_promisc_down(&self, ns: NsId, link: IfIndex) -> bool {
        self.dev((ns, link)).is_some_and(|d| d.kind.ipvlan().is_none())
    }

    /// `ipvlan_addr4_validator_event`: an address leads to one ipvlan of a link.
    pub(crate) fn ipvlan_may_add(&self, ns: NsId, link: IfIndex, addr: &IfAddr) -> Result<(), NlError> {
        let Some(dev) = self.dev((ns, link)) else { return Ok(()) };
        let Some(lower) = dev.kind.ipvlan().and_then(|i| self.dev(i.lower)) else { return Ok(()) };
        let same = |a: &IfAddr| a.local == addr.local && a.prefix_len == addr.prefix_len;
        let known = dev.inet.addrs.iter().any(|a| same(a));
        if !known && lower.stacked.as_deref().is_some_and(|s| s.ipvlan.is_busy(addr.local)) {
            return Err(NlError::with(Errno::EADDRINUSE, "Address already assigned to an ipvlan device"));
        }
        Ok(())
    }

    /// The addresses of a link may have changed: the link below knows those of an ipvlan (`ipvlan_addr4_event`).
    pub(crate) fn ipvlan_addrs_changed(&mut self, ns: NsId, link: IfIndex) {
        let Some(dev) = self.dev((ns, link)) else { return };
        let Some(lower) = dev.kind.ipvlan().map(|i| i.lower) else { return };
        let addrs: Vec<Ipv4Addr> = dev.inet.addrs.iter().map(|a| a.local).collect();
        if let Some(port) = self.ipvlan_port(lower) {
            port.set_addrs((ns, link), addrs.into_iter());
        }
    }

    /// Addresses of a namespace have expired.
    pub(crate) fn ipvlan_addrs_expired(&mut self, ns: NsId) {
        let links = self.ns(ns).map_or_else(Vec::new, |space| space.devs.indices());
        for link in links {
            self.ipvlan_addrs_changed(ns, link);
        }
    }
}
