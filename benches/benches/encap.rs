//! Encapsulation by itself: headers on and off, and the hash that chooses a flow's path.

use criterion::{BenchmarkId, Criterion, Throughput};
use hopwise_benches::{Carrier, Pods, Tunnel, Way, frames};
use hopwise_protocols::encap::{Outer, flow, ipip, vxlan};
use hopwise_protocols::fib::Flow;
use hopwise_protocols::fib::multipath::{self, HashPolicy};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_protocols::wire::vxlan::VXLAN_PORT;
use hopwise_sim_core::Pool;
use std::hint::black_box;
use std::net::Ipv4Addr;

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// Encapsulation and decapsulation of one packet.
pub(crate) fn tunnels(c: &mut Criterion) {
    let mut group = c.benchmark_group("encap");
    let mut pool = Pool::default();
    for size in [64, 1400] {
        let frame = frames::datagram((MacAddr([2; 6]), MacAddr([4; 6])), A, B, size);
        for checksum in [false, true] {
            let mut packet = pool.alloc_from(&frame);
            let mut tunnel =
                vxlan::Vxlan { outer: Outer::new(A, B), source: 40_000, port: VXLAN_PORT, vni: 7, checksum };
            let name = if checksum { "vxlan/udpcsum" } else { "vxlan" };
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| {
                    tunnel.source = flow::source_port(flow::hash(packet.data(), flow::KEY), 32768..=60999);
                    vxlan::encapsulate(&mut packet, black_box(&tunnel), 1).unwrap();
                    vxlan::decapsulate(&mut packet, VXLAN_PORT).unwrap()
                });
            });
            pool.consumed(packet);
        }
        let mut packet = pool.alloc_from(&frame[14..]);
        group.bench_function(BenchmarkId::new("ipip", size), |b| {
            b.iter(|| {
                ipip::encapsulate(&mut packet, black_box(&Outer::new(A, B)), 1).unwrap();
                ipip::decapsulate(&mut packet).unwrap()
            });
        });
        pool.consumed(packet);
    }
    group.finish();
}

/// A packet's way from pod to pod over two nodes: by the stack, by the stack with Cilium's programs, by the programs.
pub(crate) fn pods(c: &mut Criterion) {
    const BURST: u32 = 64;
    let mut group = c.benchmark_group("cilium");
    group.throughput(Throughput::Elements(u64::from(BURST)));
    for (name, way) in [("plain", Way::Plain), ("legacy", Way::Legacy), ("host-routing", Way::HostRouting)] {
        let mut pods = Pods::new(way, 1400).unwrap();
        assert_eq!(pods.send(BURST), u64::from(BURST));
        group.bench_function(BenchmarkId::new(name, 1400), |b| b.iter(|| pods.send(BURST)));
    }
    group.finish();
}

/// A packet's way to another host, over a wire alone and through a tunnel: the difference is what the tunnel adds.
pub(crate) fn way(c: &mut Criterion) {
    const BURST: u32 = 64;
    let mut group = c.benchmark_group("tunnel");
    group.throughput(Throughput::Elements(u64::from(BURST)));
    for size in [64, 1400] {
        for (name, carrier) in [("wire", Carrier::Wire), ("vxlan", Carrier::Vxlan), ("ipip", Carrier::Ipip)] {
            let mut tunnel = Tunnel::new(carrier, size).unwrap();
            assert_eq!(tunnel.send(BURST), u64::from(BURST));
            group.bench_function(BenchmarkId::new(name, size), |b| b.iter(|| tunnel.send(BURST)));
        }
    }
    group.finish();
}

/// The hash of a flow: of a route's next hops, and of a frame for its source port.
pub(crate) fn hashes(c: &mut Criterion) {
    let flow = Flow { src: A, dst: B, proto: 17, sport: 1000, dport: 53, ..Flow::default() };
    c.bench_function("hash/flow", |b| b.iter(|| multipath::hash(black_box(&flow), HashPolicy::Layer4, 7)));
    let frame = frames::datagram((MacAddr([2; 6]), MacAddr([4; 6])), A, B, 64);
    c.bench_function("hash/frame", |b| b.iter(|| flow::hash(black_box(&frame), flow::KEY)));
}
