//! What the endpoint answers, segment by segment.

use hopwise_sim_core::{Duration, Errno, Time};

use super::super::{Arrived, Endpoint, Opening, Outgoing, Params, Reaction, State, reset_for};
use crate::wire::tcp::{Flags, Options};

/// An endpoint and the numbers of its two sides: everything is told relative to the first numbers.
struct Side {
    end: Endpoint,
    now: Time,
    theirs: u32,
    stamp: u32,
}

const OURS: u32 = 1_000;
const THEIRS: u32 = 5_000;

impl Side {
    fn opening(now: Time) -> Opening {
        Opening { iss: OURS, stamp_offset: 77, now }
    }

    fn connecting() -> (Side, Outgoing) {
        let mut end = Endpoint::connect(Params::default(), Side::opening(Time::ZERO));
        let syn = end.poll().expect("a SYN");
        (Side { end, now: Time::ZERO, theirs: THEIRS, stamp: 9_000 }, syn)
    }

    /// Open, as the side that connected.
    fn connected() -> Side {
        let (mut side, _) = Side::connecting();
        side.now += MS;
        assert_eq!(side.gets("SA 0 1 w65160"), ["A 1 1"]);
        side
    }

    /// Open, as the side that was called.
    fn called() -> Side {
        let now = Time::ZERO;
        let syn = segment("S 0 0 w64240", THEIRS, OURS, 9_000);
        let mut end = Endpoint::accept(Params::default(), Side::opening(now), &syn);
        end.poll().expect("a SYN-ACK");
        let mut side = Side { end, now, theirs: THEIRS, stamp: 9_000 };
        assert_eq!(side.gets("A 1 1"), [""; 0]);
        assert_eq!(side.end.state(), State::Established);
        side
    }

    /// A segment arrives: flags, number, acknowledgment, then `nLEN` bytes, `wWINDOW`. Gives what is answered.
    fn gets(&mut self, text: &str) -> Vec<String> {
        self.stamp += 1;
        let payload: Vec<u8> = (0..length(text)).map(|i| i as u8).collect();
        let mut arrived = segment(text, self.theirs, OURS, self.stamp);
        arrived.payload = &payload;
        self.end.on_segment(self.now, &arrived);
        self.out()
    }

    fn out(&mut self) -> Vec<String> {
        let theirs = self.theirs;
        std::iter::from_fn(|| self.end.poll()).map(|s| tell(&s, theirs)).collect()
    }

    /// Time goes on to the next timer.
    fn waits(&mut self) -> (Duration, Vec<String>) {
        let at = self.end.next_timer().expect("a timer");
        let span = at.since(self.now);
        self.now = at;
        self.end.on_timer(at);
        (span, self.out())
    }

    fn sends(&mut self, len: usize) -> Vec<String> {
        let taken = self.end.send(self.now, &vec![1; len]);
        assert_eq!(taken, Ok(len));
        self.out()
    }
}

fn length(text: &str) -> usize {
    text.split(' ').find_map(|w| w.strip_prefix('n')).map_or(0, |n| n.parse().unwrap())
}

fn flags(text: &str) -> Flags {
    let letter = |c| match c {
        'S' => Flags::SYN,
        'A' => Flags::ACK,
        'F' => Flags::FIN,
        'R' => Flags::RST,
        'P' => Flags::PSH,
        other => panic!("no flag {other}"),
    };
    text.chars().map(letter).fold(Flags::empty(), |all, f| all | f)
}

