//! `hopwise bench`: what things cost on the user's machine. The worlds are those of the criterion benchmarks.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use hopwise_benches::cluster::{Kubernetes, Size};
use hopwise_benches::hop::{Hop, datagram};
use hopwise_benches::kubernetes::{self, Shape};
use hopwise_benches::services::{SERVICES, Services};
use hopwise_benches::{Bulk, Chain, ChainOptions, Crowd, Node, SMALL_LAB, Switch, commands};
use hopwise_capture::LinkType;
use hopwise_capture::file::PcapWriter;
use hopwise_scenarios::document::read;
use hopwise_scenarios::run::{CaptureFilter, RunOptions, WorldOptions, run_lab};
use hopwise_stack::NlError;
use serde_json::{Map, Value, json};

use super::args::BenchArgs;
use super::clock::Stopwatch;
use super::world::World;
use super::{Ended, Refusal};

/// A figure, told as soon as it is known.
type Tell<'a> = &'a mut dyn FnMut(Figure);

/// What measures.
type Measure = fn(Tell<'_>) -> Result<(), NlError>;

/// The benchmarks by their names.
const BENCHES: &[(&str, Measure)] = &[
    ("chain", chain),
    ("bridge", bridge),
    ("nat", nat),
    ("first-packet", first_packet),
    ("load-rules", load_rules),
    ("tcp", tcp),
    ("setup", setup),
    ("cluster", cluster),
    ("start", start),
    ("fork", fork),
    ("pcap", pcap),
];

/// The names, for the command line.
pub(super) fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(BENCHES.iter().map(|row| row.0))
}

/// Measures what was asked for.
pub(super) fn bench(args: &BenchArgs) -> Ended {
    let wanted = |name: &str| args.name.as_deref().is_none_or(|only| only == name);
    for (name, measure) in BENCHES.iter().filter(|row| wanted(row.0)) {
        let mut tell = |figure: Figure| anstream::println!("{}", figure.line(name, args.json));
        measure(&mut tell).map_err(|error| Refusal::new(format!("bench {name}: {error}")))?;
    }
    Ok(0)
}

/// What was measured, under which conditions.
struct Figure {
    parameters: Map<String, Value>,
    unit: &'static str,
    value: f64,
}

impl Figure {
    fn new(parameters: Value, unit: &'static str, value: f64) -> Self {
        let parameters = match parameters {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        Figure { parameters, unit, value }
    }

    fn line(self, name: &str, json: bool) -> String {
        if json {
            let mut line = Map::new();
            line.insert("bench".into(), name.into());
            line.extend(self.parameters);
            line.insert(self.unit.into(), rounded(self.value));
            return Value::Object(line).to_string();
        }
        let conditions: Vec<String> = self.parameters.iter().map(|(key, value)| format!("{key} {value}")).collect();
        let value = match self.unit {
            "seconds" => format!("{:>12.6} s", self.value),
            "bytes" => format!("{:>12.0} bytes", self.value),
            unit => format!("{:>12.1} {}", self.value, unit.replace('_', " ")),
        };
        format!("{name:<12} {:<54} {value}", conditions.join(", ").replace('"', ""))
    }
}

/// Six decimals are a microsecond, and more than any clock is good for.
fn rounded(value: f64) -> Value {
    json!((value * 1e6).round() / 1e6)
}

/// How long a figure is measured.
const SPAN: Duration = Duration::from_millis(400);

/// Nanoseconds for each unit of what `work` does; it says how many units it did. The best of four spans: what else runs
/// on the machine only adds.
fn nanoseconds(mut work: impl FnMut() -> u64) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..4 {
        let watch = Stopwatch::start();
        let mut units = 0;
        while watch.elapsed() < SPAN / 4 {
            units += work();
        }
        best = best.min(watch.elapsed().as_secs_f64() * 1e9 / units.max(1) as f64);
    }
    best
}

/// Seconds that `work` takes, the best of `times`; what it made is dropped outside of the measurement.
fn seconds<T>(times: u32, mut work: impl FnMut() -> Result<T, NlError>) -> Result<f64, NlError> {
    let mut best = f64::INFINITY;
    for _ in 0..times {
        let watch = Stopwatch::start();
        let made = work()?;
        best = best.min(watch.elapsed().as_secs_f64());
        drop(made);
    }
    Ok(best)
}

/// Packets that travel at the same time.
const BURST: u32 = 64;

