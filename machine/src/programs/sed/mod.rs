//! sed: one cycle for each line of input.

mod script;

use regex::bytes::Regex;

use script::{Address, Command, Piece, What, parse};

use super::opts::{getopt, refuse};
use crate::regexp::Syntax;
use crate::{Kernel, Open, Program, Read, Step, Sys, Wait};

const USAGE: &str = "Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...\n";
/// Jumps within one cycle: ends `:a;ba`.
const JUMPS_MAX: usize = 1_000_000;

#[derive(Clone)]
struct Sed {
    commands: Vec<Command>,
    quiet: bool,
    /// `n` and `N` need whole lines ahead: everything is read first.
    slurp: bool,
    in_place: Option<String>,
    separate: bool,
    files: Vec<String>,
    at_file: usize,
    open: Option<u32>,
    /// With -s and -i: the present file has been read to its end.
    file_ended: bool,
    input: Vec<u8>,
    input_done: bool,
    line_number: usize,
    pattern: String,
    /// The line under way had a newline in the input.
    newline: bool,
    hold: String,
    append: Vec<(bool, String)>,
    out: Vec<u8>,
    last_regex: Option<Regex>,
    quit: Option<i32>,
    status: i32,
    restart: bool,
}

pub(super) fn start<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("quiet", 'n'),
        ("silent", 'n'),
        ("expression=", 'e'),
        ("file=", 'f'),
        ("in-place?", 'i'),
        ("regexp-extended", 'E'),
        ("separate", 's'),
        ("unbuffered", 'u'),
    ];
    let opts = match getopt(args, "ne:f:i::Ersuz", &long) {
        Ok(opts) => opts,
        Err(error) => return refuse(format!("sed: {error}\n{USAGE}"), 1),
    };
    if let Some(letter) = ["f", "z"].iter().find(|l| opts.has(l.chars().next().unwrap_or('f'))) {
        return refuse(format!("sed: option -{letter} is not supported by hopwise\n"), 1);
    }
    let mut files = opts.operands.clone();
    let mut scripts: Vec<&str> = opts.values('e').collect();
    let own;
    if scripts.is_empty() {
        if files.is_empty() {
            return refuse(USAGE.to_owned(), 1);
        }
        own = files.remove(0);
        scripts.push(&own);
    }
    let syntax = if opts.has('E') || opts.has('r') { Syntax::Extended } else { Syntax::Basic };
    let script = scripts.join("\n");
    let commands = match parse(&script, syntax) {
        Ok(commands) => commands,
        Err((at, error)) => return refuse(format!("sed: -e expression #1, char {at}: {error}\n"), 1),
    };
    let in_place = opts.flags.iter().rev().find(|f| f.0 == 'i').map(|f| f.1.clone().unwrap_or_default());
    if files.is_empty() {
        files.push("-".to_owned());
    }
    let slurp = commands.iter().any(|c| matches!(c.name, 'n' | 'N'));
    Box::new(Sed {
        commands,
        slurp,
        quiet: opts.has('n') || script.starts_with("#n\n"),
        separate: in_place.is_some() || opts.has('s'),
        in_place,
        files,
        at_file: 0,
        open: None,
        file_ended: false,
        input: Vec::new(),
        input_done: false,
        line_number: 0,
        pattern: String::new(),
        newline: true,
        hold: String::new(),
        append: Vec::new(),
        out: Vec::new(),
        last_regex: None,
        quit: None,
        status: 0,
        restart: false,
    })
}

