//! Capture files as bytes: pcap as `tcpdump -w` writes it, pcapng with named interfaces and comments, and one reader
//! for both that tells of damage in tcpdump's words.

mod pcap;
mod pcapng;
mod read;

pub use pcap::{PcapWriter, Precision};
pub use pcapng::{InterfaceId, PcapngWriter};
pub use read::{Capture, Error, Interface, Packet, read};

/// The most bytes of a packet tcpdump keeps (its MAXIMUM_SNAPLEN, what it writes as `snapshot length 262144`).
pub const SNAPLEN: u32 = 262_144;
