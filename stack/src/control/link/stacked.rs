//! Links that stand on another one: made, moved and deleted, and what happens to the link below happens to them. Models
//! `net/8021q/vlan.c` (`vlan_device_event`), `vlan_netlink.c`, and the same parts of `drivers/net/macvlan.c`.

use hopwise_devices::macvlan::{Child, Mode};
use hopwise_devices::stacked::VlanUpper;
use hopwise_devices::vlan::{VlanFlags, VlanLink, VlanOptions};
use hopwise_devices::{HwType, Kind, LinkFlags};
use hopwise_protocols::wire::MacAddr;
use hopwise_protocols::wire::ethernet::{ETH_P_8021AD, ETH_P_8021Q};
use hopwise_sim_core::{IfIndex, NsId};

use crate::error::{Errno, NlError};
use crate::linkwatch;
use crate::network::Network;

/// How many links may stand on one another (`MAX_NEST_DEV`).
const MAX_NEST: usize = 8;

/// What a new `vlan` shall be.
#[derive(Clone, Debug)]
pub struct VlanSpec {
    /// The link below: in the namespace of the command, not in that of the new link.
    pub lower: Option<(NsId, IfIndex)>,
    /// EtherType of its tag.
    pub protocol: u16,
    /// Its number; `None`: forgotten.
    pub vid: Option<u16>,
    /// Anything at all was said after `type vlan`.
    pub given: bool,
    /// Its switches and maps.
    pub options: VlanOptions,
}

/// What a new link takes over from the one below.
pub(super) struct Inherited {
    pub(super) kind: Kind,
    pub(super) addr: Option<MacAddr>,
    pub(super) mtu: u32,
}

impl Network {
    pub(super) fn dev(&self, (ns, link): (NsId, IfIndex)) -> Option<&crate::dev::Dev> {
        self.ns(ns)?.devs.get(link)
    }

    /// `vlan_validate` and the first half of `vlan_newlink`.
    pub(super) fn vlan_newlink(&mut self, ns: NsId, spec: &VlanSpec) -> Result<Inherited, NlError> {
        let refuse = |errno, text: &str| Err(NlError::with(errno, format!("8021q: {text}")));
        if !spec.given {
            return refuse(Errno::EINVAL, "VLAN properties not specified");
        }
        if !matches!(spec.protocol, ETH_P_8021Q | ETH_P_8021AD) {
            return refuse(Errno::EPROTONOSUPPORT, "Invalid VLAN protocol");
        }
        let Some(vid) = spec.vid else { return refuse(Errno::EINVAL, "VLAN id not specified") };
        if vid >= 4095 {
            return refuse(Errno::ERANGE, "Invalid VLAN id");
        }
        let Some(at) = spec.lower else { return refuse(Errno::EINVAL, "link not specified") };
        let Some(lower) = self.dev(at) else { return refuse(Errno::ENODEV, "link does not exist") };
        if lower.hw != HwType::Ether || lower.kind.refuses_vlans() {
            return refuse(Errno::EOPNOTSUPP, "VLANs not supported on device");
        }
        let vlans = lower.stacked.as_deref().map_or(&[][..], |s| &s.vlans);
        if vlans.iter().any(|v| v.vid == vid && v.protocol == spec.protocol) {
            return refuse(Errno::EEXIST, "VLAN device already exists");
        }
        let (addr, mtu) = (lower.addr, lower.mtu);
        self.load_vlans_of(ns);
        let mut vlan = VlanLink {
            lower: at,
            protocol: spec.protocol,
            vid,
            flags: VlanFlags::default(),
            ingress: [0; 8],
            egress: Vec::new(),
            inherits: false,
            lower_addr: addr,
        };
        vlan.apply(&spec.options);
        Ok(Inherited { kind: Kind::Vlan(Box::new(vlan)), addr: Some(addr), mtu })
    }

    /// Whether a link stands on another one, at whatever distance.
    pub(crate) fn stands_on(&self, mut at: (NsId, IfIndex), below: (NsId, IfIndex)) -> bool {
        for _ in 0..MAX_NEST {
            match self.dev(at).and_then(|d| d.kind.lower()) {
                Some(lower) if lower == below => return true,
                Some(lower) => at = lower,
                None => return false,
            }
        }
        false
    }

    /// How many links a link stands on.
    pub(super) fn nesting(&self, mut at: (NsId, IfIndex)) -> Result<usize, NlError> {
        for depth in 0..MAX_NEST {
            match self.dev(at).and_then(|d| d.kind.lower()) {
                Some(lower) => at = lower,
                None => return Ok(depth),
            }
        }
        Err(Errno::EMLINK.into())
    }

