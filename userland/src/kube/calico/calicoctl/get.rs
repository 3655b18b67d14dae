//! `calicoctl get`

use hopwise_cluster::calico::table;
use hopwise_cluster::print::yaml;
use hopwise_machine::Sys;
use serde_json::{Value, json};

use super::kinds::{self, Item, Row, When};
use super::options::Options;
use crate::kernel::SimKernel;

pub(super) fn get(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(), String> {
    let [word, names @ ..] = &options.words[..] else {
        return Err("Invalid option: 'calicoctl get'. Use flag '--help' to read about a specific subcommand.".into());
    };
    let row = kinds::of_word(word).ok_or_else(|| format!("resource type '{word}' is not supported"))?;
    let output = options.value("--output").unwrap_or("ps");
    if !["ps", "wide", "yaml", "json"].contains(&output) {
        return Err(format!("unrecognized output format '{output}'"));
    }
    let everywhere = options.has("--all-namespaces");
    if !row.namespaced && (everywhere || options.has("--namespace")) {
        return Err(format!("{} is not namespaced", row.kind));
    }
    let namespace = options.value("--namespace").unwrap_or("default");
    let store = sys.kernel.store();
    let mut items = (row.list)(store);
    items.retain(|item| !row.namespaced || everywhere || item.namespace == namespace);
    let revision = store.revision();
    let mut missing = String::new();
    let mut groups: Vec<Vec<Item>> = Vec::new();
    if names.is_empty() {
        groups.push(items);
    } else {
        for name in names {
            match items.iter().position(|item| item.name == *name) {
                Some(at) => groups.push(vec![items.swap_remove(at)]),
                None => missing.push_str(&absent(row, namespace, name)),
            }
        }
    }
    let is_list = names.is_empty();
    let text = match output {
        "ps" | "wide" => tables(row, &groups, output == "wide", everywhere),
        _ => {
            let mut values: Vec<Value> = groups.into_iter().map(|group| whole(row, group, is_list, revision)).collect();
            let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
            if output == "yaml" { yaml::yaml(&value) } else { yaml::json(&value) }
        }
    };
    sys.out(&text);
    if missing.is_empty() { Ok(()) } else { Err(missing.trim_end().to_owned()) }
}

/// What is said of an object that is not there.
pub(super) fn absent(row: &Row, namespace: &str, name: &str) -> String {
    let place = if row.namespaced { format!("{namespace}/{name}") } else { name.to_owned() };
    let (kind, resource) = (row.kind, row.resource);
    format!(
        "resource does not exist: {kind}({place}) with error: {resource}.crd.projectcalico.org {name:?} not found\n"
    )
}

fn tables(row: &Row, groups: &[Vec<Item>], wide: bool, with_namespace: bool) -> String {
    let all = (row.headings)();
    let shown: Vec<usize> = (0..all.len()).filter(|at| wide || all[*at].1 == When::Always).collect();
    let put_namespace = with_namespace && row.namespaced;
    let mut headings: Vec<&str> = if put_namespace { vec!["NAMESPACE"] } else { Vec::new() };
    headings.extend(shown.iter().map(|at| all[*at].0));
    let one = |group: &Vec<Item>| {
        let cells = |item: &Item| {
            let first = put_namespace.then(|| item.namespace.clone());
            first.into_iter().chain(shown.iter().filter_map(|at| item.cells.get(*at).cloned())).collect()
        };
        let rows: Vec<Vec<String>> = group.iter().map(cells).collect();
        table::columns(&headings, &rows) + "\n"
    };
    groups.iter().filter(|group| !group.is_empty() || groups.len() == 1).map(one).collect()
}

fn whole(row: &Row, mut group: Vec<Item>, is_list: bool, revision: u64) -> Value {
    if !is_list && !group.is_empty() {
        return group.remove(0).value;
    }
    let items: Vec<Value> = group.into_iter().map(|item| item.value).collect();
    json!({
        "apiVersion": "projectcalico.org/v3",
        "kind": format!("{}List", row.kind),
        "items": items,
        "metadata": { "resourceVersion": revision.to_string() },
    })
}
