//! Links in the repository's documents lead somewhere.

use crate::tree::Tree;

/// Every relative link of a Markdown file names a file or folder of the repository.
pub(crate) fn targets_exist(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    // Test inputs are Markdown too, and wrong on purpose.
    for file in tree.files.iter().filter(|f| f.path.ends_with(".md") && !is_input(&f.path)) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (i, line) in file.text.lines().enumerate() {
            for target in targets(line) {
                if !exists(tree, &resolve(folder, target)) {
                    problems.push(format!("{}:{}: leads nowhere: {target}", file.path, i + 1));
                }
            }
        }
    }
    problems
}

fn is_input(path: &str) -> bool {
    path.contains("/tests/") || path.contains("/seeds/")
}

/// What stands in `](...)`, if it is a relative path with an ending that a text file has.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter_map(|target| {
        let path = target.split('#').next().unwrap_or_default();
        let relative = !path.is_empty() && !path.contains(':') && !path.starts_with('/') && !path.contains(' ');
        let text = [".md", ".rs", ".toml", "/"].iter().any(|ending| path.ends_with(ending));
        (relative && text).then_some(path)
    })
}

/// The path from the root, `.` and `..` walked.
fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|p| !p.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn exists(tree: &Tree, path: &str) -> bool {
    path.is_empty() || tree.get(path).is_some() || tree.files.iter().any(|f| f.path.starts_with(&format!("{path}/")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn dead_links_are_found() {
        let text = "[a](b.md) [c](../src/lib.rs#x) [d](https://example.com/x.md) [e](gone/)";
        let tree = crate::tree::tree(&[("docs/a.md", text), ("docs/b.md", ""), ("src/lib.rs", "")]);
        assert_eq!(super::targets_exist(&tree), ["docs/a.md:1: leads nowhere: gone/"]);
    }
}
