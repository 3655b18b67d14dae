//! `wget` 1.21 for HTTP: one file at a time.

use core::net::Ipv4Addr;

use hopwise_machine::clock::strftime;
use hopwise_machine::{Open, Program, Signal, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno, Time};

use crate::curl::response::Body;
use crate::curl::url::Url;
use crate::dns::Lookup;
use crate::getopt::{self, Argument, Long};
use crate::http::{Head, status_line};
use crate::kernel::SimKernel;
use crate::resolve::{Family, Host};
use crate::stream::{From, Stream};

/// From an open connection to the request.
const THINKING: Duration = Duration::from_micros(200);
/// How much is read at once.
const BUFFER: usize = 64 << 10;
/// `--timeout`: fifteen minutes.
const PATIENCE: Duration = Duration::from_secs(900);
/// The most redirections that are followed (`--max-redirect`).
const MAX_REDIRECTS: u32 = 20;

const LONG: &[Long] = &[
    ("no-verbose", Argument::No, 'V'),
    ("output-document", Argument::Required, 'O'),
    ("quiet", Argument::No, 'q'),
    ("spider", Argument::No, 's'),
    ("timeout", Argument::Required, 'T'),
    ("tries", Argument::Required, 't'),
];

/// `wget`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Wget { args: args.to_vec(), run: None })
}

#[derive(Clone)]
struct Wget {
    args: Vec<String>,
    run: Option<Box<Run>>,
}

#[derive(Clone, Debug)]
enum Phase {
    Resolving(Box<Lookup>),
    Connecting(Stream),
    Sending(Stream, Time),
    Receiving(Stream),
}

#[derive(Clone, Debug)]
struct Run {
    quiet: bool,
    spider: bool,
    /// `-O`
    document: Option<String>,
    timeout: Duration,
    tries: u32,
    url: Url,
    redirects: u32,
    phase: Phase,
    since: Time,
    began: Time,
    input: Vec<u8>,
    head: Option<Head>,
    body: Body,
    received: Vec<u8>,
}

/// Exit status and error output.
type Refusal = (i32, String);

impl Program<SimKernel> for Wget {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.run.is_none() {
            match Run::begin(sys, &self.args) {
                Ok(run) => self.run = Some(Box::new(run)),
                Err((status, text)) => {
                    sys.err(&text);
                    return Step::Exit(status);
                }
            }
        }
        match self.run.as_mut().map(|run| run.step(sys)) {
            Some(Ok(step)) => step,
            Some(Err((status, text))) => {
                if self.run.as_ref().is_some_and(|run| !run.quiet) {
                    sys.err(&text);
                }
                Step::Exit(status)
            }
            None => Step::Exit(1),
        }
    }
}

