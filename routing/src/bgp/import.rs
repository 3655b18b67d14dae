//! What is believed of a received route (RFC 4271 section 9.1.2, RFC 4456 section 8).

use core::fmt;

use super::config::Peer;
use crate::attrs::Attrs;

/// Why a route is not taken; it counts as withdrawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// The own AS is in the path, more often than allowed.
    AsLoop,
    /// This router brought it into the AS.
    OriginatorLoop,
    /// It has been in this cluster.
    ClusterLoop,
    /// The path does not begin with the neighbour's AS.
    FirstAs,
    /// Its next hop is 0.0.0.0.
    ZeroNextHop,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejection::AsLoop => "the own AS is in its path",
            Rejection::OriginatorLoop => "this router is its originator",
            Rejection::ClusterLoop => "it has been in this cluster",
            Rejection::FirstAs => "Malformed AS_PATH attribute - First AS differs from neigbor AS",
            Rejection::ZeroNextHop => "Invalid NEXT_HOP attribute - zero address",
        })
    }
}

impl Rejection {
    /// Whether BIRD logs it. Loops are an everyday thing.
    pub const fn is_logged(self) -> bool {
        matches!(self, Rejection::FirstAs | Rejection::ZeroNextHop)
    }
}

/// The attributes with which a received route enters the table: without those that an external neighbour has no business to
/// send, and with a local preference.
pub fn attributes(from: &Peer, attrs: &mut Attrs) -> Result<(), Rejection> {
    let config = &from.config;
    if !from.is_internal() {
        if !config.allow_local_pref {
            attrs.local_pref = None;
        }
        attrs.originator_id = None;
        attrs.cluster_list.clear();
        if config.enforce_first_as && attrs.first_as() != Some(from.remote_as) {
            return Err(Rejection::FirstAs);
        }
    }
    if attrs.as_path.as_ref().is_some_and(|path| path.count(config.local_as) > config.allow_local_as) {
        return Err(Rejection::AsLoop);
    }
    if attrs.originator_id == Some(config.router_id) {
        return Err(Rejection::OriginatorLoop);
    }
    if config.cluster_id().is_some_and(|id| attrs.cluster_list.contains(&id)) {
        return Err(Rejection::ClusterLoop);
    }
    if attrs.next_hop.is_some_and(|hop| hop.is_unspecified()) {
        return Err(Rejection::ZeroNextHop);
    }
    attrs.local_pref.get_or_insert(config.default_local_pref);
    Ok(())
}
