//! `macvlan`: what `ip link add` and `ip link set` ask for. Models the control half of `drivers/net/macvlan.c`; what it shares with
//! other links that stand on one is in `stacked.rs`.

use hopwise_devices::macvlan::{Child, Macvlan, MacvlanFlags, Mode, SourceChange};
use hopwise_devices::{HwType, Kind, Link};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};

use super::stacked::Inherited;
use crate::error::{Errno, NlError};
use crate::network::Network;

/// What a new `macvlan` shall be.
#[derive(Clone, Debug)]
pub struct MacvlanSpec {
    /// The link below: in the namespace of the command, not in that of the new link.
    pub lower: Option<(NsId, IfIndex)>,
    /// Its mode.
    pub mode: Mode,
    /// Its flags.
    pub flags: MacvlanFlags,
    /// `bcqueuelen`.
    pub bc_queue_len: u32,
    /// `macaddr`: whose frames it hears.
    pub sources: Option<SourceChange>,
}

/// What a `macvlan` shall be from now on; `None`: that stays.
#[derive(Clone, Debug, Default)]
pub struct MacvlanChange {
    /// Its mode.
    pub mode: Option<Mode>,
    /// Its flags.
    pub flags: Option<MacvlanFlags>,
    /// `bcqueuelen`.
    pub bc_queue_len: Option<u32>,
    /// `macaddr`.
    pub sources: Option<SourceChange>,
}

impl Network {
    /// The first half of `macvlan_common_newlink`. A macvlan on a macvlan stands on the link below that.
    pub(super) fn macvlan_newlink(&mut self, spec: &MacvlanSpec) -> Result<Inherited, NlError> {
        let at = spec.lower.ok_or(Errno::EINVAL)?;
        let at = self.dev(at).and_then(|d| d.kind.macvlan()).map_or(at, |m| m.lower);
        let lower = self.dev(at).ok_or(Errno::ENODEV)?;
        let busy = lower.port.is_some() || lower.stacked.as_deref().is_some_and(|s| !s.ipvlan.children.is_empty());
        if lower.hw != HwType::Ether || busy || lower.kind.has_no_rx_handler() {
            return Err(if busy { Errno::EBUSY } else { Errno::EINVAL }.into());
        }
        let port = lower.stacked.as_deref().map(|s| &s.macvlan).filter(|p| !p.children.is_empty());
        // Only one may be there if it is a passthru one.
        if port.is_some_and(|p| p.is_passthru() || spec.mode == Mode::Passthru) {
            return Err(Errno::EINVAL.into());
        }
        let addr = (spec.mode == Mode::Passthru).then_some(lower.addr);
        let mut macvlan = Macvlan {
            lower: at,
            mode: spec.mode,
            bc_queue_len: spec.bc_queue_len,
            bc_queue_used: spec.bc_queue_len,
            flags: spec.flags,
            sources: Vec::new(),
        };
        match &spec.sources {
            Some(_) if spec.mode != Mode::Source => return Err(Errno::EINVAL.into()),
            Some(sources) => macvlan.change_sources(sources)?,
            None => {}
        }
        Ok(Inherited { kind: Kind::Macvlan(Box::new(macvlan)), addr, mtu: lower.mtu })
    }

    /// `macvlan_addr_busy`: nobody on the link below may have the address, nor that one itself.
    pub(super) fn check_macvlan_addr(&self, dev: &Link, lower: &Link, addr: MacAddr) -> Result<(), NlError> {
        let port = lower.stacked.as_deref().map(|s| &s.macvlan);
        let other = port.and_then(|p| p.find(addr)).is_some_and(|c| c.at.1 != dev.index || !dev.is_up());
        if addr == lower.addr || other { Err(Errno::EADDRINUSE.into()) } else { Ok(()) }
    }

    /// All macvlans of a link have one queue, as long as the longest that one of them wants (`update_port_bc_queue_len`).
    pub(super) fn share_queue_length(&mut self, lower: (NsId, IfIndex)) {
        let macvlans = self.uppers(lower.0, lower.1);
        let wanted = |at: &(NsId, IfIndex)| Some(self.dev(*at)?.kind.macvlan()?.bc_queue_len);
        let longest = macvlans.iter().filter_map(wanted).max().unwrap_or(0);
        for (ns, link) in macvlans {
            if let Some(macvlan) = self.link_mut(ns, link).and_then(|d| d.link.kind.macvlan_mut()) {
                macvlan.bc_queue_used = longest;
            }
        }
    }

    /// The link below knows a macvlan's address, mode and whether it is up.
    pub(super) fn macvlan_changed(&mut self, ns: NsId, link: IfIndex) {
        let Some(dev) = self.dev((ns, link)) else { return };
        let Some(macvlan) = dev.kind.macvlan() else { return };
        let child = Child { at: (ns, link), addr: dev.addr, mode: macvlan.mode, up: dev.is_up() };
        let nodst = macvlan.flags.contains(MacvlanFlags::NODST);
        let heard: Vec<_> = macvlan.sources.iter().map(|addr| (*addr, child.at, nodst)).collect();
        let (lower_ns, lower) = macvlan.lower;
        let lower = self.link_mut(lower_ns, lower).and_then(|d| d.link.stacked.as_deref_mut());
        let Some(port) = lower.map(|stacked| &mut stacked.macvlan) else { return };
        port.children.iter_mut().filter(|c| c.at == child.at).for_each(|c| *c = child);
        port.sources.retain(|(_, at, _)| *at != child.at);
        port.sources.extend(heard);
    }

    /// `ip link set LINK type macvlan` (`macvlan_changelink`).
    ///
    /// # Errors
    /// `EINVAL` into and out of passthru, and for a list of addresses in another mode than `source`; `EOPNOTSUPP` if the link is none.
    pub fn macvlan_change(&mut self, ns: NsId, link: IfIndex, change: &MacvlanChange) -> Result<(), NlError> {
        let macvlan = self.link_mut(ns, link).and_then(|d| d.link.kind.macvlan_mut()).ok_or(Errno::EOPNOTSUPP)?;
        let (lower, mode) = (macvlan.lower, change.mode.unwrap_or(macvlan.mode));
        if (mode == Mode::Passthru) != (macvlan.mode == Mode::Passthru) {
            return Err(Errno::EINVAL.into());
        }
        if mode != Mode::Source {
            macvlan.sources.clear();
        }
        let before = macvlan.nopromisc();
        macvlan.flags = change.flags.unwrap_or(macvlan.flags);
        macvlan.bc_queue_len = change.bc_queue_len.unwrap_or(macvlan.bc_queue_len);
        macvlan.mode = mode;
        let after = macvlan.nopromisc();
        if mode == Mode::Passthru && before != after {
            self.promisc(lower, before);
        }
        self.share_queue_length(lower);
        self.macvlan_changed(ns, link);
        match &change.sources {
            Some(sources) => self.change_sources(ns, link, sources),
            None => Ok(()),
        }
    }

    fn change_sources(&mut self, ns: NsId, link: IfIndex, change: &SourceChange) -> Result<(), NlError> {
        let macvlan = self.link_mut(ns, link).and_then(|d| d.link.kind.macvlan_mut()).ok_or(Errno::EOPNOTSUPP)?;
        if macvlan.mode != Mode::Source {
            return Err(Errno::EINVAL.into());
        }
        let done = macvlan.change_sources(change);
        self.macvlan_changed(ns, link);
        Ok(done?)
    }
}
