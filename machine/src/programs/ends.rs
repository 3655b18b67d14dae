//! head and tail.

use std::collections::VecDeque;

use hopwise_sim_core::Duration;

use super::filter::{Flow, LineFilter, Lines};
use super::opts::{curly, getopt, quoted, try_help};
use crate::{Kernel, Open, Program, Read, Step, Sys, Wait};

/// A number with its unit (`1k`), for -n and -c.
pub(super) fn amount(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = match text.get(digits.len()..)? {
        "" => 1,
        "b" => 512,
        "k" | "K" | "KiB" => 1024,
        "kB" | "KB" => 1000,
        "m" | "M" | "MiB" => 1 << 20,
        "MB" => 1_000_000,
        "G" | "GiB" => 1 << 30,
        "GB" => 1_000_000_000,
        "T" | "TiB" => 1 << 40,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    usize::try_from(number.checked_mul(unit)?).ok()
}

/// `-5` as `-n5`.
fn old_style(args: &[String]) -> Vec<String> {
    let convert = |(i, a): (usize, &String)| match a.strip_prefix('-') {
        Some(n) if i == 0 && n.starts_with(|c: char| c.is_ascii_digit()) => format!("-n{n}"),
        _ => a.clone(),
    };
    args.iter().enumerate().map(convert).collect()
}

#[derive(Clone)]
struct Head {
    lines: usize,
    bytes: Option<usize>,
    /// All but the last `lines`.
    but_last: bool,
    kept: VecDeque<Vec<u8>>,
    left: usize,
    headers: Option<bool>,
    many: bool,
    first: bool,
}

pub(super) fn head<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let args = old_style(args);
    let opts = match getopt(
        &args,
        "n:c:qv",
        &[("lines=", 'n'), ("bytes=", 'c'), ("quiet", 'q'), ("silent", 'q'), ("verbose", 'v')],
    ) {
        Ok(opts) => opts,
        Err(error) => return try_help("head", &error, 1),
    };
    let (mut lines, mut bytes, mut but_last) = (10, None, false);
    for (letter, value) in &opts.flags {
        let Some(value) = value else { continue };
        let Some(number) = amount(value.trim_start_matches('-')) else {
            let what = if *letter == 'n' { "lines" } else { "bytes" };
            return super::opts::refuse(format!("head: invalid number of {what}: {}\n", curly(value)), 1);
        };
        if *letter == 'n' {
            (lines, bytes, but_last) = (number, None, value.starts_with('-'));
        } else {
            bytes = Some(number);
        }
    }
    let headers = if opts.has('q') {
        Some(false)
    } else if opts.has('v') {
        Some(true)
    } else {
        None
    };
    let filter = Head {
        lines,
        bytes,
        but_last,
        kept: VecDeque::new(),
        left: 0,
        headers,
        many: opts.operands.len() > 1,
        first: true,
    };
    Box::new(Lines::new("head", opts.operands, filter))
}

fn header<K: Kernel>(sys: &mut Sys<'_, K>, name: &str, first: &mut bool) {
    let shown = if name == "-" { "standard input" } else { name };
    sys.out(&format!("{}==> {shown} <==\n", if *first { "" } else { "\n" }));
    *first = false;
}

impl<K: Kernel> LineFilter<K> for Head {
    fn file_begins(&mut self, sys: &mut Sys<'_, K>, name: &str) -> Flow {
        self.left = self.bytes.unwrap_or(self.lines);
        self.kept.clear();
        if self.headers.unwrap_or(self.many) {
            header(sys, name, &mut self.first);
        }
        if self.left == 0 && !self.but_last { Flow::NextFile } else { Flow::Go }
    }

    fn takes_pieces(&self) -> bool {
        self.bytes.is_some() && !self.but_last
    }

    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], newline: bool) -> Flow {
        let mut text = line.to_vec();
        if newline {
            text.push(b'\n');
        }
        if self.but_last {
            self.kept.push_back(text);
            if self.kept.len() > self.lines
                && let Some(oldest) = self.kept.pop_front()
            {
                sys.out_bytes(&oldest);
            }
            return Flow::Go;
        }
        if self.bytes.is_some() {
            text.truncate(self.left);
            self.left -= text.len();
        } else {
            self.left -= 1;
        }
        sys.out_bytes(&text);
        if self.left == 0 { Flow::NextFile } else { Flow::Go }
    }
}

