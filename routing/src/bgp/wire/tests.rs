use super::*;
use crate::attrs::Origin;
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

const HAND_CNI_9: &str = include_str!("../../../tests/data/bird-2.0.12-hand-cni-9.hex");
const ATTRIBUTES: &str = include_str!("../../../tests/data/bird-2.0.12-attributes.hex");

/// What BIRD 2.0.12 sent: one segment per line in hexadecimal digits, behind the octets of an AS number if they are not four.
fn recorded(file: &str) -> Vec<(Options, Vec<u8>)> {
    let mut all = Vec::new();
    for line in file.lines().filter(|l| !l.starts_with('#')) {
        let (size, hex) = line.split_once(' ').unwrap_or(("4", line));
        let options = Options { as4: size == "4", ..AS4 };
        all.extend(messages(&bytes(hex)).into_iter().map(|m| (options, m.to_vec())));
    }
    all
}

#[test]
fn what_bird_sent_is_written_again_to_the_byte() {
    for (file, count) in [(HAND_CNI_9, 11), (ATTRIBUTES, 56)] {
        let all = recorded(file);
        assert_eq!(all.len(), count);
        for (options, message) in all {
            let mut again = Vec::new();
            encode(&decode(&message, options).unwrap(), options, &mut again).unwrap();
            assert_eq!(again, message);
        }
    }
}

#[test]
fn the_leaf_tells_of_worker1_with_worker1_as_next_hop() {
    let all = recorded(HAND_CNI_9);
    let Ok(Message::Update(update)) = decode(&all[4].1, AS4) else { panic!("an UPDATE") };
    let attrs = update.attrs.unwrap();
    assert_eq!(update.nlri, ["192.168.10.0/24".parse().unwrap()]);
    assert_eq!(attrs.as_path.as_ref().unwrap().to_string(), "65000 65001");
    assert_eq!(attrs.next_hop, Some([192, 168, 210, 21].into()));
    assert_eq!(attrs.origin, Some(Origin::Igp));
    assert!(matches!(decode(&all[5].1, AS4), Ok(Message::Update(u)) if u.is_end_of_rib()));
}

fn update_of(attributes: &str, nlri: &str, options: Options) -> Result<Update, Notification> {
    let (attributes, nlri) = (bytes(attributes), bytes(nlri));
    let mut message = Vec::new();
    begin_update(&mut message);
    message.extend([0, 0]);
    message.extend((attributes.len() as u16).to_be_bytes());
    message.extend([attributes, nlri].concat());
    finish(0, &mut message);
    match decode(&message, options)? {
        Message::Update(update) => Ok(update),
        other => panic!("{other:?}"),
    }
}

const PREFIX: &str = "180a0000";
const MANDATORY: &str = "40010100400206020100000001400304c0000201";

/// RFC 7606: what is wrong with one attribute withdraws the routes of the message, and no more.
#[test]
fn malformed_attributes_withdraw() {
    let cases = [
        ("40010103", "Malformed ORIGIN attribute - invalid value (3)"),
        ("4001020000", "Malformed ORIGIN attribute - invalid length (2)"),
        ("c0010100", "Malformed ORIGIN attribute - conflicting flags (c0)"),
        ("400101004002050202000000", "Malformed AS_PATH attribute - segment framing error"),
        ("4001010040020205010000", "Malformed AS_PATH attribute - segment framing error"),
        ("400101004002060501000000ff", "Malformed AS_PATH attribute - unknown segment"),
        ("40010100400206030100000001", "Malformed AS_PATH attribute - AS_CONFED_SEQUENCE segment"),
        ("400101004002020200", "Malformed AS_PATH attribute - zero-length segment"),
        ("40010100400206020100000001", "Missing mandatory NEXT_HOP attribute"),
        ("400206020100000001400304c0000201", "Missing mandatory ORIGIN attribute"),
        ("40010100400305c000020100", "Malformed NEXT_HOP attribute - invalid length (5)"),
        ("400101004008", "Malformed attribute list - framing error"),
        ("4001010040500100", "Unknown attribute (code 80) - conflicting flags (40)"),
        ("40010100c00803000000", "Malformed COMMUNITY attribute - invalid length (3)"),
        ("40010100c00800", "Malformed COMMUNITY attribute - invalid length (0)"),
    ];
    for (attributes, fault) in cases {
        let update = update_of(attributes, PREFIX, AS4).unwrap();
        assert_eq!(update.fault.unwrap().to_string(), fault);
        assert_eq!((update.attrs, update.nlri.len()), (None, 1));
        // Without routes nobody knows what to withdraw: the session ends (RFC 7606 section 5.2).
        if !fault.starts_with("Missing") {
            assert_eq!(update_of(attributes, "", AS4).unwrap_err().code, ErrorCode::MALFORMED_LIST);
        }
    }
}

#[test]
fn of_several_attributes_the_first_counts_and_some_are_only_discarded() {
    let update = update_of(&format!("{MANDATORY}40010102c00703000001"), PREFIX, AS4).unwrap();
    let attrs = update.attrs.unwrap();
    assert_eq!((attrs.origin, attrs.aggregator), (Some(Origin::Igp), None));
}

#[test]
fn bad_networks_end_the_session() {
    for nlri in ["210a000000ff", "180a00", "ff"] {
        assert_eq!(update_of(MANDATORY, nlri, AS4).unwrap_err(), ErrorCode::BAD_NETWORK.into());
    }
}

