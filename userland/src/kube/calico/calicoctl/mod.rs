//! `calicoctl` 3.24: shows and changes Calico's objects in the store, and asks the BIRD of its node.

mod change;
mod get;
mod ipam;
mod kinds;
mod options;
mod status;

use hopwise_machine::{Program, Read, Step, Sys, Wait};

use crate::kernel::SimKernel;
use options::{Options, Spec};

/// Starts `calicoctl`.
pub(crate) fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    if let [node, verb, rest @ ..] = &args[..]
        && (&**node, &**verb) == ("node", "status")
        && rest.is_empty()
    {
        return status::start();
    }
    Box::new(Calicoctl { args, input: Vec::new() })
}

/// Every command but `node status`.
#[derive(Clone)]
struct Calicoctl {
    args: Vec<String>,
    /// What has come through standard input for `-f -`.
    input: Vec<u8>,
}

impl Program<SimKernel> for Calicoctl {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let (command, mut options) = match find(&self.args) {
            Ok(found) => found,
            Err(why) => return failed(sys, &why),
        };
        if options.value("--filename") == Some("-") {
            loop {
                match sys.read(0, 65_536) {
                    Ok(Read::Data(data)) => self.input.extend(data),
                    Ok(Read::WouldBlock) => return Step::Block(Wait::readable(0)),
                    Ok(Read::Eof) | Err(_) => break,
                }
            }
            options.input = String::from_utf8_lossy(&self.input).into_owned();
        }
        if !sys.kernel.kube.is_up() {
            let why = "Failed to create Calico API client: invalid configuration: no configuration has been provided";
            return failed(sys, why);
        }
        match (command.run)(sys, &options) {
            Ok(()) => Step::Exit(0),
            Err(why) => failed(sys, &why),
        }
    }
}

fn failed(sys: &mut Sys<'_, SimKernel>, why: &str) -> Step {
    sys.err(&format!("{why}\n"));
    Step::Exit(1)
}

/// A command: its words, its options, what it does.
struct Command {
    words: &'static [&'static str],
    spec: Spec,
    run: fn(&mut Sys<'_, SimKernel>, &Options) -> Result<(), String>,
}

/// Options that only choose how the store is reached are taken and have no effect: there is one way.
const CHANGE: Spec =
    &[("--filename", 'f', true), ("--namespace", 'n', true), ("--allow-version-mismatch", '\0', false)];

const COMMANDS: &[Command] = &[
    Command {
        words: &["get"],
        spec: &[
            ("--output", 'o', true),
            ("--namespace", 'n', true),
            ("--all-namespaces", 'a', false),
            ("--allow-version-mismatch", '\0', false),
        ],
        run: get::get,
    },
    Command { words: &["apply"], spec: CHANGE, run: change::apply },
    Command { words: &["create"], spec: CHANGE, run: change::create },
    Command { words: &["replace"], spec: CHANGE, run: change::replace },
    Command { words: &["delete"], spec: CHANGE, run: change::delete },
    Command {
        words: &["patch"],
        spec: &[("--patch", 'p', true), ("--namespace", 'n', true), ("--allow-version-mismatch", '\0', false)],
        run: change::patch_one,
    },
    Command {
        words: &["ipam", "show"],
        spec: &[
            ("--ip", '\0', true),
            ("--show-blocks", '\0', false),
            ("--show-borrowed", '\0', false),
            ("--show-configuration", '\0', false),
            ("--allow-version-mismatch", '\0', false),
        ],
        run: ipam::show,
    },
    Command {
        words: &["ipam", "configure"],
        spec: &[("--strictaffinity", '\0', true), ("--max-blocks-per-host", '\0', true)],
        run: ipam::configure,
    },
    Command { words: &["ipam", "release"], spec: &[("--ip", '\0', true)], run: ipam::release },
    Command { words: &["version"], spec: &[("--allow-version-mismatch", '\0', false)], run: version },
];

/// The command that words mean, with its options.
fn find(args: &[String]) -> Result<(&'static Command, Options), String> {
    let is_first = |command: &Command| args.first().is_some_and(|word| word == command.words[0]);
    let found = COMMANDS.iter().find(|c| args.len() >= c.words.len() && c.words.iter().zip(args).all(|(w, a)| w == a));
    let invalid = || {
        let words = args.join(" ");
        format!("Invalid option: 'calicoctl {words}'. Use flag '--help' to read about a specific subcommand.")
    };
    let Some(command) = found else {
        return match args.first() {
            Some(word) if !COMMANDS.iter().any(is_first) && word != "node" => Err(format!("Unknown command: {word:?}")),
            _ => Err(invalid()),
        };
    };
    let options = Options::parse(&args[command.words.len()..], command.spec).ok_or_else(invalid)?;
    Ok((command, options))
}

fn version(sys: &mut Sys<'_, SimKernel>, _options: &Options) -> Result<(), String> {
    let version = super::VERSION;
    sys.out(&format!("Client Version:    {version}\nCluster Version:   {version}\nCluster Type:      k8s,bgp\n"));
    Ok(())
}
