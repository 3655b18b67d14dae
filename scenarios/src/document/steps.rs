//! The commands of a document's console blocks and what is expected of them.

use std::ops::Range;

use super::command::{Collector, Need};
use super::markdown::{self, Block, Line};
use super::prompt::{self, Prompt};
use super::topology::Topology;
use super::{Action, Expected, Place, Step};
use crate::diagnostic::{Diagnostic, LineIndex};

/// Reads all blocks behind byte `from` into `steps`, up to the first mistake.
pub(super) fn read(source: &str, from: usize, topology: &Topology, steps: &mut Vec<Step>) -> Result<(), Diagnostic> {
    let index = LineIndex::new(source);
    for block in markdown::console_blocks(source, from) {
        let block = block?;
        Reader { source, index: &index, topology, block: &block }.read(steps)?;
    }
    Ok(())
}

/// One block being read.
struct Reader<'a> {
    source: &'a str,
    index: &'a LineIndex,
    topology: &'a Topology,
    block: &'a Block<'a>,
}

impl Reader<'_> {
    fn read(&self, steps: &mut Vec<Step>) -> Result<(), Diagnostic> {
        let mut lines = self.block.lines.iter().peekable();
        while let Some(line) = lines.next() {
            let Some(prompt) = self.prompt(line)? else {
                if line.text.trim().is_empty() {
                    continue;
                }
                return Err(self.orphan(line));
            };
            let machine = self.machine(line, &prompt)?;
            let mut command = Collector::new(prompt.command);
            let mut last = line;
            while command.need() != Need::Nothing {
                let Some(next) = lines.next() else { return Err(self.incomplete(line, &command.need())) };
                command.push(next.text);
                last = next;
            }
            let mut body: Vec<&Line<'_>> = Vec::new();
            while let Some(next) = lines.peek() {
                if self.prompt(next)?.is_some() {
                    break;
                }
                body.push(next);
                lines.next();
            }
            let place = self.place(line, last, &body);
            let action = Action::Command(command.text().to_owned());
            steps.push(Step { machine, action, expected: expected(&body)?, place });
        }
        Ok(())
    }

    /// The prompt of a line. `# ` and `$ ` are prompts in a lab with one machine only; elsewhere they are output.
    fn prompt<'l>(&self, line: &Line<'l>) -> Result<Option<Prompt<'l>>, Diagnostic> {
        let prompt = prompt::read(line.text);
        Ok(prompt.filter(|prompt| prompt.machine.is_some() || self.topology.only_machine().is_some()))
    }

    fn machine(&self, line: &Line<'_>, prompt: &Prompt<'_>) -> Result<String, Diagnostic> {
        let name = prompt.machine.or(self.topology.only_machine()).unwrap_or_default();
        if self.topology.has_machine(name) {
            return Ok(name.to_owned());
        }
        let start = line.span.start + line.text.find(name).unwrap_or(0);
        let error =
            Diagnostic::error(start..start + name.len(), format!("there is no machine `{name}`"), "in this prompt");
        Err(match self.topology.machines.len() {
            1 => error.help(format!(
                "the only machine is {}: `topology` in the front matter makes more",
                self.topology.names()
            )),
            _ => error.help(format!("the machines are {}", self.topology.names())),
        })
    }

    /// A line before any prompt of its block: it would be checked against nothing.
    fn orphan(&self, line: &Line<'_>) -> Diagnostic {
        let span = line.span.start..line.span.start + line.text.len();
        if prompt::read(line.text).is_some() {
            return Diagnostic::error(span, "this prompt does not say which machine is meant", "whose prompt?")
                .help(format!("the machines are {}", self.topology.names()));
        }
        Diagnostic::error(span, "a console block begins with a prompt", "output of which command?")
            .help(format!("prompts are {}", prompt::FORMS))
    }

    fn incomplete(&self, line: &Line<'_>, need: &Need) -> Diagnostic {
        let span = line.span.start..line.span.start + line.text.len();
        match need {
            Need::HereDoc(doc) => Diagnostic::error(span, "a here-document is not ended in its block", "begun here")
                .help(format!("end it with a line {}", doc.word)),
            _ => Diagnostic::error(span, "a command is not ended in its block", "continued by a backslash"),
        }
    }

    fn place(&self, first: &Line<'_>, last: &Line<'_>, body: &[&Line<'_>]) -> Place {
        let after_command = self.after_newline(last);
        let end =
            body.iter().rev().find(|l| !l.text.trim().is_empty()).map_or(after_command, |l| self.after_newline(l));
        let line_start = self.index.start(first.span.start);
        Place {
            line: self.index.line(first.span.start),
            body_line: self.index.line(after_command),
            command: first.span.start..last.span.start + last.text.len(),
            body: after_command..end,
            indent: self.source.get(line_start..first.span.start).unwrap_or("").to_owned(),
            fence: self.block.fence.to_owned(),
        }
    }

    fn after_newline(&self, line: &Line<'_>) -> usize {
        let end = line.span.start + line.text.len();
        self.source.get(end..).and_then(|rest| rest.find('\n')).map_or(self.source.len(), |i| end + i + 1)
    }
}

/// The expected lines of a command: without the blank lines at their end and without a `? N`.
fn expected(body: &[&Line<'_>]) -> Result<Expected, Diagnostic> {
    let mut lines: Vec<&&Line<'_>> = body.iter().collect();
    let drop_blank = |lines: &mut Vec<&&Line<'_>>| {
        while lines.last().is_some_and(|line| line.text.trim().is_empty()) {
            lines.pop();
        }
    };
    drop_blank(&mut lines);
    let mut status = 0;
    if let Some(last) = lines.last()
        && let Some(number) = status_number(last.text)
    {
        let span: Range<usize> = last.span.start..last.span.start + last.text.len();
        status = number
            .parse()
            .map_err(|_| Diagnostic::error(span, format!("`{number}` is not an exit status"), "expected 0 to 255"))?;
        lines.pop();
        drop_blank(&mut lines);
    }
    Ok(Expected { lines: lines.into_iter().map(|line| line.text.trim_end().to_owned()).collect(), status })
}

/// The number of a line `? N`.
pub(super) fn status_number(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix("? ").filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}
