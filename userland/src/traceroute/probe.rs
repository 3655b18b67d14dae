//! Probes: how they are sent, and what their answers mean.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_protocols::wire::icmp::{
    self, ICMP_DEST_UNREACH, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_EXC_TTL, ICMP_TIME_EXCEEDED,
};
use hopwise_protocols::wire::ipv4::{self, IPPROTO_ICMP};
use hopwise_protocols::wire::{IntoBytes, split};
use hopwise_sim_core::{Errno, Time};
use hopwise_stack::path::route::OutputFlow;
use hopwise_stack::socket::{PmtuDisc, SockError, SocketKind};

use super::failure;
use super::options::{Method, Options, Refusal};
use crate::kernel::SimKernel;
use crate::sock::{Sock, link_named};

/// The port of the first probe (`DEF_START_PORT`).
const START_PORT: u16 = 33_434;
/// The port of `-U` (`DEF_UDP_PORT`).
const UDP_PORT: u16 = 53;

/// One probe and its answer.
#[derive(Clone, Default, Debug)]
pub(super) struct Probe {
    /// Nothing more is expected.
    pub done: bool,
    /// It reached the end of the way.
    pub last: bool,
    /// When it was sent.
    pub sent: Option<Time>,
    /// When its answer came.
    pub received: Option<Time>,
    /// Who answered.
    pub from: Option<Ipv4Addr>,
    /// The TTL of the answer.
    pub ttl: u8,
    /// What is printed after the time (`!H`).
    pub remark: String,
    /// UDP: its own socket.
    sock: Option<Sock>,
    /// ICMP: its sequence number.
    seq: Option<u16>,
}

/// Sends probes of one method and recognizes their answers.
#[derive(Clone, Debug)]
pub(super) struct Prober {
    target: Ipv4Addr,
    /// The socket of all ICMP probes.
    icmp: Option<Sock>,
    ident: u16,
    /// The next port or sequence number.
    number: u16,
    payload: Vec<u8>,
    /// Bytes of the headers in front of it.
    headers: usize,
    /// Whether the length is to shrink to what gets through (`--mtu`).
    finds_mtu: bool,
}

impl Prober {
    /// Makes ready; for ICMP the one socket is opened here.
    pub(super) fn open(
        sys: &mut Sys<'_, SimKernel>,
        options: &Options,
        target: Ipv4Addr,
        data: usize,
    ) -> Result<Prober, Refusal> {
        // The whole probe is filled with a pattern, over whose beginning the ICMP header is written.
        let offset = if options.method == Method::Icmp { icmp::ICMP_HLEN } else { 0 };
        let first = match options.method {
            Method::Default => START_PORT,
            Method::Udp => UDP_PORT,
            Method::Icmp => 1,
        };
        let mut prober = Prober {
            target,
            icmp: None,
            ident: sys.pid().number as u16,
            number: options.port.unwrap_or(first),
            payload: (offset..offset + data).map(|i| 0x40 + (i as u8 & 0x3f)).collect(),
            headers: ipv4::IP_HLEN + icmp::ICMP_HLEN,
            finds_mtu: options.mtu,
        };
        if options.method == Method::Icmp {
            let sock = prober.socket(sys, options, SocketKind::Raw { protocol: IPPROTO_ICMP })?;
            let flow = OutputFlow {
                dst: target,
                src: options.source,
                oif: sock.get(sys).map_or(Default::default(), |s| s.bound_dev),
                mark: options.mark,
                tos: options.tos,
                ..OutputFlow::default()
            };
            connectable(sys, &flow, options.direct).map_err(|errno| failure("connect", errno))?;
            sock.get(sys).map_err(|errno| failure("connect", errno))?.remote = Some((target, 0));
            prober.icmp = Some(sock);
        }
        Ok(prober)
    }

