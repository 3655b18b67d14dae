//! ICMP: messages received, echo answered, errors sent and given to the sockets they concern. Models
//! `net/ipv4/icmp.c`.

use core::net::Ipv4Addr;

use hopwise_netfilter::conntrack::answer_tag;
use hopwise_protocols::icmp_policy::{self, ErrorContext};
use hopwise_protocols::wire::icmp::{
    ICMP_DEST_UNREACH, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_FRAG_NEEDED, ICMP_HLEN, ICMP_PARAMETERPROB, ICMP_REDIRECT,
    ICMP_SOURCE_QUENCH, ICMP_TIME_EXCEEDED, ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY, rest_mtu,
};
use hopwise_protocols::wire::ipv4::IPPROTO_ICMP;
use hopwise_protocols::wire::options::{self, IpOptions};
use hopwise_protocols::wire::{IntoBytes, Malformed, icmp, ipv4, split};
use hopwise_sim_core::{DropReason, Fate, IfIndex, Packet, PacketType, Time};

use crate::cx::Cx;
use crate::error::Errno;
use crate::l3mdev::InDev;
use crate::namespace::Namespace;
use crate::path::options::{is_unicast, timestamp as timestamp_of};
use crate::path::output::{self, IpSpec};
use crate::path::redirect;
use crate::path::route::{self, OutputFlow, Route, RouteKind};
use crate::path::{ipip, tcp};
use crate::socket::{raw, udp};
use crate::sysctl::SysctlKey;

/// An ICMP error message to be sent: type, code and the second word of the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// MTU, gateway or pointer; zero otherwise.
    pub rest: [u8; 4],
}

impl Error {
    /// An error without further information.
    pub const fn new(kind: u8, code: u8) -> Self {
        Error { kind, code, rest: [0; 4] }
    }

    /// "Fragmentation needed", with the MTU that would fit.
    pub fn frag_needed(mtu: u32) -> Self {
        let rest = rest_mtu(u16::try_from(mtu).unwrap_or(u16::MAX));
        Error { kind: ICMP_DEST_UNREACH, code: ICMP_FRAG_NEEDED, rest }
    }
}

/// Class selector 6 of the TOS byte, which every ICMP error carries (`IPTOS_PREC_INTERNETCONTROL`).
const INTERNETCONTROL: u8 = 0xc0;

/// Answers a packet (whose bytes begin with its IPv4 header) with an ICMP error, if the rules and limits allow.
/// `icmp_send`.
#[cold]
pub fn send_error(ns: &mut Namespace, cx: &mut Cx<'_>, about: &Packet, error: Error) {
    send_error_on(ns, cx, about, error, about.iif);
}

/// The same for a packet that may have been made here, and that got as far as `link`.
pub fn send_error_on(ns: &mut Namespace, cx: &mut Cx<'_>, about: &Packet, error: Error, link: IfIndex) {
    let Ok(ip) = ipv4::view(about.data()) else { return };
    send_error_with(ns, cx, about, error, (ip.options, ns.l3mdev_master(link)));
}

