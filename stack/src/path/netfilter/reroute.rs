//! A packet made here was changed at OUTPUT: it may have to go another way. Models `nf_route_table_hook4`,
//! `nf_nat_ipv4_local_fn` and `ip_route_me_harder`.

use core::net::Ipv4Addr;
use core::ops::ControlFlow;

use hopwise_protocols::fib::{RT_TABLE_LOCAL, RouteType};
use hopwise_protocols::wire::{ipv4, split};
use hopwise_sim_core::{DropReason, Fate, Packet};

use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::route::{OutputFlow, Route, route_output};

use super::{At, hook, in_use};

/// What of a packet decides about its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Way {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    tos: u8,
    mark: u32,
}

impl Way {
    fn of(packet: &Packet) -> Option<Way> {
        let (header, _) = split::<ipv4::Header>(packet.data()).ok()?;
        Some(Way { src: header.src(), dst: header.dst(), tos: header.tos, mark: packet.mark })
    }
}

/// Asks at OUTPUT about a packet made here that would go along `route`. Gives it back with another route if it was changed so
/// that it has to be looked for anew. `__ip_local_out`.
#[inline]
pub fn local_out(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    route: &Route,
    packet: Packet,
) -> ControlFlow<Fate, (Packet, Option<Route>)> {
    if in_use(ns) { ask(ns, cx, route, packet) } else { ControlFlow::Continue((packet, None)) }
}

fn ask(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    route: &Route,
    packet: Packet,
) -> ControlFlow<Fate, (Packet, Option<Route>)> {
    let before = Way::of(&packet);
    let packet = hook(ns, cx, At::local_out(route.oif), packet)?;
    let Some(way) = Way::of(&packet).filter(|way| Some(*way) != before) else {
        return ControlFlow::Continue((packet, None));
    };
    // A source that is none of this host's is as good as any; one that cannot be a source is left open.
    let known = matches!(ns.fib.addr_type(way.src, None, RT_TABLE_LOCAL), RouteType::Local | RouteType::Unicast);
    let src = Some(way.src).filter(|_| known);
    let oif = ns.l3mdev_master(route.oif);
    let flow =
        OutputFlow { dst: way.dst, src, any_src: known, oif, tos: way.tos, mark: way.mark, ..OutputFlow::default() };
    match route_output(ns, cx.now, &flow) {
        Ok(route) => {
            cx.note(&packet, || route.detail(ns, way.dst));
            ControlFlow::Continue((packet, Some(route)))
        }
        Err(_) => ControlFlow::Break(cx.drop(packet, DropReason::IpOutNoRoutes)),
    }
}
