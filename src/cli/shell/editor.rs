//! The interactive side: line editing, history, completion.

use std::io::{self, Write};

use rustyline::completion::{Completer, Pair};
use rustyline::config::Config;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Context, Editor, Helper, Highlighter, Hinter};

use super::super::interactive::Interactive;
use super::super::{Ended, Refusal};
use super::session::{Answer, Session};

/// What the editor asks while the user types. It owns the session, because completion looks into the world.
#[derive(Helper, Highlighter, Hinter)]
struct Assistant<'s, W: Interactive> {
    session: &'s mut Session<W>,
}

/// Reads lines from the terminal until the user leaves.
pub(super) fn converse<W: Interactive>(session: &mut Session<W>) -> Ended {
    let refuse = |error: ReadlineError| Refusal::new(format!("the terminal cannot be used: {error}"));
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(true).build();
    // History is kept in memory only: nothing is written to the user's home.
    let mut editor = Editor::<Assistant<'_, W>, MemHistory>::with_history(config, MemHistory::new()).map_err(refuse)?;
    editor.set_helper(Some(Assistant { session }));
    loop {
        let prompt = editor.helper().map(|helper| helper.session.prompt()).unwrap_or_default();
        match editor.readline(&prompt) {
            Ok(line) => match editor.helper_mut().map(|helper| helper.session.typed(&line)) {
                Some(Answer::Output(text)) => show(&text),
                Some(Answer::Leave) | None => break,
            },
            // Ctrl-C gives up a line, as in bash.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(refuse(error)),
        }
    }
    Ok(editor.helper().map_or(0, |helper| helper.session.status()))
}

/// Prints an output so that the next prompt begins on a line of its own.
fn show(text: &str) {
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let mut stdout = io::stdout();
    // A terminal that has gone away ends the next readline.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(newline.as_bytes()));
    let _ = stdout.flush();
}

impl<W: Interactive> Completer for Assistant<'_, W> {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = line.get(..at).unwrap_or(line);
        let start = line.rfind([' ', '\t', '|', ';', '&', '(']).map_or(0, |blank| blank + 1);
        let (before, word) = line.split_at_checked(start).unwrap_or(("", line));
        let pair = |word: String| Pair { display: word.clone(), replacement: word + " " };
        Ok((start, self.session.complete(before, word).into_iter().map(pair).collect()))
    }
}

impl<W: Interactive> Validator for Assistant<'_, W> {
    /// A command that needs more lines gets them before it runs.
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let more = self.session.wants_more(context.input());
        Ok(if more { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}
