//! YAML as a tree whose every key and value knows its bytes, so that any refusal can point at them.

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::diagnostic::Diagnostic;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A word or number, as text.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the document's order.
    Map(Vec<(Key, Node)>),
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) span: Range<usize>,
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) span: Range<usize>,
}

/// Reads the YAML in `source[part]`. Spans count from the beginning of `source`.
pub(super) fn parse(source: &str, part: Range<usize>) -> Result<Node, Diagnostic> {
    let text = source.get(part.clone()).unwrap_or("");
    match serde_saphyr::from_str::<Spanned<Raw>>(text) {
        Ok(raw) => Ok(node(raw, text, part.start)),
        Err(error) => {
            let at = error.location().map_or(0..0, |location| span(&location, text));
            let at = at.start + part.start..at.end + part.start;
            let message = error.without_snippet().to_string();
            // The message ends in its own line and column, which count from the front matter's beginning.
            let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
            let message = message.split(", set ").next().unwrap_or(&message).to_owned();
            Err(Diagnostic::error(at, "this is not valid YAML", message))
        }
    }
}

fn node(raw: Spanned<Raw>, text: &str, base: usize) -> Node {
    let at = span(&raw.referenced, text);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Scalar(s) => Value::Scalar(s),
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(item, text, base)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| {
                    let at = span(&key.referenced, text);
                    (Key { text: key.value, span: at.start + base..at.end + base }, node(value, text, base))
                })
                .collect(),
        ),
    };
    Node { value, span: at.start + base..at.end + base }
}

/// The bytes of a location. A block mapping has no bytes of its own: its first character then.
fn span(location: &Location, text: &str) -> Range<usize> {
    let at = location.span();
    match (at.byte_offset(), at.byte_len()) {
        (Some(start), Some(len)) => {
            let start = (start as usize).min(text.len());
            start..(start + (len as usize).max(1)).min(text.len())
        }
        _ => {
            let line = usize::try_from(location.line()).unwrap_or(1).max(1);
            let column = usize::try_from(location.column()).unwrap_or(1).max(1);
            let before: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
            let rest = text.get(before..).unwrap_or("");
            let start = before + rest.chars().take(column - 1).map(char::len_utf8).sum::<usize>();
            start..(start + 1).min(text.len()).max(start)
        }
    }
}

/// The tree as serde reads it; [`Node`] is the same with byte ranges.
enum Raw {
    Null,
    Scalar(String),
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
        Ok(Raw::Scalar(v.to_owned()))
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(v.to_string()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(v.to_string()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(v.to_string()))
    }

    fn visit_i128<E>(self, v: i128) -> Result<Raw, E> {
        Ok(Raw::Scalar(v.to_string()))
    }

    fn visit_u128<E>(self, v: u128) -> Result<Raw, E> {
        Ok(Raw::Scalar(v.to_string()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(v.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
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
