//! Which objects a command means: `pods`, `pod web`, `pod/web svc/web`, `pods,svc -l app=web`, `all`.

use std::sync::Arc;

use hopwise_cluster::object::registry::{self, Row};
use hopwise_cluster::selector::LabelSelector;
use hopwise_cluster::store::ApiError;
use hopwise_cluster::{Object, Store, TypeInfo};

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

    /// Adds an object by its name, or notes that it is not there.
    pub(super) fn add(&mut self, store: &Store, info: &TypeInfo, namespace: &str, name: &str) {
        let Some(row) = registry::KINDS.iter().find(|row| row.info == info) else { return };
        match store.find(info, namespace, name) {
            Some(object) => {
                let object: Arc<dyn Object> = Arc::from(dyn_clone::clone_box(object));
                match self.groups.iter_mut().find(|group| group.row.info == info) {
                    Some(group) => group.objects.push(object),
                    None => self.groups.push(Group { row, objects: vec![object], by_name: true }),
                }
            }
            None => self.missing.push(ApiError::NotFound(info.resources(), name.to_owned())),
        }
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
            "You must specify the type of resource to get. Use \"kubectl api-resources\" for a complete list of supported resources.\n\nerror: Required resource not specified.\nUse \"kubectl explain <resource>\" for a detailed description of that resource (e.g. kubectl explain pods).\nSee 'kubectl get -h' for help and examples",
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
            chosen.add(store, row.info, &args.namespace(), name);
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
            names.iter().for_each(|name| chosen.add(store, row.info, &args.namespace(), name));
            continue;
        }
        let all = store.list_any(row.info, scope.as_deref());
        let mine = all.filter(|object| selector.as_ref().is_none_or(|s| s.matches(&object.meta().labels)));
        let mut objects: Vec<Arc<dyn Object>> = mine.map(|object| Arc::from(dyn_clone::clone_box(object))).collect();
        if let Some(fields) = args.get("field-selector") {
            by_fields(row, fields, &mut objects)?;
        }
        chosen.groups.push(Group { row, objects, by_name: false });
    }
    Ok(chosen)
}

/// Leaves the objects whose fields have these values: `status.phase=Running,spec.nodeName!=node1`.
fn by_fields(row: &Row, text: &str, objects: &mut Vec<Arc<dyn Object>>) -> Result<(), Done> {
    /// Fields that the server can select by (`AddFieldLabelConversionFunc`), besides name and namespace.
    const FIELDS: &[(&str, &[&str])] = &[
        ("pods", &["spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "status.phase", "status.podIP"]),
        ("nodes", &["spec.unschedulable"]),
        ("namespaces", &["status.phase"]),
    ];
    let known = FIELDS.iter().find(|(plural, _)| *plural == row.info.plural).map_or(&[][..], |(_, fields)| fields);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (field, value, equal) = match part.split_once("!=").or_else(|| part.split_once("==")) {
            Some((field, value)) => (field, value, !part.contains("!=")),
            None => {
                let (field, value) = part.split_once('=').ok_or_else(|| {
                    Done::fail(format!("error: invalid field selector: {part:?}; can't understand '{part}'"))
                })?;
                (field, value, true)
            }
        };
        if !["metadata.name", "metadata.namespace"].contains(&field) && !known.contains(&field) {
            let plural = row.info.resources();
            return Err(Done::fail(format!(
                "Error from server (BadRequest): Unable to find {plural:?} that match label selector \"\", field selector {text:?}: field \
                 label not supported: {field}"
            )));
        }
        objects.retain(|object| {
            let json = object.json();
            let found = field.split('.').try_fold(&json, |value, key| value.get(key));
            let has = found.map(hopwise_cluster::print::jsonpath::shown).unwrap_or_default();
            (has == value) == equal
        });
    }
    Ok(())
}
