//! awk (mawk's behaviour, which is Debian's): patterns, actions, functions, arrays, printf, redirected output.

mod eval;
mod expr;
mod lex;
mod run;
mod syntax;
mod value;

use std::sync::Arc;

use super::opts::{getopt, refuse};
use crate::{Kernel, Open, Program, Read, Spawn, Step, Sys, Wait};
use run::{Awk, Flow};

const USAGE: &str = "Usage: mawk [Options] [Program] [file ...]\n";

pub(super) fn start<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let opts = match getopt(args, "+F:v:f:", &[]) {
        Ok(opts) => opts,
        Err(error) => {
            return refuse(
                format!(
                    "awk: {}\n{USAGE}",
                    error.replace("invalid option -- '", "not an option: -").trim_end_matches('\'')
                ),
                2,
            );
        }
    };
    let mut operands = opts.operands.clone();
    let assigns: Vec<(String, String)> =
        opts.values('v').filter_map(|v| v.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let separator = opts.value('F').map(str::to_owned);
    if let Some(file) = opts.value('f').map(str::to_owned) {
        return Box::new(Load { file, operands, assigns, separator });
    }
    if operands.is_empty() {
        return refuse(USAGE.to_owned(), 2);
    }
    let text = operands.remove(0);
    build(&text, &operands, &assigns, separator)
}

/// `-f file`: the program's text is only known when the process runs.
#[derive(Clone)]
struct Load {
    file: String,
    operands: Vec<String>,
    assigns: Vec<(String, String)>,
    separator: Option<String>,
}

impl<K: Kernel> Program<K> for Load {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        match sys.read_file(&self.file) {
            Ok(bytes) => {
                let program =
                    build(&String::from_utf8_lossy(&bytes), &self.operands, &self.assigns, self.separator.clone());
                sys.become_program(program);
                Step::Again
            }
            Err(errno) => {
                sys.err(&format!("awk: cannot open {} ({errno})\n", self.file));
                Step::Exit(2)
            }
        }
    }
}

fn build<K: Kernel>(
    text: &str,
    operands: &[String],
    assigns: &[(String, String)],
    separator: Option<String>,
) -> Box<dyn Program<K>> {
    let script = match syntax::parse(text) {
        Ok(script) => script,
        Err(error) => return refuse(format!("awk: {error}\n"), 2),
    };
    let mut awk = Awk::new(Arc::new(script), operands);
    if let Some(separator) = separator {
        awk.set_text("FS", if separator == "t" { "\t".to_owned() } else { separator });
    }
    for (name, value) in assigns {
        awk.assign_argument(name, value);
    }
    Box::new(Machine {
        awk,
        begun: false,
        operands: operands.to_vec(),
        at: 0,
        open: None,
        buffer: Vec::new(),
        seen_file: false,
        eof: false,
        children: None,
    })
}

/// awk as a process: reads records, hands them to the interpreter.
#[derive(Clone)]
struct Machine {
    awk: Awk,
    begun: bool,
    operands: Vec<String>,
    at: usize,
    open: Option<u32>,
    buffer: Vec<u8>,
    seen_file: bool,
    eof: bool,
    /// Commands that got `print | "command"`'s output.
    children: Option<Vec<u32>>,
}

