//! The containers of a pod: processes in its sandbox.

use hopwise_cluster::object::Pod;
use hopwise_cluster::object::pod::{Container, EnvVar};
use hopwise_machine::{Errno, ExitStatus, Open, Program, Signal, Spawn, Step, Sys};
use hopwise_sim_core::{Duration, NsId, Time};
use hopwise_stack::socket::tcp::Role;

use super::images::{self, Image};
use super::sandbox::{self, Made};
use crate::kernel::SimKernel;
use crate::kube::tools;

/// The first pause before a container is started again; each one is twice as long as the one before.
const BACKOFF: Duration = Duration::from_secs(10);
/// The longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// Descriptors of a kubelet: those of its streams, of which there are few at a time.
const FDS_MAX: u32 = 256;

/// A container.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) id: String,
    pub(super) state: State,
    pub(super) restarts: u32,
    pub(super) ready: bool,
    /// How its last process ended.
    pub(super) last: Option<(i32, Time)>,
}

/// How a container is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It was never started.
    New,
    /// It runs, as this process, since then.
    Up(u32, Time),
    /// It has ended, with this status. When it is started again, if it is.
    Ended(i32, Time, Option<Time>),
    /// It cannot be started: a word and a sentence.
    Refused(&'static str, String),
}

/// Starts what shall run. Gives when to look again, if nothing happens before.
pub(super) fn keep(sys: &mut Sys<'_, SimKernel>, pod: &Pod, made: &Made, all: &mut Vec<Running>) -> Option<Time> {
    let now = sys.now();
    while all.len() < pod.spec.containers.len() {
        let id = sandbox::long_id(sys);
        all.push(Running { id, state: State::New, restarts: 0, ready: false, last: None });
    }
    let mut next: Option<Time> = None;
    for (spec, container) in pod.spec.containers.iter().zip(all) {
        settle(&pod.spec.restart_policy, container);
        let due = match container.state {
            State::New => true,
            State::Ended(_, _, Some(at)) if at <= now => {
                container.restarts += 1;
                true
            }
            _ => false,
        };
        if due {
            container.state = match start(sys, pod, spec, made) {
                Ok(pid) => State::Up(pid, now),
                Err((reason, message)) => State::Refused(reason, message),
            };
        }
        let again = match container.state {
            State::Up(_, since) => probe(sys, spec, made.ns, since, pod, container),
            State::Ended(_, _, at) => at,
            _ => None,
        };
        next = [next, again].into_iter().flatten().min();
    }
    next
}

/// Whether a container that runs is ready; gives when to ask again. A TCP or HTTP probe asks whether somebody listens at its port.
fn probe(
    sys: &mut Sys<'_, SimKernel>,
    spec: &Container,
    ns: NsId,
    since: Time,
    pod: &Pod,
    container: &mut Running,
) -> Option<Time> {
    let Some(probe) = &spec.readiness_probe else {
        container.ready = true;
        return None;
    };
    let port = probe.tcp_socket.as_ref().or(probe.http_get.as_ref()).and_then(|value| value.get("port"));
    let port = port.and_then(|port| serde_json::from_value(port.clone()).ok());
    let Some(port) = port.and_then(|port| pod.port(&port, Default::default())) else {
        container.ready = true;
        return None;
    };
    let (now, period) = (sys.now(), Duration::from_secs(probe.period_seconds.unwrap_or(10).max(1)));
    let first = since + Duration::from_secs(probe.initial_delay_seconds.unwrap_or(0)) + Duration::from_millis(100);
    if now < first {
        return Some(first);
    }
    let listens = sys.kernel.net.ns(ns).is_some_and(|space| {
        space.sockets.iter().any(|(_, socket)| socket.local.1 == port && matches!(socket.tcp, Role::Listen(_)))
    });
    container.ready = listens;
    Some(now + period)
}

