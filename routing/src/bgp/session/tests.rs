//! Dialogues: what one session says to what it hears.

use std::net::Ipv4Addr;

use super::*;
use crate::attrs::{AsPath, Origin};
use crate::bgp::error::ErrorCode;
use crate::bgp::wire::{self, Message, Notification, Refresh, RouteRefresh, Update};
use hopwise_sim_core::Errno;

const LEAF: Ipv4Addr = Ipv4Addr::new(192, 168, 210, 254);
const WORKER: Ipv4Addr = Ipv4Addr::new(192, 168, 210, 22);
const AS4: Options = Options { as4: true, extended: false, enhanced_refresh: true };

fn worker() -> Session {
    Session::new(0, PeerConfig::new(65002, WORKER, 65000, LEAF), 1)
}

fn at(seconds: u64) -> Time {
    Time::ZERO + Duration::from_secs(seconds)
}

/// All that a session wants done, without lines for the log that only `debug` shows.
fn actions(session: &mut Session, now: Time) -> Vec<Action> {
    let is_trace = |a: &Action| matches!(a, Action::Log(Level::Trace, _));
    std::iter::from_fn(|| session.poll(now)).filter(|a| !is_trace(a)).collect()
}

fn encoded(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    wire::encode(message, AS4, &mut out).unwrap();
    out
}

fn send(way: Way, message: &Message) -> Action {
    Action::Send(way, encoded(message))
}

fn notification(code: ErrorCode) -> Message {
    Message::Notification(code.into())
}

/// The leaf's OPEN.
fn leaf_open() -> Open {
    let leaf = Session::new(0, PeerConfig::new(65000, LEAF, 65002, WORKER), 2);
    leaf.open()
}

/// A worker whose TCP connection to the leaf has just come up; its OPEN has been sent.
fn connected() -> (Session, Time) {
    let mut session = worker();
    session.start(Time::ZERO);
    session.neighbor_found(Time::ZERO, WORKER, 2);
    assert_eq!(actions(&mut session, Time::ZERO), []);
    let now = session.next_timer().unwrap();
    session.on_timer(now);
    assert_eq!(actions(&mut session, now), [Action::Connect]);
    session.connected(now, WORKER);
    let open = Message::Open(session.open());
    assert_eq!(actions(&mut session, now), [send(Way::Outgoing, &open)]);
    (session, now)
}

fn hear(session: &mut Session, now: Time, way: Way, message: &Message) -> Vec<Action> {
    session.received(now, way, &encoded(message));
    actions(session, now)
}

fn established() -> (Session, Time) {
    let (mut session, now) = connected();
    let said = hear(&mut session, now, Way::Outgoing, &Message::Open(leaf_open()));
    assert_eq!(said, [send(Way::Outgoing, &Message::Keepalive)]);
    assert_eq!(session.state(), State::OpenConfirm);
    assert_eq!(hear(&mut session, now, Way::Outgoing, &Message::Keepalive), [Action::Up]);
    assert_eq!((session.state(), session.phase()), (State::Established, Phase::Up));
    (session, now)
}

fn route() -> Arc<Attrs> {
    Arc::new(Attrs {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::sequence([65000, 65001])),
        next_hop: Some([192, 168, 210, 21].into()),
        ..Attrs::default()
    })
}

fn update(attrs: &Arc<Attrs>, nlri: &[&str]) -> Message {
    let nlri = nlri.iter().map(|p| p.parse().unwrap()).collect();
    Message::Update(Update { attrs: Some(attrs.clone()), nlri, ..Update::default() })
}

#[test]
fn the_way_to_a_session_waits_a_little_less_than_five_seconds() {
    let (session, now) = established();
    assert!((Time::from_nanos(3_750_000_000)..=at(5)).contains(&now));
    let peer = session.peer().unwrap();
    assert_eq!((peer.remote_as, peer.remote_id, peer.interface), (65000, LEAF, Some(2)));
    assert_eq!(session.agreed_times(), Some((240, 80)));
    let timers = session.timers();
    assert!((180..=240).contains(&timers.hold.unwrap().since(now).as_secs()));
    assert!((60..=80).contains(&timers.keepalive.unwrap().since(now).as_secs()));
}

