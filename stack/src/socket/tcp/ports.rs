//! Ports: who may have which, and which are free. Models `inet_csk_get_port` and `__inet_hash_connect`.

use core::net::Ipv4Addr;

use super::{Addr, Pair, Role};
use hopwise_sim_core::IfIndex;

use crate::error::Errno;
use crate::namespace::Namespace;
use crate::socket::SocketId;

/// Binds a socket to a local address and port; port 0 takes a free one.
///
/// Errors: `EINVAL` if it is bound already, `EADDRNOTAVAIL` if the address is not one of this namespace's, `EADDRINUSE`
/// if the port is taken.
pub(super) fn bind(ns: &mut Namespace, id: SocketId, addr: Ipv4Addr, port: u16) -> Result<u16, Errno> {
    let socket = ns.sockets.get(id).ok_or(Errno::EBADF)?;
    if socket.local.1 != 0 || !matches!(socket.tcp, Role::Idle) {
        return Err(Errno::EINVAL);
    }
    if !addr.is_unspecified() && !ns.is_own_on(socket.bound_dev, addr) && !addr.is_loopback() {
        return Err(Errno::EADDRNOTAVAIL);
    }
    let port = match port {
        0 => free_to_bind(ns, id, addr)?,
        port if is_taken(ns, id, (addr, port)) => return Err(Errno::EADDRINUSE),
        port => port,
    };
    ns.sockets.get_mut(id).ok_or(Errno::EBADF)?.local = (addr, port);
    ns.sockets.tcp.bound.entry(port).or_default().push(id);
    Ok(port)
}

/// Whether a port cannot be had (`inet_csk_bind_conflict`): with `SO_REUSEADDR` on both, only a listener is in the way.
pub(super) fn is_taken(ns: &Namespace, id: SocketId, (addr, port): Addr) -> bool {
    let Some(own) = ns.sockets.get(id) else { return true };
    let (reuse, dev) = (own.reuse, own.bound_dev);
    let overlap = |other: Ipv4Addr| other == addr || other.is_unspecified() || addr.is_unspecified();
    let bound = ns.sockets.tcp.bound.get(&port).into_iter().flatten();
    let by_socket = bound.filter(|other| **other != id).filter_map(|&other| ns.sockets.get(other)).any(|other| {
        let same_link = !dev.is_some() || !other.bound_dev.is_some() || dev == other.bound_dev;
        let shared = reuse && other.reuse && !matches!(other.tcp, Role::Listen(_));
        same_link && overlap(other.local.0) && !shared
    });
    let by_conn = |(_, conn): (_, &super::Conn)| {
        conn.pair.local.1 == port && overlap(conn.pair.local.0) && conn.socket != Some(id) && !(reuse && conn.reuse)
    };
    by_socket || ns.sockets.tcp.iter().any(by_conn)
}

/// A free port for `bind`: odd ones first, which leaves the even ones to those that connect.
fn free_to_bind(ns: &mut Namespace, id: SocketId, addr: Ipv4Addr) -> Result<u16, Errno> {
    let candidates = candidates(ns, 1);
    candidates.into_iter().find(|&port| !is_taken(ns, id, (addr, port))).ok_or(Errno::EADDRINUSE)
}

/// A free port for a connection from `addr` to `remote`: even ones first. A port that was bound is left alone, one that
/// other connections use is fit as long as these go elsewhere.
pub(super) fn free_to_connect(ns: &mut Namespace, addr: Ipv4Addr, remote: Addr, vrf: IfIndex) -> Result<u16, Errno> {
    let candidates = candidates(ns, 0);
    let is_free = |&port: &u16| {
        let table = &ns.sockets.tcp;
        !table.bound.contains_key(&port) && table.find(&Pair { local: (addr, port), remote, vrf }).is_none()
    };
    candidates.into_iter().find(is_free).ok_or(Errno::EADDRNOTAVAIL)
}

/// The ports of `ip_local_port_range` from a random one on, those of the wanted parity first.
fn candidates(ns: &mut Namespace, parity: u32) -> impl Iterator<Item = u16> + use<> {
    let (low, high) = ns.sysctl.local_ports;
    let count = u32::from(high.saturating_sub(low)) + 1;
    let start = ns.rng.below(count);
    let of = move |parity| {
        let all = (0..count).map(move |i| low + ((start + i) % count) as u16);
        all.filter(move |port| u32::from(*port) % 2 == parity)
    };
    of(parity).chain(of(1 - parity))
}
