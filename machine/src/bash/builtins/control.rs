//! eval, source, exec, exit, return, break, continue, command, trap.

use std::sync::Arc;

use super::{Outcome, is_builtin};
use crate::bash::frame::{Frame, Jump, Kind, Next};
use crate::bash::parse;
use crate::bash::quote;
use crate::bash::shell::Shell;
use crate::bash::simple::Value1;
use crate::signal::Signal;
use crate::{Errno, Kernel, Sys};

impl Shell {
    fn script_frame(&self, text: &str, line: usize, tag: &'static str) -> Kind {
        Kind::Script { script: Arc::new(parse::script(text, line)), at: 0, tag }
    }

    pub(super) fn builtin_eval(&mut self, args: &[String]) -> Outcome {
        let args = if args.first().is_some_and(|a| a == "--") { args.get(1..).unwrap_or(&[]) } else { args };
        let text = args.join(" ");
        if text.trim().is_empty() {
            return Outcome::Status(0);
        }
        self.status = 0;
        Outcome::Run(self.script_frame(&text, self.line, "eval: "))
    }

    pub(super) fn builtin_source<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Outcome {
        let [file, own @ ..] = args else {
            self.complain(sys, &format!("{name}: filename argument required"));
            sys.err(&format!("{name}: usage: {name} filename [arguments]\n"));
            return Outcome::Status(2);
        };
        let bytes = match sys.read_file(file) {
            Ok(bytes) => bytes,
            Err(Errno::ENOENT) if !file.contains('/') => {
                let path = self.vars.scalar("PATH").unwrap_or("").to_owned();
                let found = path.split(':').find_map(|dir| sys.read_file(&format!("{dir}/{file}")).ok());
                match found {
                    Some(bytes) => bytes,
                    None => return self.fail(sys, &format!("{file}: {}", Errno::ENOENT), 1),
                }
            }
            Err(Errno::EISDIR) => return self.fail(sys, &format!("{name}: {file}: is a directory"), 1),
            Err(errno) => return self.fail(sys, &format!("{file}: {errno}"), 1),
        };
        let args = if own.is_empty() { None } else { Some(std::mem::replace(&mut self.args, own.to_vec())) };
        // The script's frame goes above the Source frame, which catches `return`.
        self.status = 0;
        let script = self.script_frame(&String::from_utf8_lossy(&bytes), 1, "");
        Outcome::Run(Kind::Source { file: file.clone(), args }).with_script(self, script)
    }