#[test]
fn a_refused_connection_is_tried_again_after_the_delay() {
    let mut session = worker();
    session.start(Time::ZERO);
    session.neighbor_found(Time::ZERO, WORKER, 2);
    let first = session.next_timer().unwrap();
    session.on_timer(first);
    assert_eq!(actions(&mut session, first), [Action::Connect]);
    assert_eq!(session.state(), State::Connect);
    session.closed(first, Way::Outgoing, Some(Errno::ECONNREFUSED));
    assert_eq!(actions(&mut session, first), []);
    assert_eq!((session.state(), session.phase()), (State::Active, Phase::Starting));
    assert_eq!(session.last_error().to_string(), "Socket: Connection refused");
    assert!(session.next_timer().unwrap() <= first + Duration::from_secs(5));
}

#[test]
fn an_attempt_without_an_answer_is_given_up_for_the_next_one() {
    let mut session = worker();
    session.start(Time::ZERO);
    session.neighbor_found(Time::ZERO, WORKER, 2);
    let first = session.next_timer().unwrap();
    session.on_timer(first);
    actions(&mut session, first);
    let second = session.next_timer().unwrap();
    assert!((90..=120).contains(&second.since(first).as_secs()));
    session.on_timer(second);
    assert_eq!(actions(&mut session, second), [Action::Close(Way::Outgoing), Action::Connect]);
}

#[test]
fn routes_are_told_and_then_their_end() {
    let (mut session, now) = established();
    session.announce("192.168.20.0/24".parse().unwrap(), route());
    session.announce("192.168.21.0/24".parse().unwrap(), route());
    session.end_feed();
    let told = update(&route(), &["192.168.20.0/24", "192.168.21.0/24"]);
    let end = Message::Update(Update::default());
    assert_eq!(actions(&mut session, now), [send(Way::Outgoing, &told), send(Way::Outgoing, &end)]);
    session.withdraw("192.168.20.0/24".parse().unwrap());
    let gone = Update { withdrawn: vec!["192.168.20.0/24".parse().unwrap()], ..Update::default() };
    assert_eq!(actions(&mut session, now), [send(Way::Outgoing, &Message::Update(gone))]);
}

#[test]
fn received_routes_get_a_local_preference_and_loops_are_withdrawn() {
    let (mut session, now) = established();
    let said = hear(&mut session, now, Way::Outgoing, &update(&route(), &["192.168.10.0/24"]));
    let [Action::Routes(nlri, attrs)] = &*said else { panic!("{said:?}") };
    assert_eq!((nlri.len(), attrs.local_pref), (1, Some(100)));
    let looped = Arc::new(Attrs { as_path: Some(AsPath::sequence([65000, 65002])), ..(*route()).clone() });
    let said = hear(&mut session, now, Way::Outgoing, &update(&looped, &["192.168.10.0/24"]));
    assert_eq!(said, [Action::Withdrawn(vec!["192.168.10.0/24".parse().unwrap()])]);
    assert_eq!(hear(&mut session, now, Way::Outgoing, &Message::Update(Update::default())), [Action::EndOfRib]);
}

#[test]
fn octets_may_come_one_by_one() {
    let (mut session, now) = established();
    let bytes =
        [encoded(&update(&route(), &["192.168.10.0/24"])), encoded(&Message::Update(Update::default()))].concat();
    let mut said = Vec::new();
    for byte in bytes {
        session.received(now, Way::Outgoing, &[byte]);
        said.extend(actions(&mut session, now));
    }
    assert!(matches!(&*said, [Action::Routes(..), Action::EndOfRib]));
}

#[test]
fn the_hold_timer_ends_a_silent_session_and_brings_a_pause() {
    let (mut session, now) = established();
    let end = session.timers().hold.unwrap();
    let mut keepalives = 0;
    while session.next_timer().unwrap() < end {
        let next = session.next_timer().unwrap();
        session.on_timer(next);
        assert_eq!(actions(&mut session, next), [send(Way::Outgoing, &Message::Keepalive)]);
        keepalives += 1;
    }
    assert!(keepalives >= 2 && end > now);
    session.on_timer(end);
    let expired = Action::Log(Level::Remote, "Error: Hold timer expired".into());
    let last = send(Way::Outgoing, &notification(ErrorCode::HOLD_TIMER));
    assert_eq!(
        actions(&mut session, end),
        [expired, Action::Down, last, Action::Close(Way::Outgoing), Action::Stopped]
    );
    assert_eq!(session.last_error().to_string(), "BGP Error: Hold timer expired");
    session.start(end);
    session.neighbor_found(end, WORKER, 2);
    assert_eq!((session.phase(), session.startup_delay()), (Phase::Delayed, 60));
    assert!((45..=60).contains(&session.next_timer().unwrap().since(end).as_secs()));
    // Nobody is let in meanwhile.
    assert!(!session.accept(end, WORKER));
    let next = session.next_timer().unwrap();
    session.on_timer(next);
    assert_eq!(session.phase(), Phase::Starting);
}

