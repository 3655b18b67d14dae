//! Tasks of the hopwise repository.
//!
//! ```text
//!     cargo xtask check   the rules that a machine can hold: see `check`
//!     cargo xtask gen     writes the generated part of README.md: see `generate`
//!     cargo xtask conformance DIR   how far iptables and conntrack agree with test data kept elsewhere: see `conformance`
//! ```

mod check;
mod conformance;
mod generate;
mod tree;

use std::path::Path;
use std::process::ExitCode;

use tree::Tree;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let tree = match Tree::read(root) {
        Ok(tree) => tree,
        Err(error) => return complain(&[format!("the repository cannot be read: {error}")]),
    };
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["check"] => complain(&check::all(&tree)),
        ["gen"] => match generate::write(root, &tree) {
            Ok(told) => {
                println!("{told}");
                ExitCode::SUCCESS
            }
            Err(problem) => complain(&[problem]),
        },
        ["conformance", folder] => match conformance::run(Path::new(folder)) {
            Ok(told) => {
                println!("{told}");
                ExitCode::SUCCESS
            }
            Err(problem) => complain(&[problem]),
        },
        _ => {
            eprintln!("usage: cargo xtask check | gen | conformance DIR");
            ExitCode::from(2)
        }
    }
}

fn complain(problems: &[String]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    match problems.len() {
        0 => {
            println!("all rules hold");
            ExitCode::SUCCESS
        }
        n => {
            eprintln!("{n} problem(s)");
            ExitCode::FAILURE
        }
    }
}
