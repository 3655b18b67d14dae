//! grep, egrep, fgrep.

use std::collections::VecDeque;

use regex::bytes::Regex;

use super::filter::{Flow, LineFilter, Lines};
use super::opts::{getopt, refuse};
use crate::files::FileKind;
use crate::regexp::{Syntax, compile_raw, fixed, translate};
use crate::{Kernel, Program, Step, Sys};

const USAGE: &str = "Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n";

#[derive(Clone)]
struct Grep {
    regex: Regex,
    invert: bool,
    count: bool,
    number: bool,
    quiet: bool,
    only: bool,
    list: bool,
    list_without: bool,
    show_name: bool,
    most: Option<usize>,
    before: usize,
    after: usize,
    // The file under way.
    name: String,
    line: usize,
    hits: usize,
    kept: VecDeque<(usize, Vec<u8>)>,
    owed: usize,
    last_shown: usize,
    found: bool,
    shown_any: bool,
}

pub(super) fn start<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    build(args, Syntax::Basic, false)
}

pub(super) fn extended<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    build(args, Syntax::Extended, false)
}

pub(super) fn plain<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    build(args, Syntax::Basic, true)
}

const LONG: [(&str, char); 25] = [
    ("extended-regexp", 'E'),
    ("fixed-strings", 'F'),
    ("basic-regexp", 'G'),
    ("perl-regexp", 'P'),
    ("regexp=", 'e'),
    ("file=", 'f'),
    ("ignore-case", 'i'),
    ("invert-match", 'v'),
    ("word-regexp", 'w'),
    ("line-regexp", 'x'),
    ("count", 'c'),
    ("color?", '~'),
    ("colour?", '~'),
    ("line-number", 'n'),
    ("quiet", 'q'),
    ("silent", 'q'),
    ("no-messages", 's'),
    ("only-matching", 'o'),
    ("files-with-matches", 'l'),
    ("files-without-match", 'L'),
    ("max-count=", 'm'),
    ("after-context=", 'A'),
    ("before-context=", 'B'),
    ("recursive", 'r'),
    ("line-buffered", '~'),
];

fn build<K: Kernel>(args: &[String], syntax: Syntax, fixed_strings: bool) -> Box<dyn Program<K>> {
    // -5 is -C 5.
    let args: Vec<String> = args
        .iter()
        .map(|a| match a.strip_prefix('-') {
            Some(n) if !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()) => format!("-C{n}"),
            _ => a.clone(),
        })
        .collect();
    let opts = match getopt(&args, "EFGPe:f:ivwxcnqsolLm:A:B:C:rRHhayUzT", &LONG) {
        Ok(opts) => opts,
        Err(error) => return refuse(format!("grep: {error}\n{USAGE}"), 2),
    };
    if let Some(letter) = opts.flags.iter().map(|f| f.0).find(|l| "fzTU".contains(*l)) {
        return refuse(format!("grep: option -{letter} is not supported by hopwise\n"), 2);
    }
    let mut operands = opts.operands.clone();
    let mut patterns: Vec<String> = opts.values('e').map(str::to_owned).collect();
    if patterns.is_empty() {
        if operands.is_empty() {
            return refuse(USAGE.to_owned(), 2);
        }
        patterns.push(operands.remove(0));
    }
    let syntax = if opts.has('E') {
        Syntax::Extended
    } else if opts.has('G') {
        Syntax::Basic
    } else {
        syntax
    };
    let mut alternatives = Vec::new();
    for pattern in patterns.iter().flat_map(|p| p.split('\n')) {
        let translated = if opts.has('F') || fixed_strings {
            Ok(fixed(pattern))
        } else if opts.has('P') {
            Ok(pattern.to_owned())
        } else {
            translate(pattern, syntax)
        };
        match translated {
            Ok(text) => alternatives.push(format!("(?:{text})")),
            Err(error) => return refuse(format!("grep: {error}\n"), 2),
        }
    }
    let mut source = alternatives.join("|");
    if opts.has('x') {
        source = format!("^(?:{source})$");
    } else if opts.has('w') {
        source = format!(r"(?:^|\b{{start-half}})(?:{source})(?:\b{{end-half}}|$)");
    }
    let regex = match compile_raw(&source, opts.has('i') || opts.has('y')) {
        Ok(regex) => regex,
        Err(error) => return refuse(format!("grep: {error}\n"), 2),
    };
    let mut context = [0usize; 2];
    for (letter, value) in &opts.flags {
        let Some(value) = value.as_deref().filter(|_| "ABCm".contains(*letter)) else { continue };
        let Ok(number) = value.parse::<usize>() else {
            let what = if *letter == 'm' { "invalid max count" } else { "invalid context length argument" };
            let what = if *letter == 'm' { what.to_owned() } else { format!("{value}: {what}") };
            return refuse(format!("grep: {what}\n"), 2);
        };
        match letter {
            'A' => context[1] = number,
            'B' => context[0] = number,
            'C' => context = [number, number],
            _ => {}
        }
    }
    let recursive = opts.has('r') || opts.has('R');
    let grep = Grep {
        regex,
        invert: opts.has('v'),
        count: opts.has('c'),
        number: opts.has('n'),
        quiet: opts.has('q'),
        only: opts.has('o'),
        list: opts.has('l'),
        list_without: opts.has('L'),
        show_name: !opts.has('h') && (opts.has('H') || operands.len() > 1 || recursive),
        most: opts.value('m').and_then(|m| m.parse().ok()),
        before: context[0],
        after: context[1],
        name: String::new(),
        line: 0,
        hits: 0,
        kept: VecDeque::new(),
        owed: 0,
        last_shown: 0,
        found: false,
        shown_any: false,
    };
    if recursive {
        if operands.is_empty() {
            operands.push(".".to_owned());
        }
        return Box::new(Walk { roots: operands, grep, name_forced: opts.has('H'), silent: opts.has('s') });
    }
    Box::new(Lines::new("grep", operands, grep).error_status(2).silent(opts.has('s')))
}

