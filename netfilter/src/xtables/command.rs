//! What `iptables` does when its command line is read.

use super::known::Known;
use super::list::Look;
use super::save::{Counts, chain_line, rule_line};
use super::{Answer, Given, Parsed, Reading, Tool, VERSION, Verb, Wish, read};
use crate::hook::TableId;
use crate::rules::{Chain, ChainId, Counters, Draft, Policy, RuleError, Ruleset, Table};

/// Runs `iptables` with these words.
pub fn run(rules: &mut Ruleset, words: &[&str], tool: Tool<'_>) -> Answer {
    let answer = Answer::default();
    let known = Known::new(tool.names, rules);
    let tool = Tool { names: &known, ..tool };
    let mut parsed = match read(words, "filter", Reading { names: tool.names, restore: None }) {
        Ok(Wish::Do(parsed)) => parsed,
        Ok(Wish::Version) => return Answer { out: format!("{} {VERSION}\n", tool.name), ..answer },
        Ok(Wish::Help) => return Answer { out: super::help::text(tool.name), ..answer },
        Ok(Wish::Skip) => return answer,
        Err(refusal) => return answer.failing(&tool.refused(&refusal, None), 2),
    };
    let Some(id) = TableId::of_name(parsed.table) else {
        let (name, table) = (tool.name, parsed.table);
        let text = format!(
            "{name} {VERSION}: table '{table}' does not exist\nPerhaps {name} or your kernel needs to be upgraded.\n"
        );
        return answer.failing(&text, 3);
    };
    let mut out = String::new();
    let result = match parsed.verb {
        Verb::List | Verb::ListRules | Verb::Check => {
            let empty;
            let table = match rules.table(id) {
                Some(table) => table,
                None => {
                    empty = Table::new(id);
                    &empty
                }
            };
            ask(table, &parsed, tool, &mut out)
        }
        _ => change_whole(rules, id, &mut parsed, tool, &mut out),
    };
    let result = result.and_then(|()| match parsed.and_zero {
        true => zero(rules.table_mut(id), &parsed, &mut out),
        false => Ok(()),
    });
    match result {
        Ok(()) => Answer { out, ..answer },
        Err(error) => Answer { out, ..answer }.failing(&tool.failed(&error), error.status()),
    }
}

/// A change happens as a whole or not at all.
fn change_whole(
    rules: &mut Ruleset,
    id: TableId,
    parsed: &mut Parsed<'_>,
    tool: Tool<'_>,
    out: &mut String,
) -> Result<(), RuleError> {
    if rules.table(id).is_none() {
        // What has nothing to do on a table that is not there does not make it.
        match (parsed.verb, parsed.chain) {
            (Verb::Flush | Verb::DeleteChain | Verb::Zero, None) => return Ok(()),
            (Verb::Zero | Verb::DeleteNumber | Verb::Replace, Some(_)) => return Err(RuleError::NoChain),
            (Verb::ZeroNumber, Some(_)) => return Err(RuleError::NoRule),
            _ => {}
        }
    }
    let before = (parsed.rules.len() > 1 || rules.table(id).is_none()).then(|| rules.snapshot(id));
    let result = change(rules.table_mut(id), parsed, tool, out);
    if let (Err(_), Some(before)) = (&result, before) {
        rules.put_back(id, before);
    }
    if matches!(parsed.verb, Verb::Replace | Verb::Delete | Verb::DeleteNumber | Verb::Flush) {
        rules.forget_unnamed();
    }
    result
}

/// Does what changes a table; what is printed about it comes to `out`.
pub(super) fn change(
    table: &mut Table,
    parsed: &mut Parsed<'_>,
    tool: Tool<'_>,
    out: &mut String,
) -> Result<(), RuleError> {
    let name = parsed.chain.unwrap_or_default();
    let at = parsed.number.unwrap_or(1) as usize - 1;
    match parsed.verb {
        Verb::Append | Verb::Insert | Verb::Replace | Verb::Delete => {
            for (place, mut draft) in core::mem::take(&mut parsed.rules).into_iter().enumerate() {
                draft.rule.origin = tool.by;
                if parsed.verbose > 0 {
                    print_draft(table, &draft, tool, out)?;
                }
                change_rule(table, parsed.verb, name, at + place, draft)?;
            }
            Ok(())
        }
        Verb::DeleteNumber => table.delete_number(name, at),
        Verb::Flush => each_chain(table, parsed, "Flushing", out, |_| true).and_then(|()| match parsed.chain {
            Some(name) => table.flush(name),
            None => {
                table.flush_all();
                Ok(())
            }
        }),
        Verb::Zero => zero(table, parsed, out),
        Verb::ZeroNumber => table.zero(name, Some(at)),
        Verb::NewChain => table.new_chain(name),
        Verb::DeleteChain => {
            each_chain(table, parsed, "Deleting", out, |chain| chain.hook.is_none()).and_then(|()| match parsed.chain {
                Some(name) => table.delete_chain(name),
                None => table.delete_chains(),
            })
        }
        Verb::RenameChain => table.rename(name, parsed.second.unwrap_or_default()),
        Verb::SetPolicy => {
            let policy = Policy::of_name(parsed.second.unwrap_or_default()).ok_or(RuleError::BadPolicy)?;
            table.set_policy(name, policy, Counters::default())
        }
        Verb::List | Verb::ListRules | Verb::Check => ask(table, parsed, tool, out),
    }
}

