//! One transfer: name, connection, request, response, and again if it is redirected.

use core::net::Ipv4Addr;

use hopwise_machine::{Sys, Wait};
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::socket::tcp::Addr;

use super::meter::Meter;
use super::options::Options;
use super::response::Body;
use super::url::Url;
use super::writeout::{Facts, Times};
use super::{Run, Sink, request};
use crate::dns::Lookup;
use crate::http::{Head, MAX_HEAD, status_line};
use crate::kernel::SimKernel;
use crate::resolve::{Family, Host};
use crate::sock::link_named;
use crate::stream::{From, Stream};

/// From an open connection to the request.
const THINKING: Duration = Duration::from_micros(200);
/// From the end of the response to the close.
const CLOSING: Duration = Duration::from_micros(150);
/// How much is read at once.
const BUFFER: usize = 100 << 10;
/// `CURLOPT_MAXREDIRS`
const MAX_REDIRECTS: i64 = 50;
/// A timeout is noticed by a clock of milliseconds.
const TICK: Duration = Duration::from_millis(1);
/// `CURL_TIMEOUT_CONNECT`: five minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(300);

/// Exit status and text.
pub(super) type Failure = (i32, String);

/// How far it came.
pub(super) enum Outcome {
    Waits(Wait),
    Over(Result<(), Failure>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Begin,
    /// The name is being looked up.
    Resolving,
    Connecting,
    /// The request is sent at that time.
    Sending(Time),
    Receiving,
    /// The connection is closed at that time.
    Closing(Time),
}

#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub(super) sink: Sink,
    text: String,
    url: Option<Url>,
    phase: Phase,
    meter: Meter,
    began: Time,
    /// When this request (the first one or a redirected one) began.
    since: Time,
    times: Times,
    lookup: Option<Lookup>,
    stream: Option<Stream>,
    to: Addr,
    number: u32,
    refused: bool,
    unsent: Vec<u8>,
    input: Vec<u8>,
    head: Option<Head>,
    body: Body,
    /// Whether the arrival of data was told already.
    told_data: bool,
    http10: bool,
    redirects: u32,
    connects: u32,
    head_bytes: u64,
    request_bytes: u64,
    ends: Option<(Addr, Addr)>,
}

impl Transfer {
    pub(super) fn new(sys: &Sys<'_, SimKernel>, options: &Options, url: &str, sink: Sink) -> Transfer {
        let now = sys.now();
        Transfer {
            sink,
            text: url.to_owned(),
            url: None,
            phase: Phase::Begin,
            meter: Meter::new(now, options.silent || options.no_meter),
            began: now,
            since: now,
            times: Times::default(),
            lookup: None,
            stream: None,
            to: (Ipv4Addr::UNSPECIFIED, 0),
            number: 0,
            refused: false,
            unsent: Vec::new(),
            input: Vec::new(),
            head: None,
            body: Body::Close,
            told_data: false,
            http10: false,
            redirects: 0,
            connects: 0,
            head_bytes: 0,
            request_bytes: 0,
            ends: None,
        }
    }

    /// Goes on as far as it can.
    pub(super) fn go_on(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run) -> Outcome {
        match self.proceed(sys, run) {
            Ok(Some(wait)) => Outcome::Waits(wait),
            Ok(None) => self.over(sys, run, Ok(())),
            Err(failure) => self.over(sys, run, Err(failure)),
        }
    }

    fn over(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run, result: Result<(), Failure>) -> Outcome {
        self.times.total = self.micros(sys);
        // What is wrong with the URL is noticed before there is anything to be closed.
        if self.url.is_some() {
            let text = self.meter.update(sys.now(), true);
            sys.err(&text);
            self.hang_up(sys, run, result.is_ok());
        }
        Outcome::Over(result)
    }

    fn proceed(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run) -> Result<Option<Wait>, Failure> {
        loop {
            self.check_time(sys, run)?;
            let text = if self.url.is_some() { self.meter.update(sys.now(), false) } else { String::new() };
            sys.err(&text);
            let on = match self.phase {
                Phase::Begin => self.begin(sys, run)?,
                Phase::Resolving => self.resolved(sys, run)?,
                Phase::Connecting => self.connected(sys, run)?,
                Phase::Sending(at) if at > sys.now() => false,
                Phase::Sending(_) => self.send(sys, run)?,
                Phase::Receiving => self.receive(sys, run)?,
                Phase::Closing(at) if at > sys.now() => false,
                Phase::Closing(_) => match self.redirected(sys, run)? {
                    true => true,
                    false => return Ok(None),
                },
            };
            if !on {
                let next = match self.phase {
                    Phase::Sending(at) | Phase::Closing(at) => Some(at),
                    Phase::Resolving => self.lookup.as_ref().map(Lookup::until),
                    _ => None,
                };
                let patience = self.deadline(run).map(|(at, _)| at);
                let wait = Wait::event().or_until(next).or_until(patience).or_until(self.meter.next(sys.now()));
                return Ok(Some(wait));
            }
        }
    }

