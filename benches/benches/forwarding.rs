//! What a packet costs on its way.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use hopwise_benches::{Chain, ChainOptions, Switch};

/// Packets that travel at the same time.
const BURST: u32 = 64;

/// Hops per second through chains of routers. `elements` are hops: the time per element is what one more hop costs.
pub(crate) fn chain(c: &mut Criterion) {
    let mut group = c.benchmark_group("chain");
    let plain = ChainOptions::default();
    let mut cases = Vec::new();
    for hops in [2, 8, 32] {
        for frame in [64, 1500] {
            for routes in [1, 1_000] {
                cases.push(ChainOptions { hops, frame, routes, ..plain });
            }
        }
    }
    // A full table takes a second and 100 MB to fill: once is enough.
    cases.push(ChainOptions { hops: 2, routes: 100_000, ..plain });
    cases.push(ChainOptions { hops: 8, routes: 1_000, captures: true, ..plain });
    cases.push(ChainOptions { hops: 8, routes: 1_000, journeys: true, ..plain });
    cases.push(ChainOptions { hops: 8, routes: 1_000, captures: true, journeys: true, ..plain });
    for options in cases {
        let mut chain = Chain::new(options).unwrap();
        let watched = match (options.captures, options.journeys) {
            (false, false) => "",
            (true, false) => "/captures",
            (false, true) => "/journeys",
            (true, true) => "/captures+journeys",
        };
        let name = format!("{} routes/{} bytes{watched}", options.routes, options.frame);
        group.throughput(Throughput::Elements(u64::from(options.hops * BURST)));
        group.bench_function(BenchmarkId::new(name, options.hops), |b| {
            b.iter(|| {
                chain.forget();
                chain.send(BURST)
            });
        });
    }
    group.finish();
}

/// Frames through a bridge: to one port, and to all. `elements` are frames that left the bridge.
pub(crate) fn bridge(c: &mut Criterion) {
    let mut group = c.benchmark_group("bridge");
    for ports in [2, 16, 256] {
        let mut switch = Switch::new(ports, 64).unwrap();
        group.throughput(Throughput::Elements(u64::from(BURST)));
        group.bench_function(BenchmarkId::new("unicast", ports), |b| b.iter(|| switch.send_unicast(BURST)));
        group.throughput(Throughput::Elements(u64::from(ports) * 8));
        group.bench_function(BenchmarkId::new("flood", ports), |b| {
            b.iter_batched(|| (), |()| switch.send_flood(8), BatchSize::SmallInput);
        });
    }
    group.finish();
}
