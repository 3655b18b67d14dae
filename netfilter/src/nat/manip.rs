//! Addresses and ports of a packet are written anew, and its checksums brought up to date (`nf_nat_proto.c`).

use hopwise_protocols::wire::checksum::{update16, update32};
use hopwise_protocols::wire::ipv4::{IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP};

use super::Manip;
use crate::conntrack::{IPPROTO_UDPLITE, Tuple, is_icmp_query, transport};

/// Where addresses and the checksum stand in an IPv4 header.
const IP_CHECK: usize = 10;
const IP_SADDR: usize = 12;
const IP_DADDR: usize = 16;
/// The same in the headers of transport protocols.
const TCP_CHECK: usize = 16;
const UDP_CHECK: usize = 6;
const ICMP_CHECK: usize = 2;
const ICMP_ID: usize = 4;
const SCTP_CHECK: usize = 8;

fn get16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(to) = bytes.get_mut(at..at + 2) {
        to.copy_from_slice(&value.to_be_bytes());
    }
}

/// A change of one address and one port.
struct Change {
    addr: (u32, u32),
    port: (u16, u16),
}

impl Change {
    /// The checksum after the change, with the pseudo header.
    fn check(&self, check: u16) -> u16 {
        update16(update32(check, self.addr.0, self.addr.1), self.port.0, self.port.1)
    }
}

/// Gives the IPv4 packet that begins with `bytes` the source or destination of `target`. `false`: it is too short for that, and
/// nothing was changed. `nf_nat_ipv4_manip_pkt`.
#[inline]
pub fn rewrite(bytes: &mut [u8], target: &Tuple, manip: Manip) -> bool {
    let Some((offset, protocol)) = transport(bytes) else { return false };
    let (end, addr_at, port_at) = match manip {
        Manip::Source => (target.src, IP_SADDR, 0),
        Manip::Destination => (target.dst, IP_DADDR, 2),
    };
    let Some(&[a, b, c, d]) = bytes[addr_at..].first_chunk::<4>() else { return false };
    let addr = (u32::from_be_bytes([a, b, c, d]), end.addr.to_bits());
    let (header, segment) = bytes.split_at_mut(offset);
    let done = match protocol {
        IPPROTO_TCP | IPPROTO_UDP | IPPROTO_UDPLITE | IPPROTO_SCTP => {
            let Some(old) = get16(segment, port_at) else { return false };
            let change = Change { addr, port: (old, end.port) };
            rewrite_ports(segment, protocol, port_at, &change)
        }
        IPPROTO_ICMP => rewrite_id(segment, target.src.port),
        _ => true,
    };
    if done {
        header[addr_at..addr_at + 4].copy_from_slice(&addr.1.to_be_bytes());
        let check = get16(header, IP_CHECK).unwrap_or(0);
        put16(header, IP_CHECK, update32(check, addr.0, addr.1));
    }
    done
}

/// `tcp_manip_pkt`, `__udp_manip_pkt`, `sctp_manip_pkt`.
#[inline]
fn rewrite_ports(segment: &mut [u8], protocol: u8, at: usize, change: &Change) -> bool {
    // Eight bytes are there even in the payload of an ICMP error; the checksum of TCP may not be.
    if segment.len() < 8 {
        return false;
    }
    put16(segment, at, change.port.1);
    match protocol {
        IPPROTO_TCP => {
            if let Some(check) = get16(segment, TCP_CHECK).filter(|_| segment.len() >= 20) {
                put16(segment, TCP_CHECK, change.check(check));
            }
        }
        IPPROTO_SCTP => {
            if segment.len() >= 12 {
                segment[SCTP_CHECK..SCTP_CHECK + 4].fill(0);
                let sum = crc32c(segment).to_le_bytes();
                segment[SCTP_CHECK..SCTP_CHECK + 4].copy_from_slice(&sum);
            }
        }
        _ => match get16(segment, UDP_CHECK) {
            // No checksum. (UDP-Lite always has one.)
            Some(0) if protocol == IPPROTO_UDP => {}
            Some(check) => {
                let check = change.check(check);
                put16(segment, UDP_CHECK, if check == 0 { 0xffff } else { check });
            }
            None => {}
        },
    }
    true
}

/// The id of a query. `icmp_manip_pkt`.
fn rewrite_id(segment: &mut [u8], id: u16) -> bool {
    let Some(&[kind, _, c0, c1, i0, i1, ..]) = segment.first_chunk::<8>() else { return false };
    if is_icmp_query(kind) {
        let check = update16(u16::from_be_bytes([c0, c1]), u16::from_be_bytes([i0, i1]), id);
        put16(segment, ICMP_CHECK, check);
        put16(segment, ICMP_ID, id);
    }
    true
}

/// The checksum of SCTP (RFC 9260, appendix A), a bit at a time: it is needed only when the port of a packet changes.
fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg()))
    })
}