#[test]
fn pauses_get_longer_and_are_forgotten() {
    let (mut session, mut now) = established();
    let mut pauses = Vec::new();
    for calm in [1, 1, 1, 1, 400, 1] {
        let delayed = session.phase() == Phase::Starting || session.phase() == Phase::Up;
        assert!(delayed);
        now += Duration::from_secs(calm);
        session.received(now, if session.phase() == Phase::Up { Way::Outgoing } else { Way::Incoming }, &[0; 19]);
        actions(&mut session, now);
        pauses.push(session.startup_delay());
        session.start(now);
        session.neighbor_found(now, WORKER, 2);
        now = session.next_timer().unwrap();
        session.on_timer(now);
        assert!(session.accept(now, WORKER));
    }
    assert_eq!(pauses, [60, 120, 240, 300, 60, 120]);
}

#[test]
fn the_neighbours_shutdown_ends_the_session_without_a_pause() {
    let (mut session, now) = established();
    let shutdown = Notification::with_message(ErrorCode::ADMIN_SHUTDOWN, "maintenance tonight");
    let said = hear(&mut session, now, Way::Outgoing, &Message::Notification(shutdown));
    let log = "Received: Administrative shutdown: \"maintenance tonight\"".to_owned();
    let log = Action::Log(Level::Remote, log);
    assert_eq!(said, [log, Action::Down, Action::Close(Way::Outgoing), Action::Stopped]);
    assert_eq!(session.last_error().to_string(), "Received: Administrative shutdown");
    assert_eq!(session.message(), Some("maintenance tonight"));
    session.start(now);
    session.neighbor_found(now, WORKER, 2);
    assert_eq!(session.state(), State::Active);
}

#[test]
fn stops_say_why() {
    let cases = [
        (Stop::Shutdown(String::new()), Notification::from(ErrorCode::ADMIN_SHUTDOWN)),
        (Stop::Shutdown("bye".into()), Notification::new(ErrorCode::ADMIN_SHUTDOWN, b"\x03bye")),
        (Stop::Reset(String::new()), ErrorCode::ADMIN_RESET.into()),
        (Stop::Deconfigured, ErrorCode::DECONFIGURED.into()),
        (Stop::Reconfigured, ErrorCode::CONFIG_CHANGE.into()),
    ];
    for (stop, last) in cases {
        let (mut session, now) = established();
        session.stop(now, &stop);
        let last = send(Way::Outgoing, &Message::Notification(last));
        assert_eq!(actions(&mut session, now), [Action::Down, last, Action::Close(Way::Outgoing), Action::Stopped]);
        assert_eq!((session.phase(), session.last_error().to_string()), (Phase::Down, String::new()));
    }
}

#[test]
fn a_neighbour_that_is_lost_ends_the_session() {
    let (mut session, now) = established();
    session.neighbor_lost(now, LastError::NeighborLost);
    let last = send(Way::Outgoing, &notification(ErrorCode::CEASE));
    assert_eq!(actions(&mut session, now), [Action::Down, last, Action::Close(Way::Outgoing), Action::Stopped]);
    assert_eq!(session.last_error().to_string(), "Error: Neighbor lost");
    session.start(now);
    assert_eq!((session.phase(), session.next_timer()), (Phase::Waiting, None));
}

#[test]
fn a_connection_that_breaks_ends_the_session() {
    let (mut session, now) = established();
    session.closed(now, Way::Outgoing, None);
    assert_eq!(actions(&mut session, now), [Action::Down, Action::Stopped]);
    assert_eq!(session.last_error().to_string(), "Socket: Connection closed");
}