fn segment(text: &str, from: u32, to: u32, stamp: u32) -> Arrived<'static> {
    let mut words = text.split(' ');
    let flags = flags(words.next().unwrap());
    let seq: u32 = words.next().unwrap().parse().unwrap();
    let ack: u32 = words.next().unwrap().parse().unwrap();
    let mut window = 502;
    let mut options = Options { timestamp: Some((stamp, 0)), ..Options::default() };
    if flags.contains(Flags::SYN) {
        options = Options { mss: Some(1460), sack_permitted: true, wscale: Some(7), ..options };
    }
    for word in words {
        match word.split_at(1) {
            ("w", w) => window = w.parse().unwrap(),
            ("s", block) => {
                let (a, b) = block.split_once('-').unwrap();
                let at = usize::from(options.sack_count);
                options.sack[at] = (to + a.parse::<u32>().unwrap(), to + b.parse::<u32>().unwrap());
                options.sack_count += 1;
            }
            _ => {}
        }
    }
    Arrived { seq: from.wrapping_add(seq), ack: to.wrapping_add(ack), flags, window, options, payload: &[] }
}

fn tell(s: &Outgoing, theirs: u32) -> String {
    let names = [(Flags::SYN, 'S'), (Flags::FIN, 'F'), (Flags::RST, 'R'), (Flags::PSH, 'P'), (Flags::ACK, 'A')];
    let flags: String = names.iter().filter(|(f, _)| s.flags.contains(*f)).map(|(_, c)| *c).collect();
    let ack = if s.flags.contains(Flags::ACK) { s.ack.wrapping_sub(theirs) } else { 0 };
    let mut text = format!("{flags} {} {ack}", s.seq.wrapping_sub(OURS));
    if s.len > 0 {
        text.push_str(&format!(" n{}", s.len));
    }
    for (a, b) in s.options.sack_blocks() {
        text.push_str(&format!(" s{}-{}", a.wrapping_sub(theirs), b.wrapping_sub(theirs)));
    }
    text
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn the_handshake_of_linux() {
    let (mut side, syn) = Side::connecting();
    assert_eq!((syn.window, syn.flags, syn.ack), (64_240, Flags::SYN, 0));
    let wanted = Options {
        mss: Some(1460),
        sack_permitted: true,
        timestamp: Some((77, 0)),
        wscale: Some(10),
        ..Options::default()
    };
    assert_eq!(syn.options, wanted);
    side.now += MS;
    assert_eq!(side.gets("SA 0 1 w65160"), ["A 1 1"]);
    assert_eq!(side.end.state(), State::Established);
    assert_eq!(side.sends(76), ["PA 1 1 n76"]);
}

#[test]
fn a_syn_is_answered_with_what_it_offered() {
    let mut syn = segment("S 0 0 w64240", THEIRS, OURS, 9_000);
    syn.options = Options { mss: Some(1000), ..Options::default() };
    let mut end = Endpoint::accept(Params::default(), Side::opening(Time::ZERO), &syn);
    let answer = end.poll().unwrap();
    assert_eq!(answer.options, Options { mss: Some(1460), ..Options::default() });
    assert_eq!((answer.flags, answer.window, answer.full_socket), (Flags::SYN | Flags::ACK, 64_240, false));
    assert_eq!(end.info().mss, 1000);
}

#[test]
fn windows_are_told_as_linux_does() {
    let mut side = Side::called();
    side.end.on_segment(side.now, &Arrived { payload: &[0; 72], ..segment("PA 1 1", THEIRS, OURS, 9_100) });
    let ack = side.end.poll().unwrap();
    assert_eq!(ack.window, 64);
}

#[test]
fn a_request_is_acknowledged_at_once_and_the_answer_closes() {
    let mut side = Side::called();
    assert_eq!(side.gets("PA 1 1 n76"), ["A 1 77"]);
    assert_eq!(side.end.read(side.now, 1000).map(|b| b.len()), Ok(76));
    assert_eq!(side.out(), [""; 0]);
    assert_eq!(side.sends(155), ["PA 1 77 n155"]);
    // Nagle: the second small write waits for the acknowledgment of the first.
    assert_eq!(side.sends(326), [""; 0]);
    assert_eq!(side.gets("A 77 156"), ["PA 156 77 n326"]);
    side.end.shutdown(side.now);
    assert_eq!(side.out(), ["FA 482 77"]);
    side.end.close(side.now);
    assert_eq!(side.end.state(), State::FinWait1);
    assert_eq!(side.gets("A 77 482"), [""; 0]);
    assert_eq!(side.gets("FA 77 483"), ["A 483 78"]);
    assert_eq!(side.end.state(), State::TimeWait);
    assert_eq!(side.waits().0, Duration::from_secs(60));
    assert_eq!(side.end.state(), State::Close);
}

#[test]
fn the_answer_to_a_fin_waits_for_our_own() {
    let mut side = Side::connected();
    assert_eq!(side.sends(76), ["PA 1 1 n76"]);
    assert_eq!(side.gets("A 1 77"), [""; 0]);
    assert_eq!(side.gets("PA 1 77 n155"), ["A 77 156"]);
    assert_eq!(side.gets("FA 156 77"), [""; 0]);
    assert_eq!(side.end.state(), State::CloseWait);
    assert_eq!(side.end.read(side.now, 1000).map(|b| b.len()), Ok(155));
    assert_eq!(side.end.read(side.now, 1000), Ok(vec![]));
    side.end.close(side.now);
    assert_eq!(side.out(), ["FA 77 157"]);
    assert_eq!(side.gets("A 157 78"), [""; 0]);
    assert_eq!(side.end.state(), State::Close);
}

#[test]
fn a_fin_that_nobody_answers_is_acknowledged_after_40_ms() {
    let mut side = Side::called();
    assert_eq!(side.gets("FA 1 1"), [""; 0]);
    assert_eq!(side.waits(), (40 * MS, vec!["A 1 2".into()]));
}

#[test]
fn syns_follow_evenly_at_first_and_end_with_a_timeout() {
    let (mut side, _) = Side::connecting();
    let mut spans = Vec::new();
    while side.end.state() == State::SynSent {
        spans.push(side.waits().0.as_secs());
    }
    assert_eq!(spans, [1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 64]);
    assert_eq!(side.end.take_error(), Some(Errno::ETIMEDOUT));
}

#[test]
fn a_refused_connection() {
    let (mut side, _) = Side::connecting();
    assert_eq!(side.gets("RA 0 1"), [""; 0]);
    assert_eq!((side.end.state(), side.end.take_error()), (State::Close, Some(Errno::ECONNREFUSED)));
    let (mut side, _) = Side::connecting();
    side.end.icmp_error(Errno::EHOSTUNREACH, true);
    assert_eq!(side.end.take_error(), Some(Errno::EHOSTUNREACH));
}

#[test]
fn closed_ports_answer_with_a_reset() {
    let syn = segment("S 0 0", 100, 0, 0);
    let reset = reset_for(&syn).unwrap();
    assert_eq!((reset.seq, reset.ack, reset.flags), (0, 101, Flags::RST | Flags::ACK));
    let data = Arrived { payload: &[0; 5], ..segment("PA 0 50", 100, 0, 0) };
    let reset = reset_for(&data).unwrap();
    assert_eq!((reset.seq, reset.ack, reset.flags), (50, 0, Flags::RST));
    assert_eq!(reset_for(&segment("R 0 0", 0, 0, 0)), None);
}

#[test]
fn what_is_lost_is_probed_for_and_sent_again() {
    let mut side = Side::connected();
    assert_eq!(side.sends(10), ["PA 1 1 n10"]);
    let (first, sent) = side.waits();
    assert_eq!(sent, ["PA 1 1 n10"]);
    assert!((200..=205).contains(&first.as_millis()), "{first:?}");
    let mut spans = Vec::new();
    for _ in 0..4 {
        let (span, sent) = side.waits();
        assert_eq!(sent, ["PA 1 1 n10"]);
        spans.push(span.as_millis());
    }
    assert_eq!(spans, [201, 402, 804, 1608]);
    while side.end.state() == State::Established {
        side.waits();
    }
    assert_eq!(side.end.take_error(), Some(Errno::ETIMEDOUT));
    assert!((900..960).contains(&side.now.since(Time::ZERO).as_secs()), "{}", side.now);
}

#[test]
fn three_segments_beyond_a_gap_bring_the_lost_one_back() {
    let mut side = Side::connected();
    side.end.set_nodelay(side.now, true);
    let sent = side.sends(5 * 1448);
    assert_eq!(sent.len(), 5);
    side.now += MS;
    assert_eq!(side.gets("A 1 1 s1449-2897"), [""; 0]);
    assert_eq!(side.gets("A 1 1 s1449-4345"), [""; 0]);
    assert_eq!(side.gets("A 1 1 s1449-5793"), ["A 1 1 n1448"]);
    assert_eq!(side.gets("A 1 5793"), [""; 0]);
    assert_eq!(side.gets("A 1 7241"), [""; 0]);
    assert_eq!(side.end.unacknowledged(), 0);
}

#[test]
fn without_sack_three_duplicates_do() {
    let (mut side, _) = Side::connecting();
    side.stamp += 1;
    let mut answer = segment("SA 0 1 w65160", THEIRS, OURS, side.stamp);
    answer.options.sack_permitted = false;
    side.end.on_segment(side.now, &answer);
    side.out();
    assert_eq!(side.gets("A 1 1"), [""; 0]);
    assert_eq!(side.sends(5 * 1448).len(), 5);
    side.now += MS;
    assert_eq!(side.gets("A 1 1"), [""; 0]);
    assert_eq!(side.gets("A 1 1"), [""; 0]);
    assert_eq!(side.gets("A 1 1"), ["A 1 1 n1448"]);
    assert_eq!(side.gets("A 1 7241"), [""; 0]);
    assert_eq!(side.end.unacknowledged(), 0);
}

#[test]
fn what_comes_too_early_is_told() {
    let mut side = Side::called();
    assert_eq!(side.gets("PA 101 1 n100"), ["A 1 1 s101-201"]);
    assert_eq!(side.gets("PA 301 1 n100"), ["A 1 1 s301-401 s101-201"]);
    assert_eq!(side.gets("PA 1 1 n100"), ["A 1 201 s301-401"]);
    assert_eq!(side.gets("PA 1 1 n100"), ["A 1 201 s1-101 s301-401"]);
    assert_eq!(side.gets("PA 201 1 n100"), ["A 1 401"]);
    assert_eq!(side.end.readable(), 400);
}

#[test]
fn a_closed_window_is_asked() {
    let mut side = Side::connected();
    assert_eq!(side.sends(100), ["PA 1 1 n100"]);
    assert_eq!(side.gets("A 1 101 w0"), [""; 0]);
    assert_eq!(side.sends(100), [""; 0]);
    let (span, sent) = side.waits();
    assert_eq!(sent, ["A 100 1"]);
    assert!(span >= 200 * MS);
    assert_eq!(side.gets("A 1 101 w0"), [""; 0]);
    let (span, sent) = side.waits();
    assert_eq!(sent, ["A 100 1"]);
    assert!(span >= 400 * MS);
    assert_eq!(side.gets("A 1 101 w10"), ["PA 101 1 n100"]);
}

#[test]
fn resets_and_syns_must_be_exact() {
    let mut side = Side::called();
    assert_eq!(side.gets("R 2 0"), ["A 1 1"]);
    assert_eq!(side.end.state(), State::Established);
    // Only one such answer each half second.
    assert_eq!(side.gets("S 1 0"), [""; 0]);
    assert_eq!(side.gets("R 1 0"), [""; 0]);
    assert_eq!((side.end.state(), side.end.take_error()), (State::Close, Some(Errno::ECONNRESET)));
}

#[test]
fn unread_data_at_the_close_is_a_reset() {
    let mut side = Side::called();
    side.gets("PA 1 1 n10");
    side.end.close(side.now);
    assert_eq!(side.out(), ["RA 1 11"]);
    assert_eq!(side.end.state(), State::Close);
}

#[test]
fn both_close_at_once() {
    let mut side = Side::connected();
    side.end.close(side.now);
    assert_eq!(side.out(), ["FA 1 1"]);
    assert_eq!(side.gets("FA 1 1"), ["A 2 2"]);
    assert_eq!(side.end.state(), State::Closing);
    assert_eq!(side.gets("A 2 2"), [""; 0]);
    assert_eq!(side.end.state(), State::TimeWait);
}

#[test]
fn both_open_at_once() {
    let (mut side, _) = Side::connecting();
    assert_eq!(side.gets("S 0 0 w64240"), ["SA 0 1"]);
    assert_eq!(side.end.state(), State::SynRecv);
    // The other side's number 0 came a second time, which is told.
    assert_eq!(side.gets("SA 0 1 w65160"), ["A 1 1 s0-1"]);
    assert_eq!(side.end.state(), State::Established);
}

#[test]
fn a_remembered_connection_makes_way_for_a_new_one() {
    let mut side = Side::connected();
    side.end.close(side.now);
    side.out();
    side.gets("FA 1 2");
    assert_eq!(side.end.state(), State::TimeWait);
    let syn = segment("S 70000 0", THEIRS, OURS, 20_000);
    assert!(matches!(side.end.on_segment(side.now, &syn), Reaction::Reopen(_)));
}

#[test]
fn a_listener_repeats_its_answer_and_forgets_after_five() {
    let syn = segment("S 0 0 w64240", THEIRS, OURS, 9_000);
    let mut end = Endpoint::accept(Params::default(), Side::opening(Time::ZERO), &syn);
    assert!(end.poll().is_some());
    let mut side = Side { end, now: Time::ZERO, theirs: THEIRS, stamp: 9_000 };
    assert_eq!(side.gets("S 0 0 w64240"), ["SA 0 1"]);
    assert_eq!(side.gets("A 1 7"), ["R 7 0"]);
    let mut spans = Vec::new();
    while side.end.state() == State::SynRecv {
        spans.push(side.waits().0.as_secs());
    }
    assert_eq!(spans, [1, 2, 4, 8, 16, 32]);
}

#[test]
fn a_smaller_path_sends_again_in_smaller_pieces() {
    let mut side = Side::connected();
    assert_eq!(side.sends(2896), ["A 1 1 n1448", "PA 1449 1 n1448"]);
    side.end.path_mtu(side.now, 1000);
    assert_eq!(side.out(), ["A 1 1 n948", "A 949 1 n500", "A 1449 1 n948", "PA 2397 1 n500"]);
}

#[test]
fn keepalive_asks_and_gives_up() {
    let mut side = Side::connected();
    side.end.set_keepalive(side.now, true);
    assert_eq!(side.waits(), (Duration::from_secs(7200), vec!["A 0 1".into()]));
    for _ in 0..8 {
        assert_eq!(side.waits(), (Duration::from_secs(75), vec!["A 0 1".into()]));
    }
    assert_eq!(side.waits().1, ["RA 1 1"]);
    assert_eq!(side.end.take_error(), Some(Errno::ETIMEDOUT));
}

#[test]
fn what_is_sent_before_the_end_keeps_its_bytes() {
    let mut side = Side::connected();
    side.end.set_nodelay(side.now, true);
    side.sends(5 * 1448);
    side.end.close(side.now);
    side.out();
    side.now += MS;
    // One segment tells of a loss, which is repaired, and brings data that nobody is left to read.
    let mut arrived = segment("PA 1 1 s1449-7241", THEIRS, OURS, 9_100);
    arrived.payload = b"late";
    side.end.on_segment(side.now, &arrived);
    assert_eq!(side.end.state(), State::Close);
    let again = side.end.poll().unwrap();
    assert_eq!(again.len, 1448);
    let mut bytes = vec![0; 1448];
    side.end.copy_payload(&again, &mut bytes);
    assert!(bytes.iter().all(|b| *b == 1));
}
