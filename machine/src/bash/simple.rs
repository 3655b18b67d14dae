//! Simple commands: expansion, redirections, assignments, and then a function, a builtin or a program.

use std::sync::Arc;

use super::ast::{Arg, Assign, AssignValue, Command, Kind as Node, Word};
use super::builtins::{self, Outcome};
use super::expand::{Expand, Memo, Stop};
use super::frame::{Frame, Jump, Kind, Next};
use super::quote;
use super::shell::{Naming, Shell};
use super::vars::{ReadOnly, Value, Var};
use crate::process::EnvMap;
use crate::{Errno, ExitStatus, Kernel, Signal, Spawn, Sys, Wait};

/// A simple command under way.
#[derive(Clone, Debug)]
pub(super) struct Simple {
    node: Arc<Command>,
    stage: Stage,
    args: Vec<Value1>,
    assigns: Vec<Ready>,
    /// Descriptors that `<(...)` of this command uses.
    pub(super) process_substitutions: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    ProcessSubstitutions(usize),
    Words,
    Assigns(usize),
    Redirects(usize),
    Run,
    /// A function, `eval` or a waiting builtin ran on top.
    Returned,
    Child(u32),
}

/// An expanded argument.
#[derive(Clone, Debug)]
pub(super) enum Value1 {
    Word(String),
    Assign(Ready),
}

impl Value1 {
    /// The argument as text.
    pub(super) fn text(&self) -> String {
        match self {
            Value1::Word(text) => text.clone(),
            Value1::Assign(ready) => ready.text(),
        }
    }
}

/// An assignment with its value expanded.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub(super) name: String,
    pub(super) index: Option<Word>,
    pub(super) append: bool,
    pub(super) value: ReadyValue,
}

#[derive(Clone, Debug)]
pub(super) enum ReadyValue {
    Scalar(String),
    Array(Vec<(Option<Word>, String)>),
}

impl Ready {
    fn text(&self) -> String {
        let sign = if self.append { "+=" } else { "=" };
        match &self.value {
            ReadyValue::Scalar(text) => format!("{}{sign}{text}", self.name),
            ReadyValue::Array(list) => {
                let items: Vec<String> = list.iter().map(|(_, v)| quote::traced(v)).collect();
                format!("{}{sign}({})", self.name, items.join(" "))
            }
        }
    }

    /// As `set -x` shows it.
    fn traced(&self) -> String {
        match &self.value {
            ReadyValue::Scalar(text) => {
                let shown = if text.is_empty() { String::new() } else { quote::traced(text) };
                format!("{}{}{shown}", self.name, if self.append { "+=" } else { "=" })
            }
            ReadyValue::Array(_) => self.text(),
        }
    }
}

impl Simple {
    pub(super) fn new(node: Arc<Command>) -> Self {
        Simple {
            node,
            stage: Stage::ProcessSubstitutions(0),
            args: Vec::new(),
            assigns: Vec::new(),
            process_substitutions: Vec::new(),
        }
    }
}

