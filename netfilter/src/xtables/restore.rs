//! `iptables-restore`: tables from their saved form.
//!
//! What stands between `*TABLE` and `COMMIT` happens as a whole or not at all. A line that cannot be read ends it at once; what the
//! kernel would refuse is told when the table is committed.

use super::known::Known;
use super::{Answer, Reading, Refusal, Tool, VERSION, Wish, command, read, text};
use crate::hook::TableId;
use crate::rules::{Counters, Policy, Replaced, RuleError, Ruleset, Table};

/// How a saved form is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restore<'a> {
    /// `-c`: counters are taken over.
    pub counters: bool,
    /// `-n`: what is there stays.
    pub noflush: bool,
    /// `-t`: nothing is changed.
    pub test: bool,
    /// `-v`: remarks are repeated.
    pub verbose: bool,
    /// `-T`: only this table.
    pub only: Option<&'a str>,
}

/// A table between `*` and `COMMIT`.
struct Open {
    id: TableId,
    table: Table,
    /// The first thing that the kernel would refuse, and its line.
    refused: Option<(u32, RuleError)>,
    /// It is not the one that is wanted.
    skipped: bool,
}

/// Why reading ends.
enum End {
    /// `PROGRAM: line N failed`, and why.
    Line(Option<RuleError>),
    /// What iptables says to words that it cannot read.
    Refused(Refusal),
    /// A complete message and a status.
    Message(String, i32),
}

/// Runs `iptables-restore` on a text.
pub fn run(rules: &mut Ruleset, input: &str, how: Restore<'_>, tool: Tool<'_>) -> Answer {
    run_noting(rules, input, how, tool, None)
}

/// The same; tells of each table what became of it.
pub(super) fn run_noting(
    rules: &mut Ruleset,
    input: &str,
    how: Restore<'_>,
    tool: Tool<'_>,
    mut notes: Option<&mut Vec<Replaced>>,
) -> Answer {
    let known = Known::new(tool.names, rules);
    let tool = Tool { names: &known, ..tool };
    let mut answer = Answer::default();
    let mut open: Option<Open> = None;
    let mut number = 0;
    for line in input.lines() {
        number += 1;
        let result = line_of(rules, &mut open, line, number, how, tool, (&mut answer.out, &mut notes));
        let end = match result {
            Ok(()) => continue,
            Err(end) => end,
        };
        return match end {
            End::Line(None) => answer.failing(&format!("{}: line {number} failed\n", tool.name), 1),
            End::Line(Some(error)) => answer.failing(&format!("{}: line {number} failed: {error}\n", tool.name), 1),
            End::Refused(refusal) => answer.failing(&tool.refused(&refusal, Some(number)), 2),
            End::Message(text, status) => answer.failing(&text, status),
        };
    }
    if open.is_some() {
        return answer.failing(&format!("{}: COMMIT expected at line {}\n", tool.name, number + 1), 1);
    }
    answer
}

fn refused<T>(text: String) -> Result<T, End> {
    Err(End::Refused(Refusal::Problem(text)))
}

fn line_of(
    rules: &mut Ruleset,
    open: &mut Option<Open>,
    line: &str,
    number: u32,
    how: Restore<'_>,
    tool: Tool<'_>,
    (out, notes): (&mut String, &mut Option<&mut Vec<Replaced>>),
) -> Result<(), End> {
    if line.is_empty() {
        return Ok(());
    }
    if line.starts_with('#') {
        if how.verbose {
            out.push_str(line);
            out.push('\n');
        }
        return Ok(());
    }
    let Some(current) = open else {
        let Some(rest) = line.strip_prefix('*') else { return Err(End::Line(None)) };
        let mut begun = begin(rules, rest, number, how, tool)?;
        if notes.is_some() {
            begun.table.record();
        }
        *open = Some(begun);
        return Ok(());
    };
    if line == "COMMIT" {
        return match open.take() {
            Some(done) => commit(rules, done, how, tool, notes),
            None => Ok(()),
        };
    }
    if current.skipped {
        return Ok(());
    }
    match line.strip_prefix(':') {
        Some(rest) => chain(current, rest, number, how, tool),
        None => rule(current, line, number, how, tool, out),
    }
}

fn begin(rules: &Ruleset, rest: &str, number: u32, how: Restore<'_>, tool: Tool<'_>) -> Result<Open, End> {
    let Some(name) = rest.split_ascii_whitespace().next() else {
        return refused(format!("{}: line {number} table name invalid", tool.name));
    };
    let Some(id) = TableId::of_name(name) else {
        return refused(format!("{}: line {number} table name '{name}' invalid", tool.name));
    };
    let table = match rules.table(id) {
        Some(table) if how.noflush => table.clone(),
        _ => Table::new(id),
    };
    Ok(Open { id, table, refused: None, skipped: how.only.is_some_and(|only| only != name) })
}