    /// The second half of a new link: the link below knows it, and it has that one's flags and carrier.
    pub(super) fn stack(&mut self, ns: NsId, link: IfIndex, given_addr: bool) {
        let Some(at) = self.dev((ns, link)).and_then(|d| d.kind.lower()) else { return };
        let Some(lower) = self.dev(at) else { return };
        let (carrier, flags, greatest_mtu) = (lower.carrier, lower.flags, lower.mtu_range.1);
        let (tso_max_size, is_bridge) = (lower.tso_max_size(), lower.kind.bridge().is_some());
        let Some(dev) = self.link_mut(ns, link) else { return };
        // One that waits for ports of a bridge has no carrier without a bridge.
        let waits = dev.kind.vlan().is_some_and(|vlan| vlan.flags.contains(VlanFlags::BRIDGE_BINDING));
        dev.carrier = carrier && (is_bridge || !waits);
        dev.sizes.tso_max_size = tso_max_size;
        dev.addr_set = given_addr;
        let dropped = LinkFlags::UP | LinkFlags::PROMISC | LinkFlags::ALLMULTI;
        let upper = match &mut dev.link.kind {
            Kind::Vlan(vlan) => {
                dev.link.flags = flags.difference(dropped);
                vlan.inherits = !given_addr;
                Some(VlanUpper { protocol: vlan.protocol, vid: vlan.vid, at: (ns, link) })
            }
            _ => None,
        };
        if dev.kind.macvlan().is_some() {
            dev.mtu_range.1 = greatest_mtu;
        }
        let child =
            dev.link.kind.macvlan().map(|m| Child { at: (ns, link), addr: dev.link.addr, mode: m.mode, up: false });
        if let Some(stacked) = self.link_mut(at.0, at.1).map(|d| d.link.stacked.get_or_insert_default()) {
            if let Some(upper) = upper {
                stacked.joined_late =
                    if stacked.vlans.is_empty() { flags.contains(LinkFlags::UP) } else { stacked.joined_late };
                stacked.vlans.push(upper);
                stacked.vlans.sort_by_key(|v| (v.protocol, v.vid));
            }
            stacked.macvlan.children.extend(child);
        }
        self.ipvlan_added(ns, link);
        if at.0 != ns {
            self.nsid(ns, at.0);
        }
        self.share_queue_length(at);
        // ipvlan_init takes over the carrier before anybody looks: the state stays unknown until it changes.
        if self.dev((ns, link)).is_some_and(|d| d.kind.ipvlan().is_none()) {
            linkwatch::fire(self, ns, link);
        }
    }

    /// Who stands on a link.
    pub(super) fn uppers(&self, ns: NsId, link: IfIndex) -> Vec<(NsId, IfIndex)> {
        self.dev((ns, link)).and_then(|d| d.stacked.as_deref()).map_or_else(Vec::new, |s| s.all())
    }

    /// The link itself goes away or goes elsewhere: the one below hears of it.
    pub(super) fn restack(
        &mut self,
        from: (NsId, IfIndex),
        lower: Option<(NsId, IfIndex)>,
        to: Option<(NsId, IfIndex)>,
    ) {
        let Some(dev) = lower.and_then(|(ns, link)| self.link_mut(ns, link)) else { return };
        if let Some(stacked) = &mut dev.link.stacked {
            stacked.moved(from, to);
            if stacked.is_empty() {
                dev.link.stacked = None;
            }
        }
        if let Some(lower) = lower.filter(|_| to.is_none()) {
            self.share_queue_length(lower);
        }
    }

    /// A link has gone to another namespace: those that stand on it hear of it.
    pub(super) fn lower_moved(&mut self, ns: NsId, link: IfIndex) {
        for (upper_ns, upper) in self.uppers(ns, link) {
            if let Some(dev) = self.link_mut(upper_ns, upper) {
                dev.link.kind.set_lower((ns, link));
            }
        }
    }

    /// `NETDEV_UNREGISTER`: what stands on a link goes with it.
    pub(super) fn lower_gone(&mut self, ns: NsId, link: IfIndex) {
        for (upper_ns, upper) in self.uppers(ns, link) {
            self.delete_link(upper_ns, upper);
        }
    }

