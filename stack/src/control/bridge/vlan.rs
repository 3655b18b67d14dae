//! VLANs of bridges: `bridge vlan` and the options of a bridge that begin with `vlan_`. Models `net/bridge/br_vlan.c` and
//! `br_vlan_options.c`.

use hopwise_devices::bridge::PortState;
use hopwise_devices::bridge::options::OptionRow;
use hopwise_devices::bridge::vlan::{BridgeVlans, MAX_VID, Vlan, VlanGroup, VlanStats};
use hopwise_sim_core::{HostId, IfIndex, NsId};

use crate::error::{Errno, NlError};
use crate::network::Network;

/// What `bridge vlan add` and `del` ask for: for the VLANs from `first` to `last`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanChange {
    /// The first VLAN.
    pub first: u16,
    /// The last one.
    pub last: u16,
    /// It becomes the VLAN of untagged frames.
    pub pvid: bool,
    /// Frames leave without a tag.
    pub untagged: bool,
    /// At the bridge that the link is a port of (`master`).
    pub at_master: bool,
    /// At the link itself (`self`).
    pub at_self: bool,
}

/// One row of `bridge vlan`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VlanRow {
    /// The port or the bridge.
    pub link: IfIndex,
    /// The VLAN; its counters are those that are to be shown.
    pub vlan: Vlan,
    /// It is the VLAN of untagged frames.
    pub pvid: bool,
}

impl Network {
    /// `modprobe 8021q`, which also happens when a VLAN is first asked for: from now on the host's kernel is one with
    /// VLANs, and its bridges have them as if they always had.
    pub fn load_vlans(&mut self, host: HostId) {
        match self.host_mut(host) {
            Some(host) if !host.vlans => host.vlans = true,
            _ => return,
        }
        let mut bridges = Vec::new();
        for space in self.namespaces().filter(|n| n.host == host) {
            bridges.extend(space.devs.iter().filter(|d| d.kind.bridge().is_some()).map(|d| (space.id, d.index)));
        }
        for (ns, bridge) in bridges {
            self.init_bridge_vlans(ns, bridge);
            for port in self.ports_of(ns, bridge).into_iter().rev() {
                self.init_port_vlans(ns, bridge, port);
            }
        }
    }

    /// The VLANs of a namespace's host are loaded.
    pub(crate) fn load_vlans_of(&mut self, ns: NsId) {
        if let Some(host) = self.ns(ns).map(|n| n.host) {
            self.load_vlans(host);
        }
    }

    /// `br_vlan_init`, if the host has VLANs.
    pub(crate) fn init_bridge_vlans(&mut self, ns: NsId, bridge: IfIndex) {
        let loaded = self.ns(ns).and_then(|n| self.host(n.host)).is_some_and(|h| h.vlans);
        match self.bridge_mut(ns, bridge) {
            Some(state) if loaded && state.vlans.is_none() => state.vlans = Some(Box::default()),
            _ => return,
        }
        self.group_add(ns, bridge, IfIndex::NONE, 1, (true, true));
    }

    /// `nbp_vlan_init`: a new port gets the default VLAN.
    pub(super) fn init_port_vlans(&mut self, ns: NsId, bridge: IfIndex, port: IfIndex) {
        let vid = self.vlans(ns, bridge).map_or(0, |v| v.default_pvid);
        if vid != 0 {
            self.group_add(ns, bridge, port, vid, (true, true));
        }
    }

    fn vlans(&self, ns: NsId, bridge: IfIndex) -> Option<&BridgeVlans> {
        self.ns(ns)?.devs.get(bridge)?.kind.bridge()?.vlans.as_deref()
    }

    fn vlans_mut(&mut self, ns: NsId, bridge: IfIndex) -> Option<&mut BridgeVlans> {
        self.bridge_mut(ns, bridge)?.vlans.as_deref_mut()
    }

    /// The VLANs of a port, or of the bridge link itself ([`IfIndex::NONE`]).
    fn group_mut(&mut self, ns: NsId, bridge: IfIndex, port: IfIndex) -> Option<&mut VlanGroup> {
        if port.is_some() {
            return Some(&mut self.link_mut(ns, port)?.link.port.as_deref_mut()?.vlans);
        }
        self.vlans_mut(ns, bridge).map(|v| &mut v.own)
    }

    /// The numbers of these VLANs.
    pub(super) fn vids(&self, ns: NsId, bridge: IfIndex, port: IfIndex) -> Vec<u16> {
        let Some(space) = self.ns(ns) else { return Vec::new() };
        let group = if port.is_some() {
            space.devs.get(port).and_then(|d| d.port.as_deref()).map(|p| &p.vlans)
        } else {
            space.devs.get(bridge).and_then(|d| d.kind.bridge()?.own_vlans())
        };
        group.map_or_else(Vec::new, |g| g.iter().map(|v| v.vid).collect())
    }

