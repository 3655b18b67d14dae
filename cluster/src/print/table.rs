//! Tables.

use core::cmp::Ordering;

use serde_json::Value;

use super::{Show, jsonpath, tabwriter};
use crate::object::registry::Row;
use crate::object::{Object, TypeInfo};

/// What a table shows besides its columns.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options<'a> {
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
    /// `-L`: labels with a column each.
    pub label_columns: &'a [&'a str],
}

/// The table of `-o custom-columns`: a title and the values at a path for each column.
///
/// # Errors
/// What is not understood, in kubectl's words.
pub fn custom(spec: &str, objects: &[Value], no_headers: bool) -> Result<String, String> {
    let mut columns = Vec::new();
    for part in spec.split(',') {
        let (title, path) = part
            .split_once(':')
            .filter(|(title, path)| !title.is_empty() && !path.is_empty())
            .ok_or_else(|| format!("unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>"))?;
        columns.push((title.to_owned(), path));
    }
    let mut lines: Vec<Vec<String>> = Vec::new();
    if !no_headers {
        lines.push(columns.iter().map(|(title, _)| title.clone()).collect());
    }
    for object in objects {
        let cell = |path: &str| {
            let found: Vec<String> = jsonpath::values(path, object)?.into_iter().map(jsonpath::shown).collect();
            Ok(if found.is_empty() { "<none>".to_owned() } else { found.join(",") })
        };
        lines.push(columns.iter().map(|(_, path)| cell(path)).collect::<Result<_, String>>()?);
    }
    Ok(align(&lines))
}

/// Sorts objects by the values at a path (`--sort-by`): numbers by their value, texts so that `a2` comes before `a10`.
///
/// # Errors
/// If no object has a value there.
pub fn sort_by<T>(path: &str, objects: &mut [T], json: impl Fn(&T) -> Value) -> Result<(), String> {
    if objects.is_empty() {
        return Ok(());
    }
    let key = |object: &T| -> Result<Option<Value>, String> {
        Ok(jsonpath::values(path, &json(object))?.first().map(|value| (*value).clone()))
    };
    let keys: Vec<Option<Value>> = objects.iter().map(key).collect::<Result<_, _>>()?;
    if keys.iter().all(Option::is_none) {
        let inner = path.trim_start_matches('{').trim_end_matches('}').trim_start_matches('.');
        return Err(format!("couldn't find any field with path \"{{.{inner}}}\" in the list of objects"));
    }
    objects.sort_by_cached_key(|object| Sortable(key(object).ok().flatten()));
    Ok(())
}

/// A value that is sorted by; nothing comes first.
#[derive(PartialEq)]
struct Sortable(Option<Value>);

impl Eq for Sortable {}

impl PartialOrd for Sortable {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sortable {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (None, None) => Ordering::Equal,
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            (Some(a), Some(b)) => match (a.as_i64(), b.as_i64()) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => natural(&jsonpath::shown(a), &jsonpath::shown(b)),
            },
        }
    }
}

/// Compares texts, the numbers in them by their value (`sortorder.NaturalLess`).
fn natural(a: &str, b: &str) -> Ordering {
    let number = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (mut a, mut b) = (a, b);
    loop {
        let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) else { return a.len().cmp(&b.len()) };
        let (n, m) = (number(a), number(b));
        let order = if n > 0 && m > 0 {
            let (p, q) = (a[..n].trim_start_matches('0'), b[..m].trim_start_matches('0'));
            (a, b) = (&a[n..], &b[m..]);
            p.len().cmp(&q.len()).then_with(|| p.cmp(q))
        } else {
            (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
            x.cmp(&y)
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The table of objects of one kind.
pub fn table(row: &Row, objects: &[&dyn Object], options: Options<'_>, show: &Show<'_>) -> String {
    let columns = (row.columns)();
    let chosen: Vec<usize> = (0..columns.len()).filter(|at| options.wide || !columns[*at].wide).collect();
    let mut lines = Vec::new();
    if !options.no_headers {
        let mut head: Vec<String> = if options.namespaces { vec!["NAMESPACE".into()] } else { Vec::new() };
        head.push("NAME".into());
        head.extend(chosen.iter().map(|at| columns[*at].name.to_owned()));
        head.extend(options.label_columns.iter().map(|label| label_head(label)));
        head.extend(options.labels.then(|| "LABELS".to_owned()));
        lines.push(head);
    }
    for object in objects {
        let meta = object.meta();
        let cells = object.cells(show);
        let mut line: Vec<String> = if options.namespaces { vec![meta.namespace.clone()] } else { Vec::new() };
        line.push(if options.kinds { name(row.info, &meta.name) } else { meta.name.clone() });
        line.extend(chosen.iter().map(|at| cells.get(*at).cloned().unwrap_or_default()));
        line.extend(options.label_columns.iter().map(|label| meta.labels.get(*label).cloned().unwrap_or_default()));
        line.extend(options.labels.then(|| {
            let labels: Vec<String> = meta.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            if labels.is_empty() { "<none>".into() } else { labels.join(",") }
        }));
        lines.push(line);
    }
    align(&lines)
}

/// What stands above the column of a label: the end of its name in capitals (`formatLabelHeaders`).
fn label_head(label: &str) -> String {
    label.rsplit('/').next().unwrap_or(label).to_uppercase()
}

/// `pod/web`, `deployment.apps/web`: an object as `-o name` prints it.
pub fn name(info: &TypeInfo, name: &str) -> String {
    format!("{}/{name}", info.resource())
}

/// Columns of one width each, as kubectl's tables have them.
pub fn align(lines: &[Vec<String>]) -> String {
    let text: String = lines.iter().map(|line| line.join("\t") + "\n").collect();
    tabwriter::set(&text, tabwriter::TABLE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_of_ones_own() {
        let objects =
            [json!({"metadata": {"name": "web"}, "ports": [80, 443]}), json!({"metadata": {"name": "longer-name"}})];
        let text = custom("NAME:.metadata.name,PORTS:.ports[*]", &objects, false).unwrap();
        assert_eq!(text, "NAME          PORTS\nweb           80,443\nlonger-name   <none>\n");
        assert_eq!(custom("N:metadata.name", &objects[..1], true).unwrap(), "web\n");
        assert!(
            custom("NAME", &objects, false).unwrap_err().starts_with("unexpected custom-columns spec: NAME, expected")
        );
    }

    #[test]
    fn sorted_as_kubectl_does() {
        let mut objects: Vec<Value> =
            [("web-10", 2), ("web-9", 10), ("db", 1)].map(|(name, n)| json!({"name": name, "n": n})).into();
        let names =
            |objects: &[Value]| objects.iter().map(|o| o["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        sort_by(".name", &mut objects, Value::clone).unwrap();
        assert_eq!(names(&objects), ["db", "web-9", "web-10"]);
        sort_by("{.n}", &mut objects, Value::clone).unwrap();
        assert_eq!(names(&objects), ["db", "web-10", "web-9"]);
        let error = sort_by("{.x.y}", &mut objects, Value::clone).unwrap_err();
        assert_eq!(error, "couldn't find any field with path \"{.x.y}\" in the list of objects");
    }
}
