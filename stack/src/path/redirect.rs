//! ICMP redirects: "there is a better way". Models `ip_rt_send_redirect` and `__ip_do_redirect`.

use core::net::Ipv4Addr;

use hopwise_protocols::fib::RouteType;
use hopwise_protocols::wire::icmp::{ICMP_REDIR_HOST, ICMP_REDIRECT};
use hopwise_protocols::wire::{icmp as wire_icmp, ipv4, split};
use hopwise_sim_core::{Duration, Packet};

use crate::conf::ConfKey;
use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::route::{self, OutputFlow, Route};
use crate::path::{icmp, neigh_out};

/// How long a redirect is believed (`ip_rt_gc_timeout`).
const TIMEOUT: Duration = Duration::from_secs(300);

/// Tells the sender of a packet that leaves through the link it came in through to send such packets straight to the
/// next hop.
#[cold]
pub fn send(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, packet: &Packet) {
    let Ok((header, _)) = split::<ipv4::Header>(packet.data()) else { return };
    let (src, dst) = (header.src(), header.dst());
    if !ns.redirect_limits.allow(cx.now, (src, ns.l3mdev_master(route.oif))) {
        return;
    }
    let gateway = route.gateway.unwrap_or(dst);
    let error = icmp::Error { kind: ICMP_REDIRECT, code: ICMP_REDIR_HOST, rest: gateway.octets() };
    icmp::send_error(ns, cx, packet, error);
}

/// A redirect arrived: if it comes from the gateway in use and names a neighbour, it is followed.
pub fn received(ns: &mut Namespace, cx: &mut Cx<'_>, packet: &Packet) {
    let Ok(outer) = ipv4::view(packet.data()) else { return };
    let Ok((header, quote)) = split::<wire_icmp::Header>(outer.payload) else { return };
    let Ok(inner) = ipv4::view(quote) else { return };
    let (old, new, dst) = (outer.header.src(), header.gateway(), inner.header.dst());
    let Some(table) = believes(ns, cx, packet, old, new, dst) else { return };
    // A gateway whose MAC address is not known is asked for it first; the next redirect is followed.
    let link = packet.iif;
    if ns.neigh.get(new, link).and_then(|n| n.lladdr()).is_some() {
        ns.pmtu.learn_gateway(cx.now, (dst, table), new, TIMEOUT);
        ns.memo.forget();
    } else {
        neigh_out::resolve(ns, cx, new, link);
    }
}

/// The conditions of `__ip_do_redirect`. Gives the table of the route that is changed.
fn believes(ns: &Namespace, cx: &Cx<'_>, packet: &Packet, old: Ipv4Addr, new: Ipv4Addr, dst: Ipv4Addr) -> Option<u32> {
    let dev = ns.devs.get(packet.iif)?;
    let forwarding = dev.inet.conf[ConfKey::Forwarding] != 0;
    // IN_DEV_RX_REDIRECTS: a router needs "all" and the link, a host only one of them.
    let accepts =
        if forwarding { ns.conf_and(dev, ConfKey::AcceptRedirects) } else { ns.conf_or(dev, ConfKey::AcceptRedirects) };
    let plain = !new.is_multicast() && !new.is_broadcast() && new.octets()[0] != 0 && new != old;
    if !accepts || !plain {
        return None;
    }
    let on_link = |addr: Ipv4Addr| dev.inet.addrs.iter().any(|a| a.covers(addr));
    if !ns.conf_or(dev, ConfKey::SharedMedia) {
        if !on_link(new) {
            return None;
        }
    } else if ns.fib.addr_type(new, None, hopwise_protocols::fib::RT_TABLE_LOCAL) != RouteType::Unicast {
        return None;
    }
    // Only the gateway that is in use may say so.
    let flow = OutputFlow { dst, oif: ns.l3mdev_master(packet.iif), ..OutputFlow::default() };
    let route = route::route_output(ns, cx.now, &flow).ok()?;
    (route.gateway == Some(old) && route.oif == dev.index).then_some(route.table)
}