impl Shell {
    pub(super) fn advance_simple<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        let Kind::Simple(simple) = &mut frame.kind else { return Next::Stay };
        let node = simple.node.clone();
        let Node::Simple { assigns, args } = &node.kind else { return Next::Done(0) };
        let memo = std::mem::take(&mut frame.memo);
        let result = match simple.stage {
            Stage::ProcessSubstitutions(at) => self.stage_process_substitution(sys, simple, args, at),
            Stage::Words => {
                self.substitution_status = None;
                self.stage_words(sys, simple, args, &memo)
            }
            Stage::Assigns(at) => self.stage_assign(sys, simple, assigns, at, &memo),
            Stage::Redirects(at) => match node.redirects.get(at) {
                None => {
                    simple.stage = Stage::Run;
                    Ok(())
                }
                Some(redirect) => match self.redirect(sys, redirect, &memo, &mut frame.saved) {
                    Ok(()) => {
                        simple.stage = Stage::Redirects(at + 1);
                        Ok(())
                    }
                    Err(Stop::Error { message, fatal: false }) => {
                        self.complain(sys, &message);
                        return self.finish_checked(1);
                    }
                    Err(stop) => Err(stop),
                },
            },
            Stage::Run => return self.run_simple(sys, frame),
            Stage::Returned => return self.finish_checked(self.status),
            Stage::Child(pid) => return self.wait_for_child(sys, pid),
        };
        match result {
            Ok(()) => Next::Stay,
            Err(Stop::Substitution(substitution)) => {
                frame.memo = memo;
                self.start_substitution(sys, &substitution)
            }
            Err(stop) => self.expansion_failed(sys, stop),
        }
    }

    fn stage_process_substitution<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        simple: &mut Simple,
        args: &[Arg],
        at: usize,
    ) -> Result<(), Stop> {
        simple.stage = match args.get(at) {
            None => Stage::Words,
            Some(_) => Stage::ProcessSubstitutions(at + 1),
        };
        if let Some(Arg::ProcessSubstitution(read, list)) = args.get(at) {
            let end = self.start_process_substitution(sys, *read, list)?;
            // bash uses 63 downwards, and so do the names that commands print.
            let place = (10..=63).rev().find(|fd| !sys.is_open(*fd)).unwrap_or(end);
            if place != end {
                let _ = sys.dup_to(end, place);
                sys.close(end);
            }
            simple.process_substitutions.push(place);
        }
        Ok(())
    }

    fn stage_words<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        simple: &mut Simple,
        args: &[Arg],
        memo: &Memo,
    ) -> Result<(), Stop> {
        let mut ends = simple.process_substitutions.iter();
        simple.args = self.attempt(sys, memo, |x| {
            let mut out = Vec::new();
            for arg in args {
                match arg {
                    Arg::Word(word) => {
                        let mut fields = Vec::new();
                        x.fields(word, &mut fields)?;
                        out.extend(fields.into_iter().map(Value1::Word));
                    }
                    Arg::Assign(assign) => out.push(Value1::Assign(x.ready(assign)?)),
                    Arg::ProcessSubstitution(..) => {
                        out.extend(ends.next().map(|fd| Value1::Word(format!("/dev/fd/{fd}"))));
                    }
                }
            }
            Ok(out)
        })?;
        if self.options.expand_aliases {
            self.expand_alias(sys, simple)?;
        }
        simple.stage = Stage::Assigns(0);
        Ok(())
    }

    /// An alias is replaced as far as it is a list of words.
    fn expand_alias<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, simple: &mut Simple) -> Result<(), Stop> {
        let Some(Value1::Word(name)) = simple.args.first() else { return Ok(()) };
        let Some(value) = self.aliases.get(name).cloned() else { return Ok(()) };
        let mut words = Vec::new();
        for text in value.split_whitespace() {
            let word = super::word::word(text, self.line).map_err(Stop::error)?;
            self.attempt(sys, &Memo::default(), |x| x.fields(&word, &mut words))?;
        }
        simple.args.splice(0..1, words.into_iter().map(Value1::Word));
        Ok(())
    }

    /// Assignments before a command are kept for it; without a command they are made, each seeing the ones before.
    fn stage_assign<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        simple: &mut Simple,
        assigns: &[Assign],
        at: usize,
        memo: &Memo,
    ) -> Result<(), Stop> {
        let Some(assign) = assigns.get(at) else {
            simple.stage = Stage::Redirects(0);
            if self.options.xtrace && !(simple.args.is_empty() && simple.assigns.is_empty()) {
                self.trace_simple(sys, simple);
            }
            return Ok(());
        };
        let alone = simple.args.is_empty();
        let ready = self.attempt(sys, memo, |x| {
            let ready = x.ready(assign)?;
            if alone {
                x.assign(&ready, Place::Visible)?;
            }
            Ok(ready)
        })?;
        if alone && self.options.xtrace {
            let line = ready.traced();
            self.trace(sys, &line);
        } else {
            simple.assigns.push(ready);
        }
        simple.stage = Stage::Assigns(at + 1);
        Ok(())
    }

    fn trace_simple<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, simple: &Simple) {
        if simple.args.is_empty() {
            return;
        }
        for assign in &simple.assigns {
            let line = assign.traced();
            self.trace(sys, &line);
        }
        let word = |arg: &Value1| match arg {
            Value1::Word(text) => quote::traced(text),
            Value1::Assign(ready) => match &ready.value {
                ReadyValue::Scalar(_) => quote::traced(&ready.text()),
                ReadyValue::Array(_) => ready.text(),
            },
        };
        let words: Vec<String> = simple.args.iter().map(word).collect();
        self.trace(sys, &words.join(" "));
        // export and readonly assign in a second step, which bash shows too.
        if matches!(words.first().map(String::as_str), Some("export" | "readonly")) {
            for arg in &simple.args {
                if let Value1::Assign(ready) = arg {
                    let line = ready.traced();
                    self.trace(sys, &line);
                }
            }
        }
    }

    fn run_simple<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        let Kind::Simple(simple) = &mut frame.kind else { return Next::Stay };
        let args = std::mem::take(&mut simple.args);
        let assigns = std::mem::take(&mut simple.assigns);
        let Some(first) = args.first() else {
            // `$(<file)` is `$(cat file)`.
            let reads = matches!(
                simple.node.redirects.as_slice(),
                [super::ast::Redirect { fd: None, kind: super::ast::RedirectKind::Read(_) }]
            );
            if reads
                && self.trace_level > 0
                && self
                    .frames
                    .iter()
                    .all(|f| matches!(f.kind, Kind::List { .. } | Kind::AndOr { .. } | Kind::Pipeline { .. }))
            {
                while let Ok(crate::Read::Data(data)) = sys.read(0, 65536) {
                    sys.out_bytes(&data);
                }
            }
            let status = self.substitution_status.take().unwrap_or(0);
            return self.finish_checked(status);
        };
        let name = first.text();
        self.last_arg = args.last().map(Value1::text).unwrap_or_default();
        if let Some(function) = self.functions.get(&name).cloned() {
            let limit = self.vars.scalar("FUNCNEST").and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0);
            let calls = self.frames.iter().filter(|f| matches!(f.kind, Kind::Call { .. })).count();
            if let Some(limit) = limit.filter(|limit| calls >= *limit) {
                self.complain(sys, &format!("{name}: maximum function nesting level exceeded ({limit})"));
                self.status = 1;
                return Next::Jump(Jump::Discard);
            }
            simple.stage = Stage::Returned;
            let source = self.function_sources.get(&name).cloned().unwrap_or_else(|| self.source().to_owned());
            let args = args.iter().skip(1).map(Value1::text).collect();
            let caller = std::mem::replace(&mut self.args, args);
            self.frames.push(std::mem::replace(frame, Frame::new(Kind::Nothing)));
            self.vars.push_scope();
            self.frames.push(Frame::new(Kind::Call { name, source, args: caller }));
            if let Err(stop) = self.assign_for_command(sys, &assigns) {
                return self.expansion_failed(sys, stop);
            }
            self.frames.push(Frame::new(Kind::Command { node: function.body.clone(), redirects: 0, begun: false }));
            return Next::Done(self.status);
        }
        if builtins::is_builtin(&name) {
            if !assigns.is_empty() {
                self.vars.push_scope();
                frame.scope = true;
                if let Err(stop) = self.assign_for_command(sys, &assigns) {
                    return self.expansion_failed(sys, stop);
                }
            }
            return self.run_builtin_frame(sys, frame, &name, &args);
        }
        let argv = args.iter().map(Value1::text).collect();
        self.run_program(sys, frame, argv, &assigns)
    }

    /// Makes assignments that last as long as a function or builtin.
    fn assign_for_command<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, assigns: &[Ready]) -> Result<(), Stop> {
        self.attempt(sys, &Memo::default(), |x| {
            for ready in assigns {
                x.assign(ready, Place::Local)?;
                x.sh.vars.change_local(&ready.name, |v| v.exported = true);
            }
            Ok(())
        })
    }

    /// Runs a builtin in the place of a simple command's frame.
    pub(super) fn run_builtin_frame<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        frame: &mut Frame,
        name: &str,
        args: &[Value1],
    ) -> Next {
        match self.builtin(sys, name, args, frame) {
            Outcome::Status(status) => self.finish_checked(status),
            Outcome::Run(kind) => {
                if let Kind::Simple(simple) = &mut frame.kind {
                    simple.stage = Stage::Returned;
                }
                Next::Push(kind)
            }
            Outcome::Program(argv) => self.run_program(sys, frame, argv, &[]),
            Outcome::Jump(jump) => Next::Jump(jump),
            Outcome::Exec(argv) => self.exec_program(sys, frame, argv),
        }
    }

    /// `exec program`
    fn exec_program<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame, argv: Vec<String>) -> Next {
        let name = argv.first().cloned().unwrap_or_default();
        match sys.find_program(&name) {
            Ok(_) => {
                frame.saved.clear();
                sys.set_env_all((*self.vars.environment()).clone());
                Next::Exec(argv)
            }
            Err(errno) => {
                let (text, status) = self.program_error(&name, errno);
                let text = if errno == Errno::ENOENT && !name.contains('/') {
                    format!("exec: {name}: not found")
                } else {
                    text
                };
                self.complain(sys, &text);
                if self.is_session() { Next::Done(status) } else { Next::Jump(Jump::Exit(status)) }
            }
        }
    }

    /// What bash says about a program that cannot be run, and the status.
    fn program_error(&self, name: &str, errno: Errno) -> (String, i32) {
        match errno {
            Errno::ENOENT if !name.contains('/') => (format!("{name}: command not found"), 127),
            Errno::ENOENT | Errno::ENOTDIR => (format!("{name}: {errno}"), 127),
            errno => (format!("{name}: {errno}"), 126),
        }
    }

    /// The environment of a program: the exported variables and the assignments before the command; `_` is its file.
    fn command_environment(&mut self, assigns: &[Ready], file: String) -> EnvMap {
        let exported = self.vars.environment();
        // A command's own assignments come first in its environment, the last of them foremost.
        let mut own: Vec<(String, String)> = Vec::new();
        for ready in assigns {
            if let ReadyValue::Scalar(text) = &ready.value {
                let name = &ready.name;
                let before = own.iter().position(|(n, _)| n == name).map(|at| own.remove(at).1);
                let before = before.or_else(|| exported.get(name).cloned()).filter(|_| ready.append);
                own.push((name.clone(), before.unwrap_or_default() + text));
            }
        }
        let mut env = if own.is_empty() {
            EnvMap::clone(&exported)
        } else {
            let mut env: EnvMap = own.into_iter().rev().collect();
            for (name, value) in exported.iter() {
                env.entry(name.clone()).or_insert_with(|| value.clone());
            }
            env
        };
        env.shift_remove("_");
        env.insert("_".to_owned(), file);
        env
    }

    fn run_program<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        frame: &mut Frame,
        argv: Vec<String>,
        assigns: &[Ready],
    ) -> Next {
        let name = argv.first().cloned().unwrap_or_default();
        let path = self.vars.scalar("PATH").map(str::to_owned);
        let found = if name.contains('/') {
            sys.find_program(&name)
        } else {
            sys.find_in_path(&name, &path.unwrap_or_default())
        };
        let found = match found {
            Ok(found) => found,
            Err(errno) => {
                let (text, status) = match errno {
                    Errno::EACCES if sys.stat(&name, true).is_ok_and(|s| s.kind == crate::files::FileKind::Dir) => {
                        (format!("{name}: Is a directory"), 126)
                    }
                    errno => self.program_error(&name, errno),
                };
                if errno == Errno::EACCES && !name.contains('/') {
                    self.complain(sys, &format!("{name}: command not found"));
                    return self.finish_checked(127);
                }
                self.complain(sys, &text);
                return self.finish_checked(status);
            }
        };
        let env = self.command_environment(assigns, found.clone());
        sys.set_env_all(env);
        if self.may_exec && self.is_last(frame) {
            return Next::Exec(argv);
        }
        let mut spawn = Spawn::new(argv).file(found);
        if self.is_session() {
            spawn = spawn.new_group().defaulting(Signal::TERM);
        }
        match sys.spawn(spawn) {
            Ok(pid) => {
                self.jobs.add_child(pid);
                if let Kind::Simple(simple) = &mut frame.kind {
                    simple.stage = Stage::Child(pid);
                }
                Next::Stay
            }
            Err(Errno::ENOEXEC) => {
                self.complain(sys, &format!("{name}: cannot execute binary file: {}", Errno::ENOEXEC));
                self.finish_checked(126)
            }
            Err(errno) => {
                let text = if errno == Errno::ENOENT {
                    format!("{name}: cannot execute: required file not found")
                } else {
                    format!("{name}: {errno}")
                };
                self.complain(sys, &text);
                self.finish_checked(if errno == Errno::ENOENT { 127 } else { 126 })
            }
        }
    }

    /// Whether nothing is left to do for this shell after the frame that runs now.
    fn is_last(&self, frame: &Frame) -> bool {
        let nothing_after = |f: &Frame| match &f.kind {
            Kind::List { list, at } => *at >= list.items.len(),
            Kind::AndOr { node, at } => *at >= node.parts.len(),
            Kind::Pipeline { node, .. } => !node.negate && node.timed.is_none(),
            _ => false,
        };
        frame.saved.iter().all(|(fd, _)| *fd <= 2)
            && self.traps.values().all(String::is_empty)
            && self.pending.is_empty()
            && self.frames.iter().all(|f| nothing_after(f) && f.saved.is_empty())
    }

    fn wait_for_child<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, pid: u32) -> Next {
        let Some(status) = self.jobs.take_status(pid) else { return Next::Block(Wait::event()) };
        if let ExitStatus::Signal(signal) = status
            && signal != Signal::INT
            && signal != Signal::PIPE
        {
            let text = signal.description();
            match &self.naming {
                Naming::Session => sys.err(&format!("{text}\n")),
                Naming::Script(_) => {
                    let line = format!("{} {pid} {text:<23} {}", "", self.last_arg);
                    self.complain(sys, line.trim_start());
                }
            }
        }
        self.finish_checked(status.shell_code())
    }
}

