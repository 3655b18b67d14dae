//! Command lines of `iptables` and `ipset`, one for each line, on empty tables. What was accepted is saved, read back, and saved the
//! same again.

use hopwise_netfilter::names::NoNames;
use hopwise_netfilter::rules::Ruleset;
use hopwise_netfilter::sets::command::{self as ipset, Place};
use hopwise_netfilter::xtables::restore::{self, Restore};
use hopwise_netfilter::xtables::{Tool, command, save, split};
use hopwise_sim_core::Time;

/// At most this many commands of one input.
const COMMANDS: usize = 32;
/// Longer inputs say nothing new.
const LIMIT: usize = 2048;

const TOOL: Tool<'static> = Tool::new("iptables", &NoNames);

/// Runs the lines of `data`; a first word `ipset` names the other program.
pub fn run(data: &[u8]) {
    let text = super::text(data, LIMIT);
    let mut rules = Ruleset::default();
    let mut sets = Ruleset::default();
    for line in text.lines().take(COMMANDS) {
        let words = split(line);
        let words: Vec<&str> = words.iter().map(|word| &**word).collect();
        match words.split_first() {
            Some((&"ipset", words)) => {
                for rules in [&mut rules, &mut sets] {
                    ipset::run(&mut Place { rules, names: &NoNames, now: Time::ZERO }, words);
                }
            }
            // `-E` takes names that nobody can read back, such as "a b": they say nothing.
            _ if renames_oddly(&words) => {}
            _ => drop(command::run(&mut rules, &words, TOOL)),
        }
    }
    let first = save(&rules, None, true, "now", &NoNames);
    // Sets that rules hold are not destroyed: those of `sets` may be fewer. Such an input says nothing.
    let kept = rules.shared.sets.dimensions().all(|(name, _)| sets.shared.sets.get(name).is_some());
    if kept {
        let answer = restore::run(&mut sets, &first, Restore { counters: true, ..Restore::default() }, TOOL);
        assert_eq!((answer.status, answer.err.as_str()), (0, ""), "{first}");
        assert_eq!(first, save(&sets, None, true, "now", &NoNames));
    }
    let _ = restore::run(&mut rules, &text, Restore::default(), TOOL);
}

fn renames_oddly(words: &[&str]) -> bool {
    let renames = words.iter().any(|word| word.starts_with("--ren") || word.starts_with('-') && word.contains('E'));
    renames && !words.last().is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase()))
}
