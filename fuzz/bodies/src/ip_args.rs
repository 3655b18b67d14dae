//! The words behind `ip`, on a small world: one command per line.

use super::worlds::{Router, assert_conserved, router};

/// At most this many commands of one input.
const COMMANDS: usize = 16;
/// Longer inputs say nothing new.
const LIMIT: usize = 1024;

/// Runs each line of `data` as the words of an `ip` command. They are quoted, so that the shell adds nothing.
pub fn run(data: &[u8]) {
    let text = super::text(data, LIMIT);
    let Router { mut world, machine, .. } = router();
    for line in text.lines().take(COMMANDS) {
        let words: Vec<String> = line
            .split_ascii_whitespace()
            .map(|word| format!("'{}'", word.chars().filter(|c| *c != '\'' && !c.is_control()).collect::<String>()))
            .collect();
        let output = world.run(machine, &format!("ip {}", words.join(" ")));
        assert!((0..=255).contains(&output.status), "an exit status is a byte: {}", output.status);
        assert_conserved(&world.kernel.net);
    }
}
