//! Bridges: ports join and leave, and the bridge follows them in address, MTU and carrier. Models `net/bridge/br_if.c`,
//! `br_stp.c`, `br_stp_if.c` and `br.c` (`br_device_event`), without the spanning tree.

mod fdb;
mod options;
mod vlan;

use hopwise_devices::Kind;
use hopwise_devices::bridge::{Bridge, Port, PortState};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};

use crate::error::{Errno, NlError};
use crate::network::Network;

pub use fdb::{FdbChange, FdbRow, FdbState, filtered_addresses};
pub use options::{PORT_OPTIONS, PortOption};
pub use vlan::{VlanChange, VlanRow};

/// MTU of a bridge without ports (`ETH_DATA_LEN`).
const ETH_DATA_LEN: u32 = 1500;

/// Cost of a link that does not say its speed (`port_cost`).
const COST_UNKNOWN: u32 = 100;

impl Network {
    pub(crate) fn bridge_mut(&mut self, ns: NsId, bridge: IfIndex) -> Option<&mut Bridge> {
        self.link_mut(ns, bridge)?.link.kind.bridge_mut()
    }

    /// The ports of a bridge, the one that joined last first; empty for other links.
    pub fn ports_of(&self, ns: NsId, bridge: IfIndex) -> Vec<IfIndex> {
        let dev = self.ns(ns).and_then(|n| n.devs.get(bridge));
        dev.and_then(|d| d.kind.bridge()).map_or_else(Vec::new, |b| b.ports.clone())
    }

    fn bridge_of(&self, ns: NsId, port: IfIndex) -> Option<IfIndex> {
        Some(self.ns(ns)?.devs.get(port)?.port.as_deref()?.bridge)
    }

    /// `br_add_if`. Many ports may join one after the other: what they change in the bridge is worked out from the new
    /// port alone.
    pub(super) fn join_bridge(&mut self, ns: NsId, bridge: IfIndex, link: IfIndex) -> Result<(), NlError> {
        let space = self.ns(ns).ok_or(Errno::ENODEV)?;
        // Only a bridge has ndo_add_slave.
        space.devs.get(bridge).ok_or(Errno::ENODEV)?.kind.bridge().ok_or(Errno::EOPNOTSUPP)?;
        let dev = space.devs.get(link).ok_or(Errno::ENODEV)?;
        may_join(&dev.kind, dev.addr)?;
        // Two may not stand on each other, and who hands its frames to macvlans cannot be a port.
        if self.stands_on((ns, link), (ns, bridge)) || dev.stacked.as_deref().is_some_and(|s| s.takes_frames()) {
            return Err(Errno::EBUSY.into());
        }
        let (addr, mtu) = (dev.addr, dev.mtu);
        let state = self.bridge_mut(ns, bridge).ok_or(Errno::ENODEV)?;
        let number = state.take_number().ok_or(Errno::EXFULL)?;
        state.ports.insert(0, link);
        state.had_ports = true;
        let (is_first, lowest) = (state.ports.len() == 1, state.id_addr.min(addr));
        if let Some(dev) = self.link_mut(ns, link) {
            let mut port = Port::new(bridge, number);
            port.cost = cost(&dev.kind);
            dev.port = Some(Box::new(port));
            dev.master = bridge;
        }
        self.allmulti((ns, link), true);
        self.promisc((ns, link), true);
        self.unsync_static(ns, bridge, link);
        self.add_local_address(ns, bridge, link, addr, 0);
        self.init_port_vlans(ns, bridge, link);
        self.take_address(ns, bridge, if is_first { addr } else { lowest });
        self.port_may_start(ns, link);
        self.take_mtu(ns, bridge, mtu, is_first);
        Ok(())
    }

    /// A promiscuous port needs no filter for the bridge's static addresses (`br_fdb_unsync_static`).
    fn unsync_static(&mut self, ns: NsId, bridge: IfIndex, link: IfIndex) {
        if self.ns(ns).and_then(|n| n.devs.get(link)).is_none_or(|d| d.extra_addrs.is_empty()) {
            return;
        }
        let Some(state) = self.bridge_mut(ns, bridge) else { return };
        let fixed: Vec<MacAddr> = state.fdb.iter().filter(|(_, e)| e.is_static).map(|((addr, _), _)| *addr).collect();
        if let Some(dev) = self.link_mut(ns, link) {
            dev.extra_addrs.retain(|addr| !fixed.contains(addr));
        }
    }

