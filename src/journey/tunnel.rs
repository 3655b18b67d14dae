//! In words: what a tunnel put around a packet, outer and inner headers side by side.

use std::net::Ipv4Addr;

use hopwise_protocols::wire::ethernet::{self, ETH_P_ARP, ETH_P_IP};
use hopwise_protocols::wire::udp::UDP_HLEN;
use hopwise_protocols::wire::{self, arp, ipv4, udp, vxlan};
use hopwise_sim_core::TunnelNote;

use super::{mac, protocol_name};

/// Both headers of a packet in a packet.
pub(super) fn words(link: &str, note: &TunnelNote) -> String {
    let inner = if note.kind == "vxlan" { frame(&note.inner) } else { packet(&note.inner) };
    format!("{link}: outer [{}{}] inner [{inner}]", packet(&note.outer), network(&note.outer).unwrap_or_default())
}

/// `, vni 42`, if a VXLAN header ends the outer bytes.
fn network(outer: &[u8]) -> Option<String> {
    let ip = ipv4::view(outer).ok()?;
    let (header, _) = wire::split::<vxlan::Header>(ip.payload.get(UDP_HLEN..)?).ok()?;
    Some(format!(", vni {}", header.vni()))
}

fn frame(bytes: &[u8]) -> String {
    let Ok((header, rest)) = ethernet::parse(bytes) else { return "?".into() };
    let what = match header.ethertype.get() {
        ETH_P_IP => packet(rest),
        ETH_P_ARP => question(rest),
        other => format!("type {other:#06x}"),
    };
    format!("{} > {}, {what}", mac(&header.src.0), mac(&header.dst.0))
}

fn question(bytes: &[u8]) -> String {
    match arp::parse(bytes) {
        Ok(arp) if arp.op.get() == arp::ARPOP_REQUEST => {
            format!("arp who-has {} tell {}", arp.target_ip(), arp.sender_ip())
        }
        Ok(arp) => format!("arp {} is-at {}", arp.sender_ip(), mac(&arp.sha.0)),
        Err(_) => "arp".into(),
    }
}

/// Addresses, ports, protocol, TTL, TOS and "don't fragment" of an IPv4 packet of which the first bytes are known.
fn packet(bytes: &[u8]) -> String {
    let Ok(ip) = ipv4::view(bytes) else { return "?".into() };
    let header = ip.header;
    let ports = match header.protocol {
        ipv4::IPPROTO_TCP | ipv4::IPPROTO_UDP if !header.is_fragment() => wire::split::<udp::Header>(ip.payload).ok(),
        _ => None,
    };
    let end =
        |addr: Ipv4Addr, port: Option<u16>| port.map_or_else(|| addr.to_string(), |port| format!("{addr}:{port}"));
    let src = end(header.src(), ports.map(|(ports, _)| ports.source.get()));
    let dst = end(header.dst(), ports.map(|(ports, _)| ports.dest.get()));
    let df = if header.dont_fragment() { ", DF" } else { "" };
    format!("{src} > {dst} {}, ttl {}, tos {:#x}{df}", protocol_name(header.protocol), header.ttl, header.tos)
}