fn chain(tell: Tell<'_>) -> Result<(), NlError> {
    let plain = ChainOptions { hops: 8, routes: 1_000, ..ChainOptions::default() };
    let cases = [
        ChainOptions { hops: 2, ..plain },
        plain,
        ChainOptions { hops: 32, ..plain },
        ChainOptions { hops: 32, routes: 1, ..plain },
        ChainOptions { hops: 2, routes: 100_000, ..plain },
        ChainOptions { frame: 1500, ..plain },
        ChainOptions { captures: true, ..plain },
        ChainOptions { journeys: true, ..plain },
    ];
    for options in cases {
        let mut chain = Chain::new(options)?;
        let value = nanoseconds(|| {
            chain.forget();
            chain.send(BURST) * u64::from(options.hops)
        });
        let parameters = json!({
            "hops": options.hops, "routes": options.routes, "frame": options.frame, "captures": options.captures,
            "journeys": options.journeys,
        });
        tell(Figure::new(parameters, "ns_per_hop", value));
    }
    Ok(())
}

fn bridge(tell: Tell<'_>) -> Result<(), NlError> {
    for ports in [2, 16, 256] {
        let mut switch = Switch::new(ports, 64)?;
        let value = nanoseconds(|| switch.send_unicast(BURST));
        tell(Figure::new(json!({ "ports": ports, "frames": "unicast" }), "ns_per_packet", value));
        let value = nanoseconds(|| switch.send_flood(8));
        tell(Figure::new(json!({ "ports": ports, "frames": "flood, per copy" }), "ns_per_packet", value));
    }
    Ok(())
}

/// A hop of a router that masquerades: packets of a known flow, and the first one of a flow.
fn nat(tell: Tell<'_>) -> Result<(), NlError> {
    for rules in [0, 10] {
        let mut hop = Hop::new(rules);
        for client in 0..10_000 {
            hop.pass(&datagram(client, 5000));
        }
        let packet = datagram(77, 5000);
        let value = nanoseconds(|| (0..BURST).map(|_| u64::from(hop.pass(&packet))).sum());
        tell(Figure::new(json!({ "rules": rules, "packets": "established" }), "ns_per_packet", value));
        let mut hop = Hop::new(rules);
        let packets: Vec<Vec<u8>> = (0..1000).map(|client| datagram(client, 5000)).collect();
        let value = nanoseconds(|| {
            hop.wait(hopwise_sim_core::Duration::from_secs(40));
            packets.iter().map(|packet| u64::from(hop.pass(packet))).sum()
        });
        tell(Figure::new(json!({ "rules": rules, "packets": "first of its flow" }), "ns_per_packet", value));
    }
    Ok(())
}

/// The first packet of a connection: what its rules decide, and its whole way through a node.
fn first_packet(tell: Tell<'_>) -> Result<(), NlError> {
    for services in [10, SERVICES] {
        let mut node = Node::new(services, Shape::Full)?;
        let value = nanoseconds(|| node.begin_connections());
        tell(Figure::new(json!({ "services": services, "way": "through a node" }), "ns_per_packet", value));
    }
    let mut services = Services::load(&kubernetes::one_rule_each(SERVICES));
    for (way, indexed, burst) in [("indexed", true, 1_000), ("rule by rule", false, 10)] {
        let value = nanoseconds(|| {
            (0..burst).for_each(|_| services.first_packet(indexed));
            burst
        });
        tell(Figure::new(json!({ "services": SERVICES, "way": way }), "ns_per_packet", value));
    }
    Ok(())
}

fn load_rules(tell: Tell<'_>) -> Result<(), NlError> {
    let kube_proxy = |shape| kubernetes::kube_proxy(SERVICES, shape);
    let one = kubernetes::one_rule_each(SERVICES);
    for (form, text) in [("one rule", one), ("plain", kube_proxy(Shape::Plain)), ("full", kube_proxy(Shape::Full))] {
        let value = seconds(5, || Ok(Services::load(&text)))?;
        tell(Figure::new(json!({ "services": SERVICES, "form": form }), "seconds", value));
    }
    Ok(())
}

