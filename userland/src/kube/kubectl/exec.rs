//! `kubectl exec` and `logs`: asked of the kubelet of the pod's node.

use hopwise_cluster::Kind;
use hopwise_cluster::object::{Deployment, Pod, Service};
use hopwise_machine::{Read, Step, Sys, Wait};

use super::args::Args;
use super::select::choose;
use super::{Done, Later, Next, store};
use crate::kernel::SimKernel;
use crate::kube::state::{Ask, Piece, Stream};

/// The pod that a word means: its name, `pod/NAME`, or one of those of `deploy/NAME`.
fn pod(sys: &mut Sys<'_, SimKernel>, args: &Args, word: &str) -> Result<Pod, Done> {
    let words = if word.contains('/') { vec![word.to_owned()] } else { vec!["pods".to_owned(), word.to_owned()] };
    let store = store(sys);
    let chosen = choose(store, args, &words)?;
    if let Some(error) = chosen.missing.first() {
        return Err(Done::fail(error.to_string()));
    }
    let Some(object) = chosen.objects().next() else { return Err(Done::fail("error: pod name is required")) };
    if let Some(pod) = object.get::<Pod>() {
        return Ok(pod.clone());
    }
    let selector = object.get::<Deployment>().map(|d| d.spec.selector.clone());
    let selector = selector
        .or_else(|| object.get::<Service>().map(|s| hopwise_cluster::selector::LabelSelector::of(&s.spec.selector)));
    let none = || Done::fail(format!("error: no pods found for {word}"));
    let selector = selector.ok_or_else(none)?;
    let namespace = object.meta().namespace.clone();
    let mut pods = store.list::<Pod>(Some(&namespace)).filter(|pod| selector.matches(&pod.metadata.labels));
    pods.find(|pod| !pod.metadata.is_going()).cloned().ok_or_else(none)
}

/// Which container of a pod is meant, and what is said about it.
fn container(args: &Args, pod: &Pod, named: Option<&str>) -> Result<(usize, String), Done> {
    let names: Vec<&str> = pod.spec.containers.iter().map(|c| &*c.name).collect();
    match args.get("container").or(named) {
        Some(wanted) => {
            names.iter().position(|name| *name == wanted).map(|at| (at, String::new())).ok_or_else(|| {
                Done::fail(format!("error: container {wanted} is not valid for pod {}", pod.metadata.name))
            })
        }
        None if names.len() > 1 => {
            Ok((0, format!("Defaulted container {:?} out of: {}\n", names[0], names.join(", "))))
        }
        None => Ok((0, String::new())),
    }
}

pub(super) fn ask(
    sys: &mut Sys<'_, SimKernel>,
    pod: &Pod,
    container: usize,
    ask: Ask,
    has_input: bool,
) -> Result<u64, Done> {
    let node = Kind::node(pod).unwrap_or_default().to_owned();
    let stream = Stream {
        node: node.clone(),
        pod: pod.metadata.uid.clone(),
        container,
        ask,
        owner: sys.pid(),
        input: Vec::new(),
        input_closed: !has_input,
        pieces: Default::default(),
        status: None,
        refused: false,
        taken: false,
    };
    let refused =
        || Done::fail(format!("Error from server: error dialing backend: dial tcp: lookup {node}: no kubelet there"));
    sys.kernel.kube.ask(stream).ok_or_else(refused)
}

/// `kubectl exec POD [-c CONTAINER] -- COMMAND`
pub(super) fn exec(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let Some(word) = args.words.get(1) else {
        return Err(Done::fail("error: pod, type/name or --filename must be specified"));
    };
    let argv = match &args.behind {
        Some(behind) => behind.clone(),
        None => args.words.get(2..).unwrap_or_default().to_vec(),
    };
    if argv.is_empty() {
        return Err(Done::fail("error: you must specify at least one command for the container"));
    }
    let pod = pod(sys, args, word)?;
    if pod.is_over() || Kind::node(&pod).is_none() {
        let (name, phase) = (&pod.metadata.name, &pod.status.phase);
        let why = format!("error: cannot exec into a container in a completed pod; current phase is {phase}");
        let waits = format!("Error from server (BadRequest): pod {name} does not have a host assigned");
        return Err(Done::fail(if pod.is_over() { why } else { waits }));
    }
    let (at, said) = container(args, &pod, None)?;
    let has_input = args.has("stdin");
    let id = ask(sys, &pod, at, Ask::Exec(argv), has_input)?;
    let done = Done { err: said, ..Done::default() };
    Ok(Next::Later(done, Box::new(Streaming { id, has_input, is_exec: true, tail: None })))
}

