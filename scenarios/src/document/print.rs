//! Prints a lab as a document: what [`read`](super::read) reads back as the same lab.

use std::fmt::Write;

use super::topology::{DEFAULT_MTU, Fault, Topology, Wire};
use super::units::{self, RATE, SHARE, TIME};
use super::{Action, Lab};

/// The lab as a Markdown document with one console block.
///
/// The law `read(print(lab)) == lab` holds for what a document can say: a command's lines end where its text says so,
/// and an expected line does not look like a prompt.
pub fn print(lab: &Lab) -> String {
    let mut text = String::from("---\n");
    // Writing to a string cannot fail.
    let _ = writeln!(text, "name: {}", quoted(&lab.name));
    let _ = topology(&mut text, &lab.topology);
    let _ = writeln!(text, "---\n# {}\n\n```console", lab.name);
    for step in &lab.steps {
        let Action::Command(command) = &step.action else { continue };
        let _ = writeln!(text, "{}# {command}", step.machine);
        for line in &step.expected.lines {
            let _ = writeln!(text, "{line}");
        }
        if step.expected.status != 0 {
            let _ = writeln!(text, "? {}", step.expected.status);
        }
    }
    text.push_str("```\n");
    text
}

fn topology(text: &mut String, topology: &Topology) -> std::fmt::Result {
    writeln!(text, "topology:\n  nodes:")?;
    for machine in &topology.machines {
        writeln!(text, "    {}:", quoted(&machine.name))?;
        if machine.exec.is_empty() {
            continue;
        }
        writeln!(text, "      exec:")?;
        for command in &machine.exec {
            writeln!(text, "        - {}", quoted(command))?;
        }
    }
    if !topology.wires.is_empty() {
        writeln!(text, "  links:")?;
    }
    topology.wires.iter().try_for_each(|w| wire(text, w))
}

fn wire(text: &mut String, wire: &Wire) -> std::fmt::Result {
    let [a, b] = &wire.ends;
    writeln!(text, "    - endpoints: [{}, {}]", quoted(&a.to_string()), quoted(&b.to_string()))?;
    if wire.mtu != DEFAULT_MTU {
        writeln!(text, "      mtu: {}", wire.mtu)?;
    }
    let medium = &wire.medium;
    let quantities = [
        ("delay", medium.delay_ns, TIME),
        ("jitter", medium.jitter_ns, TIME),
        ("rate", medium.rate_bits, RATE),
        ("loss", u64::from(medium.loss_ppm), SHARE),
    ];
    for (key, value, units) in quantities.into_iter().filter(|(_, value, _)| *value != 0) {
        writeln!(text, "      {key}: {}", units::print(value, units))?;
    }
    if !wire.faults.is_empty() {
        writeln!(text, "      faults:")?;
    }
    wire.faults.iter().try_for_each(|f| fault(text, f))
}

fn fault(text: &mut String, fault: &Fault) -> std::fmt::Result {
    write!(text, "        - {{at: {}", units::print(fault.at_ns, TIME))?;
    if let Some(up) = fault.up {
        write!(text, ", state: {}", if up { "up" } else { "down" })?;
    }
    let quantities = [
        ("delay", fault.delay_ns, TIME),
        ("jitter", fault.jitter_ns, TIME),
        ("rate", fault.rate_bits, RATE),
        ("loss", fault.loss_ppm.map(u64::from), SHARE),
    ];
    for (key, value, units) in quantities {
        if let Some(value) = value {
            write!(text, ", {key}: {}", units::print(value, units))?;
        }
    }
    writeln!(text, "}}")
}

/// A YAML double-quoted string: so no word is taken for a number, a truth value or a mapping.
fn quoted(word: &str) -> String {
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            c if c.is_control() || c == '\u{feff}' => text.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
