//! A lab as data: read from Markdown, from a containerlab topology or from a shell script.
//!
//! [`read`] never gives up a whole document: the steps before the first mistake are there, and so is the mistake, so
//! that what can run runs and is written.

mod cluster;
pub mod command;
mod containerlab;
mod markdown;
pub mod print;
pub mod prompt;
mod schema;
mod source;
mod steps;
pub mod topology;
pub mod units;
mod yaml;

use std::ops::Range;

pub use cluster::ClusterPlan;
pub use source::{Form, read};
pub use topology::{Fault, Topology};

use crate::diagnostic::Diagnostic;

/// Whether a line reads as an exit status: `? 1`.
pub(crate) fn is_status(line: &str) -> bool {
    steps::status_number(line).is_some()
}

/// A lab, ready to run.
#[derive(Clone, Debug)]
pub struct Lab {
    /// The file, as the user named it: for messages.
    pub path: String,
    /// The file's text: for messages, and to bless it.
    pub source: String,
    /// What kind of file it is.
    pub form: Form,
    /// The lab's name: the front matter's, else the file's without its ending. Always a [`topology::plain_name`].
    pub name: String,
    /// Its machines and wires.
    pub topology: Topology,
    /// The cluster on them, if there is one.
    pub cluster: Option<ClusterPlan>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// Keys of the front matter that have no effect, and why.
    pub notes: Vec<Diagnostic>,
    /// The first thing that could not be read. What stands before it is in `steps`.
    pub error: Option<Diagnostic>,
}

/// One command of a lab and what it should print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The machine it runs on.
    pub machine: String,
    /// What runs.
    pub action: Action,
    /// What it should print, and its exit status.
    pub expected: Expected,
    /// Where it stands in the document.
    pub place: Place,
}

/// What a step runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A command, several lines of it joined by newlines.
    Command(String),
    /// A whole script file. Its name (without folders) and its text.
    Script(String, String),
}

impl Action {
    /// The command as a transcript shows it.
    pub fn shown(&self) -> String {
        match self {
            Self::Command(command) => command.clone(),
            Self::Script(name, _) => format!("bash {name}"),
        }
    }

    /// Whether it goes into the background: such a command prints nothing into the transcript.
    pub fn in_background(&self) -> bool {
        matches!(self, Self::Command(command)
            if command.trim_end().strip_suffix('&').is_some_and(|rest| !rest.ends_with(['&', '\\'])))
    }
}

/// What a command should print, and its exit status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The lines, with `...` and `[..]`. Empty: the output is not compared.
    pub lines: Vec<String>,
    /// The exit status.
    pub status: u8,
}

/// Where a step stands in its document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line of its prompt, from 1.
    pub line: usize,
    /// The line of the first expected line, from 1.
    pub body_line: usize,
    /// The bytes of the command, its continued lines included.
    pub command: Range<usize>,
    /// The bytes of the expected lines: whole lines with their newlines, up to the last one that is not blank, a
    /// `? N` included. Empty, behind the command's last line, if there are none.
    pub body: Range<usize>,
    /// What stands before each line of the block: the indentation of a list item, the `> ` of a quotation.
    pub indent: String,
    /// The fence of the block: a line of the output must not look like it.
    pub fence: String,
}
