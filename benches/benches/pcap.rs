//! Writing a captured packet: our writer, and the one of the crate `pcap-file`, which we use for reading.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use hopwise_capture::LinkType;
use hopwise_capture::file::PcapWriter;

const PACKETS: u32 = 1_000;

pub(crate) fn pcap(c: &mut Criterion) {
    let mut group = c.benchmark_group("pcap");
    group.throughput(Throughput::Elements(u64::from(PACKETS)));
    for size in [64, 1500] {
        let frame = vec![0x5a; size];
        group.bench_function(BenchmarkId::new("own", size), |b| {
            b.iter(|| {
                let mut file = PcapWriter::new(LinkType::ETHERNET);
                for i in 0..PACKETS {
                    file.append(u64::from(i) * 1_000, size as u32, &frame);
                }
                file.into_bytes().len()
            });
        });
        group.bench_function(BenchmarkId::new("pcap-file", size), |b| {
            b.iter(|| {
                let mut file = pcap_file::pcap::PcapWriter::new(Vec::new()).unwrap();
                for i in 0..PACKETS {
                    let stamp = Duration::from_nanos(u64::from(i) * 1_000);
                    let packet = pcap_file::pcap::PcapPacket::new(stamp, size as u32, &frame).unwrap();
                    file.write_packet(&packet).unwrap();
                }
                file.into_inner().len()
            });
        });
    }
    group.finish();
}
