//! `-j LOG`: a line in the kernel's log (`net/netfilter/xt_LOG.c`).

use super::{Acts, Extension, Outcome, log_line};
use crate::matches::How;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number, put_string};
use bitflags::bitflags;
use hopwise_sim_core::Rng;

bitflags! {
    /// What else is told (`NF_LOG_*`), in the order in which it is printed.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct LogFlags: u8 {
        /// `--log-tcp-sequence`.
        const TCPSEQ = 1 << 0;
        /// `--log-tcp-options`.
        const TCPOPT = 1 << 1;
        /// `--log-ip-options`.
        const IPOPT = 1 << 2;
        /// `--log-uid`.
        const UID = 1 << 3;
        /// `--log-macdecode`.
        const MACDECODE = 1 << 5;
    }
}

/// Flags with the names of their options.
const FLAGS: [(LogFlags, &str); 5] = [
    (LogFlags::TCPSEQ, "tcp-sequence"),
    (LogFlags::TCPOPT, "tcp-options"),
    (LogFlags::IPOPT, "ip-options"),
    (LogFlags::UID, "uid"),
    (LogFlags::MACDECODE, "macdecode"),
];

/// Levels by name; the first of a number is printed.
const LEVELS: [(&str, u8); 10] = [
    ("alert", 1),
    ("crit", 2),
    ("debug", 7),
    ("emerg", 0),
    ("error", 3),
    ("info", 6),
    ("notice", 5),
    ("panic", 0),
    ("warning", 4),
    ("err", 3),
];

/// Names of the levels as they are listed.
const LISTED: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

/// A prefix has at most so many bytes.
const MAX_PREFIX: usize = 29;
/// The level if none is said.
const WARNING: u8 = 4;

/// What is written.
#[derive(Clone, PartialEq, Debug)]
pub struct Log {
    level: u8,
    prefix: Box<str>,
    flags: LogFlags,
}

static OPTIONS: &[Opt] = &[
    Opt::arg("log-level", 0),
    Opt::arg("log-prefix", 1),
    Opt::flag("log-tcp-sequence", 2),
    Opt::flag("log-tcp-options", 3),
    Opt::flag("log-ip-options", 4),
    Opt::flag("log-uid", 5),
    Opt::flag("log-macdecode", 6),
];

/// A prefix of at most `max` bytes; longer ones are cut.
pub(super) fn prefix(call: &Call<'_>, max: usize) -> Done<Box<str>> {
    if call.arg.is_empty() {
        return Err(Refusal::new("Argument must have a minimum length of 1 characters\n"));
    }
    if call.arg.contains('\n') {
        return Err(Refusal::new(format!("Newlines not allowed in --{}", call.opt.name)));
    }
    let end = (0..=max.min(call.arg.len())).rev().find(|end| call.arg.is_char_boundary(*end)).unwrap_or(0);
    Ok(call.arg[..end].into())
}

fn level(word: &str) -> Done<u8> {
    let named = LEVELS[..9].iter().find(|row| row.0 == word).map(|row| row.1);
    number::within(word, 0, 7)
        .map(|level| level as u8)
        .or(named)
        .ok_or_else(|| Refusal::new(format!("log level \"{word}\" unknown\n")))
}

impl Extension for Log {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Log { level: WARNING, prefix: Box::default(), flags: LogFlags::empty() }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.name {
            "log-level" => self.level = level(call.arg)?,
            "log-prefix" => self.prefix = prefix(call, MAX_PREFIX)?,
            name => {
                let named = FLAGS.iter().find(|row| name.strip_prefix("log-") == Some(row.1));
                self.flags |= named.map_or(LogFlags::empty(), |row| row.0);
            }
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        if !self.prefix.is_empty() {
            out.push_str(" --log-prefix");
            put_string(out, &self.prefix);
        }
        if self.level != WARNING {
            out.push_str(&format!(" --log-level {}", self.level));
        }
        for (_, name) in FLAGS.iter().filter(|row| self.flags.contains(row.0)) {
            out.push_str(&format!(" --log-{name}"));
        }
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        out.push_str(" LOG");
        if how.numeric {
            out.push_str(&format!(" flags {} level {}", self.flags.bits(), self.level));
        } else {
            out.push_str(&format!(" level {}", LISTED[usize::from(self.level & 7)]));
            for (_, name) in FLAGS.iter().filter(|row| self.flags.contains(row.0)) {
                out.push_str(&format!(" {name}"));
            }
        }
        if !self.prefix.is_empty() {
            out.push_str(&format!(" prefix \"{}\"", self.prefix));
        }
    }

    fn sample(rng: &mut Rng) -> String {
        let prefix = ["", " --log-prefix \"in: \"", " --log-prefix a\\\"b"][rng.below(2) as usize];
        let rest = ["", " --log-level debug", " --log-uid --log-tcp-sequence", " --log-level 4"];
        format!("-j LOG{prefix}{}", rest[rng.below(4) as usize])
    }
}

impl Acts for Log {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        true
    }

    fn act(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        let line = log_line::line(&self.prefix, self.flags, skb);
        cx.env.log(line);
        Outcome::Continue
    }
}
