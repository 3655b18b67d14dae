//! Where a received packet goes. Models `ip_route_input_slow` and `fib_validate_source`.

use core::net::Ipv4Addr;
use core::ops::ControlFlow;

use hopwise_devices::LinkFlags;
use hopwise_protocols::fib::{FibErrno, FibError, FibResult, Flow, RT_SCOPE_HOST, RouteType};
use hopwise_protocols::wire::icmp::{ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP_NET_UNREACH, ICMP_PKT_FILTERED};
use hopwise_protocols::wire::ipv4::{IPPROTO_TCP, IPPROTO_UDP};
use hopwise_protocols::wire::{ipv4, split};
use hopwise_sim_core::{DropReason, Fate, IfIndex, Packet, PacketType, Time};

use crate::conf::ConfKey;
use crate::cx::{Cx, Verdict};
use crate::dev::Dev;
use crate::namespace::Namespace;
use crate::path::{checksum, icmp, options};
use crate::sysctl::SysctlKey;

use super::{InputRoute, RouteKind, no_route, received, select_nexthop, unicast};
use crate::path::memo::InputKey;

/// The decision of [`decide_input`], remembered for the next packet of the same flow.
#[inline]
fn decide_flow(ns: &mut Namespace, now: Time, packet: &Packet, decision: &mut InputRoute) -> Result<(), Refusal> {
    let simple = packet.kind == PacketType::Host
        && !ns.fib.has_custom_rules()
        && ns.sysctl[SysctlKey::FibMultipathHashPolicy] == 0;
    let Some((header, _)) = split::<ipv4::Header>(packet.data()).ok().filter(|_| simple) else {
        *decision = decide_input(ns, now, packet)?;
        return Ok(());
    };
    let (dst, src, tos) = (header.dst(), header.src(), header.tos);
    let key = InputKey { dst, src, iif: packet.iif, mark: packet.mark, tos };
    if let Some(route) = ns.memo.input.get(now, &key) {
        *decision = *route;
        return Ok(());
    }
    *decision = decide_input(ns, now, packet)?;
    let until = ns.pmtu.known_until(now, (dst, decision.route().table));
    ns.memo.input.put(key, *decision, until);
    Ok(())
}

/// Decides where a received packet goes, or ends its life. `ip_route_input_slow`.
///
/// The decision is written where the caller wants it, as the kernel leaves it at the packet: given back by value it would be copied
/// from hand to hand, which costs more than to find it.
#[inline]
pub fn route_input(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet, decision: &mut InputRoute) -> Verdict {
    match decide_flow(ns, cx.now, &packet, decision) {
        Ok(()) => {
            cx.note(&packet, || {
                let dst = split::<ipv4::Header>(packet.data()).map_or(Ipv4Addr::UNSPECIFIED, |(h, _)| h.dst());
                decision.route().detail(ns, dst)
            });
            ControlFlow::Continue(packet)
        }
        Err(refusal) => ControlFlow::Break(refused(ns, cx, packet, refusal)),
    }
}

/// It goes nowhere.
#[cold]
fn refused(ns: &mut Namespace, cx: &mut Cx<'_>, mut packet: Packet, refusal: Refusal) -> Fate {
    checksum::finish(&mut packet);
    // The kernel has a route for these too, one that says no: options are looked at before it does.
    if !matches!(refusal, Refusal::Martian(_)) {
        packet = match options::check(ns, cx, RouteKind::Unicast, packet) {
            ControlFlow::Continue((packet, _)) => packet,
            ControlFlow::Break(fate) => return fate,
        };
    }
    refuse(ns, cx, packet, refusal)
}

/// Why a received packet is not routed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Source or destination cannot be: a martian.
    Martian(DropReason),
    /// No route, or one that refuses; answered with an ICMP error if this host forwards.
    Unreachable(FibErrno),
    /// The packet is for somebody else and forwarding is off.
    NotForwarding,
}

