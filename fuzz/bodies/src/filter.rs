//! The pcap-filter language: any text, applied to a few frames.

use hopwise_capture::filter::Filter;
use hopwise_capture::{LinkType, Meta};

/// The longest expression that is tried: longer ones say nothing new.
const LIMIT: usize = 512;

/// Frames that a filter is applied to: an ARP request, an ICMP echo request, and what was cut off in the middle.
const FRAMES: &[&[u8]] = &[
    &[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ],
    &[
        2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 1, 0x26, 0xde, 10, 0, 0, 1, 10, 0,
        0, 2, 8, 0, 0xf7, 0xfd, 0, 1, 0, 1,
    ],
    &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x4f, 0],
    &[],
];

/// Link types, chosen by the length of the text.
const LINKS: &[LinkType] =
    &[LinkType::ETHERNET, LinkType::RAW, LinkType::LINUX_SLL, LinkType::LINUX_SLL2, LinkType::NULL];

/// Compiles `data` as a filter and applies it.
pub fn run(data: &[u8]) {
    let text = super::text(data, LIMIT);
    for link_type in LINKS {
        match Filter::parse(&text, *link_type) {
            Ok(filter) => apply(&filter, &text, *link_type),
            Err(error) => assert!(!error.to_string().is_empty(), "an error without words"),
        }
    }
}

/// `not (x)` accepts what `x` rejects, except where reading beyond the end of a frame rejects both.
fn apply(filter: &Filter, text: &str, link_type: LinkType) {
    let opposite = Filter::parse(&format!("not ({text})"), link_type).ok();
    for frame in FRAMES {
        let accepted = filter.matches(frame, frame.len() as u32, &Meta::default());
        if let Some(opposite) = &opposite
            && !text.trim().is_empty()
        {
            let both = accepted && opposite.matches(frame, frame.len() as u32, &Meta::default());
            assert!(!both, "`{text}` and its opposite both accept a frame");
        }
    }
}
