//! Reading captures of either format, telling of damage in tcpdump's words.

use pcap_file::Endianness;
use pcap_file::pcap::{PcapParseError, PcapParser, PcapTsResolution};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::{Block, PcapNgParseError, PcapNgParser};

use super::{Precision, SNAPLEN};
use crate::{Frame, LinkType};

/// Why a file, or the rest of it, could not be read. `Display` is what tcpdump prints after `tcpdump: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file begins like none of the formats.
    #[error("unknown file format")]
    UnknownFormat,
    /// The file ends within a pcap structure.
    #[error("truncated dump file; tried to read {wanted} {what} bytes, only got {got}")]
    Truncated {
        /// Bytes the structure needs.
        wanted: usize,
        /// `file header`, `header` or `captured`.
        what: &'static str,
        /// Bytes that are there.
        got: usize,
    },
    /// The file ends within a pcapng block.
    #[error("truncated pcapng dump file; tried to read {wanted} bytes, only got {got}")]
    TruncatedBlock {
        /// Bytes the block needs.
        wanted: usize,
        /// Bytes that are there.
        got: usize,
    },
    /// A packet claims to be longer than any capture keeps.
    #[error("invalid packet capture length {0}, bigger than maximum of {SNAPLEN}")]
    CaptureLength(u32),
    /// A pcapng block contradicts itself; the text says how.
    #[error("{0}")]
    BadBlock(String),
    /// A pcapng file without any packet or interface block.
    #[error("the capture file has no Interface Description Blocks")]
    NoInterface,
}

/// One interface of a capture. A pcap file has exactly one, without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// `if_name` of pcapng.
    pub name: Option<String>,
    /// What its frames start with.
    pub link_type: LinkType,
    /// The most bytes of a packet that were kept.
    pub snaplen: u32,
}

/// One packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Index into [`Capture::interfaces`].
    pub interface: usize,
    /// Time and bytes.
    pub frame: Frame,
    /// The first comment of a pcapng packet.
    pub comment: Option<String>,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// The interfaces in the file's order; never empty.
    pub interfaces: Vec<Interface>,
    /// The packets in the file's order.
    pub packets: Vec<Packet>,
    /// The unit of the stamps of a pcap file; nanoseconds for every pcapng.
    pub precision: Precision,
    /// Where and how the file broke off; the packets before that are here. tcpdump prints it after
    /// `tcpdump: pcap_loop: `, once it has printed those packets.
    pub tail: Option<Error>,
}

impl Capture {
    /// The link type of the first interface: the one tcpdump goes by.
    pub fn link_type(&self) -> LinkType {
        self.interfaces.first().map_or(LinkType::ETHERNET, |interface| interface.link_type)
    }

    /// The frames alone.
    pub fn frames(&self) -> impl Iterator<Item = &Frame> {
        self.packets.iter().map(|packet| &packet.frame)
    }
}

/// Reads a pcap or pcapng file, of either byte order and precision.
///
/// # Errors
/// When not even the file's header can be read. Damage further on ends the packets instead: see [`Capture::tail`].
pub fn read(bytes: &[u8]) -> Result<Capture, Error> {
    const PCAPNG_SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
    match bytes.first_chunk::<4>() {
        None => Err(Error::Truncated { wanted: 4, what: "file header", got: bytes.len() }),
        Some(&PCAPNG_SECTION_HEADER) => read_pcapng(bytes),
        Some(magic) if is_pcap(*magic) => read_pcap(bytes),
        Some(_) => Err(Error::UnknownFormat),
    }
}

/// Whether a file that begins so is a pcap file: micro- or nanoseconds, either byte order.
fn is_pcap(magic: [u8; 4]) -> bool {
    let known = |number: u32| matches!(number, 0xa1b2_c3d4 | 0xa1b2_3c4d);
    known(u32::from_be_bytes(magic)) || known(u32::from_le_bytes(magic))
}

fn read_pcap(bytes: &[u8]) -> Result<Capture, Error> {
    /// The upper bits of the field tell of frame check sequences and are not part of the type.
    const LINK_TYPE_MASK: u32 = 0x03ff_ffff;
    let (mut rest, parser) = PcapParser::new(bytes).map_err(|error| match error {
        // libpcap has read the magic number by then, and does not count it.
        PcapParseError::IncompleteBuffer(wanted, got) => {
            Error::Truncated { wanted, what: "file header", got: got.saturating_sub(4) }
        }
        _ => Error::UnknownFormat,
    })?;
    let header = parser.header();
    let (precision, unit) = match header.ts_resolution {
        PcapTsResolution::MicroSecond => (Precision::Micro, 1000),
        PcapTsResolution::NanoSecond => (Precision::Nano, 1),
    };
    // libpcap takes a snapshot length of 0, or one too large to be true, as "no limit".
    let snaplen = if header.snaplen == 0 || header.snaplen > i32::MAX as u32 { SNAPLEN } else { header.snaplen };
    let interface = Interface { name: None, link_type: LinkType(u32::from(header.datalink) & LINK_TYPE_MASK), snaplen };
    let mut capture = Capture { interfaces: vec![interface], packets: Vec::new(), precision, tail: None };
    while !rest.is_empty() {
        match parser.next_raw_packet(rest) {
            Ok((after, raw)) if raw.incl_len <= SNAPLEN => {
                rest = after;
                let kept = raw.data.get(..snaplen as usize).unwrap_or(&raw.data);
                let time_ns = u64::from(raw.ts_sec) * 1_000_000_000 + u64::from(raw.ts_frac) * unit;
                let frame = Frame { time_ns, orig_len: raw.orig_len, data: kept.to_vec() };
                capture.packets.push(Packet { interface: 0, frame, comment: None });
            }
            Ok((_, raw)) => {
                capture.tail = Some(Error::CaptureLength(raw.incl_len));
                break;
            }
            Err(error) => {
                capture.tail = Some(pcap_tail(&error, rest, header.endianness));
                break;
            }
        }
    }
    Ok(capture)
}

