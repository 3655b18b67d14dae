//! IPv4 (RFC 791): the header, its checks, its options.

use super::checksum::{self, fold, update16, update32};
use super::{Malformed, split};
use core::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use super::options::{
    IPOPT_COPY, IPOPT_END, IPOPT_LSRR, IPOPT_NOOP, IPOPT_RA, IPOPT_RR, IPOPT_SSRR, IPOPT_TIMESTAMP, Opt, Options,
};

/// Bytes of a header without options.
pub const IP_HLEN: usize = 20;
/// The most bytes that options can have. `MAX_IPOPTLEN`.
pub const MAX_IPOPTLEN: usize = 40;
/// The most bytes of a packet. `IP_MAX_MTU`.
pub const IP_MAX_LEN: usize = 0xffff;
/// Time to live of a new packet. `IPDEFTTL`.
pub const IPDEFTTL: u8 = 64;

/// "Reserved, must be zero". `IP_CE`.
pub const IP_RF: u16 = 0x8000;
/// "Don't fragment". `IP_DF`.
pub const IP_DF: u16 = 0x4000;
/// "More fragments". `IP_MF`.
pub const IP_MF: u16 = 0x2000;
/// The bits of `frag_off` that count eight bytes each. `IP_OFFSET`.
pub const IP_OFFSET: u16 = 0x1fff;

/// ICMP.
pub const IPPROTO_ICMP: u8 = 1;
/// IGMP.
pub const IPPROTO_IGMP: u8 = 2;
/// IPv4 in IPv4 (tunnel kind `ipip`).
pub const IPPROTO_IPIP: u8 = 4;
/// TCP.
pub const IPPROTO_TCP: u8 = 6;
/// UDP.
pub const IPPROTO_UDP: u8 = 17;
/// IPv6 in IPv4 (tunnel kind `sit`).
pub const IPPROTO_IPV6: u8 = 41;
/// GRE.
pub const IPPROTO_GRE: u8 = 47;
/// ESP.
pub const IPPROTO_ESP: u8 = 50;
/// AH.
pub const IPPROTO_AH: u8 = 51;
/// ICMPv6.
pub const IPPROTO_ICMPV6: u8 = 58;
/// OSPF.
pub const IPPROTO_OSPF: u8 = 89;
/// SCTP.
pub const IPPROTO_SCTP: u8 = 132;

/// The bits of `tos` that routing may look at, before masking with the rule's DSCP. `IPTOS_TOS_MASK`.
pub const IPTOS_TOS_MASK: u8 = 0x1e;
/// The bits of `tos` that are the DSCP. `INET_DSCP_MASK`.
pub const INET_DSCP_MASK: u8 = 0xfc;
/// The bits of `tos` that are explicit congestion notification. `INET_ECN_MASK`.
pub const INET_ECN_MASK: u8 = 0x03;

/// The IPv4 header without its options.
///
/// ```
/// use hopwise_protocols::wire::{ipv4, IntoBytes};
/// let mut header = ipv4::Header::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), ipv4::IPPROTO_UDP, 0);
/// header.seal(&[]);
/// let mut bytes = header.as_bytes().to_vec();
/// assert_eq!(ipv4::parse(&bytes).unwrap().header, &header);
/// bytes[8] -= 1;
/// assert_eq!(ipv4::parse(&bytes).unwrap_err(), hopwise_protocols::wire::Malformed::Checksum);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Unaligned, KnownLayout, Immutable)]
#[repr(C)]
pub struct Header {
    /// Version (4) in the upper, header length in 32-bit words (`ihl`) in the lower half.
    pub version_ihl: u8,
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    /// Bytes of the whole packet.
    pub total_len: U16,
    /// Identification: the same in all fragments of a packet.
    pub id: U16,
    /// Flags ([`IP_DF`], [`IP_MF`]) and fragment offset ([`IP_OFFSET`]).
    pub frag_off: U16,
    /// Time to live, in hops.
    pub ttl: u8,
    /// What follows, `IPPROTO_*`.
    pub protocol: u8,
    /// Checksum of header and options.
    pub check: U16,
    /// Source address.
    pub saddr: [u8; 4],
    /// Destination address.
    pub daddr: [u8; 4],
}