/// Takes note of processes that have ended. Gives whether there were any.
pub(super) fn reap(sys: &mut Sys<'_, SimKernel>, all: &mut [Running]) -> bool {
    let now = sys.now();
    let mut any = false;
    for container in all {
        let State::Up(pid, since) = container.state else { continue };
        let status = match sys.reap(pid) {
            Ok(None) => continue,
            Ok(Some(status)) => status.shell_code(),
            Err(_) => ExitStatus::Signal(Signal::KILL).shell_code(),
        };
        let doubled = 1u32 << container.restarts.min(5);
        // Who ran for ten minutes is forgiven what was before.
        let pause =
            if now.since(since) > Duration::from_secs(600) { BACKOFF } else { (BACKOFF * doubled).min(BACKOFF_MAX) };
        let pause = if container.restarts == 0 { Duration::ZERO } else { pause };
        container.last = Some((status, now));
        container.state = State::Ended(status, now, Some(now + pause));
        container.ready = false;
        any = true;
    }
    any
}

/// Leaves a container that has ended as it is, if its pod does not want it again.
pub(super) fn settle(policy: &str, container: &mut Running) {
    if let State::Ended(status, _, again) = &mut container.state
        && (policy == "Never" || policy == "OnFailure" && *status == 0)
    {
        *again = None;
    }
}

/// Ends all containers: with SIGTERM the first time, with SIGKILL at last. Gives whether none is left.
pub(super) fn end(sys: &mut Sys<'_, SimKernel>, all: &mut [Running], first: bool, last: bool) -> bool {
    reap(sys, all);
    let up = |container: &Running| match container.state {
        State::Up(pid, _) => Some(pid),
        _ => None,
    };
    for pid in all.iter().filter_map(up) {
        let signal = if last { Signal::KILL } else { Signal::TERM };
        if first || last {
            // A process that leads no group yet has not begun; it is told itself.
            if sys.kill_group(pid, Some(signal)).is_err() {
                let _ = sys.kill(pid, Some(signal));
            }
        }
    }
    reap(sys, all);
    all.iter().all(|container| up(container).is_none())
}

