//! What an API server keeps: objects by kind, namespace and name, each change with a revision that watchers go by.
//!
//! The same seed gives the same uids and generated names. Time is told by [`Store::set_now`].

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use hopwise_sim_core::{Rng, Time};

use crate::admission::Services;
use crate::object::{Invalid, Kind, Namespace, Object, Pod, Service, TypeInfo};
use crate::time::Timestamp;

/// Changes that are remembered for watchers. Who is further behind looks at everything again (as etcd's compaction makes it do).
const CHANGES_MAX: usize = 1 << 16;
/// Objects of a cluster, all kinds together: ten times what the benchmark's 1,000 nodes have.
const OBJECTS_MAX: usize = 1 << 18;
/// The characters of generated names: no vowels, so no words (`rand.alphanums` of apimachinery).
const ALPHANUMS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The key of an object: kind (`pods`), namespace (empty if the kind has none), name.
pub type Key = (&'static str, String, String);

/// A change of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The revision it made.
    pub revision: u64,
    /// The object.
    pub key: Key,
    /// The node that the object concerns, if it concerns one.
    pub node: Option<Arc<str>>,
    /// Whether the object is gone.
    pub deleted: bool,
}

/// What `apply` did, in kubectl's word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applied {
    /// It was not there.
    Created,
    /// It was changed.
    Configured,
    /// It was so already.
    Unchanged,
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Applied::Created => "created",
            Applied::Configured => "configured",
            Applied::Unchanged => "unchanged",
        })
    }
}

/// Why the store refuses. Displayed as kubectl prints it, without the file it may come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApiError {
    /// There is no such object: the kind's name and the object's.
    NotFound(String, String),
    /// There is one already.
    AlreadyExists(String, String),
    /// Somebody else changed it meanwhile.
    Conflict(String, String),
    /// It is not allowed, and why.
    Forbidden(String, String, String),
    /// The object is not right: kind, name and why.
    Invalid(&'static str, String, Invalid),
}

impl ApiError {
    /// The text as kubectl prints it when it reads the object from a file.
    pub fn text_for(&self, file: Option<(&str, &str)>) -> String {
        let when = file.map_or(String::new(), |(doing, file)| format!("error when {doing} \"{file}\": "));
        match self {
            ApiError::NotFound(kind, name) => format!("Error from server (NotFound): {when}{kind} {name:?} not found"),
            ApiError::AlreadyExists(kind, name) => {
                format!("Error from server (AlreadyExists): {when}{kind} {name:?} already exists")
            }
            ApiError::Conflict(kind, name) => format!(
                "Error from server (Conflict): {when}Operation cannot be fulfilled on {kind} {name:?}: the object has been modified; \
                 please apply your changes to the latest version and try again"
            ),
            ApiError::Forbidden(kind, name, why) => {
                format!("Error from server (Forbidden): {when}{kind} {name:?} is forbidden: {why}")
            }
            ApiError::Invalid(kind, name, why) => format!("The {kind} {name:?} is invalid: {why}"),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text_for(None))
    }
}

/// Everything that a cluster consists of. Cloning it shares the objects.
#[derive(Clone, Debug)]
pub struct Store {
    objects: BTreeMap<Key, Arc<dyn Object>>,
    revision: u64,
    changes: VecDeque<Change>,
    /// The last change of each kind.
    kinds: BTreeMap<&'static str, u64>,
    /// Addresses and node ports of Services.
    pub services: Services,
    seed: u64,
    drawn: u64,
    now: Time,
}

impl Store {
    /// A store without objects. Uids and generated names derive from `seed`.
    pub fn new(seed: u64) -> Self {
        Store {
            objects: BTreeMap::new(),
            revision: 0,
            changes: VecDeque::new(),
            kinds: BTreeMap::new(),
            services: Services::new(seed),
            seed,
            drawn: 0,
            now: Time::ZERO,
        }
    }

    /// Tells the time, which objects are stamped with.
    pub fn set_now(&mut self, now: Time) {
        self.now = now;
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        Timestamp::of(self.now)
    }

