//! What becomes of pods whose node is not there (`podgc`, `gcOrphaned`).

use std::collections::{BTreeMap, BTreeSet};

use hopwise_sim_core::{Duration, Time};

use crate::object::{Kind, Node, Pod};
use crate::store::Store;

/// How long a node has to be gone before its pods go (`quarantineTime`).
pub const QUARANTINE: Duration = Duration::from_secs(40);

/// The controller's memory.
#[derive(Clone, Default, Debug)]
pub struct PodGc {
    /// The revision up to which the store was looked at; `None`: not at all.
    seen: Option<u64>,
    /// Nodes that pods are bound to and that are not there, with when their pods go.
    gone: BTreeMap<String, Time>,
}

impl PodGc {
    /// Takes away the pods of nodes that have been gone for long enough: nobody is left who would end them. Gives when to look again.
    pub fn sync(&mut self, store: &mut Store, now: Time) -> Option<Time> {
        for name in self.suspects(store) {
            self.gone.entry(name).or_insert(now + QUARANTINE);
        }
        self.seen = Some(store.revision());
        self.gone.retain(|name, _| store.get::<Node>("", name).is_none());
        let due: Vec<String> = self.gone.iter().filter(|(_, at)| **at <= now).map(|(name, _)| name.clone()).collect();
        if !due.is_empty() {
            let of = |pod: &&Pod| Kind::node(*pod).is_some_and(|node| due.iter().any(|name| name == node));
            let pods = store.list::<Pod>(None).filter(of).map(|pod| pod.metadata.clone());
            for meta in pods.collect::<Vec<_>>() {
                store.remove(&Pod::TYPE, &meta.namespace, &meta.name);
            }
            self.gone.retain(|name, _| !due.contains(name));
        }
        self.gone.values().min().copied()
    }

    /// The nodes that may be missing, as far as something about them is new.
    fn suspects(&self, store: &Store) -> BTreeSet<String> {
        match self.seen.and_then(|seen| store.changes_since(seen)) {
            None => store.list::<Pod>(None).filter_map(Kind::node).map(str::to_owned).collect(),
            Some(changes) => {
                let is_new =
                    |kind: &str, deleted| kind == Node::TYPE.plural && deleted || kind == Pod::TYPE.plural && !deleted;
                let new = changes.filter(|change| is_new(change.key.0, change.deleted));
                new.filter_map(|change| change.node.as_deref()).map(str::to_owned).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::pod::Container;
    use crate::object::{Namespace, ObjectMeta};

    fn pod(store: &mut Store, name: &str, node: &str) {
        let mut pod = Pod { metadata: ObjectMeta::named("default", name), ..Pod::default() };
        pod.spec.node_name = node.into();
        pod.spec.containers = vec![Container { name: "c".into(), image: "busybox".into(), ..Container::default() }];
        store.create(Box::new(pod)).unwrap();
    }

    fn node(store: &mut Store, name: &str) {
        store.create(Box::new(Node { metadata: ObjectMeta::named("", name), ..Node::default() })).unwrap();
    }

    fn names(store: &Store) -> Vec<&str> {
        store.list::<Pod>(None).map(|pod| &*pod.metadata.name).collect()
    }

    #[test]
    fn pods_go_forty_seconds_after_their_node() {
        let mut store = Store::new(1);
        let default = ObjectMeta::named("", "default");
        store.create(Box::new(Namespace { metadata: default, ..Namespace::default() })).unwrap();
        ["a", "b"].iter().for_each(|name| node(&mut store, name));
        [("p", "a"), ("q", "b"), ("r", "")].iter().for_each(|(name, node)| pod(&mut store, name, node));
        let (mut gc, at) = (PodGc::default(), |secs| Time::ZERO + Duration::from_secs(secs));
        assert_eq!(gc.sync(&mut store, at(1)), None);
        store.delete(&Node::TYPE, "", "b").unwrap();
        assert_eq!(gc.sync(&mut store, at(10)), Some(at(50)));
        assert_eq!((gc.sync(&mut store, at(49)), names(&store).len()), (Some(at(50)), 3));
        assert_eq!((gc.sync(&mut store, at(50)), names(&store)), (None, vec!["p", "r"]));
        assert_eq!(gc.sync(&mut store, at(51)), None);
        // A node that nobody has ever seen, and one that comes back in time.
        pod(&mut store, "s", "nowhere");
        store.delete(&Node::TYPE, "", "a").unwrap();
        assert_eq!(gc.sync(&mut store, at(60)), Some(at(100)));
        node(&mut store, "a");
        gc.sync(&mut store, at(100));
        assert_eq!(names(&store), ["p", "r"]);
    }
}
