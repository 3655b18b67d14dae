//! `tcpdump` 4.99.3: captures of links and files, filtered, printed and written. The languages and formats are those
//! of [`hopwise_capture`]; here are the options, the devices and the messages.

mod live;
mod options;

use hopwise_capture::file::{self, Capture, PcapWriter};
use hopwise_capture::filter::{Filter, Source};
use hopwise_capture::print::Printer;
use hopwise_capture::{Frame, LinkType, Meta};
use hopwise_machine::{Open, Program, Read, Signal, Step, Sys, Wait};

use crate::kernel::SimKernel;
use live::Live;
use options::{Options, Refusal};

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
    Live(Box<Live>, Box<Sink>),
    /// The file comes from standard input, which has not ended yet.
    Input(Box<Options>, Vec<u8>),
}

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
            State::Live(live, sink) => listen(sys, live, sink),
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
    if options.list_devices {
        sys.out(&live::device_list(sys));
        return Ok(Begun::Done(0));
    }
    if let Some(path) = &options.filter_file {
        let text = sys.read_file(path).map_err(|errno| Refusal::new(format!("can't open {path}: {errno}")))?;
        options.expression = String::from_utf8_lossy(&text).into_owned();
    }
    match options.read.clone() {
        Some(path) if path == "-" => Ok(Begun::State(State::Input(Box::new(options), Vec::new()))),
        Some(path) => {
            let bytes = sys.read_file(&path).map_err(|errno| Refusal::new(format!("{path}: {errno}")))?;
            read_capture(sys, &options, &path, &bytes).map(Begun::Done)
        }
        None => begin_live(sys, options).map(Begun::State),
    }
}

fn begin_live(sys: &mut Sys<'_, SimKernel>, options: Options) -> Result<State, Refusal> {
    let live = Live::open(sys, &options)?;
    let source = Source { netmask: live.netmask, file: false };
    let filter = Filter::with(&options.expression, live.link_type, source).map_err(Refusal::new)?;
    let sink = Sink::open(sys, options, filter, live.link_type)?;
    if sink.options.print.verbose == 0 && sink.options.write.is_none() {
        sys.err("tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n");
    } else {
        sys.err("tcpdump: ");
    }
    let (device, link_type, snaplen) = (&live.device, live.link_type, sink.options.snaplen);
    sys.err(&format!("listening on {device}, link-type {link_type}, snapshot length {snaplen} bytes\n"));
    for signal in [Signal::INT, Signal::TERM] {
        sys.catch(signal);
    }
    if !sys.ignores(Signal::HUP) {
        sys.catch(Signal::HUP);
    }
    Ok(State::Live(Box::new(live), Box::new(sink)))
}

/// Takes what has passed the link since the last time.
fn listen(sys: &mut Sys<'_, SimKernel>, live: &Live, sink: &mut Sink) -> Step {
    while let Some(seen) = live.next(sys) {
        // The kernel runs the filter; what it lets through counts, even if nobody looks at it any more.
        if !sink.filter.matches(&seen.frame.data, seen.frame.orig_len, &seen.meta()) {
            continue;
        }
        sink.passed += 1;
        if seen.wanted && !sink.is_full() {
            sink.take(sys, &seen.frame, &seen.meta());
        }
    }
    let interrupted = core::iter::from_fn(|| sys.take_signal()).count() > 0;
    if sink.is_full() {
        return sink.finish(sys, 0);
    }
    if interrupted {
        // The line that was being printed may not be complete.
        if sink.options.write.is_none() {
            sys.out("\n");
        }
        return sink.finish(sys, 0);
    }
    if live.is_gone(sys) {
        sys.err("tcpdump: pcap_loop: The interface disappeared\n");
        return sink.finish(sys, 1);
    }
    Step::Block(Wait::event())
}

/// Where packets go: the printer, a file, a counter.
#[derive(Clone)]
struct Sink {
    options: Options,
    filter: Filter,
    link_type: LinkType,
    printer: Printer,
    /// The file of `-w`, and its descriptor.
    file: Option<(u32, PcapWriter)>,
    /// Packets handled.
    captured: u64,
    /// Packets that passed the filter.
    passed: u64,
}

