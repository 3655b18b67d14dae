//! The program as a user meets it: exit statuses, messages with file and line, files, the same bytes every time.

use crate::folder::{Folder, text};

const GOOD: &str = "# Good\n\n```console\n# echo hello\nhello\n# ping -c 1 127.0.0.1\n...\n1 packets transmitted, 1 received[..]\n...\n```\n";
const BAD: &str = "# Bad\n\n```console\n# echo hello\ngoodbye\n# echo still running\nstill running\n```\n";

/// Two machines, with random decisions: loss, jitter, MACs.
const WIRED: &str = "---\nname: wired\ntopology:\n  nodes:\n    a: {}\n    b: {}\n  links:\n    - endpoints: [\"a:eth0\", \"b:eth0\"]\n      \
                     delay: 5ms\n      loss: 20%\n---\n```console\na# ip addr add 10.0.0.1/24 dev eth0\nb# ip addr add 10.0.0.2/24 dev eth0\n\
                     a# tcpdump -U -i eth0 -w eth0.pcap &\na# ping -c 20 -i 0.1 10.0.0.2 | tail -n 3 > result; echo $RANDOM\na# ip link show eth0\n```\n";

#[test]
fn exit_status_0_if_all_labs_pass() {
    let folder = Folder::with(&[("good.md", GOOD)]);
    let run = folder.hopwise(&["run", "good.md"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    assert!(folder.path().join("hopwise-out/good/transcript.txt").is_file(), "the default folder is hopwise-out");
    assert!(folder.path().join("hopwise-out/good/capture.pcapng").is_file());
}

#[test]
fn exit_status_1_and_the_line_if_output_differs() {
    let folder = Folder::with(&[("bad.md", BAD)]);
    let run = folder.hopwise(&["run", "bad.md", "--out", "out"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    assert!(text(&run).contains("bad.md:5") || text(&run).contains("5 "), "{}", text(&run));
    assert!(text(&run).contains("goodbye") && text(&run).contains("hello"), "{}", text(&run));
    let transcript = std::fs::read_to_string(folder.path().join("out/bad/transcript.txt")).unwrap();
    assert_eq!(transcript, "host# echo hello\nhello\nhost# echo still running\nstill running\n");
}

#[test]
fn exit_status_2_if_nothing_can_be_read() {
    let folder = Folder::with(&[("good.md", GOOD), ("notes.txt", "no lab")]);
    for args in [
        &["run"][..],
        &["run", "missing.md"],
        &["run", "notes.txt"],
        &["run", "good.md", "--seed", "x"],
        &["run", "good.md", "-j0"],
        &["frobnicate"],
        &["explain", "missing.md"],
        &["bench", "nothing"],
    ] {
        let run = folder.hopwise(args);
        assert_eq!(run.status.code(), Some(2), "{args:?}: {}", text(&run));
        assert!(!run.stderr.is_empty(), "{args:?} says why");
    }
}

#[test]
fn a_malformed_document_gives_file_and_line_and_what_ran_before_is_written() {
    let broken = "# Broken\n\n```console\n# echo first\nfirst\n# cat <<EOF\nno end\n```\n";
    let folder = Folder::with(&[("broken.md", broken)]);
    let run = folder.hopwise(&["run", "broken.md", "--out", "out"]);
    assert_eq!(run.status.code(), Some(2), "{}", text(&run));
    assert!(text(&run).contains("broken.md:6"), "{}", text(&run));
    let transcript = std::fs::read_to_string(folder.path().join("out/broken/transcript.txt")).unwrap();
    assert!(transcript.starts_with("host# echo first\nfirst\n"), "{transcript}");
}

#[test]
fn a_broken_script_gives_its_line() {
    let folder = Folder::with(&[("broken.sh", "echo first\nif true; then\n")]);
    let run = folder.hopwise(&["run", "broken.sh", "--out", "out"]);
    assert_ne!(run.status.code(), Some(0));
    assert!(text(&run).contains("syntax error"), "{}", text(&run));
}

#[test]
fn a_damaged_pcap_is_named_with_its_cause() {
    let folder = Folder::with(&[("lab.sh", "echo this is not a capture file at all > x.pcap\ntcpdump -r x.pcap\n")]);
    let run = folder.hopwise(&["run", "lab.sh", "--out", "out"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    assert!(text(&run).contains("tcpdump: "), "{}", text(&run));
}

#[test]
fn two_runs_write_the_same_bytes_whatever_the_threads() {
    let folder = Folder::with(&[
        ("labs/good.md", GOOD),
        ("labs/wired.md", WIRED),
        ("labs/z.sh", "echo $RANDOM; date; ip link\n"),
    ]);
    for (jobs, out) in [("1", "one"), ("2", "two"), ("2", "three")] {
        let run = folder.hopwise(&["run", "labs", "--keep-going", "--out", out, "-j", jobs]);
        assert_eq!(run.status.code(), Some(0), "{}", text(&run));
    }
    let one = folder.files_in("one");
    assert!(one.keys().any(|path| path.ends_with("wired/a/eth0.pcap")), "{:?}", one.keys());
    assert_eq!(one, folder.files_in("two"));
    assert_eq!(one, folder.files_in("three"));
    folder.hopwise(&["run", "labs", "--keep-going", "--out", "other", "--seed", "7"]);
    assert_ne!(one, folder.files_in("other"), "another seed, another history");
}

#[test]
fn captures_can_be_chosen() {
    let folder = Folder::with(&[("wired.md", WIRED)]);
    folder.hopwise(&["run", "wired.md", "--out", "none", "--capture", "none"]);
    assert!(!folder.files_in("none").keys().any(|path| path.ends_with("capture.pcapng")));
    folder.hopwise(&["run", "wired.md", "--out", "some", "--capture", "b:*"]);
    let names: Vec<_> = folder.files_in("some").into_keys().map(|p| p.to_string_lossy().into_owned()).collect();
    let pcaps: Vec<&String> = names.iter().filter(|n| n.contains("captures/")).collect();
    assert!(!pcaps.is_empty() && pcaps.iter().all(|n| n.contains("captures/b_")), "{names:?}");
}

#[test]
fn junit_goes_below_out() {
    let folder = Folder::with(&[("bad.md", BAD), ("good.md", GOOD)]);
    let run =
        folder.hopwise(&["run", "good.md", "bad.md", "--keep-going", "--out", "out", "--junit", "out/result.xml"]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run));
    let xml = std::fs::read_to_string(folder.path().join("out/result.xml")).unwrap();
    assert!(xml.contains("<testsuite") && xml.contains("good") && xml.contains("<failure"), "{xml}");
}

#[test]
fn a_cluster_without_a_network_begins_with_nodes_that_are_not_ready() {
    let lab = "---\ntopology:\n  nodes: {n1: {exec: [\"ip addr add 10.0.0.1/24 dev eth0\"]}, n2: {}}\n  links:\n    - endpoints: \
               [\"n1:eth0\", \"n2:eth0\"]\ncluster: {cni: none, nodes: [n1]}\n---\n```console\nn1# kubectl get nodes\nNAME   STATUS     \
               ROLES           AGE   VERSION\nn1     NotReady   control-plane   [..]\n```\n";
    let folder = Folder::with(&[("bare.md", lab)]);
    let run = folder.hopwise(&["run", "bare.md", "--out", "out"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run));
}

#[test]
fn explain_starts_the_cluster_of_a_lab() {
    let lab = include_str!("../../scenarios/labs/control-planes/cilium-native-routing.md");
    let folder = Folder::with(&[("native.md", lab)]);
    let told = folder.hopwise(&["explain", "native.md", "--filter", "icmp[icmptype] == icmp-echo"]);
    assert!(text(&told).contains("from-container"), "{}", text(&told));
}

#[test]
fn explain_tells_a_packets_way_as_text_and_json() {
    let folder = Folder::with(&[("wired.md", WIRED)]);
    let list = folder.hopwise(&["explain", "wired.md"]);
    assert_eq!(list.status.code(), Some(0), "{}", text(&list));
    assert!(text(&list).contains("ICMP echo request"), "{}", text(&list));
    let told = folder.hopwise(&["explain", "wired.md", "--filter", "icmp[icmptype] == icmp-echo"]);
    assert!(text(&told).contains("route") && text(&told).contains("eth0"), "{}", text(&told));
    let json = folder.hopwise(&["explain", "wired.md", "--packet", "1", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(value.to_string().contains("stages"), "{value}");
}

#[test]
fn completions_and_manual_are_printed() {
    let folder = Folder::with(&[]);
    assert!(text(&folder.hopwise(&["completions", "bash"])).contains("_hopwise"));
    assert!(text(&folder.hopwise(&["man"])).contains(".TH"));
}
