//! `kubectl wait`, `rollout status`, and what `delete` waits for.

use hopwise_cluster::object::{Deployment, Node, Pod};
use hopwise_cluster::print::jsonpath;
use hopwise_cluster::{Object, TypeInfo};
use hopwise_machine::{Step, Sys, Wait};
use hopwise_sim_core::{Duration, Time};

use super::args::Args;
use super::select::choose;
use super::{Done, Later, Next, store};
use crate::kernel::SimKernel;

/// How often the objects are looked at.
const POLL: Duration = Duration::from_millis(100);

/// Waits until objects are gone.
#[derive(Clone)]
pub(super) struct Gone {
    pub(super) gone: Vec<(&'static TypeInfo, String, String)>,
    pub(super) status: i32,
    /// What is said then.
    pub(super) after: String,
}

impl Later for Gone {
    fn go_on(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let store = store(sys);
        let is_there = |(info, ns, name): &(&'static TypeInfo, String, String)| {
            // Another one of the same name is not the one that goes.
            store.find(info, ns, name).is_some_and(|object| object.meta().is_going())
        };
        if self.gone.iter().any(is_there) {
            Step::Block(Wait::until(sys.now() + POLL))
        } else {
            sys.out(&self.after);
            Step::Exit(self.status)
        }
    }
}

/// What is waited for.
#[derive(Clone)]
enum For {
    Condition(String, String),
    /// A value at a path.
    Path(String, String),
    Delete,
}

/// `kubectl wait --for=condition=Ready pod/web --timeout=30s`
pub(super) fn wait(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let what = match args.get("for") {
        Some("delete") => For::Delete,
        Some(text) => match text.strip_prefix("condition=") {
            Some(condition) => {
                let (name, status) = condition.split_once('=').unwrap_or((condition, "True"));
                For::Condition(name.to_owned(), status.to_owned())
            }
            None => match text.strip_prefix("jsonpath=") {
                Some(rest) => path(rest)?,
                None => return Err(Done::fail(format!("error: unrecognized condition: {text:?}"))),
            },
        },
        None => return Err(Done::fail("error: required flag(s) \"for\" not set")),
    };
    let timeout = timeout(args)?;
    let chosen = choose(store(sys), args, args.words.get(1..).unwrap_or_default())?;
    if let (Some(error), For::Condition(..) | For::Path(..)) = (chosen.missing.first(), &what) {
        return Err(Done::fail(error.to_string()));
    }
    if chosen.is_empty() && chosen.missing.is_empty() {
        return Err(Done::fail("error: no matching resources found"));
    }
    let objects = chosen.objects().map(|o| (o.info(), o.meta().namespace.clone(), o.meta().name.clone())).collect();
    Ok(Next::Later(Done::default(), Box::new(Waiting { what, objects, deadline: sys.now() + timeout })))
}

/// `jsonpath={.status.phase}=Running`
fn path(text: &str) -> Result<For, Done> {
    let bad = || Done::fail("error: jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3");
    let (path, value) = text.rsplit_once("}=").ok_or_else(bad)?;
    if !path.starts_with('{') || value.is_empty() {
        return Err(bad());
    }
    Ok(For::Path(format!("{path}}}"), value.to_owned()))
}

fn timeout(args: &Args) -> Result<Duration, Done> {
    let text = args.get("timeout").unwrap_or("30s");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "ms" => Some(1),
        "" if number == "0" => Some(1),
        _ => None,
    };
    let millis = factor.and_then(|factor: u64| number.parse::<u64>().ok()?.checked_mul(factor));
    millis.map(Duration::from_millis).ok_or_else(|| {
        Done::fail(format!("error: invalid argument {text:?} for \"--timeout\" flag: time: invalid duration {text:?}"))
    })
}

