//! From a file to objects: strict, with the line of what is not understood.

use serde_json::Value;

use super::lines::{self, Document};
use super::registry::{self, Row};
use super::{Kind, Object};

/// A mistake in an object: the field's path and the API server's words for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// `spec.containers[0].foo`
    pub path: String,
    /// `unknown field "spec.containers[0].foo"`
    pub text: String,
}

/// An object, and the line at which it begins.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The line in its file, from 1.
    pub line: usize,
    /// The object.
    pub object: Box<dyn Object>,
}

/// Why a file is refused. [`Refused::text`] is what kubectl prints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The line of the first mistake, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: What,
}

/// What is wrong with a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// It is not YAML.
    NotYaml(String),
    /// `apiVersion` or `kind` is missing: which of them.
    Missing(&'static str),
    /// There is no such kind.
    UnknownKind {
        /// `kind`
        kind: String,
        /// `apiVersion`
        api_version: String,
    },
    /// Fields that the kind does not have, or of another type.
    Fields {
        /// The kind.
        kind: &'static str,
        /// Its version.
        version: &'static str,
        /// The mistakes with their lines.
        mistakes: Vec<(Mistake, usize)>,
    },
}

impl Refused {
    /// kubectl's words for it, with our line behind them.
    pub fn text(&self, file: &str) -> String {
        let line = self.line;
        match &self.what {
            What::NotYaml(why) => {
                format!("error: error parsing {file}: error converting YAML to JSON: yaml: line {line}: {why}")
            }
            What::Missing(field) => format!(
                "error: error validating \"{file}\": error validating data: [{field} not set]; if you choose to ignore these errors, \
                 turn validation off with --validate=false\n  {file}:{line}"
            ),
            What::UnknownKind { kind, api_version } => format!(
                "error: resource mapping not found for name: \"\" namespace: \"\" from \"{file}\": no matches for kind \"{kind}\" in \
                 version \"{api_version}\"\nensure CRDs are installed first\n  {file}:{line}"
            ),
            What::Fields { kind, version, mistakes } => {
                let all: Vec<&str> = mistakes.iter().map(|(mistake, _)| &*mistake.text).collect();
                let lines: String = mistakes.iter().map(|(m, line)| format!("\n  {file}:{line}: {}", m.path)).collect();
                format!(
                    "Error from server (BadRequest): error when creating \"{file}\": {kind} in version \"{version}\" cannot be \
                     handled as a {kind}: strict decoding error: {}{lines}",
                    all.join(", ")
                )
            }
        }
    }
}

/// Reads all objects of a file. What stands in a `List` is taken out of it.
///
/// # Errors
/// The first document that is not understood.
pub fn manifests(text: &str) -> Result<Vec<Manifest>, Refused> {
    let documents =
        lines::documents(text).map_err(|error| Refused { line: error.line, what: What::NotYaml(error.why) })?;
    let mut found = Vec::new();
    for document in documents {
        if lines::is_too_deep(&document.value, 0) {
            return Err(Refused { line: document.line, what: What::NotYaml("exceeded max depth".into()) });
        }
        let value = document.value.clone();
        if value.get("kind").and_then(Value::as_str) == Some("List") {
            let items = value.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            for (at, item) in items.into_iter().enumerate() {
                found.push(manifest(&document, item, &format!("items[{at}]"))?);
            }
        } else {
            found.push(manifest(&document, value, "")?);
        }
    }
    Ok(found)
}

fn manifest(document: &Document, mut value: Value, prefix: &str) -> Result<Manifest, Refused> {
    let line_of = |path: &str| match prefix {
        "" => document.line_of(path),
        _ => document.line_of(&format!("{prefix}.{path}")),
    };
    let line = if prefix.is_empty() { document.line } else { document.line_of(prefix) };
    let mut take = |field| value.as_object_mut().and_then(|map| map.shift_remove(field));
    let mut word = |field| match take(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        _ => Err(Refused { line, what: What::Missing(field) }),
    };
    let (api_version, kind) = (word("apiVersion")?, word("kind")?);
    let Some(Row { info, decode, .. }) = registry::of_kind(&api_version, &kind) else {
        return Err(Refused { line: line_of("kind"), what: What::UnknownKind { kind, api_version } });
    };
    match decode(value) {
        Ok(object) => Ok(Manifest { line, object }),
        Err(mistakes) => {
            let mistakes: Vec<(Mistake, usize)> = mistakes
                .into_iter()
                .map(|mistake| (mistake.path.clone(), mistake))
                .map(|(p, m)| (m, line_of(&p)))
                .collect();
            let first = mistakes.iter().map(|(_, line)| *line).min().unwrap_or(line);
            let version = info.api_version.rsplit('/').next().unwrap_or_default();
            Err(Refused { line: first, what: What::Fields { kind: info.kind, version, mistakes } })
        }
    }
}

