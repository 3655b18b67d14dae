//! `-o jsonpath=`: the part of the language that scripts use: `{.a.b}`, `{.items[*].x}`, `[0]`, `['key']`, `{"text"}`,
//! `{range .items[*]}...{end}`.

use serde_json::Value;

/// Fills a template in. Several results are joined by a blank.
///
/// # Errors
/// What is not understood, in kubectl's words.
pub fn fill(template: &str, value: &Value) -> Result<String, String> {
    let parts = split(template)?;
    let mut text = String::new();
    let end = run(&parts, 0, value, &mut text)?;
    if end < parts.len() {
        return Err("error parsing jsonpath: not in range, nothing to end".into());
    }
    Ok(text)
}

/// The values at a path, with or without braces and the first dot: `{.metadata.name}`, `.metadata.name`, `metadata.name`
/// (`RelaxedJSONPathExpression`).
///
/// # Errors
/// What is not understood, in kubectl's words.
pub fn values<'v>(path: &str, value: &'v Value) -> Result<Vec<&'v Value>, String> {
    let path = path.trim();
    let path = path.strip_prefix('{').and_then(|path| path.strip_suffix('}')).unwrap_or(path).trim();
    if path.starts_with(['.', '[', '$', '@']) { find(path, value) } else { find(&format!(".{path}"), value) }
}

/// A value as kubectl prints it.
pub fn shown(value: &Value) -> String {
    plain(value)
}

#[derive(PartialEq, Eq, Debug)]
enum Part {
    Text(String),
    Action(String),
}

fn split(template: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some((text, tail)) = rest.split_once('{') {
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        let mut quote = None;
        let end = tail.char_indices().find(|(_, c)| match quote {
            Some(open) => {
                if *c == open {
                    quote = None;
                }
                false
            }
            None if matches!(c, '"' | '\'') => {
                quote = Some(*c);
                false
            }
            None => *c == '}',
        });
        let Some((end, _)) = end else { return Err(format!("error parsing jsonpath {template}, unclosed action")) };
        parts.push(Part::Action(tail[..end].trim().to_owned()));
        rest = &tail[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// Runs parts from `at` until the end of the range they stand in; gives the place of that `end`.
fn run(parts: &[Part], mut at: usize, value: &Value, text: &mut String) -> Result<usize, String> {
    while let Some(part) = parts.get(at) {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Action(action) if action == "end" => return Ok(at),
            Part::Action(action) => {
                if let Some(list) = action.strip_prefix("range ") {
                    let items = find(list.trim(), value)?;
                    let mut end = None;
                    for item in items {
                        end = Some(run(parts, at + 1, item, text)?);
                    }
                    // Without items the end is found by running for nothing.
                    at = end.map_or_else(|| run(parts, at + 1, &Value::Null, &mut String::new()), Ok)?;
                    if at >= parts.len() {
                        return Err("error parsing jsonpath: unexpected end of range".into());
                    }
                } else if let Some(inner) = quoted(action) {
                    text.push_str(&inner);
                } else {
                    let found: Vec<String> = find(action, value)?.into_iter().map(plain).collect();
                    text.push_str(&found.join(" "));
                }
            }
        }
        at += 1;
    }
    Ok(at)
}

fn quoted(action: &str) -> Option<String> {
    let inner = action
        .strip_prefix('"')
        .and_then(|a| a.strip_suffix('"'))
        .or_else(|| action.strip_prefix('\'')?.strip_suffix('\''))?;
    Some(inner.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\""))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn find<'v>(path: &str, value: &'v Value) -> Result<Vec<&'v Value>, String> {
    let bad = || {
        format!(
            "error parsing jsonpath {{{path}}}: hopwise reads fields, [n], [*], ['key'] and [?(@.field==value)] only"
        )
    };
    let mut found = vec![value];
    let mut rest = path.strip_prefix('$').unwrap_or(path).strip_prefix('@').unwrap_or(path);
    if rest == "." {
        return Ok(found);
    }
    while !rest.is_empty() {
        if let Some(tail) = rest.strip_prefix('[') {
            let end = if tail.starts_with("?(") { ")]" } else { "]" };
            let (index, tail) = tail.split_once(end).ok_or_else(bad)?;
            found = match index.strip_prefix("?(") {
                Some(condition) => filter(&found, condition).ok_or_else(bad)??,
                None => step_index(&found, index).ok_or_else(bad)?,
            };
            rest = tail;
        } else {
            let tail = rest.strip_prefix('.').ok_or_else(bad)?;
            // A dot in a key is written with a backslash.
            let mut end = tail.len();
            let mut escaped = false;
            for (at, c) in tail.char_indices() {
                if !escaped && matches!(c, '.' | '[') {
                    end = at;
                    break;
                }
                escaped = c == '\\';
            }
            let key = tail[..end].replace('\\', "");
            if key.is_empty() {
                return Err(bad());
            }
            found = found.into_iter().filter_map(|v| v.get(&key)).collect();
            rest = &tail[end..];
        }
    }
    Ok(found)
}

