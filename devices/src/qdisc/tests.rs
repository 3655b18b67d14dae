//! Disciplines by themselves: what goes in, when it comes out.

use core::time::Duration;

use hopwise_protocols::wire::IntoBytes;
use hopwise_sim_core::{Pool, Rng, Time};
use proptest::prelude::*;

use super::netem::{ALWAYS, Loss, NetemOptions, NetemRate};
use super::prio::PrioOptions;
use super::tbf::{Rate, TbfOptions};
use super::*;

const LINK: LinkFacts = LinkFacts { mtu: 1500, header: 14, queue_len: 1000, queues: 2, used_queues: 1 };

/// A root discipline with a clock beside it.
struct Bench {
    root: Root,
    pool: Pool,
    now: Time,
    dropped: usize,
}

impl Bench {
    fn new(spec: Spec) -> Self {
        let qdisc = Qdisc::new(spec, 1, 0, LINK, Rng::stream(1, "netem", 0)).expect("the options fit");
        Bench { root: Root::new(qdisc), pool: Pool::default(), now: Time::ZERO, dropped: 0 }
    }

    fn put(&mut self, bytes: &[u8]) {
        let packet = self.pool.alloc_from(bytes);
        let dropped = &mut self.dropped;
        self.root.enqueue(packet, self.now, &mut self.pool, 14, &mut |_| *dropped += 1);
    }

    /// Lets time pass until nothing is left; gives when what came out, in microseconds.
    fn drain(&mut self) -> Vec<(u128, Vec<u8>)> {
        let mut out = Vec::new();
        loop {
            let dropped = &mut self.dropped;
            match self.root.dequeue(self.now, &mut self.pool, 14, &mut |_| *dropped += 1) {
                Next::Packet(packet) => {
                    out.push((self.now.since(Time::ZERO).as_micros(), packet.data().to_vec()));
                    self.pool.delivered(packet);
                }
                Next::At(at) => {
                    assert!(at > self.now, "time goes on");
                    self.now = at;
                }
                Next::Empty => return out,
            }
        }
    }
}

fn netem(options: NetemOptions) -> Spec {
    Spec::Netem(Box::new(options))
}

const MS: u64 = 1_000_000;

#[test]
fn netem_delays() {
    let mut bench = Bench::new(netem(NetemOptions { latency: 10 * MS, ..NetemOptions::default() }));
    bench.put(b"a");
    bench.now += Duration::from_millis(3);
    bench.put(b"b");
    assert_eq!(bench.drain(), [(10_000, b"a".to_vec()), (13_000, b"b".to_vec())]);
    assert_eq!((bench.root.qdisc.stats.packets, bench.root.qdisc.stats.bytes), (2, 2));
}

#[test]
fn netem_with_a_rate_sends_one_after_the_other() {
    let rate = NetemRate { bytes_per_second: 125_000, ..NetemRate::default() };
    let mut bench = Bench::new(netem(NetemOptions { latency: 10 * MS, rate: Some(rate), ..NetemOptions::default() }));
    for _ in 0..3 {
        bench.put(&[0; 1250]);
    }
    // 10 ms on the wire each: the first after its delay, the others when the one before has gone.
    assert_eq!(bench.drain().iter().map(|out| out.0).collect::<Vec<_>>(), [20_000, 30_000, 40_000]);
}

