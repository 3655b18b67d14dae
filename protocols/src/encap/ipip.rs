//! IPv4 in IPv4 (RFC 2003), by the rules of Linux (`ip_tunnel_xmit`, `ip_tunnel_rcv`).

use super::{DecapError, EncapError, Headroom, Outer, ecn};
use crate::wire::ipv4::{self, IP_HLEN, IPPROTO_IPIP};
use crate::wire::{IntoBytes, Malformed, split};

/// Puts an IPv4 packet into another one with identification `id`.
///
/// # Errors
/// `Inner` if the bytes are not an IPv4 packet, `TooLong`, `NoHeadroom` for fewer than 20 bytes of room.
#[inline]
pub fn encapsulate(packet: &mut impl Headroom, outer: &Outer, id: u16) -> Result<(), EncapError> {
    encapsulate_innermost(packet, outer, id, 0)
}

/// The same for a packet that is itself the outer one of a tunnel: what the outer header inherits comes from the packet that
/// begins at `innermost` (`skb_inner_network_header`).
///
/// # Errors
/// As [`encapsulate`].
#[inline]
pub fn encapsulate_innermost(
    packet: &mut impl Headroom,
    outer: &Outer,
    id: u16,
    innermost: usize,
) -> Result<(), EncapError> {
    let inner = ipv4::view(packet.bytes()).map_err(EncapError::Inner)?;
    if inner.header.version() != 4 {
        return Err(EncapError::Inner(Malformed::Version));
    }
    let len = packet.bytes().len();
    let nested = packet.bytes().get(innermost..).and_then(|bytes| split::<ipv4::Header>(bytes).ok());
    let inherited = nested.map_or(inner.header, |(header, _)| header);
    let header = outer.header(Some(inherited), IPPROTO_IPIP, len, id).ok_or(EncapError::TooLong)?;
    packet.push_front(IP_HLEN).ok_or(EncapError::NoHeadroom)?.copy_from_slice(header.as_bytes());
    Ok(())
}

/// Takes the IPv4 packet out that is inside another one, with the congestion marks of its way. Gives the outer header.
///
/// # Errors
/// As the variants of [`DecapError`] say.
#[inline]
pub fn decapsulate(packet: &mut impl Headroom) -> Result<ipv4::Header, DecapError> {
    let outer = ipv4::parse(packet.bytes()).map_err(DecapError::Outer)?;
    let header = *outer.header;
    if header.protocol != IPPROTO_IPIP {
        return Err(DecapError::Protocol(header.protocol.into()));
    }
    if header.is_fragment() {
        return Err(DecapError::Fragment);
    }
    let inner = ipv4::parse(outer.payload).map_err(DecapError::Inner)?;
    if ecn::decapsulate(header.tos, inner.header.tos).is_none() {
        return Err(DecapError::Congestion);
    }
    packet.trim_end(header.total_len.get().into());
    packet.pull_front(header.header_len());
    ecn::restore(header.tos, packet.bytes_mut());
    Ok(header)
}

/// Whether the bytes could be an IPv4 packet in another one: what a receiver looks at to choose a tunnel.
pub fn is_ipip(packet: &[u8]) -> bool {
    split::<ipv4::Header>(packet).is_ok_and(|(header, _)| header.version() == 4 && header.protocol == IPPROTO_IPIP)
}