/// Both sides connect at the same time: the connection of the higher identifier remains, on both sides.
#[test]
fn of_two_connections_the_higher_identifier_keeps_its_own() {
    let (mut session, now) = connected();
    assert!(session.accept(now, WORKER));
    let open = Message::Open(session.open());
    assert_eq!(actions(&mut session, now), [send(Way::Incoming, &open)]);
    let keepalive = send(Way::Outgoing, &Message::Keepalive);
    assert_eq!(hear(&mut session, now, Way::Outgoing, &Message::Open(leaf_open())), [keepalive]);
    let said = hear(&mut session, now, Way::Incoming, &Message::Open(leaf_open()));
    let collision = send(Way::Outgoing, &notification(ErrorCode::COLLISION));
    assert_eq!(said, [collision, send(Way::Incoming, &Message::Keepalive), Action::Close(Way::Outgoing)]);
    assert_eq!(hear(&mut session, now, Way::Incoming, &Message::Keepalive), [Action::Up]);
    // A third one is not let in, and a second one beside an established session is sent away.
    assert!(!session.accept(now, WORKER));
}

#[test]
fn opens_that_do_not_fit_are_answered() {
    type Change = fn(&mut Open);
    let cases: [(Change, Notification); 6] = [
        (|o| o.hold_time = 2, Notification::new(ErrorCode::BAD_HOLD_TIME, &[0, 2])),
        (|o| o.id = Ipv4Addr::UNSPECIFIED, Notification::new(ErrorCode::BAD_IDENTIFIER, &[0; 4])),
        (|o| o.capabilities.retain(|c| !matches!(c, wire::Capability::FourOctetAs(_))), ErrorCode::CEASE.into()),
        (
            |o| o.capabilities = vec![wire::Capability::FourOctetAs(64999)],
            Notification::new(ErrorCode::BAD_PEER_AS, &[0, 0, 0xfd, 0xe7]),
        ),
        (|o| (o.asn, o.capabilities) = (64999, Vec::new()), Notification::new(ErrorCode::BAD_PEER_AS, &[0xfd, 0xe7])),
        (
            |o| o.capabilities = vec![wire::Capability::Multiprotocol(wire::Family { afi: 2, safi: 1 })],
            ErrorCode::NO_FAMILY.into(),
        ),
    ];
    for (change, answer) in cases {
        let (mut session, now) = connected();
        let mut open = leaf_open();
        change(&mut open);
        let said = hear(&mut session, now, Way::Outgoing, &Message::Open(open));
        if answer.code == ErrorCode::CEASE {
            // A neighbour of two octets is welcome.
            assert_eq!(session.state(), State::OpenConfirm);
            continue;
        }
        assert!(said.contains(&send(Way::Outgoing, &Message::Notification(answer))), "{said:?}");
        assert_eq!(said.last(), Some(&Action::Stopped));
        assert_eq!(session.startup_delay(), 60);
    }
}

#[test]
fn messages_out_of_turn_end_the_session() {
    let (mut session, now) = connected();
    let said = hear(&mut session, now, Way::Outgoing, &Message::Keepalive);
    assert!(said.contains(&send(Way::Outgoing, &notification(ErrorCode::UNEXPECTED_IN_OPEN_SENT))));
    let (mut session, now) = established();
    let said = hear(&mut session, now, Way::Outgoing, &Message::Open(leaf_open()));
    assert!(said.contains(&send(Way::Outgoing, &notification(ErrorCode::UNEXPECTED_IN_ESTABLISHED))));
}

#[test]
fn all_routes_are_told_again_between_two_marks() {
    let (mut session, now) = established();
    session.end_feed();
    actions(&mut session, now);
    let mark = |refresh| Message::RouteRefresh(RouteRefresh { family: wire::Family::IPV4, refresh });
    let said = hear(&mut session, now, Way::Outgoing, &mark(Refresh::Request));
    assert_eq!(said, [Action::RefreshRequested]);
    session.begin_feed();
    session.announce("192.168.20.0/24".parse().unwrap(), route());
    session.end_feed();
    let told = update(&route(), &["192.168.20.0/24"]);
    let all = [mark(Refresh::Begin), told, mark(Refresh::End)];
    assert_eq!(actions(&mut session, now), all.map(|m| send(Way::Outgoing, &m)));
    assert!(session.request_refresh());
    assert_eq!(actions(&mut session, now), [send(Way::Outgoing, &mark(Refresh::Request))]);
}

