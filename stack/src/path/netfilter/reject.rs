//! The answer to a rejected packet: `nf_send_unreach` and `nf_send_reset` of `net/ipv4/netfilter/nf_reject_ipv4.c`.

use hopwise_netfilter::conntrack::answer_tag;
use hopwise_netfilter::hook::Hook;
use hopwise_netfilter::targets::RejectWith;
use hopwise_protocols::wire::icmp::ICMP_DEST_UNREACH;
use hopwise_protocols::wire::ipv4::IPPROTO_TCP;
use hopwise_protocols::wire::tcp::{self, Flags, Header, TCP_HLEN, Tcp};
use hopwise_protocols::wire::{IntoBytes, ipv4};
use hopwise_sim_core::Packet;

use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::icmp;
use crate::path::output::{self, IpSpec};
use crate::path::route::{self, OutputFlow};
use crate::socket::PmtuDisc;

use super::At;

/// Tells the sender of a packet that it was rejected.
#[cold]
pub(super) fn answer(ns: &mut Namespace, cx: &mut Cx<'_>, at: At, packet: &Packet, how: RejectWith) {
    match how {
        RejectWith::Unreachable(code) => icmp::send_error(ns, cx, packet, icmp::Error::new(ICMP_DEST_UNREACH, code)),
        RejectWith::TcpReset => reset(ns, cx, at, packet),
    }
}

/// Answers a segment as if nobody listened.
fn reset(ns: &mut Namespace, cx: &mut Cx<'_>, at: At, packet: &Packet) {
    let Ok(ip) = ipv4::view(packet.data()) else { return };
    let (src, dst) = (ip.header.src(), ip.header.dst());
    if ip.header.protocol != IPPROTO_TCP || ip.header.fragment_offset() != 0 {
        return;
    }
    let Ok(view) = tcp::parse(ip.payload, src, dst) else { return };
    // A reset is never answered.
    if view.header.flags().contains(Flags::RST) {
        return;
    }
    let header = reset_for(&view);
    // What passes through answers in the name of somebody else.
    let any_src = at.hook == Hook::Forward;
    let flow = OutputFlow { dst: src, src: Some(dst), any_src, protocol: IPPROTO_TCP, ..OutputFlow::default() };
    let Ok(route) = route::route_output(ns, cx.now, &flow) else { return };
    let spec = IpSpec { pmtudisc: PmtuDisc::Do, conn: answer_tag(packet.conn), ..IpSpec::new(dst, src, IPPROTO_TCP) };
    let _ = output::send(ns, cx, &route, spec, TCP_HLEN, ("reject", Some(packet.id)), |bytes| {
        bytes.copy_from_slice(header.as_bytes());
        tcp::seal(bytes, dst, src);
    });
}

/// The header of the reset that answers a segment. `nf_reject_ip_tcphdr_put`.
fn reset_for(segment: &Tcp<'_>) -> Header {
    let old = segment.header;
    let flags = old.flags();
    let length = segment.payload.len() as u32 + flags.intersection(Flags::SYN | Flags::FIN).iter().count() as u32;
    let (seq, ack, ours) = if flags.contains(Flags::ACK) {
        (old.ack.get(), 0, Flags::RST)
    } else {
        (0, old.seq.get().wrapping_add(length), Flags::RST | Flags::ACK)
    };
    Header {
        source: old.dest,
        dest: old.source,
        seq: seq.into(),
        ack: ack.into(),
        offset: (TCP_HLEN as u8 / 4) << 4,
        flags: ours.bits(),
        window: 0.into(),
        check: 0.into(),
        urgent: 0.into(),
    }
}
