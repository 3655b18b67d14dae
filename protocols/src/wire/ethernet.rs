//! Ethernet II: addresses, EtherTypes and the 14-byte header.

use core::fmt;
use core::str::FromStr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of an address. `ETH_ALEN`.
pub const ETH_ALEN: usize = 6;
/// Bytes of the header. `ETH_HLEN`.
pub const ETH_HLEN: usize = 14;
/// The least payload of a frame on a real wire. `ETH_ZLEN - ETH_HLEN`.
pub const ETH_MIN_PAYLOAD: usize = 46;
/// The largest payload of a standard frame. `ETH_DATA_LEN`.
pub const ETH_DATA_LEN: usize = 1500;

/// IPv4.
pub const ETH_P_IP: u16 = 0x0800;
/// ARP.
pub const ETH_P_ARP: u16 = 0x0806;
/// Reverse ARP.
pub const ETH_P_RARP: u16 = 0x8035;
/// IPv6.
pub const ETH_P_IPV6: u16 = 0x86dd;
/// A VLAN tag (802.1Q).
pub const ETH_P_8021Q: u16 = 0x8100;
/// A service VLAN tag (802.1ad).
pub const ETH_P_8021AD: u16 = 0x88a8;
/// Transparent Ethernet bridging (Ethernet in GRE, VXLAN-GPE).
pub const ETH_P_TEB: u16 = 0x6558;
/// LLDP.
pub const ETH_P_LLDP: u16 = 0x88cc;
/// The Ethernet loopback protocol.
pub const ETH_P_LOOPBACK: u16 = 0x9000;
/// Every protocol (a packet socket's wish, never on a wire).
pub const ETH_P_ALL: u16 = 0x0003;
/// Values from here on are EtherTypes, smaller ones are 802.3 lengths. `ETH_P_802_3_MIN`.
pub const ETH_P_802_3_MIN: u16 = 0x0600;
/// A frame with an 802.2 LLC header: what `eth_type_trans` gives for a length. Never on a wire.
pub const ETH_P_802_2: u16 = 0x0004;

/// An Ethernet address.
///
/// ```
/// use hopwise_protocols::wire::MacAddr;
/// let mac: MacAddr = "2:0:0:0:0:a".parse().unwrap();
/// assert_eq!(mac.to_string(), "02:00:00:00:00:0a");
/// assert!(mac.is_local() && mac.is_unicast());
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, FromBytes, IntoBytes, Unaligned, KnownLayout, Immutable,
)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl core::hash::Hash for MacAddr {
    /// As one number: what a forwarding database hashes for each frame, several times cheaper than six bytes.
    #[inline]
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f] = self.0;
        state.write_u64(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    }
}

impl MacAddr {
    /// All zero: "not set".
    pub const ZERO: MacAddr = MacAddr([0; 6]);
    /// All ones: every station.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);

    /// True for `ff:ff:ff:ff:ff:ff`.
    #[inline]
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// True if the group bit is set, which includes broadcast. `is_multicast_ether_addr`.
    #[inline]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// True if the group bit is not set.
    #[inline]
    pub const fn is_unicast(self) -> bool {
        !self.is_multicast()
    }

    /// True if the address was made up by software (the U/L bit is set). `is_local_ether_addr`.
    #[inline]
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 != 0
    }

    /// True for all zeroes.
    #[inline]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// True if a device may have this address: neither multicast nor zero. `is_valid_ether_addr`.
    #[inline]
    pub fn is_valid(self) -> bool {
        self.is_unicast() && !self.is_zero()
    }

    /// True for `01:80:c2:00:00:0X`, which bridges do not forward. `is_link_local_ether_addr`.
    #[inline]
    pub const fn is_link_local(self) -> bool {
        matches!(self.0, [0x01, 0x80, 0xc2, 0, 0, last] if last & 0xf0 == 0)
    }

    /// The group address of an IPv4 multicast group: `01:00:5e` and its lower 23 bits (RFC 1112, section 6.4).
    pub const fn multicast_ipv4(group: core::net::Ipv4Addr) -> MacAddr {
        let [_, b, c, d] = group.octets();
        MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }

    /// The six bytes.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for MacAddr {
    /// Six lower-case pairs joined by colons, as iproute2 prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<[u8; 6]> for MacAddr {
    fn from(octets: [u8; 6]) -> Self {
        MacAddr(octets)
    }
}

/// Why a text is not an Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseMacError {
    /// A part is not a hexadecimal number up to `ff`: iproute2 says `"TEXT" is invalid lladdr.`
    Invalid,
    /// This many bytes instead of six: `ip link` says `Invalid address length N - must be 6 bytes`.
    Length(usize),
}

impl fmt::Display for ParseMacError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParseMacError::Invalid => f.write_str("invalid lladdr"),
            ParseMacError::Length(n) => write!(f, "Invalid address length {n} - must be {ETH_ALEN} bytes"),
        }
    }
}

impl core::error::Error for ParseMacError {}

impl FromStr for MacAddr {
    type Err = ParseMacError;

