use super::proto::tcp::TcpState;
use super::proto::{Proto, sctp::SctpState};
use super::*;
use crate::hook::Hook;
use crate::nat::Choice;
use crate::testing::*;
use hopwise_sim_core::{ConnInfo, Packet};

const A: At<'static> = ("10.0.0.2", 40000);
const B: At<'static> = ("192.0.2.80", 80);

fn only(router: &mut Router) -> Conn {
    let conns = router.conns();
    assert_eq!(conns.len(), 1);
    conns.into_iter().next().unwrap()
}

fn tcp_state(router: &mut Router) -> (TcpState, u64, bool) {
    let now = router.now;
    let conn = only(router);
    let Proto::Tcp(tcp) = &conn.proto else { panic!("not TCP") };
    (tcp.state, conn.remaining(now).as_secs(), conn.status.contains(ConnStatus::ASSURED))
}

fn handshake(router: &mut Router) {
    router.forward(&tcp(A, B, SYN, 100, 0, b"")).unwrap();
    router.forward(&tcp(B, A, SYN | ACK, 500, 101, b"")).unwrap();
    router.forward(&tcp(A, B, ACK, 101, 501, b"")).unwrap();
}

#[test]
fn a_tcp_connection_lives_and_ends() {
    let mut router = Router::new();
    router.forward(&tcp(A, B, SYN, 100, 0, b"")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::SynSent, 120, false));
    router.forward(&tcp(B, A, SYN | ACK, 500, 101, b"")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::SynRecv, 60, false));
    assert_eq!(router.info, Some(ConnInfo::EstablishedReply));
    router.forward(&tcp(A, B, ACK, 101, 501, b"")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::Established, 432_000, true));
    router.forward(&tcp(A, B, ACK, 101, 501, b"data")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::Established, 300, true), "not acknowledged yet");
    router.forward(&tcp(B, A, ACK, 501, 105, b"")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::Established, 432_000, true));
    router.forward(&tcp(A, B, FIN | ACK, 105, 501, b"")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::FinWait, 120, true));
    router.forward(&tcp(B, A, ACK, 501, 106, b"")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::CloseWait, 60, true));
    router.forward(&tcp(B, A, FIN | ACK, 501, 106, b"")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::LastAck, 30, true));
    router.forward(&tcp(A, B, ACK, 106, 502, b"")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::TimeWait, 120, true));
    router.wait(119);
    assert_eq!(router.conns().len(), 1);
    router.wait(1);
    assert_eq!(router.conns().len(), 0);
    assert_eq!(router.table.count(router.now), 0);
}

#[test]
fn a_port_may_be_used_again_in_time_wait() {
    let mut router = Router::new();
    handshake(&mut router);
    router.forward(&tcp(A, B, FIN | ACK, 101, 501, b"")).unwrap();
    router.forward(&tcp(B, A, FIN | ACK, 501, 102, b"")).unwrap();
    router.forward(&tcp(A, B, ACK, 102, 502, b"")).unwrap();
    assert_eq!(tcp_state(&mut router).0, TcpState::TimeWait);
    router.forward(&tcp(A, B, SYN, 9000, 0, b"")).unwrap();
    assert_eq!(router.info, Some(ConnInfo::New));
    assert_eq!(tcp_state(&mut router).0, TcpState::SynSent);
}

#[test]
fn what_is_out_of_the_window_is_invalid() {
    let mut router = Router::new();
    handshake(&mut router);
    router.forward(&tcp(A, B, ACK, 101 + 1_000_000, 501, b"data")).unwrap();
    assert_eq!(router.info, None);
    router.forward(&tcp(A, B, ACK, 101, 999_501, b"")).unwrap();
    assert_eq!(router.info, None, "nobody has sent what is acknowledged");
    assert_eq!(router.table.stats.invalid, 2);
    router.table.settings[Setting::TcpBeLiberal] = 1;
    router.forward(&tcp(A, B, ACK, 101 + 1_000_000, 501, b"data")).unwrap();
    assert_eq!(router.info, Some(ConnInfo::Established));
}

