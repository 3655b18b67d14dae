//! What `birdc` is answered: one file per group of commands.

mod control;
mod format;
mod interfaces;
mod protocols;
mod routes;
mod statics;

use super::config::command::{self, Command, Configure, Which};
use super::config::lexer::Read;
use super::daemon::Daemon;
use super::filter::{self, Expr};
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
    /// Which classes of messages are to be told as they come (`echo`).
    pub echo: u32,
}

/// Carries out a command.
pub fn command(daemon: &mut Daemon, text: &str, host: &mut Host<'_>) -> Reply {
    let command = match command::parse_command(daemon.config(), text.trim()) {
        Ok(command) => command,
        Err(error) => return Reply::of(9001, error.text),
    };
    if host.restricted && !is_safe(&command) {
        return Reply::of(8007, "Access denied");
    }
    match command {
        Command::Status => control::status(daemon),
        Command::Memory => Reply::of(8, "show memory is not supported here"),
        Command::Protocols(all, which) => with(daemon, &which, |found| protocols::show(daemon, all, &found)),
        Command::Interfaces(summary) => interfaces::show(daemon, summary),
        Command::Route(query) => routes::show(daemon, &query),
        Command::Symbols(which) => control::symbols(daemon, &which),
        Command::Static(name) => statics::show(daemon, name.as_deref()),
        Command::Absent(kind, None) => Reply::of(9001, format!("There is no {kind} protocol running")),
        Command::Absent(kind, Some(name)) => Reply::of(9001, format!("{name}: Not a {kind} protocol")),
        Command::Configure(what) => control::configure(daemon, what, host),
        Command::Down => {
            daemon.shutdown();
            Reply::of(7, "Shutdown requested")
        }
        Command::GracefulRestart => Reply::of(8, "graceful restart is not supported here"),
        Command::Switch(switch, which, text) => match named(daemon, &which) {
            Ok(found) => control::switch(daemon, switch, &found, text.as_deref()),
            Err(reply) => reply,
        },
        Command::Reload(inward, outward, which) => match named(daemon, &which) {
            Ok(found) => control::reload(daemon, inward, outward, &found),
            Err(reply) => reply,
        },
        Command::Debug(which, on) => match named(daemon, &which) {
            Ok(found) => control::debug(daemon, &found, on),
            Err(reply) => reply,
        },
        Command::MrtDump(which) => with(daemon, &which, |_| Reply::default().done()),
        Command::Dump => Reply::of(8, "dump is not supported here"),
        Command::Echo(classes) => {
            host.echo = classes;
            Reply::default().done()
        }
        Command::Eval(expr) => eval(daemon, &expr),
        Command::Restrict => {
            host.restricted = true;
            Reply::of(16, "Access restricted")
        }
    }
}

/// What may be done after `restrict`.
const fn is_safe(command: &Command) -> bool {
    match command {
        Command::Status
        | Command::Memory
        | Command::Protocols(..)
        | Command::Interfaces(_)
        | Command::Route(_)
        | Command::Symbols(_)
        | Command::Static(_)
        | Command::Absent(..)
        | Command::Echo(_)
        | Command::Eval(_)
        | Command::Restrict => true,
        Command::Configure(what) => matches!(what, Configure::Status),
        _ => false,
    }
}

fn eval(daemon: &mut Daemon, expr: &Expr) -> Reply {
    match filter::evaluate(expr, 1) {
        Ok(value) => Reply::of(23, value.to_string()),
        // What needs no route is computed as it is read.
        Err(error) if expr.is_constant() => {
            Reply::of(9001, format!("filter preevaluation, line {}: {}", error.line, error.text))
        }
        Err(error) => {
            daemon.log(Class::Error, format!("filters, line {}: {}", error.line, error.text));
            Reply::of(8008, "runtime error")
        }
    }
}

fn with(daemon: &Daemon, which: &Which, show: impl FnOnce(Vec<usize>) -> Reply) -> Reply {
    named(daemon, which).map_or_else(|reply| reply, show)
}

/// The protocols that are meant.
fn named(daemon: &Daemon, which: &Which) -> Result<Vec<usize>, Reply> {
    let there = (0..daemon.protos.len()).filter(|i| !daemon.protos[*i].gone);
    match which {
        Which::All => Ok(there.collect()),
        Which::Pattern(pattern) => {
            let found: Vec<usize> =
                there.filter(|i| super::pattern::matches(pattern, &daemon.protos[*i].conf.name)).collect();
            if found.is_empty() { Err(Reply::of(8003, "No protocols match")) } else { Ok(found) }
        }
        Which::Name(name) => Ok(vec![one(daemon, name)?]),
    }
}

/// The protocol of this name.
fn one(daemon: &Daemon, name: &str) -> Result<usize, Reply> {
    let there = |proto: &super::daemon::Proto| !proto.gone && proto.conf.name == name;
    daemon.protos.iter().position(there).ok_or_else(|| Reply::of(9001, format!("{name} does not exist")))
}
