//! The `hopwise` program: lab documents from the command line. See [`cli::args`] for what it takes.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
