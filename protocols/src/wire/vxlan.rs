//! VXLAN (RFC 7348): the 8-byte header between UDP and an Ethernet frame.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header. `VXLAN_HLEN`.
pub const VXLAN_HLEN: usize = 8;
/// The UDP port that IANA assigned. `IANA_VXLAN_UDP_PORT`.
pub const VXLAN_PORT: u16 = 4789;
/// The flag that says that there is a network number. `VXLAN_HF_VNI`.
pub const VXLAN_HF_VNI: u8 = 0x08;
/// One more than the greatest network number. `VXLAN_N_VID`.
pub const VXLAN_N_VID: u32 = 1 << 24;

/// The VXLAN header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Unaligned, KnownLayout, Immutable)]
#[repr(C)]
pub struct Header {
    /// Flags; only [`VXLAN_HF_VNI`] is defined.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The network number.
    pub vni: [u8; 3],
    /// Zero.
    pub reserved_last: u8,
}

impl Header {
    /// The header of a network; only the lower 24 bits of the number count.
    pub const fn new(vni: u32) -> Self {
        let [_, a, b, c] = vni.to_be_bytes();
        Header { flags: VXLAN_HF_VNI, reserved: [0; 3], vni: [a, b, c], reserved_last: 0 }
    }

    /// The network number.
    pub const fn vni(&self) -> u32 {
        let [a, b, c] = self.vni;
        u32::from_be_bytes([0, a, b, c])
    }

    /// Whether there is a network number.
    pub const fn has_vni(&self) -> bool {
        self.flags & VXLAN_HF_VNI != 0
    }

    /// Whether a bit is set that means nothing: Linux refuses such packets, though the RFC says to ignore the bits.
    pub const fn has_unknown_bits(&self) -> bool {
        let [a, b, c] = self.reserved;
        (self.flags & !VXLAN_HF_VNI) | a | b | c | self.reserved_last != 0
    }
}
