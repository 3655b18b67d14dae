//! `ping` of iputils 20221126, for IPv4. The state machine follows `main_loop`, `pinger` and `schedule_exit` of
//! `ping_common.c`; setting up follows `ping4_run`.

mod options;
mod receive;
mod setup;
mod stats;
mod text;

use core::net::Ipv4Addr;

use hopwise_machine::{Program, Signal, Step, Sys, Wait};
use hopwise_protocols::wire::IntoBytes;
use hopwise_protocols::wire::icmp::{self, ICMP_ECHO};
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::path::route::OutputFlow;

use crate::dns::{Lookup, Names};
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, GaiError, Host};
use crate::sock::{PROBE_COST, Sock, micros};
use options::Options;
use stats::Stats;
use text::OptionsPrinter;

/// The smallest interval that is waited for while an answer is expected (`MININTERVAL`), in milliseconds.
const MIN_INTERVAL: u64 = 10;

/// Bytes of the time stamp at the beginning of the payload (`struct timeval`).
const STAMP: usize = 16;

/// How many dots of a flood fit on a line (`screen_width` without a terminal: `INT_MAX`).
const SCREEN_WIDTH: u64 = i32::MAX as u64;

/// Why ping does not even begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// Exit status.
    pub status: i32,
    /// What is printed.
    pub text: String,
}

impl Refusal {
    fn new(status: i32, text: impl core::fmt::Display) -> Self {
        Refusal { status, text: format!("ping: {text}\n") }
    }

    fn usage(complaint: String) -> Self {
        let complaint = if complaint.is_empty() { complaint } else { format!("ping: {complaint}\n") };
        Refusal { status: 2, text: format!("{complaint}{}", include_str!("usage.txt")) }
    }

    fn version() -> Self {
        let text = "ping from iputils 20221126\n\
                    libcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes\n";
        Refusal { status: 0, text: text.to_owned() }
    }
}

/// `ping`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Ping { args: args.to_vec(), resolving: None, run: None })
}

#[derive(Clone)]
struct Ping {
    args: Vec<String>,
    resolving: Option<Box<(Options, Lookup)>>,
    run: Option<Box<Run>>,
}

impl Program<SimKernel> for Ping {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(run) = &mut self.run {
            return run.step(sys);
        }
        let begun = match self.resolved(sys) {
            Err(step) => return step,
            Ok(resolved) => resolved.and_then(|(options, host)| setup::begin(sys, options, host)),
        };
        match begun {
            Ok(run) => self.run.insert(Box::new(run)).step(sys),
            Err(Refusal { status: 0, text }) => {
                sys.out(&text);
                Step::Exit(0)
            }
            Err(Refusal { status, text }) => {
                sys.err(&text);
                Step::Exit(status)
            }
        }
    }
}