/// Which variable an assignment means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The one that is visible.
    Visible,
    /// The innermost function's own.
    Local,
    /// The shell's own (`declare -g`).
    Global,
}

impl<K: Kernel> Expand<'_, '_, K> {
    /// Expands an assignment's value.
    pub(super) fn ready(&mut self, assign: &Assign) -> Result<Ready, Stop> {
        let value = match &assign.value {
            AssignValue::Scalar(word) => ReadyValue::Scalar(self.text(word)?),
            AssignValue::Array(elements) => {
                let mut list = Vec::new();
                for (index, word) in elements {
                    match index {
                        Some(index) => list.push((Some(index.clone()), self.text(word)?)),
                        None => {
                            let mut fields = Vec::new();
                            self.fields(word, &mut fields)?;
                            list.extend(fields.into_iter().map(|f| (None, f)));
                        }
                    }
                }
                ReadyValue::Array(list)
            }
        };
        Ok(Ready { name: assign.name.clone(), index: assign.index.clone(), append: assign.append, value })
    }

    fn change<T>(&mut self, name: &str, place: Place, change: impl FnOnce(&mut Var) -> T) -> T {
        match place {
            Place::Visible => self.sh.vars.change(name, change),
            Place::Local => self.sh.vars.change_local(name, change),
            Place::Global => self.sh.vars.change_global(name, change),
        }
    }

