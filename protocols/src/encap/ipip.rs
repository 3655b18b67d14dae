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
    let inner = ipv4::view(packet.bytes()).map_err(EncapError::Inner)?;
    if inner.header.version() != 4 {
        return Err(EncapError::Inner(Malformed::Version));
    }
    let len = packet.bytes().len();
    let header = outer.header(Some(inner.header), IPPROTO_IPIP, len, id).ok_or(EncapError::TooLong)?;
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