    fn micros(&self, sys: &Sys<'_, SimKernel>) -> u64 {
        sys.now().since(self.began).as_micros() as u64
    }

    /// When patience ends, and whether that is patience with the connection only.
    fn deadline(&self, run: &Run) -> Option<(Time, bool)> {
        let whole = run.options.max_time.map(|limit| (self.began + limit + TICK, false));
        let connecting = (self.phase == Phase::Connecting).then(|| {
            let limit = run.options.connect_timeout.unwrap_or(CONNECT_TIMEOUT);
            (self.since + limit + TICK, true)
        });
        [whole, connecting].into_iter().flatten().min()
    }

    fn check_time(&self, sys: &mut Sys<'_, SimKernel>, run: &Run) -> Result<(), Failure> {
        let Some((_, connecting)) = self.deadline(run).filter(|(at, _)| *at <= sys.now()) else { return Ok(()) };
        let millis = sys.now().since(self.began).as_millis();
        let text = match self.phase {
            Phase::Connecting if connecting => {
                let limit = run.options.connect_timeout.unwrap_or(CONNECT_TIMEOUT).as_millis();
                self.info(sys, run, &format!("ipv4 connect timeout after {limit}ms, move on!"));
                let text = self.cannot_connect(sys, "Timeout was reached");
                self.info(sys, run, &text);
                return Err((28, text));
            }
            Phase::Begin | Phase::Resolving => format!("Resolving timed out after {millis} milliseconds"),
            Phase::Connecting => format!("Connection timed out after {millis} milliseconds"),
            _ => {
                let received = self.meter.received;
                let of = match self.meter.expected {
                    Some(whole) => format!("{received} out of {whole} bytes received"),
                    None => format!("{received} bytes received"),
                };
                format!("Operation timed out after {millis} milliseconds with {of}")
            }
        };
        self.info(sys, run, &text);
        Err((28, text))
    }

    /// Tells something with `-v`.
    fn info(&self, sys: &mut Sys<'_, SimKernel>, run: &Run, text: &str) {
        if run.options.verbose {
            sys.err(&format!("* {text}\n"));
        }
    }

    fn cannot_connect(&self, sys: &Sys<'_, SimKernel>, why: &str) -> String {
        let millis = sys.now().since(self.since).as_millis();
        let host = self.url.as_ref().map_or("", |url| &url.host);
        format!("Failed to connect to {host} port {} after {millis} ms: {why}", self.to.1)
    }

