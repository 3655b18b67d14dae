//! The options of a received header: checked and filled in on arrival, filled in again on the way out. Models
//! `ip_rcv_options` and the users of `ip_options_echo`.

use core::net::Ipv4Addr;
use core::ops::ControlFlow;

use hopwise_protocols::fib::{RT_TABLE_LOCAL, RouteType};
use hopwise_protocols::wire::icmp::ICMP_PARAMETERPROB;
use hopwise_protocols::wire::options::{self, Host, IpOptions, Refused};
use hopwise_protocols::wire::{ipv4, split, split_mut};
use hopwise_sim_core::{DropReason, Fate, Packet, Time};

use crate::conf::ConfKey;
use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::icmp;
use crate::path::route::{self, Route, RouteKind};

/// The first byte of almost every packet: IPv4 without options.
const PLAIN: u8 = 0x45;

/// The time as options and ICMP tell it: milliseconds since midnight UTC. `inet_current_timestamp`.
pub fn timestamp(now: Time) -> u32 {
    (now.unix_nanos() / 1_000_000 % 86_400_000) as u32
}

/// Whether an address is a single other host's, as far as addresses tell. `inet_addr_type`.
pub fn is_unicast(ns: &Namespace, addr: Ipv4Addr) -> bool {
    ns.fib.addr_type(addr, None, RT_TABLE_LOCAL) == RouteType::Unicast
}

/// What the options of a packet ask for, if it has any: see `rcv`.
#[inline]
pub fn check(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    kind: RouteKind,
    packet: Packet,
) -> ControlFlow<Fate, (Packet, Option<IpOptions>)> {
    if packet.data().first() == Some(&PLAIN) {
        return ControlFlow::Continue((packet, None));
    }
    rcv(ns, cx, kind, packet)
}

/// Checks the options of a packet that goes to a destination of this kind ([`RouteKind::Unicast`]: somebody else, even if
/// there is no way there), and takes the slots that are this host's.
#[cold]
fn rcv(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    kind: RouteKind,
    mut packet: Packet,
) -> ControlFlow<Fate, (Packet, Option<IpOptions>)> {
    let compiled = compile(ns, cx.now, kind, &mut packet);
    match compiled {
        Err(refused) => ControlFlow::Break(parameter_problem(ns, cx, packet, refused)),
        Ok(compiled) if compiled.srr.is_some() => ControlFlow::Break(source_route(ns, cx, packet)),
        Ok(compiled) => ControlFlow::Continue((packet, Some(compiled))),
    }
}

/// `ip_options_compile`.
fn compile(ns: &Namespace, now: Time, kind: RouteKind, packet: &mut Packet) -> Result<IpOptions, Refused> {
    let own = route::specific_destination(ns, kind, packet);
    let is_unicast = |addr| is_unicast(ns, addr);
    let host = Host { arrived: Some((own.unwrap_or(Ipv4Addr::UNSPECIFIED), timestamp(now))), is_unicast: &is_unicast };
    options::compile(options_mut(packet), &host)
}

/// The bytes between the fixed header and the payload.
fn options_mut(packet: &mut Packet) -> &mut [u8] {
    match split_mut::<ipv4::Header>(packet.data_mut()) {
        Ok((header, rest)) => {
            let len = header.header_len().saturating_sub(ipv4::IP_HLEN).min(rest.len());
            &mut rest[..len]
        }
        Err(_) => &mut [],
    }
}

/// Malformed options: the sender is told where. Only what comes before goes into the options of that message.
fn parameter_problem(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet, refused: Refused) -> Fate {
    let error = icmp::Error { kind: ICMP_PARAMETERPROB, code: 0, rest: [refused.pointer, 0, 0, 0] };
    let sound = ipv4::view(packet.data()).ok().and_then(|ip| ip.options.get(..refused.option)).unwrap_or(&[]).to_vec();
    let vrf = ns.l3mdev_master(packet.iif);
    icmp::send_error_with(ns, cx, &packet, error, (&sound, vrf));
    ns.snmp.in_hdr_errors += 1;
    cx.drop(packet, DropReason::IpInHdr)
}

/// A source route is followed by nobody who does not say so with `accept_source_route`, for all links and this one; and
/// not here in any case: it is a way around every filter, and has been off everywhere for decades.
fn source_route(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> Fate {
    if let Some(dev) = ns.devs.get(packet.iif)
        && !ns.conf_and(dev, ConfKey::AcceptSourceRoute)
        && ns.conf_or(dev, ConfKey::LogMartians)
        && let Ok((header, _)) = split::<ipv4::Header>(packet.data())
    {
        let text = format!("source route option {} -> {}", header.src(), header.dst());
        ns.log(cx.now, text);
    }
    cx.drop(packet, DropReason::NotSpecified)
}

/// The options of a packet that is sent on: this host's slot of a record route shows the address on the way out.
/// `ip_forward_options`.
#[cold]
pub fn forward(ns: &Namespace, route: &Route, compiled: &IpOptions, packet: &mut Packet) {
    if compiled.rr_needaddr {
        let out = route::forwarding_source(ns, route, packet).unwrap_or(Ipv4Addr::UNSPECIFIED);
        options::forward(options_mut(packet), compiled, out);
    }
    if compiled.is_changed
        && let Ok((header, rest)) = split_mut::<ipv4::Header>(packet.data_mut())
    {
        let len = header.header_len().saturating_sub(ipv4::IP_HLEN);
        header.seal(rest.get(..len).unwrap_or_default());
    }
}
