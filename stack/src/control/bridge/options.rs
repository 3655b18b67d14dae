//! Options of bridges and of their ports: `br_changelink`, `br_setport`.

use hopwise_devices::bridge::options::{Effect, OptionRow};
use hopwise_devices::bridge::{Port, PortState};
use hopwise_sim_core::{IfIndex, NsId};

use crate::error::{Errno, NlError};
use crate::linkwatch;
use crate::network::Network;

/// An option of a port.
#[derive(Clone, Copy, Debug)]
pub struct PortOption {
    /// Its word in `ip link set ... type bridge_slave` and `bridge link set`.
    pub word: &'static str,
    /// True: `on` or `off`; false: a number.
    pub switch: bool,
    get: fn(&Port) -> u64,
    set: fn(&mut Port, u64) -> Result<(), Errno>,
}

impl PortOption {
    /// The option with that word.
    pub fn find(word: &str) -> Option<&'static PortOption> {
        PORT_OPTIONS.iter().find(|o| o.word == word)
    }

    /// Its value at a port.
    pub fn get(&self, port: &Port) -> u64 {
        (self.get)(port)
    }
}

macro_rules! switch {
    ($word:literal, $field:ident) => {
        PortOption {
            word: $word,
            switch: true,
            get: |p| u64::from(p.$field),
            set: |p, value| {
                p.$field = value != 0;
                Ok(())
            },
        }
    };
}

macro_rules! shown {
    ($word:literal, $switch:literal, $default:literal) => {
        PortOption {
            word: $word,
            switch: $switch,
            get: |p| p.shown.iter().find(|(word, _)| *word == $word).map_or($default, |(_, value)| *value),
            set: |p, value| {
                p.shown.retain(|(word, _)| *word != $word);
                p.shown.push(($word, value));
                Ok(())
            },
        }
    };
}

/// All options of a port.
pub static PORT_OPTIONS: &[PortOption] = &[
    PortOption {
        word: "state",
        switch: false,
        get: |p| u64::from(p.state.number()),
        // The bridge must know: see `Network::set_port_option`.
        set: |_, _| Ok(()),
    },
    PortOption {
        word: "priority",
        switch: false,
        get: |p| u64::from(p.priority),
        // Six bits: the other ten of the port id are the number.
        set: |p, value| {
            p.priority = u8::try_from(value).ok().filter(|v| *v < 64).ok_or(Errno::ERANGE)?;
            Ok(())
        },
    },
    PortOption {
        word: "cost",
        switch: false,
        get: |p| u64::from(p.cost),
        set: |p, value| {
            p.cost = u32::try_from(value).ok().filter(|v| (1..=65_535).contains(v)).ok_or(Errno::ERANGE)?;
            p.admin_cost = true;
            Ok(())
        },
    },
    switch!("hairpin", hairpin),
    switch!("guard", guard),
    switch!("root_block", root_block),
    switch!("fastleave", fastleave),
    switch!("learning", learning),
    switch!("flood", flood),
    shown!("proxy_arp", true, 0),
    shown!("proxy_arp_wifi", true, 0),
    shown!("mcast_router", false, 1),
    switch!("mcast_flood", mcast_flood),
    switch!("bcast_flood", bcast_flood),
    shown!("mcast_to_unicast", true, 0),
    switch!("neigh_suppress", neigh_suppress),
    shown!("group_fwd_mask", false, 0),
    shown!("vlan_tunnel", true, 0),
    switch!("isolated", isolated),
    switch!("locked", locked),
];

impl Network {
    /// `ip link set BRIDGE type bridge OPTION VALUE`, values in netlink's units.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the link is no bridge or the option does not exist here, `ERANGE`, `EINVAL`, `ENODEV`.
    pub fn set_bridge_option(
        &mut self,
        ns: NsId,
        bridge: IfIndex,
        row: &'static OptionRow,
        value: u64,
    ) -> Result<(), NlError> {
        let dev = self.link_mut(ns, bridge).ok_or(Errno::ENODEV)?;
        let state = dev.link.kind.bridge_mut().ok_or(Errno::EOPNOTSUPP)?;
        if row.effect == Effect::Vlans {
            return self.set_vlan_option(ns, bridge, row, value);
        }
        Ok(state.set_option(row, value)?)
    }

    /// `ip link set PORT type bridge_slave OPTION VALUE`, `bridge link set dev PORT OPTION VALUE`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the link is no port, `ENETDOWN` for a state while the link is down, `ERANGE`, `EINVAL`, `ENODEV`.
    pub fn set_port_option(&mut self, ns: NsId, port: IfIndex, option: &PortOption, value: u64) -> Result<(), NlError> {
        let dev = self.link_mut(ns, port).ok_or(Errno::ENODEV)?;
        let (up, oper) = (dev.is_up(), dev.is_oper_up());
        let state = dev.link.port.as_deref_mut().ok_or(Errno::EOPNOTSUPP)?;
        if option.word != "state" {
            return Ok((option.set)(state, value)?);
        }
        if value <= 4 && (!up || (!oper && value != 0)) {
            return Err(Errno::ENETDOWN.into());
        }
        let before = state.state;
        let wanted = u8::try_from(value).ok().and_then(PortState::from_number).ok_or(Errno::EINVAL)?;
        // Without a spanning tree nobody keeps a port blocking: br_port_state_selection lets it forward.
        let wanted = if wanted == PortState::Blocking { PortState::Forwarding } else { wanted };
        self.set_port_state(ns, port, before, wanted);
        linkwatch::after(self);
        Ok(())
    }

    /// `fdb_flush`: forgets what was learned, at all ports or at one.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the link is no bridge, `ENODEV`.
    pub fn bridge_flush(&mut self, ns: NsId, bridge: IfIndex, port: Option<IfIndex>) -> Result<(), NlError> {
        let dev = self.link_mut(ns, bridge).ok_or(Errno::ENODEV)?;
        let state = dev.link.kind.bridge_mut().ok_or(Errno::EOPNOTSUPP)?;
        state.fdb.retain(|_, e| e.is_static || port.is_some_and(|p| p != e.port));
        state.learned = state.fdb.values().filter(|e| !e.is_static).count();
        Ok(())
    }
}
