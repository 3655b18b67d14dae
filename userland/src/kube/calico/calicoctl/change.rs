//! `calicoctl apply`, `create`, `replace`, `delete` and `patch`.

use hopwise_cluster::calico::from::annotation;
use hopwise_cluster::object::calico::IpPool;
use hopwise_cluster::object::{Node, decode, patch};
use hopwise_cluster::store::ApiError;
use hopwise_cluster::{Object, Store};
use hopwise_machine::Sys;
use serde_json::Value;

use super::get::absent;
use super::kinds::{self, Row};
use super::options::Options;
use crate::kernel::SimKernel;
use crate::kube::calico::annotate;

/// What is done with each object of a file.
type Act = fn(&mut Store, &Row, Box<dyn Object>) -> Result<(), String>;

pub(super) fn apply(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(), String> {
    each(sys, options, ("apply", "applied"), |store, row, object| {
        match store.find(object.info(), &object.meta().namespace, &object.meta().name).is_some() {
            true => update(store, row, object),
            false => add(store, row, object),
        }
    })
}

pub(super) fn create(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(), String> {
    each(sys, options, ("create", "created"), add)
}

pub(super) fn replace(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(), String> {
    each(sys, options, ("replace", "replaced"), update)
}

pub(super) fn delete(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(), String> {
    if options.has("--filename") {
        return each(sys, options, ("delete", "deleted"), |store, row, object| {
            remove(store, row, &object.meta().namespace, &object.meta().name)
        });
    }
    let [word, names @ ..] = &options.words[..] else { return Err("No resources specified".into()) };
    let row = changeable(word)?;
    if names.is_empty() {
        return Err("No resources specified".into());
    }
    let namespace = options.value("--namespace").unwrap_or("default").to_owned();
    let store = sys.kernel.store();
    let errors: Vec<String> = names.iter().filter_map(|name| remove(store, row, &namespace, name).err()).collect();
    report(sys, ("delete", "deleted"), Some(row.kind), names.len(), errors)
}

fn changeable(word: &str) -> Result<&'static Row, String> {
    let row = kinds::of_word(word).ok_or_else(|| format!("resource type '{word}' is not supported"))?;
    match row.stored {
        Some(_) => Ok(row),
        None => Err(format!("resource type '{}' cannot be changed here", row.kind)),
    }
}

fn add(store: &mut Store, row: &Row, object: Box<dyn Object>) -> Result<(), String> {
    check_overlap(store, &*object)?;
    let name = object.meta().name.clone();
    store.create(object).map(|_| ()).map_err(|error| said(row, &name, error))
}

fn update(store: &mut Store, row: &Row, object: Box<dyn Object>) -> Result<(), String> {
    check_frozen(store, &*object)?;
    let name = object.meta().name.clone();
    store.update(object).map(|_| ()).map_err(|error| said(row, &name, error))
}

fn remove(store: &mut Store, row: &Row, namespace: &str, name: &str) -> Result<(), String> {
    let Some(info) = row.stored else { return Err(format!("resource type '{}' cannot be changed here", row.kind)) };
    store.delete(info, namespace, name).map_err(|error| said(row, name, error))
}

/// The store's refusal in Calico's words.
fn said(row: &Row, name: &str, error: ApiError) -> String {
    let (kind, resource) = (row.kind, row.resource);
    match error {
        ApiError::NotFound(..) => absent(row, "default", name).trim_end().to_owned(),
        ApiError::AlreadyExists(..) => {
            format!(
                "resource already exists: {kind}({name}) with error: {resource}.crd.projectcalico.org {name:?} already exists"
            )
        }
        ApiError::Conflict(..) => format!("update conflict: {kind}({name})"),
        ApiError::Invalid(_, _, why) => why,
        other => other.to_string(),
    }
}

/// Two pools have no address in common.
fn check_overlap(store: &Store, object: &dyn Object) -> Result<(), String> {
    let Some(pool) = object.get::<IpPool>() else { return Ok(()) };
    let (name, cidr) = (&pool.metadata.name, pool.spec.cidr);
    let near = |other: &&IpPool| other.spec.cidr.contains(&cidr) || cidr.contains(&other.spec.cidr);
    match store.list::<IpPool>(None).filter(|other| other.metadata.name != *name).find(near) {
        None => Ok(()),
        Some(other) => {
            let (there, of) = (&other.metadata.name, other.spec.cidr);
            let why = format!("IPPool({name}) CIDR overlaps with IPPool({there}) CIDR {of}");
            Err(format!("error with field IPPool.Spec.CIDR = '{cidr}' ({why})"))
        }
    }
}

/// What of a pool cannot change, because blocks were cut from it.
fn check_frozen(store: &Store, object: &dyn Object) -> Result<(), String> {
    let Some(pool) = object.get::<IpPool>() else { return Ok(()) };
    let Some(old) = store.get::<IpPool>("", &pool.metadata.name) else { return Ok(()) };
    if pool.spec.cidr != old.spec.cidr {
        let cidr = pool.spec.cidr;
        return Err(format!("error with field IPPool.Spec.CIDR = '{cidr}' (IPPool CIDR cannot be modified)"));
    }
    let size = if pool.spec.block_size == 0 { 26 } else { pool.spec.block_size };
    if size != old.spec.block_size {
        return Err(format!("error with field IPPool.Spec.BlockSize = '{size}' (IPPool BlockSize cannot be modified)"));
    }
    Ok(())
}

fn read_file(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(String, String), String> {
    let file = options.value("--filename").ok_or("No resources specified")?.to_owned();
    if file != "-" {
        let bytes = sys.read_file(&file);
        let bytes = bytes
            .map_err(|errno| format!("Failed to execute command: open {file}: {}", errno.to_string().to_lowercase()))?;
        return Ok((file, String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(("STDIN".into(), options.input.clone()))
}

fn each(sys: &mut Sys<'_, SimKernel>, options: &Options, verbs: (&str, &str), act: Act) -> Result<(), String> {
    let (file, text) = read_file(sys, options)?;
    let manifests =
        decode::manifests(&text).map_err(|refused| format!("Failed to execute command: {}", refused.text(&file)))?;
    if manifests.is_empty() {
        return Err(format!("No resources specified in file {file}"));
    }
    let store = sys.kernel.store();
    let (mut errors, mut kinds, count) = (Vec::new(), Vec::new(), manifests.len());
    for manifest in manifests {
        let mut object = manifest.object;
        let Some(row) = kinds::of_info(object.info()) else {
            let kind = object.info().kind;
            return Err(format!("Failed to execute command: {file}:{}: {kind} is no kind of Calico", manifest.line));
        };
        if row.namespaced && object.meta().namespace.is_empty() {
            object.meta_mut().namespace = options.value("--namespace").unwrap_or("default").to_owned();
        }
        kinds.push(row.kind);
        errors.extend(act(store, row, object).err());
    }
    kinds.dedup();
    let kind = if let [kind] = kinds[..] { Some(kind) } else { None };
    report(sys, verbs, kind, count, errors)
}

fn report(
    sys: &mut Sys<'_, SimKernel>,
    (verb, done): (&str, &str),
    kind: Option<&str>,
    count: usize,
    errors: Vec<String>,
) -> Result<(), String> {
    let of = kind.map(|kind| format!("'{kind}' ")).unwrap_or_default();
    let handled = count - errors.len();
    if errors.is_empty() {
        sys.out(&format!("Successfully {done} {count} {of}resource(s)\n"));
        return Ok(());
    }
    let why = format!("[{}]", errors.join(" "));
    if handled == 0 && count == 1 {
        return Err(format!("Failed to {verb} {of}resource: {why}"));
    }
    if handled == 0 {
        return Err(format!("Failed to {verb} any {of}resources: {why}"));
    }
    sys.out(&format!("Partial success: {done} the first {handled} out of {count} {of}resources:\n"));
    Err(format!("Hit error(s): {why}"))
}

pub(super) fn patch_one(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<(), String> {
    let ([word, name], Some(text)) = (&options.words[..], options.value("--patch")) else {
        return Err("Invalid option: 'calicoctl patch'. Use flag '--help' to read about a specific subcommand.".into());
    };
    let row = kinds::of_word(word).ok_or_else(|| format!("resource type '{word}' is not supported"))?;
    let failed = |why: String| format!("Failed to patch '{}' resource: {why}", row.kind);
    let change: Value = serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
    let namespace = options.value("--namespace").unwrap_or("default");
    let store = sys.kernel.store();
    if row.kind == "Node" {
        patch_node(store, name, &change).map_err(failed)?;
    } else {
        let info = changeable(word)?.stored.ok_or_else(|| failed("it cannot be changed here".into()))?;
        let old = store
            .find(info, namespace, name)
            .ok_or_else(|| failed(absent(row, namespace, name).trim_end().to_owned()))?;
        let mut value = old.json();
        patch::merge(&mut value, &change);
        let object = patch::from_json(value).map_err(failed)?;
        update(store, row, object).map_err(failed)?;
    }
    sys.out(&format!("Successfully patched 1 '{}' resource\n", row.kind));
    Ok(())
}

/// What of a node can be changed: its AS, and whether it is a reflector.
fn patch_node(store: &mut Store, name: &str, change: &Value) -> Result<(), String> {
    if store.get::<Node>("", name).is_none() {
        return Err(format!("resource does not exist: Node({name}) with error: nodes {name:?} not found"));
    }
    let only = |value: &Value, names: &[&str], path: &str| {
        let unknown = value.as_object().and_then(|map| map.keys().find(|key| !names.contains(&&***key)).cloned());
        unknown.map_or(Ok(()), |key| Err(format!("unknown field \"{path}{key}\"")))
    };
    only(change, &["spec"], "")?;
    only(&change["spec"], &["bgp"], "spec.")?;
    let bgp = &change["spec"]["bgp"];
    only(bgp, &["asNumber", "routeReflectorClusterID"], "spec.bgp.")?;
    for (field, note) in [("asNumber", annotation::AS_NUMBER), ("routeReflectorClusterID", annotation::CLUSTER_ID)] {
        let Some(value) = bgp.get(field) else { continue };
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let is_right = match (&text, field) {
            (Some(text), "asNumber") => text.parse::<u32>().is_ok(),
            (Some(text), _) => text.is_empty() || text.parse::<core::net::Ipv4Addr>().is_ok(),
            (None, _) => true,
        };
        if !is_right {
            return Err(format!("error with field {field} = '{}'", text.unwrap_or_default()));
        }
        let text = text.filter(|text| !text.is_empty());
        store.modify::<Node>("", name, |node| annotate(&mut node.metadata.annotations, note, text));
    }
    Ok(())
}
