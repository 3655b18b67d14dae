//! Packets cut into fragments and put together again. Models `ip_do_fragment` and `ip_defrag`.

use core::ops::ControlFlow;

use hopwise_protocols::frag::{self, Key, Outcome, Part};
use hopwise_protocols::wire::icmp::{ICMP_EXC_FRAGTIME, ICMP_TIME_EXCEEDED};
use hopwise_protocols::wire::{IntoBytes, checksum, ipv4, options, split_mut};
use hopwise_sim_core::{Detail, DropReason, Duration, Packet};

use crate::cx::{Cx, TimerKind, Verdict};
use crate::namespace::Namespace;
use crate::path::icmp;
use crate::sysctl::SysctlKey;

/// Cuts a packet into fragments of at most `mtu` bytes. `None`: the header leaves no room for eight bytes.
pub fn split(cx: &mut Cx<'_>, packet: &Packet, mtu: usize) -> Option<Vec<Packet>> {
    let ip = ipv4::view(packet.data()).ok()?;
    let header_len = ip.header.header_len();
    let room = mtu.checked_sub(header_len).filter(|room| *room >= 8)?;
    let offset = ip.header.fragment_offset();
    let last_has_more = ip.header.more_fragments();
    let mut later_options = ip.options.to_vec();
    options::keep_copied(&mut later_options);
    let count = frag::pieces(ip.payload.len(), room).count();
    let mut fragments = Vec::with_capacity(count);
    for (i, piece) in frag::pieces(ip.payload.len(), room).enumerate() {
        let bytes = &ip.payload[piece.clone()];
        let mut fragment = cx.pool.alloc(header_len + bytes.len());
        let mut header = *ip.header;
        header.total_len.set((header_len + bytes.len()) as u16);
        let more = i + 1 < count || last_has_more;
        let keep = ip.header.frag_off.get() & (ipv4::IP_DF | ipv4::IP_RF);
        let place = ((offset + piece.start) / 8) as u16 & ipv4::IP_OFFSET;
        header.frag_off.set(keep | place | if more { ipv4::IP_MF } else { 0 });
        let opts = if i == 0 { ip.options } else { &later_options };
        header.seal(opts);
        let data = fragment.data_mut();
        data[..ipv4::IP_HLEN].copy_from_slice(header.as_bytes());
        data[ipv4::IP_HLEN..header_len].copy_from_slice(opts);
        data[header_len..].copy_from_slice(bytes);
        inherit(&mut fragment, packet);
        cx.note(&fragment, || Detail::Born { by: "fragmentation", from: Some(packet.id) });
        fragments.push(fragment);
    }
    Some(fragments)
}

/// What a fragment, or a packet put together, takes over from the other one (`ip_copy_metadata`).
fn inherit(new: &mut Packet, old: &Packet) {
    new.kind = old.kind;
    new.protocol = old.protocol;
    new.iif = old.iif;
    new.mark = old.mark;
    new.priority = old.priority;
    new.conn = old.conn;
    new.phys = old.phys;
    // A bridged frame's Ethernet header goes along.
    let mac = old.mac_header();
    if !mac.is_empty() {
        new.push(mac.len()).copy_from_slice(mac);
        if new.pull(mac.len()) {
            new.mac_len = old.mac_len;
        }
    }
}

