//! The client (`iperf_run_client`): it does what the server says, and says when the test is over.

use hopwise_machine::{Signal, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::socket::tcp::Addr;

use super::control::{COOKIE, Control, State};
use super::flow::{Conduit, Flow};
use super::options::Options;
use super::report::Report;
use super::test::Test;
use super::{Failure, params, sockets};
use crate::kernel::SimKernel;
use crate::sock::Sock;
use crate::stream::{From, Stream};

/// What a UDP stream begins with, and its answer (`UDP_CONNECT_MSG`, `UDP_CONNECT_REPLY`), on a little-endian machine.
pub(super) const HELLO: &[u8; 4] = b"9876";
pub(super) const HELLO_REPLY: &[u8; 4] = b"6789";
/// How long that answer is waited for.
const HELLO_PATIENCE: Duration = Duration::from_secs(30);

/// Where in the conversation the client is.
#[derive(Clone, Debug)]
enum Phase {
    Begin,
    Connecting {
        stream: Stream,
        until: Option<Time>,
    },
    /// The server is listened to.
    Listening,
    /// The streams are opened one after the other.
    Opening(Option<Attempt>),
    Running,
    /// The server's results are waited for.
    Results,
}

/// A stream that is not open yet.
#[derive(Clone, Copy, Debug)]
enum Attempt {
    Tcp(Stream),
    Udp { sock: Sock, until: Time },
}

/// The client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    options: Options,
    report: Report,
    phase: Phase,
    control: Option<Control>,
    test: Option<Test>,
    cookie: String,
    to: Addr,
    from: From,
}

impl Client {
    pub(super) fn new(options: Options) -> Client {
        Client {
            report: Report::new(&options),
            phase: Phase::Begin,
            control: None,
            test: None,
            cookie: String::new(),
            to: ([0, 0, 0, 0].into(), options.port),
            from: From::default(),
            options,
        }
    }

    fn host(&self) -> &str {
        self.options.client.as_deref().unwrap_or_default()
    }