impl Machine {
    /// Gives the interpreter's output to the process; true: it exits.
    fn deliver<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, flow: Flow) -> Option<Step> {
        self.awk.deliver(sys);
        match flow {
            Flow::Exit | Flow::Error => {
                if matches!(flow, Flow::Exit) && !self.awk.ending {
                    self.awk.ending = true;
                    let flow = self.awk.end();
                    return self.deliver(sys, flow);
                }
                self.awk.finish(sys);
                let start = |(command, data): (String, Vec<u8>)| {
                    let input = sys.text_fd(&data);
                    let child = sys.spawn(Spawn::new(vec!["sh".to_owned(), "-c".to_owned(), command]).fd(0, input));
                    sys.close(input);
                    child.ok()
                };
                self.children = Some(std::mem::take(&mut self.awk.pipes).into_iter().filter_map(start).collect());
                Some(Step::Again)
            }
            _ => None,
        }
    }

    /// Opens the next operand. `None`: there is none.
    fn open_next<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) -> Option<u32> {
        loop {
            let Some(operand) = self.operands.get(self.at).cloned() else {
                if self.seen_file {
                    return None;
                }
                self.seen_file = true;
                return Some(0);
            };
            self.at += 1;
            if let Some((name, value)) = operand.split_once('=')
                && name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
                && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
            {
                self.awk.assign_argument(name, value);
                continue;
            }
            self.seen_file = true;
            if operand == "-" {
                return Some(0);
            }
            match sys.open(&operand, Open::Read) {
                Ok(fd) => {
                    self.awk.begin_file(&operand);
                    return Some(fd);
                }
                Err(errno) => {
                    sys.err(&format!("awk: cannot open {operand} ({errno})\n"));
                    self.awk.status = 2;
                }
            }
        }
    }

    /// A record's end in the buffer: (its length, how much to drop).
    fn record_end(&self) -> Option<(usize, usize)> {
        let rs = self.awk.record_separator();
        let find =
            |sep: &[u8]| self.buffer.windows(sep.len().max(1)).position(|w| w == sep).map(|at| (at, at + sep.len()));
        match rs.as_str() {
            "" => find(b"\n\n").map(|(at, end)| {
                let more = self.buffer.get(end..).unwrap_or(&[]).iter().take_while(|b| **b == b'\n').count();
                (at, end + more)
            }),
            rs if rs.len() == 1 => find(rs.as_bytes()),
            rs => {
                let found = syntax::regex(rs).ok()?.find(&self.buffer)?.range();
                // A match at the very end may go on in what is not read yet.
                (self.eof || found.end < self.buffer.len()).then_some((found.start, found.end))
            }
        }
    }

    fn next_record(&mut self) -> Option<String> {
        let (length, drop) = match self.record_end() {
            Some(end) => end,
            None if self.eof && !self.buffer.is_empty() => {
                let body = self
                    .buffer
                    .strip_suffix(b"\n")
                    .filter(|_| self.awk.record_separator() != "\n")
                    .map_or(self.buffer.len(), <[u8]>::len);
                (body, self.buffer.len())
            }
            None => return None,
        };
        let record = String::from_utf8_lossy(self.buffer.get(..length).unwrap_or(&[])).into_owned();
        self.buffer.drain(..drop.min(self.buffer.len()));
        Some(record)
    }
}

impl<K: Kernel> Program<K> for Machine {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        const RECORDS_PER_STEP: usize = 500;
        if let Some(children) = &mut self.children {
            children.retain(|child| matches!(sys.reap(*child), Ok(None)));
            return if children.is_empty() { Step::Exit(self.awk.status) } else { Step::Block(Wait::event()) };
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.awk.environment(&sys.env_all());
            let flow = self.awk.begin();
            if let Some(step) = self.deliver(sys, flow) {
                return step;
            }
            if !self.awk.needs_input() {
                return self.deliver(sys, Flow::Exit).unwrap_or(Step::Exit(0));
            }
        }
        for _ in 0..RECORDS_PER_STEP {
            // `getline` looks at the next records: hand over what is there.
            let Some(record) = self.next_record() else {
                if self.open.is_none() {
                    self.open = self.open_next(sys);
                    self.eof = false;
                }
                let Some(fd) = self.open else {
                    return self.deliver(sys, Flow::Exit).unwrap_or(Step::Exit(0));
                };
                match sys.read(fd, 65536) {
                    Ok(Read::Data(data)) => self.buffer.extend(data),
                    Ok(Read::WouldBlock) => return Step::Block(Wait::readable(fd)),
                    Ok(Read::Eof) | Err(_) if !self.eof => self.eof = true,
                    Ok(Read::Eof) | Err(_) => {
                        if fd != 0 {
                            sys.close(fd);
                        }
                        self.open = None;
                        self.eof = false;
                        self.buffer.clear();
                    }
                }
                continue;
            };
            let flow = self.awk.record(record);
            if matches!(flow, Flow::NextFile) {
                self.buffer.clear();
                if let Some(fd) = self.open.take() {
                    sys.close(fd);
                }
            }
            if let Some(step) = self.deliver(sys, flow) {
                return step;
            }
        }
        Step::Again
    }
}