/// Holds a fragment until the others are there; goes on with the whole packet. `ip_defrag`.
#[cold]
pub fn defrag(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> Verdict {
    ns.snmp.reasm_reqds += 1;
    let Ok(ip) = ipv4::view(packet.data()) else {
        return ControlFlow::Break(cx.drop(packet, DropReason::PktTooSmall));
    };
    let (header, start, len) = (ip.header, ip.header.fragment_offset(), ip.payload.len());
    let vif = ns.l3mdev_master(packet.iif);
    let key = Key { src: header.src(), dst: header.dst(), id: header.id.get(), protocol: header.protocol, vif };
    let more = header.more_fragments();
    let timeout = Duration::from_secs(ns.sysctl[SysctlKey::IpfragTime].unsigned_abs());
    let limit = ns.sysctl[SysctlKey::IpfragHighThresh].unsigned_abs() as usize;
    cx.note(&packet, || Detail::Held { why: "the other fragments" });
    let part = Part { range: start..start + len, more, packet };
    match ns.frags.insert(cx.now, key, part, timeout, limit) {
        Outcome::Held { timer } => {
            if let Some((at, id)) = timer {
                cx.wheel_timer(at, TimerKind::Frag { id });
            }
            ControlFlow::Break(hopwise_sim_core::Fate::Held)
        }
        Outcome::Complete(parts) => reassemble(ns, cx, parts),
        Outcome::Duplicate(packet) => {
            ns.snmp.reasm_fails += 1;
            ControlFlow::Break(cx.drop(packet, DropReason::DupFrag))
        }
        Outcome::Overlap(packets) => {
            ns.snmp.reasm_fails += 1;
            for packet in packets {
                cx.drop(packet, DropReason::DupFrag);
            }
            ControlFlow::Break(hopwise_sim_core::Fate::Dropped(DropReason::DupFrag))
        }
        Outcome::Malformed(packet) | Outcome::Full(packet) => {
            ns.snmp.reasm_fails += 1;
            ControlFlow::Break(cx.drop(packet, DropReason::IpInHdr))
        }
    }
}

/// Makes one packet of all its parts; the first one's header leads (`ip_frag_reasm`).
fn reassemble(ns: &mut Namespace, cx: &mut Cx<'_>, parts: Vec<Part<Packet>>) -> Verdict {
    let total = parts.last().map_or(0, |p| p.range.end);
    let largest = parts.iter().map(|p| p.packet.len()).max().unwrap_or(0);
    // Only if the largest fragment says so (max_df_size).
    let is_df = |p: &Part<Packet>| ipv4::view(p.packet.data()).is_ok_and(|ip| ip.header.dont_fragment());
    let any_df = parts.iter().any(|p| p.packet.len() == largest && is_df(p));
    let header_len =
        parts.first().and_then(|p| ipv4::view(p.packet.data()).ok()).map_or(20, |ip| ip.header.header_len());
    let mut whole = cx.pool.alloc(header_len + total);
    for part in parts {
        if part.range.start == 0 {
            inherit(&mut whole, &part.packet);
            cx.note(&whole, || Detail::Born { by: "reassembly", from: Some(part.packet.id) });
            whole.data_mut()[..header_len].copy_from_slice(&part.packet.data()[..header_len]);
        }
        if let Ok(ip) = ipv4::view(part.packet.data()) {
            let range = header_len + part.range.start..header_len + part.range.end;
            whole.data_mut()[range].copy_from_slice(ip.payload);
        }
        cx.consume(part.packet, "reassembly");
    }
    whole.frag_max_size = largest.min(usize::from(u16::MAX)) as u16;
    if let Ok((header, rest)) = split_mut::<ipv4::Header>(whole.data_mut()) {
        header.total_len.set((header_len + total) as u16);
        header.frag_off.set(if any_df { ipv4::IP_DF } else { 0 });
        let opts = rest.get(..header_len - ipv4::IP_HLEN).unwrap_or_default();
        header.check.set(0);
        let sum = checksum::add(checksum::sum(header.as_bytes()), checksum::sum(opts));
        header.check.set(!sum);
    }
    ns.snmp.reasm_oks += 1;
    cx.note(&whole, || Detail::Reassembled);
    ControlFlow::Continue(whole)
}

/// The time of a packet whose fragments did not all come is over: its sender is told if the first one came. `ip_expire`.
pub fn expire(ns: &mut Namespace, cx: &mut Cx<'_>, id: u32) {
    let Some(expired) = ns.frags.expire(id) else { return };
    ns.snmp.reasm_fails += 1;
    ns.snmp.reasm_timeout += 1;
    if let Some(first) = expired.first {
        icmp::send_error(ns, cx, &first, icmp::Error::new(ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME));
        cx.drop(first, DropReason::FragReasmTimeout);
    }
    for packet in expired.rest {
        cx.drop(packet, DropReason::FragReasmTimeout);
    }
}