impl Run {
    fn begin(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Run, Refusal> {
        const USAGE: &str = "Usage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n";
        let (mut quiet, mut spider, mut document) = (false, false, None);
        let (mut timeout, mut tries) = (PATIENCE, 20);
        // -nv is one option of two letters.
        let args: Vec<String> =
            args.iter().map(|a| if a == "-nv" { "--no-verbose".to_owned() } else { a.clone() }).collect();
        let parsed = getopt::parse(&args, "qO:T:t:", LONG);
        for option in parsed.options {
            let option = option.map_err(|why| (2, format!("wget: {why}\n{USAGE}")))?;
            let number = getopt::strtod(option.text()).0.max(0.0);
            match option.key {
                'q' | 'V' => quiet = true,
                's' => spider = true,
                'O' => document = Some(option.text().to_owned()),
                'T' => timeout = Duration::from_millis((number * 1000.0) as u64),
                _ => tries = number as u32,
            }
        }
        let [url] = parsed.operands.as_slice() else {
            let text = if parsed.operands.is_empty() {
                "wget: missing URL\n"
            } else {
                "wget: only one URL is supported here\n"
            };
            return Err((1, format!("{text}{USAGE}")));
        };
        let url = Url::parse(url).map_err(|_| (1, format!("{url}: Unsupported scheme.\n")))?;
        sys.ignore(Signal::PIPE);
        let (now, head) = (sys.now(), None);
        let lookup = Lookup::begin(sys, &url.host, Family::Unspec);
        let phase = Phase::Resolving(Box::new(lookup));
        let (input, received) = (Vec::new(), Vec::new());
        let timeout = if timeout.is_zero() { PATIENCE } else { timeout };
        let run = Run {
            quiet,
            spider,
            document,
            timeout,
            tries: tries.max(1),
            url,
            redirects: 0,
            phase,
            since: now,
            began: now,
            input,
            head,
            body: Body::Close,
            received,
        };
        if run.spider {
            run.say(sys, "Spider mode enabled. Check if remote file exists.\n");
        }
        run.announce(sys);
        Ok(run)
    }

    fn say(&self, sys: &mut Sys<'_, SimKernel>, text: &str) {
        if !self.quiet {
            sys.err(text);
        }
    }

    fn stamp(sys: &Sys<'_, SimKernel>) -> String {
        strftime("%Y-%m-%d %H:%M:%S", (sys.now().unix_nanos() / 1_000_000_000) as i64, 0)
    }

    fn announce(&self, sys: &mut Sys<'_, SimKernel>) {
        let text = format!("--{}--  {}\n", Run::stamp(sys), self.url);
        self.say(sys, &text);
        if self.url.host.parse::<Ipv4Addr>().is_err() {
            self.say(sys, &format!("Resolving {host} ({host})... ", host = self.url.host));
        }
    }

    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Step, Refusal> {
        loop {
            let limit = self.since + self.timeout;
            let late = sys.now() >= limit;
            match &mut self.phase {
                Phase::Resolving(lookup) => match lookup.step(sys) {
                    None => return Ok(Step::Block(Wait::event().or_until(Some(lookup.until())))),
                    Some(Ok(Host::V4 { addr, .. })) => self.connect(sys, addr)?,
                    Some(result) => {
                        let host = &self.url.host;
                        let why = result.err().unwrap_or(crate::resolve::GaiError::AddrFamily);
                        return Err((4, format!("failed: {why}.\nwget: unable to resolve host address ‘{host}’\n")));
                    }
                },
                Phase::Connecting(stream) => {
                    let stream = *stream;
                    match stream.is_open(sys) {
                        Ok(true) => {
                            self.say(sys, "connected.\nHTTP request sent, awaiting response... ");
                            self.phase = Phase::Sending(stream, sys.now() + THINKING);
                        }
                        Ok(false) if !late => return Ok(Step::Block(Wait::event().or_until(Some(limit)))),
                        Ok(false) => self.failed(sys, stream, Errno::ETIMEDOUT)?,
                        Err(errno) => self.failed(sys, stream, errno)?,
                    }
                }
                Phase::Sending(_, at) if *at > sys.now() => return Ok(Step::Block(Wait::until(*at))),
                Phase::Sending(stream, _) => {
                    let stream = *stream;
                    let request = self.request();
                    // A request fits into any send buffer.
                    stream.send(sys, request.as_bytes()).map_err(|errno| (4, format!("{errno}\n")))?;
                    (self.phase, self.since) = (Phase::Receiving(stream), sys.now());
                }
                Phase::Receiving(stream) => {
                    let stream = *stream;
                    match stream.recv(sys, BUFFER) {
                        Ok(bytes) => {
                            self.since = sys.now();
                            if let Some(step) = self.received(sys, stream, &bytes)? {
                                return Ok(step);
                            }
                        }
                        Err(Errno::EAGAIN) if !late => return Ok(Step::Block(Wait::event().or_until(Some(limit)))),
                        Err(errno) => {
                            let why = if errno == Errno::EAGAIN { Errno::ETIMEDOUT } else { errno };
                            return Err((4, format!("Read error ({why}) in headers.\nGiving up.\n\n")));
                        }
                    }
                }
            }
        }
    }

    fn connect(&mut self, sys: &mut Sys<'_, SimKernel>, addr: Ipv4Addr) -> Result<(), Refusal> {
        let (host, port) = (self.url.host.clone(), self.url.port);
        if host == addr.to_string() {
            self.say(sys, &format!("Connecting to {host}:{port}... "));
        } else {
            self.say(sys, &format!("{addr}\nConnecting to {host} ({host})|{addr}|:{port}... "));
        }
        let stream = Stream::open(sys, From::default()).map_err(|errno| (4, format!("{errno}\n")))?;
        self.since = sys.now();
        self.phase = Phase::Connecting(stream);
        match stream.connect(sys, (addr, port)) {
            Ok(()) => Ok(()),
            Err(errno) => self.failed(sys, stream, errno),
        }
    }

    /// There is no connection: what may pass is tried again after a pause that grows, what refuses is final.
    fn failed(&mut self, sys: &mut Sys<'_, SimKernel>, stream: Stream, errno: Errno) -> Result<(), Refusal> {
        stream.close(sys);
        if matches!(errno, Errno::ECONNREFUSED | Errno::ENETUNREACH | Errno::EHOSTUNREACH) || self.tries <= 1 {
            let end = if errno == Errno::ECONNREFUSED { "" } else { "Giving up.\n\n" };
            let end = if self.tries > 1 && errno != Errno::ECONNREFUSED { "" } else { end };
            return Err((4, format!("failed: {errno}.\n{end}")));
        }
        self.tries -= 1;
        self.say(sys, &format!("failed: {errno}.\nRetrying.\n\n"));
        self.announce(sys);
        let lookup = Lookup::begin(sys, &self.url.host, Family::Unspec);
        self.phase = Phase::Resolving(Box::new(lookup));
        Ok(())
    }

    fn request(&self) -> String {
        let method = if self.spider { "HEAD" } else { "GET" };
        format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Wget/1.21.3\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\
             Connection: Keep-Alive\r\n\r\n",
            self.url.target,
            self.url.host_field()
        )
    }