    /// `br_del_if`; nothing happens to a link that is no port.
    pub(super) fn leave_bridge(&mut self, ns: NsId, link: IfIndex) {
        let Some(bridge) = self.bridge_of(ns, link) else { return };
        self.disable_port(ns, link);
        let number = self.ns(ns).and_then(|n| n.devs.get(link)?.port.as_deref()).map_or(0, |p| p.number);
        let entries: Vec<(MacAddr, u16)> = self.bridge_mut(ns, bridge).map_or_else(Vec::new, |b| {
            b.ports.retain(|p| *p != link);
            b.free_number(number);
            b.fdb.iter().filter(|(_, e)| e.port == link).map(|(key, _)| *key).collect()
        });
        for (addr, vlan) in entries {
            self.forget_entry(ns, bridge, link, addr, vlan);
        }
        if let Some(dev) = self.link_mut(ns, link) {
            dev.port = None;
            dev.master = IfIndex::NONE;
        }
        self.allmulti((ns, link), false);
        self.promisc((ns, link), false);
        self.bridge_mtu_auto_adjust(ns, bridge);
        self.recalculate_bridge_id(ns, bridge);
    }

    /// `br_mtu_auto_adjust`: the MTU is the least of the ports', unless a person has set it.
    pub(super) fn bridge_mtu_auto_adjust(&mut self, ns: NsId, bridge: IfIndex) {
        let Some(space) = self.ns_mut(ns) else { return };
        let Some(state) = space.devs.get(bridge).and_then(|d| d.kind.bridge()) else { return };
        if state.mtu_set_by_user {
            return;
        }
        let mtu = state.ports.iter().filter_map(|p| space.devs.get(*p)).map(|d| d.mtu).min().unwrap_or(ETH_DATA_LEN);
        if let Some(dev) = space.devs.get_mut(bridge) {
            dev.mtu = mtu;
        }
        self.lower_mtu_changed(ns, bridge);
    }

    /// The MTU when a port has joined: the least of the ports'.
    fn take_mtu(&mut self, ns: NsId, bridge: IfIndex, mtu: u32, is_first: bool) {
        let Some(dev) = self.link_mut(ns, bridge) else { return };
        if dev.kind.bridge().is_some_and(|b| !b.mtu_set_by_user) {
            dev.mtu = if is_first { mtu } else { dev.mtu.min(mtu) };
        }
        self.lower_mtu_changed(ns, bridge);
    }

    /// `br_stp_recalculate_bridge_id`: the lowest address of the ports, all zero without ports.
    fn recalculate_bridge_id(&mut self, ns: NsId, bridge: IfIndex) {
        let Some(space) = self.ns(ns) else { return };
        let ports = space.devs.get(bridge).and_then(|d| d.kind.bridge()).map_or(&[][..], |b| &b.ports);
        let lowest = ports.iter().filter_map(|p| space.devs.get(*p)).map(|d| d.addr).min().unwrap_or(MacAddr::ZERO);
        self.take_address(ns, bridge, lowest);
    }

    /// The bridge takes the lowest address of its ports, unless a person has set one.
    fn take_address(&mut self, ns: NsId, bridge: IfIndex, lowest: MacAddr) {
        let Some(dev) = self.link_mut(ns, bridge).filter(|d| !d.addr_set && d.addr != lowest) else { return };
        let old = core::mem::replace(&mut dev.addr, lowest);
        self.own_address_changed(ns, bridge, old);
        self.inet_link_addr_changed(ns, bridge);
        self.lower_addr_changed(ns, bridge);
    }

    /// The bridge's own address is another one now (`br_stp_change_bridge_id`).
    pub(super) fn own_address_changed(&mut self, ns: NsId, bridge: IfIndex, old: MacAddr) {
        let Some(addr) = self.ns(ns).and_then(|n| n.devs.get(bridge)).map(|d| d.addr) else { return };
        // br_fdb_change_mac_address: the old entry goes if it belongs to no port.
        for vlan in core::iter::once(0).chain(self.vids(ns, bridge, IfIndex::NONE)) {
            if let Some(state) = self.bridge_mut(ns, bridge) {
                state.remove_local(old, vlan, IfIndex::NONE, None);
                state.id_addr = addr;
            }
            self.add_local_address(ns, bridge, IfIndex::NONE, addr, vlan);
        }
        self.select_port_states(ns, bridge);
    }

    /// A bridge was made with an address of its own (`br_dev_newlink`): as if it had changed.
    pub(super) fn bridge_id_changed(&mut self, ns: NsId, bridge: IfIndex) {
        let addr = self.ns(ns).and_then(|n| n.devs.get(bridge)).map(|d| d.addr);
        if let (Some(addr), Some(state)) = (addr, self.bridge_mut(ns, bridge)) {
            state.id_addr = addr;
        }
        self.select_port_states(ns, bridge);
    }

    /// `NETDEV_CHANGEADDR` of a port (`br_fdb_changeaddr`).
    pub(super) fn port_address_changed(&mut self, ns: NsId, port: IfIndex, old: MacAddr) {
        let Some(bridge) = self.bridge_of(ns, port) else { return };
        let Some(addr) = self.ns(ns).and_then(|n| n.devs.get(port)).map(|d| d.addr) else { return };
        let vlans: Vec<u16> = core::iter::once(0).chain(self.vids(ns, bridge, port)).collect();
        for vlan in &vlans {
            self.forget_entry(ns, bridge, port, old, *vlan);
        }
        for vlan in vlans {
            self.add_local_address(ns, bridge, port, addr, vlan);
        }
        self.recalculate_bridge_id(ns, bridge);
    }

