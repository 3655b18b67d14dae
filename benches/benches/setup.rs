//! What it costs to have a world.

use criterion::{BatchSize, BenchmarkId, Criterion};
use hopwise_benches::{Crowd, SMALL_LAB, commands};
use hopwise_scenarios::document::read;
use hopwise_scenarios::run::{CaptureFilter, RunOptions, SimWorld, WorldOptions, run_lab};
use hopwise_userland::World;

/// Building namespaces.
pub(crate) fn setup(c: &mut Criterion) {
    let mut group = c.benchmark_group("setup");
    group.sample_size(10);
    for namespaces in [1_000, 100_000] {
        group.bench_function(BenchmarkId::new("calls", namespaces), |b| {
            b.iter_batched(|| (), |()| Crowd::new(namespaces).unwrap(), BatchSize::PerIteration);
        });
    }
    let script = commands(1_000);
    group.bench_function(BenchmarkId::new("commands", 1_000), |b| {
        b.iter_batched(
            || {
                let mut world = World::new(1);
                let host = world.add_machine("host");
                (world, host)
            },
            |(mut world, host)| {
                world.run_script(host, "setup.sh", &script);
                world
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Forking a world.
pub(crate) fn fork(c: &mut Criterion) {
    let mut group = c.benchmark_group("fork");
    group.sample_size(20);
    for namespaces in [10, 1_000] {
        let crowd = Crowd::new(namespaces).unwrap();
        group.bench_function(BenchmarkId::from_parameter(namespaces), |b| {
            b.iter_batched(|| (), |()| crowd.clone(), BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// A small lab from its text to its files, as `hopwise run` does it.
pub(crate) fn lab(c: &mut Criterion) {
    c.bench_function("lab", |b| {
        b.iter(|| {
            let lab = read("small.md", SMALL_LAB);
            let options =
                RunOptions { world: WorldOptions { seed: 0, capture: CaptureFilter::All }, ..RunOptions::default() };
            run_lab::<SimWorld>(&lab, &options, &mut |_| {})
        });
    });
}
