//! VLAN tags on their way: beside the bytes of a packet, or among them. Models `net/8021q/vlan_core.c` and
//! `include/linux/if_vlan.h`.
//!
//! A tag that comes in among the bytes is taken out at once ([`untag`]), and goes among them again where a link cannot
//! carry it beside them ([`insert`]) or somebody looks at the frame ([`with_tag`]): so a stage that knows nothing of VLANs
//! sees Ethernet frames.

use hopwise_protocols::encap::vlan as encap;
use hopwise_protocols::wire::ethernet::{ETH_HLEN, ETH_P_802_2, ETH_P_802_3_MIN, ETH_P_8021AD, ETH_P_8021Q};
use hopwise_protocols::wire::vlan::{Tag, VLAN_HLEN};
use hopwise_sim_core::{Packet, PacketType, VlanTag};

/// The addresses in front of a tag.
const ADDRESSES: usize = 12;

/// Whether an EtherType says that a tag follows (`eth_type_vlan`).
#[inline]
pub const fn is_tag(protocol: u16) -> bool {
    protocol == ETH_P_8021Q || protocol == ETH_P_8021AD
}

/// Takes the tag out of a frame that begins with its Ethernet header, if it has none beside it already; false if the frame
/// is too short (`skb_vlan_untag`).
#[cold]
pub fn untag(packet: &mut Packet) -> bool {
    if packet.vlan.is_some() {
        return true;
    }
    if packet.len() < ETH_HLEN + VLAN_HLEN {
        return false;
    }
    let Ok((protocol, tag)) = encap::pop(packet) else { return false };
    packet.vlan = VlanTag { protocol, tci: tag.tci.get() };
    let inner = tag.ethertype.get();
    packet.protocol = if inner >= ETH_P_802_3_MIN { inner } else { ETH_P_802_2 };
    true
}

/// Puts the tag beside a frame among its bytes, which begin with the Ethernet header (`__vlan_hwaccel_push_inside`).
#[cold]
pub fn insert(packet: &mut Packet) {
    let VlanTag { protocol, tci } = core::mem::take(&mut packet.vlan);
    let tag = Tag { tci: tci.into(), ethertype: 0.into() };
    if encap::push(packet, protocol, tag).is_ok() {
        packet.protocol = protocol;
    }
}

/// The same for a packet whose Ethernet header has been pulled: the tag becomes the front of what the header carries.
#[cold]
pub fn insert_behind_header(packet: &mut Packet) {
    packet.push_mac_header();
    insert(packet);
    let pulled = packet.pull(ETH_HLEN);
    debug_assert!(pulled, "the header was just pushed");
    packet.mac_len = ETH_HLEN as u8;
}

/// [`untag`] for a packet whose Ethernet header has been pulled.
#[cold]
pub fn untag_behind_header(packet: &mut Packet) -> bool {
    packet.push_mac_header();
    let done = untag(packet) && packet.pull(ETH_HLEN);
    packet.mac_len = ETH_HLEN as u8;
    done
}

/// A frame of a VLAN that nobody here has asked for: it is for another host. A tag that only gives a priority is dropped
/// (`__netif_receive_skb_core`).
#[cold]
pub fn give_up(packet: &mut Packet) {
    if packet.vlan.vid() != 0 {
        packet.kind = PacketType::OtherHost;
    }
    packet.vlan = VlanTag::NONE;
}

/// The bytes of a frame as they would be on a wire, with the tag that is beside them.
#[cold]
pub fn with_tag(packet: &Packet) -> Vec<u8> {
    let (addresses, rest) = packet.data().split_at(packet.len().min(ADDRESSES));
    let (protocol, tci) = (packet.vlan.protocol.to_be_bytes(), packet.vlan.tci.to_be_bytes());
    [addresses, &protocol, &tci, rest].concat()
}

#[cfg(test)]
mod tests {
    use hopwise_sim_core::Pool;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A tag that is put in and taken out again, and one that is taken out and put in, leaves the frame as it was.
        #[test]
        fn to_tag_and_to_untag_is_nothing(
            frame in prop::collection::vec(any::<u8>(), 14..80),
            provider: bool,
            tci: u16,
        ) {
            let mut pool = Pool::default();
            let mut packet = pool.alloc_from(&frame);
            packet.vlan = VlanTag { protocol: if provider { ETH_P_8021AD } else { ETH_P_8021Q }, tci };
            let shown = with_tag(&packet);
            let tag = packet.vlan;
            insert(&mut packet);
            prop_assert_eq!(packet.data(), &shown[..]);
            prop_assert_eq!((packet.vlan, packet.protocol), (VlanTag::NONE, tag.protocol));
            prop_assert!(untag(&mut packet));
            prop_assert_eq!((packet.data(), packet.vlan), (&frame[..], tag));
            pool.dropped(packet);
        }

        /// Frames of any length are taken as they are.
        #[test]
        fn short_frames_are_refused(mut frame in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Some(place) = frame.get_mut(12..14) {
                place.copy_from_slice(&ETH_P_8021Q.to_be_bytes());
            }
            let mut pool = Pool::default();
            let mut packet = pool.alloc_from(&frame);
            prop_assert_eq!(untag(&mut packet), frame.len() >= 18);
            prop_assert_eq!(packet.len(), if frame.len() >= 18 { frame.len() - 4 } else { frame.len() });
            insert(&mut packet);
            prop_assert_eq!(packet.data(), &frame[..]);
            pool.dropped(packet);
        }
    }
}