/// As [`send_error`], with the options that the error goes on with, usually the packet's, and the VRF it goes to, if any.
/// `__icmp_send`.
pub fn send_error_with(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    about: &Packet,
    error: Error,
    (received, vrf): (&[u8], IfIndex),
) {
    debug_assert!(!about.owes_checksum(), "who looks at a packet sees it complete");
    let Ok(ip) = ipv4::view(about.data()) else { return };
    let (src, dst) = (ip.header.src(), ip.header.dst());
    let own_packet = !about.iif.is_some();
    let context = ErrorContext {
        to_host: about.kind == PacketType::Host || own_packet,
        header: ip.header,
        payload: ip.payload,
        kind: error.kind,
    };
    if !icmp_policy::may_send_error(&context) || is_group(ns, dst) {
        return;
    }
    let now = cx.now;
    if !ns.icmp_limits.allow_global(now, &limits(ns), error.kind, error.code) {
        ns.snmp.icmp_out_rate_limit_global += 1;
        return;
    }
    let from = if ns.is_own_on(vrf, dst) { Some(dst) } else { inbound_address(ns, about) };
    let tos = (ip.header.tos & ipv4::IPTOS_TOS_MASK) | INTERNETCONTROL;
    let flow = OutputFlow { dst: src, src: from, oif: vrf, tos, mark: about.mark, ..OutputFlow::default() };
    let Ok(route) = route::route_output(ns, now, &flow) else { return };
    let peer = (src, ns.l3mdev_master(route.oif));
    if route.kind != RouteKind::Local && !ns.icmp_limits.allow_peer(now, &limits(ns), peer, error.kind, error.code) {
        ns.snmp.icmp_out_rate_limit_host += 1;
        return;
    }
    let Some((options, compiled)) = echo_options(ns, received) else { return };
    let room = icmp_policy::quote_len(route.mtu as usize, options.len(), about.len());
    let quote = about.data().get(..room).unwrap_or(about.data());
    let message = icmp::Header::new(error.kind, error.code, error.rest, quote);
    // It belongs to the packet's connection, even to one that will never be confirmed (nf_ct_attach).
    let conn = answer_tag(about.conn);
    let spec = IpSpec { tos, options: &options, compiled, conn, ..IpSpec::new(route.src, src, IPPROTO_ICMP) };
    let sent = output::send(ns, cx, &route, spec, ICMP_HLEN + quote.len(), ("icmp", Some(about.id)), |payload| {
        payload[..ICMP_HLEN].copy_from_slice(message.as_bytes());
        payload[ICMP_HLEN..].copy_from_slice(quote);
    });
    if sent.is_ok() {
        ns.snmp.icmp_sent(error.kind);
    }
}

/// The options of an answer to a packet with these; `None`: there can be none.
fn echo_options(ns: &Namespace, received: &[u8]) -> Option<(Vec<u8>, Option<IpOptions>)> {
    if received.is_empty() {
        return Some((Vec::new(), None));
    }
    let (options, compiled) = options::echo(received, &|addr| is_unicast(ns, addr))?;
    Some((options, Some(compiled)))
}

fn limits(ns: &Namespace) -> icmp_policy::Limits {
    icmp_policy::Limits {
        ratelimit_ms: ns.sysctl[SysctlKey::IcmpRatelimit] as u32,
        ratemask: ns.sysctl[SysctlKey::IcmpRatemask] as u32,
        msgs_per_sec: ns.sysctl[SysctlKey::IcmpMsgsPerSec] as u32,
        msgs_burst: ns.sysctl[SysctlKey::IcmpMsgsBurst] as u32,
    }
}

/// Whether an address is a broadcast or multicast one, about whose packets no error is sent.
fn is_group(ns: &Namespace, dst: Ipv4Addr) -> bool {
    dst.is_multicast() || dst.is_broadcast() || route::is_broadcast(ns, dst)
}

/// With `icmp_errors_use_inbound_ifaddr`, errors come from the address of the link the packet came in through.
fn inbound_address(ns: &Namespace, about: &Packet) -> Option<Ipv4Addr> {
    if ns.sysctl[SysctlKey::IcmpErrorsUseInboundIfaddr] == 0 {
        return None;
    }
    ns.devs.get(about.iif)?.inet.addrs.first().map(|a| a.local)
}

