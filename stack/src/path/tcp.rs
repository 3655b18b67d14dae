//! TCP segments for this host: to their connection, to a listener, or answered with a reset; and those that leave.
//! Models `tcp_v4_rcv`, `tcp_v4_err` and `ip_queue_xmit`.

use hopwise_protocols::tcp::{Arrived, Outgoing, Reaction, State, reset_for};
use hopwise_protocols::wire::ipv4::{IPPROTO_TCP, Ipv4};
use hopwise_protocols::wire::tcp::{self, Flags, Header, Options, TCP_HLEN};
use hopwise_protocols::wire::{IntoBytes, Malformed, ipv4};
use hopwise_sim_core::{DropReason, Errno, Fate, IfIndex, Packet, Time};

use crate::cx::{Cx, TimerKind};
use crate::l3mdev::InDev;
use crate::namespace::Namespace;
use crate::path::icmp::Report;
use crate::path::output::{self, IpSpec};
use crate::path::route::{self, OutputFlow, Route, RouteKind};
use crate::socket::tcp::{Conn, ConnId, Pair, listener, queue, syn};
use crate::socket::{PmtuDisc, SockOpts};

/// Takes a segment that is for this host.
pub fn rcv(ns: &mut Namespace, cx: &mut Cx<'_>, route: &Route, packet: Packet) -> Fate {
    let Ok(ip) = ipv4::view(packet.data()) else {
        return cx.drop(packet, DropReason::PktTooSmall);
    };
    if route.kind != RouteKind::Local {
        return cx.drop(packet, DropReason::NoSocket);
    }
    ns.snmp.tcp_in_segs += 1;
    let (src, dst) = (ip.header.src(), ip.header.dst());
    let view = match tcp::parse(ip.payload, src, dst) {
        Ok(view) => view,
        Err(why) => {
            ns.snmp.tcp_in_errs += 1;
            ns.snmp.tcp_in_csum_errors += u64::from(why == Malformed::Checksum);
            let reason = if why == Malformed::Checksum { DropReason::TcpCsum } else { DropReason::PktTooSmall };
            return cx.drop(packet, reason);
        }
    };
    let header = view.header;
    let vrf = ns.l3mdev_master(packet.iif);
    let pair = Pair { local: (dst, header.dest.get()), remote: (src, header.source.get()), vrf };
    let segment = Arrived {
        seq: header.seq.get(),
        ack: header.ack.get(),
        flags: header.flags(),
        window: header.window.get(),
        options: Options::parse(view.options),
        payload: view.payload,
    };
    if dispatch(ns, cx, pair, &segment, ns.in_dev(&packet)) {
        cx.deliver(packet, "tcp")
    } else {
        cx.drop(packet, DropReason::NoSocket)
    }
}

/// Gives a segment to whom it is for; false if nobody wants it.
fn dispatch(ns: &mut Namespace, cx: &mut Cx<'_>, pair: Pair, segment: &Arrived<'_>, from_dev: InDev) -> bool {
    let mut iss = None;
    if let Some(id) = ns.sockets.tcp.find(&pair) {
        if overflows(ns, id, segment) {
            ns.snmp.listen_overflows += 1;
            ns.snmp.listen_drops += 1;
            return false;
        }
        let now = cx.now;
        match work(ns, cx, id, |conn| conn.end.on_segment(now, segment)) {
            Some(Reaction::Reopen(number)) if listener(ns, pair.local, from_dev).is_some() => {
                work(ns, cx, id, |conn| conn.end.forget());
                iss = Some(number);
            }
            _ => return true,
        }
    }
    let flags = segment.flags & (Flags::SYN | Flags::ACK | Flags::RST | Flags::FIN);
    if let Some(id) = listener(ns, pair.local, from_dev) {
        if flags.contains(Flags::RST) {
            return false;
        }
        if !flags.contains(Flags::ACK) {
            if flags == Flags::SYN {
                syn(ns, cx, id, pair, segment, (iss, from_dev));
            }
            return flags == Flags::SYN;
        }
    }
    if let Some(reset) = reset_for(segment) {
        ns.snmp.tcp_out_rsts += 1;
        ns.snmp.tcp_out_segs += 1;
        let opts = SockOpts::default();
        if let Some(route) = way(ns, cx, pair, &opts, ns.l3mdev_master(from_dev.dif)) {
            send(ns, cx, route, (pair, &opts), &reset, None, |_| ());
        }
    }
    false
}