/// `kubectl logs POD [-c CONTAINER] [--tail=N]`
pub(super) fn logs(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    if args.has("follow") || args.get("filename").is_some() {
        return Err(Done::fail("error: hopwise does not follow logs: ask again"));
    }
    let Some(word) = args.words.get(1) else {
        return Err(Done::fail(
            "error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\nPOD or TYPE/NAME is a required argument for the logs command",
        ));
    };
    let pod = pod(sys, args, word)?;
    let (at, said) = container(args, &pod, args.words.get(2).map(String::as_str))?;
    let (name, spec) = (&pod.metadata.name, &pod.spec.containers[at]);
    let status = pod.status.container_statuses.get(at);
    if let Some(reason) =
        status.and_then(|s| s.said("waiting", "reason")).filter(|_| status.is_some_and(|s| s.restart_count == 0))
    {
        return Err(Done::fail(format!(
            "Error from server (BadRequest): container {:?} in pod {name:?} is waiting to start: {reason}",
            spec.name
        )));
    }
    let tail = args.get("tail").and_then(|n| n.parse().ok());
    let id = ask(sys, &pod, at, Ask::Logs, false)?;
    let done = Done { err: said, ..Done::default() };
    Ok(Next::Later(done, Box::new(Streaming { id, has_input: false, is_exec: false, tail })))
}

/// What comes from the kubelet is printed, what comes in is handed on.
#[derive(Clone)]
struct Streaming {
    id: u64,
    has_input: bool,
    is_exec: bool,
    /// So many lines of the end only.
    tail: Option<usize>,
}

impl Later for Streaming {
    fn go_on(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.has_input {
            self.hand_on(sys);
        }
        let refused = sys.kernel.kube.streams.get(&self.id).is_some_and(|stream| stream.refused);
        match pass_on(sys, self.id, self.tail) {
            None => Step::Block(if self.has_input { Wait::readable(0) } else { Wait::event() }),
            Some(status) => {
                if status != 0 && self.is_exec && !refused {
                    sys.err(&format!("command terminated with exit code {status}\n"));
                }
                Step::Exit(status)
            }
        }
    }
}

/// Prints what has come from a stream. Gives its status if it has ended; it is forgotten then.
pub(super) fn pass_on(sys: &mut Sys<'_, SimKernel>, id: u64, tail: Option<usize>) -> Option<i32> {
    let Some(stream) = sys.kernel.kube.streams.get_mut(&id) else { return Some(1) };
    let (pieces, status) = (core::mem::take(&mut stream.pieces), stream.status);
    for piece in pieces {
        match piece {
            Piece::Out(bytes) => sys.out_bytes(last_lines(&bytes, tail)),
            // A command's own errors are its standard error.
            Piece::Err(bytes) => sys.err(&String::from_utf8_lossy(&bytes)),
        }
    }
    if status.is_some() {
        sys.kernel.kube.streams.remove(&id);
    }
    status
}

impl Streaming {
    fn hand_on(&mut self, sys: &mut Sys<'_, SimKernel>) {
        loop {
            let read = sys.read(0, 65_536);
            let Some(stream) = sys.kernel.kube.streams.get_mut(&self.id) else { return };
            match read {
                Ok(Read::Data(data)) => stream.input.extend(data),
                Ok(Read::WouldBlock) => break,
                Ok(Read::Eof) | Err(_) => {
                    stream.input_closed = true;
                    self.has_input = false;
                    break;
                }
            }
        }
        sys.kernel.kube.poke_kubelet(self.id);
    }
}

fn last_lines(bytes: &[u8], count: Option<usize>) -> &[u8] {
    let Some(count) = count else { return bytes };
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    let skipped: usize = lines.iter().take(lines.len().saturating_sub(count)).map(|line| line.len()).sum();
    bytes.get(skipped..).unwrap_or_default()
}
