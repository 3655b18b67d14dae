//! Links: adding and deleting them (`RTM_NEWLINK`, `RTM_DELLINK`). Models `net/core/rtnetlink.c`, `net/core/dev.c` and
//! each kind's `newlink`.

mod ipvlan;
mod macvlan;
mod moving;
mod names;
mod set;
mod sizes;
mod stacked;
mod updown;
mod vrf;
mod wire;

use hopwise_devices::bridge::options::OptionRow;
use hopwise_devices::ipip::{Ipip, TunnelParams};
use hopwise_devices::veth::Veth;
use hopwise_devices::{Kind, Link};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};

use crate::control::vxlan::VxlanSpec;
use crate::error::{Errno, NlError};
use crate::linkwatch;
use crate::network::Network;

pub use ipvlan::IpvlanSpec;
pub use macvlan::{MacvlanChange, MacvlanSpec};
pub use set::FlagChange;
pub use sizes::SizesSpec;
pub use stacked::VlanSpec;
pub use wire::{WireChange, WireSpec};

/// What a new link shall be. [`LinkSpec::veth`] and its siblings make the usual ones:
///
/// ```
/// use hopwise_stack::Network;
/// use hopwise_stack::control::link::LinkSpec;
/// let mut net = Network::new(0);
/// let host = net.add_host("host");
/// let root = net.host(host).map(|h| h.root).unwrap();
/// net.link_add(root, LinkSpec::veth("a", "b")).unwrap();
/// let names: Vec<&str> = net.ns(root).unwrap().devs.iter().map(|d| &*d.name).collect();
/// assert_eq!(names, ["lo", "b", "a"]);
/// ```
#[derive(Clone, Debug)]
pub struct LinkSpec {
    /// Its name, or a pattern such as `veth%d`; `None`: the kind's own pattern.
    pub name: Option<String>,
    /// What kind of link, with what belongs to that kind.
    pub kind: KindSpec,
    /// MTU in bytes; `None`: the kind's default.
    pub mtu: Option<u32>,
    /// Link-layer address; `None`: a random one.
    pub addr: Option<MacAddr>,
    /// Broadcast address.
    pub broadcast: Option<MacAddr>,
    /// Its number; `None`: the next one.
    pub index: Option<IfIndex>,
    /// Length of the transmit queue.
    pub txqlen: Option<u32>,
    /// How many queues it has, and what it cuts and joins.
    pub sizes: SizesSpec,
    /// Device group.
    pub group: Option<u32>,
    /// Set up at once.
    pub up: bool,
    /// Flags set or cleared at once.
    pub flags: Vec<(FlagChange, bool)>,
    /// Becomes a port of this link at once.
    pub master: Option<IfIndex>,
}

