//! `kubectl cordon`, `uncordon`, `drain` and `taint`.

use hopwise_cluster::object::node::Taint;
use hopwise_cluster::object::{Node, Pod};
use hopwise_cluster::{Kind, Object};
use hopwise_machine::Sys;

use super::args::Args;
use super::select::{Chosen, choose};
use super::{Done, Next, named, store, wait};
use crate::kernel::SimKernel;

/// The nodes that words name; without a name those of `-l`.
fn nodes(sys: &mut Sys<'_, SimKernel>, args: &Args, names: &[String], usage: &str) -> Result<Chosen, Done> {
    if names.is_empty() && args.get("selector").is_none() && !args.has("all") {
        return Err(Done::fail(format!("error: USAGE: {usage}")));
    }
    let words: Vec<String> = [&["nodes".to_owned()], names].concat();
    let chosen = choose(store(sys), args, &words)?;
    match chosen.missing.first() {
        Some(error) => Err(Done::fail(error.to_string())),
        None => Ok(chosen),
    }
}

/// `kubectl cordon NODE`
pub(super) fn cordon(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let chosen = nodes(sys, args, args.words.get(1..).unwrap_or_default(), "cordon NODE [flags]")?;
    Ok(mark(sys, &chosen, true).into())
}

/// `kubectl uncordon NODE`
pub(super) fn uncordon(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let chosen = nodes(sys, args, args.words.get(1..).unwrap_or_default(), "uncordon NODE [flags]")?;
    Ok(mark(sys, &chosen, false).into())
}

/// Keeps new pods from nodes, or lets them come.
fn mark(sys: &mut Sys<'_, SimKernel>, chosen: &Chosen, closed: bool) -> Done {
    let mut done = Done::default();
    for object in chosen.objects() {
        let changed = store(sys).modify::<Node>("", &object.meta().name, |node| {
            node.spec.unschedulable = closed.then_some(true);
        });
        let word = match (changed, closed) {
            (true, true) => "cordoned",
            (true, false) => "uncordoned",
            (false, true) => "already cordoned",
            (false, false) => "already uncordoned",
        };
        done.out.push_str(&format!("{} {word}\n", named(&**object)));
    }
    done
}

/// `kubectl drain NODE`: closes the node, and has its pods go.
pub(super) fn drain(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let chosen = nodes(sys, args, args.words.get(1..).unwrap_or_default(), "drain NODE [flags]")?;
    // What is said comes in this order.
    let marked = mark(sys, &chosen, true);
    sys.out(&marked.out);
    let mut done = Done::default();
    let names: Vec<String> = chosen.objects().map(|object| object.meta().name.clone()).collect();
    let on = |pod: &&Pod| Kind::node(*pod).is_some_and(|node| names.iter().any(|name| name == node));
    let pods: Vec<Pod> = store(sys).list::<Pod>(None).filter(on).cloned().collect();
    // Nobody would make them again somewhere else.
    let lone: Vec<String> = pods
        .iter()
        .filter(|pod| pod.metadata.controller().is_none() && !pod.is_over())
        .map(|pod| format!("{}/{}", pod.metadata.namespace, pod.metadata.name))
        .collect();
    if !lone.is_empty() && !args.has("force") {
        let (list, node) = (lone.join(", "), &names.first().cloned().unwrap_or_default());
        let why = format!("cannot delete Pods declare no controller (use --force to override): {list}");
        done.err.push_str(&format!(
            "error: unable to drain node {node:?} due to error:{why}, continuing command...\nThere are pending nodes to be drained:\n \
             {node}\n{why}\n"
        ));
        done.status = 1;
        return Ok(done.into());
    }
    if !lone.is_empty() {
        sys.err(&format!("Warning: deleting Pods that declare no controller: {}\n", lone.join(", ")));
    }
    let mut gone = Vec::new();
    for pod in pods {
        let meta = &pod.metadata;
        done.out.push_str(&format!("evicting pod {}/{}\n", meta.namespace, meta.name));
        if store(sys).delete(&Pod::TYPE, &meta.namespace, &meta.name).is_ok() {
            gone.push((pod.info(), meta.namespace.clone(), meta.name.clone()));
        }
    }
    let mut after: String = gone.iter().map(|(_, _, name)| format!("pod/{name} evicted\n")).collect();
    after.extend(names.iter().map(|name| format!("node/{name} drained\n")));
    Ok(Next::Later(done, Box::new(wait::Gone { gone, status: 0, after })))
}

