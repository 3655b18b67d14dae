//! The transcript: each command with its prompt, its output, and its status if that is not 0.

use crate::expect::Actual;

/// A transcript being written, in the form that a recording on real Linux has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript(String);

impl Transcript {
    /// Adds a command. Nothing is added to an output that does not end in a newline: recordings do not do so either.
    pub fn add(&mut self, machine: &str, command: &str, actual: &Actual) {
        self.0.push_str(&format!("{machine}# {command}\n{}", actual.output));
        if actual.status != 0 {
            self.0.push_str(&format!("? {}\n", actual.status));
        }
    }

    /// The text so far.
    pub fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}
