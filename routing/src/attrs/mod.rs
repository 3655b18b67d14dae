//! The path attributes of a route (RFC 4271 section 5), as BGP carries them and as BIRD's filters see them.
//!
//! A route holds `Arc<Attrs>`: routes of one UPDATE share their attributes, a filter that changes them goes through
//! [`Arc::make_mut`]. `Display` of the parts is what BIRD prints behind `BGP.as_path:` and its like.

mod as_path;
mod community;

use core::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

pub use as_path::{AsPath, Segment, SegmentKind};
pub use community::{Community, ExtendedCommunity, LargeCommunity};

/// Where the route came from first (RFC 4271 section 5.1.1). Lower is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Origin {
    /// Interior to the originating AS.
    Igp = 0,
    /// Learned by EGP (RFC 904).
    Egp = 1,
    /// By some other means.
    Incomplete = 2,
}

impl Origin {
    /// The origin with this number on the wire.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Origin::Igp,
            1 => Origin::Egp,
            2 => Origin::Incomplete,
            _ => return None,
        })
    }

    /// The letter behind the AS number in `show route`: `i`, `e` or `?`.
    pub const fn letter(self) -> char {
        match self {
            Origin::Igp => 'i',
            Origin::Egp => 'e',
            Origin::Incomplete => '?',
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Igp => "IGP",
            Origin::Egp => "EGP",
            Origin::Incomplete => "Incomplete",
        })
    }
}

/// Who aggregated the route (RFC 4271 section 5.1.7).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Aggregator {
    /// Its AS number.
    pub asn: u32,
    /// Its address or router id.
    pub id: Ipv4Addr,
}

impl fmt::Display for Aggregator {
    /// `192.0.2.1 AS65000`, as BIRD prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} AS{}", self.id, self.asn)
    }
}

/// An attribute that is not known here; passed on if it is transitive (RFC 4271 section 5).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Unknown {
    /// Its type code.
    pub code: u8,
    /// Its flags: optional, transitive, partial ([`flags`]); never the length bit.
    pub flags: u8,
    /// Its value.
    pub value: Arc<[u8]>,
}

impl Unknown {
    /// Whether it may be passed on.
    pub const fn is_transitive(&self) -> bool {
        self.flags & flags::TRANSITIVE != 0
    }
}

/// The flags octet of an attribute (RFC 4271 section 4.3).
pub mod flags {
    /// Optional, not well-known.
    pub const OPTIONAL: u8 = 0x80;
    /// Passed on by those who do not know it.
    pub const TRANSITIVE: u8 = 0x40;
    /// Somebody on the way did not know it, or it was added on the way.
    pub const PARTIAL: u8 = 0x20;
    /// Two octets of length.
    pub const EXTENDED_LENGTH: u8 = 0x10;
}

/// The type codes of the known attributes (IANA, BGP Path Attributes).
pub mod code {
    /// RFC 4271 section 5.1.1.
    pub const ORIGIN: u8 = 1;
    /// RFC 4271 section 5.1.2.
    pub const AS_PATH: u8 = 2;
    /// RFC 4271 section 5.1.3.
    pub const NEXT_HOP: u8 = 3;
    /// RFC 4271 section 5.1.4.
    pub const MULTI_EXIT_DISC: u8 = 4;
    /// RFC 4271 section 5.1.5.
    pub const LOCAL_PREF: u8 = 5;
    /// RFC 4271 section 5.1.6.
    pub const ATOMIC_AGGREGATE: u8 = 6;
    /// RFC 4271 section 5.1.7.
    pub const AGGREGATOR: u8 = 7;
    /// RFC 1997.
    pub const COMMUNITIES: u8 = 8;
    /// RFC 4456 section 8.
    pub const ORIGINATOR_ID: u8 = 9;
    /// RFC 4456 section 8.
    pub const CLUSTER_LIST: u8 = 10;
    /// RFC 4360.
    pub const EXTENDED_COMMUNITIES: u8 = 16;
    /// RFC 6793 section 3.
    pub const AS4_PATH: u8 = 17;
    /// RFC 6793 section 3.
    pub const AS4_AGGREGATOR: u8 = 18;
    /// RFC 8092.
    pub const LARGE_COMMUNITIES: u8 = 32;
}

/// The attributes of a route. `default()` has none, as a route that BGP has not seen yet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Attrs {
    /// ORIGIN.
    pub origin: Option<Origin>,
    /// AS_PATH; an empty one is another thing than none.
    pub as_path: Option<AsPath>,
    /// NEXT_HOP.
    pub next_hop: Option<Ipv4Addr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES; empty if there are none.
    pub communities: Vec<Community>,
    /// ORIGINATOR_ID.
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST, the nearest cluster first.
    pub cluster_list: Vec<Ipv4Addr>,
    /// EXTENDED COMMUNITIES.
    pub extended_communities: Vec<ExtendedCommunity>,
    /// LARGE_COMMUNITY.
    pub large_communities: Vec<LargeCommunity>,
    /// What is not known, in the order of their codes.
    pub unknown: Vec<Unknown>,
    /// Which of the known optional transitive attributes have the partial bit. A filter that adds one where there was none
    /// sets the bit too (RFC 4271 section 5); it is not sent for routes that began here.
    pub partial: Partial,
}

/// A set of known optional transitive attributes: those that carry the partial bit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Partial(u8);

impl Partial {
    const CODES: [u8; 4] = [code::AGGREGATOR, code::COMMUNITIES, code::EXTENDED_COMMUNITIES, code::LARGE_COMMUNITIES];

    fn bit(code: u8) -> u8 {
        Self::CODES.iter().position(|c| *c == code).map_or(0, |i| 1 << i)
    }

    /// Whether the attribute with this code has the bit.
    pub fn contains(self, code: u8) -> bool {
        self.0 & Self::bit(code) != 0
    }

    /// Sets or clears the bit of the attribute with this code; nothing happens to attributes that cannot have it.
    pub fn set(&mut self, code: u8, partial: bool) {
        let bit = Self::bit(code);
        self.0 = if partial { self.0 | bit } else { self.0 & !bit };
    }
}

impl Attrs {
    /// The first AS of the path: the neighbour that announced the route (RFC 4271 section 9.1.2.2 c).
    pub fn first_as(&self) -> Option<u32> {
        self.as_path.as_ref()?.first()
    }

    /// Whether a standard community is there.
    pub fn has_community(&self, community: Community) -> bool {
        self.communities.contains(&community)
    }
}

#[cfg(test)]
mod tests;
