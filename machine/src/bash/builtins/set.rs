//! set, shopt.

use super::Outcome;
use crate::bash::options::{Options, SHOPT};
use crate::bash::quote;
use crate::bash::shell::Shell;
use crate::{Kernel, Sys};

impl Shell {
    pub(super) fn builtin_set<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        if args.is_empty() {
            let mut out = String::new();
            for name in self.vars.names() {
                if let Some(value) = self.vars.scalar(&name) {
                    out.push_str(&format!("{name}={}\n", quote::traced(value)));
                }
            }
            return self.print(sys, "set", out.as_bytes());
        }
        let mut at = 0;
        let mut positional = false;
        while let Some(arg) = args.get(at) {
            let on = arg.starts_with('-');
            if arg == "--" {
                at += 1;
                positional = true;
                break;
            }
            if arg == "-" {
                at += 1;
                self.options.xtrace = false;
                positional = at < args.len();
                break;
            }
            let Some(letters) = arg.strip_prefix(['-', '+']).filter(|l| !l.is_empty()) else { break };
            at += 1;
            for letter in letters.chars() {
                if letter == 'o' {
                    let Some(name) = args.get(at) else {
                        let text = self.options.listing(!on);
                        return self.print(sys, "set", text.as_bytes());
                    };
                    at += 1;
                    if !Options::is_set_name(name) {
                        return self.fail(sys, &format!("set: {name}: invalid option name"), 2);
                    }
                    self.options.set(name, on);
                    continue;
                }
                match Options::of_letter(letter) {
                    Some(name) => {
                        self.options.set(name, on);
                    }
                    None => {
                        let sign = if on { '-' } else { '+' };
                        return self.usage(
                            sys,
                            "set",
                            &format!("{sign}{letter}"),
                            "set [-abefhkmnptuvxBCEHPT] [-o option-name] [--] [-] [arg ...]",
                        );
                    }
                }
            }
        }
        if positional || at < args.len() {
            self.args = args.get(at..).unwrap_or(&[]).to_vec();
        }
        Outcome::Status(0)
    }

    pub(super) fn builtin_shopt<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let mut mode = None;
        let (mut quiet, mut set_names) = (false, false);
        let mut names = Vec::new();
        for arg in args {
            match arg.as_str() {
                "-s" => mode = Some(true),
                "-u" => mode = Some(false),
                "-q" => quiet = true,
                "-o" => set_names = true,
                "-p" => {}
                option if option.starts_with('-') => {
                    return self.usage(sys, "shopt", option, "shopt [-pqsu] [-o] [optname ...]");
                }
                name => names.push(name),
            }
        }
        let mut status = 0;
        if names.is_empty() && mode.is_none() {
            names.extend(SHOPT);
        }
        for name in names {
            let known = if set_names { Options::is_set_name(name) } else { SHOPT.contains(&name) };
            let Some(value) = self.options.get(name).filter(|_| known) else {
                self.complain(sys, &format!("shopt: {name}: invalid shell option name"));
                status = 1;
                continue;
            };
            match mode {
                Some(on) => {
                    self.options.set(name, on);
                }
                None => {
                    if !value {
                        status = 1;
                    }
                    if !quiet {
                        sys.out(&format!("{name:<20}\t{}\n", if value { "on" } else { "off" }));
                    }
                }
            }
        }
        Outcome::Status(status)
    }
}