fn change_rule(table: &mut Table, verb: Verb, chain: &str, at: usize, draft: Draft) -> Result<(), RuleError> {
    match verb {
        Verb::Append => table.append(chain, draft),
        Verb::Insert => table.insert(chain, at, draft),
        Verb::Replace => table.replace(chain, at, draft),
        _ => table.delete(chain, draft),
    }
}

/// Answers what changes nothing: `-L`, `-S`, `-C`.
fn ask(table: &Table, parsed: &Parsed<'_>, tool: Tool<'_>, out: &mut String) -> Result<(), RuleError> {
    match parsed.verb {
        Verb::Check => {
            for draft in &parsed.rules {
                if parsed.verbose > 0 {
                    print_draft(table, draft, tool, out)?;
                }
                table.position(parsed.chain.unwrap_or_default(), draft.clone())?;
            }
            Ok(())
        }
        Verb::List => list(table, parsed, tool, out),
        _ => list_rules(table, parsed, tool, out),
    }
}

fn print_draft(table: &Table, draft: &Draft, tool: Tool<'_>, out: &mut String) -> Result<(), RuleError> {
    let rule = table.resolve(draft.clone())?;
    Look::of_change(tool.names).rule(out, table, 0, &rule, rule.counters);
    Ok(())
}

/// The chains that a command is about.
fn chains(table: &Table, parsed: &Parsed<'_>) -> Result<Vec<ChainId>, RuleError> {
    match parsed.chain {
        None => Ok(table.listed()),
        Some(name) => match table.find(name) {
            Some(id) => Ok(vec![id]),
            None => Err(RuleError::NotListed { chain: name.to_owned(), table: table.id }),
        },
    }
}

fn list(table: &Table, parsed: &Parsed<'_>, tool: Tool<'_>, out: &mut String) -> Result<(), RuleError> {
    let look = Look::of(parsed.given, tool.names);
    for (place, chain) in chains(table, parsed)?.into_iter().enumerate() {
        if let Some(number) = parsed.number {
            let at = number as usize - 1;
            if let Some(rule) = table.chain(chain).rules().get(at) {
                look.rule(out, table, number, rule, table.counters(chain, at));
            }
            continue;
        }
        if place > 0 {
            out.push('\n');
        }
        look.chain(out, table, chain);
    }
    Ok(())
}

fn list_rules(table: &Table, parsed: &Parsed<'_>, tool: Tool<'_>, out: &mut String) -> Result<(), RuleError> {
    let counters = parsed.given.contains(Given::VERBOSE);
    let counts = if counters { Counts::Within } else { Counts::Nowhere };
    let chains = chains(table, parsed)?;
    if parsed.number.is_none() {
        for chain in &chains {
            chain_line(out, table, *chain, counters);
        }
    }
    for chain in chains {
        for place in 0..table.chain(chain).rules().len() {
            if parsed.number.is_none_or(|number| number as usize == place + 1) {
                rule_line(out, table, chain, place, counts, tool.names);
            }
        }
    }
    Ok(())
}

fn zero(table: &mut Table, parsed: &Parsed<'_>, out: &mut String) -> Result<(), RuleError> {
    each_chain(table, parsed, "Zeroing", out, |_| true)?;
    match parsed.chain {
        Some(name) => table.zero(name, None),
        None => {
            table.zero_all();
            Ok(())
        }
    }
}

/// With `-v`, says of each chain what is done to it.
fn each_chain(
    table: &Table,
    parsed: &Parsed<'_>,
    what: &str,
    out: &mut String,
    concerned: impl Fn(&Chain) -> bool,
) -> Result<(), RuleError> {
    if parsed.verbose == 0 {
        return Ok(());
    }
    if parsed.chain.is_some_and(|name| table.find(name).is_none()) {
        return Err(RuleError::NoChain);
    }
    for chain in chains(table, parsed)?.into_iter().map(|id| table.chain(id)).filter(|chain| concerned(chain)) {
        out.push_str(&format!("{what} chain `{}'\n", chain.name));
    }
    Ok(())
}