    /// The revision of the last change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The revision of the last change of a kind.
    pub fn revision_of<K: Kind>(&self) -> u64 {
        self.kinds.get(K::TYPE.plural).copied().unwrap_or(0)
    }

    /// The changes after a revision, in their order. `None`: it is too long ago, look at everything.
    pub fn changes_since(&self, revision: u64) -> Option<impl Iterator<Item = &Change>> {
        let oldest = self.changes.front().map_or(self.revision + 1, |change| change.revision);
        let from = self.changes.partition_point(|change| change.revision <= revision);
        (revision + 1 >= oldest).then(|| self.changes.range(from..))
    }

    fn draw(&mut self, purpose: &str) -> Rng {
        self.drawn += 1;
        Rng::stream(self.seed, purpose, self.drawn)
    }

    /// A new uid (a UUID of version 4), of an object or a sandbox.
    pub fn uid(&mut self) -> String {
        let mut rng = self.draw("uid");
        let (high, low) = (rng.next_u64(), rng.next_u64());
        let (high, low) = (high & !0xf000 | 0x4000, low & !(3 << 62) | 2 << 62);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }

    /// The random end of a generated name.
    fn suffix(&mut self) -> String {
        let mut rng = self.draw("name");
        (0..5).map(|_| char::from(ALPHANUMS[rng.below(ALPHANUMS.len() as u32) as usize])).collect()
    }

    fn key(object: &dyn Object) -> Key {
        (object.info().plural, object.meta().namespace.clone(), object.meta().name.clone())
    }

    /// An object.
    pub fn get<K: Kind>(&self, namespace: &str, name: &str) -> Option<&K> {
        self.find(&K::TYPE, namespace, name)?.get()
    }

    /// An object of a kind that is known at run time only.
    pub fn find(&self, info: &TypeInfo, namespace: &str, name: &str) -> Option<&dyn Object> {
        let namespace = if info.namespaced { namespace } else { "" };
        self.objects.get(&(info.plural, namespace.to_owned(), name.to_owned())).map(|object| &**object)
    }

    /// The objects of a kind in order of namespace and name: all, or those of one namespace.
    pub fn list<'a, K: Kind>(&'a self, namespace: Option<&'a str>) -> impl Iterator<Item = &'a K> {
        self.list_any(&K::TYPE, namespace).filter_map(|object| object.get())
    }

    /// The same for a kind that is known at run time only.
    pub fn list_any<'a>(&'a self, info: &TypeInfo, namespace: Option<&'a str>) -> impl Iterator<Item = &'a dyn Object> {
        let namespace = namespace.filter(|_| info.namespaced);
        let plural = info.plural;
        let from = (plural, namespace.unwrap_or_default().to_owned(), String::new());
        let range = self.objects.range(from..);
        let mine = range.take_while(move |(key, _)| key.0 == plural && namespace.is_none_or(|ns| key.1 == ns));
        mine.map(|(_, object)| &**object)
    }

    /// Adds an object, after filling in what an API server would.
    ///
    /// # Errors
    /// If it exists, its namespace does not, or it is not right.
    pub fn create(&mut self, mut object: Box<dyn Object>) -> Result<Arc<dyn Object>, ApiError> {
        let info = object.info();
        self.settle(&mut *object)?;
        if object.meta().name.is_empty() && !object.meta().generate_name.is_empty() {
            let name = format!("{}{}", object.meta().generate_name, self.suffix());
            object.meta_mut().name = name;
        }
        let name = object.meta().name.clone();
        check_name(info, &name)?;
        if self.objects.contains_key(&Self::key(&*object)) {
            return Err(ApiError::AlreadyExists(info.resources(), name));
        }
        if self.objects.len() >= OBJECTS_MAX {
            let why = format!("exceeded quota: a cluster has at most {OBJECTS_MAX} objects here");
            return Err(ApiError::Forbidden(info.resources(), name, why));
        }
        object.admit().map_err(|why| ApiError::Invalid(info.kind, name.clone(), why))?;
        if let Some(service) = object.get_mut::<Service>() {
            self.services.assign(service).map_err(|why| ApiError::Invalid(info.kind, name, why))?;
        }
        let uid = self.uid();
        let now = self.now();
        let meta = object.meta_mut();
        meta.uid = uid;
        meta.creation_timestamp = Some(now);
        // Objects of the core group have no generation.
        meta.generation = meta.generation.or(Some(1)).filter(|_| !info.group().is_empty());
        Ok(self.put(object))
    }

