//! The benchmarks: `cargo bench -p hopwise-benches [FILTER]`.

mod agenda;
mod bgp;
mod cluster;
mod conntrack;
mod encap;
mod forwarding;
mod lookups;
mod pcap;
mod rules;
mod setup;
mod tcp;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    benches,
    forwarding::chain,
    forwarding::bridge,
    setup::setup,
    setup::fork,
    setup::lab,
    pcap::pcap,
    agenda::agenda,
    lookups::fib,
    lookups::filter,
    rules::all,
    bgp::convergence,
    cluster::all,
    conntrack::conntrack,
    encap::tunnels,
    encap::way,
    encap::pods,
    encap::hashes,
    tcp::bulk,
    tcp::exchange,
    tcp::many
);
criterion_main!(benches);
