//! What can be typed.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::builder::Styles;
use clap::{Args as ClapArgs, Parser, Subcommand};
use hopwise_scenarios::run::CaptureFilter;

/// How errors are painted.
pub(super) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// How success is painted.
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// How what needs attention is painted.
pub(super) const WARN: Style = AnsiColor::Yellow.on_default().bold();

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(ERROR)
    .valid(GOOD)
    .invalid(WARN);

/// Linux networking inside one process: `ip`, `bridge`, `ping` and `tcpdump` in virtual time, the same bytes every run.
#[derive(Debug, Parser)]
#[command(name = "hopwise", version, styles = STYLES, max_term_width = 100)]
#[command(
    after_help = "Nothing needs root, nothing reaches the real network, and nothing is written outside of --out."
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Run(RunArgs),
    Explain(ExplainArgs),
    Shell(ShellArgs),
    Bench(BenchArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Run labs and check what they print
///
/// A lab is a Markdown document with ```console blocks, a containerlab topology (*.clab.yml, its `exec` lists) or a shell
/// script (*.sh, on one machine). Folders are searched for labs. Each lab runs on a world of its own; its transcript,
/// captures and files come out under --out, in a folder of its name.
#[derive(Clone, Debug, ClapArgs)]
#[command(
    after_help = "Exit status: 0 all labs passed, 1 some failed, 2 the command line or a document could not be read."
)]
pub(super) struct RunArgs {
    /// Labs, or folders that are searched for labs
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<PathBuf>,

    /// Where transcripts, captures and files are written: the only place that is written to
    #[arg(long, value_name = "DIR", default_value = "hopwise-out")]
    pub(super) out: PathBuf,

    /// Seed of every random decision; the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,

    /// Rewrite expected lines that differ, in place; `[..]` and `...` stay where they still fit
    #[arg(long)]
    pub(super) bless: bool,

    /// Links that are captured: all, none, or a pattern for MACHINE:LINK and MACHINE/NAMESPACE:LINK
    #[arg(long, value_name = "all|none|GLOB", default_value = "all")]
    pub(super) capture: CaptureFilter,

    /// Write the results as a JUnit file; it must be inside of --out
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,

    /// Go on with further labs after one that did not pass (within a lab, commands always go on)
    #[arg(long)]
    pub(super) keep_going: bool,

    /// Labs that run at the same time; the results do not depend on it [default: the processor's threads]
    #[arg(short, long, value_name = "N")]
    pub(super) jobs: Option<NonZeroUsize>,
}

/// Tell why packets went where they went
///
/// Runs a lab and tells the journey of its packets, hop by hop and stage by stage: link, bridge port, neighbour, route
/// with its table and rule, where it ended and why. Without --packet or --filter, one line for each packet.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct ExplainArgs {
    /// The lab
    #[arg(value_name = "LAB")]
    pub(super) lab: PathBuf,

    /// The packet of this number, and those that came of it
    #[arg(long, value_name = "N", conflicts_with = "filter")]
    pub(super) packet: Option<u64>,

    /// The packets that this tcpdump expression matches anywhere on their way
    #[arg(long, value_name = "EXPR")]
    pub(super) filter: Option<String>,

    /// As JSON
    #[arg(long)]
    pub(super) json: bool,

    /// Seed of every random decision
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
}

/// Type commands on simulated machines
///
/// With a lab, its machines are there and its commands have run. Lines are bash; `host NAME` changes the machine, `host`
/// alone lists them, `exit` or Ctrl-D leaves. A line that begins with another machine's prompt (`leaf03# ip link`) runs
/// there. Commands can also come through a pipe.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct ShellArgs {
    /// The lab whose machines are wanted [default: one machine called host]
    #[arg(value_name = "LAB")]
    pub(super) lab: Option<PathBuf>,

    /// Only build the lab's machines, do not run its commands
    #[arg(long, requires = "lab")]
    pub(super) fresh: bool,

    /// Write the files and captures of the session here when it ends [default: they are not kept]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,

    /// Seed of every random decision
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
}

/// Measure the main figures on this machine
///
/// Builds networks in memory and measures what they cost: a hop, a frame through a bridge, a namespace, a small lab, a fork,
/// a captured packet. Takes a few seconds. Nothing else should run meanwhile.
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct BenchArgs {
    /// What is measured [default: all]
    #[arg(value_name = "NAME", value_parser = super::bench::names())]
    pub(super) name: Option<String>,

    /// A line of JSON for each figure: `bench`, its parameters, and `ns_per_hop`, `ns_per_packet`, `seconds` or `bytes`
    #[arg(long)]
    pub(super) json: bool,
}

/// Print a completion script for a shell
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

/// Print the manual page, in roff: `hopwise man | man -l -`
#[derive(Clone, Debug, ClapArgs)]
pub(super) struct ManArgs {
    /// The subcommand whose page is wanted [default: the program's]
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn paths_are_needed_and_jobs_are_not_zero() {
        assert!(Args::try_parse_from(["hopwise", "run"]).is_err());
        assert!(Args::try_parse_from(["hopwise", "run", "x.md", "-j0"]).is_err());
        assert!(Args::try_parse_from(["hopwise", "run", "x.md", "-j2", "--capture", "w*", "--seed", "7"]).is_ok());
    }
}
