//! What the fuzz targets do: one module each, with a function `run` that takes any bytes and must not panic. Beside "no
//! panic" each one checks the laws that its part promises.
//!
//! `cargo test -p hopwise-fuzzing` runs every target over its seeds (`fuzz/seeds/TARGET`) and over generated inputs;
//! `cargo fuzz run TARGET` looks for what nobody thought of.
#![warn(missing_docs)]

pub mod batch;
pub mod bgp;
pub mod bird;
pub mod calico;
pub mod cilium_args;
pub mod conntrack;
pub mod encap;
pub mod filter;
pub mod ip_args;
pub mod kube;
pub mod lab_document;
pub mod messages;
pub mod pcap_read;
pub mod printer;
pub mod router_with_bridge;
pub mod rules;
pub mod shell;
pub mod tcp;
pub mod wire;
mod worlds;

/// A target: its name, what it does with an input, and whether its inputs are text.
pub struct Target {
    /// The name of the binary, of the folder of seeds and of the dictionary.
    pub name: &'static str,
    /// Takes any bytes; panics if a law is broken.
    pub run: fn(&[u8]),
    /// Inputs are text: generated ones are made of the dictionary's words.
    pub text: bool,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "wire", run: wire::run, text: false },
    Target { name: "encap", run: encap::run, text: false },
    Target { name: "bgp", run: bgp::run, text: false },
    Target { name: "bird", run: bird::run, text: true },
    Target { name: "calico", run: calico::run, text: true },
    Target { name: "kube", run: kube::run, text: true },
    Target { name: "conntrack", run: conntrack::run, text: false },
    Target { name: "pcap_read", run: pcap_read::run, text: false },
    Target { name: "filter", run: filter::run, text: true },
    Target { name: "printer", run: printer::run, text: false },
    Target { name: "lab_document", run: lab_document::run, text: true },
    Target { name: "shell", run: shell::run, text: true },
    Target { name: "rules", run: rules::run, text: true },
    Target { name: "ip_args", run: ip_args::run, text: true },
    Target { name: "batch", run: batch::run, text: true },
    Target { name: "cilium_args", run: cilium_args::run, text: true },
    Target { name: "tcp", run: tcp::run, text: false },
    Target { name: "messages", run: messages::run, text: false },
    Target { name: "router_with_bridge", run: router_with_bridge::run, text: false },
];

/// The first byte of an input, and the rest: inputs carry their choices in front.
fn choice(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// At most `limit` bytes of an input as text; what is not UTF-8 is replaced.
fn text(data: &[u8], limit: usize) -> String {
    String::from_utf8_lossy(data.get(..limit).unwrap_or(data)).into_owned()
}