    fn socket(&self, sys: &mut Sys<'_, SimKernel>, options: &Options, kind: SocketKind) -> Result<Sock, Refusal> {
        let sock = Sock::open(sys, kind).map_err(|errno| failure("socket", errno))?;
        if let Some(name) = &options.device {
            let link = link_named(sys, name).ok_or(Errno::ENODEV);
            let bound = link.and_then(|link| sys.kernel.net.bind_to_link(sock.ns, sock.id, link));
            bound.map_err(|errno| failure("setsockopt SO_BINDTODEVICE", errno))?;
        }
        let source = options.source.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let bound = match kind {
            SocketKind::Udp => sys.kernel.net.bind_udp(sock.ns, sock.id, source, options.source_port).map(|_| ()),
            _ => sys.kernel.net.bind_raw(sock.ns, sock.id, source),
        };
        bound.map_err(|errno| failure("bind", errno))?;
        let opts = &mut sock.get(sys).map_err(|errno| failure("socket", errno))?.opts;
        opts.pmtudisc = if options.dont_fragment { PmtuDisc::Probe } else { PmtuDisc::Dont };
        opts.tos = options.tos;
        opts.mark = options.mark;
        opts.recverr = true;
        Ok(sock)
    }

    /// Sends probe `n`.
    ///
    /// # Errors
    /// A system call that failed for good.
    pub(super) fn send(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        options: &Options,
        probes: &mut [Probe],
        n: usize,
        ttl: u8,
    ) -> Result<(), Refusal> {
        let sent = match self.icmp {
            Some(sock) => self.send_icmp(sys, sock, &mut probes[n], ttl),
            None => {
                let sock = self.socket(sys, options, SocketKind::Udp)?;
                set_ttl(sys, sock, ttl);
                let to = (self.target, self.number);
                if options.direct {
                    let oif = sock.get(sys).map_or(Default::default(), |s| s.bound_dev);
                    let flow =
                        OutputFlow { dst: to.0, src: options.source, oif, mark: options.mark, ..OutputFlow::default() };
                    connectable(sys, &flow, true).map_err(|errno| failure("connect", errno))?;
                }
                sys.kernel.net.connect_udp(sock.ns, sock.id, to).map_err(|errno| failure("connect", errno))?;
                if options.method == Method::Default {
                    self.number = self.number.wrapping_add(1);
                }
                probes[n].sock = Some(sock);
                probes[n].sent = Some(sys.now());
                sys.kernel.net.send_udp(sock.ns, sock.id, None, &self.payload)
            }
        };
        match sent {
            // What this host itself refuses is told by the error queue.
            Ok(_) | Err(Errno::EMSGSIZE | Errno::EHOSTUNREACH) => Ok(()),
            Err(errno) => Err(failure("send", errno)),
        }
    }

    fn send_icmp(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        sock: Sock,
        probe: &mut Probe,
        ttl: u8,
    ) -> Result<usize, Errno> {
        set_ttl(sys, sock, ttl);
        // An error about an earlier probe must not be taken for this one's.
        let _earlier = sock.take_pending(sys);
        let header = icmp::Header::echo(ICMP_ECHO, self.ident, self.number, &self.payload);
        probe.seq = Some(self.number);
        probe.sent = Some(sys.now());
        self.number = self.number.wrapping_add(1);
        let message = [header.as_bytes(), &self.payload].concat();
        sys.kernel.net.send_raw(sock.ns, sock.id, self.target, &message)
    }

    /// Whether an answer has come that was not looked at.
    pub(super) fn is_ready(&self, sys: &Sys<'_, SimKernel>, probes: &[Probe]) -> bool {
        let mut socks = probes.iter().filter_map(|p| p.sock).chain(self.icmp);
        socks.any(|sock| sock.is_ready(sys))
    }

    /// Looks at answers that have come: for UDP at those of all sockets, for ICMP at the next one.
    pub(super) fn receive(&mut self, sys: &mut Sys<'_, SimKernel>, probes: &mut [Probe]) {
        match self.icmp {
            Some(sock) => self.receive_icmp(sys, sock, probes),
            None => {
                for probe in probes.iter_mut().filter(|p| !p.done) {
                    self.receive_udp(sys, probe);
                }
            }
        }
    }

