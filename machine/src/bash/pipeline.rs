//! Pipelines, subshells, background commands; and the rules of `set -e`.

use std::sync::Arc;

use super::ast::{AndOr, List};
use super::frame::{Frame, Jump, Kind, Next, PipelineState};
use super::shell::{Naming, Shell};
use crate::process::ExitStatus;
use crate::signal::Signal;
use crate::{Kernel, Open, Spawn, Sys, Wait};

impl Shell {
    pub(super) fn advance_pipeline<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        let Kind::Pipeline { node, state } = &mut frame.kind else { return Next::Stay };
        let node = node.clone();
        match state {
            PipelineState::Start => {
                if node.negate {
                    frame.ignores_errexit = true;
                    self.ignore_errexit += 1;
                }
                let began = sys.now();
                match node.commands.as_slice() {
                    [] => Next::Done(if node.negate { 1 } else { 0 }),
                    [command] => {
                        *state = PipelineState::Single { began };
                        Next::Push(Kind::Command { node: command.clone(), redirects: 0, begun: false })
                    }
                    commands => match self.start_children(sys, commands) {
                        Ok(pids) => {
                            *state = PipelineState::Children { pids, began };
                            Next::Stay
                        }
                        Err(next) => next,
                    },
                }
            }
            PipelineState::Single { began } => {
                let began = *began;
                self.pipe_status = vec![self.status];
                self.pipeline_done(sys, node.negate, node.timed, began, self.status, true)
            }
            PipelineState::Children { pids, began } => {
                let statuses: Vec<Option<ExitStatus>> = pids.iter().map(|p| self.jobs.status(*p)).collect();
                if statuses.iter().any(Option::is_none) {
                    return Next::Block(Wait::event());
                }
                let (pids, began) = (pids.clone(), *began);
                for pid in pids {
                    self.jobs.take_status(pid);
                }
                let codes: Vec<i32> = statuses.into_iter().flatten().map(ExitStatus::shell_code).collect();
                let last = codes.last().copied().unwrap_or(0);
                let status = if self.options.pipefail {
                    codes.iter().rev().copied().find(|c| *c != 0).unwrap_or(0)
                } else {
                    last
                };
                self.pipe_status = codes;
                self.pipeline_done(sys, node.negate, node.timed, began, status, false)
            }
        }
    }

    fn pipeline_done<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        negate: bool,
        timed: Option<bool>,
        began: hopwise_sim_core::Time,
        status: i32,
        checked: bool,
    ) -> Next {
        if let Some(posix) = timed {
            let millis = sys.now().since(began).as_millis();
            let (minutes, seconds, millis) = (millis / 60_000, millis / 1000 % 60, millis % 1000);
            if posix {
                sys.err(&format!("real {}.{:02}\nuser 0.00\nsys 0.00\n", minutes * 60 + seconds, millis / 10));
            } else {
                sys.err(&format!("\nreal\t{minutes}m{seconds}.{millis:03}s\nuser\t0m0.000s\nsys\t0m0.000s\n"));
            }
        }
        if negate {
            return Next::Done(i32::from(status == 0));
        }
        // A single command has had its errexit check itself.
        if checked { Next::Done(status) } else { self.finish_checked(status) }
    }

    /// Starts one child for each command, joined by pipes.
    fn start_children<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        commands: &[Arc<super::ast::Command>],
    ) -> Result<Vec<u32>, Next> {
        let mut pids = Vec::new();
        let mut input: Option<u32> = None;
        let mut group = 0;
        for (i, command) in commands.iter().enumerate() {
            let pipe = (i + 1 < commands.len()).then(|| sys.pipe());
            let mut child = self.fork(Kind::Command { node: command.clone(), redirects: 0, begun: false });
            child.may_exec = true;
            let mut spawn = Spawn::fork(Box::new(child));
            if let Some(read) = input {
                spawn = spawn.fd(0, read).without_fd(read);
            }
            if let Some((read, write)) = pipe {
                spawn = spawn.fd(1, write).without_fd(read).without_fd(write);
            }
            spawn = self.for_child(spawn);
            if self.is_session() {
                spawn = if group == 0 { spawn.new_group() } else { spawn.group(group) };
            }
            let started = sys.spawn(spawn);
            if let Some(read) = input {
                sys.close(read);
            }
            if let Some((_, write)) = pipe {
                sys.close(write);
            }
            input = pipe.map(|p| p.0);
            match started {
                Ok(pid) => {
                    group = if group == 0 { pid } else { group };
                    self.jobs.add_child(pid);
                    pids.push(pid);
                }
                Err(errno) => {
                    if let Some(read) = input {
                        sys.close(read);
                    }
                    self.complain(sys, &format!("fork: {errno}"));
                    return Err(Next::Jump(Jump::Exit(254)));
                }
            }
        }
        Ok(pids)
    }

    /// `( list )`
    pub(super) fn start_subshell<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, list: &Arc<List>) -> Next {
        let mut child = self.fork(Shell::list_frame(list));
        child.may_exec = true;
        match self.spawn_shell(sys, child, |s| s) {
            Ok(pid) => Next::Push(Kind::Foreground { pid }),
            Err(next) => next,
        }
    }

    /// What every child of this shell is without: the descriptors kept for redirections, and a session's deafness to SIGTERM.
    pub(super) fn for_child<K: Kernel>(&self, mut spawn: Spawn<K>) -> Spawn<K> {
        for fd in &self.saved_fds {
            spawn = spawn.without_fd(*fd);
        }
        if self.is_session() && !self.traps.contains_key("TERM") { spawn.defaulting(Signal::TERM) } else { spawn }
    }

    /// Starts a forked shell; the caller says what is different about its process.
    pub(super) fn spawn_shell<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        child: Shell,
        prepare: impl FnOnce(Spawn<K>) -> Spawn<K>,
    ) -> Result<u32, Next> {
        let spawn = self.for_child(prepare(Spawn::fork(Box::new(child))));
        match sys.spawn(spawn) {
            Ok(pid) => {
                self.jobs.add_child(pid);
                Ok(pid)
            }
            Err(errno) => {
                self.complain(sys, &format!("fork: {errno}"));
                Err(Next::Jump(Jump::Exit(254)))
            }
        }
    }

    /// `list &`
    pub(super) fn start_background<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, node: &Arc<AndOr>) -> Next {
        let mut child = self.fork(Kind::AndOr { node: node.clone(), at: 0 });
        child.may_exec = true;
        child.ignore_errexit = 0;
        if matches!(child.naming, Naming::Session) {
            child.options.errexit = false;
        }
        // Without job control a background command reads nothing from the shell's input.
        let null = sys.open("/dev/null", Open::Read);
        let started = self.spawn_shell(sys, child, |spawn| {
            let spawn = spawn.new_group().defaulting(Signal::TERM);
            match null {
                Ok(fd) => spawn.fd(0, fd).without_fd(fd),
                Err(_) => spawn,
            }
        });
        if let Ok(fd) = null {
            sys.close(fd);
        }
        match started {
            Ok(pid) => {
                self.last_background = Some(pid);
                self.jobs.add_job(pid, pid, node.text.clone());
                self.status = 0;
                Next::Stay
            }
            Err(next) => next,
        }
    }

    /// The end of a command that `set -e` and the ERR trap look at.
    pub(super) fn finish_checked(&mut self, status: i32) -> Next {
        self.status = status;
        if status == 0 || self.ignore_errexit > 0 {
            return Next::Done(status);
        }
        if let Some(action) = self.traps.get("ERR").cloned().filter(|a| !a.is_empty()) {
            let in_function = self.frames.iter().any(|f| matches!(f.kind, Kind::Call { .. }));
            let in_trap = self.frames.iter().any(|f| matches!(f.kind, Kind::Trap { .. }));
            if (!in_function || self.options.errtrace) && !in_trap {
                let script = Arc::new(super::parse::script(&action, self.line));
                // The trap runs on top; afterwards the frame below this one sees the status again.
                let after = if self.options.errexit { Kind::ExitTrap { status } } else { Kind::Trap { status } };
                self.frames.push(Frame::new(after));
                self.frames.push(Frame::new(Kind::Script { script, at: 0, tag: "" }));
                return Next::Done(status);
            }
        }
        if self.options.errexit { Next::Jump(Jump::Exit(status)) } else { Next::Done(status) }
    }

    /// Prints a line of `set -x`.
    pub(super) fn trace<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, line: &str) {
        let ps4 = self.vars.scalar("PS4").unwrap_or("+ ").to_owned();
        let prefix = match super::word::here_document(&ps4, self.line) {
            Ok(word) if ps4.contains('$') => {
                let was = std::mem::take(&mut self.options.nounset);
                let text = self.attempt(sys, &super::expand::Memo::default(), |x| x.text(&word)).unwrap_or(ps4);
                self.options.nounset = was;
                text
            }
            _ => ps4,
        };
        let first: String = prefix.chars().take(1).collect::<String>().repeat(self.trace_level + 1);
        let rest: String = prefix.chars().skip(1).collect();
        sys.err(&format!("{first}{rest}{line}\n"));
    }
}
