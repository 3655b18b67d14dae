//! Pure decisions: the routing table, a filter.

use std::net::Ipv4Addr;

use criterion::{BenchmarkId, Criterion};
use hopwise_benches::{Chain, ChainOptions, frames};
use hopwise_capture::filter::Filter;
use hopwise_capture::{LinkType, Meta};
use hopwise_protocols::fib::Flow;
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::NsId;

/// A lookup in a namespace with this many routes, as a forwarding router has them.
pub(crate) fn fib(c: &mut Criterion) {
    let mut group = c.benchmark_group("fib");
    for routes in [1, 1_000, 100_000] {
        let chain = Chain::new(ChainOptions { hops: 1, routes, ..ChainOptions::default() }).unwrap();
        let router = chain.net.ns(NsId(2)).unwrap();
        let mut i = 0u32;
        group.bench_function(BenchmarkId::new("lookup", routes), |b| {
            b.iter(|| {
                i = i.wrapping_add(40_503);
                let dst = Ipv4Addr::from_bits(0x1000_0000 | (i & 0x0fff_ffff));
                router.fib.lookup(&Flow { dst, ..Flow::default() }).is_ok()
            });
        });
    }
    group.finish();
}

/// Compiling a filter and applying it.
pub(crate) fn filter(c: &mut Criterion) {
    let expression = "udp and host 10.255.0.1 and not port 53";
    let addrs = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 255, 0, 1));
    let frame = frames::datagram((MacAddr::BROADCAST, MacAddr([2; 6])), addrs.0, addrs.1, 64);
    c.bench_function("filter/compile", |b| b.iter(|| Filter::parse(expression, LinkType::ETHERNET)));
    let filter = Filter::parse(expression, LinkType::ETHERNET).unwrap();
    c.bench_function("filter/match", |b| b.iter(|| filter.matches(&frame, 64, &Meta::default())));
}
