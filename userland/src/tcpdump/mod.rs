//! `tcpdump` 4.99.3: captures of links and files, filtered, printed and written. The languages and formats are those
//! of [`hopwise_capture`]; here are the options, the devices and the messages.

mod live;
mod options;
mod ring;
mod sink;

use hopwise_capture::file::{self, Capture};
use hopwise_capture::filter::{Filter, Source};
use hopwise_capture::{Hosts, LinkType, Meta};
use hopwise_machine::{Errno, Program, Read, Signal, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Time};

use crate::kernel::SimKernel;
use live::Live;
use options::{Options, Refusal};
use ring::Ring;
use sink::{Sink, Taken, packets};

/// `tcpdump`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Tcpdump { args: args.to_vec(), state: State::New })
}

#[derive(Clone)]
struct Tcpdump {
    args: Vec<String>,
    state: State,
}

#[derive(Clone)]
enum State {
    /// Nothing was done yet.
    New,
    /// Listening.
    Live(Box<Listener>),
    /// The file comes from standard input, which has not ended yet.
    Input(Box<Options>, Vec<u8>),
}

/// A capture that is running.
#[derive(Clone)]
struct Listener {
    live: Live,
    ring: Ring,
    sink: Sink,
    /// When `-v` next tells how many packets were written.
    report: Option<Time>,
}

/// How often `-v` tells how many packets were written.
const REPORT: Duration = Duration::from_secs(1);

/// How far a program got with beginning.
enum Begun {
    State(State),
    Done(i32),
}

impl Program<SimKernel> for Tcpdump {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        match &mut self.state {
            State::New => match begin(sys, &self.args) {
                Ok(Begun::State(state)) => {
                    self.state = state;
                    self.step(sys)
                }
                Ok(Begun::Done(status)) => Step::Exit(status),
                Err(refusal) => refuse(sys, &refusal),
            },
            State::Live(listener) => listener.listen(sys),
            State::Input(options, bytes) => match sys.read(0, 65_536) {
                Ok(Read::Data(data)) => {
                    bytes.extend(data);
                    Step::Again
                }
                Ok(Read::WouldBlock) => Step::Block(Wait::readable(0)),
                Ok(Read::Eof) | Err(_) => match read_capture(sys, options, "-", bytes) {
                    Ok(status) => Step::Exit(status),
                    Err(refusal) => refuse(sys, &refusal),
                },
            },
        }
    }
}

fn refuse(sys: &mut Sys<'_, SimKernel>, refusal: &Refusal) -> Step {
    sys.out(&refusal.out);
    sys.err(&refusal.err);
    Step::Exit(refusal.status)
}

