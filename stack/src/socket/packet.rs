//! Packet sockets (`packet(7)`) and captures: copies of the frames that pass a link. Models `packet_rcv` and
//! `dev_queue_xmit_nit`.

use core::net::Ipv4Addr;

use hopwise_protocols::wire::ethernet::ETH_P_ALL;
use hopwise_protocols::wire::{IntoBytes, ethernet};
use hopwise_sim_core::{Detail, IfIndex, Packet, PacketType};

use crate::capture::Direction;
use crate::cx::Cx;
use crate::error::Errno;
use crate::namespace::Namespace;
use crate::path::dev_xmit::dev_xmit;
use crate::path::vlan;
use crate::socket::{Datagram, LinkDest, SocketKind};

/// Gives a copy of a frame (whose bytes begin with the link-layer header) to everybody who listens on the link.
#[cold]
pub fn tap(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, direction: Direction, packet: &Packet) {
    debug_assert!(!packet.owes_checksum(), "who looks at a packet sees it complete");
    let tagged = packet.vlan.is_some().then(|| vlan::with_tag(packet));
    let bytes = tagged.as_deref().unwrap_or(packet.data());
    if let Some(dev) = ns.devs.get(link).filter(|d| d.captured) {
        cx.captures.record(cx.now, ns.id, dev, direction, packet.id, bytes);
    }
    for i in 0..ns.sockets.packet.len() {
        let id = ns.sockets.packet[i];
        let Some(socket) = ns.sockets.get_mut(id) else { continue };
        let SocketKind::Packet { protocol } = socket.kind else { continue };
        if socket.bound_dev.is_some() && socket.bound_dev != link {
            continue;
        }
        // Only listeners to everything see what is sent (ptype_all).
        let others = direction == Direction::Out || tagged.is_some() || protocol != packet.protocol;
        if protocol != ETH_P_ALL && others {
            continue;
        }
        let kind = if direction == Direction::Out { PacketType::Outgoing } else { packet.kind };
        socket.enqueue(Datagram {
            at: cx.now,
            from: (Ipv4Addr::UNSPECIFIED, 0),
            to: (Ipv4Addr::UNSPECIFIED, 0),
            iif: link,
            ttl: 0,
            tos: 0,
            bytes: bytes.to_vec(),
            packet: packet.id,
            seen: Some((direction, kind)),
            tag: packet.vlan,
        });
        cx.wakeups.push(socket.owner);
    }
}

/// Sends `payload` as one frame (`packet_sendmsg` of a `SOCK_DGRAM` socket): arping does.
pub fn send(ns: &mut Namespace, cx: &mut Cx<'_>, to: LinkDest, payload: &[u8]) -> Result<usize, Errno> {
    let dev = ns.devs.get(to.link).ok_or(Errno::ENXIO)?;
    if !dev.is_up() {
        return Err(Errno::ENETDOWN);
    }
    if payload.len() > dev.mtu as usize {
        return Err(Errno::EMSGSIZE);
    }
    let header = ethernet::Header::new(to.dst, dev.addr, to.protocol);
    let mut packet = cx.pool.alloc_from(payload);
    packet.protocol = to.protocol;
    if dev.has_ethernet() {
        packet.push(ethernet::ETH_HLEN).copy_from_slice(header.as_bytes());
    }
    cx.note(&packet, || Detail::Born { by: "packet socket", from: None });
    dev_xmit(ns, cx, to.link, packet);
    Ok(payload.len())
}

/// Counts anew, for each link, who listens: called when a listener comes, goes or changes its link.
pub fn retap(ns: &mut Namespace) {
    let listens = |link: IfIndex, ns: &Namespace| {
        let to = |s: &&crate::socket::Socket| !s.bound_dev.is_some() || s.bound_dev == link;
        ns.sockets.packet.iter().filter_map(|&id| ns.sockets.get(id)).filter(to).count() as u32
    };
    for link in ns.devs.indices() {
        let count = listens(link, ns);
        if let Some(dev) = ns.devs.get_mut(link) {
            dev.link.taps = count + u32::from(dev.captured);
        }
    }
}