    /// The namespace of an object: `default` if it names none, which must exist.
    fn settle(&self, object: &mut dyn Object) -> Result<(), ApiError> {
        let namespaced = object.info().namespaced;
        let meta = object.meta_mut();
        if !namespaced {
            meta.namespace.clear();
            return Ok(());
        }
        if meta.namespace.is_empty() {
            meta.namespace = "default".into();
        }
        match self.get::<Namespace>("", &meta.namespace) {
            Some(_) => Ok(()),
            None => Err(ApiError::NotFound("namespaces".into(), meta.namespace.clone())),
        }
    }

    /// Writes an object and notes the change.
    fn put(&mut self, mut object: Box<dyn Object>) -> Arc<dyn Object> {
        self.revision += 1;
        object.meta_mut().resource_version = self.revision.to_string();
        let object: Arc<dyn Object> = Arc::from(object);
        let key = Self::key(&*object);
        self.note(key.clone(), object.node().map(Arc::from), false);
        self.objects.insert(key, object.clone());
        object
    }

    fn note(&mut self, key: Key, node: Option<Arc<str>>, deleted: bool) {
        self.kinds.insert(key.0, self.revision);
        if self.changes.len() == CHANGES_MAX {
            self.changes.pop_front();
        }
        self.changes.push_back(Change { revision: self.revision, key, node, deleted });
    }

    /// Replaces an object. What the server manages (uid, creation) stays; an object that is the same makes no change.
    ///
    /// # Errors
    /// If it is not there, was changed since `resourceVersion`, or is not right.
    pub fn update(&mut self, mut object: Box<dyn Object>) -> Result<Arc<dyn Object>, ApiError> {
        let info = object.info();
        self.settle(&mut *object)?;
        let name = object.meta().name.clone();
        let Some(old) = self.objects.get(&Self::key(&*object)).cloned() else {
            return Err(ApiError::NotFound(info.resources(), name));
        };
        let version = &object.meta().resource_version;
        if !version.is_empty() && *version != old.meta().resource_version {
            return Err(ApiError::Conflict(info.resources(), name));
        }
        object.admit().map_err(|why| ApiError::Invalid(info.kind, name.clone(), why))?;
        if let (Some(service), Some(before)) = (object.get_mut::<Service>(), old.get::<Service>()) {
            self.services.reassign(service, before).map_err(|why| ApiError::Invalid(info.kind, name, why))?;
        }
        let changed = object.spec_differs(&*old);
        let meta = object.meta_mut();
        meta.resource_version.clone_from(&old.meta().resource_version);
        meta.uid.clone_from(&old.meta().uid);
        meta.creation_timestamp = old.meta().creation_timestamp;
        meta.deletion_timestamp = old.meta().deletion_timestamp;
        meta.generation = old.meta().generation.map(|n| n + u64::from(changed));
        if object.same(&*old) {
            return Ok(old);
        }
        Ok(self.put(object))
    }

    /// Changes an object in place; nothing happens if it is not there, or is the same afterwards. For controllers: what they write is
    /// not checked again. Gives whether it changed.
    pub fn modify<K: Kind>(&mut self, namespace: &str, name: &str, change: impl FnOnce(&mut K)) -> bool {
        let Some(old) = self.get::<K>(namespace, name) else { return false };
        let mut new = old.clone();
        change(&mut new);
        if new == *old {
            return false;
        }
        if new.spec_differs(old) {
            let meta = Kind::meta_mut(&mut new);
            meta.generation = meta.generation.map(|n| n + 1);
        }
        self.put(Box::new(new));
        true
    }