#[test]
fn netem_loses_doubles_and_limits() {
    let lost = |loss| {
        let mut bench = Bench::new(netem(NetemOptions { loss, limit: 5000, ..NetemOptions::default() }));
        (0..4000).for_each(|_| bench.put(b"x"));
        assert_eq!(bench.drain().len() + bench.dropped, 4000);
        assert_eq!(bench.root.qdisc.stats.drops as usize, bench.dropped);
        bench.dropped
    };
    assert_eq!(lost(Loss::Random(ALWAYS)), 4000);
    assert_eq!(lost(Loss::Random(0)), 0);
    let tenth = lost(Loss::Random(ALWAYS / 10));
    assert!((320..480).contains(&tenth), "{tenth}");
    let model = lost(Loss::Gemodel { p: ALWAYS / 100, r: ALWAYS / 10, bad: ALWAYS, good: 0 });
    assert!((150..700).contains(&model), "about one in eleven: {model}");
    let chain = lost(Loss::States { p13: ALWAYS / 100, p31: ALWAYS / 10, p32: 0, p23: ALWAYS, p14: 0 });
    assert!((150..700).contains(&chain), "about one in eleven: {chain}");
    let mut bench = Bench::new(netem(NetemOptions { duplicate: ALWAYS, ..NetemOptions::default() }));
    bench.put(b"x");
    assert_eq!(bench.drain().len(), 2);
    let mut bench = Bench::new(netem(NetemOptions { limit: 2, latency: MS, ..NetemOptions::default() }));
    (0..3).for_each(|_| bench.put(b"x"));
    assert_eq!((bench.root.qdisc.backlog(), bench.dropped), ((2, 2), 1));
}

#[test]
fn netem_corrupts_one_bit_and_reorders() {
    let mut bench = Bench::new(netem(NetemOptions { corrupt: Some((ALWAYS, 0)), ..NetemOptions::default() }));
    bench.put(&[0; 100]);
    let bits: u32 = bench.drain()[0].1.iter().map(|b| b.count_ones()).sum();
    assert_eq!(bits, 1);
    let options = NetemOptions { latency: 10 * MS, gap: 3, reorder: Some((ALWAYS, 0)), ..NetemOptions::default() };
    let mut bench = Bench::new(netem(options));
    for n in 1..=6 {
        bench.put(&[n]);
    }
    // Every third packet goes at once.
    let order: Vec<u8> = bench.drain().iter().map(|out| out.1[0]).collect();
    assert_eq!(order, [6, 3, 1, 2, 4, 5]);
}

#[test]
fn netem_keeps_what_a_change_does_not_name() {
    let rate = NetemRate { bytes_per_second: 1000, ..NetemRate::default() };
    let first = NetemOptions { latency: MS, rate: Some(rate), corrupt: Some((7, 8)), ..NetemOptions::default() };
    let mut bench = Bench::new(netem(first));
    let second = NetemOptions { latency: 2 * MS, ..NetemOptions::default() };
    bench.root.qdisc.change(netem(second), LINK, Time::ZERO).expect("it fits");
    let Discipline::Netem(netem) = &bench.root.qdisc.discipline else { panic!("it is netem") };
    assert_eq!((netem.options.latency, netem.options.rate, netem.options.corrupt), (2 * MS, Some(rate), Some((7, 8))));
}

fn tbf(rate: u64, burst: u32, limit: u32) -> Spec {
    let rate = Rate::new(rate, 0, 0, false);
    Spec::Tbf(TbfOptions { rate, burst, limit, ..TbfOptions::default() })
}

#[test]
fn tbf_lets_a_burst_go_and_then_keeps_the_rate() {
    let mut bench = Bench::new(tbf(125_000, 2000, 10_000));
    for _ in 0..4 {
        bench.put(&[0; 1000]);
    }
    bench.put(&[0; 2001]);
    assert_eq!(bench.dropped, 1, "larger than the bucket");
    assert_eq!(bench.drain().iter().map(|out| out.0).collect::<Vec<_>>(), [0, 0, 8_000, 16_000]);
    assert_eq!(bench.root.qdisc.stats.overlimits, 2);
}

