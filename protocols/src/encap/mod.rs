//! Packets inside packets: functions that put headers in front of bytes and take them off again, in place.
//!
//! They work on anything with [`Headroom`]: a [`Packet`] of the simulation, or a [`Window`] into a caller's buffer. The
//! payload is never copied and nothing is allocated. Whatever the bytes are, the answer is a packet or a typed error.
//!
//! - [`ipip`]: IPv4 in IPv4 (RFC 2003).
//! - [`vxlan`]: Ethernet in VXLAN in UDP in IPv4 (RFC 7348).
//! - [`vlan`]: 802.1Q and 802.1ad tags.
//! - [`ethernet`]: the Ethernet header itself.
//! - [`ecn`]: congestion marks across a tunnel (RFC 6040).
//! - [`flow`]: the hash by which one tunnel spreads over many paths.
//!
//! ```
//! use hopwise_protocols::encap::{Outer, Window, ipip};
//! use hopwise_protocols::wire::{IntoBytes, ipv4};
//!
//! let mut inner = ipv4::Header::new([10, 0, 1, 1].into(), [10, 0, 2, 1].into(), ipv4::IPPROTO_UDP, 0);
//! inner.seal(&[]);
//! let mut buffer = [0; 64];
//! buffer[32..52].copy_from_slice(inner.as_bytes());
//!
//! let mut packet = Window::new(&mut buffer, 32..52).unwrap();
//! ipip::encapsulate(&mut packet, &Outer::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into()), 7).unwrap();
//! assert_eq!(packet.as_ref().len(), 40);
//! let outer = ipip::decapsulate(&mut packet).unwrap();
//! assert_eq!((outer.src(), packet.as_ref()), ([192, 0, 2, 1].into(), inner.as_bytes()));
//! ```

pub mod ecn;
pub mod ethernet;
pub mod flow;
pub mod ipip;
pub mod vlan;
pub mod vxlan;

#[cfg(test)]
mod tests;

use core::fmt;
use core::net::Ipv4Addr;
use core::ops::Range;

use hopwise_sim_core::Packet;

use crate::wire::{Malformed, ipv4};

/// Bytes with room in front of them.
pub trait Headroom {
    /// The bytes from the first header to the end.
    fn bytes(&self) -> &[u8];
    /// The same, to be changed.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Takes `n` more bytes in front into use and gives them; `None`, and nothing is done, if there is no such room.
    fn push_front(&mut self, n: usize) -> Option<&mut [u8]>;
    /// Lets go of `n` bytes in front; false, and nothing is done, if there are fewer.
    fn pull_front(&mut self, n: usize) -> bool;
    /// Lets go of what is beyond `len` bytes.
    fn trim_end(&mut self, len: usize);
}

impl Headroom for Packet {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.data()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.data_mut()
    }

    #[inline]
    fn push_front(&mut self, n: usize) -> Option<&mut [u8]> {
        Some(self.push(n))
    }

    #[inline]
    fn pull_front(&mut self, n: usize) -> bool {
        self.pull(n)
    }

    #[inline]
    fn trim_end(&mut self, len: usize) {
        self.trim(len);
    }
}

/// A part of a caller's buffer; what lies in front of it is its room.
#[derive(PartialEq, Eq, Debug)]
pub struct Window<'a> {
    buffer: &'a mut [u8],
    used: Range<usize>,
}

impl<'a> Window<'a> {
    /// The bytes `used` of a buffer; `None` if they do not lie in it.
    pub fn new(buffer: &'a mut [u8], used: Range<usize>) -> Option<Self> {
        buffer.get(used.clone())?;
        Some(Window { buffer, used })
    }

    /// Where in the buffer the bytes are now.
    pub fn range(&self) -> Range<usize> {
        self.used.clone()
    }
}

impl AsRef<[u8]> for Window<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl Headroom for Window<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.buffer.get(self.used.clone()).unwrap_or_default()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.used.clone()).unwrap_or_default()
    }

    #[inline]
    fn push_front(&mut self, n: usize) -> Option<&mut [u8]> {
        let start = self.used.start.checked_sub(n)?;
        self.used.start = start;
        self.buffer.get_mut(start..start + n)
    }

    #[inline]
    fn pull_front(&mut self, n: usize) -> bool {
        let enough = n <= self.used.len();
        if enough {
            self.used.start += n;
        }
        enough
    }

    #[inline]
    fn trim_end(&mut self, len: usize) {
        if len < self.used.len() {
            self.used.end = self.used.start + len;
        }
    }
}