    /// `ndo_open` of a bridge: ports that can, forward.
    pub(super) fn bridge_open(&mut self, ns: NsId, bridge: IfIndex) {
        for port in self.ports_of(ns, bridge) {
            if self.is_running(ns, port) {
                self.enable_port(ns, port);
            }
        }
    }

    /// `ndo_stop` of a bridge: all ports are disabled, what was learned is forgotten.
    pub(super) fn bridge_stop(&mut self, ns: NsId, bridge: IfIndex) {
        for port in self.ports_of(ns, bridge) {
            self.disable_port(ns, port);
        }
    }

    /// A link is up and operational as far as is known (`netif_running` and `netif_oper_up`).
    fn is_running(&self, ns: NsId, link: IfIndex) -> bool {
        self.ns(ns).and_then(|n| n.devs.get(link)).is_some_and(|d| d.is_up() && d.is_oper_up())
    }

    /// `NETDEV_UP` of a port.
    pub(super) fn port_may_start(&mut self, ns: NsId, port: IfIndex) {
        let Some(bridge) = self.bridge_of(ns, port) else { return };
        if self.is_up(ns, bridge) && self.is_running(ns, port) {
            self.enable_port(ns, port);
        }
    }

    /// `NETDEV_DOWN` of a port.
    pub(super) fn port_must_stop(&mut self, ns: NsId, port: IfIndex) {
        let Some(bridge) = self.bridge_of(ns, port) else { return };
        if self.is_up(ns, bridge) {
            self.disable_port(ns, port);
        }
    }

    /// `br_port_carrier_check`, on `NETDEV_CHANGE` of a port.
    pub(super) fn port_carrier_check(&mut self, ns: NsId, port: IfIndex) {
        let Some(bridge) = self.bridge_of(ns, port) else { return };
        if !self.is_up(ns, bridge) {
            return;
        }
        if self.is_running(ns, port) {
            self.enable_port(ns, port);
        } else {
            self.disable_port(ns, port);
        }
    }

    /// `br_stp_enable_port`: without STP a port goes from blocking to forwarding at once.
    fn enable_port(&mut self, ns: NsId, port: IfIndex) {
        self.set_port_state(ns, port, PortState::Disabled, PortState::Forwarding);
    }

    /// `br_stp_disable_port`: what was learned through it is forgotten.
    fn disable_port(&mut self, ns: NsId, port: IfIndex) {
        let Some(state) = self.ns(ns).and_then(|n| n.devs.get(port)?.port.as_deref()) else { return };
        let (bridge, before) = (state.bridge, state.state);
        if before != PortState::Disabled {
            self.set_port_state(ns, port, before, PortState::Disabled);
            if let Some(bridge) = self.bridge_mut(ns, bridge) {
                bridge.forget_learned(port, 0);
            }
        }
    }

    /// A port goes from one state to another one, if it is in that state; the bridge counts its forwarding ports.
    fn set_port_state(&mut self, ns: NsId, port: IfIndex, from: PortState, to: PortState) {
        let Some(state) = self.link_mut(ns, port).and_then(|d| d.port.as_deref_mut()) else { return };
        if state.state != from {
            return;
        }
        state.state = to;
        let bridge = state.bridge;
        if let Some(bridge) = self.bridge_mut(ns, bridge) {
            bridge.forwarding -= usize::from(from == PortState::Forwarding);
            bridge.forwarding += usize::from(to == PortState::Forwarding);
        }
        self.select_port_states(ns, bridge);
    }

    /// `br_port_state_selection`, its end: the bridge has a carrier if any port forwards.
    fn select_port_states(&mut self, ns: NsId, bridge: IfIndex) {
        let live = self.bridge_mut(ns, bridge).is_some_and(|b| b.forwarding > 0);
        self.set_carrier(ns, bridge, live);
    }
}

/// The checks of `br_add_if`.
fn may_join(kind: &Kind, addr: MacAddr) -> Result<(), NlError> {
    match kind {
        Kind::Loopback | Kind::Ipip(_) | Kind::Ipvlan(_) | Kind::Vrf(_) => Err(Errno::EINVAL.into()),
        Kind::Bridge(_) => Err(NlError::with(Errno::ELOOP, "Can not enslave a bridge to a bridge")),
        Kind::Tun(tun) if !tun.is_tap() => Err(Errno::EINVAL.into()),
        _ if addr.is_valid() => Ok(()),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// `port_cost`: by speed.
fn cost(kind: &Kind) -> u32 {
    match kind.ops().speed {
        // Its speed is that of the link below.
        _ if kind.vxlan().is_some_and(|v| v.config.dev == IfIndex::NONE) => COST_UNKNOWN,
        Some(10_000) => 2,
        Some(1_000) => 4,
        Some(100) => 19,
        _ => COST_UNKNOWN,
    }
}