#[test]
fn tbf_limits_its_queue_and_its_peak() {
    let mut bench = Bench::new(tbf(125_000, 1000, 1500));
    for _ in 0..3 {
        bench.put(&[0; 1000]);
    }
    assert_eq!(bench.dropped, 2);
    let peak = Rate::new(250_000, 0, 0, false);
    let slow = Rate::new(250_000, 0, 0, false);
    let options = TbfOptions { rate: slow, burst: 9, limit: 9, peak, mtu: 9 };
    assert!(Qdisc::new(Spec::Tbf(options), 1, 0, LINK, Rng::stream(1, "netem", 0)).is_err(), "no peak at all");
}

#[test]
fn disciplines_inside_others() {
    let mut bench = Bench::new(netem(NetemOptions { latency: 10 * MS, ..NetemOptions::default() }));
    let bucket = Qdisc::new(tbf(125_000, 1000, 10_000), 2, 1, LINK, Rng::stream(1, "netem", 1)).expect("it fits");
    assert!(bench.root.qdisc.graft(1, Some(bucket), LINK).is_none());
    assert_eq!(bench.root.qdisc.find(2).map(Qdisc::kind), Some("tbf"));
    assert_eq!(bench.root.qdisc.depth(), 3);
    for _ in 0..2 {
        bench.put(&[0; 1000]);
    }
    assert_eq!(bench.drain().iter().map(|out| out.0).collect::<Vec<_>>(), [10_000, 18_000]);
}

#[test]
fn prio_serves_the_first_band_first() {
    let mut bench = Bench::new(Spec::Prio(PrioOptions::default()));
    let frame = |tos: u8| {
        let mut frame = vec![0; 40];
        frame[12] = 8;
        (frame[14], frame[15]) = (0x45, tos);
        frame
    };
    // Ordinary, bulk, interactive.
    for tos in [0, 0x08, 0x10] {
        bench.put(&frame(tos));
    }
    assert_eq!(bench.drain().iter().map(|out| out.1[15]).collect::<Vec<_>>(), [0x10, 0, 0x08]);
    assert!(bench.root.qdisc.has_class(3) && !bench.root.qdisc.has_class(4));
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let any_netem = (0u64..50 * MS, 0u64..60 * MS, 0u32..20, 0u32..4, any::<u32>(), any::<u32>(), any::<u32>())
        .prop_map(|(latency, jitter, limit, gap, loss, duplicate, corrupt)| {
            netem(NetemOptions {
                latency,
                jitter,
                limit,
                gap,
                loss: Loss::Random(loss),
                correlation: Some((loss, corrupt, duplicate)),
                duplicate,
                corrupt: Some((corrupt, loss)),
                rate: Some(NetemRate {
                    bytes_per_second: u64::from(loss >> 8),
                    overhead: -20,
                    cell: 48,
                    cell_overhead: 5,
                }),
                ..NetemOptions::default()
            })
        });
    prop_oneof![
        any_netem,
        (1u64..1_000_000, 1u32..4000, 0u32..9000).prop_map(|(rate, burst, limit)| tbf(rate, burst, limit)),
        (0u32..10).prop_map(|limit| Spec::Pfifo(Some(limit))),
        (0u32..9000).prop_map(|limit| Spec::Bfifo(Some(limit))),
        Just(Spec::PfifoFast),
        Just(Spec::Prio(PrioOptions::default())),
    ]
}

proptest! {
    /// Whatever stands inside whatever: each packet comes out or is dropped, none is made but by netem's copies.
    #[test]
    fn nothing_gets_lost(outer in any_spec(), inner in any_spec(), sizes in prop::collection::vec(0usize..1600, 0..30)) {
        let mut bench = Bench::new(outer);
        if bench.root.qdisc.is_classful() {
            let inside = Qdisc::new(inner, 2, 1, LINK, Rng::stream(2, "netem", 1)).expect("it fits");
            drop(bench.root.qdisc.graft(1, Some(inside), LINK));
        }
        for size in &sizes {
            bench.put(&vec![0x45; *size]);
        }
        let (packets, _) = bench.root.qdisc.backlog();
        prop_assert_eq!(bench.pool.stats().alive(), u64::from(packets));
        let out = bench.drain().len() as u64;
        prop_assert_eq!(bench.root.qdisc.backlog(), (0, 0));
        let stats = bench.pool.stats();
        prop_assert_eq!((stats.alive(), stats.delivered), (0, out));
        prop_assert_eq!(stats.dropped as usize, bench.dropped);
    }
}