#[test]
fn a_reset_must_fit() {
    let mut router = Router::new();
    handshake(&mut router);
    router.forward(&tcp(B, A, ACK, 501, 101, b"hello")).unwrap();
    router.forward(&tcp(A, B, ACK, 101, 506, b"")).unwrap();
    router.forward(&tcp(B, A, RST, 400, 0, b"")).unwrap();
    assert_eq!(router.info, None, "before what was acknowledged");
    assert_eq!(tcp_state(&mut router).0, TcpState::Established);
    router.forward(&tcp(B, A, RST, 506, 0, b"")).unwrap();
    assert_eq!(tcp_state(&mut router), (TcpState::Close, 10, true));
}

#[test]
fn a_refused_connection_is_gone_with_the_answer() {
    let mut router = Router::new();
    router.forward(&tcp(A, B, SYN, 100, 0, b"")).unwrap();
    router.forward(&tcp(B, A, RST | ACK, 0, 101, b"")).unwrap();
    assert_eq!(router.info, Some(ConnInfo::EstablishedReply));
    assert_eq!(router.conns().len(), 0);
}

#[test]
fn a_connection_may_be_picked_up_in_the_middle_if_that_is_allowed() {
    let mut router = Router::new();
    router.forward(&tcp(A, B, ACK, 100, 7, b"x")).unwrap();
    assert_eq!(router.info, Some(ConnInfo::New));
    assert_eq!(tcp_state(&mut router), (TcpState::Established, 300, false));
    let mut router = Router::new();
    router.table.settings[Setting::TcpLoose] = 0;
    router.forward(&tcp(A, B, ACK, 100, 7, b"x")).unwrap();
    assert_eq!((router.info, router.conns().len()), (None, 0));
    assert_eq!(router.table.count(router.now), 0);
}

#[test]
fn udp_becomes_a_stream_after_two_seconds() {
    let mut router = Router::new();
    router.forward(&udp(A, B, b"q")).unwrap();
    let now = router.now;
    assert_eq!(only(&mut router).remaining(now).as_secs(), 30);
    router.forward(&udp(B, A, b"a")).unwrap();
    router.forward(&udp(A, B, b"q")).unwrap();
    assert!(!only(&mut router).status.contains(ConnStatus::ASSURED));
    router.wait(3);
    router.forward(&udp(A, B, b"q")).unwrap();
    let now = router.now;
    let conn = only(&mut router);
    assert_eq!(conn.remaining(now).as_secs(), 120);
    assert!(conn.status.contains(ConnStatus::ASSURED | ConnStatus::SEEN_REPLY | ConnStatus::CONFIRMED));
}

#[test]
fn damaged_packets_are_invalid_where_they_come_in() {
    let mut router = Router::new();
    let mut bytes = udp(A, B, b"q");
    *bytes.last_mut().unwrap() ^= 1;
    router.forward(&bytes).unwrap();
    assert_eq!(router.info, None);
    router.pass(Way::Out, &bytes).unwrap();
    assert_eq!(router.info, Some(ConnInfo::New));
    router.table.settings[Setting::Checksum] = 0;
    router.pass(Way::In, &bytes).unwrap();
    assert!(router.info.is_some());
}

#[test]
fn errors_are_related_to_what_they_are_about() {
    let mut router = Router::new();
    let sent = udp(A, B, b"q");
    router.forward(&sent).unwrap();
    router.forward(&icmp("203.0.113.9", A.0, 11, 0, [0; 4], &sent[..28])).unwrap();
    assert_eq!(router.info, Some(ConnInfo::RelatedReply));
    router.forward(&icmp("203.0.113.9", "10.0.0.77", 11, 0, [0; 4], &sent[..28])).unwrap();
    assert_eq!(router.info, None, "it is not for whom sent the packet");
    router.forward(&icmp("203.0.113.9", A.0, 11, 0, [0; 4], &udp(A, ("192.0.2.80", 81), b"")[..28])).unwrap();
    assert_eq!(router.info, None, "there was no such packet");
    assert_eq!(router.table.stats.error, 2);
}

#[test]
fn answers_without_questions_are_invalid() {
    let mut router = Router::new();
    router.forward(&echo(A.0, B.0, 0, 5)).unwrap();
    assert_eq!((router.info, router.conns().len()), (None, 0));
    router.forward(&icmp(A.0, B.0, 9, 0, [0; 4], &[0; 8])).unwrap();
    assert_eq!(router.info, None, "router advertisements are no queries");
}

