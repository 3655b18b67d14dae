//! The forwarding database of a VXLAN link as `bridge fdb` sees it: `vxlan_fdb_add`, `vxlan_fdb_delete`,
//! `vxlan_fdb_dump`.

use core::net::Ipv4Addr;

use hopwise_devices::vxlan::fdb::{Entry, How, Refusal, Remote, Wish};
use hopwise_devices::vxlan::{Config, Vxlan};
use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{Duration, IfIndex, NsId};

use crate::control::bridge::{FdbChange, FdbRow, FdbState};
use crate::dev::Dev;
use crate::error::{Errno, NlError};
use crate::network::Network;

/// Where the frames of an entry shall go: what `bridge fdb` says beside the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FdbTunnel {
    /// `dst`.
    pub dst: Option<Ipv4Addr>,
    /// `port`; 0: the link's.
    pub port: u16,
    /// `vni`; `None`: the link's.
    pub vni: Option<u32>,
    /// `via`.
    pub via: IfIndex,
}

/// What `bridge fdb` prints of one host of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TunnelRow {
    /// The host.
    pub dst: Ipv4Addr,
    /// Its port, if it is another one than the link's.
    pub port: Option<u16>,
    /// The network number there, if it is another one.
    pub vni: Option<u32>,
    /// The link to leave through.
    pub via: IfIndex,
    /// The number of the namespace where the link was made, if that is another one (`NDA_LINK_NETNSID`).
    pub netnsid: Option<u32>,
    /// `NUD_NOARP` is set beside the state shown.
    pub noarp: bool,
}

/// The kernel's words for a refusal.
pub(super) fn words(refusal: Refusal) -> NlError {
    match refusal {
        Refusal::Errno(errno) => errno.into(),
        Refusal::NotUnicast(true) => NlError::with(Errno::EOPNOTSUPP, "Cannot replace non-unicast fdb entries"),
        Refusal::NotUnicast(false) => Errno::EOPNOTSUPP.into(),
    }
}

fn remote(config: &Config, tunnel: &FdbTunnel, ip: Ipv4Addr) -> Remote {
    let port = if tunnel.port == 0 { config.port } else { tunnel.port };
    Remote { ip, port, vni: tunnel.vni.unwrap_or(config.vni), via: tunnel.via }
}

impl Network {
    /// `bridge fdb add`, `append`, `replace` at a VXLAN link itself.
    pub(in crate::control) fn vxlan_fdb_add(
        &mut self,
        ns: NsId,
        link: IfIndex,
        change: &FdbChange,
    ) -> Result<(), NlError> {
        let now = self.now();
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        let ip = change.tunnel.dst.ok_or(Errno::EINVAL)?;
        if change.tunnel.via.is_some() && space.devs.get(change.tunnel.via).is_none() {
            return Err(NlError::with(Errno::EADDRNOTAVAIL, "Device not found"));
        }
        let vxlan = self.vxlan_mut(ns, link).ok_or(Errno::ENODEV)?;
        let config = vxlan.config;
        vxlan.fdb.forget_aged(now, ageing(&config));
        let wish = Wish {
            remote: remote(&config, &change.tunnel, ip),
            state: (change.state == FdbState::Permanent, change.noarp),
            extern_learn: change.extern_learn,
            router: change.router,
            sticky: change.sticky,
            how: if change.exclusive {
                How::Add
            } else if change.replace {
                How::Replace
            } else {
                How::Append
            },
        };
        vxlan.fdb.update(now, change.addr, &wish, config.max_addresses).map_err(words)
    }

    /// `bridge fdb del` at a VXLAN link itself.
    pub(in crate::control) fn vxlan_fdb_del(
        &mut self,
        ns: NsId,
        link: IfIndex,
        addr: MacAddr,
        tunnel: &FdbTunnel,
    ) -> Result<(), NlError> {
        let now = self.now();
        let vxlan = self.vxlan_mut(ns, link).ok_or(Errno::ENODEV)?;
        let config = vxlan.config;
        vxlan.fdb.forget_aged(now, ageing(&config));
        let remote = remote(&config, tunnel, tunnel.dst.unwrap_or(Ipv4Addr::UNSPECIFIED));
        Ok(vxlan.fdb.remove(addr, &remote)?)
    }

    /// `bridge fdb flush` at a VXLAN link itself.
    pub(in crate::control) fn vxlan_fdb_flush(&mut self, ns: NsId, link: IfIndex) -> Result<(), NlError> {
        self.vxlan_mut(ns, link).ok_or(Errno::EOPNOTSUPP)?.fdb.clear();
        Ok(())
    }
}

const fn ageing(config: &Config) -> Duration {
    Duration::from_secs(config.ageing as u64)
}

/// The rows of a VXLAN link, those of the newest entry first. `netnsid`: the number of the namespace where it was made, if
/// that is another one.
pub(in crate::control) fn rows(
    now: hopwise_sim_core::Time,
    dev: &Dev,
    vxlan: &Vxlan,
    netnsid: Option<u32>,
) -> Vec<FdbRow> {
    let config = &vxlan.config;
    let one = |addr: MacAddr, entry: &Entry, remote: &Remote| FdbRow {
        vlan: 0,
        addr,
        link: dev.index,
        master: None,
        state: match (entry.permanent, entry.noarp) {
            (true, _) => FdbState::Permanent,
            (false, true) => FdbState::Static,
            (false, false) => FdbState::Reachable,
        },
        sticky: entry.sticky,
        router: entry.router,
        extern_learn: entry.extern_learn,
        ages: Some((now.since(entry.used), now.since(entry.updated))),
        tunnel: Some(TunnelRow {
            dst: remote.ip,
            port: Some(remote.port).filter(|port| *port != config.port),
            vni: Some(remote.vni).filter(|vni| *vni != config.vni),
            via: remote.via,
            netnsid,
            noarp: entry.noarp,
        }),
    };
    let live = |mac: MacAddr| vxlan.fdb.get(now, mac, ageing(config)).is_some();
    vxlan
        .fdb
        .iter()
        .filter(|(mac, _)| live(*mac))
        .flat_map(|(mac, entry)| entry.remotes.iter().map(move |remote| one(mac, entry, remote)))
        .collect()
}
