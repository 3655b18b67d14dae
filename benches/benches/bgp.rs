//! How long BGP takes to converge, in real time. The virtual time is printed once.

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion};
use hopwise_benches::bgp::{converge, mesh, reflector};
use hopwise_routing::bgp::fabric::Fabric;

/// A full mesh of nodes, and a route reflector with its clients.
pub(crate) fn convergence(c: &mut Criterion) {
    let mut group = c.benchmark_group("bgp");
    group.sample_size(10);
    measure(&mut group, "mesh", 100, mesh);
    measure(&mut group, "reflector", 1_000, reflector);
    group.finish();
}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, count: usize, build: fn(usize) -> Fabric) {
    if let Some(virtual_time) = converge(&mut build(count)) {
        println!("bgp/{name}/{count}: converges after {virtual_time:?} of virtual time");
    }
    group.bench_function(BenchmarkId::new(name, count), |b| {
        b.iter_batched(
            || build(count),
            |mut fabric| {
                converge(&mut fabric);
                fabric
            },
            BatchSize::PerIteration,
        );
    });
}