    /// `__vlan_add`: a VLAN, and the link's address in it.
    fn group_add(&mut self, ns: NsId, bridge: IfIndex, port: IfIndex, vid: u16, (pvid, untagged): (bool, bool)) {
        let Some(group) = self.group_mut(ns, bridge, port) else { return };
        if group.add(vid, pvid, untagged) {
            let link = if port.is_some() { port } else { bridge };
            if let Some(addr) = self.ns(ns).and_then(|n| n.devs.get(link)).map(|d| d.addr) {
                self.add_local_address(ns, bridge, port, addr, vid);
            }
        }
    }

    /// `br_vlan_delete`, `nbp_vlan_delete`: what was learned in it goes too.
    fn group_del(&mut self, ns: NsId, bridge: IfIndex, port: IfIndex, vid: u16) {
        let link = if port.is_some() { port } else { bridge };
        let addr = self.ns(ns).and_then(|n| n.devs.get(link)).map(|d| d.addr);
        if self.group_mut(ns, bridge, port).is_none_or(|g| g.get(vid).is_none()) {
            return;
        }
        if let Some(addr) = addr {
            self.forget_own_entry(ns, bridge, port, addr, vid);
        }
        if let Some(state) = self.bridge_mut(ns, bridge) {
            state.forget_learned(port, vid);
        }
        if let Some(group) = self.group_mut(ns, bridge, port) {
            group.remove(vid);
        }
    }

    /// Whose VLANs are meant: the bridge, and the port or [`IfIndex::NONE`] (`rtnl_bridge_setlink`).
    fn vlan_targets(&self, ns: NsId, link: IfIndex, change: &VlanChange) -> Result<Vec<(IfIndex, IfIndex)>, NlError> {
        let dev = self.ns(ns).and_then(|n| n.devs.get(link)).ok_or(Errno::ENODEV)?;
        let mut targets = Vec::new();
        if change.at_master || !change.at_self {
            targets.push((dev.port.as_deref().ok_or(Errno::EOPNOTSUPP)?.bridge, link));
        }
        if change.at_self {
            dev.kind.bridge().ok_or(Errno::EOPNOTSUPP)?;
            targets.push((link, IfIndex::NONE));
        }
        Ok(targets)
    }

    /// `bridge vlan add`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the link is no port (with `self`: no bridge), `EINVAL` for a number that no VLAN has, `ENODEV`.
    pub fn vlan_add(&mut self, ns: NsId, link: IfIndex, change: &VlanChange) -> Result<(), NlError> {
        self.load_vlans_of(ns);
        for (bridge, port) in self.vlan_targets(ns, link, change)? {
            check_vids(change)?;
            for vid in change.first..=change.last {
                self.group_add(ns, bridge, port, vid, (change.pvid, change.untagged));
            }
        }
        Ok(())
    }

    /// `bridge vlan del`; one that is not there is no mistake.
    ///
    /// # Errors
    /// As [`Network::vlan_add`].
    pub fn vlan_del(&mut self, ns: NsId, link: IfIndex, change: &VlanChange) -> Result<(), NlError> {
        self.load_vlans_of(ns);
        for (bridge, port) in self.vlan_targets(ns, link, change)? {
            check_vids(change)?;
            for vid in change.first..=change.last {
                self.group_del(ns, bridge, port, vid);
            }
        }
        Ok(())
    }

