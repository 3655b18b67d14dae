//! Programs that run other programs or look at processes: env, sudo, nohup, timeout, xargs, ps, kill, pkill, pgrep, killall.

use hopwise_sim_core::Time;

use super::opts::{curly, getopt, refuse, try_help};
use super::small::span;
use crate::{Errno, ExitStatus, Kernel, Open, Program, Read, Signal, Spawn, Step, Sys, Wait, once};

/// Becomes another program, or tells why not.
#[derive(Clone)]
struct Become {
    name: &'static str,
    argv: Vec<String>,
}

impl<K: Kernel> Program<K> for Become {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let command = self.argv.first().cloned().unwrap_or_default();
        match sys.find_program(&command) {
            Ok(_) => Step::Exec(self.argv.clone()),
            Err(errno) => {
                let text = match (self.name, errno) {
                    ("sudo", Errno::ENOENT) => format!("sudo: {command}: command not found\n"),
                    (name, errno) => format!(
                        "{name}: {}: {errno}\n",
                        if name == "nohup" || name == "timeout" {
                            format!("failed to run command {}", curly(&command))
                        } else {
                            curly(&command)
                        }
                    ),
                };
                sys.err(&text);
                Step::Exit(match errno {
                    Errno::ENOENT if self.name == "sudo" => 1,
                    Errno::ENOENT => 127,
                    _ => 126,
                })
            }
        }
    }
}

fn is_assignment(text: &str) -> bool {
    text.split_once('=').is_some_and(|(name, _)| !name.is_empty() && !name.starts_with('-') && !name.contains('/'))
}

#[derive(Clone)]
struct Env {
    clear: bool,
    unset: Vec<String>,
    set: Vec<(String, String)>,
    argv: Vec<String>,
    folder: Option<String>,
}

pub(super) fn env<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("ignore-environment", 'i'), ("unset=", 'u'), ("chdir=", 'C')];
    let opts = match getopt(args, "+iu:C:", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("env", &error, 125),
    };
    let split = opts.operands.iter().position(|o| !is_assignment(o)).unwrap_or(opts.operands.len());
    let (set, argv) = opts.operands.split_at(split);
    Box::new(Env {
        clear: opts.has('i'),
        unset: opts.values('u').map(str::to_owned).collect(),
        set: set.iter().filter_map(|s| s.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        argv: argv.to_vec(),
        folder: opts.value('C').map(str::to_owned),
    })
}

impl<K: Kernel> Program<K> for Env {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        if self.clear {
            sys.set_env_all(Default::default());
        }
        for name in &self.unset {
            sys.set_env(name, None);
        }
        for (name, value) in &self.set {
            sys.set_env(name, Some(value));
        }
        if let Some(folder) = &self.folder
            && let Err(errno) = sys.chdir(folder)
        {
            sys.err(&format!("env: cannot change directory to {}: {errno}\n", curly(folder)));
            return Step::Exit(125);
        }
        if self.argv.is_empty() {
            let text: String = sys.env_all().iter().map(|(k, v)| format!("{k}={v}\n")).collect();
            sys.out(&text);
            return Step::Exit(0);
        }
        Become { name: "env", argv: self.argv.clone() }.step(sys)
    }
}

/// `sudo`: the user is root already, so it only runs the rest.
#[derive(Clone)]
struct Sudo {
    set: Vec<(String, String)>,
    argv: Vec<String>,
}

