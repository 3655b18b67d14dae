//! Kubernetes clusters: from nothing to the answer of a Service's pod.

use criterion::{BenchmarkId, Criterion};
use hopwise_benches::cluster::{Kubernetes, Size};

/// The benchmarks.
pub(crate) fn all(c: &mut Criterion) {
    let mut group = c.benchmark_group("cluster");
    group.sample_size(10);
    for size in [Size { nodes: 100, services: 100, replicas: 10 }, Size::LARGE] {
        let pods = size.services * size.replicas;
        let name = format!("{} nodes, {pods} pods, {} services", size.nodes, size.services);
        group.bench_function(BenchmarkId::new("build and ask", name), |b| {
            b.iter_with_large_drop(|| {
                let mut cluster = Kubernetes::new(size).unwrap();
                cluster.ask().unwrap();
                cluster
            });
        });
    }
    group.finish();
}
