//! wc, uniq, cut, tr, tac, rev, nl, paste, tee.

use super::filter::{Flow, LineFilter, Lines};
use super::opts::{curly, getopt, try_help};
use crate::{Kernel, Open, Program, Read, Step, Sys, Wait};

#[derive(Clone, Copy, Default)]
struct Counts {
    lines: u64,
    words: u64,
    chars: u64,
    bytes: u64,
    longest: u64,
}

#[derive(Clone)]
struct Wc {
    columns: Vec<char>,
    width: usize,
    now: Counts,
    total: Counts,
    files: usize,
    stdin_only: bool,
}

pub(super) fn wc<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("lines", 'l'), ("words", 'w'), ("bytes", 'c'), ("chars", 'm'), ("max-line-length", 'L')];
    let opts = match getopt(args, "lwcmL", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("wc", &error, 1),
    };
    let mut columns: Vec<char> = "lwmcL".chars().filter(|c| opts.has(*c)).collect();
    if columns.is_empty() {
        columns = vec!['l', 'w', 'c'];
    }
    let stdin_only = opts.operands.is_empty();
    // One number of one input stands alone; several are aligned (7 wide where the size is unknown).
    let width = if columns.len() == 1 && opts.operands.len() <= 1 { 1 } else { 7 };
    let filter = Wc { columns, width, now: Counts::default(), total: Counts::default(), files: 0, stdin_only };
    let operands = opts.operands.clone();
    if stdin_only || operands.iter().any(|o| o == "-") {
        return Box::new(Lines::new("wc", operands, filter));
    }
    Box::new(WcStart { operands, filter })
}

/// Looks at the files' sizes first: they decide the width of the columns.
#[derive(Clone)]
struct WcStart {
    operands: Vec<String>,
    filter: Wc,
}

impl<K: Kernel> Program<K> for WcStart {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let total: u64 = self.operands.iter().filter_map(|f| sys.stat(f, true).ok()).map(|s| s.size).sum();
        if self.filter.width > 1 {
            self.filter.width = total.to_string().len();
        }
        sys.become_program(Box::new(Lines::new("wc", self.operands.clone(), self.filter.clone())));
        Step::Again
    }
}

impl Wc {
    fn row(&self, counts: Counts, name: &str) -> String {
        let value = |c: &char| match c {
            'l' => counts.lines,
            'w' => counts.words,
            'm' => counts.chars,
            'c' => counts.bytes,
            _ => counts.longest,
        };
        let numbers: Vec<String> =
            self.columns.iter().map(|c| format!("{:>width$}", value(c), width = self.width)).collect();
        if name.is_empty() { format!("{}\n", numbers.join(" ")) } else { format!("{} {name}\n", numbers.join(" ")) }
    }
}

impl<K: Kernel> LineFilter<K> for Wc {
    fn file_begins(&mut self, _: &mut Sys<'_, K>, _: &str) -> Flow {
        self.now = Counts::default();
        self.files += 1;
        Flow::Go
    }

    fn line(&mut self, _: &mut Sys<'_, K>, line: &[u8], newline: bool) -> Flow {
        let text = String::from_utf8_lossy(line);
        let n = u64::from(newline);
        self.now.lines += n;
        self.now.words += text.split_whitespace().count() as u64;
        self.now.chars += text.chars().count() as u64 + n;
        self.now.bytes += line.len() as u64 + n;
        self.now.longest = self.now.longest.max(text.chars().count() as u64);
        Flow::Go
    }

    fn file_ends(&mut self, sys: &mut Sys<'_, K>, name: &str) {
        let row = self.row(self.now, if self.stdin_only { "" } else { name });
        sys.out(&row);
        self.total.lines += self.now.lines;
        self.total.words += self.now.words;
        self.total.chars += self.now.chars;
        self.total.bytes += self.now.bytes;
        self.total.longest = self.total.longest.max(self.now.longest);
    }

    fn end(&mut self, sys: &mut Sys<'_, K>) -> i32 {
        if self.files > 1 {
            let row = self.row(self.total, "total");
            sys.out(&row);
        }
        0
    }
}

