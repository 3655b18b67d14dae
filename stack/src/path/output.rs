//! An IPv4 packet goes out along its route: made here or forwarded, cut to the MTU if need be. Models
//! `__ip_local_out`, `ip_output` and `ip_finish_output`.

use core::net::Ipv4Addr;
use core::ops::ControlFlow;

use hopwise_protocols::wire::options::{self as wire_options, Host, IpOptions};
use hopwise_protocols::wire::{IntoBytes, ipv4, split_mut};
use hopwise_sim_core::{ConnTag, Detail, DropReason, Fate, Packet, PacketId, Time};

use crate::cx::Cx;
use crate::error::Errno;
use crate::namespace::Namespace;
use crate::path::netfilter::{self, At};
use crate::path::route::Route;
use crate::path::{checksum, frag, icmp, neigh_out, options, vrf};
use crate::socket::PmtuDisc;
use crate::sysctl::SysctlKey;

/// What the header of a packet made here says (`struct ipcm_cookie` and the socket's options).
#[derive(Clone, Copy, Debug)]
pub struct IpSpec<'a> {
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
    /// IP protocol number.
    pub protocol: u8,
    /// TOS byte.
    pub tos: u8,
    /// TTL; `None`: the namespace's default.
    pub ttl: Option<u8>,
    /// Fragmentation.
    pub pmtudisc: PmtuDisc,
    /// Options, padded to four bytes, as `IP_OPTIONS` takes them.
    pub options: &'a [u8],
    /// What the options ask for, if they were compiled already: the answer to a packet with options.
    pub compiled: Option<IpOptions>,
    /// Mark.
    pub mark: u32,
    /// IPv4 identification of a connection's packet; `None`: the host's next one.
    pub id: Option<u16>,
    /// The connection it belongs to whatever it looks like (`nf_ct_attach`).
    pub conn: Option<ConnTag>,
    /// Whether a program's socket sends it.
    pub from_socket: bool,
}

impl IpSpec<'_> {
    /// A plain header: TOS 0, default TTL, no options, may be fragmented.
    pub const fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8) -> Self {
        IpSpec {
            src,
            dst,
            protocol,
            tos: 0,
            ttl: None,
            pmtudisc: PmtuDisc::Dont,
            options: &[],
            compiled: None,
            mark: 0,
            id: None,
            conn: None,
            from_socket: false,
        }
    }
}

/// The largest payload an IPv4 packet can have.
const MAX_PAYLOAD: usize = ipv4::IP_MAX_LEN - ipv4::IP_HLEN;

