//! Rules of netfilter: loading as many as a cluster of ten thousand services has, adding one to them, and what a packet costs.

use criterion::{BatchSize, Criterion};
use hopwise_netfilter::env::Nowhere;
use hopwise_netfilter::hook::{Hook, TableId};
use hopwise_netfilter::names::NoNames;
use hopwise_netfilter::rules::{Ruleset, Way};
use hopwise_netfilter::skb::{LinkRef, Skb};
use hopwise_netfilter::xtables::restore::{self, Restore};
use hopwise_netfilter::xtables::{Tool, command};
use hopwise_sim_core::{IfIndex, Pool};

const SERVICES: u32 = 10_000;
const TOOL: Tool<'static> = Tool { name: "iptables", names: &NoNames };

fn address(n: u32) -> String {
    format!("10.96.{}.{}", n / 250, n % 250 + 1)
}

/// One rule for each service, in one chain.
fn flat() -> String {
    let mut text =
        "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n".to_owned();
    for n in 0..SERVICES {
        let addr = address(n);
        text.push_str(&format!("-A KUBE-SERVICES -d {addr}/32 -p tcp -m comment --comment \"ns/svc-{n} cluster IP\" -m tcp --dport 80 -j DNAT --to-destination 10.244.1.9:8080\n"));
    }
    text + "COMMIT\n"
}

/// As kube-proxy writes them: for each service a rule, a chain and an endpoint's chain.
fn kube() -> String {
    let mut text = "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n".to_owned();
    for n in 0..SERVICES {
        text.push_str(&format!(":KUBE-SVC-{n:016X} - [0:0]\n:KUBE-SEP-{n:016X} - [0:0]\n"));
    }
    text.push_str("-A PREROUTING -j KUBE-SERVICES\n-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n");
    for n in 0..SERVICES {
        let addr = address(n);
        text.push_str(&format!("-A KUBE-SERVICES -d {addr}/32 -p tcp -m comment --comment \"ns/svc-{n} cluster IP\" -m tcp --dport 80 -j KUBE-SVC-{n:016X}\n"));
        text.push_str(&format!(
            "-A KUBE-SVC-{n:016X} -m comment --comment \"ns/svc-{n} -> 10.244.1.9:8080\" -j KUBE-SEP-{n:016X}\n"
        ));
        text.push_str(&format!(
            "-A KUBE-SEP-{n:016X} -s 10.244.1.9/32 -m comment --comment ns/svc-{n} -j KUBE-MARK-MASQ\n"
        ));
        text.push_str(&format!("-A KUBE-SEP-{n:016X} -p tcp -m comment --comment ns/svc-{n} -m tcp -j DNAT --to-destination 10.244.1.9:8080\n"));
    }
    text + "COMMIT\n"
}

fn load(text: &str) -> Ruleset {
    let mut rules = Ruleset::default();
    let answer = restore::run(&mut rules, text, Restore::default(), TOOL);
    assert_eq!(answer.status, 0, "{}", answer.err);
    rules
}

fn first_packet(rules: &mut Ruleset, way: Way, bytes: &[u8], pool: &mut Pool, env: &mut Nowhere) {
    let mut packet = pool.alloc_from(bytes);
    let mut skb = Skb::new(&mut packet, LinkRef::new(IfIndex(2), "eth0"), LinkRef::NONE);
    std::hint::black_box(rules.run_by(way, TableId::Nat, Hook::PreRouting, &mut skb, env));
    pool.consumed(packet);
}

/// The benchmarks.
pub(crate) fn all(c: &mut Criterion) {
    let (flat, kube) = (flat(), kube());
    let mut group = c.benchmark_group("rules");
    group.sample_size(20);
    group.bench_function("restore 10k services, one rule each", |b| b.iter(|| load(&flat)));
    group.bench_function("restore 10k services as kube-proxy writes them", |b| b.iter(|| load(&kube)));
    let mut rules = load(&flat);
    let words = ["-t", "nat", "-A", "KUBE-SERVICES", "-d", "10.9.9.9", "-p", "tcp", "--dport", "81", "-j", "RETURN"];
    group.bench_function("append one rule to 10k", |b| {
        b.iter_batched(|| (), |()| assert_eq!(command::run(&mut rules, &words, TOOL).status, 0), BatchSize::SmallInput);
    });
    let mut rules = load(&flat);
    let (mut pool, mut env) = (Pool::default(), Nowhere::default());
    let mut bytes = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 96, 39, 200, 0x80, 0, 0, 80];
    bytes.resize(40, 0);
    for (name, way) in [("indexed", Way::Indexed), ("rule by rule", Way::Plain)] {
        group.bench_function(format!("first packet to service 9,949 of 10k, {name}"), |b| {
            b.iter(|| first_packet(&mut rules, way, &bytes, &mut pool, &mut env));
        });
    }
    group.finish();
}