/// The kind of a new link.
#[derive(Clone, Debug)]
pub enum KindSpec {
    /// A link that swallows what is sent.
    Dummy,
    /// A pair of links.
    Veth(PeerSpec),
    /// A switch, with options in netlink's units.
    Bridge(Vec<(&'static OptionRow, u64)>),
    /// A tunnel of IPv4 in IPv4.
    Ipip(TunnelParams),
    /// A tunnel for Ethernet frames.
    Vxlan(Box<VxlanSpec>),
    /// One VLAN of a link.
    Vlan(VlanSpec),
    /// A link with an address of its own on another one.
    Macvlan(MacvlanSpec),
    /// A link with the address of another one.
    Ipvlan(IpvlanSpec),
    /// A routing table as a link, by its number if that was given.
    Vrf(Option<u32>),
}

/// The other end of a new veth.
#[derive(Clone, Debug, Default)]
pub struct PeerSpec {
    /// Its name or pattern; `None`: `veth%d`.
    pub name: Option<String>,
    /// The namespace it is made in; `None`: the same.
    pub ns: Option<NsId>,
    /// Its address; `None`: a random one.
    pub addr: Option<MacAddr>,
    /// Its MTU.
    pub mtu: Option<u32>,
    /// Its number.
    pub index: Option<IfIndex>,
    /// Length of its transmit queue.
    pub txqlen: Option<u32>,
    /// How many queues it has, and what it cuts and joins.
    pub sizes: SizesSpec,
    /// Set up at once: refused with ENOTCONN, as Linux does.
    pub up: bool,
}

impl KindSpec {
    /// How links of this kind are called when nobody gives a name (`KIND%d`).
    fn pattern(&self) -> &'static str {
        match self {
            KindSpec::Dummy => "dummy%d",
            KindSpec::Veth(_) => "veth%d",
            KindSpec::Bridge(_) => "bridge%d",
            KindSpec::Ipip(_) => "ipip%d",
            KindSpec::Vxlan(_) => "vxlan%d",
            KindSpec::Vlan(_) => "vlan%d",
            KindSpec::Macvlan(_) => "macvlan%d",
            KindSpec::Ipvlan(_) => "ipvlan%d",
            KindSpec::Vrf(_) => "vrf%d",
        }
    }
}

impl LinkSpec {
    /// A link of that kind with the kind's defaults.
    pub fn new(name: Option<&str>, kind: KindSpec) -> Self {
        LinkSpec {
            name: name.map(Into::into),
            kind,
            mtu: None,
            addr: None,
            broadcast: None,
            index: None,
            txqlen: None,
            sizes: SizesSpec::default(),
            group: None,
            up: false,
            flags: Vec::new(),
            master: None,
        }
    }

    /// `ip link add NAME type dummy`.
    pub fn dummy(name: &str) -> Self {
        LinkSpec::new(Some(name), KindSpec::Dummy)
    }

    /// `ip link add NAME type bridge`.
    pub fn bridge(name: &str) -> Self {
        LinkSpec::new(Some(name), KindSpec::Bridge(Vec::new()))
    }

    /// `ip link add NAME type veth peer name PEER`.
    pub fn veth(name: &str, peer: &str) -> Self {
        LinkSpec::new(Some(name), KindSpec::Veth(PeerSpec { name: Some(peer.into()), ..PeerSpec::default() }))
    }
}

/// The common part of one link to be registered.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) index: Option<IfIndex>,
    pub(super) addr: Option<MacAddr>,
    pub(super) mtu: Option<u32>,
    pub(super) txqlen: Option<u32>,
    pub(super) sizes: SizesSpec,
}

impl Network {
    /// Adds a link to a namespace; gives its number. The peer of a veth is registered first and gets the lower number.
    ///
    /// # Errors
    /// `EEXIST` for a name or number in use, `EINVAL` for a bad name or MTU, `EADDRNOTAVAIL` for a bad address, as Linux.
    pub fn link_add(&mut self, ns: NsId, spec: LinkSpec) -> Result<IfIndex, NlError> {
        let added = self.link_new(ns, &spec);
        linkwatch::after(self);
        added
    }

    fn link_new(&mut self, ns: NsId, spec: &LinkSpec) -> Result<IfIndex, NlError> {
        let pattern = spec.kind.pattern();
        // ops->validate of all kinds with Ethernet addresses comes before anything is looked up.
        if spec.addr.is_some_and(|addr| !addr.is_valid()) {
            return Err(Errno::EADDRNOTAVAIL.into());
        }
        if let Some(name) = spec.name.as_deref().filter(|n| !n.contains('%'))
            && self.ns(ns).is_some_and(|n| n.devs.find(name).is_some())
        {
            return Err(Errno::EEXIST.into());
        }
        let peer = match &spec.kind {
            KindSpec::Veth(peer) => Some(self.veth_peer(ns, peer)?),
            KindSpec::Ipip(params) => {
                self.may_add_tunnel(ns, params)?;
                None
            }
            _ => None,
        };
        let (kind, addr, mtu) = self.newlink(ns, spec)?;
        let wanted =
            Wanted { name: spec.name.as_deref(), index: spec.index, addr, mtu, txqlen: spec.txqlen, sizes: spec.sizes };
        let link = match self.register_link(ns, kind, pattern, &wanted) {
            Ok(link) => link,
            Err(error) => {
                if let Some((peer_ns, peer)) = peer {
                    self.unregister(peer_ns, peer);
                }
                return Err(error);
            }
        };
        self.vxlan_added(ns, link);
        self.vrf_added(ns, link);
        if let Some(peer) = peer {
            self.join_veths((ns, link), peer);
        }
        self.stack(ns, link, spec.addr.is_some());
        match self.configure_link(ns, link, spec) {
            Ok(()) => Ok(link),
            Err(error) => {
                self.delete_link(ns, link);
                Err(error)
            }
        }
    }