/// Makes an IPv4 packet whose payload of `len` bytes is written by `fill`, and sends it along `route`. `by` and `cause`
/// are for its journey.
///
/// Errors: `EMSGSIZE` if it is too large for any IPv4 packet, or larger than the route's MTU while `pmtudisc` forbids
/// fragments; `EINVAL` for malformed options.
pub fn send(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    route: &Route,
    spec: IpSpec<'_>,
    len: usize,
    by: (&'static str, Option<PacketId>),
    fill: impl FnOnce(&mut [u8]),
) -> Result<Fate, Errno> {
    let header_len = ipv4::IP_HLEN + spec.options.len();
    let total = header_len + len;
    if total > MAX_PAYLOAD + ipv4::IP_HLEN {
        return Err(Errno::EMSGSIZE);
    }
    // ip_sk_use_pmtu: who probes goes by the link's MTU, whatever is known of the path.
    let probing;
    let route = if spec.pmtudisc == PmtuDisc::Probe {
        probing = Route { mtu: ns.devs.get(route.oif).map_or(0, |d| d.mtu), ..*route };
        &probing
    } else {
        route
    };
    if matches!(spec.pmtudisc, PmtuDisc::Do | PmtuDisc::Probe) && total > route.mtu as usize {
        return Err(Errno::EMSGSIZE);
    }
    let built;
    let options: &[u8] = if spec.options.is_empty() {
        &[]
    } else {
        built = build_options(ns, cx.now, &spec)?;
        &built
    };
    let mut packet = cx.pool.alloc(total);
    packet.mark = spec.mark;
    packet.conn = spec.conn;
    packet.from_socket = spec.from_socket;
    // __ip_append_data and tcp_v4_send_check leave it to a link that can, unless the packet is cut.
    packet.offload_mut().partial = spec.from_socket
        && matches!(spec.protocol, ipv4::IPPROTO_UDP | ipv4::IPPROTO_TCP)
        && total <= route.mtu as usize
        && ns.devs.get(route.oif).is_some_and(|dev| dev.kind.tun().is_none());
    let mut header = ipv4::Header::new(spec.src, spec.dst, spec.protocol, len as u16);
    header.tos = spec.tos;
    header.ttl = spec.ttl.unwrap_or_else(|| ns.sysctl[SysctlKey::IpDefaultTtl] as u8);
    // ip_dont_fragment and __ip_make_skb: with "want", only a packet that fits is marked.
    let df = match spec.pmtudisc {
        PmtuDisc::Dont => false,
        PmtuDisc::Want => total <= route.mtu as usize && !route.mtu_locked,
        PmtuDisc::Do | PmtuDisc::Probe => true,
    };
    header.frag_off = (if df { ipv4::IP_DF } else { 0 }).into();
    header.id = match spec.id {
        Some(id) => id.into(),
        None if df && spec.pmtudisc == PmtuDisc::Do => 0.into(),
        None => ns.next_ip_id().into(),
    };
    header.set_options_len(options.len());
    header.seal(options);
    let data = packet.data_mut();
    let (head, payload) = data.split_at_mut(header_len);
    head[..ipv4::IP_HLEN].copy_from_slice(header.as_bytes());
    head[ipv4::IP_HLEN..].copy_from_slice(options);
    fill(payload);
    cx.note(&packet, || Detail::Born { by: by.0, from: by.1 });
    cx.note(&packet, || route.detail(ns, spec.dst));
    ns.snmp.out_requests += 1;
    let packet = match vrf::out(ns, cx, route, packet) {
        ControlFlow::Continue(packet) => packet,
        ControlFlow::Break(Fate::Dropped(_)) => return Err(Errno::EPERM),
        ControlFlow::Break(fate) => return Ok(fate),
    };
    match netfilter::local_out(ns, cx, route, packet) {
        ControlFlow::Continue((packet, None)) => Ok(ip_output(ns, cx, route, packet)),
        ControlFlow::Continue((packet, Some(other))) => Ok(ip_output(ns, cx, &other, packet)),
        ControlFlow::Break(Fate::Dropped(_)) => Err(Errno::EPERM),
        ControlFlow::Break(fate) => Ok(fate),
    }
}

/// Sends a packet that was completed here along `route`: the outer packet of a tunnel. `ip_local_out`.
#[inline]
pub fn local_out(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, packet: Packet) -> Fate {
    ns.snmp.out_requests += 1;
    match vrf::out(ns, cx, route, packet) {
        ControlFlow::Continue(packet) => through_vrf(ns, cx, route, packet),
        ControlFlow::Break(fate) => fate,
    }
}

/// The same for a packet that has passed its VRF already, or was routed by it. `vrf_ip_local_out`.
#[inline]
pub(super) fn through_vrf(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, packet: Packet) -> Fate {
    match netfilter::local_out(ns, cx, route, packet) {
        ControlFlow::Continue((packet, None)) => ip_output(ns, cx, route, packet),
        ControlFlow::Continue((packet, Some(other))) => ip_output(ns, cx, &other, packet),
        ControlFlow::Break(fate) => fate,
    }
}

/// `ip_options_get` and `ip_options_build`. A source route cannot be asked for.
#[cold]
fn build_options(ns: &Namespace, now: Time, spec: &IpSpec<'_>) -> Result<Vec<u8>, Errno> {
    let mut bytes = spec.options.to_vec();
    let compiled = match spec.compiled {
        Some(compiled) => compiled,
        None => {
            let host = Host { arrived: None, is_unicast: &|addr| options::is_unicast(ns, addr) };
            wire_options::compile(&mut bytes, &host).map_err(|_| Errno::EINVAL)?
        }
    };
    if compiled.srr.is_some() {
        return Err(Errno::EOPNOTSUPP);
    }
    wire_options::build(&mut bytes, &compiled, spec.src, options::timestamp(now));
    Ok(bytes)
}

/// Sends a complete IPv4 packet along its route, in fragments if it is too large.
#[inline]
pub fn ip_output(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, packet: Packet) -> Fate {
    match netfilter::hook(ns, cx, At::post_routing(route.oif), packet) {
        ControlFlow::Continue(packet) => finish(ns, cx, route, packet),
        ControlFlow::Break(fate) => fate,
    }
}

/// `ip_finish_output`: what came in fragments leaves in fragments that are no larger.
#[inline]
fn finish(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, packet: Packet) -> Fate {
    if packet.len() > route.mtu as usize || packet.frag_max_size != 0 {
        return fragment(ns, cx, route, packet);
    }
    ns.snmp.out_transmits += 1;
    neigh_out::neigh_out(ns, cx, route, packet)
}

/// `ip_fragment` and `ip_do_fragment`.
#[cold]
fn fragment(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, mut packet: Packet) -> Fate {
    checksum::finish(&mut packet);
    let frag_max = usize::from(packet.frag_max_size);
    let Ok((header, _)) = split_mut::<ipv4::Header>(packet.data_mut()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    let mtu = route.mtu as usize;
    if header.dont_fragment() && (frag_max == 0 || frag_max > mtu) {
        ns.snmp.frag_fails += 1;
        icmp::send_error_on(ns, cx, &packet, icmp::Error::frag_needed(route.mtu), route.oif);
        return cx.drop(packet, DropReason::PktTooBig);
    }
    let mtu = if frag_max == 0 { mtu } else { mtu.min(frag_max) };
    cx.note(&packet, || Detail::Fragmented { mtu: mtu as u32 });
    match frag::split(cx, &packet, mtu) {
        Some(fragments) => {
            ns.snmp.frag_oks += 1;
            let mut fate = Fate::Consumed;
            for fragment in fragments {
                ns.snmp.frag_creates += 1;
                ns.snmp.out_transmits += 1;
                fate = neigh_out::neigh_out(ns, cx, route, fragment);
            }
            cx.consume(packet, "fragmentation");
            fate
        }
        None => {
            ns.snmp.frag_fails += 1;
            cx.drop(packet, DropReason::PktTooBig)
        }
    }
}
