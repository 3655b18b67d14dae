//! Rules of netfilter: loading as many as a cluster of ten thousand services has, adding one to them, and what a packet costs.

use criterion::{BatchSize, Criterion, Throughput};
use hopwise_benches::Node;
use hopwise_benches::kubernetes::{self, Shape};
use hopwise_benches::services::{SERVICES, Services};

/// The benchmarks.
pub(crate) fn all(c: &mut Criterion) {
    let mut group = c.benchmark_group("rules");
    group.sample_size(20);
    let flat = kubernetes::one_rule_each(SERVICES);
    for (name, text) in [
        ("restore 10k services, one rule each", &flat),
        ("restore 10k services of kube-proxy, plain", &kubernetes::kube_proxy(SERVICES, Shape::Plain)),
        ("restore 10k services of kube-proxy, full", &kubernetes::kube_proxy(SERVICES, Shape::Full)),
    ] {
        group.bench_function(name, |b| b.iter(|| Services::load(text)));
    }
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
    group.throughput(Throughput::Elements(1000));
    for services in [10, SERVICES] {
        let mut node = Node::new(services, Shape::Full).unwrap();
        group.bench_function(format!("1,000 first packets through a node with {services} services"), |b| {
            b.iter(|| node.begin_connections());
        });
    }
    group.finish();
}