fn commit(
    rules: &mut Ruleset,
    done: Open,
    how: Restore<'_>,
    tool: Tool<'_>,
    notes: &mut Option<&mut Vec<Replaced>>,
) -> Result<(), End> {
    match done.refused {
        None => {
            match notes {
                _ if how.test || done.skipped => {}
                Some(notes) => notes.push(rules.replace_noting(done.table)),
                None => rules.replace(done.table),
            }
            Ok(())
        }
        Some((_, error @ RuleError::NoJumpChain(_))) => refused(error.to_string()),
        Some((line, error @ RuleError::Kernel { .. })) => {
            let text = format!("{} {VERSION}: \nline {line}: {error}\n", tool.name);
            Err(End::Message(text, error.status()))
        }
        Some((line, RuleError::BadPolicy)) => {
            Err(End::Message(format!("{}: line {line} failed: Bad policy name.\n", tool.name), 1))
        }
        Some((line, error)) => {
            Err(End::Message(format!("{}: line {line} failed: {error}\n", tool.name), error.status()))
        }
    }
}

/// `:CHAIN POLICY [PACKETS:BYTES]`.
fn chain(open: &mut Open, rest: &str, number: u32, how: Restore<'_>, tool: Tool<'_>) -> Result<(), End> {
    let mut words = rest.split_ascii_whitespace();
    let Some(name) = words.next() else {
        return refused(format!("{}: line {number} chain name invalid", tool.name));
    };
    if name.len() >= super::MAX_NAME {
        return refused(format!("Invalid chain name `{name}' ({} chars max)", super::MAX_NAME - 1));
    }
    let Some(policy) = words.next() else {
        return refused(format!("{}: line {number} policy invalid", tool.name));
    };
    if TableId::hooks(open.id).iter().all(|hook| hook.chain() != name) {
        // One that is there already is emptied.
        if open.table.find(name).is_none() {
            let _ = open.table.new_chain(name);
        } else if how.noflush {
            let _ = open.table.flush(name);
        }
        return Ok(());
    }
    let mut counters = Counters::default();
    if how.counters {
        let Some(found) = words.next().and_then(policy_counters) else {
            return refused(format!("invalid policy counters for chain '{name}'"));
        };
        counters = found;
    }
    match Policy::of_name(policy) {
        Some(policy) => open.table.set_policy(name, policy, counters).map_err(|error| End::Line(Some(error))),
        None => {
            open.refused.get_or_insert((number, RuleError::BadPolicy));
            Ok(())
        }
    }
}

/// `[PACKETS:BYTES]`.
fn policy_counters(word: &str) -> Option<Counters> {
    let (packets, bytes) = word.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Counters { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
}

/// Counters as they were written, if they were, and the rule behind them.
type Counted<'l> = (Option<(&'l str, &'l str)>, &'l str);

/// What stands in `[PACKETS:BYTES]` before a rule, and the rule (`tokenize_rule_counters`).
fn rule_counters(line: &str, number: u32) -> Result<Counted<'_>, End> {
    let Some(rest) = line.strip_prefix('[') else { return Ok((None, line)) };
    let need = |what: &str| Refusal::Problem(format!("Bad line {number}: need {what}"));
    let Some((packets, rest)) = rest.split_once(':') else { return Err(End::Refused(need(":"))) };
    let Some((bytes, rest)) = rest.split_once(']') else { return Err(End::Refused(need("]"))) };
    Ok((Some((packets, bytes)), rest))
}

fn rule(
    open: &mut Open,
    line: &str,
    number: u32,
    how: Restore<'_>,
    tool: Tool<'_>,
    out: &mut String,
) -> Result<(), End> {
    let (counters, line) = rule_counters(line, number)?;
    let words = text::split(line);
    let mut list: smallvec::SmallVec<[&str; 32]> = words.iter().map(|word| &**word).collect();
    if let Some((packets, bytes)) = counters.filter(|_| how.counters) {
        list.extend(["--set-counters", packets, bytes]);
    }
    let table = open.id.name();
    let reading = Reading { names: tool.names, restore: Some(tool.name) };
    let mut parsed = match read(&list, table, reading) {
        Ok(Wish::Do(parsed)) => parsed,
        Ok(_) => return Ok(()),
        Err(refusal) => return Err(End::Refused(refusal)),
    };
    if parsed.table != table {
        return refused(format!("The -t option cannot be used in {}.\n", tool.name));
    }
    if open.refused.is_some() {
        return Ok(());
    }
    parsed.verbose += u8::from(how.verbose);
    if let Err(error) = command::change(&mut open.table, &mut parsed, tool, out) {
        open.refused = Some((number, error));
    }
    Ok(())
}