impl Header {
    /// A header without options for `payload_len` bytes: TTL 64, no flags, id 0. Change fields as needed, then
    /// [`seal`](Header::seal) it.
    pub const fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload_len: u16) -> Self {
        Header {
            version_ihl: 0x45,
            tos: 0,
            total_len: U16::new(payload_len.saturating_add(IP_HLEN as u16)),
            id: U16::new(0),
            frag_off: U16::new(0),
            ttl: IPDEFTTL,
            protocol,
            check: U16::new(0),
            saddr: src.octets(),
            daddr: dst.octets(),
        }
    }

    /// Computes the checksum over the header and the options that will follow it. The kernel's `ip_send_check`.
    #[inline]
    pub fn seal(&mut self, options: &[u8]) {
        self.check.set(0);
        let sum = self.sum();
        self.check.set(!if options.is_empty() { sum } else { checksum::add(sum, checksum::sum(options)) });
    }

    /// Makes room in the lengths for options of `len` bytes (a multiple of 4, at most 40) between header and payload.
    pub fn set_options_len(&mut self, len: usize) {
        let payload = self.total_len.get().saturating_sub(self.header_len() as u16);
        self.version_ihl = 0x40 | (5 + (len.min(MAX_IPOPTLEN) / 4) as u8);
        self.total_len.set(payload.saturating_add(self.header_len() as u16));
    }

    /// The sum of the 20 bytes.
    #[inline]
    fn sum(&self) -> u16 {
        let words = self.as_bytes().as_chunks::<4>().0;
        u16::from_be(fold(words.iter().map(|w| u64::from(u32::from_ne_bytes(*w))).sum()))
    }

    /// 4, if this is IPv4.
    #[inline]
    pub const fn version(&self) -> u8 {
        self.version_ihl >> 4
    }

    /// Bytes of header and options.
    #[inline]
    pub const fn header_len(&self) -> usize {
        (self.version_ihl & 0xf) as usize * 4
    }

    /// The source address.
    #[inline]
    pub const fn src(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.saddr;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The destination address.
    #[inline]
    pub const fn dst(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.daddr;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Where this fragment's payload begins in the payload of the packet, in bytes.
    #[inline]
    pub const fn fragment_offset(&self) -> usize {
        (self.frag_off.get() & IP_OFFSET) as usize * 8
    }

    /// True if this is not the last fragment.
    #[inline]
    pub const fn more_fragments(&self) -> bool {
        self.frag_off.get() & IP_MF != 0
    }

    /// True if no router may cut this packet.
    #[inline]
    pub const fn dont_fragment(&self) -> bool {
        self.frag_off.get() & IP_DF != 0
    }

    /// True if this is a part of a packet. `ip_is_fragment`.
    #[inline]
    pub const fn is_fragment(&self) -> bool {
        self.frag_off.get() & (IP_MF | IP_OFFSET) != 0
    }

    /// Takes one hop off the TTL (which stays at 0) and corrects the checksum. Gives the new TTL. `ip_decrease_ttl`.
    #[inline]
    pub fn decrease_ttl(&mut self) -> u8 {
        let Some(ttl) = self.ttl.checked_sub(1) else { return 0 };
        // One less in the upper byte of a word is 0x100 more in the checksum, with the carry brought around; 0xffff
        // cannot be the checksum of a header, so it becomes the other zero.
        let check = u32::from(self.check.get()) + 0x0100;
        self.check.set((check + u32::from(check >= 0xffff)) as u16);
        self.ttl = ttl;
        ttl
    }

    /// Changes the source address and corrects the header's checksum. That of UDP or TCP covers the address too.
    #[inline]
    pub fn set_src(&mut self, src: Ipv4Addr) {
        self.check.set(update32(self.check.get(), self.src().to_bits(), src.to_bits()));
        self.saddr = src.octets();
    }

    /// Changes the destination address and corrects the header's checksum. See [`set_src`](Header::set_src).
    #[inline]
    pub fn set_dst(&mut self, dst: Ipv4Addr) {
        self.check.set(update32(self.check.get(), self.dst().to_bits(), dst.to_bits()));
        self.daddr = dst.octets();
    }

    /// Changes the type of service and corrects the checksum. `ipv4_change_dsfield`.
    #[inline]
    pub fn set_tos(&mut self, tos: u8) {
        let word = |tos: u8| u16::from_be_bytes([self.version_ihl, tos]);
        let check = update16(self.check.get(), word(self.tos), word(tos));
        self.check.set(check);
        self.tos = tos;
    }
}

/// A packet whose header was checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv4<'a> {
    /// The fixed header.
    pub header: &'a Header,
    /// The bytes of the options, a multiple of four.
    pub options: &'a [u8],
    /// What follows, cut to the total length: padding of a short frame is gone.
    pub payload: &'a [u8],
}

