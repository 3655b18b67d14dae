//! echo, cd, pwd, pushd, popd, dirs, shift, umask, let, getopts and other small ones.

use super::{Outcome, TABLE};
use crate::bash::expand::{Memo, Stop};
use crate::bash::shell::Shell;
use crate::bash::vars::Value;
use crate::bash::{quote, word};
use crate::files::{join, normalise};
use crate::{Errno, Kernel, Sys};

impl Shell {
    pub(super) fn builtin_echo<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let (mut newline, mut escapes, mut at) = (true, false, 0);
        while let Some(letters) = args
            .get(at)
            .and_then(|a| a.strip_prefix('-'))
            .filter(|l| !l.is_empty() && l.chars().all(|c| "neE".contains(c)))
        {
            for c in letters.chars() {
                match c {
                    'n' => newline = false,
                    'e' => escapes = true,
                    _ => escapes = false,
                }
            }
            at += 1;
        }
        let text = args.get(at..).unwrap_or(&[]).join(" ");
        let mut out = Vec::new();
        if escapes {
            if echo_escapes(&text, &mut out) {
                newline = false;
            }
        } else {
            out.extend(text.as_bytes());
        }
        if newline {
            out.push(b'\n');
        }
        self.print(sys, "echo", &out)
    }

    fn set_directory<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, path: &str) -> Result<(), Errno> {
        sys.chdir(path)?;
        let old = self.vars.scalar("PWD").unwrap_or("").to_owned();
        let _ = self.vars.set("OLDPWD", None, old);
        let _ = self.vars.set("PWD", None, sys.cwd());
        Ok(())
    }

    pub(super) fn builtin_cd<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let mut physical = false;
        let mut rest = args;
        while let Some(option) = rest.first().filter(|a| a.starts_with('-') && a.len() > 1) {
            match option.as_str() {
                "-P" => physical = true,
                "-L" | "-e" => physical = false,
                "--" => {
                    rest = rest.get(1..).unwrap_or(&[]);
                    break;
                }
                _ => return self.usage(sys, "cd", option, "cd [-L|[-P [-e]] [-@]] [dir]"),
            }
            rest = rest.get(1..).unwrap_or(&[]);
        }
        let (target, show) = match rest {
            [] => match self.vars.scalar("HOME") {
                Some(home) => (home.to_owned(), false),
                None => return self.fail(sys, "cd: HOME not set", 1),
            },
            [dash] if dash == "-" => match self.vars.scalar("OLDPWD") {
                Some(old) => (old.to_owned(), true),
                None => return self.fail(sys, "cd: OLDPWD not set", 1),
            },
            [dir] => (dir.clone(), false),
            _ => return self.fail(sys, "cd: too many arguments", 1),
        };
        if target.is_empty() {
            return Outcome::Status(0);
        }
        let path = if physical {
            sys.real_path(&target).unwrap_or_else(|_| target.clone())
        } else {
            normalise(&join(&sys.cwd(), &target))
        };
        match self.set_directory(sys, &path) {
            Ok(()) => {
                if show {
                    sys.out(&format!("{}\n", sys.cwd()));
                }
                Outcome::Status(0)
            }
            Err(errno) => self.fail(sys, &format!("cd: {target}: {errno}"), 1),
        }
    }

    pub(super) fn builtin_pwd<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let mut path = sys.cwd();
        for arg in args.iter().filter(|a| a.starts_with('-')) {
            match arg.as_str() {
                "-P" => path = sys.real_path(&path).unwrap_or(path),
                "-L" => {}
                _ => return self.usage(sys, "pwd", arg, "pwd [-LP]"),
            }
        }
        self.print(sys, "pwd", format!("{path}\n").as_bytes())
    }

    fn shown_dirs<K: Kernel>(&self, sys: &Sys<'_, K>) -> String {
        let home = self.vars.scalar("HOME").unwrap_or("/root").to_owned();
        let short = |dir: &String| match dir.strip_prefix(&home) {
            Some(rest) if home.len() > 1 && (rest.is_empty() || rest.starts_with('/')) => format!("~{rest}"),
            _ => dir.clone(),
        };
        let all: Vec<String> =
            std::iter::once(sys.cwd()).chain(self.dir_stack.iter().rev().cloned()).map(|d| short(&d)).collect();
        all.join(" ")
    }

    pub(super) fn builtin_dirs<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        match args {
            [] => {
                let line = self.shown_dirs(sys);
                self.print(sys, "dirs", format!("{line}\n").as_bytes())
            }
            [clear] if clear == "-c" => {
                self.dir_stack.clear();
                Outcome::Status(0)
            }
            [option, ..] => self.usage(sys, "dirs", option, "dirs [-clpv] [+N] [-N]"),
        }
    }

    pub(super) fn builtin_pushd<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Outcome {
        let here = sys.cwd();
        let target = match (name, args) {
            ("popd", []) => match self.dir_stack.pop() {
                Some(dir) => dir,
                None => return self.fail(sys, "popd: directory stack empty", 1),
            },
            ("pushd", []) => match self.dir_stack.pop() {
                Some(dir) => {
                    self.dir_stack.push(here);
                    dir
                }
                None => return self.fail(sys, "pushd: no other directory", 1),
            },
            ("pushd", [dir]) if !dir.starts_with(['-', '+']) => {
                if let Err(errno) = sys.stat(dir, true) {
                    return self.fail(sys, &format!("pushd: {dir}: {errno}"), 1);
                }
                self.dir_stack.push(here);
                normalise(&join(&sys.cwd(), dir))
            }
            (_, [option, ..]) => {
                return self.usage(
                    sys,
                    name,
                    option,
                    &format!("{name} [-n] [+N | -N{}]", if name == "pushd" { " | dir" } else { "" }),
                );
            }
            _ => return Outcome::Status(1),
        };
        if let Err(errno) = self.set_directory(sys, &target) {
            return self.fail(sys, &format!("{name}: {target}: {errno}"), 1);
        }
        let line = self.shown_dirs(sys);
        self.print(sys, name, format!("{line}\n").as_bytes())
    }

    pub(super) fn builtin_shift<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let count = match args.first().map(|a| a.parse::<i64>()) {
            None => 1,
            Some(Ok(count)) => count,
            Some(Err(_)) => return self.fail(sys, &format!("shift: {}: numeric argument required", args.concat()), 1),
        };
        match usize::try_from(count) {
            Ok(count) if count <= self.args.len() => {
                self.args.drain(..count);
                Outcome::Status(0)
            }
            Ok(_) => Outcome::Status(1),
            Err(_) => self.fail(sys, &format!("shift: {count}: shift count out of range"), 1),
        }
    }

    pub(super) fn builtin_umask<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        match args {
            [] => {
                let text = format!("{:04o}\n", sys.umask());
                self.print(sys, "umask", text.as_bytes())
            }
            [mask] => match u32::from_str_radix(mask, 8) {
                Ok(mask) if mask <= 0o777 => {
                    sys.set_umask(mask);
                    Outcome::Status(0)
                }
                _ => self.fail(sys, &format!("umask: {mask}: octal number out of range"), 1),
            },
            [option, ..] => self.usage(sys, "umask", option, "umask [-p] [-S] [mode]"),
        }
    }

    pub(super) fn builtin_let<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        if args.is_empty() {
            return self.fail(sys, "let: expression expected", 1);
        }
        let mut last = 0;
        for arg in args {
            match self.attempt(sys, &Memo::default(), |x| x.evaluate(arg)) {
                Ok(value) => last = value,
                Err(Stop::Error { message, .. }) => return self.fail(sys, &format!("let: {message}"), 1),
                Err(Stop::Substitution(_)) => return Outcome::Status(1),
            }
        }
        Outcome::Status(i32::from(last == 0))
    }

    pub(super) fn builtin_getopts<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let [options, name, own @ ..] = args else {
            sys.err("getopts: usage: getopts optstring name [arg ...]\n");
            return Outcome::Status(2);
        };
        let silent = options.starts_with(':');
        let list = if own.is_empty() { self.args.clone() } else { own.to_vec() };
        let mut index = self.vars.scalar("OPTIND").and_then(|v| v.parse::<usize>().ok()).unwrap_or(1).max(1);
        if index == 1 && self.getopts_at > 0 && list.first().is_none_or(|a| a.chars().count() <= self.getopts_at) {
            self.getopts_at = 0;
        }
        let word = list.get(index - 1).cloned().unwrap_or_default();
        let letters: Vec<char> = word.chars().collect();
        if self.getopts_at == 0 {
            if word == "--" {
                index += 1;
            }
            if letters.len() < 2 || letters.first() != Some(&'-') || word == "--" {
                let _ = self.vars.set("OPTIND", None, index.to_string());
                let _ = self.vars.set(name, None, "?".to_owned());
                return Outcome::Status(1);
            }
            self.getopts_at = 1;
        }
        let letter = letters.get(self.getopts_at).copied().unwrap_or('?');
        self.getopts_at += 1;
        let at_end = self.getopts_at >= letters.len();
        let spec: Vec<char> = options.chars().collect();
        let place = spec.iter().position(|c| *c == letter && letter != ':');
        let _ = self.vars.unset("OPTARG");
        let mut result = letter;
        match place {
            None => {
                result = '?';
                if silent {
                    let _ = self.vars.set("OPTARG", None, letter.to_string());
                } else {
                    sys.err(&format!("{}: illegal option -- {letter}\n", self.name));
                }
            }
            Some(p) if spec.get(p + 1) == Some(&':') => {
                let value = if !at_end {
                    Some(letters.iter().skip(self.getopts_at).collect())
                } else {
                    index += 1;
                    list.get(index - 1).cloned()
                };
                index += 1;
                self.getopts_at = 0;
                match value {
                    Some(value) => {
                        let _ = self.vars.set("OPTARG", None, value);
                    }
                    None => {
                        index = list.len() + 1;
                        result = if silent { ':' } else { '?' };
                        if silent {
                            let _ = self.vars.set("OPTARG", None, letter.to_string());
                        } else {
                            sys.err(&format!("{}: option requires an argument -- {letter}\n", self.name));
                        }
                    }
                }
                let _ = self.vars.set("OPTIND", None, index.to_string());
                let _ = self.vars.set(name, None, result.to_string());
                return Outcome::Status(0);
            }
            Some(_) => {}
        }
        if at_end {
            index += 1;
            self.getopts_at = 0;
        }
        let _ = self.vars.set("OPTIND", None, index.to_string());
        let _ = self.vars.set(name, None, result.to_string());
        Outcome::Status(0)
    }

    pub(super) fn builtin_enable<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Outcome {
        if let Some(option) = args.iter().find(|a| a.starts_with('-')) {
            return self.usage(
                sys,
                name,
                option,
                if name == "help" {
                    "help [-dms] [pattern ...]"
                } else {
                    "enable [-a] [-dnps] [-f filename] [name ...]"
                },
            );
        }
        let unknown: Vec<&String> = args.iter().filter(|a| !TABLE.iter().any(|row| row.0 == **a)).collect();
        if name == "help"
            && let (Some(topic), true) = (args.first(), unknown.len() == args.len())
        {
            return self.fail(
                sys,
                &format!(
                    "help: no help topics match `{topic}'.  Try `help help' or `man -k {topic}' or `info {topic}'."
                ),
                1,
            );
        }
        if let (Some(missing), "enable") = (unknown.first(), name) {
            return self.fail(sys, &format!("enable: {missing}: not a shell builtin"), 1);
        }
        let rows = TABLE.iter().filter(|row| args.is_empty() || args.iter().any(|a| a == row.0));
        let text: String = rows
            .map(|row| if name == "help" { format!("{}: {}\n", row.0, row.1) } else { format!("enable {}\n", row.0) })
            .collect();
        self.print(sys, name, text.as_bytes())
    }

    pub(super) fn builtin_small<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Outcome {
        match name {
            "times" => self.print(sys, name, b"0m0.000s 0m0.000s\n0m0.000s 0m0.000s\n"),
            "suspend" => self.fail(sys, "suspend: cannot suspend: no job control", 1),
            "hash" => match args.iter().find(|a| !a.starts_with('-') && sys.find_program(a).is_err()) {
                Some(missing) => self.fail(sys, &format!("hash: {missing}: not found"), 1),
                None => Outcome::Status(0),
            },
            "ulimit" => {
                let value = match args.first().map(String::as_str) {
                    Some("-n" | "-Sn" | "-Hn") => "1024",
                    _ => "unlimited",
                };
                if args.len() > 1 { Outcome::Status(0) } else { self.print(sys, name, format!("{value}\n").as_bytes()) }
            }
            _ => Outcome::Status(0),
        }
    }

    pub(super) fn builtin_alias<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let shown = |name: &str, value: &str| format!("alias {name}={}\n", quote::single_quoted(value));
        let mut status = 0;
        let mut out = String::new();
        for arg in args.iter().filter(|a| *a != "-p") {
            match arg.split_once('=') {
                Some((name, value)) => {
                    self.aliases.insert(name.to_owned(), value.to_owned());
                }
                None => match self.aliases.get(arg) {
                    Some(value) => out.push_str(&shown(arg, value)),
                    None => {
                        self.complain(sys, &format!("alias: {arg}: not found"));
                        status = 1;
                    }
                },
            }
        }
        if args.iter().all(|a| a == "-p") {
            out = self.aliases.iter().map(|(n, v)| shown(n, v)).collect();
        }
        match self.print(sys, "alias", out.as_bytes()) {
            Outcome::Status(0) => Outcome::Status(status),
            other => other,
        }
    }

    pub(super) fn builtin_unalias<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let mut status = 0;
        for arg in args {
            if arg == "-a" {
                self.aliases.clear();
            } else if self.aliases.remove(arg).is_none() {
                self.complain(sys, &format!("unalias: {arg}: not found"));
                status = 1;
            }
        }
        Outcome::Status(status)
    }

    pub(super) fn builtin_unset<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let (mut functions, mut variables, mut status) = (false, false, 0);
        for arg in args {
            match arg.as_str() {
                "-f" => functions = true,
                "-v" => variables = true,
                "-n" => {}
                option if option.starts_with('-') => {
                    return self.usage(sys, "unset", option, "unset [-f] [-v] [-n] [name ...]");
                }
                name => {
                    if functions
                        || (!variables && self.vars.get_raw(name).is_none() && self.functions.contains_key(name))
                    {
                        std::sync::Arc::make_mut(&mut self.functions).remove(name);
                    } else if !self.unset_variable(sys, name) {
                        status = 1;
                    }
                }
            }
        }
        Outcome::Status(status)
    }

    fn unset_variable<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str) -> bool {
        if let Some((array, index)) = name.strip_suffix(']').and_then(|n| n.split_once('[')) {
            if index == "@" || index == "*" {
                return self.vars.unset(array).is_ok();
            }
            let Ok(index) = word::index(index, self.line) else { return false };
            let array = array.to_owned();
            return match self.attempt(sys, &Memo::default(), |x| x.key(&array, &index)) {
                Ok(key) => {
                    self.vars.change(&array, |v| v.remove(&key));
                    true
                }
                Err(Stop::Error { message, .. }) => {
                    self.complain(sys, &format!("unset: {message}"));
                    false
                }
                Err(Stop::Substitution(_)) => false,
            };
        }
        if !is_name(name) {
            self.complain(sys, &format!("unset: `{name}': not a valid identifier"));
            return false;
        }
        if let Err(error) = self.vars.unset(name) {
            self.complain(sys, &format!("unset: {}: cannot unset: readonly variable", error.0));
            return false;
        }
        true
    }

    /// Makes an array of texts.
    pub(super) fn set_array(&mut self, name: &str, values: Vec<String>) {
        let map = values.into_iter().enumerate().map(|(i, v)| (i as u64, v)).collect();
        self.vars.change(name, |v| v.value = Value::Indexed(map));
    }
}

/// Whether a text can be a variable's name.
pub(in crate::bash) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// `echo -e` and `printf %b`; true: `\c` ended the output.
pub(super) fn echo_escapes(text: &str, out: &mut Vec<u8>) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend(rest.get(..at).unwrap_or("").as_bytes());
        rest = rest.get(at + 1..).unwrap_or("");
        if rest.starts_with('c') {
            return true;
        }
        if rest.starts_with('0') {
            let digits = quote::digits(rest.get(1..).unwrap_or(""), 8, 3);
            out.push((u32::from_str_radix(digits, 8).unwrap_or(0) & 0xff) as u8);
            rest = rest.get(1 + digits.len()..).unwrap_or("");
            continue;
        }
        if rest.starts_with(|c: char| ('1'..='7').contains(&c)) {
            out.push(b'\\');
            continue;
        }
        let used = quote::escape(rest, out, false);
        rest = rest.get(used..).unwrap_or("");
    }
    out.extend(rest.as_bytes());
    false
}
