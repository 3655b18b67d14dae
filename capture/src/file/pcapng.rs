//! Writing pcapng files: one interface block per link, nanosecond stamps, comments on packets.

use std::borrow::Cow;
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::SectionHeaderBlock;
use pcap_file::pcapng::{PcapNgBlock, PcapNgWriter as Inner};
use pcap_file::{DataLink, Endianness};

use super::SNAPLEN;
use crate::LinkType;

/// The longest text an option can carry: its length field has 16 bits.
const MAX_OPTION: usize = u16::MAX as usize;

/// Names an interface of one [`PcapngWriter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceId(u32);

/// A pcapng file growing in memory, little-endian.
///
/// ```
/// use hopwise_capture::{LinkType, file::{PcapngWriter, read}};
/// let mut file = PcapngWriter::new();
/// let veth = file.interface("host1/ns1:veth0", LinkType::ETHERNET);
/// file.append(veth, 1_000_000_001, 14, &[0; 14], Some("packet 1: dropped, NO_SOCKET"));
/// let capture = read(&file.into_bytes()).unwrap();
/// assert_eq!(capture.interfaces[0].name.as_deref(), Some("host1/ns1:veth0"));
/// assert_eq!(capture.packets[0].frame.time_ns, 1_000_000_001);
/// ```
pub struct PcapngWriter {
    inner: Inner<Vec<u8>>,
    interfaces: u32,
}

impl std::fmt::Debug for PcapngWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PcapngWriter").field("interfaces", &self.interfaces).finish_non_exhaustive()
    }
}

impl Default for PcapngWriter {
    fn default() -> PcapngWriter {
        PcapngWriter::new()
    }
}

impl PcapngWriter {
    /// A file with a section header and no interface yet.
    pub fn new() -> PcapngWriter {
        let section = SectionHeaderBlock { endianness: Endianness::Little, ..SectionHeaderBlock::default() };
        let inner = Inner::with_section_header(Vec::new(), section);
        PcapngWriter { inner: inner.expect("a Vec takes every write and the header is valid"), interfaces: 0 }
    }

    /// Adds an interface called `name` (`if_name`), with nanosecond stamps.
    pub fn interface(&mut self, name: &str, link_type: LinkType) -> InterfaceId {
        // An interface block has 16 bits for the type; every type this crate knows fits.
        let link_type = DataLink::from(link_type.0 & 0xffff);
        let block = InterfaceDescriptionBlock {
            linktype: link_type,
            snaplen: SNAPLEN,
            options: vec![
                InterfaceDescriptionOption::IfName(option_text(name)),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        self.inner.write_block(&block.into_block()).expect("a Vec takes every write and the block is valid");
        let id = InterfaceId(self.interfaces);
        self.interfaces += 1;
        id
    }

    /// Appends a packet seen on `interface`, with an optional comment.
    ///
    /// An id of another writer with more interfaces than this one has, is ignored with its packet.
    pub fn append(&mut self, interface: InterfaceId, time_ns: u64, orig_len: u32, data: &[u8], comment: Option<&str>) {
        if interface.0 >= self.interfaces {
            return;
        }
        let comment = comment.map(|text| EnhancedPacketOption::Common(CommonOption::Comment(option_text(text))));
        let block = EnhancedPacketBlock {
            interface_id: interface.0,
            timestamp: Duration::from_nanos(time_ns),
            original_len: orig_len.max(data.len() as u32),
            data: Cow::Borrowed(data),
            options: comment.into_iter().collect(),
        };
        self.inner.write_block(&block.into_block()).expect("a Vec takes every write and the block is valid");
    }

    /// The finished file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.inner.into_inner()
    }
}

/// `text`, cut at a character boundary where an option cannot hold more.
fn option_text(text: &str) -> Cow<'_, str> {
    let mut end = text.len().min(MAX_OPTION);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Borrowed(&text[..end])
}
