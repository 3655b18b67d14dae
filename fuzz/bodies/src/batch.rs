//! Batches of `ip`, `bridge` and `tc`: a file of commands. What goes wrong is told with the number of a line that the file
//! has, further down each time, and only with `-force` more than once.

use super::worlds::{Router, assert_conserved, router};

/// Longer inputs say nothing new.
const LIMIT: usize = 1024;

/// The first byte chooses the program and `-force`, the rest is the file.
pub fn run(data: &[u8]) {
    let (choice, rest) = super::choice(data);
    let text = super::text(rest, LIMIT);
    let Router { mut world, machine, .. } = router();
    world.machines.write_file(machine, "/batch", text.as_bytes()).expect("a new file can be written");
    let program = ["ip", "bridge", "tc"][usize::from(choice) % 3];
    let force = choice & 0x80 != 0;
    let output = world.run(machine, &format!("{program} {} -batch /batch 2>&1", if force { "-force" } else { "" }));
    assert!((0..=255).contains(&output.status), "an exit status is a byte: {}", output.status);
    let failed: Vec<usize> =
        output.text.lines().filter_map(|line| line.strip_prefix("Command failed /batch:")?.parse().ok()).collect();
    let lines = text.split_inclusive('\n').count();
    assert!(failed.iter().all(|line| (1..=lines).contains(line)), "{failed:?} of {lines} lines");
    assert!(failed.is_sorted_by(|a, b| a < b), "{failed:?}");
    assert!(force || failed.len() <= 1, "it goes on only if it must: {failed:?}");
    assert!(failed.is_empty() || output.status != 0, "what failed is told in the end");
    assert_conserved(&world.kernel.net);
}