#[derive(Clone)]
struct Uniq {
    count: bool,
    repeated: bool,
    single: bool,
    fold: bool,
    fields: usize,
    last: Option<Vec<u8>>,
    times: u64,
}

pub(super) fn uniq<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("count", 'c'), ("repeated", 'd'), ("unique", 'u'), ("ignore-case", 'i'), ("skip-fields=", 'f')];
    let opts = match getopt(args, "cduif:", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("uniq", &error, 1),
    };
    if opts.operands.len() > 1 {
        return try_help("uniq", &format!("extra operand {}", curly(&opts.operands[1])), 1);
    }
    let fields = opts.value('f').and_then(|f| f.parse().ok()).unwrap_or(0);
    let filter = Uniq {
        count: opts.has('c'),
        repeated: opts.has('d'),
        single: opts.has('u'),
        fold: opts.has('i'),
        fields,
        last: None,
        times: 0,
    };
    Box::new(Lines::new("uniq", opts.operands, filter))
}

impl Uniq {
    fn key(&self, line: &[u8]) -> String {
        let text = String::from_utf8_lossy(line);
        let mut rest: &str = &text;
        for _ in 0..self.fields {
            rest = rest.trim_start_matches([' ', '\t']);
            rest = rest.get(rest.find([' ', '\t']).unwrap_or(rest.len())..).unwrap_or("");
        }
        if self.fold { rest.to_lowercase() } else { rest.to_owned() }
    }

    fn flush<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) {
        let Some(line) = self.last.take() else { return };
        if (self.repeated && self.times < 2) || (self.single && self.times > 1) {
            return;
        }
        let mut out = if self.count { format!("{:>7} ", self.times).into_bytes() } else { Vec::new() };
        out.extend(line);
        out.push(b'\n');
        sys.out_bytes(&out);
    }
}

impl<K: Kernel> LineFilter<K> for Uniq {
    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], _: bool) -> Flow {
        if self.last.as_ref().is_some_and(|l| self.key(l) == self.key(line)) {
            self.times += 1;
        } else {
            self.flush(sys);
            self.last = Some(line.to_vec());
            self.times = 1;
        }
        Flow::Go
    }
    fn end(&mut self, sys: &mut Sys<'_, K>) -> i32 {
        self.flush(sys);
        0
    }
}

#[derive(Clone)]
struct Cut {
    mode: char,
    ranges: Vec<(usize, usize)>,
    delimiter: u8,
    out_delimiter: Option<String>,
    only_delimited: bool,
    complement: bool,
}

pub(super) fn cut<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("fields=", 'f'),
        ("delimiter=", 'd'),
        ("characters=", 'c'),
        ("bytes=", 'b'),
        ("only-delimited", 's'),
        ("output-delimiter=", 'O'),
        ("complement", 'C'),
    ];
    let opts = match getopt(args, "f:d:c:b:sn", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("cut", &error, 1),
    };
    let Some((mode, Some(list))) = opts.flags.iter().find(|f| "fcb".contains(f.0)) else {
        return try_help("cut", "you must specify a list of bytes, characters, or fields", 1);
    };
    let delimiter = opts.value('d').unwrap_or("\t");
    if delimiter.len() > 1 {
        return try_help("cut", "the delimiter must be a single character", 1);
    }
    let mut ranges = Vec::new();
    for part in list.split([',', ' ']) {
        let (from, to) = part.split_once('-').map_or((part, None), |(a, b)| (a, Some(b)));
        let number = |text: &str, default| if text.is_empty() { Some(default) } else { text.parse::<usize>().ok() };
        let range = match to {
            None => number(from, 0).map(|n| (n, n)),
            Some(to) => number(from, 1).zip(number(to, usize::MAX)),
        };
        match range {
            Some((0, _)) if *mode == 'f' => return try_help("cut", "fields are numbered from 1", 1),
            Some((0, _)) => return try_help("cut", "byte/character positions are numbered from 1", 1),
            Some((a, b)) if a <= b => ranges.push((a, b)),
            Some(_) => return try_help("cut", "invalid decreasing range", 1),
            None => return try_help("cut", &format!("invalid field value {}", curly(part)), 1),
        }
    }
    let filter = Cut {
        mode: *mode,
        ranges,
        delimiter: delimiter.bytes().next().unwrap_or(0),
        out_delimiter: opts.value('O').map(str::to_owned),
        only_delimited: opts.has('s'),
        complement: opts.has('C'),
    };
    Box::new(Lines::new("cut", opts.operands, filter))
}

