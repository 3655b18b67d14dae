//! `kubectl label` and `annotate`.

use hopwise_cluster::Object;
use hopwise_cluster::object::Labels;
use hopwise_machine::Sys;

use super::args::Args;
use super::select::choose;
use super::{Done, Next, named, store};
use crate::kernel::SimKernel;

/// Labels or annotations: where they are, and what kubectl calls them.
struct What {
    of: fn(&mut dyn Object) -> &mut Labels,
    noun: &'static str,
    added: &'static str,
    removed: &'static str,
    unchanged: &'static str,
}

const LABELS: What = What {
    of: |object| &mut object.meta_mut().labels,
    noun: "label",
    added: "labeled",
    removed: "unlabeled",
    unchanged: "not labeled",
};

const ANNOTATIONS: What = What {
    of: |object| &mut object.meta_mut().annotations,
    noun: "annotation",
    added: "annotated",
    removed: "annotated",
    unchanged: "annotated",
};

/// `kubectl label KIND NAME KEY=VALUE KEY-`
pub(super) fn label(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    change(sys, args, &LABELS)
}

/// `kubectl annotate KIND NAME KEY=VALUE KEY-`
pub(super) fn annotate(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    change(sys, args, &ANNOTATIONS)
}

fn change(sys: &mut Sys<'_, SimKernel>, args: &Args, what: &What) -> Result<Next, Done> {
    let words = args.words.get(1..).unwrap_or_default();
    let is_change = |word: &&String| word.contains('=') || word.ends_with('-') && word.len() > 1;
    let (changes, mut objects): (Vec<&String>, Vec<&String>) = words.iter().partition(is_change);
    if changes.is_empty() {
        return Err(Done::fail(format!("error: at least one {} update is required", what.noun)));
    }
    if args.has("all") {
        objects.truncate(1);
    }
    let objects: Vec<String> = objects.into_iter().cloned().collect();
    let store = store(sys);
    let chosen = choose(store, args, &objects)?;
    let mut done = Done::default();
    for object in chosen.objects() {
        let mut new: Box<dyn Object> = dyn_clone::clone_box(&**object);
        let word = apply(&mut *new, &changes, args.has("overwrite"), what)?;
        let word = if new.same(&**object) { what.unchanged } else { word };
        match store.update(new) {
            Ok(object) => done.out.push_str(&format!("{} {word}\n", named(&*object))),
            Err(error) => return Err(Done::fail(error.to_string())),
        }
    }
    done.missing(&chosen);
    Ok(done.into())
}

/// Makes the changes. Gives the word for the last of them.
fn apply(object: &mut dyn Object, changes: &[&String], overwrite: bool, what: &What) -> Result<&'static str, Done> {
    let mut word = what.added;
    let map = (what.of)(object);
    for change in changes {
        match change.split_once('=') {
            Some((key, value)) => {
                if let Some(old) = map.get(key).filter(|old| *old != value && !overwrite) {
                    return Err(Done::fail(format!(
                        "error: '{key}' already has a value ({old}), and --overwrite is false"
                    )));
                }
                map.insert(key.to_owned(), value.to_owned());
            }
            None => {
                word = what.removed;
                map.remove(change.trim_end_matches('-'));
            }
        }
    }
    Ok(word)
}