    /// Whether a link can be set up now: `vlan_dev_open`, `macvlan_open`.
    pub(super) fn may_open(&self, ns: NsId, link: IfIndex) -> Result<(), NlError> {
        let Some(dev) = self.dev((ns, link)).filter(|d| !d.is_up()) else { return Ok(()) };
        let Some(lower) = dev.kind.lower().and_then(|at| self.dev(at)) else { return Ok(()) };
        match &dev.kind {
            Kind::Vlan(vlan) if !lower.is_up() && !vlan.flags.contains(VlanFlags::LOOSE_BINDING) => {
                Err(Errno::ENETDOWN.into())
            }
            Kind::Macvlan(macvlan) if macvlan.mode != Mode::Passthru => self.check_macvlan_addr(dev, lower, dev.addr),
            _ => Ok(()),
        }
    }

    /// A link that stands on another one was set up.
    pub(super) fn stacked_open(&mut self, ns: NsId, link: IfIndex) {
        let Some(dev) = self.dev((ns, link)) else { return };
        let Some(at) = dev.kind.lower() else { return };
        let (addr, promisc, allmulti) = (dev.addr, dev.promiscuity > 0, dev.allmulti > 0);
        let Some(lower) = self.dev(at) else { return };
        let (lower_addr, lower_carrier) = (lower.addr, lower.carrier);
        match &dev.kind {
            Kind::Vlan(vlan) => {
                let inherits = vlan.inherits;
                let follows = !vlan.flags.contains(VlanFlags::BRIDGE_BINDING);
                if addr != lower_addr && inherits {
                    self.inherit_addr(ns, link, lower_addr);
                } else if addr != lower_addr {
                    self.filter_addr(at, addr, true);
                }
                if lower_carrier && follows {
                    self.set_carrier(ns, link, true);
                }
            }
            Kind::Macvlan(macvlan) if macvlan.mode != Mode::Passthru => self.filter_addr(at, addr, true),
            Kind::Macvlan(macvlan) if !macvlan.nopromisc() => self.promisc(at, true),
            _ => {}
        }
        self.macvlan_changed(ns, link);
        self.ipvlan_switched(ns, link);
        if promisc && self.hands_promisc_down(ns, link) {
            self.promisc(at, true);
        }
        if allmulti {
            self.allmulti(at, true);
        }
    }

    /// A link that stands on another one was set down.
    pub(super) fn stacked_stop(&mut self, ns: NsId, link: IfIndex) {
        let Some(dev) = self.dev((ns, link)) else { return };
        let Some(at) = dev.kind.lower() else { return };
        let (addr, promisc, allmulti) = (dev.addr, dev.promiscuity > 0, dev.allmulti > 0);
        let (vlan, macvlan) = (dev.kind.vlan().map(|v| v.flags), dev.kind.macvlan().cloned());
        let lower_addr = self.dev(at).map(|d| d.addr);
        self.ipvlan_switched(ns, link);
        if promisc && self.hands_promisc_down(ns, link) {
            self.promisc(at, false);
        }
        if allmulti {
            self.allmulti(at, false);
        }
        if let Some(flags) = vlan {
            if Some(addr) != lower_addr {
                self.filter_addr(at, addr, false);
            }
            if !flags.contains(VlanFlags::BRIDGE_BINDING) {
                self.set_carrier(ns, link, false);
            }
        }
        match macvlan {
            Some(m) if m.mode != Mode::Passthru => self.filter_addr(at, addr, false),
            Some(m) if !m.nopromisc() => self.promisc(at, false),
            _ => {}
        }
        self.macvlan_changed(ns, link);
    }

    /// `vlan_dev_inherit_address`.
    fn inherit_addr(&mut self, ns: NsId, link: IfIndex, addr: MacAddr) {
        let Some(dev) = self.link_mut(ns, link) else { return };
        let old = core::mem::replace(&mut dev.addr, addr);
        self.port_address_changed(ns, link, old);
        self.inet_link_addr_changed(ns, link);
        self.lower_addr_changed(ns, link);
    }

    /// `NETDEV_CHANGEADDR` of a link, for those that stand on it: `vlan_sync_address`, `macvlan_sync_address`.
    pub(crate) fn lower_addr_changed(&mut self, ns: NsId, link: IfIndex) {
        let Some(addr) = self.dev((ns, link)).map(|d| d.addr) else { return };
        for (upper_ns, upper) in self.uppers(ns, link) {
            let Some(dev) = self.link_mut(upper_ns, upper) else { continue };
            let (own, up) = (dev.addr, dev.is_up());
            match &mut dev.link.kind {
                Kind::Vlan(vlan) if up && vlan.lower_addr != addr => {
                    let (old, inherits) = (core::mem::replace(&mut vlan.lower_addr, addr), vlan.inherits);
                    if inherits {
                        self.inherit_addr(upper_ns, upper, addr);
                    } else if own != old && own == addr {
                        self.filter_addr((ns, link), own, false);
                    } else if own == old && own != addr {
                        self.filter_addr((ns, link), own, true);
                    }
                }
                Kind::Macvlan(macvlan) if macvlan.mode == Mode::Passthru && own != addr => {
                    self.inherit_addr(upper_ns, upper, addr);
                    self.macvlan_changed(upper_ns, upper);
                }
                Kind::Ipvlan(_) if own != addr => self.inherit_addr(upper_ns, upper, addr),
                _ => {}
            }
        }
    }