#[test]
fn dropped_packets_confirm_nothing() {
    let mut router = Router::new();
    router.source = Choice::Drop;
    assert_eq!(router.forward(&udp(A, B, b"")), None);
    assert_eq!(router.conns().len(), 0);
    router.wait(1);
    router.source = Choice::Nothing;
    router.forward(&udp(A, B, b"")).unwrap();
    assert_eq!(router.info, Some(ConnInfo::New));
    assert_eq!(router.table.count(router.now), 1);
}

#[test]
fn zones_do_not_meet() {
    let mut router = Router::new();
    router.forward(&udp(A, B, b"")).unwrap();
    router.template.zone_orig = Some(Zone(7));
    router.template.zone_reply = Some(Zone(7));
    router.forward(&udp(B, A, b"")).unwrap();
    assert_eq!(router.info, Some(ConnInfo::New));
    assert_eq!(router.conns().len(), 2);
    // In one direction only: answers come back in zone 0.
    let mut router = Router::new();
    router.template.zone_orig = Some(Zone(7));
    router.forward(&udp(A, B, b"")).unwrap();
    router.template = Template::default();
    router.forward(&udp(B, A, b"")).unwrap();
    assert_eq!(router.info, Some(ConnInfo::EstablishedReply));
}

#[test]
fn a_full_table_makes_room_or_drops() {
    let mut router = Router::new();
    router.table.settings[Setting::Max] = 4;
    router.table.settings[Setting::Buckets] = 1;
    for port in 1..=4 {
        router.forward(&udp(A, (B.0, port), b"")).unwrap();
        router.wait(1);
    }
    router.forward(&udp(A, (B.0, 5), b"")).unwrap();
    assert!(router.table.stats.early_drop >= 1);
    assert!(router.table.count(router.now) <= 4);
    // Assured ones stay.
    let mut router = Router::new();
    router.table.settings[Setting::Max] = 1;
    handshake(&mut router);
    assert_eq!(router.forward(&udp(A, (B.0, 5), b"")), None);
    assert_eq!((router.table.stats.drop, router.table.stats.early_drop), (1, 0));
    assert_eq!(router.table.log, [LogLine::TableFull]);
}

/// Two packets of one new flow are tracked before either is confirmed.
fn clash(first: &[u8], second: &[u8], between: impl Fn(&mut Conntrack, &mut Packet)) -> (Conntrack, [Verdict; 2]) {
    let mut table = Conntrack::new(1);
    let mut pool = hopwise_sim_core::Pool::default();
    let mut packets = [first, second].map(|bytes| pool.alloc_from(bytes));
    for packet in &mut packets {
        assert_eq!(table.track(Time::ZERO, Hook::LocalOut, packet, &Template::default()), Verdict::Accept);
    }
    between(&mut table, &mut packets[1]);
    let verdicts = packets.each_mut().map(|packet| table.confirm(Time::ZERO, packet));
    (table, verdicts)
}

#[test]
fn two_first_packets_of_a_flow_become_one_connection_for_udp_only() {
    let (mut table, verdicts) = clash(&udp(A, B, b"1"), &udp(A, B, b"2"), |_, _| {});
    assert_eq!(verdicts, [Verdict::Accept, Verdict::Accept]);
    assert_eq!((table.count(Time::ZERO), table.stats.clash_resolve), (1, 1));
    let (mut table, verdicts) = clash(&tcp(A, B, SYN, 1, 0, b""), &tcp(A, B, SYN, 1, 0, b""), |_, _| {});
    assert_eq!(verdicts, [Verdict::Accept, Verdict::Drop]);
    assert_eq!(table.stats.insert_failed, 1);
    assert_eq!(table.list(Time::ZERO).count(), 1);
}

