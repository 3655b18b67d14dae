//! The Ethernet header, put in front of a packet and taken off.

use super::{DecapError, EncapError, Headroom};
use crate::wire::ethernet::{ETH_HLEN, Header};
use crate::wire::{IntoBytes, split};

/// Puts an Ethernet header in front.
///
/// # Errors
/// `NoHeadroom` for fewer than 14 bytes of room.
#[inline]
pub fn encapsulate(packet: &mut impl Headroom, header: &Header) -> Result<(), EncapError> {
    packet.push_front(ETH_HLEN).ok_or(EncapError::NoHeadroom)?.copy_from_slice(header.as_bytes());
    Ok(())
}

/// Takes the Ethernet header off and gives it.
///
/// # Errors
/// `Outer` below 14 bytes.
#[inline]
pub fn decapsulate(frame: &mut impl Headroom) -> Result<Header, DecapError> {
    let header = *split::<Header>(frame.bytes()).map_err(DecapError::Outer)?.0;
    frame.pull_front(ETH_HLEN);
    Ok(header)
}
