//! Communities: marks on a route that filters agree on.

use core::fmt;

/// A standard community (RFC 1997).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Community(pub u32);

impl Community {
    /// Not to be announced outside the AS or confederation.
    pub const NO_EXPORT: Community = Community(0xffff_ff01);
    /// Not to be announced to anybody.
    pub const NO_ADVERTISE: Community = Community(0xffff_ff02);
    /// Not to be announced to external peers, members of the same confederation among them.
    pub const NO_EXPORT_SUBCONFED: Community = Community(0xffff_ff03);
    /// The route's speaker restarts for long (RFC 9494).
    pub const LLGR_STALE: Community = Community(0xffff_0006);

    /// The community of an AS and a number of its own.
    pub const fn new(asn: u16, number: u16) -> Self {
        Community((asn as u32) << 16 | number as u32)
    }
}

impl fmt::Display for Community {
    /// `(65000,100)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({},{})", self.0 >> 16, self.0 & 0xffff)
    }
}

/// An extended community (RFC 4360): eight octets, the type first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExtendedCommunity(pub u64);

impl fmt::Display for ExtendedCommunity {
    /// `(rt, 65000, 100)`; by address or by AS as the type says; `(generic, 0x43000000, 0x1)` for what is neither.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExtendedCommunity(value) = *self;
        let (high, low) = ((value >> 32) as u32, value as u32);
        let kind = match (value >> 48) as u16 & 0xf0ff {
            0x0002 => "rt".to_owned(),
            0x0003 => "ro".to_owned(),
            other => format!("unknown 0x{other:x}"),
        };
        let (long, short) = ((value >> 16) as u32, value as u16);
        match value >> 56 {
            0x00 | 0x40 => write!(f, "({kind}, {}, {low})", high & 0xffff),
            0x01 | 0x41 => write!(f, "({kind}, {}, {short})", std::net::Ipv4Addr::from(long)),
            0x02 | 0x42 => write!(f, "({kind}, {long}, {short})"),
            _ => write!(f, "(generic, 0x{high:x}, 0x{low:x})"),
        }
    }
}

/// A large community (RFC 8092).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LargeCommunity {
    /// The AS that gives the other two their meaning.
    pub asn: u32,
    /// The first number.
    pub first: u32,
    /// The second number.
    pub second: u32,
}

impl fmt::Display for LargeCommunity {
    /// `(65000, 1, 2)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}, {})", self.asn, self.first, self.second)
    }
}
