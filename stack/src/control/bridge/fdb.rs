//! The forwarding database as `bridge fdb` sees it: `br_fdb_add`, `br_fdb_delete`, `rtnl_fdb_dump`, and the address
//! lists of links that are no bridges (`ndo_dflt_fdb_add`).

use hopwise_devices::bridge::FdbEntry;
use hopwise_devices::bridge::vlan::VlanGroup;
use hopwise_devices::{Kind, Link, LinkFlags};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Duration, IfIndex, NsId};

use crate::control::vxlan::{self, FdbTunnel, TunnelRow};
use crate::error::{Errno, NlError};
use crate::network::Network;

/// How lasting an entry is (the `NUD_*` state that netlink carries).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FdbState {
    /// `permanent`, `local`: an address of this host.
    #[default]
    Permanent,
    /// `static`: never ages.
    Static,
    /// `dynamic`: ages.
    Reachable,
}

/// What `bridge fdb add` and its siblings ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FdbChange {
    /// The address.
    pub addr: MacAddr,
    /// The VLAN; `None`: without one, and in every VLAN of the port.
    pub vlan: Option<u16>,
    /// How lasting.
    pub state: FdbState,
    /// Stays on its port.
    pub sticky: bool,
    /// `NUD_NOARP` beside the state: it does not age (VXLAN links tell the two apart).
    pub noarp: bool,
    /// The address of a router.
    pub router: bool,
    /// Somebody in user space learned it.
    pub extern_learn: bool,
    /// Where frames to it go (VXLAN links).
    pub tunnel: FdbTunnel,
    /// May be made (`NLM_F_CREATE`).
    pub create: bool,
    /// Must not be there yet (`NLM_F_EXCL`).
    pub exclusive: bool,
    /// What is there is replaced instead of added to (`NLM_F_REPLACE`).
    pub replace: bool,
    /// At the bridge that the link is a port of (`master`).
    pub at_master: bool,
    /// At the link itself (`self`).
    pub at_self: bool,
}

/// One row of `bridge fdb`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdbRow {
    /// The address.
    pub addr: MacAddr,
    /// The link it is listed for.
    pub link: IfIndex,
    /// The VLAN; 0: none.
    pub vlan: u16,
    /// The bridge whose entry it is; `None`: an address of the link itself (`self`).
    pub master: Option<IfIndex>,
    /// How lasting.
    pub state: FdbState,
    /// Stays on its port.
    pub sticky: bool,
    /// The address of a router.
    pub router: bool,
    /// Somebody in user space learned it.
    pub extern_learn: bool,
    /// Since when not used and not updated; `None` for addresses of the link itself.
    pub ages: Option<(Duration, Duration)>,
    /// Where frames go, for entries of a VXLAN link.
    pub tunnel: Option<TunnelRow>,
}

/// The all-hosts group, which every link with IPv4 has joined while it is up.
const ALL_HOSTS: MacAddr = MacAddr([0x01, 0, 0x5e, 0, 0, 0x01]);
/// IPv6's all-nodes group: every link joins it when it is made, also where IPv6 is switched off.
const ALL_NODES: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 0x01]);
/// All-snoopers, of a bridge that snoops multicast (RFC 4286).
const ALL_SNOOPERS: MacAddr = MacAddr([0x01, 0, 0x5e, 0, 0, 0x6a]);
const ALL_SNOOPERS_V6: MacAddr = MacAddr([0x33, 0x33, 0, 0, 0, 0x6a]);

/// The group of MVRP and GVRP, which every link with VLANs joins (`vlan_mvrp_init_applicant`).
const MVRP: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x21]);

/// The addresses that a link filters for besides its own (`dev->uc`, then `dev->mc`), in the order of joining.
pub fn filtered_addresses(link: &Link) -> Vec<MacAddr> {
    let (mut unicast, extra): (Vec<MacAddr>, Vec<MacAddr>) = link.extra_addrs.iter().partition(|a| a.is_unicast());
    // A link whose MTU is less than IPv6 asks for has no IPv6 (RFC 8200, section 5).
    unicast.extend((link.mtu >= 1280).then_some(ALL_NODES));
    let mvrp = link.stacked.as_deref().filter(|s| !s.vlans.is_empty()).map(|s| s.joined_late);
    unicast.extend((mvrp == Some(false)).then_some(MVRP));
    if link.is_up() {
        if link.kind.bridge().is_some_and(|b| b.mcast_snooping) {
            unicast.extend([ALL_SNOOPERS, ALL_SNOOPERS_V6]);
        }
        if link.flags.contains(LinkFlags::MULTICAST) {
            unicast.push(ALL_HOSTS);
        }
    }
    unicast.extend((mvrp == Some(true)).then_some(MVRP));
    unicast.extend(extra);
    unicast
}

