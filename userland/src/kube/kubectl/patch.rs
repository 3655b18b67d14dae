//! `kubectl patch`, `replace`, `set image` and `rollout restart`.

use hopwise_cluster::object::{Deployment, Pod, ReplicaSet, patch};
use hopwise_cluster::{Kind, Object};
use hopwise_machine::Sys;
use serde_json::Value;

use super::args::Args;
use super::select::choose;
use super::{Done, Next, change, named, store};
use crate::kernel::SimKernel;

/// `kubectl patch KIND NAME -p PATCH [--type=strategic|merge|json]`
pub(super) fn patch(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let Some(text) = args.get("patch") else {
        return Err(Done::fail("error: must specify --patch or --patch-file containing the contents of the patch"));
    };
    let change = hopwise_cluster::object::lines::documents(text).ok().and_then(|mut all| all.pop());
    let bad = || Done::fail(format!("error: unable to parse {text:?}: yaml: did not find expected node content"));
    let change: Value = change.map(|document| document.value).filter(|value| !value.is_string()).ok_or_else(bad)?;
    let chosen = choose(store(sys), args, args.words.get(1..).unwrap_or_default())?;
    let mut done = Done::default();
    for object in chosen.objects() {
        let mut value = object.json();
        let failed = |why: String| Done::fail(format!("Error from server (BadRequest): {why}"));
        match args.get("type").unwrap_or("strategic") {
            "strategic" if !patch::is_strategic(object.info()) => {
                return Err(Done::fail(
                    "Error from server (UnsupportedMediaType): the body of the request was in an unknown format - accepted media types \
                     include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
                ));
            }
            "strategic" => patch::strategic(&mut value, &change),
            "merge" => patch::merge(&mut value, &change),
            "json" => patch::json(&mut value, &change).map_err(failed)?,
            other => {
                return Err(Done::fail(format!("error: --type must be one of [json merge strategic], not {other:?}")));
            }
        }
        let new = patch::from_json(value).map_err(failed)?;
        let line = put(sys, object.as_ref(), new, "patched")?;
        done.out.push_str(&line);
    }
    done.missing(&chosen);
    Ok(done.into())
}

/// Writes a changed object, and gives what is said about it.
fn put(sys: &mut Sys<'_, SimKernel>, old: &dyn Object, mut new: Box<dyn Object>, word: &str) -> Result<String, Done> {
    if new.info() != old.info() || new.meta().name != old.meta().name || new.meta().namespace != old.meta().namespace {
        let name = &old.meta().name;
        return Err(Done::fail(format!(
            "Error from server (BadRequest): the name of the object ({}) does not match the name on the URL ({name})",
            new.meta().name
        )));
    }
    if let (Some(new), Some(old)) = (new.get_mut::<Pod>(), old.get::<Pod>()) {
        check_frozen(new, old)?;
    }
    let same = new.same(old);
    let word = if same { format!("{word} (no change)") } else { word.to_owned() };
    match store(sys).update(new) {
        Ok(object) => Ok(format!("{} {word}\n", named(&*object))),
        Err(error) => Err(Done::fail(error.to_string())),
    }
}

/// Of a pod that is there only images, tolerations and the grace period can be changed (`ValidatePodUpdate`).
fn check_frozen(new: &mut Pod, old: &Pod) -> Result<(), Done> {
    let mut like_old = new.spec.clone();
    for (container, before) in like_old.containers.iter_mut().zip(&old.spec.containers) {
        container.image.clone_from(&before.image);
    }
    like_old.tolerations.clone_from(&old.spec.tolerations);
    like_old.termination_grace_period_seconds = old.spec.termination_grace_period_seconds;
    if like_old == old.spec {
        return Ok(());
    }
    Err(Done::fail(format!(
        "The Pod {:?} is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`, \
         `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing tolerations), \
         `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        new.metadata.name
    )))
}

/// `kubectl replace -f FILE [--force]`
pub(super) fn replace(sys: &mut Sys<'_, SimKernel>, args: &Args, input: &str) -> Result<Next, Done> {
    if args.get("filename").is_none() {
        return Err(Done::fail("error: must specify one of -f and -k"));
    }
    let found = change::manifests(sys, args, input)?;
    let mut done = Done::default();
    for (file, manifest) in found {
        let (mut object, force) = (manifest.object, args.has("force"));
        if object.info().namespaced && object.meta().namespace.is_empty() {
            object.meta_mut().namespace = "default".into();
        }
        let (info, namespace, name) = (object.info(), object.meta().namespace.clone(), object.meta().name.clone());
        let store = store(sys);
        if force && store.find(info, &namespace, &name).is_some() {
            if info.kind == Pod::TYPE.kind {
                // Its name is free at once, as with a grace period of zero; its kubelet takes it down.
                store.remove(info, &namespace, &name);
            } else {
                // It was found a moment ago.
                let _ = store.delete(info, &namespace, &name);
            }
            done.out.push_str(&format!("{} {name:?} deleted\n", info.resource()));
        }
        let written = if force { store.create(object) } else { store.replace(object) };
        match written {
            Ok(object) => done.out.push_str(&format!("{} replaced\n", named(&*object))),
            Err(error) => {
                done.err.push_str(&format!("{}\n", error.text_for(Some(("replacing", &file)))));
                done.status = 1;
            }
        }
    }
    Ok(done.into())
}

