//! `kubectl run -i`: a pod that runs once, what it prints, and with `--rm` its end.

use hopwise_cluster::Kind;
use hopwise_cluster::object::Pod;
use hopwise_machine::{Read, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Time};

use super::args::Args;
use super::{Done, Later, exec, store};
use crate::kernel::SimKernel;
use crate::kube::state::Ask;

/// How often the pod is looked at.
const POLL: Duration = Duration::from_millis(100);
/// `--pod-running-timeout`
const START: Duration = Duration::from_secs(60);

/// What cannot be done is refused before anything is created.
pub(super) fn check(sys: &mut Sys<'_, SimKernel>, args: &Args, words: &[String]) -> Result<(), Done> {
    let instead = "use `kubectl run NAME ... -- sleep infinity`, then `kubectl exec`";
    if args.get("restart") != Some("Never") {
        return Err(Done::fail(format!(
            "error: hopwise attaches only to a pod that runs once: add --restart=Never, or {instead}"
        )));
    }
    if words.is_empty() {
        return Err(Done::fail(format!("error: hopwise attaches only to a pod with a command of its own: {instead}")));
    }
    if matches!(sys.read(0, 1), Ok(Read::Data(data)) if !data.is_empty()) {
        return Err(Done::fail(format!("error: hopwise hands no standard input to a new pod: {instead}")));
    }
    Ok(())
}

/// Waits for the pod of that name.
pub(super) fn follow(args: &Args, name: &str) -> Box<dyn Later> {
    Box::new(Attached {
        namespace: args.namespace(),
        name: name.to_owned(),
        remove: args.has("rm"),
        quiet: args.has("quiet"),
        deadline: None,
        stream: None,
        status: None,
    })
}

#[derive(Clone)]
struct Attached {
    namespace: String,
    name: String,
    remove: bool,
    quiet: bool,
    /// Until when it has to run.
    deadline: Option<Time>,
    /// The stream of what it has printed.
    stream: Option<u64>,
    /// How it ended.
    status: Option<i32>,
}

impl Later for Attached {
    fn go_on(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(status) = self.status {
            // Its object goes when its kubelet has ended it.
            let is_there = store(sys).get::<Pod>(&self.namespace, &self.name).is_some();
            return if self.remove && is_there {
                Step::Block(Wait::until(sys.now() + POLL))
            } else {
                Step::Exit(status)
            };
        }
        let Some(pod) = store(sys).get::<Pod>(&self.namespace, &self.name).cloned() else {
            let name = &self.name;
            sys.err(&format!("Error from server (NotFound): pods {name:?} not found\n"));
            return Step::Exit(1);
        };
        match self.stream {
            None if pod.is_over() => match exec::ask(sys, &pod, 0, Ask::Logs, false) {
                Ok(stream) => self.stream = Some(stream),
                Err(done) => return super::print(sys, &done),
            },
            None => {
                let now = sys.now();
                let deadline = *self.deadline.get_or_insert(now + START);
                if pod.status.phase != "Running" && now >= deadline {
                    sys.err("error: timed out waiting for the condition\n");
                    return Step::Exit(1);
                }
                return Step::Block(Wait::until(now + POLL));
            }
            Some(stream) => {
                let ended = exec::pass_on(sys, stream, None);
                if ended.is_some() {
                    return self.end(sys, &pod);
                }
            }
        }
        Step::Block(Wait::event())
    }
}

impl Attached {
    fn end(&mut self, sys: &mut Sys<'_, SimKernel>, pod: &Pod) -> Step {
        let code =
            pod.status.container_statuses.first().and_then(|c| c.state.get("terminated")?.get("exitCode")?.as_i64());
        let status = code.map_or(1, |code| code as i32);
        self.status = Some(status);
        if !self.remove {
            return Step::Exit(status);
        }
        let name = &self.name;
        if store(sys).delete(&Pod::TYPE, &self.namespace, name).is_ok() && !self.quiet {
            sys.out(&format!("pod {name:?} deleted\n"));
        }
        Step::Block(Wait::until(sys.now() + POLL))
    }
}