    /// Makes an assignment.
    pub(super) fn assign(&mut self, ready: &Ready, place: Place) -> Result<(), Stop> {
        let name = ready.name.clone();
        let readonly = |e: ReadOnly| Stop::error(format!("{}: readonly variable", e.0));
        match &ready.value {
            ReadyValue::Scalar(text) => {
                let key = ready.index.as_ref().map(|i| self.key(&name, i)).transpose()?;
                let var = if place == Place::Local {
                    self.sh.vars.get_raw(&name).filter(|_| self.sh.vars.is_local(&name))
                } else {
                    self.sh.vars.get(&name)
                };
                let integer = var.is_some_and(|v| v.integer);
                let old = var.and_then(|v| v.element(key.as_ref())).unwrap_or("").to_owned();
                let text = match (integer, ready.append) {
                    (true, true) => {
                        self.evaluate(&format!("({}) + ({text})", if old.is_empty() { "0" } else { &old }))?.to_string()
                    }
                    (true, false) => self.evaluate(text)?.to_string(),
                    (false, true) => old + text,
                    (false, false) => text.clone(),
                };
                let done = match place {
                    Place::Local if key.is_none() => self.sh.vars.set_local(&name, text),
                    _ => self.sh.vars.set(&name, key.as_ref(), text),
                };
                done.map_err(readonly)?;
            }
            ReadyValue::Array(list) => {
                if self.sh.vars.get(&name).is_some_and(|v| v.readonly) {
                    return Err(readonly(ReadOnly(name)));
                }
                let append = ready.append;
                self.change(&name, place, |var| match (&mut var.value, append) {
                    (Value::Assoc(map), false) => map.clear(),
                    (Value::Indexed(_) | Value::Assoc(_), true) => {}
                    (value @ Value::Scalar(_), true) => {
                        if let Value::Scalar(old) = std::mem::replace(value, Value::Unset) {
                            *value = Value::Indexed([(0, old)].into());
                        }
                    }
                    (value, _) => *value = Value::Indexed(std::collections::BTreeMap::new()),
                });
                self.assign_elements(&name, list)?;
            }
        }
        if self.sh.options.allexport {
            self.change(&name, place, |v| v.exported = true);
        }
        Ok(())
    }

