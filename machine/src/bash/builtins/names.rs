//! type, command -v: what a name means.

use super::{Outcome, is_builtin};
use crate::bash::shell::Shell;
use crate::{Kernel, Sys};

/// The shell's keywords.
const KEYWORDS: [&str; 22] = [
    "!", "[[", "]]", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in",
    "select", "then", "time", "until", "while", "{", "}",
];

impl Shell {
    /// `command -v`, `command -V`
    pub(super) fn describe_names<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        names: &[String],
        verbose: bool,
    ) -> Outcome {
        let mut status = 1;
        for name in names {
            let short = self.meaning(sys, name);
            match short {
                Some((kind, what)) => {
                    status = 0;
                    let line = if verbose { self.sentence(name, kind, &what) } else { what };
                    sys.out(&format!("{line}\n"));
                }
                None if verbose => self.complain(sys, &format!("command: {name}: not found")),
                None => {}
            }
        }
        Outcome::Status(status)
    }

    /// A name's kind, and what `command -v` prints for it.
    fn meaning<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str) -> Option<(&'static str, String)> {
        if let Some(value) = self.aliases.get(name) {
            return Some(("alias", format!("alias {name}={}", crate::bash::quote::single_quoted(value))));
        }
        if KEYWORDS.contains(&name) {
            return Some(("keyword", name.to_owned()));
        }
        if self.functions.contains_key(name) {
            return Some(("function", name.to_owned()));
        }
        if is_builtin(name) {
            return Some(("builtin", name.to_owned()));
        }
        let path = self.vars.scalar("PATH").unwrap_or("").to_owned();
        let found = if name.contains('/') { sys.find_program(name) } else { sys.find_in_path(name, &path) };
        found.ok().map(|file| ("file", file))
    }

    fn sentence(&self, name: &str, kind: &str, what: &str) -> String {
        match kind {
            "alias" => format!("{name} is aliased to `{}'", self.aliases.get(name).map_or("", String::as_str)),
            "keyword" => format!("{name} is a shell keyword"),
            "function" => format!("{name} is a function\n{}", self.functions.get(name).map_or("", |f| f.text.as_str())),
            "builtin" => format!("{name} is a shell builtin"),
            _ => format!("{name} is {what}"),
        }
    }

    pub(super) fn builtin_type<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let mut letters = String::new();
        let mut status = 0;
        for arg in args {
            if let Some(options) = arg.strip_prefix('-').filter(|o| !o.is_empty()) {
                if let Some(bad) = options.chars().find(|c| !"afptP".contains(*c)) {
                    return self.usage(sys, "type", &format!("-{bad}"), "type [-afptP] name [name ...]");
                }
                letters.push_str(options);
                continue;
            }
            let found = if letters.contains('P') {
                sys.find_program(arg).ok().map(|f| ("file", f))
            } else {
                self.meaning(sys, arg)
            };
            let Some((kind, what)) = found else {
                if !letters.contains(['t', 'p', 'P']) {
                    self.complain(sys, &format!("type: {arg}: not found"));
                }
                status = 1;
                continue;
            };
            if letters.contains('t') {
                sys.out(&format!("{kind}\n"));
            } else if letters.contains(['p', 'P']) {
                if kind == "file" {
                    sys.out(&format!("{what}\n"));
                }
            } else {
                let line = self.sentence(arg, kind, &what);
                sys.out(&format!("{line}\n"));
            }
        }
        Outcome::Status(status)
    }
}