/// The decision of [`route_input`], without carrying it out: what `ip route get ... iif` asks.
pub fn decide_input(ns: &Namespace, now: Time, packet: &Packet) -> Result<InputRoute, Refusal> {
    let martian = |reason| Err(Refusal::Martian(reason));
    let Ok((header, _)) = split::<ipv4::Header>(packet.data()) else {
        return martian(DropReason::PktTooSmall);
    };
    let Some(dev) = ns.devs.get(packet.iif) else { return martian(DropReason::DevReady) };
    let (src, dst) = (header.src(), header.dst());
    if src.is_multicast() || src.is_broadcast() {
        return martian(DropReason::IpInvalidSource);
    }
    // 0.0.0.0 -> 255.255.255.255 is how a host without address asks for one.
    if dst.is_broadcast() || (src.is_unspecified() && dst.is_unspecified()) {
        return broadcast_input(ns, now, packet, dev, src, dst);
    }
    if src.octets()[0] == 0 {
        return martian(DropReason::IpInvalidSource);
    }
    if dst.octets()[0] == 0 {
        return martian(DropReason::IpInvalidDest);
    }
    let is_lo = is_loopback(dev);
    if (dst.is_loopback() || src.is_loopback()) && !is_lo && !ns.conf_or(dev, ConfKey::RouteLocalnet) {
        return martian(if dst.is_loopback() { DropReason::IpLocalnet } else { DropReason::IpInvalidSource });
    }
    if dst.is_multicast() {
        return Ok(InputRoute::Local(received(RouteKind::Multicast, dev, dst, None)));
    }
    if packet.kind == PacketType::Broadcast && ns.conf_or(dev, ConfKey::DropUnicastInL2Multicast) {
        return martian(DropReason::UnicastInL2Multicast);
    }
    let flow = input_flow(packet, header, dst, src);
    match ns.fib_lookup(&flow) {
        Err(why) => Err(unreachable(ns, dev, &why)),
        Ok(found) => match found.kind() {
            RouteType::Local => {
                validate_source(ns, dev, src, &flow, None)?;
                Ok(InputRoute::Local(received(RouteKind::Local, dev, dst, Some(&found))))
            }
            RouteType::Broadcast => {
                validate_source(ns, dev, src, &flow, None)?;
                Ok(InputRoute::Local(received(RouteKind::Broadcast, dev, dst, Some(&found))))
            }
            RouteType::Unicast => forward_route(ns, now, dev, packet, &flow, &found),
            _ => martian(DropReason::IpInvalidDest),
        },
    }
}

/// Whether what comes in through a link was made here: it is `lo`, or the VRF that has the part of it.
fn is_loopback(dev: &Dev) -> bool {
    dev.flags.contains(LinkFlags::LOOPBACK) || dev.kind.vrf().is_some()
}

/// Where a packet from `src` to `dst` that came in through `dev` would go: type and link; `None` if it would be refused.
/// What ARP asks before it answers for somebody else (`ip_route_input_noref`).
pub fn lookup_input(ns: &Namespace, dev: &Dev, dst: Ipv4Addr, src: Ipv4Addr) -> Option<(RouteType, IfIndex)> {
    let flow = Flow { dst, src, iif: dev.index, ..Flow::default() };
    let found = ns.fib_lookup(&flow).ok()?;
    let oif = match found.kind() {
        RouteType::Unicast if dev.inet.conf[ConfKey::Forwarding] != 0 => Some(found.nexthop.dev),
        RouteType::Local | RouteType::Broadcast => None,
        _ => return None,
    };
    validate_source(ns, dev, src, &flow, oif).ok()?;
    Some((found.kind(), found.nexthop.dev))
}

/// A limited broadcast: for this host if the source can be one.
fn broadcast_input(
    ns: &Namespace,
    _now: Time,
    packet: &Packet,
    dev: &Dev,
    src: Ipv4Addr,
    dst: Ipv4Addr,
) -> Result<InputRoute, Refusal> {
    if !src.is_unspecified() {
        let flow = Flow { dst, src, iif: packet.iif, ..Flow::default() };
        validate_source(ns, dev, src, &flow, None)?;
    }
    Ok(InputRoute::Local(received(RouteKind::Broadcast, dev, dst, None)))
}

