//! The difference between expected and actual lines, with the document's line numbers.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use similar::{Algorithm, ChangeTag, DiffOp, TextDiff, capture_diff_slices};

use super::align::{Edit, align};
use super::matching::{line_matches, output_lines};
use super::{ANY_LINES, Actual};
use crate::diagnostic::visible;
use crate::document::Expected;

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The lines, in order; empty if only the status differs.
    pub lines: Vec<DiffLine>,
    /// Expected and actual status, if they differ.
    pub status: Option<(u8, i32)>,
    /// The end of what was printed, if only the status differs: it says why.
    pub printed: Vec<String>,
}

/// A line of a difference. Numbers count the expected lines of the command, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiffLine {
    /// As expected.
    Same(usize, String),
    /// A `...` that stands for this many lines.
    Any(usize, usize),
    /// Expected and not there.
    Missing(usize, String),
    /// There and not expected.
    Extra(String),
    /// Another line than expected.
    Changed(usize, String, String),
}

/// Lines around a difference that are shown although they agree.
const CONTEXT: usize = 3;
/// A difference that is longer than this is cut: the transcript has all of it.
const MAX_SHOWN: usize = 80;
/// So many last lines are shown of an output that was not compared.
const MAX_PRINTED: usize = 20;

impl Difference {
    pub(super) fn new(expected: &Expected, actual: &Actual, lines_agree: bool) -> Self {
        let lines = if lines_agree { Vec::new() } else { diff(&expected.lines, &output_lines(&actual.output)) };
        let status = (actual.status != i32::from(expected.status)).then_some((expected.status, actual.status));
        let printed = if lines.is_empty() && status.is_some() {
            let all = output_lines(&actual.output);
            all.iter().skip(all.len().saturating_sub(MAX_PRINTED)).map(|line| (*line).to_owned()).collect()
        } else {
            Vec::new()
        };
        Self { lines, status, printed }
    }

    /// The difference as text. `first_line` is the document's line of the first expected line. `-` marks what the
    /// document says, `+` what was printed. `styled` adds terminal colours.
    pub fn render(&self, first_line: usize, styled: bool) -> String {
        let painter = Painter { styled };
        let mut rows: Vec<(bool, String)> = Vec::new();
        for line in &self.lines {
            match line {
                DiffLine::Same(at, text) => rows.push((false, row(Some(first_line + at), ' ', &visible(text)))),
                DiffLine::Any(at, count) => {
                    let text = format!("{ANY_LINES}  ({count} lines)");
                    rows.push((false, row(Some(first_line + at), ' ', &painter.paint(DIM, &text))));
                }
                DiffLine::Missing(at, text) => rows.push((true, painter.missing(first_line + at, &visible(text)))),
                DiffLine::Extra(text) => rows.push((true, painter.extra(&visible(text)))),
                DiffLine::Changed(at, old, new) => {
                    let (old, new) = painter.changed(&visible(old), &visible(new));
                    rows.push((true, row(Some(first_line + at), '-', &old)));
                    rows.push((true, row(None, '+', &new)));
                }
            }
        }
        let mut text = String::new();
        for part in with_context(&rows).into_iter().take(MAX_SHOWN) {
            let _ = writeln!(text, "{part}");
        }
        if rows.len() > MAX_SHOWN {
            let _ = writeln!(text, "      : more lines differ; the transcript has all of them");
        }
        for line in &self.printed {
            let _ = writeln!(text, "{}", row(None, ' ', &visible(line)));
        }
        if let Some((expected, actual)) = self.status {
            let _ = writeln!(text, "      = exit status {actual}, expected {expected}");
        }
        text
    }
}

/// Lines near a difference; a gap is one line.
fn with_context(rows: &[(bool, String)]) -> Vec<&str> {
    let near = |at: usize| {
        let from = at.saturating_sub(CONTEXT);
        rows.iter().skip(from).take(at - from + CONTEXT + 1).any(|(differs, _)| *differs)
    };
    let mut parts: Vec<&str> = Vec::new();
    const GAP: &str = "      :";
    for (at, (_, row)) in rows.iter().enumerate() {
        if near(at) {
            parts.push(row);
        } else if parts.last() != Some(&GAP) {
            parts.push(GAP);
        }
    }
    parts
}

fn row(number: Option<usize>, mark: char, text: &str) -> String {
    let number = number.map(|n| n.to_string()).unwrap_or_default();
    format!("{number:>5} |{mark}{text}")
}

const OLD: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();
const DIM: Style = Style::new().dimmed();

struct Painter {
    styled: bool,
}

impl Painter {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.styled { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn missing(&self, number: usize, text: &str) -> String {
        row(Some(number), '-', &self.paint(OLD, text))
    }

