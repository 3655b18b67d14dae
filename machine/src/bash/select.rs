//! `select`: a menu on standard error, a line read into `REPLY`, the body; again until `break` or the input's end.

use std::sync::Arc;

use super::ast::{Command, Kind as Node};
use super::builtins::Outcome;
use super::expand::Stop;
use super::frame::{Frame, Kind, Next};
use super::shell::Shell;
use crate::{Kernel, Sys};

/// A `select` under way.
#[derive(Clone, Debug)]
pub(super) struct Select {
    node: Arc<Command>,
    words: Option<Vec<String>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Menu,
    Prompt,
    /// The line is being read, or was.
    Answer,
}

impl Select {
    pub(super) fn new(node: Arc<Command>) -> Self {
        Select { node, words: None, stage: Stage::Menu }
    }
}

impl Shell {
    pub(super) fn advance_select<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        let Kind::Select(select) = &mut frame.kind else { return Next::Stay };
        let node = select.node.clone();
        let Node::For { name, words, body, .. } = &node.kind else { return Next::Done(0) };
        let Some(list) = &select.words else {
            let memo = std::mem::take(&mut frame.memo);
            let expanded = match words {
                None => Ok(self.args.clone()),
                Some(source) => self.attempt(sys, &memo, |x| {
                    let mut out = Vec::new();
                    source.iter().try_for_each(|w| x.fields(w, &mut out))?;
                    Ok(out)
                }),
            };
            return match expanded {
                Ok(list) if list.is_empty() => Next::Done(0),
                Ok(list) => {
                    select.words = Some(list);
                    Next::Stay
                }
                Err(Stop::Substitution(substitution)) => {
                    frame.memo = memo;
                    self.start_substitution(sys, &substitution)
                }
                Err(stop) => self.expansion_failed(sys, stop),
            };
        };
        match select.stage {
            Stage::Menu => {
                let width = self.vars.scalar("COLUMNS").and_then(|c| c.parse().ok()).filter(|c| *c > 0).unwrap_or(80);
                sys.err(&menu(list, width));
                select.stage = Stage::Prompt;
                Next::Stay
            }
            Stage::Prompt => {
                sys.err(self.vars.scalar("PS3").unwrap_or("#? "));
                select.stage = Stage::Answer;
                match self.builtin_read(sys, &[]) {
                    Outcome::Run(kind) => Next::Push(kind),
                    Outcome::Status(status) => {
                        self.status = status;
                        Next::Stay
                    }
                    _ => Next::Done(1),
                }
            }
            Stage::Answer if self.status != 0 => {
                sys.out("\n");
                Next::Done(1)
            }
            Stage::Answer => {
                let reply = self.vars.scalar("REPLY").unwrap_or("").trim().to_owned();
                if reply.is_empty() {
                    select.stage = Stage::Menu;
                    return Next::Stay;
                }
                let chosen = reply.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).and_then(|n| list.get(n));
                let chosen = chosen.cloned().unwrap_or_default();
                select.stage = Stage::Prompt;
                if let Err(error) = self.vars.set(name, None, chosen) {
                    self.complain(sys, &format!("{}: readonly variable", error.0));
                    return Next::Done(1);
                }
                Next::Push(Shell::list_frame(body))
            }
        }
    }
}

/// The numbered words in columns, filled downwards, tabs between them.
fn menu(words: &[String], width: usize) -> String {
    let digits = |n: usize| n.to_string().len();
    let longest = words.iter().map(|w| w.chars().count()).max().unwrap_or(0);
    let number_width = digits(words.len());
    let column = longest + number_width + 4;
    let rows = words.len().div_ceil((width / column).max(1));
    // All in one row would be read worse than all in one column.
    let rows = if rows == 1 { words.len() } else { rows };
    let mut out = String::new();
    for row in 0..rows {
        let mut start = 0;
        let mut at = row;
        while let Some(word) = words.get(at) {
            let number_width = if start == 0 { digits(rows) } else { number_width };
            out.push_str(&format!("{:number_width$}) {word}", at + 1));
            let mut end = start + number_width + 2 + word.chars().count();
            at += rows;
            start += column;
            while at < words.len() && end < start {
                let next_stop = (end / 8 + 1) * 8;
                let tab = next_stop <= start;
                out.push(if tab { '\t' } else { ' ' });
                end = if tab { next_stop } else { end + 1 };
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::menu;

    #[test]
    fn columns_as_bash_makes_them() {
        let names = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
        let words: Vec<String> = names.iter().chain(&["thirteen", "fourteen"]).map(|w| (*w).to_owned()).collect();
        let expected = "1) one\t       8) eight\n2) two\t       9) nine\n3) three      10) ten\n4) four\t      11) eleven\n\
                        5) five\t      12) twelve\n6) six\t      13) thirteen\n7) seven      14) fourteen\n";
        assert_eq!(menu(&words, 40), expected);
        assert_eq!(menu(&["a".to_owned(), "b".to_owned()], 80), "1) a\n2) b\n");
    }
}
