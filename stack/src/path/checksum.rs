//! Checksums that are made only when somebody looks: the outer UDP checksum of a tunnel is left to the link, and a veth leaves it to
//! whoever receives the packet, as in the kernel (`CHECKSUM_PARTIAL`, `NETIF_F_HW_CSUM`). On most ways nobody ever looks, and all the
//! bytes of the packet need not be read at either end.
//!
//! Such a packet goes only from the tunnel through a veth to the socket of the tunnel at the other end. It is made complete wherever
//! it leaves this way: where somebody captures, asks rules, queues, forwards, cuts or quotes it, and on every other kind of link.

use hopwise_devices::Kind;
use hopwise_protocols::wire::udp;
use hopwise_sim_core::Packet;

use crate::dev::Dev;

/// Makes the checksum that a packet still owes. `skb_checksum_help`.
#[inline]
pub(crate) fn finish(packet: &mut Packet) {
    if packet.owes_checksum() {
        make(packet);
    }
}

#[cold]
fn make(packet: &mut Packet) {
    if let Some(datagram) = packet.pay_checksum() {
        udp::finish(datagram);
    }
}

/// Makes it unless a link passes the packet on unseen and unchanged. `validate_xmit_skb`.
#[inline]
pub(super) fn finish_for(dev: &Dev, packet: &mut Packet) {
    if packet.owes_checksum() && !passes_unseen(dev) {
        make(packet);
    }
}

fn passes_unseen(dev: &Dev) -> bool {
    let watched = dev.taps > 0 || dev.clsact.is_some() || dev.queue.is_some();
    matches!(dev.kind, Kind::Veth(_)) && !watched && dev.port.is_none() && dev.stacked.is_none()
}
