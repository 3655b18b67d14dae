//! VRFs: made and deleted, and links that join and leave them. Models `drivers/net/vrf.c`.

use hopwise_devices::vrf::Vrf;
use hopwise_devices::{Kind, LinkFlags};
use hopwise_protocols::fib::{L3MDEV_RULE, RT_TABLE_UNSPEC};
use hopwise_sim_core::{IfIndex, NsId};

use crate::error::{Errno, NlError};
use crate::network::Network;
use crate::sysctl::SysctlKey;

impl Network {
    /// `vrf_newlink`, its first half. `table`: as given, if it was.
    pub(super) fn vrf_new(&self, ns: NsId, table: Option<u32>) -> Result<Kind, NlError> {
        let table = table.ok_or_else(|| NlError::with(Errno::EINVAL, "VRF table id is missing"))?;
        if table == RT_TABLE_UNSPEC {
            return Err(NlError::with(Errno::EINVAL, "Invalid VRF table id"));
        }
        let space = self.ns(ns).ok_or(Errno::ENODEV)?;
        let strict = space.sysctl[SysctlKey::VrfStrictMode] != 0;
        if strict && space.devs.iter().any(|d| d.kind.vrf().is_some_and(|v| v.table == table)) {
            return Err(NlError::with(Errno::EBUSY, "Table is used by another VRF"));
        }
        Ok(Kind::Vrf(Vrf { table }))
    }

    /// The second half: the first one of a namespace brings the rule that asks its table (`vrf_add_fib_rules`). The rule stays when
    /// the VRF goes.
    pub(super) fn vrf_added(&mut self, ns: NsId, link: IfIndex) {
        if self.dev((ns, link)).is_none_or(|d| d.kind.vrf().is_none()) {
            return;
        }
        let Some(space) = self.ns_mut(ns) else { return };
        space.vrfs += 1;
        if !core::mem::replace(&mut space.had_vrf, true) {
            // Somebody may have made the same by hand.
            let _ = space.fib.add_rule(L3MDEV_RULE);
            space.pmtu.flush();
        }
    }

    /// `vrf_dellink`: its links leave it before it goes.
    pub(super) fn vrf_goes(&mut self, ns: NsId, link: IfIndex) {
        if self.dev((ns, link)).is_none_or(|d| d.kind.vrf().is_none()) {
            return;
        }
        for slave in self.slaves_of(ns, link) {
            self.leave_vrf(ns, slave);
        }
    }

    /// A VRF is no more.
    pub(super) fn vrf_gone(&mut self, ns: NsId) {
        if let Some(space) = self.ns_mut(ns) {
            space.vrfs = space.vrfs.saturating_sub(1);
        }
    }

    fn slaves_of(&self, ns: NsId, vrf: IfIndex) -> Vec<IfIndex> {
        let devs = self.ns(ns).map(|space| &space.devs);
        devs.map_or_else(Vec::new, |devs| devs.iter().filter(|d| d.master == vrf).map(|d| d.index).collect())
    }

    /// `vrf_add_slave`: the link's addresses and routes move to the table of the VRF.
    pub(super) fn join_vrf(&mut self, ns: NsId, vrf: IfIndex, link: IfIndex) -> Result<(), NlError> {
        let dev = self.dev((ns, link)).ok_or(Errno::ENODEV)?;
        if dev.kind.vrf().is_some() {
            return Err(NlError::with(Errno::EINVAL, "Can not enslave an L3 master device to a VRF"));
        }
        if dev.flags.contains(LinkFlags::LOOPBACK) {
            return Err(NlError::with(Errno::EOPNOTSUPP, "Can not enslave loopback device to a VRF"));
        }
        self.change_vrf(ns, link, vrf);
        Ok(())
    }

    /// `vrf_del_slave`; nothing happens to a link that belongs to none.
    pub(super) fn leave_vrf(&mut self, ns: NsId, link: IfIndex) {
        let Some(dev) = self.dev((ns, link)) else { return };
        let master = dev.master;
        if master.is_some() && self.dev((ns, master)).is_some_and(|m| m.kind.vrf().is_some()) {
            self.change_vrf(ns, link, IfIndex::NONE);
        }
    }

    /// `NETDEV_CHANGEUPPER` takes all routes of the link away, wherever they are; then it goes down and up again, so that those of its
    /// addresses come anew (`cycle_netdev`).
    fn change_vrf(&mut self, ns: NsId, link: IfIndex, master: IfIndex) {
        self.inet_link_changed_vrf(ns, link);
        let Some(dev) = self.link_mut(ns, link) else { return };
        dev.master = master;
        if dev.is_up() {
            self.close(ns, link);
            let opened = self.open(ns, link);
            debug_assert!(opened.is_ok(), "it was up");
        }
    }
}