    /// `ip link set LINK address` of a link that stands on another one; true if all is done (`vlan_dev_set_mac_address`,
    /// `macvlan_set_mac_address`).
    pub(super) fn stacked_addr(&mut self, ns: NsId, link: IfIndex, addr: MacAddr) -> Result<bool, NlError> {
        let Some(dev) = self.dev((ns, link)) else { return Ok(false) };
        let Some(at) = dev.kind.lower() else { return Ok(false) };
        let Some(lower) = self.dev(at) else { return Ok(false) };
        let (own, up, lower_addr) = (dev.addr, dev.is_up(), lower.addr);
        match &dev.kind {
            Kind::Macvlan(macvlan) if macvlan.mode == Mode::Passthru => {
                // It has the address of the link below: that is the one that gets another one.
                self.set_link_addr(at.0, at.1, addr)?;
                return Ok(true);
            }
            Kind::Ipvlan(_) => return Err(Errno::EOPNOTSUPP.into()),
            Kind::Macvlan(_) if own != addr => {
                if up {
                    self.check_macvlan_addr(dev, lower, addr)?;
                    self.filter_addr(at, own, false);
                    self.filter_addr(at, addr, true);
                } else {
                    self.check_macvlan_addr(dev, lower, addr)?;
                }
            }
            Kind::Vlan(_) if up => {
                if addr != lower_addr {
                    self.filter_addr(at, addr, true);
                }
                if own != lower_addr {
                    self.filter_addr(at, own, false);
                }
            }
            _ => {}
        }
        if let Some(vlan) = self.link_mut(ns, link).and_then(|d| d.link.kind.vlan_mut()) {
            vlan.inherits = false;
        }
        Ok(false)
    }

    /// After its address has changed.
    pub(super) fn stacked_addr_done(&mut self, ns: NsId, link: IfIndex) {
        self.macvlan_changed(ns, link);
    }

    /// Whether a link that stands on another one may have this MTU (`vlan_dev_change_mtu`, `macvlan_change_mtu`).
    pub(super) fn check_stacked_mtu(&self, ns: NsId, link: IfIndex, mtu: u32) -> Result<(), NlError> {
        let Some(dev) = self.dev((ns, link)).filter(|d| d.kind.ipvlan().is_none()) else { return Ok(()) };
        if dev.kind.lower().and_then(|at| self.dev(at)).is_none_or(|lower| lower.mtu >= mtu) {
            return Ok(());
        }
        Err(if dev.kind.vlan().is_some() { Errno::ERANGE } else { Errno::EINVAL }.into())
    }

    /// `NETDEV_CHANGEMTU` of a link: none that stands on it has a greater one, and an ipvlan has the same.
    pub(crate) fn lower_mtu_changed(&mut self, ns: NsId, link: IfIndex) {
        let Some(mtu) = self.dev((ns, link)).map(|d| d.mtu) else { return };
        for (upper_ns, upper) in self.uppers(ns, link) {
            if self.dev((upper_ns, upper)).is_some_and(|d| d.mtu > mtu || d.kind.ipvlan().is_some()) {
                let done = self.set_link_mtu(upper_ns, upper, mtu);
                debug_assert!(done.is_ok() || mtu < 68, "the greater one was allowed");
            }
        }
    }

    /// `netif_stacked_transfer_operstate`.
    fn transfer_state(&mut self, ns: NsId, link: IfIndex, upper: (NsId, IfIndex)) {
        let Some(carrier) = self.dev((ns, link)).map(|d| d.carrier) else { return };
        let binds = |vlan: &VlanLink| vlan.flags.contains(VlanFlags::BRIDGE_BINDING);
        if !self.dev(upper).and_then(|d| d.kind.vlan()).is_some_and(binds) {
            self.set_carrier(upper.0, upper.1, carrier);
        }
    }

