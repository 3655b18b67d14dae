//! read, mapfile.

use hopwise_sim_core::{Duration, Time};

use super::basic::is_name;
use super::{Outcome, Waiting};
use crate::bash::frame::{Kind, Next};
use crate::bash::shell::Shell;
use crate::{Kernel, Read, Sys, Wait};

/// A `read` or `mapfile` under way.
#[derive(Clone, Debug)]
pub(in crate::bash) struct Reading {
    fd: u32,
    names: Vec<String>,
    array: Option<String>,
    raw: bool,
    delimiter: u8,
    /// `-n`: this many characters at most; `-N`: exactly.
    count: Option<usize>,
    exactly: bool,
    until: Option<Time>,
    timed_out: bool,
    bytes: Vec<u8>,
    /// The delimiter that came last is protected by a backslash.
    escaped: bool,
    lines: Option<Lines>,
}

/// What `mapfile` wants.
#[derive(Clone, Debug)]
struct Lines {
    array: String,
    strip: bool,
    most: usize,
    skip: usize,
    origin: u64,
}

impl Reading {
    fn new() -> Self {
        Reading {
            fd: 0,
            names: Vec::new(),
            array: None,
            raw: false,
            delimiter: b'\n',
            count: None,
            exactly: false,
            until: None,
            timed_out: false,
            bytes: Vec::new(),
            escaped: false,
            lines: None,
        }
    }
}

/// `1.5` seconds.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits: String = part.chars().chain("000000000".chars()).take(9).collect();
    Some(Duration::new(whole, digits.parse().ok()?))
}

