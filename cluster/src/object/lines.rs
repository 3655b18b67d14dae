//! YAML as JSON, with the line of every field: `spec.containers[0].image` stands in line 12.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// How deep a document may be nested: as deep as no manifest is, and not so deep that reading it overflows the stack.
const DEPTH_MAX: usize = 64;

/// One document of a YAML file.
#[derive(Clone, PartialEq, Debug)]
pub struct Document {
    /// What it says.
    pub value: Value,
    /// The line of its beginning in the file, from 1.
    pub line: usize,
    /// The line of each field, by its path.
    lines: BTreeMap<String, usize>,
}

impl Document {
    /// The line of a field, or of the nearest one around it.
    pub fn line_of(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return *line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.line,
            }
        }
    }
}

/// What is not YAML: the line and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotYaml {
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

/// Reads the documents of a file. Those that are empty are left out.
///
/// # Errors
/// What is not YAML.
pub fn documents(text: &str) -> Result<Vec<Document>, NotYaml> {
    let mut found = Vec::new();
    for (first, part) in parts(text) {
        if part.lines().all(|line| line.trim_start().starts_with('#') || line.trim().is_empty()) {
            continue;
        }
        let raw = serde_saphyr::from_str::<Spanned<Raw>>(&part).map_err(|error| {
            let line = error.location().map_or(1, |at| at.line() as usize);
            let why = error.without_snippet().to_string();
            let why =
                why.split(" at line ").next().and_then(|why| why.split(", set ").next()).unwrap_or_default().to_owned();
            NotYaml { line: first + line.max(1) - 1, why }
        })?;
        let mut lines = BTreeMap::new();
        let line = first + part.lines().take_while(|l| l.trim().is_empty() || l.starts_with('#')).count();
        let value = plain(raw.value, &mut String::new(), first, &mut lines);
        if value != Value::Null {
            found.push(Document { value, line, lines });
        }
    }
    Ok(found)
}

/// The texts between lines of `---`, and the number of the first line of each.
fn parts(text: &str) -> Vec<(usize, String)> {
    let mut parts = vec![(1, String::new())];
    for (at, line) in text.split_inclusive('\n').enumerate() {
        match line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n'])) {
            Some(_) => parts.push((at + 2, String::new())),
            None => {
                if let Some((_, part)) = parts.last_mut() {
                    part.push_str(line);
                }
            }
        }
    }
    parts
}

fn plain(raw: Raw, path: &mut String, base: usize, lines: &mut BTreeMap<String, usize>) -> Value {
    let before = path.len();
    match raw {
        Raw::Leaf(value) => value,
        Raw::List(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (at, item) in items.into_iter().enumerate() {
                path.push_str(&format!("[{at}]"));
                lines.insert(path.clone(), base + (item.referenced.line() as usize).max(1) - 1);
                list.push(plain(item.value, path, base, lines));
                path.truncate(before);
            }
            Value::Array(list)
        }
        Raw::Map(entries) => {
            let mut map = Map::new();
            for (key, item) in entries {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&key.value);
                lines.insert(path.clone(), base + (key.referenced.line() as usize).max(1) - 1);
                let item = plain(item.value, path, base, lines);
                map.insert(key.value, item);
                path.truncate(before);
            }
            Value::Object(map)
        }
    }
}

/// The tree as serde reads it.
enum Raw {
    Leaf(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Leaf(v.into()))
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Leaf(v.into()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Leaf(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Leaf(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Leaf(Number::from_f64(v).map_or(Value::Null, Value::Number)))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

/// Whether a value is nested so deep that no manifest could be meant.
pub(super) fn is_too_deep(value: &Value, depth: usize) -> bool {
    depth > DEPTH_MAX
        || match value {
            Value::Array(items) => items.iter().any(|item| is_too_deep(item, depth + 1)),
            Value::Object(map) => map.values().any(|item| is_too_deep(item, depth + 1)),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_several_documents() {
        let text = "# first\na: 1\nb:\n- c: x\n  d: true\n---\n---\ne: {f: ~}\n";
        let all = documents(text).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].value, serde_json::json!({"a": 1, "b": [{"c": "x", "d": true}]}));
        let lines = ["a", "b", "b[0]", "b[0].c", "b[0].d", "b[0].d.nothing"].map(|path| all[0].line_of(path));
        assert_eq!(lines, [2, 3, 4, 4, 5, 5]);
        assert_eq!((all[1].line, all[1].line_of("e.f"), all[1].line_of("z")), (8, 8, 8));
    }

    #[test]
    fn what_is_not_yaml_has_a_line() {
        let error = documents("a: 1\n---\nb: [1\nc: 2\n").unwrap_err();
        assert!(error.line >= 3, "{error:?}");
    }
}