impl Network {
    /// All rows that `bridge fdb show` prints for a namespace, in its order: links by number, for each the bridge's
    /// entries, the newest first, and the link's own.
    pub fn fdb_rows(&mut self, ns: NsId) -> Vec<FdbRow> {
        let now = self.now();
        let Some(space) = self.ns_mut(ns) else { return Vec::new() };
        for link in space.devs.indices() {
            if let Some(bridge) = space.devs.get_mut(link).and_then(|d| d.link.kind.bridge_mut()) {
                bridge.forget_aged(now);
            }
        }
        let mut rows = Vec::new();
        for dev in space.devs.iter().filter(|d| !matches!(d.kind, Kind::Loopback)) {
            let own = filtered_addresses(dev).into_iter().map(|addr| FdbRow {
                addr,
                link: dev.index,
                vlan: 0,
                master: None,
                state: FdbState::Permanent,
                sticky: false,
                router: false,
                extern_learn: false,
                ages: None,
                tunnel: None,
            });
            let entries = |bridge: IfIndex, port: IfIndex| {
                let state = space.devs.get(bridge).and_then(|d| d.kind.bridge());
                let all = state.map(|b| b.fdb.iter().rev()).into_iter().flatten();
                all.filter(move |(_, e)| e.port == port).map(move |((addr, vlan), e)| FdbRow {
                    addr: *addr,
                    link: dev.index,
                    vlan: *vlan,
                    master: Some(bridge),
                    state: state_of(e),
                    sticky: e.sticky,
                    router: false,
                    extern_learn: false,
                    tunnel: None,
                    ages: Some((now.since(e.used), now.since(e.updated))),
                })
            };
            if let Some(port) = dev.port.as_deref() {
                rows.extend(entries(port.bridge, dev.index));
            }
            match dev.kind.vxlan() {
                // A VXLAN link lists its own database instead.
                Some(vxlan) => rows.extend(vxlan::rows(now, dev, vxlan, space.nsids.find(vxlan.home))),
                None => rows.extend(own),
            }
            if dev.kind.bridge().is_some() {
                rows.extend(entries(dev.index, IfIndex::NONE));
            }
        }
        rows
    }

    /// `bridge fdb add`, `append`, `replace` (`rtnl_fdb_add`).
    ///
    /// # Errors
    /// `EEXIST`, `EINVAL`, `EOPNOTSUPP` if the link is no port, `EPERM` if the port cannot learn, `ENODEV`.
    pub fn fdb_add(&mut self, ns: NsId, link: IfIndex, change: &FdbChange) -> Result<(), NlError> {
        let dev = self.ns(ns).and_then(|n| n.devs.get(link)).ok_or(Errno::ENODEV)?;
        let (bridge, is_bridge) = (dev.port.as_deref().map(|p| p.bridge), dev.kind.bridge().is_some());
        let is_vxlan = dev.kind.vxlan().is_some();
        let mut done = Err(Errno::EOPNOTSUPP.into());
        if change.at_master
            && let Some(bridge) = bridge
        {
            self.fdb_add_entries(ns, bridge, link, change)?;
            done = Ok(());
        }
        if change.at_self {
            if is_bridge {
                self.fdb_add_entries(ns, link, IfIndex::NONE, change)?;
            } else if is_vxlan {
                self.vxlan_fdb_add(ns, link, change)?;
            } else {
                self.add_filtered(ns, link, change)?;
            }
            done = Ok(());
        }
        done
    }

    /// `br_fdb_add`: in the VLAN that is asked for, else without one and in every VLAN of the port.
    fn fdb_add_entries(&mut self, ns: NsId, bridge: IfIndex, port: IfIndex, change: &FdbChange) -> Result<(), NlError> {
        let vids = self.vids(ns, bridge, port);
        let vlans = match change.vlan {
            Some(vlan) if !vids.contains(&vlan) => return Err(Errno::EINVAL.into()),
            Some(vlan) => vec![vlan],
            None => core::iter::once(0).chain(vids).collect(),
        };
        vlans.into_iter().try_for_each(|vlan| self.fdb_add_entry(ns, bridge, port, vlan, change))
    }

