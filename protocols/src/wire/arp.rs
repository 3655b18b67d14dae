//! ARP for IPv4 over Ethernet (RFC 826): 28 bytes.

use super::{MacAddr, Malformed};
use core::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of an ARP packet for IPv4 over Ethernet. `arp_hdr_len`.
pub const ARP_LEN: usize = 28;
/// Hardware type of Ethernet.
pub const ARPHRD_ETHER: u16 = 1;
/// Hardware type of IEEE 802, which `arp_process` takes for Ethernet (RFC 1122).
pub const ARPHRD_IEEE802: u16 = 6;

/// "Who has": a request.
pub const ARPOP_REQUEST: u16 = 1;
/// "Is at": a reply.
pub const ARPOP_REPLY: u16 = 2;
/// RARP request.
pub const ARPOP_RREQUEST: u16 = 3;
/// RARP reply.
pub const ARPOP_RREPLY: u16 = 4;

/// An ARP packet for IPv4 over Ethernet; the field names are those of RFC 826.
///
/// ```
/// use hopwise_protocols::wire::{arp, ArpPacket, IntoBytes, MacAddr};
/// let me = MacAddr([2, 0, 0, 0, 0, 1]);
/// let ask = ArpPacket::request(me, [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
/// assert_eq!(arp::parse(ask.as_bytes()), Ok(&ask));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Unaligned, KnownLayout, Immutable)]
#[repr(C)]
pub struct ArpPacket {
    /// Hardware type: [`ARPHRD_ETHER`].
    pub hrd: U16,
    /// Protocol type: `ETH_P_IP`.
    pub pro: U16,
    /// Bytes of a hardware address: 6.
    pub hln: u8,
    /// Bytes of a protocol address: 4.
    pub pln: u8,
    /// Operation, `ARPOP_*`.
    pub op: U16,
    /// Sender's hardware address.
    pub sha: MacAddr,
    /// Sender's protocol address.
    pub spa: [u8; 4],
    /// Target's hardware address.
    pub tha: MacAddr,
    /// Target's protocol address.
    pub tpa: [u8; 4],
}

impl ArpPacket {
    /// A packet of this operation. The kernel's `arp_create`.
    pub const fn new(op: u16, sha: MacAddr, spa: Ipv4Addr, tha: MacAddr, tpa: Ipv4Addr) -> Self {
        ArpPacket {
            hrd: U16::new(ARPHRD_ETHER),
            pro: U16::new(super::ethernet::ETH_P_IP),
            hln: 6,
            pln: 4,
            op: U16::new(op),
            sha,
            spa: spa.octets(),
            tha,
            tpa: tpa.octets(),
        }
    }

    /// "Who has `tpa`, tell `spa`". The target's hardware address is zero, as Linux leaves it.
    pub const fn request(sha: MacAddr, spa: Ipv4Addr, tpa: Ipv4Addr) -> Self {
        Self::new(ARPOP_REQUEST, sha, spa, MacAddr::ZERO, tpa)
    }

    /// "`spa` is at `sha`", said to `tha`.
    pub const fn reply(sha: MacAddr, spa: Ipv4Addr, tha: MacAddr, tpa: Ipv4Addr) -> Self {
        Self::new(ARPOP_REPLY, sha, spa, tha, tpa)
    }

    /// The sender's IPv4 address.
    #[inline]
    pub const fn sender_ip(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.spa;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The target's IPv4 address.
    #[inline]
    pub const fn target_ip(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.tpa;
        Ipv4Addr::new(a, b, c, d)
    }
}

/// Reads an ARP packet. What follows the 28 bytes is padding of a short frame.
///
/// # Errors
/// As `arp_rcv` and `arp_process` drop it: `Truncated`, `HeaderLength` if the addresses are not 6 and 4 bytes long,
/// `Version` if it is not about IPv4 over Ethernet. The operation is not checked here.
pub fn parse(bytes: &[u8]) -> Result<&ArpPacket, Malformed> {
    let (arp, _) = super::split::<ArpPacket>(bytes)?;
    if arp.hln != 6 || arp.pln != 4 {
        return Err(Malformed::HeaderLength);
    }
    let ethernet = matches!(arp.hrd.get(), ARPHRD_ETHER | ARPHRD_IEEE802);
    if ethernet && arp.pro.get() == super::ethernet::ETH_P_IP { Ok(arp) } else { Err(Malformed::Version) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_pnet(op: u16, sha: [u8; 6], spa: [u8; 4], tha: [u8; 6], tpa: [u8; 4], padding: Vec<u8>) {
            let ours = ArpPacket::new(op, sha.into(), spa.into(), tha.into(), tpa.into());
            let bytes = [ours.as_bytes(), &padding].concat();
            prop_assert_eq!(parse(&bytes), Ok(&ours));
            let theirs = pnet_packet::arp::ArpPacket::new(&bytes).unwrap();
            prop_assert_eq!(theirs.get_operation().0, op);
            prop_assert_eq!(theirs.get_sender_hw_addr().octets(), sha);
            prop_assert_eq!(theirs.get_sender_proto_addr(), ours.sender_ip());
            prop_assert_eq!(theirs.get_target_hw_addr().octets(), tha);
            prop_assert_eq!(theirs.get_target_proto_addr(), ours.target_ip());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if parse(&bytes).is_ok() {
                prop_assert!(bytes.len() >= ARP_LEN);
            }
        }
    }

    #[test]
    fn other_lengths_and_types_are_refused() {
        let good = ArpPacket::request(MacAddr::ZERO, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        let with = |change: fn(&mut ArpPacket)| {
            let mut packet = good;
            change(&mut packet);
            parse(packet.as_bytes()).map(|_| ())
        };
        assert_eq!(with(|p| p.hln = 8), Err(Malformed::HeaderLength));
        assert_eq!(with(|p| p.pln = 16), Err(Malformed::HeaderLength));
        assert_eq!(with(|p| p.hrd.set(32)), Err(Malformed::Version));
        assert_eq!(with(|p| p.pro.set(0x86dd)), Err(Malformed::Version));
        assert_eq!(with(|p| p.hrd.set(ARPHRD_IEEE802)), Ok(()));
        assert_eq!(parse(&good.as_bytes()[..27]), Err(Malformed::Truncated));
    }
}
