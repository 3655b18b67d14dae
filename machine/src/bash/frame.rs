//! The stack of the interpreter: one frame for each construct under way. A frame is advanced a little at a time; it asks for another frame to
//! be run on top of it, ends with a status, or waits. Nothing here calls itself, so that the shell can stop at any place and be cloned.

use std::sync::Arc;

use super::ast::{AndOr, CaseThen, Command, Kind as Node, List, Pipeline};
use super::expand::{Memo, Stop};
use super::parse::{ParseFailure, Script};
use super::pattern::Pattern;
use super::shell::{Naming, Shell};
use super::simple::Simple;
use crate::{Kernel, Sys, Wait};

/// A construct under way, and what has to be put back when it ends.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// Outputs of `$(...)` for the expansion this frame is at.
    pub(super) memo: Memo,
    /// Descriptors that redirections replaced: (descriptor, where its former self is kept).
    pub(super) saved: Vec<(u32, Option<u32>)>,
    /// This frame made errexit not count.
    pub(super) ignores_errexit: bool,
    /// This frame opened a scope of variables.
    pub(super) scope: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A text's units, and its syntax error at the end.
    Script {
        script: Arc<Script>,
        at: usize,
        /// What its syntax errors begin with: `-c: `, `eval: `.
        tag: &'static str,
    },
    List {
        list: Arc<List>,
        at: usize,
    },
    AndOr {
        node: Arc<AndOr>,
        at: usize,
    },
    Pipeline {
        node: Arc<Pipeline>,
        state: PipelineState,
    },
    /// A command with its redirections: how many are done.
    Command {
        node: Arc<Command>,
        redirects: usize,
        begun: bool,
    },
    If {
        node: Arc<Command>,
        arm: usize,
        in_condition: bool,
    },
    Loop {
        node: Arc<Command>,
        in_condition: bool,
        ran: bool,
        last: i32,
    },
    For {
        node: Arc<Command>,
        words: Option<Vec<String>>,
        at: usize,
    },
    ArithFor {
        node: Arc<Command>,
        phase: Phase,
        last: i32,
    },
    Case {
        node: Arc<Command>,
        subject: Option<String>,
        item: usize,
        pattern: usize,
        run: bool,
    },
    Select(Box<super::select::Select>),
    Simple(Box<Simple>),
    /// A function's call: the caller's arguments.
    Call {
        name: String,
        source: String,
        args: Vec<String>,
    },
    /// A sourced file: the arguments to put back, if it was given own ones.
    Source {
        file: String,
        args: Option<Vec<String>>,
    },
    /// A `$(...)` whose output is being read; it goes to the frame below.
    Substitution {
        pid: u32,
        fd: u32,
        output: Vec<u8>,
        ended: bool,
    },
    /// Waits for a foreground process.
    Foreground {
        pid: u32,
    },
    /// A builtin that waits: `read`, `wait`, `mapfile`.
    Waiting(Box<super::builtins::Waiting>),
    /// A signal's trap: the status to put back.
    Trap {
        status: i32,
    },
    ExitTrap {
        status: i32,
    },
    Nothing,
}

/// Where a pipeline is.
#[derive(Clone, Debug)]
pub(super) enum PipelineState {
    Start,
    /// One command, in this shell.
    Single {
        began: hopwise_sim_core::Time,
    },
    /// Children, first to last.
    Children {
        pids: Vec<u32>,
        began: hopwise_sim_core::Time,
    },
}

/// Where a `for ((;;))` is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Init,
    Condition,
    Body,
    Update,
}

/// What a frame wants after being advanced.
pub(super) enum Next {
    /// To be advanced again.
    Stay,
    /// This on top of it; it is advanced again when that is done.
    Push(Kind),
    /// It is done.
    Done(i32),
    Block(Wait),
    Jump(Jump),
    /// The whole process becomes a program.
    Exec(Vec<String>),
}

/// Leaving constructs in other ways than by their end.
#[derive(Clone, Debug)]
pub(super) enum Jump {
    Break(usize),
    Continue(usize),
    Return(i32),
    Exit(i32),
    /// To the next command of the script, after an error in an expansion.
    Discard,
    /// To the prompt, after Ctrl-C.
    Abandon,
}

impl Frame {
    pub(super) fn new(kind: Kind) -> Self {
        Frame { kind, memo: Memo::default(), saved: Vec::new(), ignores_errexit: false, scope: false }
    }

