//! `-o yaml` and `-o json`, as Go writes them: keys in order of name.

use core::fmt::Write;

use serde_json::Value;

/// YAML as `sigs.k8s.io/yaml` writes it: lists are not indented below their key.
pub fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => put_map(&mut text, value, 0),
        Value::Array(items) if !items.is_empty() => put_list(&mut text, items, 0),
        other => {
            let _ = writeln!(text, "{}", leaf(other, 0));
        }
    }
    text
}

fn put_map(text: &mut String, value: &Value, depth: usize) {
    let Value::Object(map) = value else { return };
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort_unstable();
    for (at, key) in keys.into_iter().enumerate() {
        // The first key of a list's item stands behind its dash.
        if at > 0 || !text.ends_with("- ") {
            text.push_str(&"  ".repeat(depth));
        }
        let _ = write!(text, "{}:", word(key));
        match &map[key] {
            inner @ Value::Object(m) if !m.is_empty() => {
                text.push('\n');
                put_map(text, inner, depth + 1);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                put_list(text, items, depth);
            }
            other => {
                let _ = writeln!(text, " {}", leaf(other, depth + 1));
            }
        }
    }
}

fn put_list(text: &mut String, items: &[Value], depth: usize) {
    for item in items {
        text.push_str(&"  ".repeat(depth));
        text.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => put_map(text, item, depth + 1),
            Value::Array(inner) if !inner.is_empty() => {
                let mut part = String::new();
                put_list(&mut part, inner, depth + 1);
                text.push_str(part.trim_start());
            }
            other => {
                let _ = writeln!(text, "{}", leaf(other, depth + 1));
            }
        }
    }
}

fn leaf(value: &Value, depth: usize) -> String {
    match value {
        Value::String(text) if is_block(text) => {
            let end = if text.ends_with('\n') { "|" } else { "|-" };
            let lines: Vec<String> = text.lines().map(|line| format!("{}{line}", "  ".repeat(depth))).collect();
            format!("{end}\n{}", lines.join("\n"))
        }
        Value::String(text) => word(text),
        Value::Object(_) => "{}".into(),
        Value::Array(_) => "[]".into(),
        other => other.to_string(),
    }
}

/// Whether a text of several lines can stand as it is. A blank at its beginning would be taken for indentation.
fn is_block(text: &str) -> bool {
    let plain = |c: char| c == '\n' || !is_special(c);
    text.contains('\n')
        && text.chars().all(plain)
        && !text.starts_with([' ', '\n'])
        && !text.ends_with("\n\n")
        && text != "\n"
        && !text.lines().any(|line| line.ends_with(' ') || !line.is_empty() && line.trim().is_empty())
}

/// Characters that YAML takes for breaks of lines, or does not allow as they are.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// A text in double quotes.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_special(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

/// A text as YAML: quoted if it would read as something else.
fn word(text: &str) -> String {
    let special = |c: char| matches!(c, '\'' | '"') || c.is_control();
    let number = text.parse::<f64>().is_ok() || text.starts_with("0x") || text.starts_with("0o");
    let reserved = ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let taken = reserved.contains(&&*text.to_ascii_lowercase());
    if number || taken || looks_like_a_time(text) || text.chars().any(is_special) {
        return quoted(text);
    }
    let begins = text.starts_with(|c: char| "!&*?|>%@`[]{},#'\" ".contains(c) || special(c))
        || text.starts_with("- ")
        || text == "-";
    let inside = text.contains(": ") || text.ends_with(':') || text.contains(" #") || text.ends_with(' ');
    if begins || inside { format!("'{}'", text.replace('\'', "''")) } else { text.to_owned() }
}

fn looks_like_a_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[7] == b'-'
}

/// JSON with four blanks for each level.
pub fn json(value: &Value) -> String {
    let mut text = String::new();
    put_json(&mut text, value, 0);
    text.push('\n');
    text
}

fn put_json(text: &mut String, value: &Value, depth: usize) {
    let gap = "    ".repeat(depth + 1);
    let end = "    ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            text.push_str("{\n");
            for (at, key) in keys.iter().enumerate() {
                let _ = write!(text, "{gap}{}: ", Value::from(key.as_str()));
                put_json(text, &map[*key], depth + 1);
                text.push_str(if at + 1 < keys.len() { ",\n" } else { "\n" });
            }
            let _ = write!(text, "{end}}}");
        }
        Value::Array(items) if !items.is_empty() => {
            text.push_str("[\n");
            for (at, item) in items.iter().enumerate() {
                text.push_str(&gap);
                put_json(text, item, depth + 1);
                text.push_str(if at + 1 < items.len() { ",\n" } else { "\n" });
            }
            let _ = write!(text, "{end}]");
        }
        other => {
            let _ = write!(text, "{other}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_writes_it() {
        let value = serde_json::json!({
            "kind": "List", "apiVersion": "v1", "empty": {}, "none": [], "m": 3, "t": "true", "num": "10", "time": "2025-01-01T00:00:00Z",
            "items": [{"b": [1, "x"], "a": {"c": "d: e"}}, "plain", []], "text": "a\nb\n",
        });
        assert_eq!(
            yaml(&value),
            "apiVersion: v1\nempty: {}\nitems:\n- a:\n    c: 'd: e'\n  b:\n  - 1\n  - x\n- plain\n- []\nkind: List\nm: 3\nnone: []\n\
             num: \"10\"\nt: \"true\"\ntext: |\n  a\n  b\ntime: \"2025-01-01T00:00:00Z\"\n"
        );
        assert_eq!(
            json(&serde_json::json!({"b": [1], "a": {}})),
            "{\n    \"a\": {},\n    \"b\": [\n        1\n    ]\n}\n"
        );
    }
}