/// Makes an object of a kind from its fields. Every unknown field is a mistake.
///
/// # Errors
/// All mistakes.
pub fn typed<K: Kind>(value: Value) -> Result<K, Vec<Mistake>> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let result = serde_ignored::deserialize(tracked, |path| {
        let path = go_path(&path.to_string());
        unknown.push(Mistake { text: format!("unknown field {path:?}"), path });
    });
    match result {
        Ok(object) if unknown.is_empty() => Ok(object),
        Ok(_) => Err(unknown),
        Err(error) => {
            let path = go_path(&track.path().to_string());
            Err(vec![Mistake { text: format!("{path}: {error}"), path }])
        }
    }
}

/// A path as Go's decoder writes it: `spec.containers.0.?.foo` is `spec.containers[0].foo`.
fn go_path(path: &str) -> String {
    let mut text = String::new();
    for part in path.split(['.', '[', ']']).filter(|part| !matches!(*part, "" | "?")) {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            text.push_str(&format!("[{part}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(part);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(text: &str) -> (usize, String) {
        let refused = manifests(text).unwrap_err();
        (refused.line, refused.text("x.yaml"))
    }

    #[test]
    fn unknown_fields_have_their_path_and_line() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: nginx\n    foo: 1\n  bar: 2\n";
        let (line, said) = refusal(text);
        assert_eq!(line, 8);
        assert_eq!(
            said,
            "Error from server (BadRequest): error when creating \"x.yaml\": Pod in version \"v1\" cannot be handled as a Pod: strict \
             decoding error: unknown field \"spec.containers[0].foo\", unknown field \"spec.bar\"\n  x.yaml:8: spec.containers[0].foo\n  \
             x.yaml:9: spec.bar"
        );
    }

    #[test]
    fn unknown_kinds_and_values_of_other_types() {
        let (line, said) = refusal("# x\napiVersion: v1\nkind: Foo\nmetadata: {name: a}\n");
        assert!(line == 3 && said.contains("no matches for kind \"Foo\" in version \"v1\""), "{said}");
        let (line, said) =
            refusal("apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - port: many\n");
        assert!(line == 6 && said.contains("spec.ports[0].port: "), "{line} {said}");
        assert!(refusal("kind: Pod\n").1.contains("[apiVersion not set]"));
        assert!(
            refusal("a: [\n").1.starts_with("error: error parsing x.yaml: error converting YAML to JSON: yaml: line ")
        );
    }

    #[test]
    fn what_is_read_is_written_and_read_again() {
        let text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n  podSelector: {}\n  ingress:\n  \
                    - from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {namespaceSelector: {matchLabels: {a: b}}}]\n    \
                    ports: [{protocol: UDP, port: dns}, {port: 80, endPort: 90}]\n";
        let first = manifests(text).unwrap().remove(0).object;
        let again = manifests(&crate::print::yaml::yaml(&first.json())).unwrap().remove(0).object;
        assert!(first.same(&*again), "{first:?}\n{again:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[ \\n:{}\\[\\]a-zA-Z0-9\\-#'\"|>&*!,]{0,120}") {
            let _ = manifests(&text);
        }

        #[test]
        fn any_field_is_read(path in "(spec|metadata|status)", key in "[a-zA-Z]{1,12}", value in "[\\[\\]{}a-z0-9.\\-]{0,12}") {
            for row in registry::KINDS {
                let _ = manifests(&format!("apiVersion: {}\nkind: {}\n{path}:\n  {key}: {value}\n", row.info.api_version, row.info.kind));
            }
        }
    }
}