    /// Whether `break` and `continue` mean this frame.
    pub(super) fn is_loop(&self) -> bool {
        matches!(self.kind, Kind::Loop { .. } | Kind::For { .. } | Kind::ArithFor { .. } | Kind::Select(_))
    }

    /// Whether traps may run now.
    pub(super) fn is_between_commands(&self) -> bool {
        matches!(self.kind, Kind::Script { .. } | Kind::List { .. } | Kind::Nothing)
    }
}

impl Shell {
    /// Goes on with a frame that was taken from the stack.
    pub(super) fn advance<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        match &mut frame.kind {
            Kind::Nothing => Next::Done(self.status),
            Kind::Script { script, at, tag } => {
                let (script, tag) = (script.clone(), *tag);
                *at += 1;
                if let Some(unit) = script.units.get(*at - 1) {
                    return Next::Push(Kind::List { list: unit.clone(), at: 0 });
                }
                match &script.failure {
                    None => Next::Done(self.status),
                    Some(failure) => {
                        self.complain_of(sys, failure, tag);
                        // What an `eval` or a sourced file has wrong ends only these.
                        let inner = self.frames.iter().any(|f| matches!(f.kind, Kind::Script { .. }));
                        match (inner || self.is_session(), failure.keeps_status) {
                            (true, _) => Next::Done(2),
                            (false, true) => Next::Jump(Jump::Exit(self.status)),
                            (false, false) => Next::Jump(Jump::Exit(2)),
                        }
                    }
                }
            }
            Kind::List { list, at } => {
                let list = list.clone();
                *at += 1;
                match list.items.get(*at - 1) {
                    None => Next::Done(self.status),
                    Some(item) if item.background => self.start_background(sys, &item.node),
                    Some(item) => Next::Push(Kind::AndOr { node: item.node.clone(), at: 0 }),
                }
            }
            Kind::AndOr { .. } => self.advance_and_or(frame),
            Kind::Pipeline { .. } => self.advance_pipeline(sys, frame),
            Kind::Command { .. } => self.advance_command(sys, frame),
            Kind::If { .. } | Kind::Loop { .. } => self.advance_condition(frame),
            Kind::For { .. } => self.advance_for(sys, frame),
            Kind::Select(_) => self.advance_select(sys, frame),
            Kind::ArithFor { .. } => self.advance_arith_for(sys, frame),
            Kind::Case { .. } => self.advance_case(sys, frame),
            Kind::Simple(_) => self.advance_simple(sys, frame),
            Kind::Call { .. } => Next::Done(self.status),
            Kind::Source { .. } => self.advance_source(),
            Kind::Substitution { .. } => self.advance_substitution(sys, frame),
            Kind::Foreground { pid } => match self.jobs.take_status(*pid) {
                Some(status) => Next::Done(status.shell_code()),
                None => Next::Block(Wait::event()),
            },
            Kind::Waiting(_) => self.advance_waiting(sys, frame),
            Kind::Trap { status } => Next::Done(*status),
            Kind::ExitTrap { status } => Next::Jump(Jump::Exit(*status)),
        }
    }

    /// Whether this frame catches the jump (it then goes on running); the counts of `break 2` go down on the way.
    pub(super) fn catches<K: Kernel>(&mut self, _sys: &mut Sys<'_, K>, frame: &mut Frame, jump: &mut Jump) -> bool {
        let is_loop = frame.is_loop();
        match jump {
            Jump::Break(levels) if is_loop => {
                *levels -= 1;
                if *levels == 0 {
                    self.status = 0;
                    frame.kind = Kind::Nothing;
                }
                *levels == 0
            }
            Jump::Continue(levels) if is_loop => {
                *levels -= 1;
                if *levels > 0 {
                    return false;
                }
                self.status = 0;
                if let Kind::Loop { in_condition, ran, .. } = &mut frame.kind {
                    *in_condition = false;
                    *ran = true;
                }
                true
            }
            Jump::Break(_) | Jump::Continue(_) => {
                let stops = matches!(frame.kind, Kind::Call { .. } | Kind::Trap { .. });
                if stops {
                    self.status = 0;
                }
                stops
            }
            Jump::Return(status) if matches!(frame.kind, Kind::Call { .. } | Kind::Source { .. }) => {
                self.status = *status;
                true
            }
            Jump::Discard
                if matches!(frame.kind, Kind::Script { .. })
                    && !self.frames.iter().any(|f| matches!(f.kind, Kind::Script { .. })) =>
            {
                true
            }
            _ => false,
        }
    }

    /// Undoes what a frame set up.
    pub(super) fn clean_up<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: Frame) {
        for (fd, saved) in frame.saved.into_iter().rev() {
            self.put_back(sys, fd, saved);
        }
        if frame.ignores_errexit {
            self.ignore_errexit -= 1;
        }
        match frame.kind {
            Kind::Call { args, .. } => {
                self.args = args;
                self.vars.pop_scope();
            }
            Kind::Source { args: Some(args), .. } => self.args = args,
            Kind::Simple(simple) => {
                for fd in simple.process_substitutions {
                    sys.close(fd);
                }
            }
            Kind::Substitution { fd, .. } => sys.close(fd),
            _ => {}
        }
        if frame.scope {
            self.vars.pop_scope();
        }
    }

    pub(super) fn advance_and_or(&mut self, frame: &mut Frame) -> Next {
        let Kind::AndOr { node, at } = &mut frame.kind else { return Next::Stay };
        while let Some((and, _)) = node.parts.get(*at)
            && *at > 0
            && *and != (self.status == 0)
        {
            *at += 1;
        }
        let Some((_, pipeline)) = node.parts.get(*at) else { return Next::Done(self.status) };
        let pipeline = pipeline.clone();
        *at += 1;
        // All but the last may fail under `set -e`.
        let ignore = *at < node.parts.len();
        if ignore != frame.ignores_errexit {
            frame.ignores_errexit = ignore;
            if ignore { self.ignore_errexit += 1 } else { self.ignore_errexit -= 1 }
        }
        Next::Push(Kind::Pipeline { node: pipeline, state: PipelineState::Start })
    }

    /// A command: its redirections one by one, then what it does.
    pub(super) fn advance_command<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        let Kind::Command { node, redirects, begun } = &mut frame.kind else { return Next::Stay };
        let node = node.clone();
        if self.options.noexec && !self.is_session() {
            return Next::Done(0);
        }
        if *begun {
            let status = self.status;
            return match node.kind {
                Node::Arith(_) | Node::Test(_) | Node::Subshell(_) => self.finish_checked(status),
                _ => Next::Done(status),
            };
        }
        if node.line > 0 {
            self.line = node.line;
        }
        if let Node::Simple { .. } = node.kind {
            frame.kind = Kind::Simple(Box::new(Simple::new(node)));
            return Next::Stay;
        }
        if let Some(redirect) = node.redirects.get(*redirects) {
            *redirects += 1;
            let memo = std::mem::take(&mut frame.memo);
            return match self.redirect(sys, redirect, &memo, &mut frame.saved) {
                Ok(()) => Next::Stay,
                Err(Stop::Substitution(substitution)) => {
                    frame.memo = memo;
                    if let Kind::Command { redirects, .. } = &mut frame.kind {
                        *redirects -= 1;
                    }
                    self.start_substitution(sys, &substitution)
                }
                Err(Stop::Error { message, .. }) => {
                    self.complain(sys, &message);
                    self.finish_checked(1)
                }
            };
        }
        *begun = true;
        match &node.kind {
            Node::Group(list) => Next::Push(Shell::list_frame(list)),
            Node::Subshell(list) => self.start_subshell(sys, list),
            Node::If { .. } => Next::Push(Kind::If { node, arm: 0, in_condition: false }),
            Node::Loop { .. } => Next::Push(Kind::Loop { node, in_condition: false, ran: false, last: 0 }),
            Node::For { menu: true, .. } => Next::Push(Kind::Select(Box::new(super::select::Select::new(node)))),
            Node::For { .. } => Next::Push(Kind::For { node, words: None, at: 0 }),
            Node::ArithFor { .. } => Next::Push(Kind::ArithFor { node, phase: Phase::Init, last: 0 }),
            Node::Case { .. } => Next::Push(Kind::Case { node, subject: None, item: 0, pattern: 0, run: false }),
            Node::Function(function) => {
                let source = self.function_source();
                Arc::make_mut(&mut self.function_sources).insert(function.name.clone(), source);
                Arc::make_mut(&mut self.functions).insert(function.name.clone(), function.clone());
                Next::Done(0)
            }
            Node::Arith(word) => {
                let memo = std::mem::take(&mut frame.memo);
                match self.attempt(sys, &memo, |x| x.arithmetic(word)) {
                    Ok(value) => {
                        if self.options.xtrace {
                            let text = self.attempt(sys, &memo, |x| x.text(word)).unwrap_or_default();
                            self.trace(sys, &format!("(( {} ))", text.trim()));
                        }
                        self.finish_checked(i32::from(value == 0))
                    }
                    Err(stop) => self.stopped_with(sys, frame, stop, memo, "((: "),
                }
            }
            Node::Test(expression) => {
                let memo = std::mem::take(&mut frame.memo);
                let node = node.clone();
                let result = self.attempt(sys, &memo, |x| x.test_expression(expression));
                match result {
                    Ok(truth) => {
                        drop(node);
                        self.finish_checked(i32::from(!truth))
                    }
                    Err(stop) => self.stopped_with(sys, frame, stop, memo, ""),
                }
            }
            Node::Simple { .. } => Next::Stay,
        }
    }

    /// An expansion of a compound command stopped: run the substitution and try again, or tell the error.
    pub(super) fn stopped_with<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        frame: &mut Frame,
        stop: Stop,
        memo: super::expand::Memo,
        before: &str,
    ) -> Next {
        match stop {
            Stop::Substitution(substitution) => {
                frame.memo = memo;
                if let Kind::Command { begun, .. } = &mut frame.kind {
                    *begun = false;
                }
                self.start_substitution(sys, &substitution)
            }
            Stop::Error { message, fatal } => {
                if fatal {
                    return self.expansion_failed(sys, Stop::Error { message, fatal });
                }
                self.complain(sys, &format!("{before}{message}"));
                self.finish_checked(1)
            }
        }
    }

    /// Tells a syntax error, line by line.
    pub(super) fn complain_of<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, failure: &ParseFailure, tag: &str) {
        for (line, message) in &failure.messages {
            self.line = *line;
            let text = match &self.naming {
                Naming::Session => format!("bash: {}{message}\n", if tag == "-c: " { "" } else { tag }),
                Naming::Script(_) => format!("{}: {tag}line {line}: {message}\n", self.source()),
            };
            sys.err(&text);
        }
    }

    /// Tells an expansion's error and leaves what is being done.
    pub(super) fn expansion_failed<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, stop: Stop) -> Next {
        let Stop::Error { message, fatal } = stop else { return Next::Stay };
        self.complain(sys, &message);
        self.status = 1;
        let in_session = self.is_session();
        match (fatal, in_session) {
            // `bash -c` itself ends with 127 here (its parse_and_execute is left by a jump).
            (true, false) if self.options.command_text && self.subshell_level == 0 => Next::Jump(Jump::Exit(127)),
            (true, false) => Next::Jump(Jump::Exit(1)),
            _ if self.subshell_level > 0 => Next::Jump(Jump::Exit(1)),
            _ => Next::Jump(Jump::Discard),
        }
    }

    pub(super) fn advance_case<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        let Kind::Case { node, subject, item, pattern, run } = &mut frame.kind else { return Next::Stay };
        let node = node.clone();
        let Node::Case { word, items } = &node.kind else { return Next::Done(0) };
        let memo = std::mem::take(&mut frame.memo);
        let step = (|| -> Result<Next, Stop> {
            let Some(text) = subject else {
                let text = self.attempt(sys, &memo, |x| x.text(word))?;
                if self.options.xtrace {
                    self.trace(sys, &format!("case {} in", super::redirect::source_text(word)));
                }
                *subject = Some(text);
                self.status = 0;
                return Ok(Next::Stay);
            };
            let Some(current) = items.get(*item) else { return Ok(Next::Done(self.status)) };
            let chosen = *run || {
                let Some(source) = current.patterns.get(*pattern) else {
                    *item += 1;
                    *pattern = 0;
                    return Ok(Next::Stay);
                };
                *pattern += 1;
                let source = self.attempt(sys, &memo, |x| x.pattern(source)).inspect_err(|_| *pattern -= 1)?;
                if self.options.nocasematch {
                    Pattern::new(&source.to_lowercase()).matches(&text.to_lowercase())
                } else {
                    Pattern::new(&source).matches(text)
                }
            };
            if !chosen {
                return Ok(Next::Stay);
            }
            *pattern = 0;
            *run = current.then == CaseThen::FallThrough;
            *item = if current.then == CaseThen::Leave { items.len() } else { *item + 1 };
            Ok(match &current.body {
                Some(body) => Next::Push(Shell::list_frame(body)),
                None => Next::Stay,
            })
        })();
        match step {
            Ok(next) => next,
            Err(Stop::Substitution(substitution)) => {
                frame.memo = memo;
                self.start_substitution(sys, &substitution)
            }
            Err(stop) => self.expansion_failed(sys, stop),
        }
    }
}