fn input_flow(packet: &Packet, header: &ipv4::Header, dst: Ipv4Addr, src: Ipv4Addr) -> Flow {
    let mut flow = Flow {
        dst,
        src,
        tos: header.tos,
        mark: packet.mark,
        iif: packet.iif,
        proto: header.protocol,
        ..Flow::default()
    };
    if matches!(header.protocol, IPPROTO_TCP | IPPROTO_UDP) && header.fragment_offset() == 0 {
        let ports = packet.data().get(header.header_len()..).and_then(|p| p.first_chunk::<4>());
        if let Some(&[a, b, c, d]) = ports {
            flow.sport = u16::from_be_bytes([a, b]);
            flow.dport = u16::from_be_bytes([c, d]);
        }
    }
    flow
}

/// The route of a packet for somebody else. `__mkroute_input`.
#[inline]
fn forward_route(
    ns: &Namespace,
    now: Time,
    dev: &Dev,
    packet: &Packet,
    flow: &Flow,
    found: &FibResult<'_>,
) -> Result<InputRoute, Refusal> {
    if dev.inet.conf[ConfKey::Forwarding] == 0 {
        return Err(Refusal::NotForwarding);
    }
    let nexthop = select_nexthop(ns, flow, found, None);
    let local_scope = validate_source(ns, dev, flow.src, flow, Some(nexthop.dev))?;
    let Some(out) = ns.devs.get(nexthop.dev) else {
        return Err(Refusal::Martian(DropReason::InvalidProto));
    };
    let mut route = unicast(ns, now, flow.dst, found, nexthop, out);
    // A better way exists if the packet leaves through the link it came in through, towards somebody whom the sender
    // could reach itself.
    if out.index == dev.index && local_scope && packet.protocol == hopwise_protocols::wire::ethernet::ETH_P_IP {
        let shared = ns.conf_or(dev, ConfKey::SharedMedia);
        let on_link =
            shared || dev.inet.addrs.iter().any(|a| a.covers(flow.src) && a.covers(route.gateway.unwrap_or(flow.dst)));
        route.redirect = on_link && sends_redirects(ns, dev);
    }
    Ok(InputRoute::Forward(route))
}

/// Whether redirects are sent through a link (`IN_DEV_TX_REDIRECTS`).
fn sends_redirects(ns: &Namespace, dev: &Dev) -> bool {
    ns.conf_or(dev, ConfKey::SendRedirects)
}

/// Checks that `src` may be the source of a packet that came in through `dev` (and leaves through `oif`, if it is
/// forwarded). True if the sender is on that very link. `fib_validate_source`.
#[inline]
fn validate_source(
    ns: &Namespace,
    dev: &Dev,
    src: Ipv4Addr,
    flow: &Flow,
    oif: Option<IfIndex>,
) -> Result<bool, Refusal> {
    let rp_filter = ns.conf_max(dev, ConfKey::RpFilter);
    let accept_local = dev.inet.conf[ConfKey::AcceptLocal] != 0 || is_loopback(dev);
    let may_redirect = oif == Some(dev.index);
    // The quick answer while no filter is on: only this host's own addresses are wrong. With rules, which addresses those are depends on
    // who asks.
    if rp_filter == 0 && !may_redirect && (accept_local || !ns.fib.has_custom_rules()) {
        return if !accept_local && ns.is_own(src) {
            Err(Refusal::Martian(DropReason::IpLocalSource))
        } else {
            Ok(false)
        };
    }
    full_check(ns, dev, src, flow, rp_filter, accept_local)
}

