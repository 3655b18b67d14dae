//! An IPv4 packet comes in: its header is checked. Models `ip_rcv_core` and the options part of `ip_rcv_finish_core`.

use core::ops::ControlFlow;

use hopwise_protocols::wire::{Malformed, ipv4};
use hopwise_sim_core::{DropReason, Packet, PacketType};

use crate::cx::{Cx, Verdict};
use crate::namespace::Namespace;

/// Checks the header; afterwards the packet is exactly as long as its header says.
#[inline]
pub fn ip_rcv(ns: &mut Namespace, cx: &mut Cx<'_>, mut packet: Packet) -> Verdict {
    if packet.kind == PacketType::OtherHost {
        return ControlFlow::Break(cx.drop(packet, DropReason::OtherHost));
    }
    ns.snmp.in_receives += 1;
    match ipv4::parse(packet.data()) {
        Ok(ip) => {
            let total = usize::from(ip.header.total_len.get());
            packet.trim(total);
            ControlFlow::Continue(packet)
        }
        Err(why) => ControlFlow::Break(malformed(ns, cx, packet, why)),
    }
}

#[cold]
fn malformed(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet, why: Malformed) -> hopwise_sim_core::Fate {
    ns.snmp.in_hdr_errors += 1;
    let reason = match why {
        Malformed::Checksum => DropReason::IpCsum,
        Malformed::Truncated | Malformed::TotalLength => DropReason::PktTooSmall,
        Malformed::Version | Malformed::HeaderLength => DropReason::IpInHdr,
    };
    cx.drop(packet, reason)
}

/// The same for a frame in a bridge, which counts nothing. `br_validate_ipv4`.
pub(super) fn validate(cx: &mut Cx<'_>, mut packet: Packet) -> Verdict {
    match ipv4::parse(packet.data()).map(|ip| usize::from(ip.header.total_len.get())) {
        Ok(total) => {
            packet.trim(total);
            ControlFlow::Continue(packet)
        }
        Err(_) => ControlFlow::Break(cx.drop(packet, DropReason::IpInHdr)),
    }
}
