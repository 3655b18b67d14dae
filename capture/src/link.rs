//! What the three parts share: link types, frames and what is known about a frame beyond its bytes.

use std::fmt;

/// The kind of link-layer header a frame starts with, as numbered in capture files
/// (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u32);

/// One row of the table of known link types.
struct Row(LinkType, &'static str, &'static str);

const NAMES: &[Row] = &[
    Row(LinkType::NULL, "NULL", "BSD loopback"),
    Row(LinkType::ETHERNET, "EN10MB", "Ethernet"),
    Row(LinkType::PPP, "PPP", "PPP"),
    Row(LinkType::RAW, "RAW", "Raw IP"),
    Row(LinkType::LINUX_SLL, "LINUX_SLL", "Linux cooked v1"),
    Row(LinkType::IPV4, "IPV4", "Raw IPv4"),
    Row(LinkType::IPV6, "IPV6", "Raw IPv6"),
    Row(LinkType::LINUX_SLL2, "LINUX_SLL2", "Linux cooked v2"),
];

impl LinkType {
    /// BSD loopback: the address family in the host's byte order, four bytes.
    pub const NULL: LinkType = LinkType(0);
    /// Ethernet II and 802.3, without the frame check sequence.
    pub const ETHERNET: LinkType = LinkType(1);
    /// PPP, with or without address and control fields.
    pub const PPP: LinkType = LinkType(9);
    /// No link header at all: IPv4 or IPv6 by the version nibble (tun, ipip).
    pub const RAW: LinkType = LinkType(101);
    /// The "cooked" header of `tcpdump -i any` before libpcap 1.10, 16 bytes.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// Raw IPv4.
    pub const IPV4: LinkType = LinkType(228);
    /// Raw IPv6.
    pub const IPV6: LinkType = LinkType(229);
    /// The "cooked" header of `tcpdump -i any`, 20 bytes, with the interface's index.
    pub const LINUX_SLL2: LinkType = LinkType(276);

    /// The name libpcap gives the type (`EN10MB`), or `None` for one this crate does not know.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|row| row.0 == self).map(|row| row.1)
    }

    /// libpcap's description of the type (`Ethernet`).
    pub fn description(self) -> Option<&'static str> {
        NAMES.iter().find(|row| row.0 == self).map(|row| row.2)
    }
}

/// As tcpdump says it in `reading from file X, link-type EN10MB (Ethernet)`.
impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self.description()) {
            (Some(name), Some(description)) => write!(f, "{name} ({description})"),
            _ => write!(f, "{}", self.0),
        }
    }
}

/// One captured packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Nanoseconds since the epoch.
    pub time_ns: u64,
    /// Length on the wire in bytes; `data` is shorter when the capture cut it.
    pub orig_len: u32,
    /// The captured bytes, from the link-layer header on.
    pub data: Vec<u8>,
}

impl Frame {
    /// A frame captured in full.
    pub fn new(time_ns: u64, data: Vec<u8>) -> Frame {
        Frame { time_ns, orig_len: u32::try_from(data.len()).unwrap_or(u32::MAX), data }
    }
}

/// Which way a packet went through the interface, numbered as `sll_pkttype` (packet(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Addressed to this host (`In`).
    Host = 0,
    /// Link-layer broadcast (`B`).
    Broadcast = 1,
    /// Link-layer multicast (`M`).
    Multicast = 2,
    /// Addressed to somebody else, seen in promiscuous mode (`P`).
    OtherHost = 3,
    /// Sent by this host (`Out`).
    Outgoing = 4,
}

/// What is known about a frame beyond its bytes. Everything is optional: a file says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta<'a> {
    /// Name of the interface, printed in front of packets captured on `any`.
    pub interface: Option<&'a str>,
    /// Index of the interface, for the filter `ifindex N` where the link header does not carry it.
    pub ifindex: Option<u32>,
    /// Direction, for `inbound` and `outbound` where the link header does not carry it.
    pub direction: Option<Direction>,
    /// Priority and number of the VLAN tag beside the frame, for the filter `vlan` where tags are kept so
    /// ([`Source::tags_beside`](crate::filter::Source::tags_beside)).
    pub vlan: Option<u16>,
}

/// The 20 bytes that stand before the network-layer packet in a [`LinkType::LINUX_SLL2`] capture, all big-endian.
///
/// `protocol` is the EtherType, `arphrd` the interface's ARPHRD_ type (1 Ethernet, 772 loopback, 768 tunnel),
/// `address` the sender's link-layer address, of which at most eight bytes fit.
pub fn sll2_header(protocol: u16, ifindex: u32, arphrd: u16, direction: Direction, address: &[u8]) -> [u8; 20] {
    let mut header = [0; 20];
    let shown = address.len().min(8);
    header[..2].copy_from_slice(&protocol.to_be_bytes());
    header[4..8].copy_from_slice(&ifindex.to_be_bytes());
    header[8..10].copy_from_slice(&arphrd.to_be_bytes());
    header[10] = direction as u8;
    header[11] = shown as u8;
    header[12..12 + shown].copy_from_slice(&address[..shown]);
    header
}
