//! Addresses, routes, rules, neighbours, settings and the old programs, against what Linux 6.18 printed: each file of
//! `tests/inet` is a session, `$ COMMAND` with its output and `? STATUS` if that is not 0.

use hopwise_userland::World;

/// Runs the commands of a session and puts down what they print, in the session's own form.
fn replay(session: &str) -> String {
    let mut world = World::new(1);
    let machine = world.add_machine("host");
    let mut text = String::new();
    for line in session.lines() {
        if line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
            continue;
        }
        let Some(command) = line.strip_prefix("$ ") else { continue };
        let output = world.run(machine, command);
        text.push_str(&format!("$ {command}\n"));
        for line in output.text.trim_end_matches('\n').lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        if output.status != 0 {
            text.push_str(&format!("? {}\n", output.status));
        }
    }
    text
}

/// The first places where two texts differ.
fn difference(expected: &str, got: &str) -> String {
    let steps = |text: &str| -> Vec<String> { format!("\n{text}").split("\n$ ").skip(1).map(str::to_owned).collect() };
    let (expected, got) = (steps(expected), steps(got));
    let pairs = expected.iter().zip(&got).filter(|(e, g)| e.trim_end() != g.trim_end());
    pairs.map(|(e, g)| format!("--- Linux\n$ {e}\n+++ here\n$ {g}\n")).collect()
}

#[track_caller]
fn check(session: &str) {
    let got = replay(session);
    assert!(got == session, "{}", difference(session, &got));
}

macro_rules! sessions {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(include_str!(concat!("inet/", stringify!($name), ".txt"))) })*
    };
}

sessions! { addr brief neigh route route_get rule sysctl }

/// Words that commands understand, and some that they do not.
fn words() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    const KNOWN: &str = "add del replace change show flush get dev lo via 10.0.0.1 10.0.0.0/24 default table 100 main all \
        scope host link src metric 5 mtu lock 1400 nexthop weight onlink unreachable local broadcast from to iif oif \
        fwmark 1/2 priority goto nop prohibit not lladdr 02:00:00:00:00:01 nud stale permanent proxy label lo:1 brd + - \
        peer valid_lft forever type up secondary root match exact proto kernel tos 0x10 fibmatch mark ipproto udp sport \
        rtt 1.5s features ecn help";
    let known: Vec<&'static str> = KNOWN.split_ascii_whitespace().collect();
    let word = prop_oneof![8 => proptest::sample::select(known).prop_map(str::to_owned), 1 => "[a-z0-9./:+-]{0,8}"];
    proptest::collection::vec(word, 0..8).prop_map(|words| words.join(" "))
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..proptest::prelude::ProptestConfig::default()
    })]

    /// Whatever is typed: it is done or refused in a sentence, and the same again gives the same.
    #[test]
    fn any_words_are_done_or_refused(lines in proptest::collection::vec(("address|route|rule|neigh", words()), 1..6)) {
        let session: String = lines.iter().map(|(object, words)| format!("$ ip {object} {words}\n")).collect();
        let first = replay(&session);
        for step in first.split("\n$ ") {
            let refused = step.lines().any(|line| line.starts_with("? "));
            proptest::prop_assert!(!refused || step.lines().count() > 2, "a status without a word: {step}");
        }
        proptest::prop_assert_eq!(replay(&session), first);
    }
}
