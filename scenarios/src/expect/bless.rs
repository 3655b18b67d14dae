//! `--bless`: expected lines rewritten from what was printed, wildcards kept where they still fit.

use super::align::{Edit, align};
use super::matching::{line_matches, matches, output_lines};
use super::{ANY_LINES, ANY_TEXT, Actual};
use crate::diagnostic::Diagnostic;
use crate::document::{self, Lab, Step, prompt};

/// The lines to expect after `output` was printed where `expected` stood.
///
/// `fence` is the fence of the block the lines stand in, `""` if there is none: no line may look like it.
pub fn bless(expected: &[String], output: &str, fence: &str) -> Vec<String> {
    if matches(expected, output) {
        return expected.to_vec();
    }
    let actual = output_lines(output);
    let is_any = |i: usize| expected.get(i).is_some_and(|line| line == ANY_LINES);
    let fits = |i: usize, j: usize| {
        expected.get(i).zip(actual.get(j)).is_some_and(|(pattern, line)| line_matches(pattern, line))
    };
    let new = |j: usize| actual.get(j).map(|line| speakable(line, fence));
    let old = |i: usize| expected.get(i).cloned();
    let edits = align(expected.len(), actual.len(), is_any, fits)
        .unwrap_or_else(|| (0..actual.len()).map(Edit::Insert).collect());
    let mut lines: Vec<String> = Vec::new();
    for edit in edits {
        lines.extend(match edit {
            Edit::Keep(i, _) | Edit::Wild(i, _) => old(i),
            Edit::Replace(i, j) => merged(expected.get(i), actual.get(j).copied(), fence).or_else(|| new(j)),
            Edit::Insert(j) => new(j),
            Edit::Remove(_) => None,
        });
    }
    // `? 1` as the last line would be read as the status.
    if let Some(last) = lines.last_mut()
        && document::is_status(last)
    {
        last.replace_range(..1, ANY_TEXT);
    }
    if matches(&lines, output) { lines } else { actual.iter().map(|line| speakable(line, fence)).collect() }
}

/// A changed line with the `[..]` of the old one where both their neighbours still fit.
fn merged(old: Option<&String>, new: Option<&str>, fence: &str) -> Option<String> {
    let (old, new) = (old?, new?);
    if !old.contains(ANY_TEXT) {
        return None;
    }
    let (pattern, actual) = (words(old), words(new));
    let is_wild = |i: usize| pattern.get(i) == Some(&ANY_TEXT);
    let fits = |i: usize, j: usize| pattern.get(i) == actual.get(j);
    let edits = align(pattern.len(), actual.len(), is_wild, fits)?;
    let mut line = String::new();
    for (at, edit) in edits.iter().enumerate() {
        let (before, after) = (edits.get(..at)?, edits.get(at + 1..)?);
        match edit {
            Edit::Wild(..) if fits_beside(before.iter().rev(), &actual) && fits_beside(after.iter(), &actual) => {
                line.push_str(ANY_TEXT);
            }
            Edit::Wild(_, range) => line.extend(actual.get(range.clone())?.iter().copied()),
            Edit::Keep(_, j) | Edit::Replace(_, j) | Edit::Insert(j) => line.push_str(actual.get(*j)?),
            Edit::Remove(_) => {}
        }
    }
    (line_matches(&line, new) && is_speakable(&line, fence)).then_some(line)
}

/// Whether the nearest word on one side of a wildcard is the old one. Blanks are everywhere and prove nothing.
fn fits_beside<'e>(mut side: impl Iterator<Item = &'e Edit>, actual: &[&str]) -> bool {
    let is_blank =
        |edit: &&Edit| matches!(edit, Edit::Keep(_, j) if actual.get(*j).is_some_and(|w| w.trim().is_empty()));
    side.find(|edit| !is_blank(edit)).is_none_or(|edit| matches!(edit, Edit::Keep(..)))
}

/// Splits a line into wildcards, runs of letters, runs of digits and single other characters.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let class = |c: char| (c.is_alphabetic(), c.is_ascii_digit());
        let end = if rest.starts_with(ANY_TEXT) {
            ANY_TEXT.len()
        } else if class(first) == (false, false) {
            first.len_utf8()
        } else {
            rest.find(|c| class(c) != class(first)).unwrap_or(rest.len())
        };
        let Some((word, after)) = rest.split_at_checked(end) else { break };
        words.push(word);
        rest = after;
    }
    words
}

/// Whether a document can say this line: it reads neither as a prompt nor as a fence, and has no control characters.
pub fn is_speakable(line: &str, fence: &str) -> bool {
    prompt::read(line).is_none() && !is_fence(line, fence) && !line.contains(|c: char| c.is_control() && c != '\t')
}

fn is_fence(line: &str, fence: &str) -> bool {
    !fence.is_empty() && line.trim_start().starts_with(fence)
}

