//! Ethernet in VXLAN in UDP in IPv4 (RFC 7348), by the rules of Linux (`vxlan_xmit_one`, `vxlan_build_skb`,
//! `vxlan_rcv`).

use super::{DecapError, EncapError, Headroom, Outer, ecn};
use crate::wire::ethernet::{ETH_HLEN, ETH_P_IP};
use crate::wire::ipv4::{self, IP_HLEN, IPPROTO_UDP};
use crate::wire::udp::{self, UDP_HLEN};
use crate::wire::vxlan::{Header, VXLAN_HLEN, VXLAN_N_VID};
use crate::wire::{IntoBytes, Malformed, ethernet, split};

/// Bytes that are put in front of a frame.
pub const HEADERS: usize = IP_HLEN + UDP_HLEN + VXLAN_HLEN;

/// What the MTU of a tunnel has less than that of its path: the headers, and the Ethernet header inside.
/// `vxlan_headroom`.
pub const OVERHEAD: usize = HEADERS + ETH_HLEN;

/// A tunnel for one frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vxlan {
    /// The outer IPv4 header.
    pub outer: Outer,
    /// UDP source port: [`flow::source_port`](super::flow::source_port) of the frame, so that flows spread.
    pub source: u16,
    /// UDP destination port, mostly [`VXLAN_PORT`](crate::wire::vxlan::VXLAN_PORT).
    pub port: u16,
    /// The network number, 24 bits.
    pub vni: u32,
    /// Whether the UDP checksum is computed; else it is 0, "none".
    pub checksum: bool,
}

/// Where a frame came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decapsulated {
    /// The outer IPv4 header.
    pub outer: ipv4::Header,
    /// The UDP source port.
    pub source: u16,
    /// The network number.
    pub vni: u32,
}

/// The IPv4 header inside a frame, if IPv4 follows its Ethernet header.
#[inline]
pub fn inner_ipv4(frame: &[u8]) -> Option<&ipv4::Header> {
    let (ethernet, rest) = ethernet::parse(frame).ok()?;
    let (header, _) = split::<ipv4::Header>(rest).ok()?;
    (ethernet.ethertype.get() == ETH_P_IP).then_some(header)
}

/// Puts a frame into an IPv4 packet with identification `id`.
///
/// # Errors
/// `Inner` if the bytes are shorter than an Ethernet header, `Number` for a network number of more than 24 bits,
/// `TooLong`, `NoHeadroom` for fewer than [`HEADERS`] bytes of room.
#[inline]
pub fn encapsulate(frame: &mut impl Headroom, tunnel: &Vxlan, id: u16) -> Result<(), EncapError> {
    begin(frame, tunnel, id)?;
    if tunnel.checksum
        && let Some(datagram) = frame.bytes_mut().get_mut(IP_HLEN..)
    {
        udp::finish(datagram);
    }
    Ok(())
}

/// The same without reading the whole frame: the UDP checksum, if there is to be one, is begun, and whoever looks at the packet has to
/// finish it ([`udp::finish`]).
///
/// # Errors
/// As [`encapsulate`]'s.
#[inline]
pub fn begin(frame: &mut impl Headroom, tunnel: &Vxlan, id: u16) -> Result<(), EncapError> {
    if tunnel.vni >= VXLAN_N_VID {
        return Err(EncapError::Number);
    }
    let bytes = frame.bytes();
    if bytes.len() < ETH_HLEN {
        return Err(EncapError::Inner(Malformed::Truncated));
    }
    let len = bytes.len() + VXLAN_HLEN;
    let ip = tunnel.outer.header(inner_ipv4(bytes), IPPROTO_UDP, len + UDP_HLEN, id).ok_or(EncapError::TooLong)?;
    let vxlan = Header::new(tunnel.vni);
    let mut udp = udp::Header::without_checksum(tunnel.source, tunnel.port, len);
    if tunnel.checksum {
        udp.begin(tunnel.outer.src, tunnel.outer.dst);
    }
    let headers = frame.push_front(HEADERS).ok_or(EncapError::NoHeadroom)?;
    headers[..IP_HLEN].copy_from_slice(ip.as_bytes());
    headers[IP_HLEN..IP_HLEN + UDP_HLEN].copy_from_slice(udp.as_bytes());
    headers[IP_HLEN + UDP_HLEN..].copy_from_slice(vxlan.as_bytes());
    Ok(())
}

/// Takes the frame out of an IPv4 packet to UDP port `port`, with the congestion marks of its way.
///
/// # Errors
/// As the variants of [`DecapError`] say.
#[inline]
pub fn decapsulate(packet: &mut impl Headroom, port: u16) -> Result<Decapsulated, DecapError> {
    let ip = ipv4::parse(packet.bytes()).map_err(DecapError::Outer)?;
    let outer = *ip.header;
    if outer.protocol != IPPROTO_UDP {
        return Err(DecapError::Protocol(outer.protocol.into()));
    }
    if outer.is_fragment() {
        return Err(DecapError::Fragment);
    }
    let udp = udp::parse(ip.payload, outer.src(), outer.dst()).map_err(DecapError::Udp)?;
    if udp.header.dest.get() != port {
        return Err(DecapError::Port(udp.header.dest.get()));
    }
    let (vni, frame) = parse(udp.payload)?;
    if inner_ipv4(frame).is_some_and(|ip| ecn::decapsulate(outer.tos, ip.tos).is_none()) {
        return Err(DecapError::Congestion);
    }
    let (source, headers) = (udp.header.source.get(), outer.header_len() + UDP_HLEN + VXLAN_HLEN);
    let end = headers + frame.len();
    packet.trim_end(end);
    packet.pull_front(headers);
    restore_marks(outer.tos, packet.bytes_mut());
    Ok(Decapsulated { outer, source, vni })
}

/// Splits the payload of a UDP datagram into the network number and the frame.
///
/// # Errors
/// `Header` for a bad VXLAN header, `Inner` for a frame shorter than an Ethernet header.
#[inline]
pub fn parse(payload: &[u8]) -> Result<(u32, &[u8]), DecapError> {
    let (header, frame) = split::<Header>(payload).map_err(|_| DecapError::Header)?;
    if !header.has_vni() || header.has_unknown_bits() {
        return Err(DecapError::Header);
    }
    if frame.len() < ETH_HLEN {
        return Err(DecapError::Inner(Malformed::Truncated));
    }
    Ok((header.vni(), frame))
}

/// Brings the congestion marks of an outer TOS into the packet inside a frame. False if it has to be dropped.
#[inline]
pub fn restore_marks(outer_tos: u8, frame: &mut [u8]) -> bool {
    match inner_ipv4(frame) {
        Some(_) => frame.get_mut(ETH_HLEN..).is_none_or(|inner| ecn::restore(outer_tos, inner)),
        None => true,
    }
}
