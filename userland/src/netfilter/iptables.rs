//! `iptables` 1.8.9. What it reads, does and prints is in `hopwise_netfilter::xtables`; here it meets the machine.

use hopwise_machine::{Program, Sys, once};
use hopwise_netfilter::rules::Ruleset;
use hopwise_netfilter::xtables::{Answer, Tool, command};
use hopwise_sim_core::{NsId, OriginId};

use super::names::Files;
use crate::kernel::SimKernel;

/// Starts `iptables`.
pub(crate) fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| {
        let files = Files::read(sys);
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let by = if adds_rules(&words) { typed(sys) } else { OriginId::NONE };
        let tool = Tool { name: "iptables", names: &files, by };
        let answer = with_rules(sys, |rules| command::run(rules, &words, tool));
        print(sys, &answer)
    })
}

/// Who typed the command of this process.
pub(super) fn typed(sys: &mut Sys<'_, SimKernel>) -> OriginId {
    let line = sys.argv().join(" ");
    sys.kernel.net.origins.add("typed", line)
}

/// Whether a command can leave rules behind: what only looks need not be remembered.
fn adds_rules(words: &[&str]) -> bool {
    let verbs = ["-A", "-I", "-R", "--append", "--insert", "--replace"];
    words.iter().any(|word| verbs.iter().any(|verb| word.starts_with(verb)))
}

/// Starts `ip6tables`: there is no IPv6 here.
pub(crate) fn refuse(_: &[String]) -> Box<dyn Program<SimKernel>> {
    once(|sys: &mut Sys<'_, SimKernel>| {
        let name = sys.name();
        sys.err(&format!(
            "{name} v1.8.9 (nf_tables): Could not fetch rule set generation id: Address family not supported by protocol\n\
             (hopwise has no IPv6)\n"
        ));
        4
    })
}

/// Does something with the rules of the program's namespace. Rules that were never touched take no room.
pub(super) fn with_rules<R>(sys: &mut Sys<'_, SimKernel>, work: impl FnOnce(&mut Ruleset) -> R) -> R {
    let ns = sys.ns();
    with_rules_of(sys, ns, work)
}

/// The same with the rules of a given namespace.
pub(crate) fn with_rules_of<R>(sys: &mut Sys<'_, SimKernel>, ns: NsId, work: impl FnOnce(&mut Ruleset) -> R) -> R {
    match sys.kernel.net.ns_mut(ns) {
        Some(space) => {
            let mut rules = space.rules.take().unwrap_or_default();
            let result = work(&mut rules);
            space.rules = (!rules.is_untouched()).then_some(rules);
            result
        }
        None => work(&mut Ruleset::default()),
    }
}

/// Prints what there is to print.
pub(super) fn print(sys: &mut Sys<'_, SimKernel>, answer: &Answer) -> i32 {
    sys.err(&answer.err);
    sys.out(&answer.out);
    answer.status
}
