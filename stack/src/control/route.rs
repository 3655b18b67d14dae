//! Routes by hand: RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE. Models `inet_rtm_newroute`, `inet_rtm_delroute` of
//! `net/ipv4/fib_frontend.c` and `inet_rtm_getroute` of `net/ipv4/route.c`.
//!
//! Lists are read from [`Namespace::fib`] itself.

use core::net::Ipv4Addr;

use hopwise_protocols::fib::{
    self, Flow, Insert, Inserted, LinkFacts, Metrics, RT_TABLE_LOCAL, RT_TABLE_MAIN, RTAX_ADVMSS, RTAX_HOPLIMIT,
    RTAX_MTU, RouteError, RouteSpec, RouteType,
};
use hopwise_protocols::wire::ethernet::ETH_P_IP;
use hopwise_protocols::wire::ipv4::IPPROTO_UDP;
use hopwise_sim_core::{IfIndex, NsId, Packet, PacketType, Time};
use ipnet::Ipv4Net;

use crate::cx::Cx;
use crate::dev::DevTable;
use crate::error::{Errno, NlError};
use crate::namespace::Namespace;
use crate::network::Network;
use crate::path::route::{self, InputRoute, OutputFlow, RouteKind};

/// What the routing code asks about links, answered from a namespace's table.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a>(pub &'a DevTable);

impl LinkFacts for Links<'_> {
    fn exists(&self, dev: IfIndex) -> bool {
        self.0.get(dev).is_some()
    }
    fn is_up(&self, dev: IfIndex) -> bool {
        self.0.get(dev).is_some_and(|d| d.is_up())
    }
    fn has_carrier(&self, dev: IfIndex) -> bool {
        self.0.get(dev).is_some_and(|d| d.carrier)
    }
    fn l3mdev_table(&self, dev: IfIndex) -> u32 {
        self.0.l3mdev(dev).map_or(0, |(_, table)| table)
    }
}

impl From<RouteError> for NlError {
    fn from(error: RouteError) -> Self {
        NlError { errno: error.errno(), extack: error.extack().map(Into::into) }
    }
}

/// What `ip route get` asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteQuery {
    /// Destination.
    pub dst: Ipv4Addr,
    /// Source (`from`).
    pub src: Option<Ipv4Addr>,
    /// The link by which the packet came in; [`IfIndex::NONE`]: it is made here.
    pub iif: IfIndex,
    /// The link by which it must leave.
    pub oif: IfIndex,
    /// TOS byte.
    pub tos: u8,
    /// Mark.
    pub mark: u32,
    /// IP protocol; 0: not said.
    pub ipproto: u8,
    /// Source port; 0: not said.
    pub sport: u16,
    /// Destination port; 0: not said.
    pub dport: u16,
    /// Give the matching route instead of the decision (`fibmatch`).
    pub fib_match: bool,
}

impl RouteQuery {
    /// A query for a destination only.
    pub const fn new(dst: Ipv4Addr) -> Self {
        RouteQuery {
            dst,
            src: None,
            iif: IfIndex::NONE,
            oif: IfIndex::NONE,
            tos: 0,
            mark: 0,
            ipproto: 0,
            sport: 0,
            dport: 0,
            fib_match: false,
        }
    }
}

/// The decision for a packet (`rt_fill_info`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteAnswer {
    /// What becomes of the packet.
    pub kind: RouteType,
    /// The link it leaves through; `lo` if it ends here.
    pub oif: IfIndex,
    /// The gateway.
    pub gateway: Option<Ipv4Addr>,
    /// The source address that it gets, if it had none.
    pub prefsrc: Option<Ipv4Addr>,
    /// The table that answered.
    pub table: u32,
    /// What the route prescribes, with a learned path MTU in place of the route's.
    pub metrics: Metrics,
    /// When what was learned for the destination is forgotten.
    pub expires: Option<Time>,
    /// The sender would be told of a better way.
    pub redirect: bool,
    /// The gateway was learned from a redirect.
    pub redirected: bool,
}

/// The answer to a [`RouteQuery`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RouteFound {
    /// The decision.
    Decision(RouteAnswer),
    /// The matching route and its table.
    Route(u32, fib::Route),
}

