//! `kubectl describe`, in the form of `k8s.io/kubectl/pkg/describe`.

mod network;
mod node;
mod pod;
mod workload;

use serde_json::Value;

pub use self::network::{endpoint_slice, endpoints, namespace, network_policy, service};
pub use self::node::node;
pub use self::pod::pod;
pub use self::workload::{deployment, replica_set};

use super::Show;
use super::tabwriter::{DESCRIBE, set};
use crate::object::{Kind, Labels, ObjectMeta};

macro_rules! put {
    ($text:expr, $($words:tt)*) => {{
        use core::fmt::Write;
        // Writing into a string cannot fail.
        let _ = writeln!($text, $($words)*);
    }};
}
pub(super) use put;

/// A text, or `<none>`.
fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

/// A map of names and values, one line for each (`printLabelsMultiline`).
fn map(text: &mut String, title: &str, map: &Labels, sign: &str) {
    let mut title = title;
    for (key, value) in map {
        put!(text, "{title}\t{key}{sign}{value}");
        title = "";
    }
    if map.is_empty() {
        put!(text, "{title}\t<none>");
    }
}

fn labels_and_annotations(text: &mut String, meta: &ObjectMeta) {
    map(text, "Labels:", &meta.labels, "=");
    map(text, "Annotations:", &meta.annotations, ": ");
}

/// An object of a kind that kubectl knows nothing about: all of its fields, their names in words (`genericDescriber`).
pub fn any<K: Kind>(object: &K, _: &Show<'_>) -> String {
    let meta = Kind::meta(object);
    let mut text = format!("Name:\t{}\nNamespace:\t{}\n", meta.name, meta.namespace);
    labels_and_annotations(&mut text, meta);
    let mut json = crate::Object::json(object);
    if let Some(Value::Object(metadata)) = json.get_mut("metadata") {
        metadata.retain(|key, _| !matches!(&**key, "name" | "namespace" | "labels" | "annotations"));
    }
    fields(&mut text, &json, 0);
    text.push_str("Events:\t<none>\n");
    set(&text, DESCRIBE)
}

fn fields(text: &mut String, value: &Value, depth: usize) {
    let Value::Object(all) = value else { return };
    let mut keys: Vec<&String> = all.keys().collect();
    keys.sort_unstable();
    let indent = "  ".repeat(depth);
    for key in keys {
        let name = label(key);
        match &all[key] {
            inner @ Value::Object(_) => {
                put!(text, "{indent}{name}:");
                fields(text, inner, depth + 1);
            }
            Value::Array(items) => {
                put!(text, "{indent}{name}:");
                for item in items {
                    match item {
                        Value::Object(_) => fields(text, item, depth + 1),
                        other => put!(text, "{indent}  {}", super::jsonpath::shown(other)),
                    }
                }
            }
            other => put!(text, "{indent}{name}:\t{}", super::jsonpath::shown(other)),
        }
    }
}

/// A field's name in words: `podCIDR` is `Pod CIDR`, `apiVersion` is `API Version` (`smartLabelFor`).
fn label(field: &str) -> String {
    const CAPITALS: [&str; 7] = ["api", "cidr", "dns", "id", "ip", "uid", "url"];
    let mut words: Vec<String> = Vec::new();
    let mut before = 'A';
    for c in field.chars() {
        if words.is_empty() || c.is_uppercase() && !before.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c);
        }
        before = c;
    }
    let title = |word: &String| {
        let small = word.to_lowercase();
        if CAPITALS.contains(&&*small) {
            return small.to_uppercase();
        }
        let mut chars = word.chars();
        chars.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(chars).collect()
    };
    words.iter().map(title).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields() {
        let shown = ["apiVersion", "creationTimestamp", "cidr", "podCIDRs", "uid", "natOutgoing"].map(label);
        assert_eq!(shown, ["API Version", "Creation Timestamp", "CIDR", "Pod CIDRs", "UID", "Nat Outgoing"]);
    }
}
