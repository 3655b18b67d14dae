//! UDP (RFC 768): the 8-byte header and its optional checksum.

use super::{Malformed, checksum, split, split_mut};
use core::net::Ipv4Addr;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub const UDP_HLEN: usize = 8;

/// The UDP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Unaligned, KnownLayout, Immutable)]
#[repr(C)]
pub struct Header {
    /// Source port.
    pub source: U16,
    /// Destination port.
    pub dest: U16,
    /// Bytes of header and payload.
    pub len: U16,
    /// Checksum over pseudo header, header and payload; 0 if the sender made none.
    pub check: U16,
}

impl Header {
    /// A header with its checksum. A payload that is too long for UDP is the caller's mistake: the length saturates.
    pub fn new(src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16), payload: &[u8]) -> Self {
        let mut header = Self::without_checksum(src.1, dst.1, payload.len());
        header.seal(src.0, dst.0, checksum::sum(payload));
        header
    }

    /// Sets the checksum of a header that has none; `payload` is the sum of what follows. `udp_set_csum`.
    #[inline]
    pub fn seal(&mut self, src: Ipv4Addr, dst: Ipv4Addr, payload: u16) {
        let pseudo = checksum::pseudo_header(src, dst, super::ipv4::IPPROTO_UDP, self.len.get());
        let check = !checksum::add(pseudo, checksum::add(checksum::sum(self.as_bytes()), payload));
        // A computed zero is sent as its other form, because zero means "none". CSUM_MANGLED_0.
        self.check.set(if check == 0 { 0xffff } else { check });
    }

    /// Begins the checksum: the field holds the sum of the pseudo header until [`finish`] makes the rest.
    #[inline]
    pub fn begin(&mut self, src: Ipv4Addr, dst: Ipv4Addr) {
        self.check.set(checksum::pseudo_header(src, dst, super::ipv4::IPPROTO_UDP, self.len.get()));
    }

    /// A header without a checksum.
    pub fn without_checksum(source: u16, dest: u16, payload_len: usize) -> Self {
        let len = u16::try_from(payload_len + UDP_HLEN).unwrap_or(u16::MAX);
        Header { source: U16::new(source), dest: U16::new(dest), len: U16::new(len), check: U16::new(0) }
    }
}

/// Makes the checksum of a datagram that was only begun ([`Header::begin`]). `skb_checksum_help`.
pub fn finish(datagram: &mut [u8]) {
    let check = checksum::checksum(datagram);
    if let Ok((header, _)) = split_mut::<Header>(datagram) {
        header.check.set(if check == 0 { 0xffff } else { check });
    }
}

/// A datagram whose length and checksum were checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Udp<'a> {
    /// The header.
    pub header: &'a Header,
    /// What follows, cut to the length in the header.
    pub payload: &'a [u8],
}

/// Checks and splits a datagram as `__udp4_lib_rcv` does.
///
/// # Errors
/// `Truncated` below 8 bytes, `TotalLength` if the length is below 8 or beyond what arrived, `Checksum` if there is a
/// checksum and it is wrong.
pub fn parse(bytes: &[u8], src: Ipv4Addr, dst: Ipv4Addr) -> Result<Udp<'_>, Malformed> {
    let udp = view(bytes)?;
    if udp.header.check.get() != 0 {
        let len = udp.header.len.get();
        let datagram = bytes.get(..usize::from(len)).unwrap_or_default();
        let pseudo = checksum::pseudo_header(src, dst, super::ipv4::IPPROTO_UDP, len);
        if checksum::add(pseudo, checksum::sum(datagram)) != 0xffff {
            return Err(Malformed::Checksum);
        }
    }
    Ok(udp)
}

/// The same without looking at the checksum, which may not be made yet.
///
/// # Errors
/// `Truncated` and `TotalLength`.
#[inline]
pub fn view(bytes: &[u8]) -> Result<Udp<'_>, Malformed> {
    let (header, rest) = split::<Header>(bytes)?;
    let len = usize::from(header.len.get()).checked_sub(UDP_HLEN).ok_or(Malformed::TotalLength)?;
    let payload = rest.get(..len).ok_or(Malformed::TotalLength)?;
    Ok(Udp { header, payload })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn agrees_with_etherparse(src: [u8; 4], dst: [u8; 4], source: u16, dest: u16, payload in proptest::collection::vec(any::<u8>(), 0..100), padding in 0usize..20) {
            let ours = Header::new((src.into(), source), (dst.into(), dest), &payload);
            let theirs = etherparse::UdpHeader::with_ipv4_checksum(
                source,
                dest,
                &etherparse::Ipv4Header { source: src, destination: dst, ..Default::default() },
                &payload,
            ).unwrap();
            prop_assert_eq!(ours.as_bytes(), &theirs.to_bytes()[..]);
            let bytes = [ours.as_bytes(), &payload, &vec![0; padding]].concat();
            prop_assert_eq!(parse(&bytes, src.into(), dst.into()), Ok(Udp { header: &ours, payload: &payload }));
        }

        #[test]
        fn what_is_begun_and_finished_is_as_made_at_once(src: [u8; 4], dst: [u8; 4], source: u16, dest: u16, payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let whole = Header::new((src.into(), source), (dst.into(), dest), &payload);
            let mut begun = Header::without_checksum(source, dest, payload.len());
            begun.begin(src.into(), dst.into());
            let mut bytes = [begun.as_bytes(), &payload].concat();
            finish(&mut bytes);
            prop_assert_eq!(&bytes[..UDP_HLEN], whole.as_bytes());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&bytes, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        }
    }

    #[test]
    fn what_udp_refuses() {
        let [src, dst] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        let header = Header::new((src, 1), (dst, 2), b"abc");
        let mut bytes = [header.as_bytes(), b"abc"].concat();
        assert_eq!(parse(&bytes[..7], src, dst), Err(Malformed::Truncated));
        assert_eq!(parse(&bytes[..10], src, dst), Err(Malformed::TotalLength));
        assert_eq!(parse(&bytes, src, src), Err(Malformed::Checksum));
        bytes[5] = 7;
        assert_eq!(parse(&bytes, src, dst), Err(Malformed::TotalLength));
        let mut unchecked = [Header::without_checksum(1, 2, 3).as_bytes(), b"abc"].concat();
        unchecked[9] ^= 1;
        assert_eq!(parse(&unchecked, src, dst).unwrap().payload.len(), 3);
    }
}
