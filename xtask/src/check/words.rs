//! Words that must not stand anywhere in the repository.

use crate::tree::Tree;

/// A word, in which files (by their ending) it is looked for, and what is wrong with it. Written in two halves, so that
/// this file does not have them.
const FORBIDDEN: &[(&str, &str, &str, &str)] = &[
    ("tod", "o!(", ".rs", "unfinished"),
    ("unimplemented", "!(", ".rs", "unfinished"),
    ("#[ign", "ore", ".rs", "a test that does not run"),
    ("FIX", "ME", ".rs", "unfinished"),
    ("allow(dead", "_code)", ".rs", "code that nobody uses"),
    ("```ign", "ore", ".rs", "an example that is not compiled"),
    ("/wo", "rk/", "", "a path of one machine"),
    ("/fa", "rm/", "", "a path of one machine"),
    ("/home/", "user", "", "a path of one machine"),
    ("/root/.", "cargo", "", "a path of one machine"),
    ("/tmp/", "bash_jobs", "", "a path of one machine"),
];

/// None of the forbidden words is used.
pub(crate) fn forbidden(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (first, second, ending, why) in FORBIDDEN {
        let word = format!("{first}{second}");
        for file in tree.files.iter().filter(|f| f.path.ends_with(ending) && f.path != "Cargo.lock") {
            let lines = file.text.lines().enumerate().filter(|(_, line)| line.contains(&word));
            problems.extend(lines.map(|(i, _)| format!("{}:{}: `{word}`: {why}", file.path, i + 1)));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_is_found_with_its_line() {
        let text = format!("fn f() {{\n    tod{}\n}}", "o!()");
        let tree = crate::tree::tree(&[("a.rs", &text), ("b.md", &text)]);
        assert_eq!(super::forbidden(&tree), [format!("a.rs:2: `tod{}`: unfinished", "o!(")]);
    }
}
