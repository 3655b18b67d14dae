//! What `birdc` is answered: one file per group of commands.

mod control;
mod format;
mod interfaces;
mod protocols;
mod routes;
mod statics;

use super::config::{self, lexer::Read};
use super::daemon::Daemon;
use super::filter;
use super::log::Class;

pub use format::{date_time, log_line};

/// The version that is modelled.
pub const VERSION: &str = "2.0.12";

/// An answer: lines with their codes, the last one ends it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    lines: Vec<(u16, String)>,
}

impl Reply {
    /// One line, and that is all.
    pub fn of(code: u16, text: impl Into<String>) -> Self {
        Reply { lines: vec![(code, text.into())] }
    }

    pub(super) fn line(&mut self, code: u16, text: impl Into<String>) {
        self.lines.push((code, text.into()));
    }

    /// The end, with nothing to say.
    pub(super) fn done(mut self) -> Self {
        self.line(0, "");
        self
    }

    /// The lines and their codes.
    pub fn lines(&self) -> &[(u16, String)] {
        &self.lines
    }

    /// What goes through the socket (`nest/cli.c`): `1002-text`, a blank in front of a line of the same code, `0000 ` at the end.
    pub fn wire(&self) -> String {
        let mut out = String::new();
        let mut last = None;
        for (i, (code, text)) in self.lines.iter().enumerate() {
            let end = i + 1 == self.lines.len();
            if end {
                out.push_str(&format!("{code:04} {text}\n"));
                continue;
            }
            for line in text.split('\n') {
                if last == Some(*code) {
                    out.push_str(&format!(" {line}\n"));
                } else {
                    out.push_str(&format!("{code:04}-{line}\n"));
                }
                last = Some(*code);
            }
        }
        out
    }
}

/// What commands need of the world: files, and where the configuration is.
pub struct Host<'a> {
    /// The file that was given to `-c`.
    pub config: &'a str,
    /// Reads a file.
    pub read: &'a mut Read<'a>,
    /// Only looking is allowed (`birdc -r`).
    pub restricted: bool,
}

/// Carries out a command.
pub fn command(daemon: &mut Daemon, text: &str, host: &mut Host<'_>) -> Reply {
    let text = text.trim();
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let rest = text[first.len()..].trim_start();
    if host.restricted && !matches!(first, "show" | "echo" | "eval" | "restrict" | "") {
        return Reply::of(8007, "Access denied");
    }
    match first {
        "show" => show(daemon, rest),
        "configure" => control::configure(daemon, rest, host),
        "down" => {
            daemon.shutdown();
            Reply::of(7, "Shutdown requested")
        }
        "disable" | "enable" | "restart" | "reload" => control::switch(daemon, first, rest),
        "eval" => eval(daemon, rest),
        "debug" => control::debug(daemon, rest),
        "restrict" => {
            host.restricted = true;
            Reply::of(16, "Access restricted")
        }
        "echo" | "dump" | "graceful" => Reply::of(8, format!("{first} is not supported here")),
        "" => syntax("END"),
        other => syntax(unexpected(daemon, other)),
    }
}

fn show(daemon: &Daemon, rest: &str) -> Reply {
    let (first, rest) = rest.split_once(char::is_whitespace).map_or((rest, ""), |(f, r)| (f, r.trim_start()));
    match first {
        "status" => control::status(daemon),
        "protocols" => protocols::show(daemon, rest),
        "route" => routes::show(daemon, rest),
        "interfaces" => interfaces::show(daemon, rest),
        "static" => statics::show(daemon, rest),
        "symbols" => control::symbols(daemon, rest),
        "bfd" => Reply::of(8010, "There is no BFD protocol running"),
        "ospf" => Reply::of(8010, "There is no OSPF protocol running"),
        "rip" => Reply::of(8010, "There is no RIP protocol running"),
        "babel" => Reply::of(8010, "There is no Babel protocol running"),
        "memory" => Reply::of(8, "show memory is not supported here"),
        "" => syntax("END"),
        other => syntax(unexpected(daemon, other)),
    }
}

fn eval(daemon: &mut Daemon, text: &str) -> Reply {
    match config::parse_expression(daemon.config(), text) {
        Ok(expr) => match filter::evaluate(&expr, 1) {
            Ok(value) => Reply::of(23, value.to_string()),
            Err(error) => {
                daemon.log(Class::Error, format!("filters, line {}: {}", error.line, error.text));
                Reply::of(8008, "runtime error")
            }
        },
        Err(error) => Reply::of(9001, error.text),
    }
}

/// A word that cannot stand where it does.
fn syntax(what: impl AsRef<str>) -> Reply {
    Reply::of(9001, format!("syntax error, unexpected {}", what.as_ref()))
}

fn unexpected(daemon: &Daemon, word: &str) -> &'static str {
    let first = word.chars().next().unwrap_or(' ');
    if first == '"' {
        "TEXT"
    } else if first.is_ascii_digit() {
        if word.contains('.') { "IP4" } else { "NUM" }
    } else if daemon.config().symbols.contains_key(word) {
        "CF_SYM_KNOWN"
    } else {
        "CF_SYM_UNDEFINED"
    }
}

/// The protocols that a word means: a name, a pattern in quotes, `all` or nothing.
fn named(daemon: &Daemon, word: &str, none_is_all: bool) -> Result<Vec<usize>, Reply> {
    let there = (0..daemon.protos.len()).filter(|i| !daemon.protos[*i].gone);
    let expected = if none_is_all { "END or CF_SYM_KNOWN or TEXT or ALL" } else { "CF_SYM_KNOWN or TEXT or ALL" };
    if let Some(pattern) = word.strip_prefix('"') {
        let pattern = pattern.trim_end_matches('"');
        let found: Vec<usize> =
            there.filter(|i| super::pattern::matches(pattern, &daemon.protos[*i].conf.name)).collect();
        return if found.is_empty() { Err(Reply::of(8003, "No protocols match")) } else { Ok(found) };
    }
    if word == "all" || (word.is_empty() && none_is_all) {
        return Ok(there.collect());
    }
    match there.into_iter().find(|i| daemon.protos[*i].conf.name == word) {
        Some(index) => Ok(vec![index]),
        None if word.is_empty() => Err(syntax(format!("END, expecting {expected}"))),
        None if daemon.config().symbols.contains_key(word) => Err(Reply::of(9001, format!("{word} is not a protocol"))),
        None => Err(syntax(format!("{}, expecting {expected}", unexpected(daemon, word)))),
    }
}
