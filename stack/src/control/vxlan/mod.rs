//! VXLAN links: made, changed, set up and down. Models `vxlan_newlink`, `vxlan_changelink`, `vxlan_open` and
//! `vxlan_stop`.

mod fdb;

use core::net::Ipv4Addr;

use hopwise_devices::vxlan::fdb::{How, Remote, Wish};
use hopwise_devices::vxlan::{AGEING, Config, Fdb, HEADROOM, Vxlan};
use hopwise_protocols::encap::Df;
use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};

use crate::error::{Errno, NlError};
use crate::network::Network;
use crate::socket::{SocketId, SocketKind, udp};
use crate::vxlan::{ANY_NETWORK, Place, Sock, VxlanNet};

pub(super) use fdb::rows;
pub use fdb::{FdbTunnel, TunnelRow};

/// What is asked for after `type vxlan`; what is left out stays, or gets its default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VxlanChange {
    /// `[no]external`.
    pub external: Option<bool>,
    /// `id`.
    pub vni: Option<u32>,
    /// `remote` or `group`.
    pub remote: Option<Ipv4Addr>,
    /// `local`.
    pub local: Option<Ipv4Addr>,
    /// `dev`, in the namespace where the link is made.
    pub dev: Option<IfIndex>,
    /// `srcport`.
    pub sources: Option<(u16, u16)>,
    /// `dstport`; 0: the default.
    pub port: Option<u16>,
    /// `ttl`, 0: `auto`.
    pub ttl: Option<u8>,
    /// `ttl inherit`.
    pub ttl_inherit: bool,
    /// `tos`, 1: `inherit`.
    pub tos: Option<u8>,
    /// `df`.
    pub df: Option<Df>,
    /// `flowlabel`.
    pub flow_label: Option<u32>,
    /// `[no]learning`.
    pub learning: Option<bool>,
    /// `[no]proxy`.
    pub proxy: Option<bool>,
    /// `[no]rsc`.
    pub rsc: Option<bool>,
    /// `[no]l2miss`.
    pub l2miss: Option<bool>,
    /// `[no]l3miss`.
    pub l3miss: Option<bool>,
    /// `[no]udpcsum`.
    pub udp_csum: Option<bool>,
    /// `[no]udp6zerocsumtx`.
    pub udp6_zero_csum_tx: Option<bool>,
    /// `[no]udp6zerocsumrx`.
    pub udp6_zero_csum_rx: Option<bool>,
    /// `ageing`, 0: the default.
    pub ageing: Option<u32>,
    /// `maxaddress`.
    pub max_addresses: Option<u32>,
}

/// A new VXLAN link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VxlanSpec {
    /// The namespace in which it is made, if it is another one than the one it is put into.
    pub home: Option<NsId>,
    /// Its settings; `None`: none were given, which Linux refuses.
    pub settings: Option<VxlanChange>,
}

const fn refuse<T>(errno: Errno) -> Result<T, NlError> {
    Err(NlError { errno, extack: None })
}

fn say<T>(errno: Errno, text: &str) -> Result<T, NlError> {
    Err(NlError::with(errno, text))
}

impl VxlanChange {
    /// What can be said about it without looking at links (`vxlan_validate`).
    fn validate(&self) -> Result<(), NlError> {
        if self.vni.is_some_and(|vni| vni >= 1 << 24) {
            return refuse(Errno::ERANGE);
        }
        if self.sources.is_some_and(|(low, high)| high < low) {
            return say(Errno::EINVAL, "Invalid source port range");
        }
        Ok(())
    }

    /// What cannot be changed any more (`vxlan_nl2conf` with `changelink`).
    fn may_change(&self, old: &Config) -> Result<(), NlError> {
        let flag = |asked: bool, text: &str| if asked { say(Errno::EOPNOTSUPP, text) } else { Ok(()) };
        flag(self.vni.is_some_and(|vni| vni != old.vni), "Cannot change VNI")?;
        flag(self.external.is_some(), "vxlan: cannot change COLLECT_METADATA flag")?;
        flag(self.ttl_inherit, "vxlan: cannot change TTL_INHERIT flag")?;
        flag(self.proxy.is_some(), "vxlan: cannot change PROXY flag")?;
        flag(self.rsc.is_some(), "vxlan: cannot change RSC flag")?;
        flag(self.l2miss.is_some(), "vxlan: cannot change L2MISS flag")?;
        flag(self.l3miss.is_some(), "vxlan: cannot change L3MISS flag")?;
        flag(self.max_addresses.is_some(), "Cannot change limit")?;
        flag(self.sources.is_some(), "Cannot change port range")?;
        flag(self.port.is_some(), "Cannot change port")?;
        flag(self.udp_csum.is_some(), "Cannot change UDP_CSUM flag")?;
        flag(self.udp6_zero_csum_tx.is_some(), "vxlan: cannot change UDP_ZERO_CSUM6_TX flag")?;
        flag(self.udp6_zero_csum_rx.is_some(), "vxlan: cannot change UDP_ZERO_CSUM6_RX flag")
    }

