//! Lab documents, topologies and scripts of any content.

use hopwise_scenarios::document::{print, read};

/// Longer documents say nothing new.
const LIMIT: usize = 16 << 10;

/// Reads `data` as each form of lab.
pub fn run(data: &[u8]) {
    let text = super::text(data, LIMIT);
    for name in ["lab.md", "lab.clab.yml", "lab.sh"] {
        let lab = read(name, &text);
        for step in &lab.steps {
            for range in [&step.place.command, &step.place.body] {
                assert!(text.get(range.clone()).is_some(), "a step lies outside of its document: {range:?}");
            }
            assert!(step.place.line >= 1 && step.place.line <= text.lines().count() + 1);
            let known = lab.topology.machines.iter().any(|m| m.name == step.machine);
            assert!(known, "a step on a machine that is not there: {}", step.machine);
        }
        for diagnostic in lab.notes.iter().chain(&lab.error) {
            let shown = diagnostic.render(&lab.path, &lab.source, false);
            assert!(shown.contains(name), "a diagnostic names its file");
        }
        if lab.error.is_none() {
            // What is printed can be read again.
            let again = read("again.md", &print::print(&lab));
            assert_eq!(again.topology.machines.len(), lab.topology.machines.len());
            assert_eq!(again.topology.wires.len(), lab.topology.wires.len());
        }
    }
}
