//! split: a file in pieces of its own.

use super::ends::amount;
use super::opts::{curly, getopt, quoted, refuse, try_help};
use crate::{Kernel, Open, Program, Read, Step, Sys, Wait};

#[derive(Clone, Copy)]
enum Piece {
    Lines(usize),
    Bytes(usize),
}

#[derive(Clone)]
struct Split {
    piece: Piece,
    digits: bool,
    length: usize,
    suffix: String,
    file: String,
    prefix: String,
    open: Option<u32>,
    /// The piece that is being written, and what is left of it.
    output: Option<(u32, usize)>,
    count: usize,
}

pub(super) fn split<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("lines=", 'l'),
        ("bytes=", 'b'),
        ("numeric-suffixes", 'd'),
        ("suffix-length=", 'a'),
        ("additional-suffix=", 's'),
    ];
    let opts = match getopt(args, "l:b:da:", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("split", &error, 1),
    };
    if opts.has('l') && opts.has('b') {
        return try_help("split", "cannot split in more than one way", 1);
    }
    let sizes = opts.value('b').map(|b| ("bytes", b)).or(opts.value('l').map(|l| ("lines", l)));
    let (what, text) = sizes.unwrap_or(("lines", "1000"));
    let Some(size) = amount(text).filter(|n| *n > 0) else {
        return refuse(
            format!(
                "split: invalid number of {what}: {}{}\n",
                curly(text),
                if amount(text).is_some() { ": Numerical result out of range" } else { "" }
            ),
            1,
        );
    };
    let length = opts.value('a').unwrap_or("2");
    let Some(length) = length.parse().ok().filter(|n| (1..=20).contains(n)) else {
        return refuse(format!("split: invalid suffix length: {}\n", curly(length)), 1);
    };
    if let Some(extra) = opts.operands.get(2) {
        return try_help("split", &format!("extra operand {}", curly(extra)), 1);
    }
    Box::new(Split {
        piece: if what == "bytes" { Piece::Bytes(size) } else { Piece::Lines(size) },
        digits: opts.has('d'),
        length,
        suffix: opts.value('s').unwrap_or("").to_owned(),
        file: opts.operands.first().map_or("-", String::as_str).to_owned(),
        prefix: opts.operands.get(1).map_or("x", String::as_str).to_owned(),
        open: None,
        output: None,
        count: 0,
    })
}

impl Split {
    /// The next piece's name: `aa`, `ab`, ...; without `-a`, `zz` would be followed by longer ones, which hopwise does not make.
    fn next_name(&mut self) -> Option<String> {
        let base = if self.digits { 10 } else { 26 };
        let mut rest = self.count;
        let mut letters = Vec::new();
        for _ in 0..self.length {
            let digit = (rest % base) as u8;
            letters.push(char::from(if self.digits { b'0' + digit } else { b'a' + digit }));
            rest /= base;
        }
        self.count += 1;
        let ending: String = letters.iter().rev().collect();
        (rest == 0).then(|| format!("{}{ending}{}", self.prefix, self.suffix))
    }

    fn put<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, mut data: &[u8]) -> Result<(), String> {
        while !data.is_empty() {
            let (fd, left) = match self.output {
                Some(output) => output,
                None => {
                    let name = self.next_name().ok_or("output file suffixes exhausted")?;
                    let fd = sys.open(&name, Open::Write).map_err(|errno| format!("{name}: {errno}"))?;
                    (
                        fd,
                        match self.piece {
                            Piece::Lines(n) | Piece::Bytes(n) => n,
                        },
                    )
                }
            };
            let (taken, left) = match self.piece {
                Piece::Bytes(_) => {
                    let taken = left.min(data.len());
                    (taken, left - taken)
                }
                Piece::Lines(_) => match data.iter().position(|b| *b == b'\n') {
                    Some(at) => (at + 1, left - 1),
                    None => (data.len(), left),
                },
            };
            let (now, rest) = data.split_at(taken);
            sys.write(fd, now).map_err(|errno| errno.to_string())?;
            data = rest;
            self.output = Some((fd, left));
            if left == 0 {
                sys.close(fd);
                self.output = None;
            }
        }
        Ok(())
    }
}

impl<K: Kernel> Program<K> for Split {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some(fd) = self.open else {
            let opened = if self.file == "-" { Ok(0) } else { sys.open(&self.file, Open::Read) };
            return match opened {
                Ok(fd) => {
                    self.open = Some(fd);
                    Step::Again
                }
                Err(errno) => {
                    sys.err(&format!("split: cannot open {} for reading: {errno}\n", quoted(&self.file)));
                    Step::Exit(1)
                }
            };
        };
        let failure = match sys.read(fd, 65536) {
            Ok(Read::Data(data)) => match self.put(sys, &data) {
                Ok(()) => return Step::Again,
                Err(text) => text,
            },
            Ok(Read::WouldBlock) => return Step::Block(Wait::readable(fd)),
            Ok(Read::Eof) => return Step::Exit(0),
            Err(errno) => format!("{}: {errno}", self.file),
        };
        sys.err(&format!("split: {failure}\n"));
        Step::Exit(1)
    }
}
