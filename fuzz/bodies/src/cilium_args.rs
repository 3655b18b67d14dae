//! The words behind `cilium` and `tc`, on a node with an agent, a pod, a service and a policy: one command per line.

use super::worlds::{assert_conserved, cluster};

/// At most this many commands of one input.
const COMMANDS: usize = 16;
/// Longer inputs say nothing new.
const LIMIT: usize = 1024;

/// Runs each line of `data`: words of `tc` if it begins with a `%`, else of `cilium`. They are quoted, so that the shell adds
/// nothing. `cilium monitor` never ends by itself.
pub fn run(data: &[u8]) {
    let text = super::text(data, LIMIT);
    let (mut world, machine) = cluster();
    for line in text.lines().take(COMMANDS) {
        let (program, line) = line.strip_prefix('%').map_or(("cilium", line), |rest| ("tc", rest));
        let words: Vec<String> = line
            .split_ascii_whitespace()
            .map(|word| format!("'{}'", word.chars().filter(|c| *c != '\'' && !c.is_control()).collect::<String>()))
            .collect();
        let output = world.run(machine, &format!("timeout 1 {program} {}", words.join(" ")));
        assert!((0..=255).contains(&output.status), "an exit status is a byte: {}", output.status);
        assert_conserved(&world.kernel.net);
    }
}