    /// `NETDEV_UP` of a link: its VLANs come up too, macvlans have its carrier.
    pub(super) fn lower_went_up(&mut self, ns: NsId, link: IfIndex) {
        for upper in self.uppers(ns, link) {
            let Some(dev) = self.dev(upper) else { continue };
            match &dev.kind {
                Kind::Vlan(_) if dev.is_up() => {}
                Kind::Vlan(vlan) => {
                    if !vlan.flags.contains(VlanFlags::LOOSE_BINDING) {
                        // One that may not be up yet stays down.
                        let _ = self.open(upper.0, upper.1);
                    }
                    self.transfer_state(ns, link, upper);
                }
                // ipvlan_device_event waits for NETDEV_CHANGE.
                Kind::Ipvlan(_) => {}
                _ => self.transfer_state(ns, link, upper),
            }
        }
    }

    /// `NETDEV_DOWN` of a link.
    pub(super) fn lower_went_down(&mut self, ns: NsId, link: IfIndex) {
        for upper in self.uppers(ns, link) {
            let Some(dev) = self.dev(upper) else { continue };
            match &dev.kind {
                Kind::Vlan(vlan) => {
                    if dev.is_up() && !vlan.flags.contains(VlanFlags::LOOSE_BINDING) {
                        self.close(upper.0, upper.1);
                        self.transfer_state(ns, link, upper);
                    }
                }
                Kind::Ipvlan(_) => {}
                _ => self.transfer_state(ns, link, upper),
            }
        }
    }

    /// `NETDEV_CHANGE` of a link: its carrier is theirs.
    pub(crate) fn lower_changed(&mut self, ns: NsId, link: IfIndex) {
        for upper in self.uppers(ns, link) {
            self.transfer_state(ns, link, upper);
        }
    }

    /// Asks a link, and what it stands on, to be promiscuous, or no longer (`dev_set_promiscuity`,
    /// `vlan_dev_change_rx_flags`).
    pub(crate) fn promisc(&mut self, (ns, link): (NsId, IfIndex), on: bool) {
        let Some(dev) = self.link_mut(ns, link) else { return };
        let before = dev.promiscuity;
        dev.promiscuity = if on { before + 1 } else { before.saturating_sub(1) };
        let changed = (before == 0) != (dev.promiscuity == 0);
        let lower = dev.kind.lower().filter(|_| changed && dev.is_up());
        self.ipvlan_switched(ns, link);
        if let Some(lower) = lower.filter(|_| self.hands_promisc_down(ns, link)) {
            self.promisc(lower, on);
        }
    }

    /// The same for all groups.
    pub(crate) fn allmulti(&mut self, (ns, link): (NsId, IfIndex), on: bool) {
        let Some(dev) = self.link_mut(ns, link) else { return };
        let before = dev.allmulti;
        dev.allmulti = if on { before + 1 } else { before.saturating_sub(1) };
        let changed = (before == 0) != (dev.allmulti == 0);
        let lower = dev.kind.lower().filter(|_| changed && dev.is_up());
        self.ipvlan_switched(ns, link);
        if let Some(lower) = lower {
            self.allmulti(lower, on);
        }
    }

    /// A link shall receive one address more, or no longer (`dev_uc_add`, `dev_uc_del`).
    fn filter_addr(&mut self, at: (NsId, IfIndex), addr: MacAddr, on: bool) {
        let Some(dev) = self.link_mut(at.0, at.1) else { return };
        if on {
            dev.extra_addrs.push(addr);
        } else if let Some(place) = dev.extra_addrs.iter().position(|a| *a == addr) {
            dev.extra_addrs.remove(place);
        }
        self.sync_filter(at);
    }

    /// A link that cannot filter by more than one address is promiscuous while it has several (`__dev_set_rx_mode`).
    pub(super) fn sync_filter(&mut self, at: (NsId, IfIndex)) {
        let Some(dev) = self.link_mut(at.0, at.1).filter(|d| d.is_up()) else { return };
        let filters = matches!(dev.kind, Kind::Vlan(_) | Kind::Macvlan(_));
        let wanted = !filters && dev.stacked.is_some() && dev.extra_addrs.iter().any(|a| a.is_unicast());
        if dev.uc_promisc != wanted {
            dev.uc_promisc = wanted;
            self.promisc(at, wanted);
        }
    }

    /// `ip link set LINK type vlan ...` (`vlan_changelink`).
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the link is none.
    pub fn vlan_change(&mut self, ns: NsId, link: IfIndex, options: &VlanOptions) -> Result<(), NlError> {
        let vlan = self.link_mut(ns, link).and_then(|d| d.link.kind.vlan_mut()).ok_or(Errno::EOPNOTSUPP)?;
        vlan.apply(options);
        Ok(())
    }
}
