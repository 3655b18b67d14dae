//! Rules of netfilter: loading as many as a cluster of ten thousand services has, adding one to them, and what a packet costs.

use criterion::{BatchSize, Criterion};
use hopwise_benches::kubernetes;
use hopwise_benches::services::{Services, flat, kube};

/// The benchmarks.
pub(crate) fn all(c: &mut Criterion) {
    let (flat, kube) = (flat(), kube());
    let mut group = c.benchmark_group("rules");
    group.sample_size(20);
    group.bench_function("restore 10k services, one rule each", |b| b.iter(|| Services::load(&flat)));
    group.bench_function("restore 10k services as kube-proxy writes them", |b| b.iter(|| Services::load(&kube)));
    let whole = kubernetes::kube_proxy(10_000);
    group.bench_function("restore 10k services with affinity and node ports", |b| b.iter(|| Services::load(&whole)));
    let (sets, felix) = (kubernetes::felix_sets(1000), kubernetes::felix(1000));
    group.bench_function("restore the policies of 1k workloads", |b| {
        b.iter(|| Services::load_with_sets(&sets, &felix));
    });
    let mut services = Services::load(&flat);
    group.bench_function("append one rule to 10k", |b| {
        b.iter_batched(|| (), |()| assert!(services.append()), BatchSize::SmallInput);
    });
    let mut services = Services::load(&flat);
    for (name, indexed) in [("indexed", true), ("rule by rule", false)] {
        group.bench_function(format!("first packet to service 9,949 of 10k, {name}"), |b| {
            b.iter(|| services.first_packet(indexed));
        });
    }
    group.finish();
}
