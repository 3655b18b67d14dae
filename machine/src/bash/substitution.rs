//! `$(...)`: a subshell whose output this shell reads.

use std::sync::Arc;

use super::frame::{Frame, Jump, Kind, Next};
use super::shell::Shell;
use crate::{Kernel, Read, Spawn, Sys, Wait};

impl Shell {
    /// Starts a `$(...)` in a subshell whose output this shell reads.
    pub(super) fn start_substitution<K: Kernel>(
        &mut self,
        sys: &mut Sys<'_, K>,
        substitution: &Arc<super::ast::Substitution>,
    ) -> Next {
        let parsed = substitution.parsed.get_or_init(|| super::parse::list(&substitution.text, substitution.line));
        let list = match parsed {
            Ok(list) => list.clone(),
            Err(failure) => {
                let failure = failure.clone();
                self.complain_of(sys, &failure, "command substitution: ");
                self.substitution_status = Some(2);
                self.status = 2;
                return Next::Push(Kind::Substitution { pid: 0, fd: u32::MAX, output: Vec::new(), ended: true });
            }
        };
        let (reader, writer) = sys.pipe();
        let mut child = self.fork(Kind::List { list, at: 0 });
        child.trace_level += 1;
        if let Some(mut vars) = self.substitution_vars.take() {
            vars.commit();
            child.vars = *vars;
        }
        if !self.options.inherit_errexit && !self.options.posix {
            child.options.errexit = false;
        }
        child.may_exec = true;
        let spawn = self.for_child(Spawn::fork(Box::new(child)).fd(1, writer).without_fd(reader).without_fd(writer));
        let started = sys.spawn(spawn);
        sys.close(writer);
        match started {
            Ok(pid) => {
                self.jobs.add_child(pid);
                Next::Push(Kind::Substitution { pid, fd: reader, output: Vec::new(), ended: false })
            }
            Err(errno) => {
                sys.close(reader);
                self.complain(sys, &format!("cannot make child for command substitution: {errno}"));
                Next::Jump(Jump::Exit(1))
            }
        }
    }

    pub(super) fn advance_substitution<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        const OUTPUT_MAX: usize = 16 << 20;
        let Kind::Substitution { pid, fd, output, ended } = &mut frame.kind else { return Next::Stay };
        while !*ended {
            match sys.read(*fd, 65536) {
                Ok(Read::Data(data)) if output.len() + data.len() <= OUTPUT_MAX => output.extend(data),
                Ok(Read::Data(_)) => {
                    let _ = sys.kill(*pid, Some(crate::Signal::KILL));
                    self.complain(sys, "command substitution: output too large");
                    *ended = true;
                }
                Ok(Read::WouldBlock) => return Next::Block(Wait::readable(*fd)),
                Ok(Read::Eof) | Err(_) => *ended = true,
            }
        }
        if *pid != 0 {
            match self.jobs.take_status(*pid) {
                None => return Next::Block(Wait::event()),
                Some(status) => {
                    self.substitution_status = Some(status.shell_code());
                    self.status = status.shell_code();
                }
            }
        }
        let mut text = String::from_utf8_lossy(output).replace('\0', "");
        text.truncate(text.trim_end_matches('\n').len());
        if let Some(below) = self.frames.last_mut() {
            below.memo.outputs.push(text);
        }
        Next::Done(self.status)
    }
}
