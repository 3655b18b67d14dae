//! `kubectl apply`, `delete`, `scale`.

use hopwise_cluster::object::decode::{self, Manifest};
use hopwise_cluster::object::{Deployment, Pod, ReplicaSet};
use hopwise_machine::Sys;

use super::args::Args;
use super::select::choose;
use super::{Done, Next, named, store};
use crate::kernel::SimKernel;

/// The objects of the files of `-f`, with the name of each one's file.
pub(super) fn manifests(
    sys: &mut Sys<'_, SimKernel>,
    args: &Args,
    input: &str,
) -> Result<Vec<(String, Manifest)>, Done> {
    let mut found = Vec::new();
    let mut files = Vec::new();
    for file in args.all("filename") {
        match file {
            "-" => files.push(("STDIN".to_owned(), input.to_owned())),
            path => files.extend(read(sys, path)?),
        }
    }
    for (name, text) in files {
        let all = decode::manifests(&text).map_err(|refused| Done::fail(refused.text(&name)))?;
        found.extend(all.into_iter().map(|manifest| (name.clone(), manifest)));
    }
    let namespace = args.get("namespace");
    for (_, manifest) in &mut found {
        let namespaced = manifest.object.info().namespaced;
        let meta = manifest.object.meta_mut();
        match namespace {
            Some(asked) if namespaced && !meta.namespace.is_empty() && meta.namespace != asked => {
                return Err(Done::fail(format!(
                    "error: the namespace from the provided object {:?} does not match the namespace {asked:?}. You must pass '--namespace={}' to perform this operation.",
                    meta.namespace, meta.namespace
                )));
            }
            Some(asked) if namespaced => asked.clone_into(&mut meta.namespace),
            _ => {}
        }
    }
    if found.is_empty() {
        return Err(Done::fail("error: no objects passed to apply"));
    }
    Ok(found)
}

/// The texts of a file, or of all manifests in a folder.
fn read(sys: &mut Sys<'_, SimKernel>, path: &str) -> Result<Vec<(String, String)>, Done> {
    if path.starts_with("http://") || path.starts_with("https://") {
        return Err(Done::fail(format!(
            "error: hopwise downloads nothing: get {path:?} yourself, and put its text into a file"
        )));
    }
    let mut names = vec![path.to_owned()];
    if let Ok(entries) = sys.list(path) {
        let is_manifest = |name: &str| [".json", ".yaml", ".yml"].iter().any(|end| name.ends_with(end));
        let folder = path.trim_end_matches('/');
        names = entries.iter().filter(|e| is_manifest(&e.name)).map(|e| format!("{folder}/{}", e.name)).collect();
        names.sort();
        if names.is_empty() {
            return Err(Done::fail(format!(
                "error: error reading [{path}]: recognized file extensions are [.json .yaml .yml]"
            )));
        }
    }
    let mut texts = Vec::new();
    for name in names {
        match sys.read_file(&name) {
            Ok(bytes) => texts.push((name, String::from_utf8_lossy(&bytes).into_owned())),
            Err(_) => return Err(Done::fail(format!("error: the path {name:?} does not exist"))),
        }
    }
    Ok(texts)
}

/// `kubectl apply -f`
pub(super) fn apply(sys: &mut Sys<'_, SimKernel>, args: &Args, input: &str) -> Result<Next, Done> {
    if args.get("filename").is_none() {
        return Err(Done::fail("error: must specify one of -f and -k"));
    }
    let found = manifests(sys, args, input)?;
    let mut done = Done::default();
    // What would happen is tried on a copy, which shares the objects.
    let mut copy = store(sys).clone();
    let dry = args.get("dry-run").filter(|how| *how != "none");
    let end = dry.map_or("", |how| if how == "server" { " (server dry run)" } else { " (dry run)" });
    for (file, manifest) in found {
        let target = if dry.is_some() { &mut copy } else { store(sys) };
        match target.apply(manifest.object) {
            Ok((what, object)) => done.out.push_str(&format!("{} {what}{end}\n", named(&*object))),
            Err(error) => {
                done.err.push_str(&format!("{}\n", error.text_for(Some(("creating", &file)))));
                done.status = 1;
            }
        }
    }
    Ok(done.into())
}

