//! What a program printed, and how it says that something is refused.

use hopwise_sim_core::OriginId;

use super::Refusal;
use crate::names::Names;
use crate::rules::RuleError;

/// What stands behind the name of each program: the version that is modelled.
pub const VERSION: &str = "v1.8.9 (nf_tables)";

/// What a program printed, and its exit status.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// The exit status.
    pub status: i32,
}

impl Answer {
    /// An error with its status.
    #[must_use]
    pub fn failing(mut self, text: &str, status: i32) -> Answer {
        self.err.push_str(text);
        self.status = status;
        self
    }
}

/// A program that runs.
#[derive(Clone, Copy)]
pub struct Tool<'n> {
    /// Its name.
    pub name: &'n str,
    /// Names of hosts, ports and so on.
    pub names: &'n dyn Names,
    /// Who runs it: new rules remember it.
    pub by: OriginId,
}

impl<'n> Tool<'n> {
    /// A program that leaves nothing behind about who ran it.
    pub const fn new(name: &'n str, names: &'n dyn Names) -> Self {
        Tool { name, names, by: OriginId::NONE }
    }

    /// The hint at the help.
    fn hint(&self) -> String {
        format!("Try `{0} -h' or '{0} --help' for more information.\n", self.name)
    }

    /// A refused command line; `line` is the number of the line of a file that it stands in.
    pub(super) fn refused(&self, refusal: &Refusal, line: Option<u32>) -> String {
        let mut text = match refusal {
            Refusal::Problem(_) => format!("{} {VERSION}: {refusal}\n", self.name),
            Refusal::BadArgument(_) => format!("{refusal}\n"),
            Refusal::Hint => String::new(),
        };
        if let Some(line) = line {
            text.push_str(&format!("Error occurred at line: {line}\n"));
        }
        text + &self.hint()
    }

    /// A change that was refused.
    pub(super) fn failed(&self, error: &RuleError) -> String {
        match error {
            RuleError::Kernel { .. } => format!("{} {VERSION}:  {error}\n", self.name),
            RuleError::NoJumpChain(_) => self.refused(&Refusal::new(error.to_string()), None),
            RuleError::NotListed { .. } => format!("{} {VERSION}: {error}\n", self.name),
            _ => format!("{}: {error}\n", self.name),
        }
    }
}
