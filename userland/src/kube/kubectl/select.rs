//! Which objects a command means: `pods`, `pod web`, `pod/web svc/web`, `pods,svc -l app=web`, `all`.

use std::sync::Arc;

use hopwise_cluster::object::registry::{self, Row};
use hopwise_cluster::selector::LabelSelector;
use hopwise_cluster::store::ApiError;
use hopwise_cluster::{Object, Store};

use super::Done;
use super::args::Args;

/// A kind, and objects of it.
pub(super) struct Group {
    pub(super) row: &'static Row,
    pub(super) objects: Vec<Arc<dyn Object>>,
    /// Whether they were named one by one.
    pub(super) by_name: bool,
}

/// What the words mean, and what of it is not there.
pub(super) struct Chosen {
    pub(super) groups: Vec<Group>,
    pub(super) missing: Vec<ApiError>,
}

impl Chosen {
    /// The objects of all kinds.
    pub(super) fn objects(&self) -> impl Iterator<Item = &Arc<dyn Object>> {
        self.groups.iter().flat_map(|group| &group.objects)
    }

    /// Whether nothing was found, though nothing was asked for by name.
    pub(super) fn is_empty(&self) -> bool {
        self.objects().next().is_none()
    }
}

/// The kind of a word.
pub(super) fn kind(word: &str) -> Result<&'static Row, Done> {
    registry::of_word(word)
        .ok_or_else(|| Done::fail(format!("error: the server doesn't have a resource type {word:?}")))
}

/// Finds the objects that words mean.
pub(super) fn choose(store: &Store, args: &Args, words: &[String]) -> Result<Chosen, Done> {
    let selector = args.get("selector").map(LabelSelector::parse).transpose();
    let selector = selector.map_err(|why| Done::fail(format!("error: {why}")))?;
    let scope = args.scope();
    let mut chosen = Chosen { groups: Vec::new(), missing: Vec::new() };
    let Some(first) = words.first() else {
        return Err(Done::fail(
            "error: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples",
        ));
    };
    if first.contains('/') {
        for word in words {
            let Some((kind_word, name)) = word.split_once('/') else {
                return Err(Done::fail(
                    "error: there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
                ));
            };
            let row = kind(kind_word)?;
            by_name(store, args, row, name, &mut chosen);
        }
        return Ok(chosen);
    }
    let kinds: Vec<&str> =
        first.split(',').flat_map(|word| if word == "all" { registry::ALL.to_vec() } else { vec![word] }).collect();
    for word in kinds {
        let row = kind(word)?;
        if let [_, names @ ..] = words
            && !names.is_empty()
        {
            names.iter().for_each(|name| by_name(store, args, row, name, &mut chosen));
            continue;
        }
        let all = store.list_any(row.info, scope.as_deref());
        let mine = all.filter(|object| selector.as_ref().is_none_or(|s| s.matches(&object.meta().labels)));
        let objects = mine.map(|object| Arc::from(dyn_clone::clone_box(object))).collect();
        chosen.groups.push(Group { row, objects, by_name: false });
    }
    Ok(chosen)
}

fn by_name(store: &Store, args: &Args, row: &'static Row, name: &str, chosen: &mut Chosen) {
    match store.find(row.info, &args.namespace(), name) {
        Some(object) => {
            let object: Arc<dyn Object> = Arc::from(dyn_clone::clone_box(object));
            match chosen.groups.iter_mut().find(|group| group.row.info == row.info) {
                Some(group) => group.objects.push(object),
                None => chosen.groups.push(Group { row, objects: vec![object], by_name: true }),
            }
        }
        None => chosen.missing.push(ApiError::NotFound(row.info.resources(), name.to_owned())),
    }
}
