//! Which packets of small captures pass a filter, as libpcap 1.10.3 decided it: `tests/data/filter-*.txt` holds an
//! expression and, on the next line, the packets that pass, or libpcap's complaint after a `!`.

use hopwise_capture::file::{self, Capture};
use hopwise_capture::filter::{Filter, Source};
use hopwise_capture::{LinkType, Meta};

fn passing(capture: &Capture, expression: &str) -> String {
    let source = Source { file: true, ..Source::default() };
    let filter = match Filter::with(expression, capture.link_type(), source) {
        Ok(filter) => filter,
        Err(error) => return format!("! {error}"),
    };
    let passed: Vec<usize> = capture
        .frames()
        .enumerate()
        .filter(|(_, frame)| filter.matches(&frame.data, frame.orig_len, &Meta::default()))
        .map(|(index, _)| index)
        .collect();
    let ranges: Vec<String> = passed
        .chunk_by(|before, after| before + 1 == *after)
        .map(|run| match run {
            [only] => only.to_string(),
            [first, .., last] => format!("{first}-{last}"),
            [] => String::new(),
        })
        .collect();
    if ranges.is_empty() { "-".to_owned() } else { ranges.join(" ") }
}

fn compare(capture: &[u8], golden: &str) {
    let capture = file::read(capture).unwrap();
    let lines: Vec<&str> = golden.lines().collect();
    let mut differing = Vec::new();
    for pair in lines.chunks_exact(2) {
        let (expression, expected) = (pair[0], pair[1].trim_start());
        let found = passing(&capture, expression);
        if found != expected {
            differing.push(format!("{expression}\n  libpcap: {expected}\n  here:    {found}"));
        }
    }
    assert!(differing.is_empty(), "{} filters differ:\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn on_ethernet() {
    compare(include_bytes!("data/filter-ethernet.pcap"), include_str!("data/filter-ethernet.txt"));
}

#[test]
fn on_cooked_links() {
    compare(include_bytes!("data/filter-cooked.pcap"), include_str!("data/filter-cooked.txt"));
}

#[test]
fn on_raw_links() {
    compare(include_bytes!("data/filter-raw.pcap"), include_str!("data/filter-raw.txt"));
}

#[test]
fn direction_and_interface_come_from_the_meta_data_where_the_link_header_has_none() {
    use hopwise_capture::Direction::{Host, Outgoing};
    let passes = |expression: &str, meta: Meta<'_>| {
        Filter::parse(expression, LinkType::ETHERNET).unwrap().matches(&[0; 60], 60, &meta)
    };
    let with = |direction| Meta { direction: Some(direction), ifindex: Some(3), ..Meta::default() };
    assert!(passes("outbound", with(Outgoing)) && !passes("outbound", with(Host)));
    assert!(passes("inbound", with(Host)) && !passes("inbound", with(Outgoing)));
    assert!(passes("ifindex 3", with(Host)) && !passes("ifindex 4", with(Host)));
    assert!(!passes("inbound", Meta::default()) && !passes("ifindex 3", Meta::default()));
}

#[test]
fn ip_broadcast_goes_by_the_netmask() {
    let source = Source { netmask: 0xffff_ff00, ..Source::default() };
    let filter = Filter::with("ip broadcast", LinkType::RAW, source).unwrap();
    let mut packet = [0; 20];
    packet[0] = 0x45;
    for (address, expected) in [([10, 0, 0, 255], true), ([10, 0, 0, 0], true), ([10, 0, 0, 7], false)] {
        packet[16..].copy_from_slice(&address);
        assert_eq!(filter.matches(&packet, 20, &Meta::default()), expected, "{address:?}");
    }
}

#[test]
fn deep_nesting_is_refused_rather_than_run() {
    let deep = format!("{}tcp{}", "(".repeat(5000), ")".repeat(5000));
    assert!(Filter::parse(&deep, LinkType::ETHERNET).is_err());
    let long = vec!["tcp"; 600].join(" or ");
    assert!(Filter::parse(&long, LinkType::ETHERNET).is_ok());
}
