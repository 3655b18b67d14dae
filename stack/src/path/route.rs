//! Where a packet goes. Models `ip_route_input_slow`, `ip_route_output_key_hash_rcu`, `fib_validate_source` and
//! `inet_select_addr`.

use core::net::Ipv4Addr;
use core::ops::ControlFlow;

use hopwise_devices::LinkFlags;
use hopwise_protocols::fib::multipath::{self, HashPolicy};
use hopwise_protocols::fib::{
    FibErrno, FibError, FibResult, Flow, NextHop, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_LOCAL,
    RTAX_MTU, RouteType,
};
use hopwise_protocols::wire::icmp::{ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP_NET_UNREACH, ICMP_PKT_FILTERED};
use hopwise_protocols::wire::ipv4::{IPPROTO_TCP, IPPROTO_UDP};
use hopwise_protocols::wire::{ipv4, split};
use hopwise_sim_core::{Detail, DropReason, Errno, Fate, IfIndex, Packet, PacketType, Time};

use crate::conf::ConfKey;
use crate::cx::Cx;
use crate::dev::Dev;
use crate::namespace::Namespace;
use crate::path::icmp;
use crate::sysctl::SysctlKey;

/// What sort of destination a route leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteKind {
    /// To one host, over a gateway or straight.
    Unicast,
    /// To this host.
    Local,
    /// To all on a link.
    Broadcast,
    /// To a group.
    Multicast,
}

/// A decided route (`struct rtable`), small enough to be passed along by value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Sort of destination.
    pub kind: RouteKind,
    /// The link to leave through ([`IfIndex::LO`] for local packets made here, the incoming link for received ones).
    pub oif: IfIndex,
    /// The gateway, if there is one.
    pub gateway: Option<Ipv4Addr>,
    /// Source address for packets that have none yet.
    pub src: Ipv4Addr,
    /// The largest packet, in bytes from the IPv4 header on.
    pub mtu: u32,
    /// Whether the MTU must not be lowered by what is learned.
    pub mtu_locked: bool,
    /// Whether the sender should be told of a better way.
    pub redirect: bool,
    /// Table that answered.
    pub table: u32,
    /// Rule that led to it (`u32::MAX`: only default rules exist).
    pub rule: u32,
    /// Prefix that matched.
    pub prefix: (Ipv4Addr, u8),
}

impl Route {
    /// What the journey tells of it.
    pub fn detail(&self, dst: Ipv4Addr) -> Detail {
        let kind = match self.kind {
            RouteKind::Unicast => "unicast",
            RouteKind::Local => "local",
            RouteKind::Broadcast => "broadcast",
            RouteKind::Multicast => "multicast",
        };
        let (table, rule, prefix) = (self.table, self.rule, self.prefix);
        Detail::Route { dst, table, rule, prefix, kind, via: self.gateway, oif: self.oif }
    }
}

/// Where a received packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InputRoute {
    /// To this host.
    Local(Route),
    /// On, through another link.
    Forward(Route),
}

/// What a locally made packet is routed by (`struct flowi4`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputFlow {
    /// Destination.
    pub dst: Ipv4Addr,
    /// Source, if it is fixed already.
    pub src: Option<Ipv4Addr>,
    /// The link it must leave through.
    pub oif: IfIndex,
    /// TOS byte.
    pub tos: u8,
    /// Mark.
    pub mark: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// Source and destination port.
    pub ports: (u16, u16),
}

impl Default for OutputFlow {
    fn default() -> Self {
        OutputFlow {
            dst: Ipv4Addr::UNSPECIFIED,
            src: None,
            oif: IfIndex::NONE,
            tos: 0,
            mark: 0,
            protocol: 0,
            ports: (0, 0),
        }
    }
}

/// The last few decisions about received packets, so that the packets of a flow are decided once. A decision holds
/// until something is done in the namespace from outside the packet path ([`RouteMemo::forget`]); what the packet path
/// itself changes (learned path MTUs) switches the memo off.
#[derive(Clone, Debug, Default)]
pub struct RouteMemo {
    entries: Vec<(MemoKey, InputRoute)>,
    next: usize,
}