/// A discipline that is filled with packets of two flows and emptied one packet each `gap`; gives how many of each came out.
fn two_flows(qdisc: &mut Qdisc, each: usize, gap: u64) -> [usize; 2] {
    let mut pool = Pool::default();
    let mut dropped = |_: &Packet| {};
    let mut copies = Vec::new();
    let mut counts = [0, 0];
    let mut env = Env {
        now: Time::ZERO,
        pool: &mut pool,
        copies: &mut copies,
        is_copy: false,
        network_offset: 0,
        dropped: &mut dropped,
    };
    for n in 0..2 * each {
        let header = ipv4::Header::new([10, 0, 0, 1].into(), [10, 0, 0, 2 + (n % 2) as u8].into(), 1, 980);
        let mut packet = env.pool.alloc(1000);
        packet.data_mut()[..20].copy_from_slice(header.as_bytes());
        qdisc.enqueue(packet, &mut env);
    }
    for n in 1.. {
        env.now = Time::ZERO + Duration::from_millis(n * gap);
        match qdisc.dequeue(&mut env) {
            Next::Packet(packet) => {
                counts[usize::from(packet.data()[19] - 2)] += 1;
                env.pool.dropped(packet);
            }
            _ => break,
        }
    }
    counts
}

#[test]
fn fq_codel_serves_flows_in_turns_and_drops_what_waits_too_long() {
    let rng = || Rng::stream(1, "test", 0);
    let spec = || Spec::FqCodel(Box::default());
    let mut quick = Qdisc::new(spec(), 1, 0, LINK, rng()).unwrap();
    assert_eq!(two_flows(&mut quick, 40, 1), [40, 40], "80 packets in 80 ms are below the interval");
    assert_eq!((quick.stats.drops, quick.backlog()), (0, (0, 0)));
    let mut slow = Qdisc::new(spec(), 1, 0, LINK, rng()).unwrap();
    let [one, other] = two_flows(&mut slow, 40, 20);
    let drops = slow.stats.drops as usize;
    assert_eq!(one + other + drops, 80);
    assert!(drops > 4 && one.abs_diff(other) <= 2, "{one} {other} {drops}");
    let small = FqCodelOptions { limit: Some(10), drop_batch: Some(1), ..FqCodelOptions::default() };
    let mut full = Qdisc::new(Spec::FqCodel(Box::new(small)), 1, 0, LINK, rng()).unwrap();
    assert_eq!(two_flows(&mut full, 40, 1).iter().sum::<usize>(), 10);
    assert_eq!(full.stats.drops, 70);
    let flows = FqCodelOptions { flows: Some(8), ..FqCodelOptions::default() };
    assert_eq!(full.change(Spec::FqCodel(Box::new(flows)), LINK, Time::ZERO), Err(Errno::EINVAL));
}

#[test]
fn mq_is_for_links_with_queues_and_noqueue_keeps_nothing() {
    let rng = || Rng::stream(1, "test", 0);
    let one = LinkFacts { queues: 1, ..LINK };
    assert_eq!(Qdisc::new(Spec::Mq, 1, 0, one, rng()).err(), Some(Errno::EOPNOTSUPP));
    let mut mq = Qdisc::new(Spec::Mq, 1, 0, LINK, rng()).unwrap();
    assert_eq!(two_flows(&mut mq, 3, 1), [3, 3]);
    assert_eq!(mq.graft(1, None, LINK).map(|old| old.kind()), Some("pfifo_fast"));
    assert_eq!(two_flows(&mut mq, 3, 1), [0, 0], "a queue without a discipline drops everything");
}