    fn assign_elements(&mut self, name: &str, list: &[(Option<Word>, String)]) -> Result<(), Stop> {
        let is_assoc = matches!(self.sh.vars.get(name).map(|v| &v.value), Some(Value::Assoc(_)));
        let mut next = match self.sh.vars.get(name).map(|v| &v.value) {
            Some(Value::Indexed(map)) => map.keys().next_back().map_or(0, |k| k + 1),
            _ => 0,
        };
        let integer = self.sh.vars.get(name).is_some_and(|v| v.integer);
        let mut pending: Option<String> = None;
        for (index, text) in list {
            let key = match (index, is_assoc) {
                (Some(index), _) => self.key(name, index)?,
                (None, false) => super::vars::Key::Number(next),
                (None, true) => {
                    // declare -A a=(key value key value)
                    match pending.take() {
                        None => {
                            pending = Some(text.clone());
                            continue;
                        }
                        Some(key) => super::vars::Key::Name(key),
                    }
                }
            };
            if let super::vars::Key::Number(n) = key {
                next = n + 1;
            }
            let text = if integer { self.evaluate(text)?.to_string() } else { text.clone() };
            self.sh.vars.set(name, Some(&key), text).map_err(|e| Stop::error(format!("{}: readonly variable", e.0)))?;
        }
        Ok(())
    }
}
