//! `nc`, the OpenBSD netcat 1.219 as Debian has it.

mod options;
mod relay;

use core::net::Ipv4Addr;

use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::socket::SocketKind;
use hopwise_stack::socket::tcp::Addr;

use crate::dns::Lookup;
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, GaiError, Host};
use crate::sock::Sock;
use crate::sockets::service;
use crate::stream::{self, From, Stream};
use options::Options;
use relay::{Peer, Relay};

/// `nc`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Netcat { args: args.to_vec(), lookup: None, run: None })
}

#[derive(Clone)]
struct Netcat {
    args: Vec<String>,
    lookup: Option<Box<Lookup>>,
    run: Option<Box<Run>>,
}

/// For how many seconds a scan waits for a refusal, if `-w` does not say (`UDP_SCAN_TIMEOUT`).
const UDP_SCAN_TIMEOUT: u64 = 3;

/// From the first datagram of a scan to the second one: as long as a refusal needs over a few links without delay, for on Linux a
/// packet arrives there before the call that sends it returns.
const SECOND_PROBE: Duration = Duration::from_micros(100);

/// Exit status and error output.
type Refusal = (i32, String);

impl Program<SimKernel> for Netcat {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.run.is_none() {
            let begun = match self.resolved(sys) {
                Err(step) => return step,
                Ok(resolved) => resolved.and_then(|(options, addr)| Run::begin(sys, options, addr)),
            };
            match begun {
                Ok(run) => self.run = Some(Box::new(run)),
                Err((status, text)) => {
                    if status == 0 {
                        sys.out(&text)
                    } else {
                        sys.err(&text)
                    }
                    return Step::Exit(status);
                }
            }
        }
        match self.run.as_mut().map(|run| run.step(sys)) {
            Some(Ok(step)) => step,
            Some(Err((status, text))) => {
                sys.err(&text);
                Step::Exit(status)
            }
            None => Step::Exit(1),
        }
    }
}