impl Ping {
    /// The options, and the host once it is known. `Err`: what is waited for.
    fn resolved(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Result<(Options, Host), Refusal>, Step> {
        if self.resolving.is_none() {
            match Options::parse(&self.args) {
                Ok(options) => {
                    setup::announce(sys, &options);
                    let lookup = Lookup::begin(sys, setup::word(&options), options.family);
                    self.resolving = Some(Box::new((options, lookup)));
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        let Some((options, lookup)) = self.resolving.as_deref_mut() else {
            return Ok(Err(Refusal::usage(String::new())));
        };
        let host = lookup.wait(sys)?.map_err(|why| {
            // A name that has addresses of the other family only.
            let other = why == GaiError::NoData && options.family != Family::Unspec;
            let why = if other { GaiError::AddrFamily } else { why };
            Refusal::new(2, format!("{}: {why}", setup::word(options)))
        });
        Ok(host.map(|host| (options.clone(), host)))
    }
}

/// A ping under way.
#[derive(Clone)]
struct Run {
    options: Options,
    sock: Sock,
    /// The destination as the user's words name it.
    host: String,
    target: Ipv4Addr,
    /// Whether many may answer.
    group: bool,
    ident: u16,
    /// What every probe carries after the ICMP header.
    payload: Vec<u8>,
    /// In milliseconds.
    interval: u64,
    stats: Stats,
    printer: OptionsPrinter,
    started: Time,
    /// When the last probe was due, and the milliseconds of credit since then.
    last: Option<Time>,
    tokens: u64,
    /// How often in a row the link took nothing.
    no_room: u64,
    exit_at: Option<Time>,
    /// Whether [`Run::schedule_exit`] has set `exit_at`.
    leaving: bool,
    interrupted: bool,
    /// Until when the current wait lasts; `None`: the next round begins.
    waiting: Option<Time>,
    names: Names,
    /// Why the last probe could not be sent, if nobody was told.
    refused: Option<Errno>,
}

/// What `pinger` decided.
enum Next {
    /// Come back after so many milliseconds.
    After(u64),
    /// Another probe may be due at once.
    AtOnce,
}

impl Run {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        while let Some(signal) = sys.take_signal() {
            match signal {
                Signal::QUIT => sys.err(&self.stats.snapshot(self.timing())),
                _ => self.interrupted = true,
            }
        }
        loop {
            let now = sys.now();
            if self.interrupted || self.exit_at.is_some_and(|at| now >= at) {
                return self.finish(sys);
            }
            match self.waiting {
                None => {
                    if self.is_done() {
                        return self.finish(sys);
                    }
                    self.waiting = Some(self.probe(sys));
                }
                Some(_) if self.sock.is_ready(sys) => match self.receive(sys) {
                    Some(step) => return step,
                    None => self.waiting = None,
                },
                Some(until) if now >= until => self.waiting = None,
                Some(until) => return Step::Block(Wait::until(until).or_until(self.exit_at)),
            }
        }
    }

    fn is_done(&self) -> bool {
        let settled = self.stats.received + self.stats.errors;
        self.options.count.is_some_and(|count| settled >= count) || (self.options.deadline > 0 && self.stats.errors > 0)
    }

    fn finish(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let paced = self.interval == 0 || self.options.flood || self.options.adaptive;
        let elapsed = (self.started, self.last.unwrap_or(self.started));
        sys.out(&self.stats.summary(&self.host, elapsed, self.timing(), paced));
        let short = self.options.deadline > 0 && self.stats.received < self.options.count.unwrap_or(0);
        Step::Exit(i32::from(self.stats.received == 0 || short))
    }

    /// Whether probes carry the time of their sending.
    fn timing(&self) -> bool {
        self.options.size >= STAMP
    }

    /// Sends what is due and says until when to wait for answers (the upper half of `main_loop`).
    fn probe(&mut self, sys: &mut Sys<'_, SimKernel>) -> Time {
        let wait = loop {
            match self.pinger(sys) {
                Next::After(millis) => break self.schedule_exit(sys.now(), millis),
                Next::AtOnce if self.all_sent() => break self.schedule_exit(sys.now(), 0),
                // One probe each time the clock ticks, however little.
                Next::AtOnce if self.interval == 0 => return sys.now() + PROBE_COST,
                Next::AtOnce => {}
            }
        };
        let short = self.options.adaptive || wait < self.interval.max(MIN_INTERVAL);
        let wait = if short && wait <= MIN_INTERVAL && self.stats.in_flight() > 0 { MIN_INTERVAL } else { wait };
        sys.now() + if wait == 0 { PROBE_COST } else { Duration::from_millis(wait) }
    }

    fn all_sent(&self) -> bool {
        self.options.deadline == 0 && self.options.count.is_some_and(|count| self.stats.transmitted >= count)
    }

    /// After the last probe: twice the longest round trip, or the time of `-W` if nothing came back at all.
    fn schedule_exit(&mut self, now: Time, next: u64) -> u64 {
        if !self.all_sent() || self.leaving {
            return next;
        }
        let micros = if self.stats.received > 0 {
            (2 * self.stats.max.max(0) as u64).max(1000 * self.interval)
        } else {
            self.options.linger * 1000
        };
        if micros == 0 {
            // setitimer(2) with zero sets no timer.
            return next.max(1);
        }
        self.leaving = true;
        self.exit_at = Some(now + Duration::from_micros(micros));
        next.max(micros / 1000)
    }

    /// Sends a probe if one is due (`pinger`).
    fn pinger(&mut self, sys: &mut Sys<'_, SimKernel>) -> Next {
        if self.all_sent() {
            return Next::After(1000);
        }
        let now = sys.now();
        match self.last {
            None => self.tokens = self.interval * (self.options.preload - 1),
            Some(last) => {
                let passed = (now - last).as_millis() as u64;
                if self.interval == 0 && passed < MIN_INTERVAL && self.stats.in_flight() >= self.options.preload {
                    return Next::After(MIN_INTERVAL - passed);
                }
                let credit = (passed + self.tokens).min(self.interval * self.options.preload);
                if credit < self.interval {
                    return Next::After(self.interval - credit);
                }
                self.tokens = credit - self.interval;
            }
        }
        self.last = Some(now);
        self.tell_outstanding(sys);
        self.send_probe(sys)
    }

    fn tell_outstanding(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let sent = self.stats.transmitted;
        if self.options.outstanding && sent > 0 && !self.stats.has_answer(sent) {
            self.print_time(sys);
            sys.out(&format!("no answer yet for icmp_seq={}\n", sent % 0x1_0000));
        }
    }

    fn send_probe(&mut self, sys: &mut Sys<'_, SimKernel>) -> Next {
        let seq = (self.stats.transmitted + 1) as u16;
        self.stats.forget(seq);
        self.refused = None;
        let errno = match self.transmit(sys, seq) {
            Ok(_) => {
                self.stats.advance();
                self.no_room = 0;
                let room = self.options.preload < SCREEN_WIDTH || self.stats.in_flight() < SCREEN_WIDTH;
                if self.options.flood && !self.options.quiet && room {
                    sys.out(".");
                }
                let rest = self.interval.saturating_sub(self.tokens);
                return if rest == 0 { Next::AtOnce } else { Next::After(rest) };
            }
            Err(Errno::ENOBUFS) => return self.link_is_full(sys),
            Err(errno) => errno,
        };
        match self.read_error(sys) {
            Some(Told::ByNetwork | Told::NotOurs) => self.pretend_sent(sys, Some(errno)),
            // An empty queue counts as an error that was told: what is dropped on the way out is lost in silence. But an ICMP error
            // about it may be on its way from this host itself: then the call's own error is told as well (REJECT).
            Some(Told::ByThisHost) => self.pretend_sent(sys, None),
            None => {
                self.refused = Some(errno);
                self.pretend_sent(sys, None)
            }
        }
    }

    fn transmit(&mut self, sys: &mut Sys<'_, SimKernel>, seq: u16) -> Result<usize, Errno> {
        let message = self.message(sys.now(), seq);
        if self.options.dont_route {
            // Without gateways (SO_DONTROUTE) a target behind one is never reached, and nobody says so.
            let flow = OutputFlow { dst: self.target, mark: self.options.mark.unwrap_or(0), ..OutputFlow::default() };
            if sys.kernel.net.route_for(self.sock.ns, &flow)?.gateway.is_some() {
                return Ok(message.len());
            }
        }
        sys.kernel.net.send_raw(self.sock.ns, self.sock.id, self.target, &message)
    }

    /// A link took no probe: it is tried again for as long as an answer would be waited for (`pinger`).
    fn link_is_full(&mut self, sys: &mut Sys<'_, SimKernel>) -> Next {
        let pause = (self.interval / 2).clamp(MIN_INTERVAL, 500);
        self.tokens = 0;
        self.no_room += 1;
        if self.no_room * pause < self.options.linger {
            return Next::After(pause);
        }
        self.pretend_sent(sys, Some(Errno::ENOBUFS))
    }

    /// A probe that this host refused to send counts as sent.
    fn pretend_sent(&mut self, sys: &mut Sys<'_, SimKernel>, errno: Option<Errno>) -> Next {
        self.stats.advance();
        if let Some(errno) = errno.filter(|_| !self.options.quiet) {
            if self.options.flood { sys.out("E") } else { sys.err(&format!("ping: sendmsg: {errno}\n")) }
        }
        self.tokens = 0;
        Next::After(self.interval.max(MIN_INTERVAL))
    }

    fn message(&mut self, now: Time, seq: u16) -> Vec<u8> {
        if let Some(stamp) = self.payload.get_mut(..STAMP) {
            let micros = micros(now);
            stamp[..8].copy_from_slice(&(micros / 1_000_000).to_le_bytes());
            stamp[8..].copy_from_slice(&(micros % 1_000_000).to_le_bytes());
        }
        let header = icmp::Header::echo(ICMP_ECHO, self.ident, seq, &self.payload);
        [header.as_bytes(), &self.payload].concat()
    }

    fn print_time(&self, sys: &mut Sys<'_, SimKernel>) {
        if self.options.print_time {
            let now = micros(sys.now());
            sys.out(&format!("[{}.{:06}] ", now / 1_000_000, now % 1_000_000));
        }
    }

    /// An address as it is shown: with its name, unless numbers were asked for.
    fn name(&self, sys: &mut Sys<'_, SimKernel>, addr: Ipv4Addr) -> String {
        let asked = self.names.get(addr).ok().map(str::to_owned);
        match asked.or_else(|| resolve::reverse(sys, addr)).filter(|_| !self.options.numeric) {
            Some(name) => format!("{name} ({addr})"),
            None => addr.to_string(),
        }
    }
}

/// Who reported an error.
enum Told {
    ByNetwork,
    ByThisHost,
    NotOurs,
}
