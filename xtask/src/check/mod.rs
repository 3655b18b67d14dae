//! The rules of the repository that a machine can hold. Each rule gives a line per breach: `file:line: what`.

mod code;
mod dependencies;
mod links;
mod strip;
mod words;

use crate::generate;
use crate::tree::Tree;

/// A rule: what breaks it.
type Rule = fn(&Tree) -> Vec<String>;

/// All rules.
const RULES: &[Rule] = &[
    dependencies::direction,
    dependencies::lints,
    code::inner_crates,
    code::length,
    words::forbidden,
    links::targets_exist,
    generate::up_to_date,
];

/// The breaches of all rules.
pub(crate) fn all(tree: &Tree) -> Vec<String> {
    RULES.iter().flat_map(|rule| rule(tree)).collect()
}
