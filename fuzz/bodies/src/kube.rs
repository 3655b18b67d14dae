//! Manifests of Kubernetes: whatever is in them is read or refused; what is read prints, as YAML and as JSON, and its print reads as the
//! same; what the store keeps of it is shown, and controllers and kube-proxy make of it what they can, and nothing more the second time.

use std::collections::BTreeSet;

use hopwise_cluster::controllers::pod_gc::PodGc;
use hopwise_cluster::controllers::{deployment, endpoints, node_ipam, replica_set, scheduler};
use hopwise_cluster::object::decode::manifests;
use hopwise_cluster::object::registry::KINDS;
use hopwise_cluster::object::{Namespace, Node};
use hopwise_cluster::print::table::{Options, table};
use hopwise_cluster::print::{Show, yaml};
use hopwise_cluster::proxy;
use hopwise_cluster::{Object, ObjectMeta, Store};
use hopwise_sim_core::Time;

/// As long as a manifest may be here.
const MAX: usize = 8192;
/// A Deployment that wants more pods than this is not looked at: they would all be made.
const REPLICAS_MAX: u32 = 20;

/// Takes any bytes.
pub fn run(data: &[u8]) {
    let text = super::text(data, MAX);
    let Ok(found) = manifests(&text) else { return };
    let mut store = Store::new(1);
    for name in ["default", "kube-system"] {
        let metadata = ObjectMeta::named("", name);
        // Two namespaces in an empty store.
        let _ = store.create(Box::new(Namespace { metadata, ..Namespace::default() }));
    }
    for manifest in found {
        there_and_back(&*manifest.object);
        let replicas = manifest.object.json().pointer("/spec/replicas").and_then(|n| n.as_u64()).unwrap_or(1);
        if replicas <= u64::from(REPLICAS_MAX) {
            // What is refused is refused.
            let _ = store.apply(manifest.object);
        }
    }
    let mut next = 0;
    for _ in 0..8 {
        step(&mut store, &mut next);
    }
    let revision = store.revision();
    step(&mut store, &mut next);
    assert_eq!(store.revision(), revision, "controllers come to rest");
    show(&store);
    rules(&store);
}

fn there_and_back(object: &dyn Object) {
    for text in [yaml::yaml(&object.json()), yaml::json(&object.json())] {
        let again = manifests(&text).map(|mut all| all.pop());
        let again = again.ok().flatten().unwrap_or_else(|| panic!("the print is not read: {text}"));
        // What is kept as it is (`resources`, `volumes`) loses its empty fields in print, as Go's `omitempty` has it.
        assert_eq!(again.object.json(), object.json(), "the print reads as another object: {text}");
    }
}

fn step(store: &mut Store, next: &mut usize) {
    if let Ok(pods) = "10.244.0.0/16".parse() {
        node_ipam::sync(store, pods, 24);
    }
    deployment::sync(store);
    replica_set::sync(store);
    endpoints::sync(store);
    scheduler::sync(store, next);
    PodGc::default().sync(store, Time::ZERO);
}

fn show(store: &Store) {
    let printer = Show::new(store);
    for row in KINDS {
        let objects: Vec<&dyn Object> = store.list_any(row.info, None).collect();
        let options = Options { wide: true, namespaces: true, labels: true, kinds: true, ..Options::default() };
        let _ = table(row, &objects, options, &printer);
        objects.iter().for_each(|object| drop(object.describe(&printer)));
    }
}

fn rules(store: &Store) {
    let nodes: Vec<&str> = store.list::<Node>(None).map(|node| &*node.metadata.name).collect();
    for node in nodes.into_iter().chain(["none"]) {
        let ports = proxy::ports(store, node);
        let written = proxy::write(&ports, None, &BTreeSet::new());
        let again = proxy::write(&ports, None, &written.chains);
        assert_eq!(written, again, "what is there already changes nothing");
    }
}