    /// Reads what iproute2's `ll_addr_a2n` takes: parts of one or two hexadecimal digits, joined by colons. A text
    /// with a dot is an IPv4 address there (the link-layer address of a tunnel): four bytes, so never one of these.
    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        if text.contains('.') {
            let address = text.parse::<core::net::Ipv4Addr>().map_err(|_| ParseMacError::Invalid)?;
            return Err(ParseMacError::Length(address.octets().len()));
        }
        let mut octets = [0; ETH_ALEN];
        let mut count = 0;
        for part in text.split(':') {
            let byte = u8::from_str_radix(part, 16).map_err(|_| ParseMacError::Invalid)?;
            if part.starts_with('+') {
                return Err(ParseMacError::Invalid);
            }
            if let Some(slot) = octets.get_mut(count) {
                *slot = byte;
            }
            count += 1;
        }
        if count == ETH_ALEN { Ok(MacAddr(octets)) } else { Err(ParseMacError::Length(count)) }
    }
}

/// The Ethernet II header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Unaligned, KnownLayout, Immutable)]
#[repr(C)]
pub struct Header {
    /// To whom.
    pub dst: MacAddr,
    /// From whom.
    pub src: MacAddr,
    /// What follows (`ETH_P_*`), or the length of an 802.3 frame.
    pub ethertype: U16,
}

impl Header {
    /// A header to be put in front of a payload of this EtherType.
    #[inline]
    pub const fn new(dst: MacAddr, src: MacAddr, ethertype: u16) -> Self {
        Header { dst, src, ethertype: U16::new(ethertype) }
    }

    /// What follows, as `eth_type_trans` decides it: the EtherType, or [`ETH_P_802_2`] if the field is a length.
    #[inline]
    pub const fn protocol(&self) -> u16 {
        let value = self.ethertype.get();
        if value >= ETH_P_802_3_MIN { value } else { ETH_P_802_2 }
    }
}

/// Splits a frame into its header and what follows.
///
/// # Errors
/// [`super::Malformed::Truncated`] below 14 bytes.
#[inline]
pub fn parse(frame: &[u8]) -> Result<(&Header, &[u8]), super::Malformed> {
    super::split(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_read_as_iproute2_reads_them() {
        assert_eq!("ee:ee:ee:ee:ee:ee".parse(), Ok(MacAddr([0xee; 6])));
        assert_eq!("1:2:3:4:5:6".parse(), Ok(MacAddr([1, 2, 3, 4, 5, 6])));
        assert_eq!("AA:bb:cc:dd:ee:ff".parse(), Ok(MacAddr([0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff])));
        for (text, error) in [
            ("02:00:00:00:00", ParseMacError::Length(5)),
            ("02:00:00:00:00:01:02", ParseMacError::Length(7)),
            ("10.0.0.1", ParseMacError::Length(4)),
            ("02:00:00:00:00:100", ParseMacError::Invalid),
            ("02:00:00:00:00:zz", ParseMacError::Invalid),
            ("02:00:00:00:00:+1", ParseMacError::Invalid),
            ("", ParseMacError::Invalid),
        ] {
            assert_eq!(text.parse::<MacAddr>(), Err(error), "{text}");
        }
    }

    #[test]
    fn kinds_of_addresses() {
        assert!(MacAddr::BROADCAST.is_multicast() && MacAddr::BROADCAST.is_broadcast());
        assert!(!MacAddr::ZERO.is_valid() && MacAddr::ZERO.is_unicast());
        assert!(MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x0e]).is_link_local());
        assert!(!MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x10]).is_link_local());
        let all_hosts = MacAddr::multicast_ipv4("239.129.0.1".parse().unwrap());
        assert_eq!(all_hosts.to_string(), "01:00:5e:01:00:01");
    }

    #[test]
    fn a_length_is_not_an_ethertype() {
        let at = |n| Header::new(MacAddr::BROADCAST, MacAddr::ZERO, n).protocol();
        assert_eq!((at(ETH_P_IP), at(46), at(0x5ff), at(0x600)), (ETH_P_IP, ETH_P_802_2, ETH_P_802_2, 0x600));
    }

    proptest! {
        #[test]
        fn text_round_trip(octets: [u8; 6]) {
            prop_assert_eq!(MacAddr(octets).to_string().parse(), Ok(MacAddr(octets)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-fA-F:.+ x]{0,24}") {
            let _ = text.parse::<MacAddr>();
        }

        #[test]
        fn agrees_with_etherparse(dst: [u8; 6], src: [u8; 6], ethertype in ETH_P_802_3_MIN.., payload: Vec<u8>) {
            let header = Header::new(dst.into(), src.into(), ethertype);
            let frame = [header.as_bytes(), &payload].concat();
            let (ours, rest) = parse(&frame).unwrap();
            let (theirs, _) = etherparse::Ethernet2Header::from_slice(&frame).unwrap();
            prop_assert_eq!((ours, rest), (&header, &payload[..]));
            prop_assert_eq!((theirs.destination, theirs.source, theirs.ether_type.0), (dst, src, ethertype));
        }

        #[test]
        fn short_frames_are_refused(frame in proptest::collection::vec(any::<u8>(), 0..20)) {
            prop_assert_eq!(parse(&frame).is_ok(), frame.len() >= ETH_HLEN);
        }
    }
}
