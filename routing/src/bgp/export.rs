//! What is told to a neighbour: which routes, and with which attributes (RFC 4271 sections 5 and 9.2, RFC 4456).

use core::fmt;
use std::net::Ipv4Addr;

use super::config::{For, Peer};
use crate::attrs::{AsPath, Attrs, Community, Origin, Partial, flags};

/// A route that a channel wants to announce.
#[derive(Clone, Copy, Debug)]
pub struct Exported<'a> {
    /// Its attributes after the export filter.
    pub attrs: &'a Attrs,
    /// The session it was learned from; `None` for one that BGP did not bring.
    pub source: Option<&'a Peer>,
    /// Where it leads, if it has exactly one way through a gateway.
    pub gateway: Option<Gateway>,
    /// The export filter itself has set NEXT_HOP, so it is told as it is.
    pub fresh_next_hop: bool,
    /// The export filter itself has set MED, so it is told to external peers too.
    pub fresh_med: bool,
}

/// The way a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gateway {
    /// The next router.
    pub address: Ipv4Addr,
    /// The interface in whose network it is.
    pub interface: u32,
}

/// Why a route is not told to a neighbour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It came from this neighbour.
    Own,
    /// From internal peer to internal peer, and none of them is a client (RFC 4456 section 6).
    NotReflected,
    /// The neighbour's cluster has seen it (RFC 4456 section 8).
    ClusterLoop,
    /// It carries NO_ADVERTISE.
    NoAdvertise,
    /// It carries NO_EXPORT or NO_EXPORT_SUBCONFED, and the neighbour is external.
    NoExport,
    /// It is stale and the neighbour would not understand that.
    Stale,
    /// Its next hop is 0.0.0.0.
    ZeroNextHop,
    /// Its next hop is the neighbour itself.
    NeighborNextHop,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Own => "it came from this neighbour",
            Refusal::NotReflected => "internal routes are not passed on to internal peers",
            Refusal::ClusterLoop => "it has been in this cluster",
            Refusal::NoAdvertise => "community no-advertise",
            Refusal::NoExport => "community no-export",
            Refusal::Stale => "it is stale",
            Refusal::ZeroNextHop => "Invalid NEXT_HOP attribute - zero address",
            Refusal::NeighborNextHop => "Invalid NEXT_HOP attribute - neighbor address",
        })
    }
}

impl Refusal {
    /// Whether it is found only while the attributes are made: BIRD logs it and withdraws the route.
    pub const fn is_error(self) -> bool {
        matches!(self, Refusal::ZeroNextHop | Refusal::NeighborNextHop)
    }
}

/// Whether a route may be told to a neighbour at all; asked before the export filter, with the attributes as they were
/// imported. What BGP did not bring always may.
pub fn may_export(to: &Peer, source: Option<&Peer>, attrs: &Attrs) -> Result<(), Refusal> {
    let Some(from) = source else { return Ok(()) };
    if from.id == to.id {
        return Err(Refusal::Own);
    }
    if reflects(from, to) {
        if !to.config.rr_client && !from.config.rr_client {
            return Err(Refusal::NotReflected);
        }
        if to.config.cluster_id().is_some_and(|id| attrs.cluster_list.contains(&id)) {
            return Err(Refusal::ClusterLoop);
        }
    }
    if to.config.interpret_communities {
        well_known(to, attrs)?;
    }
    Ok(())
}

/// Both are internal peers of one AS: passing a route on is reflection.
fn reflects(from: &Peer, to: &Peer) -> bool {
    from.is_internal() && to.is_internal() && from.config.local_as == to.config.local_as
}

/// The well-known communities (RFC 1997). Without confederations NO_EXPORT and NO_EXPORT_SUBCONFED say the same.
fn well_known(to: &Peer, attrs: &Attrs) -> Result<(), Refusal> {
    if attrs.has_community(Community::NO_ADVERTISE) {
        return Err(Refusal::NoAdvertise);
    }
    let stays = attrs.has_community(Community::NO_EXPORT) || attrs.has_community(Community::NO_EXPORT_SUBCONFED);
    if !to.is_internal() && stays {
        return Err(Refusal::NoExport);
    }
    if !to.llgr_aware && attrs.has_community(Community::LLGR_STALE) {
        return Err(Refusal::Stale);
    }
    Ok(())
}

