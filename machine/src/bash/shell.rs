//! The shell: its state, and its life as a process.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hopwise_sim_core::Time;

use super::ast::{Function, List};
use super::frame::{Frame, Jump, Kind, Next};
use super::jobs::Jobs;
use super::options::Options;
use super::parse;
use super::vars::{Value, Vars};
use crate::signal::Signal;
use crate::{Kernel, Program, Step, Sys, Wait};

/// Shell operations in one step, so that others get their turn.
const OPERATIONS_PER_STEP: usize = 500;
/// Frames on the stack: ends functions that call themselves for ever.
const FRAMES_MAX: usize = 20_000;

/// How a shell names itself in its messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Naming {
    /// `bash: `
    Session,
    /// `NAME: line N: `
    Script(String),
}

/// What a new shell does first.
#[derive(Clone, Debug)]
pub(super) enum Begin {
    /// Waits for typed commands.
    Session,
    /// Runs text.
    Text(String),
    /// Runs a file.
    File(String),
    /// Runs what it reads from standard input.
    Stdin(Vec<u8>),
    /// Nothing: it was forked with frames to run.
    Forked,
}

/// A bash process. Everything it knows is in here, so that a clone goes on like the original.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    pub(super) begin: Option<Begin>,
    pub(super) naming: Naming,
    /// `$0`
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) vars: Vars,
    pub(super) functions: Arc<BTreeMap<String, Arc<Function>>>,
    /// The file each function was read from, for messages.
    pub(super) function_sources: Arc<BTreeMap<String, String>>,
    pub(super) aliases: BTreeMap<String, String>,
    pub(super) options: Options,
    pub(super) frames: Vec<Frame>,
    pub(super) status: i32,
    pub(super) pipe_status: Vec<i32>,
    pub(super) line: usize,
    pub(super) last_arg: String,
    pub(super) last_background: Option<u32>,
    pub(super) shell_pid: u32,
    pub(super) subshell_level: u32,
    /// The number of `$(...)` this shell is inside of, for the `+`s of `set -x`.
    pub(super) trace_level: usize,
    pub(super) jobs: Jobs,
    pub(super) traps: BTreeMap<String, String>,
    pub(super) pending: VecDeque<Signal>,
    pub(super) exit_trap_done: bool,
    /// Inside conditions, `!` and all but the last of `&&`: errexit and the ERR trap do not count.
    pub(super) ignore_errexit: usize,
    pub(super) dir_stack: Vec<String>,
    pub(super) started: Time,
    pub(super) seconds_base: i64,
    /// `getopts`: the position within a cluster of options.
    pub(super) getopts_at: usize,
    /// Descriptors that hold what redirections replaced; children do not get them.
    pub(super) saved_fds: BTreeSet<u32>,
    /// The session's command under way.
    pub(super) command: Option<u32>,
    /// The status of the last `$(...)` of the present command.
    pub(super) substitution_status: Option<i32>,
    /// `wait` without arguments is under way: its status is 0.
    pub(super) wait_all: bool,
    /// The variables that the next `$(...)` sees, where an unfinished expansion has changed them.
    pub(super) substitution_vars: Option<Box<Vars>>,
    /// The script of a `source` that begins.
    pub(super) pending_script: Option<Kind>,
    /// Forked to run one simple command: it becomes that program instead of waiting for it.
    pub(super) may_exec: bool,
}

impl Shell {
    pub(super) fn new(naming: Naming, name: &str, args: Vec<String>, begin: Begin) -> Self {
        Shell {
            begin: Some(begin),
            naming,
            name: name.to_owned(),
            args,
            vars: Vars::default(),
            functions: Arc::default(),
            function_sources: Arc::default(),
            aliases: BTreeMap::new(),
            options: Options::default(),
            frames: Vec::new(),
            status: 0,
            pipe_status: vec![0],
            line: 1,
            last_arg: String::new(),
            last_background: None,
            shell_pid: 0,
            subshell_level: 0,
            trace_level: 0,
            jobs: Jobs::default(),
            traps: BTreeMap::new(),
            pending: VecDeque::new(),
            exit_trap_done: false,
            ignore_errexit: 0,
            dir_stack: Vec::new(),
            started: Time::ZERO,
            seconds_base: 0,
            getopts_at: 0,
            saved_fds: BTreeSet::new(),
            command: None,
            substitution_status: None,
            wait_all: false,
            substitution_vars: None,
            pending_script: None,
            may_exec: false,
        }
    }

    /// What stands before the shell's own messages.
    pub(super) fn prefix(&self) -> String {
        match &self.naming {
            Naming::Session => "bash: ".to_owned(),
            Naming::Script(_) => format!("{}: line {}: ", self.source(), self.line),
        }
    }

    /// The file that is being run, as messages name it: a function's or sourced file's own, else the script's.
    pub(super) fn source(&self) -> &str {
        let inner = self.frames.iter().rev().find_map(|f| match &f.kind {
            Kind::Call { source, .. } => Some(source.as_str()),
            Kind::Source { file, .. } => Some(file.as_str()),
            _ => None,
        });
        match &self.naming {
            Naming::Script(name) => inner.unwrap_or(name),
            Naming::Session => "bash",
        }
    }

