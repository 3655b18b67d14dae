//! What must not stand in code: the operating system in the inner crates, files that nobody reads in one sitting.

use super::strip::strip;
use crate::tree::Tree;

/// The crates that touch no operating system.
const INNER: &[&str] =
    &["sim-core/src/", "protocols/src/", "devices/src/", "stack/src/", "capture/src/", "machine/src/", "userland/src/"];

/// The crates whose code is the packet path.
const PACKET_PATH: &[&str] = &["sim-core/src/", "protocols/src/", "devices/src/", "stack/src/"];

/// What an inner crate must not name, and why.
const BANNED: &[(&str, &str)] = &[
    ("std::fs", "the files are those of the simulated machines"),
    ("std::process", "no program of the real machine runs"),
    ("std::env", "the environment of the real machine must not matter"),
    ("std::thread", "the order of events must not depend on threads"),
    ("std::os", "the inner crates build for wasm32"),
    ("std::io::stdin", "the inner crates have no terminal"),
    ("std::io::stdout", "the inner crates have no terminal"),
    ("Instant", "virtual time only"),
    ("SystemTime", "virtual time only"),
    ("TcpStream", "the network is the simulated one"),
    ("TcpListener", "the network is the simulated one"),
    ("UdpSocket", "the network is the simulated one"),
    ("ToSocketAddrs", "the network is the simulated one"),
    ("HashMap", "iteration order is random: FxHashMap, IndexMap or BTreeMap"),
    ("HashSet", "iteration order is random: FxHashSet, IndexSet or BTreeSet"),
    ("RefCell", "everything is owned by the world, through ids"),
    ("Rc", "everything is owned by the world, through ids"),
    ("thread_local", "no ambient context"),
    ("println", "only a caller writes to the terminal"),
    ("eprintln", "only a caller writes to the terminal"),
    ("unsafe", "there is no unsafe code here"),
];

/// What the packet path must not name.
const NO_FLOATS: &[(&str, &str)] =
    &[("f32", "integers only on the packet path"), ("f64", "integers only on the packet path")];

/// Files whose numbers with decimals the compiler turns into tables of integers: at run time there is none.
const COMPUTED_BY_THE_COMPILER: &[&str] = &["devices/src/qdisc/distribution.rs"];

/// The inner crates name nothing that belongs to the real machine.
pub(crate) fn inner_crates(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (folders, banned) in [(INNER, BANNED), (PACKET_PATH, NO_FLOATS)] {
        let exempt = |path: &str| banned == NO_FLOATS && COMPUTED_BY_THE_COMPILER.contains(&path);
        for file in folders.iter().flat_map(|folder| tree.rust(folder)).filter(|file| !exempt(&file.path)) {
            for (i, line) in strip(&file.text).lines().enumerate() {
                for (word, why) in banned.iter().filter(|(word, _)| names(line, word)) {
                    problems.push(format!("{}:{}: `{word}`: {why}", file.path, i + 1));
                }
            }
        }
    }
    problems
}

/// Whether a line has the word as a whole one.
fn names(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|s| s.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|s| s.chars().next());
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

/// More lines than this are not read in one sitting.
const MAX_LINES: usize = 700;

/// No file of Rust is too long.
pub(crate) fn length(tree: &Tree) -> Vec<String> {
    let lines = tree.rust("").map(|file| (file, file.text.lines().count()));
    lines
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(file, lines)| format!("{}: {lines} lines; a file has at most {MAX_LINES}", file.path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_code_only_and_only_whole() {
        let text = "use std::time::Instant; // HashMap\nlet x: FxHashMap<u8, &str> = \"SystemTime\";\nlet y = 1.0f64;";
        let tree = crate::tree::tree(&[("stack/src/lib.rs", text), ("src/main.rs", text)]);
        assert_eq!(inner_crates(&tree), ["stack/src/lib.rs:1: `Instant`: virtual time only"]);
        let tree = crate::tree::tree(&[("stack/src/lib.rs", "fn f(x: f64) {}")]);
        assert_eq!(inner_crates(&tree), ["stack/src/lib.rs:1: `f64`: integers only on the packet path"]);
    }

    #[test]
    fn long_files_are_found() {
        let tree = crate::tree::tree(&[("a.rs", &"\n".repeat(701)), ("b.rs", &"\n".repeat(700))]);
        assert_eq!(length(&tree), ["a.rs: 701 lines; a file has at most 700"]);
    }
}
