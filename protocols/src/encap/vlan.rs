//! VLAN tags (802.1Q, 802.1ad), pushed behind the addresses of a frame and popped again. Models `__vlan_insert_tag` and
//! `skb_vlan_untag`.

use super::{DecapError, EncapError, Headroom};
use crate::wire::ethernet::{ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q};
use crate::wire::vlan::{Tag, VLAN_HLEN};
use crate::wire::{Malformed, split};

/// Bytes of both addresses.
const ADDRESSES: usize = 12;

/// Puts a tag of type `tpid` ([`ETH_P_8021Q`], or [`ETH_P_8021AD`] for the outer one of two) into a frame. The tag's
/// EtherType does not count: what follows it is what followed the addresses.
///
/// # Errors
/// `Inner` if the bytes are shorter than an Ethernet header, `NoHeadroom` for fewer than 4 bytes of room, `Number` for
/// another `tpid`.
#[inline]
pub fn push(frame: &mut impl Headroom, tpid: u16, tag: Tag) -> Result<(), EncapError> {
    if !matches!(tpid, ETH_P_8021Q | ETH_P_8021AD) {
        return Err(EncapError::Number);
    }
    if frame.bytes().len() < ETH_HLEN {
        return Err(EncapError::Inner(Malformed::Truncated));
    }
    frame.push_front(VLAN_HLEN).ok_or(EncapError::NoHeadroom)?;
    let bytes = frame.bytes_mut();
    bytes.copy_within(VLAN_HLEN..VLAN_HLEN + ADDRESSES, 0);
    if let Some([first, second, third, fourth]) = bytes.get_mut(ADDRESSES..).and_then(|b| b.first_chunk_mut::<4>()) {
        [*first, *second] = tpid.to_be_bytes();
        [*third, *fourth] = tag.tci.to_bytes();
    }
    Ok(())
}

/// Takes the outermost tag out of a frame. Gives its type and the tag, whose EtherType says what follows now.
///
/// # Errors
/// `Outer` if the bytes are too short, `Protocol` with the EtherType of a frame without a tag.
#[inline]
pub fn pop(frame: &mut impl Headroom) -> Result<(u16, Tag), DecapError> {
    let bytes = frame.bytes();
    let tpid =
        bytes.get(ADDRESSES..).and_then(|b| b.first_chunk::<2>()).ok_or(DecapError::Outer(Malformed::Truncated))?;
    let tpid = u16::from_be_bytes(*tpid);
    if !matches!(tpid, ETH_P_8021Q | ETH_P_8021AD) {
        return Err(DecapError::Protocol(tpid));
    }
    let tag = *split::<Tag>(bytes.get(ETH_HLEN..).unwrap_or_default()).map_err(DecapError::Outer)?.0;
    frame.bytes_mut().copy_within(..ADDRESSES, VLAN_HLEN);
    frame.pull_front(VLAN_HLEN);
    Ok((tpid, tag))
}
