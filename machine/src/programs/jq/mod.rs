//! jq 1.6: its options, its printing and its messages; the language is `jaq`'s.

mod engine;
mod input;
mod print;

use super::refuse;
use crate::{Kernel, Open, Program, Read, Step, Sys, Wait, once};
use print::Style;

/// Inputs larger than this are refused: everything is read before the filter begins.
const INPUT_MAX: usize = 64 << 20;

/// What the command line asks for.
#[derive(Clone, Default)]
struct Wanted {
    filter: String,
    files: Vec<String>,
    /// `--arg` and `--argjson`: names with JSON texts.
    named: Vec<(String, String)>,
    positional: Vec<String>,
    style: Style,
    null_input: bool,
    raw_input: bool,
    slurp: bool,
    exit_status: bool,
}

const HINT: &str = "Use jq --help for help with command-line options,\nor see the jq manpage, or online docs  at https://stedolan.github.io/jq\n";

/// A command line, or what jq says about it.
fn parse(args: &[String]) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut filter = None;
    let mut rest = args.iter();
    let (mut options, mut operands_are_values) = (true, false);
    while let Some(arg) = rest.next() {
        if !options || !arg.starts_with('-') || arg == "-" {
            match () {
                () if filter.is_none() => filter = Some(arg.clone()),
                () if operands_are_values => wanted.positional.push(arg.clone()),
                () => wanted.files.push(arg.clone()),
            }
            continue;
        }
        let mut pair = || match (rest.next(), rest.next()) {
            (Some(name), Some(value)) => Ok((name.clone(), value.clone())),
            _ => Err(format!("jq: {arg} takes two parameters (e.g. {arg} varname value)\n{HINT}")),
        };
        let letters = match arg.as_str() {
            "--" => {
                options = false;
                continue;
            }
            "--arg" => {
                let (name, value) = pair()?;
                wanted.named.push((name, print::quoted(&value)));
                continue;
            }
            "--argjson" => {
                let (name, value) = pair()?;
                if input::read(value.as_bytes()).is_err() || value.trim().is_empty() {
                    return Err(format!("jq: invalid JSON text passed to --argjson\n{HINT}"));
                }
                wanted.named.push((name, value));
                continue;
            }
            "--args" => {
                operands_are_values = true;
                continue;
            }
            "--indent" => {
                let Some(width) = rest.next().and_then(|n| n.parse::<usize>().ok()) else {
                    return Err(format!("jq: --indent takes one parameter\n{HINT}"));
                };
                if width > 7 {
                    return Err("jq: Cannot indent more than 7 characters\n".to_owned());
                }
                wanted.style.indent = (width > 0).then(|| " ".repeat(width));
                continue;
            }
            "--raw-output" => "r",
            "--compact-output" => "c",
            "--exit-status" => "e",
            "--null-input" => "n",
            "--slurp" => "s",
            "--raw-input" => "R",
            "--sort-keys" => "S",
            "--monochrome-output" => "M",
            "--join-output" => "j",
            "--ascii-output" => "a",
            "--tab" => "t",
            long if long.starts_with("--") => return Err(format!("jq: Unknown option {arg}\n{HINT}")),
            short => short.get(1..).unwrap_or(""),
        };
        let long = arg.starts_with("--");
        for letter in letters.chars() {
            match letter {
                'r' => wanted.style.raw = true,
                'c' => wanted.style.indent = None,
                'e' => wanted.exit_status = true,
                'n' => wanted.null_input = true,
                's' => wanted.slurp = true,
                'R' => wanted.raw_input = true,
                'S' => wanted.style.sorted = true,
                'M' => {}
                'j' => (wanted.style.raw, wanted.style.joined) = (true, true),
                'a' => wanted.style.ascii = true,
                't' if long => wanted.style.indent = Some("\t".to_owned()),
                _ => return Err(format!("jq: Unknown option {arg}\n{HINT}")),
            }
        }
    }
    wanted.filter = filter.unwrap_or_else(|| ".".to_owned());
    Ok(wanted)
}

pub(super) fn start<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    if args.iter().any(|a| a == "--version" || a == "-V") {
        return once(|sys: &mut Sys<'_, K>| {
            sys.out("jq-1.6\n");
            0
        });
    }
    match parse(args) {
        Ok(wanted) => Box::new(Jq { wanted, text: Vec::new(), open: None, at: 0, begun: false, failed: false }),
        Err(message) => refuse(message, 2),
    }
}

/// A running jq: it reads all there is, then runs the filter in one go.
#[derive(Clone)]
struct Jq {
    wanted: Wanted,
    text: Vec<u8>,
    open: Option<u32>,
    /// The number of files opened.
    at: usize,
    begun: bool,
    failed: bool,
}

impl Jq {
    /// Opens the next input. False: there is none.
    fn open_next<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) -> bool {
        if !std::mem::replace(&mut self.begun, true) && self.wanted.files.is_empty() {
            self.open = Some(0);
            return true;
        }
        while let Some(file) = self.wanted.files.get(self.at) {
            self.at += 1;
            match sys.open(file, Open::Read) {
                Ok(fd) => {
                    self.open = Some(fd);
                    return true;
                }
                Err(errno) => {
                    sys.err(&format!("jq: error: Could not open file {file}: {errno}\n"));
                    self.failed = true;
                }
            }
        }
        false
    }
}

impl<K: Kernel> Program<K> for Jq {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        if self.wanted.null_input && self.wanted.files.is_empty() && !self.wanted.filter.contains("input") {
            return Step::Exit(engine::run(sys, &self.wanted, &[]));
        }
        let Some(fd) = self.open else {
            if self.open_next(sys) {
                return Step::Again;
            }
            let status = engine::run(sys, &self.wanted, &std::mem::take(&mut self.text));
            return Step::Exit(if self.failed { 2 } else { status });
        };
        match sys.read(fd, 65536) {
            Ok(Read::Data(data)) if self.text.len() + data.len() <= INPUT_MAX => {
                self.text.extend(data);
                Step::Again
            }
            Ok(Read::Data(_)) => {
                sys.err("jq: error: input too large for hopwise\n");
                Step::Exit(2)
            }
            Ok(Read::WouldBlock) => Step::Block(Wait::readable(fd)),
            Ok(Read::Eof) | Err(_) => {
                if fd != 0 {
                    sys.close(fd);
                }
                self.open = None;
                Step::Again
            }
        }
    }
}