/// Why something cannot be put into something else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum EncapError {
    /// Not enough room in front.
    NoHeadroom,
    /// With the new headers it would be longer than a length field can say.
    TooLong,
    /// What is to be put inside is not what the tunnel carries.
    Inner(Malformed),
    /// A network or VLAN number with too many bits.
    Number,
}

impl fmt::Display for EncapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EncapError::NoHeadroom => f.write_str("not enough room for the headers"),
            EncapError::TooLong => f.write_str("too long with the headers"),
            EncapError::Inner(why) => write!(f, "the inner packet: {why}"),
            EncapError::Number => f.write_str("the number has too many bits"),
        }
    }
}

impl core::error::Error for EncapError {}

/// Why nothing can be taken out. The bytes are then as they were.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DecapError {
    /// The outer link-layer or IPv4 header.
    Outer(Malformed),
    /// Another protocol than the tunnel's: the IP protocol or EtherType found.
    Protocol(u16),
    /// A part of a packet: the whole must be put together first.
    Fragment,
    /// The UDP header.
    Udp(Malformed),
    /// Another UDP port than the tunnel's.
    Port(u16),
    /// The tunnel's own header: too short, without a network number, or with bits that mean nothing.
    Header,
    /// What is inside.
    Inner(Malformed),
    /// The path is congested and what is inside cannot say so (RFC 6040): it has to be dropped.
    Congestion,
}

impl fmt::Display for DecapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecapError::Outer(why) => write!(f, "the outer header: {why}"),
            DecapError::Protocol(number) => write!(f, "carries protocol {number:#x}"),
            DecapError::Fragment => f.write_str("a fragment"),
            DecapError::Udp(why) => write!(f, "the UDP header: {why}"),
            DecapError::Port(port) => write!(f, "to UDP port {port}"),
            DecapError::Header => f.write_str("not a header of this tunnel"),
            DecapError::Inner(why) => write!(f, "the inner packet: {why}"),
            DecapError::Congestion => f.write_str("congestion that the inner packet cannot tell of"),
        }
    }
}

impl core::error::Error for DecapError {}

/// The type of service of an outer header. Its congestion bits always follow [`ecn::encapsulate`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tos {
    /// This one.
    Fixed(u8),
    /// That of the inner packet, 0 if that is not IPv4.
    Inherit,
}

/// The time to live of an outer header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ttl {
    /// This one.
    Fixed(u8),
    /// That of the inner packet, or this one if that is not IPv4.
    Inherit(u8),
}

/// "Don't fragment" in an outer header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Df {
    /// Not set.
    Clear,
    /// Set.
    Set,
    /// As in the inner packet.
    Inherit,
}

/// What an outer IPv4 header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outer {
    /// This end of the tunnel.
    pub src: Ipv4Addr,
    /// The other end.
    pub dst: Ipv4Addr,
    /// Type of service.
    pub tos: Tos,
    /// Time to live.
    pub ttl: Ttl,
    /// Fragmentation.
    pub df: Df,
}

impl Outer {
    /// TOS 0, TTL 64, fragments allowed.
    pub const fn new(src: Ipv4Addr, dst: Ipv4Addr) -> Self {
        Outer { src, dst, tos: Tos::Fixed(0), ttl: Ttl::Fixed(ipv4::IPDEFTTL), df: Df::Clear }
    }

    /// The header in front of `len` bytes, sealed. `inner`: the IPv4 header inside, if that is what is inside.
    #[inline]
    fn header(&self, inner: Option<&ipv4::Header>, protocol: u8, len: usize, id: u16) -> Option<ipv4::Header> {
        let len = u16::try_from(len).ok().filter(|len| *len <= u16::MAX - ipv4::IP_HLEN as u16)?;
        let inner_tos = inner.map_or(0, |ip| ip.tos);
        let tos = match self.tos {
            Tos::Fixed(tos) => tos,
            Tos::Inherit => inner_tos,
        };
        let df = match self.df {
            Df::Clear => false,
            Df::Set => true,
            Df::Inherit => inner.is_some_and(ipv4::Header::dont_fragment),
        };
        let mut header = ipv4::Header::new(self.src, self.dst, protocol, len);
        header.tos = ecn::encapsulate(tos, inner_tos);
        header.ttl = match (self.ttl, inner) {
            (Ttl::Fixed(ttl), _) | (Ttl::Inherit(ttl), None) => ttl,
            (Ttl::Inherit(_), Some(ip)) => ip.ttl,
        };
        header.id.set(id);
        header.frag_off.set(if df { ipv4::IP_DF } else { 0 });
        header.seal(&[]);
        Some(header)
    }
}