    pub(super) fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if sys.take_signal().is_some() {
            return self.interrupted(sys);
        }
        match self.go_on(sys) {
            Ok(step) => step,
            Err(failure) => self.fail(sys, &failure),
        }
    }

    fn fail(&mut self, sys: &mut Sys<'_, SimKernel>, Failure(text): &Failure) -> Step {
        if self.report.json.is_some() {
            self.report.finish_json(sys, Some(text.clone()));
            self.report.flush(sys);
            return Step::Exit(0);
        }
        sys.err(&format!("iperf3: error - {text}\n"));
        self.report.flush(sys);
        Step::Exit(1)
    }

    fn go_on(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Step, Failure> {
        loop {
            match &mut self.phase {
                Phase::Begin => self.begin(sys)?,
                Phase::Connecting { stream, until } => {
                    let (stream, until) = (*stream, *until);
                    match stream.is_open(sys) {
                        Ok(true) => self.connected(sys, stream),
                        Ok(false) if until.is_some_and(|at| at <= sys.now()) => {
                            return Err(Failure::of("unable to connect to server", Errno::ETIMEDOUT));
                        }
                        Ok(false) => return Ok(Step::Block(Wait::event().or_until(until))),
                        Err(errno) => return Err(Failure::of("unable to connect to server", errno)),
                    }
                }
                Phase::Opening(_) => {
                    if let Some(wait) = self.open(sys)? {
                        return Ok(Step::Block(wait));
                    }
                }
                Phase::Running => {
                    let (Some(test), Some(control)) = (&mut self.test, &mut self.control) else { break };
                    if let Some(wait) = test.rest(sys.now()) {
                        return Ok(Step::Block(wait));
                    }
                    if let Some(state) = control.state(sys)? {
                        if let Some(step) = self.told(sys, state)? {
                            return Ok(step);
                        }
                        continue;
                    }
                    if let Some(wait) = test.run(sys, &mut self.report)? {
                        return Ok(Step::Block(wait));
                    }
                    test.gather(sys);
                    control.say(sys, State::TEST_END);
                    self.phase = Phase::Listening;
                }
                Phase::Listening => {
                    let Some(control) = &mut self.control else { break };
                    let Some(state) = control.state(sys)? else { return Ok(Step::Block(Wait::event())) };
                    if let Some(step) = self.told(sys, state)? {
                        return Ok(step);
                    }
                }
                Phase::Results => {
                    let (Some(test), Some(control)) = (&mut self.test, &mut self.control) else { break };
                    let Some(json) = control.json(sys)? else { return Ok(Step::Block(Wait::event())) };
                    if !params::read_results(test, &json) {
                        return Err(Failure::new("unable to receive results"));
                    }
                    self.phase = Phase::Listening;
                }
            }
        }
        Ok(Step::Exit(1))
    }

    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), Failure> {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
            sys.catch(signal);
        }
        self.report.version(sys);
        let why = |text: String| Failure(format!("unable to connect to server: {text}"));
        let host = self.host().to_owned();
        self.to.0 = sockets::address(sys, &host, self.options.v6).map_err(why)?;
        self.from = sockets::origin(sys, &self.options).map_err(|errno| why(errno.to_string()))?;
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
        self.cookie = (1..COOKIE).map(|_| char::from(LETTERS[sys.random_u32() as usize % LETTERS.len()])).collect();
        let stream = Stream::open(sys, self.from).map_err(|errno| why(errno.to_string()))?;
        stream.connect(sys, self.to).map_err(|errno| why(errno.to_string()))?;
        let until = self.options.connect_timeout.map(|limit| sys.now() + limit);
        self.phase = Phase::Connecting { stream, until };
        Ok(())
    }

    fn connected(&mut self, sys: &mut Sys<'_, SimKernel>, stream: Stream) {
        let mut control = Control::new(sys, stream);
        if self.options.verbose {
            let mss = sockets::mss(sys, stream);
            self.report.put(sys, &format!("Control connection MSS {mss}\n"));
        }
        control.write(sys, format!("{}\0", self.cookie).as_bytes());
        self.control = Some(control);
        self.phase = Phase::Listening;
    }

    /// Does what the server says (`iperf_handle_message_client`).
    fn told(&mut self, sys: &mut Sys<'_, SimKernel>, state: State) -> Result<Option<Step>, Failure> {
        let Some(control) = &mut self.control else { return Ok(None) };
        match state {
            State::PARAM_EXCHANGE if self.test.is_none() => self.parameters(sys),
            State::CREATE_STREAMS if self.test.is_some() => self.phase = Phase::Opening(None),
            State::TEST_START => {
                if let Some(test) = &mut self.test {
                    let sock = test.flows.first().map(Flow::sock);
                    let buffers = sockets::buffers(sys, &test.settings, sock);
                    test.begin(sys);
                    self.report.started(sys, test, buffers);
                }
            }
            State::TEST_RUNNING if self.test.is_some() => self.phase = Phase::Running,
            State::EXCHANGE_RESULTS => {
                let Some(test) = &self.test else { return Ok(None) };
                control.tell(sys, &params::results(test, None));
                self.phase = Phase::Results;
            }
            State::DISPLAY_RESULTS => return Ok(Some(self.finish(sys))),
            State::IPERF_DONE => {}
            State::SERVER_TERMINATE => {
                self.display(sys);
                return Err(Failure::new("the server has terminated"));
            }
            State::ACCESS_DENIED => {
                return Err(Failure::new("the server is busy running a test. try again later"));
            }
            State::SERVER_ERROR => return Err(self.server_error(sys)),
            _ => {
                return Err(Failure::new(
                    "received an unknown control message (ensure other side is iperf3 and not iperf)",
                ));
            }
        }
        Ok(None)
    }

    /// The server says why it cannot: the number of its complaint, and an errno.
    fn server_error(&mut self, sys: &mut Sys<'_, SimKernel>) -> Failure {
        let bytes = self.control.as_mut().and_then(|control| control.take(sys, 8).ok().flatten());
        let number = bytes.and_then(|bytes| bytes.first_chunk().map(|n| u32::from_be_bytes(*n)));
        Failure(format!("unknown error number {} of the server", number.unwrap_or(0)))
    }

    fn parameters(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let Some(control) = &mut self.control else { return };
        let stream = control.stream;
        let mss = sockets::mss(sys, stream);
        let mut settings = self.options.settings.clone();
        if settings.block == 0 {
            settings.block = mss;
        }
        control.tell(sys, &params::parameters(&settings, self.options.title.as_deref()));
        let congestion = settings.congestion.clone().unwrap_or_else(|| sockets::congestion(sys, stream));
        let test = Test::new(settings, false, self.options.interval, congestion);
        let peer = (self.options.client.as_deref().unwrap_or_default(), self.to.1);
        self.report.met(sys, &test, &self.cookie, peer, mss);
        self.test = Some(test);
    }

    /// Opens the next stream. Gives what to wait for.
    fn open(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Wait>, Failure> {
        let why = |errno| Failure::of("unable to create a new stream", errno);
        let Some(test) = &mut self.test else { return Ok(None) };
        let place = test.flows.len() as u32;
        if place == test.streams() {
            self.phase = Phase::Listening;
            return Ok(None);
        }
        let attempt = match self.phase {
            Phase::Opening(Some(attempt)) => attempt,
            _ if test.settings.udp => {
                let sock = sockets::udp(sys, self.from).map_err(why)?;
                sockets::prepare(sys, sock, &test.settings)?;
                let net = &mut sys.kernel.net;
                net.connect_udp(sock.ns, sock.id, self.to).map_err(why)?;
                net.send_udp(sock.ns, sock.id, None, HELLO).map_err(why)?;
                Attempt::Udp { sock, until: sys.now() + HELLO_PATIENCE }
            }
            _ => {
                let stream = Stream::open(sys, self.from).map_err(why)?;
                sockets::prepare(sys, stream.0, &test.settings)?;
                stream.connect(sys, self.to).map_err(why)?;
                sockets::adjust(sys, stream, &test.settings)?;
                Attempt::Tcp(stream)
            }
        };
        let conduit = match attempt {
            Attempt::Tcp(stream) if stream.is_open(sys).map_err(why)? => {
                let cookie = format!("{}\0", self.cookie);
                stream
                    .send(sys, cookie.as_bytes())
                    .map_err(|errno| Failure::of("unable to send cookie to server", errno))?;
                Some(Conduit::Tcp(stream))
            }
            Attempt::Tcp(_) => None,
            Attempt::Udp { sock, until } => {
                let read = |errno| Failure::of("unable to read from stream socket", errno);
                if let Some(errno) = sock.take_pending(sys) {
                    return Err(read(errno));
                }
                if until <= sys.now() {
                    return Err(read(Errno::EAGAIN));
                }
                sock.recv(sys).map(|_| Conduit::Udp(sock))
            }
        };
        let Some(conduit) = conduit else {
            self.phase = Phase::Opening(Some(attempt));
            let until = if let Attempt::Udp { until, .. } = attempt { Some(until) } else { None };
            return Ok(Some(Wait::event().or_until(until)));
        };
        let ends = match conduit {
            Conduit::Tcp(stream) => stream.ends(sys).ok_or(why(Errno::ENOTCONN))?,
            Conduit::Udp(sock) => sockets::ends(sys, sock),
        };
        // The first two descriptors behind the control connection are a stream's and its buffer's.
        let fd = 5 + 2 * place;
        let id = if place == 0 { 1 } else { place + 2 };
        test.flows.push(Flow::new(id, fd, conduit, test.is_sender(place)));
        self.report.connected(sys, fd, ends);
        self.phase = Phase::Opening(None);
        Ok(None)
    }

    fn display(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if let Some(test) = self.test.as_ref().filter(|test| !test.flows.is_empty()) {
            self.report.interval(sys, test);
            self.report.results(sys, test);
        }
    }

    fn finish(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        self.display(sys);
        if let Some(test) = &self.test {
            test.close(sys);
        }
        if let Some(control) = &mut self.control {
            control.say(sys, State::IPERF_DONE);
            control.stream.close(sys);
        }
        if self.report.json.is_some() {
            self.report.finish_json(sys, None);
        } else {
            self.report.put(sys, "\niperf Done.\n");
        }
        self.report.flush(sys);
        Step::Exit(0)
    }

    /// A signal (`iperf_got_sigend`).
    fn interrupted(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if matches!(self.phase, Phase::Running)
            && let Some(test) = &mut self.test
        {
            test.gather(sys);
            self.display(sys);
        }
        if let Some(control) = &mut self.control {
            control.say(sys, State::CLIENT_TERMINATE);
        }
        self.report.ended_by(sys, "interrupt - the client has terminated");
        self.report.flush(sys);
        Step::Exit(1)
    }
}