#[test]
fn a_passive_session_only_waits() {
    let config = PeerConfig { passive: true, ..PeerConfig::new(65002, WORKER, 65000, LEAF) };
    let mut session = Session::new(0, config, 1);
    session.start(Time::ZERO);
    session.neighbor_found(Time::ZERO, WORKER, 2);
    assert_eq!((session.next_timer(), session.state()), (None, State::Idle));
    assert!(session.accept(at(9), WORKER));
    assert_eq!(session.state(), State::OpenSent);
}

#[test]
fn a_malformed_update_withdraws_and_is_logged() {
    let (mut session, now) = established();
    let mut bytes = encoded(&update(&route(), &["192.168.10.0/24"]));
    let origin = bytes.windows(4).position(|w| w == [0x40, 1, 1, 0]).unwrap() + 3;
    bytes[origin] = 7;
    session.received(now, Way::Outgoing, &bytes);
    let log = Action::Log(Level::Remote, "Malformed ORIGIN attribute - invalid value (7)".into());
    assert_eq!(actions(&mut session, now), [log, Action::Withdrawn(vec!["192.168.10.0/24".parse().unwrap()])]);
    assert_eq!(session.state(), State::Established);
}

/// The lines that BIRD 2.0.12 was seen to write with `debug { events }`, without those of its protocol engine.
#[test]
fn the_log_reads_as_birds() {
    let lines = |session: &mut Session, now| {
        let said = std::iter::from_fn(|| session.poll(now)).collect::<Vec<_>>();
        said.into_iter()
            .filter_map(|a| if let Action::Log(_, line) = a { Some(line) } else { None })
            .collect::<Vec<_>>()
    };
    let mut session = worker();
    session.start(Time::ZERO);
    session.neighbor_missing();
    session.neighbor_found(Time::ZERO, WORKER, 2);
    let waiting = "Waiting for 192.168.210.254 to become my neighbor";
    let delayed = "Connect delayed by 5 seconds";
    assert_eq!(lines(&mut session, Time::ZERO), [waiting, "Neighbor ready", "Started", delayed]);
    let now = session.next_timer().unwrap();
    session.on_timer(now);
    assert_eq!(lines(&mut session, now), ["Connecting to 192.168.210.254 from local address 192.168.210.22"]);
    session.closed(now, Way::Outgoing, Some(Errno::ECONNREFUSED));
    assert_eq!(lines(&mut session, now), ["Connection lost (Connection refused)", delayed]);
    let now = session.next_timer().unwrap();
    session.on_timer(now);
    session.connected(now, WORKER);
    session.received(now, Way::Outgoing, &encoded(&Message::Open(leaf_open())));
    session.received(now, Way::Outgoing, &encoded(&Message::Keepalive));
    assert_eq!(lines(&mut session, now)[1..], ["Connected", "BGP session established"]);
    let end = session.timers().hold.unwrap();
    session.on_timer(end);
    assert_eq!(lines(&mut session, end), ["Error: Hold timer expired", "BGP session closed", "Down"]);
    session.start(end);
    session.neighbor_found(end, WORKER, 2);
    assert_eq!(lines(&mut session, end), ["Startup delayed by 60 seconds due to errors"]);
    session.stop(end, &Stop::Reset(String::new()));
    assert_eq!(lines(&mut session, end), ["Shutdown requested", "Down"]);
}

/// BIRD 2.0.12 sends what a timer wants sent only when its loop comes round again.
#[test]
fn messages_wait_for_poll() {
    let (mut session, _) = established();
    let now = session.timers().keepalive.unwrap();
    session.on_timer(now);
    assert_eq!(session.next_action(), None);
    assert_eq!(actions(&mut session, now), [send(Way::Outgoing, &Message::Keepalive)]);
}

/// An established session whose neighbour keeps its routes over a restart.
fn restartable() -> (Session, Time) {
    let (mut session, now) = connected();
    hear(&mut session, now, Way::Outgoing, &Message::Open(restarting_open(0)));
    assert_eq!(hear(&mut session, now, Way::Outgoing, &Message::Keepalive), [Action::Up]);
    (session, now)
}

