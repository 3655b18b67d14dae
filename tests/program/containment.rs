//! A lab reaches nothing of the real machine: it writes below `--out` only, reads no real file, runs no real program,
//! sends nothing, and does not see the environment.

use crate::folder::{Folder, text};

/// Runs a script as a lab, with `CANARY` and `SECRET` standing for real paths. Checks that no file beside `out` changed.
/// Gives the transcript.
fn attempt(script: &str) -> String {
    let folder = Folder::with(&[("canary", "alive\n"), ("secret", "the-real-secret\n")]);
    let real = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let script = script.replace("CANARY", &real("canary")).replace("SECRET", &real("secret"));
    std::fs::write(folder.path().join("lab.sh"), script).unwrap();
    let before = folder.files("out");
    let run = folder.hopwise(&["run", "lab.sh", "--out", "out"]);
    assert_eq!(folder.files("out"), before, "a file outside of --out changed; hopwise said:\n{}", text(&run));
    let out = folder.files_in("out");
    let transcript = out.iter().find(|(path, _)| path.ends_with("transcript.txt")).map(|(_, bytes)| bytes.clone());
    let transcript = String::from_utf8(transcript.expect("there is a transcript")).unwrap();
    for (path, bytes) in &out {
        assert!(!find(bytes, b"the-real-secret"), "{} has a real file's content", path.display());
        assert!(!find(bytes, b"the-environment"), "{} has the real environment", path.display());
    }
    transcript
}

fn find(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|w| w == what)
}

#[test]
fn absolute_paths_are_those_of_the_simulated_machine() {
    attempt(
        "echo dead > CANARY\nmkdir -p $(dirname CANARY); echo dead > CANARY; cat CANARY; rm -f CANARY; cp /etc/hosts CANARY",
    );
    attempt("tcpdump -c 1 -i lo -w CANARY & ping -c 1 127.0.0.1; wait");
    attempt("echo dead | tee CANARY; printf dead >> CANARY; mv /etc/hosts CANARY; touch CANARY.new");
}

#[test]
fn dots_lead_to_the_simulated_root_only() {
    attempt("echo dead > ../canary; echo dead > ../../canary; echo dead > ../../../../../../../../CANARY");
    attempt("cd ..; echo dead > canary; cd /; echo dead > ../canary; mkdir -p a/b; echo dead > a/b/../../../canary");
    let folder = Folder::with(&[("lab.sh", "mkdir -p '/root/..x'; echo a > '/root/..x/y'; echo b > /root/...")]);
    let before = folder.files("out");
    folder.hopwise(&["run", "lab.sh", "--out", "out"]);
    assert_eq!(folder.files("out"), before);
}

#[test]
fn links_made_in_a_lab_lead_nowhere() {
    attempt("ln -s / root; echo dead > root/CANARY; ln -s CANARY link; echo dead > link; cat link");
    attempt("ln -s SECRET s; cat s; ln -s .. up; echo dead > up/canary; ln SECRET hard; cat hard");
}

#[test]
fn a_link_below_out_is_not_followed() {
    let folder =
        Folder::with(&[("lab.sh", "echo dead > canary; ip link"), ("elsewhere/canary", "alive\n"), ("out/keep", "")]);
    for place in ["out/lab", "out/lab.tmp"] {
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join(place)).unwrap();
    }
    let before = folder.files_in("elsewhere");
    folder.hopwise(&["run", "lab.sh", "--out", "out"]);
    assert_eq!(folder.files_in("elsewhere"), before, "the link out/lab was followed");
}