    /// Reads the URL and looks the name up.
    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run) -> Result<bool, Failure> {
        if self.url.is_none() {
            self.url = Some(Url::parse(&self.text)?);
            for (host, port, addr) in run.options.resolve.iter().filter(|_| run.known.is_empty()) {
                self.info(sys, run, &format!("Added {host}:{port}:{addr} to DNS cache"));
            }
            let text = self.meter.update(sys.now(), false);
            sys.err(&text);
        }
        let Some(url) = self.url.clone() else { return Ok(false) };
        self.since = sys.now();
        let (host, port) = self.route(sys, run, &url);
        self.to.1 = port;
        match self.known(sys, run, &host, port) {
            Some(addr) => self.dial(sys, run, addr),
            None => {
                self.lookup = Some(Lookup::begin(sys, &host, Family::Unspec));
                self.phase = Phase::Resolving;
                Ok(true)
            }
        }
    }

    /// The name is known by now, or not.
    fn resolved(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run) -> Result<bool, Failure> {
        let Some(lookup) = &mut self.lookup else { return Ok(false) };
        let Some(result) = lookup.step(sys) else { return Ok(false) };
        let host = lookup.name().to_owned();
        match result {
            Ok(Host::V4 { addr, .. }) => {
                run.known.push((host, addr));
                self.dial(sys, run, addr)
            }
            _ => {
                let text = format!("Could not resolve host: {host}");
                self.info(sys, run, &text);
                Err((6, text))
            }
        }
    }

    /// Begins to connect.
    fn dial(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run, addr: Ipv4Addr) -> Result<bool, Failure> {
        let port = self.to.1;
        self.times.lookup = self.micros(sys);
        self.to = (addr, port);
        self.number = run.connections;
        self.info(sys, run, &format!("  Trying {addr}:{port}..."));
        let stream = self.open(sys, run)?;
        run.connections += 1;
        self.stream = Some(stream);
        self.phase = Phase::Connecting;
        match stream.connect(sys, self.to) {
            Ok(()) => Ok(true),
            Err(errno) => {
                self.info(sys, run, &format!("Immediate connect fail for {addr}: {errno}"));
                let text = self.cannot_connect(sys, "Couldn't connect to server");
                self.info(sys, run, &text);
                Err((7, text))
            }
        }
    }

    /// To which host and port it really goes (`--connect-to`).
    fn route(&self, sys: &mut Sys<'_, SimKernel>, run: &Run, url: &Url) -> (String, u16) {
        for rule in &run.options.connect_to {
            let parts: Vec<&str> = rule.split(':').collect();
            let [host, port, to_host, to_port] = parts.as_slice() else { continue };
            let fits = (host.is_empty() || *host == url.host) && (port.is_empty() || *port == url.port.to_string());
            if !fits {
                continue;
            }
            if !to_host.is_empty() {
                self.info(sys, run, &format!("Connecting to hostname: {to_host}"));
            }
            if !to_port.is_empty() {
                self.info(sys, run, &format!("Connecting to port: {to_port}"));
            }
            let host = if to_host.is_empty() { url.host.clone() } else { (*to_host).to_owned() };
            return (host, to_port.parse().unwrap_or(url.port));
        }
        (url.host.clone(), url.port)
    }

    /// The address of a host that is told or was looked up before.
    fn known(&self, sys: &mut Sys<'_, SimKernel>, run: &Run, host: &str, port: u16) -> Option<Ipv4Addr> {
        let told = run.options.resolve.iter().find(|row| row.0.eq_ignore_ascii_case(host) && row.1 == port);
        let before = run.known.iter().find(|known| known.0 == host).map(|known| known.1);
        let addr = told.map(|row| row.2).or(before)?;
        self.info(sys, run, &format!("Hostname {host} was found in DNS cache"));
        Some(addr)
    }

    /// Opens the socket, bound as `--interface` and `--local-port` ask (`bindlocal`).
    fn open(&self, sys: &mut Sys<'_, SimKernel>, run: &Run) -> Result<Stream, Failure> {
        let mut from = From { local: (Ipv4Addr::UNSPECIFIED, run.options.local_port), ..From::default() };
        if let Some(name) = &run.options.interface {
            let device = name.strip_prefix("if!").unwrap_or(name);
            match (link_named(sys, device), name.strip_prefix("host!").unwrap_or(name).parse::<Ipv4Addr>()) {
                (Some(link), _) => from.dev = link,
                (None, Ok(addr)) => {
                    self.info(sys, run, &format!("Name '{name}' family 2 resolved to '{addr}' family 2"));
                    from.local.0 = addr;
                }
                (None, Err(_)) => {
                    self.info(sys, run, &format!("Could not resolve host: {name}"));
                    return Err(self.cannot_bind(sys, run, format!("Couldn't bind to '{name}'")));
                }
            }
        }
        let stream = Stream::open(sys, from).map_err(|errno| {
            self.cannot_bind(sys, run, format!("bind failed with errno {}: {errno}", errno.number()))
        })?;
        if from.local != From::default().local {
            self.info(sys, run, &format!("Local port: {}", from.local.1));
        }
        stream.set_nodelay(sys);
        Ok(stream)
    }

    fn cannot_bind(&self, sys: &mut Sys<'_, SimKernel>, run: &Run, text: String) -> Failure {
        self.info(sys, run, &text);
        let more = self.cannot_connect(sys, "Failed binding local connection end");
        self.info(sys, run, &more);
        (45, text)
    }

    fn connected(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run) -> Result<bool, Failure> {
        let Some(stream) = self.stream else { return Ok(false) };
        let (addr, port) = self.to;
        match stream.is_open(sys) {
            Ok(false) => return Ok(false),
            Ok(true) => {}
            Err(errno) => {
                self.refused = errno == Errno::ECONNREFUSED;
                self.info(sys, run, &format!("connect to {addr} port {port} failed: {errno}"));
                let text = self.cannot_connect(sys, "Couldn't connect to server");
                self.info(sys, run, &text);
                return Err((7, text));
            }
        }
        let host = self.url.as_ref().map_or("", |url| &url.host);
        self.info(sys, run, &format!("Connected to {host} ({addr}) port {port} (#{})", self.number));
        self.connects += 1;
        self.ends = stream.ends(sys);
        self.times.connect = self.micros(sys);
        self.phase = Phase::Sending(sys.now() + THINKING);
        Ok(true)
    }

    fn send(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run) -> Result<bool, Failure> {
        let (Some(stream), Some(url)) = (self.stream, &self.url) else { return Ok(false) };
        if self.unsent.is_empty() {
            let (head, body) = request::build(&run.options, url, self.http10, self.redirects > 0);
            self.request_bytes += (head.len() + body.len()) as u64;
            self.meter.sent = body.len() as u64;
            self.meter.to_send = Some(body.len() as u64).filter(|len| *len > 0);
            self.times.pretransfer = self.micros(sys);
            if run.options.verbose {
                let mut text: String = head.lines().map(|line| format!("> {line}\n")).collect();
                if !body.is_empty() {
                    text.push_str(&format!("}} [{} bytes data]\n", body.len()));
                }
                sys.err(&text);
            }
            self.unsent = (head + &body).into_bytes();
        }
        while !self.unsent.is_empty() {
            match stream.send(sys, &self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(Errno::EAGAIN) => return Ok(false),
                Err(errno) => return Err((55, format!("Send failure: {errno}"))),
            }
        }
        self.phase = Phase::Receiving;
        Ok(true)
    }

    fn receive(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run) -> Result<bool, Failure> {
        let Some(stream) = self.stream else { return Ok(false) };
        let ended = match stream.recv(sys, BUFFER) {
            Ok(bytes) => {
                let ended = bytes.is_empty();
                self.input.extend(bytes);
                ended
            }
            Err(Errno::EAGAIN) => return Ok(false),
            Err(errno) => {
                let text = format!("Recv failure: {errno}");
                self.info(sys, run, &text);
                return Err((56, text));
            }
        };
        while self.head.is_none() {
            let Some(head) = Head::parse(&self.input) else { break };
            if !head.first.starts_with("HTTP/") {
                return Err((1, "Received HTTP/0.9 when not allowed".into()));
            }
            self.input.drain(..head.len);
            self.take_head(sys, run, head)?;
        }
        if self.head.is_none() {
            if !self.input.is_empty() && !b"HTTP/".starts_with(self.input.get(..5).unwrap_or(&self.input)) {
                return Err((1, "Received HTTP/0.9 when not allowed".into()));
            }
            if ended || self.input.len() > MAX_HEAD {
                self.info(sys, run, "Empty reply from server");
                return Err((52, "Empty reply from server".into()));
            }
            return Ok(true);
        }
        self.take_body(sys, run)?;
        match self.body {
            Body::Done => self.phase = Phase::Closing(sys.now() + CLOSING),
            Body::Close if ended => self.phase = Phase::Closing(sys.now() + CLOSING),
            Body::Length(rest) if ended => {
                let text = format!("transfer closed with {rest} bytes remaining to read");
                self.info(sys, run, &text);
                return Err((18, text));
            }
            Body::Chunks(_) if ended => {
                let text = "transfer closed with outstanding read data remaining".to_owned();
                self.info(sys, run, &text);
                return Err((18, text));
            }
            _ => {}
        }
        Ok(true)
    }

    fn take_head(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run, head: Head) -> Result<(), Failure> {
        let code = status_line(&head.first).map_or(0, |(_, code, _)| code);
        self.times.start = self.micros(sys);
        self.head_bytes += head.len as u64;
        self.http10 = head.first.starts_with("HTTP/1.0");
        if self.http10 {
            self.info(sys, run, "HTTP 1.0, assume close after body");
        }
        let mut text = format!("{}\r\n", head.first);
        text.extend(head.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        text.push_str("\r\n");
        if code >= 400 && run.options.fail {
            let text = format!("The requested URL returned error: {code}");
            self.meter.expected = head.field("content-length").and_then(|v| v.parse().ok());
            self.info(sys, run, &text);
            self.head = Some(head);
            return Err((22, text));
        }
        if run.options.verbose {
            let lines: String = text.split("\r\n").map(|line| format!("< {line}\n")).collect();
            sys.err(lines.strip_suffix("< \n").unwrap_or(&lines));
        }
        if run.options.head || run.options.include {
            self.write(sys, run, text.as_bytes())?;
        }
        if matches!(code, 100..=199) {
            return Ok(());
        }
        let length: Option<u64> = head.field("content-length").and_then(|v| v.parse().ok());
        self.meter.expected = length.filter(|len| *len > 0);
        self.body = Body::of(&head, &request::method(&run.options, self.redirects > 0));
        self.head = Some(head);
        Ok(())
    }

    fn take_body(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run) -> Result<(), Failure> {
        let body = self.body.take(&mut self.input);
        let body =
            body.ok_or_else(|| (56, "Illegal or missing hexadecimal sequence in chunked-encoding".to_owned()))?;
        if body.is_empty() {
            return Ok(());
        }
        if run.options.verbose && !core::mem::replace(&mut self.told_data, true) {
            sys.err(&format!("{{ [{} bytes data]\n", body.len()));
        }
        self.meter.received += body.len() as u64;
        if run.options.follow && self.location().is_some() {
            return Ok(());
        }
        self.write(sys, run, &body)
    }

    fn write(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run, bytes: &[u8]) -> Result<(), Failure> {
        let failure = |_| (23, "Failure writing output to destination".to_owned());
        self.sink.write(sys, &mut run.stdout, bytes).map_err(failure)
    }

    /// Where the response sends us.
    fn location(&self) -> Option<String> {
        let head = self.head.as_ref()?;
        let code = status_line(&head.first)?.1;
        if !(300..400).contains(&code) {
            return None;
        }
        Some(self.url.as_ref()?.join(head.field("location")?).ok()?.to_string())
    }

    /// The response is complete: true if another request follows.
    fn redirected(&mut self, sys: &mut Sys<'_, SimKernel>, run: &mut Run) -> Result<bool, Failure> {
        let Some(location) = self.location().filter(|_| run.options.follow) else { return Ok(false) };
        let most = run.options.max_redirects.unwrap_or(MAX_REDIRECTS);
        if most >= 0 && i64::from(self.redirects) >= most {
            let text = format!("Maximum ({most}) redirects followed");
            return Err((47, text));
        }
        let text = self.meter.update(sys.now(), true);
        sys.err(&text);
        self.hang_up(sys, run, true);
        self.info(sys, run, &format!("Issue another request to this URL: '{location}'"));
        self.url = Some(Url::parse(&location)?);
        self.redirects += 1;
        self.times.redirect = self.micros(sys);
        (self.head, self.body, self.phase) = (None, Body::Close, Phase::Begin);
        self.input.clear();
        self.told_data = false;
        self.meter.restart(sys.now());
        Ok(true)
    }

    /// Closes the connection.
    fn hang_up(&mut self, sys: &mut Sys<'_, SimKernel>, run: &Run, well: bool) {
        let keeps = self.head.as_ref().is_some_and(|head| {
            let close = head.field("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
            well && !self.http10 && !close && !matches!(self.body, Body::Close)
        });
        let host = self.url.as_ref().map_or("", |url| &url.host);
        if keeps {
            self.info(sys, run, &format!("Connection #{} to host {host} left intact", self.number));
        } else {
            self.info(sys, run, &format!("Closing connection {}", self.number));
        }
        if let Some(stream) = self.stream.take() {
            stream.close(sys);
        }
    }

    /// Whether the other side refused the connection.
    pub(super) const fn was_refused(&self) -> bool {
        self.refused
    }

    /// The status of the response, 0 without one.
    pub(super) fn code(&self) -> u16 {
        self.head.as_ref().and_then(|head| status_line(&head.first)).map_or(0, |(_, code, _)| code)
    }

    /// What `-w` can tell.
    pub(super) fn facts(&self, run: &Run, result: &Result<(), Failure>) -> Facts {
        let head = self.head.as_ref();
        let field = |name: &str| head.and_then(|head| head.field(name)).map(str::to_owned);
        let version = head.and_then(|head| status_line(&head.first)).map_or("", |(version, _, _)| version);
        let location = self.location().filter(|_| !run.options.follow);
        Facts {
            url: self.text.clone(),
            effective: self.url.as_ref().map_or_else(|| self.text.clone(), Url::to_string),
            method: request::method(&run.options, self.redirects > 0),
            code: self.code(),
            version: version.to_owned(),
            content_type: field("content-type"),
            redirect_url: location,
            fields: head.map(|head| head.fields.clone()).unwrap_or_default(),
            ends: self.ends,
            connects: self.connects,
            redirects: self.redirects,
            received: self.meter.received,
            sent: self.meter.sent,
            head_bytes: self.head_bytes,
            request_bytes: self.request_bytes,
            exit: result.as_ref().err().map_or(0, |why| why.0),
            error: result.as_ref().err().map_or_else(String::new, |why| why.1.clone()),
            file: match &self.sink {
                Sink::File { path, .. } => path.clone(),
                Sink::Stdout => String::new(),
            },
            times: self.times,
        }
    }
}