    /// The kind of a new link, with the address and the MTU that it begins with: each kind's `newlink` up to the registration.
    fn newlink(&mut self, ns: NsId, spec: &LinkSpec) -> Result<(Kind, Option<MacAddr>, Option<u32>), NlError> {
        let kind = match &spec.kind {
            KindSpec::Dummy => Kind::Dummy,
            KindSpec::Veth(_) => Kind::Veth(Box::new(Veth::alone())),
            KindSpec::Bridge(_) => Kind::Bridge(Box::default()),
            KindSpec::Ipip(params) => Kind::Ipip(Box::new(Ipip::new(ns, *params, false))),
            KindSpec::Vrf(table) => self.vrf_new(ns, *table)?,
            KindSpec::Vxlan(vxlan) => {
                let (vxlan, mtu) = self.vxlan_new(ns, vxlan, spec.mtu)?;
                return Ok((Kind::Vxlan(vxlan), spec.addr, mtu));
            }
            KindSpec::Vlan(vlan) => {
                let inherited = self.vlan_newlink(ns, vlan)?;
                return self.inherit(spec, inherited);
            }
            KindSpec::Macvlan(macvlan) => {
                let inherited = self.macvlan_newlink(macvlan)?;
                return self.inherit(spec, inherited);
            }
            KindSpec::Ipvlan(ipvlan) => {
                // It has the address of the link below whatever was asked for.
                let inherited = self.ipvlan_newlink(ipvlan)?;
                return Ok((inherited.kind, inherited.addr, spec.mtu.or(Some(inherited.mtu))));
            }
        };
        Ok((kind, spec.addr, spec.mtu))
    }

    /// Lets a link that stands on another one take over what nobody asked for.
    fn inherit(
        &self,
        spec: &LinkSpec,
        inherited: stacked::Inherited,
    ) -> Result<(Kind, Option<MacAddr>, Option<u32>), NlError> {
        if let Some(lower) = inherited.kind.lower() {
            self.nesting(lower)?;
        }
        if spec.mtu.is_some_and(|mtu| mtu > inherited.mtu) {
            return Err(Errno::EINVAL.into());
        }
        Ok((inherited.kind, spec.addr.or(inherited.addr), spec.mtu.or(Some(inherited.mtu))))
    }

    /// `veth_newlink`, its first half: the peer.
    fn veth_peer(&mut self, ns: NsId, spec: &PeerSpec) -> Result<(NsId, IfIndex), NlError> {
        if spec.up {
            // veth_open: the peer is set up before it knows its other end.
            return Err(Errno::ENOTCONN.into());
        }
        let ns = spec.ns.unwrap_or(ns);
        let wanted = Wanted {
            name: spec.name.as_deref(),
            index: spec.index,
            addr: spec.addr,
            mtu: spec.mtu,
            txqlen: spec.txqlen,
            sizes: spec.sizes,
        };
        let kind = Kind::Veth(Box::new(Veth::alone()));
        let link = self.register_link(ns, kind, "veth%d", &wanted)?;
        self.lose_carrier(ns, link);
        Ok((ns, link))
    }

