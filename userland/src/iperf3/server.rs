//! The server (`iperf_run_server`): one client after the other; whoever comes meanwhile is sent away.

use core::net::Ipv4Addr;

use hopwise_machine::{Signal, Step, Sys, Wait};
use hopwise_sim_core::Errno;
use hopwise_stack::socket::SocketKind;
use hopwise_stack::socket::tcp::Addr;

use super::client::{HELLO, HELLO_REPLY};
use super::control::{COOKIE, Control, State, Trouble};
use super::flow::{Conduit, Flow};
use super::options::{Options, Settings};
use super::report::Report;
use super::test::Test;
use super::{Failure, params, sockets};
use crate::kernel::SimKernel;
use crate::sock::Sock;
use crate::stream::{self, From, Stream};

/// How many may wait to be accepted (`listen(s, INT_MAX)`).
const BACKLOG: u32 = i32::MAX as u32;

/// Where in the conversation the server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Begin,
    /// Nobody is there.
    Idle,
    /// The client says who it is.
    Cookie,
    Parameters,
    /// The client opens its streams.
    Opening,
    Running,
    Results,
    /// The client reads what it was told.
    Leaving,
    /// The only test that was wanted (`-1`) is over.
    Gone,
}

/// A connection that did not say yet whose it is.
#[derive(Clone, Debug)]
struct Caller {
    stream: Stream,
    held: Vec<u8>,
}

/// The server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    options: Options,
    report: Report,
    phase: Phase,
    listener: Option<Sock>,
    datagrams: Option<Sock>,
    control: Option<Control>,
    peer: Addr,
    cookie: Vec<u8>,
    callers: Vec<Caller>,
    test: Option<Test>,
    tests: u32,
    from: From,
}

impl Server {
    pub(super) fn new(options: Options) -> Server {
        Server {
            report: Report::new(&options),
            phase: Phase::Begin,
            listener: None,
            datagrams: None,
            control: None,
            peer: (Ipv4Addr::UNSPECIFIED, 0),
            cookie: Vec::new(),
            callers: Vec::new(),
            test: None,
            tests: 0,
            from: From::default(),
            options,
        }
    }