impl Sed {
    /// Reads until a whole line (and whether another follows) is known. `None`: wait.
    fn fill<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) -> Result<(), Wait> {
        loop {
            let have_line = self.input.contains(&b'\n');
            let knows_more = self.input.iter().position(|b| *b == b'\n').is_some_and(|at| at + 1 < self.input.len());
            if self.input_done || (!self.slurp && have_line && knows_more) {
                return Ok(());
            }
            let Some(fd) = self.open else {
                if self.file_ended {
                    return Ok(());
                }
                let Some(name) = self.files.get(self.at_file).cloned() else {
                    self.input_done = true;
                    continue;
                };
                let opened = if name == "-" && self.in_place.is_none() { Ok(0) } else { sys.open(&name, Open::Read) };
                match opened {
                    Ok(fd) => self.open = Some(fd),
                    Err(errno) => {
                        let text = if errno == crate::Errno::EISDIR {
                            format!("couldn't edit {name}: not a regular file")
                        } else {
                            format!("can't read {name}: {errno}")
                        };
                        let text = if errno == crate::Errno::EISDIR && self.in_place.is_none() {
                            format!("read error on {name}: {errno}")
                        } else {
                            text
                        };
                        sys.err(&format!("sed: {text}\n"));
                        self.status = 2;
                        self.at_file += 1;
                    }
                }
                continue;
            };
            match sys.read(fd, 65536) {
                Ok(Read::Data(data)) => self.input.extend(data),
                Ok(Read::WouldBlock) => return Err(Wait::readable(fd)),
                Ok(Read::Eof) | Err(_) => {
                    if fd != 0 {
                        sys.close(fd);
                    }
                    self.open = None;
                    if self.separate {
                        self.file_ended = true;
                        return Ok(());
                    }
                    self.at_file += 1;
                    if !self.input.is_empty() && self.input.last() != Some(&b'\n') && self.at_file < self.files.len() {
                        self.input.push(b'\n');
                    }
                }
            }
        }
    }

    fn is_last(&self) -> bool {
        self.input.is_empty()
    }

    fn next_line(&mut self) -> Option<String> {
        if self.input.is_empty() {
            return None;
        }
        let at = self.input.iter().position(|b| *b == b'\n');
        self.newline = at.is_some();
        let end = at.unwrap_or(self.input.len());
        let line = String::from_utf8_lossy(self.input.get(..end).unwrap_or(&[])).into_owned();
        self.input.drain(..(end + usize::from(at.is_some())).min(self.input.len()));
        self.line_number += 1;
        Some(line)
    }

    fn emit(&mut self, text: &str, newline: bool) {
        self.out.extend(text.as_bytes());
        if newline {
            self.out.push(b'\n');
        }
    }

    fn matches(&mut self, address: &Address) -> bool {
        match address {
            Address::Line(n) => self.line_number == *n,
            Address::Step(first, step) => {
                self.line_number >= *first
                    && (*step == 0 || (self.line_number - first).is_multiple_of(*step))
                    && (*step != 0 || self.line_number == *first)
            }
            Address::Last => self.is_last(),
            Address::Match(regex) => {
                if regex.is_some() {
                    self.last_regex.clone_from(regex);
                }
                self.last_regex.as_ref().is_some_and(|r| r.is_match(self.pattern.as_bytes()))
            }
            Address::Plus(_) => false,
        }
    }

    fn selects(&mut self, at: usize) -> bool {
        let Some(command) = self.commands.get(at).cloned() else { return false };
        let set_active = |sed: &mut Sed, value| {
            if let Some(c) = sed.commands.get_mut(at) {
                c.active = value;
            }
        };
        let selected = match (&command.from, &command.to) {
            (None, _) => true,
            (Some(from), None) => self.matches(from),
            (Some(from), Some(to)) => match command.active {
                Some(end) => {
                    let ends = match to {
                        Address::Line(n) => self.line_number >= *n,
                        Address::Plus(_) => self.line_number >= end,
                        other => self.matches(other),
                    };
                    if ends {
                        set_active(self, None);
                    }
                    // A line number that has passed selects only the first line.
                    !matches!(to, Address::Line(n) if self.line_number > *n)
                }
                None => {
                    let zero = matches!(from, Address::Line(0)) && self.line_number == 1;
                    let begins = zero || self.matches(from);
                    if begins {
                        let open = match to {
                            Address::Line(n) => *n > self.line_number,
                            Address::Plus(n) => *n > 0,
                            other if zero => !self.matches(other),
                            _ => true,
                        };
                        let end = if let Address::Plus(n) = to { self.line_number + n } else { usize::MAX };
                        set_active(self, open.then_some(end));
                    }
                    begins
                }
            },
        };
        selected != command.negate
    }

    /// One cycle's commands on the pattern space.
    fn cycle<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) {
        let mut at = 0;
        let mut jumps = 0;
        let mut replaced = false;
        let mut print = true;
        while at < self.commands.len() {
            let selected = self.selects(at);
            let Some(Command { name, what, .. }) = self.commands.get(at).cloned() else { break };
            at += 1;
            if !selected {
                if let What::Block(end) = what {
                    at = end;
                }
                continue;
            }
            match (name, what) {
                ('d', _) => {
                    print = false;
                    break;
                }
                ('D', _) => {
                    print = false;
                    if let Some((_, rest)) = self.pattern.clone().split_once('\n') {
                        rest.clone_into(&mut self.pattern);
                        self.restart = true;
                    }
                    break;
                }
                ('p', _) => {
                    let text = self.pattern.clone();
                    self.emit(&text, true);
                }
                ('P', _) => {
                    let text = self.pattern.split('\n').next().unwrap_or("").to_owned();
                    self.emit(&text, true);
                }
                ('=', _) => {
                    let text = self.line_number.to_string();
                    self.emit(&text, true);
                }
                ('l', _) => {
                    let text = self.pattern.escape_default().to_string().replace("\\'", "'").replace("\\\"", "\"");
                    self.emit(&format!("{text}$"), true);
                }
                ('F', _) => self.emit("-", true),
                ('z', _) => self.pattern.clear(),
                ('h', _) => self.hold.clone_from(&self.pattern),
                ('H', _) => {
                    sys.charge(self.pattern.len() as u64 / 16 + 20);
                    self.hold.push('\n');
                    self.hold.push_str(&self.pattern);
                }
                ('g', _) => self.pattern.clone_from(&self.hold),
                ('G', _) => self.pattern = format!("{}\n{}", self.pattern, self.hold),
                ('x', _) => std::mem::swap(&mut self.pattern, &mut self.hold),
                ('n' | 'N', _) => {
                    if self.is_last() {
                        // GNU: without a next line `n` and `N` print the pattern space and end.
                        self.quit = Some(0);
                        if name == 'n' && self.quiet {
                            print = false;
                        }
                        break;
                    }
                    if name == 'n' {
                        if !self.quiet {
                            let text = self.pattern.clone();
                            self.emit(&text, true);
                        }
                        self.flush_append(sys);
                        self.pattern = self.next_line().unwrap_or_default();
                    } else {
                        let line = self.next_line().unwrap_or_default();
                        self.pattern = format!("{}\n{line}", self.pattern);
                    }
                }
                ('q', What::Exit(code)) => {
                    self.quit = Some(code);
                    break;
                }
                ('Q', What::Exit(code)) => {
                    self.quit = Some(code);
                    print = false;
                    break;
                }
                ('a', What::Text(text)) => self.append.push((false, text)),
                ('r', What::Text(file)) => self.append.push((true, file)),
                ('i', What::Text(text)) => self.emit(&text, false),
                ('c', What::Text(text)) => {
                    let in_range =
                        self.commands.get(at - 1).is_some_and(|c| c.to.is_some() && c.active.is_some() && !c.negate);
                    if !in_range {
                        self.emit(&text, false);
                    }
                    print = false;
                    break;
                }
                ('w', What::Text(file)) => {
                    let text = format!("{}\n", self.pattern);
                    write_to(sys, &file, &text);
                }
                ('b', What::Jump(label)) => at = self.target(&label),
                ('t', What::Jump(label)) if std::mem::take(&mut replaced) => at = self.target(&label),
                ('T', What::Jump(label)) if !std::mem::take(&mut replaced) => at = self.target(&label),
                ('s', What::Substitute { regex, parts, global, nth, print, file }) => {
                    if regex.is_some() {
                        self.last_regex = regex;
                    }
                    if let Some(text) =
                        self.last_regex.as_ref().and_then(|r| substitute(r, &self.pattern, &parts, global, nth))
                    {
                        replaced = true;
                        self.pattern = text;
                        if print {
                            let text = self.pattern.clone();
                            self.emit(&text, true);
                        }
                        if let Some(file) = file {
                            let text = format!("{}\n", self.pattern);
                            write_to(sys, &file, &text);
                        }
                    }
                }
                ('y', What::Translate(from, to)) => {
                    let map = |c: char| from.iter().position(|f| *f == c).and_then(|i| to.get(i).copied()).unwrap_or(c);
                    self.pattern = self.pattern.chars().map(map).collect();
                }
                _ => {}
            }
            if matches!(name, 'b' | 't' | 'T') {
                jumps += 1;
                if jumps > JUMPS_MAX {
                    sys.err("sed: stopped: too many jumps in one cycle, this looks endless\n");
                    self.quit = Some(1);
                    break;
                }
            }
        }
        if print && !self.quiet {
            let text = self.pattern.clone();
            let newline = self.newline;
            self.emit(&text, newline);
        }
        self.flush_append(sys);
    }

    fn target(&self, label: &str) -> usize {
        let found = self.commands.iter().position(|c| c.name == ':' && matches!(&c.what, What::Text(t) if t == label));
        found.filter(|_| !label.is_empty()).unwrap_or(self.commands.len())
    }

    fn flush_append<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) {
        for (is_file, text) in std::mem::take(&mut self.append) {
            if is_file {
                self.out.extend(sys.read_file(&text).unwrap_or_default());
            } else {
                self.out.extend(text.as_bytes());
            }
        }
    }

    fn flush<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) {
        if self.in_place.is_none() {
            sys.out_bytes(&std::mem::take(&mut self.out));
        }
    }

    /// The end of a file that is edited in place (or, with -s, counted for itself).
    fn file_done<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) {
        if let (Some(suffix), Some(name)) = (&self.in_place, self.files.get(self.at_file)) {
            if !suffix.is_empty() {
                let backup = if suffix.contains('*') { suffix.replace('*', name) } else { format!("{name}{suffix}") };
                let _ = sys.rename(name, &backup);
            }
            if let Err(errno) = sys.write_file(name, &std::mem::take(&mut self.out)) {
                sys.err(&format!("sed: couldn't open file {name}: {errno}\n"));
                self.status = 4;
            }
        }
        self.at_file += 1;
        self.file_ended = false;
        self.line_number = 0;
    }
}