impl Cut {
    fn wants(&self, n: usize) -> bool {
        self.ranges.iter().any(|(a, b)| (*a..=*b).contains(&n)) != self.complement
    }
}

impl<K: Kernel> LineFilter<K> for Cut {
    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], _: bool) -> Flow {
        let mut out: Vec<u8> = Vec::new();
        match self.mode {
            'f' if !line.contains(&self.delimiter) => {
                if self.only_delimited {
                    return Flow::Go;
                }
                out.extend(line);
            }
            'f' => {
                let fields = line.split(|b| *b == self.delimiter).enumerate().filter(|(i, _)| self.wants(i + 1));
                let joiner = self.out_delimiter.clone().map_or_else(|| vec![self.delimiter], String::into_bytes);
                for (n, (_, field)) in fields.enumerate() {
                    if n > 0 {
                        out.extend(&joiner);
                    }
                    out.extend(field);
                }
            }
            _ => out.extend(line.iter().enumerate().filter(|(i, _)| self.wants(i + 1)).map(|(_, b)| *b)),
        }
        out.push(b'\n');
        sys.out_bytes(&out);
        Flow::Go
    }
}

#[derive(Clone)]
struct Tr {
    from: Vec<u8>,
    to: Vec<u8>,
    delete: bool,
    squeeze: bool,
    squeeze_set: Vec<u8>,
    last: Option<u8>,
}

/// A tr set: ranges, classes, escapes.
fn tr_set(text: &str) -> Vec<u8> {
    let mut chars: Vec<u8> = Vec::new();
    let bytes = text.as_bytes();
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        if b == b'['
            && bytes.get(i + 1) == Some(&b':')
            && let Some(end) = text.get(i + 2..).and_then(|t| t.find(":]"))
        {
            let class = text.get(i + 2..i + 2 + end).unwrap_or("");
            chars.extend((0..=127u8).filter(|b| crate::bash::in_class(char::from(*b), class)));
            i += end + 4;
            continue;
        }
        let mut one = b;
        i += 1;
        if b == b'\\' {
            let mut out = Vec::new();
            i += crate::bash::escape(text.get(i..).unwrap_or(""), &mut out);
            one = out.last().copied().unwrap_or(b'\\');
        }
        if bytes.get(i) == Some(&b'-')
            && let Some(&end) = bytes.get(i + 1)
            && end >= one
        {
            chars.extend(one..=end);
            i += 2;
        } else {
            chars.push(one);
        }
    }
    chars
}

pub(super) fn tr<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("delete", 'd'), ("squeeze-repeats", 's'), ("complement", 'c'), ("truncate-set1", 't')];
    let opts = match getopt(args, "+dscCt", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("tr", &error, 1),
    };
    let (delete, squeeze) = (opts.has('d'), opts.has('s'));
    let [first, rest @ ..] = opts.operands.as_slice() else { return try_help("tr", "missing operand", 1) };
    if rest.is_empty() && !delete && !squeeze {
        return try_help(
            "tr",
            &format!("missing operand after {}\nTwo strings must be given when translating.", curly(first)),
            1,
        );
    }
    if let (true, Some(extra)) = (rest.len() > 1 || (rest.len() == 1 && delete && !squeeze), rest.last()) {
        return try_help("tr", &format!("extra operand {}", curly(extra)), 1);
    }
    let mut from = tr_set(first);
    if opts.has('c') || opts.has('C') {
        from = (0..=255u8).filter(|b| !from.contains(b)).collect();
    }
    let mut to = rest.first().map(|s| tr_set(s)).unwrap_or_default();
    let squeeze_set = if rest.is_empty() { from.clone() } else { to.clone() };
    if !delete && !rest.is_empty() {
        let last = to.last().copied();
        while to.len() < from.len() {
            match last {
                Some(last) => to.push(last),
                None => {
                    return super::opts::refuse(
                        "tr: when not truncating set1, string2 must be non-empty\n".to_owned(),
                        1,
                    );
                }
            }
        }
    }
    Box::new(Tr { from, to, delete, squeeze, squeeze_set, last: None })
}