    /// `veth_newlink`, its second half: both know each other, and the carrier of both is off until both are up.
    fn join_veths(&mut self, a: (NsId, IfIndex), b: (NsId, IfIndex)) {
        let far = self.ns(a.0).map(|space| space.host) != self.ns(b.0).map(|space| space.host);
        for (this, other) in [(a, b), (b, a)] {
            if let Some(veth) = self.link_mut(this.0, this.1).and_then(|d| d.link.kind.veth_mut()) {
                (veth.peer, veth.far) = (other, far);
            }
        }
        self.veth_mtu_changed(a.0, a.1);
        self.veth_mtu_changed(b.0, b.1);
        self.lose_carrier(a.0, a.1);
        // The message about the new link names the other end's namespace (rtnl_fill_link_netnsid).
        self.nsid(a.0, b.0);
    }

    /// The other end of a veth knows how much this one takes.
    pub(super) fn veth_mtu_changed(&mut self, ns: NsId, link: IfIndex) {
        let Some(mtu) = self.dev((ns, link)).map(|dev| dev.mtu) else { return };
        let peer = self.peer_of(ns, link).unwrap_or((ns, IfIndex::NONE));
        if let Some(veth) = self.link_mut(peer.0, peer.1).and_then(|dev| dev.link.kind.veth_mut()) {
            veth.peer_mtu = mtu;
        }
    }

    /// `netif_carrier_off` of a new veth: it counts, though the link was made without carrier.
    fn lose_carrier(&mut self, ns: NsId, link: IfIndex) {
        if let Some(dev) = self.link_mut(ns, link) {
            dev.carrier_changes += 1;
        }
        linkwatch::fire(self, ns, link);
    }

    /// What comes after registering: `rtnl_configure_link`, `do_set_master`, options of the kind.
    fn configure_link(&mut self, ns: NsId, link: IfIndex, spec: &LinkSpec) -> Result<(), NlError> {
        if let KindSpec::Bridge(options) = &spec.kind {
            if spec.addr.is_some() {
                self.bridge_id_changed(ns, link);
            }
            for (row, value) in options {
                self.set_bridge_option(ns, link, row, *value)?;
            }
        }
        if let KindSpec::Ipip(params) = &spec.kind {
            self.tunnel_added(ns, link, *params, spec.mtu);
        }
        self.macvlan_changed(ns, link);
        if let Some(dev) = self.link_mut(ns, link) {
            dev.broadcast = spec.broadcast.unwrap_or(dev.broadcast);
            dev.group = spec.group.unwrap_or(dev.group);
        }
        for (flag, on) in &spec.flags {
            self.change_flag(ns, link, *flag, *on);
        }
        if spec.up {
            self.open(ns, link)?;
        }
        match spec.master {
            Some(master) => self.change_master(ns, link, Some(master)),
            None => Ok(()),
        }
    }

    /// `rtnl_create_link` and `register_netdevice`.
    pub(super) fn register_link(
        &mut self,
        ns: NsId,
        kind: Kind,
        pattern: &str,
        wanted: &Wanted<'_>,
    ) -> Result<IfIndex, NlError> {
        if wanted.addr.is_some_and(|a| !a.is_valid()) {
            return Err(Errno::EADDRNOTAVAIL.into());
        }
        let mut link = Link::new(kind);
        if let Some(mtu) = wanted.mtu {
            // veth_newlink makes the peer without passing on the words of a refusal.
            let is_veth = link.kind.veth().is_some();
            set::check_mtu(&link, mtu).map_err(|e| if is_veth { Errno::EINVAL.into() } else { e })?;
            link.mtu = mtu;
        }
        wanted.sizes.apply(&mut link)?;
        let random = self.random_mac();
        link.addr = wanted.addr.unwrap_or(random);
        link.addr_set = wanted.addr.is_some();
        link.tx_queue_len = wanted.txqlen.unwrap_or(link.tx_queue_len);
        let space = self.ns(ns).ok_or(Errno::ENODEV)?;
        let name = wanted.name.unwrap_or(pattern);
        if names::is_for_all(name) && wanted.index.is_none() {
            // Its number was given to it before somebody minded (register_netdevice_notifiers: inetdev_init).
            if let Some(space) = self.ns_mut(ns) {
                space.devs.next_index();
            }
            return Err(Errno::EINVAL.into());
        }
        link.name = names::new_name(&space.devs, name)?.into();
        if wanted.index.is_some_and(|i| space.devs.get(i).is_some()) {
            return Err(Errno::EEXIST.into());
        }
        let own_entry = link.kind.bridge().is_some().then_some(link.addr);
        let index = self.register(ns, link, wanted.index.unwrap_or(IfIndex::NONE));
        if let Some(addr) = own_entry {
            let now = self.now();
            if let Some(bridge) = self.bridge_mut(ns, index) {
                bridge.add_local(now, addr, 0, IfIndex::NONE);
            }
            self.init_bridge_vlans(ns, index);
        }
        self.inet_link_added(ns, index);
        Ok(index)
    }

