//! What words may be: numbers of rules, names of targets and chains.

use super::{Done, Given, MAX_NAME, Refusal, Verb, number};
use crate::rules::Target;
use crate::targets;

pub(super) fn problem<T>(text: impl Into<String>) -> Done<T> {
    Err(Refusal::new(text))
}

pub(super) fn rule_number(word: &str) -> Done<u32> {
    let bad = || Refusal::new(format!("Invalid rule number `{word}'"));
    number::within(word, 1, i32::MAX as u64).map(|n| n as u32).ok_or_else(bad)
}

pub(super) fn check_target_name(name: &str) -> Done {
    if name.is_empty() {
        return problem("Invalid target name (too short)");
    }
    if name.len() >= MAX_NAME {
        return problem(format!("Invalid target name `{name}' ({} chars max)", MAX_NAME - 1));
    }
    if name.contains(|c: char| c.is_ascii_whitespace()) {
        return problem(format!("Invalid target name `{name}'"));
    }
    Ok(())
}

pub(super) fn check_chain_name(name: &str) -> Done {
    if name.len() >= MAX_NAME {
        return problem(format!("chain name `{name}' too long (must be under {MAX_NAME} chars)"));
    }
    if let Some(first) = name.chars().next().filter(|c| "-!".contains(*c)) {
        return problem(format!("chain name not allowed to start with `{first}'"));
    }
    // No name at all is that of the target that a rule without `-j` has.
    if name.is_empty() || Target::standard(name).is_some() || targets::find(name).is_some() || targets::is_absent(name)
    {
        return problem("chain name may not clash with target name");
    }
    if name.contains(|c: char| c.is_ascii_whitespace()) {
        return problem(format!("Invalid chain name `{name}'"));
    }
    Ok(())
}

pub(super) fn check_chain(chain: &str, verb: Verb, given: Given) -> Done {
    if chain.len() >= MAX_NAME {
        return problem(format!("chain name `{chain}' too long (must be under {MAX_NAME} chars)"));
    }
    if !verb.has_rule() && verb != Verb::DeleteNumber {
        return Ok(());
    }
    if given.contains(Given::OUTPUT) && matches!(chain, "PREROUTING" | "INPUT") {
        return problem(format!("Can't use -o with {chain}\n"));
    }
    if given.contains(Given::INPUT) && matches!(chain, "POSTROUTING" | "OUTPUT") {
        return problem(format!("Can't use -i with {chain}\n"));
    }
    Ok(())
}