/// `kubectl taint nodes NODE KEY=VALUE:EFFECT KEY:EFFECT-`
pub(super) fn taint(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let words = args.words.get(1..).unwrap_or_default();
    let Some((kind, rest)) = words.split_first() else {
        return Err(Done::fail("error: at least one resource name must be specified"));
    };
    if !matches!(&**kind, "node" | "nodes" | "no") {
        return Err(Done::fail(format!("error: invalid resource type {kind}, only node(s) is supported")));
    }
    let is_change = |word: &&String| word.contains([':', '=']) || word.ends_with('-');
    let (changes, names): (Vec<&String>, Vec<&String>) = rest.iter().partition(is_change);
    if changes.is_empty() {
        return Err(Done::fail("error: at least one taint update is required"));
    }
    let names: Vec<String> = names.into_iter().cloned().collect();
    let chosen =
        nodes(sys, args, &names, "taint NODE NAME KEY_1=VAL_1:TAINT_EFFECT_1 ... KEY_N=VAL_N:TAINT_EFFECT_N [flags]")?;
    let mut done = Done::default();
    for object in chosen.objects() {
        let Some(node) = object.get::<Node>() else { continue };
        let mut taints = node.spec.taints.clone();
        let mut word = "tainted";
        for change in &changes {
            word = one(&mut taints, change, args.has("overwrite"), &node.metadata.name)?;
        }
        store(sys).modify::<Node>("", &node.metadata.name, |node| node.spec.taints = taints);
        done.out.push_str(&format!("{} {word}\n", named(&**object)));
    }
    Ok(done.into())
}

/// One change of a node's taints. Gives the word for it.
fn one(taints: &mut Vec<Taint>, change: &str, overwrite: bool, node: &str) -> Result<&'static str, Done> {
    let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if let Some(gone) = change.strip_suffix('-') {
        let (key, effect) = gone.split_once(':').map_or((gone, None), |(key, effect)| (key, Some(effect)));
        let key = key.split('=').next().unwrap_or(key);
        let before = taints.len();
        taints.retain(|taint| taint.key != key || effect.is_some_and(|effect| taint.effect != effect));
        if taints.len() == before {
            let what = effect.map_or(key.to_owned(), |effect| format!("{key}:{effect}"));
            return Err(Done::fail(format!("error: taint {what:?} not found")));
        }
        return Ok("untainted");
    }
    let bad = || Done::fail(format!("error: invalid taint spec: {change}"));
    let (what, effect) = change.rsplit_once(':').ok_or_else(bad)?;
    let (key, value) = what.split_once('=').unwrap_or((what, ""));
    if !known.contains(&effect) {
        let words = known.join(", ");
        return Err(Done::fail(format!(
            "error: invalid taint effect: {effect}, unsupported taint effect; known are {words}"
        )));
    }
    if effect == "NoExecute" {
        return Err(Done::fail("error: hopwise does not evict pods by taints: use NoSchedule, and `kubectl drain`"));
    }
    if let Some(old) = taints.iter_mut().find(|taint| taint.key == key && taint.effect == effect) {
        if !overwrite {
            return Err(Done::fail(format!(
                "error: node {node} already has {key} taint(s) with same effect(s) and --overwrite is false"
            )));
        }
        value.clone_into(&mut old.value);
        return Ok("modified");
    }
    taints.push(Taint { key: key.into(), value: value.into(), effect: effect.into(), time_added: None });
    Ok("tainted")
}