/// An ICMP message for this host. `icmp_rcv`.
pub fn rcv(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, packet: Packet) -> Fate {
    ns.snmp.icmp_in_msgs += 1;
    let Ok(ip) = ipv4::view(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let header = match icmp::parse(ip.payload) {
        Ok((header, _)) => *header,
        Err(why) => {
            ns.snmp.icmp_in_errors += 1;
            ns.snmp.icmp_in_csum_errors += u64::from(why == Malformed::Checksum);
            return cx.drop(packet, DropReason::IcmpCsum);
        }
    };
    ns.snmp.icmp_received(header.kind);
    match header.kind {
        ICMP_ECHO => echo(ns, cx, packet, route.kind),
        ICMP_TIMESTAMP => timestamp(ns, cx, packet, route.kind),
        ICMP_DEST_UNREACH | ICMP_TIME_EXCEEDED | ICMP_SOURCE_QUENCH | ICMP_PARAMETERPROB => {
            error_received(ns, cx, &packet);
            cx.consume(packet, "icmp")
        }
        ICMP_REDIRECT => {
            redirect::received(ns, cx, &packet);
            cx.consume(packet, "icmp")
        }
        _ => cx.consume(packet, "icmp"),
    }
}

/// Whether a message to a broadcast or multicast address is not to be answered.
fn ignores_group(ns: &Namespace, to: RouteKind) -> bool {
    to != RouteKind::Local && ns.sysctl[SysctlKey::IcmpEchoIgnoreBroadcasts] != 0
}

/// Answers an echo request: the message comes back with another type. `icmp_echo`.
fn echo(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet, to: RouteKind) -> Fate {
    if ns.sysctl[SysctlKey::IcmpEchoIgnoreAll] != 0 || ignores_group(ns, to) {
        return cx.drop(packet, DropReason::IcmpIgnored);
    }
    reply(ns, cx, packet, to, |message| {
        if let Ok((header, _)) = hopwise_protocols::wire::split_mut::<icmp::Header>(message) {
            header.set_kind(ICMP_ECHOREPLY);
        }
    })
}

/// Answers a timestamp request with the time of day in milliseconds. `icmp_timestamp`.
fn timestamp(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet, to: RouteKind) -> Fate {
    if packet.len() < 28 + 12 || ignores_group(ns, to) {
        return cx.drop(packet, DropReason::IcmpIgnored);
    }
    let of_day = timestamp_of(cx.now);
    reply(ns, cx, packet, to, |message| {
        let Some(stamps) = message.get_mut(ICMP_HLEN + 4..ICMP_HLEN + 12) else { return };
        stamps[..4].copy_from_slice(&of_day.to_be_bytes());
        stamps[4..].copy_from_slice(&of_day.to_be_bytes());
        let (head, payload) = message.split_at_mut(ICMP_HLEN);
        let [_, _, _, _, a, b, c, d] = *head else { return };
        head.copy_from_slice(icmp::Header::new(ICMP_TIMESTAMPREPLY, 0, [a, b, c, d], payload).as_bytes());
    })
}

/// Sends a message back to where it came from, changed by `edit`. `icmp_reply`.
fn reply(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet, to: RouteKind, edit: impl FnOnce(&mut [u8])) -> Fate {
    let Ok(ip) = ipv4::view(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let Some((options, compiled)) = echo_options(ns, ip.options) else {
        return cx.drop(packet, DropReason::IcmpIgnored);
    };
    let (src, tos) = (ip.header.src(), ip.header.tos);
    let own = route::specific_destination(ns, to, &packet);
    let oif = ns.l3mdev_master(packet.iif);
    let flow = OutputFlow { dst: src, src: own, oif, tos, mark: packet.mark, ..OutputFlow::default() };
    let Ok(route) = route::route_output(ns, cx.now, &flow) else {
        return cx.drop(packet, DropReason::IcmpNoRoute);
    };
    let spec = IpSpec { tos, options: &options, compiled, ..IpSpec::new(route.src, src, IPPROTO_ICMP) };
    let kind = ip.payload.first().copied();
    let sent = output::send(ns, cx, &route, spec, ip.payload.len(), ("icmp", Some(packet.id)), |payload| {
        payload.copy_from_slice(ip.payload);
        edit(payload);
    });
    if sent.is_ok() && kind.is_some() {
        ns.snmp.icmp_sent(if kind == Some(ICMP_TIMESTAMP) { ICMP_TIMESTAMPREPLY } else { ICMP_ECHOREPLY });
    }
    cx.consume(packet, "icmp")
}

/// An error about a packet of ours: the path MTU is noted, the socket that sent it is told. `icmp_unreach`,
/// `icmp_socket_deliver`.
fn error_received(ns: &mut Namespace, cx: &mut Cx<'_>, packet: &Packet) {
    let Ok(outer) = ipv4::view(packet.data()) else { return };
    let Ok((header, quote)) = split::<icmp::Header>(outer.payload) else { return };
    let Ok(inner) = ipv4::view(quote) else { return };
    let mut info = 0;
    if (header.kind, header.code) == (ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED) {
        info = u32::from(header.mtu());
        // Who sent the packet learns it along its own route, below; what ICMP itself sends belongs to no VRF (icmp_err).
        if inner.header.protocol == IPPROTO_ICMP {
            route::learn_path_mtu(ns, cx.now, inner.header.dst(), IfIndex::NONE, info);
        }
    }
    let report = Report {
        errno: errno_of(header.kind, header.code),
        from: outer.header.src(),
        icmp: (header.kind, header.code),
        info,
        ttl: outer.header.ttl,
        iif: packet.iif,
        from_dev: ns.in_dev(packet),
    };
    raw::error(ns, cx, &report, &inner);
    match inner.header.protocol {
        ipv4::IPPROTO_UDP => udp::error(ns, cx, &report, &inner),
        ipv4::IPPROTO_TCP => tcp::error(ns, cx, &report, &inner),
        ipv4::IPPROTO_IPIP => ipip::error(ns, cx, &report, inner.header),
        _ => {}
    }
}

/// An ICMP error as sockets see it.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// As which errno it shows, and whether it ends a connected socket's call at once (`icmp_err_convert.fatal`).
    pub errno: (Errno, bool),
    /// Who sent it.
    pub from: Ipv4Addr,
    /// Type and code.
    pub icmp: (u8, u8),
    /// MTU.
    pub info: u32,
    /// TTL of the message on arrival.
    pub ttl: u8,
    /// The link through which it came.
    pub iif: IfIndex,
    /// The same as sockets see it.
    pub from_dev: InDev,
}

impl Report {
    /// Remembers the MTU that it tells of the way to `dst`, for those who send through `oif` (`ipv4_update_pmtu`,
    /// `ipv4_sk_update_pmtu`). `oif` says in which VRF: the link that a socket is bound to, or a tunnel uses.
    pub fn learn_path_mtu(&self, ns: &mut Namespace, now: Time, dst: Ipv4Addr, oif: IfIndex) {
        if self.icmp == (ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED) {
            route::learn_path_mtu(ns, now, dst, oif, self.info);
        }
    }
}

/// The errno of an ICMP error, and whether it is final (`icmp_err_convert`).
pub const fn errno_of(kind: u8, code: u8) -> (Errno, bool) {
    match (kind, code) {
        (ICMP_DEST_UNREACH, 0 | 6 | 9 | 11) => (Errno::ENETUNREACH, matches!(code, 6 | 9)),
        (ICMP_DEST_UNREACH, 2) => (Errno::ENOPROTOOPT, true),
        (ICMP_DEST_UNREACH, 3) => (Errno::ECONNREFUSED, true),
        (ICMP_DEST_UNREACH, 4) => (Errno::EMSGSIZE, false),
        (ICMP_DEST_UNREACH, 5) => (Errno::EOPNOTSUPP, false),
        (ICMP_DEST_UNREACH, 7) => (Errno::EHOSTDOWN, true),
        (ICMP_DEST_UNREACH, 10 | 13 | 14 | 15) => (Errno::EHOSTUNREACH, true),
        (ICMP_PARAMETERPROB, _) => (Errno::EPROTONOSUPPORT, true),
        _ => (Errno::EHOSTUNREACH, false),
    }
}