/// The last part of a handshake while the listener's queue is full: it is as if it had been lost
/// (`tcp_v4_syn_recv_sock`).
fn overflows(ns: &mut Namespace, id: ConnId, segment: &Arrived<'_>) -> bool {
    let Some(conn) = ns.sockets.tcp.get(id).filter(|conn| conn.end.is_embryo()) else { return false };
    let completes = segment.flags & (Flags::SYN | Flags::ACK | Flags::RST) == Flags::ACK;
    completes && conn.listener.and_then(|id| queue(ns, id)).is_some_and(|listener| listener.is_full())
}

/// Does something with a connection, and then what follows from it: segments are sent, timers set, owners woken, a
/// connection that is over is forgotten.
pub fn work<R>(ns: &mut Namespace, cx: &mut Cx<'_>, id: ConnId, work: impl FnOnce(&mut Conn) -> R) -> Option<R> {
    let mut conn = ns.sockets.tcp.take(id)?;
    let was_embryo = conn.end.is_embryo();
    let result = work(&mut conn);
    flush(ns, cx, &mut conn);
    count(ns, &mut conn);
    if was_embryo && !conn.end.is_embryo() {
        joins_queue(ns, cx, id, &mut conn);
    }
    if conn.end.take_changed()
        && let Some(socket) = conn.socket.and_then(|id| ns.sockets.get(id))
    {
        cx.wakeups.push(socket.owner);
    }
    if conn.end.state() == State::Close {
        ns.sockets.tcp.unhash(id, &conn.pair);
        if conn.socket.is_none() && conn.listener.is_none() {
            ns.sockets.tcp.release(id);
            return Some(result);
        }
    }
    arm(cx, id, &mut conn);
    ns.sockets.tcp.put(id, conn);
    Some(result)
}

/// A handshake came to its end: the connection waits to be accepted, or is none.
fn joins_queue(ns: &mut Namespace, cx: &mut Cx<'_>, id: ConnId, conn: &mut Conn) {
    let Some(listener_id) = conn.listener else { return };
    let Some(listener) = queue(ns, listener_id) else { return };
    listener.young = listener.young.saturating_sub(1);
    if conn.end.state() == State::Close {
        conn.listener = None;
        return;
    }
    listener.waiting.push_back(id);
    ns.snmp.tcp_passive_opens += 1;
    if let Some(socket) = ns.sockets.get(listener_id) {
        cx.wakeups.push(socket.owner);
    }
}

/// Sends what the connection has to send.
fn flush(ns: &mut Namespace, cx: &mut Cx<'_>, conn: &mut Conn) {
    let mut route = None;
    while let Some(segment) = conn.end.poll() {
        ns.snmp.tcp_out_segs += 1;
        let way = route.get_or_insert_with(|| way(ns, cx, conn.pair, &conn.opts, conn.bound_dev));
        let Some(route) = *way else { continue };
        let id = segment.full_socket.then_some(conn.ip_id);
        conn.ip_id = conn.ip_id.wrapping_add(u16::from(segment.full_socket));
        let end = &conn.end;
        send(ns, cx, route, (conn.pair, &conn.opts), &segment, id, |data| end.copy_payload(&segment, data));
        // tcp_current_mss: the way may have become narrower.
        conn.end.path_mtu(cx.now, route.mtu);
    }
}