/// Checks and splits a packet as `ip_rcv_core` does.
///
/// # Errors
/// `Truncated` (fewer bytes than the header), `Version`, `HeaderLength` (`ihl` below 5, or a total length below the
/// header's), `Checksum`, and `TotalLength` if fewer bytes arrived than the header says (`IPSTATS_MIB_INTRUNCATEDPKTS`).
#[inline]
pub fn parse(bytes: &[u8]) -> Result<Ipv4<'_>, Malformed> {
    let (header, rest) = split::<Header>(bytes)?;
    if header.version_ihl == 0x45 {
        // Almost every packet: five words, no options.
        if header.sum() != 0xffff {
            return Err(Malformed::Checksum);
        }
        let payload_len = usize::from(header.total_len.get()).checked_sub(IP_HLEN).ok_or(Malformed::HeaderLength)?;
        let payload = rest.get(..payload_len).ok_or(Malformed::TotalLength)?;
        return Ok(Ipv4 { header, options: &[], payload });
    }
    parse_with_options(bytes, header)
}

/// Splits a packet without checking its checksum, and without minding that its end is missing: for packets that were
/// checked before, and for those quoted in ICMP errors (of which at least eight bytes of payload are there, RFC 792).
///
/// # Errors
/// `Truncated` and `HeaderLength`.
#[inline]
pub fn view(bytes: &[u8]) -> Result<Ipv4<'_>, Malformed> {
    let (header, _) = split::<Header>(bytes)?;
    let header_len = header.header_len();
    if header_len < IP_HLEN {
        return Err(Malformed::HeaderLength);
    }
    let options = bytes.get(IP_HLEN..header_len).ok_or(Malformed::Truncated)?;
    let end = usize::from(header.total_len.get()).clamp(header_len, bytes.len());
    let payload = bytes.get(header_len..end).ok_or(Malformed::Truncated)?;
    Ok(Ipv4 { header, options, payload })
}

