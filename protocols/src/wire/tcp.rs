//! TCP (RFC 9293): the fixed header, and the options that Linux sends and reads.

use core::net::Ipv4Addr;

use bitflags::bitflags;
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Malformed, checksum, split};

/// Bytes of the header without options.
pub const TCP_HLEN: usize = 20;
/// The most that options may take.
pub const TCP_MAX_OPTIONS: usize = 40;

bitflags! {
    /// The flags of a segment.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Flags: u8 {
        /// No more data from the sender.
        const FIN = 0x01;
        /// Synchronise sequence numbers.
        const SYN = 0x02;
        /// Reset the connection.
        const RST = 0x04;
        /// Push.
        const PSH = 0x08;
        /// The acknowledgment number counts.
        const ACK = 0x10;
        /// The urgent pointer counts.
        const URG = 0x20;
        /// ECN echo.
        const ECE = 0x40;
        /// Congestion window reduced.
        const CWR = 0x80;
    }
}

/// The fixed part of a TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, Unaligned, KnownLayout, Immutable)]
#[repr(C)]
pub struct Header {
    /// Source port.
    pub source: U16,
    /// Destination port.
    pub dest: U16,
    /// Number of the first byte.
    pub seq: U32,
    /// Number of the next byte expected from the other side.
    pub ack: U32,
    /// Length of the header in 32-bit words, in the upper four bits.
    pub offset: u8,
    /// The flags.
    pub flags: u8,
    /// The window, not scaled.
    pub window: U16,
    /// Checksum over pseudo header, header, options and payload.
    pub check: U16,
    /// Urgent pointer.
    pub urgent: U16,
}

impl Header {
    /// The flags.
    pub const fn flags(&self) -> Flags {
        Flags::from_bits_retain(self.flags)
    }

    /// Length of header and options in bytes, as the header says.
    pub const fn header_len(&self) -> usize {
        (self.offset >> 4) as usize * 4
    }
}

/// A range of sequence numbers that arrived out of order: its first byte, and the one after its last.
pub type SackBlock = (u32, u32);

/// The options of a segment, as far as Linux knows them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The largest segment that the sender of a SYN takes.
    pub mss: Option<u16>,
    /// The sender of a SYN takes selective acknowledgments.
    pub sack_permitted: bool,
    /// Time stamp, and the one that is echoed.
    pub timestamp: Option<(u32, u32)>,
    /// By how many bits windows are shifted.
    pub wscale: Option<u8>,
    /// What arrived out of order, the newest first.
    pub sack: [SackBlock; 4],
    /// How many of `sack` count.
    pub sack_count: u8,
}

impl Options {
    /// The blocks of the SACK option.
    pub fn sack_blocks(&self) -> &[SackBlock] {
        self.sack.get(..usize::from(self.sack_count)).unwrap_or_default()
    }

    /// Reads options; what is malformed ends the reading, what is unknown is passed over (`tcp_parse_options`).
    pub fn parse(mut bytes: &[u8]) -> Options {
        let mut options = Options::default();
        while let Some((&kind, rest)) = bytes.split_first() {
            match kind {
                0 => break,
                1 => bytes = rest,
                _ => {
                    let Some(&len) = rest.first() else { break };
                    let Some(body) = bytes.get(2..usize::from(len)) else { break };
                    options.read(kind, body);
                    bytes = bytes.get(usize::from(len)..).unwrap_or_default();
                }
            }
        }
        options
    }

    fn read(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (2, &[a, b]) => self.mss = Some(u16::from_be_bytes([a, b])).filter(|mss| *mss != 0),
            // RFC 7323, section 2.3: a greater shift means 14.
            (3, &[shift]) => self.wscale = Some(shift.min(14)),
            (4, &[]) => self.sack_permitted = true,
            (5, blocks) if blocks.len() % 8 == 0 => {
                let (blocks, _) = blocks.as_chunks::<8>();
                for &[a, b, c, d, e, f, g, h] in blocks.iter().take(4) {
                    let block = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                    self.sack[usize::from(self.sack_count)] = block;
                    self.sack_count += 1;
                }
            }
            (8, &[a, b, c, d, e, f, g, h]) => {
                self.timestamp = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
            }
            _ => {}
        }
    }

    /// Writes the options in Linux's order and padding (`tcp_options_write`): MSS, SACK permitted with the time stamp,
    /// window scale, SACK blocks.
    pub fn build(&self) -> OptionBytes {
        let mut out = OptionBytes { bytes: [1; TCP_MAX_OPTIONS], len: 0 };
        if let Some(mss) = self.mss {
            out.put(&[2, 4]);
            out.put(&mss.to_be_bytes());
        }
        match self.timestamp {
            Some((value, echo)) => {
                // The two bytes that SACK-permitted needs stand where the padding would be.
                out.put(if self.sack_permitted { &[4, 2, 8, 10] } else { &[1, 1, 8, 10] });
                out.put(&value.to_be_bytes());
                out.put(&echo.to_be_bytes());
            }
            None if self.sack_permitted => out.put(&[1, 1, 4, 2]),
            None => {}
        }
        if let Some(shift) = self.wscale {
            out.put(&[1, 3, 3, shift]);
        }
        if self.sack_count > 0 {
            out.put(&[1, 1, 5, 2 + 8 * self.sack_count]);
            for (start, end) in self.sack_blocks() {
                out.put(&start.to_be_bytes());
                out.put(&end.to_be_bytes());
            }
        }
        out
    }
}

