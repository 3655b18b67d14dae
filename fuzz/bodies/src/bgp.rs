//! Octets from a BGP neighbour: messages that are read mean the same when they are written and read again, and a speaker bears
//! whatever its neighbour says, at any point of a session.

use std::net::Ipv4Addr;

use hopwise_routing::bgp::session::{Action, Phase, Session, State, Way};
use hopwise_routing::bgp::speaker::Speaker;
use hopwise_routing::bgp::wire::{self, AS_TRANS, Message, Options};
use hopwise_sim_core::Time;

const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const THEM: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// The first byte chooses options and how far the session has come; the rest is what the neighbour says.
pub fn run(data: &[u8]) {
    let (choices, bytes) = super::choice(data);
    let options = Options { as4: choices & 1 == 0, extended: choices & 2 != 0, enhanced_refresh: choices & 4 == 0 };
    codec(bytes, options);
    speaker(bytes, choices >> 3);
}

fn codec(mut bytes: &[u8], options: Options) {
    while let Ok(Some(length)) = wire::frame(bytes, options) {
        let Some((message, rest)) = bytes.split_at_checked(length) else { return };
        bytes = rest;
        let Ok(message) = wire::decode(message, options) else { continue };
        let faithful = options.as4 || !has_as_trans(&message);
        let mut again = Vec::new();
        if is_sound(&message) && faithful && wire::encode(&message, options, &mut again).is_some() {
            assert_eq!(wire::decode(&again, options), Ok(message));
        }
    }
}

/// What can be said at all: an UPDATE with a fault cannot.
fn is_sound(message: &Message) -> bool {
    !matches!(message, Message::Update(update) if update.fault.is_some())
}

/// With AS numbers of two octets the one that stands for others, and others themselves, depend on AS4_PATH (RFC 6793).
fn has_as_trans(message: &Message) -> bool {
    let Message::Update(update) = message else { return false };
    update.attrs.as_ref().is_some_and(|attrs| {
        let mut numbers = attrs.as_path.iter().flat_map(|p| p.numbers()).chain(attrs.aggregator.map(|a| a.asn));
        numbers.any(|asn| asn >= AS_TRANS.into())
    })
}

fn speaker(bytes: &[u8], choices: u8) {
    let mut speaker = Speaker::new(65001, US, 1);
    let mut config = speaker.peer_config(if choices & 1 == 0 { 65002 } else { 65001 }, THEM);
    config.multihop = None;
    config.rr_client = choices & 3 == 3;
    let session = speaker.add_session(config.clone());
    let witness = speaker.add_session(speaker.peer_config(65009, Ipv4Addr::new(10, 0, 9, 9)));
    let mut neighbor = config;
    (neighbor.router_id, neighbor.neighbor) = (THEM, US);
    if choices & 1 == 0 {
        (neighbor.local_as, neighbor.remote_as) = (65002, hopwise_routing::bgp::config::RemoteAs::Number(65001));
    }
    let mut now = Time::ZERO;
    speaker.start(now, session);
    speaker.neighbor_found(now, session, US, 1);
    drain(&mut speaker, now, session);
    assert!(speaker.accept(now, session, US));
    drain(&mut speaker, now, session);
    if choices & 4 == 0 {
        for message in greeting(neighbor) {
            speaker.received(now, session, Way::Incoming, &message);
            drain(&mut speaker, now, session);
        }
        assert_eq!(speaker.sessions()[session].state(), State::Established);
    }
    let size = usize::from(choices & 24) * 4 + 1;
    for chunk in bytes.chunks(size) {
        speaker.received(now, session, Way::Incoming, chunk);
        drain(&mut speaker, now, session);
    }
    // Let all timers run for a while.
    for _ in 0..20 {
        let Some(at) = speaker.sessions()[session].next_timer() else { break };
        now = now.max(at);
        speaker.on_timer(now, session);
        drain(&mut speaker, now, session);
    }
    assert_eq!(speaker.sessions()[witness].phase(), Phase::Down);
}

/// What a well-behaved neighbour says first.
fn greeting(config: hopwise_routing::bgp::config::PeerConfig) -> Vec<Vec<u8>> {
    let mut neighbor = Session::new(0, config, 2);
    neighbor.start(Time::ZERO);
    neighbor.neighbor_found(Time::ZERO, THEM, 1);
    assert!(neighbor.accept(Time::ZERO, THEM));
    let said = std::iter::from_fn(|| neighbor.poll(Time::ZERO));
    let mut said: Vec<_> =
        said.filter_map(|a| if let Action::Send(_, bytes) = a { Some(bytes) } else { None }).collect();
    let mut keepalive = Vec::new();
    let _ = wire::encode(&Message::Keepalive, Options::default(), &mut keepalive);
    said.push(keepalive);
    said
}

/// Does nothing of what the speaker wants done, but checks that it makes sense.
fn drain(speaker: &mut Speaker, now: Time, expected: usize) {
    let mut actions = 0;
    while let Some((session, action)) = speaker.poll(now) {
        actions += 1;
        assert!(actions < 100_000, "it never rests");
        assert_eq!(session, expected);
        match action {
            Action::Send(_, bytes) => {
                let options = Options { extended: true, ..Options::default() };
                assert_eq!(wire::frame(&bytes, options), Ok(Some(bytes.len())));
            }
            Action::Stopped => {
                assert_eq!(speaker.sessions()[session].phase(), Phase::Down);
                assert_eq!(speaker.table().count(), 0);
            }
            _ => {}
        }
    }
}