/// The attributes with which a route is told.
pub fn attributes(to: &Peer, route: &Exported<'_>) -> Result<Attrs, Refusal> {
    let mut attrs = route.attrs.clone();
    let from = route.source;
    // What BGP did not bring began here.
    attrs.origin.get_or_insert(if from.is_some() { Origin::Incomplete } else { Origin::Igp });
    as_path(to, &mut attrs, route.fresh_med);
    attrs.next_hop = Some(next_hop(to, route)?);
    if to.is_internal() {
        attrs.local_pref.get_or_insert(to.config.default_local_pref);
    } else {
        if !to.config.allow_local_pref {
            attrs.local_pref = None;
        }
        attrs.originator_id = None;
        attrs.cluster_list.clear();
    }
    if let Some(from) = from.filter(|from| reflects(from, to)) {
        reflect(from, to, &mut attrs);
    }
    // BIRD sorts what is a set.
    attrs.communities.sort_unstable();
    attrs.extended_communities.sort_unstable();
    attrs.large_communities.sort_unstable();
    for unknown in &mut attrs.unknown {
        unknown.flags |= flags::PARTIAL;
    }
    attrs.unknown.retain(|u| u.is_transitive());
    if from.is_none() {
        // What a filter adds is partial only on somebody else's route.
        attrs.partial = Partial::default();
    }
    Ok(attrs)
}

/// AS_PATH: the own AS in front for external peers, and nothing of the inside of a confederation. MED is told to external
/// peers only if the export filter has set it (RFC 4271 section 5.1.4).
fn as_path(to: &Peer, attrs: &mut Attrs, fresh_med: bool) {
    let path = attrs.as_path.get_or_insert_with(AsPath::default);
    path.strip_confed();
    if !to.is_internal() && !to.config.rs_client {
        path.prepend(to.config.local_as);
        if !fresh_med {
            attrs.med = None;
        }
    }
}

/// ORIGINATOR_ID and CLUSTER_LIST of a reflected route (RFC 4456 section 8).
fn reflect(from: &Peer, to: &Peer, attrs: &mut Attrs) {
    attrs.originator_id.get_or_insert(from.remote_id);
    let (source, target) = (from.config.cluster_id(), to.config.cluster_id());
    attrs.cluster_list.splice(0..0, target.filter(|_| target != source).into_iter().chain(source));
}

/// NEXT_HOP (RFC 4271 section 5.1.3): the route's own or its gateway where the neighbour can reach it, else this router.
fn next_hop(to: &Peer, route: &Exported<'_>) -> Result<Ipv4Addr, Refusal> {
    let own = to.config.next_hop_address.unwrap_or(to.local_address);
    let kept = route.attrs.next_hop.filter(|hop| keeps_next_hop(to, route, *hop));
    let hop = kept.or_else(|| usable_gateway(to, route)).unwrap_or(own);
    if hop.is_unspecified() {
        Err(Refusal::ZeroNextHop)
    } else if hop == to.config.neighbor {
        Err(Refusal::NeighborNextHop)
    } else {
        Ok(hop)
    }
}

/// Whether an option holds for routes from this source.
fn holds(option: For, source: Option<&Peer>) -> bool {
    match option {
        For::None => false,
        For::All => true,
        For::Ibgp => source.is_some_and(|p| p.is_internal()),
        For::Ebgp => source.is_some_and(|p| !p.is_internal()),
    }
}

fn keeps_next_hop(to: &Peer, route: &Exported<'_>, hop: Ipv4Addr) -> bool {
    if holds(to.config.next_hop_self, route.source) {
        return false;
    }
    if holds(to.config.next_hop_keep, route.source) || route.fresh_next_hop {
        return true;
    }
    if to.is_internal() && !hop.is_unspecified() {
        return true;
    }
    // A third party on the segment that both sessions share (RFC 4271 section 5.1.3, 2 b).
    to.interface.is_some() && to.interface == route.source.and_then(|from| from.interface)
}

fn usable_gateway(to: &Peer, route: &Exported<'_>) -> Option<Ipv4Addr> {
    if holds(to.config.next_hop_self, route.source) {
        return None;
    }
    let gateway = route.gateway.filter(|g| !g.address.is_unspecified() && !g.address.is_link_local())?;
    (to.is_internal() || to.interface == Some(gateway.interface)).then_some(gateway.address)
}