pub(super) fn sudo<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    const USAGE: &str = "usage: sudo [-E] [-n] [-u user] [VAR=value] [command [arg ...]]\n";
    let opts = match getopt(args, "+EnHSbiksu:g:", &[("preserve-env?", 'E'), ("non-interactive", 'n'), ("user=", 'u')])
    {
        Ok(opts) => opts,
        Err(error) => return refuse(format!("sudo: {error}\n{USAGE}"), 1),
    };
    if let Some(user) = opts.value('u').filter(|u| *u != "root" && *u != "#0") {
        return refuse(format!("sudo: unknown user {user}\nsudo: error initializing audit plugin sudoers_audit\n"), 1);
    }
    let split = opts.operands.iter().position(|o| !is_assignment(o)).unwrap_or(opts.operands.len());
    let (set, argv) = opts.operands.split_at(split);
    let mut argv = argv.to_vec();
    if argv.is_empty() {
        if opts.has('i') || opts.has('s') {
            argv.push("bash".to_owned());
        } else if opts.has('k') {
            return once(|_| 0);
        } else {
            return refuse(USAGE.to_owned(), 1);
        }
    }
    let set = set.iter().filter_map(|s| s.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Box::new(Sudo { set, argv })
}

impl<K: Kernel> Program<K> for Sudo {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        for (name, value) in &self.set {
            sys.set_env(name, Some(value));
        }
        Become { name: "sudo", argv: self.argv.clone() }.step(sys)
    }
}

#[derive(Clone)]
struct Nohup(Vec<String>);

pub(super) fn nohup<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    if args.is_empty() {
        return try_help("nohup", "missing operand", 125);
    }
    Box::new(Nohup(args.to_vec()))
}

impl<K: Kernel> Program<K> for Nohup {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        sys.ignore(Signal::HUP);
        Become { name: "nohup", argv: self.0.clone() }.step(sys)
    }
}

/// A session of its own: without terminals, that is a process group of its own.
#[derive(Clone)]
struct Setsid {
    fork: bool,
    wait: bool,
    argv: Vec<String>,
    child: Option<u32>,
}

pub(super) fn setsid<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let opts = match getopt(args, "+cfw", &[("ctty", 'c'), ("fork", 'f'), ("wait", 'w')]) {
        Ok(opts) => opts,
        Err(error) => return try_help("setsid", &error, 1),
    };
    if opts.operands.is_empty() {
        return try_help("setsid", "no command specified", 1);
    }
    Box::new(Setsid { fork: opts.has('f'), wait: opts.has('w'), argv: opts.operands, child: None })
}

impl<K: Kernel> Program<K> for Setsid {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        if let Some(child) = self.child {
            let Ok(Some(status)) = sys.reap(child) else { return Step::Block(Wait::event()) };
            return Step::Exit(status.shell_code());
        }
        // A group's leader cannot begin a session: setsid forks then.
        if !self.fork && sys.group() != sys.pid().number {
            sys.set_own_group();
            return match sys.find_program(self.argv.first().map_or("", String::as_str)) {
                Ok(_) => Step::Exec(self.argv.clone()),
                Err(errno) => self.failed(sys, errno),
            };
        }
        match sys.spawn(Spawn::new(self.argv.clone()).new_group()) {
            Ok(child) if self.wait => {
                self.child = Some(child);
                Step::Again
            }
            Ok(_) => Step::Exit(0),
            Err(errno) => self.failed(sys, errno),
        }
    }
}

impl Setsid {
    fn failed<K: Kernel>(&self, sys: &mut Sys<'_, K>, errno: Errno) -> Step {
        sys.err(&format!("setsid: failed to execute {}: {errno}\n", self.argv.first().map_or("", String::as_str)));
        Step::Exit(if errno == Errno::ENOENT { 127 } else { 126 })
    }
}

#[derive(Clone)]
struct Timeout {
    argv: Vec<String>,
    span: core::time::Duration,
    kill_after: Option<core::time::Duration>,
    signal: Signal,
    preserve: bool,
    child: Option<u32>,
    until: Option<Time>,
    fired: bool,
}

fn timeout_help<K: Kernel>() -> Box<dyn Program<K>> {
    refuse("Try 'timeout --help' for more information.\n".to_owned(), 125)
}

