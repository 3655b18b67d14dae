//! Changes of an object as `kubectl patch` sends them.

use serde_json::{Map, Value};

use super::{Object, TypeInfo, registry};

/// Makes an object from all of its fields, `apiVersion` and `kind` included.
///
/// # Errors
/// What is not understood.
pub fn from_json(mut value: Value) -> Result<Box<dyn Object>, String> {
    let mut word = |field: &str| {
        let taken = value.as_object_mut().and_then(|map| map.shift_remove(field));
        taken.and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let (api_version, kind) = (word("apiVersion"), word("kind"));
    let row = registry::of_kind(&api_version, &kind).ok_or_else(|| format!("no kind {kind:?} in {api_version:?}"))?;
    (row.decode)(value).map_err(|mistakes| mistakes.into_iter().map(|m| m.text).collect::<Vec<_>>().join(", "))
}

/// A merge patch (RFC 7396): a map is merged, `null` takes away, everything else replaces.
pub fn merge(value: &mut Value, change: &Value) {
    merge_by(value, change, &|_| None);
}

/// A strategic merge patch: as a merge patch, but lists whose items have a name are merged item by item (the `patchMergeKey` of each
/// field in `k8s.io/api`).
pub fn strategic(value: &mut Value, change: &Value) {
    merge_by(value, change, &|field| {
        Some(match field {
            "containers" | "env" | "volumes" | "imagePullSecrets" => "name",
            "hostAliases" | "podIPs" => "ip",
            "volumeMounts" => "mountPath",
            "ports" => "port",
            "conditions" | "addresses" => "type",
            "ownerReferences" => "uid",
            _ => return None,
        })
    });
}

/// Whether the server takes strategic patches of a kind: not of those that are defined by resources of their own.
pub fn is_strategic(info: &TypeInfo) -> bool {
    let group = info.group();
    !group.contains('.') || group.ends_with(".k8s.io")
}

type Key<'a> = &'a dyn Fn(&str) -> Option<&'static str>;

fn merge_by(value: &mut Value, change: &Value, key: Key<'_>) {
    let Value::Object(changes) = change else {
        *value = change.clone();
        return;
    };
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Some(map) = value.as_object_mut() else { return };
    for (field, change) in changes {
        match (change, key(field)) {
            (Value::Null, _) => drop(map.shift_remove(field)),
            (Value::Array(items), Some(name)) => {
                let old = map.entry(field.clone()).or_insert_with(|| Value::Array(Vec::new()));
                // Ports of containers go by another name than those of Services.
                let has = |other: &str| items.iter().any(|item| item.get(other).is_some());
                let name = if name == "port" && has("containerPort") { "containerPort" } else { name };
                merge_list(old, items, name, key);
            }
            _ => merge_by(map.entry(field.clone()).or_insert(Value::Null), change, key),
        }
    }
}

fn merge_list(old: &mut Value, items: &[Value], name: &str, key: Key<'_>) {
    let Some(list) = old.as_array_mut() else {
        *old = Value::Array(items.to_vec());
        return;
    };
    for item in items {
        let same = |other: &Value| item.get(name).is_some() && other.get(name) == item.get(name);
        if item.get("$patch").and_then(Value::as_str) == Some("delete") {
            list.retain(|other| !same(other));
            continue;
        }
        match list.iter().position(same) {
            Some(at) => merge_by(&mut list[at], item, key),
            None => list.insert(0, item.clone()),
        }
    }
}

/// A JSON patch (RFC 6902): `add`, `remove`, `replace` and `test`.
///
/// # Errors
/// Which operation is not understood, or not possible.
pub fn json(value: &mut Value, operations: &Value) -> Result<(), String> {
    let list = operations.as_array().ok_or("json: cannot unmarshal object into Go value of type jsonpatch.Patch")?;
    list.iter().try_for_each(|operation| one(value, operation))
}

fn one(value: &mut Value, operation: &Value) -> Result<(), String> {
    let word = |field: &str| operation.get(field).and_then(Value::as_str).unwrap_or_default();
    let (verb, path) = (word("op"), word("path"));
    let parts: Vec<String> = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let missing = || {
        format!(
            "the server rejected our request due to an error in our request: {verb} operation does not apply: doc is missing path: {path}"
        )
    };
    let Some((last, before)) = parts.split_last() else { return Err(missing()) };
    let mut place = value;
    for part in before {
        let inner = match place {
            Value::Object(map) => map.get_mut(part),
            Value::Array(items) => part.parse().ok().and_then(|at: usize| items.get_mut(at)),
            _ => None,
        };
        place = inner.ok_or_else(missing)?;
    }
    let new = operation.get("value").cloned().unwrap_or(Value::Null);
    match (verb, place) {
        ("add", Value::Object(map)) => drop(map.insert(last.clone(), new)),
        ("add", Value::Array(items)) => {
            let at = if last == "-" { Some(items.len()) } else { last.parse().ok() };
            items.insert(at.filter(|at| *at <= items.len()).ok_or_else(missing)?, new);
        }
        ("replace", Value::Object(map)) => *map.get_mut(last).ok_or_else(missing)? = new,
        ("remove", Value::Object(map)) => drop(map.shift_remove(last).ok_or_else(missing)?),
        ("test", Value::Object(map)) if map.get(last) == Some(&new) => {}
        ("replace" | "remove" | "test", Value::Array(items)) => {
            let at = last.parse().ok().filter(|at: &usize| *at < items.len()).ok_or_else(missing)?;
            match verb {
                "replace" => items[at] = new,
                "remove" => drop(items.remove(at)),
                _ if items[at] == new => {}
                _ => return Err(format!("testing value {path} failed: test failed")),
            }
        }
        ("test", _) => return Err(format!("testing value {path} failed: test failed")),
        ("add" | "replace" | "remove", _) => return Err(missing()),
        _ => return Err(format!("Unexpected kind: {verb}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json as j;

    use super::*;

    #[test]
    fn maps_are_merged_and_null_takes_away() {
        let mut value = j!({"a": {"b": 1, "c": [1, 2]}, "d": 2});
        merge(&mut value, &j!({"a": {"b": null, "c": [3]}, "e": {"f": "g"}}));
        assert_eq!(value, j!({"a": {"c": [3]}, "d": 2, "e": {"f": "g"}}));
    }

    #[test]
    fn containers_and_ports_are_merged_by_their_names() {
        let mut value =
            j!({"containers": [{"name": "a", "image": "x", "ports": [{"containerPort": 80}]}, {"name": "b"}]});
        strategic(
            &mut value,
            &j!({"containers": [{"name": "a", "image": "y", "ports": [{"containerPort": 80, "name": "web"}]}]}),
        );
        assert_eq!(
            value["containers"][0],
            j!({"name": "a", "image": "y", "ports": [{"containerPort": 80, "name": "web"}]})
        );
        assert_eq!(value["containers"].as_array().unwrap().len(), 2);
        strategic(&mut value, &j!({"containers": [{"name": "b", "$patch": "delete"}], "args": ["z"]}));
        assert_eq!((value["containers"].as_array().unwrap().len(), &value["args"]), (1, &j!(["z"])));
        let mut service = j!({"ports": [{"port": 80, "targetPort": 8080}]});
        strategic(&mut service, &j!({"ports": [{"port": 80, "nodePort": 30080}]}));
        assert_eq!(service, j!({"ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}));
    }

    #[test]
    fn operations() {
        let mut value = j!({"spec": {"ports": [{"port": 80}], "a/b": 1}});
        let all = j!([
            {"op": "test", "path": "/spec/ports/0/port", "value": 80},
            {"op": "replace", "path": "/spec/ports/0/port", "value": 81},
            {"op": "add", "path": "/spec/ports/-", "value": {"port": 82}},
            {"op": "remove", "path": "/spec/a~1b"},
        ]);
        json(&mut value, &all).unwrap();
        assert_eq!(value, j!({"spec": {"ports": [{"port": 81}, {"port": 82}]}}));
        for bad in [
            j!([{"op": "remove", "path": "/x"}]),
            j!([{"op": "replace", "path": "/spec/ports/9", "value": 1}]),
            j!({}),
            j!([{"op": "test", "path": "/spec/z", "value": 1}]),
            j!([{"op": "add", "path": ""}]),
        ] {
            assert!(json(&mut value, &bad).is_err(), "{bad}");
        }
    }
}
