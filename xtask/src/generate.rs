//! The generated part of README.md: what is supported, from the registries that the program itself is made of.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use hopwise_devices::registry::KINDS;
use hopwise_sim_core::DropReason;
use hopwise_stack::Network;
use hopwise_stack::conf::ConfKey;
use hopwise_stack::control::kept::{IPV6_CONF, KEPT, KEPT_IN_ROOT};
use hopwise_stack::sysctl::SysctlKey;
use hopwise_userland::programs;

use crate::tree::Tree;

const README: &str = "README.md";
const BEGIN: &str = "<!-- generated: support -->";
const END: &str = "<!-- /generated: support -->";

/// Writes the generated part. Gives what was done.
pub(crate) fn write(root: &Path, tree: &Tree) -> Result<String, String> {
    let new = with_support(tree)?;
    if tree.get(README) == Some(&new) {
        return Ok(format!("{README} was up to date"));
    }
    std::fs::write(root.join(README), new).map_err(|error| format!("{README}: {error}"))?;
    Ok(format!("{README} written"))
}

/// The rule: the generated part is what would be generated now.
pub(crate) fn up_to_date(tree: &Tree) -> Vec<String> {
    match with_support(tree) {
        Ok(new) if tree.get(README) == Some(&new) => Vec::new(),
        Ok(_) => vec![format!("{README}: the generated part is not up to date: run `cargo xtask gen`")],
        Err(problem) => vec![problem],
    }
}

/// README.md with a fresh generated part.
fn with_support(tree: &Tree) -> Result<String, String> {
    let text = tree.get(README).ok_or(format!("{README}: is missing"))?;
    let (before, rest) = text.split_once(BEGIN).ok_or(format!("{README}: `{BEGIN}` is missing"))?;
    let (_, after) = rest.split_once(END).ok_or(format!("{README}: `{END}` is missing"))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", support()))
}

/// The support tables.
fn support() -> String {
    let mut out = String::new();
    links(&mut out);
    commands(&mut out);
    settings(&mut out);
    drops(&mut out);
    out
}

fn links(out: &mut String) {
    out.push_str("**Links**\n\n| `ip link add type` | what it is |\n| --- | --- |\n");
    for ops in KINDS {
        let name = if ops.name.is_empty() { "(`lo`, in every namespace)".into() } else { format!("`{}`", ops.name) };
        let _ = writeln!(out, "| {name} | {} |", cell(ops.summary));
    }
}

/// The programs by the package whose words they speak.
fn commands(out: &mut String) {
    let table = programs::table();
    let mut packages: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for row in table.iter() {
        packages.entry(row.package).or_default().push((row.name, row.about));
    }
    out.push_str("\n**Commands**\n\n| as in | command | what it does |\n| --- | --- | --- |\n");
    for (package, rows) in &packages {
        for (i, (name, about)) in rows.iter().enumerate() {
            let package = if i == 0 { package } else { "" };
            let _ = writeln!(out, "| {package} | `{name}` | {} |", cell(about));
        }
    }
}

fn settings(out: &mut String) {
    let mut net = Network::new(0);
    let host = net.add_host("host");
    let root = net.host(host).map(|h| h.root).unwrap_or_default();
    let all = net.sysctl_names(root).len();
    let kept = KEPT.len() + KEPT_IN_ROOT.len();
    let _ = write!(
        out,
        "\n**Settings** (`sysctl`, `/proc/sys/net`): {all} names on a machine with nothing but `lo`. For each link \
         {} under `net.ipv4.conf`; {} more of `net.ipv4`. Accepted and kept without effect, so that scripts run: {kept}, \
         and {} for each link under `net.ipv6.conf`.\n",
        ConfKey::ALL.len(),
        SysctlKey::ALL.len(),
        IPV6_CONF.len(),
    );
}

fn drops(out: &mut String) {
    let reasons = DropReason::ALL;
    let _ = write!(
        out,
        "\n<details><summary>The {} reasons why a packet may be dropped</summary>\n\n| name | meaning |\n| --- | --- |\n",
        reasons.len()
    );
    for reason in reasons {
        let _ = writeln!(out, "| `{}` | {} |", reason.name(), cell(reason.text()));
    }
    out.push_str("\n</details>\n");
}

/// Text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_between_the_markers_is_replaced_and_then_up_to_date() {
        let old = format!("# Title\n{BEGIN}\nold\n{END}\nrest\n");
        let tree = crate::tree::tree(&[(README, &old)]);
        assert_eq!(up_to_date(&tree).len(), 1);
        let new = with_support(&tree).unwrap();
        assert!(new.starts_with("# Title\n") && new.ends_with("\nrest\n") && new.contains("| `veth` |"));
        assert!(up_to_date(&crate::tree::tree(&[(README, &new)])).is_empty());
    }

    #[test]
    fn without_markers_there_is_a_problem() {
        assert!(up_to_date(&crate::tree::tree(&[(README, "# Title\n")]))[0].contains("is missing"));
    }
}