pub(super) fn timeout<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("signal=", 's'), ("kill-after=", 'k'), ("preserve-status", 'p'), ("foreground", 'f')];
    let opts = match getopt(args, "+s:k:v", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("timeout", &error, 125),
    };
    let Some(signal) = Signal::parse(opts.value('s').unwrap_or("TERM")) else {
        return try_help("timeout", &format!("{}: invalid signal", curly(opts.value('s').unwrap_or(""))), 125);
    };
    let [time, argv @ ..] = opts.operands.as_slice() else { return timeout_help() };
    if argv.is_empty() {
        return timeout_help();
    }
    let Some(limit) = span(time) else {
        return try_help("timeout", &format!("invalid time interval {}", curly(time)), 125);
    };
    Box::new(Timeout {
        argv: argv.to_vec(),
        span: limit,
        kill_after: opts.value('k').and_then(span),
        signal,
        preserve: opts.has('p'),
        child: None,
        until: None,
        fired: false,
    })
}

impl<K: Kernel> Program<K> for Timeout {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some(child) = self.child else {
            for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
                sys.catch(signal);
            }
            match sys.spawn(Spawn::new(self.argv.clone())) {
                Ok(child) => {
                    self.child = Some(child);
                    self.until = (!self.span.is_zero()).then(|| sys.now() + self.span);
                    return Step::Again;
                }
                Err(errno) => {
                    sys.err(&format!(
                        "timeout: failed to run command {}: {errno}\n",
                        curly(self.argv.first().map_or("", String::as_str))
                    ));
                    return Step::Exit(if errno == Errno::ENOENT { 127 } else { 126 });
                }
            }
        };
        if let Some(signal) = sys.take_signal() {
            let _ = sys.kill(child, Some(signal));
            self.fired = true;
        }
        match sys.reap(child) {
            Ok(None) => {}
            Ok(Some(ExitStatus::Signal(Signal::KILL))) if self.fired => return Step::Exit(137),
            Ok(Some(_)) if self.fired && !self.preserve => return Step::Exit(124),
            Ok(Some(status)) => return Step::Exit(status.shell_code()),
            Err(_) => return Step::Exit(125),
        }
        if self.until.is_some_and(|t| sys.now() >= t) {
            let signal = if self.fired { Signal::KILL } else { self.signal };
            let _ = sys.kill(child, Some(signal));
            let _ = sys.kill(child, Some(Signal::CONT));
            self.until = self.kill_after.filter(|_| !self.fired).map(|k| sys.now() + k);
            self.fired = true;
            return Step::Again;
        }
        Step::Block(Wait::event().or_until(self.until))
    }
}

#[derive(Clone)]
struct Xargs {
    command: Vec<String>,
    replace: Option<String>,
    most: usize,
    lines: bool,
    separator: Option<u8>,
    skip_empty: bool,
    trace: bool,
    input: Vec<u8>,
    items: Option<std::collections::VecDeque<String>>,
    ran: bool,
    child: Option<u32>,
    status: i32,
}

pub(super) fn xargs<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("null", '0'),
        ("no-run-if-empty", 'r'),
        ("max-args=", 'n'),
        ("replace?", 'I'),
        ("verbose", 't'),
        ("delimiter=", 'd'),
        ("max-lines=", 'L'),
        ("max-procs=", 'P'),
    ];
    let opts = match getopt(args, "+0rn:I:td:L:P:", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("xargs", &error, 1),
    };
    let number = opts.value('n').or(opts.value('L'));
    let most = match number.map(str::parse::<usize>) {
        None => usize::MAX,
        Some(Ok(n)) if n > 0 => n,
        _ => return try_help("xargs", &format!("invalid number \"{}\" for -n option", number.unwrap_or("")), 1),
    };
    let command = if opts.operands.is_empty() { vec!["echo".to_owned()] } else { opts.operands.clone() };
    let separator = if opts.has('0') {
        Some(0)
    } else {
        opts.value('d').map(|d| if d == "\\n" { b'\n' } else { d.bytes().next().unwrap_or(b'\n') })
    };
    Box::new(Xargs {
        command,
        replace: opts.flags.iter().rev().find(|f| f.0 == 'I').map(|f| f.1.clone().unwrap_or_else(|| "{}".to_owned())),
        most,
        lines: opts.has('L'),
        separator,
        skip_empty: opts.has('r'),
        trace: opts.has('t'),
        input: Vec::new(),
        items: None,
        ran: false,
        child: None,
        status: 0,
    })
}