/// Why a container cannot be started: a word and a sentence.
type NotStarted = (&'static str, String);

/// The words of a container's command.
fn command(container: &Container) -> Result<(Vec<String>, Option<Image>), NotStarted> {
    let image = images::find(&container.image);
    let mut argv = container.command.clone();
    if argv.is_empty() {
        match &image {
            Some(image) if image.entrypoint.is_empty() && container.args.is_empty() => {
                argv.extend(image.command.iter().map(|word| (*word).to_owned()));
            }
            Some(image) => argv.extend(image.entrypoint.iter().map(|word| (*word).to_owned())),
            None if container.args.is_empty() => {
                let known = images::names().join(", ");
                let image = &container.image;
                return Err((
                    "ErrImagePull",
                    format!(
                        "failed to pull and unpack image {image:?}: hopwise runs no images; give the container a command, or one of the \
                         images whose programs it has: {known}"
                    ),
                ));
            }
            None => {}
        }
    }
    argv.extend(container.args.iter().cloned());
    Ok((argv, image))
}

fn start(
    sys: &mut Sys<'_, SimKernel>,
    pod: &Pod,
    spec: &Container,
    made: &Made,
) -> Result<u32, (&'static str, String)> {
    let (argv, image) = command(spec)?;
    let name = argv.first().cloned().unwrap_or_default();
    let own = images::program(&argv, image.as_ref());
    if own.is_none()
        && let Err(errno) = sys.find_program(&name)
    {
        let why = if errno == Errno::ENOENT { "executable file not found in $PATH" } else { "permission denied" };
        let message = format!(
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to \
             start container process: exec: {name:?}: {why}: unknown"
        );
        return Err(("RunContainerError", message));
    }
    let meta = &pod.metadata;
    let log = log_path(&meta.namespace, &meta.name, &meta.uid, &spec.name);
    let failed = |why: String| ("CreateContainerError", why);
    if sys.stat(&log, true).is_err() {
        tools::write_file(sys, &log, "").map_err(failed)?;
    }
    let fd = sys.open(&log, Open::Append).map_err(|errno| failed(errno.to_string()))?;
    let stub = Stub { ns: made.ns, binds: made.binds.clone(), folder: spec.working_dir.clone(), argv, own };
    let mut spawn = Spawn::fork(Box::new(stub)).fd(1, fd).fd(2, fd).new_group();
    for (name, value) in environment(sys, pod, spec, made) {
        spawn = spawn.env(&name, &value);
    }
    let child = sys.spawn(spawn).map_err(|errno| failed(errno.to_string()));
    sys.close(fd);
    child
}

/// Where the output of a container is kept.
pub(super) fn log_path(namespace: &str, name: &str, uid: &str, container: &str) -> String {
    format!("/var/log/pods/{namespace}_{name}_{uid}/{container}/0.log")
}

pub(super) fn environment(
    sys: &mut Sys<'_, SimKernel>,
    pod: &Pod,
    spec: &Container,
    made: &Made,
) -> Vec<(String, String)> {
    let service = sys.kernel.kube.store.services.nth(1);
    let mut all = vec![
        ("HOSTNAME".to_owned(), sandbox::hostname(sys, pod)),
        ("KUBERNETES_SERVICE_HOST".to_owned(), service.to_string()),
        ("KUBERNETES_SERVICE_PORT".to_owned(), "443".to_owned()),
    ];
    all.extend(spec.env.iter().map(|var| (var.name.clone(), value_of(var, pod, made))));
    all
}

/// The value of a variable.
fn value_of(var: &EnvVar, pod: &Pod, made: &Made) -> String {
    let Some(source) = &var.value_from else { return var.value.clone() };
    match &*source.field_ref.field_path {
        "metadata.name" => pod.metadata.name.clone(),
        "metadata.namespace" => pod.metadata.namespace.clone(),
        "metadata.uid" => pod.metadata.uid.clone(),
        "spec.nodeName" => pod.spec.node_name.clone(),
        "status.podIP" => made.address.to_string(),
        "status.hostIP" => pod.status.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        "spec.serviceAccountName" => pod.spec.service_account_name.clone().unwrap_or_else(|| "default".into()),
        path => {
            // `metadata.labels['KEY']`, `metadata.annotations['KEY']`; nothing else is admitted.
            let of = |map: &str| path.strip_prefix(map)?.strip_prefix("['")?.strip_suffix("']");
            let label = of("metadata.labels").and_then(|key| pod.metadata.labels.get(key));
            let note = || of("metadata.annotations").and_then(|key| pod.metadata.annotations.get(key));
            label.or_else(note).cloned().unwrap_or_default()
        }
    }
}

/// What a container's process is before its own program: it goes into the sandbox (as runc does).
#[derive(Clone)]
pub(super) struct Stub {
    pub(super) ns: NsId,
    pub(super) binds: Vec<(String, String)>,
    pub(super) folder: String,
    pub(super) argv: Vec<String>,
    pub(super) own: Option<Box<dyn Program<SimKernel>>>,
}

impl Program<SimKernel> for Stub {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        sys.set_ns(self.ns);
        // The kubelet's own descriptors.
        for fd in 3..FDS_MAX {
            sys.close(fd);
        }
        for (target, source) in &self.binds {
            sys.bind(target, source);
        }
        let folder = if self.folder.is_empty() { "/" } else { &self.folder };
        if sys.chdir(folder).is_err() {
            // A folder that the image would have had.
            let _ = sys.chdir("/");
        }
        match self.own.take() {
            Some(program) => {
                sys.set_argv(core::mem::take(&mut self.argv));
                sys.become_program(program);
                Step::Again
            }
            None => Step::Exec(core::mem::take(&mut self.argv)),
        }
    }
}
