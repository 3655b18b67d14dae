//! `kubectl get`, `describe`, `cluster-info`, `version`.

use hopwise_cluster::Object;
use hopwise_cluster::print::table::{Options, table};
use hopwise_cluster::print::{Show, jsonpath, yaml};
use hopwise_machine::Sys;
use serde_json::{Value, json};

use super::args::Args;
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
}

fn form(args: &Args) -> Result<Form<'_>, Done> {
    Ok(match args.get("output") {
        None => Form::Table { wide: false },
        Some("wide") => Form::Table { wide: true },
        Some("yaml") => Form::Yaml,
        Some("json") => Form::Json,
        Some("name") => Form::Name,
        Some(other) => match other.strip_prefix("jsonpath=") {
            Some(template) => Form::JsonPath(template),
            None => {
                return Err(Done::fail(format!(
                    "error: unable to match a printer suitable for the output format {other:?}, allowed formats are: json,jsonpath,name,wide,yaml"
                )));
            }
        },
    })
}

/// `kubectl get`
pub(super) fn get(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    if args.has("watch") {
        return Err(Done::fail("error: hopwise does not watch: use `kubectl wait`, or ask again"));
    }
    let form = form(args)?;
    let store = store(sys);
    let chosen = choose(store, args, args.words.get(1..).unwrap_or_default())?;
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
        for error in &chosen.missing {
            done.err.push_str(&format!("{error}\n"));
            done.status = 1;
        }
    }
    Ok(done.into())
}

fn tables(args: &Args, chosen: &Chosen, wide: bool, show: &Show<'_>) -> String {
    let groups: Vec<_> = chosen.groups.iter().filter(|group| !group.objects.is_empty()).collect();
    let mut text = String::new();
    for group in &groups {
        if !text.is_empty() {
            text.push('\n');
        }
        let options = Options {
            wide,
            namespaces: args.has("all-namespaces") && group.row.info.namespaced,
            labels: args.has("show-labels"),
            kinds: chosen.groups.len() > 1,
            no_headers: args.has("no-headers"),
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
pub(super) fn describe(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let store = store(sys);
    let chosen = choose(store, args, args.words.get(1..).unwrap_or_default())?;
    let show = Show::new(store);
    let all: Vec<String> = chosen.objects().map(|object| object.describe(&show)).collect();
    let mut done = Done::ok(all.join("\n\n"));
    if chosen.is_empty() && chosen.missing.is_empty() {
        done.err = format!("No resources found in {} namespace.\n", args.namespace());
    }
    for error in &chosen.missing {
        done.err.push_str(&format!("{error}\n"));
        done.status = 1;
    }
    Ok(done.into())
}

/// `kubectl cluster-info`
pub(super) fn cluster_info(sys: &mut Sys<'_, SimKernel>, _: &Args, _: &str) -> Result<Next, Done> {
    let first = sys.kernel.kube.cluster.as_ref().and_then(|cluster| cluster.nodes.first().cloned());
    let store = store(sys);
    let node = first.and_then(|member| store.get::<hopwise_cluster::object::Node>("", &member.machine));
    let address = node.and_then(|node| node.ip()).map(|ip| ip.to_string()).unwrap_or_else(|| "localhost".into());
    Ok(Done::ok(format!("Kubernetes control plane is running at https://{address}:6443\n")).into())
}

/// `kubectl version`
pub(super) fn version(sys: &mut Sys<'_, SimKernel>, _: &Args, _: &str) -> Result<Next, Done> {
    let version = crate::kube::kubelet::VERSION;
    let server = if sys.kernel.kube.is_up() { format!("Server Version: {version}\n") } else { String::new() };
    Ok(Done::ok(format!("Client Version: {version}\nKustomize Version: v5.0.4\n{server}")).into())
}
