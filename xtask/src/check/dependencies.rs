//! Dependencies point one way, and every crate obeys the workspace's lints.

use toml::{Table, Value};

use crate::tree::Tree;

/// Each crate of the house, its folder, and which others it may use (DESIGN: sim-core <- protocols <- devices <- stack <-
/// userland <- scenarios <- hopwise; capture, machine, routing and cluster stand beside).
const MAY_USE: &[(&str, &str, &[&str])] = &[
    ("hopwise-sim-core", "sim-core/", &[]),
    ("hopwise-capture", "capture/", &["sim-core"]),
    ("hopwise-machine", "machine/", &["sim-core"]),
    ("hopwise-protocols", "protocols/", &["sim-core"]),
    ("hopwise-devices", "devices/", &["sim-core", "protocols"]),
    ("hopwise-netfilter", "netfilter/", &["sim-core", "protocols"]),
    ("hopwise-stack", "stack/", &["sim-core", "protocols", "netfilter", "devices"]),
    ("hopwise-routing", "routing/", &["sim-core", "protocols"]),
    ("hopwise-cluster", "cluster/", &["sim-core", "protocols"]),
    (
        "hopwise-userland",
        "userland/",
        &["sim-core", "protocols", "netfilter", "devices", "stack", "capture", "machine", "routing", "cluster"],
    ),
    (
        "hopwise-scenarios",
        "scenarios/",
        &[
            "sim-core",
            "protocols",
            "netfilter",
            "devices",
            "stack",
            "capture",
            "machine",
            "routing",
            "cluster",
            "userland",
        ],
    ),
    // The worlds that `hopwise bench` and the benchmarks share.
    (
        "hopwise-benches",
        "benches/",
        &[
            "sim-core",
            "protocols",
            "netfilter",
            "devices",
            "stack",
            "capture",
            "machine",
            "routing",
            "cluster",
            "userland",
            "scenarios",
        ],
    ),
];

/// No crate uses one that stands above it.
pub(crate) fn direction(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, folder, allowed) in MAY_USE {
        let path = format!("{folder}Cargo.toml");
        let Some(manifest) = manifest(tree, &path, &mut problems) else { continue };
        let tables = ["dependencies", "build-dependencies"];
        for used in tables.iter().filter_map(|t| manifest.get(*t)?.as_table()).flat_map(Table::keys) {
            let ours = MAY_USE.iter().any(|row| row.0 == used) || used == "hopwise" || used == "xtask";
            let permitted = used.strip_prefix("hopwise-").is_some_and(|short| allowed.contains(&short));
            if ours && !permitted {
                problems.push(format!("{path}: {name} must not use {used}: dependencies point one way"));
            }
        }
    }
    problems
}

/// Every crate takes the workspace's lints, among them the one that forbids `unsafe`.
pub(crate) fn lints(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(root) = manifest(tree, "Cargo.toml", &mut problems) else { return problems };
    let at = |path: &[&str]| path.iter().try_fold(&Value::Table(root.clone()), |v, key| v.get(key)).cloned();
    if at(&["workspace", "lints", "rust", "unsafe_code"]).and_then(|v| v.as_str().map(str::to_owned)).as_deref()
        != Some("forbid")
    {
        problems.push("Cargo.toml: the workspace must forbid unsafe_code".into());
    }
    let members = at(&["workspace", "members"]).and_then(|v| v.as_array().cloned()).unwrap_or_default();
    let folders = members.iter().filter_map(Value::as_str).map(|folder| format!("{folder}/Cargo.toml"));
    for path in folders.chain(["Cargo.toml".to_owned()]) {
        let Some(manifest) = manifest(tree, &path, &mut problems) else { continue };
        let inherits = manifest.get("lints").and_then(|l| l.get("workspace")).and_then(Value::as_bool);
        if inherits != Some(true) {
            problems.push(format!("{path}: `[lints] workspace = true` is missing"));
        }
    }
    problems
}

fn manifest(tree: &Tree, path: &str, problems: &mut Vec<String>) -> Option<Table> {
    let parsed = tree.get(path).map(str::parse::<Table>);
    match parsed {
        Some(Ok(table)) => Some(table),
        Some(Err(error)) => {
            problems.push(format!("{path}: {}", error.message()));
            None
        }
        None => {
            problems.push(format!("{path}: is missing"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_points_up_is_found() {
        let protocols =
            "[dependencies]\nhopwise-stack.workspace = true\nhopwise-sim-core.workspace = true\nserde = \"1\"";
        let tree = crate::tree::tree(&[("protocols/Cargo.toml", protocols)]);
        let found: Vec<String> = direction(&tree).into_iter().filter(|p| p.contains("must not")).collect();
        assert_eq!(
            found,
            ["protocols/Cargo.toml: hopwise-protocols must not use hopwise-stack: dependencies point one way"]
        );
    }

    #[test]
    fn a_crate_without_lints_is_found() {
        let root = "[workspace]\nmembers = [\"a\"]\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n[lints]\nworkspace = true";
        let tree = crate::tree::tree(&[("Cargo.toml", root), ("a/Cargo.toml", "[package]\nname = \"a\"")]);
        assert_eq!(lints(&tree), ["a/Cargo.toml: `[lints] workspace = true` is missing"]);
    }
}