    fn extra(&self, text: &str) -> String {
        row(None, '+', &self.paint(NEW, text))
    }

    /// Both sides of a changed line, the words that differ underlined.
    fn changed(&self, old: &str, new: &str) -> (String, String) {
        if !self.styled {
            return (old.to_owned(), new.to_owned());
        }
        let (mut left, mut right) = (String::new(), String::new());
        for change in TextDiff::from_words(old, new).iter_all_changes() {
            let word = change.value();
            match change.tag() {
                ChangeTag::Equal => {
                    left.push_str(&self.paint(OLD, word));
                    right.push_str(&self.paint(NEW, word));
                }
                ChangeTag::Delete => left.push_str(&self.paint(OLD.underline(), word)),
                ChangeTag::Insert => right.push_str(&self.paint(NEW.underline(), word)),
            }
        }
        (left, right)
    }
}

fn diff(expected: &[String], actual: &[&str]) -> Vec<DiffLine> {
    let is_any = |i: usize| expected.get(i).is_some_and(|line| line == ANY_LINES);
    let fits = |i: usize, j: usize| {
        expected.get(i).zip(actual.get(j)).is_some_and(|(pattern, line)| line_matches(pattern, line))
    };
    let Some(edits) = align(expected.len(), actual.len(), is_any, fits) else { return plain_diff(expected, actual) };
    let old = |i: usize| expected.get(i).cloned().unwrap_or_default();
    let new = |j: usize| actual.get(j).map(|line| (*line).to_owned()).unwrap_or_default();
    let line = |edit: Edit| match edit {
        Edit::Keep(i, j) => DiffLine::Same(i, new(j)),
        Edit::Wild(i, range) => DiffLine::Any(i, range.len()),
        Edit::Replace(i, j) => DiffLine::Changed(i, old(i), new(j)),
        Edit::Remove(i) => DiffLine::Missing(i, old(i)),
        Edit::Insert(j) => DiffLine::Extra(new(j)),
    };
    edits.into_iter().map(line).collect()
}

/// For sequences too long to align: a difference that takes wildcards for text.
fn plain_diff(expected: &[String], actual: &[&str]) -> Vec<DiffLine> {
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let mut lines = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &expected, actual) {
        let old = op.old_range();
        let new = op.new_range();
        if matches!(op, DiffOp::Equal { .. }) {
            lines.extend(old.filter_map(|i| Some(DiffLine::Same(i, (*expected.get(i)?).to_owned()))));
            continue;
        }
        lines.extend(old.filter_map(|i| Some(DiffLine::Missing(i, (*expected.get(i)?).to_owned()))));
        lines.extend(new.filter_map(|j| Some(DiffLine::Extra((*actual.get(j)?).to_owned()))));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::compare;
    use super::*;

    fn render(expected: &str, output: &str, status: i32, styled: bool) -> String {
        let expected = Expected { lines: expected.lines().map(str::to_owned).collect(), status: 0 };
        compare(&expected, &Actual { output: output.into(), status }).unwrap().render(10, styled)
    }

    #[test]
    fn lines_have_the_document_s_numbers() {
        assert_eq!(
            render("PING\n...\nrtt [..] ms\nend", "PING\na\nb\nrtt 5 ms\nEND\nmore\n", 1, false),
            "   10 | PING\n   11 | ...  (2 lines)\n   12 | rtt 5 ms\n   13 |-end\n      |+END\n      |+more\n\
             \x20     = exit status 1, expected 0\n"
        );
    }

    #[test]
    fn a_wrong_status_alone_shows_what_was_printed() {
        assert_eq!(
            render("", "boom: no such thing\n", 1, false),
            "      | boom: no such thing\n      = exit status 1, expected 0\n"
        );
    }

    #[test]
    fn far_lines_are_left_out() {
        let same: String = (0..20).map(|n| format!("{n}\n")).collect();
        let text = render(&format!("{same}x"), &format!("{same}y\n"), 0, false);
        assert_eq!(text, "      :\n   27 | 17\n   28 | 18\n   29 | 19\n   30 |-x\n      |+y\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert!(!render("a", "\u{1b}[31mb\u{7}\n", 0, false).contains('\u{1b}'));
    }

    #[test]
    fn colours_mark_the_words_that_differ() {
        let text = render("ttl=64 x", "ttl=63 x\n", 0, true);
        assert!(text.contains("\u{1b}[4m"), "{text:?}");
    }

    #[test]
    fn long_outputs_are_cut() {
        let output: String = (0..100_000).map(|n| format!("{n}\n")).collect();
        let expected: String = (0..1_000).map(|n| format!("x{n}\n")).collect();
        assert!(render(&expected, &output, 0, false).lines().count() < 90);
    }
}
