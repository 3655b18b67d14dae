//! Frames of any content as tcpdump's text.

use hopwise_capture::print::{Dump, PrintOptions, Printer, TimeStamp};
use hopwise_capture::{Frame, LinkType, Meta};

/// The link types that are tried, the unknown one included.
const LINKS: &[LinkType] = &[
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::NULL,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType(999),
];

/// Prints the frame `data[2..]`: the first two bytes choose the link type and the options.
pub fn run(data: &[u8]) {
    let (first, rest) = super::choice(data);
    let (second, bytes) = super::choice(rest);
    let link_type = LINKS[usize::from(first & 7)];
    // A snapshot may have cut the frame off.
    let missing = u32::from(first >> 3) * 8;
    let options = PrintOptions {
        numeric: second & 1 != 0,
        link_header: second & 2 != 0,
        verbose: (second >> 2) & 3,
        quiet: u8::from(second & 16 != 0),
        dump: if second & 32 != 0 { Dump::HexAsciiLink } else { Dump::default() },
        time_stamp: TimeStamp::default(),
        no_checksums: second & 64 != 0,
        absolute_seq: second & 128 != 0,
        ..PrintOptions::default()
    };
    let frame = Frame { time_ns: 0, orig_len: bytes.len() as u32 + missing, data: bytes.to_vec() };
    let mut printer = Printer::new(options.clone());
    let text = printer.line(&frame, link_type, &Meta::default());
    assert!(text.ends_with('\n'), "a packet's text ends with a line end");
    let clean = text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control());
    assert!(clean, "control characters of a packet reach the terminal: {text:?}");
    let again = Printer::new(options).line(&frame, link_type, &Meta::default());
    assert_eq!(text, again, "the same frame, the same text");
}
