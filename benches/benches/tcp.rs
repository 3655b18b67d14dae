//! TCP: bulk, an exchange with a server, many connections; with connection tracking and without.

use criterion::{BenchmarkId, Criterion, Throughput};
use hopwise_benches::Bulk;

/// Bytes of a measured transfer.
const BYTES: usize = 1 << 20;

/// A transfer over a connection that has been open for a while.
pub(crate) fn bulk(c: &mut Criterion) {
    let mut group = c.benchmark_group("tcp/bulk");
    group.throughput(Throughput::Bytes(BYTES as u64));
    for (name, rate, tracked) in [("unlimited", 0, false), ("tracked", 0, true), ("1 Gbit/s", 1_000_000_000, false)] {
        let mut world = Bulk::new(rate, tracked).expect("two machines");
        let open = world.open().expect("a connection");
        assert_eq!(world.transfer(open, 8 * BYTES), Ok(8 * BYTES));
        group.bench_function(BenchmarkId::from_parameter(name), |b| b.iter(|| world.transfer(open, BYTES)));
    }
    group.finish();
}

/// What `curl` does with a small page, from SYN to the last FIN.
pub(crate) fn exchange(c: &mut Criterion) {
    let mut group = c.benchmark_group("tcp/exchange");
    for (name, tracked) in [("plain", false), ("tracked", true)] {
        let mut world = Bulk::new(0, tracked).expect("two machines");
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let arrived = world.exchange(2_000);
                world.settle();
                arrived
            });
        });
    }
    group.finish();
}

/// A thousand connections to one server, each of which sends a little.
pub(crate) fn many(c: &mut Criterion) {
    let mut group = c.benchmark_group("tcp/1000 connections");
    group.throughput(Throughput::Elements(1_000));
    for (name, tracked) in [("plain", false), ("tracked", true)] {
        let mut world = Bulk::new(0, tracked).expect("two machines");
        let open: Vec<_> = (0..1_000).map(|_| world.open().expect("a connection")).collect();
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| open.iter().map(|open| world.transfer(*open, 1_000)).filter(Result::is_ok).count());
        });
    }
    group.finish();
}
