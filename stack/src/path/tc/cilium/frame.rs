//! Reading and changing a frame as the programs do: addresses, TTL, ports.

use core::net::Ipv4Addr;

use hopwise_protocols::wire::arp::{self, ARPOP_REPLY, ARPOP_REQUEST};
use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_protocols::wire::icmp::{
    ICMP_DEST_UNREACH, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_PARAMETERPROB, ICMP_TIME_EXCEEDED,
};
use hopwise_protocols::wire::ipv4::{self, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP};
use hopwise_protocols::wire::{ArpPacket, FromBytes, IntoBytes, MacAddr};

use super::ct::{Segment, Tuple};
use super::event::Reason;
use super::frag::{Datagram, FragMap};

/// The destination of a frame.
pub fn destination(frame: &[u8]) -> Option<MacAddr> {
    frame.first_chunk().map(|octets| MacAddr(*octets))
}

/// The EtherType of a frame.
pub fn ethertype(frame: &[u8]) -> Option<u16> {
    frame.get(12..ETH_HLEN)?.try_into().ok().map(u16::from_be_bytes)
}

/// The IPv4 header at the beginning of these bytes.
pub fn ip_header(bytes: &[u8]) -> Option<&ipv4::Header> {
    ipv4::Header::ref_from_prefix(bytes).ok().map(|(header, _)| header)
}

/// The IPv4 header of a frame.
pub fn ip_of(frame: &[u8]) -> Option<&ipv4::Header> {
    ip_header(frame.get(ETH_HLEN..)?)
}

/// Lowers the TTL and writes the MAC addresses that are given (`ipv4_l3`). No ICMP message tells the sender when the TTL
/// is used up.
pub fn l3(frame: &mut [u8], source: Option<MacAddr>, destination: Option<MacAddr>) -> Result<(), Reason> {
    let (mac, rest) = frame.split_at_mut_checked(ETH_HLEN).ok_or(Reason::Invalid)?;
    let (header, _) = ipv4::Header::mut_from_prefix(rest).map_err(|_| Reason::Invalid)?;
    if header.ttl <= 1 {
        return Err(Reason::Invalid);
    }
    header.decrease_ttl();
    if let Some(source) = source {
        mac[6..12].copy_from_slice(&source.octets());
    }
    if let Some(destination) = destination {
        mac[..6].copy_from_slice(&destination.octets());
    }
    Ok(())
}

/// Writes the destination of a frame.
pub fn set_destination(frame: &mut [u8], to: MacAddr) {
    if let Some(mac) = frame.first_chunk_mut::<6>() {
        *mac = to.octets();
    }
}

/// Turns an ARP request into the answer that `mac` has the address asked for; gives false if it is none
/// (`arp_validate`, `arp_respond`). `own`: the address that is not answered for.
pub fn answer_arp(frame: &mut [u8], mac: MacAddr, own: Ipv4Addr) -> bool {
    let Some(request) = frame.get(ETH_HLEN..).and_then(|bytes| arp::parse(bytes).ok()).copied() else { return false };
    let (target, sender) = (request.target_ip(), request.sender_ip());
    if request.op.get() != ARPOP_REQUEST || target == own {
        return false;
    }
    let reply = ArpPacket::new(ARPOP_REPLY, mac, target, request.sha, sender);
    let bytes = reply.as_bytes();
    let Some(body) = frame.get_mut(ETH_HLEN..ETH_HLEN + bytes.len()) else { return false };
    body.copy_from_slice(bytes);
    frame[..6].copy_from_slice(&request.sha.octets());
    frame[6..12].copy_from_slice(&mac.octets());
    true
}

/// What conntrack wants to know of a frame: who talks with whom, and what the segment says (`ct_lookup4`). A later fragment
/// has the ports that the first one had.
///
/// # Errors
/// Truncated headers, protocols that it does not know, fragments whose first one was not seen.
pub fn tuple(frame: &[u8], fragments: &mut FragMap) -> Result<(Tuple, Segment), Reason> {
    let header = ip_of(frame).ok_or(Reason::Invalid)?;
    if !header.is_fragment() {
        return whole(header, frame);
    }
    let datagram = Datagram { src: header.src(), dst: header.dst(), id: header.id.get(), protocol: header.protocol };
    if header.fragment_offset() == 0 {
        let (tuple, segment) = whole(header, frame)?;
        fragments.first(datagram, (tuple.sport, tuple.dport));
        return Ok((tuple, segment));
    }
    let (sport, dport) = fragments.later(&datagram).ok_or(Reason::FragmentNotFound)?;
    let Datagram { src, dst, protocol, .. } = datagram;
    Ok((Tuple { src, dst, protocol, sport, dport, related: false }, Segment::default()))
}

/// The same for a packet that has its header behind the IP header.
fn whole(header: &ipv4::Header, frame: &[u8]) -> Result<(Tuple, Segment), Reason> {
    let l4 = frame.get(ETH_HLEN + header.header_len()..).ok_or(Reason::CtInvalidHeader)?;
    let mut tuple =
        Tuple { src: header.src(), dst: header.dst(), protocol: header.protocol, sport: 0, dport: 0, related: false };
    let mut segment = Segment::default();
    let word = |at: usize| Some(u16::from_be_bytes(l4.get(at..at + 2)?.try_into().ok()?));
    match header.protocol {
        IPPROTO_ICMP => {
            let kind = *l4.first().ok_or(Reason::CtInvalidHeader)?;
            let identifier = word(4).ok_or(Reason::CtInvalidHeader)?;
            match kind {
                ICMP_DEST_UNREACH | ICMP_TIME_EXCEEDED | ICMP_PARAMETERPROB => tuple.related = true,
                ICMP_ECHO => tuple.sport = identifier,
                ICMP_ECHOREPLY => tuple.dport = identifier,
                _ => {}
            }
            segment.creates = !tuple.related && kind != ICMP_ECHOREPLY;
        }
        IPPROTO_TCP => {
            let flags = *l4.get(13).ok_or(Reason::CtInvalidHeader)?;
            (tuple.sport, tuple.dport) = word(0).zip(word(2)).ok_or(Reason::CtInvalidHeader)?;
            segment = Segment::tcp(flags);
        }
        IPPROTO_UDP => {
            (tuple.sport, tuple.dport) = word(0).zip(word(2)).ok_or(Reason::CtInvalidHeader)?;
            segment.creates = true;
        }
        _ => return Err(Reason::CtUnknownProtocol),
    }
    Ok((tuple, segment))
}
