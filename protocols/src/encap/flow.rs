//! The hash of the flow that a frame belongs to, and the UDP source port that follows from it: routers that share load
//! by ports then spread the flows of one tunnel. Models `skb_get_hash` and `udp_flow_src_port`.
//!
//! Linux hashes with a key that is random at each boot, so which flow gets which port is not comparable; which flows
//! share one is. Both directions of a flow hash alike.

use core::ops::RangeInclusive;

use crate::fib::Flow;
use crate::fib::multipath::{self, HashPolicy};
use crate::wire::ethernet::{self, ETH_P_8021AD, ETH_P_8021Q, ETH_P_ARP, ETH_P_IP, MacAddr};
use crate::wire::ipv4::{self, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP};
use crate::wire::split;
use crate::wire::vlan::Tag;

/// The key of the hash where nobody chooses another one.
pub const KEY: u64 = 0x6c5f_9b1d_3e77_a2c9;

/// How many tags are looked behind (`FLOW_DISSECTOR` counts them as headers, of which it takes 15).
const MAX_TAGS: usize = 15;

/// The hash (31 bits) of a frame's flow: addresses, protocol and ports of IPv4, VLAN numbers in front of it; else the
/// EtherType.
#[inline]
pub fn hash(frame: &[u8], key: u64) -> u32 {
    let Ok((header, mut rest)) = ethernet::parse(frame) else { return 0 };
    let mut ethertype = header.ethertype.get();
    let mut key = key;
    for _ in 0..MAX_TAGS {
        let (ETH_P_8021Q | ETH_P_8021AD, Ok((tag, behind))) = (ethertype, split::<Tag>(rest)) else { break };
        key = key.rotate_left(12) ^ u64::from(tag.vlan());
        (ethertype, rest) = (tag.ethertype.get(), behind);
    }
    match (ethertype, ipv4::view(rest)) {
        (ETH_P_IP, Ok(ip)) => of_packet(&ip, key),
        (ETH_P_ARP, _) => plain(ethertype, 0, key),
        // What cannot be dissected spreads by its addresses (udp_flow_src_port with use_eth).
        _ => plain(ethertype, mix(header.src) ^ mix(header.dst), key),
    }
}

/// The hash (31 bits) of the flow of an IPv4 packet, 0 if it is none.
pub fn of_ipv4(packet: &[u8], key: u64) -> u32 {
    ipv4::view(packet).map_or(0, |ip| of_packet(&ip, key))
}

/// The hash of an IPv4 packet's flow. Fragments have no ports.
#[inline]
fn of_packet(ip: &ipv4::Ipv4<'_>, key: u64) -> u32 {
    let header = ip.header;
    let mut flow = Flow { dst: header.dst(), src: header.src(), proto: header.protocol, ..Flow::default() };
    if matches!(header.protocol, IPPROTO_TCP | IPPROTO_UDP | IPPROTO_SCTP)
        && !header.is_fragment()
        && let Some(&[a, b, c, d]) = ip.payload.first_chunk::<4>()
    {
        (flow.sport, flow.dport) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    }
    // __flow_hash_consistentify: addresses and ports are put in order each for itself, so that a tunnel inside this one,
    // whose ports are not those of two ends, hashes alike in both directions too.
    if flow.dst < flow.src {
        (flow.src, flow.dst) = (flow.dst, flow.src);
    }
    if flow.dport < flow.sport {
        (flow.sport, flow.dport) = (flow.dport, flow.sport);
    }
    multipath::hash(&flow, HashPolicy::Layer4, key)
}

fn plain(ethertype: u16, more: u64, key: u64) -> u32 {
    let flow = Flow { sport: ethertype, ..Flow::default() };
    multipath::hash(&flow, HashPolicy::Layer4, key ^ more)
}

fn mix(addr: MacAddr) -> u64 {
    let [a, b, c, d, e, f] = addr.0;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f]).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The UDP source port for a flow's hash within a range.
#[inline]
pub fn source_port(hash: u32, ports: RangeInclusive<u16>) -> u16 {
    let (first, last) = (*ports.start(), *ports.end());
    // reciprocal_scale: the hash as a fraction of the range, whose last port is left out as on Linux.
    first + ((u64::from(hash) * u64::from(last.saturating_sub(first))) >> 31) as u16
}
