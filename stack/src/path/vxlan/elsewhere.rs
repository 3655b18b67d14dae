//! An outer packet of a link that was moved goes out where the link was made, which the link cannot look into.

use core::net::Ipv4Addr;

use hopwise_protocols::wire::ipv4::{self, IPPROTO_UDP};
use hopwise_protocols::wire::{IntoBytes, checksum, split, split_mut, udp};
use hopwise_sim_core::{DropReason, Fate, IfIndex, Packet};

use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::output::local_out;
use crate::path::route::{self, OutputFlow, Route};
use crate::sysctl::SysctlKey;

/// Sends an outer packet. What the link could not know is filled in: the source, the TTL, the identification.
pub(in crate::path) fn output(ns: &mut Namespace, cx: &mut Cx<'_>, oif: IfIndex, mut packet: Packet) -> Fate {
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
    let mut route = Route::UNDECIDED;
    if route::route_output_again(ns, cx.now, &flow, || 0, &mut route).is_err() {
        ns.snmp.out_no_routes += 1;
        return cx.drop(packet, DropReason::IpOutNoRoutes);
    }
    let id = ns.next_ip_id();
    let ttl = ns.sysctl[SysctlKey::IpDefaultTtl] as u8;
    fill_in(packet.data_mut(), route.src, ttl, id);
    local_out(ns, cx, &route, packet)
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