/// `kubectl delete`
pub(super) fn delete(sys: &mut Sys<'_, SimKernel>, args: &Args, input: &str) -> Result<Next, Done> {
    let mut done = Done::default();
    let mut gone = Vec::new();
    let mut going: Vec<(&'static hopwise_cluster::TypeInfo, String, String)> = Vec::new();
    if args.get("filename").is_some() {
        for (_, manifest) in manifests(sys, args, input)? {
            let meta = manifest.object.meta();
            let namespace = if meta.namespace.is_empty() { "default".into() } else { meta.namespace.clone() };
            going.push((manifest.object.info(), namespace, meta.name.clone()));
        }
    } else {
        let words = args.words.get(1..).unwrap_or_default();
        let only_kind = words.len() == 1 && !words[0].contains('/');
        if only_kind && !args.has("all") && args.get("selector").is_none() {
            return Err(Done::fail("error: resource(s) were provided, but no name was specified"));
        }
        let chosen = choose(store(sys), args, words)?;
        for error in chosen.missing.iter().filter(|_| !args.has("ignore-not-found")) {
            done.err.push_str(&format!("{error}\n"));
            done.status = 1;
        }
        if chosen.is_empty() && chosen.missing.is_empty() {
            done.out.push_str("No resources found\n");
        }
        going.extend(chosen.objects().map(|o| (o.info(), o.meta().namespace.clone(), o.meta().name.clone())));
    }
    let now = args.has("force") || args.get("grace-period") == Some("0") || args.has("now");
    for (info, namespace, name) in going {
        match store(sys).delete(info, &namespace, &name) {
            Ok(()) => {
                let forced = if now && args.has("force") { " force" } else { "" };
                done.out.push_str(&format!("{} {name:?}{forced} deleted\n", info.resource()));
                if now && info.kind == "Pod" {
                    store(sys)
                        .modify::<Pod>(&namespace, &name, |pod| pod.metadata.deletion_grace_period_seconds = Some(0));
                }
                gone.push((info, namespace, name));
            }
            Err(_) if args.has("ignore-not-found") => {}
            Err(error) => {
                done.err.push_str(&format!("{}\n", error.text_for(None)));
                done.status = 1;
            }
        }
    }
    if gone.is_empty() || args.get("wait") == Some("false") {
        return Ok(done.into());
    }
    let status = done.status;
    Ok(Next::Later(done, Box::new(super::wait::Gone { gone, status, after: String::new() })))
}

/// `kubectl scale`
pub(super) fn scale(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let Some(replicas) = args.get("replicas").and_then(|n| n.parse::<u32>().ok()) else {
        return Err(Done::fail("error: required flag(s) \"replicas\" not set"));
    };
    let store = store(sys);
    let chosen = choose(store, args, args.words.get(1..).unwrap_or_default())?;
    let mut done = Done::default();
    for object in chosen.objects() {
        let meta = object.meta();
        if object.get::<Deployment>().is_some() {
            store.modify::<Deployment>(&meta.namespace, &meta.name, |d| d.spec.replicas = Some(replicas));
        } else if object.get::<ReplicaSet>().is_some() {
            store.modify::<ReplicaSet>(&meta.namespace, &meta.name, |d| d.spec.replicas = Some(replicas));
        } else {
            let kind = object.info().resources();
            return Err(Done::fail(format!(
                "error: scaling the resource failed with: the server could not find the requested resource ({kind})"
            )));
        }
        done.out.push_str(&format!("{} scaled\n", named(&**object)));
    }
    done.missing(&chosen);
    Ok(done.into())
}
