//! Tables.

use super::Show;
use crate::object::registry::Row;
use crate::object::{Object, TypeInfo};

/// What a table shows besides its columns.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// `-o wide`
    pub wide: bool,
    /// `-A`: the namespaces.
    pub namespaces: bool,
    /// `--show-labels`
    pub labels: bool,
    /// The kind before each name, as when several kinds are shown.
    pub kinds: bool,
    /// `--no-headers`
    pub no_headers: bool,
}

/// The table of objects of one kind.
pub fn table(row: &Row, objects: &[&dyn Object], options: Options, show: &Show<'_>) -> String {
    let columns = (row.columns)();
    let chosen: Vec<usize> = (0..columns.len()).filter(|at| options.wide || !columns[*at].wide).collect();
    let mut lines = Vec::new();
    if !options.no_headers {
        let mut head: Vec<String> = if options.namespaces { vec!["NAMESPACE".into()] } else { Vec::new() };
        head.push("NAME".into());
        head.extend(chosen.iter().map(|at| columns[*at].name.to_owned()));
        head.extend(options.labels.then(|| "LABELS".to_owned()));
        lines.push(head);
    }
    for object in objects {
        let meta = object.meta();
        let cells = object.cells(show);
        let mut line: Vec<String> = if options.namespaces { vec![meta.namespace.clone()] } else { Vec::new() };
        line.push(if options.kinds { name(row.info, &meta.name) } else { meta.name.clone() });
        line.extend(chosen.iter().map(|at| cells.get(*at).cloned().unwrap_or_default()));
        line.extend(options.labels.then(|| {
            let labels: Vec<String> = meta.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            if labels.is_empty() { "<none>".into() } else { labels.join(",") }
        }));
        lines.push(line);
    }
    align(&lines)
}

/// `pod/web`, `deployment.apps/web`: an object as `-o name` prints it.
pub fn name(info: &TypeInfo, name: &str) -> String {
    format!("{}/{name}", info.resource())
}

/// Columns of one width each, three blanks between them, none behind the last one (Go's `tabwriter` as kubectl sets it up).
pub fn align(lines: &[Vec<String>]) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for line in lines {
        for (at, cell) in line.iter().enumerate() {
            if at + 1 == line.len() {
                text.push_str(cell);
            } else {
                let width = widths[at] + 3;
                text.push_str(&format!("{cell:width$}"));
            }
        }
        text.push('\n');
    }
    text
}