    /// Creates an object or makes it what a manifest says (`kubectl apply`).
    ///
    /// # Errors
    /// As [`Store::create`] and [`Store::update`].
    pub fn apply(&mut self, mut object: Box<dyn Object>) -> Result<(Applied, Arc<dyn Object>), ApiError> {
        self.settle(&mut *object)?;
        let Some(old) = self.objects.get(&Self::key(&*object)).cloned() else {
            return self.create(object).map(|object| (Applied::Created, object));
        };
        let object = crate::admission::merge(&*old, object);
        let new = self.update(object)?;
        let what = if Arc::ptr_eq(&old, &new) { Applied::Unchanged } else { Applied::Configured };
        Ok((what, new))
    }

    /// Makes an object what a manifest says, and nothing else (`kubectl replace`).
    ///
    /// # Errors
    /// As [`Store::update`].
    pub fn replace(&mut self, mut object: Box<dyn Object>) -> Result<Arc<dyn Object>, ApiError> {
        self.settle(&mut *object)?;
        match self.objects.get(&Self::key(&*object)).cloned() {
            Some(old) => self.update(crate::admission::keep(&*old, object)),
            None => self.update(object),
        }
    }

    /// Asks an object to go. A pod that is bound to a node goes when its kubelet has ended it, everything else at once; what belongs
    /// to it follows.
    ///
    /// # Errors
    /// If it is not there, or has to stay.
    pub fn delete(&mut self, info: &TypeInfo, namespace: &str, name: &str) -> Result<(), ApiError> {
        let Some(object) = self.find(info, namespace, name) else {
            return Err(ApiError::NotFound(info.resources(), name.to_owned()));
        };
        let namespaces = ["default", "kube-system", "kube-public", "kube-node-lease"];
        if info.plural == "namespaces" && namespaces.contains(&name) {
            let why = "this namespace may not be deleted".to_owned();
            return Err(ApiError::Forbidden(info.resources(), name.to_owned(), why));
        }
        if let Some(pod) = object.get::<Pod>().filter(|pod| Kind::node(*pod).is_some()) {
            let (namespace, grace) = (pod.metadata.namespace.clone(), pod.spec.termination_grace_period_seconds);
            let now = self.now();
            self.modify::<Pod>(&namespace, name, |pod| {
                pod.metadata.deletion_timestamp.get_or_insert(now);
                pod.metadata.deletion_grace_period_seconds = grace;
            });
            return Ok(());
        }
        self.remove(info, namespace, name);
        Ok(())
    }

    /// Takes an object away at once, and lets what belongs to it go. Gives whether it was there.
    pub fn remove(&mut self, info: &TypeInfo, namespace: &str, name: &str) -> bool {
        let Some(key) = self.find(info, namespace, name).map(Self::key) else { return false };
        let Some(object) = self.objects.remove(&key) else { return false };
        self.revision += 1;
        self.note(key, object.node().map(Arc::from), true);
        if let Some(service) = object.get::<Service>() {
            self.services.release(service);
        }
        let uid = &object.meta().uid;
        let inside = (object.info().plural == "namespaces").then_some(&*object.meta().name);
        let belongs = |other: &dyn Object| {
            other.meta().owner_references.iter().any(|owner| owner.uid == *uid)
                || inside == Some(&*other.meta().namespace)
        };
        // Pods own nothing, and they are most of what goes.
        if object.info().plural == "pods" {
            return true;
        }
        let orphans: Vec<(&'static TypeInfo, Key)> =
            self.objects.iter().filter(|(_, o)| belongs(&***o)).map(|(k, o)| (o.info(), k.clone())).collect();
        for (info, (_, namespace, name)) in orphans {
            // It may be gone by now, with another owner.
            let _ = self.delete(info, &namespace, &name);
        }
        true
    }
}

/// A name as DNS allows it (`ValidateDNS1123Subdomain`).
fn check_name(info: &'static TypeInfo, name: &str) -> Result<(), ApiError> {
    let invalid = |why: String| Err(ApiError::Invalid(info.kind, name.to_owned(), why));
    if name.is_empty() {
        return invalid("metadata.name: Required value: name or generateName is required".into());
    }
    let label = |label: &str| {
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        ends(label.chars().next())
            && ends(label.chars().last())
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return invalid(format!(
            "metadata.name: Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
             '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        ));
    }
    Ok(())
}
