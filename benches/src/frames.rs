//! Frames to send through the worlds.

use std::net::Ipv4Addr;

use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_protocols::wire::{IntoBytes, checksum, udp};

/// An EtherType for experiments (IEEE 802 local experimental): nobody handles it.
pub const EXPERIMENTAL: u16 = 0x88b5;

/// An Ethernet frame with a UDP datagram, `len` bytes in all (at least 42). TTL 64.
pub fn datagram(macs: (MacAddr, MacAddr), src: Ipv4Addr, dst: Ipv4Addr, len: usize) -> Vec<u8> {
    datagram_between(macs, (src, 4000), (dst, 4001), len)
}

/// The same between two ports.
pub fn datagram_between(
    macs: (MacAddr, MacAddr),
    (src, src_port): (Ipv4Addr, u16),
    (dst, dst_port): (Ipv4Addr, u16),
    len: usize,
) -> Vec<u8> {
    let payload = vec![0; len.saturating_sub(42)];
    let total = (28 + payload.len()) as u16;
    let mut ip = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0];
    ip.extend(src.octets());
    ip.extend(dst.octets());
    ip.splice(2..4, total.to_be_bytes());
    let sum = checksum::checksum(&ip);
    ip.splice(10..12, sum.to_be_bytes());
    let mut frame = [&macs.0.0[..], &macs.1.0[..], &[8, 0], &ip].concat();
    frame.extend_from_slice(udp::Header::new((src, src_port), (dst, dst_port), &payload).as_bytes());
    frame.extend(payload);
    frame
}

/// An Ethernet frame of the experimental type, `len` bytes in all (at least 14).
pub fn ethernet(dst: MacAddr, src: MacAddr, len: usize) -> Vec<u8> {
    let mut frame = [&dst.0[..], &src.0[..], &EXPERIMENTAL.to_be_bytes()].concat();
    frame.resize(len.max(14), 0);
    frame
}