    fn apply(&self, old: Config) -> Config {
        Config {
            external: self.external.unwrap_or(old.external),
            vni: self.vni.unwrap_or(old.vni),
            remote: self.remote.unwrap_or(old.remote),
            local: self.local.unwrap_or(old.local),
            dev: self.dev.unwrap_or(old.dev),
            sources: self.sources.unwrap_or(old.sources),
            port: self.port.filter(|port| *port != 0).unwrap_or(old.port),
            ttl: self.ttl.unwrap_or(old.ttl),
            ttl_inherit: self.ttl_inherit || old.ttl_inherit,
            tos: self.tos.unwrap_or(old.tos),
            df: self.df.unwrap_or(old.df),
            // iproute2 asks for learning unless something else decides where frames go.
            learning: self.learning.unwrap_or(old.learning && self.external != Some(true)),
            proxy: self.proxy.unwrap_or(old.proxy),
            rsc: self.rsc.unwrap_or(old.rsc),
            l2miss: self.l2miss.unwrap_or(old.l2miss),
            l3miss: self.l3miss.unwrap_or(old.l3miss),
            udp_csum: self.udp_csum.unwrap_or(old.udp_csum),
            udp6_zero_csum_tx: self.udp6_zero_csum_tx.unwrap_or(old.udp6_zero_csum_tx),
            udp6_zero_csum_rx: self.udp6_zero_csum_rx.unwrap_or(old.udp6_zero_csum_rx),
            ageing: self.ageing.map_or(old.ageing, |secs| if secs == 0 { AGEING } else { secs }),
            max_addresses: self.max_addresses.unwrap_or(old.max_addresses),
        }
    }
}

