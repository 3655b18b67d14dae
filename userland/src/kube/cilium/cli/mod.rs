//! The command `cilium` of Cilium 1.11, which asks the agent of its machine.

mod bpf;
mod dissect;
mod lists;
mod message;
mod monitor;
mod table;

use hopwise_machine::{Program, Sys, once};
use hopwise_stack::path::tc::cilium::Maps;

use super::node::Node;
use crate::kernel::SimKernel;

/// Starts `cilium`.
pub(crate) fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let words: Vec<String> = args.to_vec();
    if words.first().is_some_and(|word| word == "monitor") {
        return monitor::start(&words[1..]);
    }
    once(move |sys: &mut Sys<'_, SimKernel>| {
        let words: Vec<&str> = words.iter().map(|word| &**word).collect();
        match run(sys, &words) {
            Ok(text) => {
                sys.out(&text);
                0
            }
            Err(text) => {
                sys.err(&text);
                1
            }
        }
    })
}

const USAGE: &str = "CLI for interacting with the local Cilium Agent

Usage:
  cilium [command]

Available Commands:
  bpf          Direct access to local BPF maps
  config       Cilium configuration options
  endpoint     Manage endpoints
  identity     Manage security identities
  monitor      Display BPF program events
  node         Manage cluster nodes
  status       Display status of daemon
  version      Print version information
";

type Answer = Result<String, String>;

fn run(sys: &mut Sys<'_, SimKernel>, words: &[&str]) -> Answer {
    match words {
        [] | ["help" | "-h" | "--help", ..] => Ok(USAGE.to_owned()),
        ["version", ..] => Ok("Client: 1.11.1 2022-01-18T16:06:31-08:00 go version go1.17.6 linux/amd64\n\
                               Daemon: 1.11.1 2022-01-18T16:06:31-08:00 go version go1.17.6 linux/amd64\n"
            .to_owned()),
        ["bpf", rest @ ..] => bpf::run(sys, rest),
        ["endpoint", "list", rest @ ..] => lists::endpoints(agent(sys)?, rest),
        ["endpoint", "get", id, ..] => lists::endpoint(agent(sys)?, id),
        ["identity", "list", rest @ ..] => lists::identities(sys, rest),
        ["identity", "get", id] => lists::identity(sys, id),
        ["node", "list", ..] => lists::nodes(sys),
        ["status", rest @ ..] => lists::status(sys, rest),
        ["config", ..] => Ok(lists::config(agent(sys)?)),
        [word, ..] => Err(format!("Error: unknown command {word:?} for \"cilium\"\nRun 'cilium --help' for usage.\n")),
    }
}

/// The agent of this machine.
fn agent<'a>(sys: &'a Sys<'_, SimKernel>) -> Result<&'a Node, String> {
    sys.kernel.cilium.get(&sys.machine()).ok_or_else(|| {
        "Cannot connect to the Cilium agent: Get \"http:///var/run/cilium/cilium.sock/v1/config\": dial unix \
         /var/run/cilium/cilium.sock: connect: no such file or directory\nIs the agent running?\n"
            .to_owned()
    })
}

/// The maps of this machine's programs.
fn maps<'a>(sys: &'a Sys<'_, SimKernel>) -> Result<&'a Maps, String> {
    let ns = agent(sys)?.ns;
    let maps = sys.kernel.net.ns(ns).and_then(|space| space.cilium.as_deref());
    maps.ok_or_else(|| "Unable to open map: no such file or directory\n".to_owned())
}

/// An identity as `cilium` names it: a reserved one by its name.
fn identity_name(identity: u32) -> String {
    hopwise_stack::path::tc::cilium::maps::identity::name(identity).map_or_else(|| identity.to_string(), str::to_owned)
}