fn way(ns: &Namespace, cx: &Cx<'_>, pair: Pair, opts: &SockOpts, oif: IfIndex) -> Option<Route> {
    let flow = OutputFlow {
        dst: pair.remote.0,
        src: Some(pair.local.0),
        oif,
        tos: opts.tos,
        mark: opts.mark,
        protocol: IPPROTO_TCP,
        ports: (pair.local.1, pair.remote.1),
        ..OutputFlow::default()
    };
    route::route_output(ns, cx.now, &flow).ok()
}

/// Sends a segment. `id`: the IPv4 identification; segments that no open connection sends have none
/// (`tcp_sk_init`: resets and what `TIME_WAIT` says carry DF and 0).
fn send(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    route: Route,
    (pair, opts): (Pair, &SockOpts),
    segment: &Outgoing,
    id: Option<u16>,
    payload: impl FnOnce(&mut [u8]),
) {
    let options = segment.options.build();
    let options = options.as_slice();
    let header_len = TCP_HLEN + options.len();
    let header = Header {
        source: pair.local.1.into(),
        dest: pair.remote.1.into(),
        seq: segment.seq.into(),
        ack: segment.ack.into(),
        offset: (header_len as u8 / 4) << 4,
        flags: segment.flags.bits(),
        window: segment.window.into(),
        check: 0.into(),
        urgent: 0.into(),
    };
    let (src, dst) = (pair.local.0, pair.remote.0);
    let spec = IpSpec {
        tos: opts.tos,
        ttl: opts.ttl,
        mark: opts.mark,
        pmtudisc: if id.is_some() { PmtuDisc::Want } else { PmtuDisc::Do },
        id,
        from_socket: true,
        ..IpSpec::new(src, dst, IPPROTO_TCP)
    };
    let len = header_len + segment.len as usize;
    // What does not fit or find its way is lost like anything on the wire: it comes again.
    let _ = output::send(ns, cx, &route, spec, len, ("tcp", None), |bytes| {
        let (head, data) = bytes.split_at_mut(header_len);
        head[..TCP_HLEN].copy_from_slice(header.as_bytes());
        head[TCP_HLEN..].copy_from_slice(options);
        payload(data);
        tcp::seal(bytes, src, dst);
    });
}

/// Sees to it that the connection is called when its next timer runs out. Timers of the agenda are not taken back: one
/// that comes too early sets another one.
fn arm(cx: &mut Cx<'_>, id: ConnId, conn: &mut Conn) {
    let Some(at) = conn.end.next_timer().map(|at| wheel(cx.now, at)) else { return };
    if conn.timer_at.is_none_or(|set| at < set) {
        conn.timer_at = Some(at);
        cx.timer(at, TimerKind::Tcp { conn: id, generation: conn.generation });
    }
}

/// When the kernel's timer wheel lets a timer run out that was set now: the farther away, the coarser, and never early. So a
/// retransmission that is due after a second comes a little later than whatever else waits for a second. `calc_wheel_index`, with
/// 250 ticks a second as distributions have.
fn wheel(now: Time, at: Time) -> Time {
    const TICK: u64 = 4_000_000;
    /// A level has 64 places, each eight times as wide as one of the level below.
    const LEVELS: u32 = 8;
    let expires = at.as_nanos().div_ceil(TICK);
    let ahead = expires.saturating_sub(now.as_nanos() / TICK);
    let level = (0..LEVELS).find(|level| ahead < 63 << (3 * level)).unwrap_or(LEVELS);
    let width = 1 << (3 * level);
    Time::from_nanos((expires + width) / width * width * TICK)
}

/// A timer of a connection runs out.
pub fn timer(ns: &mut Namespace, cx: &mut Cx<'_>, id: ConnId, generation: u32) {
    let current = |conn: &&Conn| conn.generation == generation && conn.timer_at == Some(cx.now);
    if ns.sockets.tcp.get(id).filter(current).is_none() {
        return;
    }
    let now = cx.now;
    work(ns, cx, id, |conn| {
        conn.timer_at = None;
        conn.end.on_timer(now);
    });
}

