//! Manifests of a cluster with Calico: whatever is in them is read or refused, and what the store keeps becomes rules, sets, routes and
//! a configuration of BIRD. Selectors: what is read prints, and its print reads as the same.

use hopwise_cluster::calico::felix::{Tables, render, sets};
use hopwise_cluster::calico::from;
use hopwise_cluster::calico::selector::Selector;
use hopwise_cluster::object::decode::manifests;
use hopwise_cluster::object::{Namespace, Node};
use hopwise_cluster::{ObjectMeta, Store};

/// As long as a manifest may be here.
const MAX: usize = 8192;

/// Takes any bytes.
pub fn run(data: &[u8]) {
    let text = super::text(data, MAX);
    if let Ok(selector) = Selector::parse(&text) {
        assert_eq!(Selector::parse(&selector.to_string()), Ok(selector), "a selector's print means the same");
    }
    let Ok(found) = manifests(&text) else { return };
    let mut store = Store::new(1);
    let default = Namespace { metadata: ObjectMeta::named("", "default"), ..Namespace::default() };
    // What is refused is refused; the rest is looked at together.
    let _ = store.create(Box::new(default));
    for manifest in found {
        let _ = store.apply(manifest.object);
    }
    let nodes: Vec<String> = store.list::<Node>(None).map(|node| node.metadata.name.clone()).collect();
    for node in nodes.iter().map(String::as_str).chain(["none"]) {
        let (rules, wanted) = render(&from::rules(&store, node).0);
        assert_eq!(rules.update(&rules), "", "what is there already changes nothing");
        let (_, _) = (rules.update(&Tables::default()), sets::update(&wanted, &[]));
        if let Some(view) = from::bird(&store, node) {
            let _ = view.files();
        }
        if let Some(view) = from::routes(&store, node, "eth0") {
            let _ = (view.routes(), view.vteps());
        }
    }
}