impl Sink {
    fn open(
        sys: &mut Sys<'_, SimKernel>,
        options: Options,
        filter: Filter,
        link_type: LinkType,
    ) -> Result<Sink, Refusal> {
        let file = match options.write.as_deref() {
            None => None,
            Some("-") => Some(1),
            Some(path) => {
                let opened = sys.open(path, Open::Write);
                Some(opened.map_err(|errno| Refusal::new(format!("{path}: {errno}")))?)
            }
        };
        let writer = || PcapWriter::with(link_type, options.precision(), options.snaplen);
        let mut sink = Sink {
            file: file.map(|fd| (fd, writer())),
            printer: Printer::new(options.print.clone()),
            filter,
            link_type,
            options,
            captured: 0,
            passed: 0,
        };
        sink.flush(sys);
        Ok(sink)
    }

    fn is_full(&self) -> bool {
        self.options.count.is_some_and(|count| self.captured >= count)
    }

    fn take(&mut self, sys: &mut Sys<'_, SimKernel>, frame: &Frame, meta: &Meta<'_>) {
        self.captured += 1;
        if let Some((_, writer)) = &mut self.file {
            writer.append(frame.time_ns, frame.orig_len, &frame.data);
            self.flush(sys);
        }
        let prints = self.file.is_none() || self.options.print_too;
        if !prints || self.options.count_only {
            return;
        }
        let kept = frame.data.get(..self.options.snaplen as usize);
        let text = match kept {
            Some(kept) if kept.len() < frame.data.len() => {
                let cut = Frame { data: kept.to_vec(), ..frame.clone() };
                self.printer.line(&cut, self.link_type, meta)
            }
            _ => self.printer.line(frame, self.link_type, meta),
        };
        sys.out(&text);
    }

    /// Writes what the file has grown by, so that it is complete whenever the machine stops.
    fn flush(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if let Some((fd, writer)) = &mut self.file {
            let bytes = writer.take_bytes();
            // As tcpdump without -U, which finds out about a full disk at the end only; nothing is full here.
            let _written = sys.write(*fd, &bytes);
        }
    }

    /// The three lines at the end.
    fn finish(&self, sys: &mut Sys<'_, SimKernel>, status: i32) -> Step {
        sys.err(&format!(
            "{} captured\n{} received by filter\n{} dropped by kernel\n",
            packets(self.captured),
            packets(self.passed),
            packets(0)
        ));
        Step::Exit(status)
    }
}

fn packets(count: u64) -> String {
    format!("{count} packet{}", if count == 1 { "" } else { "s" })
}

/// Reads a whole file (`-r`).
fn read_capture(sys: &mut Sys<'_, SimKernel>, options: &Options, path: &str, bytes: &[u8]) -> Result<i32, Refusal> {
    let capture: Capture = file::read(bytes).map_err(Refusal::new)?;
    let link_type = capture.link_type();
    let snaplen = capture.interfaces.first().map_or(file::SNAPLEN, |i| i.snaplen);
    sys.err(&format!("reading from file {path}, link-type {link_type}, snapshot length {snaplen}\n"));
    let source = Source { netmask: 0, file: true };
    let filter = Filter::with(&options.expression, link_type, source).map_err(Refusal::new)?;
    let mut sink = Sink::open(sys, Options { snaplen, ..options.clone() }, filter, link_type)?;
    for packet in &capture.packets {
        if sink.is_full() {
            break;
        }
        let name = capture.interfaces.get(packet.interface).and_then(|i| i.name.as_deref());
        let meta = Meta { interface: name, ..Meta::default() };
        if sink.filter.matches(&packet.frame.data, packet.frame.orig_len, &meta) {
            sink.take(sys, &packet.frame, &meta);
        }
    }
    if let Some(error) = capture.tail.filter(|_| !sink.is_full()) {
        sys.err(&format!("tcpdump: pcap_loop: {error}\n"));
        return Ok(1);
    }
    if options.count_only {
        sys.out(&format!("{}\n", packets(sink.captured)));
    }
    Ok(0)
}
