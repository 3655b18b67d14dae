//! How a pod is, as the kubelet tells it.

use std::collections::BTreeMap;

use hopwise_cluster::Timestamp;
use hopwise_cluster::object::Pod;
use hopwise_cluster::object::pod::{Condition, ContainerStatus, PodIp, PodStatus};
use hopwise_machine::Sys;
use serde_json::{Value, json};

use super::Worker;
use super::containers::{Running, State};
use crate::kernel::SimKernel;

/// Writes the status of a pod, if it is another one than before.
pub(super) fn tell(sys: &mut Sys<'_, SimKernel>, pod: &Pod, worker: &mut Worker) {
    let again = worker.containers.iter().filter_map(|c| match c.state {
        State::Ended(_, _, again) => again,
        _ => None,
    });
    worker.next = worker.next.into_iter().chain(again).min();
    let node = sys.kernel.kube.store.get::<hopwise_cluster::object::Node>("", &pod.spec.node_name);
    let host = node.and_then(|node| node.ip());
    let now = sys.kernel.store().now();
    let address = worker.sandbox.as_ref().map(|made| made.address);
    let phase = phase(worker);
    let over = matches!(phase, "Succeeded" | "Failed");
    let statuses: Vec<ContainerStatus> = pod
        .spec
        .containers
        .iter()
        .enumerate()
        .map(|(at, spec)| container(spec, worker.containers.get(at), worker))
        .collect();
    let ready = !over && statuses.iter().all(|status| status.ready);
    sys.kernel.store().modify::<Pod>(&worker.namespace, &worker.name, |pod| {
        let old = core::mem::take(&mut pod.status);
        let condition = |kind: &str, is: bool| {
            let status = if is { "True" } else { "False" };
            let same = old.conditions.iter().find(|c| c.kind == kind && c.status == status);
            same.cloned().unwrap_or_else(|| Condition {
                kind: kind.into(),
                status: status.into(),
                reason: match is {
                    true => String::new(),
                    false if over => "PodCompleted".into(),
                    false => "ContainersNotReady".into(),
                },
                last_transition_time: Some(now),
                ..Condition::default()
            })
        };
        let mut conditions: Vec<Condition> =
            [("Initialized", true), ("Ready", ready), ("ContainersReady", ready), ("PodScheduled", true)]
                .map(|(kind, is)| condition(kind, is))
                .into();
        if let Some(why) = &worker.trouble {
            for condition in conditions.iter_mut().filter(|c| c.status == "False") {
                condition.message.clone_from(why);
            }
        }
        pod.status = PodStatus {
            phase: phase.into(),
            conditions,
            host_ip: host,
            pod_ip: address,
            pod_ips: address.map(|ip| PodIp { ip }).into_iter().collect(),
            start_time: old.start_time.or(Some(Timestamp::of(worker.started))),
            container_statuses: statuses,
            reason: String::new(),
            message: String::new(),
            qos_class: old.qos_class,
        };
    });
}

/// `getPhase`
fn phase(worker: &Worker) -> &'static str {
    if worker.sandbox.is_none() || worker.containers.is_empty() {
        return "Pending";
    }
    let done = |container: &Running| match container.state {
        State::Ended(status, _, None) => Some(status),
        _ => None,
    };
    if worker.containers.iter().all(|c| done(c).is_some()) {
        let failed = worker.containers.iter().any(|c| done(c) != Some(0));
        return if failed { "Failed" } else { "Succeeded" };
    }
    let waits = |c: &Running| matches!(c.state, State::New | State::Refused(..)) && c.restarts == 0;
    if worker.containers.iter().any(waits) { "Pending" } else { "Running" }
}

fn container(
    spec: &hopwise_cluster::object::pod::Container,
    container: Option<&Running>,
    worker: &Worker,
) -> ContainerStatus {
    let mut status = ContainerStatus {
        name: spec.name.clone(),
        image: spec.image.clone(),
        started: Some(false),
        ..ContainerStatus::default()
    };
    let creating = || match &worker.trouble {
        Some(why) => json!({"reason": "ContainerCreating", "message": why}),
        None => json!({"reason": "ContainerCreating"}),
    };
    let Some(container) = container else {
        status.state = BTreeMap::from([("waiting".to_owned(), creating())]);
        return status;
    };
    status.container_id = format!("containerd://{}", container.id);
    status.restart_count = container.restarts;
    let at = |time| Value::from(Timestamp::of(time).to_string());
    let ended = |code: i32, time| {
        let reason = if code == 0 { "Completed" } else { "Error" };
        json!({"exitCode": code, "reason": reason, "finishedAt": at(time)})
    };
    let (word, of) = match &container.state {
        State::New => ("waiting", creating()),
        State::Up(_, since) => {
            (status.ready, status.started) = (container.ready, Some(true));
            ("running", json!({"startedAt": at(*since)}))
        }
        State::Ended(code, time, None) => ("terminated", ended(*code, *time)),
        State::Ended(code, time, Some(_)) if container.restarts == 0 => ("terminated", ended(*code, *time)),
        State::Ended(..) => {
            let message = format!("back-off restarting failed container {}", spec.name);
            ("waiting", json!({"reason": "CrashLoopBackOff", "message": message}))
        }
        State::Refused(reason, message) => ("waiting", json!({"reason": reason, "message": message})),
    };
    status.state = BTreeMap::from([(word.to_owned(), of)]);
    if let Some((code, time)) = container.last.filter(|_| word != "terminated") {
        status.last_state = BTreeMap::from([("terminated".to_owned(), ended(code, time))]);
    }
    status
}
