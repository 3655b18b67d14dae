//! The VLAN tag (IEEE 802.1Q): four bytes between the source address and the EtherType.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a tag. `VLAN_HLEN`.
pub const VLAN_HLEN: usize = 4;
/// The bits of a tag that number the VLAN. `VLAN_VID_MASK`.
pub const VLAN_VID_MASK: u16 = 0x0fff;

/// What follows an EtherType of `ETH_P_8021Q` or `ETH_P_8021AD`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Unaligned, KnownLayout, Immutable)]
#[repr(C)]
pub struct Tag {
    /// Priority (3 bits), drop eligible (1 bit), VLAN number (12 bits). `h_vlan_TCI`.
    pub tci: U16,
    /// What follows the tag (`ETH_P_*`).
    pub ethertype: U16,
}

impl Tag {
    /// A tag of priority 0 to 7 and VLAN 0 to 4094; more bits are cut off.
    pub const fn new(priority: u8, vlan: u16, ethertype: u16) -> Self {
        let tci = ((priority as u16 & 7) << 13) | (vlan & VLAN_VID_MASK);
        Tag { tci: U16::new(tci), ethertype: U16::new(ethertype) }
    }

    /// The number of the VLAN; 0 means that only the priority counts.
    pub const fn vlan(&self) -> u16 {
        self.tci.get() & VLAN_VID_MASK
    }

    /// The priority code point, 0 to 7.
    pub const fn priority(&self) -> u8 {
        (self.tci.get() >> 13) as u8
    }

    /// True if the frame may be dropped first.
    pub const fn drop_eligible(&self) -> bool {
        self.tci.get() & 0x1000 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_etherparse(priority in 0u8..8, vlan in 0u16..4096, ethertype: u16) {
            let tag = Tag::new(priority, vlan, ethertype);
            let (theirs, _) = etherparse::SingleVlanHeader::from_slice(tag.as_bytes()).unwrap();
            prop_assert_eq!((theirs.pcp.value(), theirs.vlan_id.value(), theirs.ether_type.0), (priority, vlan, ethertype));
            prop_assert_eq!((tag.priority(), tag.vlan(), tag.drop_eligible()), (priority, vlan, theirs.drop_eligible_indicator));
        }
    }
}
