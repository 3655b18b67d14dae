//! Identities: which labels of a pod count, and the number that a set of them has in the cluster.

use hopwise_cluster::Store;
use hopwise_cluster::object::meta::Labels;
use hopwise_cluster::object::{CiliumIdentity, Kind, Namespace, ObjectMeta, Pod};
use hopwise_stack::path::tc::cilium::maps::identity::FIRST;

use super::draw;
use super::settings::Settings;

/// The largest identity that has a meaning in the whole cluster.
const LAST: u32 = 65_535;

/// Labels that change with each version of a Deployment and would make a new identity each time.
const IGNORED: &[&str] = &["pod-template-hash", "controller-revision-hash", "pod-template-generation"];

/// The labels of a pod as Cilium counts them: its own, its namespace's, its service account, each with its source.
pub(super) fn labels_of(store: &Store, settings: &Settings, namespace: &str, name: &str) -> Labels {
    let mut labels = Labels::new();
    let pod = store.get::<Pod>(namespace, name);
    if let Some(pod) = pod {
        let own = pod.metadata.labels.iter().filter(|(key, _)| !IGNORED.contains(&&***key));
        labels.extend(own.map(|(key, value)| (format!("k8s:{key}"), value.clone())));
    }
    if let Some(space) = store.get::<Namespace>("", namespace) {
        let prefix = "k8s:io.cilium.k8s.namespace.labels.";
        labels.extend(space.meta().labels.iter().map(|(key, value)| (format!("{prefix}{key}"), value.clone())));
    }
    let account = pod.and_then(|pod| pod.spec.service_account_name.clone()).filter(|name| !name.is_empty());
    labels.insert("k8s:io.cilium.k8s.policy.cluster".into(), settings.cluster_name.clone());
    labels.insert("k8s:io.cilium.k8s.policy.serviceaccount".into(), account.unwrap_or_else(|| "default".into()));
    labels.insert("k8s:io.kubernetes.pod.namespace".into(), namespace.to_owned());
    labels
}

/// The number of a set of labels: the one it has, or a new one.
///
/// # Errors
/// If the store refuses, or no number is left.
pub(super) fn allocate(store: &mut Store, settings: &Settings, labels: &Labels) -> Result<u32, String> {
    if let Some(known) = store.list::<CiliumIdentity>(None).find(|identity| identity.security_labels == *labels) {
        return Ok(known.number());
    }
    let text: String = labels.iter().map(|(key, value)| format!("{key}={value};")).collect();
    let span = LAST - FIRST + 1;
    let start = (draw(&text) % u64::from(span)) as u32;
    let numbers = (0..span).map(|n| FIRST + (start + n) % span);
    let taken = |number: &u32| store.get::<CiliumIdentity>("", &number.to_string()).is_some();
    let number = settings.drawn.identities.iter().copied().chain(numbers).find(|number| !taken(number));
    let number = number.ok_or("no identity is left")?;
    let metadata = ObjectMeta { labels: plain(labels), ..ObjectMeta::named("", &number.to_string()) };
    let identity = CiliumIdentity { metadata, security_labels: labels.clone() };
    store.create(Box::new(identity)).map_err(|why| why.to_string())?;
    Ok(number)
}

/// The labels without their source, as selectors of network policies mean them.
pub(super) fn plain(labels: &Labels) -> Labels {
    labels.iter().map(|(key, value)| (key.trim_start_matches("k8s:").to_owned(), value.clone())).collect()
}