fn write_to<K: Kernel>(sys: &mut Sys<'_, K>, file: &str, text: &str) {
    match file {
        "/dev/stdout" => sys.out(text),
        _ => {
            if let Ok(fd) = sys.open(file, Open::Append) {
                let _ = sys.write(fd, text.as_bytes());
                sys.close(fd);
            }
        }
    }
}

fn substitute(regex: &Regex, text: &str, parts: &[Piece], global: bool, nth: usize) -> Option<String> {
    let mut out: Vec<u8> = Vec::new();
    let bytes = text.as_bytes();
    let mut last = 0;
    let mut count = 0;
    for captures in regex.captures_iter(bytes) {
        let whole = captures.get(0)?;
        count += 1;
        if count < nth {
            continue;
        }
        out.extend(bytes.get(last..whole.start())?);
        let mut replaced = String::new();
        let (mut mode, mut once) = ('E', None);
        let mut add = |piece: &str, mode: char, once: &mut Option<char>| {
            let mut piece = match mode {
                'U' => piece.to_uppercase(),
                'L' => piece.to_lowercase(),
                _ => piece.to_owned(),
            };
            if let Some(kind) = once.filter(|_| !piece.is_empty()) {
                let first: String = piece.chars().take(1).collect();
                let first = if kind == 'u' { first.to_uppercase() } else { first.to_lowercase() };
                piece = first + &piece.chars().skip(1).collect::<String>();
                *once = None;
            }
            replaced.push_str(&piece);
        };
        for part in parts {
            match part {
                Piece::Text(t) => add(t, mode, &mut once),
                Piece::Group(n) => add(
                    &captures.get(*n).map_or_else(String::new, |g| String::from_utf8_lossy(g.as_bytes()).into_owned()),
                    mode,
                    &mut once,
                ),
                Piece::Case(c @ ('u' | 'l')) => once = Some(*c),
                Piece::Case(c) => mode = *c,
            }
        }
        out.extend(replaced.as_bytes());
        last = whole.end();
        if !global {
            break;
        }
    }
    if count < nth.max(1) {
        return None;
    }
    out.extend(bytes.get(last..)?);
    Some(String::from_utf8_lossy(&out).into_owned())
}

