//! From a link to the chain of its endpoint (`dispatch.go`): by the digit behind what all names have in common, so that no packet has to
//! pass a hundred rules.

use super::rule::{Chain, Rule, chain_name};

/// `cali-from-wl-dispatch`, `cali-to-wl-dispatch` and their branches.
pub(super) fn chains(names: &[&str]) -> Vec<Chain> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    let mut all = direction(&names, "cali-from-wl-dispatch", "cali-fw-", Rule::on_input);
    all.extend(direction(&names, "cali-to-wl-dispatch", "cali-tw-", Rule::on_output));
    all
}

fn direction(names: &[&str], root: &str, prefix: &str, on: fn(Rule, &str) -> Rule) -> Vec<Chain> {
    let unknown = || Rule::jump("DROP").saying("Unknown interface");
    let one = |name: &&str| on(Rule::goto(&chain_name(prefix, name)), name);
    let common = common_prefix(names);
    let (mut branches, mut rules) = (Vec::new(), Vec::new());
    for group in names.chunk_by(|a, b| a.as_bytes().get(common) == b.as_bytes().get(common)) {
        let [first, _, ..] = group else {
            rules.extend(group.iter().map(one));
            continue;
        };
        let stem = first.get(..=common).unwrap_or(first);
        let branch = format!("{root}-{}", &stem[common..]);
        rules.push(on(Rule::goto(&branch), &format!("{stem}+")));
        branches.push(Chain::new(branch, group.iter().map(one).chain([unknown()]).collect()));
    }
    rules.push(unknown());
    branches.push(Chain::new(root, rules));
    branches
}

/// So many bytes all names begin with in common; no name lies between others in a sorted list that begins otherwise.
fn common_prefix(names: &[&str]) -> usize {
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return 0 };
    first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count()
}