impl Network {
    /// The state of a new VXLAN link, and its MTU. `asked`: the MTU that was asked for.
    pub(super) fn vxlan_new(
        &self,
        ns: NsId,
        spec: &VxlanSpec,
        asked: Option<u32>,
    ) -> Result<(Box<Vxlan>, Option<u32>), NlError> {
        if asked.is_some_and(|mtu| !(68..=65535).contains(&mtu)) {
            return say(Errno::EINVAL, "MTU must be between 68 and 65535");
        }
        let Some(settings) = spec.settings else {
            return say(Errno::EINVAL, "Required attributes not provided to perform the operation");
        };
        settings.validate()?;
        let home = spec.home.unwrap_or(ns);
        let config = settings.apply(Config::default());
        let lower = self.vxlan_check(home, &config, settings.flow_label, None)?;
        let most = lower.map(|mtu| mtu.saturating_sub(HEADROOM).max(68));
        let mtu = match (asked, most) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        };
        Ok((Box::new(Vxlan { home, config, fdb: Fdb::default() }), mtu))
    }

    /// `vxlan_config_validate`. Gives the MTU of the link below, if there is one.
    fn vxlan_check(
        &self,
        home: NsId,
        config: &Config,
        flow_label: Option<u32>,
        own: Option<Place>,
    ) -> Result<Option<u32>, NlError> {
        let space = self.ns(home).ok_or(Errno::ENODEV)?;
        if flow_label.is_some_and(|label| label != 0) {
            return say(Errno::EINVAL, "Label attribute only applies to IPv6 VXLAN devices");
        }
        if config.local.is_multicast() {
            return say(Errno::EINVAL, "Local address cannot be multicast");
        }
        let lower = match config.dev {
            IfIndex::NONE if config.remote.is_multicast() => {
                return say(Errno::EINVAL, "Local interface required for multicast remote destination");
            }
            IfIndex::NONE => None,
            dev => match space.devs.get(dev) {
                Some(lower) => Some(lower.mtu),
                None => return say(Errno::ENODEV, "Invalid local interface, device not found"),
            },
        };
        let others = space.vxlan.iter().flat_map(|v| v.links.iter()).filter(|place| Some(**place) != own);
        for &(ns, link) in others {
            let Some(other) = self.ns(ns).and_then(|n| n.devs.get(link)?.kind.vxlan()) else { continue };
            let same = |c: &Config| (c.vni, c.port, c.udp6_zero_csum_rx, c.external);
            if same(&other.config) == same(config) {
                return say(Errno::EEXIST, "A VXLAN device with the specified VNI already exists");
            }
        }
        Ok(lower)
    }

    /// What follows when a VXLAN link is registered: it is known where it was made, and has its default destination.
    pub(super) fn vxlan_added(&mut self, ns: NsId, link: IfIndex) {
        let now = self.now();
        let Some(vxlan) = self.vxlan_mut(ns, link) else { return };
        let (home, config) = (vxlan.home, vxlan.config);
        if !config.remote.is_unspecified() {
            // A new database is not full.
            let _ = vxlan.fdb.update(now, MacAddr::ZERO, &default_entry(&config, How::Append), config.max_addresses);
        }
        self.nsid(ns, home);
        if let Some(net) = self.vxlan_net(home) {
            net.links.push((ns, link));
        }
    }

    /// `ip link set LINK type vxlan ...` (`vxlan_changelink`).
    ///
    /// # Errors
    /// `EOPNOTSUPP` for what cannot be changed or a link of another kind, and as for a new one.
    pub fn vxlan_change(&mut self, ns: NsId, link: IfIndex, change: &VxlanChange) -> Result<(), NlError> {
        let now = self.now();
        let vxlan = self.ns(ns).and_then(|n| n.devs.get(link)?.kind.vxlan()).ok_or(Errno::EOPNOTSUPP)?;
        let (home, old) = (vxlan.home, vxlan.config);
        change.validate()?;
        change.may_change(&old)?;
        let new = change.apply(old);
        let lower = self.vxlan_check(home, &new, change.flow_label, Some((ns, link)))?;
        let vxlan = self.vxlan_mut(ns, link).ok_or(Errno::ENODEV)?;
        if new.remote != old.remote {
            if !new.remote.is_unspecified() {
                let wish = default_entry(&new, How::Append);
                vxlan.fdb.update(now, MacAddr::ZERO, &wish, new.max_addresses).map_err(fdb::words)?;
            }
            if !old.remote.is_unspecified() {
                // It may have been deleted by hand.
                let _ = vxlan.fdb.remove(MacAddr::ZERO, &default_remote(&old));
            }
        }
        vxlan.config = new;
        // The MTU follows only when there is another link below.
        if new.dev != old.dev
            && let Some(most) = lower.map(|mtu| mtu.saturating_sub(HEADROOM).max(68))
            && let Some(dev) = self.link_mut(ns, link)
        {
            dev.mtu = dev.mtu.min(most);
        }
        Ok(())
    }

    /// Whether an MTU fits the link below (`vxlan_change_mtu`).
    pub(super) fn vxlan_check_mtu(&self, ns: NsId, link: IfIndex, mtu: u32) -> Result<(), NlError> {
        let Some(vxlan) = self.ns(ns).and_then(|n| n.devs.get(link)?.kind.vxlan()) else { return Ok(()) };
        let lower = self.ns(vxlan.home).and_then(|n| n.devs.get(vxlan.config.dev));
        if lower.is_some_and(|lower| mtu > lower.mtu.saturating_sub(HEADROOM)) {
            return refuse(Errno::EINVAL);
        }
        Ok(())
    }

    /// Opens or shares the socket of a link that is being set up, and joins its group (`vxlan_open`). Nothing happens on a
    /// link of another kind, or one that is up.
    pub(super) fn vxlan_open(&mut self, ns: NsId, link: IfIndex) -> Result<(), NlError> {
        let Some(dev) = self.ns(ns).and_then(|n| n.devs.get(link)).filter(|d| !d.is_up()) else { return Ok(()) };
        let Some(vxlan) = dev.kind.vxlan() else { return Ok(()) };
        let (home, config) = (vxlan.home, vxlan.config);
        self.share_socket(home, &config)?;
        let group = config.remote.is_multicast().then_some((config.remote, config.dev));
        if let Some(net) = self.vxlan_net(home) {
            let network = if config.external { ANY_NETWORK } else { config.vni };
            net.join((ns, link), (config.port, network), group);
        }
        Ok(())
    }

    /// `vxlan_sock_add`: links with the same port and receive flags have one socket.
    fn share_socket(&mut self, home: NsId, config: &Config) -> Result<(), NlError> {
        let (port, zero_csum6) = (config.port, config.udp6_zero_csum_rx);
        let net = self.vxlan_net(home).ok_or(Errno::ENODEV)?;
        if let Some(sock) =
            net.socks.iter_mut().find(|s| s.port == port && (s.zero_csum6, s.external) == (zero_csum6, config.external))
        {
            sock.users += 1;
            return Ok(());
        }
        let space = self.ns_mut(home).ok_or(Errno::ENODEV)?;
        let id = space.sockets.open(0, SocketKind::Udp);
        if let Err(errno) = udp::bind(space, id, Ipv4Addr::UNSPECIFIED, port) {
            space.sockets.close(id);
            return refuse(errno);
        }
        if let Some(socket) = space.sockets.get_mut(id) {
            socket.tunnel = true;
        }
        if let Some(net) = self.vxlan_net(home) {
            net.socks.push(Sock { port, zero_csum6, external: config.external, id, users: 1 });
        }
        Ok(())
    }

    /// A link is set down (`vxlan_stop`): what was learned is forgotten, the socket goes with its last link.
    pub(super) fn vxlan_stop(&mut self, ns: NsId, link: IfIndex) {
        let Some(vxlan) = self.vxlan_mut(ns, link) else { return };
        vxlan.fdb.forget_dynamic();
        let (home, config) = (vxlan.home, vxlan.config);
        let Some(net) = self.vxlan_net(home) else { return };
        net.leave((ns, link));
        let of = |s: &Sock| s.port == config.port && s.zero_csum6 == config.udp6_zero_csum_rx;
        let mut gone: Option<SocketId> = None;
        if let Some(at) = net.socks.iter().position(of) {
            net.socks[at].users -= 1;
            if net.socks[at].users == 0 {
                gone = Some(net.socks.remove(at).id);
            }
        }
        if let Some(id) = gone {
            self.close_socket(home, id);
        }
    }

    /// A link is being unregistered or moved: VXLAN links that stand on it are deleted
    /// (`vxlan_handle_lowerdev_unregister`).
    pub(super) fn vxlan_lower_gone(&mut self, ns: NsId, link: IfIndex) {
        let places = self.ns(ns).and_then(|n| n.vxlan.as_deref()).map_or(Vec::new(), |v| v.links.clone());
        for (at, upper) in places {
            let state = self.ns(at).and_then(|n| n.devs.get(upper)?.kind.vxlan());
            if state.is_some_and(|v| v.config.dev == link) {
                self.delete_link(at, upper);
            }
        }
    }

    /// A VXLAN link is deleted: it is no longer known where it was made.
    pub(super) fn vxlan_gone(&mut self, home: NsId, place: Place) {
        if let Some(net) = self.vxlan_net(home) {
            net.links.retain(|at| *at != place);
        }
    }

    /// A VXLAN link was moved.
    pub(super) fn vxlan_moved(&mut self, from: Place, to: Place) {
        let Some(home) = self.vxlan_mut(to.0, to.1).map(|v| v.home) else { return };
        // The message about the link in its new place names that namespace (rtnl_fill_link_netnsid).
        self.nsid(to.0, home);
        if let Some(net) = self.vxlan_net(home) {
            net.moved(from, to);
        }
    }

    /// Deletes the VXLAN links that were made in a namespace which is going away and are elsewhere now
    /// (`vxlan_destroy_tunnels`).
    pub(super) fn vxlan_home_gone(&mut self, ns: NsId) {
        let places = self.ns(ns).and_then(|n| n.vxlan.as_deref()).map_or(Vec::new(), |v| v.links.clone());
        for (at, link) in places.into_iter().filter(|(at, _)| *at != ns) {
            self.delete_link(at, link);
        }
    }

    fn vxlan_mut(&mut self, ns: NsId, link: IfIndex) -> Option<&mut Vxlan> {
        self.link_mut(ns, link)?.link.kind.vxlan_mut()
    }

    fn vxlan_net(&mut self, home: NsId) -> Option<&mut VxlanNet> {
        Some(self.ns_mut(home)?.vxlan.get_or_insert_default())
    }
}

/// Where frames go whose destination is not known.
const fn default_remote(config: &Config) -> Remote {
    Remote { ip: config.remote, port: config.port, vni: config.vni, via: config.dev }
}

const fn default_entry(config: &Config, how: How) -> Wish {
    let remote = default_remote(config);
    Wish { remote, state: (true, false), extern_learn: false, router: false, sticky: false, how }
}