#[test]
fn real_files_cannot_be_read() {
    let told = attempt(
        "cat SECRET; cat < SECRET; echo $(cat SECRET) `cat SECRET`; grep -r secret SECRET; source SECRET; . SECRET; bash SECRET",
    );
    assert!(!told.contains("the-real-secret"), "{told}");
    attempt(
        "while read -r line; do echo $line; done < SECRET; mapfile x < SECRET; echo ${x[@]}; awk '{print}' SECRET; sed -n p SECRET",
    );
    attempt(
        "cat /proc/self/environ /proc/1/environ /proc/self/cwd/secret /proc/self/root/SECRET; env; set; export; printenv; echo $HOPWISE_TEST_SECRET",
    );
    attempt("tcpdump -r SECRET; ip -batch SECRET; sysctl -p SECRET; ip netns exec x cat SECRET");
}

#[test]
fn real_programs_do_not_run() {
    attempt(
        "/bin/sh -c 'echo dead > CANARY'; sh -c 'echo dead > CANARY'; bash -c 'echo dead > CANARY'; exec /bin/sh -c 'echo dead > CANARY'",
    );
    attempt(
        "touch CANARY; /usr/bin/touch CANARY.new; python3 -c 'open(\"CANARY\",\"w\")'; perl -e 1; env touch CANARY.new; xargs touch CANARY < /dev/null",
    );
    attempt(
        "echo 'touch CANARY.new' > x; chmod +x x; ./x; eval 'echo dead > CANARY'; PATH=/usr/bin:/bin touch CANARY.new; command touch CANARY.new",
    );
    attempt(
        "echo $(echo dead > CANARY) `echo dead > CANARY` <(echo dead > CANARY); trap 'echo dead > CANARY' EXIT; sudo touch CANARY.new",
    );
    let told = attempt("uname -n; hostname; whoami; id -u");
    #[expect(clippy::disallowed_methods, reason = "the real name is what must not be told")]
    let real = std::env::var("HOSTNAME").unwrap_or_else(|_| "no-such-name-at-all".into());
    assert!(!told.lines().any(|line| line == real), "{told}");
}

#[test]
fn nothing_is_sent_to_the_real_network() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let tcp = listener.local_addr().unwrap().port();
    attempt(&format!(
        "echo x > /dev/udp/127.0.0.1/{port}; echo x > /dev/tcp/127.0.0.1/{tcp}; ping -c 1 127.0.0.1; traceroute -p {port} 127.0.0.1; \
         exec 3<>/dev/tcp/127.0.0.1/{tcp}; curl http://127.0.0.1:{tcp}/; nc 127.0.0.1 {tcp}"
    ));
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut [0; 16]).is_err(), "a datagram came out of a lab");
    assert!(listener.accept().is_err(), "a connection came out of a lab");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for front in ["name: ../elsewhere", "name: /tmp/elsewhere", "topology: { nodes: { '../x': {} } }", "name: .."] {
        let document = format!("---\n{front}\n---\n```console\n# echo dead > canary\n```\n");
        let folder = Folder::with(&[("labs/lab.md", &document), ("canary", "alive\n")]);
        let before = folder.files("out");
        folder.hopwise(&["run", "labs", "--out", "out"]);
        assert_eq!(folder.files("out"), before, "{front}");
    }
    let folder = Folder::with(&[("lab.sh", "true")]);
    let run = folder.hopwise(&["run", "lab.sh", "--out", "out", "--junit", "result.xml"]);
    assert_eq!(run.status.code(), Some(2), "{}", text(&run));
    assert!(!folder.path().join("result.xml").exists());
}

#[test]
fn names_of_links_and_namespaces_make_no_paths() {
    attempt(
        "ip netns add ..; ip netns add ../x; ip netns add a/b; ip link add ../x type dummy; ip link add .. type dummy; \
         ip link add 'a b' type dummy; ip netns add '-x'; for l in $(ls /sys/class/net); do ip link set $l up; done; ping -c 1 127.0.0.1",
    );
}

#[test]
fn endless_scripts_end() {
    let told = attempt("timeout 1 sleep 100000; f() { f; }; f; echo after");
    assert!(told.contains("nest too deeply"), "{told}");
    let told = attempt("for ((;;)); do :; done");
    assert!(told.contains("endless"), "{told}");
    attempt("yes | head -n 3");
}