#[derive(Clone)]
struct Waiting {
    what: For,
    objects: Vec<(&'static TypeInfo, String, String)>,
    deadline: Time,
}

/// Whether a condition of an object is as wanted. Its name is compared without regard to case.
fn holds(object: &dyn Object, name: &str, status: &str) -> bool {
    let conditions = if let Some(pod) = object.get::<Pod>() {
        &pod.status.conditions
    } else if let Some(node) = object.get::<Node>() {
        &node.status.conditions
    } else if let Some(deployment) = object.get::<Deployment>() {
        if deployment.status.observed_generation != deployment.metadata.generation {
            return false;
        }
        &deployment.status.conditions
    } else {
        return false;
    };
    conditions.iter().any(|c| c.kind.eq_ignore_ascii_case(name) && c.status.eq_ignore_ascii_case(status))
}

impl Later for Waiting {
    fn go_on(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let mut text = String::new();
        let store = store(sys);
        self.objects.retain(|(info, namespace, name)| {
            let object = store.find(info, namespace, name);
            let (done, word) = match &self.what {
                For::Delete => (object.is_none(), "condition met"),
                For::Path(path, value) => {
                    let has = object.is_some_and(|object| {
                        let json = object.json();
                        let found = jsonpath::values(path, &json).unwrap_or_default();
                        found.len() == 1 && jsonpath::shown(found[0]) == *value
                    });
                    (has, "condition met")
                }
                For::Condition(condition, status) => {
                    (object.is_some_and(|object| holds(object, condition, status)), "condition met")
                }
            };
            if done {
                text.push_str(&format!("{}/{name} {word}\n", info.resource()));
            }
            !done
        });
        sys.out(&text);
        if self.objects.is_empty() {
            return Step::Exit(0);
        }
        let now = sys.now();
        if now >= self.deadline {
            for (info, _, name) in &self.objects {
                sys.err(&format!("error: timed out waiting for the condition on {}/{name}\n", info.plural));
            }
            return Step::Exit(1);
        }
        Step::Block(Wait::until((now + POLL).min(self.deadline)))
    }
}

/// `kubectl rollout status deployment/web`
pub(super) fn rollout(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let words = args.words.get(1..).unwrap_or_default();
    let rest = match words.split_first().map(|(word, rest)| (&**word, rest)) {
        Some(("status", rest)) => rest,
        Some(("restart", rest)) => return super::patch::restart(sys, args, rest),
        Some(("pause", rest)) => return super::patch::pause(sys, args, rest, true),
        Some(("resume", rest)) => return super::patch::pause(sys, args, rest, false),
        _ => {
            return Err(Done::fail(
                "error: hopwise has `kubectl rollout` status, restart, pause and resume: apply an older manifest",
            ));
        }
    };
    let chosen = choose(store(sys), args, rest)?;
    if let Some(error) = chosen.missing.first() {
        return Err(Done::fail(error.to_string()));
    }
    let Some(object) = chosen.objects().next() else {
        return Err(Done::fail("error: required resource not specified"));
    };
    let meta = object.meta();
    if object.get::<Deployment>().is_none() {
        let kind = object.info().kind;
        return Err(Done::fail(format!("error: no status viewer has been implemented for {kind}")));
    }
    let limit = if args.get("timeout").is_some() { timeout(args)? } else { Duration::from_secs(600) };
    let deadline = sys.now() + limit;
    let later = Rollout { namespace: meta.namespace.clone(), name: meta.name.clone(), told: String::new(), deadline };
    Ok(Next::Later(Done::default(), Box::new(later)))
}

#[derive(Clone)]
struct Rollout {
    namespace: String,
    name: String,
    told: String,
    deadline: Time,
}

impl Later for Rollout {
    fn go_on(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let name = self.name.clone();
        let Some(deployment) = store(sys).get::<Deployment>(&self.namespace, &name) else {
            sys.err("error: object has been deleted\n");
            return Step::Exit(1);
        };
        let status = &deployment.status;
        let (want, count) = (deployment.spec.replicas.unwrap_or(1), |n: Option<u32>| n.unwrap_or(0));
        let (all, updated, available) =
            (count(status.replicas), count(status.updated_replicas), count(status.available_replicas));
        let wait = format!("Waiting for deployment {name:?} ");
        // The order of `DeploymentStatusViewer.Status`.
        let text = if status.observed_generation != deployment.metadata.generation {
            "Waiting for deployment spec update to be observed...\n".to_owned()
        } else if updated < want {
            format!("{wait}rollout to finish: {updated} out of {want} new replicas have been updated...\n")
        } else if all > updated {
            format!("{wait}rollout to finish: {} old replicas are pending termination...\n", all - updated)
        } else if available < updated {
            format!("{wait}rollout to finish: {available} of {updated} updated replicas are available...\n")
        } else {
            sys.out(&format!("deployment {name:?} successfully rolled out\n"));
            return Step::Exit(0);
        };
        if text != self.told {
            sys.out(&text);
            self.told = text;
        }
        if sys.now() >= self.deadline {
            sys.err("error: timed out waiting for the condition\n");
            return Step::Exit(1);
        }
        Step::Block(Wait::until(sys.now() + POLL))
    }
}