    /// The source of a function that is defined now. What `bash -c` defines comes from the "environment".
    pub(super) fn function_source(&self) -> String {
        let in_file = self.frames.iter().any(|f| matches!(f.kind, Kind::Call { .. } | Kind::Source { .. }));
        if self.options.command_text && !in_file { "environment".to_owned() } else { self.source().to_owned() }
    }

    /// Prints a message of the shell.
    pub(super) fn complain<K: Kernel>(&self, sys: &mut Sys<'_, K>, message: &str) {
        sys.err(&format!("{}{message}\n", self.prefix()));
    }

    pub(super) fn is_session(&self) -> bool {
        self.naming == Naming::Session && self.subshell_level == 0
    }

    pub(super) fn seconds(&self, now: Time) -> i64 {
        self.seconds_base + now.since(self.started).as_secs() as i64
    }

    /// `$FUNCNAME`: the functions under way, the innermost first.
    pub(super) fn call_names(&self) -> Vec<String> {
        let calls = self.frames.iter().rev().filter_map(|f| match &f.kind {
            Kind::Call { name, .. } => Some(name.clone()),
            _ => None,
        });
        let mut names: Vec<String> = calls.collect();
        if !names.is_empty() {
            names.push("main".to_owned());
        }
        names
    }

    /// A copy of this shell that runs one frame: a subshell.
    pub(super) fn fork(&mut self, kind: Kind) -> Shell {
        let source = self.source().to_owned();
        let frames = std::mem::take(&mut self.frames);
        let jobs = std::mem::take(&mut self.jobs);
        let mut child = self.clone();
        self.frames = frames;
        self.jobs = jobs;
        child.subshell_level += 1;
        if let Naming::Script(name) = &mut child.naming {
            *name = source;
        }
        child.frames = vec![Frame::new(kind)];
        child.begin = Some(Begin::Forked);
        // A subshell forgets traps, except for ignored signals.
        child.traps.retain(|_, action| action.is_empty());
        child.exit_trap_done = false;
        child.saved_fds.clear();
        child.command = None;
        child.pending.clear();
        child
    }

