use super::*;
use crate::testing::*;
use hopwise_sim_core::{ConnInfo, IfIndex};

const CLIENT: At<'static> = ("10.0.0.2", 40000);
const SERVER: At<'static> = ("192.0.2.80", 80);
const OUTSIDE: &str = "198.51.100.1";

fn addrs(bytes: &[u8]) -> (String, String) {
    let at = |i: usize| format!("{}.{}.{}.{}", bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]);
    (at(12), at(16))
}

fn ports(bytes: &[u8]) -> (u16, u16) {
    (u16::from_be_bytes([bytes[20], bytes[21]]), u16::from_be_bytes([bytes[22], bytes[23]]))
}

fn to_ports(manip: Manip, addr: &str, first: u16, last: u16) -> Choice {
    let Choice::Map(manip, range) = map(manip, addr) else { unreachable!() };
    Choice::Map(manip, Range { flags: range.flags | RangeFlags::PROTO_SPECIFIED, ports: (first, last), ..range })
}

#[test]
fn a_source_is_changed_and_changed_back() {
    let mut router = Router::new();
    router.source = map(Manip::Source, OUTSIDE);
    let out = router.forward(&udp(CLIENT, SERVER, b"question")).unwrap();
    assert_eq!(out, udp((OUTSIDE, 40000), SERVER, b"question"));
    assert_eq!(router.info, Some(ConnInfo::New));
    let back = router.forward(&udp(SERVER, (OUTSIDE, 40000), b"answer")).unwrap();
    assert_eq!(back, udp(SERVER, CLIENT, b"answer"));
    assert_eq!(router.info, Some(ConnInfo::EstablishedReply));
    let out = router.forward(&udp(CLIENT, SERVER, b"more")).unwrap();
    assert_eq!(out, udp((OUTSIDE, 40000), SERVER, b"more"));
    assert_eq!(router.info, Some(ConnInfo::Established));
}

#[test]
fn a_destination_and_its_port_are_changed_and_changed_back() {
    let mut router = Router::new();
    router.destination = to_ports(Manip::Destination, "10.9.9.9", 8080, 8080);
    let out = router.forward(&tcp(CLIENT, SERVER, SYN, 1, 0, &[])).unwrap();
    assert_eq!(out, tcp(CLIENT, ("10.9.9.9", 8080), SYN, 1, 0, &[]));
    let back = router.forward(&tcp(("10.9.9.9", 8080), CLIENT, SYN | ACK, 7, 2, &[])).unwrap();
    assert_eq!(back, tcp(SERVER, CLIENT, SYN | ACK, 7, 2, &[]));
}

#[test]
fn two_clients_with_one_port_get_two() {
    let mut router = Router::new();
    router.source = map(Manip::Source, OUTSIDE);
    let first = router.forward(&udp(CLIENT, SERVER, b"")).unwrap();
    let second = router.forward(&udp(("10.0.0.3", 40000), SERVER, b"")).unwrap();
    assert_eq!(ports(&first).0, 40000);
    assert_ne!(ports(&second).0, 40000);
    assert!(ports(&second).0 >= 1024, "an unprivileged port stays one");
    assert!(checksums_are_right(&second));
    let back = router.forward(&udp(SERVER, (OUTSIDE, ports(&second).0), b"x")).unwrap();
    assert_eq!(back, udp(SERVER, ("10.0.0.3", 40000), b"x"));
}

#[test]
fn ports_stay_in_their_class() {
    for (port, class) in [(22, 1..=511), (600, 600..=1023), (1023, 600..=1023), (5000, 1024..=65535)] {
        let mut router = Router::new();
        router.source = map(Manip::Source, OUTSIDE);
        for client in ["10.0.0.2", "10.0.0.3", "10.0.0.4"] {
            let out = router.forward(&udp((client, port), SERVER, b"")).unwrap();
            assert!(class.contains(&ports(&out).0), "{port} became {}", ports(&out).0);
        }
    }
}

#[test]
fn when_no_port_is_free_the_packet_is_dropped() {
    let mut router = Router::new();
    router.source = to_ports(Manip::Source, OUTSIDE, 7000, 7003);
    let clients: Vec<String> = (2..10).map(|i| format!("10.0.0.{i}")).collect();
    let mut seen: Vec<u16> = clients
        .iter()
        .filter_map(|client| router.forward(&tcp((client, 40000), SERVER, SYN, 1, 0, &[])))
        .map(|bytes| ports(&bytes).0)
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [7000, 7001, 7002, 7003]);
    assert_eq!(router.table.stats.insert_failed, 4);
}

#[test]
fn a_ping_is_translated_and_two_with_one_id_get_two() {
    let mut router = Router::new();
    router.source = map(Manip::Source, OUTSIDE);
    let first = router.forward(&echo(CLIENT.0, SERVER.0, 8, 77)).unwrap();
    assert_eq!(first, echo(OUTSIDE, SERVER.0, 8, 77));
    let second = router.forward(&echo("10.0.0.3", SERVER.0, 8, 77)).unwrap();
    let id = u16::from_be_bytes([second[24], second[25]]);
    assert_ne!(id, 77);
    assert!(checksums_are_right(&second));
    assert_eq!(router.forward(&echo(SERVER.0, OUTSIDE, 0, id)).unwrap(), echo(SERVER.0, "10.0.0.3", 0, 77));
    assert_eq!(router.forward(&echo(SERVER.0, OUTSIDE, 0, 77)).unwrap(), echo(SERVER.0, CLIENT.0, 0, 77));
}