    /// `fdb_add_entry`.
    fn fdb_add_entry(
        &mut self,
        ns: NsId,
        bridge: IfIndex,
        port: IfIndex,
        vlan: u16,
        change: &FdbChange,
    ) -> Result<(), NlError> {
        use hopwise_devices::bridge::PortState::{Forwarding, Learning};
        let now = self.now();
        let ages = change.state == FdbState::Reachable;
        let dev = self.ns(ns).and_then(|n| n.devs.get(port));
        let learns = dev.and_then(|d| d.port.as_deref()).is_some_and(|p| matches!(p.state, Forwarding | Learning));
        if change.addr.is_zero()
            || (!port.is_some() && change.state != FdbState::Permanent)
            || (change.sticky && change.state == FdbState::Permanent)
        {
            return Err(Errno::EINVAL.into());
        }
        if port.is_some() && ages && !learns {
            return Err(Errno::EPERM.into());
        }
        let state = self.bridge_mut(ns, bridge).ok_or(Errno::ENODEV)?;
        state.forget_aged(now);
        let entry = match state.fdb.get_mut(&(change.addr, vlan)) {
            None if !change.create => return Err(Errno::ENOENT.into()),
            Some(_) if change.exclusive => return Err(Errno::EEXIST.into()),
            Some(entry) => entry,
            None => state.fdb.entry((change.addr, vlan)).or_insert(FdbEntry {
                port,
                local: false,
                is_static: false,
                by_user: true,
                sticky: false,
                updated: now,
                used: now,
            }),
        };
        let before = *entry;
        entry.port = port;
        entry.by_user = true;
        entry.local = change.state == FdbState::Permanent;
        entry.is_static = !ages;
        entry.sticky = change.sticky;
        entry.used = now;
        if *entry != before {
            entry.updated = now;
        }
        state.learned = state.fdb.values().filter(|e| !e.is_static).count();
        Ok(())
    }

    /// `ndo_dflt_fdb_add`: an address that the link shall receive besides its own.
    fn add_filtered(&mut self, ns: NsId, link: IfIndex, change: &FdbChange) -> Result<(), NlError> {
        if change.state != FdbState::Permanent || change.vlan.is_some() {
            return Err(Errno::EINVAL.into());
        }
        let dev = self.link_mut(ns, link).ok_or(Errno::ENODEV)?;
        if dev.extra_addrs.contains(&change.addr) {
            return if change.exclusive { Err(Errno::EEXIST.into()) } else { Ok(()) };
        }
        dev.extra_addrs.push(change.addr);
        Ok(())
    }

    /// `bridge fdb del` (`rtnl_fdb_del`).
    ///
    /// # Errors
    /// `ENOENT`, `EOPNOTSUPP` if the link is no port, `ENODEV`.
    pub fn fdb_del(&mut self, ns: NsId, link: IfIndex, change: &FdbChange) -> Result<(), NlError> {
        let FdbChange { addr, vlan, at_master, at_self, .. } = *change;
        let dev = self.ns(ns).and_then(|n| n.devs.get(link)).ok_or(Errno::ENODEV)?;
        let (bridge, is_bridge) = (dev.port.as_deref().map(|p| p.bridge), dev.kind.bridge().is_some());
        let is_vxlan = dev.kind.vxlan().is_some();
        let mut done = Err(Errno::EOPNOTSUPP.into());
        if at_master && let Some(bridge) = bridge {
            self.fdb_del_entries(ns, bridge, link, addr, vlan)?;
            done = Ok(());
        }
        if at_self {
            if is_bridge {
                self.fdb_del_entries(ns, link, IfIndex::NONE, addr, vlan)?;
            } else if is_vxlan {
                self.vxlan_fdb_del(ns, link, addr, &change.tunnel)?;
            } else {
                let dev = self.link_mut(ns, link).ok_or(Errno::ENODEV)?;
                let at = dev.extra_addrs.iter().position(|a| *a == addr).ok_or(Errno::ENOENT)?;
                dev.extra_addrs.remove(at);
            }
            done = Ok(());
        }
        done
    }

    /// `bridge fdb flush dev BRIDGE [brport PORT]`: all entries go, also the bridge's own addresses (`br_fdb_flush`). Those
    /// of a VXLAN link too.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the link is no bridge, `ENODEV`.
    pub fn fdb_flush(
        &mut self,
        ns: NsId,
        bridge: IfIndex,
        port: Option<IfIndex>,
        vlan: Option<u16>,
    ) -> Result<(), NlError> {
        let dev = self.link_mut(ns, bridge).ok_or(Errno::ENODEV)?;
        if dev.kind.vxlan().is_some() {
            return match port {
                Some(_) => Err(NlError::with(Errno::EINVAL, "Unsupported attribute")),
                None => self.vxlan_fdb_flush(ns, bridge),
            };
        }
        let state = dev.link.kind.bridge_mut().ok_or(Errno::EOPNOTSUPP)?;
        state.fdb.retain(|(_, v), e| port.is_some_and(|p| p != e.port) || vlan.is_some_and(|vlan| vlan != *v));
        state.learned = state.fdb.values().filter(|e| !e.is_static).count();
        Ok(())
    }

