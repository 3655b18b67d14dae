//! `kubectl get` and `describe`.

use hopwise_cluster::Object;
use hopwise_cluster::print::table::{Options, custom, sort_by, table};
use hopwise_cluster::print::{Show, jsonpath, yaml};
use hopwise_machine::Sys;
use serde_json::{Value, json};

use super::args::Args;
use super::change::manifests;
use super::select::{Chosen, choose};
use super::{Done, Next, named, store};
use crate::kernel::SimKernel;

/// The form of the output.
enum Form<'a> {
    Table { wide: bool },
    Yaml,
    Json,
    Name,
    JsonPath(&'a str),
    Columns(&'a str),
}

fn form(args: &Args) -> Result<Form<'_>, Done> {
    Ok(match args.get("output") {
        None => Form::Table { wide: false },
        Some("wide") => Form::Table { wide: true },
        Some("yaml") => Form::Yaml,
        Some("json") => Form::Json,
        Some("name") => Form::Name,
        Some(other) => match other.split_once('=') {
            Some(("jsonpath", template)) => Form::JsonPath(template),
            Some(("custom-columns", columns)) => Form::Columns(columns),
            _ => {
                return Err(Done::fail(format!(
                    "error: unable to match a printer suitable for the output format {other:?}, allowed formats are: \
                     custom-columns,json,jsonpath,name,wide,yaml"
                )));
            }
        },
    })
}

/// `kubectl get`
pub(super) fn get(sys: &mut Sys<'_, SimKernel>, args: &Args, input: &str) -> Result<Next, Done> {
    if args.has("watch") {
        return Err(Done::fail("error: hopwise does not watch: use `kubectl wait`, or ask again"));
    }
    let form = form(args)?;
    let mut chosen = chosen(sys, args, input)?;
    if let Some(path) = args.get("sort-by") {
        for group in &mut chosen.groups {
            sort_by(path, &mut group.objects, |object| object.json())
                .map_err(|why| Done::fail(format!("error: {why}")))?;
        }
    }
    let store = store(sys);
    let mut done = Done::default();
    if chosen.is_empty() && chosen.missing.is_empty() && matches!(form, Form::Table { .. } | Form::Name) {
        let everywhere = args.has("all-namespaces") || chosen.groups.iter().all(|group| !group.row.info.namespaced);
        let place = if everywhere { String::new() } else { format!(" in {} namespace.", args.namespace()) };
        if !args.has("ignore-not-found") {
            done.err = format!("No resources found{place}\n");
        }
        return Ok(done.into());
    }
    match form {
        Form::Table { wide } => done.out = tables(args, &chosen, wide, &Show::new(store)),
        Form::Name => done.out = chosen.objects().map(|object| format!("{}\n", named(&**object))).collect(),
        Form::Yaml => done.out = whole(&chosen).map_or(String::new(), |value| yaml::yaml(&value)),
        Form::Json => done.out = whole(&chosen).map_or(String::new(), |value| yaml::json(&value)),
        Form::Columns(columns) => {
            let objects: Vec<Value> = chosen.objects().map(|object| object.json()).collect();
            let text = custom(columns, &objects, args.has("no-headers"));
            done.out = text.map_err(|why| Done::fail(format!("error: {why}")))?;
        }
        Form::JsonPath(template) => {
            let value = whole(&chosen).unwrap_or(Value::Null);
            let missing = chosen.is_empty() && !chosen.missing.is_empty();
            done.out = if missing {
                String::new()
            } else {
                jsonpath::fill(template, &value).map_err(|why| Done::fail(format!("error: {why}")))?
            };
        }
    }
    if !args.has("ignore-not-found") {
        done.missing(&chosen);
    }
    Ok(done.into())
}

/// What is asked for: by words, or by the objects of files.
fn chosen(sys: &mut Sys<'_, SimKernel>, args: &Args, input: &str) -> Result<Chosen, Done> {
    if args.get("filename").is_none() {
        return choose(store(sys), args, args.words.get(1..).unwrap_or_default());
    }
    let mut chosen = Chosen { groups: Vec::new(), missing: Vec::new() };
    for (_, manifest) in manifests(sys, args, input)? {
        let (info, meta) = (manifest.object.info(), manifest.object.meta());
        let namespace = if meta.namespace.is_empty() { "default" } else { &meta.namespace };
        chosen.add(store(sys), info, namespace, &meta.name);
    }
    Ok(chosen)
}

fn tables(args: &Args, chosen: &Chosen, wide: bool, show: &Show<'_>) -> String {
    let groups: Vec<_> = chosen.groups.iter().filter(|group| !group.objects.is_empty()).collect();
    let mut text = String::new();
    let labels = args.all("label-columns");
    for group in &groups {
        if !text.is_empty() {
            text.push('\n');
        }
        let options = Options {
            wide,
            namespaces: args.has("all-namespaces") && group.row.info.namespaced,
            labels: args.has("show-labels"),
            kinds: chosen.groups.len() > 1 || args.has("show-kind"),
            no_headers: args.has("no-headers"),
            label_columns: &labels,
        };
        let objects: Vec<&dyn Object> = group.objects.iter().map(|object| &**object).collect();
        text.push_str(&table(group.row, &objects, options, show));
    }
    text
}

/// One object as it is, several as a list.
fn whole(chosen: &Chosen) -> Option<Value> {
    let mut objects: Vec<Value> = chosen.objects().map(|object| object.json()).collect();
    let one = chosen.groups.iter().all(|group| group.by_name) && objects.len() <= 1;
    if one {
        return objects.pop();
    }
    Some(json!({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}}))
}

/// `kubectl describe`
pub(super) fn describe(sys: &mut Sys<'_, SimKernel>, args: &Args, input: &str) -> Result<Next, Done> {
    let chosen = chosen(sys, args, input)?;
    let store = store(sys);
    let show = Show::new(store);
    let all: Vec<String> = chosen.objects().map(|object| object.describe(&show)).collect();
    let mut done = Done::ok(all.join("\n\n"));
    if chosen.is_empty() && chosen.missing.is_empty() {
        done.err = format!("No resources found in {} namespace.\n", args.namespace());
    }
    done.missing(&chosen);
    Ok(done.into())
}