    pub(super) fn builtin_exec<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        args: &[String],
        frame: &mut Frame,
    ) -> Outcome {
        if args.is_empty() {
            // Redirections stay for good.
            for (_, kept) in std::mem::take(&mut frame.saved) {
                if let Some(kept) = kept {
                    sys.close(kept);
                    self.saved_fds.remove(&kept);
                }
            }
            return Outcome::Status(0);
        }
        match args.first() {
            Some(option) if option.starts_with('-') => {
                self.usage(sys, "exec", option, "exec [-cl] [-a name] [command [argument ...]] [redirection ...]")
            }
            _ => Outcome::Exec(args.to_vec()),
        }
    }

    fn numeric<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Result<i32, Outcome> {
        match args {
            [] => Ok(self.status),
            [code] => match code.trim().parse::<i64>() {
                Ok(code) => Ok((code & 0xff) as i32),
                Err(_) => {
                    self.complain(sys, &format!("{name}: {code}: numeric argument required"));
                    Ok(2)
                }
            },
            _ => Err(self.fail(sys, &format!("{name}: too many arguments"), 1)),
        }
    }

    pub(super) fn builtin_exit<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Outcome {
        match self.numeric(sys, name, args) {
            Ok(status) => Outcome::Jump(Jump::Exit(status)),
            Err(outcome) => outcome,
        }
    }

    pub(super) fn builtin_return<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        if !self.frames.iter().any(|f| matches!(f.kind, Kind::Call { .. } | Kind::Source { .. })) {
            return self.fail(sys, "return: can only `return' from a function or sourced script", 2);
        }
        match self.numeric(sys, "return", args) {
            Ok(status) => Outcome::Jump(Jump::Return(status)),
            Err(outcome) => outcome,
        }
    }

    pub(super) fn builtin_break<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Outcome {
        let levels = match args.first() {
            None => 1,
            Some(text) => match text.parse::<i64>() {
                Ok(n) if n > 0 => n as usize,
                Ok(_) => return self.fail(sys, &format!("{name}: {text}: loop count out of range"), 1),
                Err(_) => return self.fail(sys, &format!("{name}: {text}: numeric argument required"), 128),
            },
        };
        let boundary = |f: &&Frame| !matches!(f.kind, Kind::Call { .. });
        let loops = self.frames.iter().rev().take_while(boundary);
        let depth = loops.filter(|f| f.is_loop()).count();
        if depth == 0 {
            return self.fail(sys, &format!("{name}: only meaningful in a `for', `while', or `until' loop"), 0);
        }
        let levels = levels.min(depth);
        Outcome::Jump(if name == "break" { Jump::Break(levels) } else { Jump::Continue(levels) })
    }

    pub(super) fn builtin_command<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        name: &str,
        args: &[Value1],
        frame: &mut Frame,
    ) -> Outcome {
        let mut rest = args.get(1..).unwrap_or(&[]);
        while let Some(option) =
            rest.first().map(Value1::text).filter(|t| t.starts_with('-') && t.len() > 1 && name == "command")
        {
            match option.as_str() {
                "-v" | "-V" => {
                    let names: Vec<String> = rest.iter().skip(1).map(Value1::text).collect();
                    return self.describe_names(sys, &names, option == "-V");
                }
                "-p" | "--" => rest = rest.get(1..).unwrap_or(&[]),
                _ => return self.usage(sys, name, &option, "command [-pVv] command [arg ...]"),
            }
        }
        let Some(target) = rest.first().map(Value1::text) else { return Outcome::Status(0) };
        if is_builtin(&target) {
            return self.builtin(sys, &target, rest, frame);
        }
        if name == "builtin" {
            return self.fail(sys, &format!("builtin: {target}: not a shell builtin"), 1);
        }
        Outcome::Program(rest.iter().map(Value1::text).collect())
    }

    pub(super) fn builtin_trap<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let args = if args.first().is_some_and(|a| a == "--") { args.get(1..).unwrap_or(&[]) } else { args };
        match args.first().map(String::as_str) {
            None | Some("-p") => {
                let wanted = args.get(1..).unwrap_or(&[]);
                let chosen =
                    |name: &str| wanted.is_empty() || wanted.iter().any(|w| trap_name(w).as_deref() == Some(name));
                let mut rows: Vec<(&String, &String)> = self.traps.iter().filter(|(n, _)| chosen(n)).collect();
                rows.sort_by_key(|(name, _)| match name.as_str() {
                    "EXIT" => 0,
                    "ERR" => 100,
                    "RETURN" => 101,
                    signal => Signal::parse(signal).map_or(99, Signal::number),
                });
                let shown =
                    |name: &str| if Signal::parse(name).is_some() { format!("SIG{name}") } else { name.to_owned() };
                let text: String =
                    rows.iter().map(|(n, a)| format!("trap -- {} {}\n", quote::single_quoted(a), shown(n))).collect();
                self.print(sys, "trap", text.as_bytes())
            }
            Some("-l") => self.list_signals(sys, "trap", &[]),
            Some(option) if option.starts_with('-') && option.len() > 1 => {
                self.usage(sys, "trap", option, "trap [-lp] [[arg] signal_spec ...]")
            }
            Some(action) => {
                // `trap INT` alone resets, as does `trap - INT`.
                let resets = action == "-" || (args.len() == 1 && trap_name(action).is_some());
                let names = if args.len() == 1 { args } else { args.get(1..).unwrap_or(&[]) };
                if args.len() == 1 && !resets {
                    sys.err("trap: usage: trap [-lp] [[arg] signal_spec ...]\n");
                    return Outcome::Status(2);
                }
                let mut status = 0;
                for name in names {
                    if !self.set_trap(sys, name, (!resets).then_some(action)) {
                        status = 1;
                    }
                }
                Outcome::Status(status)
            }
        }
    }

    fn set_trap<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, spec: &str, action: Option<&str>) -> bool {
        let Some(name) = trap_name(spec) else {
            self.complain(sys, &format!("trap: {spec}: invalid signal specification"));
            return false;
        };
        if name == "DEBUG" || name == "RETURN" {
            self.complain(sys, &format!("trap: {spec}: not supported by hopwise"));
            return false;
        }
        if let Some(signal) = Signal::parse(&name) {
            match action {
                None if signal == Signal::INT && self.is_session() => sys.catch(signal),
                None => sys.default_signal(signal),
                Some("") => sys.ignore(signal),
                Some(_) => sys.catch(signal),
            }
        }
        match action {
            Some(action) => self.traps.insert(name, action.to_owned()),
            None => self.traps.remove(&name),
        };
        true
    }
}

impl Outcome {
    /// Puts a script above the frame that the outcome asks for.
    fn with_script(self, shell: &mut Shell, script: Kind) -> Outcome {
        let Outcome::Run(below) = self else { return self };
        shell.pending_script = Some(script);
        Outcome::Run(below)
    }
}

impl Shell {
    /// A sourced file's frame: runs the script first, then ends.
    pub(in crate::bash) fn advance_source(&mut self) -> Next {
        match self.pending_script.take() {
            Some(script) => Next::Push(script),
            None => Next::Done(self.status),
        }
    }
}

/// The name under which a trap is kept: `EXIT`, `ERR`, `INT`.
fn trap_name(spec: &str) -> Option<String> {
    let upper = spec.to_ascii_uppercase();
    match upper.as_str() {
        "0" | "EXIT" => Some("EXIT".to_owned()),
        "ERR" | "DEBUG" | "RETURN" => Some(upper),
        _ => Signal::parse(spec).map(|s| s.name().to_owned()),
    }
}
