//! Completion scripts and manual pages, made from the command line's own definition.

use std::io::{self, Write};

use clap::CommandFactory;

use super::args::Args;
use super::{Ended, Refusal};

/// Prints the completion script of a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "hopwise", &mut script);
    print(&script)
}

/// Prints the manual page of the program or of a subcommand.
pub(super) fn man(subcommand: Option<&str>) -> Ended {
    let mut program = Args::command();
    program.build();
    let page = match subcommand {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Refusal::new(format!("there is no subcommand `{name}`")))?,
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff).map_err(|error| Refusal::new(error.to_string()))?;
    print(&roff)
}

fn print(bytes: &[u8]) -> Ended {
    // A reader that has seen enough, such as `head`, is no error.
    let _ = io::stdout().write_all(bytes);
    Ok(0)
}
