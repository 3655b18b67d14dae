//! The console blocks of a Markdown document, found as CommonMark finds them.
//!
//! A fence in a list item or in a quotation is a block; a fence in an indented example or in an HTML comment is not:
//! what a reader sees as a console block is what runs.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use crate::diagnostic::Diagnostic;

/// One line inside of a console block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The text, without the block's indentation and without the newline.
    pub(super) text: &'a str,
    /// Where `text` stands in the document.
    pub(super) span: Range<usize>,
}

/// A block that runs.
#[derive(Clone, Debug)]
pub(super) struct Block<'a> {
    /// All of it, from the opening fence to the closing one.
    pub(super) span: Range<usize>,
    /// The fence: three or more backquotes or tildes.
    pub(super) fence: &'a str,
    /// Its lines.
    pub(super) lines: Vec<Line<'a>>,
}

/// The word that makes a fenced block run.
const CONSOLE: &str = "console";
/// The word after it that makes it prose again.
const IGNORE: &str = "ignore";

/// All console blocks after byte `from`, and the errors in their fences, in the document's order.
pub(super) fn console_blocks(source: &str, from: usize) -> Vec<Result<Block<'_>, Diagnostic>> {
    let text = source.get(from..).unwrap_or("");
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        let range = range.start + from..range.end + from;
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => match runs(&info) {
                Ok(true) => open = Some(Block { fence: fence(source, &range), span: range, lines: Vec::new() }),
                Ok(false) => {}
                Err(word) => blocks.push(Err(unknown_word(source, range, &word))),
            },
            Event::Text(_) => {
                if let Some(block) = &mut open {
                    add_lines(&mut block.lines, source, range);
                }
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take().map(|block| closed(source, block))),
            _ => {}
        }
    }
    blocks
}

/// Whether a block with this info string runs.
fn runs(info: &str) -> Result<bool, String> {
    let mut words = info.split_whitespace();
    if words.next() != Some(CONSOLE) {
        return Ok(false);
    }
    match words.find(|&word| word != IGNORE) {
        Some(word) => Err(word.to_owned()),
        None => Ok(!info.split_whitespace().any(|word| word == IGNORE)),
    }
}

fn unknown_word(source: &str, block: Range<usize>, word: &str) -> Diagnostic {
    let line_end = source.get(block.clone()).and_then(|s| s.find('\n')).map_or(block.end, |i| block.start + i);
    let start = source
        .get(block.start..line_end)
        .and_then(|line| line.match_indices(word).find(|(i, _)| *i > line.find(CONSOLE).unwrap_or(0)))
        .map_or(block.start, |(i, _)| block.start + i);
    Diagnostic::error(start..start + word.len(), format!("`{word}` means nothing after `console`"), "not known")
        .help("```console runs a block, ```console ignore leaves it to the reader")
}

/// The run of fence characters that opens the block.
fn fence<'a>(source: &'a str, block: &Range<usize>) -> &'a str {
    let text = source.get(block.clone()).unwrap_or("");
    let first = text.chars().next().unwrap_or('`');
    text.get(..text.len() - text.trim_start_matches(first).len()).unwrap_or(text)
}

/// A block whose closing fence is missing swallows the rest of the document as expected output: refuse it instead.
fn closed<'a>(source: &'a str, block: Block<'a>) -> Result<Block<'a>, Diagnostic> {
    let text = source.get(block.span.clone()).unwrap_or("");
    let last = text.trim_end().rsplit_once('\n').map_or("", |(_, last)| last);
    let mark = block.fence.chars().next().unwrap_or('`');
    let run = last.trim_start_matches([' ', '\t', '>']);
    if run.len() >= block.fence.len() && run.chars().all(|c| c == mark) {
        return Ok(block);
    }
    let start = block.span.start;
    Err(Diagnostic::error(start..start + block.fence.len(), "a console block is never closed", "opened here")
        .help(format!("end it with a line {}", block.fence)))
}

/// Splits the source of a text event into lines. Events of one block come in order; a line may be spread over several:
/// between a carriage return and its newline there is always a border.
fn add_lines<'a>(lines: &mut Vec<Line<'a>>, source: &'a str, range: Range<usize>) {
    let mut start = range.start;
    for piece in source.get(range).unwrap_or("").split_inclusive('\n') {
        let mut span = start..start + piece.len();
        start = span.end;
        let unfinished =
            lines.pop_if(|last| source.get(last.span.start..span.start).is_some_and(|between| !between.contains('\n')));
        if let Some(before) = unfinished {
            span.start = before.span.start;
        }
        let text = source.get(span.clone()).unwrap_or("").trim_end_matches(['\r', '\n']);
        lines.push(Line { text, span });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(source: &str) -> Vec<Vec<&str>> {
        console_blocks(source, 0).into_iter().map(|b| b.unwrap().lines.iter().map(|l| l.text).collect()).collect()
    }

    #[test]
    fn blocks_that_run() {
        assert_eq!(texts("```console\n# a\nb\n\nc\n```\n"), [vec!["# a", "b", "", "c"]]);
        assert_eq!(texts("~~~~ console\n# a\n```\n~~~\n~~~~\n"), [vec!["# a", "```", "~~~"]]);
        assert_eq!(texts("- item\n\n  ```console\n  # a\n    b\n\n  c\n  ```\n"), [vec!["# a", "  b", "", "c"]]);
        assert_eq!(texts("> ```console\n> # a\n>\n>  b\n> ```\n"), [vec!["# a", "", " b"]]);
        assert_eq!(texts("```console\r\n# a\r\n\r\nb\r\n```\r\n"), [vec!["# a", "", "b"]]);
    }

    #[test]
    fn what_a_reader_does_not_see_as_a_console_block_does_not_run() {
        for source in [
            "```console ignore\n# a\n```\n",
            "```sh\n# a\n```\n",
            "    ```console\n    # a\n    ```\n",
            "<!--\n```console\n# a\n```\n-->\n",
            "````markdown\n```console\n# a\n```\n````\n",
        ] {
            assert!(console_blocks(source, 0).is_empty(), "{source}");
        }
    }

    #[test]
    fn a_block_that_is_never_closed_is_an_error() {
        for source in ["text\n```console\n# a\n", "```console", "````console\n# a\n```\n", "- ```console\n  # a\n\nx\n"]
        {
            let blocks = console_blocks(source, 0);
            assert_eq!(blocks[0].as_ref().unwrap_err().title, "a console block is never closed", "{source}");
        }
    }

    #[test]
    fn an_unknown_word_is_an_error() {
        let source = "```console norun\n# a\n```\n";
        let error = console_blocks(source, 0).remove(0).unwrap_err();
        assert_eq!(&source[error.span.unwrap()], "norun");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_spans_are_the_text(text in "[`~>\\- \t\r\n#a1.consle\u{0}é]{0,80}") {
            for block in console_blocks(&text, 0).into_iter().flatten() {
                for line in block.lines {
                    prop_assert!(text[line.span.clone()].starts_with(line.text));
                    prop_assert!(!line.text.contains('\n'));
                }
            }
        }
    }
}