    /// Takes one message from the socket, an error first: each is a round of its own, after which more probes may be
    /// sent (`recv_reply`).
    fn receive_icmp(&mut self, sys: &mut Sys<'_, SimKernel>, sock: Sock, probes: &mut [Probe]) {
        if let Some(error) = sock.recv_error(sys) {
            let quoted = split::<icmp::Header>(&error.bytes).map(|(header, _)| *header);
            let about = match quoted {
                Ok(header) if header.echo_id() == self.ident => by_seq(probes, header.echo_seq()),
                Ok(_) => None,
                // Refused by this host: it was the last one sent.
                Err(_) => probes.iter_mut().rev().find(|p| p.sent.is_some() && !p.done),
            };
            if let Some(probe) = about {
                self.told(probe, &error);
            }
        } else if let Some(datagram) = sock.recv(sys)
            && let Ok(ip) = ipv4::view(&datagram.bytes)
            && let Ok((header, _)) = icmp::parse(ip.payload)
            && header.kind == ICMP_ECHOREPLY
            && header.echo_id() == self.ident
            && let Some(probe) = by_seq(probes, header.echo_seq())
        {
            answered(probe, datagram.from.0, datagram.at, datagram.ttl);
        }
        let _told = sock.take_pending(sys);
    }

    fn receive_udp(&mut self, sys: &mut Sys<'_, SimKernel>, probe: &mut Probe) {
        let Some(sock) = probe.sock else { return };
        if let Some(error) = sock.recv_error(sys) {
            self.told(probe, &error);
        } else if let Some(datagram) = sock.recv(sys) {
            answered(probe, datagram.from.0, datagram.at, datagram.ttl);
        } else {
            return;
        }
        probe.sock = None;
        sock.close(sys);
    }

    /// Somebody has reported an error, or this host itself (`parse_icmp_res`).
    fn told(&mut self, probe: &mut Probe, error: &SockError) {
        let room = (error.info as usize).saturating_sub(self.headers);
        if self.finds_mtu && error.info as usize >= self.headers && room < self.payload.len() {
            // The probe was too long: it is sent again, and says so.
            self.payload.truncate(room);
            *probe = Probe { remark: format!("F={}", error.info), ..Probe::default() };
            return;
        }
        (probe.from, probe.received, probe.ttl) = (error.from, Some(error.at), error.ttl);
        probe.done = true;
        let (kind, code) = if error.from.is_some() { error.icmp } else { (ICMP_DEST_UNREACH, icmp::ICMP_FRAG_NEEDED) };
        if (kind, code) != (ICMP_TIME_EXCEEDED, ICMP_EXC_TTL) {
            let remark = remark(kind, code, error.info);
            if !remark.is_empty() {
                probe.remark = remark;
            }
            probe.last = true;
        }
    }

    /// Gives a probe's socket back.
    pub(super) fn close(&self, sys: &mut Sys<'_, SimKernel>, probe: &mut Probe) {
        if let Some(sock) = probe.sock.take() {
            sock.close(sys);
        }
    }
}

/// Whether `connect(2)` would succeed; `direct` is `SO_DONTROUTE`, for which routes by a gateway do not exist.
fn connectable(sys: &Sys<'_, SimKernel>, flow: &OutputFlow, direct: bool) -> Result<(), Errno> {
    let route = sys.kernel.net.route_for(sys.ns(), flow)?;
    match route.kind {
        _ if direct && route.gateway.is_some() => Err(Errno::ENETUNREACH),
        hopwise_stack::path::route::RouteKind::Broadcast => Err(Errno::EACCES),
        _ => Ok(()),
    }
}

fn set_ttl(sys: &mut Sys<'_, SimKernel>, sock: Sock, ttl: u8) {
    if let Ok(socket) = sock.get(sys) {
        socket.opts.ttl = Some(ttl);
        socket.opts.multicast_ttl = Some(ttl);
    }
}

fn by_seq(probes: &mut [Probe], seq: u16) -> Option<&mut Probe> {
    probes.iter_mut().find(|p| p.seq == Some(seq) && !p.done)
}

/// The target itself has answered.
fn answered(probe: &mut Probe, from: Ipv4Addr, at: Time, ttl: u8) {
    (probe.from, probe.received, probe.ttl) = (Some(from), Some(at), ttl);
    (probe.last, probe.done) = (true, true);
}