/// What tcpdump says about a pcap file that ends within `rest`.
fn pcap_tail(error: &PcapParseError, rest: &[u8], endianness: Endianness) -> Error {
    let length = rest.get(8..12).and_then(|field| field.first_chunk::<4>()).map(|field| match endianness {
        Endianness::Big => u32::from_be_bytes(*field),
        Endianness::Little => u32::from_le_bytes(*field),
    });
    match (error, length) {
        (_, Some(length)) if rest.len() >= 16 && length > SNAPLEN => Error::CaptureLength(length),
        (PcapParseError::IncompleteBuffer(wanted, got), _) => {
            let what = if rest.len() < 16 { "header" } else { "captured" };
            Error::Truncated { wanted: *wanted, what, got: *got }
        }
        (other, _) => Error::BadBlock(other.to_string()),
    }
}

fn read_pcapng(bytes: &[u8]) -> Result<Capture, Error> {
    let (mut rest, mut parser) = PcapNgParser::new(bytes).map_err(|error| pcapng_error(&error, bytes, None))?;
    let mut capture = Capture { interfaces: Vec::new(), packets: Vec::new(), precision: Precision::Nano, tail: None };
    // A further section numbers its interfaces from 0 again.
    let mut section_base = 0;
    while !rest.is_empty() {
        let (after, block) = match parser.next_block(rest) {
            Ok(next) => next,
            Err(error) => {
                capture.tail = Some(pcapng_error(&error, rest, Some(parser.section().endianness)));
                break;
            }
        };
        rest = after;
        match block {
            Block::SectionHeader(_) => section_base = capture.interfaces.len(),
            Block::InterfaceDescription(block) => capture.interfaces.push(interface(&block)),
            Block::EnhancedPacket(block) => {
                let comment = block.options.iter().find_map(|option| match option {
                    EnhancedPacketOption::Common(CommonOption::Comment(text)) => Some(text.to_string()),
                    _ => None,
                });
                let time_ns = u64::try_from(block.timestamp.as_nanos()).unwrap_or(u64::MAX);
                let frame = Frame { time_ns, orig_len: block.original_len, data: block.data.to_vec() };
                capture.packets.push(Packet { interface: section_base + block.interface_id as usize, frame, comment });
            }
            Block::SimplePacket(block) => {
                let frame = Frame { time_ns: 0, orig_len: block.original_len, data: block.data.to_vec() };
                capture.packets.push(Packet { interface: section_base, frame, comment: None });
            }
            _ => {} // names, statistics, journal entries: nothing tcpdump would show
        }
    }
    match (capture.interfaces.is_empty(), capture.tail.take()) {
        (true, Some(error)) => Err(error),
        (true, None) => Err(Error::NoInterface),
        (false, tail) => Ok(Capture { tail, ..capture }),
    }
}

fn interface(block: &InterfaceDescriptionBlock<'_>) -> Interface {
    let name = block.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
        _ => None,
    });
    Interface { name, link_type: LinkType(u32::from(block.linktype)), snaplen: block.snaplen }
}

/// libpcap reads a block's 8-byte header, then the rest of it; in the first block it reads the byte-order magic too
/// before it knows how long the rest is.
fn pcapng_error(error: &PcapNgParseError, rest: &[u8], order: Option<Endianness>) -> Error {
    const MAGIC_IF_LITTLE: [u8; 4] = [0x4d, 0x3c, 0x2b, 0x1a];
    if !matches!(error, PcapNgParseError::IncompleteBuffer(..)) {
        return Error::BadBlock(format!("pcapng block: {error}"));
    }
    let word = |at: usize| rest.get(at..).and_then(|field| field.first_chunk::<4>()).copied();
    if order.is_none() && rest.len() < 8 {
        return Error::UnknownFormat;
    }
    let Some(length) = word(4) else {
        return Error::TruncatedBlock { wanted: 8, got: rest.len() };
    };
    let (read, little) = match (order, word(8)) {
        (Some(order), _) => (8, order == Endianness::Little),
        (None, Some(magic)) => (12, magic == MAGIC_IF_LITTLE),
        (None, None) => return Error::UnknownFormat,
    };
    let length = if little { u32::from_le_bytes(length) } else { u32::from_be_bytes(length) };
    Error::TruncatedBlock { wanted: (length as usize).saturating_sub(read), got: rest.len() - read }
}