/// `grep -r`: finds the files first, then becomes an ordinary grep.
#[derive(Clone)]
struct Walk {
    roots: Vec<String>,
    grep: Grep,
    name_forced: bool,
    silent: bool,
}

impl<K: Kernel> Program<K> for Walk {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let single_file =
            matches!(self.roots.as_slice(), [one] if sys.stat(one, true).is_ok_and(|s| s.kind != FileKind::Dir));
        let mut files = Vec::new();
        let mut todo: Vec<String> = self.roots.drain(..).rev().collect();
        while let Some(path) = todo.pop() {
            if sys.stat(&path, true).is_ok_and(|s| s.kind == FileKind::Dir) {
                let entries = sys.list(&path).unwrap_or_default();
                let base = path.trim_end_matches('/');
                todo.extend(
                    entries.iter().rev().filter(|e| e.kind != FileKind::Symlink).map(|e| format!("{base}/{}", e.name)),
                );
            } else {
                files.push(path);
            }
        }
        if files.is_empty() {
            return Step::Exit(1);
        }
        if single_file {
            self.grep.show_name = self.name_forced;
        }
        let program = Lines::new("grep", files, self.grep.clone()).error_status(2).silent(self.silent);
        sys.become_program(Box::new(program));
        Step::Again
    }
}

impl Grep {
    fn prefix(&self, number: usize, mark: char) -> String {
        let mut out = String::new();
        if self.show_name {
            let name = if self.name == "-" { "(standard input)" } else { &self.name };
            out.push_str(name);
            out.push(mark);
        }
        if self.number {
            out.push_str(&format!("{number}{mark}"));
        }
        out
    }

    fn show<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, number: usize, line: &[u8], mark: char) {
        if (self.before > 0 || self.after > 0) && self.shown_any && number > self.last_shown + 1 {
            sys.out("--\n");
        }
        let mut out = self.prefix(number, mark).into_bytes();
        out.extend(line);
        out.push(b'\n');
        sys.out_bytes(&out);
        self.last_shown = number;
        self.shown_any = true;
    }

    fn show_matches<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, line: &[u8]) {
        let prefix = self.prefix(self.line, ':');
        let mut out = Vec::new();
        for found in self.regex.find_iter(line).filter(|m| !m.is_empty()) {
            out.extend(prefix.as_bytes());
            out.extend(found.as_bytes());
            out.push(b'\n');
        }
        sys.out_bytes(&out);
    }
}

impl<K: Kernel> LineFilter<K> for Grep {
    fn file_begins(&mut self, _sys: &mut Sys<'_, K>, name: &str) -> Flow {
        name.clone_into(&mut self.name);
        (self.line, self.hits, self.owed, self.last_shown) = (0, 0, 0, 0);
        self.kept.clear();
        Flow::Go
    }

    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], _newline: bool) -> Flow {
        self.line += 1;
        if self.most.is_some_and(|m| self.hits >= m) {
            if self.owed == 0 {
                return Flow::NextFile;
            }
            self.owed -= 1;
            self.show(sys, self.line, line, '-');
            return Flow::Go;
        }
        if self.regex.is_match(line) == self.invert {
            if self.owed > 0 {
                self.owed -= 1;
                self.show(sys, self.line, line, '-');
            } else if self.before > 0 {
                if self.kept.len() == self.before {
                    self.kept.pop_front();
                }
                self.kept.push_back((self.line, line.to_vec()));
            }
            return Flow::Go;
        }
        self.found = true;
        self.hits += 1;
        if self.quiet {
            return Flow::Stop;
        }
        if self.list || self.list_without {
            return Flow::NextFile;
        }
        if !self.count {
            if self.only {
                if !self.invert {
                    self.show_matches(sys, line);
                }
            } else {
                for (number, kept) in std::mem::take(&mut self.kept) {
                    self.show(sys, number, &kept, '-');
                }
                self.show(sys, self.line, line, ':');
                self.owed = self.after;
            }
        }
        if self.most.is_some_and(|m| self.hits >= m) && self.owed == 0 { Flow::NextFile } else { Flow::Go }
    }

    fn file_ends(&mut self, sys: &mut Sys<'_, K>, name: &str) {
        let shown = if name == "-" { "(standard input)" } else { name };
        if self.count && !self.quiet {
            let prefix = if self.show_name { format!("{shown}:") } else { String::new() };
            sys.out(&format!("{prefix}{}\n", self.hits));
        } else if (self.list && self.hits > 0 && !self.quiet) || (self.list_without && self.hits == 0) {
            sys.out(&format!("{shown}\n"));
        }
    }

    fn end(&mut self, _sys: &mut Sys<'_, K>) -> i32 {
        i32::from(!self.found)
    }
}