impl Network {
    /// Puts a route into a table: RTM_NEWROUTE.
    ///
    /// # Errors
    /// The kernel's: see [`RouteError`].
    pub fn route_add(&mut self, ns: NsId, table: u32, mut route: fib::Route, how: Insert) -> Result<Inserted, NlError> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        if let Some(metrics) = &mut route.metrics {
            clip(metrics);
        }
        let done = space.fib.add(table, route, how, &Links(&space.devs))?;
        space.pmtu.flush();
        Ok(done)
    }

    /// Takes the first fitting route out of a table: RTM_DELROUTE.
    ///
    /// # Errors
    /// `ESRCH`, `EINVAL`.
    pub fn route_del(&mut self, ns: NsId, table: u32, spec: &RouteSpec) -> Result<fib::Route, NlError> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        let gone = space.fib.delete(table, spec)?;
        space.pmtu.flush();
        Ok(gone)
    }

    /// Takes all routes out for which `gone(table, route)` is true; gives how many.
    pub fn route_flush(&mut self, ns: NsId, gone: impl FnMut(u32, &fib::Route) -> bool) -> usize {
        self.ns_mut(ns).map_or(0, |space| space.fib.flush(gone))
    }

    /// Forgets what was learned about paths: `ip route flush cache`.
    pub fn route_flush_cache(&mut self, ns: NsId) {
        if let Some(space) = self.ns_mut(ns) {
            space.pmtu.flush();
        }
    }

    /// Which way a packet would take: RTM_GETROUTE.
    ///
    /// # Errors
    /// `ENETUNREACH`, `EHOSTUNREACH`, `EACCES`, `EINVAL` as the routes say; `ENODEV` for a link that is not there.
    pub fn route_get(&mut self, ns: NsId, query: &RouteQuery) -> Result<RouteFound, NlError> {
        let work = |space: &mut Namespace, cx: &mut Cx<'_>| {
            let answer = if query.iif.is_some() { input(space, cx, query)? } else { output(space, cx.now, query)? };
            if query.fib_match {
                return matching(space, query, &answer);
            }
            Ok(RouteFound::Decision(answer))
        };
        self.with(ns, work).unwrap_or(Err(Errno::ENODEV.into()))
    }
}

/// Values that the kernel lowers silently (`ip_metrics_convert`).
fn clip(metrics: &mut Metrics) {
    for (rtax, most) in [(RTAX_MTU, 65535 - 15), (RTAX_ADVMSS, 65535 - 40), (RTAX_HOPLIMIT, 255)] {
        if metrics.get(rtax) > most {
            metrics.set(rtax, most);
        }
    }
}

/// The way of a packet made here.
fn output(space: &Namespace, now: Time, query: &RouteQuery) -> Result<RouteAnswer, NlError> {
    let flow = OutputFlow {
        dst: query.dst,
        src: query.src,
        oif: query.oif,
        tos: query.tos,
        mark: query.mark,
        protocol: query.ipproto,
        ports: (query.sport, query.dport),
        ..OutputFlow::default()
    };
    let decided = route::route_output(space, now, &flow)?;
    let mut answer = answer(space, now, query.dst, &decided);
    answer.prefsrc = query.src.is_none().then_some(decided.src).filter(|src| !src.is_unspecified());
    Ok(answer)
}

/// The way of a packet that came in: the kernel too makes a packet to ask with (`inet_rtm_getroute_build_skb`).
fn input(space: &mut Namespace, cx: &mut Cx<'_>, query: &RouteQuery) -> Result<RouteAnswer, NlError> {
    if space.devs.get(query.iif).is_none() {
        return Err(Errno::ENODEV.into());
    }
    // Nobody joins a group here but that of all hosts.
    if query.dst.is_multicast() && query.dst != Ipv4Addr::new(224, 0, 0, 1) {
        return Err(Errno::EINVAL.into());
    }
    let packet = probe(cx, query);
    let decision = route::decide_input(space, cx.now, &packet);
    cx.pool.consumed(packet);
    match decision {
        Ok(InputRoute::Local(decided)) => {
            let mut answer = answer(space, cx.now, query.dst, &decided);
            answer.oif = space.l3mdev(query.iif).map_or(IfIndex::LO, |(vrf, _)| vrf);
            Ok(answer)
        }
        Ok(InputRoute::Forward(decided)) => {
            let redirect = decided.redirect;
            Ok(RouteAnswer { redirect, ..answer(space, cx.now, query.dst, &decided) })
        }
        Err(route::Refusal::Martian(_)) => Err(Errno::EINVAL.into()),
        Err(route::Refusal::Unreachable(errno)) => Err(route::errno(errno).into()),
        Err(route::Refusal::NotForwarding) => Err(Errno::EHOSTUNREACH.into()),
    }
}