/// `__fib_validate_source`: looks up the way back to the source.
#[cold]
fn full_check(
    ns: &Namespace,
    dev: &Dev,
    src: Ipv4Addr,
    flow: &Flow,
    rp_filter: i32,
    accept_local: bool,
) -> Result<bool, Refusal> {
    let refuse = |reason| Err(Refusal::Martian(reason));
    let valid_mark = ns.conf_or(dev, ConfKey::SrcValidMark);
    let back = Flow {
        dst: src,
        src: flow.dst,
        tos: flow.tos,
        mark: if valid_mark { flow.mark } else { 0 },
        iif: IfIndex::LO,
        proto: flow.proto,
        sport: flow.dport,
        dport: flow.sport,
        ..Flow::default()
    };
    let Ok(found) = ns.fib_lookup(&Flow { iif: dev.index, oif: IfIndex::NONE, ..back }) else {
        return if rp_filter == 0 { Ok(false) } else { refuse(DropReason::IpRpFilter) };
    };
    match found.kind() {
        RouteType::Unicast => {}
        RouteType::Local if accept_local => {}
        RouteType::Local => return refuse(DropReason::IpLocalSource),
        _ => return refuse(DropReason::IpInvalidSource),
    }
    let leads_to = |link: IfIndex| link == dev.index || ns.l3mdev_master(link) == dev.index;
    let through_dev = found.route.nexthops.iter().any(|nh| leads_to(nh.dev));
    if through_dev || is_loopback(dev) {
        return Ok(found.nexthop.scope >= RT_SCOPE_HOST || found.nexthop.gateway().is_none());
    }
    if rp_filter == 1 {
        return refuse(DropReason::IpRpFilter);
    }
    Ok(false)
}

fn unreachable(ns: &Namespace, dev: &Dev, why: &FibError<'_>) -> Refusal {
    let _ = ns;
    if dev.inet.conf[ConfKey::Forwarding] == 0 { Refusal::NotForwarding } else { Refusal::Unreachable(why.errno()) }
}

/// Ends the life of a packet that cannot be routed; answers it if this host forwards. `ip_error`,
/// `ip_handle_martian_source`.
#[cold]
fn refuse(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet, refusal: Refusal) -> Fate {
    let nobody = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED, 0);
    let (src, dst, tos) = split::<ipv4::Header>(packet.data()).map_or(nobody, |(h, _)| (h.src(), h.dst(), h.tos));
    match refusal {
        Refusal::Martian(reason) => {
            if matches!(reason, DropReason::IpInvalidSource | DropReason::IpLocalSource | DropReason::IpRpFilter) {
                log_martian(ns, cx, &packet);
            }
            ns.snmp.ip_reverse_path_filter += u64::from(reason == DropReason::IpRpFilter);
            cx.drop(packet, reason)
        }
        Refusal::NotForwarding => {
            ns.snmp.in_addr_errors += 1;
            cx.drop(packet, DropReason::NotForwarding)
        }
        Refusal::Unreachable(errno) => {
            cx.note(&packet, || {
                let l3mdev = ns.l3mdev(packet.iif).map_or(0, |(_, table)| table);
                let (mark, iif) = (packet.mark, packet.iif);
                no_route(ns, &Flow { dst, src, tos, mark, iif, l3mdev, ..Flow::default() })
            });
            let (code, reason) = match errno {
                FibErrno::NetUnreach => (Some(ICMP_NET_UNREACH), DropReason::IpInNoRoutes),
                FibErrno::HostUnreach => (Some(ICMP_HOST_UNREACH), DropReason::RouteUnreachable),
                FibErrno::Access => (Some(ICMP_PKT_FILTERED), DropReason::RouteProhibit),
                FibErrno::Invalid => (None, DropReason::RouteBlackhole),
            };
            ns.snmp.in_no_routes += u64::from(errno == FibErrno::NetUnreach);
            if let Some(code) = code
                && ns.icmp_limits.allow_route_error(cx.now, (src, ns.l3mdev_master(packet.iif)))
            {
                icmp::send_error(ns, cx, &packet, icmp::Error::new(ICMP_DEST_UNREACH, code));
            }
            cx.drop(packet, reason)
        }
    }
}

/// `log_martians` writes what came from where it cannot come from.
fn log_martian(ns: &mut Namespace, cx: &Cx<'_>, packet: &Packet) {
    let Some(dev) = ns.devs.get(packet.iif) else { return };
    if !ns.conf_or(dev, ConfKey::LogMartians) {
        return;
    }
    let Ok((header, _)) = split::<ipv4::Header>(packet.data()) else { return };
    let text = format!("IPv4: martian source {} from {}, on dev {}", header.dst(), header.src(), dev.name);
    ns.log(cx.now, text);
}
