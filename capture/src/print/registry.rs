//! Which number leads to which printer: link types, EtherTypes, IP protocols, ports. A protocol is added here, in one
//! row, and in one file.

use super::cx::{Cx, Done, Row, name, put};
use super::ip::Net;
use super::{arp, bgp, bootp, cooked, dns, ether, icmp, icmp6, igmp, ip, ip6, ntp, ppp, tcp, text, tunnel, udp};
use crate::services;
use crate::{Frame, LinkType};

/// Prints a frame of one link type; gives the length of its link header.
type Link = fn(&mut Cx<'_>, &[u8], usize) -> Result<usize, super::cx::Truncated>;
/// Prints what an EtherType announces: captured bytes, length on the wire.
type Network = fn(&mut Cx<'_>, &[u8], usize) -> Done;
/// Prints what an IP header announces.
type Transport = fn(&mut Cx<'_>, &[u8], usize, &Net<'_>) -> Done;
/// Prints the payload of a UDP or TCP port.
type Application = fn(&mut Cx<'_>, &[u8], usize, &Ports) -> Done;

/// The ports of the packet whose payload is printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) source: u16,
    pub(super) destination: u16,
}

const LINKS: &[(LinkType, Link)] = &[
    (LinkType::ETHERNET, ether::frame),
    (LinkType::RAW, ip::raw),
    (LinkType::IPV4, ip::raw),
    (LinkType::IPV6, ip::raw),
    (LinkType::LINUX_SLL, cooked::version1),
    (LinkType::LINUX_SLL2, cooked::version2),
    (LinkType::NULL, cooked::loopback),
    (LinkType::PPP, ppp::frame),
];

const ETHERTYPES: &[(u16, Network)] =
    &[(ether::IPV4, ip::print), (ether::ARP, arp::print), (ether::RARP, arp::print), (ether::IPV6, ip6::print)];

const IP_PROTOCOLS: &[(u8, Transport)] = &[
    (1, icmp::print),
    (2, igmp::print),
    (4, ip::ipip),
    (ip::TCP, tcp::print),
    (ip::UDP, udp::print),
    (41, ip6::within_ip),
    (47, tunnel::gre),
    (50, tunnel::esp),
    (51, tunnel::ah),
    (58, icmp6::print),
];

/// IPv6's way of saying that nothing follows; tcpdump says so in IPv4 too.
const NO_NEXT_HEADER: u8 = 59;

/// UDP applications in the order tcpdump tries them: a row matches when either port is one of its ports.
const UDP_PORTS: &[(&[u16], Application)] = &[
    (&[53], dns::unicast),
    (&[67, 68], bootp::print),
    (&[123], ntp::print),
    (&[5353], dns::multicast),
    (&[8472], tunnel::otv),
    (&[4789], tunnel::vxlan),
    (&[6081], tunnel::geneve),
];

/// TCP applications, likewise.
const TCP_PORTS: &[(&[u16], Application)] = &[
    (&[25], text::smtp),
    (&[179], bgp::print),
    (&[22], text::ssh),
    (&[21], text::ftp),
    (&[80, 8080, 3128], text::http),
    (&[554, 8554], text::rtsp),
    (&[53], dns::over_tcp),
    (&[43], text::whois),
];

/// Names of IP protocols as `-v` shows them (`ipproto_values`).
pub(super) const IP_PROTOCOL_NAMES: &[Row] = &[
    (0, "Options"),
    (1, "ICMP"),
    (2, "IGMP"),
    (4, "IPIP"),
    (6, "TCP"),
    (8, "EGP"),
    (9, "IGRP"),
    (17, "UDP"),
    (33, "DCCP"),
    (41, "IPv6"),
    (43, "Routing"),
    (44, "Fragment"),
    (46, "RSVP"),
    (47, "GRE"),
    (50, "ESP"),
    (51, "AH"),
    (55, "Mobile IP"),
    (58, "ICMPv6"),
    (88, "EIGRP"),
    (89, "OSPF"),
    (103, "PIM"),
    (108, "Compressed IP"),
    (112, "VRRP"),
    (113, "PGM"),
    (132, "SCTP"),
    (135, "Mobility"),
];

/// Prints a frame and gives the length of its link header.
pub(super) fn print_link(cx: &mut Cx<'_>, link_type: LinkType, frame: &Frame) -> usize {
    let Some((_, print)) = LINKS.iter().find(|row| row.0 == link_type) else {
        put!(cx, "[No printer for link-layer type {}]", link_type.0);
        return 0;
    };
    match print(cx, &frame.data, frame.orig_len as usize) {
        Ok(link_header) => link_header,
        Err(super::cx::Truncated) => {
            cx.trunc();
            0
        }
    }
}

/// Prints what an EtherType announces; `None` when no printer knows it.
pub(super) fn print_ethertype(cx: &mut Cx<'_>, ethertype: u16, bp: &[u8], length: usize) -> Option<Done> {
    let (_, print) = ETHERTYPES.iter().find(|row| row.0 == ethertype)?;
    Some(cx.nested(|cx| print(cx, bp, length)))
}

/// Prints what an IP header announces (`ip_demux_print`).
pub(super) fn print_ip_protocol(cx: &mut Cx<'_>, next: u8, bp: &[u8], length: usize, net: &Net<'_>) -> Done {
    match IP_PROTOCOLS.iter().find(|row| row.0 == next) {
        Some((_, print)) => cx.nested(|cx| print(cx, bp, length, net)),
        None if next == NO_NEXT_HEADER => {
            cx.out.push_str("no next header");
            Ok(())
        }
        None => {
            put!(cx, " {} {length}", protocol_label(cx, next));
            Ok(())
        }
    }
}

/// An IP protocol no printer knows: its name, or its number with `-n`.
pub(super) fn protocol_label(cx: &Cx<'_>, number: u8) -> String {
    match services::protocol_label(number) {
        Some(name) if !cx.opts.numeric => name.to_owned(),
        _ => format!("ip-proto-{number}"),
    }
}

/// The name of an IP protocol under `-v`.
pub(super) fn ip_protocol_name(number: u8) -> &'static str {
    name(IP_PROTOCOL_NAMES, number).unwrap_or("unknown")
}

/// The printer of a UDP payload.
pub(super) fn udp_application(ports: &Ports) -> Option<Application> {
    application(UDP_PORTS, ports)
}

/// The printer of a TCP payload.
pub(super) fn tcp_application(ports: &Ports) -> Option<Application> {
    application(TCP_PORTS, ports)
}

fn application(table: &[(&[u16], Application)], ports: &Ports) -> Option<Application> {
    let known = |row: &&(&[u16], Application)| row.0.contains(&ports.source) || row.0.contains(&ports.destination);
    table.iter().find(known).map(|row| row.1)
}
