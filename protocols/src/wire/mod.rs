//! Wire formats: headers as plain structs in network byte order that are laid over the bytes of a packet.
//!
//! A header type is both the view and the value: [`zerocopy`] reads it from a prefix of a packet
//! without a copy, and `as_bytes()` gives the bytes of one that was built. Reading never panics: what is too short or
//! contradicts itself is a [`Malformed`], whatever the input.

pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod icmp;
pub mod ipv4;
pub mod options;
pub mod tcp;
pub mod udp;
pub mod vlan;
pub mod vxlan;

pub use arp::ArpPacket;
pub use ethernet::MacAddr;
/// The traits that give `as_bytes()`, `ref_from_prefix()` and friends on every header type.
pub use zerocopy::{FromBytes, IntoBytes};

use core::fmt;
use zerocopy::{Immutable, KnownLayout};

/// Why bytes are not the packet they should be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Malformed {
    /// Fewer bytes than the fixed header.
    Truncated,
    /// The version, hardware type or protocol type is another one.
    Version,
    /// A length within the header is impossible (`ihl < 5`, an option that runs over the end).
    HeaderLength,
    /// The packet says that it is longer than what arrived, or shorter than its own header.
    TotalLength,
    /// The checksum is wrong.
    Checksum,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Truncated => "truncated",
            Malformed::Version => "not this protocol's version or type",
            Malformed::HeaderLength => "bad length in the header",
            Malformed::TotalLength => "bad total length",
            Malformed::Checksum => "bad checksum",
        })
    }
}

impl core::error::Error for Malformed {}

/// The header at the front of `bytes`, and what follows it.
///
/// ```
/// use hopwise_protocols::wire::{self, ethernet};
/// let frame = [0xff; 20];
/// let (header, rest) = wire::split::<ethernet::Header>(&frame).unwrap();
/// assert_eq!((header.dst, rest.len()), (wire::MacAddr::BROADCAST, 6));
/// ```
#[inline]
pub fn split<T: FromBytes + KnownLayout + Immutable + zerocopy::Unaligned>(
    bytes: &[u8],
) -> Result<(&T, &[u8]), Malformed> {
    T::ref_from_prefix(bytes).map_err(|_| Malformed::Truncated)
}

/// The same, to be changed in place.
#[inline]
pub fn split_mut<T: FromBytes + IntoBytes + KnownLayout + zerocopy::Unaligned>(
    bytes: &mut [u8],
) -> Result<(&mut T, &mut [u8]), Malformed> {
    T::mut_from_prefix(bytes).map_err(|_| Malformed::Truncated)
}