/// `[?(@.type=="InternalIP")]`: the items of which something holds. `None`: it is not understood.
fn filter<'v>(found: &[&'v Value], condition: &str) -> Option<Result<Vec<&'v Value>, String>> {
    let (path, operator, wanted) = match ["==", "!=", "<=", ">=", "<", ">"]
        .iter()
        .find_map(|op| condition.split_once(op).map(|(a, b)| (a, *op, b)))
    {
        Some((path, operator, text)) => {
            let text = text.trim();
            let quoted = text
                .strip_prefix('"')
                .and_then(|t| t.strip_suffix('"'))
                .or_else(|| text.strip_prefix('\'')?.strip_suffix('\''));
            let plain = || text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<bool>().map(Value::from)).ok();
            (path.trim(), operator, quoted.map(Value::from).or_else(plain)?)
        }
        // Whether there is a value at all.
        None => (condition.trim(), "", Value::Null),
    };
    if !path.starts_with('@') || path.contains('?') {
        return None;
    }
    let holds = |item: &&Value| -> Result<bool, String> {
        let values = find(path, item)?;
        Ok(values.iter().any(|value| match operator {
            "" => true,
            "==" => **value == wanted,
            "!=" => **value != wanted,
            _ => value.as_i64().zip(wanted.as_i64()).is_some_and(|(a, b)| match operator {
                "<" => a < b,
                "<=" => a <= b,
                ">" => a > b,
                _ => a >= b,
            }),
        }))
    };
    let mut kept = Vec::new();
    for item in found.iter().filter_map(|value| value.as_array()).flatten() {
        match holds(&item) {
            Ok(true) => kept.push(item),
            Ok(false) => {}
            Err(why) => return Some(Err(why)),
        }
    }
    Some(Ok(kept))
}

fn step_index<'v>(found: &[&'v Value], index: &str) -> Option<Vec<&'v Value>> {
    let all = |v: &'v Value| -> Vec<&'v Value> {
        match v {
            Value::Array(items) => items.iter().collect(),
            Value::Object(map) => map.values().collect(),
            _ => Vec::new(),
        }
    };
    if index == "*" {
        return Some(found.iter().flat_map(|v| all(v)).collect());
    }
    if let Some(key) = index.strip_prefix('\'').and_then(|i| i.strip_suffix('\'')) {
        return Some(found.iter().filter_map(|v| v.get(key)).collect());
    }
    let number: i64 = index.parse().ok()?;
    let at = |items: &'v Value| {
        let items = items.as_array()?;
        let at = if number < 0 { items.len() as i64 + number } else { number };
        items.get(usize::try_from(at).ok()?)
    };
    Some(found.iter().filter_map(|v| at(v)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_scripts_ask() {
        let value = serde_json::json!({"items": [{"m": {"name": "a", "l": {"x.y/z": "1"}}, "n": 1}, {"m": {"name": "b"}, "n": 2}]});
        for (template, text) in [
            ("{.items[*].m.name}", "a b"),
            ("{.items[0].n}", "1"),
            ("{.items[-1].m.name}{\"\\n\"}", "b\n"),
            ("{range .items[*]}{.m.name}={.n};{end}!", "a=1;b=2;!"),
            ("{range .none[*]}{.x}{end}.", "."),
            ("{.items[0].m.l.x\\.y/z}", "1"),
            ("{.items[0].m.l['x.y/z']}", "1"),
            ("plain", "plain"),
            ("{.missing}", ""),
            ("{.items[?(@.m.name==\"b\")].n}", "2"),
            ("{.items[?(@.n<2)].m.name}", "a"),
            ("{.items[?(@.m.l)].n}", "1"),
        ] {
            assert_eq!(fill(template, &value).as_deref(), Ok(text), "{template}");
        }
        for bad in ["{", "{.a[}", "{range .items[*]}", "{end}", "{a b}"] {
            assert!(fill(bad, &value).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_template_is_read(template in "[{}\\[\\].*'\"a-z0-9 $@\\\\-]{0,40}") {
            let _ = fill(&template, &serde_json::json!({"a": [{"b": 1}]}));
        }
    }
}