impl Netcat {
    /// The options, and the address of the host once it is known. `Err`: what is waited for.
    fn resolved(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Result<(Options, Ipv4Addr), Refusal>, Step> {
        let options = match Options::parse(&self.args) {
            Ok(options) => options,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let host = options.host.clone();
        if host.is_empty() {
            return Ok(Ok((options, Ipv4Addr::UNSPECIFIED)));
        }
        let port = options.ports.first().copied().unwrap_or(0);
        let failed = |why: GaiError| Err((1, format!("nc: getaddrinfo for host \"{host}\" port {port}: {why}\n")));
        // With -n only a number is a host (AI_NUMERICHOST).
        let found = match resolve::number(&host, Family::Unspec) {
            Some(found) => found,
            None if options.numeric => Err(GaiError::NoName),
            None => {
                let begin = || Box::new(Lookup::begin(sys, &host, Family::Unspec));
                self.lookup.get_or_insert_with(begin).wait(sys)?
            }
        };
        Ok(match found {
            Ok(Host::V4 { addr, .. }) => Ok((options, addr)),
            Ok(Host::V6(addr)) if options.verbose => {
                let at = if addr.to_string() == host { host.clone() } else { format!("{host} ({addr})") };
                Err((1, format!("nc: connect to {at} port {port} (tcp) failed: {}\n", Errno::ENETUNREACH)))
            }
            Ok(Host::V6(_)) => Err((1, String::new())),
            Err(why) => failed(why),
        })
    }
}

#[derive(Clone)]
enum Phase {
    /// The next port is tried.
    Next,
    Connecting {
        stream: Stream,
        until: Option<Time>,
    },
    /// Datagrams are sent to see whether somebody refuses them.
    Probing {
        sock: Sock,
        sent: u64,
        next: Time,
    },
    /// Somebody is waited for.
    Listening(Sock),
    Relaying(Relay),
}

#[derive(Clone)]
struct Run {
    options: Options,
    addr: Ipv4Addr,
    ports: std::collections::VecDeque<u16>,
    port: u16,
    phase: Phase,
    /// The socket that goes on listening (`-k`).
    listener: Option<Sock>,
    succeeded: bool,
}

impl Run {
    fn begin(sys: &mut Sys<'_, SimKernel>, options: Options, addr: Ipv4Addr) -> Result<Run, Refusal> {
        let ports = options.ports.iter().copied().collect();
        let (phase, port) = (Phase::Next, options.ports.first().copied().unwrap_or(0));
        let mut run = Run { options, addr, ports, port, phase, listener: None, succeeded: false };
        if run.options.listen {
            run.listen(sys)?;
        }
        Ok(run)
    }

    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Step, Refusal> {
        loop {
            match &mut self.phase {
                Phase::Next => match self.ports.pop_front() {
                    Some(port) => {
                        self.port = port;
                        self.connect(sys)?;
                    }
                    None => return Ok(Step::Exit(i32::from(!self.succeeded))),
                },
                Phase::Connecting { stream, until } => {
                    let (stream, until) = (*stream, *until);
                    match stream.is_open(sys) {
                        Ok(true) => self.connected(sys, Peer::Stream(stream)),
                        Ok(false) if until.is_some_and(|at| at <= sys.now()) => {
                            stream.close(sys);
                            self.failed(sys, "timed out", Errno::EINPROGRESS);
                        }
                        Ok(false) => return Ok(Step::Block(Wait::event().or_until(until))),
                        Err(errno) => {
                            stream.close(sys);
                            self.failed(sys, "failed", errno);
                        }
                    }
                }
                Phase::Probing { sock, sent, next } => {
                    if *next > sys.now() {
                        return Ok(Step::Block(Wait::until(*next)));
                    }
                    let (sock, sent) = (*sock, *sent);
                    self.probe(sys, sock, sent);
                }
                Phase::Listening(sock) => {
                    let sock = *sock;
                    if !self.accept(sys, sock) {
                        return Ok(Step::Block(Wait::event()));
                    }
                }
                Phase::Relaying(relay) => match relay.step(sys, &self.options) {
                    Some(wait) => return Ok(Step::Block(wait)),
                    None => {
                        relay.peer.close(sys);
                        self.relayed();
                        if !matches!(self.phase, Phase::Listening(_)) {
                            return Ok(Step::Exit(0));
                        }
                    }
                },
            }
        }
    }

    /// A connection is over: with `-k` the next one is waited for.
    fn relayed(&mut self) {
        self.phase = match self.listener.filter(|_| self.options.keep) {
            Some(listener) => Phase::Listening(listener),
            None => Phase::Next,
        };
    }

    fn listen(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), Refusal> {
        let at = (self.addr, self.port);
        let failed = |errno: Errno| (1, format!("nc: {errno}\n"));
        let sock = if self.options.udp {
            let sock = Sock::open(sys, SocketKind::Udp).map_err(failed)?;
            sys.kernel.net.bind_udp(sock.ns, sock.id, at.0, at.1).map_err(failed)?;
            sock
        } else {
            stream::listen(sys, at, 1).map_err(failed)?
        };
        if self.options.verbose {
            let word = if self.options.udp { "Bound" } else { "Listening" };
            self.report_end(sys, word, at);
        }
        self.listener = Some(sock);
        self.phase = Phase::Listening(sock);
        Ok(())
    }

    /// Takes who came; false if nobody did.
    fn accept(&mut self, sys: &mut Sys<'_, SimKernel>, sock: Sock) -> bool {
        let (peer, from) = if self.options.udp {
            let Some(from) = sock.get(sys).ok().and_then(|s| s.queue.front().map(|d| d.from)) else { return false };
            // Without -k it talks to the first one only.
            let to = if self.options.keep { None } else { Some(from) };
            if to.is_some() {
                // Without a route back it stays as it is, and what is written to it gets nowhere.
                let _ = sys.kernel.net.connect_udp(sock.ns, sock.id, from);
            }
            (Peer::Datagrams { sock, to: Some(from) }, from)
        } else {
            let Ok((stream, from)) = stream::accept(sys, sock) else { return false };
            if !self.options.keep {
                sock.close(sys);
            }
            (Peer::Stream(stream), from)
        };
        if self.options.verbose {
            self.report_end(sys, "Connection received", from);
        }
        self.phase = Phase::Relaying(Relay::new(peer));
        true
    }

    fn connect(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), Refusal> {
        let to = (self.addr, self.port);
        let from = From { local: (self.options.source, self.options.source_port), ..From::default() };
        if self.options.udp {
            let sock = udp(sys, from.local, to)?;
            self.connect_udp(sys, sock, to);
            return Ok(());
        }
        let stream = Stream::open(sys, from).map_err(|errno| (1, format!("nc: bind failed: {errno}\n")))?;
        match stream.connect(sys, to) {
            Ok(()) => {
                let until = self.options.timeout.map(|limit| sys.now() + limit);
                self.phase = Phase::Connecting { stream, until };
            }
            Err(errno) => {
                stream.close(sys);
                self.failed(sys, "failed", errno);
            }
        }
        Ok(())
    }

    fn connect_udp(&mut self, sys: &mut Sys<'_, SimKernel>, sock: Sock, to: Addr) {
        if self.options.scan {
            self.phase = Phase::Probing { sock, sent: 0, next: sys.now() };
        } else {
            self.connected(sys, Peer::Datagrams { sock, to: Some(to) });
        }
    }

    /// Sends the next datagram of a scan: two in a row, and one after each second that is waited. A refusal shows when the one behind is
    /// sent (`udptest`).
    fn probe(&mut self, sys: &mut Sys<'_, SimKernel>, sock: Sock, sent: u64) {
        let seconds = self.options.timeout.map_or(UDP_SCAN_TIMEOUT, |limit| limit.as_secs());
        let answer = sys.kernel.net.send_udp(sock.ns, sock.id, None, b"X");
        if answer == Err(Errno::ECONNREFUSED) || (sent == 0 && answer.is_err()) {
            sock.close(sys);
            self.phase = Phase::Next;
        } else if sent > seconds {
            self.connected(sys, Peer::Datagrams { sock, to: Some((self.addr, self.port)) });
        } else {
            let pause = if sent == 0 { SECOND_PROBE } else { Duration::from_secs(1) };
            self.phase = Phase::Probing { sock, sent: sent + 1, next: sys.now() + pause };
        }
    }

    fn connected(&mut self, sys: &mut Sys<'_, SimKernel>, peer: Peer) {
        self.succeeded = true;
        if self.options.verbose || (self.options.scan && self.options.udp) {
            self.report(sys);
        }
        if self.options.scan {
            peer.close(sys);
            self.phase = Phase::Next;
        } else {
            self.ports.clear();
            self.phase = Phase::Relaying(Relay::new(peer));
        }
    }

    /// `report_sock`: without a name server the name of an address that no file has is not known even to be none.
    fn report_end(&self, sys: &mut Sys<'_, SimKernel>, what: &str, (addr, port): Addr) {
        let name = if self.options.numeric { Some(addr.to_string()) } else { resolve::reverse(sys, addr) };
        match name {
            Some(name) => sys.err(&format!("{what} on {name} {port}\n")),
            None => sys.err(&format!("nc: getnameinfo: {}\n", GaiError::Again)),
        }
    }

    /// `connection_info`
    fn report(&self, sys: &mut Sys<'_, SimKernel>) {
        let protocol = if self.options.udp { "udp" } else { "tcp" };
        let name = if self.options.numeric { None } else { service(sys, self.port, protocol) };
        let name = name.unwrap_or_else(|| "*".into());
        sys.err(&format!("Connection to {} {} port [{protocol}/{name}] succeeded!\n", self.told(), self.port));
    }

    /// The host as it was told, with its address if that is another text.
    fn told(&self) -> String {
        let (host, addr) = (&self.options.host, self.addr.to_string());
        if self.options.numeric || *host == addr { host.clone() } else { format!("{host} ({addr})") }
    }

    fn failed(&mut self, sys: &mut Sys<'_, SimKernel>, how: &str, errno: Errno) {
        if self.options.verbose {
            let text = format!("nc: connect to {} port {} (tcp) {how}: {errno}\n", self.told(), self.port);
            sys.err(&text);
        }
        self.phase = Phase::Next;
    }
}

fn udp(sys: &mut Sys<'_, SimKernel>, local: Addr, to: Addr) -> Result<Sock, Refusal> {
    let failed = |errno: Errno| (1, format!("nc: {errno}\n"));
    let sock = Sock::open(sys, SocketKind::Udp).map_err(failed)?;
    let net = &mut sys.kernel.net;
    if local != (Ipv4Addr::UNSPECIFIED, 0) {
        let bound = net.bind_udp(sock.ns, sock.id, local.0, local.1);
        bound.map_err(|errno| (1, format!("nc: bind failed: {errno}\n")))?;
    }
    net.connect_udp(sock.ns, sock.id, to).map_err(failed)?;
    Ok(sock)
}

/// How long nothing may happen (`-w`), as a time from now on.
fn idle(limit: Option<Duration>, now: Time) -> Option<Time> {
    limit.map(|limit| now + limit)
}