#[cold]
fn parse_with_options<'a>(bytes: &'a [u8], header: &'a Header) -> Result<Ipv4<'a>, Malformed> {
    let header_len = header.header_len();
    if header.version() != 4 {
        return Err(Malformed::Version);
    }
    if header_len < IP_HLEN {
        return Err(Malformed::HeaderLength);
    }
    let whole_header = bytes.get(..header_len).ok_or(Malformed::Truncated)?;
    if checksum::checksum(whole_header) != 0 {
        return Err(Malformed::Checksum);
    }
    let total = usize::from(header.total_len.get());
    let packet = bytes.get(..total).ok_or(Malformed::TotalLength)?;
    let payload = packet.get(header_len..).ok_or(Malformed::HeaderLength)?;
    let options = whole_header.get(IP_HLEN..).unwrap_or(&[]);
    Ok(Ipv4 { header, options, payload })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        // Without the reserved bit, which etherparse does not keep.
        fn any_header()(tos: u8, id: u16, frag_off in 0u16..IP_RF, ttl in 1u8.., protocol: u8, src: u32, dst: u32, words in 0usize..=10, payload in 0u16..200)
            -> (Header, usize, usize) {
            let mut header = Header::new(src.into(), dst.into(), protocol, payload);
            header.tos = tos;
            header.id.set(id);
            header.frag_off.set(frag_off);
            header.ttl = ttl;
            header.set_options_len(words * 4);
            (header, words * 4, usize::from(payload))
        }
    }

    proptest! {
        #[test]
        fn parse_is_the_inverse_of_build((mut header, options, payload) in any_header(), fill: u8, padding in 0usize..30) {
            let options = vec![fill; options];
            header.seal(&options);
            let bytes = [header.as_bytes(), &options, &vec![fill; payload], &vec![0; padding]].concat();
            let read = parse(&bytes).unwrap();
            prop_assert_eq!((read.header, read.options, read.payload.len()), (&header, &options[..], payload));

            let (theirs, _) = etherparse::Ipv4Header::from_slice(&bytes).unwrap();
            prop_assert_eq!(theirs.header_checksum, header.check.get());
            prop_assert_eq!(theirs.calc_header_checksum(), header.check.get());
            prop_assert_eq!((theirs.source, theirs.destination), (header.saddr, header.daddr));
            prop_assert_eq!(theirs.fragment_offset.byte_offset() as usize, header.fragment_offset());
            prop_assert_eq!((theirs.more_fragments, theirs.dont_fragment), (header.more_fragments(), header.dont_fragment()));
            prop_assert_eq!((theirs.time_to_live, theirs.protocol.0), (header.ttl, header.protocol));
        }

        #[test]
        fn every_change_keeps_the_checksum((mut header, _, _) in any_header(), src: u32, dst: u32, tos: u8) {
            header.version_ihl = 0x45;
            header.seal(&[]);
            let ttl = header.ttl;
            prop_assert_eq!(header.decrease_ttl(), ttl - 1);
            header.set_src(src.into());
            header.set_dst(dst.into());
            header.set_tos(tos);
            let changed = header;
            header.seal(&[]);
            prop_assert_eq!(changed, header);
        }

        #[test]
        fn any_prefix_of_a_packet_is_refused((mut header, options, payload) in any_header(), cut in 0usize..300) {
            let options = vec![1; options];
            header.seal(&options);
            let bytes = [header.as_bytes(), &options, &vec![7; payload]].concat();
            prop_assume!(cut < bytes.len());
            let error = parse(&bytes[..cut]).unwrap_err();
            let expected = if cut < header.header_len() { Malformed::Truncated } else { Malformed::TotalLength };
            prop_assert_eq!(error, expected);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let (parsed, viewed) = (parse(&bytes), view(&bytes));
            prop_assert!(parsed.is_err() || parsed == viewed);
        }
    }

    #[test]
    fn what_ip_rcv_refuses() {
        let with = |change: fn(&mut Header)| {
            let mut header = Header::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, IPPROTO_ICMP, 0);
            change(&mut header);
            header.seal(&[]);
            parse(header.as_bytes()).map(|_| ())
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|h| h.version_ihl = 0x65), Err(Malformed::Version));
        assert_eq!(with(|h| h.version_ihl = 0x44), Err(Malformed::HeaderLength));
        assert_eq!(with(|h| h.version_ihl = 0x46), Err(Malformed::Truncated));
        assert_eq!(with(|h| h.total_len.set(19)), Err(Malformed::HeaderLength));
        assert_eq!(with(|h| h.total_len.set(21)), Err(Malformed::TotalLength));
    }
}