    /// First step of the process.
    fn initialise<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, begin: Begin) -> Option<Step> {
        if matches!(begin, Begin::Forked) {
            // What the parent catches, its child has to catch again only where it has traps of its own.
            return None;
        }
        self.shell_pid = sys.pid().number;
        self.started = sys.now();
        self.vars = Vars::from_env(&sys.env_all());
        let seed = sys.random_u32();
        self.vars.seed_random(seed);
        self.set_own_variables(sys);
        match begin {
            Begin::Session => {
                sys.set_own_group();
                sys.catch(Signal::INT);
                sys.ignore(Signal::TERM);
                self.options.expand_aliases = true;
            }
            Begin::Text(text) => self.push_script(&text, 1),
            Begin::File(path) => match sys.read_file(&path) {
                Ok(bytes) => self.push_script(&String::from_utf8_lossy(&bytes), 1),
                Err(errno) => {
                    sys.err(&format!("bash: {path}: {errno}\n"));
                    return Some(Step::Exit(127));
                }
            },
            Begin::Stdin(mut read) => match sys.read(0, 65536) {
                Ok(crate::Read::Data(data)) => {
                    read.extend(data);
                    self.begin = Some(Begin::Stdin(read));
                    return Some(Step::Again);
                }
                Ok(crate::Read::WouldBlock) => {
                    self.begin = Some(Begin::Stdin(read));
                    return Some(Step::Block(Wait::readable(0)));
                }
                _ => {
                    self.options.from_stdin = true;
                    self.push_script(&String::from_utf8_lossy(&read), 1);
                }
            },
            Begin::Forked => {}
        }
        None
    }

    fn set_own_variables<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) {
        let level = self.vars.scalar("SHLVL").and_then(|v| v.parse::<i64>().ok()).unwrap_or(0);
        let exported = [("PWD", sys.cwd()), ("SHLVL", (level + i64::from(!self.is_session())).to_string())];
        for (name, value) in exported {
            self.vars.change(name, |v| {
                v.value = Value::Scalar(value);
                v.exported = true;
            });
        }
        let hostname = sys.hostname().to_owned();
        let plain = [
            ("BASH", "/bin/bash"),
            ("BASH_VERSION", "5.2.15(1)-release"),
            ("HOSTNAME", hostname.as_str()),
            ("HOSTTYPE", "x86_64"),
            ("IFS", " \t\n"),
            ("MACHTYPE", "x86_64-pc-linux-gnu"),
            ("OPTIND", "1"),
            ("OSTYPE", "linux-gnu"),
            ("PS4", "+ "),
        ];
        for (name, value) in plain {
            self.vars.change(name, |v| v.value = Value::Scalar(value.to_owned()));
        }
        if self.is_session() {
            self.vars.change("PS1", |v| v.value = Value::Scalar("\\h# ".to_owned()));
        }
        let versions = ["5", "2", "15", "1", "release", "x86_64-pc-linux-gnu"];
        let map = versions.iter().enumerate().map(|(i, v)| (i as u64, (*v).to_owned())).collect();
        self.vars.change("BASH_VERSINFO", |v| v.value = Value::Indexed(map));
    }

    /// Parses a text and puts it on the stack.
    pub(super) fn push_script(&mut self, text: &str, first_line: usize) {
        let script = Arc::new(parse::script(text, first_line));
        let tag = if self.options.command_text { "-c: " } else { "" };
        self.frames.push(Frame::new(Kind::Script { script, at: 0, tag }));
    }

    /// Nothing is left to run.
    fn idle<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) -> Step {
        if !self.is_session() {
            if let Some(action) = self.traps.get("EXIT").cloned().filter(|a| !a.is_empty() && !self.exit_trap_done) {
                self.exit_trap_done = true;
                let status = self.status;
                self.frames.push(Frame::new(Kind::ExitTrap { status }));
                self.push_script(&action, 1);
                return Step::Again;
            }
            return Step::Exit(self.status);
        }
        if let Some(number) = self.command.take() {
            sys.m.command_done(number, self.status);
        }
        self.jobs.forget_finished();
        let Some((number, text)) = sys.m.next_typed(sys.number) else { return Step::Block(Wait::event()) };
        self.command = Some(number);
        sys.set_output(number);
        self.line = 1;
        self.push_script(&text, 1);
        Step::Again
    }

    /// Puts frames away until one catches the jump.
    fn unwind<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, mut jump: Jump) {
        while let Some(mut frame) = self.frames.pop() {
            if self.catches(sys, &mut frame, &mut jump) {
                self.frames.push(frame);
                return;
            }
            self.clean_up(sys, frame);
        }
        if let Jump::Exit(status) = jump {
            self.status = status;
            if self.is_session() {
                // The session ends with its command.
                let status = self.status;
                if let Some(number) = self.command.take() {
                    sys.m.command_done(number, status);
                }
                self.naming = Naming::Script("bash".to_owned());
            }
        }
    }

    fn run<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) -> Step {
        if let Some(begin) = self.begin.take()
            && let Some(step) = self.initialise(sys, begin)
        {
            return step;
        }
        if sys.is_abandoned() {
            self.unwind(sys, Jump::Abandon);
            self.status = 137;
        }
        self.reap(sys);
        for _ in 0..OPERATIONS_PER_STEP {
            sys.charge(1);
            if sys.is_exhausted() {
                return Step::Again;
            }
            while let Some(signal) = sys.take_signal() {
                self.pending.push_back(signal);
            }
            let Some(mut frame) = self.frames.pop() else { return self.idle(sys) };
            if !self.pending.is_empty() && frame.is_between_commands() && self.handle_signal(sys, &mut frame) {
                continue;
            }
            let next = self.advance(sys, &mut frame);
            match next {
                Next::Stay => self.frames.push(frame),
                Next::Push(kind) => {
                    self.frames.push(frame);
                    self.frames.push(Frame::new(kind));
                    if self.frames.len() > FRAMES_MAX {
                        self.complain(sys, "stopped: functions or commands nest too deeply, this looks endless");
                        self.unwind(sys, Jump::Exit(1));
                    }
                }
                Next::Done(status) => {
                    self.status = status;
                    self.clean_up(sys, frame);
                }
                Next::Block(wait) => {
                    self.frames.push(frame);
                    return Step::Block(wait);
                }
                Next::Jump(jump) => {
                    self.clean_up(sys, frame);
                    self.unwind(sys, jump);
                }
                Next::Exec(argv) => return Step::Exec(argv),
            }
        }
        Step::Again
    }

    /// Runs the trap of a signal that has arrived. True: the frame was put back.
    fn handle_signal<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> bool {
        let Some(signal) = self.pending.pop_front() else { return false };
        match self.traps.get(signal.name()).cloned() {
            Some(action) => {
                let status = self.status;
                self.frames.push(std::mem::replace(frame, Frame::new(Kind::Nothing)));
                self.frames.push(Frame::new(Kind::Trap { status }));
                self.push_script(&action, self.line);
                true
            }
            None if signal == Signal::INT => {
                self.clean_up(sys, std::mem::replace(frame, Frame::new(Kind::Nothing)));
                self.status = 130;
                self.unwind(sys, Jump::Abandon);
                true
            }
            None => false,
        }
    }

    /// A body to run as a subshell's only list.
    pub(super) fn list_frame(list: &Arc<List>) -> Kind {
        Kind::List { list: list.clone(), at: 0 }
    }
}

impl<K: Kernel> Program<K> for Shell {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        self.run(sys)
    }

    fn whereabouts(&self) -> Option<String> {
        Some(self.prefix().trim_end_matches([':', ' ']).to_owned())
    }
}
