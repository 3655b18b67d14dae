//! The builtins: one row each in [`TABLE`], their code in the files beside.

pub(super) mod basic;
pub(super) mod control;
pub(super) mod declare;
pub(super) mod jobs;
pub(super) mod names;
pub(super) mod printf;
pub(super) mod read;
pub(super) mod set;
pub(super) mod test;

use super::frame::{Frame, Jump, Kind, Next};
use super::shell::Shell;
use super::simple::Value1;
use crate::{Kernel, Sys};

/// What a builtin makes of its call.
pub(super) enum Outcome {
    Status(i32),
    /// This has to run first; its status is the builtin's.
    Run(Kind),
    /// Run this program as if it had been typed (`command foo`).
    Program(Vec<String>),
    Jump(Jump),
    /// The shell becomes this program.
    Exec(Vec<String>),
}

/// A builtin that waits.
#[derive(Clone, Debug)]
pub(super) enum Waiting {
    Read(read::Reading),
    Wait(jobs::WaitFor),
}

/// Every builtin's name and what it does.
pub(crate) const TABLE: [(&str, &str); 55] = [
    (".", "run a file's commands in this shell"),
    (":", "do nothing"),
    ("[", "evaluate a condition"),
    ("alias", "define or show aliases"),
    ("bg", "let a job go on in the background"),
    ("break", "leave a loop"),
    ("builtin", "run a builtin"),
    ("cd", "change the working folder"),
    ("command", "run a command, not a function"),
    ("continue", "begin a loop's next round"),
    ("declare", "set variables and attributes"),
    ("dirs", "show the folder stack"),
    ("disown", "forget jobs"),
    ("echo", "print arguments"),
    ("enable", "show builtins"),
    ("eval", "run arguments as commands"),
    ("exec", "become a program, or keep redirections"),
    ("exit", "leave the shell"),
    ("export", "put variables into the environment"),
    ("false", "fail"),
    ("fg", "wait for a job in the foreground"),
    ("getopts", "parse options"),
    ("hash", "remember where programs are"),
    ("help", "show builtins"),
    ("history", "show typed commands (none are kept)"),
    ("jobs", "list jobs"),
    ("kill", "send a signal"),
    ("let", "evaluate arithmetic"),
    ("local", "make variables of a function"),
    ("logout", "leave the shell"),
    ("mapfile", "read lines into an array"),
    ("popd", "go back on the folder stack"),
    ("printf", "print formatted"),
    ("pushd", "put a folder on the stack"),
    ("pwd", "print the working folder"),
    ("read", "read a line"),
    ("readarray", "read lines into an array"),
    ("readonly", "make variables constant"),
    ("return", "leave a function"),
    ("set", "set options and arguments"),
    ("shift", "drop arguments"),
    ("shopt", "set shell options"),
    ("source", "run a file's commands in this shell"),
    ("suspend", "stop the shell"),
    ("test", "evaluate a condition"),
    ("times", "show used CPU time"),
    ("trap", "run commands at signals and at the end"),
    ("true", "succeed"),
    ("type", "say what a name means"),
    ("typeset", "set variables and attributes"),
    ("ulimit", "show limits"),
    ("umask", "show or set the file mode mask"),
    ("unalias", "remove aliases"),
    ("unset", "remove variables and functions"),
    ("wait", "wait for jobs"),
];

/// Whether a name is a builtin's.
pub(super) fn is_builtin(name: &str) -> bool {
    TABLE.binary_search_by(|row| row.0.cmp(name)).is_ok()
}

impl Shell {
    /// Runs a builtin. `frame` is the simple command's, for `exec`, which keeps redirections.
    pub(super) fn builtin<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        name: &str,
        args: &[Value1],
        frame: &mut Frame,
    ) -> Outcome {
        let texts: Vec<String> = args.iter().skip(1).map(Value1::text).collect();
        let rest = texts.as_slice();
        match name {
            ":" | "true" => Outcome::Status(0),
            "false" => Outcome::Status(1),
            "." | "source" => self.builtin_source(sys, name, rest),
            "[" | "test" => self.builtin_test(sys, name, rest),
            "alias" => self.builtin_alias(sys, rest),
            "unalias" => self.builtin_unalias(sys, rest),
            "break" | "continue" => self.builtin_break(sys, name, rest),
            "builtin" | "command" => self.builtin_command(sys, name, args, frame),
            "cd" => self.builtin_cd(sys, rest),
            "declare" | "typeset" | "local" | "export" | "readonly" => self.builtin_declare(sys, name, args),
            "dirs" => self.builtin_dirs(sys, rest),
            "pushd" | "popd" => self.builtin_pushd(sys, name, rest),
            "echo" => self.builtin_echo(sys, rest),
            "enable" | "help" => self.builtin_enable(sys, name, rest),
            "eval" => self.builtin_eval(rest),
            "exec" => self.builtin_exec(sys, rest, frame),
            "exit" | "logout" => self.builtin_exit(sys, name, rest),
            "return" => self.builtin_return(sys, rest),
            "getopts" => self.builtin_getopts(sys, rest),
            "hash" | "history" | "times" | "suspend" | "ulimit" => self.builtin_small(sys, name, rest),
            "jobs" | "bg" | "fg" | "disown" => self.builtin_jobs(sys, name, rest),
            "kill" => self.builtin_kill(sys, rest),
            "wait" => self.builtin_wait(sys, rest),
            "let" => self.builtin_let(sys, rest),
            "mapfile" | "readarray" => self.builtin_mapfile(sys, name, rest),
            "printf" => self.builtin_printf(sys, rest),
            "pwd" => self.builtin_pwd(sys, rest),
            "read" => self.builtin_read(sys, rest),
            "set" => self.builtin_set(sys, rest),
            "shopt" => self.builtin_shopt(sys, rest),
            "shift" => self.builtin_shift(sys, rest),
            "trap" => self.builtin_trap(sys, rest),
            "type" => self.builtin_type(sys, rest),
            "umask" => self.builtin_umask(sys, rest),
            "unset" => self.builtin_unset(sys, rest),
            _ => Outcome::Status(127),
        }
    }

    /// A builtin's message and status.
    pub(super) fn fail<K: Kernel>(&self, sys: &mut Sys<'_, K>, message: &str, status: i32) -> Outcome {
        self.complain(sys, message);
        Outcome::Status(status)
    }

    /// An unknown option: bash's two lines.
    pub(super) fn usage<K: Kernel>(&self, sys: &mut Sys<'_, K>, name: &str, option: &str, usage: &str) -> Outcome {
        self.complain(sys, &format!("{name}: {option}: invalid option"));
        sys.err(&format!("{name}: usage: {usage}\n"));
        Outcome::Status(2)
    }

    /// Writes a builtin's output; tells a failure as bash does.
    pub(super) fn print<K: Kernel>(&self, sys: &mut Sys<'_, K>, name: &str, bytes: &[u8]) -> Outcome {
        match sys.write(1, bytes) {
            Ok(()) => Outcome::Status(0),
            Err(errno) => self.fail(sys, &format!("{name}: write error: {errno}"), 1),
        }
    }

    pub(super) fn advance_waiting<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        let Kind::Waiting(waiting) = &mut frame.kind else { return Next::Stay };
        match waiting.as_mut() {
            Waiting::Read(reading) => self.go_on_reading(sys, reading),
            Waiting::Wait(wait) => self.go_on_waiting(sys, wait),
        }
    }
}