/// How many flows are remembered: an echo and its reply, through two or three pairs of links.
const MEMO: usize = 4;

/// All that a decision depends on while only the default rules exist and flows are not shared by port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct MemoKey {
    dst: Ipv4Addr,
    src: Ipv4Addr,
    iif: IfIndex,
    mark: u32,
    tos: u8,
}

impl RouteMemo {
    /// Forgets everything: the namespace is being changed.
    #[inline]
    pub fn forget(&mut self) {
        self.entries.clear();
    }

    fn get(&self, key: &MemoKey) -> Option<InputRoute> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, route)| *route)
    }

    fn put(&mut self, key: MemoKey, route: InputRoute) {
        if self.entries.len() < MEMO {
            self.entries.push((key, route));
        } else {
            self.entries[self.next % MEMO] = (key, route);
        }
        self.next = (self.next + 1) % MEMO;
    }
}

/// The decision of [`decide_input`], remembered for the next packet of the same flow.
#[inline]
fn decide_flow(ns: &mut Namespace, now: Time, packet: &Packet) -> Result<InputRoute, Refusal> {
    let simple = packet.kind == PacketType::Host
        && ns.pmtu.is_empty()
        && !ns.fib.has_custom_rules()
        && ns.sysctl[SysctlKey::FibMultipathHashPolicy] == 0;
    let Some((header, _)) = split::<ipv4::Header>(packet.data()).ok().filter(|_| simple) else {
        return decide_input(ns, now, packet);
    };
    let (dst, src, tos) = (header.dst(), header.src(), header.tos);
    let key = MemoKey { dst, src, iif: packet.iif, mark: packet.mark, tos };
    if let Some(route) = ns.memo.get(&key) {
        return Ok(route);
    }
    let route = decide_input(ns, now, packet)?;
    ns.memo.put(key, route);
    Ok(route)
}