impl<K: Kernel> Program<K> for Tr {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let data = match sys.read(0, 65536) {
            Ok(Read::Data(data)) => data,
            Ok(Read::WouldBlock) => return Step::Block(Wait::readable(0)),
            _ => return Step::Exit(0),
        };
        let mut out = Vec::with_capacity(data.len());
        for byte in data {
            let place = self.from.iter().rposition(|b| *b == byte);
            let byte = match place {
                Some(_) if self.delete => continue,
                Some(at) => self.to.get(at).copied().unwrap_or(byte),
                None => byte,
            };
            if self.squeeze && self.last == Some(byte) && self.squeeze_set.contains(&byte) {
                continue;
            }
            self.last = Some(byte);
            out.push(byte);
        }
        sys.out_bytes(&out);
        Step::Again
    }
}

/// tac, rev, nl: what is done with each line.
#[derive(Clone)]
enum Simple {
    Tac(Vec<Vec<u8>>),
    Rev,
    Nl { all: bool, number: u64 },
}

impl<K: Kernel> LineFilter<K> for Simple {
    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], newline: bool) -> Flow {
        match self {
            Simple::Tac(kept) => kept.push(line.to_vec()),
            Simple::Rev => {
                let text: String = String::from_utf8_lossy(line).chars().rev().collect();
                sys.out(&format!("{text}{}", if newline { "\n" } else { "" }));
            }
            Simple::Nl { all, number } => {
                let text = String::from_utf8_lossy(line);
                if text.is_empty() && !*all {
                    sys.out("       \n");
                } else {
                    *number += 1;
                    sys.out(&format!("{number:>6}\t{text}\n"));
                }
            }
        }
        Flow::Go
    }

    fn file_ends(&mut self, sys: &mut Sys<'_, K>, _: &str) {
        if let Simple::Tac(kept) = self {
            let mut out = Vec::new();
            for line in kept.drain(..).rev() {
                out.extend(line);
                out.push(b'\n');
            }
            sys.out_bytes(&out);
        }
    }
}

pub(super) fn tac<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    match getopt(args, "", &[]) {
        Ok(opts) => Box::new(Lines::new("tac", opts.operands, Simple::Tac(Vec::new()))),
        Err(error) => try_help("tac", &error, 1),
    }
}

pub(super) fn rev<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    match getopt(args, "", &[]) {
        Ok(opts) => Box::new(Lines::new("rev", opts.operands, Simple::Rev)),
        Err(error) => try_help("rev", &error, 1),
    }
}

pub(super) fn nl<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    match getopt(args, "b:", &[("body-numbering=", 'b')]) {
        Ok(opts) => {
            let all = opts.value('b') == Some("a");
            Box::new(Lines::new("nl", opts.operands, Simple::Nl { all, number: 0 }))
        }
        Err(error) => try_help("nl", &error, 1),
    }
}

#[derive(Clone)]
struct Paste {
    serial: bool,
    delimiters: Vec<char>,
    columns: Vec<Vec<String>>,
}

pub(super) fn paste<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let opts = match getopt(args, "sd:", &[("serial", 's'), ("delimiters=", 'd')]) {
        Ok(opts) => opts,
        Err(error) => return try_help("paste", &error, 1),
    };
    let delimiters = opts.value('d').unwrap_or("\t").replace("\\n", "\n").replace("\\t", "\t").chars().collect();
    // `paste - -` takes turns on standard input.
    let dashes = opts.operands.iter().filter(|o| *o == "-").count();
    if dashes > 1 && dashes == opts.operands.len() && !opts.has('s') {
        return Box::new(Lines::new(
            "paste",
            vec!["-".to_owned()],
            Turns { width: dashes, delimiters, row: Vec::new() },
        ));
    }
    Box::new(Lines::new(
        "paste",
        opts.operands.clone(),
        Paste { serial: opts.has('s'), delimiters, columns: Vec::new() },
    ))
}

