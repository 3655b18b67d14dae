//! Sessions, time, forks of a world, limits, and that nothing leads out of the simulated machine.

use hopwise_machine::{
    DirEntry, Errno, Kernel, MachineId, Machines, NoNetwork, ProgramTable, Signal, files::FileKind, run_until_idle,
};
use hopwise_sim_core::{Duration, Time};

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

#[test]
fn a_session_remembers() {
    let (mut m, host) = world();
    assert_eq!(run(&mut m, host, "x=1; f() { echo \"f $x\"; }; cd /tmp"), (String::new(), Some(0)));
    assert_eq!(run(&mut m, host, "f; pwd"), ("f 1\n/tmp\n".to_owned(), Some(0)));
    assert_eq!(run(&mut m, host, "foo"), ("bash: foo: command not found\n".to_owned(), Some(127)));
    assert_eq!(run(&mut m, host, "echo $?").0, "127\n");
    assert_eq!(run(&mut m, host, "alias ll='ls -d'").0, "");
    assert_eq!(run(&mut m, host, "ll /tmp").0, "/tmp\n");
    assert_eq!(run(&mut m, host, "set -u; echo $nope; echo no").0, "bash: nope: unbound variable\n");
    assert_eq!(run(&mut m, host, "set +u; echo still $x").0, "still 1\n");
    assert_eq!(run(&mut m, host, "exit 3").1, Some(3));
    assert_eq!(run(&mut m, host, "echo [$x]").0, "[]\n");
}

#[test]
fn background_jobs_go_on_between_commands() {
    let (mut m, host) = world();
    let loud = m.submit(host, "(sleep 10; echo late) &").expect("typed");
    m.step_ready(Time::ZERO, &mut NoNetwork);
    assert_eq!((m.status(loud), m.output(loud)), (Some(0), &b""[..]));
    let jobs = m.submit(host, "jobs").expect("typed");
    m.step_ready(Time::ZERO + Duration::from_secs(1), &mut NoNetwork);
    assert!(
        String::from_utf8_lossy(m.output(jobs)).starts_with("[1]+  Running"),
        "{:?}",
        String::from_utf8_lossy(m.output(jobs))
    );
    let mut fork = m.clone();
    run_until_idle(&mut m, &mut NoNetwork);
    assert_eq!(m.output(loud), b"late\n");
    // The forked world kills the job instead; the other one is not touched.
    assert_eq!(run(&mut fork, host, "kill %1; wait; jobs").0, "");
    assert_eq!(fork.output(loud), b"");
}

#[test]
fn time_is_virtual() {
    let (mut m, host) = world();
    assert_eq!(
        run(&mut m, host, "date -u +%T; sleep 3600; date -u +%T; echo $SECONDS").0,
        "00:00:00\n01:00:00\n3600\n"
    );
    let waiting = m.submit(host, "sleep 100").expect("typed");
    let now = m.next_wake().expect("something to do");
    m.step_ready(now, &mut NoNetwork);
    assert_eq!(m.status(waiting), None);
    m.interrupt(waiting);
    run_until_idle(&mut m, &mut NoNetwork);
    assert_eq!(m.status(waiting), Some(130));
}

#[test]
fn endless_things_end_with_a_diagnosis() {
    let (mut m, host) = world();
    for script in [
        "while true; do :; done",
        "f() { f; }; f",
        "cat /dev/zero > /dev/null",
        "sed ':a;ba' <<< x",
        "awk 'BEGIN{while(1);}'",
    ] {
        let (out, status) = run(&mut m, host, script);
        assert!(out.contains("endless"), "{script}: {out}");
        assert_ne!(status, Some(0), "{script}");
    }
    // A writer without end ends with its reader.
    assert_eq!(run(&mut m, host, "yes | head -n 1; echo ${PIPESTATUS[0]}").0, "y\n141\n");
    assert_eq!(run(&mut m, host, "seq 1 inf 2>/dev/null | head -n 1; x() { x | x & }; echo ok").0, "ok\n");
}

#[test]
fn nothing_leads_out_of_the_simulated_machine() {
    let (mut m, host) = world();
    // What exists on the real machine is not there, whatever the way.
    for script in [
        "cat /elsewhere/brief.md",
        "cat ../../../../../../Cargo.toml",
        "echo \"$(cat /proc/1/environ)\"",
        "ln -s / up; cat up/Cargo.toml",
        "cat < /etc/shadow",
        "cat /root/../home/*/.bashrc",
        ". /etc/profile",
        "exec 3</dev/tcp/127.0.0.1/80",
    ] {
        let (out, _) = run(&mut m, host, script);
        let refused = ["No such file", "not found", "Operation not supported"].iter().any(|text| out.contains(text));
        assert!(refused, "{script}: {out}");
    }
    assert!(run(&mut m, host, "cat /etc/passwd").0.starts_with("root:x:0:0:root:/root:/bin/bash\nnobody"));
    assert_eq!(run(&mut m, host, "echo owned > /tmp/hopwise-escape-test; cat /tmp/hopwise-escape-test").0, "owned\n");
    assert!(!std::path::Path::new("/tmp/hopwise-escape-test").exists());
    assert_eq!(run(&mut m, host, "env | grep -c CARGO").0, "0\n");
}