#[derive(Clone)]
struct Tail {
    files: VecDeque<String>,
    many: bool,
    quiet: bool,
    lines: Option<usize>,
    bytes: usize,
    /// From this line (or byte) on, counted from 1.
    from_start: bool,
    follow: bool,
    open: Option<u32>,
    buffer: Vec<u8>,
    following: bool,
    first: bool,
    status: i32,
}

pub(super) fn tail<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let args = old_style(args);
    let long = [("lines=", 'n'), ("bytes=", 'c'), ("follow?", 'f'), ("quiet", 'q'), ("silent", 'q')];
    let opts = match getopt(&args, "n:c:fFqs:", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("tail", &error, 1),
    };
    let (mut lines, mut bytes, mut from_start) = (Some(10), 0, false);
    for (letter, value) in opts.flags.iter().filter(|f| "nc".contains(f.0)) {
        let value = value.clone().unwrap_or_default();
        let Some(number) = amount(value.trim_start_matches(['-', '+'])) else {
            let what = if *letter == 'n' { "lines" } else { "bytes" };
            return super::opts::refuse(format!("tail: invalid number of {what}: {}\n", curly(&value)), 1);
        };
        from_start = value.starts_with('+');
        (lines, bytes) = if *letter == 'n' { (Some(number), 0) } else { (None, number) };
    }
    let files = if opts.operands.is_empty() { vec!["-".to_owned()] } else { opts.operands.clone() };
    Box::new(Tail {
        many: files.len() > 1,
        files: files.into(),
        quiet: opts.has('q'),
        lines,
        bytes,
        from_start,
        follow: opts.has('f') || opts.has('F'),
        open: None,
        buffer: Vec::new(),
        following: false,
        first: true,
        status: 0,
    })
}

impl Tail {
    fn wanted(&self) -> &[u8] {
        let data = self.buffer.as_slice();
        let start = match (self.lines, self.from_start) {
            (None, true) => self.bytes.saturating_sub(1).min(data.len()),
            (None, false) => data.len().saturating_sub(self.bytes),
            (Some(n), true) => {
                let skip = n.saturating_sub(1);
                if skip == 0 {
                    0
                } else {
                    data.iter()
                        .enumerate()
                        .filter(|(_, b)| **b == b'\n')
                        .nth(skip - 1)
                        .map_or(data.len(), |(i, _)| i + 1)
                }
            }
            (Some(0), false) => data.len(),
            (Some(n), false) => {
                let body = data.strip_suffix(b"\n").unwrap_or(data);
                body.iter().enumerate().rev().filter(|(_, b)| **b == b'\n').nth(n - 1).map_or(0, |(i, _)| i + 1)
            }
        };
        data.get(start..).unwrap_or(&[])
    }
}

impl<K: Kernel> Program<K> for Tail {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some(fd) = self.open else {
            let Some(name) = self.files.pop_front() else { return Step::Exit(self.status) };
            let opened = if name == "-" { Ok(0) } else { sys.open(&name, Open::Read) };
            match opened {
                Ok(fd) => {
                    self.open = Some(fd);
                    if self.many && !self.quiet {
                        header(sys, &name, &mut self.first);
                    }
                }
                Err(errno) => {
                    sys.err(&format!("tail: cannot open {} for reading: {errno}\n", quoted(&name)));
                    self.status = 1;
                }
            }
            return Step::Again;
        };
        match sys.read(fd, 65536) {
            Ok(Read::Data(data)) if self.following => sys.out_bytes(&data),
            Ok(Read::Data(data)) => {
                self.buffer.extend(data);
                sys.charge(self.buffer.len() as u64 / 128);
                // Keep memory bounded for endless input: what cannot be among the last lines goes.
                if !self.from_start && self.lines.is_some() && self.buffer.len() > (1 << 20) {
                    self.buffer = self.wanted().to_vec();
                }
            }
            Ok(Read::WouldBlock) => return Step::Block(Wait::readable(fd)),
            Ok(Read::Eof) if self.following => return Step::Block(Wait::until(sys.now() + Duration::from_secs(1))),
            Ok(Read::Eof) | Err(_) => {
                sys.out_bytes(self.wanted());
                self.buffer.clear();
                if self.follow && self.files.is_empty() && fd != 0 {
                    self.following = true;
                } else {
                    self.open = None;
                }
            }
        }
        Step::Again
    }
}
