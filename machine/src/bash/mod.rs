//! bash 5.2: the grammar is `brush-parser`'s, everything after it is here.
//!
//! The interpreter is a process like any other: a stack of frames that is advanced a little at a time, so that it can wait for
//! children, be cloned in the middle of a loop, and never calls the real operating system.

mod arith;
mod ast;
mod brace;
mod builtins;
mod diagnose;
mod diagnose_test;
mod diagnose_words;
mod expand;
mod frame;
mod jobs;
mod loops;
mod options;
mod params;
mod parse;
mod pattern;
mod pipeline;
mod quote;
mod redirect;
mod scan;
mod select;
mod shell;
mod simple;
mod substitution;
mod vars;
mod word;

use crate::{Kernel, Program, Sys, once};
use shell::{Begin, Naming, Shell};

/// The builtins' names and what they do, for the support table.
pub fn builtins() -> impl Iterator<Item = (&'static str, &'static str)> {
    builtins::TABLE.iter().copied()
}

/// A session that waits for typed commands.
pub(crate) fn session<K: Kernel>() -> Box<dyn Program<K>> {
    Box::new(Shell::new(Naming::Session, "-bash", Vec::new(), Begin::Session))
}

/// A shell that runs a file.
pub(crate) fn script<K: Kernel>(path: &str, args: &[String]) -> Box<dyn Program<K>> {
    Box::new(Shell::new(Naming::Script(path.to_owned()), path, args.to_vec(), Begin::File(path.to_owned())))
}

/// A shell that runs this text under a script's name.
pub(crate) fn text<K: Kernel>(name: &str, text: &str) -> Box<dyn Program<K>> {
    Box::new(Shell::new(Naming::Script(name.to_owned()), name, Vec::new(), Begin::Text(text.to_owned())))
}

/// `bash [-eux...] [-o OPTION] [-c TEXT | FILE] [ARG...]`
pub(crate) fn start<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let mut options = options::Options::default();
    let mut command = false;
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        let on = arg.starts_with('-');
        let Some(letters) = arg.strip_prefix(['-', '+']).filter(|l| !l.is_empty()) else { break };
        at += 1;
        if letters == "-" {
            break;
        }
        if ["-norc", "-noprofile", "-login", "-posix"].contains(&letters) {
            continue;
        }
        for letter in letters.chars() {
            match letter {
                'c' => command = true,
                's' | 'l' | 'i' => {}
                'o' => {
                    if let Some(name) = args.get(at) {
                        options.set(name, on);
                    }
                    at += 1;
                }
                letter => match options::Options::of_letter(letter) {
                    Some(name) => {
                        options.set(name, on);
                    }
                    None => return refuse(arg),
                },
            }
        }
    }
    let rest = args.get(at..).unwrap_or(&[]);
    let mut shell = if command {
        let Some((text, rest)) = rest.split_first() else {
            return once(|sys: &mut Sys<'_, K>| {
                sys.err("bash: -c: option requires an argument\n");
                2
            });
        };
        let name = rest.first().map_or("bash", String::as_str);
        Shell::new(
            Naming::Script(name.to_owned()),
            name,
            rest.get(1..).unwrap_or(&[]).to_vec(),
            Begin::Text(text.clone()),
        )
    } else if let Some((file, rest)) = rest.split_first() {
        Shell::new(Naming::Script(file.clone()), file, rest.to_vec(), Begin::File(file.clone()))
    } else {
        Shell::new(Naming::Script("bash".to_owned()), "bash", Vec::new(), Begin::Stdin(Vec::new()))
    };
    shell.options = options;
    shell.options.command_text = command;
    shell.may_exec = command;
    Box::new(shell)
}

fn refuse<K: Kernel>(option: &str) -> Box<dyn Program<K>> {
    let text = format!(
        "bash: {option}: invalid option\nUsage:\tbash [GNU long option] [option] ...\n\tbash [GNU long option] [option] script-file ...\n"
    );
    once(move |sys: &mut Sys<'_, K>| {
        sys.err(&text);
        2
    })
}

/// Whether bash at a terminal would ask for more lines (with its `PS2` prompt `> `) before it runs this text: an open quote, bracket
/// or expansion, a compound command without its end, a here-document without its last line, a `|`, `&&` or backslash at the end.
///
/// ```
/// use hopwise_machine::is_incomplete;
/// assert!(is_incomplete("for i in 1 2"));
/// assert!(is_incomplete("ip link |"));
/// assert!(is_incomplete("echo 'one"));
/// assert!(!is_incomplete("for i in 1 2; do echo $i; done"));
/// // Wrong, and no further line can mend it.
/// assert!(!is_incomplete("done"));
/// ```
pub fn is_incomplete(text: &str) -> bool {
    diagnose::is_incomplete(text)
}

/// One escape sequence of `printf` after its backslash; gives how many bytes it used.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) -> usize {
    quote::escape(text, out, false)
}

/// Whether a character is in a POSIX class.
pub(crate) fn in_class(c: char, class: &str) -> bool {
    pattern::in_class(c, class)
}

/// Whether a whole text matches a shell pattern.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    pattern::Pattern::new(pattern).matches(text)
}
