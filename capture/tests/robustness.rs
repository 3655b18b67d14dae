//! Laws that hold for any bytes and any text: nothing panics, and what is printed parses to the same.

use hopwise_capture::file::{self, PcapWriter};
use hopwise_capture::filter::{
    Arithmetic, Expression, Filter, Id, Kind, Primitive, Protocol, Qualifiers, Relation, Side,
};
use hopwise_capture::print::{Dump, PrintOptions, Printer, TimeStamp};
use hopwise_capture::{Frame, LinkType, Meta};
use proptest::prelude::*;

const LINKS: [LinkType; 7] = [
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::NULL,
    LinkType::PPP,
    LinkType(9999),
];

fn real_frames() -> Vec<Vec<u8>> {
    let captures: [&[u8]; 4] = [
        include_bytes!("data/print-ethernet.pcap"),
        include_bytes!("data/print-bgp.pcap"),
        include_bytes!("data/print-dhcp.pcap"),
        include_bytes!("data/filter-ethernet.pcap"),
    ];
    let read = |bytes: &[u8]| file::read(bytes).unwrap().packets.into_iter().map(|packet| packet.frame.data);
    captures.iter().flat_map(|bytes| read(bytes).collect::<Vec<_>>()).collect()
}

/// A real frame with some bytes changed, cut somewhere.
fn damaged_frame() -> impl Strategy<Value = Vec<u8>> {
    let frames = real_frames();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (prop::sample::select(frames), changes, any::<prop::sample::Index>(), any::<bool>()).prop_map(
        |(mut frame, changes, end, cut)| {
            for (at, value) in changes {
                let at = at.index(frame.len().clamp(1, 120));
                if let Some(byte) = frame.get_mut(at) {
                    *byte = value;
                }
            }
            if cut {
                frame.truncate(end.index(frame.len() + 1));
            }
            frame
        },
    )
}

fn frame_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => damaged_frame(), 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

fn print_options() -> impl Strategy<Value = PrintOptions> {
    let dumps = prop::sample::select(vec![Dump::None, Dump::Hex, Dump::HexAsciiLink, Dump::Ascii]);
    let stamps = prop::sample::select(vec![TimeStamp::None, TimeStamp::Date, TimeStamp::SincePrevious]);
    (any::<[bool; 4]>(), 0..4u8, 0..2u8, dumps, stamps).prop_map(
        |([numeric, link_header, absolute_seq, as_dot], verbose, quiet, dump, time_stamp)| PrintOptions {
            numeric,
            link_header,
            absolute_seq,
            as_dot,
            verbose,
            quiet,
            dump,
            time_stamp,
            ..PrintOptions::default()
        },
    )
}

fn protocol() -> impl Strategy<Value = Protocol> {
    use Protocol::{Arp, Icmp, Icmp6, Ip, Ip6, Link, Sctp, Tcp, Udp};
    prop::sample::select(vec![Link, Ip, Arp, Ip6, Tcp, Udp, Sctp, Icmp, Icmp6])
}

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        any::<u32>().prop_map(Id::Number),
        "[a-z][a-z0-9_.-]{0,8}[a-z0-9]".prop_map(Id::Name),
        prop::sample::select(vec!["tcp", "host", "src", "1-2-3-4-5-6", "80", "fe80::1", "a:b"])
            .prop_map(|name| Id::Name(name.into())),
        any::<[u8; 4]>().prop_map(|a| Id::Dotted(std::net::Ipv4Addr::from(a).to_string())),
        (any::<[u8; 4]>(), 0..33u32).prop_map(|(a, len)| Id::Prefix(std::net::Ipv4Addr::from(a).to_string(), len)),
        (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(a, m)| Id::Masked(
            std::net::Ipv4Addr::from(a).to_string(),
            std::net::Ipv4Addr::from(m).to_string()
        )),
        (any::<[u16; 8]>(), 0..129u32).prop_map(|(a, len)| Id::Ip6(a.into(), len)),
        any::<[u8; 6]>().prop_map(Id::Mac),
    ]
}

fn qualifiers() -> impl Strategy<Value = Qualifiers> {
    let side = prop::sample::select(vec![Side::Source, Side::Destination, Side::Either, Side::Both]);
    let kind = prop::sample::select(vec![Kind::Host, Kind::Net, Kind::Port, Kind::PortRange]);
    let undirected = prop::sample::select(vec![Kind::Protocol, Kind::ProtocolChain, Kind::Gateway]);
    let protocol = || prop::option::of(protocol());
    prop_oneof![
        (protocol(), side, prop::option::of(kind.clone())).prop_map(|(protocol, side, kind)| Qualifiers {
            protocol,
            direction: Some(side),
            kind
        }),
        (protocol(), prop_oneof![kind, undirected]).prop_map(|(protocol, kind)| Qualifiers {
            protocol,
            direction: None,
            kind: Some(kind)
        }),
    ]
}