/// `kubectl set image deployment/web CONTAINER=IMAGE`
pub(super) fn set(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let words = args.words.get(1..).unwrap_or_default();
    let Some(("image", rest)) = words.split_first().map(|(word, rest)| (&**word, rest)) else {
        return Err(Done::fail("error: hopwise has `kubectl set image` only: change the manifest, and apply it"));
    };
    let (images, objects): (Vec<&String>, Vec<&String>) = rest.iter().partition(|word| word.contains('='));
    if images.is_empty() {
        return Err(Done::fail("error: at least one image update is required"));
    }
    let objects: Vec<String> = objects.into_iter().cloned().collect();
    let chosen = choose(store(sys), args, &objects)?;
    let mut done = Done::default();
    for object in chosen.objects() {
        let mut new: Box<dyn Object> = dyn_clone::clone_box(&**object);
        let containers = if let Some(deployment) = new.get_mut::<Deployment>() {
            &mut deployment.spec.template.spec.containers
        } else if let Some(pod) = new.get_mut::<Pod>() {
            &mut pod.spec.containers
        } else if let Some(set) = new.get_mut::<ReplicaSet>() {
            &mut set.spec.template.spec.containers
        } else {
            return Err(Done::fail(format!("error: {} has no containers", named(&**object))));
        };
        for (name, image) in images.iter().filter_map(|word| word.split_once('=')) {
            let mut chosen = containers.iter_mut().filter(|c| name == "*" || c.name == name).peekable();
            if chosen.peek().is_none() {
                return Err(Done::fail(format!("error: unable to find container named {name:?}")));
            }
            chosen.for_each(|container| image.clone_into(&mut container.image));
        }
        if new.same(&**object) {
            continue;
        }
        match store(sys).update(new) {
            Ok(object) => done.out.push_str(&format!("{} image updated\n", named(&*object))),
            Err(error) => return Err(Done::fail(error.to_string())),
        }
    }
    done.missing(&chosen);
    Ok(done.into())
}

/// `kubectl rollout restart deployment/web`: the template says when, so its pods are made anew.
pub(super) fn restart(sys: &mut Sys<'_, SimKernel>, args: &Args, words: &[String]) -> Result<Next, Done> {
    let chosen = choose(store(sys), args, words)?;
    let mut done = Done::default();
    for object in chosen.objects() {
        let meta = object.meta();
        if object.get::<Deployment>().is_none() {
            let kind = object.info().resources();
            return Err(Done::fail(format!("error: {kind} {:?} restarting is not supported", meta.name)));
        }
        let store = store(sys);
        let now = store.now().to_string();
        store.modify::<Deployment>(&meta.namespace, &meta.name, |deployment| {
            let annotations = &mut deployment.spec.template.metadata.annotations;
            annotations.insert("kubectl.kubernetes.io/restartedAt".into(), now);
        });
        done.out.push_str(&format!("{} restarted\n", named(&**object)));
    }
    done.missing(&chosen);
    Ok(done.into())
}

/// `kubectl rollout pause|resume deployment/web`
pub(super) fn pause(sys: &mut Sys<'_, SimKernel>, args: &Args, words: &[String], paused: bool) -> Result<Next, Done> {
    let chosen = choose(store(sys), args, words)?;
    let word = if paused { "paused" } else { "resumed" };
    let mut done = Done::default();
    for object in chosen.objects() {
        let meta = object.meta();
        let Some(deployment) = object.get::<Deployment>() else {
            let kind = object.info().resources();
            return Err(Done::fail(format!("error: {kind} {:?} pausing is not supported", meta.name)));
        };
        if (deployment.spec.paused == Some(true)) == paused {
            let is = if paused { "already paused" } else { "not paused" };
            return Err(Done::fail(format!("error: {} {:?} is {is}", object.info().resources(), meta.name)));
        }
        store(sys).modify::<Deployment>(&meta.namespace, &meta.name, |d| d.spec.paused = paused.then_some(true));
        done.out.push_str(&format!("{} {word}\n", named(&**object)));
    }
    done.missing(&chosen);
    Ok(done.into())
}
