//! Identities: which labels of a pod count, and the number that a set of them has in the cluster.

use hopwise_cluster::Store;
use hopwise_cluster::object::meta::Labels;
use hopwise_cluster::object::{CiliumIdentity, Kind, Namespace, ObjectMeta, Pod};
use hopwise_cluster::time::Timestamp;
use hopwise_machine::MachineId;
use hopwise_sim_core::Time;
use hopwise_stack::path::tc::cilium::maps;
use hopwise_stack::path::tc::cilium::maps::identity::FIRST;

use super::draw;
use super::settings::Settings;
use crate::kernel::SimKernel;

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

/// What an identity that a node has met meant at some time: `reserved:world`, `cidr:192.0.2.0/24`, `app=web in namespace default`.
/// `None`: that is not known any more.
pub fn meaning(kernel: &SimKernel, machine: MachineId, number: u32, at: Time) -> Option<String> {
    if let Some(name) = maps::identity::name(number) {
        return Some(format!("reserved:{name}"));
    }
    let mut ranges = kernel.cilium.get(&machine).into_iter().flat_map(|node| &node.cidr_identities);
    if let Some((range, _)) = ranges.find(|(_, id)| **id == number) {
        return Some(format!("cidr:{range}"));
    }
    let found = kernel.kube.store.get::<CiliumIdentity>("", &number.to_string())?;
    // A number that became free may mean something else by now.
    let made = found.metadata.creation_timestamp?;
    if made > Timestamp::of(at) {
        return None;
    }
    let labels = plain(&found.security_labels);
    let own = labels.iter().filter(|(key, _)| !key.starts_with("io."));
    let own: Vec<String> = own.map(|(key, value)| format!("{key}={value}")).collect();
    let own = if own.is_empty() { "pods without labels".to_owned() } else { own.join(",") };
    let namespace = labels.get("io.kubernetes.pod.namespace").map_or("?", String::as_str);
    Some(format!("{own} in namespace {namespace}"))
}

/// The labels without their source, as selectors of network policies mean them.
pub(super) fn plain(labels: &Labels) -> Labels {
    labels.iter().map(|(key, value)| (key.trim_start_matches("k8s:").to_owned(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_means_nothing_before_it_was_given() {
        let mut kernel = SimKernel::new(1);
        let second = |n| Time::ZERO + hopwise_sim_core::Duration::from_secs(n);
        kernel.net.run_until(second(5));
        let label = |key: &str, value: &str| (format!("k8s:{key}"), value.to_owned());
        let labels: Labels = [label("app", "web"), label("io.kubernetes.pod.namespace", "prod")].into();
        let number = allocate(kernel.store(), &Settings::default(), &labels).unwrap();
        let meaning = |number, at| meaning(&kernel, MachineId(0), number, second(at));
        assert_eq!(meaning(number, 6).as_deref(), Some("app=web in namespace prod"));
        assert_eq!(meaning(number, 4), None);
        assert_eq!(meaning(2, 4).as_deref(), Some("reserved:world"));
        assert_eq!(meaning(77_777, 6), None);
    }
}
