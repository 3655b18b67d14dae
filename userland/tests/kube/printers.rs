//! What kubectl prints, as transcripts. Form and words are those of the published listings of Kubernetes 1.28 (kubernetes.io/docs);
//! names, uids and addresses are those that this world draws.

use hopwise_userland::kube::Dns;

use super::{Lab, WEB};

/// Runs the commands of a transcript (`$ COMMAND`) and compares what they print.
fn replay(lab: &mut Lab, golden: &str) {
    let mut got = String::new();
    for command in golden.lines().filter_map(|line| line.strip_prefix("$ ")) {
        got.push_str(&format!("$ {command}\n{}", lab.run(command)));
    }
    assert!(got == golden, "the transcript is now:\n{got}");
}

fn lab() -> Lab {
    let mut lab = Lab::flannel(Dns::None);
    lab.apply(WEB);
    lab
}

#[test]
fn tables() {
    replay(&mut lab(), include_str!("golden/tables.txt"));
}

#[test]
fn other_forms() {
    replay(&mut lab(), include_str!("golden/forms.txt"));
}

#[test]
fn descriptions() {
    let mut lab = lab();
    lab.apply(include_str!("golden/kinds.yaml"));
    replay(&mut lab, include_str!("golden/describe.txt"));
}

#[test]
fn refusals() {
    replay(&mut lab(), include_str!("golden/refusals.txt"));
}

#[test]
fn services() {
    replay(&mut lab(), include_str!("golden/services.txt"));
}