impl Xargs {
    /// Items by blanks, with quotes and backslashes; or by a separator; or, for -I and -L, by lines.
    fn split(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.input).into_owned();
        if let Some(separator) = self.separator {
            let trimmed = text.strip_suffix(char::from(separator)).unwrap_or(&text);
            return if text.is_empty() {
                Vec::new()
            } else {
                trimmed.split(char::from(separator)).map(str::to_owned).collect()
            };
        }
        if self.replace.is_some() || self.lines {
            return text.lines().map(str::trim_start).filter(|l| !l.is_empty()).map(str::to_owned).collect();
        }
        let mut items = Vec::new();
        let mut item: Option<String> = None;
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\'' | '"' => {
                    let own = item.get_or_insert_default();
                    own.extend(chars.by_ref().take_while(|n| *n != c));
                }
                '\\' => item.get_or_insert_default().extend(chars.next()),
                c if c.is_whitespace() => items.extend(item.take()),
                c => item.get_or_insert_default().push(c),
            }
        }
        items.extend(item);
        items
    }

    fn next_command(&mut self) -> Option<Vec<String>> {
        let items = self.items.as_mut()?;
        if items.is_empty() && (self.ran || self.skip_empty || self.replace.is_some()) {
            return None;
        }
        let mut argv = self.command.clone();
        match &self.replace {
            Some(mark) => {
                let item = items.pop_front()?;
                argv = argv.iter().map(|a| a.replace(mark.as_str(), &item)).collect();
            }
            None => {
                let count = self.most.min(items.len());
                let taken = items.drain(..count);
                if self.lines {
                    argv.extend(taken.flat_map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>()));
                } else {
                    argv.extend(taken);
                }
            }
        }
        self.ran = true;
        Some(argv)
    }
}

impl<K: Kernel> Program<K> for Xargs {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        if self.items.is_none() {
            match sys.read(0, 65536) {
                Ok(Read::Data(data)) => {
                    self.input.extend(data);
                    sys.hold(self.input.len());
                    return Step::Again;
                }
                Ok(Read::WouldBlock) => return Step::Block(Wait::readable(0)),
                _ => self.items = Some(self.split().into()),
            }
        }
        if let Some(child) = self.child {
            let Ok(Some(status)) = sys.reap(child) else { return Step::Block(Wait::event()) };
            self.child = None;
            match status {
                ExitStatus::Code(0) => {}
                ExitStatus::Code(255) => return Step::Exit(124),
                ExitStatus::Code(126 | 127) => return Step::Exit(status.shell_code()),
                ExitStatus::Code(_) => self.status = 123,
                ExitStatus::Signal(_) => return Step::Exit(125),
            }
        }
        let Some(argv) = self.next_command() else { return Step::Exit(self.status) };
        if self.trace {
            sys.err(&format!("{}\n", argv.join(" ")));
        }
        let null = sys.open("/dev/null", Open::Read).unwrap_or(0);
        let started = sys.spawn(Spawn::new(argv.clone()).fd(0, null));
        sys.close(null);
        match started {
            Ok(child) => {
                self.child = Some(child);
                Step::Again
            }
            Err(errno) => {
                sys.err(&format!("xargs: {}: {errno}\n", argv.first().map_or("", String::as_str)));
                Step::Exit(if errno == Errno::ENOENT { 127 } else { 126 })
            }
        }
    }
}