#[test]
fn unknown_attributes_keep_their_place_and_bytes() {
    let options = Options { as4: false, ..AS4 };
    let list = "4001010040020402010001400304c0000201e00f02abcdc02304deadbeefc06300";
    // 15 is MP_UNREACH_NLRI, which has other flags.
    assert!(update_of(list, PREFIX, options).unwrap().fault.is_some());
    let list = list.replace("e00f02abcd", "e00d02abcd");
    let update = update_of(&list, PREFIX, options).unwrap();
    let mut again = Vec::new();
    encode_attributes(update.attrs.as_ref().unwrap(), options, &mut again);
    assert_eq!(again, bytes(&list));
    assert!(update.attrs.unwrap().unknown.iter().map(|u| u.code).eq([13, 0x23, 0x63]));
}

/// RFC 6793 section 4.2.3.
#[test]
fn a_path_of_two_octets_and_its_complement_become_one() {
    let options = Options { as4: false, ..AS4 };
    let list = "40010100400208020300015ba05ba0400304c0000201c0110a02020003000000040000";
    let attrs = update_of(list, PREFIX, options).unwrap().attrs.unwrap();
    assert_eq!(attrs.as_path.as_ref().unwrap().to_string(), "1 196608 262144");
    // Longer than the path itself it is not believed.
    let list = "4001010040020402015ba0400304c0000201c0110a02020003000000040000";
    let attrs = update_of(list, PREFIX, options).unwrap().attrs.unwrap();
    assert_eq!(attrs.as_path.as_ref().unwrap().to_string(), "23456");
    // Who aggregated without knowing of four octets has changed the path since.
    let list = "40010100400206020200015ba0400304c0000201c00706fde8c0000201c01106020100030000";
    let attrs = update_of(list, PREFIX, options).unwrap().attrs.unwrap();
    assert_eq!(attrs.as_path.as_ref().unwrap().to_string(), "1 23456");
}

#[test]
fn ipv4_may_come_as_multiprotocol_routes() {
    let reach = "800e0d00010104c000020100180a0001";
    let update = update_of(&format!("4001010040020602010000000180{}", &reach[2..]), "", AS4).unwrap();
    assert_eq!(update.nlri, ["10.0.1.0/24".parse().unwrap()]);
    assert_eq!(update.attrs.unwrap().next_hop, Some([192, 0, 2, 1].into()));
    let update = update_of("800f07000101180a0001", "", AS4).unwrap();
    assert_eq!(update.withdrawn, ["10.0.1.0/24".parse().unwrap()]);
    // Another family's routes are nothing to us.
    let update = update_of("800f0400020120", "", AS4).unwrap_or_default();
    assert!(update.withdrawn.is_empty());
    assert!(update_of("800f03000101", "", AS4).unwrap().is_end_of_rib());
}

#[test]
fn headers_are_checked() {
    let keepalive = bytes("ffffffffffffffffffffffffffffffff001304");
    assert_eq!(decode(&keepalive, AS4), Ok(Message::Keepalive));
    assert_eq!(frame(&keepalive[..18], AS4), Ok(None));
    let with = |at: usize, value: u8| {
        let mut changed = keepalive.clone();
        changed[at] = value;
        changed
    };
    assert_eq!(frame(&with(3, 0), AS4), Err(ErrorCode::NOT_SYNCHRONIZED.into()));
    assert_eq!(frame(&with(17, 18), AS4), Err(Notification::new(ErrorCode::BAD_LENGTH, &[0, 18])));
    assert_eq!(frame(&with(16, 17), AS4), Err(Notification::new(ErrorCode::BAD_LENGTH, &[17, 19])));
    assert_eq!(decode(&with(18, 9), AS4), Err(Notification::new(ErrorCode::BAD_TYPE, &[9])));
    let long = [with(17, 20), vec![0]].concat();
    assert_eq!(decode(&long, AS4), Err(Notification::new(ErrorCode::BAD_LENGTH, &[0, 20])));
}

#[test]
fn opens_are_checked() {
    let open = |capabilities: &str| {
        let mut message = bytes(
            &format!(
                "ffffffffffffffffffffffffffffffff0000010400010\
                                          0b401020304{capabilities}"
            )
            .replace(['\n', ' '], ""),
        );
        finish(0, &mut message);
        decode(&message, AS4)
    };
    let code = |result: Result<Message, Notification>| result.unwrap_err().code;
    assert!(open("00").is_ok());
    assert_eq!(code(open("0202")), ErrorCode::OPEN);
    assert_eq!(code(open("04010100ff")), ErrorCode::BAD_PARAMETER);
    assert_eq!(code(open("0602044103000001")), ErrorCode::OPEN);
    // RFC 9072: lengths of two octets.
    let Ok(Message::Open(long)) = open("ffff000902000641040000fde8") else { panic!("an OPEN") };
    assert_eq!(long.four_octet_as(), Some(65000));
    assert!(long.speaks(Family::IPV4));
}

#[test]
fn a_text_for_the_neighbour_comes_whole_or_is_cut_at_a_character() {
    let shutdown = |text: &str| Notification::with_message(ErrorCode::ADMIN_SHUTDOWN, text);
    assert_eq!(shutdown("maintenance").argument(), ": \"maintenance\"");
    assert_eq!(shutdown("").data, []);
    let long = "ä".repeat(200);
    assert_eq!(shutdown(&long).message(), Some(&*"ä".repeat(127)));
    assert_eq!(shutdown("two\nlines").argument(), ": \"two lines\"");
    let other = Notification::new(ErrorCode::BAD_PEER_AS, &[0, 0, 0xfd, 0xe8]);
    assert_eq!((other.message(), other.argument()), (None, ": 0000fde8".to_owned()));
}
