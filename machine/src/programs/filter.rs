//! The common part of all programs that read their operands (or standard input) line by line and write as they go.

use std::collections::VecDeque;

use crate::{Errno, Kernel, Open, Program, Read, Step, Sys, Wait};

/// How a filter goes on after a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    Go,
    /// The rest of this file is not needed.
    NextFile,
    /// Nothing more is needed.
    Stop,
}

/// What differs between the line-reading programs.
pub(super) trait LineFilter<K: Kernel>: Clone + Send {
    /// Before a file's first line. `name` is `-` for standard input.
    fn file_begins(&mut self, _sys: &mut Sys<'_, K>, _name: &str) -> Flow {
        Flow::Go
    }
    /// A line without its newline; `newline` tells whether it had one.
    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], newline: bool) -> Flow;
    /// After a file's last line.
    fn file_ends(&mut self, _sys: &mut Sys<'_, K>, _name: &str) {}
    /// After everything; the exit status.
    fn end(&mut self, _sys: &mut Sys<'_, K>) -> i32 {
        0
    }
    /// What separates lines.
    fn separator(&self) -> u8 {
        b'\n'
    }
    /// Whether incomplete lines are taken as they come, in pieces.
    fn takes_pieces(&self) -> bool {
        false
    }
}

/// A running line filter.
#[derive(Clone)]
pub(super) struct Lines<F> {
    name: &'static str,
    files: VecDeque<String>,
    open: Option<(u32, String)>,
    buffer: Vec<u8>,
    filter: F,
    /// The exit status if a file could not be read.
    error_status: i32,
    silent: bool,
    failed: bool,
}

impl<F> Lines<F> {
    pub(super) fn new(name: &'static str, files: Vec<String>, filter: F) -> Self {
        let files = if files.is_empty() { VecDeque::from(["-".to_owned()]) } else { files.into() };
        Lines { name, files, open: None, buffer: Vec::new(), filter, error_status: 1, silent: false, failed: false }
    }

    pub(super) fn error_status(mut self, status: i32) -> Self {
        self.error_status = status;
        self
    }

    pub(super) fn silent(mut self, silent: bool) -> Self {
        self.silent = silent;
        self
    }
}

impl<F> Lines<F> {
    fn complain<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, file: &str, errno: Errno) {
        self.failed = true;
        if !self.silent {
            let shown = if file == "-" { "standard input" } else { file };
            sys.err(&format!("{}: {shown}: {errno}\n", self.name));
        }
    }

    fn finish<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) -> Step
    where
        F: LineFilter<K>,
    {
        let status = self.filter.end(sys);
        Step::Exit(if self.failed { self.error_status.max(status) } else { status })
    }

    fn open_next<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) -> Option<Step>
    where
        F: LineFilter<K>,
    {
        let Some(name) = self.files.pop_front() else { return Some(self.finish(sys)) };
        let fd = if name == "-" {
            0
        } else {
            match sys.open(&name, Open::Read) {
                Ok(fd) => fd,
                Err(errno) => {
                    self.complain(sys, &name, errno);
                    return None;
                }
            }
        };
        match self.filter.file_begins(sys, &name) {
            Flow::Go => self.open = Some((fd, name)),
            Flow::NextFile => {}
            Flow::Stop => return Some(self.finish(sys)),
        }
        None
    }

    fn close<K: Kernel>(&mut self, sys: &mut Sys<'_, K>)
    where
        F: LineFilter<K>,
    {
        if let Some((fd, name)) = self.open.take() {
            self.filter.file_ends(sys, &name);
            if fd != 0 {
                sys.close(fd);
            }
        }
        self.buffer.clear();
    }

    /// Hands out the complete lines of the buffer (at the end also the last, incomplete one).
    fn drain<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, at_end: bool) -> Flow
    where
        F: LineFilter<K>,
    {
        let buffer = std::mem::take(&mut self.buffer);
        // A line that does not end is looked at again and again.
        sys.charge(buffer.len() as u64 / 128);
        let separator = self.filter.separator();
        let mut rest = buffer.as_slice();
        while let Some(at) = rest.iter().position(|b| *b == separator) {
            let (line, tail) = rest.split_at(at);
            rest = tail.get(1..).unwrap_or(&[]);
            let flow = self.filter.line(sys, line, true);
            if flow != Flow::Go {
                if let Some((fd, _)) = &self.open {
                    // What follows belongs to the next reader of the same file, as GNU's programs seek back.
                    sys.unread(*fd, rest);
                }
                return flow;
            }
        }
        if (at_end || self.filter.takes_pieces()) && !rest.is_empty() {
            return self.filter.line(sys, rest, false);
        }
        self.buffer = rest.to_vec();
        Flow::Go
    }
}

impl<K: Kernel, F: LineFilter<K> + 'static> Program<K> for Lines<F> {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some((fd, name)) = self.open.clone() else {
            return self.open_next(sys).unwrap_or(Step::Again);
        };
        let flow = match sys.read(fd, 65536) {
            Ok(Read::WouldBlock) => return Step::Block(Wait::readable(fd)),
            Ok(Read::Data(data)) => {
                self.buffer.extend(data);
                self.drain(sys, false)
            }
            Ok(Read::Eof) => match self.drain(sys, true) {
                Flow::Go => Flow::NextFile,
                flow => flow,
            },
            Err(errno) => {
                self.complain(sys, &name, errno);
                Flow::NextFile
            }
        };
        match flow {
            Flow::Go => {}
            Flow::NextFile => self.close(sys),
            Flow::Stop => {
                self.close(sys);
                return self.finish(sys);
            }
        }
        Step::Again
    }
}
