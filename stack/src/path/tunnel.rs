//! What the tunnels share: an outer packet goes out as if it were made here. Models `net/ipv4/ip_tunnel_core.c`.
//!
//! A VXLAN link that is where it was made sends at once, as in the kernel. One that was moved cannot look into the namespace
//! below: its outer packets go there through the agenda ([`Way::Outer`](crate::cx::Way::Outer)), as those of `ipip` always
//! do, and what follows from their route is filled in there.

use hopwise_protocols::wire::ethernet::ETH_P_IP;
use hopwise_protocols::wire::ipv4::{self, IPPROTO_IPIP};
use hopwise_protocols::wire::split;
use hopwise_sim_core::{DropReason, Fate, IfIndex, NsId, Packet, TunnelNote};

use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::{ipip, vxlan};

/// How many links may have handed a packet on when a tunnel takes it: tunnels in tunnels need stack
/// (`IP_TUNNEL_RECURSION_LIMIT` of Linux 6.18).
const MAX_DEPTH: u8 = 3;

/// Whether too many links handed a packet on that a tunnel is about to send (`dev_recursion_level`).
#[inline]
pub(super) fn is_too_deep(packet: &Packet) -> bool {
    packet.depth > MAX_DEPTH
}

/// Says so in the kernel's log, for the link that cannot send. `iptunnel_xmit`.
#[cold]
pub(super) fn log_dead_loop(ns: &mut Namespace, cx: &Cx<'_>, link: IfIndex) {
    let text = format!("Dead loop on virtual device {}, fix it urgently!", ns.name_of(link));
    ns.log(cx.now, text);
}

/// What a packet was inside counts no more outside, and the other way round (`skb_scrub_packet`); its mark stays within a
/// namespace.
#[inline]
pub(super) fn scrub(packet: &mut Packet, other_ns: bool) {
    packet.conn = None;
    packet.phys = (IfIndex::NONE, IfIndex::NONE);
    packet.frag_max_size = 0;
    packet.iif = IfIndex::NONE;
    packet.mac_len = 0;
    packet.protocol = ETH_P_IP;
    // The dst entry goes, and with it the next hop and the tunnel's metadata.
    packet.next_hop = [0; 4];
    packet.tunnel_id = 0;
    if other_ns {
        packet.mark = 0;
    }
}

/// A packet whose own one has `len` bytes is about to get an outer header. Gives how many bytes from its end the packet begins
/// from which that inherits: it is the next one unless a tunnel before this one knew another, and that is remembered only
/// while a checksum is left to the link (`iptunnel_handle_offloads`).
#[inline]
pub(super) fn innermost(packet: &mut Packet, len: usize) -> usize {
    let offload = packet.offload_mut();
    let inner = if offload.inner_len == 0 { len as u16 } else { offload.inner_len };
    offload.inner_len = if offload.partial { inner } else { 0 };
    usize::from(inner)
}

/// What a journey tells of an outer packet whose inner one begins at `inner`, of which it keeps `noted` bytes.
pub(super) fn note(
    link: (NsId, IfIndex),
    kind: &'static str,
    packet: &[u8],
    inner: usize,
    noted: usize,
) -> Box<TunnelNote> {
    let (outer, inner) = packet.split_at_checked(inner).unwrap_or((packet, &[]));
    let inner = inner.get(..noted).unwrap_or(inner);
    Box::new(TunnelNote { link, kind, outer: outer.to_vec(), inner: inner.to_vec() })
}

/// Sends an outer packet in the namespace that its tunnel was made in, for a link that is in another one.
pub(crate) fn output(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    tunnel: (NsId, IfIndex),
    oif: IfIndex,
    packet: Packet,
) -> Fate {
    match split::<ipv4::Header>(packet.data()) {
        Ok((header, _)) if header.protocol == IPPROTO_IPIP => ipip::output(ns, cx, tunnel, oif, packet),
        Ok(_) => vxlan::output(ns, cx, oif, packet),
        Err(_) => cx.drop(packet, DropReason::PktTooSmall),
    }
}
