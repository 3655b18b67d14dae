//! Connection tracking and NAT: a packet of a known flow, and the first one of a flow.

use criterion::{BenchmarkId, Criterion};
use hopwise_benches::hop::{Hop, datagram};
use hopwise_sim_core::Duration;

/// What a hop costs, with no rule and with ten at each hook, in a table with many connections.
pub(crate) fn conntrack(c: &mut Criterion) {
    let mut group = c.benchmark_group("conntrack");
    for rules in [0, 10] {
        let mut hop = Hop::new(rules);
        (0..10_000).for_each(|client| assert!(hop.pass(&datagram(client, 5000))));
        let packet = datagram(77, 5000);
        group.bench_function(BenchmarkId::new("established", rules), |b| b.iter(|| hop.pass(&packet)));
        let mut hop = Hop::new(rules);
        let mut flow = 0u32;
        let packets: Vec<Vec<u8>> = (0..1000).map(|client| datagram(client, 5000)).collect();
        group.bench_function(BenchmarkId::new("new flow", rules), |b| {
            b.iter(|| {
                // Each flow has ended before it begins again.
                hop.wait(Duration::from_millis(40));
                flow = (flow + 1) % 1000;
                hop.pass(&packets[flow as usize])
            });
        });
    }
    group.finish();
}
