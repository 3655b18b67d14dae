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

sessions! { addr neigh route route_get rule sysctl }
