//! What is wrong with a document, and where: file, line, column, the line itself, and what would be right.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// How serious a [`Diagnostic`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The document cannot be read beyond this place.
    Error,
    /// The document is read, but something in it has no effect here; the text says why.
    Note,
}

/// One finding about a place in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether reading went on.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: String,
    /// Bytes of the document that are meant. `None` when the finding is about the whole file.
    pub span: Option<Range<usize>>,
    /// A few words beside the marked bytes.
    pub label: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at some bytes of the document.
    pub fn error(span: Range<usize>, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Error, title: title.into(), span: Some(span), label: label.into(), help: None }
    }

    /// A note at some bytes of the document.
    pub fn note(span: Range<usize>, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(span, title, label) }
    }

    /// An error about the file as a whole.
    pub fn whole(title: impl Into<String>) -> Self {
        Self { severity: Severity::Error, title: title.into(), span: None, label: String::new(), help: None }
    }

    /// The same finding with a line that says what would be right.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Line and column (both from 1, columns in characters) of the first marked byte.
    pub fn position(&self, source: &str) -> Option<(usize, usize)> {
        self.span.as_ref().map(|span| position(source, span.start))
    }

    /// The finding as text for a person, with the document's line. `styled` adds terminal colours.
    pub fn render(&self, path: &str, source: &str, styled: bool) -> String {
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Note => Level::NOTE,
        };
        let Some(span) = &self.span else {
            let title = format!("{path}: {}", self.title);
            let mut group = annotate_snippets::Group::with_title(level.primary_title(title.as_str()));
            if let Some(help) = &self.help {
                group = group.element(Level::HELP.message(help.as_str()));
            }
            return renderer.render(&[group]);
        };
        let (line_start, excerpt, span) = excerpt(source, span);
        let mut group = level.primary_title(self.title.as_str()).element(
            Snippet::source(excerpt)
                .path(path)
                .line_start(line_start)
                .annotation(AnnotationKind::Primary.span(span).label(self.label.as_str())),
        );
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

/// Text as a terminal may see it: a lab is somebody else's text, and its control characters stay in it. Newlines and
/// tabs are kept.
pub fn visible(text: &str) -> String {
    let escape = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.chars().map(|c| if escape(c) { c.escape_debug().to_string() } else { c.to_string() }).collect()
}

/// Line and column (both from 1, columns in characters) of a byte.
pub fn position(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..source.floor_char_boundary(offset)).unwrap_or(source);
    let line = before.bytes().filter(|&b| b == b'\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
}

/// Where the lines of a text begin: finds a byte's line without reading the text again.
#[derive(Clone, Debug)]
pub struct LineIndex(Vec<usize>);

impl LineIndex {
    /// Indexes a text.
    pub fn new(source: &str) -> Self {
        let behind_newlines = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(behind_newlines).collect())
    }

    /// The line of a byte, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset).max(1)
    }

    /// The first byte of the line of a byte.
    pub fn start(&self, offset: usize) -> usize {
        self.0.get(self.line(offset) - 1).copied().unwrap_or(0)
    }
}

/// The lines around `span`, so that a long document costs nothing to render: (first line's number, text, span in it).
fn excerpt<'a>(source: &'a str, span: &Range<usize>) -> (usize, &'a str, Range<usize>) {
    let start = source.floor_char_boundary(span.start);
    let end = source.ceil_char_boundary(span.end.max(span.start));
    let from = source.get(..start).and_then(|s| s.rfind('\n')).map_or(0, |i| i + 1);
    let to = source.get(end..).and_then(|s| s.find('\n')).map_or(source.len(), |i| end + i);
    let (line, _) = position(source, from);
    (line, source.get(from..to).unwrap_or(""), start - from..end - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_shown_with_its_number() {
        let source = "one\ntwo bad three\nfour\n";
        let text = Diagnostic::error(8..11, "bad word", "not known").help("write `good`").render("x.md", source, false);
        assert_eq!(
            text,
            "error: bad word\n --> x.md:2:5\n  |\n2 | two bad three\n  |     ^^^ not known\n  |\n  = help: write `good`"
        );
    }

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(visible("a\u{1b}[31m\tb\nc\r"), "a\\u{1b}[31m\tb\nc\\r");
    }

    #[test]
    fn an_index_knows_the_lines() {
        let index = LineIndex::new("a\n\nbc\n");
        let lines: Vec<_> = (0..7).map(|at| (index.line(at), index.start(at))).collect();
        assert_eq!(lines, [(1, 0), (1, 0), (2, 2), (3, 3), (3, 3), (3, 3), (4, 6)]);
    }

    #[test]
    fn spans_outside_of_the_source_do_not_panic() {
        for span in [0..0, 3..99, 99..100, 1..2] {
            let _ = Diagnostic::error(span, "t", "l").render("x", "é", true);
        }
    }

    #[test]
    fn a_finding_about_the_whole_file_names_the_file() {
        assert_eq!(Diagnostic::whole("is empty").render("x.md", "", false), "error: x.md: is empty");
    }
}