    /// Deletes a link; a veth takes its peer along, a bridge lets its ports go.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for `lo`, `ENODEV`.
    pub fn link_del(&mut self, ns: NsId, link: IfIndex) -> Result<(), NlError> {
        let dev = self.ns(ns).and_then(|n| n.devs.get(link)).ok_or(Errno::ENODEV)?;
        if matches!(dev.kind, Kind::Loopback) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        if dev.kind.ipip().is_some_and(|tunnel| tunnel.fallback) {
            // ip_tunnel_dellink lets it be and says nothing.
            return Ok(());
        }
        self.delete_link(ns, link);
        linkwatch::after(self);
        Ok(())
    }

    /// `ops->dellink`.
    pub(crate) fn delete_link(&mut self, ns: NsId, link: IfIndex) {
        let peer = self.peer_of(ns, link).filter(|(_, peer)| peer.is_some());
        self.vrf_goes(ns, link);
        self.unregister(ns, link);
        if let Some((peer_ns, peer)) = peer {
            self.unregister(peer_ns, peer);
        }
    }

    /// `unregister_netdevice`: down, out of its bridge, without ports, forgotten by the layers above.
    pub(super) fn unregister(&mut self, ns: NsId, link: IfIndex) {
        self.close(ns, link);
        self.lower_gone(ns, link);
        self.leave_layers(ns, link);
        if let Some(underlay) = self.underlay_of(ns, link) {
            self.tunnel_moved(underlay, (ns, link), None);
        }
        let home = self.ns(ns).and_then(|n| n.devs.get(link)?.kind.vxlan()).map(|vxlan| vxlan.home);
        let lower = self.dev((ns, link)).and_then(|d| d.kind.lower());
        self.restack((ns, link), lower, None);
        self.tun_gone(ns, link);
        let Some(space) = self.ns_mut(ns) else { return };
        let gone = space.devs.remove(link);
        // Who listens on the link hears of its end (packet_notifier).
        let bound = space.sockets.packet.iter().filter_map(|&id| space.sockets.get(id)).filter(|s| s.bound_dev == link);
        let owners: Vec<u64> = bound.map(|socket| socket.owner).collect();
        self.wakeups.extend(owners);
        if gone.is_some_and(|dev| dev.kind.vrf().is_some()) {
            self.vrf_gone(ns);
        }
        if let Some(home) = home {
            self.vxlan_gone(home, (ns, link));
        }
    }

    /// `NETDEV_UNREGISTER`: everybody lets go of the link.
    fn leave_layers(&mut self, ns: NsId, link: IfIndex) {
        for port in self.ports_of(ns, link) {
            self.leave_bridge(ns, port);
        }
        self.leave_bridge(ns, link);
        self.leave_vrf(ns, link);
        self.vxlan_lower_gone(ns, link);
        self.inet_link_gone(ns, link);
    }

    pub(crate) fn link_mut(&mut self, ns: NsId, link: IfIndex) -> Option<&mut crate::dev::Dev> {
        self.ns_mut(ns)?.devs.get_mut(link)
    }
}