impl Shell {
    pub(in crate::bash) fn builtin_read<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        const USAGE: &str = "read [-ers] [-a array] [-d delim] [-i text] [-n nchars] [-N nchars] [-p prompt] [-t timeout] [-u fd] [name ...]";
        let mut reading = Reading::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
                reading.names.push(arg.clone());
                reading.names.extend(args.by_ref().cloned());
                break;
            };
            if letters == "-" {
                reading.names.extend(args.by_ref().cloned());
                break;
            }
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                match letter {
                    'r' => reading.raw = true,
                    's' | 'e' => {}
                    'a' | 'd' | 'n' | 'N' | 'p' | 't' | 'u' | 'i' => {
                        let own: String = letters.by_ref().collect();
                        let value = if own.is_empty() { args.next().cloned() } else { Some(own) };
                        let Some(value) = value else {
                            self.complain(sys, &format!("read: -{letter}: option requires an argument"));
                            sys.err(&format!("read: usage: {USAGE}\n"));
                            return Outcome::Status(2);
                        };
                        if let Some(failed) = self.read_option(sys, &mut reading, letter, &value) {
                            return failed;
                        }
                    }
                    other => return self.usage(sys, "read", &format!("-{other}"), USAGE),
                }
            }
        }
        if let Some(bad) = reading.names.iter().find(|n| !is_name(n.split('[').next().unwrap_or(""))) {
            return self.fail(sys, &format!("read: `{bad}': not a valid identifier"), 1);
        }
        if !sys.is_open(reading.fd) {
            return self.fail(
                sys,
                &format!("read: {}: invalid file descriptor: {}", reading.fd, crate::Errno::EBADF),
                1,
            );
        }
        Outcome::Run(Kind::Waiting(Box::new(Waiting::Read(reading))))
    }

    fn read_option<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        reading: &mut Reading,
        letter: char,
        value: &str,
    ) -> Option<Outcome> {
        match letter {
            'a' => reading.array = Some(value.to_owned()),
            'd' => reading.delimiter = value.bytes().next().unwrap_or(0),
            'n' | 'N' => {
                let Ok(count) = value.parse() else {
                    return Some(self.fail(sys, &format!("read: {value}: invalid number"), 1));
                };
                reading.count = Some(count);
                reading.exactly = letter == 'N';
            }
            't' => {
                let Some(span) = seconds(value) else {
                    return Some(self.fail(sys, &format!("read: {value}: invalid timeout specification"), 1));
                };
                if span.is_zero() {
                    return Some(Outcome::Status(i32::from(!sys.is_readable(reading.fd))));
                }
                reading.until = Some(sys.now() + span);
            }
            'u' => match value.parse() {
                Ok(fd) => reading.fd = fd,
                Err(_) => {
                    return Some(self.fail(sys, &format!("read: {value}: invalid file descriptor specification"), 1));
                }
            },
            // The prompt is only shown on a terminal.
            _ => {}
        }
        None
    }

    pub(super) fn builtin_mapfile<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Outcome {
        let mut reading = Reading::new();
        let mut lines = Lines { array: "MAPFILE".to_owned(), strip: false, most: usize::MAX, skip: 0, origin: 0 };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) else {
                lines.array = arg.clone();
                continue;
            };
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                if letter == 't' {
                    lines.strip = true;
                    continue;
                }
                let own: String = letters.by_ref().collect();
                let value = if own.is_empty() { args.next().cloned().unwrap_or_default() } else { own };
                let number = value.parse::<usize>().ok();
                match (letter, number) {
                    ('d', _) => reading.delimiter = value.bytes().next().unwrap_or(0),
                    ('n', Some(0)) => {}
                    ('n', Some(most)) => lines.most = most,
                    ('s', Some(skip)) => lines.skip = skip,
                    ('O', Some(origin)) => lines.origin = origin as u64,
                    ('u', Some(fd)) => reading.fd = fd as u32,
                    _ => {
                        return self.usage(
                            sys,
                            name,
                            &format!("-{letter}"),
                            &format!("{name} [-d delim] [-n count] [-O origin] [-s count] [-t] [-u fd] [-C callback] [-c quantum] [array]"),
                        );
                    }
                }
            }
        }
        if lines.origin == 0 {
            let array = lines.array.clone();
            self.set_array(&array, Vec::new());
        }
        reading.lines = Some(lines);
        Outcome::Run(Kind::Waiting(Box::new(Waiting::Read(reading))))
    }

    pub(super) fn go_on_reading<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, reading: &mut Reading) -> Next {
        if let Some(signal) = self.pending.front()
            && self.traps.contains_key(signal.name())
        {
            return Next::Done(128 + i32::from(signal.number()));
        }
        loop {
            match sys.read(reading.fd, 4096) {
                Ok(Read::WouldBlock) => {
                    if reading.until.is_some_and(|t| sys.now() >= t) {
                        reading.timed_out = true;
                        self.finish_reading(sys, reading);
                        return Next::Done(142);
                    }
                    return Next::Block(Wait::readable(reading.fd).or_until(reading.until));
                }
                Ok(Read::Data(data)) => {
                    if reading.lines.is_some() {
                        reading.bytes.extend(data);
                        continue;
                    }
                    if let Some(used) = take(reading, &data) {
                        // What was read too far belongs to the next reader.
                        sys.unread(reading.fd, data.get(used..).unwrap_or(&[]));
                        return Next::Done(self.finish_reading(sys, reading));
                    }
                }
                Ok(Read::Eof) | Err(_) => {
                    if reading.lines.is_some() {
                        return self.finish_mapfile(reading);
                    }
                    let assigned = self.finish_reading(sys, reading);
                    return Next::Done(assigned.max(1));
                }
            }
        }
    }

    fn finish_mapfile(&mut self, reading: &Reading) -> Next {
        let Some(lines) = &reading.lines else { return Next::Done(1) };
        let mut pieces: Vec<&[u8]> = reading.bytes.split_inclusive(|b| *b == reading.delimiter).collect();
        pieces.drain(..lines.skip.min(pieces.len()));
        pieces.truncate(lines.most);
        for (i, piece) in pieces.iter().enumerate() {
            let piece = if lines.strip { piece.strip_suffix(&[reading.delimiter]).unwrap_or(piece) } else { piece };
            let key = crate::bash::vars::Key::Number(lines.origin + i as u64);
            let _ = self.vars.set(&lines.array, Some(&key), String::from_utf8_lossy(piece).into_owned());
        }
        Next::Done(0)
    }

    /// Splits what was read and assigns it; the status.
    fn finish_reading<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, reading: &Reading) -> i32 {
        let mut chars: Vec<(char, bool)> = Vec::new();
        let text = String::from_utf8_lossy(&reading.bytes).into_owned();
        let mut source = text.chars();
        while let Some(c) = source.next() {
            if c == '\\' && !reading.raw {
                match source.next() {
                    Some('\n') | None => {}
                    Some(next) => chars.push((next, true)),
                }
            } else if c != '\0' {
                chars.push((c, false));
            }
        }
        let ifs = self.vars.get("IFS").map_or_else(|| " \t\n".to_owned(), |v| v.scalar().unwrap_or(" \t\n").to_owned());
        if reading.exactly {
            let all: String = chars.iter().map(|c| c.0).collect();
            let name = reading.names.first().map_or("REPLY", String::as_str).to_owned();
            return self.read_into(sys, &name, all);
        }
        if let Some(array) = &reading.array {
            let fields = split(&chars, &ifs, usize::MAX);
            self.set_array(array, fields);
            return 0;
        }
        if reading.names.is_empty() {
            let all: String = chars.iter().map(|c| c.0).collect();
            return self.read_into(sys, "REPLY", all);
        }
        let fields = split(&chars, &ifs, reading.names.len());
        let mut status = 0;
        for (i, name) in reading.names.iter().enumerate() {
            status = status.max(self.read_into(sys, name, fields.get(i).cloned().unwrap_or_default()));
        }
        status
    }

    fn read_into<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, text: String) -> i32 {
        let (base, index) =
            name.strip_suffix(']').and_then(|n| n.split_once('[')).map_or((name, None), |(b, i)| (b, Some(i)));
        let key = index.and_then(|i| crate::bash::word::index(i, self.line).ok()).and_then(|word| {
            let base = base.to_owned();
            self.attempt(sys, &Default::default(), |x| x.key(&base, &word)).ok()
        });
        match self.vars.set(base, key.as_ref(), text) {
            Ok(()) => 0,
            Err(error) => {
                self.complain(sys, &format!("{}: readonly variable", error.0));
                1
            }
        }
    }
}

