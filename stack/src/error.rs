//! Errors in Linux's words: an errno, and the sentence that netlink's extended acknowledgement adds.

use core::fmt;

pub use hopwise_sim_core::Errno;

/// The refusal of a control operation: what netlink answers.
///
/// `ip` prints `Error: TEXT.` if there is an extended text, else `RTNETLINK answers: STRERROR`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NlError {
    /// The error number.
    pub errno: Errno,
    /// The sentence of the extended acknowledgement, without a full stop (`NL_SET_ERR_MSG`).
    pub extack: Option<String>,
}

impl NlError {
    /// A refusal with an extended text.
    pub fn with(errno: Errno, text: impl Into<String>) -> Self {
        NlError { errno, extack: Some(text.into()) }
    }
}

impl From<Errno> for NlError {
    fn from(errno: Errno) -> Self {
        NlError { errno, extack: None }
    }
}

impl fmt::Display for NlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.extack {
            Some(text) => write!(f, "Error: {text}."),
            None => write!(f, "RTNETLINK answers: {}", self.errno),
        }
    }
}

impl core::error::Error for NlError {}
