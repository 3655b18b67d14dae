//! The text of packets, compared with what tcpdump 4.99.3 printed about the captures in `tests/data`.

use hopwise_capture::print::{Dump, PrintOptions, Printer, TimeStamp};
use hopwise_capture::{Direction, Frame, LinkType, Meta, file, sll2_header};

/// tcpdump's own letters as options.
fn options(letters: &str) -> PrintOptions {
    let count = |letter: char| letters.chars().filter(|&found| found == letter).count();
    PrintOptions {
        numeric: count('n') > 0,
        link_header: count('e') > 0,
        verbose: count('v') as u8,
        quiet: count('q') as u8,
        absolute_seq: count('S') > 0,
        number: count('#') > 0,
        no_checksums: count('K') > 0,
        time_stamp: match count('t') {
            0 => TimeStamp::TimeOfDay,
            1 => TimeStamp::None,
            2 => TimeStamp::Epoch,
            3 => TimeStamp::SincePrevious,
            4 => TimeStamp::Date,
            _ => TimeStamp::SinceFirst,
        },
        dump: match (count('x'), count('X'), count('A')) {
            (0, 0, 0) => Dump::None,
            (1, 0, 0) => Dump::Hex,
            (_, 0, 0) => Dump::HexLink,
            (_, 1, _) => Dump::HexAscii,
            (_, 2, _) => Dump::HexAsciiLink,
            (_, _, 1) => Dump::Ascii,
            _ => Dump::AsciiLink,
        },
        ..PrintOptions::default()
    }
}

fn print(capture: &[u8], letters: &str) -> String {
    let capture = file::read(capture).unwrap();
    let mut printer = Printer::new(options(letters));
    capture.frames().map(|frame| printer.line(frame, capture.link_type(), &Meta::default())).collect()
}

fn compare(capture: &[u8], letters: &str, expected: &[u8]) {
    let (found, expected) = (print(capture, letters), String::from_utf8_lossy(expected));
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {} of tcpdump -{letters}", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "tcpdump -{letters}");
}

#[test]
fn protocols_over_ethernet() {
    let capture = include_bytes!("data/print-ethernet.pcap");
    compare(capture, "n", include_bytes!("data/print-ethernet.n.txt"));
    compare(capture, "nvvve", include_bytes!("data/print-ethernet.nvvve.txt"));
}

#[test]
fn bgp() {
    let capture = include_bytes!("data/print-bgp.pcap");
    compare(capture, "n", include_bytes!("data/print-bgp.n.txt"));
    compare(capture, "nvvve", include_bytes!("data/print-bgp.nvvve.txt"));
}

#[test]
fn dhcp() {
    let capture = include_bytes!("data/print-dhcp.pcap");
    compare(capture, "n", include_bytes!("data/print-dhcp.n.txt"));
    compare(capture, "nvvve", include_bytes!("data/print-dhcp.nvvve.txt"));
}

#[test]
fn every_option() {
    let capture = include_bytes!("data/options.pcap");
    for section in include_str!("data/options.txt").split("=== -").skip(1) {
        let (letters, expected) = section.split_once('\n').unwrap();
        compare(capture, letters, expected.as_bytes());
    }
}

#[test]
fn cooked_captures_name_the_interface() {
    let mut data = sll2_header(0x0806, 7, 1, Direction::Broadcast, &[2, 0, 0, 0, 0, 1]).to_vec();
    data.extend([0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    let frame = Frame::new(0, data);
    let meta = Meta { interface: Some("eth0"), ..Meta::default() };
    let line = |letters| Printer::new(options(letters)).line(&frame, LinkType::LINUX_SLL2, &meta);
    assert_eq!(line("nt"), "eth0  B   ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28\n");
    assert_eq!(
        line("nte"),
        "eth0  B   ifindex 7 02:00:00:00:00:01 ethertype ARP (0x0806), length 48: \
         Request who-has 10.0.0.2 tell 10.0.0.1, length 28\n"
    );
}

#[test]
fn what_the_capture_cut_ends_in_a_mark() {
    let capture = file::read(include_bytes!("data/options.pcap")).unwrap();
    let whole = &capture.packets[0].frame;
    let line = |len: usize| {
        let frame = Frame { data: whole.data[..len].to_vec(), ..whole.clone() };
        Printer::new(options("nt")).line(&frame, LinkType::ETHERNET, &Meta::default())
    };
    assert_eq!(line(12), " [|ether]\n");
    assert_eq!(line(24), "IP  [|ip]\n");
    assert_eq!(line(37), "IP 10.0.0.1 > 10.0.0.2:  [|icmp]\n");
}