fn join_row(cells: &[String], delimiters: &[char]) -> String {
    let mut out = String::new();
    for (i, cell) in cells.iter().enumerate() {
        if i > 0 && !delimiters.is_empty() {
            out.extend(delimiters.get((i - 1) % delimiters.len()));
        }
        out.push_str(cell);
    }
    out.push('\n');
    out
}

impl<K: Kernel> LineFilter<K> for Paste {
    fn file_begins(&mut self, _: &mut Sys<'_, K>, _: &str) -> Flow {
        self.columns.push(Vec::new());
        Flow::Go
    }
    fn line(&mut self, _: &mut Sys<'_, K>, line: &[u8], _: bool) -> Flow {
        if let Some(column) = self.columns.last_mut() {
            column.push(String::from_utf8_lossy(line).into_owned());
        }
        Flow::Go
    }
    fn end(&mut self, sys: &mut Sys<'_, K>) -> i32 {
        let rows: Vec<String> = if self.serial {
            self.columns.iter().map(|c| join_row(c, &self.delimiters)).collect()
        } else {
            let height = self.columns.iter().map(Vec::len).max().unwrap_or(0);
            let cell =
                |row: usize| self.columns.iter().map(|c| c.get(row).cloned().unwrap_or_default()).collect::<Vec<_>>();
            (0..height).map(|row| join_row(&cell(row), &self.delimiters)).collect()
        };
        sys.out(&rows.concat());
        0
    }
}

#[derive(Clone)]
struct Turns {
    width: usize,
    delimiters: Vec<char>,
    row: Vec<String>,
}

impl<K: Kernel> LineFilter<K> for Turns {
    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], _: bool) -> Flow {
        self.row.push(String::from_utf8_lossy(line).into_owned());
        if self.row.len() == self.width {
            sys.out(&join_row(&std::mem::take(&mut self.row), &self.delimiters));
        }
        Flow::Go
    }
    fn end(&mut self, sys: &mut Sys<'_, K>) -> i32 {
        if !self.row.is_empty() {
            self.row.resize(self.width, String::new());
            sys.out(&join_row(&self.row, &self.delimiters));
        }
        0
    }
}

#[derive(Clone)]
struct Tee {
    files: Vec<String>,
    how: Open,
    open: Option<Vec<u32>>,
    status: i32,
}

pub(super) fn tee<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    match getopt(args, "aip", &[("append", 'a'), ("ignore-interrupts", 'i')]) {
        Ok(opts) => {
            let how = if opts.has('a') { Open::Append } else { Open::Write };
            Box::new(Tee { files: opts.operands, how, open: None, status: 0 })
        }
        Err(error) => try_help("tee", &error, 1),
    }
}

impl<K: Kernel> Program<K> for Tee {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        if self.open.is_none() {
            let mut fds = Vec::new();
            for name in &self.files {
                match sys.open(name, self.how) {
                    Ok(fd) => fds.push(fd),
                    Err(errno) => {
                        sys.err(&format!("tee: {name}: {errno}\n"));
                        self.status = 1;
                    }
                }
            }
            self.open = Some(fds);
        }
        match sys.read(0, 65536) {
            Ok(Read::Data(data)) => {
                sys.out_bytes(&data);
                for (i, fd) in self.open.iter().flatten().enumerate() {
                    if let Err(errno) = sys.write(*fd, &data) {
                        let name = self.files.get(i).map_or("", String::as_str);
                        sys.err(&format!("tee: {name}: {errno}\n"));
                        self.status = 1;
                    }
                }
                Step::Again
            }
            Ok(Read::WouldBlock) => Step::Block(Wait::readable(0)),
            _ => Step::Exit(self.status),
        }
    }
}