/// Takes bytes up to the delimiter; `Some`: complete, with the number of bytes used.
fn take(reading: &mut Reading, data: &[u8]) -> Option<usize> {
    for (i, byte) in data.iter().enumerate() {
        if reading.escaped {
            reading.escaped = false;
            reading.bytes.push(*byte);
        } else if *byte == b'\\' && !reading.raw {
            reading.escaped = true;
            reading.bytes.push(*byte);
            continue;
        } else if *byte == reading.delimiter && !reading.exactly {
            return Some(i + 1);
        } else {
            reading.bytes.push(*byte);
        }
        if let Some(count) = reading.count {
            let text = String::from_utf8_lossy(&reading.bytes);
            let have = if reading.raw { text.chars().count() } else { text.chars().filter(|c| *c != '\\').count() };
            if have >= count && std::str::from_utf8(&reading.bytes).is_ok() {
                return Some(i + 1);
            }
        }
    }
    None
}

/// Splits as `read` does: the last of `most` fields gets the rest.
fn split(chars: &[(char, bool)], ifs: &str, most: usize) -> Vec<String> {
    let is_blank = |c: &(char, bool)| !c.1 && " \t\n".contains(c.0) && ifs.contains(c.0);
    let is_separator = |c: &(char, bool)| !c.1 && ifs.contains(c.0);
    let mut start = chars.iter().position(|c| !is_blank(c)).unwrap_or(chars.len());
    let end = chars.iter().rposition(|c| !is_blank(c)).map_or(start, |e| e + 1);
    let mut fields = Vec::new();
    while start < end {
        let rest = chars.get(start..end).unwrap_or(&[]);
        let at = rest.iter().position(is_separator);
        if fields.len() + 1 == most {
            // The rest, but without a single separator at its end.
            let mut last = rest;
            if let Some(at) = at
                && !is_blank(rest.get(at).unwrap_or(&(' ', false)))
                && at + 1 == rest.len()
            {
                last = rest.get(..at).unwrap_or(&[]);
            }
            fields.push(last.iter().map(|c| c.0).collect());
            return fields;
        }
        let Some(at) = at else {
            fields.push(rest.iter().map(|c| c.0).collect());
            return fields;
        };
        fields.push(rest.iter().take(at).map(|c| c.0).collect());
        // One separator that is not blank, with the blanks around it.
        let mut next = start + at;
        while next < end && chars.get(next).is_some_and(is_blank) {
            next += 1;
        }
        if next < end && chars.get(next).is_some_and(|c| is_separator(c) && !is_blank(c)) {
            next += 1;
            while next < end && chars.get(next).is_some_and(is_blank) {
                next += 1;
            }
        }
        start = next;
    }
    fields
}
