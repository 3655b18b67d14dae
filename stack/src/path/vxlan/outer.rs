//! An outer packet goes out as if it were made here. Models `iptunnel_xmit`.

use core::net::Ipv4Addr;

use hopwise_protocols::wire::ipv4::{self, IPPROTO_UDP};
use hopwise_protocols::wire::{IntoBytes, checksum, split, split_mut, udp};
use hopwise_sim_core::{DropReason, Fate, IfIndex, Packet};

use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::output;
use crate::path::route::{self, OutputFlow, Route};
use crate::sysctl::SysctlKey;

/// How many links may have handed a packet on when a tunnel takes it: tunnels in tunnels need stack
/// (`IP_TUNNEL_RECURSION_LIMIT` of Linux 6.18).
pub(super) const MAX_DEPTH: u8 = 3;

/// A packet that too many links handed on ends here. `iptunnel_xmit`.
#[cold]
pub(super) fn too_deep(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) -> Fate {
    if let Some(dev) = ns.devs.get_mut(link) {
        dev.stats.tx_errors += 1;
        let text = format!("Dead loop on virtual device {}, fix it urgently!", dev.name);
        ns.log(cx.now, text);
    }
    cx.drop(packet, DropReason::TooDeep)
}

/// What a packet was inside counts no more outside (`skb_scrub_packet`); its mark stays within a namespace.
#[inline]
pub(super) fn scrub(packet: &mut Packet, other_ns: bool) {
    packet.conn = None;
    packet.phys = (IfIndex::NONE, IfIndex::NONE);
    packet.frag_max_size = 0;
    packet.iif = IfIndex::NONE;
    packet.mac_len = 0;
    packet.protocol = hopwise_protocols::wire::ethernet::ETH_P_IP;
    if other_ns {
        packet.mark = 0;
    }
}

/// Sends an outer packet, complete but for nothing, along its route.
#[inline]
pub(super) fn send(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, mut packet: Packet) -> Fate {
    packet.from_socket = true;
    output::local_out(ns, cx, route, packet)
}

/// Sends an outer packet for a tunnel whose link is in another namespace: here is where it was made. What the link could
/// not know is filled in: the source, the TTL, the identification.
pub fn send_for(ns: &mut Namespace, cx: &mut Cx<'_>, oif: IfIndex, mut packet: Packet) -> Fate {
    let Ok((header, rest)) = split::<ipv4::Header>(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let ports = match split::<udp::Header>(rest) {
        Ok((udp, _)) if header.protocol == IPPROTO_UDP => (udp.source.get(), udp.dest.get()),
        _ => (0, 0),
    };
    let flow = OutputFlow {
        dst: header.dst(),
        src: Some(header.src()).filter(|src| !src.is_unspecified()),
        oif,
        tos: header.tos & ipv4::INET_DSCP_MASK,
        protocol: header.protocol,
        ports,
        ..OutputFlow::default()
    };
    let Ok(route) = route::route_output(ns, cx.now, &flow) else {
        ns.snmp.out_no_routes += 1;
        return cx.drop(packet, DropReason::IpOutNoRoutes);
    };
    let id = ns.next_ip_id();
    let ttl = ns.sysctl[SysctlKey::IpDefaultTtl] as u8;
    fill_in(packet.data_mut(), route.src, ttl, id);
    send(ns, cx, &route, packet)
}

fn fill_in(bytes: &mut [u8], src: Ipv4Addr, ttl: u8, id: u16) {
    let Ok((header, rest)) = split_mut::<ipv4::Header>(bytes) else { return };
    let old = header.src();
    header.saddr = src.octets();
    header.id.set(id);
    if header.ttl == 0 {
        header.ttl = ttl;
    }
    header.check.set(0);
    header.check.set(checksum::checksum(header.as_bytes()));
    if let (IPPROTO_UDP, Ok((udp, _))) = (header.protocol, split_mut::<udp::Header>(rest))
        && udp.check.get() != 0
    {
        let check = checksum::update32(udp.check.get(), old.to_bits(), src.to_bits());
        udp.check.set(if check == 0 { 0xffff } else { check });
    }
}
