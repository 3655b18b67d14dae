//! comm: the lines that two sorted files have in common.

use std::cmp::Ordering;

use super::opts::{curly, getopt, try_help};
use super::two::{Reading, TwoFiles};
use crate::{Kernel, Program, Step, Sys};

#[derive(Clone)]
struct Comm {
    files: TwoFiles,
    /// Whether each of the three columns is printed.
    shown: [bool; 3],
    /// `--check-order`, `--nocheck-order`.
    check: Option<bool>,
    total: bool,
    separator: String,
}

pub(super) fn comm<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("check-order", 'c'), ("nocheck-order", 'n'), ("output-delimiter=", 'o'), ("total", 't')];
    let opts = match getopt(args, "123", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("comm", &error, 1),
    };
    match opts.operands.as_slice() {
        [] => return try_help("comm", "missing operand", 1),
        [one] => return try_help("comm", &format!("missing operand after {}", curly(one)), 1),
        [_, _] => {}
        [_, _, extra, ..] => return try_help("comm", &format!("extra operand {}", curly(extra)), 1),
    }
    let check = if opts.has('n') { Some(false) } else { opts.has('c').then_some(true) };
    Box::new(Comm {
        files: TwoFiles::new(&opts.operands),
        shown: ['1', '2', '3'].map(|c| !opts.has(c)),
        check,
        total: opts.has('t'),
        separator: opts.value('o').unwrap_or("\t").to_owned(),
    })
}

impl Comm {
    fn print<K: Kernel>(&self, sys: &mut Sys<'_, K>, files: &[Vec<Vec<u8>>; 2]) -> i32 {
        let mut out = Vec::new();
        let mut at = [0usize; 2];
        let mut totals = [0u64; 3];
        let mut disorder = [false; 2];
        let mut unpaired = false;
        loop {
            let now = [files[0].get(at[0]), files[1].get(at[1])];
            let (column, line) = match now {
                [None, None] => break,
                [Some(a), None] => (0, a),
                [None, Some(b)] => (1, b),
                [Some(a), Some(b)] => match a.cmp(b) {
                    Ordering::Less => (0, a),
                    Ordering::Greater => (1, b),
                    Ordering::Equal => (2, a),
                },
            };
            unpaired |= column < 2;
            totals[column] += 1;
            if self.shown[column] {
                let before = self.shown.iter().take(column).filter(|shown| **shown).count();
                out.extend(self.separator.repeat(before).bytes());
                out.extend(line);
                out.push(b'\n');
            }
            for file in [0, 1] {
                if column != 1 - file {
                    at[file] += 1;
                    let bad = files[file].get(at[file]).is_some_and(|next| files[file].get(at[file] - 1) > Some(next));
                    // Without options, disorder matters only once a line was without partner.
                    if bad && !disorder[file] && self.check != Some(false) && (unpaired || self.check == Some(true)) {
                        sys.out_bytes(&std::mem::take(&mut out));
                        sys.err(&format!("comm: file {} is not in sorted order\n", file + 1));
                        disorder[file] = true;
                        if self.check == Some(true) {
                            return 1;
                        }
                    }
                }
            }
        }
        if self.total {
            let s = &self.separator;
            out.extend(format!("{}{s}{}{s}{}{s}total\n", totals[0], totals[1], totals[2]).bytes());
        }
        sys.out_bytes(&out);
        if disorder.contains(&true) {
            sys.err("comm: input is not in sorted order\n");
            return 1;
        }
        0
    }
}

impl<K: Kernel> Program<K> for Comm {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        match self.files.read(sys) {
            Reading::More => Step::Again,
            Reading::Wait(wait) => Step::Block(wait),
            Reading::Failed(name, errno) => {
                sys.err(&format!("comm: {name}: {errno}\n"));
                Step::Exit(1)
            }
            Reading::Done(files) => Step::Exit(self.print(sys, &files)),
        }
    }
}