/// The line as a document can say it: what cannot stand there is behind a `[..]`.
fn speakable(line: &str, fence: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        match c {
            '\t' => text.push(c),
            c if c.is_control() || c == '\u{fffd}' => {
                if !text.ends_with(ANY_TEXT) {
                    text.push_str(ANY_TEXT);
                }
            }
            c => text.push(c),
        }
    }
    if is_fence(&text, fence) {
        let blank = text.len() - text.trim_start().len();
        text.replace_range(blank..blank + 1, ANY_TEXT);
    } else if prompt::read(&text).is_some() {
        // Up to the blank that ends the prompt.
        let end = text.find([' ', '\t']).unwrap_or(1);
        text.replace_range(..end, ANY_TEXT);
        if prompt::read(&text).is_some() {
            text = ANY_TEXT.to_owned();
        }
    }
    text
}

/// The document with the expected lines of some steps rewritten.
///
/// # Errors
/// If the text cannot be blessed so that it reads back as what was printed. Nothing is lost then: the caller keeps the
/// document as it is.
pub fn bless_document(lab: &Lab, changed: &[(usize, Actual)]) -> Result<String, Diagnostic> {
    let mut text = lab.source.clone();
    // From the last one to the first, so that the places before stay true.
    for (index, actual) in changed.iter().rev() {
        let Some(step) = lab.steps.get(*index) else { continue };
        let body = body(step, actual, lab.source.get(step.place.command.end..).unwrap_or(""));
        if text.get(step.place.body.clone()).is_some() {
            text.replace_range(step.place.body.clone(), &body);
        }
    }
    let again = document::read(&lab.path, &text);
    for (index, actual) in changed {
        let reads_back = again.steps.get(*index).is_some_and(|step| {
            lab.steps.get(*index).is_some_and(|old| old.action == step.action && old.machine == step.machine)
                && super::compare(&step.expected, actual).is_none()
        });
        if !reads_back || again.steps.len() != lab.steps.len() {
            let span = lab.steps.get(*index).map_or(0..0, |step| step.place.command.clone());
            let title = "what this command printed cannot be written into its block";
            return Err(Diagnostic::error(span, title, "this command").help("bless it by hand"));
        }
    }
    Ok(text)
}

/// The new expected lines of a step as bytes of the document.
fn body(step: &Step, actual: &Actual, after_command: &str) -> String {
    let newline = if after_command.starts_with("\r\n") { "\r\n" } else { "\n" };
    let mut lines = if step.expected.lines.is_empty() {
        step.expected.lines.clone()
    } else {
        bless(&step.expected.lines, &actual.output, &step.place.fence)
    };
    if actual.status != 0 {
        lines.push(format!("? {}", actual.status));
    }
    lines
        .iter()
        .map(|line| format!("{}{line}", step.place.indent))
        .map(|line| line.trim_end().to_owned() + newline)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blessed(expected: &str, output: &str) -> String {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        bless(&expected, output, "```").join("\n")
    }

    #[test]
    fn wildcards_stay_where_they_fit() {
        assert_eq!(
            blessed(
                "64 bytes from [..]: icmp_seq=1 ttl=64 time=[..] ms\n...\nend",
                "64 bytes from 10.0.0.1: icmp_seq=1 ttl=63 time=0.5 ms\nx\ny\nend\n"
            ),
            "64 bytes from [..]: icmp_seq=1 ttl=63 time=[..] ms\n...\nend"
        );
        assert_eq!(blessed("a\n[..]b\nc", "a\nxb\nd\n"), "a\n[..]b\nd");
    }

    #[test]
    fn wildcards_go_where_they_would_hide_what_changed() {
        assert_eq!(blessed("a\n...\nend", "a\nx\nEND\n"), "a\nx\nEND");
        assert_eq!(blessed("From [..] Unreachable", "64 bytes of 3\n"), "64 bytes of 3");
    }

    #[test]
    fn output_that_looks_like_the_document_is_hidden() {
        assert_eq!(blessed("x", "# Generated by\n"), "[..] Generated by");
        assert_eq!(blessed("x", "host# x\n"), "[..] x");
        assert_eq!(blessed("x", "```\n````x\n"), "[..]``\n[..]```x");
        assert_eq!(blessed("x", "a\n? 1\n"), "a\n[..] 1");
        assert_eq!(blessed("x", "a\u{1b}[0mb\rc\n"), "a[..][0mb[..]c");
        assert_eq!(blessed("x", "[root@w ~]# a\n"), "[..] ~]# a");
    }

    #[test]
    fn no_output_is_no_lines() {
        assert_eq!(blessed("a\nb", ""), "");
    }

    proptest! {
        #[test]
        fn what_is_blessed_matches(
            expected in prop::collection::vec("([ab #]|\\[\\.\\.\\]){0,5}|\\.\\.\\.", 0..6),
            output in "[ab #$?1`\r\n\t]{0,40}",
        ) {
            let lines = bless(&expected, &output, "```");
            prop_assert!(matches(&lines, &output), "{:?}", lines);
            prop_assert_eq!(bless(&lines, &output, "```"), lines);
        }
    }
}