/// An ICMP error about a segment that was sent from here (`tcp_v4_err`).
pub fn error(ns: &mut Namespace, cx: &mut Cx<'_>, report: &Report, inner: &Ipv4<'_>) {
    let Some((ports, _)) = inner.payload.split_first_chunk::<8>() else { return };
    let [a, b, c, d, seq @ ..] = *ports;
    let local = (inner.header.src(), u16::from_be_bytes([a, b]));
    let remote = (inner.header.dst(), u16::from_be_bytes([c, d]));
    let pair = Pair { local, remote, vrf: ns.l3mdev_master(report.iif) };
    let Some(id) = ns.sockets.tcp.find(&pair) else { return };
    let now = cx.now;
    if !ns.sockets.tcp.get(id).is_some_and(|conn| conn.end.has_in_flight(u32::from_be_bytes(seq))) {
        ns.snmp.out_of_window_icmps += 1;
        return;
    }
    if report.errno.0 == Errno::EMSGSIZE {
        let opts = ns.sockets.tcp.get(id).map(|conn| (conn.opts, conn.bound_dev));
        let Some((opts, oif)) = opts else { return };
        // The route learns the MTU within its limits (tcp_v4_mtu_reduced).
        report.learn_path_mtu(ns, now, remote.0, oif);
        if let Some(route) = way(ns, cx, pair, &opts, oif) {
            work(ns, cx, id, |conn| conn.end.path_mtu(now, route.mtu));
        }
        return;
    }
    let (errno, fatal) = report.errno;
    work(ns, cx, id, |conn| conn.end.icmp_error(errno, fatal));
}

/// What the machine counted (`/proc/net/snmp`, `/proc/net/netstat`).
fn count(ns: &mut Namespace, conn: &mut Conn) {
    let c = conn.end.take_counted();
    if c == hopwise_protocols::tcp::Counted::default() {
        return;
    }
    let s = &mut *ns.snmp;
    // A segment that is sent again counts as such, not as one more that was sent.
    s.tcp_out_segs = s.tcp_out_segs.saturating_sub(c.retrans_segs);
    s.tcp_retrans_segs += c.retrans_segs;
    s.tcp_attempt_fails += c.attempt_fails;
    s.tcp_estab_resets += c.estab_resets;
    s.tcp_out_rsts += c.out_rsts;
    s.delayed_acks += c.delayed_acks;
    s.tcp_timeouts += c.tcp_timeouts;
    s.tcp_loss_probes += c.tcp_loss_probes;
    s.tcp_fast_retrans += c.tcp_fast_retrans;
    s.tcp_sack_recovery += c.tcp_sack_recovery;
    s.tcp_reno_recovery += c.tcp_reno_recovery;
    s.tcp_abort_on_data += c.tcp_abort_on_data;
    s.tcp_abort_on_close += c.tcp_abort_on_close;
    s.tcp_abort_on_timeout += c.tcp_abort_on_timeout;
    s.tcp_ofo_queue += c.tcp_ofo_queue;
    s.tcp_dsack_old_sent += c.tcp_dsack_old_sent;
    s.tcp_dsack_ofo_sent += c.tcp_dsack_ofo_sent;
    s.tcp_challenge_ack += c.tcp_challenge_ack;
    s.tcp_syn_challenge += c.tcp_syn_challenge;
    s.paws_estab += c.paws_estab;
    s.tcp_syn_retrans += c.tcp_syn_retrans;
    s.tcp_orig_data_sent += c.tcp_orig_data_sent;
    s.tcp_keep_alive += c.tcp_keep_alive;
    s.tcp_win_probe += c.tcp_win_probe;
    s.tcp_delivered += c.tcp_delivered;
    s.tw += c.tw;
}