#[test]
fn a_clash_of_two_translations_is_kept_for_a_second() {
    let (mut table, verdicts) = clash(&udp(A, B, b"1"), &udp(A, B, b"2"), |table, packet| {
        let tag = packet.conn.unwrap();
        for manip in [crate::nat::Manip::Destination, crate::nat::Manip::Source] {
            let Choice::Map(manip, range) = map(manip, "10.9.9.9") else { unreachable!() };
            table.set_up(Time::ZERO, tag, manip, &range);
        }
        // The other one was translated as well, otherwise it would not matter.
        table.store.conn_mut(0).unwrap().status.insert(ConnStatus::NAT_DONE);
    });
    assert_eq!(verdicts, [Verdict::Accept, Verdict::Accept]);
    assert_eq!(table.list(Time::ZERO).count(), 1, "the second one is not shown");
    assert_eq!(table.count(Time::ZERO), 2);
    assert_eq!(table.count(Time::ZERO + core::time::Duration::from_secs(1)), 1);
}

/// Three packets of one flow on their way at the same time; the second and the third one are translated alike.
#[test]
fn a_third_packet_of_a_clash_joins_the_second_one() {
    let mut table = Conntrack::new(1);
    let mut pool = hopwise_sim_core::Pool::default();
    let mut packets = [b"1", b"2", b"3"].map(|data| pool.alloc_from(&udp(A, B, data)));
    for (packet, to) in packets.iter_mut().zip(["10.9.9.8", "10.9.9.9", "10.9.9.9"]) {
        table.track(Time::ZERO, Hook::PreRouting, packet, &Template::default());
        let Choice::Map(manip, range) = map(crate::nat::Manip::Destination, to) else { unreachable!() };
        table.set_up(Time::ZERO, packet.conn.unwrap(), manip, &range);
    }
    let verdicts = packets.each_mut().map(|packet| table.confirm(Time::ZERO, packet));
    assert_eq!(verdicts, [Verdict::Accept; 3]);
    assert_eq!((table.stats.clash_resolve, table.stats.insert_failed), (2, 0));
    assert_eq!(packets[1].conn, packets[2].conn);
    assert_ne!(packets[0].conn, packets[1].conn);
}

#[test]
fn a_packet_that_waits_keeps_its_connection() {
    let mut table = Conntrack::new(1);
    let mut pool = hopwise_sim_core::Pool::default();
    let second = |n: u64| Time::ZERO + core::time::Duration::from_secs(n);
    let syn = tcp(A, B, SYN, 1, 0, b"");
    let [mut first, mut again] = [0, 1].map(|_| pool.alloc_from(&syn));
    table.track(second(0), Hook::PreRouting, &mut first, &Template::default());
    table.hold(first.conn.unwrap());
    table.track(second(1), Hook::PreRouting, &mut again, &Template::default());
    assert_eq!(table.count(second(1)), 2, "what waits counts");
    assert_eq!(table.confirm(second(1), &mut again), Verdict::Accept);
    table.resume(second(2), first.conn.unwrap());
    assert_eq!(table.confirm(second(2), &mut first), Verdict::Drop, "the other one was faster");
    assert_eq!((table.stats.insert_failed, table.stats.drop), (1, 1));
    assert_eq!(table.count(second(3)), 1);
    // One whose packet never comes back ceases to count when its time is over.
    let mut lost = pool.alloc_from(&udp(A, B, b"lost"));
    table.track(second(4), Hook::PreRouting, &mut lost, &Template::default());
    table.hold(lost.conn.unwrap());
    assert_eq!((table.count(second(33)), table.count(second(34))), (2, 1));
}

#[test]
fn events_are_told_to_who_listened_when_it_began() {
    let mut router = Router::new();
    router.forward(&udp(A, B, b"")).unwrap();
    let from = router.table.events.listen(1);
    router.forward(&udp(B, A, b"")).unwrap();
    assert_eq!(router.table.events.since(from).count(), 0);
    router.forward(&udp(A, (B.0, 81), b"")).unwrap();
    router.forward(&udp((B.0, 81), A, b"")).unwrap();
    router.wait(30);
    router.table.sweep(router.now);
    let kinds: Vec<_> = router.table.events.since(from).map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::New, EventKind::Update, EventKind::Destroy]);
}

#[test]
fn counters_are_kept_if_they_are_wanted() {
    let mut router = Router::new();
    router.table.settings[Setting::Acct] = 1;
    router.forward(&udp(A, B, b"12")).unwrap();
    router.forward(&udp(A, B, b"")).unwrap();
    let counters = only(&mut router).counters.unwrap();
    assert_eq!(counters[0], Counter { packets: 2, bytes: 58 });
    assert_eq!(counters[1], Counter::default());
}