    /// Bytes arrived, or the end.
    fn received(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        stream: Stream,
        bytes: &[u8],
    ) -> Result<Option<Step>, Refusal> {
        self.input.extend(bytes);
        if self.head.is_none() {
            let Some(head) = Head::parse(&self.input) else {
                return if bytes.is_empty() { Err((4, "No data received.\nGiving up.\n\n".into())) } else { Ok(None) };
            };
            self.input.drain(..head.len);
            if let Some(step) = self.take_head(sys, stream, head)? {
                return Ok(Some(step));
            }
        }
        let body = self.body.take(&mut self.input);
        self.received.extend(body.ok_or((4, "Malformed chunks.\n".to_owned()))?);
        let over = self.body == Body::Done || (bytes.is_empty() && self.body == Body::Close);
        if !over && !bytes.is_empty() {
            return Ok(None);
        }
        stream.close(sys);
        self.save(sys).map(Some)
    }

    fn take_head(&mut self, sys: &mut Sys<'_, SimKernel>, stream: Stream, head: Head) -> Result<Option<Step>, Refusal> {
        let (_, code, reason) = status_line(&head.first).unwrap_or(("", 0, ""));
        self.say(sys, &format!("{code} {reason}\n"));
        self.body = Body::of(&head, if self.spider { "HEAD" } else { "GET" });
        if (300..400).contains(&code)
            && let Some(location) = head.field("location")
            && self.redirects < MAX_REDIRECTS
        {
            self.say(sys, &format!("Location: {location} [following]\n"));
            self.url = self.url.join(location).map_err(|(_, text)| (1, format!("{text}\n")))?;
            self.redirects += 1;
            stream.close(sys);
            self.input.clear();
            self.announce(sys);
            let lookup = Lookup::begin(sys, &self.url.host, Family::Unspec);
            self.phase = Phase::Resolving(Box::new(lookup));
            return Ok(None);
        }
        if !(200..300).contains(&code) {
            let text = format!("{} ERROR {code}: {reason}.\n\n", Run::stamp(sys));
            return Err((8, text));
        }
        let length = head.field("content-length");
        let kind = head
            .field("content-type")
            .map_or(String::new(), |kind| format!(" [{}]", kind.split(';').next().unwrap_or(kind)));
        let short = length.and_then(|length| human(length.parse().ok()?)).unwrap_or_default();
        self.say(sys, &format!("Length: {}{short}{kind}\n", length.unwrap_or("unspecified")));
        if self.spider {
            self.say(sys, "Remote file exists.\n\n");
            stream.close(sys);
            return Ok(Some(Step::Exit(0)));
        }
        let name = self.file(sys);
        let shown = if name == "-" { "STDOUT".to_owned() } else { name };
        self.say(sys, &format!("Saving to: ‘{shown}’\n\n"));
        (self.head, self.began) = (Some(head), sys.now());
        Ok(None)
    }