fn begin(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Begun, Refusal> {
    let mut options = Options::parse(args)?;
    sys.err(&options.notes);
    if options.list_devices {
        sys.out(&live::device_list(sys));
        return Ok(Begun::Done(0));
    }
    let hosts = Hosts::parse(&String::from_utf8_lossy(&sys.read_file("/etc/hosts").unwrap_or_default()));
    options.print.hosts = if options.no_domains { hosts.clone().without_domains() } else { hosts.clone() };
    options.hosts = hosts;
    if options.foreign && options.read.is_some() {
        return Err(Refusal::new("-f can not be used with -V or -r"));
    }
    match options.read.clone() {
        Some(path) if path == "-" => Ok(Begun::State(State::Input(Box::new(options), Vec::new()))),
        Some(path) => {
            let bytes = sys.read_file(&path).map_err(|errno| match errno {
                Errno::EISDIR => Refusal::new(format!("error reading dump file: {errno}")),
                _ => Refusal::new(format!("{path}: {errno}")),
            })?;
            read_capture(sys, &options, &path, &bytes).map(Begun::Done)
        }
        None => begin_live(sys, options).map(Begun::State),
    }
}

/// The filter of the options, from the command line or a file.
fn filter(
    sys: &mut Sys<'_, SimKernel>,
    options: &Options,
    link_type: LinkType,
    source: Source,
) -> Result<Filter, Refusal> {
    let source = Source { hosts: options.hosts.clone(), ..source };
    let expression = match &options.filter_file {
        Some(path) => {
            let text = sys.read_file(path).map_err(|errno| Refusal::new(format!("can't open {path}: {errno}")))?;
            String::from_utf8_lossy(&text).into_owned()
        }
        None => options.expression.clone(),
    };
    let filter = Filter::with(&expression, link_type, source).map_err(Refusal::new)?;
    match &options.user {
        Some(user) if user != "root" => Err(Refusal::new(format!("Couldn't find user '{user}'"))),
        _ => Ok(filter),
    }
}

fn begin_live(sys: &mut Sys<'_, SimKernel>, options: Options) -> Result<State, Refusal> {
    let live = Live::open(sys, &options)?;
    let ring = Ring::new(sys.now(), options.timeout());
    let tags_beside = live.link_type == LinkType::ETHERNET;
    let source = Source { netmask: live.netmask, tags_beside, ..Source::default() };
    let filter = filter(sys, &options, live.link_type, source)?;
    let sink = Sink::open(sys, options, filter, live.link_type)?;
    if sink.options.print.verbose == 0 && sink.options.write.is_none() {
        sys.err("tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n");
    } else {
        sys.err("tcpdump: ");
    }
    let (device, link_type, snaplen) = (&live.device, live.link_type, sink.options.snaplen);
    sys.err(&format!("listening on {device}, link-type {link_type}, snapshot length {snaplen} bytes\n"));
    for signal in [Signal::INT, Signal::TERM, Signal::USR1] {
        sys.catch(signal);
    }
    if !sys.ignores(Signal::HUP) {
        sys.catch(Signal::HUP);
    }
    let reports = sink.options.print.verbose > 0 && sink.is_silent();
    let report = reports.then(|| sys.now() + REPORT);
    Ok(State::Live(Box::new(Listener { live, ring, sink, report })))
}

impl Listener {
    /// Takes what has passed the link since the last time.
    fn listen(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let now = sys.now();
        while let Some(seen) = self.live.next(sys) {
            // The kernel runs the filter; what it lets through counts, even if nobody looks at it any more.
            let (data, len) = seen.filtered(self.live.link_type);
            if self.sink.filter.matches(&data, len, &seen.meta()) {
                self.sink.passed += 1;
                self.ring.put(now, seen);
            }
        }
        let mut interrupted = false;
        while let Some(signal) = sys.take_signal() {
            match signal {
                Signal::USR1 => sys.err(&format!("tcpdump: {}\n", self.sink.counts().join(", "))),
                _ => interrupted = true,
            }
        }
        for seen in self.ring.take(now).into_iter().filter(|seen| seen.wanted) {
            if self.sink.is_full() {
                break;
            }
            match self.sink.take(sys, &seen.frame, &seen.meta()) {
                Ok(Taken::Handled) => {}
                Ok(Taken::LimitReached(limit)) => {
                    sys.err(&format!("Maximum file limit reached: {limit}\n"));
                    return self.sink.finish(sys, 0);
                }
                Err(refusal) => {
                    sys.err(&refusal.err);
                    return self.sink.end(sys, refusal.status);
                }
            }
        }
        if self.sink.is_full() {
            return self.sink.finish(sys, 0);
        }
        if interrupted {
            // The line that was being printed may not be complete.
            if self.sink.options.write.is_none() {
                self.sink.flush_out(sys, "\n");
            }
            return self.sink.finish(sys, 0);
        }
        if self.live.is_gone(sys) {
            sys.err("tcpdump: pcap_loop: The interface disappeared\n");
            return self.sink.finish(sys, 1);
        }
        if let Some(at) = self.report.filter(|at| *at <= now) {
            sys.err(&format!("Got {}\r", self.sink.captured));
            self.report = Some(at + REPORT);
        }
        Step::Block(Wait::event().or_until(self.ring.next()).or_until(self.report))
    }
}

/// Reads a whole file (`-r`).
fn read_capture(sys: &mut Sys<'_, SimKernel>, options: &Options, path: &str, bytes: &[u8]) -> Result<i32, Refusal> {
    let capture: Capture = file::read(bytes).map_err(Refusal::new)?;
    let link_type = capture.link_type();
    let snaplen = capture.interfaces.first().map_or(file::SNAPLEN, |i| i.snaplen);
    sys.err(&format!("reading from file {path}, link-type {link_type}, snapshot length {snaplen}\n"));
    if link_type == LinkType::LINUX_SLL2 {
        sys.err("Warning: interface names might be incorrect\n");
    }
    let filter = filter(sys, options, link_type, Source { file: true, ..Source::default() })?;
    let mut sink = Sink::open(sys, Options { snaplen, ..options.clone() }, filter, link_type)?;
    for packet in &capture.packets {
        if sink.is_full() {
            break;
        }
        let name = capture.interfaces.get(packet.interface).and_then(|i| i.name.clone());
        let name = name.or_else(|| live::link_of_cooked(sys, link_type, &packet.frame.data));
        let meta = Meta { interface: name.as_deref(), ..Meta::default() };
        if sink.filter.matches(&packet.frame.data, packet.frame.orig_len, &meta)
            && let Taken::LimitReached(limit) = sink.take(sys, &packet.frame, &meta)?
        {
            sys.err(&format!("Maximum file limit reached: {limit}\n"));
            break;
        }
    }
    if let Some(error) = capture.tail.filter(|_| !sink.is_full()) {
        sink.flush_out(sys, "");
        sys.err(&format!("tcpdump: pcap_loop: {error}\n"));
        sink.end(sys, 1);
        return Ok(1);
    }
    if options.count_only {
        let count = format!("{}\n", packets(sink.captured));
        sink.flush_out(sys, &count);
    }
    sink.end(sys, 0);
    Ok(0)
}
