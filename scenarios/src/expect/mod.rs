//! What a command printed against what its document says.
//!
//! The rules are those of the crates trycmd and snapbox: `...` alone on a line stands for any number of lines, `[..]`
//! for anything within a line, blank lines at the end do not count. Blanks at the end of a line do not count either:
//! `ip` prints some, and editors strip them.

mod align;
mod bless;
mod diff;
mod matching;

pub use bless::{bless, bless_document, is_speakable};
pub use diff::{DiffLine, Difference};
pub use matching::{line_matches, matches, output_lines};

use crate::document::Expected;

/// A line that stands for any number of lines.
pub const ANY_LINES: &str = "...";
/// What stands for anything within a line.
pub const ANY_TEXT: &str = "[..]";

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actual {
    /// Standard output and standard error, in the order in which they were written.
    pub output: String,
    /// The exit status.
    pub status: i32,
}

/// Compares; `None` if all is as expected.
pub fn compare(expected: &Expected, actual: &Actual) -> Option<Difference> {
    let lines_agree = expected.lines.is_empty() || matches(&expected.lines, &actual.output);
    if lines_agree && actual.status == i32::from(expected.status) {
        return None;
    }
    Some(Difference::new(expected, actual, lines_agree))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(lines: &[&str], status: u8) -> Expected {
        Expected { lines: lines.iter().map(|l| (*l).to_owned()).collect(), status }
    }

    fn agrees(lines: &[&str], status: u8, output: &str, actual: i32) -> bool {
        compare(&expected(lines, status), &Actual { output: output.into(), status: actual }).is_none()
    }

    #[test]
    fn without_lines_only_the_status_counts() {
        assert!(agrees(&[], 0, "anything\n", 0));
        assert!(!agrees(&[], 0, "", 1));
        assert!(agrees(&[], 2, "", 2));
    }

    #[test]
    fn lines_and_status_both_count() {
        assert!(agrees(&["a"], 1, "a\n", 1));
        assert!(!agrees(&["a"], 1, "a\n", 0));
        assert!(!agrees(&["a"], 0, "b\n", 0));
        assert!(!agrees(&["a"], 0, "", 0));
    }
}