    /// The file that is written: of a name that no other one has, unless it was told.
    fn file(&self, sys: &mut Sys<'_, SimKernel>) -> String {
        if let Some(document) = &self.document {
            return document.clone();
        }
        let name = self.url.target.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let name = if name.is_empty() { "index.html" } else { name };
        let mut names = core::iter::once(name.to_owned()).chain((1..1000).map(|n| format!("{name}.{n}")));
        names.find(|name| sys.stat(name, true).is_err()).unwrap_or_else(|| name.to_owned())
    }

    fn save(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Step, Refusal> {
        let name = self.file(sys);
        let len = self.received.len();
        let written = if name == "-" {
            sys.write(1, &self.received)
        } else {
            sys.open(&name, Open::Write).and_then(|fd| sys.write(fd, &self.received))
        };
        written.map_err(|errno| (3, format!("{name}: {errno}\n\nCannot write to ‘{name}’ ({errno}).\n")))?;
        let length: Option<usize> = self.head.as_ref().and_then(|h| h.field("content-length")?.parse().ok());
        if length.is_some_and(|wanted| wanted > len) {
            let text = format!("{} (0 B/s) - Connection closed at byte {len}. Giving up.\n\n", Run::stamp(sys));
            return Err((4, text));
        }
        let micros = (sys.now().since(self.began).as_micros() as u64).max(1);
        let speed = len as u64 * 1_000_000 / micros;
        let seconds = micros as f64 / 1e6;
        let took = if seconds < 0.0005 { "0s".to_owned() } else { format!("{seconds:.1}s") };
        self.say(sys, &format!("{}{:>5}={took}\n\n", dots(len), size(speed, "")));
        let done = match (name.as_str(), length) {
            ("-", Some(_)) => format!("written to stdout [{len}/{len}]"),
            ("-", None) => format!("written to stdout [{len}]"),
            (name, Some(_)) => format!("‘{name}’ saved [{len}/{len}]"),
            (name, None) => format!("‘{name}’ saved [{len}]"),
        };
        let text = format!("{} ({}) - {done}\n\n", Run::stamp(sys), size(speed, " B/s"));
        self.say(sys, &text);
        Ok(Step::Exit(0))
    }
}

/// The progress as dots: one for each KiB, fifty in a row, and how much of all that is.
fn dots(len: usize) -> String {
    let mut text = String::new();
    for row in 0..len.div_ceil(50 << 10).max(1) {
        let upto = ((row + 1) * (50 << 10)).min(len);
        let count = (upto - row * (50 << 10)) >> 10;
        let clusters: String =
            (0..5).map(|c| format!(" {:<10}", ".".repeat(count.saturating_sub(c * 10).min(10)))).collect();
        let percent = (upto * 100).checked_div(len).unwrap_or(100);
        text.push_str(&format!("{}{:>6}K{clusters}{percent:>3}% ", if row > 0 { "\n" } else { "" }, row * 50));
    }
    text
}

/// A length of a KiB and more once again in short (`human_readable`).
fn human(length: u64) -> Option<String> {
    let power = (1..=6).rev().find(|power| length >> (10 * power) > 0)?;
    let value = length as f64 / f64::from(1u32 << 10).powi(power);
    let digits = usize::from(value < 10.0);
    Some(format!(" ({value:.digits$}{})", char::from(b"KMGTPE"[power as usize - 1])))
}

/// A speed in three digits.
fn size(bytes: u64, unit: &str) -> String {
    let (value, letter) = match bytes {
        ..1024 => (bytes as f64, ""),
        1024..1_048_576 => (bytes as f64 / 1024.0, "K"),
        1_048_576..1_073_741_824 => (bytes as f64 / 1_048_576.0, "M"),
        _ => (bytes as f64 / 1_073_741_824.0, "G"),
    };
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    let unit = unit.trim_start_matches(' ');
    let gap = if unit.is_empty() { "" } else { " " };
    format!("{value:.digits$}{gap}{letter}{unit}")
}
