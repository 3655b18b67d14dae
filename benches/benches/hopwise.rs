//! The benchmarks: `cargo bench -p hopwise-benches [FILTER]`.

mod agenda;
mod forwarding;
mod lookups;
mod pcap;
mod setup;

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
    lookups::filter
);
criterion_main!(benches);