/// An IPv4 header with ports as the query describes it.
fn probe(cx: &mut Cx<'_>, query: &RouteQuery) -> Packet {
    let proto = if query.ipproto == 0 { IPPROTO_UDP } else { query.ipproto };
    let mut bytes = [0u8; 28];
    let src = query.src.unwrap_or(Ipv4Addr::UNSPECIFIED);
    bytes[0] = 0x45;
    bytes[1] = query.tos;
    bytes[3] = 28;
    bytes[8] = 64;
    bytes[9] = proto;
    bytes[12..16].copy_from_slice(&src.octets());
    bytes[16..20].copy_from_slice(&query.dst.octets());
    bytes[20..22].copy_from_slice(&query.sport.to_be_bytes());
    bytes[22..24].copy_from_slice(&query.dport.to_be_bytes());
    let mut packet = cx.pool.alloc_from(&bytes);
    packet.iif = query.iif;
    packet.mark = query.mark;
    packet.kind = PacketType::Host;
    packet.protocol = ETH_P_IP;
    packet
}

/// The answer that a decision makes.
fn answer(space: &Namespace, now: Time, dst: Ipv4Addr, decided: &route::Route) -> RouteAnswer {
    let kind = match decided.kind {
        RouteKind::Unicast => RouteType::Unicast,
        RouteKind::Local => RouteType::Local,
        RouteKind::Broadcast => RouteType::Broadcast,
        RouteKind::Multicast => RouteType::Multicast,
    };
    let route = the_route(space, decided);
    let mut metrics = route.and_then(|r| r.metrics.as_deref().cloned()).unwrap_or_default();
    let learned = (kind == RouteType::Unicast).then(|| space.pmtu.lookup(now, (dst, decided.table))).flatten();
    if let Some(mtu) = learned.and_then(|l| l.mtu) {
        metrics.set(RTAX_MTU, mtu);
        if learned.is_some_and(|l| l.locked) {
            metrics.lock |= 1 << RTAX_MTU;
        }
    }
    RouteAnswer {
        kind,
        oif: decided.oif,
        gateway: decided.gateway,
        prefsrc: None,
        table: if decided.rule == u32::MAX { shared_table(decided.table) } else { answering_table(space, decided) },
        metrics,
        expires: learned.and_then(|l| l.expires),
        redirect: false,
        redirected: learned.is_some_and(|l| l.gateway.is_some()),
    }
}

/// While only the default rules exist, `local` is a part of `main`, which answers for it.
const fn shared_table(table: u32) -> u32 {
    if table == RT_TABLE_LOCAL { RT_TABLE_MAIN } else { table }
}

/// The table that answered; 0 if none was asked, as for groups.
fn answering_table(space: &Namespace, decided: &route::Route) -> u32 {
    if the_route(space, decided).is_some() { decided.table } else { 0 }
}

/// The route that a decision came from.
fn the_route<'a>(space: &'a Namespace, decided: &route::Route) -> Option<&'a fib::Route> {
    let prefix = Ipv4Net::new(decided.prefix.0, decided.prefix.1).ok()?;
    let routes = space.fib.table(decided.table)?.exact(prefix);
    routes.iter().find(|r| r.uses_dev(decided.oif)).or(routes.first())
}

/// The route itself: `RTM_F_FIB_MATCH`.
fn matching(space: &Namespace, query: &RouteQuery, answer: &RouteAnswer) -> Result<RouteFound, NlError> {
    let src = query.src.or(answer.prefsrc).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let flow = Flow {
        dst: query.dst,
        src,
        tos: query.tos,
        mark: query.mark,
        iif: if query.iif.is_some() { query.iif } else { IfIndex::LO },
        oif: query.oif,
        proto: query.ipproto,
        sport: query.sport,
        dport: query.dport,
        ..Flow::default()
    };
    match space.fib_lookup(&flow) {
        Ok(found) => {
            let table = if found.rule.is_none() { shared_table(found.table) } else { found.table };
            Ok(RouteFound::Route(table, found.route.clone()))
        }
        Err(why) => Err(match why {
            fib::FibError::NoRoute => Errno::EHOSTUNREACH,
            refused => route::errno(refused.errno()),
        }
        .into()),
    }
}
