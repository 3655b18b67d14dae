//! What became of a lab.

use std::fmt::Write;

use crate::diagnostic::{Diagnostic, visible};
use crate::expect::Difference;

/// How a lab ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was as the document says.
    Passed,
    /// The document was rewritten to say what was printed.
    Blessed,
    /// Something was different.
    Failed,
    /// The document could not be read to its end.
    Unreadable,
    /// It was not run, because an earlier lab did not pass.
    NotRun,
}

impl Verdict {
    /// The word before a lab's name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Blessed => "blessed",
            Self::Failed => "FAILED",
            Self::Unreadable => "UNREADABLE",
            Self::NotRun => "not run",
        }
    }

    /// Whether the labs after it may go on.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Passed | Self::Blessed)
    }
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// The line of its prompt.
    pub line: usize,
    /// The line of its first expected line.
    pub body_line: usize,
    /// The machine.
    pub machine: String,
    /// The command as the transcript shows it.
    pub command: String,
    /// What differed.
    pub difference: Option<Difference>,
}

/// What became of a lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabReport {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: String,
    /// How it ended.
    pub verdict: Verdict,
    /// The commands that ran.
    pub steps: Vec<StepReport>,
    /// What went wrong apart from commands: preparations that failed, files that could not be written.
    pub problems: Vec<String>,
    /// What could not be read or blessed.
    pub errors: Vec<Diagnostic>,
    /// The document as `--bless` wants it, if that differs.
    pub blessed: Option<String>,
    /// The world's hash of everything the run did.
    pub digest: Option<u128>,
}

impl LabReport {
    /// A report of nothing yet.
    pub fn new(name: &str, path: &str) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            verdict: Verdict::NotRun,
            steps: Vec::new(),
            problems: Vec::new(),
            errors: Vec::new(),
            blessed: None,
            digest: None,
        }
    }

    /// The number of commands whose output or status differed.
    pub fn differing(&self) -> usize {
        self.steps.iter().filter(|step| step.difference.is_some()).count()
    }

    /// Adds what went wrong outside of the commands; a lab with a problem has not passed.
    pub fn problem(&mut self, text: String) {
        self.problems.push(text);
        if self.verdict.is_good() {
            self.verdict = Verdict::Failed;
        }
    }

    /// Everything that a person must see of a lab that did not pass, with the document's line numbers.
    pub fn details(&self, source: &str, styled: bool) -> String {
        let mut text = String::new();
        if !self.verdict.is_good() {
            for step in &self.steps {
                let Some(difference) = &step.difference else { continue };
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{}:{}: {}# {}", self.path, step.line, step.machine, visible(&step.command));
                text.push_str(&difference.render(step.body_line, styled));
                text.push('\n');
            }
        }
        for problem in &self.problems {
            let _ = writeln!(text, "{}: {}", self.path, visible(problem));
        }
        for error in &self.errors {
            let _ = writeln!(text, "{}", error.render(&self.path, source, styled));
        }
        text
    }
}

/// Counts over all labs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Labs that passed, blessed ones included.
    pub passed: usize,
    /// Labs that were blessed.
    pub blessed: usize,
    /// Labs that failed.
    pub failed: usize,
    /// Labs that could not be read.
    pub unreadable: usize,
    /// Labs that were not run.
    pub not_run: usize,
    /// Commands that ran.
    pub commands: usize,
}

impl Summary {
    /// Counts.
    pub fn of(reports: &[LabReport]) -> Self {
        let count = |verdict| reports.iter().filter(|report| report.verdict == verdict).count();
        let blessed = count(Verdict::Blessed);
        Self {
            passed: count(Verdict::Passed) + blessed,
            blessed,
            failed: count(Verdict::Failed),
            unreadable: count(Verdict::Unreadable),
            not_run: count(Verdict::NotRun),
            commands: reports.iter().map(|report| report.steps.len()).sum(),
        }
    }

    /// 0 if all passed, 1 if some failed, 2 if a document could not be read.
    pub fn exit_status(&self) -> u8 {
        match (self.unreadable, self.failed) {
            (0, 0) => 0,
            (0, _) => 1,
            _ => 2,
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labs = self.passed + self.failed + self.unreadable + self.not_run;
        write!(f, "{labs} lab{}: {} passed", plural(labs), self.passed)?;
        if self.blessed > 0 {
            write!(f, " ({} blessed)", self.blessed)?;
        }
        for (count, word) in [(self.failed, "failed"), (self.unreadable, "unreadable"), (self.not_run, "not run")] {
            if count > 0 {
                write!(f, ", {count} {word}")?;
            }
        }
        write!(f, "; {} command{}", self.commands, plural(self.commands))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_is_the_worst() {
        let of = |verdicts: &[Verdict]| {
            let report = |verdict: &Verdict| LabReport { verdict: *verdict, ..LabReport::new("a", "a.md") };
            Summary::of(&verdicts.iter().map(report).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]).exit_status(), 0);
        assert_eq!(of(&[Verdict::Passed, Verdict::Blessed]).exit_status(), 0);
        assert_eq!(of(&[Verdict::Passed, Verdict::Failed, Verdict::NotRun]).exit_status(), 1);
        assert_eq!(of(&[Verdict::Failed, Verdict::Unreadable]).exit_status(), 2);
        assert_eq!(
            of(&[Verdict::Passed, Verdict::Failed, Verdict::NotRun]).to_string(),
            "3 labs: 1 passed, 1 failed, 1 not run; 0 commands"
        );
    }
}