/// Options as they stand in a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OptionBytes {
    bytes: [u8; TCP_MAX_OPTIONS],
    len: u8,
}

impl OptionBytes {
    /// More than 40 bytes cannot come together: whoever chooses the blocks leaves room for the time stamp.
    fn put(&mut self, bytes: &[u8]) {
        let at = usize::from(self.len);
        if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
            self.len += bytes.len() as u8;
        }
    }

    /// The bytes, a multiple of four.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A segment whose length and checksum were checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tcp<'a> {
    /// The header.
    pub header: &'a Header,
    /// The option bytes.
    pub options: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

/// Splits a segment whose header length is possible (`tcp_v4_rcv`).
///
/// # Errors
/// `Truncated` below 20 bytes, `HeaderLength` if the data begins within the header or beyond the end.
pub fn view(bytes: &[u8]) -> Result<Tcp<'_>, Malformed> {
    let (header, rest) = split::<Header>(bytes)?;
    let options_len = header.header_len().checked_sub(TCP_HLEN).ok_or(Malformed::HeaderLength)?;
    let (options, payload) = rest.split_at_checked(options_len).ok_or(Malformed::HeaderLength)?;
    Ok(Tcp { header, options, payload })
}

/// The same, and checks the checksum.
///
/// # Errors
/// As [`view`]; `Checksum` if it is wrong.
pub fn parse(bytes: &[u8], src: Ipv4Addr, dst: Ipv4Addr) -> Result<Tcp<'_>, Malformed> {
    let segment = view(bytes)?;
    let pseudo = checksum::pseudo_header(src, dst, super::ipv4::IPPROTO_TCP, bytes.len() as u16);
    if checksum::add(pseudo, checksum::sum(bytes)) != 0xffff {
        return Err(Malformed::Checksum);
    }
    Ok(segment)
}

/// Sets the checksum of a whole segment, header first.
pub fn seal(bytes: &mut [u8], src: Ipv4Addr, dst: Ipv4Addr) {
    let len = bytes.len() as u16;
    let Some(place) = bytes.get_mut(16..18) else { return };
    place.fill(0);
    let pseudo = checksum::pseudo_header(src, dst, super::ipv4::IPPROTO_TCP, len);
    let check = !checksum::add(pseudo, checksum::sum(bytes));
    bytes[16..18].copy_from_slice(&check.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_syn_of_linux() {
        let options = Options {
            mss: Some(1460),
            sack_permitted: true,
            timestamp: Some((1, 0)),
            wscale: Some(7),
            ..Options::default()
        };
        let bytes = options.build();
        assert_eq!(bytes.as_slice(), [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]);
        assert_eq!(Options::parse(bytes.as_slice()), options);
    }

    #[test]
    fn malformed_options_end_the_reading() {
        assert_eq!(Options::parse(&[3, 0, 2, 4, 5, 180]), Options::default());
        assert_eq!(Options::parse(&[1, 3, 3, 20, 2]).wscale, Some(14));
        assert_eq!(Options::parse(&[2, 4, 5]).mss, None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(segment) = view(&bytes) {
                let _ = Options::parse(segment.options);
            }
            let _ = parse(&bytes, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        }

        #[test]
        fn options_come_back(mss in proptest::option::of(1u16..), sack_permitted: bool, timestamp: Option<(u32, u32)>, wscale in proptest::option::of(0u8..15)) {
            let options = Options { mss, sack_permitted, timestamp, wscale, ..Options::default() };
            prop_assert_eq!(Options::parse(options.build().as_slice()), options);
        }

        #[test]
        fn blocks_come_back(blocks in proptest::collection::vec(any::<(u32, u32)>(), 1..4), timestamp: Option<(u32, u32)>) {
            let mut options = Options { timestamp, sack_count: blocks.len() as u8, ..Options::default() };
            options.sack[..blocks.len()].copy_from_slice(&blocks);
            prop_assert_eq!(Options::parse(options.build().as_slice()), options);
        }

        #[test]
        fn sealed_segments_are_right(payload in proptest::collection::vec(any::<u8>(), 0..60), src: [u8; 4], dst: [u8; 4]) {
            let mut theirs = etherparse::TcpHeader::new(1, 2, 3, 4);
            theirs.checksum = theirs.calc_checksum_ipv4_raw(src, dst, &payload).unwrap();
            let bytes = [&theirs.to_bytes()[..], &payload].concat();
            let mut ours = bytes.clone();
            ours[16] ^= 0x55;
            seal(&mut ours, src.into(), dst.into());
            prop_assert_eq!(&ours, &bytes);
            prop_assert!(parse(&ours, src.into(), dst.into()).is_ok());
        }
    }
}