/// Bulk over an open connection, and an exchange with a server from SYN to FIN.
fn tcp(tell: Tell<'_>) -> Result<(), NlError> {
    const BYTES: usize = 4 << 20;
    for (rate, tracked) in [(0, false), (0, true), (1_000_000_000, false)] {
        let mut world = Bulk::new(rate, tracked)?;
        let open = world.open()?;
        world.transfer(open, BYTES)?;
        let value = nanoseconds(|| {
            let before = world.segments();
            let done = world.transfer(open, BYTES);
            debug_assert_eq!(done, Ok(BYTES));
            world.segments() - before
        });
        tell(Figure::new(json!({ "rate": rate, "tracked": tracked, "what": "bulk" }), "ns_per_segment", value));
        let value = nanoseconds(|| world.transfer(open, BYTES).unwrap_or(0) as u64 / 1000);
        tell(Figure::new(json!({ "rate": rate, "tracked": tracked, "what": "bulk" }), "ns_per_1000_bytes", value));
    }
    let mut world = Bulk::new(0, false)?;
    let value = nanoseconds(|| {
        let arrived = world.exchange(2_000);
        world.settle();
        u64::from(arrived.is_ok())
    });
    tell(Figure::new(json!({ "what": "an exchange of 2,000 bytes" }), "ns_per_connection", value));
    Ok(())
}

fn setup(tell: Tell<'_>) -> Result<(), NlError> {
    for (namespaces, times) in [(1_000, 5), (100_000, 1)] {
        let value = seconds(times, || Crowd::new(namespaces))?;
        tell(Figure::new(json!({ "namespaces": namespaces, "by": "calls" }), "seconds", value));
    }
    let script = commands(1_000);
    let value = seconds(3, || {
        let mut world = hopwise::World::new(1);
        let host = world.add_machine("host");
        let output = world.run_script(host, "setup.sh", &script);
        debug_assert_eq!(output.status, 0, "{}", output.text);
        Ok(world)
    })?;
    tell(Figure::new(json!({ "namespaces": 1_000, "by": "commands" }), "seconds", value));
    Ok(())
}

/// A Kubernetes cluster, from nothing to the answer of a Service's pod.
fn cluster(tell: Tell<'_>) -> Result<(), NlError> {
    for size in [Size { nodes: 100, services: 100, replicas: 10 }, Size::LARGE] {
        let Size { nodes, services, replicas } = size;
        let value = seconds(1, || {
            let built = Kubernetes::new(size).and_then(|mut cluster| cluster.ask().map(|_| cluster));
            debug_assert!(built.is_ok(), "{:?}", built.err());
            Ok(built)
        })?;
        let conditions = json!({ "nodes": nodes, "services": services, "pods": services * replicas });
        tell(Figure::new(conditions, "seconds", value));
    }
    Ok(())
}

/// What `hopwise run` does with a small lab, from its text to its transcript and captures, without the disk.
fn start(tell: Tell<'_>) -> Result<(), NlError> {
    let world = WorldOptions { seed: 0, capture: CaptureFilter::All };
    let options = RunOptions { world, ..RunOptions::default() };
    let value = seconds(20, || Ok(run_lab::<World>(&read("small.md", SMALL_LAB), &options, &mut |_| {})))?;
    tell(Figure::new(json!({ "lab": "two namespaces, three pings" }), "seconds", value));
    Ok(())
}

fn fork(tell: Tell<'_>) -> Result<(), NlError> {
    let crowd = Crowd::new(1_000)?;
    let value = seconds(20, || Ok(crowd.clone()))?;
    tell(Figure::new(json!({ "namespaces": 1_000 }), "seconds", value));
    Ok(())
}

fn pcap(tell: Tell<'_>) -> Result<(), NlError> {
    for size in [64_usize, 1_500] {
        let frame = vec![0x5a; size];
        let value = nanoseconds(|| {
            let mut file = PcapWriter::new(LinkType::ETHERNET);
            for i in 0..1_000 {
                file.append(i * 1_000, size as u32, &frame);
            }
            std::hint::black_box(file.into_bytes());
            1_000
        });
        tell(Figure::new(json!({ "frame": size }), "ns_per_packet", value));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_lines_of_json_or_of_text() {
        let figure = || Figure::new(json!({ "hops": 2, "frame": 64 }), "ns_per_hop", 41.28);
        assert_eq!(figure().line("chain", true), r#"{"bench":"chain","hops":2,"frame":64,"ns_per_hop":41.28}"#);
        assert!(figure().line("chain", false).contains("hops 2, frame 64"));
        assert!(figure().line("chain", false).ends_with("41.3 ns per hop"));
    }
}
