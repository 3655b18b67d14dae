//! The scheduler: round robin over the nodes that a pod may be bound to.

use crate::object::node::Taint;
use crate::object::pod::{Condition, Toleration};
use crate::object::{Kind, Node, Pod};
use crate::selector::covers;
use crate::store::Store;

/// Binds the pods that are bound to no node. `next` is the node that is tried first, and moves on with each pod.
pub fn sync(store: &mut Store, next: &mut usize) {
    let waiting: Vec<Pod> =
        store.list::<Pod>(None).filter(|pod| Kind::node(*pod).is_none() && !pod.metadata.is_going()).cloned().collect();
    if waiting.is_empty() {
        return;
    }
    let nodes: Vec<Node> = store.list(None).cloned().collect();
    let now = store.now();
    for pod in waiting {
        let fits = |node: &&Node| {
            let free = node.is_ready() || pod.is_on_host_network();
            free && node.spec.unschedulable != Some(true)
                && covers(&pod.spec.node_selector, &node.metadata.labels)
                && node.spec.taints.iter().all(|taint| is_tolerated(taint, &pod.spec.tolerations))
        };
        let count = nodes.len();
        let chosen = (0..count).map(|n| (*next + n) % count).find(|at| fits(&&nodes[*at]));
        let condition = |status: &str, reason: &str, message: String| Condition {
            kind: "PodScheduled".into(),
            status: status.into(),
            reason: reason.into(),
            message,
            last_transition_time: Some(now),
            ..Condition::default()
        };
        store.modify::<Pod>(&pod.metadata.namespace, &pod.metadata.name, |pod| match chosen {
            Some(at) => {
                pod.spec.node_name.clone_from(&nodes[at].metadata.name);
                pod.status.conditions = vec![condition("True", "", String::new())];
                *next = (at + 1) % count;
            }
            None => {
                let message = format!("0/{count} nodes are available");
                if pod.status.conditions.first().is_none_or(|c| c.message != message) {
                    pod.status.conditions = vec![condition("False", "Unschedulable", message)];
                }
            }
        });
    }
}

/// `ToleratesTaint`
fn is_tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    taint.effect == "PreferNoSchedule"
        || tolerations.iter().any(|toleration| {
            let effect = toleration.effect.is_empty() || toleration.effect == taint.effect;
            let key = toleration.key == taint.key || toleration.key.is_empty() && toleration.operator == "Exists";
            effect && key && (toleration.operator == "Exists" || toleration.value == taint.value)
        })
}