impl<K: Kernel> Program<K> for Sed {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        // Lines in one step, so that a reader gets its turn.
        const LINES_PER_STEP: usize = 200;
        for _ in 0..LINES_PER_STEP {
            // `N` and `$` need to know what follows: at least two lines are read ahead.
            if let Err(wait) = self.fill(sys) {
                self.flush(sys);
                return Step::Block(wait);
            }
            if !std::mem::take(&mut self.restart) {
                match self.next_line() {
                    Some(line) => self.pattern = line,
                    None if self.separate && self.at_file < self.files.len() => {
                        self.file_done(sys);
                        continue;
                    }
                    None => {
                        self.flush(sys);
                        return Step::Exit(self.status);
                    }
                }
            }
            if let Err(wait) = self.fill(sys) {
                // The line is there, but not whether it is the last one.
                self.input.splice(0..0, format!("{}\n", self.pattern).into_bytes());
                self.line_number -= 1;
                self.flush(sys);
                return Step::Block(wait);
            }
            self.cycle(sys);
            if let Some(code) = self.quit {
                if self.in_place.is_some() {
                    let rest = std::mem::take(&mut self.input);
                    self.out.extend(rest);
                    self.file_done(sys);
                }
                self.flush(sys);
                return Step::Exit(if code == 0 { self.status } else { code });
            }
        }
        self.flush(sys);
        Step::Again
    }
}
