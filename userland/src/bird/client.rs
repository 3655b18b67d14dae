//! `birdc`

use std::collections::VecDeque;

use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::Errno;

use super::commands;
use crate::getopt;
use crate::kernel::SimKernel;
use crate::unix::{self, UnixStream};

const USAGE: &str = "Usage: birdc [-s <control-socket>] [-v] [-r] [-l]\n";

/// The prompt is drawn anew before anything is printed, and cleared.
const CLEARED: &str = "bird> \r\x1b[K";

/// `birdc`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Client { args: args.to_vec(), session: None })
}

#[derive(Clone)]
struct Client {
    args: Vec<String>,
    session: Option<Session>,
}

#[derive(Clone)]
struct Session {
    stream: UnixStream,
    verbose: bool,
    /// Commands that are still to be sent.
    commands: VecDeque<String>,
    /// They come from standard input.
    interactive: bool,
    /// What was read of it and is no whole line yet.
    typed: Vec<u8>,
    ended: bool,
    received: Vec<u8>,
    /// The daemon's answer is awaited.
    waiting: bool,
    /// The code of the last line.
    code: u16,
    failed: bool,
}

impl Program<SimKernel> for Client {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.session.is_none() {
            match Session::open(sys, &self.args) {
                Ok(session) => self.session = Some(session),
                Err(text) => {
                    sys.err(&text);
                    return Step::Exit(1);
                }
            }
        }
        match &mut self.session {
            Some(session) => session.step(sys),
            None => Step::Exit(1),
        }
    }
}

impl Session {
    fn open(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Session, String> {
        let (mut socket, mut verbose, mut restricted) = ("/run/bird/bird.ctl".to_owned(), false, false);
        // It knows no long options.
        if args.first().is_some_and(|arg| arg.starts_with("--") && arg.len() > 2) {
            return Err(format!("birdc: invalid option -- '-'\n{USAGE}"));
        }
        let parsed = getopt::parse(args, "+s:vrl", &[]);
        for option in parsed.options {
            let option = option.map_err(|error| format!("birdc: {error}\n{USAGE}"))?;
            match option.key {
                's' => socket = option.text().to_owned(),
                'v' => verbose = true,
                'r' => restricted = true,
                _ => socket = "bird.ctl".into(),
            }
        }
        let stream = unix::connect(sys, &socket)
            .map_err(|errno| format!("Unable to connect to server control socket ({socket}): {errno}\n"))?;
        let command = parsed.operands.join(" ");
        let interactive = command.is_empty();
        let mut commands = VecDeque::new();
        if restricted {
            commands.push_back("restrict".to_owned());
        }
        if !interactive {
            commands.push_back(command);
        }
        let (typed, received) = Default::default();
        Ok(Session {
            stream,
            verbose,
            commands,
            interactive,
            typed,
            ended: false,
            received,
            waiting: true,
            code: 0,
            failed: false,
        })
    }

    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        loop {
            match self.stream.recv(sys) {
                Ok(bytes) if bytes.is_empty() => {
                    if self.waiting {
                        sys.err("Connection closed by server\n");
                    }
                    return Step::Exit(i32::from(self.waiting));
                }
                Ok(bytes) => self.received.extend(bytes),
                Err(_) => {}
            }
            self.print(sys);
            if self.waiting {
                return Step::Block(Wait::event());
            }
            let Some(command) = self.commands.pop_front() else {
                if !self.interactive || self.ended {
                    return Step::Exit(i32::from(self.failed && !self.interactive));
                }
                if let Some(step) = self.read(sys) {
                    return step;
                }
                continue;
            };
            if let Some(status) = self.run(sys, &command) {
                return Step::Exit(status);
            }
        }
    }

    /// Sends a command, or ends with a status.
    fn run(&mut self, sys: &mut Sys<'_, SimKernel>, command: &str) -> Option<i32> {
        if command.is_empty() {
            return None;
        }
        let text = match commands::expand(command) {
            Ok(text) => text,
            Err(text) => {
                sys.out(&text);
                self.failed = true;
                return (!self.interactive).then_some(1);
            }
        };
        if text == "exit" || text == "quit" {
            return Some(0);
        }
        if text == "help" {
            sys.out("Press `?' for context sensitive help.\n");
            return None;
        }
        self.waiting = true;
        if self.stream.send(sys, format!("{text}\n").as_bytes()) == Err(Errno::EPIPE) {
            sys.err("Connection closed by server\n");
            return Some(1);
        }
        None
    }

    /// Reads a line of standard input: the next command. As readline does it without a terminal, what was read is echoed.
    fn read(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Step> {
        if let Some(end) = self.typed.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.typed.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            let line = ask(sys, &line);
            sys.out(&format!("bird> {line}\n"));
            // The prompt goes away only for what is sent.
            if commands::expand(&line).is_ok_and(|text| !matches!(&*text, "exit" | "quit" | "help")) {
                sys.out(CLEARED);
            }
            self.commands.push_back(line);
            return None;
        }
        match sys.read(0, 4096) {
            Ok(hopwise_machine::Read::Data(bytes)) => self.typed.extend(bytes),
            Ok(hopwise_machine::Read::WouldBlock) => return Some(Step::Block(Wait::readable(0))),
            Ok(hopwise_machine::Read::Eof) | Err(_) => {
                sys.out(CLEARED);
                self.ended = true;
            }
        }
        None
    }

    /// Prints whole lines of the answer (`server_got_reply`).
    fn print(&mut self, sys: &mut Sys<'_, SimKernel>) {
        while let Some(end) = self.received.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.received.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).into_owned();
            if let Some(rest) = line.strip_prefix(' ') {
                sys.out(&if self.verbose { format!("     {rest}") } else { rest.to_owned() });
                continue;
            }
            // A message of the log, as it came (echo).
            if let Some(message) = line.strip_prefix('+') {
                sys.out(&format!(">>> {message}"));
                continue;
            }
            let (Some(code), Some(text)) = (line.get(..4), line.get(5..)) else { continue };
            self.code = code.parse().unwrap_or(0);
            if line.as_bytes()[4] == b' ' {
                self.waiting = false;
                self.failed |= self.code >= 8000;
            }
            // Nothing is said with the end.
            if self.code == 0 && text == "\n" {
                continue;
            }
            sys.out(if self.verbose { &line } else { text });
        }
    }
}

/// Question marks are not typed: each one tells what may stand there. What is left of a line is given back.
fn ask(sys: &mut Sys<'_, SimKernel>, line: &str) -> String {
    let mut typed = String::new();
    for part in line.split_inclusive('?') {
        match part.strip_suffix('?') {
            Some(before) => {
                typed.push_str(before);
                sys.out(&format!("bird> {typed}?\n{}", commands::help(&typed)));
            }
            None => typed.push_str(part),
        }
    }
    typed
}