#[test]
fn an_error_is_translated_with_the_packet_inside() {
    let mut router = Router::new();
    router.source = map(Manip::Source, OUTSIDE);
    let sent = udp(CLIENT, SERVER, b"question");
    let out = router.forward(&sent).unwrap();
    let error = icmp("203.0.113.9", OUTSIDE, 3, 1, [0; 4], &out[..28]);
    let back = router.forward(&error).unwrap();
    assert_eq!(router.info, Some(ConnInfo::RelatedReply));
    assert_eq!(back, icmp("203.0.113.9", CLIENT.0, 3, 1, [0; 4], &sent[..28]));
}

#[test]
fn an_error_about_a_changed_destination_seems_to_come_from_it() {
    let mut router = Router::new();
    router.destination = to_ports(Manip::Destination, "10.9.9.9", 8080, 8080);
    let sent = udp(CLIENT, SERVER, b"question");
    let out = router.forward(&sent).unwrap();
    let back = router.forward(&icmp("10.9.9.9", CLIENT.0, 3, 3, [0; 4], &out)).unwrap();
    assert_eq!(back, icmp(SERVER.0, CLIENT.0, 3, 3, [0; 4], &sent));
}

#[test]
fn a_redirect_about_a_translated_connection_is_dropped() {
    let mut router = Router::new();
    router.source = map(Manip::Source, OUTSIDE);
    let out = router.forward(&udp(CLIENT, SERVER, b"")).unwrap();
    assert_eq!(router.forward(&icmp("203.0.113.9", OUTSIDE, 5, 1, [1; 4], &out)), None);
}

#[test]
fn nothing_asked_for_changes_nothing_but_a_port_that_is_taken() {
    let mut router = Router::new();
    router.source = map(Manip::Source, OUTSIDE);
    router.forward(&udp(CLIENT, SERVER, b"")).unwrap();
    router.source = Choice::Nothing;
    let own = router.pass(Way::Out, &udp((OUTSIDE, 40000), SERVER, b"")).unwrap();
    assert_eq!(addrs(&own).0, OUTSIDE);
    assert_ne!(ports(&own).0, 40000, "the null binding moves out of the way");
    let other = udp((OUTSIDE, 40001), SERVER, b"");
    assert_eq!(router.pass(Way::Out, &other).unwrap(), other);
}

#[test]
fn one_client_keeps_its_mapping_for_another_server() {
    let mut router = Router::new();
    router.source = to_ports(Manip::Source, OUTSIDE, 7000, 7999);
    let first = router.forward(&udp(CLIENT, SERVER, b"")).unwrap();
    let second = router.forward(&udp(CLIENT, ("192.0.2.81", 80), b"")).unwrap();
    assert_eq!(ports(&first).0, ports(&second).0);
}

#[test]
fn masqueraded_connections_end_with_the_address_or_when_they_move() {
    let mut router = Router::new();
    router.source = map(Manip::Source, OUTSIDE);
    router.masq = IfIndex(2);
    router.forward(&udp(CLIENT, SERVER, b"")).unwrap();
    router.table.masquerade_gone(router.now, IfIndex(2), Some(ip("198.51.100.2")));
    router.table.masquerade_gone(router.now, IfIndex(3), None);
    assert_eq!(router.conns().len(), 1);
    router.table.masquerade_gone(router.now, IfIndex(2), Some(ip(OUTSIDE)));
    assert_eq!(router.conns().len(), 0);
    router.forward(&udp(CLIENT, SERVER, b"")).unwrap();
    router.out = IfIndex(3);
    assert_eq!(router.forward(&udp(CLIENT, SERVER, b"")), None);
    assert_eq!(router.conns().len(), 0);
}

#[test]
fn the_address_of_a_range_follows_from_the_ends() {
    let mut router = Router::new();
    let (first, last) = (ip("198.51.100.1"), ip("198.51.100.4"));
    let range = Range { flags: RangeFlags::MAP_IPS, addrs: (first, last), ..Range::ANY };
    router.source = Choice::Map(Manip::Source, range);
    let mut used = std::collections::BTreeSet::new();
    for i in 1..100 {
        let client = format!("10.0.1.{i}");
        let one = addrs(&router.forward(&udp((&client, 5000), SERVER, b"")).unwrap()).0;
        let two = addrs(&router.forward(&udp((&client, 5001), SERVER, b"")).unwrap()).0;
        assert_eq!(one, two);
        used.insert(one);
    }
    assert_eq!(used.len(), 4);
}

/// What Linux 6.18 gave sixteen clients for `--to-source 198.51.100.1-198.51.100.11`, without and with `--persistent`.
#[test]
fn the_address_of_a_range_is_the_one_that_linux_chooses() {
    let chosen = |flags: RangeFlags| -> Vec<u8> {
        let mut router = Router::new();
        let addrs = (ip("198.51.100.1"), ip("198.51.100.11"));
        router.source = Choice::Map(Manip::Source, Range { flags: flags | RangeFlags::MAP_IPS, addrs, ..Range::ANY });
        let client = |i: u8| format!("10.1.1.{i}");
        (1..=16).map(|i| router.forward(&udp((&client(i), 5000), ("10.1.0.2", 53), b"x")).unwrap()[15]).collect()
    };
    assert_eq!(chosen(RangeFlags::empty()), [9, 10, 9, 5, 10, 1, 9, 2, 11, 3, 11, 2, 5, 5, 8, 9]);
    assert_eq!(chosen(RangeFlags::PERSISTENT), [10, 1, 2, 5, 6, 9, 11, 10, 5, 8, 9, 5, 9, 3, 2, 5]);
}
