//! The command `cilium` of Cilium 1.11, which asks the agent of its machine.

mod bpf;
mod dissect;
mod lists;
mod message;
mod monitor;
mod rules;
mod services;
mod status;
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
  map          Access userspace cached content of BPF maps
  monitor      Display BPF program events
  node         Manage cluster nodes
  policy       Manage security policies
  service      Manage services & loadbalancers
  status       Display status of daemon
  version      Print version information
";

/// Commands of Cilium 1.11 that are not here.
const ABSENT: &[&str] = &[
    "bgp",
    "build-config",
    "cleanup",
    "completion",
    "debuginfo",
    "encrypt",
    "fqdn",
    "ip",
    "kvstore",
    "lrp",
    "metrics",
    "migrate-state",
    "preflight",
    "prefilter",
    "recorder",
];

/// What is said to a command that Cilium has and hopwise has not.
fn unsupported(command: &str) -> String {
    format!("Error: `cilium {command}` is a command of Cilium that is not supported here\n")
}

type Answer = Result<String, String>;

fn run(sys: &mut Sys<'_, SimKernel>, words: &[&str]) -> Answer {
    match words {
        [] | ["help" | "-h" | "--help", ..] => Ok(USAGE.to_owned()),
        ["version", ..] => Ok("Client: 1.11.1 2022-01-18T16:06:31-08:00 go version go1.17.6 linux/amd64\n\
                               Daemon: 1.11.1 2022-01-18T16:06:31-08:00 go version go1.17.6 linux/amd64\n"
            .to_owned()),
        ["bpf", rest @ ..] => bpf::run(sys, rest),
        ["endpoint", "list" | "ls", rest @ ..] => lists::endpoints(agent(sys)?, rest),
        ["endpoint", "get", id, ..] => lists::endpoint(agent(sys)?, id),
        ["identity", "list" | "ls", rest @ ..] => lists::identities(sys, rest),
        ["identity", "get", id] => lists::identity(sys, id),
        ["map", "list" | "ls", ..] => Ok(lists::maps(maps(sys)?)),
        ["node", "list" | "ls", ..] => lists::nodes(sys),
        ["policy", rest @ ..] => rules::run(sys, rest),
        ["service", rest @ ..] => services::run(sys, rest),
        ["status", rest @ ..] => status::run(sys, rest),
        ["config", ..] => Ok(lists::config(agent(sys)?)),
        ["endpoint" | "identity" | "map" | "node", rest @ ..] => {
            let group = words.first().copied().unwrap_or_default();
            Err(unsupported(rest.first().map_or(group.to_owned(), |word| format!("{group} {word}")).as_str()))
        }
        [word, ..] if ABSENT.contains(word) => Err(unsupported(word)),
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
