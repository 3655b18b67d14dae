//! The command line: what is typed ([`args`]), one file for each subcommand, and the world they run on ([`world`]).

pub(crate) mod args;
mod bench;
mod clock;
mod disk;
mod explain;
mod generate;
mod interactive;
mod progress;
mod run;
mod shell;
mod stage;
mod world;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use world::World;

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Run(args) => run::run::<World>(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Shell(args) => shell::shell::<World>(&args),
        Command::Bench(args) => bench::bench(&args),
        Command::Completions(args) => generate::completions(args.shell),
        Command::Man(args) => generate::man(args.command.as_deref()),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(refusal) => {
            anstream::eprintln!("{}error:{} {refusal}", args::ERROR.render(), args::ERROR.render_reset());
            ExitCode::from(2)
        }
    }
}

/// Why nothing could be done at all. Exit status 2.
#[derive(Debug)]
pub(crate) struct Refusal(String);

impl Refusal {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a subcommand ends with: its exit status.
type Ended = Result<u8, Refusal>;
