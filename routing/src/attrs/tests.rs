use super::*;

fn segment(kind: SegmentKind, asns: &[u32]) -> Segment {
    Segment { kind, asns: asns.to_vec() }
}

#[test]
fn a_set_counts_as_one_and_a_confederation_as_nothing() {
    let path = AsPath::from_segments([
        segment(SegmentKind::ConfedSequence, &[64512, 64513]),
        segment(SegmentKind::Sequence, &[65000, 65003]),
        segment(SegmentKind::Set, &[65004, 65005]),
    ]);
    assert_eq!(path.to_string(), "(64512 64513) 65000 65003 {65004 65005}");
    assert_eq!(path.len(), 3);
    assert_eq!(path.first(), Some(65000));
    assert_eq!(path.last(), None);
}

#[test]
fn a_full_sequence_gets_a_segment_in_front() {
    let mut path = AsPath::sequence(vec![65001; 255]);
    path.prepend(65000);
    assert_eq!(path.segments().len(), 2);
    assert_eq!(path.len(), 256);
    let mut set = AsPath::from_segments([segment(SegmentKind::Set, &[1, 2])]);
    set.prepend(65000);
    assert_eq!(set.to_string(), "65000 {1 2}");
}

#[test]
fn communities_print_as_in_bird() {
    assert_eq!(Community::new(65000, 100).to_string(), "(65000,100)");
    assert_eq!(ExtendedCommunity(0x0002_fde8_0000_0064).to_string(), "(rt, 65000, 100)");
    assert_eq!(ExtendedCommunity(0x0103_c000_0201_0064).to_string(), "(ro, 192.0.2.1, 100)");
    assert_eq!(ExtendedCommunity(0x4300_0000_0000_0001).to_string(), "(generic, 0x43000000, 0x1)");
    assert_eq!(LargeCommunity { asn: 65000, first: 1, second: 2 }.to_string(), "(65000, 1, 2)");
}

#[test]
fn only_optional_transitive_attributes_can_be_partial() {
    let mut partial = Partial::default();
    partial.set(code::MULTI_EXIT_DISC, true);
    assert_eq!(partial, Partial::default());
    partial.set(code::COMMUNITIES, true);
    assert!(partial.contains(code::COMMUNITIES) && !partial.contains(code::AGGREGATOR));
}
