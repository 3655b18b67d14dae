//! Laws that hold for any text.

use hopwise_machine::{Machines, NoNetwork, ProgramTable, run_until_idle};
use hopwise_sim_core::{Duration, Time};
use proptest::prelude::*;

/// Runs a script for at most a minute of virtual time.
fn run(text: &str) -> (String, Option<i32>) {
    let mut machines: Machines<NoNetwork> = Machines::new(ProgramTable::default(), 1);
    let host = machines.add_machine("host", ());
    let command = machines.run_script(host, "s", text).expect("the machine exists");
    while let Some(time) = machines.next_wake().filter(|t| *t < Time::ZERO + Duration::from_secs(60)) {
        machines.step_ready(time, &mut NoNetwork);
    }
    (String::from_utf8_lossy(machines.output(command)).into_owned(), machines.status(command))
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Text that looks like shell: more likely to get far than arbitrary characters.
fn shellish() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "echo",
        "a",
        "$x",
        "\"",
        "'",
        "$(",
        ")",
        "(",
        "((",
        "))",
        "{",
        "}",
        ";",
        "\n",
        "&",
        "|",
        "&&",
        "||",
        "<",
        ">",
        "<<EOF\n",
        "EOF\n",
        "${x:-",
        "${#",
        "[",
        "]",
        "[[",
        "]]",
        "if",
        "then",
        "fi",
        "while",
        "do",
        "done",
        "for",
        "in",
        "case",
        "esac",
        ";;",
        "=",
        "x=",
        "a=(",
        "\\",
        "*",
        "?",
        "~",
        "!",
        "#",
        "1",
        "-e",
        "`",
        "$((",
        "%",
        "/",
        "^",
        ",",
        "@",
        ":",
        "..",
        "{1..3}",
        "function",
        "local",
        "trap",
        "read",
        "set -e",
        "2>&1",
        "seq 3",
        "sed s/a/b/",
        "awk '{print}'",
        "grep",
        "break",
    ]);
    prop::collection::vec((words, prop::sample::select(vec!["", " "])), 0..25)
        .prop_map(|ws| ws.into_iter().map(|(w, s)| format!("{w}{s}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        run(&text);
    }

    #[test]
    fn no_shell_like_text_panics(text in shellish()) {
        run(&text);
    }

    #[test]
    fn no_program_panics_on_its_arguments(script in "[ -~]{0,30}", input in "[ -~\n]{0,40}") {
        let quoted = single_quoted(&script);
        for program in ["sed", "awk", "grep", "grep -E", "tr", "expr", "date", "sort -k", "cut -f", "printf", "find . -name", "xargs", "test", "head -n", "seq"] {
            run(&format!("printf %s {} | {program} {quoted}", single_quoted(&input)));
        }
    }

    #[test]
    fn quoting_round_trips(text in "[^\0\r]{0,30}") {
        let x = single_quoted(&text);
        let printed = format!("{text}|");
        prop_assert_eq!(run(&format!("x={x}; printf '%s|' \"$x\"")).0, printed.clone());
        prop_assert_eq!(run(&format!("x={x}; eval \"y=$(printf %q \"$x\"; echo)\"; printf '%s|' \"$y\"")).0, printed.clone());
        prop_assert_eq!(run(&format!("x={x}; eval \"y=${{x@Q}}\"; printf '%s|' \"$y\"")).0, printed.clone());
        prop_assert_eq!(run(&format!("x={x}; cat <<< \"$x\"")).0, format!("{text}\n"));
    }

    #[test]
    fn integers_are_64_bits(a in any::<i64>(), b in any::<i32>()) {
        let b = i64::from(b);
        let expected = format!("{} {} {}\n", a.wrapping_add(b), a.wrapping_mul(b), i64::from(a < b));
        prop_assert_eq!(run(&format!("a={a}; b={b}; echo $((a + b)) $((a * b)) $((a < b))")).0, expected);
    }

    #[test]
    fn the_same_seed_prints_the_same(n in 0u32..1000) {
        let script = format!("RANDOM={n}; echo $RANDOM; mktemp -u; for i in 3 1 2; do (sleep 0.$i; echo $i) & done; wait; date +%s%N; ps");
        prop_assert_eq!(run(&script), run(&script));
    }
}

#[test]
fn run_until_idle_ends() {
    let mut machines: Machines<NoNetwork> = Machines::new(ProgramTable::default(), 1);
    run_until_idle(&mut machines, &mut NoNetwork);
    assert!(machines.is_empty());
}

#[test]
fn deep_nesting_is_refused_not_fatal() {
    for (open, middle, close) in [
        ("(", "echo x", ")"),
        ("{ ", "echo x", "; }"),
        ("$(", "echo x", ")"),
        ("if true; then ", "echo x", "; fi"),
        ("while true; do ", "break", "; done"),
        ("echo \"$(", "echo x", ")\""),
        ("case a in a) ", "echo x", ";; esac"),
        ("echo $((", "1", "))"),
        ("echo ${x:-", "1", "}"),
        ("[[ ! ( ", "a", " ) ]]"),
        ("! ", "true", ""),
        ("f() { ", "echo x", "; }"),
        ("awk 'BEGIN{print ((((", "1", "))))}'"),
        ("expr \\( ", "1", " \\)"),
    ] {
        for depth in [25, 59, 2000] {
            run(&format!("{}{middle}{}", open.repeat(depth), close.repeat(depth)));
        }
    }
    let deep = format!(
        "awk 'BEGIN{{print {}1{}}}'; [[ {}a{} ]]; echo $(({}1{}))",
        "(".repeat(5000),
        ")".repeat(5000),
        "( ".repeat(40),
        " )".repeat(40),
        "(".repeat(500),
        ")".repeat(500)
    );
    run(&deep);
    run(&format!("echo {}", "{a,b}".repeat(12)));
    run(&format!("[[ {} == {} ]]", "a".repeat(3000), "*a".repeat(500)));
}
