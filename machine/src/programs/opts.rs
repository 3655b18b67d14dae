//! Command lines as getopt_long(3) reads them, with its error texts.

use crate::{Kernel, Program, Sys, once};

/// A parsed command line.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Opts {
    /// Options in order: their letter (long ones are mapped to one) and argument.
    pub flags: Vec<(char, Option<String>)>,
    /// What is not an option, in order.
    pub operands: Vec<String>,
}

impl Opts {
    /// Whether an option was given.
    pub fn has(&self, letter: char) -> bool {
        self.flags.iter().any(|f| f.0 == letter)
    }
    /// The last argument of an option.
    pub fn value(&self, letter: char) -> Option<&str> {
        self.flags.iter().rev().find(|f| f.0 == letter).and_then(|f| f.1.as_deref())
    }
    /// All arguments of an option, in order.
    pub fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |f| f.0 == letter).filter_map(|f| f.1.as_deref())
    }
}

/// Parses `args`. `short` is getopt's string (`"ab:"`; a leading `+` stops at the first operand), `long` maps names to letters (a name that
/// ends in `=` takes an argument, in `?` may take one). The error is getopt's line without the program's name.
///
/// ```
/// use hopwise_machine::programs::getopt;
/// let args: Vec<String> = ["-n", "3", "--quiet", "x"].map(String::from).to_vec();
/// let opts = getopt(&args, "n:q", &[("quiet", 'q')]).unwrap();
/// assert_eq!(opts.value('n'), Some("3"));
/// assert!(opts.has('q') && opts.operands == ["x"]);
/// assert_eq!(getopt(&["-z".to_owned()], "n:q", &[]).unwrap_err(), "invalid option -- 'z'");
/// ```
pub fn getopt(args: &[String], short: &str, long: &[(&str, char)]) -> Result<Opts, String> {
    let (short, stop_early) = short.strip_prefix('+').map_or((short, false), |s| (s, true));
    let mut opts = Opts::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            opts.operands.extend(args.by_ref().cloned());
        } else if let Some(name) = arg.strip_prefix("--") {
            let (name, value) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v.to_owned())));
            let exact = long.iter().find(|row| row.0.trim_end_matches(['=', '?']) == name);
            let mut starting = long.iter().filter(|row| row.0.starts_with(name));
            let row = exact.or_else(|| starting.next().filter(|_| starting.next().is_none()));
            let row = row.ok_or_else(|| format!("unrecognized option '--{name}'"))?;
            let value = match (row.0.ends_with('='), value) {
                (true, None) => {
                    Some(args.next().cloned().ok_or_else(|| format!("option '--{name}' requires an argument"))?)
                }
                (false, Some(_)) if !row.0.ends_with('?') => {
                    return Err(format!("option '--{name}' doesn't allow an argument"));
                }
                (_, value) => value,
            };
            opts.flags.push((row.1, value));
        } else if let Some(letters) = arg.strip_prefix('-').filter(|l| !l.is_empty()) {
            let mut letters = letters.chars();
            while let Some(letter) = letters.next() {
                let at = short
                    .find(letter)
                    .filter(|_| letter != ':')
                    .ok_or_else(|| format!("invalid option -- '{letter}'"))?;
                let after = short.get(at + letter.len_utf8()..).unwrap_or("");
                if !after.starts_with(':') {
                    opts.flags.push((letter, None));
                    continue;
                }
                let own: String = letters.by_ref().collect();
                let value = match (own.is_empty(), after.starts_with("::")) {
                    (false, _) => Some(own),
                    (true, true) => None,
                    (true, false) => {
                        Some(args.next().cloned().ok_or_else(|| format!("option requires an argument -- '{letter}'"))?)
                    }
                };
                opts.flags.push((letter, value));
            }
        } else {
            opts.operands.push(arg.clone());
            if stop_early {
                opts.operands.extend(args.by_ref().cloned());
            }
        }
    }
    Ok(opts)
}

/// A program that only prints an error and fails.
pub fn refuse<K: Kernel>(text: String, status: i32) -> Box<dyn Program<K>> {
    once(move |sys: &mut Sys<'_, K>| {
        sys.err(&text);
        status
    })
}

/// coreutils' answer to a wrong command line.
pub(super) fn try_help<K: Kernel>(name: &str, error: &str, status: i32) -> Box<dyn Program<K>> {
    refuse(format!("{name}: {error}\nTry '{name} --help' for more information.\n"), status)
}

/// A name as coreutils' `quote()` shows it in a UTF-8 locale.
pub(super) fn curly(name: &str) -> String {
    format!("\u{2018}{name}\u{2019}")
}

/// A name as coreutils' `quoteaf()` shows it: what one could paste into a shell.
pub(super) fn quoted(name: &str) -> String {
    format!("'{name}'")
}