#[test]
fn changed_files_are_told() {
    let (mut m, host) = world();
    run(
        &mut m,
        host,
        "echo a > x.txt; mkdir -p d/e; echo b > d/e/y; echo n > /tmp/no; touch z; rm z; cp x.txt w; mv w v",
    );
    let files = m.files(host).expect("the machine exists").changed_files("/root");
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["d/e/y", "v", "x.txt"]);
    assert_eq!(files[0].1.as_slice(), b"b\n");
}

#[test]
fn programs_are_programs() {
    let (mut m, host) = world();
    assert_eq!(run(&mut m, host, "which ls; command -v sed; type -t cat").0, "/usr/bin/ls\n/usr/bin/sed\nfile\n");
    let script = "printf '#!/bin/bash\\necho \"$0 $1\"\\n' > s.sh; chmod +x s.sh; ./s.sh a; bash s.sh b; sudo ./s.sh c; X=1 sudo -E env | grep ^X";
    assert_eq!(run(&mut m, host, script).0, "./s.sh a\ns.sh b\n./s.sh c\nX=1\n");
    assert_eq!(run(&mut m, host, "sleep 60 & kill -0 $!; echo $?; pkill sleep; wait $!; echo $?").0, "0\n143\n");
    assert_eq!(run(&mut m, host, "timeout 2 tail -f /etc/hostname; echo $?").0, "host\n124\n");
}

#[test]
fn a_signal_from_outside_ends_a_process() {
    let (mut m, host) = world();
    let command = m.run_script(host, "script", "sleep 100; echo not reached").expect("started");
    m.step_ready(Time::ZERO, &mut NoNetwork);
    let shell = m.shell_of(command).expect("known");
    assert_eq!(m.alive(host).len(), 2);
    m.kill(shell, Signal::KILL).expect("alive");
    assert_eq!(m.status(command), Some(137));
}

/// A kernel with one switch, to see that `/proc/sys` gets through.
#[derive(Clone, Default)]
struct Switch(bool);

impl Kernel for Switch {
    type Ns = u8;
    fn proc_read(&mut self, _: MachineId, ns: u8, path: &str) -> Option<Result<Vec<u8>, Errno>> {
        (path == "/proc/sys/net/ipv4/ip_forward").then(|| Ok(format!("{}\n", u8::from(self.0) + ns).into_bytes()))
    }
    fn proc_write(&mut self, _: MachineId, _: u8, path: &str, data: &[u8]) -> Option<Result<(), Errno>> {
        (path == "/proc/sys/net/ipv4/ip_forward").then(|| match data {
            b"0\n" | b"1\n" => {
                self.0 = data == b"1\n";
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        })
    }
    fn proc_list(&mut self, _: MachineId, _: u8, dir: &str) -> Option<Vec<DirEntry>> {
        let entry = |name: &str, kind| vec![DirEntry { name: name.to_owned(), kind }];
        match dir {
            "/proc/sys/net" => Some(entry("ipv4", FileKind::Dir)),
            "/proc/sys/net/ipv4" => Some(entry("ip_forward", FileKind::File)),
            _ => None,
        }
    }
}

#[test]
fn the_kernel_makes_files_up() {
    let mut m: Machines<Switch> = Machines::new(ProgramTable::default(), 1);
    let host = m.add_machine("router", 0);
    let mut kernel = Switch::default();
    let script = "cd /proc/sys/net/ipv4; cat ip_forward; echo 1 > ip_forward; cat *; echo x > ip_forward; echo $?\n\
        ls /proc/sys/net; [ -w ip_forward ] && [ -d ../ipv4 ] && echo yes; echo 1 > nothing; echo 0 | tee ip_forward; cat /proc/sys/net/../net/ipv4/ip_forward";
    let command = m.run_script(host, "s", script).expect("started");
    run_until_idle(&mut m, &mut kernel);
    let expected = "0\n1\ns: line 1: echo: write error: Invalid argument\n1\nipv4\nyes\ns: line 2: nothing: No such file or directory\n0\n0\n";
    assert_eq!(String::from_utf8_lossy(m.output(command)), expected);
}

#[test]
fn a_sessions_children_can_be_terminated() {
    let (mut m, host) = world();
    // The session itself does not die of SIGTERM, as interactive shells do not; what it starts does.
    assert_eq!(run(&mut m, host, "kill $$; echo alive").0, "alive\n");
    for script in ["sleep 1000 | cat", "(sleep 1000; :)", "x=$(sleep 1000)", "{ sleep 1000; } | cat"] {
        let waiting = m.submit(host, script).expect("typed");
        let now = m.next_wake().expect("something to do");
        m.step_ready(now, &mut NoNetwork);
        let shell = m.shell_of(waiting).expect("known");
        for pid in m.alive(host).into_iter().filter(|p| *p != shell) {
            m.kill(pid, Signal::TERM).expect("alive");
        }
        m.step_ready(now, &mut NoNetwork);
        assert!(m.status(waiting).is_some(), "{script} goes on");
        assert_eq!(m.alive(host).len(), 1, "{script} left something");
    }
}