    pub(super) fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.phase == Phase::Begin {
            if let Err(Failure(text)) = self.begin(sys) {
                sys.err(&format!("iperf3: error - {text}\niperf3: exiting\n"));
                self.report.flush(sys);
                return Step::Exit(1);
            }
        } else if sys.take_signal().is_some() {
            return self.interrupted(sys);
        }
        loop {
            match self.go_on(sys) {
                Ok(Some(wait)) => return Step::Block(wait),
                Ok(None) => {}
                Err(Failure(text)) => self.fail(sys, &text),
            }
            if self.phase == Phase::Gone {
                return Step::Exit(0);
            }
        }
    }

    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), Failure> {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            sys.catch(signal);
        }
        let why = |errno| Failure::of("unable to start listener for connections", errno);
        self.from = sockets::origin(sys, &self.options).map_err(why)?;
        self.from.local.1 = self.options.port;
        self.report.version(sys);
        self.listen(sys, &Settings::default())?;
        self.phase = Phase::Idle;
        self.announce(sys);
        Ok(())
    }

    fn announce(&mut self, sys: &mut Sys<'_, SimKernel>) {
        self.tests += 1;
        self.cookie.clear();
        self.report.listening(sys, self.options.port, self.tests);
    }

    /// Listens, with what the test wants of the connections to come.
    fn listen(&mut self, sys: &mut Sys<'_, SimKernel>, settings: &Settings) -> Result<(), Failure> {
        let why = |errno| Failure::of("unable to start listener for connections", errno);
        if let Some(old) = self.listener.take() {
            old.close(sys);
        }
        let sock = Sock::open(sys, SocketKind::Tcp).map_err(why)?;
        sockets::prepare(sys, sock, settings)?;
        sock.get(sys).map_err(why)?.reuse = true;
        let (net, from) = (&mut sys.kernel.net, self.from);
        if from.dev.is_some() {
            net.bind_to_link(sock.ns, sock.id, from.dev).map_err(why)?;
        }
        net.bind_tcp(sock.ns, sock.id, from.local.0, from.local.1).map_err(why)?;
        net.listen_tcp(sock.ns, sock.id, BACKLOG).map_err(why)?;
        self.listener = Some(sock);
        Ok(())
    }

    /// Something went wrong in a test: it is told, and the next client may come.
    fn fail(&mut self, sys: &mut Sys<'_, SimKernel>, text: &str) {
        if self.report.json.is_some() {
            self.report.finish_json(sys, Some(format!("error - {text}")));
        } else {
            sys.err(&format!("iperf3: error - {text}\n"));
        }
        self.over(sys);
    }

    /// A test is over, however it went.
    fn over(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if let Some(test) = self.test.take() {
            test.close(sys);
        }
        if let Some(control) = self.control.take() {
            control.stream.close(sys);
        }
        for caller in core::mem::take(&mut self.callers) {
            caller.stream.close(sys);
        }
        if let Some(sock) = self.datagrams.take() {
            sock.close(sys);
        }
        self.report.flush(sys);
        self.report.reset();
        self.phase = if self.options.once { Phase::Gone } else { Phase::Idle };
        if !self.options.once {
            // What one test wanted of its connections is not for the next one.
            let again = self.listen(sys, &Settings::default());
            self.report.version_of_json(sys);
            self.announce(sys);
            if let Err(Failure(text)) = again {
                sys.err(&format!("iperf3: error - {text}\n"));
            }
        }
    }

    /// One step of the conversation. Gives what to wait for.
    fn go_on(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Wait>, Failure> {
        if let Some(wait) = self.test.as_ref().and_then(|test| test.rest(sys.now())) {
            return Ok(Some(wait));
        }
        self.welcome(sys)?;
        let Some(control) = &mut self.control else { return Ok(Some(Wait::event())) };
        match self.phase {
            Phase::Cookie => {
                let Some(cookie) = control.take(sys, COOKIE).map_err(unheard("unable to receive cookie at server"))?
                else {
                    return Ok(Some(Wait::event()));
                };
                self.cookie = cookie;
                control.say(sys, State::PARAM_EXCHANGE);
                self.phase = Phase::Parameters;
            }
            Phase::Parameters => {
                const WHY: &str = "unable to receive parameters from client";
                let Some(json) = control.json(sys).map_err(unheard(WHY))? else { return Ok(Some(Wait::event())) };
                let settings = params::read_parameters(&json).ok_or(Failure::new(WHY))?;
                self.agree(sys, settings)?;
            }
            Phase::Opening => {
                if !self.open(sys)? {
                    return self.hear(sys);
                }
            }
            Phase::Running => {
                if let Some(wait) = self.hear(sys)?
                    && self.phase == Phase::Running
                    && let Some(test) = &mut self.test
                {
                    return Ok(test.run(sys, &mut self.report)?.or(Some(wait)));
                }
            }
            Phase::Results => {
                const WHY: &str = "unable to receive results";
                let (Some(json), Some(test)) = (control.json(sys).map_err(unheard(WHY))?, &mut self.test) else {
                    return Ok(Some(Wait::event()));
                };
                if !params::read_results(test, &json) {
                    return Err(Failure::new(WHY));
                }
                let output = self.report.copy.take().filter(|_| test.settings.server_output);
                control.tell(sys, &params::results(test, output));
                control.say(sys, State::DISPLAY_RESULTS);
                self.phase = Phase::Leaving;
            }
            Phase::Leaving => return self.hear(sys),
            Phase::Begin | Phase::Idle | Phase::Gone => return Ok(Some(Wait::event())),
        }
        Ok(None)
    }

    /// Takes who has come (`iperf_accept`): the first one is the client.
    fn welcome(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), Failure> {
        while let Some((stream, peer)) = self.listener.and_then(|listener| stream::accept(sys, listener).ok()) {
            if self.control.is_none() {
                self.peer = peer;
                self.control = Some(Control::new(sys, stream));
                self.phase = Phase::Cookie;
            } else if self.phase == Phase::Opening && self.test.as_ref().is_some_and(|test| !test.settings.udp) {
                self.callers.push(Caller { stream, held: Vec::new() });
            } else {
                deny(sys, stream);
            }
        }
        Ok(())
    }

    fn agree(&mut self, sys: &mut Sys<'_, SimKernel>, settings: Settings) -> Result<(), Failure> {
        let Some(control) = &mut self.control else { return Ok(()) };
        let congestion = sockets::congestion(sys, control.stream);
        let test = Test::new(settings, true, self.options.interval, congestion);
        self.report.copy = test.settings.server_output.then(String::new);
        let cookie = String::from_utf8_lossy(&self.cookie[..COOKIE - 1]).into_owned();
        let peer = (self.peer.0.to_string(), self.peer.1);
        self.report.met(sys, &test, &cookie, (&peer.0, peer.1), 0);
        if test.settings.udp {
            let why = |errno| Failure::of("unable to start listener for connections", errno);
            self.datagrams = Some(sockets::udp(sys, self.from).map_err(why)?);
        } else if test.settings.window > 0 || test.settings.mss > 0 {
            self.listen(sys, &test.settings)?;
        }
        if let Some(control) = &mut self.control {
            control.say(sys, State::CREATE_STREAMS);
        }
        self.test = Some(test);
        self.phase = Phase::Opening;
        Ok(())
    }

    /// Takes a stream. False: none has come.
    fn open(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<bool, Failure> {
        let udp = self.test.as_ref().is_some_and(|test| test.settings.udp);
        let conduit = if udp { self.open_udp(sys)? } else { self.open_tcp(sys)? };
        let (Some(conduit), Some(test)) = (conduit, &mut self.test) else { return Ok(false) };
        let place = test.flows.len() as u32;
        let ends = match conduit {
            Conduit::Tcp(stream) => stream.ends(sys).unwrap_or((self.from.local, self.peer)),
            Conduit::Udp(sock) => sockets::ends(sys, sock),
        };
        // Descriptors: a stream, its buffer, and what listens for the next one.
        let fd = match (place, udp) {
            (0, _) => 5,
            (1, true) => 6,
            (place, true) => 5 + 2 * place,
            (place, false) => 6 + 2 * place,
        };
        let id = if place == 0 { 1 } else { place + 2 };
        test.flows.push(Flow::new(id, fd, conduit, test.is_sender(place)));
        self.report.connected(sys, fd, ends);
        if test.flows.len() as u32 == test.streams() {
            self.begin_test(sys);
        }
        Ok(true)
    }

    fn open_tcp(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Conduit>, Failure> {
        let mut at = 0;
        while let Some(caller) = self.callers.get_mut(at) {
            let stream = caller.stream;
            match stream.recv(sys, COOKIE - caller.held.len()) {
                Ok(bytes) if !bytes.is_empty() => caller.held.extend(bytes),
                Err(Errno::EAGAIN) => {
                    at += 1;
                    continue;
                }
                _ => {
                    self.callers.remove(at);
                    stream.close(sys);
                    continue;
                }
            }
            if caller.held.len() < COOKIE {
                continue;
            }
            let known = caller.held == self.cookie;
            self.callers.remove(at);
            if known {
                if let Some(test) = &self.test {
                    sockets::adjust(sys, stream, &test.settings)?;
                }
                return Ok(Some(Conduit::Tcp(stream)));
            }
            deny(sys, stream);
        }
        Ok(None)
    }

    /// The first datagram makes the socket that of one stream; another one listens for the next (`iperf_udp_accept`).
    fn open_udp(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Conduit>, Failure> {
        let why = |errno| Failure::of("unable to create a new stream", errno);
        let (Some(sock), Some(test)) = (self.datagrams, &self.test) else { return Ok(None) };
        let Some(first) = sock.recv(sys) else { return Ok(None) };
        if first.bytes.len() < HELLO.len() {
            return Ok(None);
        }
        sockets::prepare(sys, sock, &test.settings)?;
        if let Ok(socket) = sock.get(sys) {
            socket.local.0 = first.to.0;
        }
        sys.kernel.net.connect_udp(sock.ns, sock.id, first.from).map_err(why)?;
        self.datagrams = Some(sockets::udp(sys, self.from).map_err(why)?);
        sys.kernel.net.send_udp(sock.ns, sock.id, None, HELLO_REPLY).map_err(why)?;
        Ok(Some(Conduit::Udp(sock)))
    }

    fn begin_test(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let (Some(control), Some(test)) = (&mut self.control, &mut self.test) else { return };
        if let Some(sock) = self.datagrams.take() {
            sock.close(sys);
        }
        control.say(sys, State::TEST_START);
        let sock = test.flows.first().map(Flow::sock);
        let buffers = sockets::buffers(sys, &test.settings, sock);
        test.begin(sys);
        self.report.started(sys, test, buffers);
        control.say(sys, State::TEST_RUNNING);
        self.phase = Phase::Running;
    }

    /// What the client says (`iperf_handle_message_server`). Gives what to wait for if it says nothing.
    fn hear(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Wait>, Failure> {
        let Some(control) = &mut self.control else { return Ok(None) };
        match control.state(sys) {
            Ok(None) => return Ok(Some(Wait::event())),
            Ok(Some(State::TEST_END)) if self.phase == Phase::Running => {
                if let Some(test) = &mut self.test {
                    test.gather(sys);
                    test.close(sys);
                    self.report.interval(sys, test);
                    self.report.results(sys, test);
                }
                control.say(sys, State::EXCHANGE_RESULTS);
                self.phase = Phase::Results;
            }
            Ok(Some(State::IPERF_DONE)) => {
                self.report.finish_json(sys, None);
                self.over(sys);
            }
            Ok(Some(State::TEST_START)) => {}
            Ok(Some(State::CLIENT_TERMINATE)) => self.left(sys),
            Ok(Some(_)) => {
                return Err(Failure::new(
                    "received an unknown control message (ensure other side is iperf3 and not iperf)",
                ));
            }
            Err(Trouble::Closed) if self.phase == Phase::Leaving => self.over(sys),
            Err(Trouble::Closed) => {
                sys.err("iperf3: the client has unexpectedly closed the connection\n");
                self.over(sys);
            }
            Err(trouble) => return Err(trouble.into()),
        }
        Ok(None)
    }

    /// The client was interrupted.
    fn left(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if let Some(test) = self.test.as_mut().filter(|_| self.phase == Phase::Running) {
            test.gather(sys);
            self.report.interval(sys, test);
            self.report.results(sys, test);
        }
        self.report.ended_by(sys, "the client has terminated");
        self.over(sys);
    }

    /// A signal (`iperf_got_sigend`).
    fn interrupted(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(test) = self.test.as_mut().filter(|_| self.phase == Phase::Running) {
            test.gather(sys);
            self.report.interval(sys, test);
            self.report.results(sys, test);
        }
        if let Some(control) = &mut self.control {
            control.say(sys, State::SERVER_TERMINATE);
        }
        self.report.ended_by(sys, "interrupt - the server has terminated");
        self.report.flush(sys);
        Step::Exit(1)
    }
}

/// Somebody who comes at the wrong time.
fn deny(sys: &mut Sys<'_, SimKernel>, stream: Stream) {
    // It is not said twice.
    let _ = stream.send(sys, &[State::ACCESS_DENIED.0]);
    stream.close(sys);
}

/// Why the client was not understood.
fn unheard(text: &'static str) -> impl Fn(Trouble) -> Failure {
    move |trouble| match trouble {
        Trouble::Closed | Trouble::Nonsense => Failure::new(text),
        Trouble::Broken(errno) => Failure::of(text, errno),
    }
}