/// Decides where a received packet goes, or ends its life. `ip_route_input_slow`.
#[inline]
pub fn route_input(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> ControlFlow<Fate, (Packet, InputRoute)> {
    let decision = decide_flow(ns, cx.now, &packet);
    match decision {
        Ok(route) => {
            cx.note(&packet, || {
                let dst = split::<ipv4::Header>(packet.data()).map_or(Ipv4Addr::UNSPECIFIED, |(h, _)| h.dst());
                let (InputRoute::Local(r) | InputRoute::Forward(r)) = route;
                r.detail(dst)
            });
            ControlFlow::Continue((packet, route))
        }
        Err(refusal) => ControlFlow::Break(refuse(ns, cx, packet, refusal)),
    }
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
    let is_lo = dev.flags.contains(LinkFlags::LOOPBACK);
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
    match ns.fib.lookup(&flow) {
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

/// Where a packet from `src` to `dst` that came in through `dev` would go: type and link; `None` if it would be refused.
/// What ARP asks before it answers for somebody else (`ip_route_input_noref`).
pub fn lookup_input(ns: &Namespace, dev: &Dev, dst: Ipv4Addr, src: Ipv4Addr) -> Option<(RouteType, IfIndex)> {
    let flow = Flow { dst, src, iif: dev.index, ..Flow::default() };
    let found = ns.fib.lookup(&flow).ok()?;
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

/// The route of a packet that ends here.
fn received(kind: RouteKind, dev: &Dev, dst: Ipv4Addr, found: Option<&FibResult<'_>>) -> Route {
    Route {
        kind,
        oif: dev.index,
        gateway: None,
        src: dst,
        mtu: dev.mtu,
        mtu_locked: false,
        redirect: false,
        table: found.map_or(RT_TABLE_LOCAL, |f| f.table),
        rule: found.and_then(|f| f.rule).unwrap_or(u32::MAX),
        prefix: found.map_or((dst, 32), |f| (f.prefix().addr(), f.prefix().prefix_len())),
    }
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

/// The next hop of a route, chosen by the flow's hash if there are several. `fib_select_path`.
#[inline]
fn select_nexthop<'a>(ns: &Namespace, flow: &Flow, found: &FibResult<'a>, preferred: Option<Ipv4Addr>) -> &'a NextHop {
    if found.route.nexthops.len() < 2 {
        return found.nexthop;
    }
    let policy =
        if ns.sysctl[SysctlKey::FibMultipathHashPolicy] == 1 { HashPolicy::Layer4 } else { HashPolicy::Layer3 };
    let hash = multipath::hash(flow, policy, ns.hash_seed);
    let own = |nh: &NextHop| {
        preferred.is_some_and(|src| ns.devs.get(nh.dev).is_some_and(|d| d.inet.addrs.iter().any(|a| a.local == src)))
    };
    multipath::select(found.route, hash, own).unwrap_or(found.nexthop)
}

/// Puts a unicast route together: MTU of the route, the link, or what was learned for the destination.
#[inline]
fn unicast(ns: &Namespace, now: Time, dst: Ipv4Addr, found: &FibResult<'_>, nexthop: &NextHop, out: &Dev) -> Route {
    let route = found.route;
    let fixed = if route.metrics.is_some() { route.rtax(RTAX_MTU) } else { 0 };
    let locked = fixed != 0 && route.metrics.as_ref().is_some_and(|m| m.is_locked(RTAX_MTU));
    let mut mtu = if fixed != 0 { fixed.min(ipv4::IP_MAX_LEN as u32) } else { out.mtu };
    let mut gateway = nexthop.via;
    if !ns.pmtu.is_empty()
        && let Some(learned) = ns.pmtu.lookup(now, dst)
    {
        if !locked && let Some(pmtu) = learned.mtu {
            mtu = mtu.min(pmtu);
        }
        gateway = learned.gateway.or(gateway);
    }
    Route {
        kind: RouteKind::Unicast,
        oif: out.index,
        gateway,
        src: Ipv4Addr::UNSPECIFIED,
        mtu,
        mtu_locked: locked,
        redirect: false,
        table: found.table,
        rule: found.rule.unwrap_or(u32::MAX),
        prefix: (route.dst.addr(), route.dst.prefix_len()),
    }
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
    let accept_local = dev.inet.conf[ConfKey::AcceptLocal] != 0 || dev.flags.contains(LinkFlags::LOOPBACK);
    let may_redirect = oif == Some(dev.index);
    // The quick answer while no filter is on: only this host's own addresses are wrong.
    if rp_filter == 0 && !may_redirect {
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
    let Ok(found) = ns.fib.lookup(&Flow { iif: dev.index, oif: IfIndex::NONE, ..back }) else {
        return if rp_filter == 0 { Ok(false) } else { refuse(DropReason::IpRpFilter) };
    };
    match found.kind() {
        RouteType::Unicast => {}
        RouteType::Local if accept_local => {}
        RouteType::Local => return refuse(DropReason::IpLocalSource),
        _ => return refuse(DropReason::IpInvalidSource),
    }
    let through_dev = found.route.nexthops.iter().any(|nh| nh.dev == dev.index);
    if through_dev || dev.flags.contains(LinkFlags::LOOPBACK) {
        return Ok(found.nexthop.scope >= RT_SCOPE_HOST || found.nexthop.via.is_none());
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
    let dst = split::<ipv4::Header>(packet.data()).map_or(Ipv4Addr::UNSPECIFIED, |(h, _)| h.dst());
    match refusal {
        Refusal::Martian(reason) => {
            if matches!(reason, DropReason::IpInvalidSource | DropReason::IpLocalSource | DropReason::IpRpFilter) {
                log_martian(ns, cx, &packet);
            }
            cx.drop(packet, reason)
        }
        Refusal::NotForwarding => {
            ns.snmp.in_addr_errors += 1;
            cx.drop(packet, DropReason::NotForwarding)
        }
        Refusal::Unreachable(errno) => {
            cx.note(&packet, || Detail::NoRoute { dst });
            let (code, reason) = match errno {
                FibErrno::NetUnreach => (Some(ICMP_NET_UNREACH), DropReason::IpInNoRoutes),
                FibErrno::HostUnreach => (Some(ICMP_HOST_UNREACH), DropReason::RouteUnreachable),
                FibErrno::Access => (Some(ICMP_PKT_FILTERED), DropReason::RouteProhibit),
                FibErrno::Invalid => (None, DropReason::RouteBlackhole),
            };
            ns.snmp.in_no_routes += u64::from(errno == FibErrno::NetUnreach);
            if let Some(code) = code {
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

/// Decides where a packet made here goes, and with which source address. `ip_route_output_key_hash_rcu`.
///
/// Errors: `EINVAL` for sources and destinations that cannot be, `ENETUNREACH` without a route, `EHOSTUNREACH`,
/// `EACCES`, `EINVAL` by the routes that refuse, `ENODEV`, `ENETDOWN`.
pub fn route_output(ns: &Namespace, now: Time, flow: &OutputFlow) -> Result<Route, Errno> {
    if let Some(src) = flow.src
        && (src.is_multicast() || src.is_broadcast() || src.octets()[0] == 0)
    {
        return Err(Errno::EINVAL);
    }
    if let Some(src) = flow.src
        && !flow.oif.is_some()
        && !ns.is_own(src)
        && ns.fib.addr_type(src, None, RT_TABLE_LOCAL) != RouteType::Local
    {
        return Err(Errno::EINVAL);
    }
    if flow.oif.is_some() {
        let dev = ns.devs.get(flow.oif).ok_or(Errno::ENODEV)?;
        if !dev.is_up() {
            return Err(Errno::ENETUNREACH);
        }
        if flow.dst.is_multicast() || flow.dst.is_broadcast() {
            return Ok(group_route(ns, flow, dev));
        }
    }
    // 0.0.0.0 means this host itself.
    let dst = match (flow.dst.is_unspecified(), flow.src) {
        (true, Some(src)) => src,
        (true, None) => Ipv4Addr::LOCALHOST,
        (false, _) => flow.dst,
    };
    let query = Flow {
        dst,
        src: flow.src.unwrap_or(Ipv4Addr::UNSPECIFIED),
        tos: flow.tos,
        mark: flow.mark,
        oif: flow.oif,
        proto: flow.protocol,
        sport: flow.ports.0,
        dport: flow.ports.1,
        ..Flow::default()
    };
    match ns.fib.lookup(&query) {
        Ok(found) => output_route(ns, now, flow, dst, &query, &found),
        // Nobody said how, but which link is known: the destination is taken to be on it.
        Err(why) if flow.oif.is_some() && why.errno() == FibErrno::NetUnreach => {
            let dev = ns.devs.get(flow.oif).ok_or(Errno::ENODEV)?;
            let src = flow.src.or_else(|| select_addr(ns, Some(dev), Ipv4Addr::UNSPECIFIED, RT_SCOPE_LINK));
            Ok(Route { src: src.unwrap_or(Ipv4Addr::UNSPECIFIED), ..on_link(RouteKind::Unicast, dev, dst) })
        }
        Err(why) => Err(errno(why.errno())),
    }
}

/// The error number of a failed lookup.
pub const fn errno(why: FibErrno) -> Errno {
    match why {
        FibErrno::NetUnreach => Errno::ENETUNREACH,
        FibErrno::HostUnreach => Errno::EHOSTUNREACH,
        FibErrno::Access => Errno::EACCES,
        FibErrno::Invalid => Errno::EINVAL,
    }
}

fn output_route(
    ns: &Namespace,
    now: Time,
    flow: &OutputFlow,
    dst: Ipv4Addr,
    query: &Flow,
    found: &FibResult<'_>,
) -> Result<Route, Errno> {
    if found.kind() == RouteType::Local {
        let src = flow.src.or(found.route.prefsrc).unwrap_or(dst);
        let lo = ns.devs.get(IfIndex::LO).ok_or(Errno::ENODEV)?;
        let base = received(RouteKind::Local, lo, dst, Some(found));
        return Ok(Route { src, ..base });
    }
    let nexthop = select_nexthop(ns, query, found, flow.src);
    let out = ns.devs.get(nexthop.dev).ok_or(Errno::ENODEV)?;
    let src = flow.src.unwrap_or_else(|| source_for(ns, found, nexthop, out, dst));
    let kind = match found.kind() {
        RouteType::Broadcast => RouteKind::Broadcast,
        RouteType::Multicast => RouteKind::Multicast,
        _ if dst.is_multicast() => RouteKind::Multicast,
        _ if dst.is_broadcast() => RouteKind::Broadcast,
        _ => RouteKind::Unicast,
    };
    Ok(Route { kind, src, ..unicast(ns, now, dst, found, nexthop, out) })
}

/// The source address that a route implies (`fib_result_prefsrc`, `fib_info_update_nhc_saddr`).
fn source_for(ns: &Namespace, found: &FibResult<'_>, nexthop: &NextHop, out: &Dev, dst: Ipv4Addr) -> Ipv4Addr {
    if let Some(src) = found.route.prefsrc {
        return src;
    }
    let towards = nexthop.via.unwrap_or(dst);
    let scope =
        if found.route.scope == RT_SCOPE_LINK || nexthop.via.is_none() { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE };
    select_addr(ns, Some(out), towards, scope).unwrap_or(Ipv4Addr::UNSPECIFIED)
}

fn group_route(ns: &Namespace, flow: &OutputFlow, dev: &Dev) -> Route {
    let kind = if flow.dst.is_multicast() { RouteKind::Multicast } else { RouteKind::Broadcast };
    let src = flow.src.or_else(|| select_addr(ns, Some(dev), flow.dst, RT_SCOPE_LINK));
    Route { src: src.unwrap_or(Ipv4Addr::UNSPECIFIED), ..on_link(kind, dev, flow.dst) }
}

/// A route without a table: straight onto a link.
fn on_link(kind: RouteKind, dev: &Dev, dst: Ipv4Addr) -> Route {
    Route { kind, ..received(kind, dev, dst, None) }
}

/// An address of this host to speak from: of `dev` if it has a fitting one, else of any link. `inet_select_addr`.
///
/// `towards`: an address in whose subnet ours should be; `scope`: how near (numerically at most) it may be.
pub fn select_addr(ns: &Namespace, dev: Option<&Dev>, towards: Ipv4Addr, scope: u8) -> Option<Ipv4Addr> {
    if let Some(dev) = dev {
        let usable = || dev.inet.addrs.iter().filter(|a| !a.secondary && a.scope.min(RT_SCOPE_HOST) <= scope);
        let near = usable().find(|a| towards.is_unspecified() || a.covers(towards));
        if let Some(addr) = near.or_else(|| usable().next()) {
            return Some(addr.local);
        }
    }
    // No address on that link: any address of this host that may be shown outside.
    ns.devs
        .iter()
        .filter(|d| dev.is_none_or(|own| d.index != own.index))
        .flat_map(|d| d.inet.addrs.iter())
        .find(|a| !a.secondary && a.scope != RT_SCOPE_LINK && a.scope <= scope)
        .map(|a| a.local)
}

/// Whether an address is the broadcast address of one of this host's subnets.
pub fn is_broadcast(ns: &Namespace, addr: Ipv4Addr) -> bool {
    ns.fib.addr_type(addr, None, RT_TABLE_LOCAL) == RouteType::Broadcast
}

/// The address that answers a packet sent to a group: the one of the link it came in through (`fib_compute_spec_dst`).
pub fn specific_destination(ns: &Namespace, packet: &Packet) -> Option<Ipv4Addr> {
    let dev = ns.devs.get(packet.iif)?;
    let src = split::<ipv4::Header>(packet.data()).map(|(h, _)| h.src()).ok()?;
    select_addr(ns, Some(dev), src, RT_SCOPE_LINK)
}

/// Remembers the MTU that an ICMP error told for a destination. `__ip_rt_update_pmtu`.
pub fn learn_path_mtu(ns: &mut Namespace, now: Time, dst: Ipv4Addr, mtu: u32) {
    let Ok(route) = route_output(ns, now, &OutputFlow { dst, ..OutputFlow::default() }) else { return };
    if route.mtu_locked || route.kind != RouteKind::Unicast {
        return;
    }
    let (min, expires) = (ns.sysctl[SysctlKey::MinPmtu], ns.sysctl[SysctlKey::MtuExpires]);
    ns.pmtu.learn_mtu(now, dst, mtu, route.mtu, min as u32, core::time::Duration::from_secs(expires.unsigned_abs()));
}
