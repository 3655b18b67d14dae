//! A listener and who calls it (`tcp_conn_request`).

use hopwise_protocols::tcp::{Arrived, Endpoint, Opening};
use hopwise_protocols::wire::ipv4::IPPROTO_TCP;

use super::{Conn, Pair, params, queue};
use crate::cx::Cx;
use crate::l3mdev::InDev;
use crate::namespace::Namespace;
use crate::path::route::{self, OutputFlow};
use crate::path::tcp;
use crate::socket::SocketId;
use crate::sysctl::SysctlKey;

/// A SYN for a listener: it is answered, unless the queues are full. `iss`: the number to begin with, if a connection
/// that is remembered asks for it.
pub(crate) fn syn(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    id: SocketId,
    pair: Pair,
    segment: &Arrived<'_>,
    (iss, from_dev): (Option<u32>, InDev),
) {
    let limit = u32::try_from(ns.sysctl[SysctlKey::TcpMaxSynBacklog]).unwrap_or(0);
    let Some(listener) = queue(ns, id) else { return };
    if listener.is_full() || listener.young >= limit {
        ns.snmp.listen_overflows += 1;
        ns.snmp.listen_drops += 1;
        return;
    }
    let Some(socket) = ns.sockets.get(id) else { return };
    let (opts, reuse) = (socket.opts, socket.reuse);
    // inet_request_bound_dev_if: the connection belongs to the VRF it came from.
    let bound_dev = Some(socket.bound_dev).filter(|dev| dev.is_some()).unwrap_or(ns.l3mdev_master(from_dev.dif));
    let flow = OutputFlow {
        dst: pair.remote.0,
        src: Some(pair.local.0),
        oif: bound_dev,
        tos: opts.tos,
        mark: opts.mark,
        protocol: IPPROTO_TCP,
        ports: (pair.local.1, pair.remote.1),
        ..OutputFlow::default()
    };
    let Ok(route) = route::route_output(ns, cx.now, &flow) else { return };
    let random = Opening { iss: ns.rng.next_u32(), stamp_offset: ns.rng.next_u32(), now: cx.now };
    let opening = Opening { iss: iss.unwrap_or(random.iss), ..random };
    let end = Endpoint::accept(params(ns, &route, &opts), opening, segment);
    let conn = Box::new(Conn {
        end,
        pair,
        socket: None,
        listener: Some(id),
        opts,
        bound_dev,
        reuse,
        ip_id: ns.rng.next_u32() as u16,
        timer_at: None,
        generation: 0,
    });
    if let Some(listener) = queue(ns, id) {
        listener.young += 1;
    }
    let conn_id = ns.sockets.tcp.insert(conn);
    tcp::work(ns, cx, conn_id, |_| ());
}