    /// `bridge vlan set`: the state of the VLANs from `first` to `last` and what is kept for multicast routers
    /// (`br_vlan_rtm_process_options`).
    ///
    /// # Errors
    /// `EINVAL` if the link is neither bridge nor port or an argument makes no sense, `ENOENT` if one end is missing.
    pub fn vlan_set(
        &mut self,
        ns: NsId,
        link: IfIndex,
        (first, last): (u16, u16),
        state: Option<u8>,
        mcast_router: Option<u8>,
    ) -> Result<(), NlError> {
        self.load_vlans_of(ns);
        let dev = self.ns(ns).and_then(|n| n.devs.get(link)).ok_or(Errno::ENODEV)?;
        let (bridge, port) = match (dev.kind.bridge(), dev.port.as_deref()) {
            (Some(_), _) => (link, IfIndex::NONE),
            (None, Some(port)) => (port.bridge, link),
            _ => return Err(NlError::with(Errno::EINVAL, "bridge: The device is not a valid bridge or bridge port")),
        };
        if first == 0 || first > MAX_VID || last > MAX_VID {
            return Err(NlError::with(Errno::EINVAL, "bridge: Vlan id is invalid"));
        }
        let group = self.group_mut(ns, bridge, port).ok_or(Errno::EINVAL)?;
        for (vid, end) in [(first, "start"), (last, "end")] {
            if group.get(vid).is_none() {
                let text = format!("bridge: Vlan range {end} doesn't exist, can't process options");
                return Err(NlError::with(Errno::ENOENT, &text));
            }
        }
        let state = match state.map(PortState::from_number) {
            Some(None) => return Err(NlError::with(Errno::EINVAL, "bridge: Invalid vlan state")),
            state => state.flatten(),
        };
        if mcast_router.is_some_and(|r| r > 2) {
            return Err(Errno::EINVAL.into());
        }
        for vid in first..=last {
            let Some(vlan) = group.get_mut(vid) else { continue };
            vlan.state = state.unwrap_or(vlan.state);
            vlan.mcast_router = mcast_router.unwrap_or(vlan.mcast_router);
        }
        Ok(())
    }

    /// All VLANs of all bridges and ports of a namespace, in the order in which `bridge vlan` lists them.
    pub fn vlan_rows(&self, ns: NsId) -> Vec<VlanRow> {
        let Some(space) = self.ns(ns) else { return Vec::new() };
        let mut rows = Vec::new();
        for dev in space.devs.iter() {
            let own = dev.kind.bridge().and_then(|b| b.own_vlans()).map(|group| (dev.index, group));
            let port = dev.port.as_deref().map(|p| (p.bridge, &p.vlans));
            let Some((bridge, group)) = own.or(port) else { continue };
            let Some(vlans) = self.vlans(ns, bridge) else { continue };
            rows.extend(group.iter().map(|vlan| {
                let shared = vlans.stats.get(&vlan.vid).copied().unwrap_or_default();
                let stats: VlanStats = if vlans.per_port { vlan.stats } else { shared };
                VlanRow { link: dev.index, vlan: Vlan { stats, ..*vlan }, pvid: group.pvid == vlan.vid }
            }));
        }
        rows
    }

    /// An option of a bridge that begins with `vlan_` (`br_changelink`).
    pub(super) fn set_vlan_option(
        &mut self,
        ns: NsId,
        bridge: IfIndex,
        row: &'static OptionRow,
        value: u64,
    ) -> Result<(), NlError> {
        let state = self.bridge_mut(ns, bridge).ok_or(Errno::EOPNOTSUPP)?;
        // A kernel without VLANs takes what is so anyway.
        if state.vlans.is_none() && value == row.default {
            return Ok(());
        }
        self.load_vlans_of(ns);
        if row.word == "vlan_stats_per_port"
            && self.ports_of(ns, bridge).iter().any(|p| !self.vids(ns, bridge, *p).is_empty())
        {
            return Err(Errno::EBUSY.into());
        }
        let old = self.vlans(ns, bridge).map_or(0, |v| v.default_pvid);
        self.bridge_mut(ns, bridge).ok_or(Errno::EOPNOTSUPP)?.set_option(row, value)?;
        let new = self.vlans(ns, bridge).map_or(0, |v| v.default_pvid);
        if new != old {
            self.default_pvid_changed(ns, bridge, old, new);
        }
        Ok(())
    }

    /// Who still has the old default VLAN as it came gets the new one (`__br_vlan_set_default_pvid`,
    /// `br_vlan_disable_default_pvid`).
    fn default_pvid_changed(&mut self, ns: NsId, bridge: IfIndex, old: u16, new: u16) {
        let ports = self.ports_of(ns, bridge);
        for port in core::iter::once(IfIndex::NONE).chain(ports) {
            let Some(group) = self.group_mut(ns, bridge, port) else { continue };
            let unchanged = if old == 0 { new != 0 } else { group.is_default(old) };
            if !unchanged || (new != 0 && group.get(new).is_some()) {
                continue;
            }
            if new != 0 {
                self.group_add(ns, bridge, port, new, (true, true));
            }
            if old != 0 {
                self.group_del(ns, bridge, port, old);
            }
        }
    }
}

/// `br_vlan_valid_id` for both ends.
fn check_vids(change: &VlanChange) -> Result<(), NlError> {
    if change.first == 0 || change.first > MAX_VID || change.last > MAX_VID {
        return Err(NlError::with(Errno::EINVAL, "bridge: Vlan id is invalid"));
    }
    Ok(())
}