pub(super) fn ps<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let letters: String = args.iter().flat_map(|a| a.trim_start_matches('-').chars()).collect();
    if let Some(bad) = letters.chars().find(|c| !"aefuxlwA".contains(*c)) {
        return refuse(
            format!(
                "error: unsupported option (BSD syntax)\n\nUsage:\n ps [options]\n\n'{bad}' is not supported by hopwise\n"
            ),
            1,
        );
    }
    once(move |sys: &mut Sys<'_, K>| {
        let full = letters.contains(['f', 'u', 'l']);
        let now = sys.now();
        let mut out = if full {
            "UID          PID    PPID  C STIME TTY          TIME CMD\n".to_owned()
        } else {
            "    PID TTY          TIME CMD\n".to_owned()
        };
        for p in sys.processes() {
            let seconds = (p.started.unix_nanos() / 1_000_000_000) as i64;
            let _ = now;
            if full {
                let stime = crate::clock::strftime("%H:%M", seconds, 0);
                out.push_str(&format!(
                    "root     {:>7} {:>7}  0 {stime} ?        00:00:00 {}\n",
                    p.pid,
                    p.parent,
                    p.argv.join(" ")
                ));
            } else {
                let gone = if p.state == 'Z' { " <defunct>" } else { "" };
                out.push_str(&format!("{:>7} ?        00:00:00 {}{gone}\n", p.pid, p.comm));
            }
        }
        sys.out(&out);
        0
    })
}

/// `kill` as a program (inside `xargs kill`, `sudo kill`).
pub(super) fn kill<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let mut argv = vec!["bash".to_owned(), "-c".to_owned(), "kill \"$@\"".to_owned(), "kill".to_owned()];
    argv.extend(args.iter().cloned());
    Box::new(Become { name: "kill", argv })
}

/// `pkill`, `pgrep`, `killall`: by name.
#[derive(Clone)]
struct ByName {
    name: &'static str,
    pattern: String,
    signal: Option<Signal>,
    full: bool,
    exact: bool,
    list: bool,
}

fn by_name<K: Kernel>(name: &'static str, args: &[String]) -> Box<dyn Program<K>> {
    let mut signal = Signal::TERM;
    let mut rest = Vec::new();
    for arg in args {
        match arg.strip_prefix('-').and_then(Signal::parse) {
            Some(given) if name != "pgrep" => signal = given,
            _ => rest.push(arg.clone()),
        }
    }
    let opts = match getopt(&rest, "fxlqs:", &[("full", 'f'), ("exact", 'x'), ("signal=", 's')]) {
        Ok(opts) => opts,
        Err(error) => return try_help(name, &error, 2),
    };
    if let Some(given) = opts.value('s').and_then(Signal::parse) {
        signal = given;
    }
    let Some(pattern) = opts.operands.first().cloned() else {
        return try_help(name, "no matching criteria specified", 2);
    };
    let signal = (name != "pgrep").then_some(signal);
    Box::new(ByName {
        name,
        pattern,
        signal,
        full: opts.has('f'),
        exact: opts.has('x') || name == "killall",
        list: opts.has('l'),
    })
}

pub(super) fn pkill<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    by_name("pkill", args)
}

pub(super) fn pgrep<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    by_name("pgrep", args)
}

pub(super) fn killall<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    by_name("killall", args)
}

impl<K: Kernel> Program<K> for ByName {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let source = if self.exact { format!("^({})$", self.pattern) } else { self.pattern.clone() };
        let Ok(regex) = crate::regexp::compile(&source, crate::regexp::Syntax::Extended, false) else {
            return Step::Exit(2);
        };
        let own = sys.pid().number;
        let mut found = false;
        for p in sys.processes().into_iter().filter(|p| p.pid != own && p.state != 'Z') {
            let text = if self.full { p.argv.join(" ") } else { p.comm.clone() };
            if !regex.is_match(text.as_bytes()) {
                continue;
            }
            found = true;
            match self.signal {
                Some(signal) => {
                    let _ = sys.kill(p.pid, Some(signal));
                }
                None if self.list => sys.out(&format!("{} {}\n", p.pid, p.comm)),
                None => sys.out(&format!("{}\n", p.pid)),
            }
        }
        if !found && self.name == "killall" {
            sys.err(&format!("{}: no process found\n", self.pattern));
        }
        Step::Exit(i32::from(!found))
    }
}