fn arithmetic() -> impl Strategy<Value = Arithmetic> {
    let leaf = prop_oneof![any::<u32>().prop_map(Arithmetic::Number), Just(Arithmetic::Length)];
    leaf.prop_recursive(4, 16, 2, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>"]);
        prop_oneof![
            (operator, inner.clone(), inner.clone()).prop_map(|(operator, left, right)| Arithmetic::Binary(
                operator,
                Box::new(left),
                Box::new(right)
            )),
            inner.clone().prop_map(|inner| Arithmetic::Negate(Box::new(inner))),
            (protocol(), inner, prop::sample::select(vec![1u32, 2, 4]))
                .prop_map(|(protocol, index, size)| Arithmetic::Load(protocol, Box::new(index), size)),
        ]
    })
}

fn expression() -> impl Strategy<Value = Expression> {
    use Relation::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    let relation = prop::sample::select(vec![Greater, GreaterEqual, Equal, NotEqual, LessEqual, Less]);
    let number = || prop::option::of(0..5000u32);
    let leaf = prop_oneof![
        (qualifiers(), id()).prop_map(|(qualifiers, id)| Primitive::Id(qualifiers, id)),
        protocol().prop_map(Primitive::Protocol),
        (relation, arithmetic(), arithmetic())
            .prop_map(|(relation, left, right)| Primitive::Relation(relation, left, right)),
        prop::option::of(protocol()).prop_map(Primitive::Broadcast),
        prop::option::of(protocol()).prop_map(Primitive::Multicast),
        any::<u32>().prop_map(Primitive::Less),
        (0..2000u32, prop::sample::select(vec!['&', '|', '<', '>', '=']), any::<u32>())
            .prop_map(|(at, operator, value)| Primitive::Byte(at, operator, value)),
        number().prop_map(Primitive::Vlan),
        number().prop_map(Primitive::Mpls),
        number().prop_map(Primitive::Geneve),
        Just(Primitive::Inbound),
    ];
    leaf.prop_map(Expression::Primitive).prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| Expression::And(Box::new(l), Box::new(r))),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| Expression::Or(Box::new(l), Box::new(r))),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn printing_never_panics_and_ends_the_line(
        frames in prop::collection::vec(frame_bytes(), 1..4),
        options in print_options(),
        link in prop::sample::select(LINKS.to_vec()),
        more in 0..2000u32,
    ) {
        let mut printer = Printer::new(options);
        for data in frames {
            let orig_len = data.len() as u32 + more;
            let text = printer.line(&Frame { time_ns: 1, orig_len, data }, link, &Meta::default());
            prop_assert!(text.ends_with('\n'));
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..300), magic in 0..6usize) {
        let magics: [&[u8]; 6] = [b"", &[0xd4, 0xc3, 0xb2, 0xa1], &[0xa1, 0xb2, 0x3c, 0x4d], &[0x0a, 0x0d, 0x0d, 0x0a],
            &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 28, 0, 0, 0],
            &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 28, 0, 0, 0, 1, 0, 0, 0]];
        let _any_result = file::read(&[magics[magic], &bytes].concat());
    }

    #[test]
    fn a_written_pcap_reads_the_same(frames in prop::collection::vec((any::<u32>(), 0..1_000_000u64, prop::collection::vec(any::<u8>(), 0..60)), 0..8)) {
        let mut pcap = PcapWriter::new(LinkType::ETHERNET);
        let frames: Vec<Frame> = frames
            .into_iter()
            .map(|(second, micro, data)| Frame::new(u64::from(second) * 1_000_000_000 + micro * 1000, data))
            .collect();
        for frame in &frames {
            pcap.append(frame.time_ns, frame.orig_len, &frame.data);
        }
        let capture = file::read(pcap.bytes()).unwrap();
        prop_assert_eq!(capture.frames().cloned().collect::<Vec<_>>(), frames);
        prop_assert_eq!(capture.tail, None);
    }

    #[test]
    fn a_printed_expression_parses_to_the_same(expression in expression()) {
        let text = expression.to_string();
        prop_assert_eq!(Expression::parse(&text), Ok(expression), "{}", text);
    }

    #[test]
    fn expressions_compile_and_match_without_panicking(
        expression in expression(),
        data in frame_bytes(),
        link in prop::sample::select(LINKS.to_vec()),
    ) {
        if let Ok(filter) = Filter::parse(&expression.to_string(), link) {
            let _either = filter.matches(&data, data.len() as u32, &Meta::default());
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error(
        text in "([a-z0-9 .:/()!&|<>=*%^\\[\\]\\\\-]|tcp|host|port|and|or|not|net|vlan|ip\\[|len|10\\.0){0,40}",
        link in prop::sample::select(LINKS.to_vec()),
    ) {
        let _either = Filter::parse(&text, link);
    }
}
