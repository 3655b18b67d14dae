//! Writing pcap files, byte for byte as `tcpdump -w` does on a little-endian machine.

use super::SNAPLEN;
use crate::LinkType;

/// The unit of the fraction in a record's time stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Microseconds, magic a1b2c3d4: tcpdump's default.
    #[default]
    Micro,
    /// Nanoseconds, magic a1b23c4d: `tcpdump --time-stamp-precision=nano`.
    Nano,
}

/// A pcap file growing in memory.
///
/// The record header is laid out here rather than by `pcap-file`, whose four separate writes through `io::Write`
/// cost more than copying the packet (the crate's benchmark compares both).
///
/// ```
/// use hopwise_capture::{LinkType, file::{PcapWriter, read}};
/// let mut pcap = PcapWriter::new(LinkType::ETHERNET);
/// pcap.append(1_500_000_000, 60, &[0xaa; 14]);
/// let capture = read(pcap.bytes()).unwrap();
/// assert_eq!(capture.packets[0].frame.orig_len, 60);
/// ```
#[derive(Clone, Debug)]
pub struct PcapWriter {
    bytes: Vec<u8>,
    precision: Precision,
    snaplen: usize,
}

impl PcapWriter {
    /// A file with no packet yet: microseconds, version 2.4, snapshot length 262144.
    pub fn new(link_type: LinkType) -> PcapWriter {
        PcapWriter::with(link_type, Precision::Micro, SNAPLEN)
    }

    /// A file with the given precision and snapshot length (`tcpdump -s`); longer packets are cut when appended.
    pub fn with(link_type: LinkType, precision: Precision, snaplen: u32) -> PcapWriter {
        let magic: u32 = match precision {
            Precision::Micro => 0xa1b2_c3d4,
            Precision::Nano => 0xa1b2_3c4d,
        };
        let mut bytes = Vec::with_capacity(4096);
        bytes.extend(magic.to_le_bytes());
        bytes.extend(2u16.to_le_bytes());
        bytes.extend(4u16.to_le_bytes());
        bytes.extend([0; 8]); // thiszone and sigfigs: always zero in practice
        bytes.extend(snaplen.to_le_bytes());
        bytes.extend(link_type.0.to_le_bytes());
        PcapWriter { bytes, precision, snaplen: snaplen as usize }
    }

    /// Appends a packet seen `time_ns` nanoseconds after the epoch, `orig_len` bytes long on the wire.
    pub fn append(&mut self, time_ns: u64, orig_len: u32, data: &[u8]) {
        let data = data.get(..self.snaplen).unwrap_or(data);
        let fraction = (time_ns % 1_000_000_000) as u32;
        let fraction = match self.precision {
            Precision::Micro => fraction / 1000,
            Precision::Nano => fraction,
        };
        let mut header = [0u8; 16];
        header[..4].copy_from_slice(&((time_ns / 1_000_000_000) as u32).to_le_bytes());
        header[4..8].copy_from_slice(&fraction.to_le_bytes());
        header[8..12].copy_from_slice(&(data.len() as u32).to_le_bytes());
        header[12..].copy_from_slice(&orig_len.to_le_bytes());
        self.bytes.reserve(header.len() + data.len());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(data);
    }

    /// The file so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The finished file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Takes what has been written since the last call, so that a long capture can be streamed out.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}