fn restarting_open(flags: u8) -> Open {
    let mut config = PeerConfig::new(65000, LEAF, 65002, WORKER);
    config.graceful_restart = crate::bgp::config::GracefulRestart::On;
    let mut open = Session::new(0, config, 2).open();
    for capability in &mut open.capabilities {
        if let wire::Capability::GracefulRestart { families, .. } = capability {
            families[0].flags = flags;
        }
    }
    open
}

#[test]
fn routes_outlive_a_restart_and_are_cleaned_up_after_it() {
    for (flags, kept) in [(0x80, true), (0, false)] {
        let (mut session, now) = restartable();
        session.closed(now, Way::Outgoing, Some(Errno::ECONNRESET));
        assert_eq!(actions(&mut session, now), [Action::Restarting]);
        assert_eq!((session.phase(), session.state()), (Phase::Starting, State::Active));
        assert!(session.peer().is_some());
        assert!(session.accept(now, WORKER));
        actions(&mut session, now);
        hear(&mut session, now, Way::Incoming, &Message::Open(restarting_open(flags)));
        let said = hear(&mut session, now, Way::Incoming, &Message::Keepalive);
        // One that has not gone on forwarding has forgotten its routes.
        let up = [Action::Up, Action::RefreshEnded];
        assert_eq!(said, up[..if kept { 1 } else { 2 }]);
        let said = hear(&mut session, now, Way::Incoming, &Message::Update(Update::default()));
        let end = [Action::RefreshEnded, Action::EndOfRib];
        assert_eq!(said, end[if kept { 0 } else { 1 }..]);
        assert_eq!(session.timers().restart, None);
    }
}

#[test]
fn patience_with_a_restart_has_an_end() {
    let (mut session, now) = restartable();
    session.closed(now, Way::Outgoing, None);
    assert_eq!(actions(&mut session, now), [Action::Restarting]);
    let end = session.timers().restart.unwrap();
    assert_eq!(end.since(now).as_secs(), 120);
    session.on_timer(end);
    let said = actions(&mut session, end);
    assert_eq!(said.last(), Some(&Action::Stopped));
    assert!(said.contains(&Action::Down) && session.peer().is_none());
}

#[test]
fn a_restart_whose_end_was_lost_shows_in_a_new_connection() {
    let (mut session, now) = restartable();
    assert!(session.accept(now, WORKER));
    let open = Message::Open(session.open());
    let said = actions(&mut session, now);
    assert_eq!(said, [Action::Restarting, Action::Close(Way::Outgoing), send(Way::Incoming, &open)]);
    assert_eq!(session.last_error().to_string(), "Error: Graceful restart");
}

#[test]
fn an_ordered_end_is_no_restart() {
    let (mut session, now) = restartable();
    let said = hear(&mut session, now, Way::Outgoing, &notification(ErrorCode::ADMIN_SHUTDOWN));
    assert!(said.contains(&Action::Down) && !said.contains(&Action::Restarting));
}

#[test]
fn the_own_open_is_birds_to_the_byte() {
    let hand_cni_9 = "ffffffffffffffffffffffffffffffff00350104fdea00f0c0a8d2161802160104000100010200\
                      4002007841040000fdea46004700";
    let hex = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(hex(encoded(&Message::Open(worker().open()))), hand_cni_9);
    // With `graceful restart on`.
    let mut config = PeerConfig::new(65001, Ipv4Addr::new(1, 1, 1, 1), 65000, LEAF);
    config.graceful_restart = crate::bgp::config::GracefulRestart::On;
    let open = Session::new(0, config, 1).open();
    let restarting = "ffffffffffffffffffffffffffffffff00390104fde900f0010101011c021a010400010001020040060078\
                      0001010041040000fde946004700";
    assert_eq!(hex(encoded(&Message::Open(open))), restarting);
}

#[test]
fn an_error_may_disable() {
    let config = PeerConfig { disable_after_error: true, ..PeerConfig::new(65002, WORKER, 65000, LEAF) };
    let mut session = Session::new(0, config, 1);
    session.start(Time::ZERO);
    session.neighbor_found(Time::ZERO, WORKER, 2);
    assert!(session.accept(Time::ZERO, WORKER));
    hear(&mut session, Time::ZERO, Way::Incoming, &Message::Keepalive);
    assert_eq!((session.phase(), session.is_disabled(), session.startup_delay()), (Phase::Down, true, 0));
}