#[test]
fn an_association_follows_its_chunks() {
    let chunk = |kind: u8, tag: u32, len: usize| {
        let mut bytes = vec![kind, 0];
        bytes.extend((len as u16).to_be_bytes());
        bytes.extend(tag.to_be_bytes());
        bytes.resize(len, 0);
        bytes
    };
    let sctp = |src: At<'_>, dst: At<'_>, vtag: u32, chunk: Vec<u8>| {
        let mut bytes = udp(src, dst, &[0; 4]);
        bytes[9] = 132;
        bytes[24..28].copy_from_slice(&vtag.to_be_bytes());
        bytes.extend(chunk);
        bytes
    };
    let mut router = Router::new();
    let mut step = |bytes: Vec<u8>| {
        router.forward(&bytes).unwrap();
        match router.conns().first().map(|conn| conn.proto.clone()) {
            Some(Proto::Sctp(sctp)) => sctp.state,
            _ => SctpState::None,
        }
    };
    // As on Linux 6.18: an INIT alone is not waited for, its answer is.
    assert_eq!(step(sctp(A, B, 0, chunk(1, 11, 20))), SctpState::Closed);
    assert_eq!(step(sctp(B, A, 11, chunk(2, 22, 20))), SctpState::CookieWait);
    assert_eq!(step(sctp(A, B, 22, chunk(10, 0, 8))), SctpState::CookieEchoed);
    assert_eq!(step(sctp(B, A, 11, chunk(11, 0, 4))), SctpState::Established);
}

#[test]
fn one_connection_is_changed_while_the_others_are_counted() {
    let mut router = Router::new();
    for port in 80..83 {
        router.forward(&udp(A, (B.0, port), b"")).unwrap();
    }
    let tuples: Vec<Tuple> = router.conns().iter().map(|conn| conn.tuples[0]).collect();
    let mut packet = router.pool.alloc_from(&udp(A, (B.0, 81), b""));
    router.table.track(router.now, Hook::PreRouting, &mut packet, &Template::default());
    let now = router.now;
    let (conn, others) = router.table.split(packet.conn.unwrap()).unwrap();
    conn.mark = 7;
    assert!(tuples.iter().all(|tuple| others.is_connected(now, tuple, Zone(0))));
    assert!(!others.is_connected(now, &tuples[0], Zone(1)));
    assert!(router.table.is_connected(now, &tuples[0], Zone(0)));
    assert_eq!(router.conns()[1].mark, 7);
}

#[test]
fn connections_can_be_made_changed_and_ended_by_hand() {
    use hopwise_sim_core::Errno;
    let mut router = Router::new();
    let now = router.now;
    let bytes = tcp(A, B, SYN, 1, 0, b"");
    let tuple = Tuple::of_packet(&bytes, 20, 6).unwrap();
    let tuples = [tuple, tuple.invert().unwrap()];
    let zones = [Zone(0); 2];
    let table = &mut router.table;
    assert_eq!(table.create(now, tuples, zones, &Change::default()), Err(Errno::EINVAL));
    let wanted = Change {
        timeout: Some(50),
        state: Some(TcpState::Established as u8),
        status: Some(ConnStatus::SEEN_REPLY),
        ..Change::default()
    };
    assert_eq!(table.create(now, tuples, zones, &wanted), Ok(()));
    assert_eq!(table.create(now, tuples, zones, &wanted), Err(Errno::EEXIST));
    let tag = table.lookup(now, &tuples[1], zones).unwrap();
    assert_eq!(
        table.change(now, tag, &Change { status: Some(ConnStatus::empty()), ..Change::default() }),
        Err(Errno::EBUSY)
    );
    assert_eq!(table.change(now, tag, &Change { timeout: Some(5), mark: Some(9), ..Change::default() }), Ok(()));
    assert_eq!(table.conn(tag).unwrap().mark, 9);
    // Its windows are not known: any segment fits.
    router.forward(&tcp(A, B, ACK, 77, 88, b"x")).unwrap();
    assert_eq!(router.info, Some(ConnInfo::Established));
    router.table.delete(now, tag);
    assert_eq!(router.table.count(now), 0);
    assert_eq!(router.table.lookup(now, &tuple, zones), None);
}
