//! IP tunnels: what `ip tunnel` and `ip link ... type ipip` ask for. Models the control half of `net/ipv4/ip_tunnel.c`.

use hopwise_devices::ipip::{FALLBACK, Ipip, MTU, MTU_RANGE, TunnelParams};
use hopwise_devices::{Kind, Link, LinkFlags};
use hopwise_protocols::wire::ipv4::{IP_HLEN, IP_MAX_LEN};
use hopwise_sim_core::{HostId, IfIndex, NsId};

use crate::control::link::{KindSpec, LinkSpec};
use crate::error::{Errno, NlError};
use crate::network::Network;
use crate::path::route::{self, OutputFlow};
use crate::tunnels::Tunnel;

/// No IPv4 link has a smaller MTU (`IPV4_MIN_MTU`).
const IPV4_MIN_MTU: u32 = 68;

impl Network {
    /// Loads the module `ipip` on a host: every namespace of it, old and new, gets `tunl0`.
    pub fn load_ipip(&mut self, host: HostId) {
        let Some(owner) = self.host_mut(host).filter(|h| !h.ipip) else { return };
        owner.ipip = true;
        let spaces: Vec<NsId> = self.namespaces().filter(|n| n.host == host).map(|n| n.id).collect();
        for ns in spaces {
            self.add_fallback_tunnel(ns);
        }
    }

    /// `ip_tunnel_init_net`: the tunnel that takes what no other wants.
    pub(crate) fn add_fallback_tunnel(&mut self, ns: NsId) {
        let params = TunnelParams { pmtudisc: false, ..TunnelParams::default() };
        let mut link = Link::new(Kind::Ipip(Box::new(Ipip::new(ns, params, true))));
        link.name = FALLBACK.into();
        link.addrgenmode = "";
        let index = self.register(ns, link, IfIndex::NONE);
        self.inet_link_added(ns, index);
        if let Some(space) = self.ns_mut(ns) {
            let tunnel = Tunnel { at: (ns, index), params, up: false, fallback: true };
            space.tunnels.get_or_insert_default().add(tunnel);
        }
    }

    /// Before an `ipip` link is registered: the module is loaded, and there must be no tunnel with the same ends.
    pub(crate) fn may_add_tunnel(&mut self, ns: NsId, params: &TunnelParams) -> Result<(), NlError> {
        let host = self.ns(ns).ok_or(Errno::ENODEV)?.host;
        self.load_ipip(host);
        let tunnels = self.ns(ns).and_then(|n| n.tunnels.as_deref());
        match tunnels.and_then(|t| t.same(params)) {
            Some(_) => Err(Errno::EEXIST.into()),
            None => Ok(()),
        }
    }

    /// After it was registered: MTU and flags follow from the ends (`ip_tunnel_newlink`, `ip_tunnel_add`).
    pub(crate) fn tunnel_added(&mut self, ns: NsId, link: IfIndex, params: TunnelParams, mtu: Option<u32>) {
        let bound = self.bind_tunnel(ns, &params);
        if let Some(dev) = self.link_mut(ns, link) {
            dev.mtu = mtu.unwrap_or(bound);
            dev.flags.set(LinkFlags::POINTOPOINT, !params.remote.is_unspecified());
        }
        if let Some(space) = self.ns_mut(ns) {
            let tunnel = Tunnel { at: (ns, link), params, up: false, fallback: false };
            space.tunnels.get_or_insert_default().add(tunnel);
        }
    }

    /// The MTU that the way to the far end leaves (`ip_tunnel_bind_dev`).
    fn bind_tunnel(&self, underlay: NsId, params: &TunnelParams) -> u32 {
        let Some(space) = self.ns(underlay) else { return MTU };
        let flow = OutputFlow {
            dst: params.remote,
            src: Some(params.local).filter(|a| !a.is_unspecified()),
            oif: params.dev,
            tos: params.tos & !1,
            mark: params.fwmark,
            ..OutputFlow::default()
        };
        let routed = || route::route_output(space, self.now(), &flow).ok().map(|route| route.oif);
        let below = if params.remote.is_unspecified() { None } else { routed() };
        let below = below.or(Some(params.dev)).and_then(|link| space.devs.get(link));
        let mtu = below.map_or(1500, |dev| dev.mtu.min(IP_MAX_LEN as u32));
        mtu.saturating_sub(IP_HLEN as u32).max(IPV4_MIN_MTU)
    }

