use super::*;
use crate::attrs::{AsPath, Attrs, Community, Origin, SegmentKind, code};
use crate::bgp::error::ErrorCode;

const AS4: Options = Options { as4: true, extended: false, enhanced_refresh: true };

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|d| u8::from_str_radix(core::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
}

fn messages(segment: &[u8]) -> Vec<&[u8]> {
    let mut rest = segment;
    let mut all = Vec::new();
    while let Some(length) = frame(rest, AS4).unwrap() {
        let (message, behind) = rest.split_at(length);
        all.push(message);
        rest = behind;
    }
    assert!(rest.is_empty());
    all
}

/// What BIRD 2.0.12 sent: kept beside the tests, one segment per line in hexadecimal digits.
fn recorded(file: &str) -> Vec<Vec<u8>> {
    let lines = file.lines().filter(|l| !l.starts_with('#'));
    lines.flat_map(|l| messages(&bytes(l)).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
}

const HAND_CNI_9: &str = include_str!("../../../tests/data/bird-2.0.12-hand-cni-9.hex");

#[test]
fn what_bird_sent_is_written_again_to_the_byte() {
    let all = recorded(HAND_CNI_9);
    assert_eq!(all.len(), 11);
    for message in all {
        let mut again = Vec::new();
        encode(&decode(&message, AS4).unwrap(), AS4, &mut again).unwrap();
        assert_eq!(again, message);
    }
}

#[test]
fn the_leaf_tells_of_worker1_with_worker1_as_next_hop() {
    let all = recorded(HAND_CNI_9);
    let Ok(Message::Update(update)) = decode(&all[4], AS4) else { panic!("an UPDATE") };
    let attrs = update.attrs.unwrap();
    assert_eq!(update.nlri, ["192.168.10.0/24".parse().unwrap()]);
    assert_eq!(attrs.as_path.as_ref().unwrap().to_string(), "65000 65001");
    assert_eq!(attrs.next_hop, Some([192, 168, 210, 21].into()));
    assert_eq!(attrs.origin, Some(Origin::Igp));
    assert!(matches!(decode(&all[5], AS4), Ok(Message::Update(u)) if u.is_end_of_rib()));
}