    /// `br_fdb_delete`: in one VLAN, or without one and in every VLAN of the port, wherever there is something.
    fn fdb_del_entries(
        &mut self,
        ns: NsId,
        bridge: IfIndex,
        port: IfIndex,
        addr: MacAddr,
        vlan: Option<u16>,
    ) -> Result<(), NlError> {
        let vids = self.vids(ns, bridge, port);
        let vlans = match vlan {
            Some(vlan) if !vids.contains(&vlan) => return Err(Errno::EINVAL.into()),
            Some(vlan) => vec![vlan],
            None => core::iter::once(0).chain(vids).collect(),
        };
        let now = self.now();
        let state = self.bridge_mut(ns, bridge).ok_or(Errno::ENODEV)?;
        state.forget_aged(now);
        let mut done = Err(Errno::ENOENT.into());
        for vlan in vlans {
            if state.fdb.get(&(addr, vlan)).is_some_and(|e| e.port == port) {
                state.remove(addr, vlan);
                done = Ok(());
            }
        }
        done
    }

    /// The address of a port, or of the bridge, becomes a local entry (`fdb_add_local`); the log complains if it was
    /// learned before.
    pub(super) fn add_local_address(&mut self, ns: NsId, bridge: IfIndex, port: IfIndex, addr: MacAddr, vlan: u16) {
        let now = self.now();
        if self.bridge_mut(ns, bridge).is_some_and(|b| b.add_local(now, addr, vlan, port))
            && let Some(space) = self.ns_mut(ns)
        {
            let named = if port.is_some() { port } else { bridge };
            let text = format!(
                "{}: adding interface {} with same address as a received packet (addr:{addr}, vlan:{vlan})",
                space.name_of(bridge),
                space.name_of(named)
            );
            space.log(now, text);
        }
    }

    /// An entry of a port goes; if it is local and another port or the bridge has the same address, it becomes theirs
    /// (`fdb_delete_local`).
    pub(super) fn forget_entry(&mut self, ns: NsId, bridge: IfIndex, port: IfIndex, addr: MacAddr, vlan: u16) {
        let Some(space) = self.ns_mut(ns) else { return };
        let Some(dev) = space.devs.get(bridge) else { return };
        let has_vlan = |group: Option<&VlanGroup>| vlan == 0 || group.is_some_and(|g| g.get(vlan).is_some());
        let own = port.is_some() && dev.addr == addr && has_vlan(dev.kind.bridge().and_then(|b| b.own_vlans()));
        let ports = dev.kind.bridge().map_or(&[][..], |b| &b.ports);
        let has = |p: &&IfIndex| {
            let dev = space.devs.get(**p).filter(|d| **p != port && d.addr == addr);
            dev.and_then(|d| d.port.as_deref()).is_some_and(|p| has_vlan(Some(&p.vlans)))
        };
        let heir = ports.iter().find(has).copied().or_else(|| own.then_some(IfIndex::NONE));
        let Some(state) = space.devs.get_mut(bridge).and_then(|d| d.link.kind.bridge_mut()) else { return };
        if state.fdb.get(&(addr, vlan)).is_some_and(|e| e.local) {
            state.remove_local(addr, vlan, port, heir);
        } else if state.fdb.get(&(addr, vlan)).is_some_and(|e| e.port == port) {
            state.remove(addr, vlan);
        }
    }

    /// The entry of a port's (or the bridge's) own address in a VLAN goes, unless a person has made it
    /// (`br_fdb_find_delete_local`).
    pub(super) fn forget_own_entry(&mut self, ns: NsId, bridge: IfIndex, port: IfIndex, addr: MacAddr, vlan: u16) {
        let entry = self.bridge_mut(ns, bridge).and_then(|b| b.fdb.get(&(addr, vlan)));
        if entry.is_some_and(|e| e.local && !e.by_user && e.port == port) {
            self.forget_entry(ns, bridge, port, addr, vlan);
        }
    }
}

fn state_of(entry: &FdbEntry) -> FdbState {
    if entry.local {
        FdbState::Permanent
    } else if entry.is_static {
        FdbState::Static
    } else {
        FdbState::Reachable
    }
}