    /// `ip tunnel add`: as a link of that kind, with the limits of the MTU that the old interface sets.
    ///
    /// # Errors
    /// `EEXIST` for a name in use or a tunnel with the same ends.
    pub fn tunnel_add(&mut self, ns: NsId, name: Option<&str>, params: TunnelParams) -> Result<IfIndex, NlError> {
        let link = self.link_add(ns, LinkSpec::new(name, KindSpec::Ipip(params)))?;
        if let Some(dev) = self.link_mut(ns, link) {
            dev.mtu_range = MTU_RANGE;
        }
        Ok(link)
    }

    /// How the tunnel of a link is set; `None` if it is no tunnel.
    pub fn tunnel_params(&self, ns: NsId, link: IfIndex) -> Option<TunnelParams> {
        Some(self.ns(ns)?.devs.get(link)?.kind.ipip()?.params)
    }

    /// `ip tunnel change` and `ip link set ... type ipip` (`ip_tunnel_update`).
    ///
    /// # Errors
    /// `EEXIST` if another tunnel has these ends, `EINVAL` if it would become one with or without a far end, `EPERM`
    /// for `tunl0`, `EOPNOTSUPP` for a link that is no tunnel.
    pub fn tunnel_change(&mut self, ns: NsId, link: IfIndex, params: TunnelParams) -> Result<(), NlError> {
        let dev = self.ns(ns).and_then(|n| n.devs.get(link)).ok_or(Errno::ENODEV)?;
        let tunnel = dev.kind.ipip().ok_or(Errno::EOPNOTSUPP)?;
        let (underlay, old, fallback) = (tunnel.underlay, tunnel.params, tunnel.fallback);
        let tunnels = self.ns(underlay).and_then(|n| n.tunnels.as_deref());
        if tunnels.and_then(|t| t.same(&params)).is_some_and(|t| t.at != (ns, link)) {
            return Err(Errno::EEXIST.into());
        }
        if fallback {
            return Err(Errno::EINVAL.into());
        }
        if old.remote.is_unspecified() != params.remote.is_unspecified() {
            return Err(Errno::EINVAL.into());
        }
        let rebind = (old.dev, old.fwmark) != (params.dev, params.fwmark);
        let mtu = rebind.then(|| self.bind_tunnel(underlay, &params));
        if let Some(dev) = self.link_mut(ns, link) {
            dev.mtu = mtu.unwrap_or(dev.mtu);
            if let Some(tunnel) = dev.link.kind.ipip_mut() {
                tunnel.params = params;
            }
        }
        self.with_tunnel(underlay, (ns, link), |tunnel| tunnel.params = params);
        Ok(())
    }

    /// The entry of a tunnel in the namespace below.
    fn with_tunnel(&mut self, underlay: NsId, at: (NsId, IfIndex), change: impl FnOnce(&mut Tunnel)) {
        let tunnels = self.ns_mut(underlay).and_then(|n| n.tunnels.as_deref_mut());
        if let Some(tunnel) = tunnels.and_then(|t| t.get_mut(at)) {
            change(tunnel);
        }
    }

    /// A tunnel's link went up or down: only one that is up takes packets.
    pub(crate) fn tunnel_switched(&mut self, ns: NsId, link: IfIndex, up: bool) {
        if let Some(underlay) = self.underlay_of(ns, link) {
            self.with_tunnel(underlay, (ns, link), |tunnel| tunnel.up = up);
        }
    }

    /// A tunnel's link is somewhere else now, or (`to` is `None`) gone.
    pub(crate) fn tunnel_moved(&mut self, underlay: NsId, from: (NsId, IfIndex), to: Option<(NsId, IfIndex)>) {
        match to {
            Some(to) => self.with_tunnel(underlay, from, |tunnel| tunnel.at = to),
            None => {
                if let Some(tunnels) = self.ns_mut(underlay).and_then(|n| n.tunnels.as_deref_mut()) {
                    tunnels.remove(from);
                }
            }
        }
    }

    /// The namespace in which the outer packets of a tunnel's link travel.
    pub(crate) fn underlay_of(&self, ns: NsId, link: IfIndex) -> Option<NsId> {
        Some(self.ns(ns)?.devs.get(link)?.kind.ipip()?.underlay)
    }

    /// The links elsewhere whose outer packets travel in `ns`: they end with it (`ip_tunnel_delete_nets`).
    pub(crate) fn tunnels_elsewhere(&self, ns: NsId) -> Vec<(NsId, IfIndex)> {
        let tunnels = self.ns(ns).and_then(|n| n.tunnels.as_deref());
        tunnels.map_or_else(Vec::new, |t| t.iter().map(|t| t.at).filter(|(at, _)| *at != ns).collect())
    }
}
