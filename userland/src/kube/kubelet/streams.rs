//! What `kubectl exec` and `kubectl logs` ask of a kubelet.

use std::collections::BTreeMap;

use hopwise_cluster::object::Pod;
use hopwise_machine::{Read, Spawn, Sys};

use super::Worker;
use super::containers::{self, State, Stub};
use crate::kernel::SimKernel;
use crate::kube::state::{Ask, Piece};
use crate::kube::tools;

/// A command that runs for somebody.
#[derive(Clone)]
pub(super) struct Served {
    /// The stream's number.
    id: u64,
    child: u32,
    /// Our ends of its standard output and standard error, until they are at their end.
    outputs: [Option<u32>; 2],
    /// Our end of its standard input, as long as it may get more.
    input: Option<u32>,
}

impl Served {
    /// What it waits for.
    pub(super) fn readable(&self) -> impl Iterator<Item = u32> {
        self.outputs.iter().flatten().copied()
    }
}

/// Begins what was asked for, and moves bytes.
pub(super) fn serve(
    sys: &mut Sys<'_, SimKernel>,
    node: &str,
    pods: &BTreeMap<String, Worker>,
    served: &mut Vec<Served>,
) {
    for id in sys.kernel.kube.streams_for(node) {
        let Some(stream) = sys.kernel.kube.streams.get(&id) else { continue };
        let (uid, container) = (stream.pod.clone(), stream.container);
        match stream.ask.clone() {
            Ask::Logs => {
                let text = log(sys, pods.get(&uid), &uid, container);
                finish(
                    sys,
                    id,
                    text.as_ref().map_or_else(Vec::new, |text| text.clone().into_bytes()),
                    i32::from(text.is_none()),
                );
            }
            Ask::Exec(argv) => match begin(sys, id, pods.get(&uid), container, argv) {
                Ok(new) => served.push(new),
                Err((status, why)) => {
                    if let Some(stream) = sys.kernel.kube.streams.get_mut(&id) {
                        stream.pieces.push_back(Piece::Err(why.into_bytes()));
                        stream.refused = true;
                    }
                    finish(sys, id, Vec::new(), status);
                }
            },
        }
    }
    served.retain_mut(|one| go_on(sys, one));
}

fn finish(sys: &mut Sys<'_, SimKernel>, id: u64, bytes: Vec<u8>, status: i32) {
    let kube = &mut sys.kernel.kube;
    let Some(stream) = kube.streams.get_mut(&id) else { return };
    if !bytes.is_empty() {
        stream.pieces.push_back(Piece::Out(bytes));
    }
    stream.status = Some(status);
    let owner = stream.owner;
    kube.poke(owner);
}

fn log(sys: &mut Sys<'_, SimKernel>, worker: Option<&Worker>, uid: &str, container: usize) -> Option<String> {
    let worker = worker?;
    let pod = sys.kernel.kube.store.get::<Pod>(&worker.namespace, &worker.name)?;
    let name = pod.spec.containers.get(container)?.name.clone();
    let path = containers::log_path(&worker.namespace, &worker.name, uid, &name);
    Some(tools::read_file(sys, &path))
}

fn begin(
    sys: &mut Sys<'_, SimKernel>,
    id: u64,
    worker: Option<&Worker>,
    container: usize,
    argv: Vec<String>,
) -> Result<Served, (i32, String)> {
    let gone = || (1, "error: unable to upgrade connection: container not found\n".to_owned());
    let worker = worker.ok_or_else(gone)?;
    let made = worker.sandbox.as_ref().ok_or_else(gone)?;
    let running = worker.containers.get(container).filter(|c| matches!(c.state, State::Up(..)));
    let running = running.ok_or_else(gone)?;
    let pod = sys.kernel.kube.store.get::<Pod>(&worker.namespace, &worker.name).cloned().ok_or_else(gone)?;
    let spec = pod.spec.containers.get(container).ok_or_else(gone)?;
    let name = argv.first().cloned().unwrap_or_default();
    if sys.find_program(&name).is_err() {
        let id = &running.id;
        let why = format!(
            "error: Internal error occurred: error executing command in container: failed to exec in container: failed to start exec \
             {id:?}: OCI runtime exec failed: exec failed: unable to start container process: exec: {name:?}: executable file not found \
             in $PATH: unknown\n"
        );
        return Err((1, why));
    }
    let stub = Stub { ns: made.ns, binds: made.binds.clone(), folder: spec.working_dir.clone(), argv, own: None };
    let (out, out_end) = sys.pipe();
    let (err, err_end) = sys.pipe();
    let (in_end, input) = sys.pipe();
    let mut spawn = Spawn::fork(Box::new(stub)).fd(0, in_end).fd(1, out_end).fd(2, err_end).new_group();
    // The child must not hold our ends, nor those of others, or no pipe would ever end.
    for fd in [out, err, input, out_end, err_end, in_end] {
        spawn = spawn.without_fd(fd);
    }
    for (name, value) in containers::environment(sys, &pod, spec, made) {
        spawn = spawn.env(&name, &value);
    }
    let child = sys.spawn(spawn);
    for fd in [out_end, err_end, in_end] {
        sys.close(fd);
    }
    match child {
        Ok(child) => Ok(Served { id, child, outputs: [Some(out), Some(err)], input: Some(input) }),
        Err(errno) => {
            [out, err, input].into_iter().for_each(|fd| sys.close(fd));
            Err((1, format!("error: {errno}\n")))
        }
    }
}

/// Moves what there is to be moved. Gives whether the command still runs.
fn go_on(sys: &mut Sys<'_, SimKernel>, one: &mut Served) -> bool {
    if let Some(fd) = one.input {
        let kube = &mut sys.kernel.kube;
        let stream = kube.streams.get_mut(&one.id);
        let (bytes, closed) = stream.map_or((Vec::new(), true), |s| (core::mem::take(&mut s.input), s.input_closed));
        if !bytes.is_empty() {
            // A command that does not read is no reason to end it.
            let _ = sys.write(fd, &bytes);
        }
        if closed {
            sys.close(fd);
            one.input = None;
        }
    }
    let mut moved = false;
    for (at, slot) in one.outputs.iter_mut().enumerate() {
        while let Some(fd) = *slot {
            match sys.read(fd, 65_536) {
                Ok(Read::Data(bytes)) => {
                    moved = true;
                    if let Some(stream) = sys.kernel.kube.streams.get_mut(&one.id) {
                        stream.pieces.push_back(if at == 0 { Piece::Out(bytes) } else { Piece::Err(bytes) });
                    }
                }
                Ok(Read::WouldBlock) => break,
                Ok(Read::Eof) | Err(_) => {
                    sys.close(fd);
                    *slot = None;
                }
            }
        }
    }
    let owner = sys.kernel.kube.streams.get(&one.id).map(|stream| stream.owner);
    if moved && let Some(owner) = owner {
        sys.kernel.kube.poke(owner);
    }
    if one.outputs.iter().any(Option::is_some) && sys.ns_of(one.child).is_some() {
        return true;
    }
    match sys.reap(one.child) {
        Ok(None) => true,
        ended => {
            let status = ended.ok().flatten().map_or(137, |status| status.shell_code());
            one.outputs.iter().flatten().chain(&one.input).for_each(|fd| sys.close(*fd));
            finish(sys, one.id, Vec::new(), status);
            false
        }
    }
}
