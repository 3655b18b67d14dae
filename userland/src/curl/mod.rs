//! `curl` 7.88 for HTTP.

mod meter;
mod options;
mod request;
pub(crate) mod response;
mod transfer;
pub(crate) mod url;
mod writeout;

use hopwise_machine::{Open, Program, Signal, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno, Time};

use crate::kernel::SimKernel;
use options::{Options, Output};
use transfer::{Outcome, Transfer};

/// `curl`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Curl { args: args.to_vec(), run: None })
}

#[derive(Clone)]
struct Curl {
    args: Vec<String>,
    run: Option<Box<Run>>,
}

impl Program<SimKernel> for Curl {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(run) = &mut self.run {
            return run.step(sys);
        }
        if self.args.is_empty() {
            sys.err("curl: try 'curl --help' or 'curl --manual' for more information\n");
            return Step::Exit(2);
        }
        match Options::parse(&self.args) {
            Ok(options) => {
                sys.ignore(Signal::PIPE);
                self.run.insert(Box::new(Run::new(options))).step(sys)
            }
            Err((status, out, err)) => {
                sys.out(&out);
                sys.err(&err);
                Step::Exit(status)
            }
        }
    }
}

/// Standard output as the C library buffers it when it is no terminal.
#[derive(Clone, Default, Debug)]
struct Stdout(Vec<u8>);

/// The size of that buffer.
const BUFSIZ: usize = 4096;

impl Stdout {
    fn write(&mut self, sys: &mut Sys<'_, SimKernel>, bytes: &[u8]) -> Result<(), Errno> {
        self.0.extend_from_slice(bytes);
        let whole = self.0.len() / BUFSIZ * BUFSIZ;
        if whole == 0 {
            return Ok(());
        }
        let rest = self.0.split_off(whole);
        let full = core::mem::replace(&mut self.0, rest);
        sys.write(1, &full)
    }

    fn flush(&mut self, sys: &mut Sys<'_, SimKernel>) {
        // Nobody is left to be told.
        let _ = sys.write(1, &core::mem::take(&mut self.0));
    }
}

/// Where the body of a transfer goes.
#[derive(Clone, Debug)]
enum Sink {
    Stdout,
    /// A file, opened with the first byte.
    File {
        path: String,
        fd: Option<u32>,
    },
}

impl Sink {
    fn write(&mut self, sys: &mut Sys<'_, SimKernel>, stdout: &mut Stdout, bytes: &[u8]) -> Result<(), Errno> {
        match self {
            Sink::Stdout => stdout.write(sys, bytes),
            Sink::File { path, fd } => {
                let fd = match fd {
                    Some(fd) => *fd,
                    None => *fd.insert(sys.open(path, Open::Write)?),
                };
                sys.write(fd, bytes)
            }
        }
    }

    fn close(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if let Sink::File { fd: Some(fd), .. } = self {
            sys.close(*fd);
        }
    }
}

/// The URLs, one after the other.
#[derive(Clone)]
struct Run {
    options: Options,
    /// Which URL is next.
    next: usize,
    transfer: Option<Box<Transfer>>,
    stdout: Stdout,
    status: i32,
    /// Connections made until now.
    connections: u32,
    /// Names that were looked up.
    known: Vec<(String, core::net::Ipv4Addr)>,
    retries_left: u64,
    pause: Duration,
    /// Until when it waits before another try.
    resume: Option<Time>,
}

impl Run {
    fn new(options: Options) -> Run {
        Run {
            retries_left: options.retries,
            options,
            next: 0,
            transfer: None,
            stdout: Stdout::default(),
            status: 0,
            connections: 0,
            known: Vec::new(),
            pause: Duration::from_secs(1),
            resume: None,
        }
    }

    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        loop {
            if let Some(at) = self.resume.filter(|at| *at > sys.now()) {
                return Step::Block(Wait::until(at));
            }
            self.resume = None;
            let Some(mut transfer) = self.transfer.take() else {
                let Some(url) = self.options.urls.get(self.next).cloned() else {
                    self.stdout.flush(sys);
                    return Step::Exit(self.status);
                };
                let transfer = Transfer::new(sys, &self.options, &url, sink(&self.options, self.next, &url));
                self.transfer = Some(Box::new(transfer));
                continue;
            };
            match transfer.go_on(sys, self) {
                Outcome::Waits(wait) => {
                    self.transfer = Some(transfer);
                    return Step::Block(wait);
                }
                Outcome::Over(result) => self.over(sys, &mut transfer, result),
            }
        }
    }

    /// A transfer is over: errors are told, `-w` is printed, perhaps it is tried again (`post_per_transfer`).
    fn over(&mut self, sys: &mut Sys<'_, SimKernel>, transfer: &mut Transfer, result: Result<(), (i32, String)>) {
        transfer.sink.close(sys);
        self.status = result.as_ref().err().map_or(0, |why| why.0);
        if let Err((status, text)) = &result
            && (!self.options.silent || self.options.show_error)
        {
            sys.err(&format!("curl: ({status}) {text}\n"));
        }
        self.stdout.flush(sys);
        if let Some(format) = &self.options.write_out {
            let (out, err) = writeout::fill(format, &transfer.facts(self, &result));
            sys.err(&err);
            if self.stdout.write(sys, out.as_bytes()).is_err() {
                self.status = 23;
            }
        }
        match self.problem(transfer, &result) {
            Some(problem) if self.retries_left > 0 => self.retry(sys, problem),
            _ => {
                self.next += 1;
                (self.retries_left, self.pause) = (self.options.retries, Duration::from_secs(1));
            }
        }
    }

    /// What may be better the next time.
    fn problem(&self, transfer: &Transfer, result: &Result<(), (i32, String)>) -> Option<&'static str> {
        match result {
            Err((28, _)) => Some(": timeout"),
            Err((7, _)) if self.options.retry_refused && transfer.was_refused() => Some(": connection refused"),
            Ok(()) | Err((22, _)) if matches!(transfer.code(), 408 | 429 | 500 | 502 | 503 | 504) => {
                Some(": HTTP error")
            }
            _ => None,
        }
    }

    fn retry(&mut self, sys: &mut Sys<'_, SimKernel>, problem: &str) {
        let pause = self.options.retry_delay.unwrap_or(self.pause);
        if !self.options.silent {
            let seconds = pause.as_secs();
            let text =
                format!("Problem {problem}. Will retry in {seconds} seconds. {} retries left.", self.retries_left);
            for line in wrap(&text, 79 - "Warning: ".len()) {
                sys.err(&format!("Warning: {line}\n"));
            }
        }
        self.retries_left -= 1;
        self.pause = (self.pause * 2).min(Duration::from_secs(600));
        self.resume = Some(sys.now() + pause);
    }
}

/// Breaks a text into lines at blanks, which stay at their ends (`voutf`).
fn wrap(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while rest.len() > width {
        let cut = rest.get(..width).and_then(|line| line.rfind(' ')).map_or(rest.len(), |at| at + 1);
        let (line, more) = rest.split_at(cut);
        lines.push(line);
        rest = more;
    }
    lines.push(rest);
    lines
}

/// Where the body of the URL number `index` goes.
fn sink(options: &Options, index: usize, url: &str) -> Sink {
    let path = match options.outputs.get(index) {
        None => return Sink::Stdout,
        Some(Output::File(path)) if path == "-" => return Sink::Stdout,
        Some(Output::File(path)) => path.clone(),
        Some(Output::Remote) => {
            let plain = url.split(['?', '#']).next().unwrap_or_default();
            plain.rsplit('/').next().unwrap_or_default().to_owned()
        }
    };
    Sink::File { path, fd: None }
}
