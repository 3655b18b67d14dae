//! What a captured packet costs: appending it to a pcap (here and with the `pcap-file` crate), filtering, printing.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use hopwise_capture::file::{PcapWriter, read};
use hopwise_capture::filter::Filter;
use hopwise_capture::print::{PrintOptions, Printer};
use hopwise_capture::{LinkType, Meta};
use pcap_file::pcap::{PcapPacket, PcapWriter as CrateWriter};

const PACKETS_PER_FILE: u64 = 4096;

fn pcap(c: &mut Criterion) {
    let packet = [0x5a; 98];
    c.bench_function("pcap/own", |b| {
        let mut file = PcapWriter::new(LinkType::ETHERNET);
        let mut time = 0;
        b.iter(|| {
            time += 1;
            if time % PACKETS_PER_FILE == 0 {
                file = PcapWriter::new(LinkType::ETHERNET);
            }
            file.append(black_box(time), 98, &packet);
        });
    });
    c.bench_function("pcap/pcap-file", |b| {
        let mut file = CrateWriter::new(Vec::new()).unwrap();
        let mut time = 0;
        b.iter(|| {
            time += 1;
            if time % PACKETS_PER_FILE == 0 {
                file = CrateWriter::new(Vec::new()).unwrap();
            }
            let record = PcapPacket::new(Duration::from_nanos(black_box(time)), 98, &packet[..]).unwrap();
            file.write_packet(&record).unwrap();
        });
    });
}

fn filter_and_print(c: &mut Criterion) {
    let capture = read(include_bytes!("../tests/data/options.pcap")).unwrap();
    let frame = &capture.packets[0].frame;
    for expression in ["icmp", "host 10.0.0.2 and not port 22", "tcp[tcpflags] & tcp-syn != 0 or icmp[0] = 3"] {
        let filter = Filter::parse(expression, LinkType::ETHERNET).unwrap();
        let name = format!("filter/{expression}");
        c.bench_function(&name, |b| {
            b.iter(|| filter.matches(black_box(&frame.data), frame.orig_len, &Meta::default()))
        });
    }
    let mut printer = Printer::new(PrintOptions { numeric: true, ..PrintOptions::default() });
    c.bench_function("print/icmp", |b| b.iter(|| printer.line(black_box(frame), LinkType::ETHERNET, &Meta::default())));
}

criterion_group!(benches, pcap, filter_and_print);
criterion_main!(benches);
