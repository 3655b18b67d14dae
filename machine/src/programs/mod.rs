//! The everyday programs. One line each in [`table`].

mod basic;

use crate::{Kernel, Place, ProgramEntry, Start};

/// All programs of this crate.
pub(crate) fn table<K: Kernel>() -> Vec<ProgramEntry<K>> {
    let row =
        |name, about, start: Start<K>| ProgramEntry { name, place: Place::Bin, package: "coreutils", about, start };
    vec![
        row("cat", "concatenate files and print them", basic::cat),
        row("echo", "display a line of text", basic::echo),
        row("false", "do nothing, unsuccessfully", basic::fail),
        row("sleep", "delay for a specified amount of time", basic::sleep),
        row("true", "do nothing, successfully", basic::succeed),
    ]
}
