//! Scripts that would run for ever, or take all memory there is, end with a diagnosis, and the session goes on.

use hopwise_machine::{
    MachineId, Machines, NoNetwork, Place, Program, ProgramEntry, ProgramTable, Step, Sys, Wait, run_until_idle,
};
use hopwise_sim_core::Duration;

fn world() -> (Machines<NoNetwork>, MachineId) {
    let mut machines: Machines<NoNetwork> = Machines::new(ProgramTable::default(), 7);
    let host = machines.add_machine("host", ());
    (machines, host)
}

/// Types a command into the session, lets time run, gives output and status.
fn run(machines: &mut Machines<NoNetwork>, host: MachineId, text: &str) -> (String, Option<i32>) {
    let command = machines.submit(host, text).expect("the machine exists");
    run_until_idle(machines, &mut NoNetwork);
    (String::from_utf8_lossy(machines.output(command)).into_owned(), machines.status(command))
}

fn said(text: &str) -> &str {
    text.get(..300).unwrap_or(text)
}

/// Runs a script that does not end by itself, then asks whether the session still answers.
fn stopped(m: &mut Machines<NoNetwork>, host: MachineId, script: &str) -> String {
    let (out, status) = run(m, host, script);
    assert!(status.is_some_and(|status| status != 0), "{script}: {status:?}: {}", said(&out));
    assert!(out.len() < 20 << 20, "{script}: {} bytes", out.len());
    let (after, status) = run(m, host, "echo alive");
    assert_eq!((after.as_str(), status), ("alive\n", Some(0)), "after {script}");
    out
}

#[test]
fn loops_without_end_are_stopped() {
    let (mut m, host) = world();
    for script in [
        "while true; do :; done",
        "for ((;;)); do x=1; done",
        "f() { f; }; f",
        "trap 'kill -USR1 $$' USR1; kill -USR1 $$; while :; do :; done",
        "sed ':a;ba' <<< x",
        "awk 'BEGIN{while(1);}'",
        "awk 'function f(){f()} BEGIN{f()}'",
        "echo x | jq 'def f: f; f' 2>&1 || while :; do :; done",
        "cat /dev/zero > /dev/null",
        "while :; do echo; done > /dev/null",
    ] {
        let out = stopped(&mut m, host, script);
        assert!(out.contains("endless") || out.contains("nest"), "{script}: {}", said(&out));
    }
}

#[test]
fn bombs_do_not_go_off() {
    let (mut m, host) = world();
    for script in [
        "f() { f & f & }; f; while :; do :; done",
        "x=x; while :; do x=$x$x; done",
        "x=x; while :; do x=${x//x/xx}; done",
        "a=(x); while :; do a+=(${a[@]}); done",
        "yes",
        "cat /dev/zero",
        "awk 'BEGIN{x=\"x\"; while(1) x = x x}'",
        "cat <<< $(yes)",
        "x=$(cat /dev/zero)",
        "mapfile a < <(yes)",
        "sort < /dev/zero",
        "yes | sort",
        "yes > file",
        "head -c 10000000000 /dev/zero > file",
        "tail -n 1 /dev/zero",
    ] {
        stopped(&mut m, host, script);
    }
}

#[test]
fn a_fork_bomb_is_refused_more_processes() {
    let (mut m, host) = world();
    let (out, _) = run(&mut m, host, ":(){ :|:& };:");
    assert!(out.contains("fork: Resource temporarily unavailable"), "{}", said(&out));
    assert_eq!(run(&mut m, host, "sleep 60; jobs; echo alive").0, "alive\n");
}

#[test]
fn great_numbers_are_refused_or_stopped() {
    let (mut m, host) = world();
    for script in [
        "echo {1..999999999}",
        "echo {a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
        "printf '%999999999d' 1",
        "printf -v x '%999999999s' 1",
    ] {
        stopped(&mut m, host, script);
    }
}

#[test]
fn honest_work_is_not_stopped() {
    let (mut m, host) = world();
    let script = "n=0; for i in {1..20000}; do n=$((n + i)); done; echo $n";
    assert_eq!(run(&mut m, host, script), ("200010000\n".to_owned(), Some(0)));
    assert_eq!(run(&mut m, host, "seq 1 50000 | awk '{s += $1} END {print s}'").0, "1250025000\n");
    assert_eq!(run(&mut m, host, "seq 1 20000 | sort -rn | tail -n 1").0, "1\n");
    assert_eq!(run(&mut m, host, "for i in $(seq 300); do sleep 0.1; done; echo done").0, "done\n");
    assert_eq!(run(&mut m, host, "head -c 3000000 /dev/zero | wc -c").0, "3000000\n");
    assert_eq!(run(&mut m, host, "for i in $(seq 500); do (exit 0); done; echo done").0, "done\n");
}

/// A program of many short steps, between which it waits, or computes.
#[derive(Clone)]
struct Busy {
    left: u32,
    computes: bool,
}

impl Program<NoNetwork> for Busy {
    fn step(&mut self, sys: &mut Sys<'_, NoNetwork>) -> Step {
        self.left -= 1;
        let next = sys.now() + Duration::from_micros(2);
        match (self.left, self.computes) {
            (0, _) => Step::Exit(0),
            (_, true) => Step::Block(Wait::computing(next)),
            (_, false) => Step::Block(Wait::until(next)),
        }
    }
}

#[test]
fn who_pays_with_time_is_not_stopped() {
    let mut table: ProgramTable<NoNetwork> = ProgramTable::default();
    for name in ["computes", "waits"] {
        let about = "is busy";
        let start = |args: &[String]| -> Box<dyn Program<NoNetwork>> {
            Box::new(Busy { left: 700_000, computes: args.is_empty() })
        };
        table.add(ProgramEntry { name, place: Place::Bin, package: "test", about, start });
    }
    let mut m = Machines::new(table, 7);
    let host = m.add_machine("host", ());
    assert_eq!(run(&mut m, host, "computes"), (String::new(), Some(0)));
    assert!(stopped(&mut m, host, "waits -").contains("endless"));
}

#[test]
fn brackets_that_are_left_open_are_refused_at_once() {
    let (mut m, host) = world();
    let says = "unexpected EOF while looking for matching `)'";
    for script in [
        format!("echo a;{}", "(".repeat(40)),
        "b;((((((((((((x((((((-y((((((((( | awk '{print $1}' | f()u(((((((".into(),
    ] {
        let out = stopped(&mut m, host, &script);
        assert!(out.contains(says), "{out}");
    }
    let closed = format!("{}echo a{}", "( ".repeat(20), " )".repeat(20));
    assert_eq!(run(&mut m, host, &closed).0, "a\n");
}