/// What an ICMP error is called; empty for the port that nobody listens on, which is what was hoped for.
fn remark(kind: u8, code: u8, mtu: u32) -> String {
    if kind != ICMP_DEST_UNREACH {
        return format!("!<{kind}-{code}>");
    }
    match code {
        0 | 6 | 8 | 11 => "!N".to_owned(),
        1 | 7 | 12 => "!H".to_owned(),
        2 => "!P".to_owned(),
        3 => String::new(),
        4 => format!("!F-{mtu}"),
        5 => "!S".to_owned(),
        9 | 10 | 13 => "!X".to_owned(),
        14 => "!V".to_owned(),
        15 => "!C".to_owned(),
        code => format!("!<{code}>"),
    }
}

/// A probe got no answer. If a later one reached the end, this one may have too, its answer being one of those that a
/// rate limit held back: then the later one takes its place (`check_expired`).
pub(super) fn settle_expired(probes: &mut [Probe], n: usize, queries: usize) {
    let hop = n / queries * queries;
    if probes[hop..n].iter().any(|p| !p.done || !p.last) {
        return;
    }
    let sent = probes[n + 1..].iter().take_while(|p| p.sent.is_some());
    let Some(offset) = sent.clone().position(|p| p.done) else { return };
    let found = n + 1 + offset;
    if !probes[found].last || probes[found].from.is_none() {
        return;
    }
    let same_hop = n > hop || found < hop + queries;
    let answered_before = probes[..n].iter().any(|p| p.from.is_some() && p.from == probes[found].from);
    if same_hop || answered_before || is_as_near(probes, n, found, queries) {
        probes[n] = core::mem::take(&mut probes[found]);
        // It is not sent again.
        probes[found].sent = probes[n].sent;
        probes[found].done = true;
    }
}

/// Whether the way back of `found`'s answer is as long as if it came from the hop of `n`, judged by its TTL.
fn is_as_near(probes: &[Probe], n: usize, found: usize, queries: usize) -> bool {
    let back = hops(probes[found].ttl);
    let ttl = n / queries + 1;
    let nearer = (0..n).rev().find(|&i| {
        let probe = &probes[i];
        probe.done && !probe.last && probe.ttl > 0 && hops(probe.ttl) < back
    });
    let estimate = match nearer {
        Some(i) => back - hops(probes[i].ttl) + i / queries + 1,
        None => back,
    };
    probes[found].ttl > 0 && estimate <= ttl
}

/// How many hops an answer has made, if it began with 64, 128 or 255 (`ttl2hops`).
fn hops(ttl: u8) -> usize {
    let start = match ttl {
        ..=64 => 65,
        65..=128 => 129,
        _ => 256,
    };
    start - usize::from(ttl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hopwise_sim_core::Duration;

    fn probe(last: bool, from: Option<[u8; 4]>, ttl: u8, done: bool) -> Probe {
        let sent = Some(Time::ZERO + Duration::from_millis(1));
        Probe { done, last, sent, from: from.map(Ipv4Addr::from), ttl, ..Probe::default() }
    }

    #[test]
    fn names_of_errors() {
        let shown = [(3, 1), (3, 0), (3, 13), (3, 3), (3, 4), (3, 99), (12, 0)].map(|(k, c)| remark(k, c, 1400));
        assert_eq!(shown, ["!H", "!N", "!X", "", "!F-1400", "!<99>", "!<12-0>"]);
    }

    #[test]
    fn an_answer_held_back_by_a_limit_is_moved_forward() {
        let (router, end) = (Some([10, 0, 0, 2]), Some([10, 0, 1, 3]));
        let mut probes = vec![
            probe(false, router, 64, true),
            probe(false, router, 64, true),
            probe(false, None, 0, true),
            probe(false, None, 0, false),
            probe(true, end, 63, true),
        ];
        settle_expired(&mut probes, 2, 2);
        assert_eq!(probes[2].from, end.map(Ipv4Addr::from));
        assert!(probes[4].done && probes[4].from.is_none());
    }

    #[test]
    fn a_silent_router_in_between_stays_silent() {
        let mut probes = vec![probe(false, None, 0, true), probe(false, Some([10, 0, 0, 9]), 63, true)];
        settle_expired(&mut probes, 0, 1);
        assert_eq!(probes[0].from, None);
    }

    #[test]
    fn hops_are_guessed_from_the_ttl() {
        assert_eq!([64, 63, 255, 128].map(hops), [1, 2, 1, 1]);
    }
}
